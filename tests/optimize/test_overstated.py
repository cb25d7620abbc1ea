"""A plan that keeps a rule by stating more missing than there is is none, also when the search ends early."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimize.check import check_plan
from optimize.model.day import build_day
from optimize.solve import GAP, Search, _search, _solve_fixed, _solve_lp, solve_mode
from optimize.switches import Broken, idle_powers
from optimize.types import DayProblem
from optimize.windows import session_windows
from tests.optimize.fleets import car, day, session_of


def problem() -> DayProblem:
    """The second session comes with 5 kWh at most of the 8 that it may be discharged to."""
    one = car(charge_limit_kw=0.5, min_discharge_kw=1.0)
    first = session_of("A", 0, 2, 0.5, 0.5)
    second = replace(session_of("A", 3, 6, 0.4, 0.1), carries=True, min_soc=0.8)
    return day([0.1, 0.1, 0.1, 0.1, 0.1, 0.1], [one], [first, second], export=[0.1, 0.1, 0.1, 0.9, 0.1, 0.1])


def searched() -> tuple[Search, np.ndarray]:
    """A search with a binary for every pair, and values that discharge when the second session begins."""
    asked = problem()
    model = build_day(asked, session_windows(asked), "v2g")
    search = _search(model, 60.0, GAP, idle_powers(model))
    _solve_lp(search)
    pairs, sites = len(model.pairs), model.sites
    every = Broken(
        pairs=np.ones(pairs, dtype=np.bool_),
        meters=np.zeros(sites.drawn.size, dtype=np.bool_),
        bids=np.zeros(sites.bid.size, dtype=np.bool_),
    )
    search.switches.add(search.program, every)
    third = int(np.flatnonzero(model.pairs.slot == 3)[0])
    return search, np.asarray(search.switches.columns == search.switches.discharging[third], dtype=float)


def test_binaries_that_nothing_real_can_keep_are_left_for_the_fallback() -> None:
    search, values = searched()
    _solve_fixed(search, values)
    assert not search.overstated.any(search.powers)
    assert search.powers.discharge == pytest.approx(0.0)
    missing = search.powers.values[search.day.missing]
    assert missing == pytest.approx(0.0)


def test_the_program_alone_would_have_stated_what_is_not_missing() -> None:
    search, values = searched()
    search.program.fix(search.switches.columns, values)
    assert _solve_lp(search, feasible=False)
    assert search.overstated.any(search.powers)
    assert search.powers.values[search.day.missing].max() > 3.0


def test_bounds_end_with_the_next_solve() -> None:
    search, values = searched()
    _solve_fixed(search, values)
    search.overstated.release(search.program)
    search.program.fix(search.switches.columns, values)
    assert _solve_lp(search, feasible=False)


def test_the_plan_of_such_a_day_keeps_every_rule() -> None:
    asked = problem()
    plan = solve_mode(asked, "v2g", 20.0)
    check_plan(asked, plan)
    assert plan.solver.status == "optimal"
