"""Dispatch tables solved by hand for what holds of parts of a horizon. One-hour slots: kW are kWh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimize.errors import ProblemError
from optimize.plan import plan_day
from optimize.types import DayProblem
from tests.optimize.fleets import car, day, session_of, wear
from tests.optimize.test_planning_features import place
from tests.optimize.test_planning_golden import assert_table


def sells(prices: list[float], **of_car: float) -> DayProblem:
    """A car with 8 of 10 kWh that owes nothing."""
    return day(prices, [car(**of_car)], [session_of("A", 0, len(prices), 0.8, 0.0)], departure_price=0.0)


def only(*flags: bool) -> np.ndarray:
    return np.array(flags, dtype=np.bool_)


def test_nothing_is_fed_in_where_it_may_not_be() -> None:
    # The dearest slot comes too late; 4 kWh go in the first two.
    problem = replace(sells([0.2, 0.3, 0.9]), may_discharge=only(True, True, False))
    assert_table(problem, "v2g", [[0, 0, 0]], [[4, 4, 0]], 0.8 + 1.2)
    # At one price all day as well: a steady plan stays steady on its side of the end.
    problem = replace(sells([0.3] * 3), may_discharge=only(True, False, False))
    assert_table(problem, "v2g", [[0, 0, 0]], [[4, 0, 0]], 1.2)
    # A hole in the middle is gone round; what is bought in it is sold after it: 4 at 0.1 for 4 at 0.4.
    problem = replace(sells([0.3, 0.1, 0.4, 0.2]), may_discharge=only(True, False, True, True))
    assert_table(problem, "v2g", [[0, 4, 0, 0]], [[4, 0, 4, 4]], 1.2 - 0.4 + 1.6 + 0.8)
    # Even where its price is the best of all, and the ones on both sides are alike.
    problem = replace(sells([0.3, 0.9, 0.3]), may_discharge=only(True, False, True))
    assert_table(problem, "v2g", [[0, 0, 0]], [[4, 0, 4]], 2.4)


def test_the_most_that_was_held_is_remembered_over_slots_without_feeding_in() -> None:
    # 5 kWh, 4 bought at 0.1 for 0.15: of the 9 no more than 4 may be drawn again, though a hole lies between.
    problem = day(
        [0.1, 0.5, 0.48, 0.45],
        [car(drawdown_limit=0.4)],
        [session_of("A", 0, 4, 0.5, 0.0)],
        departure_price=0.0,
        terminal=0.15,
    )
    for one in (problem, replace(problem, may_discharge=only(True, True, False, True))):
        assert_table(one, "v2g", [[4, 0, 0, 0]], [[0, 4, 0, 0]], -0.4 + 4 * 0.5)


@pytest.mark.parametrize(
    ("flags", "rule"), [(only(True), "shape of may_discharge"), (np.array([1.0, 0.0, 1.0]), "true or false")]
)
def test_slots_without_feeding_in_are_reported_slot_by_slot(flags: np.ndarray, rule: str) -> None:
    with pytest.raises(ProblemError, match=rule):
        replace(sells([0.2, 0.3, 0.9]), may_discharge=flags)


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


def test_a_session_may_value_what_it_leaves_otherwise_than_the_day() -> None:
    # The day pays nothing for what is left: sell all. This session 0.5 a kWh: sell the 4 at 0.6 alone.
    problem = sells([0.4, 0.6])
    assert_table(problem, "v2g", [[0, 0]], [[4, 4]], 1.6 + 2.4)
    (session,) = problem.sessions
    problem = replace(problem, sessions=(replace(session, value_eur_per_kwh=0.5),))
    # Bought at 0.4 for 0.5 as well: 2 kWh fill it.
    assert_table(problem, "v2g", [[2, 0]], [[0, 4]], -0.8 + 2.4 + 0.5 * (6 - 8))


def test_where_selling_pays_at_a_common_meter_powers_are_not_levelled() -> None:
    # A wants 4 kWh at 0.1, B has 4 to sell at 0.3: in slots apart they earn 0.8, at once or evenly nothing.
    cars, sessions = [car("A"), car("B")], [session_of("A", 0, 2, 0.5, 0.9), session_of("B", 0, 2, 0.4, 0.0)]
    problem = day([0.1] * 2, cars, sessions, export=[0.3] * 2, sites=[place(metering="site")])
    plan = plan_day(problem, ["v2g"])["v2g"]
    assert plan.solver.objective_eur == pytest.approx(0.8, abs=1e-6)
    assert sorted((plan.charge_kw - plan.discharge_kw).sum(axis=0).tolist()) == pytest.approx([-4.0, 4.0])
