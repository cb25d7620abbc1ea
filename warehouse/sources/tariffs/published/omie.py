"""OMIE's marginalpdbc: a line an ordinal interval, "year;month;day;number;price PT;price ES;", €/MWh.

Intervals count from 1 by the market's clock (CET), so that a day has 23, 24 or 25 hours, or since October
2025 92, 96 or 100 quarter-hours.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from zoneinfo import ZoneInfo

from warehouse.errors import EmptyFileError, OversizedFileError, UndecodableFileError
from warehouse.sources.numbers import decimal_of, numbers
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.published.rows import Series, chosen, parsed, resolved

PROVIDER = "OMIE, Operador del Mercado Ibérico de Energía"
LICENCE = "terms of omie.es"
OPTIONS = frozenset({"zone", "rate"})
_FIRST = "MARGINALPDBC"
_CLOCK = ZoneInfo("Europe/Madrid")
_ZONES = ("PT", "ES")
_CELLS, _DATED = 6, 4
_MOST = 0.75
_QUARTER_HOURS = dt.date(2025, 10, 1)
"""First day of the coupled day-ahead market in quarter-hours."""
_NOT_STATED = "is no day and number of an interval"


def parse_omie(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh of both zones, or of the one of the option zone. Raises SourceError."""
    lines = _lines(file)
    stated = [_stated(cells) for cells in lines]
    numbers_of: dict[dt.date, set[int]] = defaultdict(set)
    for day, number in filter(None, stated):
        numbers_of[day].add(number)
    grids = {day: _grid(day, own) for day, own in numbers_of.items()}
    when = resolved(
        range(1, len(lines) + 1),
        [";".join(cells[:4]) for cells in lines],
        [_NOT_STATED if one is None else _interval(one[1], one[0], *grids[one[0]]) for one in stated],
        file=file.name,
        column="year;month;day;number",
    )
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
                prices=values.iloc[[row - 1 for row in when.rows]],
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
    rows = [row for line in rest if (row := line.strip()) not in ("*", "")]
    ends = 2 * sum(row.endswith(";") for row in rows) > len(rows)
    found = []
    for row in rows:
        cells = [cell.strip() for cell in row.split(";")]
        whole = len(cells) >= _DATED and (row.endswith(";") or not ends)  # else cut within a number
        found.append([*cells, *[""] * (_CELLS - len(cells))] if whole else [""] * _CELLS)
    if not found:
        raise EmptyFileError("holds a header and no data rows", file=file.name)
    return found


def _stated(cells: Sequence[str]) -> tuple[dt.date, int] | None:
    """Return the day of an interval and its number, None where the line tells none."""
    try:
        year, month, day, number = (int(cell) for cell in cells[:4])
        found = dt.date(year, month, day)
    except ValueError:
        return None
    return (found, number) if 2000 <= found.year < 2100 else None


def _interval(
    number: int, day: dt.date, midnight: dt.datetime, length: int, count: int
) -> tuple[dt.datetime, int] | str:
    if not 1 <= number <= count:
        return f"is no interval of {day}, which has {count} of {length} minutes"
    return midnight + dt.timedelta(minutes=(number - 1) * length), length


def _grid(day: dt.date, numbers: Set[int]) -> tuple[dt.datetime, int, int]:
    """Return a day's beginning in UTC, the minutes of its intervals and how many of them it has.

    A day that is told to its last interval tells which they are, of one in parts its date does.
    """
    first, last = (
        dt.datetime.combine(day + dt.timedelta(days=more), dt.time(), _CLOCK).astimezone(dt.UTC)
        for more in (0, 1)
    )
    counts = {length: int((last - first).total_seconds() // 60) // length for length in (15, 60)}
    whole = [
        length for length, count in counts.items() if max(numbers) == count and len(numbers) > _MOST * count
    ]
    length = whole[0] if whole else 15 if day >= _QUARTER_HOURS else 60
    return first, length, counts[length]
