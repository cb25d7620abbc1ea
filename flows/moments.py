"""Days and moments as they are typed: ISO 8601, of the years that an energy market can mean."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from flows.clock import now
from flows.errors import UsageError
from warehouse.zones import FIRST_DAY, LAST_DAY

if TYPE_CHECKING:
    from flows.workspace import Workspace


def day_of(option: str, text: str) -> date:
    """The market day typed after an option; raises UsageError for no date or one that cannot be meant."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text}: not a date", hint="Try 2020-07-05.") from None
    _require_meant(option, text, day)
    return day


def moment_of(option: str, text: str) -> datetime:
    """An ISO 8601 date or time as UTC, which it is where it has no offset; raises UsageError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text}: not a time", hint="Try 2020-07-04T14:00Z.") from None
    _require_meant(option, text, moment.date())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def require_come(workspace: Workspace, as_of: datetime) -> None:
    """Refuse to judge as of a moment that has not come: what is received until then would change it.

    A workspace of simulated days (`v2g demo`) has come as far as what is on record there, whatever the clock
    says. Raises UsageError, and the errors of opening a warehouse.
    """
    clock = now()
    if as_of <= clock:
        return
    last = workspace.warehouse.read("raw_source", columns=["received_utc"], last=("received_utc", 1))
    if last.empty or as_of > last["received_utc"].item():
        raise UsageError(
            f"--as-of {as_of:%Y-%m-%dT%H:%MZ} has not come: it is {clock:%Y-%m-%dT%H:%MZ}",
            hint="--date tells which day is meant; without --as-of it is judged by what is known now.",
        )


def _require_meant(option: str, text: str, day: date) -> None:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise UsageError(
            f"{option} {text}: not within {FIRST_DAY} to {LAST_DAY}", hint="Is the year what was meant?"
        )
