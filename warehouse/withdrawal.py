"""What should never have been recorded: a person withdraws ingested rows, or takes that back.

Nothing is deleted. From the decision on the core tables are as if the rows had never come, whatever is
checked or promoted again, and the beliefs come forward that they had displaced; as of an earlier moment
everything reads as it did. Decisions are appended to core_withdrawal with who and why. Raw rows that
retention has let go come back from the core table for it, as far as that holds them, and stay.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import duckdb
import pandas as pd

from warehouse.beliefs import WITHDRAWN
from warehouse.connection import connect, transaction
from warehouse.contracts import CONTRACTS, core_contract, dataset_contract, raw_contract
from warehouse.errors import ContractError, UnknownTableError, nearest
from warehouse.migrations import bring_forward
from warehouse.quarantine import register_rows
from warehouse.rows import arrow_table, insert
from warehouse.standing import realign
from warehouse.store import Warehouse

WHOLLY_WITHDRAWN = f"""
    EXISTS (SELECT 1 FROM {WITHDRAWN} AS gone WHERE gone.source_id = file.source_id)
    AND (SELECT count(*) FROM {WITHDRAWN} AS gone WHERE gone.source_id = file.source_id) >= file.rows
"""  # noqa: S608
"""SQL: whether no row of a file of raw_source counts any more; of one without rows that is its first."""

Action = Literal["withdraw", "restore"]


def _key_names(dataset: str) -> list[str]:
    contract = dataset_contract(dataset)
    own = ("battery_id",) if "battery_id" in contract.names and "battery_id" not in contract.key else ()
    return [*contract.key, *own]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Which ingested rows of a dataset: of a file, of a row of it, of values of key columns; at least one.

    source: file name, or the beginning of its source_id. key: column of the key, or battery_id → value.
    """

    dataset: str
    source: str | None = None
    source_row: int | None = None
    key: Mapping[str, str | dt.datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        allowed = _key_names(self.dataset)
        for name in self.key:
            if name not in allowed:
                raise UnknownTableError(f"{self.dataset} have no key {name!r}{nearest(name, allowed)}")
        if self.source is None and not self.key:
            raise ContractError("rows to withdraw are those of a file or of a key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """What a decision was on: how many rows of which files.

    pruned: files among those asked for whose raw rows retention has let go, not all of which were left.
    """

    rows: int
    files: tuple[str, ...]
    pruned: tuple[str, ...] = ()


def decide(
    warehouse: Warehouse, rows: Rows, action: Action, *, by: str, reason: str, decided_utc: dt.datetime
) -> Withdrawn:
    """Keep a decision and bring the core table in line with it, in one transaction.

    Rows that are withdrawn already are passed over, or when it is taken back those that are not; where none
    is left, nothing is kept. Raises ContractError for a decision without who, why or a time zone, and the
    errors of opening a warehouse.
    """
    if decided_utc.tzinfo is None:
        raise ContractError(f"decided_utc {decided_utc} is naive; give it a time zone")
    for name, one in (("decided_by", by), ("reason", reason)):
        if not one.strip():
            raise ContractError(f"a {action} needs its {name}")
    with transaction(warehouse.path, timeout_s=warehouse.lock_timeout_s) as connection:
        bring_forward(connection)
        if action == "withdraw":
            _bring_back(connection, rows)
        chosen, pruned = _chosen(connection, rows, action), _pruned(connection, rows)
        if not chosen.empty:
            last = connection.execute("SELECT coalesce(max(sequence), 0) FROM core_withdrawal").fetchall()[0][
                0
            ]
            contract = CONTRACTS["core_withdrawal"]
            events = chosen[["source_id", "source_row"]].assign(
                sequence=last + 1, action=action, dataset=rows.dataset, decided_by=by, reason=reason,
                decided_utc=pd.Timestamp(decided_utc),
            )  # fmt: skip
            insert(connection, contract, arrow_table(events, contract))
            register_rows(connection, chosen)
            realign(connection, rows.dataset, leaving=action == "withdraw")
    return Withdrawn(rows=len(chosen), files=tuple(sorted(set(chosen["file_name"]))), pruned=pruned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Of the rows of an ingested file: how many are withdrawn, and the keys of those that tell the same
    again.

    withdrawn: rows of the file itself that count no more. again: of those that count, keys under which a row
    of another file that says the same is withdrawn, as "session_id=s17".
    """

    withdrawn: int
    again: tuple[str, ...]


def sent_again(warehouse: Warehouse, dataset: str, source_id: str) -> Sent:
    """What an ingested file has to do with rows that a person has withdrawn; a decision is on rows of a
    file."""
    raw, contract = raw_contract(dataset).name, dataset_contract(dataset)
    own = (
        f"SELECT x.* FROM {raw} x {{}} JOIN {WITHDRAWN} w ON w.dataset = ? AND w.source_id = x.source_id "  # noqa: S608
        "AND w.source_row = x.source_row"
    )
    same = " AND ".join(f"x.{name} IS NOT DISTINCT FROM y.{name}" for name in contract.names)
    shown = ", ".join(f"x.{name}" for name in contract.key)
    with connect(warehouse.path, write=False, timeout_s=warehouse.lock_timeout_s) as connection:
        any_gone = f"SELECT 1 FROM {WITHDRAWN} w WHERE w.dataset = ? LIMIT 1"  # noqa: S608
        if not connection.execute(any_gone, [dataset]).fetchall():
            return Sent(withdrawn=0, again=())
        withdrawn = connection.execute(
            f"SELECT count(*) FROM ({own.format('SEMI')}) x WHERE x.source_id = ?",  # noqa: S608
            [dataset, source_id],
        ).fetchall()[0][0]
        found = connection.execute(
            f"SELECT DISTINCT {shown} FROM ({own.format('ANTI')}) x SEMI JOIN ({own.format('SEMI')}) y "  # noqa: S608
            f"ON {same} AND y.source_id <> x.source_id WHERE x.source_id = ? ORDER BY ALL",
            [dataset, dataset, source_id],
        ).fetchall()
    keys = tuple(
        " ".join(f"{name}={value}" for name, value in zip(contract.key, row, strict=True)) for row in found
    )
    return Sent(withdrawn=int(withdrawn), again=keys)


def _bring_back(connection: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    """Put rows that retention has let go back in the raw table, where the core table still holds them."""
    raw, core = raw_contract(rows.dataset), core_contract(rows.dataset)
    names = [name for name in raw.names if name in core.names]
    conditions, values = _conditions(rows)
    connection.execute(
        f"INSERT INTO {raw.name} ({', '.join(names)}) SELECT {', '.join(f'x.{name}' for name in names)} "  # noqa: S608
        f"FROM {core.name} AS x JOIN raw_source AS s USING (source_id) "
        f"ANTI JOIN {raw.name} AS there ON there.source_id = x.source_id AND there.source_row = x.source_row "
        f"WHERE s.pruned_utc IS NOT NULL AND x.source_row IS NOT NULL AND {conditions}",
        values,
    )


def _pruned(connection: duckdb.DuckDBPyConnection, rows: Rows) -> tuple[str, ...]:
    """Return the files asked for, or of the dataset where a key alone is, that are no longer whole."""
    asked = Rows(dataset=rows.dataset, source=rows.source or "")
    conditions, values = _conditions(asked)
    found = connection.execute(
        f"SELECT DISTINCT s.file_name FROM raw_source AS s WHERE s.pruned_utc IS NOT NULL AND {conditions} "  # noqa: S608
        f"AND s.rows > (SELECT count(*) FROM {raw_contract(rows.dataset).name} AS x "
        "WHERE x.source_id = s.source_id) ORDER BY s.file_name",
        values,
    ).fetchall()
    return tuple(str(row[0]) for row in found)


def _conditions(rows: Rows) -> tuple[str, list[object]]:
    """Return SQL on the rows x of files s that are asked for, and its values."""
    conditions, values = ["s.dataset = ?"], list[object]([rows.dataset])
    if rows.source is not None:
        conditions.append("(s.file_name = ? OR starts_with(s.source_id, ?))")
        values += [rows.source, rows.source]
    if rows.source_row is not None:
        conditions.append("x.source_row = ?")
        values.append(rows.source_row)
    for name, value in rows.key.items():
        conditions.append(f"x.{name} = ?")
        values.append(value)
    return " AND ".join(conditions), values


def _chosen(connection: duckdb.DuckDBPyConnection, rows: Rows, action: Action) -> pd.DataFrame:
    """Return source_id, source_row and file_name of the rows that a decision changes.

    A file that has none, as it holds parts of sessions alone, is asked for as its first.
    """
    conditions, values = _conditions(rows)
    already = "ANTI" if action == "withdraw" else "SEMI"
    of_files = f"""(
        SELECT source_id, source_row, {", ".join(_key_names(rows.dataset))}
        FROM {raw_contract(rows.dataset).name}
        UNION ALL BY NAME SELECT source_id, 1 AS source_row FROM raw_source WHERE rows = 0
    )"""  # noqa: S608
    found: pd.DataFrame = connection.sql(
        f"SELECT x.source_id, x.source_row, s.file_name FROM {of_files} x "  # noqa: S608
        f"JOIN raw_source s USING (source_id) {already} JOIN {WITHDRAWN} w ON w.dataset = s.dataset "
        f"AND w.source_id = x.source_id AND w.source_row = x.source_row WHERE {conditions}",
        params=values,
    ).to_df()
    return found
