"""How old the newest row of a battery or zone is: a warning, for old rows are not wrong."""

from collections.abc import Mapping

import pandas as pd

from data_checks.types import EVERYTHING, CheckContext
from warehouse.contracts import CONTRACTS, conform

LONGEST_AGE: Mapping[str, pd.Timedelta] = {
    "prices": pd.Timedelta(hours=1),
    "telemetry": pd.Timedelta(hours=48),
    "soc_power": pd.Timedelta(hours=48),
    "metering": pd.Timedelta(hours=48),
    "checkups": pd.Timedelta(days=400),
}
"""Age of the newest row against `as_of` from which it is worth a word; prices lie ahead of it."""


def freshness(dataset: str, newest: Mapping[str, pd.Timestamp], context: CheckContext) -> pd.DataFrame:
    """Return rows of out_check on the newest rows of a dataset: one for all, one for each that is old.

    newest: battery or zone → time of its newest row, tz-aware. Empty for a dataset that does not age.
    """
    contract = CONTRACTS["out_check"]
    as_of = pd.Timestamp(context.as_of_utc)
    old = {
        scope: time for scope, time in newest.items() if as_of - time > LONGEST_AGE.get(dataset, as_of - time)
    }
    stated = {scope: f"the newest row is of {time:%Y-%m-%d %H:%M} UTC" for scope, time in old.items()}
    if dataset in LONGEST_AGE and newest:
        everything = f"nothing newer than {_span(dataset)} for {len(old)} of {len(newest)}" if old else ""
        stated = {EVERYTHING: everything, **stated}
    rows = [
        {
            "run_id": context.run_id,
            "dataset": dataset,
            "scope": scope,
            "rule": "fresh",
            "severity": "warning",
            "passed": not old,
            "rows_checked": len(newest) if scope == EVERYTHING else 1,
            "rows_failed": len(old) if scope == EVERYTHING else 1,
            "message": message,
            "as_of_utc": as_of,
        }
        for scope, message in stated.items()
    ]
    return conform(pd.DataFrame(rows, columns=contract.names), contract)


def _span(dataset: str) -> str:
    """The longest age in words, "1 hour" or "400 days"."""
    hours = LONGEST_AGE[dataset] / pd.Timedelta(hours=1)
    size, unit = (hours / 24, "day") if hours >= 24 else (hours, "hour")
    return f"{size:g} {unit}{'' if size == 1 else 's'}"
