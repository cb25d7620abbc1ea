"""A Pyomo model inside HiGHS: compiled to matrices, passed in memory, re-solved warm as rows are added.

Compiling with Pyomo's LinearStandardFormCompiler and passing arrays has a fraction of the overhead of Pyomo's
own HiGHS interfaces, and rows, columns and duals stay addressable by Pyomo component.
"""

from __future__ import annotations

import math

import highspy
import numpy as np
import numpy.typing as npt
import pyomo.environ as pyo
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler, LinearStandardFormInfo

from optimize.errors import SolverError, TimeLimitError

OPTIONS: dict[str, bool | int | float | str] = {
    "output_flag": False,
    "threads": 1,
    "random_seed": 0,
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
    "mip_feasibility_tolerance": 1e-9,
    "mip_rel_gap": 1e-6,
    "mip_abs_gap": 1e-7,
}
UNUSED = -1


class HighsProgram:
    """A compiled model to be minimised; `mode` and the model's size are named in every error."""

    def __init__(self, model: pyo.ConcreteModel, mode: str) -> None:
        form = LinearStandardFormCompiler().write(model, mixed_form=True)
        self._mode = mode
        self._column = {id(variable): j for j, variable in enumerate(form.columns)}
        self._row = {id(row.constraint): j for j, row in enumerate(form.rows)}
        self._highs = highspy.Highs()
        for name, value in OPTIONS.items():
            self._require_ok(self._highs.setOptionValue(name, value), f"option {name}")
        self._require_ok(self._highs.passModel(self._lp(form)), "passing the model")

    @property
    def size(self) -> str:
        """Columns and rows in words."""
        return f"{self.columns} columns and {self.rows} rows"

    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self._highs.getNumCol())

    @property
    def rows(self) -> int:
        """Number of rows, added ones included."""
        return int(self._highs.getNumRow())

    @property
    def seconds(self) -> float:
        """Time spent solving so far."""
        return float(self._highs.getRunTime())

    def column(self, variable: pyo.Var) -> int:
        """The column of a Pyomo variable, or UNUSED if the model never mentions it."""
        return self._column.get(id(variable), UNUSED)

    def add_row(self, lower: float, upper: float, columns: list[int], coefficients: list[float]) -> None:
        """Add lower ≤ Σ coefficients·columns ≤ upper; the next run starts warm."""
        status = self._highs.addRow(
            lower, upper, len(columns), np.array(columns, dtype=np.int32), np.array(coefficients)
        )
        self._require_ok(status, "adding a row")

    def fix_integers(self, columns: list[int], values: npt.NDArray[np.float64]) -> None:
        """Turn integer columns into constants, so that what remains is an LP."""
        for column, value in zip(columns, values, strict=True):
            self._highs.changeColIntegrality(column, highspy.HighsVarType.kContinuous)
            self._highs.changeColBounds(column, value, value)

    def free_binaries(self, columns: list[int]) -> None:
        """Undo `fix_integers` for binaries."""
        for column in columns:
            self._highs.changeColBounds(column, 0.0, 1.0)
            self._highs.changeColIntegrality(column, highspy.HighsVarType.kInteger)

    def suggest(self, columns: list[int], values: npt.NDArray[np.float64]) -> None:
        """Offer a start for the integer columns; HiGHS completes it and drops it if it cannot."""
        self._highs.setSolution(len(columns), np.array(columns, dtype=np.int32), values)

    def run(self, seconds_allowed: float) -> bool:
        """Solve; True if optimal, False if the time ran out on a feasible point of a program with integers.

        Raises TimeLimitError where time ran out otherwise, SolverError for any other end.
        """
        self._highs.setOptionValue("time_limit", self.seconds + max(seconds_allowed, 0.0))
        self._highs.run()
        status = self._highs.getModelStatus()
        if status in (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kModelEmpty):
            return True
        word = self._highs.modelStatusToString(status)
        if status != highspy.HighsModelStatus.kTimeLimit:
            raise SolverError(self._mode, word, self.size)
        if not math.isfinite(self._highs.getInfo().mip_gap):
            raise TimeLimitError(self._mode, word, self.size)
        return False

    def objective(self) -> float:
        """Minimised objective of the last run."""
        return float(self._highs.getInfo().objective_function_value)

    def mip_bound(self) -> float:
        """Proven lower bound of the last run with integer columns."""
        return float(self._highs.getInfo().mip_dual_bound)

    def values(self) -> npt.NDArray[np.float64]:
        """Column values of the last run."""
        return np.array(self._highs.getSolution().col_value)

    def row_dual(self, constraint: pyo.Constraint, duals: npt.NDArray[np.float64]) -> float:
        """The dual of a Pyomo constraint out of `duals()`."""
        return float(duals[self._row[id(constraint)]])

    def duals(self) -> npt.NDArray[np.float64]:
        """Row duals of the last run, d objective / d right-hand side."""
        return np.array(self._highs.getSolution().row_dual)

    def _lp(self, form: LinearStandardFormInfo) -> highspy.HighsLp:
        cost = form.c.toarray()[0]
        rhs = np.asarray(form.rhs, dtype=np.float64)
        kind = np.array([row.bound_type for row in form.rows])
        lower = np.array([-np.inf if v.lb is None else v.lb for v in form.columns])
        upper = np.array([np.inf if v.ub is None else v.ub for v in form.columns])
        self._require_numbers(cost, form.A.data, rhs, lower, upper)
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(form.columns), len(form.rows)
        lp.col_cost_, lp.offset_ = cost, float(form.c_offset[0])
        lp.col_lower_, lp.col_upper_ = lower, upper
        lp.row_lower_ = np.where(kind <= 0, rhs, -np.inf)
        lp.row_upper_ = np.where(kind >= 0, rhs, np.inf)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_ = form.A.indptr
        lp.a_matrix_.index_ = form.A.indices
        lp.a_matrix_.value_ = form.A.data
        if any(v.is_binary() for v in form.columns):
            lp.integrality_ = [
                highspy.HighsVarType.kInteger if v.is_binary() else highspy.HighsVarType.kContinuous
                for v in form.columns
            ]
        return lp

    def _require_numbers(self, cost: npt.NDArray[np.float64], *arrays: npt.NDArray[np.float64]) -> None:
        if not np.isfinite(cost).all() or any(np.isnan(array).any() for array in arrays):
            raise SolverError(self._mode, "a coefficient is not a number", "the compiled model")

    def _require_ok(self, status: highspy.HighsStatus, what: str) -> None:
        if status != highspy.HighsStatus.kOk:
            raise SolverError(self._mode, f"HiGHS refused {what}", self.size)
