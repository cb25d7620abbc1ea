"""Rows of a table by one column: found at once, as a frame or as records, known by what they hold."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from flows.plain import records


class RowsBy:
    """The rows of a frame by the text of one column, in their order."""

    def __init__(self, frame: pd.DataFrame, by: str) -> None:
        keys = frame[by].astype(str).to_numpy(dtype=object)
        order = np.argsort(keys, kind="stable")
        self._frame = _shared_texts(frame.iloc[order].reset_index(drop=True))
        found, first = np.unique(keys[order], return_index=True)
        ends = [*first[1:].tolist(), len(frame)]
        spans = map(slice, first.tolist(), ends)
        self._spans: dict[str, slice[int, int, None]] = dict(zip(found.tolist(), spans, strict=True))

    def of(self, key: str) -> pd.DataFrame:
        """The rows of a key, none for an unknown one."""
        return self._frame.iloc[self._span(key)]

    def records(self, key: str) -> list[dict[str, Any]]:
        """`flows.plain.records` of the rows of a key."""
        return self._records[self._span(key)]

    def digest(self, key: str) -> bytes:
        """The same for the same rows of a key in the same order, wherever and whenever they are read."""
        return self._hashes[self._span(key)].tobytes()

    def _span(self, key: str) -> slice[int, int, None]:
        return self._spans.get(key, slice(0, 0))

    @cached_property
    def _records(self) -> list[dict[str, Any]]:
        return records(self._frame)

    @cached_property
    def _hashes(self) -> np.ndarray:
        return pd.util.hash_pandas_object(self._frame, index=False).to_numpy()


def _shared_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with each text once in memory, as Python has it: quicker to compare than a table's own."""
    texts = {name: frame[name] for name in frame.columns if isinstance(frame[name].dtype, pd.StringDtype)}
    for name, column in texts.items():
        codes, values = pd.factorize(column)
        known: list[Any] = [*values.tolist(), None]
        frame[name] = pd.Series([known[code] for code in codes.tolist()], dtype=object)
    return frame
