"""Minimum powers: a plan of the relaxation, which knows none, made one whose powers are off or at least that.

At a corner (`tidy`) few powers are neither at a limit nor off. Of these, the ones below their minimum go off or
up to it, the cheaper of both, and another power of the stay, or what it ends with, takes the rest, so that rows
that cars share stay as they are (`small`). What is left then follows its energies as near as minimum powers
let it (`repair.follow`).
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from optimize.fleet import moves
from optimize.fleet.arrays import FleetArrays
from optimize.fleet.certificate import Feasible, Repairer
from optimize.fleet.corner import TIE_EUR, empty_basis, sweep_corners
from optimize.fleet.ground import ground_of
from optimize.fleet.layout import FloatArray
from optimize.fleet.moves import FAR, ROUNDING_KW
from optimize.fleet.small import clear_small, shift_small

# So many passes keep what is held of reserve where it is scarce; after these others have to hold it.
PASSES, STRICT = 8, 3


def without_least(arrays: FleetArrays) -> FleetArrays:
    """The same question without minimum powers; itself where there are none."""
    if not (arrays.least_charge_kw.any() or arrays.least_discharge_kw.any()):
        return arrays
    none = np.zeros(arrays.cars)
    return replace(arrays, least_charge_kw=none, least_discharge_kw=none)


def with_least(repairer: Repairer, plan: Feasible, y: FloatArray, deadline: float) -> Feasible:
    """The plan with every power off or at least its minimum, near a corner plan that may have smaller ones.

    y: the coupling's prices. deadline, of `time.perf_counter`: no pass begins after it.
    """
    now, y, small = plan, np.nan_to_num(y), _small(repairer, _net(plan))
    for number in range(PASSES):
        if small == 0 or time.perf_counter() > deadline:
            break
        ground = ground_of(repairer, now, y, by_price=False)
        basis = empty_basis(ground)
        if number >= STRICT:
            ground.place[:, [moves.ROW_UP, moves.ROW_DOWN]] = -1
        sweep_corners(ground, basis, -TIE_EUR)
        net: FloatArray = ground.step[:, moves.NET]
        least = least_of(repairer, net)
        left, _ = clear_small(ground, basis, least, least, FAR)
        if left:
            shift_small(ground, basis, least)
        moved = repairer.moved_to(now, net.copy())
        if not repairer.within_limits(moved):
            break
        before, small = small, _small(repairer, net)
        now = moved
        if small >= before and number > STRICT:
            break
    if small == 0:
        return now
    rounded = repairer.near(now)
    held = repairer.moved_to(now, _net(rounded))
    return held if repairer.within_limits(held) and held.cost_eur <= rounded.cost_eur else rounded


def least_of(repairer: Repairer, net_kw: FloatArray) -> FloatArray:
    """The minimum of battery-side net powers [steps] the way that they go."""
    rules, car = repairer.rules, repairer.step_car
    return np.where(net_kw > 0.0, rules.least_in[car], np.where(net_kw < 0.0, rules.least_out[car], 0.0))


def _net(plan: Feasible) -> FloatArray:
    return plan.charge_kw - plan.discharge_kw


def _small(repairer: Repairer, net_kw: FloatArray) -> int:
    """How many powers are below their minimum and not off."""
    return int(np.count_nonzero((net_kw != 0.0) & (np.abs(net_kw) < least_of(repairer, net_kw) - ROUNDING_KW)))
