"""Minimum powers: from a plan of the relaxation, which knows none, to one whose powers are off or above.

At a corner (`tidy`) few powers are neither at a limit nor off. Of these, the ones below their minimum go off
or up to it, whichever costs less, and another power of the session, or what it ends with, takes the rest, so
that rows that cars share stay as they are (`small`). What is left goes off, or where limits forbid that, the
whole fleet follows the energies of the plan as near as it can (`repair.follow`).
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
from optimize.fleet.repair import drop_small
from optimize.fleet.small import clear_small, shift_small

PASSES = 20
# A pass that leaves more than this of what is too small ends its stage.
PROGRESS = 0.8
# A pass that gains a smaller share of what the plan costs is the last.
CHEAPER = 1e-6
# What may be lost of each bid by stage, where it has its price; after these others have to hold it.
LOST = (0.0, 1e-3, 5e-3)


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
    if not (repairer.rules.least_in.any() or repairer.rules.least_out.any()):
        return plan
    now, y, small = plan, np.nan_to_num(y), _small(repairer, _net(plan))
    stage = 0
    for _ in range(PASSES):
        if small == 0 or time.perf_counter() > deadline:
            break
        moved = repairer.moved_to(now, _cleared(repairer, now, y, stage))
        if not repairer.within_limits(moved):
            break
        before, now, small = small, moved, _small(repairer, _net(moved))
        if small > PROGRESS * before:
            if stage == len(LOST):
                break
            stage += 1
    return _decided(repairer, _without_small(repairer, now) if small else now, y, deadline)


def _without_small(repairer: Repairer, plan: Feasible) -> Feasible:
    """The plan with what is too small off, or where limits that cars share forbid that, near it."""
    net = _net(plan)
    drop_small(repairer.compiled.fleet, repairer.rules, least_of(repairer, net), net)
    dropped = repairer.moved_to(plan, net)
    return dropped if repairer.within_limits(dropped) else repairer.near(plan)


def _decided(repairer: Repairer, plan: Feasible, y: FloatArray, deadline: float) -> Feasible:
    """The plan after as many more passes as make it cheaper, no power going below its minimum."""
    for _ in range(PASSES):
        if time.perf_counter() > deadline:
            break
        moved = repairer.moved_to(plan, _cleared(repairer, plan, y, 0))
        if not repairer.within_limits(moved) or _small(repairer, _net(moved)):
            break
        before, plan = plan.cost_eur, min(plan, moved, key=lambda one: one.cost_eur)
        if before - plan.cost_eur < CHEAPER * max(1.0, abs(before)):
            break
    return plan


def _cleared(repairer: Repairer, plan: Feasible, y: FloatArray, stage: int) -> FloatArray:
    """Net powers after a pass: what is scarce is kept, later has a price; at last reserve is free."""
    by_price = 0 < stage < len(LOST)
    ground = ground_of(repairer, plan, y, by_price=by_price, lost=LOST[min(stage, len(LOST) - 1)])
    basis = empty_basis(ground)
    if stage == 0:
        sweep_corners(ground, basis, -TIE_EUR)
    elif not by_price:
        ground.place[:, [moves.ROW_UP, moves.ROW_DOWN]] = -1
    net: FloatArray = ground.step[:, moves.NET]
    least = least_of(repairer, net)
    left, _ = clear_small(ground, basis, least, least, FAR)
    if left:
        shift_small(ground, basis, least)
    return net.copy()


def least_of(repairer: Repairer, net_kw: FloatArray) -> FloatArray:
    """The minimum of battery-side net powers [steps] the way that they go."""
    rules, car = repairer.rules, repairer.step_car
    return np.where(net_kw > 0.0, rules.least_in[car], np.where(net_kw < 0.0, rules.least_out[car], 0.0))


def _net(plan: Feasible) -> FloatArray:
    return plan.charge_kw - plan.discharge_kw


def _small(repairer: Repairer, net_kw: FloatArray) -> int:
    """How many powers are below their minimum and not off."""
    return int(
        np.count_nonzero((net_kw != 0.0) & (np.abs(net_kw) < least_of(repairer, net_kw) - ROUNDING_KW))
    )
