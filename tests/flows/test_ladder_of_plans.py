"""Every rung of the ladder of plans, forced through the real stages: per car and per site, and reported."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

import optimize.plan
import optimize.rescue
from flows.stages import Context, StageResult
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.workspace import Workspace
from optimize.errors import SolverError
from optimize.types import DayProblem, Mode, ModePlan
from tests.flows.conftest import AS_OF, DAY, ZONE, fleet_rows, price_rows, put, session_rows, site_rows
from warehouse.withdrawal import Rows, decide

SOLVE = optimize.plan.plan_in_time
NEXT = DAY + timedelta(days=1)
NEXT_AS_OF = AS_OF + timedelta(days=1)


def fail_where(patch: pytest.MonkeyPatch, bad: Callable[[DayProblem], bool]) -> None:
    """Let the solver give up on some days, or on parts of one."""

    def solve(problem: DayProblem, mode: Mode, seconds: float) -> ModePlan:
        if bad(problem):
            raise SolverError(mode, "Unknown", f"{len(problem.cars)} cars")
        return SOLVE(problem, mode, seconds)

    patch.setattr(optimize.plan, "plan_in_time", solve)
    patch.setattr(optimize.rescue, "plan_in_time", solve)


def has(*cars: str) -> Callable[[DayProblem], bool]:
    return lambda problem: any(car.battery_id in cars for car in problem.cars)


def rungs(workspace: Workspace, result: StageResult) -> dict[str, str]:
    """The rung of each car in the mode that is followed, the same in all of its tables."""
    mode, found = result.details["followed_mode"], {}
    for table in ("out_plan_car", "out_plan_slot", "out_plan_departure"):
        rows = workspace.warehouse.read(table, where={"plan_id": result.details["plan_id"], "mode": mode})
        stated = rows.groupby("battery_id")["plan_source"].agg(set)
        found[table] = {str(car): ", ".join(sorted(sources)) for car, sources in stated.items()}
    assert found["out_plan_slot"] == found["out_plan_car"]
    assert found["out_plan_departure"].items() <= found["out_plan_car"].items()
    return found["out_plan_car"]


def charged(workspace: Workspace, plan_id: str, mode: str, car: str) -> pd.Series:
    rows = workspace.warehouse.read(
        "out_plan_slot", where={"plan_id": plan_id, "mode": mode, "battery_id": car}
    )
    return rows.set_index("interval_start_utc")["charge_kw"]


@pytest.fixture
def two_sites(bare: Workspace) -> Workspace:
    """A second site with a car of its own next to the yard and its two."""
    put(bare, "sites", site_rows().assign(site_id="home"))
    third = fleet_rows().iloc[:1].assign(battery_id="car-3", site_id="home")
    put(bare, "fleet", third)
    session = session_rows().iloc[2:].assign(session_id="s4", battery_id="car-3")
    put(bare, "sessions", session)
    assert check(Context.of(bare, AS_OF)).exit_code == 0
    return bare


def test_a_site_that_cannot_be_solved_costs_the_other_nothing(
    two_sites: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = plan(Context.of(two_sites, AS_OF), DAY)
    expected = {
        car: charged(two_sites, whole.details["plan_id"], "ordered", car) for car in ("car-1", "car-2")
    }
    fail_where(monkeypatch, has("car-3"))
    workspace = two_sites
    monkeypatch.setattr("flows.stages.made.last_schedule", nothing_known)
    put(workspace, "sessions", session_rows().iloc[2:].assign(session_id="s5", battery_id="car-3",
        arrival_utc=f"{DAY}T16:10:00Z", departure_utc=f"{DAY}T20:00:00Z"))  # fmt: skip
    assert check(Context.of(workspace, AS_OF)).exit_code == 0
    result = plan(Context.of(workspace, AS_OF), DAY)
    assert (result.exit_code, result.details["followed_mode"]) == (3, "ordered")
    assert rungs(workspace, result) == {"car-1": "published", "car-2": "published", "car-3": "charge_only"}
    assert result.details["plan_source"] == "published"
    assert "charged on plug-in: car-3 (" in result.message and "1 cars" in result.message
    for car, before in expected.items():
        now = charged(workspace, result.details["plan_id"], "ordered", car)
        pd.testing.assert_series_equal(now, before, atol=1e-6)


def nothing_known(known: object, zone: str, problem: DayProblem) -> object:
    from optimize.follow import untold

    return untold(problem)


def test_one_car_that_cannot_be_solved_costs_its_site_mates_nothing(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_where(monkeypatch, has("car-2"))
    result = plan(Context.of(bare, AS_OF), DAY)
    assert (result.exit_code, result.details["followed_mode"]) == (3, "ordered")
    assert rungs(bare, result) == {"car-1": "published", "car-2": "charge_only"}
    assert "charged on plug-in: car-2" in result.message and "ordered could not be planned" in result.message
    (row,) = bare.warehouse.read("out_plan").to_dict("records")
    assert (row["failed_modes"], row["followed_mode"]) == ("ordered", "ordered")
    # Both leave with what was promised, and the other charges when it is cheap, not at once.
    departures = bare.warehouse.read("out_plan_departure", where={"mode": "ordered"})
    assert (departures["missing_kwh"] < 1e-6).all()
    at_once = charged(bare, row["plan_id"], "uncontrolled", "car-1")
    assert not charged(bare, row["plan_id"], "ordered", "car-1").equals(at_once)
    # It is tried again, and then whole.
    monkeypatch.undo()
    mended = plan(Context.of(bare, AS_OF), DAY)
    assert (mended.details["outcome"], mended.exit_code) == ("new", 3)
    assert rungs(bare, mended) == {"car-1": "published", "car-2": "published"}


@pytest.fixture
def next_day(bare: Workspace) -> Workspace:
    """A day that is planned well, and the sessions of the next one, of which no price is known."""
    assert plan(Context.of(bare, AS_OF), DAY).details["plan_source"] == "published"
    sessions = session_rows(NEXT).iloc[2:].assign(session_id="t3")
    evening = session_rows(NEXT).iloc[1:2].assign(session_id="t2", departure_soc=0.65)
    put(bare, "sessions", pd.concat([sessions, evening]), as_of=NEXT_AS_OF)
    assert check(Context.of(bare, NEXT_AS_OF)).exit_code == 0
    return bare


def test_without_any_price_the_last_good_plan_is_followed_within_today_s_limits(next_day: Workspace) -> None:
    context = Context.of(next_day, NEXT_AS_OF)
    result = plan(context, NEXT)
    assert (result.exit_code, result.details["followed_mode"]) == (3, "ordered")
    assert result.details["plan_source"] == "last_plan"
    assert rungs(next_day, result) == {"car-1": "last_plan", "car-2": "last_plan"}
    assert "as in the last good plan" in result.message
    (before,) = next_day.warehouse.read("out_plan", where={"market_date": DAY})["plan_id"]
    was = charged(next_day, before, "ordered", "car-2")
    now = charged(next_day, result.details["plan_id"], "ordered", "car-2")
    shifted = was.set_axis(was.index + timedelta(days=1)).reindex(now.index)
    pd.testing.assert_series_equal(now, shifted.fillna(now), atol=1e-6)
    assert now.sum() > 1.0
    departures = next_day.warehouse.read(
        "out_plan_departure", where={"plan_id": result.details["plan_id"], "mode": "ordered"}
    )
    assert (departures["missing_kwh"] < 1e-6).all()
    published = publish(context, NEXT)
    page = next(Path(file) for file in published.files if file.endswith("index.html")).read_text()
    assert "Degraded plan: nothing could be reckoned for this day" in page
    assert "as in the last good plan" in page
    schedule = next(Path(file) for file in published.files if "schedule" in file)
    with schedule.open(encoding="utf-8") as lines:
        assert {row["plan_source"] for row in csv.DictReader(lines)} == {"last_plan"}
    # The same again changes nothing; prices that come are better than all of it.
    assert plan(context, NEXT).details["outcome"] == "unchanged"
    put(next_day, "prices", price_rows(NEXT, 1), as_of=NEXT_AS_OF)
    assert check(context).exit_code == 0
    assert plan(context, NEXT).details["plan_source"] == "published"
    assert plan(context, NEXT).details["outcome"] == "unchanged"


def test_a_car_that_the_last_plan_would_leave_short_charges_on_plug_in(next_day: Workspace) -> None:
    session = session_rows(NEXT).iloc[2:].assign(session_id="t3", arrival_soc=0.2)
    put(next_day, "sessions", session, as_of=NEXT_AS_OF)
    assert check(Context.of(next_day, NEXT_AS_OF)).exit_code == 0
    result = plan(Context.of(next_day, NEXT_AS_OF), NEXT)
    assert rungs(next_day, result) == {"car-1": "last_plan", "car-2": "charge_only"}
    assert "charged on plug-in: car-2" in result.message
    departures = next_day.warehouse.read(
        "out_plan_departure", where={"plan_id": result.details["plan_id"], "mode": "ordered"}
    )
    assert (departures["missing_kwh"] < 1e-6).all()


def test_where_nothing_can_be_solved_the_last_good_plan_is_followed(
    next_day: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(next_day, "prices", price_rows(NEXT, 1), as_of=NEXT_AS_OF)
    assert check(Context.of(next_day, NEXT_AS_OF)).exit_code == 0
    fail_where(monkeypatch, lambda _: True)
    result = plan(Context.of(next_day, NEXT_AS_OF), NEXT)
    assert (result.exit_code, result.details["plan_source"]) == (3, "last_plan")
    assert set(rungs(next_day, result).values()) == {"last_plan"}
    monkeypatch.undo()
    mended = plan(Context.of(next_day, NEXT_AS_OF), NEXT)
    assert (mended.details["outcome"], mended.details["plan_source"]) == ("new", "published")


def test_a_plan_on_prices_that_were_withdrawn_is_no_last_good_plan(next_day: Workspace) -> None:
    assert len(next_day.warehouse.read("core_price")) > 0
    decide(
        next_day.warehouse, Rows(dataset="prices", key={"zone": ZONE}), "withdraw", by="ada",
        reason="of another zone", decided_utc=NEXT_AS_OF - timedelta(minutes=1),
    )  # fmt: skip
    result = plan(Context.of(next_day, NEXT_AS_OF), NEXT)
    assert (result.exit_code, result.details["plan_source"]) == (3, "charge_only")
    assert set(rungs(next_day, result).values()) == {"charge_only"}


def test_without_a_plan_before_cars_just_charge(bare: Workspace) -> None:
    """No prices, nothing planned before: the last rung."""
    put(bare, "sessions", session_rows(NEXT).assign(session_id=["u1", "u2", "u3"]).iloc[1:], as_of=NEXT_AS_OF)
    assert check(Context.of(bare, NEXT_AS_OF)).exit_code == 0
    result = plan(Context.of(bare, NEXT_AS_OF), NEXT)
    assert (result.exit_code, result.details["plan_source"]) == (3, "charge_only")
    assert set(rungs(bare, result).values()) == {"charge_only"}
