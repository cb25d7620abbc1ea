"""Whole nights: what a plan spans, what it begins with, and what is due after its last price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pandas as pd
import pytest

from flows.errors import NoPlanError
from flows.mapping import question
from flows.mapping.horizon import candidate_slots, first_horizon, stretches
from flows.mapping.inputs import PlanInputs
from flows.mapping.like_days import LikeDays
from flows.mapping.question import day_problem
from flows.mapping.read_inputs import read_inputs
from flows.stages import Context, made
from flows.stages.check import check
from flows.stages.plan import plan
from flows.workspace import Workspace
from optimize.errors import SolverError, TimeLimitError
from optimize.fleet import route
from optimize.plan import PlannedDay
from optimize.types import DayProblem, Mode
from tests.flows.conftest import AS_OF, DAY, ZONE, fleet_rows, price_rows, put, session_rows, site_rows
from warehouse.zones import market_day_slots

NEXT = DAY + timedelta(days=1)


def inputs_of(workspace: Workspace, day: date = DAY, as_of: datetime = AS_OF) -> PlanInputs:
    return read_inputs(Context.of(workspace, as_of), day)


def ingest_rows(workspace: Workspace, dataset: str, rows: pd.DataFrame) -> None:
    put(workspace, dataset, rows)
    assert check(Context.of(workspace, AS_OF)).exit_code == 0


@pytest.mark.parametrize(
    ("day", "slots"), [(date(2020, 3, 29), 92), (date(2020, 10, 25), 100), (date(2020, 3, 28), 96)]
)
def test_a_horizon_over_a_change_of_clocks_has_the_right_slots(day: date, slots: int) -> None:
    before = datetime.combine(day - timedelta(days=1), time(11, 7), tzinfo=UTC)
    candidates = candidate_slots(ZONE, day, before, "published")
    horizon = first_horizon(
        ZONE, day, "published", candidates, np.asarray(candidates < market_day_slots(day, ZONE)[-1])
    )
    own = market_day_slots(day, ZONE)
    assert len(own) == slots
    assert horizon.start == pd.Timestamp(before).ceil("15min")
    assert (np.diff(horizon.slots.asi8) == np.diff(horizon.slots.asi8)[0]).all()
    first, second = horizon.day_starts
    assert first == 0
    assert horizon.slots[second] == own[0]


def test_it_begins_now_or_where_the_known_prices_begin(depot: Workspace) -> None:
    assert inputs_of(depot).prices.horizon.start == market_day_slots(DAY, ZONE)[0]  # prices of the day alone
    ingest_rows(depot, "prices", price_rows(DAY - timedelta(days=1), 1))
    assert inputs_of(depot).prices.horizon.start == pd.Timestamp(AS_OF)
    at = AS_OF + timedelta(minutes=52)
    assert inputs_of(depot, as_of=at).prices.horizon.start == pd.Timestamp(AS_OF) + timedelta(hours=1)
    with pytest.raises(NoPlanError, match="the day is over"):
        inputs_of(depot, as_of=AS_OF + timedelta(days=2))


def test_it_holds_all_days_that_have_prices(depot: Workspace) -> None:
    ingest_rows(depot, "prices", price_rows(NEXT, 1))
    horizon = inputs_of(depot).prices.horizon
    assert horizon.priced_end == market_day_slots(NEXT, ZONE)[-1] + timedelta(minutes=15)
    assert horizon.day_starts == (0, 96)


def test_beyond_the_last_price_nothing_is_fed_back_and_every_row_says_what_its_price_is(
    depot: Workspace,
) -> None:
    result = plan(Context.of(depot, AS_OF), DAY)
    plan_id = {"plan_id": result.details["plan_id"]}
    prices = depot.warehouse.read("out_plan_price", where=plan_id)
    (header,) = depot.warehouse.read("out_plan", where=plan_id).to_dict("records")
    tail = prices["interval_start_utc"] >= header["priced_until_utc"]
    assert prices.loc[tail, "price_source"].eq("forecast").all()
    assert prices.loc[~tail, "price_source"].eq("published").all()
    # The last car over midnight leaves at 06:00 UTC, and the plan reaches to there.
    assert header["end_utc"] == pd.Timestamp(f"{NEXT}T06:00Z")
    slots = depot.warehouse.read("out_plan_slot", where=plan_id)
    assert slots.loc[slots["interval_start_utc"] >= header["priced_until_utc"], "discharge_kw"].max() == 0.0
    assert slots["discharge_kw"].max() > 0.0


def test_a_departure_after_midnight_is_planned_for_with_all_that_share_the_feeder(depot: Workspace) -> None:
    """Two cars stay over midnight behind a feeder for one: each alone could wait, both cannot."""
    ingest_rows(depot, "sites", site_rows().assign(import_limit_kw=8.0))
    night = session_rows().iloc[[1]].assign(arrival_soc=0.35, departure_soc=0.9)
    both = pd.concat([night, night.assign(session_id="s4", battery_id="car-2")])
    ingest_rows(depot, "sessions", both)
    result = plan(Context.of(depot, AS_OF), DAY)
    departures = depot.warehouse.read("out_plan_departure", where={"plan_id": result.details["plan_id"]})
    ordered, v2g = (
        departures[departures["mode"] == mode].set_index("session_id") for mode in ("ordered", "v2g")
    )
    for session in ("s2", "s4"):
        assert departures["departure_utc"].max() == pd.Timestamp(f"{NEXT}T06:00Z")
        assert v2g.loc[session, "missing_kwh"] <= ordered.loc[session, "missing_kwh"] + 1e-6
    assert depot.warehouse.read("out_plan")["own_misses"].iloc[-1] == 0


def test_each_mode_begins_with_what_it_left_in_the_batteries(depot: Workspace) -> None:
    ingest_rows(depot, "prices", price_rows(NEXT, 1))
    first = plan(Context.of(depot, AS_OF), DAY)
    at = datetime.combine(DAY, time(20), tzinfo=UTC)
    inputs = inputs_of(depot, NEXT, at)
    slots = depot.warehouse.read(
        "out_plan_slot",
        where={"plan_id": first.details["plan_id"], "battery_id": "car-1"},
        start=at - timedelta(minutes=15),
        end=at,
    ).set_index("mode")
    kwh = inputs.capacity_kwh["car-1"]
    problems = {mode: day_problem(inputs, mode) for mode in ("uncontrolled", "ordered", "v2g")}
    begun = {
        mode: next(session.arrival_soc for session in problem.sessions if session.session_id == "s2") * kwh
        for mode, problem in problems.items()
    }
    for mode, energy in begun.items():
        assert energy == pytest.approx(slots.loc[mode, "energy_end_kwh"]), mode
    assert len({round(energy, 3) for energy in begun.values()}) > 1
    assert inputs.carried.past


def test_a_search_that_ends_early_leaves_the_other_modes_their_own_past(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are asked as well what they would do from what the cars hold, to see whether they do better."""
    ingest_rows(depot, "prices", price_rows(NEXT, 1))
    plan(Context.of(depot, AS_OF), DAY)
    solve, ended = made.plan_modes, []

    def ends_early(problem: DayProblem, modes: Sequence[Mode], **limits: float) -> PlannedDay:
        found = solve(problem, modes, **limits)
        ended.extend(modes)
        early = {mode: replace(one.solver, status="time_limit") for mode, one in found.plans.items()}
        return replace(
            found, plans={mode: replace(one, solver=early[mode]) for mode, one in found.plans.items()}
        )

    monkeypatch.setattr(made, "plan_modes", ends_early)
    at = datetime.combine(DAY, time(20), tzinfo=UTC)
    result = plan(Context.of(depot, at), NEXT)
    assert ended == ["uncontrolled", "ordered", "v2g", "uncontrolled", "ordered"]
    slots = depot.warehouse.read("out_plan_slot", where={"plan_id": result.details["plan_id"]})
    begun = slots[slots["interval_start_utc"] == pd.Timestamp(at)]
    begun = begun[begun["battery_id"] == "car-1"].set_index("mode")["energy_start_kwh"]
    inputs = inputs_of(depot, NEXT, at)
    kwh = inputs.capacity_kwh["car-1"]
    assert begun.to_dict() == pytest.approx(
        {mode: inputs.carried.of(mode)["s2"] * kwh for mode in ("uncontrolled", "ordered", "v2g")}
    )
    assert len(set(begun)) > 1


@pytest.mark.parametrize("fails", ["v2g", ""])
def test_a_plan_from_elsewhere_is_none_to_follow_where_its_search_fails_from_what_cars_hold(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """The search for V2G fails, or ends early next to ordered charging that its own past makes better."""
    ingest_rows(depot, "prices", price_rows(NEXT, 1))
    plan(Context.of(depot, AS_OF), DAY)
    at = datetime.combine(DAY, time(20), tzinfo=UTC)
    inputs = inputs_of(depot, NEXT, at)
    held = inputs.carried.followed["s2"]
    own = dict(inputs.carried.modes["ordered"]) | {"s2": 0.9}
    rich = replace(inputs, carried=replace(inputs.carried, modes={**inputs.carried.modes, "ordered": own}))
    solve = made.plan_modes

    def limited(problem: DayProblem, modes: Sequence[Mode], **limits: float) -> PlannedDay:
        (mode,) = modes
        begins = {session.session_id: session.arrival_soc for session in problem.sessions}["s2"]
        if mode == fails or (mode == "ordered" and begins == held):
            return PlannedDay(plans={}, failures={mode: TimeLimitError(mode, "Time limit", "of a test")})
        found = solve(problem, modes, **limits)
        early = {mode: replace(found.plans[mode].solver, status="time_limit")}
        return replace(found, plans={mode: replace(found.plans[mode], solver=early[mode])})

    monkeypatch.setattr(made, "plan_modes", limited)
    monkeypatch.setattr(made, "rescue", _nothing)
    found = made.make(Context.of(depot, at), rich)
    row = [car.battery_id for car in found.problems[found.followed].cars].index("car-1")
    begun = found.planned.plans[found.followed].energy_start_kwh[row]
    assert begun[0] == pytest.approx(held * rich.capacity_kwh["car-1"]), found.followed
    assert found.followed == ("uncontrolled" if fails else "v2g")


def _nothing(*_: object, **__: object) -> None:
    raise SolverError("v2g", "Unknown", "of a test")


def test_what_a_mode_left_above_its_promise_comes_back_with_the_car(depot: Workspace) -> None:
    ingest_rows(depot, "prices", price_rows(NEXT, 1))
    result = plan(Context.of(depot, AS_OF), DAY)
    left = depot.warehouse.read(
        "out_plan_departure",
        where={"plan_id": result.details["plan_id"], "session_id": "s1", "mode": "uncontrolled"},
    )
    more = float((left["reached_kwh"] - left["target_kwh"]).iloc[0])
    at = datetime.combine(DAY, time(10), tzinfo=UTC)
    inputs = inputs_of(depot, NEXT, at)
    stated = 0.5 + more / inputs.capacity_kwh["car-1"]
    assert inputs.carried.of("uncontrolled")["s2"] == pytest.approx(stated)


def test_a_stored_kwh_is_worth_the_cheapest_hours_of_the_next_session(workspace: Workspace) -> None:
    """Prices of every day: 0.30, but 0.10 from 01:00 to 03:00 local; the car needs about one hour of them."""
    rows = price_rows(DAY - timedelta(days=14), 15)
    hours = rows["interval_start_utc"].astype("datetime64[ns, UTC]").dt.tz_convert("Europe/Berlin").dt.hour
    put(workspace, "prices", rows.assign(price_eur_per_kwh=np.where(hours.isin([1, 2]), 0.1, 0.3)))
    put(workspace, "fleet", fleet_rows())
    put(workspace, "sessions", session_rows().iloc[[1]].assign(arrival_soc=0.7, departure_soc=0.8))
    check(Context.of(workspace, AS_OF))
    (session,) = day_problem(inputs_of(workspace)).sessions
    assert session.value_eur_per_kwh == pytest.approx(0.1 / 0.92)


def test_what_a_session_leaves_above_its_promise_comes_back_with_the_next(depot: Workspace) -> None:
    ingest_rows(depot, "prices", price_rows(DAY - timedelta(days=1), 1))
    problem = day_problem(inputs_of(depot))
    sessions = {session.session_id: session for session in problem.sessions}
    assert (sessions["s1"].carries, sessions["s2"].carries, sessions["s3"].carries) == (False, True, False)
    assert sessions["s1"].value_eur_per_kwh == sessions["s2"].value_eur_per_kwh
    assert all(session.value_eur_per_kwh for session in problem.sessions)
    outcome = plan(Context.of(depot, AS_OF), DAY)
    mine = {"plan_id": outcome.details["plan_id"]}
    left = depot.warehouse.read("out_plan_departure", where={**mine, "session_id": "s1"}).set_index("mode")
    kwh = 0.5 * inputs_of(depot).capacity_kwh["car-1"]
    at = {"interval_start_utc": pd.Timestamp(f"{DAY}T16:00Z"), "battery_id": "car-1"}
    begun = depot.warehouse.read("out_plan_slot", where=mine | at).set_index("mode")["energy_start_kwh"]
    for mode in ("uncontrolled", "ordered", "v2g"):
        more = max(0.0, left.loc[mode, "reached_kwh"] - left.loc[mode, "target_kwh"])
        assert begun[mode] == pytest.approx(kwh + more, abs=1e-6), mode


def test_a_fleet_of_any_size_is_asked_for_what_comes_back(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine for large fleets plans sessions that carry on as well."""
    ingest_rows(depot, "prices", price_rows(DAY - timedelta(days=1), 1))
    monkeypatch.setattr(route, "most_at_once", lambda _: 0)
    problem = day_problem(inputs_of(depot))
    assert route.route(problem, "v2g").engine == "fleet"
    assert any(session.carries for session in problem.sessions)
    assert question.unlinked(problem) == []


def test_sessions_are_planned_alone_where_a_missing_kwh_is_cheap(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan could miss on purpose to arrive with more: then what comes back is not carried on."""
    ingest_rows(depot, "prices", price_rows(DAY - timedelta(days=1), 1))
    monkeypatch.setenv("V2G_PLAN__DEPARTURE_PRICE_EUR_PER_KWH", "0.2")
    monkeypatch.setattr(question, "_KEPT", 0.0)  # as next to a price of resting that is dearer than any kWh
    cheap = Workspace.open(depot.root)
    problem = day_problem(inputs_of(cheap, as_of=AS_OF + timedelta(hours=13)))
    assert not any(session.carries for session in problem.sessions)
    (note,) = question.unlinked(problem)
    assert "planned one by one" in note and "0.2 EUR/kWh" in note
    outcome = plan(Context.of(cheap, AS_OF), DAY)
    run = cheap.warehouse.read("out_plan", where={"plan_id": outcome.details["plan_id"]})
    assert run["note"].str.contains("planned one by one").all(), "and the plan says so"
    worth = {session.session_id: session.value_eur_per_kwh for session in problem.sessions}
    assert (worth["s1"], worth["s2"]) == (0.0, 0.0), "no plan is made while it is away"
    assert worth["s3"], "one is, at 01:00"


def test_like_days_are_workdays_or_weekends_by_the_local_clock() -> None:
    slots = pd.date_range("2020-03-01T23:00Z", "2020-03-30T22:00Z", freq="15min", inclusive="left")
    local = slots.tz_convert("Europe/Berlin")
    price = pd.Series(np.where(local.dayofweek >= 5, 1.0, 2.0) + local.hour / 100, index=slots)
    like = LikeDays.of(price, ZONE)
    tuesday = market_day_slots(date(2020, 3, 31), ZONE)
    sunday = market_day_slots(date(2020, 4, 5), ZONE)
    assert like.each(tuesday).shape == (7, 96)
    assert like.mean(tuesday)[4 * 7] == pytest.approx(2.07)
    assert like.mean(sunday)[4 * 7] == pytest.approx(1.07)


@pytest.mark.parametrize("known", [0, 1])
def test_of_a_past_without_a_whole_day_no_day_is_like_any(known: int) -> None:
    slots = market_day_slots(date(2020, 3, 30), ZONE)
    price = pd.Series(np.where(np.arange(len(slots)) < known, 0.1, np.nan), index=slots)
    like, tuesday = LikeDays.of(price, ZONE), market_day_slots(date(2020, 3, 31), ZONE)
    assert like.each(tuesday).shape == (0, 96)
    assert np.isnan(like.mean(tuesday)).all() and len(like.mean(tuesday)) == 96


def test_quarter_hours_are_reported_as_stretches_of_the_local_clock():
    slots = market_day_slots(date(2026, 6, 24), "DE-LU")
    assert stretches(slots[[0, 1, 2, 40, 70, 71, 95]], "DE-LU") == (
        "00:00–00:45, 10:00–10:15, 17:30–18:00 and 1 more"
    )
    assert stretches(slots, "DE-LU") == "00:00–00:00"
    assert stretches(slots[-1:], "DE-LU") == "23:45–00:00"
    back = market_day_slots(date(2026, 10, 25), "DE-LU")
    assert stretches(back[8:12], "DE-LU") == "02:00+0200–02:00+0100"
    assert stretches(back[12:16], "DE-LU") == "02:00+0100–03:00+0100"
