"""Patterns stamped into one linear programme, as arrays: columns first, then the rows that tie them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array

from optimize.arrays import BoolArray, FloatArray
from optimize.model.pattern import Affine, Pattern, Value, evaluate

IntArray = npt.NDArray[np.int64]
Data = Mapping[str, FloatArray | float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Terms:
    """What a variable of a pattern stands for in each instance: Σ coefficient·column + constant.

    instance, column, coefficient: one entry a term; constant: [instances].
    """

    instance: IntArray
    column: IntArray
    coefficient: FloatArray
    constant: FloatArray

    @classmethod
    def of(cls, columns: IntArray, known: FloatArray | float = 0.0) -> Terms:
        """One column an instance; where it is −1, the known value."""
        instance = np.flatnonzero(columns >= 0)
        return cls(
            instance=instance,
            column=columns[instance],
            coefficient=np.ones(instance.size),
            constant=np.where(columns >= 0, 0.0, known),
        )

    def gathered(self, target: IntArray, count: int) -> Terms:
        """Sums: each instance's terms added to instance `target` of `count`; −1 drops it."""
        goal = target[self.instance]
        keep = goal >= 0
        constant = np.zeros(count)
        np.add.at(constant, target[target >= 0], self.constant[target >= 0])
        return Terms(
            instance=goal[keep],
            column=self.column[keep],
            coefficient=self.coefficient[keep],
            constant=constant,
        )

    @classmethod
    def joined(cls, parts: list[Terms], constant: FloatArray) -> Terms:
        """The terms of several parts over the same instances; their constants are replaced."""
        none = np.zeros(0, dtype=np.int64)
        return cls(
            instance=np.concatenate([none, *(part.instance for part in parts)]),
            column=np.concatenate([none, *(part.column for part in parts)]),
            coefficient=np.concatenate([np.zeros(0), *(part.coefficient for part in parts)]),
            constant=constant,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearProgramme:
    """min cost·x + offset, lower ≤ x ≤ upper, row_lower ≤ matrix·x ≤ row_upper, x integer where marked."""

    cost: FloatArray
    offset: float
    lower: FloatArray
    upper: FloatArray
    integer: BoolArray
    matrix: csc_array
    row_lower: FloatArray
    row_upper: FloatArray


class Assembly:
    """A programme, or an addition to one that already has some columns and rows, being put together."""

    def __init__(self, columns: int = 0, rows: int = 0) -> None:
        self._first_column, self._first_row = columns, rows
        self.columns, self.rows = columns, rows
        self._bounds: list[tuple[FloatArray, FloatArray, BoolArray]] = []
        self._row_bounds: list[tuple[FloatArray, FloatArray]] = []
        self._entries: list[tuple[IntArray, IntArray, FloatArray]] = []
        self._costs: list[tuple[IntArray, FloatArray]] = []
        self._offset = 0.0

    def add_columns(self, pattern: Pattern, data: Data, count: int) -> dict[str, IntArray]:
        """Columns [count] for each variable that the pattern owns."""
        columns: dict[str, IntArray] = {}
        for name, lower, upper, binary in pattern.own:
            columns[name] = np.arange(self.columns, self.columns + count)
            self.columns += count
            bounds = _bound(lower, -np.inf, data, count), _bound(upper, np.inf, data, count)
            self._bounds.append((*bounds, np.full(count, binary)))
        return columns

    def add_rows(
        self, pattern: Pattern, data: Data, count: int, where: Mapping[str, Terms]
    ) -> dict[str, IntArray]:
        """Rows [count] for each constraint, and the benefit; where: what its variables stand for."""
        numbers: dict[str, IntArray] = {}
        for row in pattern.rows:
            numbers[row.name] = np.arange(self.rows, self.rows + count)
            self.rows += count
            body = _expand(row.body, data, count, where)
            self._entries.append((numbers[row.name][body.instance], body.column, body.coefficient))
            low = _bound(row.lower, -np.inf, data, count) - body.constant
            high = _bound(row.upper, np.inf, data, count) - body.constant
            self._row_bounds.append((low, high))
        benefit = _expand(pattern.benefit, data, count, where)
        self._costs.append((benefit.column, -benefit.coefficient))
        self._offset -= float(benefit.constant.sum())
        return numbers

    def finished(self) -> LinearProgramme:
        """Everything added so far; columns and rows count from where this assembly began."""
        width, height = self.columns - self._first_column, self.rows - self._first_row
        nothing = (np.zeros(0), np.zeros(0))
        lower, upper, integer = (
            np.concatenate(parts)
            for parts in zip(*self._bounds, (*nothing, np.zeros(0, dtype=np.bool_)), strict=True)
        )
        row_lower, row_upper = (
            np.concatenate(parts) for parts in zip(*self._row_bounds, nothing, strict=True)
        )
        none = np.zeros(0, dtype=np.int64)
        rows, columns, values = (
            np.concatenate(parts) for parts in zip(*self._entries, (none, none, np.zeros(0)), strict=True)
        )
        cost = np.zeros(width)
        for column, coefficient in self._costs:
            np.add.at(cost, column - self._first_column, coefficient)
        shape = (height, self.columns)
        matrix = csc_array((values, (rows - self._first_row, columns)), shape=shape)
        matrix.eliminate_zeros()
        return LinearProgramme(
            cost=cost,
            offset=self._offset,
            lower=lower,
            upper=upper,
            integer=integer,
            matrix=matrix,
            row_lower=row_lower,
            row_upper=row_upper,
        )


def summed(pattern: Pattern, name: str, data: Data, count: int, where: Mapping[str, Terms]) -> Terms:
    """One of the pattern's sums for all instances."""
    return _expand(pattern.sums[name], data, count, where)


def _expand(affine: Affine, data: Data, count: int, where: Mapping[str, Terms]) -> Terms:
    parts, constant = [], evaluate(affine.constant, data, count)
    for name, value in affine.terms:
        factor, terms = evaluate(value, data, count), where[name]
        constant += factor * terms.constant
        parts.append(
            Terms(
                instance=terms.instance,
                column=terms.column,
                coefficient=factor[terms.instance] * terms.coefficient,
                constant=terms.constant,
            )
        )
    return Terms.joined(parts, constant)


def _bound(value: Value | None, otherwise: float, data: Data, count: int) -> FloatArray:
    return evaluate(otherwise if value is None else value, data, count)
