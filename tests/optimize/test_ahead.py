"""What a session lacks by itself is asked for in the one before, where none carries on: by hand."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from optimize.account import account
from optimize.ahead import asked_ahead
from optimize.market.bids.held import held_kw, holding, restated
from optimize.plan import plan_day
from optimize.types import DayProblem, Session
from tests.optimize.fleets import car, day, session_of
from tests.optimize.test_held import won

DEAR = [0.1, 0.5, 0.5, 0.1, 0.1, 0.1]


def two(first: Session | None = None, second: Session | None = None) -> DayProblem:
    """10 kWh, 4 kW both ways. Three hours from half full to half full, one from 3 kWh to 9: 2 kWh lack."""
    sessions = [
        first or session_of("A", 0, 3, 0.5, 0.5), replace(
            second or session_of("A", 4, 5, 0.3, 0.9), session_id="second"
        ),
    ]  # fmt: skip
    return day(DEAR, [car()], sessions, departure_price=5.0)


def socs(problem: DayProblem, later: list[Session] | None = None) -> list[tuple[float, float]]:
    found = asked_ahead(problem, {"A": later or []})
    return [(pytest.approx(one.arrival_soc), pytest.approx(one.departure_soc)) for one in found]


def test_a_session_is_asked_for_what_the_next_lacks() -> None:
    assert socs(two()) == [(0.5, 0.7), (0.5, 0.9)]
    assert socs(two(second=session_of("A", 4, 5, 0.3, 0.7))) == [(0.5, 0.5), (0.3, 0.7)]  # it has the time


def test_no_more_than_can_be_reached_and_held() -> None:
    # One hour from 4 kWh: 8 kWh at most, 1 above the promise of 7.
    assert socs(two(first=session_of("A", 0, 1, 0.4, 0.7))) == [(0.4, 0.8), (0.4, 0.9)]
    full = replace(session_of("A", 0, 3, 0.5, 0.5), max_soc=0.6)
    assert socs(two(first=full)) == [(0.5, 0.6), (0.4, 0.9)]


def test_it_goes_on_over_several_and_beyond_the_day() -> None:
    # 3 kWh lack after the day, where no whole hour is left; the second session needs all of its own hour.
    after = session_of("A", 8, 9, 0.6, 1.0)
    brief = replace(
        after, session_id="later", departure_utc=after.arrival_utc + pd.Timedelta(minutes=30), arrival_soc=0.7
    )
    assert socs(two(second=session_of("A", 4, 5, 0.3, 0.7)), [brief]) == [(0.5, 0.8), (0.6, 1.0)]


def test_a_trip_that_needs_charging_on_the_way_brings_nothing() -> None:
    assert socs(two(second=session_of("A", 4, 5, 0.55, 1.0))) == [(0.5, 0.5), (0.55, 1.0)]


def test_who_was_promised_is_not_left_short_for_reserve() -> None:
    """Two dear hours would empty the first session; 1 kW of reserve in them is held as well."""
    problem, block = two(), won(1.0, first=1, hours=2)

    def planned(asked: DayProblem) -> tuple[float, float]:
        held = holding(asked, [block])
        solved, plan = restated(asked, held, plan_day(held, ["v2g"])["v2g"], [block])
        return account(solved, plan).total.unmet_kwh, held_kw(plan, 0, block)

    assert planned(problem) == (pytest.approx(2.0), 1.0)
    asked = replace(problem, sessions=asked_ahead(problem, {}))
    assert planned(asked) == (pytest.approx(0.0, abs=1e-6), 1.0)
