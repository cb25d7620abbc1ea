"""Temperatures of the months that batteries have lived through, out of their quarter-hours."""

import datetime as dt
from collections.abc import Sequence

import duckdb
import pandas as pd

from warehouse.compaction import TABLE

# Rounded, so that the order in which rows are summed does not show.
_MONTHS = f"""
    SELECT battery_id,
        date_trunc('month', interval_start_utc) AS month_utc,
        round(avg(temperature_mean_degc), 3) AS temperature_degc,
        count(*) AS quarter_hours,
    FROM {TABLE} WHERE list_contains(?, battery_id) AND interval_start_utc < ?
    GROUP BY ALL ORDER BY battery_id, month_utc
"""  # noqa: S608


def monthly_temperature(
    connection: duckdb.DuckDBPyConnection, battery_ids: Sequence[str], end: dt.datetime
) -> pd.DataFrame:
    """Mean temperature by battery and UTC month, up to `end` (tz-aware)."""
    months = connection.sql(_MONTHS, params=[list(battery_ids), end]).to_arrow_table()
    return pd.DataFrame(months.to_pandas())
