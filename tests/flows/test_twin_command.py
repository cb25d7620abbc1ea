"""v2g twin show, compare, export, and the handle for notebooks."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows import cli
from flows.errors import UsageError
from flows.notebook import load_calibration
from flows.twins import exported
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF
from warehouse.contracts import CONTRACTS
from warehouse.contracts.types import Kind
from warehouse.store import Warehouse

MOMENT = "2024-03-19T12:00Z"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def call(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["v2g", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), capsys.readouterr().out

    return call


def test_show_tells_state_life_and_unknowns(run, depot: Workspace) -> None:
    code, out = run("twin", "show", "car-1", "-w", depot.root, "--as-of", MOMENT, "--json")
    answer = json.loads(out)
    assert code == 0
    handle = load_calibration("car-1", depot.root, as_of=AS_OF)
    state = {row["what"]: row["value"] for row in answer["state"]}
    assert state["soh"] == handle.calibration.soh
    parts = {(row["what"], row["part"]): row["relative_sd"] for row in answer["intervals"]}
    assert {what for what, _ in parts} == {"l0", "alpha", "beta"}
    assert 0.1 < parts["alpha", "form"] < 0.4
    assert [row["unknown"] for row in answer["ageing"]] == list(handle.parameters)
    assert [row["sd"] for row in answer["ageing"]] == pytest.approx(np.sqrt(np.diag(handle.covariance)))
    assert all(row[row["unknown"]] == 1.0 for row in answer["ageing"])
    warned = [row["warning"].split()[0] for row in answer["warnings"]]
    life = {row["what"]: row["high"] > 10 * row["low"] for row in answer["life"]}
    assert warned == [name for name, wide in zip(("L0", "α", "β"), life.values(), strict=True) if wide]
    less = [row["less_doubt_of_l0"] + row["less_doubt_of_beta"] for row in answer["would narrow it"]]
    assert len(less) == 5 and less == sorted(less, reverse=True) and less[0] > 0.1
    prices = {row["price"]: row for row in answer["wear price over that of the medians"]}
    assert prices["rate"]["0.05"] < prices["rate"]["mean"] < prices["rate"]["0.95"]
    assert run("twin", "show", "car-1", "-w", depot.root, "--as-of", MOMENT)[0] == 0


def test_compare_sets_two_side_by_side(run, depot: Workspace) -> None:
    code, out = run("twin", "compare", "car-1", "car-2", "-w", depot.root, "--as-of", MOMENT, "--json")
    rows = {row["what"]: row for row in json.loads(out)["twins"]}
    assert code == 0
    one, other = (load_calibration(name, depot.root, as_of=AS_OF) for name in ("car-1", "car-2"))
    assert rows["l0_days"]["car-1"] == one.calibration.l0_days
    assert rows["l0_days"]["car-2"] == other.calibration.l0_days
    assert rows["soh"]["apart"] is None
    assert abs(rows["usable_capacity_ah"]["apart"]) < 5


def test_export_writes_json_and_bdf(run, depot: Workspace, tmp_path: Path) -> None:
    shared = ("-w", depot.root, "--as-of", MOMENT, "--json")
    code, out = run("twin", "export", "car-1", "--out", tmp_path, *shared)
    assert code == 0
    names = [Path(name).name for name in json.loads(out)["files"]]
    assert names == ["car-1.json", "car-1.pybamm.json"]  # no telemetry: no window
    assert json.loads((tmp_path / names[1]).read_text(encoding="utf-8"))["Twin of battery car-1"]
    assert run("twin", "export", "car-1", "--out", tmp_path, *shared)[0] == 0  # its own are replaced
    (tmp_path / names[1]).write_text("{}", encoding="utf-8")
    assert run("twin", "export", "car-1", "--out", tmp_path, *shared)[0] == 2
    assert (tmp_path / names[1]).read_text(encoding="utf-8") == "{}"
    written = json.loads((tmp_path / "car-1.json").read_text(encoding="utf-8"))
    handle = load_calibration("car-1", depot.root, as_of=AS_OF)
    assert written["unknowns"] == pytest.approx(dict(handle.parameters))
    assert written["calibration"]["alpha_day_per_efc"] == handle.calibration.alpha_day_per_efc


def test_the_exported_window_has_the_labels_of_the_battery_data_format(
    depot: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = pd.date_range("2024-03-18T08:00", periods=12, freq="5min", tz="UTC")
    fitted = pd.DataFrame({"time_utc": times, "voltage_v": 400.0, "model_voltage_v": 401.0, "used": True})
    samples = pd.DataFrame(
        {"time_utc": times, "voltage_v": 400.0, "current_a": -12.5, "temperature_degc": 11.0}
    )
    handle = load_calibration("car-1", depot.root, as_of=AS_OF)
    handle = replace(handle, residuals=fitted.assign(error_v=-1.0))
    monkeypatch.setattr(Warehouse, "read", lambda *_, **__: samples)
    written = pd.read_csv(exported(depot, handle, tmp_path)[1])
    assert list(written.columns) == [
        "Test Time / s",
        "Unix Time / s",
        "Voltage / V",
        "Current / A",
        "Surface Temperature / degC",
        "Model Voltage / V",
    ]
    assert written["Model Voltage / V"].tolist() == [401.0] * 12
    assert written["Test Time / s"].iloc[-1] == 3300
    assert written["Unix Time / s"].iloc[0] == pd.Timestamp("2024-03-18T08:00", tz="UTC").timestamp()


def test_a_passport_is_written_as_known_and_replaces_its_own_alone(
    run, depot: Workspace, tmp_path: Path
) -> None:
    day = {"market_date": pd.Timestamp("2024-03-18").date(), "zone": "DE-LU", "realised_id": "a"}
    account(depot, day, 10.0, AS_OF)
    account(depot, day | {"realised_id": "b"}, 12.5, AS_OF + timedelta(hours=1))
    account(
        depot, day | {"realised_id": "c", "market_date": day["market_date"] + timedelta(days=1)}, 5.0, AS_OF
    )
    call = ("twin", "passport", "car-1", "--out", tmp_path / "out", "-w", depot.root, "--json", "--as-of")
    code, out = run(*call, "2024-03-19T14:00Z", "--consumption", "20")
    document = json.loads(out)
    assert code == 0
    assert (document["v2g"]["discharged_kwh"], document["v2g"]["days"]) == (17.5, 2)
    assert document["v2g"]["virtual_km"] == pytest.approx(87.5)
    (file,) = (tmp_path / "out").iterdir()
    assert file.name == "car-1.passport.json" and json.loads(file.read_text("utf-8")) == document
    found = load_calibration("car-1", depot.root, as_of=AS_OF).calibration
    condition = document["PerformanceAndDurability"]["batteryCondition"]
    assert condition["capacityFade"]["lastUpdate"] == "2024-03-19T12:00:00Z"
    assert condition["remainingEnergy"]["remainingEnergyalue"] == found.usable_energy_kwh
    assert document["missing"]["batteryCondition.energyThroughput"] == "no telemetry of voltage and current"
    code, out = run(*call, MOMENT)  # the correction had not been made
    assert code == 0 and json.loads(out)["v2g"]["discharged_kwh"] == 15.0
    file.write_text("{}", encoding="utf-8")
    assert run(*call, MOMENT)[0] == 2 and file.read_text("utf-8") == "{}"
    assert run("twin", "passport", "car-9", "-w", depot.root, "--as-of", MOMENT)[0] == 2


def account(depot: Workspace, day: dict[str, object], kwh: float, made: datetime) -> None:
    """A day's account that tells of car-1's V2G, and what else its tables ask for."""
    rows = {}
    for table, own in (
        ("out_realised", {}),
        ("out_realised_car", {"battery_id": "car-1", "mode": "followed", "v2g_kwh": kwh, "at_plug": True}),
    ):
        stated = day | own | {"as_of_utc": pd.Timestamp(made)}
        filled = {
            column.name: stated.get(column.name, _ANY.get(column.kind))
            for column in CONTRACTS[table].columns
            if column.name in stated or not column.nullable
        }
        rows[table] = pd.DataFrame([filled])
    depot.warehouse.write(rows)


_ANY = {Kind.TEXT: "-", Kind.INT: 1, Kind.FLOAT: 0.0}


def test_hindcast_and_replay_say_what_they_lack(run, depot: Workspace) -> None:
    shared = ("-w", depot.root, "--as-of", MOMENT)
    for name in ("hindcast", "replay"):
        assert run("twin", name, "car-1", *shared)[0] == 2
        assert run("twin", name, "car-9", *shared)[0] == 2


def test_an_unknown_battery_is_a_usage_error(run, depot: Workspace) -> None:
    assert run("twin", "show", "car-9", "-w", depot.root, "--as-of", MOMENT)[0] == 2
    with pytest.raises(UsageError, match="car-9"):
        load_calibration("car-9", depot.root)
    with pytest.raises(UsageError, match="no battery 'car-1'"):  # as of then nobody knew it
        load_calibration("car-1", depot.root, as_of=AS_OF.replace(year=2020))
