"""What checks found, reported once: in a whole dataset or in its parts."""

from __future__ import annotations

import pandas as pd


def findings(checks: pd.DataFrame) -> pd.DataFrame:
    """Rows of out_check that did not pass, without those of a part whose dataset tells the same."""
    failed = checks[~checks["passed"].astype(bool)]
    rule = failed["dataset"].astype(str) + " " + failed["rule"].astype(str)
    whole = failed["scope"] == "*"
    return failed[whole | ~rule.isin(set(rule[whole]))]
