"""A reader that knows of some tables what is to come: for a plan that nobody could have made."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from flows.context import Context
from warehouse.known import Known


@dataclass(frozen=True, slots=True)
class Foreseeing(Known):
    """As of a moment, but for tables in `foreseen`, which are read as they will be known at `later`."""

    foreseen: tuple[str, ...]
    later: dt.datetime

    def moment_of(self, table: str) -> dt.datetime:
        """Return the later moment for what is foreseen."""
        return self.later if table in self.foreseen else self.as_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseeingContext(Context):
    """A context whose stage knows of some tables what is to come."""

    foreseen: tuple[str, ...]
    later: dt.datetime

    @property
    def known(self) -> Known:
        """The warehouse as of the moment, with what is foreseen."""
        return Foreseeing(self.workspace.warehouse, self.as_of, self.foreseen, self.later)
