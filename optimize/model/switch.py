"""Binaries, added only where a solution without them breaks a rule. Symbols: see the package."""

from __future__ import annotations

from functools import cache

import pyomo.environ as pyo

from optimize.model.pattern import Pattern, Template, compile_pattern


@cache
def direction_pattern(*, below: bool, above: bool, minimum: bool, discharges: bool) -> Pattern:
    """Either charge or discharge, on with at least the minimum power or off.

    below, above: the session arrives outside its SoC bounds; discharging must not end below the lower, nor
    charging above the upper. Without minimum powers one binary does: y, and 1 − y for charging. What goes in
    alone must fit and what comes out alone be there: e⁻ + Δt·c ≤ ceiling, e⁻ − Δt·d ≥ floor. That follows for
    whole y and z, and keeps fractions from burning energy in a full or an empty battery.
    """
    m = Template()
    m.parameters("hours", "charge_limit", "discharge_limit", "floor", "ceiling", "lowest", "highest")
    m.foreign("charge", "energy", "energy_before")
    m.discharging = pyo.Var(domain=pyo.Binary)
    if minimum:
        m.parameters("min_charge", "min_discharge")
        m.charging = pyo.Var(domain=pyo.Binary)
        charging = m.charging
        m.one_way = pyo.Constraint(expr=m.charging + m.discharging <= 1.0)
        m.charge_least = pyo.Constraint(expr=m.charge - m.min_charge * charging >= 0.0)
    else:
        charging = 1.0 - m.discharging
    m.charge_on = pyo.Constraint(expr=m.charge - m.charge_limit * charging <= 0.0)
    m.charge_fits = pyo.Constraint(expr=m.energy_before + m.hours * m.charge <= m.ceiling)
    if discharges:
        m.foreign("discharge")
        m.discharge_on = pyo.Constraint(expr=m.discharge - m.discharge_limit * m.discharging <= 0.0)
        m.discharge_there = pyo.Constraint(expr=m.energy_before - m.hours * m.discharge >= m.floor)
        if minimum:
            m.discharge_least = pyo.Constraint(expr=m.discharge - m.min_discharge * m.discharging >= 0.0)
    if below:
        m.ends_above = pyo.Constraint(expr=m.energy - (m.lowest - m.floor) * m.discharging >= m.floor)
    if above:
        m.ends_below = pyo.Constraint(expr=m.energy + (m.ceiling - m.highest) * charging <= m.ceiling)
    return compile_pattern(m)


@cache
def meter_switch_pattern() -> Pattern:
    """Either import or export at a common meter: g⁺ ≤ G⁺·(1 − y),  g⁻ ≤ G⁻·y."""
    m = Template()
    m.parameters("import_most", "export_most")
    m.foreign("drawn", "fed")
    m.exporting = pyo.Var(domain=pyo.Binary)
    m.drawn_on = pyo.Constraint(expr=m.drawn + m.import_most * m.exporting <= m.import_most)
    m.fed_on = pyo.Constraint(expr=m.fed - m.export_most * m.exporting <= 0.0)
    return compile_pattern(m)


@cache
def bid_switch_pattern() -> Pattern:
    """A bid of 0, or of at least its minimum: min·z ≤ b ≤ max·z."""
    m = Template()
    m.parameters("least", "most")
    m.foreign("bid")
    m.offered = pyo.Var(domain=pyo.Binary)
    m.bid_least = pyo.Constraint(expr=m.bid - m.least * m.offered >= 0.0)
    m.bid_most = pyo.Constraint(expr=m.bid - m.most * m.offered <= 0.0)
    return compile_pattern(m)
