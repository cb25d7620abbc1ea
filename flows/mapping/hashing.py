"""One hash for what a result depends on, so that the same inputs are known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import pandas as pd

# How and when a row came in says nothing about what it says.
_LINEAGE = frozenset({"source_id", "source_row", "received_utc"})


def hash_frame(frame: pd.DataFrame) -> str:
    """sha256 over columns, values and order of a frame, without its lineage columns."""
    digest = hashlib.sha256()
    for name in sorted(set(frame.columns) - _LINEAGE):
        column = frame[name]
        digest.update(f"{name}:{len(column)}:".encode())
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            digest.update(column.dt.as_unit("ns").astype("int64").to_numpy().tobytes())
        elif pd.api.types.is_numeric_dtype(column.dtype):
            digest.update(column.to_numpy(dtype="float64", na_value=float("nan")).tobytes())
        else:
            codes, values = pd.factorize(column)
            digest.update(json.dumps([str(value) for value in values]).encode())
            digest.update(codes.astype("int64").tobytes())
    return digest.hexdigest()


def hash_values(values: Mapping[str, object] | Sequence[object]) -> str:
    """sha256 over plain values; floats by their shortest exact form."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()
