"""ENTSO-E's website export of day-ahead prices: intervals "A – B" of a stated clock, area, sequence, €/MWh.

Also the older export, whose last header is the area. Of several auctions sequence 1 is the day-ahead one.
"""

import re
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from warehouse.errors import CellError, ColumnError, EmptyFileError, UnitError
from warehouse.sources.dialect import Dialect
from warehouse.sources.numbers import decimal_of, numbers
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.tariffs.money import currency_code, currency_of, money_of_unit
from warehouse.sources.tariffs.published.clock import ZONES_NAMED, Wall, wall
from warehouse.sources.tariffs.published.rows import Series, chosen, parsed, placed
from warehouse.sources.tariffs.published.wide import missing, texts_of
from warehouse.zones import ZONES

_MTU = re.compile(r"(?:MTU|Time Interval) \((?P<clock>[^)]+)\)")
_PRICE = re.compile(r"Day-ahead (?:Energy )?Prices? [\[(](?P<unit>[^\])]+)[\])]", re.IGNORECASE)
_FORMATS = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M:%S")
_SEQUENCE = re.compile(r"(?:Sequence\s+)*0*1|Without Sequence|", re.IGNORECASE)
_OTHERWISE = {
    "IT-NORTH": "IT-NORTH", "IT-SOUTH": "IT-SUD", "IT-CENTRE-NORTH": "IT-CNOR", "IT-CENTRE-SOUTH": "IT-CSUD",
    "IT-SICILY": "IT-SICILY", "IT-SARDINIA": "IT-SARDINIA", "IT-CALABRIA": "IT-CALABRIA", "IE(SEM)": "IE-SEM",
}  # fmt: skip


def is_export(file: RawFile) -> bool:
    """Whether a file is a table of the website, by its first header."""
    first = file.data[:64].decode("utf-8-sig", errors="replace").lstrip('"')
    return first.startswith(("MTU (", "Time Interval ("))


def parse_export(file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone (one of the file's, else all), rate. Raises SourceError."""
    header = file.data.split(b"\n", 1)[0]
    table = read_table(
        file, dialect=Dialect(delimiter=";" if b'";"' in header else "\t" if b"\t" in header else ",")
    )
    mtu, clock = _mtu(table)
    column, unit = _price(table)
    intervals, prices = texts_of(table, mtu), texts_of(table, column)
    areas, notes = _in_currency(table, unit, *_areas(table, mtu))
    values, stated = numbers(prices, file.name, column, decimal_of(prices))
    series = []
    zones = chosen(sorted(set(filter(None, areas))), options, file.name)
    for number, zone in enumerate(zones):
        rows = [row for row, one in enumerate(areas, start=1) if one == zone]
        own = [intervals[row - 1] for row in rows]
        begun, ended = _split(own)
        when = placed(rows, own, begun, ended, ZoneInfo(clock), file=file.name, column=mtu)
        series.append(
            Series(
                zone=zone,
                column=column,
                placed=when,
                prices=values.iloc[[row - 1 for row in when.rows]],
                unit=money_of_unit(unit, options, file.name, column),
                notes=() if number else stated,
            )
        )
    return parsed(series, file.name, notes)


def _mtu(table: RawTable) -> tuple[str, str]:
    for name in table.columns:
        if match := _MTU.fullmatch(name):
            if match["clock"] in ZONES_NAMED:
                return name, ZONES_NAMED[match["clock"]]
            raise ColumnError(
                f"is of a clock that is not known; known are {', '.join(ZONES_NAMED)}",
                file=table.file, column=name,
            )  # fmt: skip
    raise ColumnError("MTU (…) is missing", file=table.file)


def _price(table: RawTable) -> tuple[str, str]:
    for name in table.columns:
        if match := _PRICE.fullmatch(name):
            return name, match["unit"]
    raise missing(table, "Day-ahead Price (…/MWh)")


def _areas(table: RawTable, mtu: str) -> tuple[list[str | None], list[str]]:
    """Return of each row its zone, None where it is left out, and notes on those."""
    named = next(
        (name for name in ("Area", "Bidding Zone", "AreaDisplayName") if name in table.columns), None
    )
    if named is None:  # the older layout has the area as a header
        zone = next((zone for name in table.columns if (zone := _zone(name)) and name != mtu), None)
        if zone is None:
            raise ColumnError("Area is missing", file=table.file)
        return [zone] * table.rows, []
    words = texts_of(table, named)
    zones = {word: _zone(word) for word in dict.fromkeys(words)}
    if not any(zones.values()):
        raise CellError("is no known bidding zone", file=table.file, row=1, column=named, value=words[0])
    sequences = texts_of(table, "Sequence") if "Sequence" in table.columns else [""] * table.rows
    first = {word for word in dict.fromkeys(sequences) if _SEQUENCE.fullmatch(word.strip())}
    areas = [zones[word] if one in first else None for word, one in zip(words, sequences, strict=True)]
    notes = [f"area {word!r} was left out: no known bidding zone" for word, zone in zones.items() if not zone]
    if others := sorted(set(sequences) - first):
        count = sum(one not in first for one in sequences)
        notes.append(
            f"{count} rows of sequence {', '.join(others)[:80]} were left out; 1 is the day-ahead auction"
        )
    if not any(areas):
        raise EmptyFileError(f"holds no day-ahead price: {notes[-1]}", file=table.file)
    return areas, notes


def _in_currency(
    table: RawTable, unit: str, areas: list[str | None], notes: list[str]
) -> tuple[list[str | None], list[str]]:
    """Leave out, and tell of, rows whose own currency is not that of the header's unit, as in EUR/MWh."""
    if "Currency" not in table.columns:
        return areas, notes
    stated = texts_of(table, "Currency")
    meant = currency_of(unit)  # what is no unit is refused where it is taken
    other = [
        row
        for row, word in enumerate(stated)
        if word and meant is not None and currency_code(word) != meant and areas[row] is not None
    ]
    if not other:
        return areas, notes
    first = other[0]
    if len(other) == sum(zone is not None for zone in areas):
        raise UnitError(
            f"contradicts the header's {unit}",
            file=table.file,
            row=first + 1,
            column="Currency",
            value=stated[first],
        )
    left_out = set(other)
    kept = [None if row in left_out else zone for row, zone in enumerate(areas)]
    return kept, [
        *notes,
        f"{len(other)} rows in {stated[first]} were left out, the header says {unit}: row {first + 1}",
    ]


def _zone(word: str) -> str | None:
    kind, _, name = word.strip().rpartition("|")
    if kind not in ("BZN", ""):
        return None
    name = name.strip().upper()
    found = _OTHERWISE.get(name, name)
    return found if found in ZONES else None


def _split(intervals: Sequence[str]) -> tuple[list[Wall | None], list[Wall | None]]:
    """Return starts and ends of cells like "25/10/2026 00:00:00 - 25/10/2026 00:15:00"."""
    pairs = [re.split(r"\s+[-–]\s+", text.strip(), maxsplit=1) for text in intervals]
    return (
        [wall(pair[0], _FORMATS) for pair in pairs],
        [wall(pair[1], _FORMATS) if len(pair) > 1 else None for pair in pairs],
    )
