"""Departing from the schedule at the imbalance price: by hand, two prices, and what holds of any day."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from optimize.errors import BillError
from optimize.market.imbalance import Imbalance, imbalance

ONE = np.array([0.10, -0.05, 0.30])


def of(*rows: tuple[str, int, float], long: np.ndarray = ONE, short: np.ndarray | None = None) -> Imbalance:
    cars, slots, kwh = zip(*rows, strict=True) if rows else ((), (), ())
    return imbalance(
        list(cars), np.array(slots, dtype=np.int64), np.array(kwh, dtype=float), long,
        long if short is None else short,
    )  # fmt: skip


def test_one_price_as_by_hand() -> None:
    # A: 2 kWh less drawn than scheduled at 0.10 earns 0.20; 1 kWh more at −0.05 is paid for: 0.05;
    # 0.5 kWh more at 0.30 costs 0.15. B: 4 kWh more in the first slot costs 0.40.
    found = of(("A", 0, 2.0), ("A", 1, -1.0), ("A", 2, -0.5), ("B", 0, -4.0))
    assert found.earned_eur == {"A": Decimal("0.10"), "B": Decimal("-0.40")} and not found.unpriced


def test_of_two_prices_all_cars_are_on_the_side_of_their_group() -> None:
    short = np.array([0.50, 0.50, 0.50])
    # Slot 0: +2 − 4 = −2, the group is short: both at 0.50. Slot 2: +3 − 1 = +2, long: both at 0.30.
    found = of(("A", 0, 2.0), ("B", 0, -4.0), ("A", 2, 3.0), ("B", 2, -1.0), short=short)
    assert found.earned_eur == {"A": Decimal("1.90"), "B": Decimal("-2.30")}
    assert sum(found.earned_eur.values()) == Decimal("-2") * Decimal("0.5") + 2 * Decimal("0.3")


def test_a_side_that_is_known_of_more_cars_holds() -> None:
    short = np.array([0.50, 0.50, 0.50])
    rows = ("A", 0, 2.0), ("A", 2, -1.0)
    assert of(*rows, short=short).long == (0, 1)
    names, slots, kwh = (list(one) for one in zip(*rows, strict=True))
    found = imbalance(names, np.array(slots), np.array(kwh), ONE, short, sides={0: False, 2: True})
    assert found.long == (1, 2) and found.earned_eur == {"A": Decimal("0.7")}  # 2 · 0.50 − 1 · 0.30


def test_a_car_without_a_price_is_named_with_its_slots_and_costs_no_other() -> None:
    long = np.array([0.1, np.nan, 0.3])
    found = of(("A", 0, 1.0), ("A", 1, 1.0), ("B", 0, 1.0), ("C", 1, 0.0), long=long)
    assert found.unpriced == {"A": (1,)}
    assert found.earned_eur == {"B": Decimal("0.1"), "C": Decimal(0)}
    # The price of the side that nobody is on is not needed.
    assert of(("A", 1, -1.0), long=long, short=np.array([0.1, 0.2, 0.3])).earned_eur == {"A": Decimal("-0.2")}


def test_nothing_departs_and_what_cannot_be_counted() -> None:
    assert of() == Imbalance(earned_eur={}, unpriced={}, long=(0, 1, 2))
    with pytest.raises(BillError, match="is not a finite number"):
        of(("A", 0, float("nan")))
    with pytest.raises(BillError, match="too large to be counted"):
        of(("A", 0, 1e12), long=np.array([50.0]))


def test_cars_sum_to_their_group_in_any_order_of_rows() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        count = int(rng.integers(1, 300))
        cars = [f"car-{n}" for n in rng.integers(0, 20, count)]
        slots, kwh = rng.integers(0, 96, count), rng.normal(0, 2, count).round(3)
        long, short = rng.normal(0.1, 0.3, 96).round(5), rng.normal(0.2, 0.3, 96).round(5)
        found = imbalance(cars, slots, kwh, long, short)
        mixed = rng.permutation(count)
        again = imbalance([cars[n] for n in mixed], slots[mixed], kwh[mixed], long, short)
        assert again == found
        net = [sum((Decimal(repr(float(k))) for k in kwh[slots == t]), Decimal(0)) for t in range(96)]
        whole = sum(
            (k * Decimal(repr(float((long if k >= 0 else short)[t]))) for t, k in enumerate(net)), Decimal(0)
        )
        assert sum(found.earned_eur.values()) == whole
