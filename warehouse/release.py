"""A person's decision on quarantined rows: let them in after all, or take that back.

A released row becomes one belief among the others of its key: the later received one still holds. Taking a
release back removes the row and lets the belief come forward that it had displaced. Decisions are appended to
core_release, never changed; the checks are given of them, so that no later check of the same file quarantines
a released row again.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

import duckdb
import pandas as pd

from warehouse.connection import transaction
from warehouse.contracts import CONTRACTS
from warehouse.errors import ContractError
from warehouse.migrations import bring_forward
from warehouse.quarantine import register_rows
from warehouse.rows import arrow_table, insert
from warehouse.standing import realign
from warehouse.store import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decision:
    """What a person decided on rows of a dataset.

    rows: rule, source_id, source_row of core_quarantine. decided_utc: tz-aware.
    """

    action: Literal["release", "withdraw"]
    dataset: str
    rows: pd.DataFrame
    decided_by: str
    reason: str
    decided_utc: dt.datetime

    def __post_init__(self) -> None:
        if self.decided_utc.tzinfo is None:
            raise ContractError(f"decided_utc {self.decided_utc} is naive; give it a time zone")
        for name in ("decided_by", "reason"):
            if not getattr(self, name).strip():
                raise ContractError(f"a {self.action} needs its {name}")
        if self.rows.empty:
            raise ContractError(f"a {self.action} needs rows")


def decide(warehouse: Warehouse, decision: Decision) -> None:
    """Keep a decision and bring the core table in line with it, in one transaction.

    A row against which another rule still stands stays out. Raises ContractError for a row that does not fit
    the core table (the checks' contract rules tell which), and the errors of opening a warehouse.
    """
    with transaction(warehouse.path, timeout_s=warehouse.lock_timeout_s) as connection:
        bring_forward(connection)
        _keep(connection, decision)
        register_rows(connection, decision.rows)
        realign(connection, decision.dataset, leaving=decision.action == "withdraw")


def _keep(connection: duckdb.DuckDBPyConnection, decision: Decision) -> None:
    contract = CONTRACTS["core_release"]
    last = connection.execute("SELECT coalesce(max(sequence), 0) FROM core_release").fetchall()[0][0]
    rows = decision.rows[["rule", "source_id", "source_row"]].drop_duplicates()
    events = rows.assign(
        sequence=last + 1,
        action=decision.action,
        dataset=decision.dataset,
        decided_by=decision.decided_by,
        reason=decision.reason,
        decided_utc=pd.Timestamp(decision.decided_utc),
    )
    insert(connection, contract, arrow_table(events, contract))
