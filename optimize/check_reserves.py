"""Independent check of reserve bids: who holds what, and whether it could be called."""

from __future__ import annotations

import math

import numpy as np

from optimize.check_bounds import TOLERANCE, SlotBounds, require_slots
from optimize.errors import PlanCheckError
from optimize.types import BoolArray, DayProblem, FloatArray, ModePlan, ReserveBid, ReserveBlock


def check_reserves(problem: DayProblem, plan: ModePlan, terms: SlotBounds) -> None:
    """Refuse bids that are not covered, not allowed, or more than powers and energies could bear."""
    blocks = problem.reserves
    if [bid.name for bid in plan.reserves] != [block.name for block in blocks]:
        raise PlanCheckError("one bid for each reserve block", "reserves", math.nan)
    if not blocks:
        return
    shape = (2, len(problem.cars), len(problem.slots))
    held, sustained = np.zeros(shape), np.zeros(shape)
    for block, bid in zip(blocks, plan.reserves, strict=True):
        _check_bid(problem, plan, block, bid)
        _check_holders(problem, terms, block, bid)
        for way, kw in enumerate((bid.up_kw, bid.down_kw)):
            held[way, :, block.first_slot : block.end_slot] += kw
            sustained[way, :, block.first_slot : block.end_slot] += kw * block.sustain_hours
    metered = plan.charge_kw / terms.charging - plan.discharge_kw * terms.discharging
    rules: list[tuple[str, int, FloatArray]] = [
        ("reserve up within power", 0, held[0] - terms.discharge_kw * terms.discharging - metered),
        ("reserve down within power", 1, held[1] - terms.charge_kw / terms.charging + metered),
        ("no reserve up from below soc_min", 0, np.where(terms.arrival_kwh < terms.lowest_kwh, held[0], 0.0)),
        (
            "no reserve down from above soc_max",
            1,
            np.where(terms.arrival_kwh > terms.highest_kwh, held[1], 0.0),
        ),
    ]
    for energy in (plan.energy_start_kwh, plan.energy_end_kwh):
        asked = sustained[0] / terms.discharging
        rules.append(("reserve up sustained", 0, asked - (energy - terms.lowest_kwh)))
        asked = sustained[1] * terms.charging
        rules.append(("reserve down sustained", 1, asked - (terms.highest_kwh - energy)))
    for rule, way, excess in rules:
        require_slots(problem, np.where(held[way] > TOLERANCE, excess, 0.0), rule)


def _check_bid(problem: DayProblem, plan: ModePlan, block: ReserveBlock, bid: ReserveBid) -> None:
    shape = (len(problem.cars), len(block.slots))
    if bid.up_kw.shape != shape or bid.down_kw.shape != shape:
        raise PlanCheckError("a car's part in each slot of the block", f"reserve {block.name}", math.nan)
    excesses = {
        "bid >= 0": -bid.bid_kw,
        "bid within max_kw": bid.bid_kw - block.max_kw,
        "bid 0 or at least min_kw": block.min_kw - bid.bid_kw if bid.bid_kw > TOLERANCE else 0.0,
        "bids in mode v2g alone": 0.0 if plan.mode == "v2g" else bid.bid_kw,
        "bid held upwards": float(np.max(bid.bid_kw - bid.up_kw.sum(axis=0))) if block.up else 0.0,
        "bid held downwards": float(np.max(bid.bid_kw - bid.down_kw.sum(axis=0))) if block.down else 0.0,
        "nothing held that was not asked": float(
            (0.0 if block.up else np.abs(bid.up_kw).sum())
            + (0.0 if block.down else np.abs(bid.down_kw).sum())
        ),
    }
    for rule, excess in excesses.items():
        if not excess <= TOLERANCE:
            raise PlanCheckError(rule, f"reserve {block.name}", excess)


def _check_holders(problem: DayProblem, terms: SlotBounds, block: ReserveBlock, bid: ReserveBid) -> None:
    """Parts are ≥ 0 and held by cars that are plugged in below the block's site."""
    site = terms.site[:, block.first_slot : block.end_slot]
    inside: BoolArray = np.append(_below(problem, block.site_id), False)[site]  # −1, away: the last
    for kw in (bid.up_kw, bid.down_kw):
        excess = np.where(inside, -kw, np.abs(kw))
        if not (excess <= TOLERANCE).all():
            i, t = np.unravel_index(np.argmax(np.where(np.isnan(excess), np.inf, excess)), excess.shape)
            slot = problem.slots[block.first_slot + int(t)]
            place = f"reserve {block.name}, battery {problem.cars[i].battery_id!r}, slot {slot}"
            raise PlanCheckError("reserve held by plugged cars of the pool", place, float(excess[i, t]))


def _below(problem: DayProblem, root: str) -> BoolArray:
    parent = {site.site_id: site.parent_id for site in problem.sites}
    inside = []
    for site in problem.sites:
        place: str | None = site.site_id
        while place is not None and place != root:
            place = parent[place]
        inside.append(place is not None)
    return np.array(inside, dtype=np.bool_)
