"""The warehouse: one DuckDB file, written in single transactions through short-lived connections.

Life of a row: `land` (raw, immutable, once a source) → `unchecked` → checks → `promote` (core, latest belief;
quarantine) → `read` … `write` (out). Every method opens the file, does one thing and closes it again.
"""

import datetime as dt
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd

from warehouse.connection import connect, transaction
from warehouse.contracts import (
    CONTRACTS,
    conform,
    core_contract,
    landed_contract,
    raw_contract,
    table_contract,
)
from warehouse.errors import ContractError, StoreError
from warehouse.migrations import bring_forward
from warehouse.promotion import merge
from warehouse.rows import Scalar, arrow_table, delete_matching, insert, select
from warehouse.schema import check_version, create_tables
from warehouse.sources.types import SourceFile

_NOTHING: Mapping[str, Scalar | Sequence[Scalar]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What landing a file did; `already` when that source was there before and nothing was written."""

    source_id: str
    rows: int
    already: bool


class Warehouse:
    """The tables of `warehouse.contracts` in one file.

    path: the database file. lock_timeout_s: how long to wait for another process or thread, in seconds.
    Every method raises NoWarehouseError (except `create`), LockedError, SchemaVersionError.
    """

    def __init__(self, path: Path | str, *, lock_timeout_s: float = 10.0) -> None:
        self.path = Path(path).resolve()
        self.lock_timeout_s = lock_timeout_s

    def create(self) -> None:
        """Make the file and its tables; an existing warehouse keeps its rows, an older one is migrated."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with transaction(self.path, timeout_s=self.lock_timeout_s, create=True) as connection:
            create_tables(connection)
            bring_forward(connection)

    def migrate(self) -> int:
        """Bring an older file forward, as any write would; returns the version that it had."""
        with transaction(self.path, timeout_s=self.lock_timeout_s) as connection:
            return bring_forward(connection)

    def land(self, source: SourceFile, received_utc: dt.datetime) -> Landed:
        """Keep a file's rows as they arrived, once.

        received_utc: tz-aware. Two files of a dataset never share it: the one landed later counts as received
        a microsecond later, so that "the later received belief holds" always has an answer.
        """
        received = _aware(received_utc, "received_utc")
        contract = raw_contract(source.dataset)
        rows = arrow_table(source.frame.assign(source_id=source.source_id), contract)
        with self._transaction() as connection:
            known = connection.execute(
                "SELECT rows FROM raw_source WHERE source_id = ?", [source.source_id]
            ).fetchall()
            if known:
                return Landed(source_id=source.source_id, rows=known[0][0], already=True)
            record = {
                "source_id": source.source_id,
                "dataset": source.dataset,
                "source": source.source,
                "file_name": source.file_name,
                "sha256": source.sha256,
                "rows": rows.num_rows,
                "provider": source.provider,
                "licence": source.licence,
                "received_utc": _free_instant(connection, source.dataset, received),
                "checked_utc": None,
            }
            table = CONTRACTS["raw_source"]
            insert(connection, table, arrow_table(pd.DataFrame([record]), table))
            insert(connection, contract, rows)
        return Landed(source_id=source.source_id, rows=rows.num_rows, already=False)

    def unchecked(self, dataset: str) -> pd.DataFrame:
        """Return the landed rows that no check has seen, in the shape of `landed_contract(dataset)`."""
        contract = landed_contract(dataset)
        names = ", ".join(contract.names)
        with self._reading() as connection:
            frame = (
                connection.sql(
                    f"SELECT {names} FROM {raw_contract(dataset).name} JOIN "  # noqa: S608
                    "(SELECT source_id, received_utc FROM raw_source "
                    "WHERE dataset = ? AND checked_utc IS NULL) "
                    "USING (source_id) ORDER BY received_utc, source_id, source_row",
                    params=[dataset],
                )
                .to_arrow_table()
                .to_pandas(date_as_object=True)
            )
        return conform(frame, contract)

    def promote(
        self,
        dataset: str,
        good: pd.DataFrame,
        quarantine: pd.DataFrame,
        checks: pd.DataFrame,
        source_ids: Sequence[str],
        checked_utc: dt.datetime,
    ) -> None:
        """Merge checked rows into the core table, keep the bad ones with reasons, mark the sources checked.

        Frames in the shape of the core table, core_quarantine and out_check. All of it is one transaction and
        doing it again changes nothing. Raises ContractError if a row stems from a source that is not in
        `source_ids`.
        """
        contract, bad, outcome = core_contract(dataset), CONTRACTS["core_quarantine"], CONTRACTS["out_check"]
        for frame in (good, quarantine):
            if strangers := set(frame["source_id"]) - set(source_ids):
                raise ContractError(
                    f"{dataset}: rows of {sorted(strangers)[0]} are not of the sources promoted"
                )
        good_rows, bad_rows = arrow_table(good, contract), arrow_table(quarantine, bad)
        check_rows = arrow_table(checks, outcome)
        checked = _aware(checked_utc, "checked_utc")
        with self._transaction() as connection:
            merge(connection, contract, good_rows)
            connection.execute(
                "DELETE FROM core_quarantine WHERE dataset = ? AND source_id IN (SELECT unnest(?))",
                [dataset, list(source_ids)],
            )
            insert(connection, bad, bad_rows)
            delete_matching(connection, outcome, check_rows, outcome.key)
            insert(connection, outcome, check_rows)
            connection.execute(
                "UPDATE raw_source SET checked_utc = ? WHERE dataset = ? AND source_id IN (SELECT unnest(?))",
                [checked, dataset, list(source_ids)],
            )

    def read(
        self,
        table: str,
        *,
        where: Mapping[str, Scalar | Sequence[Scalar]] | None = None,
        start: dt.datetime | None = None,
        end: dt.datetime | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return rows of a table in the order of its key, in the dtypes of `conform`.

        where: column → value, null or list of values. start, end: half-open, tz-aware, on the table's time
        column. Raises UnknownTableError for an unknown table or column.
        """
        contract = table_contract(table)
        with self._reading() as connection:
            return select(
                connection, contract, where=where or _NOTHING, start=start, end=end, columns=columns
            )

    def write(
        self, frames: Mapping[str, pd.DataFrame], *, replace: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Write result tables in one transaction: delete what matches, then insert.

        replace: table → columns; rows that equal an incoming row in these are deleted first. Tables not named
        there are replaced by key. Raises ContractError for a table other than `out_…` or a frame that does
        not fit.
        """
        by = dict(replace or {})
        if idle := set(by) - set(frames):
            raise ContractError(f"replace names {sorted(idle)}, which are not written")
        shaped = []
        for table, frame in frames.items():
            contract = table_contract(table)
            if not table.startswith("out_"):
                raise ContractError(
                    f"{table} is not written directly: raw and core tables grow by land, promote"
                )
            shaped.append((contract, arrow_table(frame, contract), by.get(table, contract.key)))
        with self._transaction() as connection:
            for contract, rows, columns in shaped:
                if columns:
                    delete_matching(connection, contract, rows, columns)
                insert(connection, contract, rows)

    def snapshot(self, path: Path | str) -> Path:
        """Copy the database to `path` in one step: a reader sees the old copy or the new, never a part."""
        target = Path(path).resolve()
        if target == self.path:
            raise StoreError(f"the snapshot {target} would replace the warehouse itself")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            with connect(self.path, write=True, timeout_s=self.lock_timeout_s) as connection:
                check_version(connection)
                connection.execute("CHECKPOINT")
                shutil.copyfile(self.path, partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return target

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with connect(self.path, write=False, timeout_s=self.lock_timeout_s) as connection:
            check_version(connection)
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with transaction(self.path, timeout_s=self.lock_timeout_s) as connection:
            bring_forward(connection)
            yield connection


def _aware(moment: dt.datetime, name: str) -> dt.datetime:
    if moment.tzinfo is None:
        raise ContractError(f"{name} {moment} is naive; give it a time zone")
    return moment.astimezone(dt.UTC)


def _free_instant(connection: duckdb.DuckDBPyConnection, dataset: str, received: dt.datetime) -> dt.datetime:
    """Return `received`, or the first microsecond after it at which nothing of the dataset was received."""
    taken = {
        row[0].astimezone(dt.UTC)
        for row in connection.execute(
            "SELECT received_utc FROM raw_source WHERE dataset = ? AND received_utc >= ?", [dataset, received]
        ).fetchall()
    }
    while received in taken:
        received += dt.timedelta(microseconds=1)
    return received
