"""What of a session is not as it was planned with: it asks for a new plan."""

from __future__ import annotations

from flows.dispatch.gateway.book import Transaction
from flows.dispatch.plan_file import PlanSession

SLACK_S = 900.0
"""A quarter-hour earlier or later is as planned."""
_SLACK_SOC = 0.05
_SLACK_BAND = 0.005


def unforeseen(one: Transaction) -> str | None:
    """Why a car has not come as it was planned with; None where it has, and of a guest."""
    if not one.car:
        return None
    arrival, announced = one.car.get("arrival"), one.car.get("arrival_soc")
    if arrival is None:
        return "no plan has a session of it"
    if abs(one.start - arrival) > SLACK_S and one.began:
        return f"came {abs(one.start - arrival) / 60:.0f} min {'late' if one.start > arrival else 'early'}"
    if announced is not None and one.soc_first is not None and abs(one.soc_first - announced) > _SLACK_SOC:
        return f"came with {one.soc_first:.0%} where {announced:.0%} were expected"
    return None


def other_wish(one: Transaction) -> bool:
    """Whether it wants to leave at another time, or with another charge, than was planned."""
    wished, due = one.needs.get("departure"), one.car.get("departure")
    target, promised = one.needs.get("target_soc"), one.car.get("departure_soc")
    later = wished is not None and (due is None or abs(wished - due) > SLACK_S)
    return later or (target is not None and (promised is None or abs(target - promised) > _SLACK_SOC))


def other_band(one: Transaction, planned: PlanSession | None) -> bool:
    """Whether a car lends itself to the grid between other charges than it was planned with."""
    band = one.needs.get("v2x_soc")
    known = None if planned is None else planned.v2x_soc
    if band is None or planned is None or list(band) == [0.0, 1.0]:
        return False
    return known is None or any(abs(a - b) > _SLACK_BAND for a, b in zip(band, known, strict=True))
