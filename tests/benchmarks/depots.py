"""What benchmarks of days in turn share: moments by a market's clock, files received at one, wear as
given."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pandas as pd

from flows.stages import Context
from flows.stages.ingest import ingest
from flows.workspace import Workspace
from warehouse.contracts import CONTRACTS
from warehouse.zones import market_timezone


def moment(zone: str, day: date, hour: int, minute: int = 0) -> datetime:
    """A moment by the clock of a zone's market, UTC."""
    local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(market_timezone(zone)))
    return local.astimezone(UTC)


def ingest_frame(
    workspace: Workspace, dataset: str, rows: pd.DataFrame, received: datetime, *, by: str | None = None
) -> None:
    """Ingest rows as a file that was received then, or each by="event"; its check is left to the caller."""
    file = workspace.root.parent / f"{dataset}_{received:%Y%m%d%H%M}.csv"
    rows.to_csv(file, index=False)
    ingest(Context.of(workspace, received), dataset, [file], received=by)


def given_calibration(as_of: datetime, wear: float, capacity_kwh: float, car: str) -> dict[str, object]:
    """A calibration by which a kWh discharged wears for so many €, V/L0·β a cycle, over the capacity."""
    named: dict[str, object] = {
        "calibration_id": f"reported of {car}", "battery_id": car, "quality": "calibrated", "reason": "told",
        "chemistry": "nmc811", "identifiability": "", "as_of_utc": pd.Timestamp(as_of), "run_id": "told",
        "input_hash": "", "code_version": "", "parameters_json": "{}", "previous_calibration_id": None,
        "usable_energy_kwh": capacity_kwh, "usable_capacity_ah": 171.2, "soh": 1.0, "l0_days": 2500.0,
        "residual_value_eur": 6000.0, "rest_price_eur_per_kwh_h": 0.0,
        "beta_day_per_efc": wear * capacity_kwh / (6000.0 / 2500.0),
    }  # fmt: skip
    kinds = {"int": 0, "float": 0.0, "text": ""}
    row: dict[str, object] = {}
    for column in CONTRACTS["out_calibration"].columns:
        if column.name in named:
            row[column.name] = named[column.name]
        else:
            row[column.name] = None if column.nullable else kinds.get(column.kind.name.lower(), 0.0)
    return row
