"""What the grid lets sites draw and feed back for a while, as constraints of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from flows.mapping.retail import Prices
from optimize.constraints import LinearConstraint
from optimize.types import DayProblem
from optimize.windows import session_windows


def with_grid_limits(problem: DayProblem, limits_kw: Mapping[str, tuple[Prices, Prices]]) -> DayProblem:
    """The problem with a constraint for each site, slot and direction where a limit binds and a car can be.

    limits_kw: of drawing and feeding back by site_id, NaN where nothing is said [T] each. The site's cars,
    and those of what hangs on it, keep it net of each other, with the other load that is expected. As at a
    site's own limit, where other load alone is above it, cars may together draw nothing.
    """
    stated = {site: pair for site, pair in limits_kw.items() if np.isfinite(pair).any()}
    return replace(problem, constraints=tuple(_limits(problem, stated))) if stated else problem


def _limits(
    problem: DayProblem, limits_kw: Mapping[str, tuple[Prices, Prices]]
) -> Iterator[LinearConstraint]:
    parents = {site.site_id: site.parent_id for site in problem.sites}
    own = {site.site_id: (site.import_limit_kw, site.export_limit_kw) for site in problem.sites}
    windows = session_windows(problem)
    for name in sorted(limits_kw.keys() & parents.keys()):
        below = {site for site in parents if _hangs_on(site, name, parents)}
        there, base = np.zeros((len(problem.cars), len(problem.slots))), np.zeros(len(problem.slots))
        for window in windows:
            if problem.sites[window.site].site_id in below:
                there[window.car, window.first : window.end] = 1.0
        for site in problem.sites:
            if site.site_id in below and site.base_load_kw is not None:
                base += site.base_load_kw
        ways = zip(("draw", "feed back"), (1.0, -1.0), limits_kw[name], own[name], strict=True)
        for does, sign, limit, most in ways:
            for slot in np.flatnonzero((limit < most) & there.any(axis=0)).tolist():
                at, net = problem.slots[slot], np.zeros_like(there)
                net[:, slot] = sign * there[:, slot]
                yield LinearConstraint(
                    name=f"site {name} may {does} {limit[slot]:g} kW at {at:%Y-%m-%d %H:%M} UTC",
                    import_coefficients=net, export_coefficients=-net,
                    upper=max(0.0, float(limit[slot] - sign * base[slot])),
                )  # fmt: skip


def _hangs_on(site: str, above: str, parents: Mapping[str, str | None]) -> bool:
    at: str | None = site
    while at is not None and at != above:
        at = parents.get(at)
    return at == above
