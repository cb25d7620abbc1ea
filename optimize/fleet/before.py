"""What comes before net benefit, as prices: the energy that departures are promised, then the objective.

Let m(x) be what a plan x misses at departures, p(x) what it has of the objective, to be made small, and c(x)
its cost, net benefit with its sign turned. Grid support is a price on both ways of every plug over the hours
to support, peak shaving one on the largest import of each root, so that these are days of net benefit too:

    first    min M·m(x) + p(x)                 its bound F:  p(x) ≥ F − M·m(x) for every plan
    then     min c(x) + w·(M·m(x) + p(x))      its bound B:  c(x) ≥ B − w·(M·m(x) + p(x)) for every plan

A plan x of the second misses the best p among plans that miss no more by at most M·m(x) + p(x) − F, and the
best c among plans that reach as much by at most what lies between it and B. Both hold for any weight w; it
grows until the former is small enough. Where departures miss energy at all, how little that could be has a
day of its own, min m(x).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from optimize.account import account, primary_value
from optimize.assemble import assemble_plan
from optimize.sites import Site
from optimize.types import DayProblem, Mode, ModePlan, Prices, Session, SolverRecord
from optimize.wear import NO_WEAR
from optimize.windows import session_windows

# A kWh that is missing costs this many times the most that a kWh could gain of an objective.
MISSING = 20.0
# More than a kWh gains anywhere: what holds until it is known what it could gain.
HIGH_EUR_PER_KWH = 1e12
# Of the gap that is wanted, what the search of the objective alone and the weighed ones may leave open.
FIRST_OPEN, WEIGHED_OPEN = 0.3, 0.1
# Of the time, what the search of the objective alone may take; of what is left, the first weighed one.
FIRST_SHARE, WEIGHED_SHARE = 0.3, 0.6
# By how much the weight grows, and how often at most.
GROWS, MOST_WEIGHTS = 8.0, 4
# So much energy missing is none, kWh.
NEGLIGIBLE = 1e-5

Solve = Callable[[DayProblem, float, float], ModePlan]
"""A plan of a day of net benefit, of seconds and the gap that is wanted."""


def first_day(problem: DayProblem) -> DayProblem:
    """The day in which nothing counts but the objective, by the kWh or kW, and what departures are promised.

    Reserve is left out: a bid may be nothing.
    """
    free = np.zeros(len(problem.slots))
    bare = replace(
        problem,
        objective="net_benefit",
        import_price_eur_per_kwh=free,
        export_price_eur_per_kwh=free,
        cars=tuple(replace(car, wear=NO_WEAR, rest_price_eur_per_kwh_h=0.0) for car in problem.cars),
        sessions=tuple(replace(one, value_eur_per_kwh=None) for one in problem.sessions),
        sites=tuple(replace(site, peak_price_eur_per_kw=0.0, metering="car") for site in problem.sites),
        terminal_value_eur_per_kwh=0.0,
        departure_price_eur_per_kwh=1.0,
        reserves=(),
        co2_kg_per_kwh=None,
        co2_price_eur_per_kg=0.0,
        previous_kw=None,
        change_price_eur_per_kwh=0.0,
    )
    return weighed(replace(bare, objective=problem.objective), 1.0)


def weighed(problem: DayProblem, weight: float) -> DayProblem:
    """The day of net benefit in which the objective has a price: weight, € per kWh or kW of it.

    Departures cost so much more that no gain of the objective makes up for a kWh missing.
    """
    day = replace(
        problem,
        objective="net_benefit",
        departure_price_eur_per_kwh=HIGH_EUR_PER_KWH,
        sessions=attainable(problem),
    )
    of_objective = _priced(day, problem, weight)
    gain = of_objective.most_gain_eur_per_kwh()
    return replace(
        of_objective, departure_price_eur_per_kwh=problem.departure_price_eur_per_kwh + MISSING * gain
    )


def attainable(problem: DayProblem) -> tuple[Session, ...]:
    """The sessions, asking no more than full power gives each: what no plan can change is no part of m(x).

    Where a car tapers or carries, it stays as it is asked.
    """
    carrying = {one.battery_id for one in problem.sessions if one.carries}
    lowered = {}
    for window in session_windows(problem):
        session, car = window.session, problem.cars[window.car]
        if car.charge_taper is not None or car.battery_id in carrying:
            continue
        most = window.arrival_kwh + window.charge_limit_kw * problem.slot_hours * len(window.slots)
        lacks = window.target_kwh - min(most, window.ceiling_kwh)
        if lacks > 0.0:
            least = max(0.0, session.departure_soc - lacks / car.capacity_kwh)
            lowered[session.session_id] = replace(session, departure_soc=least)
    return tuple(lowered.get(one.session_id, one) for one in problem.sessions)


def _priced(day: DayProblem, problem: DayProblem, weight: float) -> DayProblem:
    if problem.objective == "grid_support":
        added = np.zeros(len(problem.slots))
        added[list(problem.peak_slots)] = weight
        return replace(
            day,
            import_price_eur_per_kwh=problem.import_price_eur_per_kwh + added,
            export_price_eur_per_kwh=problem.export_price_eur_per_kwh + added,
        )
    return replace(day, sites=_shaved(problem.sites, weight))


def _shaved(sites: tuple[Site, ...], weight: float) -> tuple[Site, ...]:
    """The sites with a price on the largest import of each root; above a root that has one already, another
    root that has it."""
    taken, shaved, added = {site.site_id for site in sites}, list(sites), list[Site]()
    for j, site in enumerate(sites):
        if site.parent_id is not None:
            continue
        if site.peak_price_eur_per_kw == 0.0:
            shaved[j] = replace(site, peak_price_eur_per_kw=weight, peak_so_far_kw=0.0)
            continue
        name = f"above {site.site_id}"
        while name in taken:
            name = f"above {name}"
        taken.add(name)
        shaved[j] = replace(site, parent_id=name)
        added.append(
            Site(
                site_id=name,
                import_limit_kw=np.inf,
                export_limit_kw=np.inf,
                peak_price_eur_per_kw=weight,
            )
        )
    return (*shaved, *added)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A plan of the day, and as one of a weighed day, in which less may be asked at departures.

    What is open of what comes first, and of net benefit, relative to the larger of 1 and what the plan has.
    """

    plan: ModePlan
    planned: ModePlan
    first_open: float
    open: float

    @property
    def gap(self) -> float:
        return max(self.first_open, self.open)


def solve_before(
    problem: DayProblem, mode: Mode, time_limit_seconds: float, gap: float, solve: Solve
) -> ModePlan:
    """The plan of a day with an objective before net benefit, its gap the larger of both, not yet checked.

    solve: plans days of net benefit; whatever the time, it has a plan.
    """
    begun = time.perf_counter()
    deadline = begun + time_limit_seconds
    day = first_day(problem)
    first = solve(day, FIRST_SHARE * time_limit_seconds, FIRST_OPEN * gap)
    weight = problem.most_gain_eur_per_kwh() or 1.0
    if problem.objective == "peak_shaving":  # a kW more may be moved in every slot
        weight *= problem.slot_hours * len(problem.slots)

    def at(weight: float, share: float) -> _Found:
        left = max(0.0, deadline - time.perf_counter())
        planned = solve(weighed(problem, weight), share * left, WEIGHED_OPEN * gap)
        return _judged(problem, mode, day, first.solver, planned)

    best = at(weight, WEIGHED_SHARE)
    for number in range(1, MOST_WEIGHTS):
        if best.first_open <= gap or time.perf_counter() > deadline:
            break
        best = min(best, at(weight * GROWS**number, 1.0), key=lambda found: found.gap)
    missed = _missing_gap(day, best.planned, solve, deadline)
    total = max(best.gap, missed)
    record = replace(
        best.plan.solver,
        status="optimal" if total <= gap else "time_limit",
        gap=total,
        solve_seconds=time.perf_counter() - begun,
        primary=primary_value(problem, best.plan),
    )
    return replace(best.plan, solver=record)


def _least(record: SolverRecord) -> float:
    """The bound on the cost of any plan that a record states, €."""
    return -record.objective_eur - record.gap * max(1.0, abs(record.objective_eur))


def _judged(
    problem: DayProblem, mode: Mode, day: DayProblem, first: SolverRecord, planned: ModePlan
) -> _Found:
    """The plan of a weighed day as one of the day itself; day, first: what came of the objective alone."""
    sites = len(problem.sites)
    prices = planned.prices
    plan = assemble_plan(
        problem,
        session_windows(problem),
        mode,
        planned.charge_kw,
        planned.discharge_kw,
        planned.solver,
        reserves=planned.reserves,
        prices=Prices(
            site_eur_per_kwh=prices.site_eur_per_kwh[:sites],
            peak_eur_per_kw=prices.peak_eur_per_kw[:sites],
            reserve_up_eur_per_kw=prices.reserve_up_eur_per_kw,
            reserve_down_eur_per_kw=prices.reserve_down_eur_per_kw,
            energy_value_eur_per_kwh=prices.energy_value_eur_per_kwh,
        ),
    )
    objective = account(problem, plan).total.objective_eur
    reached = -account(day, replace(planned, reserves=())).total.objective_eur
    still_open = planned.solver.gap * max(1.0, abs(planned.solver.objective_eur))
    return _Found(
        plan=replace(plan, solver=replace(planned.solver, objective_eur=objective)),
        planned=replace(planned, reserves=()),
        first_open=max(0.0, reached - _least(first)) / max(1.0, abs(primary_value(problem, plan))),
        open=still_open / max(1.0, abs(objective)),
    )


def _missing_gap(day: DayProblem, planned: ModePlan, solve: Solve, deadline: float) -> float:
    """How far what departures miss, and might not, may be from the least; 0 where that is nothing."""
    free = np.zeros(len(day.slots))
    alone = replace(
        day,
        import_price_eur_per_kwh=free,
        export_price_eur_per_kwh=free,
        sites=tuple(replace(site, peak_price_eur_per_kw=0.0) for site in day.sites),
        departure_price_eur_per_kwh=1.0,
    )
    missing = account(alone, planned).total.unmet_price_eur
    if missing <= NEGLIGIBLE:
        return 0.0
    least = _least(solve(alone, max(0.0, deadline - time.perf_counter()), 1e-6).solver)
    return max(0.0, missing - least) / max(1.0, missing)
