# ruff: noqa: F811 fixtures are imported
"""A driver who shows up unannounced is planned within one re-plan, by the stages that `v2g serve` runs."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pandas as pd
import pytest

from flows.context import Context
from flows.due import Job
from flows.stages.jobs import without_prefect
from flows.stages.situation import situation_of
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, session_rows
from tests.flows.test_expected import home, home_around  # noqa: F401
from tests.flows.test_jobs import clock, worked  # noqa: F401

NOON = datetime.combine(DAY, datetime.min.time(), AS_OF.tzinfo) + timedelta(hours=11)
CAME = pd.Timestamp(NOON) + pd.Timedelta(minutes=2)


def drop(workspace: Workspace, rows: pd.DataFrame, name: str) -> None:
    rows.to_csv(workspace.inbox / f"sessions__csv__{name}.csv", index=False)


def session_of(car: str, departure: object, session: str = "walk-in") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "session_id": [session], "battery_id": [car], "arrival_utc": [CAME], "departure_utc": [departure],
            "arrival_soc": [0.4], "departure_soc": [0.7],
        }
    )  # fmt: skip


def plugged(workspace: Workspace, car: str) -> pd.DataFrame:
    """The quarter-hours of the newest plan in which a car is plugged in."""
    newest = workspace.warehouse.read("out_plan").sort_values(["as_of_utc", "sequence"]).iloc[-1]
    where = {
        "plan_id": newest["plan_id"],
        "mode": newest["followed_mode"],
        "battery_id": car,
        "plugged": True,
    }
    return workspace.warehouse.read("out_plan_slot", where=where)


def made_between(workspace: Workspace) -> None:
    """A plan made after the car came and before anybody tells of it: that it came is new all the same."""
    half_past = Context.of(workspace, NOON + timedelta(minutes=30))
    made, _ = without_prefect(Job(name="replan", why="of a test"), half_past)
    assert made.details["plan_source"] == "published"


def test_an_unannounced_car_is_planned_by_the_next_look_and_no_sooner_again(
    bare: Workspace,
    clock: list[datetime],
) -> None:
    """car-1 has left at six, and comes back at 11:02 without a word; the row is there at 12:00."""
    clock.append(AS_OF + timedelta(minutes=1))
    worked(bare)
    clock.append(NOON + timedelta(minutes=1))
    worked(bare)
    afternoon = pd.Timestamp(f"{DAY}T12:00Z")
    assert afternoon not in set(plugged(bare, "car-1")["interval_start_utc"])
    drop(bare, session_of("car-1", f"{DAY}T15:30Z"), "walk-in")
    made_between(bare)
    clock.append(NOON + timedelta(hours=1))
    done = worked(bare)
    assert [name for name, _ in done] == ["inbox", "replan"]
    made, _ = done[1][1]
    assert made.details["outcome"] == "new", made.message
    slots = plugged(bare, "car-1")["interval_start_utc"]
    assert slots.min() == afternoon
    departures = bare.warehouse.read("out_plan_departure", where={"session_id": "walk-in"})
    assert (departures["missing_kwh"] < 1e-6).all()
    assert worked(bare) == []
    clock.append(NOON + timedelta(hours=1, minutes=15))
    assert worked(bare) == []


def test_a_car_that_has_not_reported_when_it_leaves_is_planned_as_well(
    home: Workspace,
    clock: list[datetime],
) -> None:
    """It comes in the evening, its charger tells of the beginning alone; its past tells when it leaves."""
    evening = AS_OF + timedelta(hours=4)
    clock.append(AS_OF + timedelta(minutes=1))
    worked(home)
    clock.append(evening + timedelta(minutes=1))
    worked(home)
    came = pd.Timestamp(evening) + pd.Timedelta(minutes=5)
    drop(home, session_of("car-1", None, "tx9").assign(arrival_utc=came), "open")
    clock.append(evening + timedelta(hours=1))
    on_record = situation_of(Context.of(home, clock[-1]))
    assert "unplanned" not in on_record.happened  # nobody has announced it yet
    done = worked(home)
    assert [name for name, _ in done][:2] == ["inbox", "replan"]
    assert plugged(home, "car-1")["interval_start_utc"].min() <= pd.Timestamp(clock[-1])
    known_rows = home.warehouse.read("out_expected_stay")
    assert "expected:tx9" in set(known_rows["session_id"])


def test_a_car_that_the_plan_holds_asks_for_no_new_one(
    bare: Workspace,
    clock: list[datetime],
) -> None:
    """The announced sessions of the day come as they were reported."""
    clock.append(AS_OF + timedelta(minutes=1))
    worked(bare)
    late = datetime.combine(DAY, datetime.min.time(), AS_OF.tzinfo) + timedelta(hours=8)
    clock.append(late)
    worked(bare)
    on_record = situation_of(Context.of(bare, late))
    assert on_record.happened["arrival"] == pd.Timestamp(session_rows()["arrival_utc"][2])
    assert "unplanned" not in on_record.happened


@pytest.mark.parametrize(
    ("stated", "done"), [(["price"], ["inbox"]), (["arrival", "price"], ["inbox", "replan"])]
)
def test_what_was_reported_late_counts_from_then_on(
    bare: Workspace,
    clock: list[datetime],
    stated: list[str],
    done: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("V2G_SCHEDULE__REPLAN_ON", json.dumps(stated))
    workspace = Workspace.open(bare.root)
    clock.append(AS_OF + timedelta(minutes=1))
    worked(workspace)
    clock.append(NOON + timedelta(minutes=30))
    worked(workspace)
    made_between(workspace)
    drop(workspace, session_of("car-1", f"{DAY}T15:30Z"), "late")
    clock.append(NOON + timedelta(hours=1))
    assert [name for name, _ in worked(workspace)] == done
