"""What a session owes and what a car's day wears. Symbols: see the package."""

from __future__ import annotations

from functools import cache

import pyomo.environ as pyo

from optimize.model.pattern import Pattern, Template, compile_pattern


@cache
def session_pattern() -> Pattern:
    """A session: departure with what is missing, and the worth of what it leaves in store."""
    m = Template()
    departure(m)
    m.benefit = pyo.Objective(
        expr=m.terminal_value * (m.energy_end - m.energy_begin) - m.departure_price * m.missing,
        sense=pyo.maximize,
    )
    return compile_pattern(m)


def departure(m: Template) -> None:
    """m_s ≥ target_s − e_end(s),  m_s ≥ 0."""
    m.parameters("target", "terminal_value", "departure_price")
    m.foreign("energy_begin", "energy_end")
    m.missing = pyo.Var(bounds=(0.0, None))
    m.departure = pyo.Constraint(expr=m.missing + m.energy_end >= m.target)


@cache
def car_pattern() -> Pattern:
    """A car that may discharge: its duty and its wear."""
    m = Template()
    duty(m)
    m.benefit = pyo.Objective(expr=-m.wear, sense=pyo.maximize)
    return compile_pattern(m)


def duty(m: Template) -> None:
    """x = Δt·Σ (d + a·u/η_dis)/capacity, 0 ≤ x ≤ x_max;  w ≥ 0."""
    m.parameters("duty_limit")
    m.foreign("discharged")
    m.duty = pyo.Var(bounds=(0.0, m.duty_limit))
    m.wear = pyo.Var(bounds=(0.0, None))
    m.duty_sum = pyo.Constraint(expr=m.duty - m.discharged == 0.0)


@cache
def contract_pattern() -> Pattern:
    """Σ Δt·d ≤ what the car's contract lets be discharged in a day."""
    m = Template()
    m.parameters("v2g_limit")
    m.foreign("discharged")
    m.contract = pyo.Constraint(expr=m.discharged <= m.v2g_limit)
    return compile_pattern(m)


@cache
def wear_cut_pattern() -> Pattern:
    """w ≥ C(x̂) + C'(x̂)·(x − x̂): a tangent to the wear price, exact where that is linear."""
    m = Template()
    m.parameters("slope", "height")
    m.foreign("duty", "wear")
    m.wear_cut = pyo.Constraint(expr=m.wear - m.slope * m.duty >= m.height)
    return compile_pattern(m)
