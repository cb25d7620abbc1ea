"""Days and moments as they are typed: ISO 8601, of the years that an energy market can mean."""

from __future__ import annotations

from datetime import UTC, date, datetime

from flows.errors import UsageError
from warehouse.zones import FIRST_DAY, LAST_DAY


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


def _require_meant(option: str, text: str, day: date) -> None:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise UsageError(
            f"{option} {text}: not within {FIRST_DAY} to {LAST_DAY}", hint="Is the year what was meant?"
        )
