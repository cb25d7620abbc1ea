"""CSV and Parquet in the tables' own words, and in a few spellings whose name declares the unit.

Prices: price_eur_per_kwh, price_eur_per_mwh or price_ct_per_kwh. Telemetry: also the labels and machine names
of the Battery Data Format. SoC and power: also power_w. Metering: also import_wh, export_wh. A column that is
missing, or that looks like a misspelt one, refuses the file; other extra columns are ignored and noted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from warehouse.contracts import Column, Kind, file_contract
from warehouse.errors import CellError, ColumnError, OptionError, SourceError, nearest, together
from warehouse.sources import single
from warehouse.sources.carry import carried
from warehouse.sources.cells import Cells
from warehouse.sources.dialect import OURS
from warehouse.sources.faults import Faults
from warehouse.sources.misnamed import misnamed
from warehouse.sources.nulls import floats
from warehouse.sources.packs import to_pack
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.received import Received, as_stated


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
    ("imbalance_prices", "price_eur_per_kwh"): (_Spelling(header="price_eur_per_mwh", divisor=1000.0),),
    ("imbalance_prices", "short_price_eur_per_kwh"): (
        _Spelling(header="short_price_eur_per_mwh", divisor=1000.0),
    ),
    ("activations", "energy_kwh"): (_Spelling(header="energy_mwh", divisor=0.001),),
    ("activations", "price_eur_per_kwh"): (_Spelling(header="price_eur_per_mwh", divisor=1000.0),),
    ("metering", "import_kwh"): (_Spelling(header="import_wh", divisor=1000.0),),
    ("metering", "export_kwh"): (_Spelling(header="export_wh", divisor=1000.0),),
}

CONSTANTS = {
    "prices": frozenset({"zone"}),
    "imbalance_prices": frozenset({"zone"}),
    "activations": frozenset({"zone"}),
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
    contract = file_contract(dataset)
    stated, faults = options.get("received"), options.get("faults")
    besides = {str(stated.column)} if isinstance(stated, Received) else set()
    table = read_table(file, dialect=OURS, used=_known_headers(dataset) | besides)
    constants = {
        name: str(value)
        for name, value in options.items()
        if name in CONSTANTS.get(dataset, ()) and name in contract.names
    }
    found, twice = _found(dataset, table)
    open_names = [name for name, spelling in found.items() if spelling is None]
    absent = [
        column.name
        for column in contract
        if column.name in open_names and not column.nullable and column.name not in constants
    ]
    used = {spelling.header for spelling in found.values() if spelling is not None} | besides
    wrong, meant = misnamed(
        dataset, table, [header for header in table.columns if header not in used], absent,
        {name: (name, *other_spellings(dataset, name)) for name in open_names if name not in twice},
        constants=CONSTANTS.get(dataset, frozenset()),
    )  # fmt: skip
    wrong = [*twice.values(), *wrong]
    if isinstance(faults, Faults):
        faults.take(wrong)
        found |= {name: _Spelling(header=header, divisor=by) for name, (header, by) in meant.items()}
        faults.absent |= {name for name in absent if found[name] is None} | set(twice)
    elif wrong:
        raise together(wrong)
    taken = {spelling.header for spelling in found.values() if spelling is not None} | besides
    notes = list(table.ignored(lambda header: header in taken))
    reader = _Reader(dataset=dataset, timezone=options.get("timezone"), notes=notes)
    columns = reader.all(table, found, faults if isinstance(faults, Faults) else None)
    for name, given in constants.items():
        columns[name] = _constant(columns[name], found[name], given, table.file)
    frame = pd.DataFrame(columns).assign(source_row=table.row_numbers)
    if isinstance(stated, Received):
        cells = Cells.found(table, str(stated.column))
        frame["received_utc"] = as_stated(cells, cells.times())
    spelling = {name: (used.header, used.divisor) for name, used in found.items() if used is not None}
    frame, aged = carried(dataset, frame, {})
    if file.span is not None:
        frame = frame.iloc[file.span.first - file.span.begin :].reset_index(drop=True)
    parsed = Parsed(frame=frame, spelling=spelling, notes=(*notes, *aged))
    return to_pack(dataset, parsed, options, file.name)


def other_spellings(dataset: str, column: str) -> tuple[str, ...]:
    """Return the headers that may stand in place of a column's name."""
    return tuple(one.header for one in _SPELLINGS.get((dataset, column), ()))


def _known_headers(dataset: str) -> set[str]:
    names = file_contract(dataset).names
    return {*names, *(header for name in names for header in other_spellings(dataset, name))}


def _found(dataset: str, table: RawTable) -> tuple[dict[str, _Spelling | None], dict[str, ColumnError]]:
    """Return which header each column has, and what is wrong with those that have several."""
    found, twice = dict[str, _Spelling | None](), dict[str, ColumnError]()
    for column in file_contract(dataset):
        spellings = (_Spelling(header=column.name), *_SPELLINGS.get((dataset, column.name), ()))
        present = [spelling for spelling in spellings if spelling.header in table.columns]
        found[column.name] = present[0] if present else None
        if len(present) > 1:
            names = " and ".join(repr(spelling.header) for spelling in present)
            twice[column.name] = ColumnError(
                f"is there twice, as {names}", file=table.file, column=column.name
            )
    return found, twice


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """How the cells of a dataset are read; notes takes up what single bad cells cost."""

    dataset: str
    timezone: object
    notes: list[str]

    def all(
        self, table: RawTable, found: Mapping[str, _Spelling | None], faults: Faults | None
    ) -> dict[str, pd.Series]:
        """Return every column; without `faults`, raise the first fault of each column that has one."""
        columns, wrong = dict[str, pd.Series](), list[CellError]()
        for column in file_contract(self.dataset):
            spelling = found[column.name]
            if faults is not None and spelling is not None:
                values = self._without_faults(column, spelling, table, faults)
                columns[column.name] = self.read(column, None, table) if values is None else values
                continue
            try:
                columns[column.name] = self.read(column, spelling, table)
            except CellError as error:
                wrong.append(error)
        if wrong:
            raise together(wrong)
        return columns

    def _without_faults(
        self, column: Column, spelling: _Spelling, table: RawTable, faults: Faults
    ) -> pd.Series | None:
        own = table.only([spelling.header])
        silent = replace(self, notes=[])  # what is passed over is reported cell by cell
        try:
            return faults.read(
                column.name, lambda rows: silent.read(column, spelling, own.taken(rows)),
                Cells.of(own, spelling.header), singly=self.dataset in single.DATASETS,
            )  # fmt: skip
        except SourceError as error:
            faults.take([error])
            faults.absent.add(column.name)
            return None

    def read(self, column: Column, spelling: _Spelling | None, table: RawTable) -> pd.Series:
        if spelling is None:
            if column.kind is Kind.FLOAT:
                return pd.Series(np.full(table.rows, np.nan))
            if column.kind is Kind.TIME:
                return pd.Series(pd.NaT, index=range(table.rows), dtype="datetime64[us, UTC]")
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
