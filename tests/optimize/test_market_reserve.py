"""What reserve pays cars that held it: by hand, and what holds of any day."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from optimize.errors import BillError
from optimize.market.reserve import Called, Held, ReserveDay, reserve_day


def held(part: list[list[float]], paid: list[float], price: list[float], name: str = "FCR") -> Held:
    return Held(
        name=name,
        part=np.array(part),
        paid_kw=np.array(paid),
        price_eur_per_kw_h=np.array(price, dtype=float),
    )


def called(way: Any, part: list[list[float]], kwh: list[float], price: list[float]) -> Called:
    return Called(
        product="aFRR", way=way, part=np.array(part), energy_kwh=np.array(kwh),
        price_eur_per_kwh=np.array(price, dtype=float),
    )  # fmt: skip


def test_holding_and_calls_as_by_hand() -> None:
    # Held: slot 0 100 kW at 0.02 €/kW/h, A holds 3/4: 100 · 0.02 · ¼ = 0.50, A 0.375. Slot 1 80 kW at 0.01:
    # 0.20, all B's. Called up in slot 0: 4 kWh at 0.10, A 1/4: A 0.10, B 0.30. Down in slot 1: 2 kWh at 0.05,
    # paid by B: −0.10. A 0.475, B 0.125 + 0.20 + 0.30 − 0.10 = 0.525.
    one = held([[0.75, 0.0], [0.25, 1.0]], [100.0, 80.0], [0.02, 0.01])
    up = called("up", [[0.25, 0.0], [0.75, 0.0]], [4.0, 0.0], [0.10, np.nan])
    down = called("down", [[0.0, 0.0], [0.0, 1.0]], [0.0, 2.0], [np.nan, 0.05])
    found = reserve_day(["A", "B"], 2, [one], [up, down])
    assert found.income_eur == {"A": Decimal("0.475"), "B": Decimal("0.525")} and not found.unpriced
    assert found.called_kwh.tolist() == [[-1.0, 0.0], [-3.0, 2.0]]


def test_a_price_below_nothing_turns_who_pays() -> None:
    down = called("down", [[1.0]], [3.0], [-0.04])
    assert reserve_day(["A"], 1, [], [down]).income_eur == {"A": Decimal("0.12")}


def test_a_car_whose_part_has_no_price_is_named_and_costs_no_other() -> None:
    one = held([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [10.0, 10.0], [np.nan, 0.04])
    up = called("up", [[0.0, 0.0], [0.0, 0.0], [0.0, 1.0]], [0.0, 1.0], [np.nan, np.nan])
    found = reserve_day(["A", "B", "C"], 2, [one, one], [up])
    assert found.unpriced == {"A": ("FCR",), "C": ("calls of aFRR up",)}
    assert found.income_eur == {"B": Decimal("0.20")}
    assert found.called_kwh[2].tolist() == [0.0, -1.0], "what was called is known without its price"


def test_nothing_held_is_nothing_and_what_cannot_be_counted_is_refused() -> None:
    found = reserve_day(["A"], 3, [], [])
    assert found.income_eur == {"A": Decimal("0.00")} and found.called_kwh.shape == (1, 3)
    with pytest.raises(BillError, match="too large to be counted"):
        reserve_day(["A"], 1, [held([[1.0]], [1e15], [1.0])], [])


def test_cars_sum_to_the_pool_in_any_order_and_whoever_else_is_counted() -> None:
    rng = np.random.default_rng(21)
    for _ in range(500):
        n, slots = int(rng.integers(1, 30)), 8
        cars = [f"car-{number}" for number in range(n)]
        part = rng.dirichlet(np.ones(n), slots).T * (rng.random((n, slots)) < 0.8)
        paid, price = rng.uniform(0, 2000, slots).tolist(), rng.uniform(-0.01, 0.05, slots).tolist()
        kwh, per_kwh = rng.uniform(0, 300, slots).tolist(), rng.normal(0.1, 0.2, slots).tolist()

        def of(order: list[int]) -> ReserveDay:
            rows = part[order].tolist()  # noqa: B023
            money = held(rows, paid, price), called("up", rows, kwh, per_kwh)  # noqa: B023
            return reserve_day([cars[i] for i in order], slots, [money[0]], [money[1]])  # noqa: B023

        found = of(list(range(n))).income_eur
        pool = part.sum(axis=0) @ (np.array(paid) * price * 0.25 + np.array(kwh) * per_kwh)
        assert float(sum(found.values())) == pytest.approx(pool, abs=1e-7)
        assert of(rng.permutation(n).tolist()).income_eur == found
        some = sorted(rng.permutation(n)[: max(1, n // 2)].tolist())
        assert of(some).income_eur == {cars[i]: found[cars[i]] for i in some}
