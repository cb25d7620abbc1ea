"""From findings to tables: which rows are good, why the others are not, what each scope's outcome is."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from data_checks.owners import Owners
from data_checks.types import (
    EVERYTHING,
    CheckContext,
    CheckReport,
    Mask,
    Positions,
    RowFinding,
    ScopeFinding,
)
from warehouse.contracts import CONTRACTS, TableContract, conform, core_contract, dataset_contract

SEPARATOR = "; "
"""Between the reasons of one message."""
_EXAMPLES = 5


class Findings:
    """Row findings as they come in, and which rows they leave usable.

    A row that a person released is past judging, but not past its contract: no written check finds it again,
    a check of its whole file only if another such check was set aside.
    """

    def __init__(self, frame: pd.DataFrame, released: pd.DataFrame | None) -> None:
        self.all: list[RowFinding] = []
        self.usable = np.ones(len(frame), dtype=bool)
        self._released = _released(frame, released)
        self._judged = np.ones(len(frame), dtype=bool)
        for rows in self._released.values():
            self._judged[rows] = False

    def add(self, finding: RowFinding) -> None:
        """Take a finding in."""
        self.all.append(finding)
        self.usable[finding.positions] = False

    def add_written(self, finding: RowFinding) -> None:
        """Take a written check's finding in, for rows that have none yet; one on a whole file is for all."""
        bad = finding.positions
        if finding.whole:
            kept = ~np.isin(bad, self._released.get(finding.rule, bad[:0]))
        else:
            kept = self.usable[bad] & self._judged[bad]
        self.add(finding.only(kept))

    def keep(self, judged: Mask) -> None:
        """Forget the other rows, whose frame is cut to those that are judged."""
        place = np.cumsum(judged) - 1
        kept = [finding.only(judged[finding.positions]) for finding in self.all]
        self.all = [replace(finding, positions=place[finding.positions]) for finding in kept]
        self.usable, self._judged = self.usable[judged], self._judged[judged]
        self._released = {rule: place[rows[judged[rows]]] for rule, rows in self._released.items()}


def report(
    dataset: str,
    frame: pd.DataFrame,
    repeated: int,
    found: Findings,
    owners: Owners,
    scope_findings: list[ScopeFinding],
    context: CheckContext,
    ingested: pd.DataFrame | None = None,
) -> CheckReport:
    """Assemble the report of a frame of rows, of which `repeated` were dropped before.

    ingested: the same rows with the cells that were emptied, which the quarantine shows; None: none were.
    """
    core = core_contract(dataset)
    scopes = [*_row_outcomes(owners, found.all), *scope_findings]
    return CheckReport(
        good=conform(frame.loc[found.usable, list(core.names)], core),
        quarantine=_quarantine(dataset, frame if ingested is None else ingested, found.all, context),
        checks=check_rows(dataset, scopes, context),
        blocked=_blocked(owners, found.all, scope_findings),
        rows_in=len(frame) + repeated,
        rows_quarantined=int((~found.usable).sum()),
        rows_repeated=repeated,
        judged=owners.sizes(),
    )


def _blocked(owners: Owners, rows: list[RowFinding], scopes: list[ScopeFinding]) -> frozenset[str]:
    """Return the market days that failed, and the owners that a rule rejects as a whole."""
    days = {
        found.scope
        for found in scopes
        if found.severity == "critical" and found.rows_failed and found.scope != EVERYTHING
    }
    whole = [owners.codes[found.positions] for found in rows if found.whole and found.positions.size]
    return frozenset(
        days | {owners.names[code] for code in np.unique(np.concatenate(whole))} if whole else days
    )


def _quarantine(
    dataset: str, frame: pd.DataFrame, findings: list[RowFinding], context: CheckContext
) -> pd.DataFrame:
    contract, declared = CONTRACTS["core_quarantine"], dataset_contract(dataset)
    parts = []
    for finding in findings:
        if finding.positions.size == 0:
            continue
        rows = frame.iloc[finding.positions]
        parts.append(
            pd.DataFrame(
                {
                    "dataset": dataset,
                    "rule": finding.rule,
                    "severity": finding.severity,
                    "column_name": finding.column,
                    "value": None if finding.column is None else _as_text(rows[finding.column]),
                    "reason": [f"{finding.reason}: {word}" for word in finding.details] or finding.reason,
                    "row_key": _row_keys(rows, declared),
                    "source_id": rows["source_id"],
                    "source_row": rows["source_row"],
                    "run_id": context.run_id,
                    "found_utc": pd.Timestamp(context.as_of_utc),
                }
            )
        )
    return conform(pd.concat(parts) if parts else pd.DataFrame(columns=contract.names), contract)


def _as_text(values: pd.Series) -> pd.Series:
    """Return values as people would write them; null stays null."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return pd.Series(values.dt.strftime("%Y-%m-%dT%H:%M:%SZ"), dtype="str")
    return pd.Series(values.astype(object).map(str, na_action="ignore"), dtype="str")


def _row_keys(rows: pd.DataFrame, declared: TableContract) -> pd.Series:
    first, *rest = (_as_text(rows[name]).fillna("") for name in declared.key)
    for text in rest:
        first = first + "|" + text
    return first


def _row_outcomes(owners: Owners, findings: list[RowFinding]) -> list[ScopeFinding]:
    """Sum a rule's columns up: one outcome for everything and one for each owner of bad rows."""
    outcomes = []
    for rule in dict.fromkeys(finding.rule for finding in findings):
        all_of_it = [finding for finding in findings if finding.rule == rule]
        severity, own = all_of_it[0].severity, [found for found in all_of_it if found.positions.size]
        bad = np.unique(np.concatenate([np.empty(0, dtype=np.intp), *(found.positions for found in own)]))
        reasons = _reasons(owners, own)
        outcomes += [
            replace(outcome, message=SEPARATOR.join(sorted(reasons.get(outcome.scope, ()))))
            for outcome in owners.outcomes(rule, severity, bad, "")
        ]
    return outcomes


def _reasons(owners: Owners, findings: list[RowFinding]) -> dict[str, set[str]]:
    """Return what is wrong with the rows of each owner, and of all."""
    reasons: dict[str, set[str]] = {EVERYTHING: {_reason(found, found.details) for found in findings}}
    for found in findings:
        of = owners.codes[found.positions]
        for code in np.unique(of[of >= 0]):
            details = [found.details[i] for i in np.flatnonzero(of == code)] if found.details else ()
            reasons.setdefault(owners.names[code], set()).add(_reason(found, details))
    return reasons


def _reason(found: RowFinding, details: Sequence[str]) -> str:
    # Rows of a file that is rejected as a whole are all reported the same.
    return f"{found.reason}: {examples(list(dict.fromkeys(details)))}" if details else found.reason


def examples(details: Sequence[str]) -> str:
    """Return the first of some words, and how many more there are."""
    more = len(details) - _EXAMPLES
    return ", ".join(details[:_EXAMPLES]) + (f" and {more} more" if more > 0 else "")


def _released(frame: pd.DataFrame, released: pd.DataFrame | None) -> dict[str, Positions]:
    """Return rule → rows of the frame for which a person set it aside."""
    if released is None or released.empty:
        return {}
    rows = frame[["source_id", "source_row"]].reset_index(names="position")
    matched = released[["source_id", "source_row", "rule"]].merge(rows, on=["source_id", "source_row"])
    return {str(rule): own["position"].to_numpy() for rule, own in matched.groupby("rule")}


def check_rows(dataset: str, findings: list[ScopeFinding], context: CheckContext) -> pd.DataFrame:
    """Return findings on scopes as rows of out_check."""
    contract = CONTRACTS["out_check"]
    records = [
        {
            "run_id": context.run_id,
            "dataset": dataset,
            "scope": finding.scope,
            "rule": finding.rule,
            "severity": finding.severity,
            "passed": finding.rows_failed == 0,
            "rows_checked": finding.rows_checked,
            "rows_failed": finding.rows_failed,
            "message": finding.message,
            "as_of_utc": pd.Timestamp(context.as_of_utc),
        }
        for finding in findings
    ]
    return conform(pd.DataFrame(records, columns=contract.names), contract)
