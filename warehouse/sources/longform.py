"""A table of one row a signal → one row a moment."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from warehouse.errors import ColumnError, nearest
from warehouse.sources.cells import Cells
from warehouse.sources.maprules import LongRule
from warehouse.sources.rawtable import RawTable


def widened(table: RawTable, long: LongRule, named: Collection[str]) -> RawTable:
    """Return a table with a column for each signal in `named`, one row for what the other columns tell apart.

    A signal that is reported several times of one moment makes as many rows; the others' first value stands
    in all of them. A row's number is that of the first row of the file that is part of it. Raises
    ColumnError.
    """
    signals = Cells.found(table, long.signal).text()
    values = Cells.found(table, long.value)
    there = {str(name) for name in signals.dropna().unique()}
    kept = [name for name in named if name in table.columns and name not in (long.signal, long.value)]
    for name in named:
        if name not in there and name not in kept:
            raise ColumnError(
                f"is neither a signal nor a column{nearest(name, there)}", file=table.file, column=name
            )
    wanted = signals.isin([name for name in named if name not in kept]).to_numpy()
    rows = np.flatnonzero(wanted)
    keys = pd.DataFrame({name: Cells.of(table, name).text().to_numpy()[rows] for name in kept})
    moment = (
        keys.groupby(kept, dropna=False, sort=False).ngroup() if kept else pd.Series(np.arange(rows.size))
    )
    signal = signals.iloc[rows].reset_index(drop=True)
    again = pd.DataFrame({"moment": moment, "signal": signal}).groupby(["moment", "signal"]).cumcount()
    place = pd.DataFrame({"moment": moment, "again": again}).groupby(["moment", "again"], sort=True).ngroup()
    count = int(place.max()) + 1 if rows.size else 0
    first = pd.Series(rows).groupby(place.to_numpy()).first().to_numpy(dtype=np.intp)
    same = moment.groupby(place.to_numpy()).first().to_numpy()
    columns = {name: table.columns[name].take(pa.array(first)) for name in kept}
    for name in there & set(named) - set(kept):
        own = (signal == name).to_numpy()
        source = np.full(count, -1, dtype=np.int64)
        source[place.to_numpy()[own]] = rows[own]
        filled = pd.Series(np.where(source < 0, np.nan, source)).groupby(same).ffill().to_numpy()
        cells = values.data.take(pa.array(filled, mask=np.isnan(filled)).cast(pa.int64()))
        columns[name] = pa.chunked_array([cells])
    order = np.argsort(first, kind="stable")
    wide = replace(
        table, columns=columns, rows=count, numbers=table.row_numbers[first].astype(np.int64), doubled=()
    )
    return wide.taken(order)
