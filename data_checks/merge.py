"""Reports of the parts of a frame as the report of the whole."""

from collections.abc import Sequence

import pandas as pd

from data_checks.types import CheckReport
from data_checks.verdict import SEPARATOR
from warehouse.contracts import CONTRACTS, conform


def combined(reports: Sequence[CheckReport]) -> CheckReport:
    """Put the reports of parts together (at least one, of one dataset and run), each of whole batteries."""
    return CheckReport(
        good=pd.concat([report.good for report in reports], ignore_index=True),
        quarantine=pd.concat([report.quarantine for report in reports], ignore_index=True),
        checks=combined_checks([report.checks for report in reports]),
        blocked=frozenset().union(*(report.blocked for report in reports)),
        rows_in=sum(report.rows_in for report in reports),
        rows_quarantined=sum(report.rows_quarantined for report in reports),
        rows_repeated=sum(report.rows_repeated for report in reports),
    )


def combined_checks(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put rows of out_check together: counts of a rule and scope add up, reasons are told once."""
    contract = CONTRACTS["out_check"]
    rows = pd.concat(parts, ignore_index=True)
    merged = rows.groupby(list(contract.key), as_index=False, sort=False).agg(
        severity=("severity", "first"),
        passed=("passed", "all"),
        rows_checked=("rows_checked", "sum"),
        rows_failed=("rows_failed", "sum"),
        message=("message", _told_once),
        as_of_utc=("as_of_utc", "first"),
    )
    return conform(merged, contract)


def _told_once(messages: pd.Series) -> str:
    reasons = {reason for message in messages for reason in message.split(SEPARATOR) if reason}
    return SEPARATOR.join(sorted(reasons))
