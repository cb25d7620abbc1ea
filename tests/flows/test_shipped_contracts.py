"""The shipped contracts, which have the shape of real offers, bound a plan."""

from __future__ import annotations

import pytest

from flows.mapping.question import day_problem
from flows.mapping.read_inputs import read_inputs
from flows.stages import Context
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY
from tests.flows.test_settle import agreed
from tests.optimize.market_books import CONTRACTS


@pytest.mark.parametrize(
    ("name", "min_soc", "most_kwh"),
    [
        ("plugged_hours.toml", 0.2, None),
        ("monthly_bonus.toml", 0.3, 20.0),
        ("free_charging.toml", 0.3, 330.0),  # of a month: what it leaves, spread over the days of the plan
    ],
)
def test_each_shipped_contract_bounds_the_plan(
    depot: Workspace, name: str, min_soc: float, most_kwh: float | None
) -> None:
    own = {car.battery_id: car for car in day_problem(read_inputs(Context.of(depot, AS_OF), DAY)).cars}
    text = (CONTRACTS / name).read_text(encoding="utf-8").replace("from = 2025", "from = 2020")
    inputs = read_inputs(Context.of(agreed(depot, text), AS_OF), DAY)
    days = len(inputs.prices.horizon.day_starts) if name == "free_charging.toml" else 1
    cars = {car.battery_id: car for car in day_problem(inputs).cars}
    assert set(cars) == set(own)
    for car, one in cars.items():
        assert one.soc_min == max(own[car].soc_min, min_soc)
        assert one.v2g_limit_kwh == pytest.approx(
            own[car].v2g_limit_kwh if most_kwh is None else most_kwh / days
        )
