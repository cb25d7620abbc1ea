"""Temperatures of the months that batteries have lived through, out of their quarter-hours."""

import datetime as dt
from collections.abc import Sequence

import duckdb
import pandas as pd

from warehouse.compaction import TABLE
from warehouse.contracts import CONTRACTS
from warehouse.rows import Selection, source_of

# Rounded, so that the order in which rows are summed does not show.
_MONTHS = """
    SELECT battery_id,
        date_trunc('month', interval_start_utc) AS month_utc,
        round(avg(temperature_mean_degc), 3) AS temperature_degc,
        count(*) AS quarter_hours,
    FROM {quarters} WHERE list_contains($battery_ids, battery_id) AND interval_start_utc < $end
    GROUP BY ALL ORDER BY battery_id, month_utc
"""


def monthly_temperature(
    connection: duckdb.DuckDBPyConnection, battery_ids: Sequence[str], end: dt.datetime
) -> pd.DataFrame:
    """Mean temperature by battery and UTC month, up to `end` (tz-aware) and as known then."""
    quarters, values = source_of(connection, CONTRACTS[TABLE], Selection(known_by=end))
    sql = _MONTHS.format(quarters=quarters)
    values |= {"battery_ids": list(battery_ids), "end": end}
    months = connection.sql(sql, params=values).to_arrow_table()
    return pd.DataFrame(months.to_pandas())
