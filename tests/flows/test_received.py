"""A history loaded today is replayed as it would have been known: plans, calibrations and true reasons."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.errors import NoPlanError
from flows.stages import Context
from flows.stages.calibrate import calibrate
from flows.stages.check import check
from flows.stages.inbox import ingest_inbox
from flows.stages.ingest import ingest
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.conftest import (
    AS_OF,
    DAY,
    ZONE,
    created,
    fleet_rows,
    price_rows,
    put,
    session_rows,
    site_rows,
)
from warehouse.contracts import CONTRACTS
from warehouse.errors import SourceError

TODAY = datetime(2026, 11, 27, 4, tzinfo=UTC)
ANNOUNCED = AS_OF - timedelta(hours=30)
NOT_COMPARED = ["run_id", "code_version", "solve_seconds", "made_utc", "source_id", "first_row", "last_row"]
TABLES = [name for name in CONTRACTS if name.startswith("out_") and name not in ("out_run", "out_check")]


def telemetry_rows(end: datetime, hours: int = 6) -> pd.DataFrame:
    """Both cars charging slowly, a sample a minute up to `end`."""
    minutes = 60 * hours
    rise = np.arange(minutes) / minutes
    times = pd.date_range(end=pd.Timestamp(end), periods=minutes, freq="min", unit="us")
    car = {"voltage_v": 345.0 + 12.0 * rise, "current_a": 12.0 + np.sin(rise * 40.0),
           "temperature_degc": 18.0 + 3.0 * rise}  # fmt: skip
    cars = [pd.DataFrame({"battery_id": f"car-{n}", "time_utc": times, **car}) for n in (1, 2)]
    return pd.concat(cars)


def checkup_rows(moment: datetime) -> pd.DataFrame:
    row = {"time_utc": moment, "capacity_ah": 160.0, "temperature_degc": 25.0}
    return pd.DataFrame([{"battery_id": f"car-{n}", **row} for n in (1, 2)])


def one_worker(folder: Path) -> Workspace:
    made = created(folder)
    made.enter()
    return made


def load(workspace: Workspace, dataset: str, rows: pd.DataFrame, received: str) -> None:
    file = workspace.root.parent / f"{workspace.root.name}_{dataset}.csv"
    rows.to_csv(file, index=False)
    ingest(Context.of(workspace, TODAY), dataset, [file], received=received)


def outputs(workspace: Workspace) -> dict[str, pd.DataFrame]:
    found = {}
    for name in TABLES:
        rows = workspace.warehouse.read(name).drop(columns=NOT_COMPARED, errors="ignore")
        found[name] = rows.sort_values(list(rows.columns)).reset_index(drop=True)
    return found


def seen(rows: pd.DataFrame, moment: datetime) -> pd.DataFrame:
    return rows.assign(seen=moment.isoformat())


def test_a_plan_replayed_from_history_is_the_one_that_was_made_live(tmp_path: Path) -> None:
    earlier, later = AS_OF - timedelta(days=9), AS_OF + timedelta(hours=2)
    live, replay = one_worker(tmp_path / "live"), one_worker(tmp_path / "replay")
    measured = telemetry_rows(AS_OF + timedelta(hours=2))
    taken = checkup_rows(AS_OF - timedelta(days=5))
    put(live, "sites", site_rows(), as_of=earlier)
    put(live, "fleet", fleet_rows(), as_of=earlier)
    published = datetime(2024, 3, 19, 11, 57, tzinfo=UTC)
    put(live, "prices", price_rows(DAY, 1), as_of=published)
    put(live, "sessions", session_rows().assign(departure_soc=0.95), as_of=ANNOUNCED - timedelta(hours=9))
    put(live, "sessions", session_rows(), as_of=ANNOUNCED)
    put(live, "telemetry", measured[measured["time_utc"] <= pd.Timestamp(AS_OF)], as_of=AS_OF)
    put(live, "checkups", taken, as_of=AS_OF - timedelta(days=5))
    for stage in (check, calibrate):
        stage(Context.of(live, AS_OF))
    plan(Context.of(live, AS_OF), DAY)

    changed = fleet_rows().assign(discharge_limit_kw=2.0)
    smaller = site_rows().assign(import_limit_kw=5.0)
    load(replay, "sites", pd.concat([seen(smaller, later), seen(site_rows(), earlier)]), "seen")
    load(replay, "fleet", pd.concat([seen(fleet_rows(), earlier), seen(changed, later)]), "seen")
    load(replay, "prices", price_rows(DAY, 4), "event")
    stated = [
        seen(session_rows(), ANNOUNCED),
        seen(session_rows().assign(departure_soc=0.95), ANNOUNCED - timedelta(hours=9)),
        seen(session_rows().assign(arrival_soc=0.2), later),
    ]
    load(replay, "sessions", pd.concat(stated), "seen")
    load(replay, "telemetry", measured, "event")
    load(replay, "checkups", taken, "event")
    assert check(Context.of(replay, TODAY)).exit_code == 0
    calibrate(Context.of(replay, AS_OF))
    result = plan(Context.of(replay, AS_OF), DAY)
    assert result.details["plan_source"] == "published"
    then, now = outputs(live), outputs(replay)
    assert len(then["out_plan"]) == 1 and len(then["out_calibration"]) == 2
    for name, frame in then.items():
        pd.testing.assert_frame_equal(now[name], frame, obj=name)


@pytest.fixture
def ingested_today(workspace: Workspace) -> Workspace:
    """The fleet was known long ago; what it did was ingested today."""
    put(workspace, "telemetry", telemetry_rows(AS_OF), as_of=TODAY)
    put(workspace, "sessions", session_rows(), as_of=TODAY)
    put(workspace, "prices", price_rows(DAY, 1), as_of=TODAY)
    check(Context.of(workspace, TODAY))
    return workspace


def said(workspace: Workspace, as_of: datetime = AS_OF) -> str:
    return calibrate(Context.of(workspace, as_of)).message


def test_calibrate_says_that_telemetry_came_later(ingested_today: Workspace) -> None:
    assert (
        "no recent telemetry of car-1, car-2: 720 rows of telemetry measured by then were received later "
        "(first 2026-11-27 04:00 UTC): load them with --received event"
    ) in said(ingested_today)
    reasons = ingested_today.warehouse.read("out_calibration")["reason"]
    assert not reasons.str.contains("later").any()


def test_calibrate_says_that_telemetry_was_measured_later_ends_before_or_is_not_there(
    workspace: Workspace,
) -> None:
    check(Context.of(workspace, AS_OF))
    assert "of car-1, car-2: nothing of telemetry has been received at all" in said(workspace)
    rows = telemetry_rows(AS_OF + timedelta(days=2), hours=1)
    put(workspace, "telemetry", rows[rows["battery_id"] == "car-1"], as_of=TODAY)
    check(Context.of(workspace, TODAY))
    stated = said(workspace)
    assert "of car-1: 60 rows of telemetry were measured later (first 2024-03-21 11:01 UTC)" in stated
    assert "of car-2: nothing of telemetry has been received at all" in stated
    stated = said(workspace, TODAY + timedelta(days=1))
    assert "of car-1: 60 rows of telemetry had been received, the last of 2024-03-21 12:00 UTC" in stated


def refusal(workspace: Workspace, as_of: datetime = AS_OF) -> str:
    with pytest.raises(NoPlanError) as caught:
        plan(Context.of(workspace, as_of), DAY)
    return str(caught.value)


def test_plan_says_why_there_is_no_battery(tmp_path: Path) -> None:
    made = Workspace.create(tmp_path / "depot", zone=ZONE)
    assert refusal(made).endswith(
        "no battery at a site of zone DE-LU: nothing of fleet has been received at all"
    )
    put(made, "sites", site_rows(), as_of=TODAY)
    put(made, "fleet", fleet_rows(), as_of=TODAY)
    check(Context.of(made, TODAY))
    came = (
        "2 rows of fleet were received later (first 2026-11-27 04:00 UTC): load them with --received COLUMN"
    )
    assert refusal(made).endswith(came)
    with pytest.raises(NoPlanError) as caught:
        calibrate(Context.of(made, AS_OF))
    assert str(caught.value) == f"no battery to calibrate: {came}"


def test_plan_says_why_no_car_is_plugged_in(workspace: Workspace) -> None:
    put(workspace, "prices", price_rows(DAY, 1))
    check(Context.of(workspace, AS_OF))
    assert refusal(workspace).endswith("plugged in on that day in zone DE-LU: nothing of sessions has been "
                                       "received of that time")  # fmt: skip
    put(workspace, "sessions", session_rows(), as_of=TODAY)
    check(Context.of(workspace, TODAY))
    assert "3 rows of sessions were received later (first 2026-11-27 04:00 UTC)" in refusal(workspace)
    assert "--received COLUMN" in refusal(workspace)


def test_plan_says_why_there_are_no_prices(workspace: Workspace) -> None:
    put(workspace, "sessions", session_rows())
    check(Context.of(workspace, AS_OF))
    none = plan(Context.of(workspace, AS_OF), DAY)
    assert f"prices of {DAY}: nothing of prices has been received of that time" in none.message
    put(workspace, "prices", price_rows(DAY, 1), as_of=TODAY)
    check(Context.of(workspace, TODAY))
    later = plan(Context.of(workspace, AS_OF), DAY)
    assert f"prices of {DAY}: 24 rows of prices were received later (first 2026-11-27" in later.message
    assert "--received event" in later.message
    assert later.details["plan_id"] == none.details["plan_id"]


def test_history_dropped_into_the_inbox_tells_by_its_mapping(workspace: Workspace) -> None:
    workspace.mappings.mkdir(exist_ok=True)
    text = 'source = "csv"\nreceived = "event"\nzone = "DE-LU"\n'
    (workspace.mappings / "past.toml").write_text(text, encoding="utf-8")
    rows = price_rows(DAY, 1).drop(columns="zone")
    rows.to_csv(workspace.inbox / "prices__past__2024.csv", index=False)
    taken = ingest_inbox(Context.of(workspace, TODAY))
    assert taken.exit_code == 0, taken.tables
    received = workspace.warehouse.read("raw_price")["received_utc"]
    assert set(received) == {pd.Timestamp("2024-03-19T11:57Z")}
    assert workspace.warehouse.read("raw_source", where={"dataset": "prices"})["received"].tolist() == [
        "event"
    ]


def test_one_file_that_cannot_be_meant_and_none_is_ingested(workspace: Workspace, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    checkup_rows(AS_OF).to_csv(good, index=False)
    checkup_rows(TODAY + timedelta(seconds=1)).to_csv(bad, index=False)
    with pytest.raises(SourceError, match=r"bad\.csv, row 1.*2026-11-27 04:00:01 UTC.*later than the ingest"):
        ingest(Context.of(workspace, TODAY), "checkups", [good, bad], received="event")
    assert workspace.warehouse.read("raw_checkup").empty


def test_a_correction_in_one_file_is_no_contradiction_and_readings_of_one_moment_are_one(
    workspace: Workspace,
) -> None:
    rows = telemetry_rows(AS_OF, hours=2)
    rows = rows[rows["battery_id"] == "car-1"]
    first, second = AS_OF + timedelta(hours=1), AS_OF + timedelta(hours=2)
    frame = pd.concat(
        [
            seen(rows, first),
            seen(rows.iloc[40:70].assign(temperature_degc=21.0), second),
            seen(rows.iloc[[7]].assign(temperature_degc=18.5), first),
        ]
    )
    load(workspace, "telemetry", frame, "seen")
    check(Context.of(workspace, TODAY))
    quarantine = workspace.warehouse.read("core_quarantine", where={"dataset": "telemetry"})
    assert quarantine.empty  # readings of one stamp within noise are averaged
    known = Context.of(workspace, first).known.read("core_telemetry")
    assert len(known) == 120 and not (known["temperature_degc"] == 21.0).any()
    assert (workspace.warehouse.read("core_telemetry")["temperature_degc"] == 21.0).sum() == 30


def test_sessions_that_overlap_at_two_moments_of_one_file_are_corrections(workspace: Workspace) -> None:
    first, second = AS_OF + timedelta(hours=1), AS_OF + timedelta(hours=2)
    row = session_rows().iloc[[0]]
    stated = [seen(row, first), seen(row.assign(session_id="again", departure_soc=0.7), second)]
    load(workspace, "sessions", pd.concat(stated), "seen")
    check(Context.of(workspace, TODAY))
    assert workspace.warehouse.read("core_session")["session_id"].tolist() == ["again"]
    assert Context.of(workspace, first).known.read("core_session")["session_id"].tolist() == ["s1"]
    assert workspace.warehouse.read("core_quarantine", where={"dataset": "sessions"}).empty
