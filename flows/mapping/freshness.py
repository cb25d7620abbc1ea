"""Whether what the core tables hold is still of today."""

from __future__ import annotations

import pandas as pd

from data_checks import CheckContext, freshness
from data_checks.freshness import LONGEST_AGE
from warehouse.at_once import at_once
from warehouse.contracts import core_contract, owner_column
from warehouse.newest import newest
from warehouse.store import Warehouse

_TELEMETRY = "core_telemetry_15min"  # its samples are pruned


def check_freshness(warehouse: Warehouse, context: CheckContext) -> pd.DataFrame:
    """Judge the newest rows of every dataset that ages; written to out_check and returned."""
    with at_once(warehouse):
        found = {name: newest(warehouse, _table(name), owner_column(name)) for name in LONGEST_AGE}
    checks = pd.concat([freshness(dataset, own, context) for dataset, own in found.items()])
    warehouse.write({"out_check": checks})
    return checks


def _table(dataset: str) -> str:
    return _TELEMETRY if dataset == "telemetry" else core_contract(dataset).name
