"""Energy-Charts' download of a chart as CSV: times with their offset, a column a curve, units below."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from warehouse.errors import UnitError
from warehouse.sources.cells import Cells
from warehouse.sources.numbers import decimal_of, numbers
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.single import spared
from warehouse.sources.tariffs.answer import lengthen
from warehouse.sources.tariffs.money import money_of_unit
from warehouse.sources.tariffs.published.rows import Placed, Series, chosen, parsed
from warehouse.sources.tariffs.published.wide import missing, texts_of
from warehouse.zones import ZONES

_TIME = ("Datum (", "Date (")
_PRICE = re.compile(r"(?:Day[ -]Ahead|Spot).*\((?P<zone>[^)]+)\)", re.IGNORECASE)
_UNIT = re.compile(r"(?:EUR|€)\s*/\s*MWh", re.IGNORECASE)


def is_export(file: RawFile) -> bool:
    """Whether a file is the download of a chart, by its first header."""
    return file.data[:64].decode("utf-8-sig", errors="replace").lstrip('"').startswith(_TIME)


def parse_export(file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone, one of the file's. Raises SourceError."""
    table = read_table(file)
    time = next(name for name in table.columns if name.startswith(_TIME))
    texts = texts_of(table, time)
    rows = [row for row, text in enumerate(texts, start=1) if text]
    columns = _columns(table)
    zones = chosen(tuple(columns), options, file.name)
    when = _placed(table, time, rows)
    series = []
    for zone in zones:
        name = columns[zone]
        cells = texts_of(table, name)
        _refuse_unit(file.name, name, [cells[row] for row in range(table.rows) if not texts[row]])
        own = [cells[row - 1] if texts[row - 1] else "" for row in range(1, table.rows + 1)]
        values, notes = numbers([own[row - 1] for row in rows], file.name, name, decimal_of(own))
        by_row = pd.Series(values.to_numpy(), index=rows)
        series.append(
            Series(
                zone=zone,
                column=name,
                placed=when,
                prices=by_row.loc[when.rows],
                unit=money_of_unit("EUR/MWh", options, file.name, name),
                notes=notes,
            )
        )
    left = [name for name in table.columns if name != time and name not in {one.column for one in series}]
    return parsed(series, file.name, [f"column {name!r} was left out" for name in left])


def _placed(table: RawTable, time: str, rows: list[int]) -> Placed:
    """Place the rows by their starts; each lasts to the next one in time, wherever that stands."""
    cells = Cells.found(table, time)
    at = np.array(rows, dtype="int64")
    kept = Cells(file=table.file, column=time, data=cells.data.take(at - 1), rows=at)
    times, notes = spared(kept, lambda some: some.zoned_times("%Y-%m-%dT%H:%M%z"))
    starts = {row: one.to_pydatetime() for row, one in zip(rows, times, strict=True) if one is not pd.NaT}
    ordered = sorted(set(starts.values()))
    lengths = {one.start: one.minutes for one in lengthen(ordered, table.file, time, [None] * len(ordered))}
    return Placed(
        rows=list(starts),
        starts=list(starts.values()),
        minutes=[lengths[start] for start in starts.values()],
        notes=notes,
    )


def _columns(table: RawTable) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in table.columns:
        match = _PRICE.fullmatch(name)
        if match is not None and match["zone"] in ZONES:
            found.setdefault(match["zone"], name)
    if not found:
        raise missing(table, "a column of day-ahead prices, as 'Day Ahead Auktion (DE-LU)',")
    return found


def _refuse_unit(file: str, column: str, stated: list[str]) -> None:
    words = " ".join(filter(None, stated))
    if not _UNIT.search(words):
        raise UnitError(f"is not reported to be in EUR/MWh ({words[:60]!r})", file=file, column=column)
