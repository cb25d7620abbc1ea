"""A linear programme inside HiGHS: passed as arrays, re-solved warm as rows and columns are added."""

from __future__ import annotations

import math
from collections.abc import Mapping

import highspy
import numpy as np
from scipy.sparse import csc_array

from optimize.arrays import FloatArray
from optimize.errors import SolverError, TimeLimitError
from optimize.model.assembly import IntArray, LinearProgramme

Options = Mapping[str, bool | int | float | str]
OPTIONS: Options = {
    "output_flag": False,
    "threads": 1,
    "random_seed": 0,
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
    "mip_feasibility_tolerance": 1e-9,
    "mip_rel_gap": 1e-6,
    "mip_abs_gap": 1e-7,
}
DUST = 1e-9
INTERIOR_POINT: Options = {
    "solver": "ipm",
    "run_crossover": "off",
    "primal_feasibility_tolerance": 1e-7,
    "dual_feasibility_tolerance": 1e-7,
}
"""For large programmes whose answer need not be a vertex: finding one takes several times the solution."""

FEW_SUBSEARCHES: Options = {"mip_heuristic_run_rens": False, "mip_heuristic_run_root_reduced_cost": False}
"""For net benefit: good integer solutions are near, and searches within the search take most of the time."""


class HighsProgram:
    """A programme to be minimised; `mode` and the size are named in every error."""

    def __init__(self, programme: LinearProgramme, mode: str, options: Options | None = None) -> None:
        self._mode = mode
        self._integers = False
        self._highs = highspy.Highs()
        self.set_options({**OPTIONS, **(options or {})})
        self._require_numbers(programme)
        self._require_ok(self._highs.passModel(_lp(programme)), "passing the model")

    def set_options(self, options: Options) -> None:
        """Set options of HiGHS from the next run on."""
        for name, value in options.items():
            self._require_ok(self._highs.setOptionValue(name, value), f"option {name}")

    @property
    def size(self) -> str:
        """Columns and rows in words."""
        return f"{self.columns} columns and {self.rows} rows"

    @property
    def seconds(self) -> float:
        """Time spent solving so far."""
        return float(self._highs.getRunTime())

    @property
    def columns(self) -> int:
        """Number of columns, added ones included."""
        return int(self._highs.getNumCol())

    @property
    def rows(self) -> int:
        """Number of rows, added ones included."""
        return int(self._highs.getNumRow())

    def extend(self, more: LinearProgramme) -> None:
        """Add columns and rows; the next run starts warm. The offset stays."""
        self._require_numbers(more)
        width, none = more.cost.size, np.zeros(0, dtype=np.int32)
        if width:
            nothing = np.zeros(width + 1, dtype=np.int32)
            status = self._highs.addCols(
                width, more.cost, more.lower, more.upper, 0, nothing, none, np.zeros(0)
            )
            self._require_ok(status, "adding columns")
        if more.row_lower.size:
            rows = _without_dust(more.matrix).tocsr()
            status = self._highs.addRows(
                more.row_lower.size,
                more.row_lower,
                more.row_upper,
                rows.nnz,
                rows.indptr.astype(np.int32),
                rows.indices.astype(np.int32),
                rows.data,
            )
            self._require_ok(status, "adding rows")

    def set_cost(self, cost: FloatArray, offset: float) -> None:
        """Minimise something else: cost by column, 0 for columns beyond."""
        full = np.zeros(self.columns)
        full[: cost.size] = cost
        numbers = np.arange(full.size, dtype=np.int32)
        self._require_ok(self._highs.changeColsCost(full.size, numbers, full), "changing costs")
        self._require_ok(self._highs.changeObjectiveOffset(offset), "changing the offset")

    def fix(self, columns: IntArray, values: FloatArray) -> None:
        """Turn all integer columns into constants, so that what remains is an LP."""
        self._integers = False
        for column, value in zip(columns.tolist(), values.tolist(), strict=True):
            self._highs.changeColIntegrality(column, highspy.HighsVarType.kContinuous)
            self._highs.changeColBounds(column, value, value)

    def relax(self, columns: IntArray) -> None:
        """Undo `fix` but leave the columns continuous between 0 and 1."""
        for column in columns.tolist():
            self._highs.changeColBounds(column, 0.0, 1.0)

    def free_binaries(self, columns: IntArray) -> None:
        """Undo `fix` for binaries."""
        self._integers = self._integers or columns.size > 0
        for column in columns.tolist():
            self._highs.changeColBounds(column, 0.0, 1.0)
            self._highs.changeColIntegrality(column, highspy.HighsVarType.kInteger)

    def bound_columns(self, columns: IntArray, upper: FloatArray) -> None:
        """Keep columns between 0 and other upper bounds."""
        for column, high in zip(columns.tolist(), upper.tolist(), strict=True):
            self._require_ok(self._highs.changeColBounds(column, 0.0, high), "changing a column's bounds")

    def bound_rows(self, rows: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """Give rows other bounds."""
        for row, low, high in zip(rows.tolist(), lower.tolist(), upper.tolist(), strict=True):
            self._require_ok(self._highs.changeRowBounds(row, low, high), "changing a row's bounds")

    def suggest(self, columns: IntArray, values: FloatArray) -> None:
        """Offer a start for the integer columns; HiGHS completes it and drops it if it cannot."""
        self._highs.setSolution(columns.size, columns.astype(np.int32), values)

    def run(self, seconds_allowed: float) -> bool:
        """Solve; True if optimal, False if the time ran out on a feasible point of a program with integers.

        Raises TimeLimitError where time ran out otherwise, SolverError for any other end.
        """
        if not self.run_if_feasible(seconds_allowed):
            raise SolverError(self._mode, "Infeasible", self.size)
        return bool(self._highs.getModelStatus() != highspy.HighsModelStatus.kTimeLimit)

    def run_if_feasible(self, seconds_allowed: float) -> bool:
        """As `run`, but False if infeasible and True otherwise."""
        # HiGHS counts a linear programme's limit from the first of all runs, an integer one's from its own.
        spent = 0.0 if self._integers else self.seconds
        self._highs.setOptionValue("time_limit", spent + max(seconds_allowed, 0.0))
        self._highs.run()
        status = self._highs.getModelStatus()
        ends = highspy.HighsModelStatus
        if status == ends.kModelEmpty:  # without columns HiGHS does not look at the rows
            rows = self._highs.getLp()
            return bool(np.all(np.array(rows.row_lower_) <= 0.0) and np.all(np.array(rows.row_upper_) >= 0.0))
        if status == ends.kOptimal:
            return True
        if status in (ends.kInfeasible, ends.kUnboundedOrInfeasible):  # no cost here falls without end
            return False
        word = self._highs.modelStatusToString(status)
        if status != ends.kTimeLimit:
            raise SolverError(self._mode, word, self.size)
        if not math.isfinite(self._highs.getInfo().mip_gap):
            raise TimeLimitError(self._mode, word, self.size)
        return True

    def objective(self) -> float:
        """Minimised objective of the last run."""
        return float(self._highs.getInfo().objective_function_value)

    def mip_bound(self) -> float:
        """Proven lower bound of the last run with integer columns."""
        return float(self._highs.getInfo().mip_dual_bound)

    def values(self) -> FloatArray:
        """Column values of the last run."""
        return np.array(self._highs.getSolution().col_value, dtype=np.float64)

    def row_duals(self) -> FloatArray:
        """d objective / d right-hand side of each row in the last run."""
        return np.array(self._highs.getSolution().row_dual, dtype=np.float64)

    def column_duals(self) -> FloatArray:
        """Reduced cost of each column in the last run."""
        return np.array(self._highs.getSolution().col_dual, dtype=np.float64)

    def _require_numbers(self, programme: LinearProgramme) -> None:
        bounds = (programme.lower, programme.upper, programme.row_lower, programme.row_upper)
        finite = np.isfinite(programme.cost).all() and np.isfinite(programme.matrix.data).all()
        if not finite or any(np.isnan(bound).any() for bound in bounds):
            raise SolverError(self._mode, "a coefficient is not a number", "the compiled model")

    def _require_ok(self, status: highspy.HighsStatus, what: str) -> None:
        if status != highspy.HighsStatus.kOk:
            raise SolverError(self._mode, f"HiGHS refused {what}", self.size)


def _lp(programme: LinearProgramme) -> highspy.HighsLp:
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = programme.cost.size, programme.row_lower.size
    lp.col_cost_, lp.offset_ = programme.cost, programme.offset
    lp.col_lower_, lp.col_upper_ = programme.lower, programme.upper
    lp.row_lower_, lp.row_upper_ = programme.row_lower, programme.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    matrix = _without_dust(programme.matrix)
    lp.a_matrix_.start_ = matrix.indptr
    lp.a_matrix_.index_ = matrix.indices
    lp.a_matrix_.value_ = matrix.data
    return lp


def _without_dust(matrix: csc_array) -> csc_array:
    """The matrix without coefficients that HiGHS would drop with a warning: they mean less than rounding."""
    if matrix.nnz and np.abs(matrix.data).min() <= DUST:
        matrix = matrix.copy()
        matrix.data[np.abs(matrix.data) <= DUST] = 0.0
        matrix.eliminate_zeros()
    return matrix
