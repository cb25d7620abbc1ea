"""A car of a plan solved anew by itself, with slots forbidden or forced, for who states what that costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimize.plan import plan_day
from optimize.types import DayProblem, LinearConstraint, ModePlan, Site


def car_alone(problem: DayProblem, plan: ModePlan, i: int) -> DayProblem:
    """The day of car i alone, which pays the shadow prices of the plan for what it takes of shared limits."""
    added = np.zeros(len(problem.slots))
    home = {site.site_id: site for site in problem.sites}
    number = {site.site_id: j for j, site in enumerate(problem.sites)}
    battery_id = problem.cars[i].battery_id
    mine = tuple(session for session in problem.sessions if session.battery_id == battery_id)
    begins, step = problem.slots, np.timedelta64(int(problem.slot_hours * 3600), "s")
    for session in mine:
        there = (begins >= session.arrival_utc) & (begins + step <= session.departure_utc)
        place: str | None = session.site_id or problem.cars[i].site_id
        while place is not None:
            j = number[place]
            added[there] += plan.prices.site_eur_per_kwh[j, there]
            added[there] += plan.prices.peak_eur_per_kw[j, there] / problem.slot_hours
            place = home[place].parent_id
    return replace(
        problem,
        cars=(problem.cars[i],),
        sessions=mine,
        sites=tuple(Site(site_id=name, import_limit_kw=np.inf, export_limit_kw=np.inf) for name in number),
        import_price_eur_per_kwh=problem.import_price_eur_per_kwh + added,
        export_price_eur_per_kwh=problem.export_price_eur_per_kwh + added,
        reserves=(),
        previous_kw=None if problem.previous_kw is None else problem.previous_kw[[i]],
    )


def best_eur(problem: DayProblem, plan: ModePlan, i: int, forced: dict[int, tuple[float, float]]) -> float:
    """The most that car i's day brings, €, its metered import and export, kW, set in some slots."""
    alone = car_alone(problem, plan, i)
    held = []
    for slot, powers in forced.items():
        for name, kw in zip(("import_coefficients", "export_coefficients"), powers, strict=True):
            one = np.zeros((1, len(problem.slots)))
            one[0, slot] = 1.0
            other = "export_coefficients" if name == "import_coefficients" else "import_coefficients"
            held.append(
                LinearConstraint(name=f"{name} {slot}", lower=kw, upper=kw, **{name: one, other: None})
            )
    found = plan_day(alone, (plan.mode,), constraints=held, time_limit_seconds=20.0)[plan.mode]
    return found.solver.objective_eur
