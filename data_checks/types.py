"""What the checks are told, what they find and what they answer."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Severity = Literal["critical", "warning", "info"]
Positions = NDArray[np.intp]
EVERYTHING = "*"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckContext:
    """What a frame is judged against.

    as_of_utc: tz-aware now of the run. battery_ids, site_ids: the ids there are; None = not checked.
    zones_tz: bidding zone → IANA time zone. market_days: local days for which prices must be complete.
    batteries: rows of the battery table (nominal_capacity_ah, cells_series); None = not checked.
    known_prices: prices already in the core table, which count towards complete days.
    """

    as_of_utc: dt.datetime
    run_id: str
    battery_ids: frozenset[str] | None = None
    site_ids: frozenset[str] | None = None
    zones_tz: Mapping[str, str] = field(default_factory=dict)
    market_days: tuple[dt.date, ...] = ()
    batteries: pd.DataFrame | None = None
    known_prices: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        if self.as_of_utc.tzinfo is None:
            raise ValueError(f"as_of_utc {self.as_of_utc} is naive; give it a time zone")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowFinding:
    """A rule applied to every row of a frame; the rows at `positions` broke it and are quarantined."""

    rule: str
    column: str | None
    reason: str
    positions: Positions
    rows_checked: int


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
    rule and scope (out_check). blocked: scopes ("DE-LU 2020-03-29", a battery) that no later stage may use.
    rows_in = rows of good + rows_quarantined + rows_repeated (identical to another row of their file).
    """

    good: pd.DataFrame
    quarantine: pd.DataFrame
    checks: pd.DataFrame
    blocked: frozenset[str]
    rows_in: int
    rows_quarantined: int
    rows_repeated: int


def by_scope(
    rule: str, severity: Severity, failed: Mapping[str, int], *, rows_checked: int, message: str
) -> list[ScopeFinding]:
    """Return a finding for everything and one for each failed scope; `failed` maps scope → bad rows."""
    everything = ScopeFinding(
        rule=rule, severity=severity, scope=EVERYTHING, rows_checked=rows_checked,
        rows_failed=sum(failed.values()), message=f"{len(failed)} found: {message}" if failed else "",
    )  # fmt: skip
    scopes = [
        ScopeFinding(
            rule=rule,
            severity=severity,
            scope=scope,
            rows_checked=rows_checked,
            rows_failed=count,
            message=message,
        )
        for scope, count in failed.items()
    ]
    return [everything, *scopes]
