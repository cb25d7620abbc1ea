"""Stamped programmes against the whole model written out by Pyomo, instance by instance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import highspy
import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

from optimize.highs import HighsProgram
from optimize.model import build_day
from optimize.model.assembly import Assembly, Data, IntArray, Terms
from optimize.model.pattern import Pattern
from optimize.model.slot import slot_pattern
from optimize.types import Mode
from optimize.windows import session_windows
from tests.optimize.fleets import depot_day
from tests.optimize.mixed import mixed_day


class WrittenOut(Assembly):
    """An assembly that also writes every stamped instance as a Pyomo block, from its template.

    Blocks have variables of their own, each tied by an equation to the columns that it stands for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.model = pyo.ConcreteModel()
        self.model.column = pyo.Var(pyo.NonNegativeIntegers, dense=False)
        self.model.ties = pyo.ConstraintList()
        self.benefits: list[Any] = []

    def add_rows(
        self, pattern: Pattern, data: Data, count: int, where: Mapping[str, Terms]
    ) -> dict[str, IntArray]:
        for n in range(count):
            block = pattern.template.clone()
            for parameter in block.component_data_objects(pyo.Param):
                parameter.set_value(float(np.broadcast_to(data[parameter.name], (count,))[n]))
            self.benefits += [objective.expr for objective in block.component_objects(pyo.Objective)]
            for objective in block.component_objects(pyo.Objective):
                objective.deactivate()
            for variable in block.component_data_objects(pyo.Var):
                terms = where[variable.name]
                mine = terms.instance == n
                shares = zip(terms.column[mine].tolist(), terms.coefficient[mine].tolist(), strict=True)
                total = sum(share * self.model.column[column] for column, share in shares)
                self.model.ties.add(variable == float(terms.constant[n]) + total)
            self.model.add_component(f"block{len(self.model.component_map(pyo.Block))}", block)
        return super().add_rows(pattern, data, count, where)

    def optimum(self) -> float:
        self.model.benefit = pyo.Objective(expr=sum(self.benefits), sense=pyo.maximize)
        form = LinearStandardFormCompiler().write(self.model, mixed_form=True)
        lp, kind = highspy.HighsLp(), np.array([row.bound_type for row in form.rows])
        rhs = np.asarray(form.rhs, dtype=float)
        lp.num_col_, lp.num_row_ = len(form.columns), len(form.rows)
        lp.col_cost_, lp.offset_ = form.c.toarray()[0], float(form.c_offset[0])
        lp.col_lower_ = np.array([-np.inf if v.lb is None else v.lb for v in form.columns])
        lp.col_upper_ = np.array([np.inf if v.ub is None else v.ub for v in form.columns])
        lp.row_lower_ = np.where(kind <= 0, rhs, -np.inf)
        lp.row_upper_ = np.where(kind >= 0, rhs, np.inf)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_ = form.A.indptr, form.A.indices
        lp.a_matrix_.value_ = form.A.data
        highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
        highs.passModel(lp)
        highs.run()
        assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return float(highs.getInfo().objective_function_value)


@pytest.mark.parametrize("seed", range(12))
def test_a_stamped_programme_is_the_one_that_pyomo_writes_out(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = mixed_day(3 * seed, cars=2, slots=6, hours=0.5)
    mode: Mode = "ordered" if seed % 4 == 3 else "v2g"
    written: list[WrittenOut] = []

    def assembly() -> WrittenOut:
        written.append(WrittenOut())
        return written[-1]

    monkeypatch.setattr("optimize.model.day.Assembly", assembly)
    day = build_day(problem, session_windows(problem), mode)
    program = HighsProgram(day.programme, mode)
    assert program.run(10.0)
    assert len(written) == 1
    assert program.objective() == pytest.approx(written[0].optimum(), abs=1e-7)


def test_patterns_are_compiled_once() -> None:
    problem = depot_day(20)
    build_day(problem, session_windows(problem), "v2g")
    before = slot_pattern.cache_info()
    build_day(problem, session_windows(problem), "v2g")
    after = slot_pattern.cache_info()
    assert (after.misses, after.hits > before.hits) == (before.misses, True)
