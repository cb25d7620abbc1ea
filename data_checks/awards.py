"""Written checks of awards: blocks of reserve that a market can have."""

import numpy as np
import pandas as pd

from data_checks.types import RowFinding

_LONGEST = pd.Timedelta(hours=25)


def off_grid(frame: pd.DataFrame) -> RowFinding:
    """Find blocks that begin or end within a quarter-hour."""
    wrong = np.zeros(len(frame), dtype=bool)
    for column in ("interval_start_utc", "interval_end_utc"):
        wrong |= (frame[column].notna() & (frame[column] != frame[column].dt.floor("15min"))).to_numpy()
    return RowFinding(
        rule="grid",
        column="interval_start_utc",
        reason="the block does not begin and end on a quarter-hour",
        positions=np.flatnonzero(wrong),
    )


def long(frame: pd.DataFrame) -> RowFinding:
    """Find blocks longer than a day: a product of the market is sold anew for each."""
    length = frame["interval_end_utc"] - frame["interval_start_utc"]
    return RowFinding(
        rule="block",
        column="interval_end_utc",
        reason="the block is longer than a day: its end, or a row a block, is meant otherwise",
        positions=np.flatnonzero((length > _LONGEST).to_numpy()),
    )
