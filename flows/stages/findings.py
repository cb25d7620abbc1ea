"""What checks found, told once: in a whole dataset or in its parts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd

from warehouse.contracts import CONTRACTS, conform


def findings(checks: pd.DataFrame) -> pd.DataFrame:
    """Rows of out_check that did not pass, without those of a part whose dataset tells the same."""
    failed = checks[~checks["passed"].astype(bool)]
    rule = failed["dataset"].astype(str) + " " + failed["rule"].astype(str)
    whole = failed["scope"] == "*"
    return failed[whole | ~rule.isin(set(rule[whole]))]


def over_parts(checks: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows of out_check of a dataset that was checked in parts, as if it had been checked at once."""
    contract = CONTRACTS["out_check"]
    groups = pd.concat(checks).groupby(list(contract.key), sort=False, as_index=False)
    how: dict[Hashable, Any] = dict.fromkeys(contract.names[len(contract.key) :], "first")
    how |= {"passed": "all", "rows_checked": "sum", "rows_failed": "sum", "message": _told}
    return conform(groups.agg(how), contract)


def _told(messages: pd.Series) -> str:
    return "; ".join(dict.fromkeys(part for text in messages if text for part in text.split("; ")))
