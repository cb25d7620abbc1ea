"""Energy by price: what all cars draw net in a slot at prices of that slot, from re-solves.

The price of one slot is changed, all others stay as expected. Since the price of a slot weighs what is drawn
net in it linearly in the day's objective, of two optima the one at the higher price draws no more there,
whatever the day's rules; an open gap alone can turn that round, and is smoothed: what is bought at a price is
the least that was found up to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimize.arrays import FloatArray
from optimize.errors import ProblemError
from optimize.plan import plan_day
from optimize.session_slots import by_slot
from optimize.types import DayProblem
from optimize.windows import session_windows

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """Mean metered kW drawn net by price and slot, [prices, slots], falling in price; smoothed_kw: the most
    by which a re-solve was against that."""

    net_kw: FloatArray
    smoothed_kw: float


def energy_curves(
    problem: DayProblem,
    slots: Sequence[int],
    buy: FloatArray,
    sell: FloatArray,
    expected: int,
    progress: Progress,
    *,
    time_limit_seconds: float,
) -> Curves:
    """What is drawn net in each of some slots at several prices of it.

    buy, sell: what a kWh costs and earns at the plug by price and slot of the day, [prices, T], rising in
    price; expected: which of the prices the problem itself has. progress: how many re-solves are done, of how
    many. Raises ProblemError where prices do not rise, and the errors of `plan_day`.
    """
    for name, prices in (("buy", buy), ("sell", sell)):
        if prices.shape != (len(buy), len(problem.slots)) or (np.diff(prices, axis=0) < 0.0).any():
            raise ProblemError("curve", name, prices.shape, "must rise in price, of each slot")
    usual = _net_kw(problem, time_limit_seconds)
    found = np.tile(usual[list(slots)], (len(buy), 1))
    others = [level for level in range(len(buy)) if level != expected]
    total, done = len(slots) * len(others), 0
    for column, slot in enumerate(slots):
        for level in others:
            same = buy[level, slot] == buy[expected, slot] and sell[level, slot] == sell[expected, slot]
            if not same:
                found[level, column] = _net_kw(
                    _at(problem, slot, buy[level, slot], sell[level, slot]), time_limit_seconds
                )[slot]
            done += 1
            progress(done, total)
    return falling(found)


def falling(found: FloatArray) -> Curves:
    """The curves of what re-solves found, [prices, slots], the lowest price first."""
    least = np.minimum.accumulate(found, axis=0)
    return Curves(net_kw=least, smoothed_kw=float((found - least).max(initial=0.0)))


def _at(problem: DayProblem, slot: int, buy: float, sell: float) -> DayProblem:
    """The day with another price of one slot."""
    bought, sold = problem.import_price_eur_per_kwh.copy(), problem.export_price_eur_per_kwh.copy()
    bought[slot], sold[slot] = buy, sell
    return replace(problem, import_price_eur_per_kwh=bought, export_price_eur_per_kwh=sold)


def _net_kw(problem: DayProblem, time_limit_seconds: float) -> FloatArray:
    plan = plan_day(problem, ["v2g"], time_limit_seconds=time_limit_seconds)["v2g"]
    metered: FloatArray = (
        by_slot(problem, session_windows(problem)).metered_kw(plan.charge_kw, plan.discharge_kw).sum(axis=0)
    )
    return metered
