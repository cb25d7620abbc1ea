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

A column of ours that is not listed is taken under its own name if the file has it; whose log it is may be
left to `--battery`, the zone of prices to `--zone`. Only columns that are used are judged. What else can be
said of the file, each by its line alone:

    encoding = "latin-1"                # default "utf-8"; also "windows-1252", "utf-16"
    skip_lines = 4                      # that stand before the header; a line `sep=;` need not be stated
    header = ["t", "U", "I"]            # names for the columns of a file that has no header
    skip_after_header = 1               # a line of units, or a second header
    null = ["n.v.", "--"]               # words for no value; in telemetry, metering and check-ups besides:
                                        # unavailable, unknown, none, null, nan, na, n/a, #n/a, -, --
    thousands = "'"                     # in 1'234.5
    where = { Art = ["BMS", "HV"] }     # only the rows that have one of these words
    long = { signal = "name", value = "wert" }  # a row a signal: `from` then names a signal; what else is
                                        # used (time, battery) tells which rows belong together
    json = { records = "vehicles[].samples[]" } # a JSON file: `[]` goes into a list, a record an element,
                                        # `{}` into an object of equally long lists. `from` is then a path
                                        # in a record: "battery.soc", "0" of a list, "^.vin" of what holds
                                        # the record; `\\.` is a point in a key. { lines = true }: a
                                        # document a line, each a record unless `records` says otherwise

of a number:

    scale = 0.0001                      # value × scale + offset, and then the unit
    offset = -40
    null = [65.535, 215]                # what a sensor says when it has nothing to say
    carry_minutes = 10                  # telemetry: a missing value is the last one, if that is no older;
                                        # of temperature_degc 30 unless said otherwise, 0: never
    mean_of = "T#"                      # instead of `from`: of all columns T1, T2, …; also min_of, max_of

of current_a:

    charge = "I_in"                     # instead of `from`: two columns of magnitudes
    discharge = "I_out"
    power = "P"                         # instead of `from`: power over voltage_v; unit "W" unless "kW"
    sign = { column = "Status", charge = ["CHG"], discharge = ["DRV"] }  # of a magnitude; other words: 0

of current_a and of power_kw (soc_power):

    counter = "E_in"                    # instead of `from`: a column that only ever rises; the flow is its
    counter_out = "E_out"               # difference over time, less that of what was discharged
    unit = "Wh"                         # power_kw: "kWh" unless said; current_a: "Ah", or "kWh" over volts
    gap_minutes = 30                    # between rows further apart nothing is reported, nor where it begins
    anew

and of times:

    from = ["Datum", "Uhrzeit"]         # joined with a space, which a format has too
    since = "2026-06-10T00:00:00Z"      # the moment that `from` counts from, in unit "s" ("ms", "min", "h")

Local times through the hour that a night in autumn has twice are read in the order of the rows where that is
unambiguous (each battery's times go back once); else the rows of that hour alone are set aside. A mapping may
instead hold what a ready-made reader needs, so that a drop folder can use it:

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

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warehouse.contracts import file_contract
from warehouse.contracts.types import moment
from warehouse.errors import OversizedFileError, UndecodableFileError, printable
from warehouse.sources.dialect import ENCODINGS, MOST_LINES, Dialect
from warehouse.sources.jsontable import steps_of
from warehouse.sources.mapcolumn import ColumnReader, null_words, zone_named
from warehouse.sources.mapkeys import DIALECT_KEYS, READER_KEYS, RECEIVED_KEYS, TABLE_KEYS
from warehouse.sources.maprules import ColumnRule, JsonRule, LongRule, TableMap
from warehouse.sources.maptext import Keys
from warehouse.sources.rawfile import load
from warehouse.sources.received import Received, received_as

_MAX_BYTES = 2**20
_RECEIVED = moment("received_utc", "When the row was received")


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
    return mapping_of(content, printable(path.name), dataset)


def mapping_of(content: Mapping[str, Any], name: str, dataset: str) -> FileMapping:
    """`load_mapping` for what is already here; name: of the mapping, for errors."""
    return _Reader(keys=Keys(file=name), dataset=dataset).mapping(content)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """A mapping's keys and its files' dataset; each method reads one part."""

    keys: Keys
    dataset: str

    def mapping(self, content: Mapping[str, Any]) -> FileMapping:
        keys = self.keys
        if "source" in content:
            keys.known(content, ("source", *READER_KEYS, *RECEIVED_KEYS), "")
            options = {key: content[key] for key in READER_KEYS if key in content}
            received = self._received(content, None)
            return FileMapping(source=keys.text(content, "source"), options=options, received=received)
        keys.known(content, (*TABLE_KEYS, *RECEIVED_KEYS), "")
        columns = content.get("columns")
        if not isinstance(columns, dict) or not columns:
            raise keys.error("columns", "is missing: [columns.NAME] says where a column comes from")
        contract = file_contract(self.dataset)
        keys.known(columns, (*contract.names, _RECEIVED.name), "columns.", f"a column of {self.dataset}")
        timezone = zone_named(keys, keys.text(content, "timezone")) if "timezone" in content else None
        reader = ColumnReader(keys=keys, timezone=timezone)
        rules = {
            name: reader.rule(_RECEIVED if name == _RECEIVED.name else contract.column(name), rule)
            for name, rule in columns.items()
        }
        received = self._received(content, rules.pop(_RECEIVED.name, None))
        level = keys.one_of(content, "level", ("pack", "cell"))
        options = {"mapping": self._table(content, rules, timezone)} | ({"level": level} if level else {})
        return FileMapping(source="mapped", options=options, received=received)

    def _table(
        self, content: Mapping[str, Any], rules: Mapping[str, ColumnRule], timezone: str | None
    ) -> TableMap:
        keys = self.keys
        delimiter = keys.one_of(content, "delimiter", (",", ";", "\t", "|"))
        header = keys.texts(content, "header")
        dialect = Dialect(
            encoding=keys.one_of(content, "encoding", tuple(ENCODINGS)) or "utf-8",
            skip_lines=keys.count(content, "skip_lines", MOST_LINES),
            header=header,
            skip_after_header=keys.count(content, "skip_after_header", MOST_LINES),
        )
        if header and dialect.skip_after_header:
            raise keys.error(
                "skip_after_header", "belongs to a file with a header; `skip_lines` skips the first"
            )
        decimal = keys.one_of(content, "decimal", (".", ",")) or "."
        thousands = keys.one_of(content, "thousands", (".", ",", "'", "’", " ", "\u00a0", "_"))
        if thousands == decimal:
            raise keys.error("thousands", "is the decimal mark too", thousands)
        long = keys.table(content, "long", ("signal", "value")) if "long" in content else None
        if "json" in content and (stated := [key for key in (*DIALECT_KEYS, "decimal") if key in content]):
            raise keys.error(stated[0], "belongs to a table of text; the mapping says that the file is JSON")
        where = content.get("where", {})
        if not isinstance(where, dict):
            raise keys.error("where", "is not a table of columns and the words of the rows wanted", where)
        wanted = {name: keys.texts(where, name, "where") for name in where}
        for name, words in wanted.items():
            if not words:
                raise keys.error(f"where.{name}", "names no word: no row would be left")
        return TableMap(
            columns=rules,
            timezone=timezone,
            delimiter=delimiter or ",",
            decimal=decimal,
            dialect=dialect,
            nulls=null_words(keys, content),
            thousands=thousands,
            where=wanted,
            long=None
            if long is None
            else LongRule(signal=keys.text(long, "signal", "long"), value=keys.text(long, "value", "long")),
            json=self._json(content) if "json" in content else None,
        )

    def _json(self, content: Mapping[str, Any]) -> JsonRule:
        keys, stated = self.keys, content["json"]
        if not isinstance(stated, dict):
            raise keys.error("json", "is not a table of records or lines", stated)
        keys.known(stated, ("records", "lines"), "json.")
        lines = stated.get("lines", False)
        if not isinstance(lines, bool):
            raise keys.error("json.lines", "is neither true nor false", lines)
        records = stated.get("records", "" if lines else None)
        if not isinstance(records, str) or (not records and not lines) or steps_of(records) is None:
            problem = 'is no path to records like "data.samples[]", or "[]" where the file is a list'
            raise keys.error("json.records", problem, records)
        return JsonRule(records=records, lines=lines)

    def _received(self, content: Mapping[str, Any], rule: ColumnRule | None) -> Received | None:
        keys = self.keys
        stated = keys.text(content, "received") if "received" in content else None
        delay = content.get("delay_minutes")
        if delay is not None and (not isinstance(delay, int | float) or isinstance(delay, bool)):
            raise keys.error("delay_minutes", "is not a number of minutes", delay)
        if rule is None:
            return received_as(stated, delay, keys.file)
        if stated is not None or delay is not None:
            key = "received" if stated is not None else "delay_minutes"
            raise keys.error(key, "is given twice: columns.received_utc says when rows were received")
        if rule.constant is not None:
            raise keys.error(
                "columns.received_utc", "is a constant: ingest the file as of that moment (--as-of)"
            )
        if rule.header is None or rule.since is not None:
            raise keys.error("columns.received_utc", "has to be one column of times")
        return Received(column=rule.header, time_format=rule.time_format, unix_seconds=rule.unix_seconds)
