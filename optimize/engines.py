"""The engine or the engines that plan a day in an optimising mode, within its time.

A day too large for one search of the exact formulation goes to the fleet engine; where that is not for it, to
the exact formulation part by part, as far as it falls apart. What has no plan when its time is up gets one
without a search: every part has a plan, and the gap says what is open.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from optimize.apart import Part, join, take_apart
from optimize.errors import SolverError, TimeLimitError
from optimize.fleet.route import Route, most_at_once, route
from optimize.types import DayProblem, Mode, ModePlan

# What a plan without a search takes, by weighted slots: held back for what may need one.
AT_ONCE_SECONDS = 4e-5
# What putting the exact formulation together takes likewise; with less left, it is not begun.
BUILD_SECONDS = 1e-5
# A day smaller than this is not worth the kernel that such a plan needs, which takes a minute to compile.
LEAST_AT_ONCE = 2_000

_log = logging.getLogger(__name__)


def plan_in_time(problem: DayProblem, mode: Mode, time_limit_seconds: float) -> ModePlan:
    """A plan of an optimising mode ("ordered" or "v2g") with a proven gap, not yet checked.

    Days that are searched in one raise what `solve_mode` does, small ones TimeLimitError, too.
    """
    deadline = time.perf_counter() + time_limit_seconds
    chosen = route(problem, mode)
    if chosen.size > most_at_once(problem) and chosen.engine != "fleet":
        _log.info("mode %s is planned by the exact formulation: %s", mode, chosen.why)
        if deadline - time.perf_counter() < (AT_ONCE_SECONDS + BUILD_SECONDS) * chosen.size:
            return _at_once(problem, mode)
        parts = take_apart(problem, mode)
        routes = [route(part.problem, mode) for part in parts]
        return join(problem, mode, parts, _in_turn(parts, mode, routes, deadline))
    held_back = AT_ONCE_SECONDS * chosen.size if chosen.size > LEAST_AT_ONCE else 0.0
    try:
        return _search(problem, mode, chosen, deadline - held_back)
    except TimeLimitError:
        if chosen.size <= LEAST_AT_ONCE:
            raise
        return _at_once(problem, mode)


def _in_turn(parts: Sequence[Part], mode: Mode, routes: Sequence[Route], deadline: float) -> list[ModePlan]:
    """Each part's plan; each has its share of the time left, a larger one after others were too small."""
    plans: list[ModePlan] = []
    left = sum(one.size for one in routes)
    too_small, held_back = 0, AT_ONCE_SECONDS
    for part, chosen in zip(parts, routes, strict=True):
        now = time.perf_counter()
        spare = deadline - now - held_back * left
        share = min(1.0, 2.0**too_small * chosen.size / max(1, left))
        left -= chosen.size
        try:
            plans.append(_search(part.problem, mode, chosen, now + share * spare))
        except SolverError:
            if part.problem.constraints:  # nothing else keeps these
                raise
            too_small += 1
            now = time.perf_counter()
            plans.append(_at_once(part.problem, mode))
            held_back = max(held_back, (time.perf_counter() - now) / max(1, chosen.size))
    return plans


def _search(problem: DayProblem, mode: Mode, chosen: Route, deadline: float) -> ModePlan:
    # Pyomo and the kernel take seconds to import; whoever only reads plans should not pay for them.
    if chosen.engine == "fleet":
        from optimize.fleet.plan import solve_fleet

        return solve_fleet(problem, mode, deadline - time.perf_counter())
    left, large = deadline - time.perf_counter(), chosen.size > LEAST_AT_ONCE
    if large and left < BUILD_SECONDS * chosen.size:
        raise TimeLimitError(mode, "no time to put it together", f"{chosen.size} weighted slots")
    from optimize.solve import solve_mode

    return solve_mode(problem, mode, left, building_counts=large)


def _at_once(problem: DayProblem, mode: Mode) -> ModePlan:
    from optimize.fleet.at_once import plan_at_once

    return plan_at_once(problem, mode)
