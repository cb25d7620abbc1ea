"""Cells that are emptied while their row stays: a column that may be empty is wrong, the others are not.

Where nothing in a cell's place would say more than is known, it takes a value that permits less instead.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data_checks.owners import Owners
from data_checks.types import EVERYTHING, Mask, Positions, ScopeFinding
from data_checks.verdict import SEPARATOR
from warehouse.contracts import Kind, TableContract

_TIME = "%Y-%m-%d %H:%M"
_EMPTIED = re.compile(r"(.*): emptied in (\d+) rows from (.*) UTC on")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellFinding:
    """A rule applied to every cell of a column that may be empty; those at `positions` broke it.

    instead: what those cells hold then; done: what that comes to, in words.
    """

    rule: str
    column: str
    reason: str
    positions: Positions
    instead: float = np.nan
    done: str = "emptied"


class Emptied:
    """Findings on cells as they come in; `rows` has the cells without value that they found."""

    def __init__(self, rows: pd.DataFrame, time: str = "time_utc") -> None:
        self.rows = rows
        self._time = time
        self._all: list[CellFinding] = []

    def take(self, finding: CellFinding) -> None:
        """Take a finding in and empty its cells."""
        self._all.append(finding)
        if finding.positions.size:
            values = self.rows[finding.column].to_numpy(dtype="float64", copy=True)
            values[finding.positions] = finding.instead
            self.rows = self.rows.assign(**{finding.column: values})

    def keep(self, judged: Mask) -> None:
        """Forget the other rows."""
        place = np.cumsum(judged) - 1
        self.rows = self.rows[judged].reset_index(drop=True)
        self._all = [
            replace(found, positions=place[found.positions[judged[found.positions]]]) for found in self._all
        ]

    def outcomes(self, owners: Owners, usable: Mask) -> Iterator[ScopeFinding]:
        """Tell of the emptied cells of good rows: for everything, and for each owner from when on."""
        for rule in dict.fromkeys(finding.rule for finding in self._all):
            own = [
                replace(finding, positions=finding.positions[usable[finding.positions]])
                for finding in self._all
                if finding.rule == rule
            ]
            bad = np.unique(np.concatenate([finding.positions for finding in own]))
            stated = self._stated(own, owners)
            for outcome in owners.outcomes(rule, "warning", bad, ""):
                yield replace(outcome, message=SEPARATOR.join(sorted(stated.get(outcome.scope, ()))))

    def _stated(self, findings: list[CellFinding], owners: Owners) -> dict[str, list[str]]:
        """Return what is to be said of everything, and of each owner of an emptied cell."""
        fields: dict[str, list[str]] = {}
        for finding in findings:
            if finding.positions.size:
                fields.setdefault(EVERYTHING, []).append(f"{finding.reason}: {finding.done}")
            times = self.rows[self._time].iloc[finding.positions]
            whose = np.array([*owners.names, ""])[owners.codes[finding.positions]]
            for name, own in times.groupby(whose):
                fields.setdefault(str(name), []).append(
                    _words(finding.reason, finding.done, len(own), f"{own.min():{_TIME}}")
                )
        return fields


def reported_together(reasons: Iterable[str]) -> list[str]:
    """Return the reasons of parts of a frame as of the whole: each once, emptied rows counted together."""
    plain, emptied = dict[str, None](), dict[str, tuple[int, str]]()
    for reason in reasons:
        if found := _EMPTIED.fullmatch(reason):
            rows, since = emptied.get(found[1], (0, found[3]))
            emptied[found[1]] = (rows + int(found[2]), min(since, found[3]))
        else:
            plain[reason] = None
    return [*plain, *(_words(reason, "emptied", rows, since) for reason, (rows, since) in emptied.items())]


def _words(reason: str, done: str, rows: int, since: str) -> str:
    return f"{reason}: {done} in {rows} rows from {since} UTC on"


def impossible(frame: pd.DataFrame, contract: TableContract) -> Iterator[CellFinding]:
    """Find values outside their bounds, or not finite, in columns that may be empty: 0xFFFF, 0xFF, −1."""
    for column in contract:
        if column.nullable and column.kind is Kind.FLOAT:
            values = frame[column.name].to_numpy(dtype="float64")
            low = -np.inf if column.minimum is None else column.minimum
            high = np.inf if column.maximum is None else column.maximum
            wrong = ~np.isnan(values) & ~((values >= low) & (values <= high) & np.isfinite(values))
            yield CellFinding(
                rule="cell_range",
                column=column.name,
                reason=f"{column.name} is outside {low:g} to {high:g}{column.after_number}",
                positions=np.flatnonzero(wrong),
            )
