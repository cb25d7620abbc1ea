"""What the grid lets sites draw and feed back for a while, or orders: as constraints of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from flows.mapping.retail import Prices
from flows.mapping.setpoints import attainable_kw
from flows.mapping.surroundings import with_setpoints
from optimize.constraints import LinearConstraint
from optimize.types import DayProblem
from optimize.windows import session_windows

_SLACK_KW = 1e-6


def with_grid_limits(
    problem: DayProblem,
    limits_kw: Mapping[str, tuple[Prices, Prices]],
    setpoints_kw: Mapping[str, Prices],
) -> DayProblem:
    """The problem with a constraint for each site, slot and direction where a limit binds and a car can be.

    limits_kw: of drawing and feeding back by site_id, NaN where nothing is said [T] each. The site's cars,
    and those of what hangs on it, keep it net of each other, with the other load that is expected. As at a
    site's own limit, where other load alone is above it, cars may together draw nothing.
    setpoints_kw: alike, what sites are to draw, which is the most as well: nothing is fed back, and cars draw
    at least what they can of it whatever else they do (`attainable_kw`).
    """
    stated = with_setpoints(limits_kw, setpoints_kw)
    return replace(problem, constraints=tuple(_limits(problem, stated, setpoints_kw))) if stated else problem


def _limits(
    problem: DayProblem,
    limits_kw: Mapping[str, tuple[Prices, Prices]],
    setpoints_kw: Mapping[str, Prices],
) -> Iterator[LinearConstraint]:
    own = {site.site_id: (site.import_limit_kw, site.export_limit_kw) for site in problem.sites}
    reached = attainable_kw(problem, limits_kw, setpoints_kw)
    windows = session_windows(problem)
    for name in sorted(limits_kw.keys() & own.keys()):
        below, base = below_and_load(problem, name)
        there = np.zeros((len(problem.cars), len(problem.slots)))
        for window in windows:
            if problem.sites[window.site].site_id in below:
                there[window.car, window.first : window.end] = 1.0
        least = reached.get(name, np.zeros(len(problem.slots)))
        ways = zip(("draw", "feed back"), (1.0, -1.0), limits_kw[name], own[name], strict=True)
        for does, sign, limit, most in ways:
            due = np.where((sign > 0) & (least > _SLACK_KW), least - _SLACK_KW, -np.inf)
            for slot in np.flatnonzero(((limit < most) | (due > 0)) & there.any(axis=0)).tolist():
                at, net = problem.slots[slot], np.zeros_like(there)
                net[:, slot] = sign * there[:, slot]
                yield LinearConstraint(
                    name=f"site {name} may {does} {limit[slot]:g} kW at {at:%Y-%m-%d %H:%M} UTC",
                    import_coefficients=net, export_coefficients=-net, lower=float(due[slot]),
                    upper=max(0.0, float(limit[slot] - sign * base[slot])),
                )  # fmt: skip


def below_and_load(problem: DayProblem, name: str) -> tuple[frozenset[str], Prices]:
    """A site with those that hang on it, and the other load of all of them, kW [T]."""
    parents = {site.site_id: site.parent_id for site in problem.sites}
    below = frozenset(site for site in parents if _hangs_on(site, name, parents))
    loads = [
        site.base_load_kw for site in problem.sites
        if site.site_id in below and site.base_load_kw is not None
    ]  # fmt: skip
    return below, np.sum(loads, axis=0) if loads else np.zeros(len(problem.slots))


def _hangs_on(site: str, above: str, parents: Mapping[str, str | None]) -> bool:
    at: str | None = site
    while at is not None and at != above:
        at = parents.get(at)
    return at == above
