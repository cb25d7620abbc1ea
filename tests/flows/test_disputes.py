"""A battery whose telemetry is of another cell: what is planned, said and shown, what it teaches others."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from flows import cli
from flows.mapping.disputes import disputed_batteries, disputes_of, named
from flows.mapping.requests import newest_calibrations
from flows.publish import publish_run
from flows.stages import Context
from flows.stages.calibrate import calibrate
from flows.stages.check import check
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, fleet_rows, put, session_rows
from tests.twin.batteries import simulated
from twin.duty import StandardDuty
from twin.synthetic import TruthSpec
from twin.types import BatterySpec
from warehouse.known import Known

CAR = "car-2"  # declared NCA


def foreign_record() -> dict[str, pd.DataFrame]:
    """Ten days of a pack of NMC 811 cells in a car that is declared to hold NCA ones."""
    row = fleet_rows().set_index("battery_id").loc[CAR]
    made = simulated(
        TruthSpec(
            battery=BatterySpec(
                battery_id=CAR,
                chemistry="nmc811",
                nominal_capacity_ah=row["nominal_capacity_ah"],
                nominal_energy_kwh=row["nominal_energy_kwh"],
                cells_series=row["cells_series"],
                cells_parallel=row["cells_parallel"],
                commissioned_utc=pd.Timestamp(row["commissioned_utc"]),
                charge_limit_kw=row["charge_limit_kw"],
                replacement_value_eur=row["replacement_value_eur"],
                scrap_value_eur=row["scrap_value_eur"],
            ),
            duty=StandardDuty(
                trip_efc=0.2,
                trip_c_rate=0.25,
                charge_c_rate=10 / 60,
                plugged_hours=13.5,
                target_soc=0.8,
                temperature_degc=18.0,
                source="test",
            ),
            as_of_utc=pd.Timestamp(AS_OF),
            telemetry_days=10,
            ahead_days=1,
            sample_s=60,
            capacity_scale=0.985,
            sei_factor=1.2,
            lam_factor=0.8,
            resistance=0.06,
            departure_hour_utc=6.0,
            fault="none",
            seed=3,
        )
    )
    return {"telemetry": made.telemetry, "checkups": made.checkups}


@pytest.fixture(scope="module")
def disputed_depot(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The depot after the record of another cell has come in, calibrated."""
    workspace = Workspace.open(
        Path(shutil.copytree(calibrated_depot, tmp_path_factory.mktemp("foreign") / "depot"))
    )
    for dataset, rows in foreign_record().items():
        put(workspace, dataset, rows)
    assert check(Context.of(workspace, AS_OF)).exit_code == 0
    answer = calibrate(Context.of(workspace, AS_OF))
    assert answer.details["disputed"].keys() == {CAR}
    assert f"disputed: {CAR} ({answer.details['disputed'][CAR]})" in answer.message
    again = calibrate(Context.of(workspace, AS_OF))
    assert (again.details["reused"], again.details["disputed"]) == (2, answer.details["disputed"])
    return workspace.root


@pytest.fixture
def foreign(disputed_depot: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(Path(shutil.copytree(disputed_depot, tmp_path / "depot")))


def test_plan_and_pages_say_it(foreign: Workspace) -> None:
    result = plan(Context.of(foreign, AS_OF), DAY)
    why = result.details["disputed"][CAR]
    assert why.startswith("open-circuit voltage off by ")
    assert f"disputed: {CAR} ({why})" in result.message
    assert plan(Context.of(foreign, AS_OF), DAY).details["disputed"] == {CAR: why}
    pages = {
        file.name: file.read_text(encoding="utf-8")
        for file in publish_run(foreign, result.details["plan_id"])
    }
    assert f"<b>Disputed:</b> {CAR} ({why})." in pages["index.html"]
    assert f"disputed ({why})" in pages["index.html"]
    assert f"<b>Disputed: {why}.</b>" in pages[f"{CAR}.html"]
    assert "wrong pack data" in pages[f"{CAR}.html"]
    assert "the voltage reads like nmc811, not nca" in pages[f"{CAR}.html"]
    assert "isputed" not in pages["car-1.html"]


def test_the_page_of_a_plan_keeps_the_voltages_of_its_own_fit(foreign: Workspace) -> None:
    planned = str(plan(Context.of(foreign, AS_OF), DAY).details["plan_id"])
    before = foreign.warehouse.read("out_twin_residual")
    assert set(before["battery_id"]) == {CAR}
    pages = {file.name: file.read_text(encoding="utf-8") for file in publish_run(foreign, planned)}
    assert "Measured − twin, mV" in pages[f"{CAR}.html"]
    assert calibrate(Context.of(foreign, AS_OF + timedelta(days=1))).details["reused"] == 0
    after = foreign.warehouse.read("out_twin_residual")
    assert after["calibration_id"].nunique() == 2
    for file in publish_run(foreign, planned):
        assert file.read_text(encoding="utf-8") == pages[file.name], file
    # What they were measured by goes with the samples, when these are let go of.
    first = before["time_utc"].dt.date.max() + timedelta(days=1)
    kept = foreign.warehouse.prune(
        samples_before=first, raw_before=None, pruned_utc=AS_OF + timedelta(days=2), dry_run=False
    )
    assert kept[2].table == "out_twin_residual" and kept[2].rows >= len(before)
    assert (foreign.warehouse.read("out_twin_residual")["time_utc"].dt.date >= first).all()


def test_twin_show_says_it(
    foreign: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("twin", "show", CAR, "-w", str(foreign.root), "--as-of", f"{AS_OF:%Y-%m-%dT%H:%MZ}", "--json")
    monkeypatch.setattr(sys, "argv", ["v2g", *words])
    with pytest.raises(SystemExit):
        cli.main()
    (shown,) = json.loads(capsys.readouterr().out)[f"battery {CAR}"]
    assert shown["quality"] == "disputed"
    assert shown["dispute"].startswith("open-circuit voltage off by ")
    assert "state from check-ups alone" in shown["reason"]
    assert shown["sensor_fault"] is None


def test_it_is_nothing_to_carry_on_from_and_teaches_nobody(foreign: Workspace) -> None:
    warehouse, next_day = foreign.warehouse, AS_OF + timedelta(days=1)
    known = Known(warehouse, AS_OF)
    newest = newest_calibrations(known, [CAR])[CAR]
    good = newest_calibrations(known, [CAR], disputed=False)[CAR]
    assert (newest.quality, good.quality) == ("disputed", "prior")
    assert disputes_of([newest, good]) == {CAR: newest.dispute}
    assert disputed_batteries(known) == frozenset()  # of the day itself
    assert disputed_batteries(known.at(next_day)) == {CAR}


def test_a_calibration_remembers_the_model_that_fitted_it(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def calibrated(day: int, model: str) -> pd.DataFrame:
        monkeypatch.setattr("flows.mapping.requests.model_hash", lambda: model)
        as_of = AS_OF + timedelta(days=day)
        assert calibrate(Context.of(depot, as_of)).details["reused"] == 0
        rows = depot.warehouse.read("out_calibration")
        rows = rows[rows["as_of_utc"] == pd.Timestamp(as_of)]
        assert set(rows["model_hash"]) == {model}
        return rows

    first = depot.warehouse.read("out_calibration")
    assert first["model_hash"].str.fullmatch("[0-9a-f]{12}").all()
    ours = str(first["model_hash"].iloc[0])
    assert calibrated(1, ours)["reason"].str.startswith("state carried on").all()
    changed = calibrated(2, "changed")
    assert not changed["reason"].str.contains("carried on").any()
    assert calibrated(3, "changed")["reason"].str.startswith("state carried on").all()


def test_a_car_without_an_answer_does_not_blank_the_fleets_wear(depot: Workspace) -> None:
    whole = plan(Context.of(depot, AS_OF), DAY)
    assert {row["wear_twin_cars"] for row in whole.tables["modes"]} == {"2 of 2"}
    third = fleet_rows().iloc[[0]].assign(battery_id="car-3")
    sessions = session_rows().iloc[[2]].assign(session_id="s4", battery_id="car-3")
    put(depot, "fleet", third)
    put(depot, "sessions", sessions)
    check(Context.of(depot, AS_OF))
    result = plan(Context.of(depot, AS_OF), DAY)
    modes = depot.warehouse.read("out_plan_mode", where={"plan_id": result.details["plan_id"]})
    cars = depot.warehouse.read("out_plan_car", where={"plan_id": result.details["plan_id"]})
    assert modes["wear_twin_cars"].tolist() == [2, 2, 2]
    stated = cars.groupby("mode")["wear_twin_eur"].sum()
    assert cars.loc[cars["battery_id"] == "car-3", "wear_twin_eur"].isna().all()
    for _, row in modes.iterrows():
        assert row["wear_twin_eur"] == pytest.approx(stated[row["mode"]])
    assert {row["wear_twin_cars"] for row in result.tables["modes"]} == {"2 of 3"}
    page = publish_run(depot, result.details["plan_id"])[0].read_text(encoding="utf-8")
    assert page.count("(2 of 3 cars)") == 3


def test_how_disputes_are_named() -> None:
    assert named({}) == ""
    assert named({"car-1": "χ²/n 31", "car-3": ""}) == "disputed: car-1 (χ²/n 31), car-3"
