"""One car supposed otherwise: what is read is what would be, were its row, a stay or its contract another.

What is supposed is put into the rows as they are read, and nothing is written: all that a plan is made of
follows from them, as it would if a file had said so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from flows.context import Context
from optimize.market.contract import Contract
from warehouse.known import Known
from warehouse.rows import Scalar
from warehouse.store import Within

_KEYS = {"core_battery": "battery_id", "core_session": "session_id"}
"""The tables that a change is of, and the column by which it finds its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What of a car is supposed. soc_min: 0–1, of its row in the fleet; None: as it is. feeds_back: False
    takes its power to discharge away. leaves: a session of it, and when it leaves instead (UTC).
    """

    battery_id: str
    soc_min: float | None = None
    feeds_back: bool = True
    leaves: tuple[str, pd.Timestamp] | None = None

    def of(self, table: str, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table with what is supposed; they hold the column of `_KEYS`."""
        values: dict[str, object] = {}
        mine = self.battery_id
        if table == "core_battery":
            values |= {} if self.soc_min is None else {"soc_min": self.soc_min}
            values |= {} if self.feeds_back else {"discharge_limit_kw": 0.0}
        elif table == "core_session" and self.leaves is not None:
            mine, departure = self.leaves
            values["departure_utc"] = departure
        changed = rows
        for name, value in values.items():
            if name in rows:
                at = rows[_KEYS[table]] == mine
                changed = changed.assign(**{name: rows[name].mask(at, value).astype(rows[name].dtype)})
        return changed


@dataclass(frozen=True, slots=True)
class Supposing(Known):
    """A reader to whom one car is otherwise."""

    change: Change

    def at(self, moment: dt.datetime) -> Supposing:
        """Return the same as of another moment."""
        return Supposing(self.warehouse, moment, self.change)

    def read(
        self,
        table: str,
        *,
        where: Mapping[str, Scalar | Sequence[Scalar]] | None = None,
        start: dt.datetime | None = None,
        end: dt.datetime | None = None,
        columns: Sequence[str] | None = None,
        within: Within | None = None,
    ) -> pd.DataFrame:
        """Return rows as they would be; which rows they are is asked of what is."""
        key, wanted = _KEYS.get(table), columns
        if key is not None and columns is not None and key not in columns:
            wanted = [*columns, key]
        rows = Known.read(self, table, where=where, start=start, end=end, columns=wanted, within=within)
        if key is None:
            return rows
        rows = self.change.of(table, rows)
        return rows if columns is None else rows[list(columns)]

    def sessions(self, start: dt.datetime, end: dt.datetime) -> pd.DataFrame:
        """Return the sessions that touch [start, end) as they would be."""
        rows = self.change.of("core_session", Known.sessions(self, start, end))
        return rows[rows["departure_utc"] > pd.Timestamp(start)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SupposingContext(Context):
    """A context whose stage is told of one car otherwise."""

    change: Change

    @property
    def known(self) -> Known:
        """The warehouse as of the moment, with what is supposed."""
        return Supposing(self.workspace.warehouse, self.as_of, self.change)


def supposing(context: Context, change: Change, contract: Contract | None = None) -> SupposingContext:
    """The context with a change, of which nobody is shown.

    contract: that holds the car in place of its own; None: as it is.
    """
    workspace = context.workspace
    if contract is not None:
        own = replace(contract, batteries=frozenset({change.battery_id}))
        workspace = replace(workspace, contracts=(*_without(workspace.contracts, change.battery_id), own))
    return SupposingContext(
        workspace=workspace, as_of=context.as_of, run_id=context.run_id, shown=False, change=change
    )


def _without(contracts: Sequence[Contract], battery_id: str) -> list[Contract]:
    """The contracts that name a car, without it; one that named it alone is gone."""
    left = [
        one if one.batteries is None else replace(one, batteries=one.batteries - {battery_id})
        for one in contracts
    ]
    return [one for one in left if one.batteries is None or one.batteries]
