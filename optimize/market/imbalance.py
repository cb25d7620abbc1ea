"""What departing from the schedule costs or earns, quarter-hour by quarter-hour, at the imbalance price.

A pool that draws more than was scheduled, or feeds back less, is short; otherwise it is long:

    surplus_i,t = scheduled_i,t + called_i,t − metered_i,t       (net energy drawn at the plug, kWh)
    earned_i = Σ_t surplus_i,t · λ_t                    (€, below 0 where it is paid)

with what was called of reserve, down less up, as the schedule's correction, and one price λ_t, or two: then
that of the side on which all cars together are in the quarter-hour, since they are one balancing group, so
that the cars' money sums to the group's. A price below 0 turns the signs by itself: who is short is then
paid. Counted in whole mWh and whole 1e-6 €/kWh, so that it is exact and no order of rows changes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from optimize.arrays import FloatArray, IntArray
from optimize.errors import BillError

_PER_UNIT = 1_000_000
_MOST = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Imbalance:
    """earned_eur: of each car whose deviations all have a price. unpriced: slots without one, by car.

    long: the slots in which all cars together were long, or departed from nothing.
    """

    earned_eur: Mapping[str, Decimal]
    unpriced: Mapping[str, tuple[int, ...]]
    long: tuple[int, ...]


def imbalance(
    cars: Sequence[str],
    slots: IntArray,
    surplus_kwh: FloatArray,
    long_price: FloatArray,
    short_price: FloatArray,
    *,
    sides: Mapping[int, bool] | None = None,
) -> Imbalance:
    """What each car's deviations earned, below 0 what they cost.

    cars, slots, surplus_kwh: one entry a deviation. long_price, short_price: €/kWh of each slot of the day,
    for who is long and who is short, NaN where none is known. sides: whether all were long in a slot, where
    that is known of more cars than these. Raises BillError for what is no number or too
    large to be counted.
    """
    if not np.isfinite(surplus_kwh).all():
        raise BillError("a deviation from the schedule is not a finite number")
    group = np.array(cars, dtype=object)
    kwh = np.rint(surplus_kwh * _PER_UNIT).astype(np.int64)
    net = np.zeros(len(long_price), dtype=np.int64)
    np.add.at(net, slots, kwh)
    long = net >= 0
    for slot, side in (sides or {}).items():
        long[slot] = side
    price = np.where(long, long_price, short_price)
    known = np.isfinite(price)
    micro = np.rint(np.where(known, price, 0.0) * _PER_UNIT).astype(np.int64)
    if len(kwh) and float(np.abs(kwh).max()) * float(np.abs(micro).max()) * len(kwh) > _MOST:
        raise BillError("deviations from the schedule are too large to be counted")
    money, lacks = kwh * micro[slots], (kwh != 0) & ~known[slots]
    names, of = np.unique(group, return_inverse=True)
    sums = np.zeros(len(names), dtype=np.int64)
    np.add.at(sums, of, money)
    unpriced = {
        str(names[number]): tuple(np.unique(slots[lacks & (of == number)]).tolist())
        for number in np.unique(of[lacks])
    }
    earned = {str(name): Decimal(int(eur)).scaleb(-12) for name, eur in zip(names, sums, strict=True)}
    return Imbalance(
        earned_eur={name: eur for name, eur in earned.items() if name not in unpriced},
        unpriced=unpriced,
        long=tuple(np.flatnonzero(long).tolist()),
    )
