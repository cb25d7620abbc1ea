"""What cars that were held back are behind their plans, and how it is made up where a site has room again.

It needs no planner: until a newer plan takes over, a car may do more than its plan for the rest of a
quarter-hour, out of what its sites leave when everybody has what is planned; who has the least slack first.
It is reported for that quarter-hour alone, so that nothing of it is left where the gateway is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.dispatch.gateway.feeder import Load
from flows.dispatch.plan_file import QUARTER

QUARTER_S = QUARTER.total_seconds()
_LEAST_KWH, _LEAST_KW, _STEP_KW = 0.05, 0.5, 0.1
_LEAST_S = 240.0
"""What is left of a quarter-hour is not worth a profile if it is shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """kw in place of the plan in the quarter-hour that begins at `slot` (s since 1970)."""

    kw: float
    slot: float


@dataclass(slots=True, kw_only=True)
class CatchUp:
    """behind: (plan_id, kWh at the plug) by number. raised: who makes it up in this quarter-hour."""

    behind: dict[int, tuple[str | None, float]] = field(default_factory=dict)
    raised: dict[int, Raised] = field(default_factory=dict)

    def count(self, number: int, plan_id: str | None, kwh: float) -> float:
        """Add what a car was held back by, or made up (< 0), under a plan; what it is behind it."""
        known, before = self.behind.get(number, (plan_id, 0.0))
        now = max(0.0, (before if known == plan_id else 0.0) + kwh)
        self.behind[number] = (plan_id, now)
        if not now:
            del self.behind[number]
        return now

    def decide(
        self,
        loads: Sequence[Load],
        plans_kw: Mapping[int, tuple[float, float]],
        left_kw: Mapping[str, float],
        now: float,
        held: Collection[int],
    ) -> set[int]:
        """Raise whom there is room for; the numbers that this changes.

        plans_kw: plan now and the most that the plug takes, by number. left_kw: what sites leave next to all
        plans. held: who is held back, and so has nothing to make up yet.
        """
        slot = now - now % QUARTER_S
        before = {number: one for number, one in self.raised.items() if one.slot == slot}
        left, found = dict(left_kw), dict[int, Raised]()
        for load in sorted(loads, key=lambda one: (one.slack_h, one.number)):
            _, behind = self.behind.get(load.number, (None, 0.0))
            if load.fixed_kw is not None or load.number in held or behind <= _LEAST_KWH:
                continue
            plan_kw, most_kw = plans_kw[load.number]
            hours = max(slot + QUARTER_S - now, _LEAST_S) / 3600.0
            room = min((left[site] for site in load.chain if site in left), default=most_kw)
            more = min(behind / hours, most_kw - plan_kw, room)
            if (old := before.get(load.number)) is not None:
                more = min(old.kw - plan_kw, most_kw - plan_kw, room)  # never higher in the same quarter-hour
            elif slot + QUARTER_S - now < _LEAST_S:
                continue
            more = (more + 1e-9) // _STEP_KW * _STEP_KW
            if more < _LEAST_KW:
                continue
            found[load.number] = Raised(kw=plan_kw + more, slot=slot)
            for site in load.chain:
                if site in left:
                    left[site] -= more
        changed = {n for n in found.keys() | self.raised.keys() if found.get(n) != self.raised.get(n)}
        self.raised = found
        return changed

    def forget(self, number: int) -> None:
        """Drop a car that has left."""
        self.behind.pop(number, None)
        self.raised.pop(number, None)

    def to_record(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {
            "behind": [[number, *stated] for number, stated in self.behind.items()],
            "raised": [[number, one.kw, one.slot] for number, one in self.raised.items()],
        }

    def take_record(self, stated: Mapping[str, Any]) -> None:
        """Be what `to_record` gave."""
        self.behind = {number: (plan_id, kwh) for number, plan_id, kwh in stated["behind"]}
        self.raised = {number: Raised(kw=kw, slot=slot) for number, kw, slot in stated["raised"]}
