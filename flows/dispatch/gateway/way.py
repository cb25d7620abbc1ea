"""One direction of a site's limit: who does not do as asked, who is held back in it, and how far.

Powers are flows in the direction: what is drawn, or what is fed back, ≥ 0 either way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

LEAST_KW, SHARE = 0.5, 0.1
_STEP_KW = 0.1
_LOOSER_KW = 0.5
_HOLD_S = 30.0
"""So long a bound stays before it is loosened, so that meters that flicker do not move it."""
ENOUGH_KW = 1e-6


@dataclass(slots=True, kw_only=True)
class Held:
    """A car that is held back to kw: since when it is (s since 1970), when that last changed, kWh so far."""

    kw: float
    since: float
    changed: float
    kwh: float = 0.0


@dataclass(slots=True, kw_only=True)
class Way:
    """sign: +1 for drawing, −1 for feeding back. off: flows of those that did more than asked, by number."""

    sign: float
    off: dict[int, float] = field(default_factory=dict)
    held: dict[int, Held] = field(default_factory=dict)

    def read(self, number: int, asked_kw: float, power_kw: float) -> bool:
        """Take what a car did where it was asked for something; whether that changes what is known of it.

        One that did too much is believed again when it follows where it is asked for less than that.
        """
        asked, did = self.sign * asked_kw, self.sign * power_kw
        spare = max(LEAST_KW, SHARE * abs(asked))
        before = self.off.get(number)
        if did - asked > spare:
            self.off[number] = did
        elif before is not None and asked < before - spare:
            del self.off[number]
        return self.off.get(number) != before

    def fixed(self, number: int, asked_kw: float) -> float | None:
        """What a car does whatever it is reported, of one that is known for it; None of one that obeys."""
        off = self.off.get(number)
        if off is None or (off <= LEAST_KW and asked_kw >= 0.0):
            return None  # who does not feed back as asked may well charge as asked
        return max(asked_kw, off)

    def tightens(self, number: int, asked_kw: float, given_kw: float) -> bool:
        """Whether a car is to be held back further than it is."""
        before = self.held.get(number)
        return given_kw < asked_kw - ENOUGH_KW and (before is None or _told_kw(given_kw) < before.kw)

    def decide(self, number: int, asked_kw: float, given_kw: float, now: float) -> bool:
        """Hold a car to what it may have, or let it go; whether that changed anything."""
        before = self.held.get(number)
        if given_kw >= asked_kw - ENOUGH_KW:
            if before is None or now - before.changed < _HOLD_S:
                return False
            del self.held[number]
            return True
        stated = _told_kw(given_kw)
        if before is None:
            self.held[number] = Held(kw=stated, since=now, changed=now)
            return True
        looser = stated >= before.kw + _LOOSER_KW and now - before.changed >= _HOLD_S
        if stated < before.kw or looser:
            before.kw, before.changed = stated, now
            return True
        return False

    def forget(self, number: int) -> Held | None:
        """Drop a car that has left; how it was held back."""
        self.off.pop(number, None)
        return self.held.pop(number, None)

    def to_record(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {
            "off": {str(number): kw for number, kw in self.off.items()},
            "held": {str(number): asdict(one) for number, one in self.held.items()},
        }

    def take_record(self, stated: Mapping[str, Any]) -> None:
        """Be what `to_record` gave."""
        self.off = {int(number): float(kw) for number, kw in stated["off"].items()}
        self.held = {int(number): Held(**one) for number, one in stated["held"].items()}


def _told_kw(kw: float) -> float:
    """A power in the steps in which it is reported, no more than it."""
    return math.floor(kw / _STEP_KW + ENOUGH_KW) * _STEP_KW
