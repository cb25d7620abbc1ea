"""What is received after a moment changes nothing in what any stage writes as of it, whatever it says."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.publish.site import PAGES
from flows.stages import Context
from flows.stages.calibrate import calibrate
from flows.stages.check import check
from flows.stages.forecast import forecast
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.stages.realise import realise
from flows.stages.settle import settle_days
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, fleet_rows, price_rows, put, session_rows, site_rows
from tests.flows.test_grid import charger_rows, hourly
from tests.flows.test_settle import SHARED, agreed
from warehouse.contracts import CONTRACTS, DATASETS

OVER = AS_OF + timedelta(days=3)
LATER = AS_OF + timedelta(days=4)
DIFFERS = ["run_id", "code_version", "solve_seconds", "made_utc", "started_utc", "finished_utc"]
SALTED = ["salt", "commitment"]


def telemetry(voltage_v: float, current_a: float) -> pd.DataFrame:
    times = pd.date_range(AS_OF - timedelta(hours=30), AS_OF - timedelta(hours=1), freq="1min", unit="us")
    wave = np.sin(np.arange(len(times)) / 90.0)
    return pd.DataFrame(
        {
            "battery_id": "car-1",
            "time_utc": times.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "voltage_v": voltage_v + 4.0 * wave,
            "current_a": current_a * wave.round(3),
            "temperature_degc": 21.0 + wave,
        }
    )


def checkups(capacity_ah: float) -> pd.DataFrame:
    days = (400, 200, 10)
    return pd.DataFrame(
        [
            {
                "battery_id": "car-1", "time_utc": AS_OF - timedelta(days=ago),
                "capacity_ah": capacity_ah + ago / 100, "temperature_degc": 25.0,
            }
            for ago in days
        ]
    )  # fmt: skip


def metering(kwh: float) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "battery_id": "car-2", "interval_start_utc": f"{DAY}T10:00:00Z",
                "import_kwh": kwh, "export_kwh": 0.0,
            }
        ]
    )  # fmt: skip


def soc_power() -> pd.DataFrame:
    """Charge and power alone, of the car whose telemetry is known: a discharge all day."""
    times = pd.date_range(AS_OF - timedelta(days=2), periods=96, freq="15min")
    rows = {"battery_id": "car-1", "time_utc": times.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return pd.DataFrame({**rows, "soc_reported": np.linspace(0.9, 0.3, 96), "power_kw": -1.5})


def tariffs(price: float) -> pd.DataFrame:
    rows = price_rows(DAY, 1).assign(direction="import")
    return rows.assign(price_eur_per_kwh=price)


def awards(mw: float) -> pd.DataFrame:
    block = {"interval_start_utc": f"{DAY}T19:00:00Z", "interval_end_utc": f"{DAY}T23:00:00Z"}
    return pd.DataFrame(
        [{"zone": ZONE, "product": "FCR", "direction": "symmetric", **block, "quantity_mw": mw}]
    )


def activations(kwh: float) -> pd.DataFrame:
    slot = {"interval_start_utc": f"{DAY}T19:00:00Z", "energy_kwh": kwh, "price_eur_per_kwh": 0.2}
    return pd.DataFrame([{"zone": ZONE, "product": "FCR", "direction": "up", **slot}])


GIVEN = {
    "prices": price_rows(DAY - timedelta(days=61), 62),
    "sessions": session_rows().assign(charger_id=["yard-1", "", ""]),
    "telemetry": telemetry(365.0, 20.0),
    "checkups": checkups(160.0),
    "metering": metering(1.0),
    "fleet": fleet_rows(),
    "sites": site_rows(),
    "chargers": charger_rows(max_discharge_current_a=16.0),
    "site_load": hourly(DAY, 1, "load_kw", 2.0, site_id="yard"),
    "site_limits": hourly(DAY, 1, "import_limit_kw", 9.0, site_id="yard"),
    "co2": hourly(DAY, 1, "co2_kg_per_kwh", 0.3, zone=ZONE),
    "awards": awards(0.002),
    "imbalance_prices": hourly(DAY, 1, "price_eur_per_kwh", 0.2, zone=ZONE),
}
HOSTILE = {
    "prices": price_rows(DAY - timedelta(days=7), 9, spread=-0.4),
    "tariffs": tariffs(0.9),
    "sessions": session_rows().assign(arrival_soc=0.11, departure_soc=0.9),
    "telemetry": telemetry(330.0, -90.0),
    "checkups": checkups(101.0),
    "metering": metering(2.0),
    "soc_power": soc_power(),
    "fleet": fleet_rows().assign(soc_min=0.6, discharge_limit_kw=1.0),
    "sites": site_rows().assign(import_limit_kw=3.0, export_limit_kw=0.0, parent_id="yard"),
    "chargers": charger_rows(max_current_a=6.0),
    "site_load": hourly(DAY, 1, "load_kw", 29.0, site_id="yard"),
    "site_limits": hourly(DAY, 1, "import_limit_kw", 0.0, site_id="yard"),
    "co2": hourly(DAY, 1, "co2_kg_per_kwh", 2.0, zone=ZONE),
    "awards": awards(0.009),
    "activations": activations(0.7),
    "imbalance_prices": hourly(DAY, 1, "price_eur_per_kwh", 0.9, zone=ZONE),
}


SEAL = "<!-- made of [0-9a-f]{64}: [0-9a-f]{64} -->"
"""It stands for the rows that a page is made of, with the names of their runs."""


def staged(workspace: Workspace) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """What all stages write as of moments before LATER: the out_ tables, pages and exports as text."""
    calibrate(Context.of(workspace, AS_OF))
    forecast(Context.of(workspace, AS_OF), DAY)
    plan(Context.of(workspace, AS_OF), DAY)
    realise(Context.of(workspace, OVER), [DAY])
    settle_days(Context.of(workspace, OVER), [DAY])
    publish(Context.of(workspace, OVER), DAY)
    tables = {
        name: workspace.warehouse.read(name).drop(columns=[*DIFFERS, *SALTED], errors="ignore")
        for name in CONTRACTS
        if name.startswith("out_") and name not in ("out_check", "out_run")
    }
    # Runs have names and moments of their own: what stages took is told by the clock, not by what was known.
    clock = r"<h2 id=\"stages\">.*?(?=<h2 id=\"lineage\">)|20(?!24)\d\d-\d\d-\d\d \d\d:\d\d"
    runs = re.compile(rf"{clock}|\d{{8}}T\d{{6}}Z-[0-9a-f]{{6}}|svg_?\w*\d+|id=\"[^\"]*\"|{SEAL}", re.S)
    pages = {
        str(page.relative_to(workspace.reports)): runs.sub("", page.read_text(encoding="utf-8"))
        for page in sorted(workspace.reports.rglob("*.html"))
    }
    exports = sorted(workspace.exports.glob("*.csv"))
    pages |= {file.name: runs.sub("", file.read_text(encoding="utf-8")) for file in exports}
    return tables, pages


def test_every_dataset_has_its_hostile_rows() -> None:
    assert set(HOSTILE) == set(DATASETS)


@pytest.mark.slow
def test_what_comes_later_changes_nothing_in_any_stage(tmp_path: Path) -> None:
    settings = Workspace.create(tmp_path / "then" / "depot", zone=ZONE).root / "v2g.toml"
    text = settings.read_text().replace("workers = 0", "workers = 1")
    text = text.replace("co2_price_eur_per_kg = 0.0", "co2_price_eur_per_kg = 0.1")
    settings.write_text(text, encoding="utf-8")
    then = agreed(Workspace.open(settings.parent), SHARED.replace('["car-1"]', '"all"'))
    then.enter()
    for dataset in (
        "sites",
        "chargers",
        "fleet",
        "prices",
        "co2",
        "site_load",
        "site_limits",
        "awards",
        "sessions",
        "telemetry",
        "checkups",
    ):
        put(then, dataset, GIVEN[dataset])
    check(Context.of(then, AS_OF))
    put(then, "metering", GIVEN["metering"], as_of=OVER)
    put(then, "imbalance_prices", GIVEN["imbalance_prices"], as_of=OVER)
    check(Context.of(then, OVER))
    now = Workspace.open(Path(shutil.copytree(tmp_path / "then", tmp_path / "now")) / "depot")
    for dataset, rows in HOSTILE.items():
        put(now, dataset, rows, as_of=LATER)
    check(Context.of(now, LATER))
    for dataset in HOSTILE:
        held = now.warehouse.extent(dataset)
        assert held.received_utc is not None and held.received_utc >= pd.Timestamp(LATER), dataset
    tables, pages = staged(then)
    again, pages_again = staged(now)
    assert not tables["out_calibration"].empty and not tables["out_realised_car"].empty
    for name, frame in tables.items():
        pd.testing.assert_frame_equal(again[name], frame, obj=name)
    assert pages_again == pages
    assert len(pages) == 4 + len(PAGES), "two cars' pages, the day's, and the schedule; the workspace's"
    assert all(len(tables[name]) for name in ("out_forecast", "out_settlement", "out_ledger"))
    assert tables["out_settlement"]["imbalance_eur"].notna().any(), "its prices were used"
