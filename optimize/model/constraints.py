"""A user's own constraints, one row each. Symbols: see the package."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import pyomo.environ as pyo

from optimize.model.assembly import Assembly, IntArray, Terms
from optimize.model.pairs import Pairs
from optimize.model.pattern import Pattern, Template, compile_pattern
from optimize.types import DayProblem


@cache
def constraint_pattern() -> Pattern:
    """L ≤ Σ (a·c/η_ch + b·η_dis·d) ≤ U, all divided by the largest coefficient."""
    m = Template()
    m.parameters("least", "most")
    m.foreign("weighed")
    m.own_constraint = pyo.Constraint(expr=pyo.inequality(m.least, m.weighed, m.most))
    return compile_pattern(m)


def add_constraints(
    program: Assembly, problem: DayProblem, pairs: Pairs, columns: Mapping[str, IntArray]
) -> IntArray:
    """The rows of the problem's own constraints, [C]."""
    own = problem.constraints
    if not own:
        return np.zeros(0, dtype=np.int64)
    parts = []
    for number, one in enumerate(own):
        drawn, fed = (part[pairs.car, pairs.slot] / one.largest for part in one.coefficients())
        for column, weight in (
            (columns["charge"], drawn / pairs.data["efficiency_charge"]),
            (columns["discharge"], fed * pairs.data["efficiency_discharge"]),
        ):
            used = np.flatnonzero((column >= 0) & (weight != 0.0))
            parts.append(
                Terms(
                    instance=np.full(used.size, number),
                    column=column[used],
                    coefficient=weight[used],
                    constant=np.zeros(len(own)),
                )
            )
    data = {
        "least": np.array([one.lower / one.largest for one in own]),
        "most": np.array([one.upper / one.largest for one in own]),
    }
    where = {"weighed": Terms.joined(parts, np.zeros(len(own)))}
    return program.add_rows(constraint_pattern(), data, len(own), where)["own_constraint"]
