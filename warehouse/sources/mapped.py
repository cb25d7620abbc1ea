"""A foreign table and its mapping → rows of a dataset."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from warehouse.contracts import Column, Kind, dataset_contract
from warehouse.errors import ColumnError, OptionError, nearest
from warehouse.sources.cells import Cells
from warehouse.sources.mapping import ColumnRule, TableMap
from warehouse.sources.packs import OPTIONS as PACK_OPTIONS
from warehouse.sources.packs import to_pack
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.received import Received, as_told

OPTIONS = PACK_OPTIONS | {"mapping"}


def parse_mapped(dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return the rows of a foreign file; options: mapping (TableMap), level, cars, received.

    Raises SourceError.
    """
    mapping = options.get("mapping")
    if not isinstance(mapping, TableMap):
        raise OptionError("needs a mapping file", file=file.name, column="mapping")
    table = read_table(file, delimiter=mapping.delimiter)
    columns, spelling = {}, {}
    for column in dataset_contract(dataset):
        rule = mapping.columns.get(column.name)
        if rule is None and column.name in table.columns:
            rule = ColumnRule(header=column.name)
        if rule is None and not column.nullable:
            raise ColumnError(
                "is missing, and the mapping does not say what it is", file=file.name, column=column.name
            )
        columns[column.name] = _values(column, rule, mapping, table)
        if rule is not None and rule.header is not None and rule.offset == 0.0:
            spelling[column.name] = (rule.header, 1.0 / rule.factor)
    frame = pd.DataFrame(columns).assign(source_row=np.arange(1, table.rows + 1))
    used = {rule.header for rule in mapping.columns.values()} | set(columns)
    if isinstance(told := options.get("received"), Received):
        cells = Cells.found(table, str(told.column))
        rule = ColumnRule(time_format=told.time_format, unix_seconds=told.unix_seconds)
        frame["received_utc"] = as_told(cells, _times(cells, rule, mapping))
        used.add(told.column)
    ignored = tuple(f"column {header!r} was ignored" for header in table.columns if header not in used)
    return to_pack(dataset, Parsed(frame=frame, spelling=spelling, notes=ignored), options, file.name)


def _values(column: Column, rule: ColumnRule | None, mapping: TableMap, table: RawTable) -> pd.Series:
    if rule is None:
        kind = {Kind.FLOAT: pa.float64(), Kind.INT: pa.int64()}.get(column.kind, pa.string())
        cells = Cells(file=table.file, column=column.name, data=pa.nulls(table.rows, kind))
    elif rule.header is None:
        data = pa.array([rule.constant]).take(pa.array(np.zeros(table.rows, dtype="int64")))
        cells = Cells(file=table.file, column=column.name, data=data)
    elif rule.header not in table.columns:
        raise ColumnError(
            f"is missing, which the mapping names for {column.name}{nearest(rule.header, table.columns)}",
            file=table.file, column=rule.header,
        )  # fmt: skip
    else:
        cells = Cells.of(table, rule.header)
    used = rule or ColumnRule()
    decimal = "." if used.header is None else mapping.decimal
    match column.kind:
        case Kind.TIME:
            return _times(cells, used, mapping)
        case Kind.FLOAT:
            return cells.floats(decimal) * used.factor + used.offset
        case Kind.INT:
            return cells.integers(decimal, used.factor)
    return _texts(cells, used)


def _texts(cells: Cells, rule: ColumnRule) -> pd.Series:
    text = cells.text()
    if rule.words is None:
        return text
    ours = text.map(rule.words)
    cells.refuse_first(text.notna() & ours.isna(), "has no entry in the mapping's values")
    return ours.astype("str")


def _times(cells: Cells, rule: ColumnRule, mapping: TableMap) -> pd.Series:
    if rule.unix_seconds is not None:
        return cells.epoch_seconds(rule.unix_seconds)
    if rule.constant is not None or (mapping.timezone is None and rule.time_format is None):
        return cells.times()
    if rule.time_format is not None and "%z" in rule.time_format:
        return cells.zoned_times(rule.time_format)
    wall = cells.wall_times(rule.time_format or "ISO8601")
    if mapping.timezone is None:
        raise OptionError("is needed for times without an offset", file=cells.file, column="timezone")
    local = wall.dt.tz_localize(mapping.timezone, ambiguous="NaT", nonexistent="NaT")
    cells.refuse_first(
        wall.notna() & local.isna(),
        f"is an hour that {mapping.timezone} has twice or never on that day; export the file in UTC",
    )
    return pd.Series(local.dt.tz_convert("UTC"), dtype="datetime64[us, UTC]")
