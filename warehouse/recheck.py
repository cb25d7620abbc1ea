"""Ingested rows that are checked again: what kept them out may be gone, as a car that is declared now."""

from collections.abc import Collection

from warehouse.connection import transaction
from warehouse.errors import UnknownTableError
from warehouse.migrations import bring_forward
from warehouse.store import Warehouse


def check_again(
    warehouse: Warehouse, dataset: str, source_id: str, *, rule: str, values: Collection[str]
) -> int:
    """Let an ingested file be checked anew if a rule holds rows back for one of these values; how many rows.

    Nothing changes where there is no such row. Raises UnknownTableError for a file that was never ingested.
    """
    with transaction(warehouse.path, timeout_s=warehouse.lock_timeout_s) as connection:
        bring_forward(connection)
        ingested = connection.execute(
            "SELECT count(*) FROM raw_source WHERE dataset = ? AND source_id = ?", [dataset, source_id]
        ).fetchall()[0][0]
        if not ingested:
            raise UnknownTableError(f"no file {source_id!r} of {dataset} has been ingested")
        rows = connection.execute(
            "SELECT count(DISTINCT source_row) FROM core_quarantine WHERE dataset = ? AND source_id = ? "
            "AND rule = ? AND value IN (SELECT unnest(?))",
            [dataset, source_id, rule, sorted(values)],
        ).fetchall()[0][0]
        if rows:
            connection.execute(
                "UPDATE raw_source SET checked_utc = NULL WHERE dataset = ? AND source_id = ?",
                [dataset, source_id],
            )
    return int(rows)
