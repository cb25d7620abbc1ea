"""A mapping file (TOML): what a foreign file's columns are called here, in which unit, sign and time zone.

    timezone = "Europe/Zurich"          # of times that carry no offset
    delimiter = ";"                     # default ","
    decimal = ","                       # default "."
    level = "cell"                      # of telemetry, check-ups: made pack values by the fleet's Ns, Np

    [columns.time_utc]
    from = "Zeit"
    format = "%d.%m.%Y %H:%M:%S"        # default ISO 8601; also "unix_s", "unix_ms"

    [columns.battery_id]
    from = "Fahrzeug"
    values = { "Bus 12" = "BUS12" }     # their word → ours; a word that is not here refuses the file

    [columns.voltage_v]
    from = "U"
    unit = "mV"                         # default: the unit of our column

    [columns.current_a]
    from = "I"
    positive = "discharge"              # default "charge"

    [columns.temperature_degc]
    constant = 25.0                     # instead of `from`

A column of ours that is not listed is taken under its own name if the file has it. A mapping may instead hold
what a ready-made reader needs, so that a drop folder can use it:

    source = "ocpp"
    batteries = { "04A1B2C3" = "CAR1", "evse:2" = "CAR2" }
    station = "north"                   # where stations number their transactions alike

Either kind may say when the rows of a file were received (see `warehouse.sources.received`); with
`source = "csv"` it can be all that a mapping says:

    received = "event"                  # or the name of the file's column that tells
    delay_minutes = 5                   # telemetry as an event: how much later it is received
    [columns.received_utc]              # instead of a name: with its format
    from = "Empfangen"
    format = "%d.%m.%Y %H:%M:%S"
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from warehouse.contracts import Column, Kind, dataset_contract
from warehouse.contracts.types import moment
from warehouse.errors import OptionError, OversizedFileError, UndecodableFileError, nearest, printable
from warehouse.sources.rawfile import load
from warehouse.sources.received import Received, received_as
from warehouse.sources.units import FOREIGN, spelled

_MAX_BYTES = 2**20
_TABLE_KEYS = ("timezone", "delimiter", "decimal", "level", "columns", "received", "delay_minutes")
_READER_KEYS = ("battery_id", "batteries", "target_soc", "zone", "station")
_RECEIVED_KEYS = ("received", "delay_minutes")
_RECEIVED = moment("received_utc", "When the row was received")
_COLUMN_KEYS = ("from", "constant", "unit", "positive", "format", "values")
_UNIX = {"unix_s": 1.0, "unix_ms": 1e-3}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRule:
    """How one column comes about: value·factor + offset of the file's column, or a constant."""

    header: str | None = None
    constant: str | None = None
    factor: float = 1.0
    offset: float = 0.0
    time_format: str | None = None
    unix_seconds: float | None = None
    words: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMap:
    """A foreign table's dialect and columns."""

    columns: Mapping[str, ColumnRule]
    timezone: str | None = None
    delimiter: str = ","
    decimal: str = "."


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMapping:
    """What a mapping file asks for: a source of `read_source`, its options, and what tells of receipt."""

    source: str
    options: Mapping[str, Any]
    received: Received | None = None


def load_mapping(path: Path | str, dataset: str, *, follow: bool = True) -> FileMapping:
    """Read a mapping file for files of a dataset; OptionError names the key and the nearest right one.

    follow: whether a symbolic link is followed.
    """
    path = Path(path)
    raw = load(path, follow=follow)
    if len(raw.data) > _MAX_BYTES:
        raise OversizedFileError(f"is larger than {_MAX_BYTES:,} bytes", file=raw.name)
    try:
        content = tomllib.loads(raw.data.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UndecodableFileError(f"is not TOML: {error}", file=raw.name) from error
    return _Reader(file=printable(path.name), dataset=dataset).mapping(content)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """The file's name and dataset, for errors; each method reads one part."""

    file: str
    dataset: str

    def mapping(self, content: Mapping[str, Any]) -> FileMapping:
        if "source" in content:
            self._keys(content, ("source", *_READER_KEYS, *_RECEIVED_KEYS), "")
            options = {key: content[key] for key in _READER_KEYS if key in content}
            received = self._received(content, None)
            return FileMapping(source=self._text(content, "source"), options=options, received=received)
        self._keys(content, _TABLE_KEYS, "")
        columns = content.get("columns")
        if not isinstance(columns, dict) or not columns:
            raise self._error("columns", "is missing: [columns.NAME] says where a column comes from")
        contract = dataset_contract(self.dataset)
        names = (*contract.names, _RECEIVED.name)
        self._keys(columns, names, "columns.", f"a column of {self.dataset}")
        rules = {
            name: self._rule(_RECEIVED if name == _RECEIVED.name else contract.column(name), rule)
            for name, rule in columns.items()
        }
        received = self._received(content, rules.pop(_RECEIVED.name, None))
        table = TableMap(
            columns=rules,
            timezone=self._timezone(content),
            delimiter=self._one_of(content, "delimiter", (",", ";", "\t", "|")) or ",",
            decimal=self._one_of(content, "decimal", (".", ",")) or ".",
        )
        level = self._one_of(content, "level", ("pack", "cell"))
        options = {"mapping": table} | ({"level": level} if level else {})
        return FileMapping(source="mapped", options=options, received=received)

    def _received(self, content: Mapping[str, Any], rule: ColumnRule | None) -> Received | None:
        told = self._text(content, "received") if "received" in content else None
        delay = content.get("delay_minutes")
        if delay is not None and (not isinstance(delay, int | float) or isinstance(delay, bool)):
            raise self._error("delay_minutes", "is not a number of minutes", delay)
        if rule is None:
            return received_as(told, delay, self.file)
        if told is not None or delay is not None:
            key = "received" if told is not None else "delay_minutes"
            raise self._error(key, "is told twice: columns.received_utc says when rows were received")
        if rule.header is None:
            raise self._error("columns.received_utc", "is a constant: land the file at that moment (--as-of)")
        return Received(column=rule.header, time_format=rule.time_format, unix_seconds=rule.unix_seconds)

    def _rule(self, column: Column, rule: object) -> ColumnRule:
        place = f"columns.{column.name}"
        if not isinstance(rule, dict):
            raise self._error(place, "is not a table with `from` or `constant`", rule)
        self._keys(rule, _COLUMN_KEYS, f"{place}.")
        if ("from" in rule) == ("constant" in rule):
            raise self._error(place, "needs either `from` or `constant`")
        if "constant" in rule:
            if len(rule) > 1:
                raise self._error(place, "is a constant, which stands in our unit and takes nothing else")
            constant = rule["constant"]
            if not isinstance(constant, str | int | float) or isinstance(constant, bool):
                raise self._error(f"{place}.constant", "is neither text nor a number", constant)
            return ColumnRule(constant=str(constant))
        factor, offset = self._unit(column, rule, place)
        time_format = self._text(rule, "format", place) if "format" in rule else None
        if time_format is not None and column.kind is not Kind.TIME:
            raise self._error(f"{place}.format", "belongs to a column of times", time_format)
        if time_format is not None and time_format not in _UNIX and not _names_a_day(time_format):
            raise self._error(
                f"{place}.format", "names no day: year, month and day are needed, a clock alone has none",
                time_format,
            )  # fmt: skip
        values = rule.get("values")
        if values is not None and (
            column.kind is not Kind.TEXT
            or not isinstance(values, dict)
            or not all(isinstance(value, str) for value in values.values())
        ):
            raise self._error(f"{place}.values", "is not a table of texts for a column of texts")
        return ColumnRule(
            header=self._text(rule, "from", place),
            factor=factor * self._sign(column, rule, place),
            offset=offset,
            time_format=None if time_format in _UNIX else time_format,
            unix_seconds=_UNIX.get(time_format or ""),
            words=values,
        )

    def _unit(self, column: Column, rule: Mapping[str, Any], place: str) -> tuple[float, float]:
        if "unit" not in rule:
            return 1.0, 0.0
        known = FOREIGN.get(column.unit, {}) if column.kind in (Kind.FLOAT, Kind.INT) else {}
        unit = spelled(self._text(rule, "unit", place))
        if unit not in known:
            raise self._error(f"{place}.unit", f"is none of {', '.join(known) or 'no units'}", unit)
        return known[unit]

    def _sign(self, column: Column, rule: Mapping[str, Any], place: str) -> float:
        if "positive" in rule and column.name != "current_a":
            raise self._error(f"{place}.positive", "belongs to current_a")
        return -1.0 if self._one_of(rule, "positive", ("charge", "discharge"), place) == "discharge" else 1.0

    def _timezone(self, content: Mapping[str, Any]) -> str | None:
        if "timezone" not in content:
            return None
        name = self._text(content, "timezone")
        try:
            ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            raise self._error("timezone", "is no IANA time zone like Europe/Zurich", name) from None
        return name

    def _one_of(
        self, holder: Mapping[str, Any], key: str, allowed: tuple[str, ...], place: str = ""
    ) -> str | None:
        if key not in holder:
            return None
        if holder[key] not in allowed:
            shown = " or ".join(map(repr, allowed))
            raise self._error(f"{place}.{key}".lstrip("."), f"is not {shown}", holder[key])
        return str(holder[key])

    def _text(self, holder: Mapping[str, Any], key: str, place: str = "") -> str:
        value = holder[key]
        if not isinstance(value, str) or not value:
            raise self._error(f"{place}.{key}".lstrip("."), "is not text", value)
        return value

    def _keys(
        self, holder: Mapping[str, Any], known: tuple[str, ...], place: str, what: str = "a key of a mapping"
    ) -> None:
        for key in holder:
            if key not in known:
                raise self._error(f"{place}{key}", f"is not {what}{nearest(key, known)}")

    def _error(self, key: str, problem: str, value: object = None) -> OptionError:
        return OptionError(problem, file=self.file, column=key, value=None if value is None else str(value))


def _names_a_day(time_format: str) -> bool:
    """Whether a format of `strptime` reads a year, and a month and day or a day of the year or week."""
    marks = set(re.findall(r"%[-#]?([A-Za-z%])", time_format))
    year, month = bool(marks & {"Y", "y"}), bool(marks & {"m", "b", "B"})
    by_week = {"G", "V"} <= marks and bool(marks & {"u", "w", "a", "A"})
    return (
        bool(marks & {"c", "x", "D", "F"}) or by_week or (year and ("j" in marks or (month and "d" in marks)))
    )
