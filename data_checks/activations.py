"""Written checks of activations: energy of a quarter-hour, not of a longer interval that begins with it."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from data_checks.types import RowFinding

_LONGER = (60, 30)
"""Minutes of the intervals, besides the quarter-hour, by which grids' operators count."""
_FEWEST = 3
"""Rows of a product and direction: fewer may be single calls that happened to begin on the hour."""
_GROUP = ["source_id", "zone", "product", "direction"]


def longer_intervals(frame: pd.DataFrame) -> Iterator[RowFinding]:
    """Find all rows of a product and direction in a file that come every (half) hour, with none between.

    Their energy would be taken for that of the first quarter-hour: none is believed, none is split.
    """
    begins = frame["interval_start_utc"].dropna()
    minutes: dict[int, list[int]] = {length: [] for length in _LONGER}
    for _, own in begins.groupby([frame.loc[begins.index, name] for name in _GROUP]):
        steps = np.diff(np.unique((own - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(minutes=1)))
        for length in _LONGER:
            if len(steps) + 1 >= _FEWEST and steps.min() == length and not (steps % length).any():
                minutes[length] += frame.index.get_indexer(own.index).tolist()
    for length, positions in minutes.items():
        yield RowFinding(
            rule="interval",
            column="interval_start_utc",
            reason=f"rows of this product and direction come every {length} minutes and none between: a row is "
            "a quarter-hour's energy; split longer intervals, and state 0 where nothing was called",
            positions=np.array(sorted(positions), dtype=np.intp),
            whole=True,
        )
