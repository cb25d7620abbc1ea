"""What the checks are given, what they find and what they answer."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Severity = Literal["critical", "warning", "info"]
Positions = NDArray[np.intp]
Mask = NDArray[np.bool_]
EVERYTHING = "*"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckContext:
    """What a frame is judged against.

    as_of_utc: tz-aware now of the run. battery_ids, site_ids: the ids there are; None = not checked.
    zones_tz: bidding zone → IANA time zone. market_days: local days for which prices must be complete, of
    every zone that has any, or by zone.
    batteries: rows of the battery table; None = not checked.
    known_prices: prices already in the core table, they count for complete days and show the level.
    known_sessions: sessions already in the core table under the ids of the frame.
    released: what a person let in all the same, one row each: source_id, source_row, rule; None = nothing.
    unit_stated: ids of the sources of prices of which header or layout names the unit; unit_published: those
    among them whose publisher names it.
    within: half-open, tz-aware or None for no end; of telemetry only rows of these moments, and those without
    one where it begins with None, are judged: the others are there for being their neighbours in time.
    """

    as_of_utc: dt.datetime
    run_id: str
    battery_ids: frozenset[str] | None = None
    site_ids: frozenset[str] | None = None
    zones_tz: Mapping[str, str] = field(default_factory=dict)
    market_days: tuple[dt.date, ...] | Mapping[str, tuple[dt.date, ...]] = ()
    batteries: pd.DataFrame | None = None
    known_prices: pd.DataFrame | None = None
    known_sessions: pd.DataFrame | None = None
    released: pd.DataFrame | None = None
    unit_stated: frozenset[str] = frozenset()
    unit_published: frozenset[str] = frozenset()
    within: tuple[dt.datetime | None, dt.datetime | None] = (None, None)

    def __post_init__(self) -> None:
        if self.as_of_utc.tzinfo is None:
            raise ValueError(f"as_of_utc {self.as_of_utc} is naive; give it a time zone")

    def days_of(self, zone: str) -> tuple[dt.date, ...]:
        """Return the days for which a zone's prices must be complete."""
        days = self.market_days
        return days.get(zone, ()) if isinstance(days, Mapping) else days

    def judges(self, frame: pd.DataFrame) -> Mask:
        """Return the rows of a frame that are judged: those `within`."""
        start, end = self.within
        judged = np.ones(len(frame), dtype=bool)
        if start is not None:
            judged &= (frame["time_utc"] >= pd.Timestamp(start)).to_numpy()
        if end is not None:
            judged &= ~(frame["time_utc"] >= pd.Timestamp(end)).to_numpy()
        return judged


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowFinding:
    """A rule applied to every row of a frame; the rows at `positions` broke it: to quarantine.

    whole: the rule judges a battery or zone in a file as a whole, and rejects all of its rows. details: what
    is to be said of each row next to the reason, if anything.
    """

    rule: str
    column: str | None
    reason: str
    positions: Positions
    whole: bool = False
    severity: Severity = "critical"
    details: tuple[str, ...] = ()

    def only(self, kept: Mask) -> "RowFinding":
        """Return the finding on some of its rows; kept: a truth value for each position."""
        details = (
            tuple(word for word, remains in zip(self.details, kept, strict=True) if remains)
            if self.details
            else ()
        )
        return replace(self, positions=self.positions[kept], details=details)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeFinding:
    """A rule applied to a whole battery, zone or market day (or "*" = all of them)."""

    rule: str
    severity: Severity
    scope: str
    rows_checked: int
    rows_failed: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckReport:
    """What came of a frame.

    good: rows for the core table. quarantine: one row a bad row and rule (core_quarantine). checks: one row a
    rule and scope (out_check). blocked: scopes ("DE-LU 2020-03-29", a battery) of which nothing enters.
    rows_in = rows of good + rows_quarantined + rows_repeated (identical to another row of their file, or one
    of several readings of a stamp that are one good row by their mean). judged: owner (battery, zone, site) →
    its rows without the repeated ones.
    """

    good: pd.DataFrame
    quarantine: pd.DataFrame
    checks: pd.DataFrame
    blocked: frozenset[str]
    rows_in: int
    rows_quarantined: int
    rows_repeated: int
    judged: Mapping[str, int] = field(default_factory=dict)
