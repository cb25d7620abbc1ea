"""The battery passport of a workspace's battery: what is known of it, in the words of the public model."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from flows.errors import UsageError
from flows.filenames import passport_name
from flows.mapping.past import FOLLOWED
from flows.mapping.requests import battery_spec, newest_calibrations
from flows.twins import require_own
from flows.workspace import Workspace
from twin.passport import counted, passport
from warehouse.files import make_folder, write_whole
from warehouse.known import Known


def passport_of(
    workspace: Workspace, battery_id: str, as_of: datetime, consumption_kwh_per_km: float | None
) -> dict[str, Any]:
    """The passport as of a moment; raises UsageError for a battery that is unknown or not calibrated."""
    known, where = Known(workspace.warehouse, as_of), {"battery_id": [battery_id]}
    rows = known.read("core_battery", where=where)
    found = newest_calibrations(known, [battery_id]).get(battery_id)
    if rows.empty or found is None:
        lacks = "is not in the fleet" if rows.empty else "is not calibrated by then"
        raise UsageError(f"battery {battery_id!r} {lacks}", hint="`v2g ingest fleet`, `v2g calibrate`")
    made = known.read("out_calibration", where={"calibration_id": [found.calibration_id]})["as_of_utc"].max()
    v2g_kwh, days = _v2g(known, battery_id)
    return passport(
        battery_spec(rows.iloc[0]),
        found,
        made,
        samples=counted(known.read("core_telemetry", where=where, end=as_of)),
        checkups=known.read("core_checkup", where=where),
        v2g_kwh=v2g_kwh,
        v2g_days=days,
        consumption_kwh_per_km=consumption_kwh_per_km,
    )


def write_passport(document: dict[str, Any], folder: Path) -> Path:
    """Write NAME.passport.json into a folder, which is made; only an earlier one of it is replaced."""
    make_folder(folder)
    place = folder / passport_name(document["battery_id"])
    require_own(place, document["battery_id"])
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    return write_whole(place, text + "\n")


def _v2g(known: Known, battery_id: str) -> tuple[float, int]:
    """What was discharged as followed, kWh battery side, by the newest account of each day; of how many."""
    newest = known.newest(
        "out_realised", by=["market_date", "zone"], columns=["market_date", "zone", "realised_id"]
    )
    where: dict[str, Any] = {
        "battery_id": battery_id,
        "mode": FOLLOWED,
        "realised_id": newest.drop_duplicates(["market_date", "zone"], keep="last")["realised_id"].tolist(),
    }
    rows: pd.DataFrame = known.read("out_realised_car", where=where)
    return float(rows["v2g_kwh"].sum()), len(rows)
