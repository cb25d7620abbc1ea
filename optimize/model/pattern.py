"""A small Pyomo model compiled once, its parameters left open, to be stamped for any number of instances.

Pyomo takes a good part of a millisecond for every row; a fleet's rows are few kinds of row, repeated.
Each kind is written as a Pyomo model of one instance whose data are mutable parameters. Compiling keeps the
coefficients as expressions of these, and evaluating an expression with arrays gives the coefficients of all
instances at once. Variables of other patterns appear here as foreign ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.gc_manager import PauseGC
from pyomo.core.expr.numvalue import NumericConstant
from pyomo.repn import generate_standard_repn

from optimize.arrays import FloatArray

Value = Any  # a number or a Pyomo expression of parameters


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Affine:
    """Σ coefficient·variable + constant."""

    terms: tuple[tuple[str, Value], ...]
    constant: Value


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """lower ≤ body ≤ upper; None is no bound."""

    name: str
    body: Affine
    lower: Value | None
    upper: Value | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pattern:
    """One instance, by the names of its variables.

    own: (variable, lower, upper, is binary) of those that it brings; benefit: its part of what is maximised;
    sums: affine expressions that other patterns add up. template is kept, for parameters lose their names
    when their model goes.
    """

    template: Template

    own: tuple[tuple[str, Value | None, Value | None, bool], ...]
    rows: tuple[Row, ...]
    benefit: Affine
    sums: Mapping[str, Affine]


class Template(pyo.ConcreteModel):  # type: ignore[misc]
    """A Pyomo model under construction as a pattern: `foreign` and `sums` name its openings."""

    def __init__(self) -> None:
        super().__init__()
        self.foreign_names: list[str] = []
        self.sum_expressions: dict[str, Value] = {}

    def parameters(self, *names: str, count: int | None = None) -> None:
        """Declare open data; with `count`, as vectors."""
        for name in names:
            index = [] if count is None else [range(count)]
            setattr(self, name, pyo.Param(*index, mutable=True, initialize=1.0))

    def foreign(self, *names: str) -> None:
        """Declare variables that other patterns own."""
        for name in names:
            setattr(self, name, pyo.Var())
            self.foreign_names.append(name)


def compile_pattern(m: Template) -> Pattern:
    """Take a finished template apart; every constraint must be linear in its variables."""
    with PauseGC():
        own = [
            (v.name, v.lower, v.upper, v.is_binary())
            for v in m.component_data_objects(pyo.Var)
            if v.name not in m.foreign_names
        ]
        rows = [
            Row(name=c.name, body=_affine(c.body), lower=c.lower, upper=c.upper)
            for c in m.component_data_objects(pyo.Constraint)
        ]
        objectives = list(m.component_data_objects(pyo.Objective))
        return Pattern(
            template=m,
            own=tuple(own),
            rows=tuple(rows),
            benefit=_affine(sum(objective.expr for objective in objectives)),
            sums={name: _affine(expression) for name, expression in m.sum_expressions.items()},
        )


def evaluate(value: Value, data: Mapping[str, FloatArray | float], count: int) -> FloatArray:
    """A number or expression of parameters for all instances, [count]."""
    result: FloatArray = np.empty(count)
    result[:] = _evaluate(value, data)
    return result


def _evaluate(value: Value, data: Mapping[str, FloatArray | float]) -> Any:
    if isinstance(value, (int, float, NumericConstant)):
        return pyo.value(value)
    if value.is_expression_type():
        return value._apply_operation([_evaluate(part, data) for part in value.args])
    return data[value.name]


def _affine(expression: Value) -> Affine:
    form = generate_standard_repn(expression, compute_values=False, quadratic=False)
    if form.nonlinear_expr is not None:
        raise ValueError(f"not linear: {expression}")
    terms: Iterator[tuple[Any, Value]] = zip(form.linear_vars, form.linear_coefs, strict=True)
    return Affine(terms=tuple((v.name, coefficient) for v, coefficient in terms), constant=form.constant)
