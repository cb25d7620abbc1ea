"""Dispatch tables solved by hand for what holds of parts of a horizon. One-hour slots: kW are kWh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimize.plan import plan_day
from optimize.types import DayProblem
from tests.optimize.fleets import car, day, stay, wear
from tests.optimize.test_planning_features import place
from tests.optimize.test_planning_golden import assert_table


def sells(prices: list[float], **of_car: float) -> DayProblem:
    """A car with 8 of 10 kWh that owes nothing."""
    return day(prices, [car(**of_car)], [stay("A", 0, len(prices), 0.8, 0.0)], departure_price=0.0)


def test_nothing_is_fed_in_from_the_end_of_feeding_in_on() -> None:
    # The dearest slot comes too late; 4 kWh go in the first two.
    problem = replace(sells([0.2, 0.3, 0.9]), discharge_end=2)
    assert_table(problem, "v2g", [[0, 0, 0]], [[4, 4, 0]], 0.8 + 1.2)
    # At one price all day as well: a steady plan stays steady on its side of the end.
    problem = replace(sells([0.3] * 3), discharge_end=1)
    assert_table(problem, "v2g", [[0, 0, 0]], [[4, 0, 0]], 1.2)


def test_a_contract_holds_in_each_day_less_what_is_used_of_the_first() -> None:
    problem = replace(sells([0.3, 0.4, 0.5, 0.2], v2g_limit_kwh=3.0, v2g_used_kwh=1.0), day_starts=(0, 2))
    assert_table(problem, "v2g", [[0, 0, 0, 0]], [[0, 2, 3, 0]], 0.8 + 1.5)
    # At one price: 2 kWh in the first day, 3 in the second, evenly within each.
    problem = replace(sells([0.3] * 3, v2g_limit_kwh=3.0, v2g_used_kwh=1.0), day_starts=(0, 1))
    assert_table(problem, "v2g", [[0, 0, 0]], [[2, 1.5, 1.5]], 1.5)


def test_wear_counts_the_mean_duty_of_the_days() -> None:
    # Two days at C(x) = exp(x) − 1: 2·(exp(x/2) − 1); exp(x/2)/10 = 0.12 at x = 2·ln 1.2.
    one = wear(residual_value_eur=1000.0, l0_days=1000.0, alpha_day_per_efc=1.0)
    problem = replace(sells([0.12], wear=one, discharge_limit_kw=8.0), duty_days=2.0)  # type: ignore[arg-type]
    plan = plan_day(problem, ["v2g"])["v2g"]
    x = 2 * np.log(1.2)
    assert plan.discharge_kw[0, 0] == pytest.approx(10 * x, abs=1e-2)
    assert plan.solver.objective_eur == pytest.approx(1.2 * x - 0.4, abs=1e-6)


def test_a_stay_may_value_what_it_leaves_otherwise_than_the_day() -> None:
    # The day pays nothing for what is left: sell all. This stay 0.5 a kWh: sell the 4 at 0.6 alone.
    problem = sells([0.4, 0.6])
    assert_table(problem, "v2g", [[0, 0]], [[4, 4]], 1.6 + 2.4)
    (session,) = problem.sessions
    problem = replace(problem, sessions=(replace(session, value_eur_per_kwh=0.5),))
    # Bought at 0.4 for 0.5 as well: 2 kWh fill it.
    assert_table(problem, "v2g", [[2, 0]], [[0, 4]], -0.8 + 2.4 + 0.5 * (6 - 8))


def test_where_selling_pays_at_a_common_meter_powers_are_not_made_even() -> None:
    # A wants 4 kWh at 0.1, B has 4 to sell at 0.3: in slots apart they earn 0.8, at once or evenly nothing.
    cars, stays = [car("A"), car("B")], [stay("A", 0, 2, 0.5, 0.9), stay("B", 0, 2, 0.4, 0.0)]
    problem = day([0.1] * 2, cars, stays, export=[0.3] * 2, sites=[place(metering="site")])
    plan = plan_day(problem, ["v2g"])["v2g"]
    assert plan.solver.objective_eur == pytest.approx(0.8, abs=1e-6)
    assert sorted((plan.charge_kw - plan.discharge_kw).sum(axis=0).tolist()) == pytest.approx([-4.0, 4.0])
