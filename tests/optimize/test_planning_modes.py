"""The failure of one mode costs no other its plan, and the plan that is followed is the best one known."""

from __future__ import annotations

from dataclasses import replace

import pytest

import optimize.plan
from optimize.errors import TimeLimitError
from optimize.plan import best_mode, plan_day, plan_modes
from optimize.types import DayProblem, ModePlan
from tests.optimize.fleets import car, day, session_of


def problem(**changes: object) -> DayProblem:
    """Four hours, the last two dear: a car that charges on plug-in, in order, or feeds back."""
    found = day([0.2, 0.1, 0.9, 0.9], [car()], [session_of("A", 0, 4, 0.5, 0.6)])
    return replace(found, **changes)  # type: ignore[arg-type]


def test_a_mode_that_fails_is_reported_and_the_others_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    solve = optimize.plan.plan_in_time

    def fail(asked: DayProblem, mode: str, seconds: float) -> ModePlan:
        if mode == "v2g":
            raise TimeLimitError(mode, "Time limit reached", "some columns")
        return solve(asked, mode, seconds)  # type: ignore[arg-type]

    monkeypatch.setattr(optimize.plan, "plan_in_time", fail)
    planned = plan_modes(problem())
    assert list(planned.plans) == ["uncontrolled", "ordered"]
    assert isinstance(planned.failures["v2g"], TimeLimitError)
    assert best_mode(problem(), planned.plans) == "ordered"
    with pytest.raises(TimeLimitError):
        plan_day(problem())
    with pytest.raises(ValueError, match="no mode"):
        best_mode(problem(), {})


def test_the_mode_that_may_do_most_is_followed_unless_another_plan_is_better() -> None:
    asked = problem()
    plans = plan_day(asked)
    assert best_mode(asked, plans) == "v2g"
    poor = replace(plans["uncontrolled"], mode="v2g")
    assert best_mode(asked, {**plans, "v2g": poor}) == "ordered"
    same = replace(plans["ordered"], mode="v2g")
    assert best_mode(asked, {**plans, "v2g": same}) == "v2g"


def test_what_comes_before_net_benefit_is_compared_before_it() -> None:
    asked = problem(objective="peak_shaving")
    plans = plan_day(asked)
    richest = plan_day(problem())["v2g"]
    assert best_mode(asked, plans) == "v2g"
    assert best_mode(asked, {**plans, "v2g": richest}) == "ordered"
