"""One car in one slot: energy, powers, taper, drawdown, reserve and stability. Symbols: see the package."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pyomo.environ as pyo

from optimize.model.pattern import Pattern, Template, Value, compile_pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotFeatures:
    """Which parts of the formulation a car and slot need; up, down: number of reserve blocks it may serve."""

    discharges: bool
    drawdown: bool
    taper: bool
    follows: bool
    up: int
    down: int


@cache
def slot_pattern(has: SlotFeatures) -> Pattern:
    """The compiled pattern of a car and slot with these features."""
    m = Template()
    powers_and_energy(m, has)
    energy_balance(m, has)
    if has.taper:
        taper(m)
    if has.drawdown:
        drawdown(m)
    if has.follows:
        change(m, has)
    if has.up:
        reserve_up(m, has)
    if has.down:
        reserve_down(m, has)
    benefit(m, has)
    sums(m, has)
    return compile_pattern(m)


def powers_and_energy(m: Template, has: SlotFeatures) -> None:
    """0 ≤ c ≤ P_ch;  0 ≤ d ≤ P_dis;  floor ≤ e ≤ ceiling; e⁻ is the energy of the slot before."""
    m.parameters("hours", "efficiency_charge", "efficiency_discharge", "charge_limit", "discharge_limit")
    m.parameters("floor", "ceiling", "plug_cost", "plug_value", "rest_price")
    m.charge = pyo.Var(bounds=(0.0, m.charge_limit))
    m.energy = pyo.Var(bounds=(m.floor, m.ceiling))
    m.foreign("energy_before")
    if has.discharges:
        m.discharge = pyo.Var(bounds=(0.0, m.discharge_limit))


def energy_balance(m: Template, has: SlotFeatures) -> None:
    """e = e⁻ + Δt·(c − d)."""
    m.energy_balance = pyo.Constraint(
        expr=m.energy - m.energy_before - m.hours * (m.charge - _discharge(m, has)) == 0.0
    )


def taper(m: Template) -> None:
    """c ≤ P0 − f·e⁻: the battery's own limit falls with what is stored."""
    m.parameters("taper_at_empty", "taper_fall")
    m.taper = pyo.Constraint(expr=m.charge + m.taper_fall * m.energy_before <= m.taper_at_empty)


def drawdown(m: Template) -> None:
    """M ≥ M⁻,  M ≥ e,  M − e ≤ ΔDOD·capacity: never far below the session's own running maximum M."""
    m.parameters("drawdown_limit")
    m.peak_energy = pyo.Var()
    m.foreign("peak_energy_before")
    m.peak_grows = pyo.Constraint(expr=m.peak_energy - m.peak_energy_before >= 0.0)
    m.peak_covers = pyo.Constraint(expr=m.peak_energy - m.energy >= 0.0)
    m.drawdown = pyo.Constraint(expr=m.peak_energy - m.energy <= m.drawdown_limit)


def change(m: Template, has: SlotFeatures) -> None:
    """δ ≥ |p − p_prev|: the departure from a plan in force."""
    m.parameters("previous", "change_price")
    m.change = pyo.Var(bounds=(0.0, None))
    m.change_above = pyo.Constraint(expr=m.change - _power(m, has) >= -m.previous)
    m.change_below = pyo.Constraint(expr=m.change + _power(m, has) >= m.previous)


def reserve_up(m: Template, has: SlotFeatures) -> None:
    """Σ_b u_b ≤ η_dis·P_dis + p;  Σ_b u_b·h_b/η_dis ≤ e − e_min at the slot's start and end."""
    m.parameters("lowest")
    m.parameters("up_hours", "up_called", count=has.up)
    m.up = pyo.Var(range(has.up), bounds=(0.0, None))
    held = sum(m.up[b] for b in range(has.up))
    kept = sum(m.up_hours[b] / m.efficiency_discharge * m.up[b] for b in range(has.up))
    m.up_power = pyo.Constraint(expr=held - _power(m, has) <= m.efficiency_discharge * m.discharge_limit)
    m.up_energy_before = pyo.Constraint(expr=kept - m.energy_before <= -m.lowest)
    m.up_energy = pyo.Constraint(expr=kept - m.energy <= -m.lowest)


def reserve_down(m: Template, has: SlotFeatures) -> None:
    """Σ_b r_b ≤ P_ch/η_ch − p;  Σ_b r_b·h_b·η_ch ≤ e_max − e at the slot's start and end."""
    m.parameters("highest")
    m.parameters("down_hours", count=has.down)
    m.down = pyo.Var(range(has.down), bounds=(0.0, None))
    held = sum(m.down[b] for b in range(has.down))
    kept = sum(m.down_hours[b] * m.efficiency_charge * m.down[b] for b in range(has.down))
    m.down_power = pyo.Constraint(expr=held + _power(m, has) <= m.charge_limit / m.efficiency_charge)
    m.down_energy_before = pyo.Constraint(expr=kept + m.energy_before <= m.highest)
    m.down_energy = pyo.Constraint(expr=kept + m.energy <= m.highest)


def benefit(m: Template, has: SlotFeatures) -> None:
    """Δt·(λ_dis·η_dis·d − λ_ch·c/η_ch − κ·δ) − ρ·Δt·(e⁻ + e)/2."""
    paid = m.hours * m.plug_cost / m.efficiency_charge * m.charge
    rest = m.rest_price * m.hours * 0.5 * (m.energy_before + m.energy)
    earned = -paid - rest
    if has.discharges:
        earned += m.hours * m.plug_value * m.efficiency_discharge * m.discharge
    if has.follows:
        earned -= m.hours * m.change_price * m.change
    m.benefit = pyo.Objective(expr=earned, sense=pyo.maximize)


def sums(m: Template, has: SlotFeatures) -> None:
    """What others add up: p, a car's part of the day's duty x, and its V2G energy Δt·d."""
    m.parameters("capacity")
    called = sum(m.up_called[b] / m.efficiency_discharge * m.up[b] for b in range(has.up)) if has.up else 0.0
    m.sum_expressions["power"] = _power(m, has)
    m.sum_expressions["duty"] = m.hours / m.capacity * (_discharge(m, has) + called)
    m.sum_expressions["v2g"] = m.hours * _discharge(m, has)


def _discharge(m: Template, has: SlotFeatures) -> Value:
    return m.discharge if has.discharges else 0.0


def _power(m: Template, has: SlotFeatures) -> Value:
    """P = c/η_ch − η_dis·d, metered."""
    drawn = m.charge / m.efficiency_charge
    return drawn - m.efficiency_discharge * m.discharge if has.discharges else drawn
