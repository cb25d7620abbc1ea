"""Lives: health integrated over years of one duty, for any number of ageing factors and starts at once.

The slow equations d(health)/dt = factors × rates(health) are integrated by the classical Runge–Kutta method
on a time grid that grows in proportion (``_GROWTH`` a step), which suits growth that starts steep and
flattens. `twin.rates` supplies the right-hand side; `tests/twin` compares lives with direct cycle-jumping
through PyBaMM days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from twin.cell import ReferenceCell
from twin.health import Array, Health
from twin.rates import RateModel, Rates

_FIRST_STEP_DAYS, _FEWEST_STEPS = 5.0, 50
_GROWTH = 0.12
HORIZON_DAYS = 200 * 365.25
_KNEE_WIDTH = 0.02  # of fresh lithium: the two decades of the onset of plating are five times as wide


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """How a battery ages against its chemistry; floats or arrays of one shape.

    ``sei``, ``lam``: factors [-] of SEI growth and of active-material loss. ``sei_bend``: the power of film
    thickness by which SEI growth falls faster than the chemistry's, at equal growth in mid-life.
    ``knee_lithium_ah``: cyclable lithium at which plating sets in; ``knee_gain``: what it then takes, in
    multiples of the ordinary loss, less as there is less lithium to move (the form of Attia et al., J.
    Electrochem. Soc. 169 060517, 2022: a state that crosses a threshold).
    """

    sei: Any
    lam: Any
    sei_bend: Any = 0.0
    knee_lithium_ah: Any = 0.0
    knee_gain: Any = 0.0


def time_grid(until_days: float) -> Array:
    """Days from 0 to ``until_days`` in steps that grow in proportion."""
    first = min(_FIRST_STEP_DAYS, until_days / _FEWEST_STEPS)
    steps = [0.0, first]
    while steps[-1] < until_days:
        steps.append(min(until_days, steps[-1] * (1 + _GROWTH) + first))
    return np.unique(np.array(steps))


def trajectory(model: RateModel, start: Health, factors: Factors, days: Array) -> Health:
    """Health at each of ``days`` (ascending from 0) on a new first axis; ``start`` and factors broadcast."""
    state = np.stack(np.broadcast_arrays(*start.vector(), np.asarray(factors.sei, dtype=float))[:4])
    fresh = model.cell.fresh
    floor = 0.03 * np.array([0.0, fresh.eps_n, fresh.eps_p, fresh.lithium_ah])
    floor = floor.reshape(4, *[1] * (state.ndim - 1))
    states = [state]
    for step in np.diff(days):
        k1 = _slope(model, state, factors)
        k2 = _slope(model, np.maximum(state + 0.5 * step * k1, floor), factors)
        k3 = _slope(model, np.maximum(state + 0.5 * step * k2, floor), factors)
        k4 = _slope(model, np.maximum(state + step * k3, floor), factors)
        state = np.maximum(state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4), floor)
        states.append(state)
    return Health.of(np.moveaxis(np.stack(states), 1, 0))


def _slope(model: RateModel, state: Array, factors: Factors) -> Array:
    health = Health.of(state)
    return health_slope(model.cell, health, model.at(health), factors)


def health_slope(cell: ReferenceCell, health: Health, rates: Rates, factors: Factors) -> Array:
    """Change of health a day, in the order of `Health`'s fields on a first axis, from unit ``rates``."""
    sei = factors.sei * rates.sei_m * (health.sei_m / cell.middle_sei_m) ** -np.asarray(factors.sei_bend)
    left = health.lithium_ah / cell.fresh.lithium_ah
    short = (factors.knee_lithium_ah - health.lithium_ah) / (_KNEE_WIDTH * cell.fresh.lithium_ah)
    ordinary = sei * cell.sei_ah_per_m_eps * health.eps_n + factors.lam * rates.lam_lithium_ah
    lithium = -ordinary * (1 + factors.knee_gain * left * expit(short))
    slope = np.empty((4, *np.shape(lithium)))
    slope[0], slope[1] = sei, -factors.lam * rates.eps_n
    slope[2], slope[3] = -factors.lam * rates.eps_p, lithium
    return slope


def life_days(
    model: RateModel,
    start: Health,
    factors: Factors,
    end_capacity_ah: float | Array,
    *,
    load_c_rate: float = 0.0,
    volts_at_1c: float | Array = 0.0,
) -> Array:
    """Days until usable capacity falls to ``end_capacity_ah`` [Ah of the reference cell].

    Under a load the end is that of range: of the charge that is given until the voltage limit is met at
    ``load_c_rate``, with a series resistance of ``volts_at_1c`` when new that grows with the SEI, the same
    share of a new cell's. Zero where it is there already, `HORIZON_DAYS` where it never gets there within
    them.
    """
    days, cell, circuit = time_grid(HORIZON_DAYS), model.cell, model.cell.circuit
    path = trajectory(model, start, factors, days)
    film = cell.film_ohm_per_m * circuit.fresh_capacity_ah * (path.sei_m - cell.fresh.sei_m)
    capacity = circuit.window(path, load_c_rate * (volts_at_1c + film)).capacity_ah
    loaded = circuit.window(cell.fresh, load_c_rate * np.asarray(volts_at_1c)).capacity_ah
    end_capacity_ah = end_capacity_ah * loaded / circuit.fresh_capacity_ah
    return days_until(days, capacity, end_capacity_ah)


def days_until(days: Array, capacity: Array, end: float | Array) -> Array:
    """The day at which ``capacity``, one a row of ``days``, falls to ``end``; the last if it never does."""
    below = capacity <= end
    below[-1] = True
    last = np.argmax(below, axis=0)
    before = np.maximum(last - 1, 0)
    q_1 = np.take_along_axis(capacity, last[None], axis=0)[0]
    q_0 = np.take_along_axis(capacity, before[None], axis=0)[0]
    # Capacity is nearly straight in sqrt(t) across one step of the grid.
    r_0, r_1 = np.sqrt(days[before]), np.sqrt(days[last])
    share = np.where(last > 0, np.clip((q_0 - end) / np.maximum(q_0 - q_1, 1e-12), 0, 1), 0.0)
    return np.asarray((r_0 + share * (r_1 - r_0)) ** 2)
