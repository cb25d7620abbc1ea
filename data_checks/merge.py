"""Rows of out_check of the parts of a frame, as those of the whole."""

from collections.abc import Sequence

import pandas as pd

from data_checks.verdict import SEPARATOR
from warehouse.contracts import CONTRACTS, conform


def combined_checks(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put the checks of parts (at least one, of whole batteries) together: counts add up, reasons once."""
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
