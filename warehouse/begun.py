"""Stays that a charger's log told the beginning of, and no log its end: what the next log goes on from."""

import datetime as dt

import pandas as pd

from warehouse.beliefs import known_before, received, withdrawn
from warehouse.connection import connect
from warehouse.schema import check_version
from warehouse.store import Warehouse

COLUMNS = (
    "session_id", "battery_id", "arrival_utc", "arrival_soc", "energy_kwh", "register_kwh", "last_soc",
    "charger_id", "sha256", "next_utc", "ended_utc", "ended_sha256",
)  # fmt: skip


def begun(warehouse: Warehouse, source: str, known_by: dt.datetime) -> pd.DataFrame:
    """Return landed sessions of a source that lack their end, as of a moment, in the order of their receipt.

    COLUMNS: of the contract; sha256 of the file that told them; next_utc, when another stay of that
    source of that car, or at that place of a station that is named, began (NaT: none did); ended_utc and
    ended_sha256, when it ended as a file tells, and which. A stay that several files told the middle
    of has a row of each. Raises the errors of opening a warehouse.
    """
    sql = f"""
        WITH landed AS (
            SELECT of_file.*, s.sha256
            FROM {received("sessions", "received_utc < $before")} AS of_file
            JOIN raw_source s USING (source_id)
            ANTI JOIN {withdrawn("$before")} w ON w.dataset = 'sessions'
                AND w.source_id = of_file.source_id AND w.source_row = of_file.source_row
            WHERE s.source = $source AND of_file.received_utc < $before AND arrival_utc IS NOT NULL
        ), own AS (
            FROM landed WHERE departure_utc IS NULL
        ), ended AS (
            SELECT session_id, arg_min(departure_utc, received_utc) AS ended_utc,
                arg_min(sha256, received_utc) AS ended_sha256
            FROM landed WHERE departure_utc IS NOT NULL GROUP BY session_id
        ), later AS (
            SELECT own.source_id, own.source_row, min(other.arrival_utc) AS next_utc
            FROM own JOIN landed AS other ON other.arrival_utc > own.arrival_utc
                AND (other.battery_id = own.battery_id
                     OR (other.charger_id = own.charger_id AND contains(own.charger_id, ' ')))
            GROUP BY ALL
        )
        SELECT {", ".join(COLUMNS)} FROM own LEFT JOIN later USING (source_id, source_row)
        LEFT JOIN ended USING (session_id)
        ORDER BY own.received_utc, source_id, source_row
    """  # noqa: S608
    with connect(warehouse.path, write=False, timeout_s=warehouse.lock_timeout_s) as connection:
        check_version(connection)
        told = connection.sql(sql, params={"before": known_before(known_by), "source": source})
        found: pd.DataFrame = told.to_arrow_table().to_pandas()
    return found
