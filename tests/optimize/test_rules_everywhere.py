"""Every rule holds wherever a plan is made: by both engines, in parts of a day, among even powers.

Mixed days of each rule (`rule_evidence`) are planned in every way, and checked; whoever adds a rule is told
here which way does not know it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import optimize.apart
from optimize.account import account
from optimize.apart import join, take_apart
from optimize.errors import PlanCheckError
from optimize.fleet.arrays import unsupported
from optimize.fleet.plan import solve_fleet
from optimize.rescue import part_of, trees
from optimize.rulebook import RULES, Rule, indifferent
from optimize.solve import solve_mode
from optimize.types import DayProblem
from tests.optimize.rule_evidence import EVIDENCE
from tests.optimize.test_rulebook import days_of, each_rule, refuse

SECONDS = 30.0


def broken(day: DayProblem, plan: Callable[[DayProblem], object]) -> list[str]:
    try:
        plan(day)
    except PlanCheckError as error:
        return [str(error)]
    return []


@cache
def broken_by_evening(mixed: tuple[str, ...]) -> list[str]:
    """What a plan of a mixed day breaks where only its rules tell slots of one price apart."""
    found = []
    for problem in days_of(mixed):
        buy = np.repeat(problem.import_price_eur_per_kwh[::4], 4)
        sell = np.repeat(problem.export_price_eur_per_kwh[::4], 4)
        flat = replace(problem, import_price_eur_per_kwh=buy, export_price_eur_per_kwh=sell)
        if indifferent(flat):
            found += broken(flat, lambda one: refuse(one, solve_mode(one, "v2g", SECONDS)))
    return found


@cache
def broken_by_the_fleet_engine(mixed: tuple[str, ...]) -> list[str]:
    days = [problem for problem in days_of(mixed)[:20] if not unsupported(problem)]
    return [
        words
        for day in days
        for words in broken(day, lambda one: refuse(one, solve_fleet(one, "v2g", SECONDS)))
    ]


@each_rule
def test_powers_that_are_levelled_break_no_rule(rule: Rule) -> None:
    assert broken_by_evening(EVIDENCE[rule.name].mixed) == []


@each_rule
def test_the_fleet_engine_keeps_what_it_does_not_decline(rule: Rule) -> None:
    assert broken_by_the_fleet_engine(EVIDENCE[rule.name].mixed) == []


FEATURES_OF_RULES = sorted({EVIDENCE[rule.name].mixed for rule in RULES})


@pytest.mark.parametrize("mixed", FEATURES_OF_RULES, ids=" ".join)
def test_the_parts_of_a_day_hold_every_rule(mixed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimize.apart, "PACK", 1)
    for problem in days_of(mixed)[:15]:
        parts = take_apart(problem, "v2g")
        plan = join(problem, "v2g", parts, [solve_mode(part.problem, "v2g", SECONDS) for part in parts])
        refuse(problem, plan)
        if problem.objective == "net_benefit":
            whole = solve_mode(problem, "v2g", SECONDS).solver
            value = account(problem, plan).total.objective_eur
            assert value == pytest.approx(whole.objective_eur, rel=1e-5, abs=1e-4)
        assert sum(len(part_of(problem, cars, {}).cars) for cars in trees(problem)) == len(problem.cars)
