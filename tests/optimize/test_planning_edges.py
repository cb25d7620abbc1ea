"""Where rules begin and end: tapers at the edges of their definition, chargers and cars, words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from optimize.answer import MODES, Mode
from optimize.check import check_plan
from optimize.errors import PlanCheckError, ProblemError
from optimize.fleet.arrays import arrays_of
from optimize.fleet.plan import solve_fleet
from optimize.model import build_day
from optimize.plan import plan_day
from optimize.types import DayProblem, ReserveBlock, Session, Taper
from optimize.wear import FORMS, WearForm
from optimize.windows import session_windows, taper_line
from tests.optimize.fleets import car, day, session_of
from tests.optimize.test_planning_golden import assert_table

NEAR = (0.0, 1e-12, 1e-9, 1e-6, 1e-3)
OPTIMISING: tuple[Mode, ...] = ("ordered", "v2g")


def edge_day(seed: int) -> DayProblem:
    """A small day of tapers at and near every edge: flat, upright, down to nothing, of no limit at all."""
    rng = np.random.default_rng([seed, 29])
    hours, slots = float(rng.choice([0.25, 1.0])), int(rng.integers(3, 9))

    def share() -> float:
        return float(rng.choice([rng.choice(NEAR), 1.0 - rng.choice(NEAR), 0.5]))

    cars, sessions = [], []
    for i in range(int(rng.integers(1, 4))):
        capacity = float(rng.choice([1e-3, 0.1, 10.0, 60.0]))
        limit = float(rng.choice([0.0, 1e-9, 4.0, 11.0]))
        from_soc, full = min(share(), 1.0 - 1e-12), share()
        if rng.random() < 0.2 and 0.0 < limit * hours < capacity:  # one slot at its power just fills it
            full, from_soc = 0.0, 1.0 - limit * hours / capacity
        one = car(
            f"car {i}",
            capacity_kwh=capacity,
            soc_max=float(rng.choice([0.8, 1.0])),
            charge_limit_kw=limit,
            discharge_limit_kw=float(rng.choice([0.0, 4.0])),
            efficiency_charge=0.9,
            efficiency_discharge=0.9,
            charge_taper=Taper(from_soc=from_soc, full_share=full),
        )
        comes = float(np.clip(rng.choice([0.0, 0.3, 1.0, from_soc, from_soc + 1e-9]), 0.0, 1.0))
        own = {way: float(rng.choice([0.0, 4.0, 50.0])) for way in ("charge_limit_kw", "discharge_limit_kw")}
        end = slots + int(rng.choice([0, 3]))
        session = session_of(one.battery_id, 0, end, comes, float(rng.choice([0.5, 1.0])), hours=hours)
        cars.append(one)
        sessions.append(replace(session, **own) if rng.random() < 0.5 else session)  # type: ignore[arg-type]
    buy = rng.uniform(0.05, 0.4, slots)
    return day(buy, cars, sessions, export=buy - 0.02, hours=hours, terminal=0.1)


@pytest.mark.parametrize("first", range(0, 1000, 100))
def test_plans_at_the_edges_of_tapers_pass_their_check(first: int) -> None:
    for seed in range(first, first + 100):
        problem = edge_day(seed)
        plans = plan_day(problem)
        assert set(plans) == set(MODES)
        for mode in OPTIMISING if seed % 5 == 0 else ():
            plan = solve_fleet(problem, mode, 10.0)
            check_plan(problem, plan)
            best, scale = plans[mode].solver.objective_eur, max(1.0, abs(plan.solver.objective_eur))
            assert plan.solver.objective_eur <= best + 1e-5 * scale
            assert best <= plan.solver.objective_eur + (plan.solver.gap + 1e-5) * scale


def test_a_taper_says_nothing_where_it_is_flat_upright_or_of_no_power() -> None:
    for limit, full, from_soc in ((4.0, 1.0, 0.5), (0.0, 0.0, 0.5), (4.0, 0.0, 0.9), (4.0, 0.5, 1 - 1e-12)):
        one = car(charge_limit_kw=limit, charge_taper=Taper(from_soc=from_soc, full_share=full))
        assert taper_line(one, 1.0) == (np.inf, 0.0)
    at_empty, fall = taper_line(car(charge_taper=Taper(from_soc=0.5, full_share=0.5)), 1.0)
    assert (at_empty, fall) == (pytest.approx(6.0), pytest.approx(0.4))


def test_a_taper_that_is_broken_is_still_seen() -> None:
    taper = Taper(from_soc=0.5, full_share=0.5)
    problem = day([0.1] * 2, [car(charge_taper=taper)], [session_of("A", 0, 2, 0.6, 1.0)])
    plan = plan_day(problem, ["ordered"])["ordered"]
    lower = car(charge_taper=replace(taper, full_share=0.4))
    with pytest.raises(PlanCheckError, match="charge taper"):
        check_plan(replace(problem, cars=(lower,)), plan)


def strong(session: Session) -> Session:
    """The same session at a charger of 22 kW both ways."""
    return replace(session, charge_limit_kw=22.0, discharge_limit_kw=22.0)


@pytest.mark.parametrize("mode", MODES)
def test_a_strong_charger_leaves_the_car_its_limit(mode: Mode) -> None:
    problem = day([0.1, 0.2, 0.3], [car()], [strong(session_of("A", 0, 3, 0.2, 1.0))])
    plans = [plan_day(problem, [mode])[mode]]
    plans += [solve_fleet(problem, mode, 9.0)] if mode in OPTIMISING else []
    for plan in plans:
        assert plan.charge_kw.max() == pytest.approx(4.0, abs=1e-3)
        check_plan(problem, plan)


def test_a_strong_charger_neither_discharges_nor_holds_more_than_the_car() -> None:
    session = strong(session_of("A", 0, 2, 0.9, 0.0))
    problem = day([0.5, 0.6], [car(capacity_kwh=40.0)], [session])
    assert_table(problem, "v2g", [[0, 0]], [[4, 4]], 2.0 + 2.4)
    block = ReserveBlock(
        product_id="FCR",
        direction="symmetric",
        site_id="depot",
        first_slot=0,
        end_slot=2,
        price_eur_per_kw_h=5.0,
        sustain_hours=0.0,
    )
    offering = replace(problem, reserves=(block,), sessions=(replace(session, arrival_soc=0.5),))
    for plan in (plan_day(offering, ["v2g"])["v2g"], solve_fleet(offering, "v2g", 9.0)):
        assert plan.reserves[0].bid_kw == pytest.approx(4.0, abs=1e-3)
        check_plan(offering, plan)


def test_a_session_beyond_the_day_counts_on_what_the_car_can_take_later() -> None:
    problem = day([0.1, 0.2], [car()], [strong(session_of("A", 0, 3, 0.2, 1.0))])
    (outcome,) = plan_day(problem, ["ordered"])["ordered"].departures
    assert outcome.target_kwh == pytest.approx(6.0)


def test_the_check_refuses_what_a_charger_adds_to_a_car() -> None:
    problem = day([0.1, 0.2], [car()], [strong(session_of("A", 0, 2, 0.2, 1.0))])
    plan = plan_day(problem, ["ordered"])["ordered"]
    with pytest.raises(PlanCheckError, match="charge limit"):
        check_plan(replace(problem, cars=(car(charge_limit_kw=3.0),)), plan)


@pytest.mark.parametrize("modes", [["V2G"], ["v2g", "none"], "v2g", [""], [None], ["Ordered"]])
def test_a_mode_that_is_none_is_refused(modes: Any) -> None:
    with pytest.raises(ProblemError, match=r"day: mode is .*must be one of \('uncontrolled', 'ordered'"):
        plan_day(day([0.1], [car()], [session_of("A", 0, 1, 0.2, 0.5)]), modes)


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_a_time_limit_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ProblemError, match="time_limit_seconds"):
        plan_day(day([0.1], [car()], []), ["ordered"], time_limit_seconds=seconds)


@pytest.mark.parametrize("mode", ["V2G", "uncontrolled", ""])
def test_no_engine_takes_a_mode_for_another(mode: Any) -> None:
    problem = day([0.1], [car()], [session_of("A", 0, 1, 0.2, 0.5)])
    windows = session_windows(problem)
    for make in (build_day, arrays_of):
        with pytest.raises(ProblemError, match="mode to optimise"):
            make(problem, windows, mode)


def test_words_of_answers_are_those_that_mean_something() -> None:
    plan = plan_day(day([0.1], [car()], [session_of("A", 0, 1, 0.2, 0.5)]), ["v2g"])["v2g"]
    changes: list[tuple[Any, dict[str, str]]] = [
        (plan, {"mode": "V2G"}),
        (plan.solver, {"status": "Optimal"}),
        (plan.solver, {"engine": "pyomo"}),
        (plan.departures[0], {"due": "soon"}),
    ]
    for answer, change in changes:
        with pytest.raises(ProblemError, match="must be one of"):
            replace(answer, **change)


def test_allowed_words_are_those_of_the_types() -> None:
    assert get_args(Mode) == MODES
    assert get_args(WearForm) == FORMS
