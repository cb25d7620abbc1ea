"""The warehouse: one DuckDB file, written in single transactions through short-lived connections.

Life of a row: `ingest` (raw, immutable, once a source) → `waiting`, `unchecked` → checks → `promote` (core,
latest belief; quarantine) → `read` … `write` (out). Every method opens the file, does one thing and closes
it again.
"""

import datetime as dt
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb
import pandas as pd
import pyarrow as pa

from warehouse.backup import Restored, check_backup, put_back, take_backup, take_snapshot, take_trial
from warehouse.beliefs import known_before
from warehouse.climate import monthly_temperature
from warehouse.connection import connect
from warehouse.contracts import CONTRACTS, conform, core_contract, ingested_contract, table_contract
from warehouse.ending import named_transaction
from warehouse.errors import ContractError
from warehouse.export import Exported, export_table
from warehouse.files import close_to_others, make_folder
from warehouse.ingestion import Batch, Part, ingest, parts, read_part, waiting_rows
from warehouse.layout import in_words
from warehouse.migrations import bring_forward
from warehouse.promotion import finish, merge, replace_quarantine, store_amended
from warehouse.receipts import require_ingestible
from warehouse.retention import Pruned, prune
from warehouse.rows import Scalar, Selection, arrow_table, delete_matching, insert, select, source_of
from warehouse.schema import (
    SCHEMA_VERSION,
    as_noted,
    check_version_once,
    create_tables,
    found_version,
    layout_differences,
)
from warehouse.sealed import Disclose, Enclose
from warehouse.sources.types import SourceFile

PART_ROWS = 1_000_000
"""Rows of telemetry that are checked at once: about 1 GB."""

Where = Mapping[str, Scalar | Sequence[Scalar]]
Within = Mapping[str, tuple[Scalar, Scalar]]


class Read(Protocol):
    """Rows of a table, all or those that match, as `Warehouse.read` gives them."""

    def __call__(self, table: str, where: Where | None = None) -> pd.DataFrame:
        """Read inside a transaction that is under way."""
        ...


Guard = Callable[[Read], bool]
"""Whether to write, given what the tables hold now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Rows of a dataset: in its core table, ingested and waiting for their check, the newest of each time."""

    rows: int
    waiting: int
    newest_utc: dt.datetime | None
    received_utc: dt.datetime | None


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
        make_folder(self.path.parent)
        with self._writing("the tables", create=True) as connection:
            close_to_others(self.path)
            create_tables(connection)
            bring_forward(connection)

    def migrate(self) -> int:
        """Bring a file forward, as any write would, and look into it; returns the version that it had."""
        with self._writing("the new layout") as connection:
            close_to_others(self.path)
            return bring_forward(connection, whole=True)

    def outdated(self) -> str:
        """Return what `migrate` would add to a file of this version, as text; "" if nothing."""
        with connect(self.path, write=False, timeout_s=self.lock_timeout_s) as connection:
            current = found_version(connection) == SCHEMA_VERSION
            return in_words(layout_differences(connection)) if current else ""

    def ingest(self, source: SourceFile, received_utc: dt.datetime, more: Iterable[SourceFile] = ()) -> Batch:
        """Keep a file's rows as they arrived, once; more: the rest of them, of the same file.

        received_utc: tz-aware, when the file arrived. No two beliefs share the moment at which they were
        received: see `warehouse.receipts`. Raises CellError, OptionError for rows of another moment that
        cannot be meant.
        """
        received = _aware(received_utc, "received_utc")
        with self._transaction(source.file_name) as connection:
            return ingest(connection, source, received, more)

    def require_ingestible(self, source: SourceFile, received_utc: dt.datetime) -> None:
        """Raise what `ingest` would for this file, and ingest nothing."""
        with self._reading() as connection:
            require_ingestible(connection, source, _aware(received_utc, "received_utc"))

    def waiting(self, dataset: str, *, rows: int = PART_ROWS) -> list[Part]:
        """Return the ingested rows that no check has seen, in parts to be checked one by one; [] if none.

        Telemetry is cut between batteries into parts of about `rows`, where one has more between its files
        and in time; other datasets are one part.
        """
        with self._reading() as connection:
            return parts(connection, dataset, rows)

    def unchecked(self, dataset: str, part: Part | None = None) -> pd.DataFrame:
        """Return ingested rows that no check has seen, all or a part, as `ingested_contract` shapes them."""
        with self._reading() as connection:
            found = [part] if part else parts(connection, dataset, sys.maxsize)
            if not found:
                contract = ingested_contract(dataset)
                return conform(pd.DataFrame(columns=contract.names), contract)
            return read_part(connection, found[0])

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
        good_rows, bad_rows = _promoted(dataset, good, quarantine, source_ids)
        check_rows = arrow_table(checks, CONTRACTS["out_check"])
        checked = _aware(checked_utc, "checked_utc")
        with self._transaction(f"the check of {dataset}") as connection:
            merge(connection, core_contract(dataset), good_rows)
            store_amended(connection, dataset, good_rows)
            replace_quarantine(connection, bad_rows, of=dataset, checked=source_ids)
            finish(connection, dataset, check_rows, source_ids, checked)

    def promote_part(
        self, part: Part, rows: pd.DataFrame, good: pd.DataFrame, quarantine: pd.DataFrame
    ) -> None:
        """`promote` for a part whose `rows` were checked; its sources wait on until `finish_check`.

        One transaction; killed before `finish_check`, the check starts again and ends in the same tables.
        """
        good_rows, bad_rows = _promoted(part.dataset, good, quarantine, part.source_ids)
        judged = pa.Table.from_pandas(part.own(rows)[["source_id", "source_row"]], preserve_index=False)
        with self._transaction(f"part of the check of {part.dataset}") as connection:
            merge(connection, core_contract(part.dataset), good_rows)
            store_amended(connection, part.dataset, good_rows)
            replace_quarantine(connection, bad_rows, of=part.dataset, checked=judged)

    def finish_check(
        self, dataset: str, checks: pd.DataFrame, source_ids: Sequence[str], checked_utc: dt.datetime
    ) -> None:
        """Keep the outcome of the checks of all parts and mark their sources checked."""
        check_rows = arrow_table(checks, CONTRACTS["out_check"])
        checked = _aware(checked_utc, "checked_utc")
        with self._transaction(f"the check of {dataset}") as connection:
            finish(connection, dataset, check_rows, source_ids, checked)

    def read(
        self,
        table: str,
        *,
        where: Mapping[str, Scalar | Sequence[Scalar]] | None = None,
        start: dt.datetime | None = None,
        end: dt.datetime | None = None,
        columns: Sequence[str] | None = None,
        known_by: dt.datetime | None = None,
        within: Within | None = None,
        last: tuple[str, int] | None = None,
    ) -> pd.DataFrame:
        """Return rows of a table in the order of its key, in the dtypes of `conform`.

        where: column → value, null or list of values. start, end: half-open, tz-aware, on the table's time
        column. known_by: tz-aware; the table as it was known then (see `warehouse.known`). within: column →
        least and most, both included, None for no bound. last: a column and how many rows: those that have
        the most in it, no other. Raises UnknownTableError for an unknown table or column.
        """
        contract = table_contract(table)
        selection = Selection(
            where=where or {}, start=start, end=end, known_by=known_by, within=within or {}, last=last
        )
        with self._reading() as connection:
            return select(connection, contract, selection, columns)

    def sessions(
        self, start: dt.datetime, end: dt.datetime, *, known_by: dt.datetime | None = None
    ) -> pd.DataFrame:
        """Return the rows of core_session that touch [start, end), as `read` does; no other is read.

        A session that is announced the wrong way round is found as well.
        """
        selection = Selection(touching=(start, end), known_by=known_by)
        with self._reading() as connection:
            return select(connection, table_contract("core_session"), selection, None)

    def newest(
        self,
        table: str,
        *,
        by: Sequence[str],
        where: Where | None = None,
        before: dt.datetime | None = None,
        columns: Sequence[str] | None = None,
        known_by: dt.datetime | None = None,
        within: Within | None = None,
    ) -> pd.DataFrame:
        """Return the rows of the newest `as_of_utc` of each value of the columns `by`, as `read` does.

        before: tz-aware, only rows as of moments before it. within: as in `read`. Raises UnknownTableError,
        also for a table without as_of_utc.
        """
        contract = table_contract(table)
        selection = Selection(
            where=where or {}, known_by=known_by, newest_by=tuple(by), before=before, within=within or {}
        )
        with self._reading() as connection:
            return select(connection, contract, selection, columns)

    def write(
        self,
        frames: Mapping[str, pd.DataFrame],
        *,
        replace: Mapping[str, Sequence[str]] | None = None,
        guard: Guard | None = None,
    ) -> bool:
        """Write result tables in one transaction: delete what matches, then insert. Whether it wrote.

        replace: table → columns; rows that equal an incoming row in these are deleted first. Tables not named
        there are replaced by key. guard: asked inside the transaction, so that nobody writes between what it
        sees and what is written; if it says no, nothing is. It must be quick and read by what it is given
        alone. Raises ContractError for a table other than `out_…` or a frame that does not fit.
        """
        by = dict(replace or {})
        if idle := set(by) - set(frames):
            raise ContractError(f"replace names {sorted(idle)}, which are not written")
        shaped = []
        for table, frame in frames.items():
            contract = table_contract(table)
            if not table.startswith("out_"):
                raise ContractError(
                    f"{table} is not written directly: raw and core tables grow by ingest, promote"
                )
            shaped.append((contract, arrow_table(frame, contract), by.get(table, contract.key)))
        with self._transaction(", ".join(frames)) as connection:

            def read(table: str, where: Where | None = None) -> pd.DataFrame:
                return select(connection, table_contract(table), Selection(where=where or {}), None)

            if guard is not None and not guard(read):
                return False
            for contract, rows, columns in shaped:
                if columns:
                    delete_matching(connection, contract, rows, columns)
                insert(connection, contract, rows)
        return True

    def extent(self, dataset: str, *, known_by: dt.datetime | None = None) -> Extent:
        """Return how much there is of a dataset and how new it is, without reading it.

        known_by: tz-aware; as it was believed then, and files that had come and wait.
        """
        contract = core_contract(dataset)
        newest = f"max({contract.time_column})" if contract.time_column != "received_utc" else "NULL"
        selection = Selection(known_by=known_by)
        with self._reading() as connection:
            table, values = source_of(connection, contract, selection)
            rows, measured, received = connection.execute(
                f"SELECT count(*), {newest}, max(received_utc) FROM {table}",  # noqa: S608
                values or None,
            ).fetchall()[0]
            waiting = waiting_rows(connection, dataset, known_before(known_by) if known_by else None)
        return Extent(rows=rows, waiting=waiting, newest_utc=measured, received_utc=received)

    def monthly_temperature(self, battery_ids: Sequence[str], end: dt.datetime) -> pd.DataFrame:
        """Return each battery's mean temperature by UTC month up to `end`, tz-aware, as known then.

        Columns battery_id, month_utc, temperature_degc, quarter_hours: how many it is the mean of.
        """
        with self._reading() as connection:
            return monthly_temperature(connection, battery_ids, end)

    def prune(
        self,
        *,
        samples_before: dt.date | None,
        raw_before: dt.date | None,
        pruned_utc: dt.datetime,
        dry_run: bool,
    ) -> tuple[Pruned, ...]:
        """Let old samples and raw rows of telemetry go, or only count them; see `warehouse.retention`."""
        pruned = _aware(pruned_utc, "pruned_utc")
        use = self._reading() if dry_run else self._transaction("what retention lets go")
        with use as connection:
            return prune(
                connection,
                samples_before=samples_before, raw_before=raw_before, pruned=pruned, dry_run=dry_run,
            )  # fmt: skip

    def export(self, folder: Path | str, tables: Sequence[str] = ()) -> list[Exported]:
        """Write tables (none named: all) as partitioned Parquet; see `warehouse.export`."""
        contracts = [table_contract(table) for table in tables] or list(CONTRACTS.values())
        with self._reading() as connection:
            return [export_table(connection, contract, Path(folder)) for contract in contracts]

    def snapshot(self, path: Path | str, taken: dt.datetime | None = None) -> Path:
        """Copy the database to `path` in one step; see `warehouse.backup.take_snapshot`."""
        moment = None if taken is None else _aware(taken, "taken")
        return take_snapshot(self.path, Path(path).resolve(), timeout_s=self.lock_timeout_s, taken=moment)

    def trial(self, path: Path | str, *, empty: Sequence[str] = ()) -> "Warehouse":
        """Copy the database to a name that is free, tables emptied, to be written to and thrown away.

        Raises UnknownTableError, and what `warehouse.backup.take_trial` does.
        """
        tables = [table_contract(table).name for table in empty]
        take_trial(self.path, Path(path).resolve(), tables, timeout_s=self.lock_timeout_s)
        return Warehouse(path, lock_timeout_s=self.lock_timeout_s)

    def backup(
        self, path: Path | str, *, noted: bool = False, enclose: Enclose | None = None
    ) -> dict[str, int]:
        """Copy the database, verified, to a name that is free; see `warehouse.backup.take_backup`."""
        target, wait = Path(path).resolve(), self.lock_timeout_s
        return take_backup(self.path, target, timeout_s=wait, noted=noted, enclose=enclose)

    def check_backup(self, path: Path | str) -> dict[str, int]:
        """Verify a backup taken earlier, changing nothing; returns rows by table."""
        return check_backup(Path(path), timeout_s=self.lock_timeout_s)

    def restore(self, path: Path | str, disclose: Disclose | None = None) -> Restored:
        """Put a backup in the place of this warehouse, in one step; see `warehouse.backup.put_back`."""
        return put_back(Path(path), self.path, timeout_s=self.lock_timeout_s, disclose=disclose)

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with connect(self.path, write=False, timeout_s=self.lock_timeout_s) as connection:
            check_version_once(self.path, connection)
            with as_noted(connection):
                yield connection

    @contextmanager
    def _transaction(self, what: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction; `what` is written in it, for the message of a disk that is full."""
        with self._writing(what) as connection:
            bring_forward(connection)
            with as_noted(connection):
                yield connection

    def _writing(
        self, what: str, *, create: bool = False
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return named_transaction(self.path, what, timeout_s=self.lock_timeout_s, create=create)


def _aware(moment: dt.datetime, name: str) -> dt.datetime:
    if moment.tzinfo is None:
        raise ContractError(f"{name} {moment} is naive; give it a time zone")
    return moment.astimezone(dt.UTC)


def _promoted(
    dataset: str, good: pd.DataFrame, quarantine: pd.DataFrame, source_ids: Sequence[str]
) -> tuple[pa.Table, pa.Table]:
    """Return good and bad rows as Arrow; refuses rows of sources that are not named."""
    for frame in (good, quarantine):
        if strangers := set(frame["source_id"].unique()) - set(source_ids):
            raise ContractError(f"{dataset}: rows of {sorted(strangers)[0]} are not of the sources promoted")
    return arrow_table(good, core_contract(dataset)), arrow_table(quarantine, CONTRACTS["core_quarantine"])
