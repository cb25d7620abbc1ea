"""A user's own constraints: by hand, against the second formulation, in parts, and where none keeps them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import optimize.apart
from optimize.apart import join, take_apart
from optimize.check import check_plan
from optimize.engines import plan_in_time
from optimize.errors import PlanCheckError, ProblemError, SolverError, TimeLimitError
from optimize.fleet.route import route
from optimize.plan import plan_day, plan_modes
from optimize.rescue import part_of, trees
from optimize.rulebook import BINDINGS
from optimize.scenarios import Scenario, UncertainDay
from optimize.scenarios.commit import commit
from optimize.solve import solve_mode
from optimize.types import DayProblem, LinearConstraint, Mode, Site
from tests.optimize.fleets import car, day, depot_day, session_of, wear
from tests.optimize.mixed import FEATURES, mixed_day
from tests.optimize.reference import NoPlanError, milp_answer
from tests.optimize.test_planning_golden import assert_table

MODES: tuple[Mode, ...] = ("ordered", "v2g")


def own(problem: DayProblem, *constraints: LinearConstraint) -> DayProblem:
    return replace(problem, constraints=constraints)


def cells(problem: DayProblem, *places: tuple[int, int], value: float = 1.0) -> np.ndarray:
    found = np.zeros((len(problem.cars), len(problem.slots)))
    for place in places:
        found[place] = value
    return found


def two_cars() -> DayProblem:
    """4 kWh owed each, 4 kW, η 0.8 in; cheapest in slot 1."""
    cars = [car(name, efficiency_charge=0.8) for name in "AB"]
    return day([0.3, 0.1, 0.2], cars, [session_of(name, 0, 3, 0.2, 0.6) for name in "AB"])


def test_cars_charge_no_more_together_than_the_constraint_lets_them() -> None:
    # 4 kWh each are 5 kWh metered; slot 1 would take all 10 at 0.1. The cap leaves 6 of them there, the other
    # 4 go to slot 2 at 0.2: 0.6 + 0.8.
    problem = two_cars()
    cap = LinearConstraint(name="noon", import_coefficients=cells(problem, (0, 1), (1, 1)), upper=6.0)
    plan = plan_day(problem, ["ordered"], constraints=[cap])["ordered"]
    np.testing.assert_allclose(plan.charge_kw.sum(axis=0) / 0.8, [0.0, 6.0, 4.0], atol=1e-6)
    assert plan.solver.objective_eur == pytest.approx(-1.4, abs=1e-6)
    assert "own constraint" in np.array(BINDINGS)[plan.binding[:, 1]]
    free = plan_day(problem, ["uncontrolled"], constraints=[cap])["uncontrolled"]
    np.testing.assert_array_equal(
        free.charge_kw, plan_day(problem, ["uncontrolled"])["uncontrolled"].charge_kw
    )


def fed_back(alpha: float, lower: float) -> DayProblem:
    """5 kWh on arrival, η 0.5 out; feeding never pays, and a user asks for `lower` kWh of it in slot 1."""
    steep = wear(residual_value_eur=1000.0, l0_days=1000.0, alpha_day_per_efc=alpha)
    one = car(efficiency_discharge=0.5, wear=steep)
    problem = day([0.2, 0.2], [one], [session_of("A", 0, 2, 0.5, 0.0)], terminal=0.2, departure_price=0.0)
    asked = LinearConstraint(name="evening", export_coefficients=cells(problem, (0, 1)), lower=lower)
    return own(problem, asked)


@pytest.mark.parametrize("alpha", [0.0, 4.0, 12.0, 30.0])
def test_what_is_asked_is_fed_back_whatever_it_wears(alpha: float) -> None:
    # 2 kWh at the plug are 4 kWh of the battery: 0.4 earned, 0.8 less in store, exp(0.4·α) − 1 of wear.
    problem = fed_back(alpha, 2.0)
    assert_table(problem, "v2g", [[0, 0]], [[0, 4]], -0.4 - np.expm1(0.4 * alpha))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_unit_of_the_coefficients_does_not_matter(scale: float) -> None:
    problem = fed_back(1.0, 2.0)
    asked = LinearConstraint(
        name="scaled", export_coefficients=cells(problem, (0, 1), value=scale), lower=2.0 * scale
    )
    plan = plan_day(own(problem, asked), ["v2g"])["v2g"]
    np.testing.assert_allclose(plan.discharge_kw, [[0.0, 4.0]], atol=1e-5)


def test_what_no_plan_keeps_is_named_alone_or_together() -> None:
    problem = fed_back(0.0, 2.1)
    with pytest.raises(SolverError, match=r"no plan keeps own constraint 'evening'"):
        plan_day(problem, ["v2g"])
    (asked,) = fed_back(0.0, 1.0).constraints
    cap = replace(asked, name="cap", lower=-np.inf, upper=0.5)
    harmless = replace(asked, name="harmless", lower=-np.inf, upper=9.0)
    with pytest.raises(SolverError, match=r"no plan keeps own constraints 'evening', 'cap'") as refused:
        plan_day(own(problem, harmless, asked, cap), ["v2g"])
    assert "harmless" not in str(refused.value)
    # Of the modes only the one that cannot keep it fails.
    day_of = plan_modes(own(problem, asked))
    assert set(day_of.plans) == {"uncontrolled", "v2g"}
    assert "evening" in str(day_of.failures["ordered"])


def test_what_only_binaries_forbid_is_found_and_named() -> None:
    # Both at once in one slot would keep it; one after the other nothing does.
    problem = day([0.1], [car()], [session_of("A", 0, 1, 0.5, 0.0)])
    place = cells(problem, (0, 0))
    both = LinearConstraint(name="in", import_coefficients=place, lower=2.0)
    out = LinearConstraint(name="out", export_coefficients=place, lower=2.0)
    with pytest.raises(SolverError, match="own constraints 'in', 'out'"):
        plan_day(own(problem, both, out), ["v2g"])
    # Half the least power for two of three slots: some slots must be on, and only whole ones.
    problem = day([0.1] * 3, [car(min_charge_kw=3.0)], [session_of("A", 0, 3, 0.0, 0.0)])
    span = LinearConstraint(
        name="span", import_coefficients=cells(problem, (0, 0), (0, 1), (0, 2)), lower=4.5, upper=5.5
    )
    with pytest.raises(SolverError, match="own constraint 'span'"):
        plan_day(own(problem, span), ["ordered"])
    wider = replace(span, upper=6.5)
    plan = plan_day(own(problem, replace(wider, lower=5.5)), ["ordered"])["ordered"]
    assert (plan.charge_kw > 2.9).sum() == 2


def forced_day(seed: int) -> DayProblem:
    """A mixed day of which a user asks for more than idling gives; some cannot be kept."""
    rng = np.random.default_rng([seed, 17])
    features = [one for one in FEATURES if one not in ("carry", "objective") and rng.random() < 0.3]
    problem = mixed_day(seed, features=features, cars=1 + seed % 2, slots=6, hours=1.0)
    shape = (len(problem.cars), len(problem.slots))
    which = "import_coefficients" if rng.random() < 0.5 else "export_coefficients"
    asked = (
        LinearConstraint(
            name="asked", lower=float(rng.choice([0.5, 3.0, 8.0])), **{which: 1.0 * (rng.random(shape) < 0.6)}
        )
        if rng.random() < 0.8
        else LinearConstraint(
            name="asked", import_coefficients=np.ones(shape), export_coefficients=-np.ones(shape), upper=-1.0
        )
    )
    return replace(problem, constraints=(*problem.constraints, asked))


@pytest.mark.parametrize("first", range(0, 60, 15))
def test_a_second_formulation_agrees_on_what_is_asked(first: int) -> None:
    found = {"plan": 0, "none": 0}
    for seed in range(first, first + 15):
        problem = forced_day(seed)
        for mode in MODES:
            try:
                other = milp_answer(problem, mode)
            except NoPlanError:
                found["none"] += 1
                with pytest.raises(SolverError, match="asked"):
                    plan_day(problem, [mode])
                continue
            found["plan"] += 1
            plan = plan_day(problem, [mode])[mode]
            slack = 1e-4 + (3e-6 + plan.solver.gap) * abs(other.bound)
            assert other.achieved - slack <= plan.solver.objective_eur <= other.bound + slack, (seed, mode)
    assert min(found.values()) > 0


def test_cars_of_one_constraint_stay_together_and_keep_it_in_their_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(optimize.apart, "PACK", 1)
    sites = [Site(site_id=name, import_limit_kw=4.0, export_limit_kw=4.0) for name in "abc"]
    cars = [car(name.upper(), site_id=name) for name in "abc"] + [car("D", site_id="a")]
    sessions = [session_of(one.battery_id, 0, 3, 0.2, 0.6) for one in cars]
    problem = day([0.3, 0.1, 0.2], cars, sessions, sites=sites)
    shared = LinearConstraint(name="two", import_coefficients=cells(problem, (0, 1), (1, 1)), upper=5.0)
    single = LinearConstraint(name="one", import_coefficients=cells(problem, (2, 1)), upper=1.0)
    problem = own(problem, shared, single)
    parts = take_apart(problem, "ordered")
    together = {
        tuple(car.battery_id for car in part.problem.cars): [one.name for one in part.problem.constraints]
        for part in parts
    }
    assert together == {("A", "B", "D"): ["two"], ("C",): ["one"]}
    plan = join(problem, "ordered", parts, [solve_mode(part.problem, "ordered", 30.0) for part in parts])
    check_plan(problem, plan)
    whole = solve_mode(problem, "ordered", 30.0).solver
    assert plan.solver.objective_eur == pytest.approx(whole.objective_eur, abs=1e-6)
    # A rescue plans them together as well, or not at all.
    assert trees(problem) == [[0, 1, 3], [2]]
    assert [one.name for one in part_of(problem, [2], {}).constraints] == ["one"]
    with pytest.raises(ProblemError, match=r"own constraint 'two'.*1 of 2.*planned together"):
        part_of(problem, [0], {})


def test_a_fleet_with_a_constraint_is_planned_exactly_and_never_without_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    problem = depot_day(300)
    export = np.zeros((300, 96))
    export[0, 68:80] = problem.slot_hours
    problem = own(problem, LinearConstraint(name="evening", export_coefficients=export, lower=3.0))
    chosen = route(problem, "v2g")
    assert chosen.engine == "pyomo"
    assert "own constraint 'evening'" in chosen.why
    with caplog.at_level("INFO", "optimize.engines"), pytest.raises(TimeLimitError):
        plan_in_time(problem, "v2g", 0.0)
    assert "own constraint 'evening'" in caplog.text
    for seconds in (0.0, 0.01):
        with pytest.raises(TimeLimitError, match="own constraint 'evening'"):
            plan_in_time(problem, "v2g", seconds)


def test_powers_are_levelled_only_where_a_constraint_weighs_them_alike() -> None:
    # One price all day: only the constraint tells the slots apart, and only within 2 and 3 may power be even.
    problem = day([0.1] * 4, [car()], [session_of("A", 0, 4, 0.2, 0.8)])
    cap = LinearConstraint(
        name="cap",
        import_coefficients=cells(problem, (0, 0), value=1.0) + cells(problem, (0, 1)) * 3,
        upper=1.0,
    )
    plan = plan_day(own(problem, cap), ["ordered"])["ordered"]
    check_plan(own(problem, cap), plan)
    assert plan.charge_kw[0, 2] == pytest.approx(plan.charge_kw[0, 3], abs=1e-9)
    assert plan.charge_kw.sum() == pytest.approx(6.0, abs=1e-6)


def test_a_departure_that_a_constraint_makes_late_says_so() -> None:
    problem = day([0.1] * 2, [car()], [session_of("A", 0, 2, 0.2, 0.9)])
    cap = LinearConstraint(name="quiet", import_coefficients=np.ones((1, 2)), upper=3.0)
    (outcome,) = plan_day(problem, ["ordered"], constraints=[cap])["ordered"].departures
    assert outcome.missing_kwh == pytest.approx(4.0, abs=1e-6)
    assert outcome.reason.startswith("own constraint 'quiet' leaves no more")


def test_a_plan_is_refused_by_the_name_of_the_constraint_but_uncontrolled_charging_is_not() -> None:
    problem = two_cars()
    plans = plan_day(problem)
    cap = LinearConstraint(name="noon", import_coefficients=np.ones((2, 3)), upper=1.0)
    for mode in MODES:
        with pytest.raises(PlanCheckError, match=r"own constraint 'noon'.*bounds -inf to 1"):
            check_plan(own(problem, cap), plans[mode])
    check_plan(own(problem, cap), plans["uncontrolled"])


WRONG = [
    ({"lower": 0.0}, "must not all be 0"),
    ({"import_coefficients": np.zeros((1, 2)), "lower": 0.0}, "must not all be 0"),
    ({"import_coefficients": np.array([[1.0, np.nan]]), "lower": 0.0}, "must be a finite number"),
    ({"import_coefficients": np.array([[1.0, 1e-12]]), "lower": 0.0}, "of the largest"),
    ({"import_coefficients": np.ones((1, 2))}, "must hold at least one"),
    ({"import_coefficients": np.ones((1, 2)), "lower": np.nan}, "lower is nan"),
    ({"import_coefficients": np.ones((1, 2)), "upper": -np.inf}, "upper is -inf"),
    ({"import_coefficients": np.ones((1, 2)), "lower": 2.0, "upper": 1.0}, "lower is 2.0, must be <= upper"),
    ({"import_coefficients": np.ones((2, 2)), "lower": 0.0}, r"\(2, 2\), must be \(1, 2\), cars and slots"),
    ({"export_coefficients": np.ones(2), "lower": 0.0}, r"\(2,\), must be \(1, 2\), cars and slots"),
]


@pytest.mark.parametrize(("given", "words"), WRONG, ids=[words for _, words in WRONG])
def test_what_cannot_be_meant_is_refused_by_name(given: dict, words: str) -> None:
    problem = day([0.1] * 2, [car()], [session_of("A", 0, 2, 0.2, 0.9)])
    with pytest.raises(ProblemError, match=f"own constraint 'odd'.*{words}"):
        own(problem, LinearConstraint(name="odd", **given))


def test_a_name_is_given_once_and_sessions_that_carry_on_know_no_constraint() -> None:
    problem = day([0.1] * 2, [car()], [session_of("A", 0, 1, 0.2, 0.3), session_of("A", 1, 2, 0.2, 0.3)])
    cap = LinearConstraint(name="cap", import_coefficients=np.ones((1, 2)), upper=3.0)
    with pytest.raises(ProblemError, match="'cap', must occur only once"):
        plan_day(own(problem, cap), constraints=[cap])
    first, second = problem.sessions
    with pytest.raises(ProblemError, match="not known next to own constraints"):
        replace(own(problem, cap), sessions=(first, replace(second, carries=True)))


def test_a_two_stage_plan_declines_what_forbids_idling() -> None:
    problem = fed_back(1.0, 2.0)
    scenario = Scenario(probability=1.0, day=problem)
    uncertain = UncertainDay(
        scenarios=(scenario,), deviation_price_eur_per_kwh=0.0, shortfall_price_eur_per_kw_h=0.1
    )
    with pytest.raises(ProblemError, match=r"own constraint 'evening'.*must let a two-stage plan idle"):
        commit(uncertain)
