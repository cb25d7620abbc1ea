"""What should never have been recorded: a person withdraws landed rows, or takes that back.

Nothing is deleted. From the decision on the core tables are as if the rows had never come, whatever is
checked or promoted again, and the beliefs come forward that they had displaced; as of an earlier moment
everything reads as it did. Decisions are appended to core_withdrawal with who and why.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import duckdb
import pandas as pd

from warehouse.beliefs import WITHDRAWN
from warehouse.connection import transaction
from warehouse.contracts import CONTRACTS, dataset_contract, raw_contract
from warehouse.errors import ContractError, UnknownTableError, nearest
from warehouse.migrations import bring_forward
from warehouse.quarantine import register_rows
from warehouse.rows import arrow_table, insert
from warehouse.standing import realign
from warehouse.store import Warehouse

Action = Literal["withdraw", "restore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Which landed rows of a dataset: of a file, of a row of it, of values of key columns; at least one.

    source: file name, or the beginning of its source_id. key: column of the key, or battery_id → value.
    """

    dataset: str
    source: str | None = None
    source_row: int | None = None
    key: Mapping[str, str | dt.datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        contract = dataset_contract(self.dataset)
        allowed = [*contract.key, *(name for name in ("battery_id",) if name in contract.names)]
        for name in self.key:
            if name not in allowed:
                raise UnknownTableError(f"{self.dataset} have no key {name!r}{nearest(name, allowed)}")
        if self.source is None and not self.key:
            raise ContractError("rows to withdraw are those of a file or of a key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """What a decision was on: how many rows of which files."""

    rows: int
    files: tuple[str, ...]


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
    for name, told in (("decided_by", by), ("reason", reason)):
        if not told.strip():
            raise ContractError(f"a {action} needs its {name}")
    with transaction(warehouse.path, timeout_s=warehouse.lock_timeout_s) as connection:
        bring_forward(connection)
        chosen = _chosen(connection, rows, action)
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
    return Withdrawn(rows=len(chosen), files=tuple(sorted(set(chosen["file_name"]))))


def _chosen(connection: duckdb.DuckDBPyConnection, rows: Rows, action: Action) -> pd.DataFrame:
    """Return source_id, source_row and file_name of the rows that a decision changes."""
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
    already = "ANTI" if action == "withdraw" else "SEMI"
    found: pd.DataFrame = connection.sql(
        f"SELECT x.source_id, x.source_row, s.file_name FROM {raw_contract(rows.dataset).name} x "  # noqa: S608
        f"JOIN raw_source s USING (source_id) {already} JOIN {WITHDRAWN} w ON w.dataset = s.dataset "
        f"AND w.source_id = x.source_id AND w.source_row = x.source_row WHERE {' AND '.join(conditions)}",
        params=values,
    ).to_df()
    return found
