"""What holds a car's power where it is, slot by slot: read off the plan, whoever made it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimize.constraints import at_bounds
from optimize.rulebook import BINDINGS
from optimize.session_slots import SessionSlots, taper_kw
from optimize.tree import SiteTree
from optimize.types import BoolArray, CodeArray, DayProblem, FloatArray, ModePlan
from optimize.windows import SessionWindow

CLOSE = 1e-6


def bindings(
    problem: DayProblem,
    windows: Sequence[SessionWindow],
    sessions: SessionSlots,
    tree: SiteTree,
    full: tuple[BoolArray, BoolArray],
    plan: ModePlan,
) -> CodeArray:
    """Codes of BINDINGS [n, T]; full: slots in which a site's import, and its export, are used up, [S, T]."""
    c, d, power = plan.charge_kw, plan.discharge_kw, sessions.metered_kw(plan.charge_kw, plan.discharge_kw)
    charging, discharging = c > CLOSE, d > CLOSE
    taper = taper_kw(problem, plan.energy_start_kwh)
    top = plan.energy_end_kwh >= sessions.highest_kwh - CLOSE
    bottom = plan.energy_end_kwh <= sessions.lowest_kwh + CLOSE
    up, down = _reserve_tight(problem, sessions, power, plan)
    least_in = np.array([car.min_charge_kw for car in problem.cars]).reshape(-1, 1)
    least_out = np.array([car.min_discharge_kw for car in problem.cars]).reshape(-1, 1)
    used_up = _used_up(problem, plan)
    fallen = _fallen(problem, windows, plan)
    idle = ~charging & ~discharging
    rules = {
        "away": ~plan.plugged,
        "charge limit": charging & (c >= sessions.charge_limit_kw - CLOSE),
        "taper": charging & (c >= taper - CLOSE),
        "discharge limit": discharging & (d >= sessions.discharge_limit_kw - CLOSE),
        "full": ~discharging & top,
        "empty": ~charging & bottom,
        "drawdown": ~charging & fallen,
        "feeder import": charging & _at(sessions, tree, full[0]),
        "feeder export": discharging & _at(sessions, tree, full[1]),
        "peak": charging & _at(sessions, tree, _peaks(problem, sessions, tree, power)),
        "reserve up": up,
        "reserve down": down,
        "contract": ~charging & used_up,
        "minimum power": (charging & (c <= least_in + CLOSE)) | (discharging & (d <= least_out + CLOSE)),
        "own constraint": _held_by_own(problem, plan, sessions),
        "idle": idle,
    }
    code = np.select(list(rules.values()), [BINDINGS.index(name) for name in rules], BINDINGS.index("free"))
    return code.astype(np.int8)


def _at(sessions: SessionSlots, tree: SiteTree, marked: BoolArray) -> BoolArray:
    """Whether a marked site and slot [S, T] lies on the way from each car to the grid, [n, T]."""
    on_path = np.zeros_like(marked)
    for j, path in enumerate(tree.paths):
        on_path[j] = marked[list(path)].any(axis=0)
    if not marked.size:
        return np.zeros_like(sessions.plugged)
    found: BoolArray = sessions.plugged & on_path[sessions.site, np.arange(marked.shape[1])]
    return found


def _peaks(problem: DayProblem, sessions: SessionSlots, tree: SiteTree, power: FloatArray) -> BoolArray:
    """Slots that set a peak which is paid for."""
    drawn = tree.total_kw(sessions.site_kw(power, len(problem.sites))) + tree.base_kw
    marked = np.zeros(drawn.shape, dtype=np.bool_)
    for j, site in enumerate(problem.sites):
        if site.peak_price_eur_per_kw > 0.0 and drawn[j].max() > site.peak_so_far_kw + CLOSE:
            marked[j] = drawn[j] >= drawn[j].max() - CLOSE
    return marked


def _reserve_tight(
    problem: DayProblem, sessions: SessionSlots, power: FloatArray, plan: ModePlan
) -> tuple[BoolArray, BoolArray]:
    """Where a car holds all the reserve that its power or its energy allows, upwards and downwards."""
    shape = power.shape
    held, kept = np.zeros((2, *shape)), np.zeros((2, *shape))
    for block, bid in zip(problem.reserves, plan.reserves, strict=True):
        slots = slice(block.first_slot, block.end_slot)
        for way, kw in enumerate((bid.up_kw, bid.down_kw)):
            held[way, :, slots] += kw
            kept[way, :, slots] += kw * block.sustain_hours
    least = np.minimum(plan.energy_start_kwh, plan.energy_end_kwh)
    most = np.maximum(plan.energy_start_kwh, plan.energy_end_kwh)
    room_up = sessions.discharge_limit_kw * sessions.efficiency_discharge + power
    room_down = sessions.charge_limit_kw / sessions.efficiency_charge - power
    tight_up = (held[0] >= room_up - CLOSE) | (
        kept[0] / sessions.efficiency_discharge >= least - sessions.lowest_kwh - CLOSE
    )
    tight_down = (held[1] >= room_down - CLOSE) | (
        kept[1] * sessions.efficiency_charge >= sessions.highest_kwh - most - CLOSE
    )
    return (held[0] > CLOSE) & tight_up, (held[1] > CLOSE) & tight_down


def _used_up(problem: DayProblem, plan: ModePlan) -> BoolArray:
    """Where a car's V2G energy of the day is all that its contract allows, [n, T]."""
    used = np.add.reduceat(plan.discharge_kw, problem.day_starts, axis=1) * problem.slot_hours
    up: BoolArray = (used >= problem.v2g_left_kwh() - CLOSE)[:, problem.day_of_slot]
    return up & (plan.mode == "v2g")


def _held_by_own(problem: DayProblem, plan: ModePlan, sessions: SessionSlots) -> BoolArray:
    """Where an own constraint that stands at a bound lets a power change no further, [n, T]."""
    held = np.zeros(plan.plugged.shape, dtype=np.bool_)
    if plan.mode == "uncontrolled":
        return held
    drawn, fed = (
        plan.charge_kw / sessions.efficiency_charge,
        plan.discharge_kw * sessions.efficiency_discharge,
    )
    charging, discharging = plan.charge_kw > CLOSE, plan.discharge_kw > CLOSE
    for one, sign in at_bounds(problem.constraints, drawn, fed, CLOSE):
        of_import, of_export = one.coefficients()
        held |= (charging & (of_import != 0.0)) | (discharging & (of_export != 0.0))
        held |= ~charging & ~discharging & ((sign * of_import > 0.0) | (sign * of_export > 0.0))
    return held


def _fallen(problem: DayProblem, windows: Sequence[SessionWindow], plan: ModePlan) -> BoolArray:
    """Where a session has fallen as far below its own peak as it may."""
    fallen = np.zeros(plan.plugged.shape, dtype=np.bool_)
    if plan.mode != "v2g":
        return fallen
    for window in windows:
        car = problem.cars[window.car]
        if car.drawdown_limit < 1.0 and window.slots:
            end = plan.energy_end_kwh[window.car, window.first : window.end]
            peak = np.maximum(np.maximum.accumulate(end), window.arrival_kwh)
            fall = peak - end >= car.drawdown_limit * car.capacity_kwh - CLOSE
            fallen[window.car, window.first : window.end] = fall
    return fallen
