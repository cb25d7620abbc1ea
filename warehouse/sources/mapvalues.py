"""A column's rule and a foreign table → the values of that column."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.contracts import Column, Kind
from warehouse.errors import ColumnError, OptionError, nearest
from warehouse.sources import single
from warehouse.sources.cells import Cells
from warehouse.sources.counters import Flow, flow_of
from warehouse.sources.localtime import INTERVALS_BACK, SAMPLES_BACK, utc_of
from warehouse.sources.maprules import ColumnRule, CounterRule, SignRule, TableMap
from warehouse.sources.nulls import MEASURED, floats, without_words
from warehouse.sources.rawtable import RawTable


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MappedTable:
    """A foreign table under its mapping; notes: what is to be reported of its cells, as it is read."""

    dataset: str
    table: RawTable
    mapping: TableMap
    notes: list[str] = field(default_factory=list)

    def values(self, column: Column, rule: ColumnRule | None, read: Mapping[str, pd.Series]) -> pd.Series:
        """Return a column of the dataset; read: those that came before it. Raises SourceError."""
        used = rule or ColumnRule()
        match column.kind:
            case Kind.TIME:
                return self.times(self._cells(column, used, rule is None), used, self._owner(read))
            case Kind.FLOAT:
                return self._floats(column, rule, read)
            case Kind.INT:
                decimal = "." if used.header is None else self.mapping.decimal
                cells = self._cells(column, used, rule is None)
                return self._read(cells, lambda one: one.integers(decimal, used.factor))
        return self._texts(self._cells(column, used, rule is None), used)

    def times(self, cells: Cells, rule: ColumnRule, owner: pd.Series | None) -> pd.Series:
        """Return UTC times; owner: whose rows they are, where rows are series."""
        cells = self._without(cells, rule)
        if rule.since is not None:
            counted = self._numbers(cells, ()) * (rule.unix_seconds or 1.0)
            cells.refuse_first(counted.abs() > 4e9, "is no time since the start that the mapping tells")
            return cells.plausible(
                rule.since.as_unit("us") + pd.to_timedelta((counted * 1e6).round().astype("Int64"), unit="us")
            ).astype("datetime64[us, UTC]")
        if (factor := rule.unix_seconds) is not None:
            return self._read(cells, lambda one: one.epoch_seconds(factor))
        zone, pattern = self.mapping.timezone, rule.time_format
        if rule.constant is not None or (zone is None and pattern is None):
            return self._read(cells, Cells.times)
        if pattern is not None and "%z" in pattern:
            return self._read(cells, lambda one: one.zoned_times(pattern))
        wall = self._read(cells, lambda one: one.wall_times(pattern or "ISO8601"))
        if zone is None:
            raise OptionError("is needed for times without an offset", file=cells.file, column="timezone")
        alone = self.dataset in single.DATASETS
        times, notes = utc_of(
            cells, wall, zone, owner, least_back=INTERVALS_BACK if alone else SAMPLES_BACK, singly=alone
        )
        self.notes.extend(notes)
        return times

    def _owner(self, read: Mapping[str, pd.Series]) -> pd.Series | None:
        """Return whose row each is, where the rows of one are a series in time."""
        if self.dataset in MEASURED:
            return read.get("battery_id")
        zone, direction = read.get("zone"), read.get("direction")
        return zone if zone is None or direction is None else zone + " " + direction

    def _read(self, cells: Cells, read: Callable[[Cells], pd.Series]) -> pd.Series:
        """Return what is read of a column; of rows that stand for themselves past single bad cells."""
        if self.dataset not in single.DATASETS:
            return read(cells)
        values, notes = single.spared(cells, read)
        self.notes.extend(notes)
        return values

    def _floats(self, column: Column, rule: ColumnRule | None, read: Mapping[str, pd.Series]) -> pd.Series:
        if rule is None:
            return pd.Series(np.full(self.table.rows, np.nan))
        if rule.constant is not None:
            return self._cells(column, rule, False).floats()
        if rule.apart is not None:
            return self._apart(column, rule.apart, rule) * rule.factor + rule.offset
        if rule.over is not None:
            return self._over(column, rule) * rule.factor + rule.offset
        if rule.counter is not None:
            values = self._counted(column, rule.counter, rule, read) * rule.factor
        else:
            values = self._numbers(self._cells(column, rule, False), rule.nulls) * rule.factor + rule.offset
        if rule.sign is not None:
            values = values * self._way(column, rule.sign, values)
        if rule.power:
            volts = read["voltage_v"]
            values = (values / volts.where(volts > 0.0)).where(values != 0.0, values)
        return values

    def _apart(self, column: Column, names: tuple[str, str], rule: ColumnRule) -> pd.Series:
        """Return charge less discharge; where one of both is empty, nothing flows that way."""
        both = []
        for name in names:
            cells = self._column(name, column)
            values = self._numbers(cells, rule.nulls)
            cells.refuse_first(values < 0, "is negative: charge and discharge are magnitudes")
            both.append(values)
        charge, discharge = both
        flows = charge.fillna(0.0) - discharge.fillna(0.0)
        return flows.where(charge.notna() | discharge.notna())

    def _counted(
        self, column: Column, counter: CounterRule, rule: ColumnRule, read: Mapping[str, pd.Series]
    ) -> pd.Series:
        """Return what flows by the counters, charge less discharge, in their unit an hour."""
        if "time_utc" not in read:
            raise OptionError(
                "belongs to samples, which have a time_utc", file=self.table.file, column="counter"
            )
        flows = []
        for name in counter.headers:
            cells = self._column(name, column)
            counted = self._numbers(cells, rule.nulls)
            cells.refuse_first(counted < 0, "is negative, as no counter of one direction is")
            flow = flow_of(counted, read["time_utc"], read.get("battery_id"), counter.longest_s)
            flows.append(flow.rate)
            self._report(cells, counted, flow, counter)
        return flows[0] if len(flows) == 1 else flows[0] - flows[1]

    def _report(self, cells: Cells, counted: pd.Series, flow: Flow, counter: CounterRule) -> None:
        if flow.resets.size:
            rows = ", ".join(f"{cells.row(int(at))} (to {counted.iloc[at]:g})" for at in flow.resets[:3])
            more = f" and {flow.resets.size - 3} more" if flow.resets.size > 3 else ""
            self.notes.append(
                f"column {cells.column!r}: went back in row {rows}{more}: it began anew, what flowed "
                "until then is not known"
            )
        if flow.gaps:
            self.notes.append(
                f"column {cells.column!r}: {flow.gaps} × more than {counter.longest_s / 60:g} min lie "
                "between two rows: no row tells what flowed then"
            )

    def _over(self, column: Column, rule: ColumnRule) -> pd.Series:
        names = [name for name in self.table.columns if rule.finds(name)]
        if not names:
            raise ColumnError(
                f"finds no column, which the mapping names for {column.name}",
                file=self.table.file, column=str(rule.header),
            )  # fmt: skip
        values = np.stack([self._numbers(self._column(name, column), rule.nulls) for name in names])
        known = ~np.isnan(values).all(axis=0)
        found = np.full(self.table.rows, np.nan)
        values = values[:, known]
        match rule.over:
            case "min":
                found[known] = np.nanmin(values, axis=0)
            case "max":
                found[known] = np.nanmax(values, axis=0)
            case _:
                found[known] = np.nanmean(values, axis=0)
        return pd.Series(found)

    def _way(self, column: Column, sign: SignRule, values: pd.Series) -> pd.Series:
        """Return +1, −1 or 0 by the words of the column that tells the way of a magnitude."""
        cells = self._column(sign.header, column)
        words = cells.text()
        way = pd.Series(
            np.where(words.isin(sign.charge), 1.0, np.where(words.isin(sign.discharge), -1.0, 0.0))
        )
        cells.refuse_first(
            values.lt(0.0) & way.ne(0.0), "tells the way of a current that has a sign of its own"
        )
        return way.where(words.notna())

    def _texts(self, cells: Cells, rule: ColumnRule) -> pd.Series:
        cells, words = self._without(cells, rule), rule.words
        return cells.text() if words is None else self._read(cells, lambda one: _translated(one, words))

    def _cells(self, column: Column, rule: ColumnRule, absent: bool) -> Cells:
        rows = self.table.rows
        if absent:
            kind = {Kind.FLOAT: pa.float64(), Kind.INT: pa.int64()}.get(column.kind, pa.string())
            return Cells(file=self.table.file, column=column.name, data=pa.nulls(rows, kind))
        if rule.joined:
            first, *more = (self._column(name, column) for name in rule.joined)
            data = first.data.cast(pa.string())
            for cells in more:
                data = pc.binary_join_element_wise(data, cells.data.cast(pa.string()), " ")
            return replace(first, column=" ".join(rule.joined), data=data)
        if rule.header is None:
            data = pa.array([rule.constant]).take(pa.array(np.zeros(rows, dtype="int64")))
            return Cells(file=self.table.file, column=column.name, data=data)
        return self._column(rule.header, column)

    def _column(self, name: str, column: Column) -> Cells:
        if name not in self.table.columns:
            raise ColumnError(
                f"is missing, which the mapping names for {column.name}{nearest(name, self.table.columns)}",
                file=self.table.file, column=name,
            )  # fmt: skip
        return Cells.of(self.table, name)

    def _numbers(self, cells: Cells, nulls: tuple[str, ...]) -> pd.Series:
        """Return the numbers of a column of the file, without what stands for nothing."""
        mark = self.mapping.thousands
        if mark is not None and pa.types.is_string(cells.data.type):
            point = re.escape(self.mapping.decimal)
            grouped = rf"^[+-]?[0-9]{{1,3}}({re.escape(mark)}[0-9]{{3}})*({point}[0-9]*)?$"
            marked = pc.match_substring(cells.data, mark)
            whole = pc.match_substring_regex(cells.data, grouped)
            cells.refuse_first(pc.and_not(marked, whole), f"has {mark!r} where no thousands end")
            cells = replace(cells, data=pc.replace_substring(cells.data, mark, ""))
        words = [word for word in (*self.mapping.nulls, *nulls) if not _is_number(word)]
        values, notes = floats(cells, self.dataset, self.mapping.decimal, words)
        self.notes.extend(notes)
        figures = [float(word) for word in (*self.mapping.nulls, *nulls) if _is_number(word)]
        nothing = values.isin(figures)
        if figures and nothing.any():
            self.notes.append(
                f"column {cells.column!r}: {int(nothing.sum())} × {values[nothing].iloc[0]:g} was read as no "
                f"value (first in row {cells.row(int(nothing.to_numpy().argmax()))})"
            )
        return values.mask(nothing)

    def _without(self, cells: Cells, rule: ColumnRule) -> Cells:
        cells, notes = without_words(cells, (*self.mapping.nulls, *rule.nulls))
        self.notes.extend(notes)
        return cells


def _translated(cells: Cells, words: Mapping[str, str]) -> pd.Series:
    text = cells.text()
    ours = text.map(words)
    cells.refuse_first(text.notna() & ours.isna(), "has no entry in the mapping's values")
    return ours.astype("str")


def _is_number(word: str) -> bool:
    try:
        return bool(np.isfinite(float(word)))
    except ValueError:
        return False
