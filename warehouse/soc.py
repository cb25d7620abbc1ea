"""What a car said of its charge first and last since it came."""

import datetime as dt
from collections.abc import Mapping

import pandas as pd

from warehouse.connection import connect
from warehouse.contracts import CONTRACTS
from warehouse.rows import Condition, Selection, source_of
from warehouse.schema import check_version_once
from warehouse.store import Warehouse

_ENDS = """
    SELECT battery_id,
        min(time_utc) AS first_utc, arg_min(soc_reported, time_utc) AS first_soc,
        max(time_utc) AS last_utc, arg_max(soc_reported, time_utc) AS last_soc,
    FROM {samples} AS samples
    JOIN (SELECT unnest($ids) AS battery_id, unnest($moments) AS came_utc) AS cars USING (battery_id)
    WHERE time_utc >= came_utc AND time_utc <= $now AND soc_reported IS NOT NULL AND NOT isnan(soc_reported)
    GROUP BY battery_id ORDER BY battery_id
"""


def first_and_last_soc(
    warehouse: Warehouse, came: Mapping[str, dt.datetime], as_of: dt.datetime
) -> pd.DataFrame:
    """Return what cars reported up to `as_of`, as known then; came: since when, by battery_id, tz-aware.

    Columns battery_id, first_utc, first_soc, last_utc, last_soc (0–1); a car that said nothing has no row.
    """
    if not came:
        return pd.DataFrame(columns=["battery_id", "first_utc", "first_soc", "last_utc", "last_soc"])
    ids, moments = list(came), list(came.values())
    of_key = [
        Condition("battery_id", "battery_id IN (SELECT unnest($ids))", {"ids": ids}),
        Condition("time_utc", "time_utc >= $since", {"since": min(moments)}),
    ]
    with connect(warehouse.path, write=False, timeout_s=warehouse.lock_timeout_s) as connection:
        check_version_once(warehouse.path, connection)
        samples, values = source_of(
            connection, CONTRACTS["core_telemetry"], Selection(known_by=as_of), of_key
        )
        values |= {"ids": ids, "moments": moments, "now": as_of}
        found = connection.sql(_ENDS.format(samples=samples), params=values).to_arrow_table()
    return pd.DataFrame(found.to_pandas())
