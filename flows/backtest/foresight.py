"""A reader that knows of some tables what is to come: for a plan that nobody could have made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from flows.context import Context
from warehouse.known import Known
from warehouse.rows import Scalar
from warehouse.store import Within


@dataclass(frozen=True, slots=True)
class Foreseeing(Known):
    """As of a moment, but for tables in `foreseen`, which are read as they will be known at `later`."""

    foreseen: tuple[str, ...]
    later: dt.datetime

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
        """Return rows as `Known.read` does."""
        known = self.later if table in self.foreseen else self.as_of
        return self.warehouse.read(
            table, where=where, start=start, end=end, columns=columns, known_by=known, within=within
        )

    def stays(self, start: dt.datetime, end: dt.datetime) -> pd.DataFrame:
        """Return the sessions that touch [start, end)."""
        known = self.later if "core_session" in self.foreseen else self.as_of
        return self.warehouse.stays(start, end, known_by=known)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseeingContext(Context):
    """A context whose stage knows of some tables what is to come."""

    foreseen: tuple[str, ...]
    later: dt.datetime

    @property
    def known(self) -> Known:
        """The warehouse as of the moment, with what is foreseen."""
        return Foreseeing(self.workspace.warehouse, self.as_of, self.foreseen, self.later)
