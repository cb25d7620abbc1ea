"""OMIE's marginalpdbc: a line an ordinal interval, "year;month;day;number;price PT;price ES;", €/MWh.

Intervals count from 1 by the market's clock (CET), so that a day has 23, 24 or 25 hours, or since October
2025 92, 96 or 100 quarter-hours; the count of the day tells which.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from warehouse.errors import CellError, EmptyFileError, OversizedFileError, UndecodableFileError
from warehouse.sources.numbers import decimal_of, numbers
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.published.rows import Placed, Series, chosen, parsed

PROVIDER = "OMIE, Operador del Mercado Ibérico de Energía"
LICENCE = "terms of omie.es"
OPTIONS = frozenset({"zone", "rate"})
_FIRST = "MARGINALPDBC"
_CLOCK = ZoneInfo("Europe/Madrid")
_ZONES = ("PT", "ES")
_CELLS = 6


def parse_omie(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh of both zones, or of the one of the option zone. Raises SourceError."""
    lines = _lines(file)
    days: dict[dt.date, list[tuple[int, int]]] = defaultdict(list)
    for index, cells in enumerate(lines):
        day, number = _day(cells, index + 1, file.name)
        days[day].append((index, number))
    rows, starts, minutes = list[int](), list[dt.datetime](), list[int]()
    for day, own in days.items():
        midnight, length, count = _grid(day, [number for _, number in own])
        for index, number in own:
            if not 1 <= number <= count:
                raise CellError(
                    f"is no interval of {day}, which has {count} of {length} minutes",
                    file=file.name, row=index + 1, column="number", value=str(number),
                )  # fmt: skip
            rows.append(index + 1)
            starts.append(midnight + dt.timedelta(minutes=(number - 1) * length))
            minutes.append(length)
    when = Placed(rows=rows, starts=starts, minutes=minutes)
    series = []
    for zone in chosen(_ZONES, options, file.name):
        column = f"price {zone}"
        texts = [cells[4 + _ZONES.index(zone)] for cells in lines]
        values, notes = numbers(texts, file.name, column, decimal_of(texts))
        series.append(
            Series(
                zone=zone,
                column=column,
                placed=when,
                prices=values.iloc[[row - 1 for row in rows]],
                unit=money("EUR", 1000.0, options, file.name),
                notes=notes,
            )
        )
    return parsed(series, file.name)


def _lines(file: RawFile) -> list[list[str]]:
    try:
        text = file.data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UndecodableFileError(f"is not text: {error}", file=file.name) from error
    first, *rest = text.splitlines() or [""]
    if first.strip().rstrip(";").upper() != _FIRST:
        raise UndecodableFileError(f"does not begin with {_FIRST}", file=file.name)
    if len(rest) > file.caps.rows:
        raise OversizedFileError(f"has {len(rest):,} rows; {file.caps.rows:,} are allowed", file=file.name)
    found = []
    for row, line in enumerate(rest, start=1):
        cells = [cell.strip() for cell in line.strip().split(";")]
        if cells in (["*"], [""]):
            continue
        if len(cells) < _CELLS:
            raise CellError(
                "is not year;month;day;number;price PT;price ES;", file=file.name, row=row, column="line",
                value=line[:80],
            )  # fmt: skip
        found.append(cells)
    if not found:
        raise EmptyFileError("holds a header and no data rows", file=file.name)
    return found


def _day(cells: Sequence[str], row: int, file: str) -> tuple[dt.date, int]:
    try:
        year, month, day, number = (int(cell) for cell in cells[:4])
        found = dt.date(year, month, day)
    except ValueError:
        found, number = dt.date.min, 0
    if not 2000 <= found.year < 2100:
        raise CellError(
            "is no day and number of an interval", file=file, row=row, column="year;month;day;number",
            value=";".join(cells[:4]),
        )  # fmt: skip
    return found, number


def _grid(day: dt.date, numbers: Sequence[int]) -> tuple[dt.datetime, int, int]:
    """Return a day's beginning in UTC, the minutes of its intervals and how many of them it has."""
    first, last = (
        dt.datetime.combine(day + dt.timedelta(days=more), dt.time(), _CLOCK).astimezone(dt.UTC)
        for more in (0, 1)
    )
    hours = int((last - first).total_seconds() // 3600)
    length = 60 if max(numbers) <= hours else 15
    return first, length, hours * 60 // length
