"""A foreign table and its mapping → rows of a dataset."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from warehouse.contracts import Column, file_contract
from warehouse.errors import (
    CellError,
    ColumnError,
    EmptyFileError,
    OptionError,
    SourceError,
    UndecodableFileError,
    together,
)
from warehouse.sources import single
from warehouse.sources.carry import carried
from warehouse.sources.cells import Cells
from warehouse.sources.dialect import Dialect
from warehouse.sources.faults import Faults
from warehouse.sources.jsontable import read_json
from warehouse.sources.longform import widened
from warehouse.sources.maprules import ColumnRule, TableMap
from warehouse.sources.mapvalues import MappedTable
from warehouse.sources.packs import OPTIONS as PACK_OPTIONS
from warehouse.sources.packs import to_pack
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.received import Received, as_stated

OPTIONS = PACK_OPTIONS | {"mapping"}
FILLED = frozenset({"battery_id", "zone"})
"""What an option may tell that the mapping does not: whose log it is, of which zone the prices are."""


def parse_mapped(dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return the rows of a foreign file; options: mapping (TableMap), level, cars, received.

    battery_id, zone: where neither mapping nor file tells. Raises SourceError.
    """
    mapping = options.get("mapping")
    if not isinstance(mapping, TableMap):
        raise OptionError("needs a mapping file", file=file.name, column="mapping")
    stated = options.get("received")
    received = stated if isinstance(stated, Received) else None
    contract = file_contract(dataset)
    named = {header for rule in mapping.columns.values() for header in rule.headers} | set(mapping.where)
    if received is not None:
        named.add(str(received.column))
    used = named | {name for name in contract.names if name not in mapping.columns}
    table, note_of_records = _read(file, mapping, used | _of_long(mapping))
    rows, notes = _wanted(table, mapping)
    if mapping.long is not None:
        there = {*Cells.found(rows, mapping.long.signal).text().dropna().unique(), *rows.columns}
        signals = (named - set(mapping.where)) | (used - named) & there
        rows = widened(rows, mapping.long, sorted(signals))
    foreign = MappedTable(dataset=dataset, table=rows, mapping=mapping)
    given = options.get("faults")
    columns, spelling = _columns(foreign, options, given if isinstance(given, Faults) else None)
    frame = pd.DataFrame(columns).assign(source_row=rows.row_numbers)
    if received is not None:
        cells = Cells.found(rows, str(received.column))
        rule = ColumnRule(time_format=received.time_format, unix_seconds=received.unix_seconds)
        frame["received_utc"] = as_stated(cells, foreign.times(cells, rule, None))
    minutes = {
        name: rule.carry_minutes for name, rule in mapping.columns.items() if rule.carry_minutes is not None
    }
    if minutes and dataset != "telemetry":
        raise OptionError("belongs to telemetry", file=file.name, column="carry_minutes")
    frame, aged = carried(dataset, frame, minutes)
    stated_of = (*note_of_records, *notes, *_ignored(table, mapping, used), *foreign.notes, *aged)
    return to_pack(dataset, Parsed(frame=frame, spelling=spelling, notes=stated_of), options, file.name)


def _read(file: RawFile, mapping: TableMap, used: set[str]) -> tuple[RawTable, tuple[str, ...]]:
    """Return a file's table, and what is to be reported of how it was found."""
    if mapping.json is None:
        return read_table(file, dialect=_dialect(mapping), used=used), ()
    if file.is_parquet or file.is_xlsx:
        raise UndecodableFileError("is no JSON, which the mapping says it is", file=file.name)
    patterns = [rule for rule in mapping.columns.values() if rule.over is not None]

    def wanted(name: str) -> bool:
        return name in used or any(rule.finds(name) for rule in patterns)

    return read_json(file, mapping.json, wanted)


def _columns(
    foreign: MappedTable, options: Mapping[str, object], faults: Faults | None
) -> tuple[dict[str, pd.Series], dict[str, tuple[str, float]]]:
    """Return every column, and how the file spells them; without `faults`, raise the first of each column."""
    mapping, table = foreign.mapping, foreign.table
    columns, spelling, wrong = dict[str, pd.Series](), dict[str, tuple[str, float]](), list[SourceError]()
    for column in file_contract(foreign.dataset):
        rule = mapping.columns.get(column.name)
        if rule is None and column.name in table.columns:
            rule = ColumnRule(header=column.name)
        if column.name in FILLED and column.name in options:
            if rule is not None and rule.constant != options[column.name]:
                raise OptionError("is given by the mapping or the file", file=table.file, column=column.name)
            rule = ColumnRule(constant=str(options[column.name]))
        try:
            if rule is None and not column.nullable:
                raise ColumnError(
                    "is missing, and the mapping does not say what it is", file=table.file, column=column.name
                )
            values = _values(foreign, column, rule, columns, faults)
        except (CellError, ColumnError) as error:
            wrong.append(error)
            values = None
        if values is None:
            values = foreign.values(replace(column, nullable=True), None, columns)
            if faults is not None:
                faults.absent.add(column.name)
        columns[column.name] = values
        if rule is not None and rule.header is not None and rule.offset == 0.0 and not rule.power:
            spelling[column.name] = (rule.header, 1.0 / rule.factor)
    if faults is not None:
        faults.take(wrong)
    elif wrong:
        raise together(wrong)
    return columns, spelling


def _values(
    foreign: MappedTable,
    column: Column,
    rule: ColumnRule | None,
    read: Mapping[str, pd.Series],
    faults: Faults | None,
) -> pd.Series | None:
    differences = rule is not None and rule.counter is not None  # of which a part of the rows tells others
    if faults is None or rule is None or differences or not (used := _used(foreign.table, rule)):
        return foreign.values(column, rule, read)
    table = foreign.table.only(used)

    def part(rows: NDArray[np.intp]) -> pd.Series:
        silent = replace(foreign, table=table.taken(rows), notes=[])
        return silent.values(
            column, rule, {name: one.iloc[rows].reset_index(drop=True) for name, one in read.items()}
        )

    singly = foreign.dataset in single.DATASETS
    return faults.read(column.name, part, Cells.of(table, used[0]), singly=singly)


def _used(table: RawTable, rule: ColumnRule) -> list[str]:
    """Return the headers of a table that a rule reads; none where one that it names is not there."""
    if any(header not in table.columns for header in rule.headers):
        return []
    return [*rule.headers, *(header for header in table.columns if rule.finds(header))]


def _dialect(mapping: TableMap) -> Dialect:
    return replace(mapping.dialect, delimiter=None if mapping.delimiter == "," else mapping.delimiter)


def _of_long(mapping: TableMap) -> set[str]:
    return set() if mapping.long is None else {mapping.long.signal, mapping.long.value}


def _wanted(table: RawTable, mapping: TableMap) -> tuple[RawTable, tuple[str, ...]]:
    """Return the rows that have the mapping's words, and a note on those that were passed over."""
    if not mapping.where:
        return table, ()
    chosen = np.ones(table.rows, dtype=bool)
    for name, words in mapping.where.items():
        chosen &= Cells.found(table, name).text().isin(words).to_numpy()
    if not chosen.any():
        raise EmptyFileError("holds no row that the mapping's `where` wants", file=table.file)
    if chosen.all():
        return table, ()
    return table.taken(np.flatnonzero(chosen)), (f"{int((~chosen).sum())} rows were passed over by `where`",)


def _ignored(table: RawTable, mapping: TableMap, used: set[str]) -> tuple[str, ...]:
    known = used | _of_long(mapping)

    def read(header: str) -> bool:
        return header in known or any(rule.finds(header) for rule in mapping.columns.values())

    return table.ignored(read)
