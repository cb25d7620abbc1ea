"""Whether what the core tables hold is still of today."""

from __future__ import annotations

import pandas as pd

from data_checks import CheckContext, freshness
from warehouse.at_once import at_once
from warehouse.newest import newest
from warehouse.store import Warehouse

_NEWEST = {
    "prices": ("core_price", "zone"),
    "telemetry": ("core_telemetry_15min", "battery_id"),
    "soc_power": ("core_soc_power", "battery_id"),
    "metering": ("core_metering", "battery_id"),
    "checkups": ("core_checkup", "battery_id"),
}


def check_freshness(warehouse: Warehouse, context: CheckContext) -> pd.DataFrame:
    """Judge the newest rows of every dataset that ages; written to out_check and returned."""
    with at_once(warehouse):
        found = {dataset: newest(warehouse, table, owner) for dataset, (table, owner) in _NEWEST.items()}
    checks = pd.concat([freshness(dataset, own, context) for dataset, own in found.items()])
    warehouse.write({"out_check": checks})
    return checks
