"""Cars of which a cloud tells SoC and power alone: from a file to the twin's question."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.mapping.requests import calibration_requests
from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, put
from twin.energy import by_energy
from warehouse.errors import ColumnError

HOURS = 24 * 6


def soc_power_rows(minutes: int = 5, sign: float = 1.0, watts: bool = True) -> pd.DataFrame:
    """Six days of a car that charges at 7 kW by night and is driven by day, as its cloud tells them."""
    times = pd.date_range(AS_OF - timedelta(hours=HOURS), AS_OF, freq=f"{minutes}min", inclusive="left")
    hour = times.hour.to_numpy() + times.minute.to_numpy() / 60
    power = np.where(hour < 4, 7.0, np.where((hour >= 8) & (hour < 10), -14.0, 0.0))
    soc = 0.3 + np.cumsum(power) * minutes / 60 / 60.0
    name, factor = ("power_w", 1000.0) if watts else ("power_kw", 1.0)
    return pd.DataFrame(
        {
            "battery_id": "car-1",
            "time_utc": times.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "soc_reported": np.round(soc - soc.min() + 0.2, 2),
            name: np.round(sign * factor * power, 1),
        }
    )


def ingested(workspace: Workspace, rows: pd.DataFrame, dataset: str, tmp_path: Path) -> dict[str, object]:
    file = tmp_path / f"{dataset}.csv"
    rows.to_csv(file, index=False)
    ingest(Context.of(workspace, AS_OF), dataset, [file])
    return dict(check(Context.of(workspace, AS_OF)).tables["datasets"][-1])


@pytest.mark.parametrize("dataset", ["soc_power", "telemetry"])
def test_it_is_a_kind_of_telemetry_whatever_it_is_called(
    workspace: Workspace, tmp_path: Path, dataset: str
) -> None:
    row = ingested(workspace, soc_power_rows(), dataset, tmp_path)
    assert (row["dataset"], row["good"], row["quarantined"]) == ("soc_power", len(soc_power_rows()), 0)
    held = workspace.warehouse.read("core_soc_power")
    assert held["power_kw"].max() == 7.0
    assert held["temperature_degc"].isna().all()
    checks = workspace.warehouse.read(
        "out_check", where={"dataset": "soc_power", "rule": "power_sign_unseen", "scope": "*"}
    )
    assert checks["message"].tolist() == [""]


def test_a_file_that_is_neither_is_reported_of_as_what_it_was_called(
    workspace: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(ColumnError, match="voltage_v"):
        ingested(workspace, soc_power_rows().drop(columns=["power_w"]), "telemetry", tmp_path)
    assert workspace.warehouse.unchecked("soc_power").empty


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        (soc_power_rows(sign=-1.0), "power_sign"),
        (soc_power_rows(sign=300.0), "power"),
        (soc_power_rows(sign=0.01, watts=False), "energy"),
    ],
)
def test_power_that_cannot_be_with_soc_is_refused(
    workspace: Workspace, tmp_path: Path, rows: pd.DataFrame, rule: str
) -> None:
    row = ingested(workspace, rows, "soc_power", tmp_path)
    found = workspace.warehouse.read("core_quarantine", where={"dataset": "soc_power"})
    assert row["quarantined"] > 0
    assert rule in set(found["rule"])


def test_too_little_to_be_checked_is_said(workspace: Workspace, tmp_path: Path) -> None:
    ingested(workspace, soc_power_rows()[:36], "soc_power", tmp_path)
    (row,) = workspace.warehouse.read(
        "out_check", where={"dataset": "soc_power", "rule": "power_sign_unseen", "scope": "*"}
    ).to_dict("records")
    assert "too coarse to be checked, not passed" in row["message"]
    assert (row["rows_checked"], row["passed"]) == (0, True)


def test_the_twin_is_asked_with_it_where_there_is_no_other(workspace: Workspace, tmp_path: Path) -> None:
    put(workspace, "soc_power", soc_power_rows())
    check(Context.of(workspace, AS_OF))
    asked = calibration_requests(Context.of(workspace, AS_OF), ["car-1", "car-2"], {}, {})
    coarse = {one.request.battery.battery_id: len(one.request.coarse) for one in asked}
    assert coarse == {"car-1": len(soc_power_rows()), "car-2": 0}
    (one,) = [one for one in asked if one.request.battery.battery_id == "car-1"]
    assert "soc_power" in set(one.files["dataset"])
    assert len(by_energy(one.request).telemetry) == len(soc_power_rows())
