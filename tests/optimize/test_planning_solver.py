"""The solver's bad ends are reported in words, and good plans are steady."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
import pytest

from optimize.errors import SolverError, TimeLimitError
from optimize.highs import HighsProgram
from optimize.model.assembly import Assembly, LinearProgramme, Terms
from optimize.model.pattern import Template, compile_pattern
from optimize.plan import plan_day
from optimize.solve import WEAR_ERROR_EUR, solve_mode
from tests.benchmarks.integer_days import integer_day
from tests.optimize.fleets import car, day, depot_day, session_of, wear


def small_programme(*, least: float, cost: float = 1.0) -> tuple[LinearProgramme, dict[str, int]]:
    """min cost·x + y over 0 ≤ x, y ≤ 1 with x + y ≥ least, and the numbers of its columns and row."""
    m = Template()
    m.parameters("least", "cost")
    m.x = pyo.Var(bounds=(0.0, 1.0))
    m.y = pyo.Var(bounds=(0.0, 1.0))
    m.row = pyo.Constraint(expr=m.x + m.y >= m.least)
    m.benefit = pyo.Objective(expr=-m.cost * m.x - m.y, sense=pyo.maximize)
    pattern, data, assembly = compile_pattern(m), {"least": least, "cost": cost}, Assembly()
    columns = assembly.add_columns(pattern, data, 1)
    rows = assembly.add_rows(pattern, data, 1, {name: Terms.of(own) for name, own in columns.items()})
    return assembly.finished(), {name: int(own[0]) for name, own in (columns | rows).items()}


def test_statuses_are_named_with_mode_and_size() -> None:
    with pytest.raises(SolverError, match=r"mode v2g.*'Infeasible'.*2 columns and 1 rows"):
        HighsProgram(small_programme(least=3.0)[0], "v2g").run(10.0)
    with pytest.raises(SolverError, match="not a number"):
        HighsProgram(small_programme(least=1.0, cost=float("nan"))[0], "v2g")
    with pytest.raises(TimeLimitError, match=r"mode ordered.*'Time limit reached'.*columns"):
        plan_day(depot_day(10), ["ordered"], time_limit_seconds=0.0)


def test_a_pattern_must_be_linear() -> None:
    m = Template()
    m.x = pyo.Var()
    m.row = pyo.Constraint(expr=m.x**2 <= 1.0)
    with pytest.raises(ValueError, match="not linear"):
        compile_pattern(m)


def test_compiled_rows_and_duals_are_those_of_the_model() -> None:
    programme, number = small_programme(least=1.5, cost=3.0)
    program = HighsProgram(programme, "v2g")
    assert program.run(10.0)
    # y is cheaper and full; x brings the last half: 1 + 1.5, and one more unit of the row costs 3.
    assert program.objective() == pytest.approx(2.5)
    assert program.values()[number["x"]] == pytest.approx(0.5)
    assert program.row_duals()[number["row"]] == pytest.approx(3.0)
    m = Template()
    m.foreign("x")
    m.row = pyo.Constraint(expr=m.x >= 0.7)
    more = Assembly(program.columns, program.rows)
    more.add_rows(compile_pattern(m), {}, 1, {"x": Terms.of(np.array([number["x"]]))})
    program.extend(more.finished())
    assert program.run(10.0)
    assert program.objective() == pytest.approx(0.8 + 2.1)


def test_wear_in_the_objective_is_exact_for_a_fleet() -> None:
    problem = depot_day(12, seed=3)
    plan = plan_day(problem, ["v2g"])["v2g"]
    assert plan.solver.wear_cuts > 0
    duty = plan.discharge_kw.sum(axis=1) * problem.slot_hours
    worn = sum(c.wear.cost_eur(kwh / c.capacity_kwh) for c, kwh in zip(problem.cars, duty, strict=True))
    drawn = sum(row.sum() / c.efficiency_charge for c, row in zip(problem.cars, plan.charge_kw, strict=True))
    assert worn > 0.1
    assert drawn > 100.0
    assert plan.solver.rows >= plan.solver.wear_cuts
    assert WEAR_ERROR_EUR <= 1e-7


def test_power_is_steady_where_prices_are_and_nobody_moves() -> None:
    # Hourly prices on quarter-hours; A sessions all day, B leaves in the middle of the third hour.
    hourly = [0.10, 0.35, 0.12, 0.30, 0.11, 0.40]
    one = {
        "efficiency_charge": 0.9,
        "efficiency_discharge": 0.9,
        "wear": wear("rate", residual_value_eur=300.0),
    }
    sessions = [session_of("A", 0, 24, 0.4, 0.62, hours=0.25), session_of("B", 0, 10, 0.4, 0.57, hours=0.25)]
    problem = day(
        np.repeat(hourly, 4), [car("A", **one), car("B", **one)], sessions, hours=0.25, terminal=0.15
    )
    plan = plan_day(problem, ["v2g"])["v2g"]
    assert plan.discharge_kw.any()
    for block in [(0, 4), (4, 8), (8, 10), (10, 12), (12, 16), (16, 20), (20, 24)]:
        for power in (plan.charge_kw, plan.discharge_kw):
            assert np.ptp(power[:, slice(*block)], axis=1).max() <= 1e-9


def test_later_searches_do_not_begin_with_the_time_of_earlier_ones() -> None:
    """HiGHS counts an integer programme's limit from its own start, a linear one's from the first."""
    _, problem = integer_day(17)
    plan = solve_mode(problem, "v2g", 3.0)
    assert plan.solver.status == "time_limit"
    assert plan.solver.solve_seconds < 4.0
