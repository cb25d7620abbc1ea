"""Whether a car does what its profile asks for, by what its plug meters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.dispatch.gateway.alerts import Kind
from flows.dispatch.gateway.readings import Reading
from flows.dispatch.gateway.way import LEAST_KW, SHARE

SETTLES = timedelta(seconds=60)
"""So long a car may take to get to a new power."""
_IN_A_ROW = 2
_FULL = 0.97


_LIMITS = frozenset({"SoCLimitReached", "EnergyLimitReached", "TimeLimitReached", "CostLimitReached"})
_ENDS = frozenset({"SOCLimitReached", "EnergyLimitReached", "TimeLimitReached", "ReqEnergyTransferRejected"})


def limit_of(payload: Mapping[str, Any]) -> str | None:
    """What a TransactionEvent says that stops its car, whatever is asked for; None for nothing."""
    trigger, ended = payload.get("triggerReason"), payload["transactionInfo"].get("stoppedReason")
    if ended in _ENDS:
        return f"its session ended: {ended}"
    return f"it stops at a limit of its own: {trigger}" if trigger in _LIMITS else None


class Follower:
    """One running session: what is off twice in a row is reported once, until it follows again."""

    def __init__(self) -> None:
        self._off = 0
        self._stated = False

    def judge(self, asked_kw: float, reading: Reading) -> tuple[Kind, str] | None:
        """What there is to tell of a reading, if anything; asked_kw: for SETTLES, at least, before it."""
        if reading.power_kw is None:
            return None
        kind = _deviation(asked_kw, reading.power_kw, reading.soc)
        self._off = self._off + 1 if kind else 0
        self._stated = self._stated and kind is not None
        if kind is None or self._stated or self._off < _IN_A_ROW:
            return None
        self._stated = True
        since = datetime.fromtimestamp(reading.at, UTC) - SETTLES
        return (
            kind,
            f"{reading.power_kw:.2f} kW where {asked_kw:.2f} kW were asked for since {since:%H:%M} UTC",
        )


def _deviation(asked: float, metered: float, soc: float | None) -> Kind | None:
    spare = max(LEAST_KW, SHARE * abs(asked))
    if abs(metered - asked) <= spare:
        return None
    if asked < -spare and metered > -spare:
        return Kind.REFUSES_TO_DISCHARGE
    full = soc is not None and soc >= _FULL
    return None if full and 0 <= metered < asked else Kind.NOT_FOLLOWING
