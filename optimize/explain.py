"""Read the last LP: bids with who holds them, and the prices that explain the plan."""

from __future__ import annotations

import numpy as np

from optimize.arrays import FloatArray
from optimize.model.assembly import IntArray
from optimize.model.day import DayModel
from optimize.types import Prices, ReserveBid


def bids(day: DayModel, values: FloatArray) -> tuple[ReserveBid, ...]:
    """Every block's bid, at most what is held for it in each of its slots."""
    held = {"up": _held(day, values, "up"), "down": _held(day, values, "down")}
    found = []
    for b, block in enumerate(day.problem.reserves):
        up_kw, down_kw = (held[way][b] for way in ("up", "down"))
        bid = max(0.0, float(values[day.sites.bid[b]]))
        if block.up:
            bid = min(bid, float(up_kw.sum(axis=0).min()))
        if block.down:
            bid = min(bid, float(down_kw.sum(axis=0).min()))
        found.append(ReserveBid(name=block.name, bid_kw=bid, up_kw=up_kw, down_kw=down_kw))
    return tuple(found)


def _held(day: DayModel, values: FloatArray, way: str) -> list[FloatArray]:
    """What each car holds of each block, [n, slots of the block] kW."""
    channels: IntArray = getattr(day.pairs, way)
    columns: IntArray = getattr(day, way)
    parts = [np.zeros((len(day.problem.cars), len(block.slots))) for block in day.problem.reserves]
    for served, numbers in zip(channels, columns, strict=True):
        for b, block in enumerate(day.problem.reserves):
            pairs = np.flatnonzero(served == b)
            kw = np.maximum(values[numbers[pairs]], 0.0)
            kw[kw < 1e-9] = 0.0
            parts[b][day.pairs.car[pairs], day.pairs.slot[pairs] - block.first_slot] = kw
    return parts


def prices(day: DayModel, row_duals: FloatArray, column_duals: FloatArray) -> Prices:
    """Shadow prices of the last LP; 0 where nothing binds, NaN for the energy of cars that are away."""
    problem, sites = day.problem, day.sites
    value = np.full((len(problem.cars), len(problem.slots)), np.nan)
    value[day.pairs.car, day.pairs.slot] = -row_duals[day.balance]
    return Prices(
        site_eur_per_kwh=-_at(column_duals, sites.power) / problem.slot_hours,
        peak_eur_per_kw=_at(row_duals, sites.peak_row),
        reserve_up_eur_per_kw=_at(row_duals, sites.pool_up),
        reserve_down_eur_per_kw=_at(row_duals, sites.pool_down),
        energy_value_eur_per_kwh=value,
    )


def _at(duals: FloatArray, numbers: IntArray) -> FloatArray:
    found: FloatArray = np.append(duals, 0.0)[numbers]
    return found + 0.0  # no negative zeros
