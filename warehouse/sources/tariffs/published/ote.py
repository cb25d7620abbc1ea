"""OTE (CZ), results of the day-ahead market, a day a file: ordinal intervals, €/MWh.

Layout as in `DT_15MIN_01_10_2025_CZ.xlsx`: one sheet, titles with the day in A3 and A20, a header in row 22
("Perioda", "Časový interval", "15 min cena (EUR/MWh)", …, "60 min cena (EUR/MWh)"), rows from 24 on; in
English "Period", "Time interval", "15 min price (EUR/MWh)". Before October 2025 "Hodina" and "Cena
(EUR/MWh)". The same as CSV. Periods count from midnight, so that a day has 92, 96 or 100 (23, 24 or 25);
what the interval says of the hour that comes twice (02a:00, 02b:00) is not needed. The day is that of the
titles, else of the file's name, and a column of days ("Den", "Datum") before both.
"""

import csv
import datetime as dt
import io
import re
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from warehouse.errors import ColumnError, OptionError, UndecodableFileError
from warehouse.sources.book import cells_of_book
from warehouse.sources.numbers import decimal_of, numbers
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.answer import own_zone
from warehouse.sources.tariffs.money import money_of_unit
from warehouse.sources.tariffs.published.rows import Series, parsed, resolved

PROVIDER = "OTE, a.s."
LICENCE = "terms of ote-cr.cz"
OPTIONS = frozenset({"zone", "rate"})
_CLOCK = ZoneInfo("Europe/Prague")
_ORDINALS = {"perioda": 15, "period": 15, "hodina": 60, "hour": 60}
_DAYS = ("den", "datum", "day", "date")
_PRICE = re.compile(
    r"(?:(?P<minutes>15|60) min )?(?:marginální |marginal )?(?:cena|price)(?: ČR| CZ)? \((?P<unit>[^)]+)\)",
    re.IGNORECASE,
)
_DATE = re.compile(r"(?<!\d)(\d{1,2})[._](\d{1,2})[._](20\d{2})(?!\d)|(?<!\d)(20\d{2})-(\d{2})-(\d{2})")
_MOST_BEFORE = 60
"""Rows before the header, at most."""


def parse_ote(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone (CZ unless given), rate. Raises SourceError."""
    lines = _lines(file)
    at, ordinal, length = _header(lines, file.name)
    header = [_plain(cell) for cell in lines[at]]
    price, unit = _price(header, length, file.name)
    days = next((place for place, name in enumerate(header) if name.casefold() in _DAYS), None)
    titled = None if days is not None else _day_of(lines[:at], file.name)
    body = lines[at + 1 :]
    rows = [row for row, cells in enumerate(body, start=1) if _number(_cell(cells, ordinal)) is not None]
    texts = [_cell(body[row - 1], ordinal) for row in rows]
    found = [
        _interval(titled if days is None else _date(_cell(body[row - 1], days)), _number(text), length)
        for row, text in zip(rows, texts, strict=True)
    ]
    when = resolved(rows, texts, found, file=file.name, column=header[ordinal])
    cells = [_cell(line, price) for line in body]
    values, notes = numbers([cells[row - 1] for row in rows], file.name, header[price], decimal_of(cells))
    values.index = rows
    series = Series(
        zone=own_zone(options, file.name, "CZ"), column=header[price], placed=when,
        prices=values.loc[when.rows], notes=notes,
        unit=money_of_unit(unit, options, file.name, header[price]),
    )  # fmt: skip
    return parsed([series], file.name)


def _lines(file: RawFile) -> list[list[str]]:
    if file.is_xlsx:
        return cells_of_book(file)
    try:
        text = file.data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = file.data.decode("cp1250")
        except UnicodeDecodeError as error:
            raise UndecodableFileError(f"is not text: {error}", file=file.name) from error
    mark = max(";\t,", key=text.count)
    return [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(text), delimiter=mark)]


def _header(lines: Sequence[Sequence[str]], file: str) -> tuple[int, int, int]:
    """Return the header's line, the place of the ordinal in it, and the minutes of what it counts."""
    for at, line in enumerate(lines[:_MOST_BEFORE]):
        for place, cell in enumerate(line):
            if (minutes := _ORDINALS.get(_plain(cell).casefold())) is not None:
                return at, place, minutes
    raise ColumnError("Perioda or Hodina is missing in the first rows: no header of OTE", file=file)


def _price(header: Sequence[str], length: int, file: str) -> tuple[int, str]:
    found = [(place, match) for place, name in enumerate(header) if (match := _PRICE.fullmatch(name))]
    for wanted in (str(length), None):
        for place, match in found:
            if match["minutes"] == wanted:
                return place, match["unit"]
    raise ColumnError(
        f"a price of {length} minutes, as '15 min cena (EUR/MWh)', is missing; there are "
        f"{', '.join(header)}"[:200],
        file=file,
    )  # fmt: skip


def _day_of(titles: Sequence[Sequence[str]], file: str) -> dt.date:
    stated = {day for line in titles for cell in line if (day := _date(cell)) is not None}
    named = _date(file)
    if len(stated) > 1 or (stated and named is not None and named not in stated):
        shown = ", ".join(sorted(str(day) for day in stated | ({named} if named else set())))
        raise OptionError(f"is of which day? Its titles and its name tell {shown}", file=file, column="day")
    day = next(iter(stated), named)
    if day is None:
        raise OptionError("names no day, neither in a title nor in the file's name", file=file, column="day")
    return day


def _date(text: str) -> dt.date | None:
    if (found := _DATE.search(text)) is None:
        return None
    parts = (found[3], found[2], found[1]) if found[3] else (found[4], found[5], found[6])
    try:
        return dt.date(*(int(part) for part in parts))
    except ValueError:
        return None


def _interval(day: dt.date | None, number: int | None, length: int) -> tuple[dt.datetime, int] | str:
    if day is None or number is None:
        return "is of no day"
    first, after = (
        dt.datetime.combine(day + dt.timedelta(days=more), dt.time(), _CLOCK).astimezone(dt.UTC)
        for more in (0, 1)
    )
    start = first + dt.timedelta(minutes=length * (number - 1))
    if not first <= start < after:
        return f"is no interval of {day}, which has {(after - first) // dt.timedelta(minutes=length)}"
    return start, length


def _plain(cell: str) -> str:
    return " ".join(cell.split())


def _cell(cells: Sequence[str], place: int) -> str:
    return cells[place].strip() if place < len(cells) else ""


def _number(text: str) -> int | None:
    """Return an ordinal, which a sheet may hold as 1.0."""
    plain = text.removesuffix(".0")
    return int(plain) if plain.isdigit() and len(plain) < 4 else None
