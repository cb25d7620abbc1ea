"""Which files the rows of a result came from, so that every number leads back to its file and row."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

_COLUMNS = ["dataset", "source_id", "rows", "first_row", "last_row"]


def files_used(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row a dataset and file of core rows: how many of its rows were used, the first and the last.

    frames: dataset → rows of its core table, with their lineage.
    """
    parts = []
    for dataset, frame in frames.items():
        grouped = frame.groupby("source_id", sort=True)["source_row"].agg(["size", "min", "max"])
        part = grouped.reset_index().set_axis(_COLUMNS[1:], axis="columns")
        parts.append(part.assign(dataset=dataset)[_COLUMNS])
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
