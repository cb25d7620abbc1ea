"""CSV and Parquet in the tables' own words, and in a few spellings whose name declares the unit.

Prices: price_eur_per_kwh, price_eur_per_mwh or price_ct_per_kwh. Telemetry: also the labels and machine names
of the Battery Data Format. SoC and power: also power_w. Metering: also import_wh, export_wh. A column that is
missing, or that looks like a misspelt one, refuses the file; other extra columns are ignored and noted.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import pandas as pd

from warehouse.contracts import Column, Kind, dataset_contract
from warehouse.errors import ColumnError, OptionError, nearest
from warehouse.sources import single
from warehouse.sources.carry import carried
from warehouse.sources.cells import Cells
from warehouse.sources.dialect import OURS
from warehouse.sources.nulls import floats
from warehouse.sources.packs import to_pack
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.received import Received, as_told


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spelling:
    """A header that stands for a contract column; divide by `divisor`, or read as Unix seconds."""

    header: str
    divisor: float = 1.0
    unix: bool = False


_SPELLINGS: Mapping[tuple[str, str], tuple[_Spelling, ...]] = {
    ("prices", "price_eur_per_kwh"): (
        _Spelling(header="price_eur_per_mwh", divisor=1000.0),
        _Spelling(header="price_ct_per_kwh", divisor=100.0),
    ),
    ("telemetry", "time_utc"): (
        _Spelling(header="Unix Time / s", unix=True),
        _Spelling(header="unix_time_second", unix=True),
    ),
    ("telemetry", "voltage_v"): (_Spelling(header="Voltage / V"), _Spelling(header="voltage_volt")),
    ("telemetry", "current_a"): (_Spelling(header="Current / A"), _Spelling(header="current_ampere")),
    ("telemetry", "temperature_degc"): (
        _Spelling(header="Surface Temperature / degC"),
        _Spelling(header="surface_temperature_celsius"),
        _Spelling(header="surface_temperature_degc"),
    ),
    ("soc_power", "power_kw"): (_Spelling(header="power_w", divisor=1000.0),),
    ("sessions", "energy_kwh"): (
        _Spelling(header="energy_wh", divisor=1000.0),
        _Spelling(header="metered_kwh"),
        _Spelling(header="delivered_kwh"),
    ),
    ("sessions", "charger_id"): (_Spelling(header="charger"), _Spelling(header="charger_name")),
    ("sessions", "requested_kwh"): (_Spelling(header="requested_energy_kwh"),),
    ("metering", "import_kwh"): (_Spelling(header="import_wh", divisor=1000.0),),
    ("metering", "export_kwh"): (_Spelling(header="export_wh", divisor=1000.0),),
}

_FOREIGN = {
    "charging_process_id": "this looks like charges of TeslaMate: samples of the charger, which are sessions "
    "(source teslamate)",
    "arrival_local_los_angeles": "this looks like sessions of ACN (source acn)",
    "SOC arrival": "this looks like sessions of DESL (source desl)",
    "stimeend": "this looks like prices of SMARD (source smard)",
}
"""A header that only one known layout has → what the file seems to be."""

_RELATIVE_TIMES = ("Test Time / s", "test_time_second")

CONSTANTS = {
    "prices": frozenset({"zone"}),
    "telemetry": frozenset({"battery_id"}),
    "soc_power": frozenset({"battery_id"}),
    "metering": frozenset({"battery_id"}),
    "checkups": frozenset({"battery_id"}),
    "sessions": frozenset({"timezone"}),
}
"""Dataset → what options may fill where the file has none: prices of a zone, a battery's log, a clock."""


def parse_canonical(dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return the rows of a canonical file; options: the dataset's constant column, level and cars, received.

    Raises SourceError.
    """
    contract = dataset_contract(dataset)
    told = options.get("received")
    besides = {told.column} if isinstance(told, Received) else set()
    table = read_table(file, dialect=OURS, used=_known_headers(dataset) | {str(name) for name in besides})
    constants = {
        name: str(value)
        for name, value in options.items()
        if name in CONSTANTS.get(dataset, ()) and name in contract.names
    }
    found = {column.name: _find(dataset, column, table) for column in contract}
    absent = [
        column.name
        for column in contract
        if found[column.name] is None and not column.nullable and column.name not in constants
    ]
    _refuse_misnamed(dataset, table, found, absent, besides)
    notes = list(_ignored(table, found, besides))
    reader = _Reader(dataset=dataset, timezone=options.get("timezone"), notes=notes)
    columns = {column.name: reader.read(column, found[column.name], table) for column in contract}
    for name, given in constants.items():
        columns[name] = _constant(columns[name], found[name], given, table.file)
    frame = pd.DataFrame(columns).assign(source_row=np.arange(1, table.rows + 1))
    if isinstance(told, Received):
        cells = Cells.found(table, str(told.column))
        frame["received_utc"] = as_told(cells, cells.times())
    spelling = {name: (used.header, used.divisor) for name, used in found.items() if used is not None}
    frame, aged = carried(dataset, frame, {})
    parsed = Parsed(frame=frame, spelling=spelling, notes=(*notes, *aged))
    return to_pack(dataset, parsed, options, file.name)


def other_spellings(dataset: str, column: str) -> tuple[str, ...]:
    """Return the headers that may stand in place of a column's name."""
    return tuple(one.header for one in _SPELLINGS.get((dataset, column), ()))


def _known_headers(dataset: str) -> set[str]:
    names = dataset_contract(dataset).names
    return {*names, *(header for name in names for header in other_spellings(dataset, name))}


def _find(dataset: str, column: Column, table: RawTable) -> _Spelling | None:
    spellings = (_Spelling(header=column.name), *_SPELLINGS.get((dataset, column.name), ()))
    present = [spelling for spelling in spellings if spelling.header in table.columns]
    if len(present) > 1:
        names = " and ".join(repr(spelling.header) for spelling in present)
        raise ColumnError(f"is there twice, as {names}", file=table.file, column=column.name)
    return present[0] if present else None


def _refuse_misnamed(
    dataset: str,
    table: RawTable,
    found: Mapping[str, _Spelling | None],
    absent: list[str],
    besides: Collection[str | None],
) -> None:
    used = {spelling.header for spelling in found.values() if spelling is not None} | set(besides)
    extra = [header for header in table.columns if header not in used]
    for marker, hint in _FOREIGN.items():
        if absent and marker in table.columns:
            raise ColumnError(f"is missing; {hint}", file=table.file, column=absent[0])
    if "time_utc" in absent and (relative := [name for name in _RELATIVE_TIMES if name in table.columns]):
        raise ColumnError(
            f"is missing; {relative[0]!r} counts from a test's start and names no day: add Unix Time / s",
            file=table.file, column="time_utc",
        )  # fmt: skip
    open_names = [name for name, spelling in found.items() if spelling is None]
    accepted = open_names + [header for name in open_names for header in other_spellings(dataset, name)]
    for header in extra:
        cutoff = 0.5 if absent else 0.8
        if close := get_close_matches(
            header.lower(), [name.lower() for name in accepted], n=1, cutoff=cutoff
        ):
            right = next(name for name in accepted if name.lower() == close[0])
            raise ColumnError(
                f"is not a column of {dataset}; did you mean {right!r}?", file=table.file, column=header
            )
    if absent:
        hint = f" (or give the option {absent[0]})" if absent[0] in CONSTANTS.get(dataset, ()) else ""
        raise ColumnError(
            f"is missing{hint}; the file has {', '.join(table.columns)}"[:400],
            file=table.file,
            column=absent[0],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """How the cells of a dataset are read; notes takes up what single bad cells cost."""

    dataset: str
    timezone: object
    notes: list[str]

    def read(self, column: Column, spelling: _Spelling | None, table: RawTable) -> pd.Series:
        if spelling is None:
            if column.kind is Kind.FLOAT:
                return pd.Series(np.full(table.rows, np.nan))
            return pd.Series([None] * table.rows, dtype=object)
        cells = Cells.of(table, spelling.header)
        if spelling.unix:
            return cells.epoch_seconds()
        values, notes = self._values(column, cells)
        self.notes.extend(notes)
        return values if spelling.divisor == 1.0 else values / spelling.divisor

    def _values(self, column: Column, cells: Cells) -> tuple[pd.Series, tuple[str, ...]]:
        if column.kind is Kind.FLOAT:
            return floats(cells, self.dataset)
        if column.kind is Kind.TEXT:
            return cells.text(), ()
        if self.dataset == "sessions" and column.kind is Kind.TIME:
            return single.zoned_times(cells, None if self.timezone is None else str(self.timezone))
        read = Cells.times if column.kind is Kind.TIME else Cells.integers
        return single.spared(cells, read) if self.dataset in single.DATASETS else (read(cells), ())


def _constant(values: pd.Series, found: _Spelling | None, given: str, file: str) -> pd.Series:
    if found is None:
        return pd.Series(given, index=values.index, dtype="str")
    others = values[values.notna() & (values != given)]
    if not others.empty:
        raise OptionError(
            f"contradicts {found.header}={given}{nearest(given, others.unique())}",
            file=file, row=int(others.index[0]) + 1, column=found.header, value=str(others.iloc[0]),
        )  # fmt: skip
    return values


def _ignored(
    table: RawTable, found: Mapping[str, _Spelling | None], besides: Collection[str | None]
) -> tuple[str, ...]:
    used = {spelling.header for spelling in found.values() if spelling is not None} | set(besides)
    ignored = [f"column {header!r} was ignored" for header in table.columns if header not in used]
    doubled = [f"column {header!r}, there more than once, was ignored" for header in table.doubled]
    return (*ignored, *doubled)
