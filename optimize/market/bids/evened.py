"""Which cars hold reserve, where that is left open: all of them the same part of what each could hold.

What all cars hold together is the optimum's. Which of them hold it is often left to the corner that a solver
ends at, and with it who is paid. With the powers and energies of the plan as they are, car i could hold one way,
in a slot, so many times all that is held that way, of each block b alike:

    h_i = min(P_i / Σ_b u_b, E_i / Σ_b s_b·u_b)        and holds u_b · h_i / Σ_j h_j

with P_i what its power leaves, E_i what its energy can sustain, both metered, and s_b how long block b can be
called. Where calls wear cars unequally that would cost: then blocks whose calls are expected to wear nothing are
held so, and if that costs too, or in a slot no such parts can be had, who holds stays as it was solved.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from optimize.account import account
from optimize.arrays import FloatArray
from optimize.check_bounds import SlotBounds, terms_of, whole_slots
from optimize.types import DayProblem, ModePlan

_FREE_EUR = 1e-9
_ROUNDING = 1e-9


def evened(problem: DayProblem, plan: ModePlan) -> ModePlan:
    """The plan with its reserve held by what each car could hold, where that costs nothing."""
    blocks = problem.reserves
    if not plan.reserves:
        return plan
    terms = terms_of(problem, whole_slots(problem))
    unworn = [b for b, block in enumerate(blocks) if not block.activation_share]
    solved = account(problem, plan).total.objective_eur
    for chosen in (range(len(blocks)), unworn):
        found = _shared(problem, plan, terms, chosen)
        if account(problem, found).total.objective_eur >= solved - _FREE_EUR:
            return found
    return plan


def _shared(problem: DayProblem, plan: ModePlan, terms: SlotBounds, chosen: Collection[int]) -> ModePlan:
    """The plan with chosen blocks, by number, held by what the others leave of each car."""
    metered = plan.charge_kw / terms.charging - plan.discharge_kw * terms.discharging
    most = np.maximum(plan.energy_start_kwh, plan.energy_end_kwh)
    least = np.minimum(plan.energy_start_kwh, plan.energy_end_kwh)
    power = {
        "up_kw": terms.discharge_kw * terms.discharging + metered,
        "down_kw": terms.charge_kw / terms.charging - metered,
    }
    energy = {
        "up_kw": np.where(terms.arrival_kwh < terms.lowest_kwh, 0.0, least - terms.lowest_kwh)
        * terms.discharging,
        "down_kw": np.where(terms.arrival_kwh > terms.highest_kwh, 0.0, terms.highest_kwh - most)
        / terms.charging,
    }
    bids = list(plan.reserves)
    for way in ("up_kw", "down_kw"):
        kw, kwh = power[way].copy(), energy[way].copy()
        asked, lasting = np.zeros((2, len(problem.slots)))
        for b, (block, bid) in enumerate(zip(problem.reserves, plan.reserves, strict=True)):
            slots, held = slice(block.first_slot, block.end_slot), getattr(bid, way)
            if b in chosen:
                asked[slots] += held.sum(axis=0)
                lasting[slots] += block.sustain_hours * held.sum(axis=0)
            else:
                kw[:, slots] -= held
                kwh[:, slots] -= block.sustain_hours * held
        part = _parts(kw, kwh, asked, lasting)
        for b in chosen:
            slots = slice(problem.reserves[b].first_slot, problem.reserves[b].end_slot)
            held, own = getattr(bids[b], way), part[:, slots]
            again = np.where(np.isfinite(own), held.sum(axis=0) * own, held)
            bids[b] = replace(bids[b], **{way: again})
    return replace(plan, reserves=tuple(bids))


def _parts(kw: FloatArray, kwh: FloatArray, asked: FloatArray, lasting: FloatArray) -> FloatArray:
    """Each car's part of what is asked of all, [n, T]; NaN in a slot that has none or cannot be shared so."""
    with np.errstate(divide="ignore", invalid="ignore"):
        able = np.maximum(np.minimum(kw / asked, kwh / lasting), 0.0)
        able = np.where(np.isfinite(able), able, 0.0)
        everyone = able.sum(axis=0)
        shares: FloatArray = np.where(everyone >= 1.0 - _ROUNDING, able / everyone, np.nan)
    return shares
