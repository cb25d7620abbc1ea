"""The newest row of each battery or zone."""

import pandas as pd

from warehouse.connection import connect
from warehouse.contracts import table_contract
from warehouse.errors import UnknownTableError
from warehouse.rows import checked_columns
from warehouse.schema import check_version_once
from warehouse.store import Warehouse


def newest(warehouse: Warehouse, table: str, owner: str) -> dict[str, pd.Timestamp]:
    """Return the last time [UTC] in a table by the value of its text column `owner`.

    Raises UnknownTableError for an unknown table or column, or a table without time.
    """
    contract = table_contract(table)
    moment = contract.time_column
    if moment is None:
        raise UnknownTableError(f"{table} has no time column")
    checked_columns(contract, [owner])
    with connect(warehouse.path, write=False, timeout_s=warehouse.lock_timeout_s) as connection:
        check_version_once(warehouse.path, connection)
        rows = connection.execute(
            f"SELECT {owner}, epoch_us(max({moment})) FROM {table} GROUP BY {owner} ORDER BY {owner}"  # noqa: S608
        ).fetchall()
    return {str(name): pd.Timestamp(microseconds, unit="us", tz="UTC") for name, microseconds in rows}
