"""From findings to tables: which rows are good, why the others are not, what each scope's outcome is."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_checks.types import EVERYTHING, CheckContext, CheckReport, RowFinding, ScopeFinding
from warehouse.contracts import CONTRACTS, TableContract, conform, core_contract, dataset_contract

_SCOPE_COLUMNS = {"prices": "zone", "sites": "site_id"}


def rejected(rows: int, findings: list[RowFinding]) -> NDArray[np.bool_]:
    """Return which of `rows` rows some rule rejected."""
    bad = np.zeros(rows, dtype=bool)
    for finding in findings:
        bad[finding.positions] = True
    return bad


def report(
    dataset: str,
    frame: pd.DataFrame,
    repeated: int,
    row_findings: list[RowFinding],
    scope_findings: list[ScopeFinding],
    context: CheckContext,
) -> CheckReport:
    """Assemble the report of a frame of landed rows, of which `repeated` were dropped before."""
    bad = rejected(len(frame), row_findings)
    core = core_contract(dataset)
    scopes = [*_row_outcomes(dataset, frame, row_findings), *scope_findings]
    return CheckReport(
        good=conform(frame.loc[~bad, list(core.names)], core),
        quarantine=_quarantine(dataset, frame, row_findings, context),
        checks=_checks(dataset, scopes, context),
        blocked=frozenset(
            found.scope
            for found in scope_findings
            if found.severity == "critical" and found.rows_failed and found.scope != EVERYTHING
        ),
        rows_in=len(frame) + repeated,
        rows_quarantined=int(bad.sum()),
        rows_repeated=repeated,
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
                    "severity": "critical",
                    "column_name": finding.column,
                    "value": None if finding.column is None else _as_text(rows[finding.column]),
                    "reason": finding.reason,
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


def _row_outcomes(dataset: str, frame: pd.DataFrame, findings: list[RowFinding]) -> list[ScopeFinding]:
    """Sum a rule's columns up: one outcome for everything and one for each scope with bad rows."""
    outcomes = []
    owners = frame[_SCOPE_COLUMNS.get(dataset, "battery_id")]
    for rule in dict.fromkeys(finding.rule for finding in findings):
        own = [finding for finding in findings if finding.rule == rule]
        bad = np.flatnonzero(rejected(len(frame), own))
        reasons = "; ".join(dict.fromkeys(found.reason for found in own if found.positions.size))
        counts = owners.iloc[bad].fillna("").value_counts(sort=False)
        outcomes.append(_outcome(rule, EVERYTHING, len(frame), bad.size, reasons))
        outcomes += [
            _outcome(rule, str(scope), len(frame), int(count), reasons)
            for scope, count in counts.items()
            if scope
        ]
    return outcomes


def _outcome(rule: str, scope: str, checked: int, failed: int, message: str) -> ScopeFinding:
    return ScopeFinding(
        rule=rule, severity="critical", scope=scope, rows_checked=checked, rows_failed=failed, message=message
    )


def _checks(dataset: str, findings: list[ScopeFinding], context: CheckContext) -> pd.DataFrame:
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
