"""What is let go of after a while, and never by itself: samples of telemetry, raw rows of telemetry.

core_telemetry older than `samples_before` goes, its quarter-hours stay, and the voltages of then that twins
were fitted to (out_twin_residual) go with it; raw rows of files received before `raw_before` go once they are
checked, their line in raw_source stays (and says so), so that the same file is still known and every number
still leads to its name and hash. What goes cannot be brought back from here: earlier beliefs of pruned rows
are gone, and a late file of a pruned day can only add to its quarter-hours.
Raw rows of a file that a person withdrew, or some of it, stay: the decision may be taken back.
The file does not shrink; the room is used again.
"""

import datetime as dt
from dataclasses import dataclass

import duckdb


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """Rows of a table that go (or would go), and the day before which they lie; None = all are kept."""

    table: str
    rows: int
    before: dt.date | None


def prune(
    connection: duckdb.DuckDBPyConnection,
    *,
    samples_before: dt.date | None,
    raw_before: dt.date | None,
    pruned: dt.datetime,
    dry_run: bool,
) -> tuple[Pruned, ...]:
    """Count, and unless `dry_run` delete, in the caller's transaction; UTC days, None keeps everything."""
    samples = raw = fitted = 0
    if samples_before is not None:
        samples, fitted = (
            _changed(connection, table, "time_utc < CAST(? AS DATE)", samples_before, dry_run=dry_run)
            for table in ("core_telemetry", "out_twin_residual")
        )
    if raw_before is not None:
        old = (
            "dataset = 'telemetry' AND checked_utc IS NOT NULL AND pruned_utc IS NULL "
            "AND received_utc < CAST(? AS DATE) "
            "AND source_id NOT IN (SELECT source_id FROM core_withdrawal WHERE dataset = 'telemetry')"
        )
        gone = f"source_id IN (SELECT source_id FROM raw_source WHERE {old})"  # noqa: S608
        raw = _changed(connection, "raw_telemetry", gone, raw_before, dry_run=dry_run)
        if not dry_run:
            connection.execute(f"DELETE FROM core_telemetry_amended WHERE {gone}", [raw_before])  # noqa: S608
            connection.execute(
                f"UPDATE raw_source SET pruned_utc = ? WHERE {old}",  # noqa: S608
                [pruned, raw_before],
            )
    return (
        Pruned(table="core_telemetry", rows=samples, before=samples_before),
        Pruned(table="raw_telemetry", rows=raw, before=raw_before),
        Pruned(table="out_twin_residual", rows=fitted, before=samples_before),
    )


def _changed(
    connection: duckdb.DuckDBPyConnection, table: str, condition: str, before: dt.date, *, dry_run: bool
) -> int:
    verb = "SELECT count(*)" if dry_run else "DELETE"
    found = connection.execute(f"{verb} FROM {table} WHERE {condition}", [before]).fetchall()
    return int(found[0][0])
