"""A small depot on disk: two cars at one site, two weeks of hourly prices, sessions on one day."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from flows.mapping.prices import PlanPrices, plan_prices
from flows.stages import Context, new_run_id
from flows.stages.calibrate import calibrate
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.workspace import Workspace
from tests.stored import stored
from warehouse.zones import market_day_slots

ZONE = "DE-LU"
DAY = date(2024, 3, 20)
AS_OF = datetime(2024, 3, 19, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("V2G_") and "__" in name]:
        monkeypatch.delenv(name)
    yield


@pytest.fixture(autouse=True)
def _a_command_ends_itself_and_not_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Prefect loaded, the command line leaves by os._exit: silently, with its own exit code."""
    monkeypatch.setattr("flows.cli._leave", sys.exit)


@pytest.fixture(scope="session")
def begun_depot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder around a depot into which nothing but its site and its cars has come, unchecked."""
    around = tmp_path_factory.mktemp("begun")
    made = created(around / "depot")
    put(made, "sites", site_rows())
    put(made, "fleet", fleet_rows())
    return around


@pytest.fixture
def workspace(begun_depot: Path, tmp_path: Path) -> Workspace:
    return copied(begun_depot, tmp_path)


@pytest.fixture(scope="session")
def calibrated_depot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two calibrated cars with sessions on DAY and a week after; prices on DAY alone."""
    around = tmp_path_factory.mktemp("calibrated") / "around"
    root = stored("calibrated", around, make_calibrated_depot, made_by=[Path(__file__)]) / "depot"
    Workspace.open(root).enter()
    return root


def created(root: Path, *, workers: int = 1) -> Workspace:
    """An empty workspace whose twins work in this process, where PyBaMM's models are built already."""
    settings = Workspace.create(root, zone=ZONE).root / "v2g.toml"
    text = settings.read_text(encoding="utf-8").replace("workers = 0", f"workers = {workers}")
    settings.write_text(text, encoding="utf-8")
    return Workspace.open(root)


def make_calibrated_depot(folder: Path) -> None:
    workspace = created(folder / "depot")
    workspace.enter()
    put(workspace, "sites", site_rows())
    put(workspace, "fleet", fleet_rows())
    put(workspace, "prices", price_rows(DAY, 1))
    later = session_rows(DAY + WEEK)
    put(
        workspace, "sessions", pd.concat([session_rows(), later.assign(session_id=later["session_id"] + "w")])
    )
    run_id = new_run_id(AS_OF)
    assert check(Context.of(workspace, AS_OF, run_id)).exit_code == 0
    result = calibrate(Context.of(workspace, AS_OF, run_id))
    assert (result.status, result.details["batteries"]) == ("ok", 2)


@pytest.fixture(scope="session")
def checked_depot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The depot of `calibrated_depot` before its first calibration: its plans need no twin."""
    around = tmp_path_factory.mktemp("checked") / "around"
    return stored("checked", around, make_checked_depot, made_by=[Path(__file__)]) / "depot"


def make_checked_depot(folder: Path) -> None:
    workspace = created(folder / "depot")
    put(workspace, "sites", site_rows())
    put(workspace, "fleet", fleet_rows())
    put(workspace, "prices", price_rows(DAY, 1))
    put(workspace, "sessions", session_rows())
    assert check(Context.of(workspace, AS_OF)).exit_code == 0


@pytest.fixture
def bare(checked_depot: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(Path(shutil.copytree(checked_depot, tmp_path / "bare")))


@pytest.fixture
def depot(calibrated_depot: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(Path(shutil.copytree(calibrated_depot, tmp_path / "depot")))


def begun(depot: Path, around: Path) -> Workspace:
    """A copy of a depot in an empty folder, for a fixture to go on with that is made once."""
    return Workspace.open(Path(shutil.copytree(depot, around / "depot")))


def copied(around: Path, tmp_path: Path) -> Workspace:
    """The depot in a folder, and the files next to it, as a test's own."""
    shutil.copytree(around, tmp_path, dirs_exist_ok=True)
    return Workspace.open(tmp_path / "depot")


def put(workspace: Workspace, dataset: str, rows: pd.DataFrame, *, as_of: datetime = AS_OF) -> Path:
    """Write rows to a CSV next to the workspace and ingest it."""
    file = workspace.root.parent / f"{dataset}_{len(list(workspace.root.parent.glob('*.csv')))}.csv"
    rows.to_csv(file, index=False)
    ingest(Context.of(workspace, as_of), dataset, [file])
    return file


def spoil(workspace: Workspace, *statements: str) -> None:
    """Change the tables behind the checks' back: a figure that no file should have brought in."""
    with duckdb.connect(str(workspace.root / "warehouse.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for statement in statements:
            connection.execute(statement)


def site_rows() -> pd.DataFrame:
    return pd.DataFrame([{"site_id": "yard", "zone": ZONE, "import_limit_kw": 30.0, "export_limit_kw": 20.0}])


def fleet_rows() -> pd.DataFrame:
    car = {
        "site_id": "yard",
        "chemistry": "nmc811",
        "nominal_capacity_ah": 171.2,
        "nominal_energy_kwh": 60.0,
        "cells_series": 96,
        "cells_parallel": 40,
        "commissioned_utc": "2021-05-01T00:00:00Z",
        "charge_limit_kw": 10.0,
        "discharge_limit_kw": 10.0,
        "efficiency_charge": 0.92,
        "efficiency_discharge": 0.92,
        "soc_min": 0.1,
        "soc_max": 0.95,
        "replacement_value_eur": 7200.0,
        "scrap_value_eur": 900.0,
    }
    return pd.DataFrame([{"battery_id": "car-1", **car}, {"battery_id": "car-2", **car, "chemistry": "nca"}])


def nobody(_: object) -> pd.Series:
    """No departure: a plan then reaches as far as its prices."""
    return pd.Series([], dtype="datetime64[us, UTC]")


def day_prices(workspace: Workspace, day: date, as_of: datetime = AS_OF) -> PlanPrices:
    """The prices of a market day and of no other, whether it is over or not."""
    return plan_prices(Context.of(workspace, as_of), day, nobody, "market_day")


def price_rows(first: date, days: int, *, spread: float = 0.08) -> pd.DataFrame:
    """Hourly prices of whole market days, low at night and at noon, high in the evening."""
    slots = market_day_slots(first, ZONE, 60)
    for day in range(1, days):
        slots = slots.append(market_day_slots(first + timedelta(days=day), ZONE, 60))
    hour = slots.tz_convert("Europe/Berlin").hour.to_numpy()
    price = 0.09 + spread * np.sin((hour - 14.0) / 24.0 * 4.0 * np.pi)
    return pd.DataFrame(
        {
            "zone": ZONE,
            "interval_start_utc": slots.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "resolution_minutes": 60,
            "price_eur_per_kwh": price.round(5),
        }
    )


def session_rows(day: date = DAY) -> pd.DataFrame:
    """car-1 at the depot over night and from the afternoon on, car-2 over the working day."""
    before, after = day - timedelta(days=1), day + timedelta(days=1)
    rows = [
        ("s1", "car-1", f"{before}T17:00:00Z", f"{day}T06:00:00Z", 0.55, 0.8),
        ("s2", "car-1", f"{day}T16:00:00Z", f"{after}T06:00:00Z", 0.5, 0.8),
        ("s3", "car-2", f"{day}T07:10:00Z", f"{day}T15:50:00Z", 0.4, 0.7),
    ]
    columns = ["session_id", "battery_id", "arrival_utc", "departure_utc", "arrival_soc", "departure_soc"]
    return pd.DataFrame(rows, columns=columns)
