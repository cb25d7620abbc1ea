"""Days that fall apart are the sum of their parts, engines are chosen by what they need, time limits hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import optimize.apart
import optimize.engines
from optimize.account import account
from optimize.apart import Part, cars_with, join, take_apart
from optimize.check import check_plan
from optimize.engines import plan_in_time
from optimize.errors import ProblemError, TimeLimitError
from optimize.fleet.arrays import arrays_of
from optimize.fleet.at_once import plan_at_once
from optimize.fleet.coupling import count_rows, couple
from optimize.fleet.plan import solve_fleet
from optimize.fleet.route import route
from optimize.plan import plan_day
from optimize.solve import solve_mode
from optimize.types import DayProblem, Mode, Site
from optimize.windows import session_windows
from tests.optimize.fleets import car, day, depot_day, session_of
from tests.optimize.homes import homes_day, places_day
from tests.optimize.mixed import FEATURES, mixed_day

MODES: tuple[Mode, ...] = ("ordered", "v2g")
KNOWN = [name for name in FEATURES if name != "own"]  # only a search keeps own constraints


def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every component apart, however small."""
    monkeypatch.setattr(optimize.apart, "PACK", 1)


@pytest.mark.parametrize("first", range(0, 40, 5))
def test_the_parts_of_a_day_are_the_day(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    small_parts(monkeypatch)
    fell_apart = 0
    for seed in range(first, first + 5):
        problem = places_day(seed)
        for mode in MODES:
            parts = take_apart(problem, mode)
            cars = np.sort(np.concatenate([part.cars for part in parts]))
            np.testing.assert_array_equal(cars, np.arange(len(problem.cars)))
            fell_apart += len(parts) > 1
            plan = join(problem, mode, parts, [solve_mode(part.problem, mode, 30.0) for part in parts])
            check_plan(problem, plan)
            whole = solve_mode(problem, mode, 30.0)
            scale = max(1.0, abs(whole.solver.objective_eur))
            value = account(problem, plan).total.objective_eur
            assert value == pytest.approx(plan.solver.objective_eur, abs=1e-6)
            slack = (plan.solver.gap + whole.solver.gap + 1e-6) * scale
            assert value == pytest.approx(whole.solver.objective_eur, abs=slack)
            assert np.isnan(plan.solver.primary) == (problem.objective == "net_benefit")
            if problem.objective != "net_benefit":
                assert plan.solver.primary == pytest.approx(whole.solver.primary, abs=1e-5, rel=1e-5)
            assert [one.session_id for one in plan.departures] == [one.session_id for one in whole.departures]
    assert fell_apart > 5


def ids(parts: tuple[Part, ...]) -> list[set[str]]:
    return sorted(({one.battery_id for one in part.problem.cars} for part in parts), key=sorted)


def places(*sites: Site, at: dict[str, list[str]], **changes: object) -> DayProblem:
    """Cars by the sites that they visit, an hour each."""
    cars = [car(name, site_id=visits[0]) for name, visits in at.items()]
    sessions = [
        replace(session_of(name, t, t + 1, 0.2, 0.5), site_id=site)
        for name, visits in at.items()
        for t, site in enumerate(visits)
    ]
    problem = day([0.1] * 4, cars, sessions, export=[0.05] * 4, sites=list(sites))
    return replace(problem, **changes)  # type: ignore[arg-type]


def site(site_id: str, limit: float = 2.0, **changes: object) -> Site:
    return Site(site_id=site_id, import_limit_kw=limit, export_limit_kw=limit, **changes)  # type: ignore[arg-type]


def test_what_links_cars_and_what_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    small_parts(monkeypatch)
    two = {"A": ["a"], "B": ["b"]}
    apart, together = [{"A"}, {"B"}], [{"A", "B"}]
    # A parent links where it can bind, is paid for or shared, not by being there.
    for above, linked in (
        (site("top", 7.0), True),
        (site("top", 1e3), False),
        (site("top", 1e3, peak_price_eur_per_kw=1.0), True),
        (site("top", 1e3, metering="site"), True),
    ):
        problem = places(above, site("a", parent_id="top"), site("b", parent_id="top"), at=two)
        assert ids(take_apart(problem, "v2g")) == (together if linked else apart)
        assert cars_with(problem, "A") == ({"A", "B"} if linked else {"A"})
    # A car that visits both links them; one at a place without any limit does not.
    both = places(site("a"), site("b"), at={"A": ["a", "b"], "B": ["b"], "C": ["a"]})
    assert ids(take_apart(both, "v2g")) == [{"A", "B", "C"}]
    assert cars_with(both, "C") == {"A", "B", "C"}
    free = places(site("a"), site("b"), site("street", 1e3), at={"A": ["a", "street"], "B": ["b", "street"]})
    assert ids(take_apart(free, "v2g")) == apart
    # The sum of roots is what two objectives are about, and every root stands for itself.
    roots = places(site("top", 1e3), site("a", parent_id="top"), site("b", parent_id="top"), at=two)
    assert ids(take_apart(replace(roots, objective="peak_shaving"), "ordered")) == together
    assert cars_with(replace(roots, objective="peak_shaving"), "A") == {"A", "B"}
    # Of cars that meet nobody each is alone, though they are planned together.
    nobody = places(site("street", 1e3), at={"A": ["street"], "B": ["street"]})
    assert ids(take_apart(nobody, "v2g")) == together and cars_with(nobody, "B") == {"B"}
    with pytest.raises(ProblemError, match="is not a car of this day"):
        cars_with(nobody, "C")


def test_a_car_registered_where_others_are_does_not_link(monkeypatch: pytest.MonkeyPatch) -> None:
    small_parts(monkeypatch)
    problem = places(site("a"), site("b"), site("office"), at={"A": ["a"], "B": ["b"], "C": ["office"]})
    problem = replace(problem, cars=tuple(replace(one, site_id="office") for one in problem.cars))
    assert ids(take_apart(problem, "v2g")) == [{"A"}, {"B"}, {"C"}]
    plan = plan_day(problem, ["v2g"])["v2g"]
    assert plan.solver.status == "optimal"


def test_rows_are_counted_as_they_are_built() -> None:
    features = ("taper", "charger", "tree", "base", "peak", "meter", "reserve")
    for seed in range(30):
        problem = mixed_day(seed, features=features, cars=6, slots=16, hours=1.0)
        for mode in MODES:
            arrays = arrays_of(problem, session_windows(problem), mode)
            assert (
                couple(arrays).rows <= count_rows(arrays) <= couple(arrays).rows + 2 * 16 * len(arrays.blocks)
            )


def test_a_site_for_each_car_goes_where_it_fits() -> None:
    many = route(homes_day(250, load=True), "v2g")
    assert many.engine == "pyomo"
    assert "rows" in many.why
    assert "GB by the fleet engine" in many.why
    assert route(homes_day(250, feeder=True, load=True), "v2g").engine == "pyomo"
    # A limit that only one car meets and that stays the same all day is that car's own.
    assert "coupled by 0 rows" in route(homes_day(250), "v2g").why
    assert route(homes_day(250, feeder=True), "v2g").engine == "fleet"
    assert route(depot_day(300), "v2g").engine == "fleet"


@pytest.mark.parametrize("mode", MODES)
def test_limits_of_one_car_alone_cost_what_they_do_as_rows(mode: Mode) -> None:
    bound = 0
    for seed, transformers in ((1, 0), (2, 2), (3, 3)):
        problem = homes_day(9, seed, transformers=transformers)
        # Some homes feed nothing in, some hardly draw.
        sites = [
            replace(one, import_limit_kw=3.0 + 0.7 * k, export_limit_kw=0.0 if k % 3 == 0 else 5.0)
            if one.site_id.startswith("home")
            else one
            for k, one in enumerate(problem.sites)
        ]
        problem = replace(problem, sites=tuple(sites))
        exact = solve_mode(problem, mode, 60.0)
        plan = solve_fleet(problem, mode, 30.0, threads=1)
        check_plan(problem, plan)
        value = account(problem, plan).total.objective_eur
        scale = max(1.0, abs(value))
        assert value <= exact.solver.objective_eur + 3e-6 * scale
        assert exact.solver.objective_eur <= value + (plan.solver.gap + 3e-6) * scale
        assert plan.solver.gap <= 1e-4
        homes = [k for k, one in enumerate(problem.sites) if one.site_id.startswith("home")]
        theirs, ours = (one.prices.site_eur_per_kwh[homes] for one in (exact, plan))
        clear = np.abs(theirs) > 0.02
        bound += np.count_nonzero(clear)
        # Where several prices are right, the engines may tell different ones.
        assert np.mean(np.abs(ours - theirs)[clear] < 0.01) > 0.7
    assert bound > 30


def test_transformers_are_planned_some_together() -> None:
    problem = homes_day(300, transformers=60)
    assert len(take_apart(problem, "v2g")) > 6  # 5 homes a transformer: too many rows for the fleet engine
    problem = homes_day(500, transformers=10)
    parts = take_apart(problem, "v2g")
    assert len(parts) == 2
    assert all(route(part.problem, "v2g").engine == "fleet" for part in parts)


def test_many_homes_cost_what_they_cost_in_one_programme() -> None:
    problem = homes_day(200, load=True)
    assert len(take_apart(problem, "v2g")) > 3
    plan = plan_day(problem, ["v2g"], time_limit_seconds=600.0)["v2g"]
    whole = solve_mode(problem, "v2g", 600.0).solver
    assert plan.solver.status == "optimal"
    assert plan.solver.engine == "highs"
    assert plan.solver.objective_eur == pytest.approx(whole.objective_eur, rel=1e-6)


@pytest.mark.parametrize("seconds", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("problem", [homes_day(200, load=True), homes_day(200, feeder=True), depot_day(300)])
def test_without_time_there_is_a_plan_with_an_honest_gap(problem: DayProblem, seconds: float) -> None:
    plan = plan_in_time(problem, "v2g", seconds)
    check_plan(problem, plan)
    best = plan_in_time(problem, "v2g", 600.0).solver
    value = account(problem, plan).total.objective_eur
    scale = max(1.0, abs(value))
    assert value == pytest.approx(plan.solver.objective_eur, abs=1e-6 * scale)
    assert np.isfinite(plan.solver.gap)
    assert best.objective_eur <= value + (plan.solver.gap + 1e-6) * scale
    assert plan.solver.status == ("time_limit" if plan.solver.gap > 1e-4 else "optimal")
    if seconds == 0.0:
        assert plan.solver.status == "time_limit"


def test_one_part_without_a_plan_in_time_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = homes_day(200, load=True)
    parts = take_apart(problem, "v2g")
    search, asked = optimize.engines._search, []

    def first_fails(*arguments: object) -> object:
        asked.append(arguments)
        if len(asked) == 1:
            raise TimeLimitError("v2g", "time limit", "a part")
        return search(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(optimize.engines, "_search", first_fails)
    plan = plan_in_time(problem, "v2g", 600.0)
    check_plan(problem, plan)
    assert len(asked) == len(parts)
    monkeypatch.undo()
    best = plan_in_time(problem, "v2g", 600.0)
    assert plan.solver.status == "time_limit"
    assert 1e-4 < plan.solver.gap < 1.0
    rest = np.concatenate([part.cars for part in parts[1:]])
    np.testing.assert_array_equal(plan.charge_kw[rest], best.charge_kw[rest])


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_a_plan_at_once_keeps_every_rule_and_bounds_the_best(first: int) -> None:
    for seed in range(first, first + 10):
        problem = mixed_day(seed, features=KNOWN, cars=1 + seed % 4, slots=16, hours=1.0)
        for mode in MODES:
            plan = plan_at_once(problem, mode)
            check_plan(problem, plan)
            exact = solve_mode(problem, mode, 30.0).solver
            value, scale = plan.solver.objective_eur, max(1.0, abs(plan.solver.objective_eur))
            assert value == pytest.approx(account(problem, plan).total.objective_eur, abs=1e-6 * scale)
            assert np.isfinite(plan.solver.gap)
            assert plan.solver.gap >= 0.0
            if problem.objective == "net_benefit":
                assert value <= exact.objective_eur + (exact.gap + 2e-6) * scale
                assert exact.objective_eur <= value + (plan.solver.gap + 2e-6) * scale
