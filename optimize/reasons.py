"""Why a departure was missed: what no plan could change, what other cars took, what this plan chose.

What is missing is laid on causes one after another: what full power over the whole window cannot bring; what
the car may not hold; what the limits of its sites, with nobody else there, do not let through; what others
draw of them in this plan; what room and power its reserve takes; and the rest is this plan's own choice. The
cause of most of it is reported, and how much of it has another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimize.constraints import LinearConstraint, named
from optimize.tree import SiteTree
from optimize.types import DayProblem, FloatArray, ReserveBid, SolverRecord
from optimize.windows import SessionWindow, taper_line

NEGLIGIBLE_KWH = 1e-6
# Another cause is reported from this share of what is missing on.
GIVEN = 0.02


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """What a plan does while a session lasts: the car's battery-side powers [T], what all cars draw at each
    site [S, T] (metered, + = import), what it left with, its reserve, which own constraints stand at a bound,
    and how the plan was found.
    """

    charge_kw: FloatArray
    discharge_kw: FloatArray
    drawn_kw: FloatArray
    reached_kwh: float
    reserves: Sequence[ReserveBid]
    at_bounds: Sequence[LinearConstraint]
    solver: SolverRecord


def why_missed(problem: DayProblem, tree: SiteTree, window: SessionWindow, course: Course) -> str:
    """The reason in words."""
    car = problem.cars[window.car]
    needed = window.target_kwh - window.arrival_kwh
    needs = f"arrives at {window.session.arrival_soc:.2f}, needs {needed:.1f} kWh"
    if not window.slots:
        return f"window too short: holds no whole slot; {needs}"
    if window.charge_limit_kw < car.min_charge_kw:
        limits = f"{window.charge_limit_kw:g} kW, car needs {car.min_charge_kw:g} kW to charge"
        return f"charger too weak: gives {limits}; {needs}"
    span = slice(window.first, window.end)
    limit = np.full(len(window.slots), window.charge_limit_kw)
    own = course.charge_kw[span] / window.efficiency_charge
    own = own - course.discharge_kw[span] * window.efficiency_discharge
    path = list(tree.paths[window.site])
    alone = np.minimum(limit, tree.import_kw[path, span] * window.efficiency_charge)
    others = tree.import_kw[path, span] - course.drawn_kw[path, span] + own
    shared = np.minimum(alone, np.maximum(others, 0.0) * window.efficiency_charge)
    spare_kw, spare_kwh = _held_down(problem, window, course.reserves)
    others_kw = np.minimum(shared.min(axis=0), np.maximum(limit - spare_kw * window.efficiency_charge, 0.0))
    highest = np.full(len(window.slots), window.ceiling_kwh)
    window_gives = _reach(problem, window, limit, np.full(len(limit), np.inf))
    levels = [
        window.target_kwh,
        window_gives,
        _reach(problem, window, limit, highest),
        _reach(problem, window, alone.min(axis=0), highest),
        _reach(problem, window, shared.min(axis=0), highest),
        _reach(problem, window, others_kw, np.maximum(highest - spare_kwh, window.arrival_kwh)),
        course.reached_kwh,
    ]
    best = np.minimum.accumulate(np.minimum(levels, window.target_kwh))
    lost = best[:-1] - np.maximum(best[1:], course.reached_kwh)
    stated = (
        lambda: _too_short(window, problem.slot_hours, needs, window_gives - window.arrival_kwh),
        lambda: (
            f"departure SoC {window.session.departure_soc:.2f} is above what the car may hold "
            f"({window.highest_kwh / car.capacity_kwh:.4g})"
        ),
        lambda: _feeder(problem, tree, window, alone, needs),
        lambda: f"{_limit(problem, _narrowest(tree, window, shared))}, shared with other cars; {needs}",
        lambda: (
            f"reserve: holds up to {_held_kw(problem, window, course.reserves).max():.1f} kW for bids that"
            f" pay more than the departure; {needs}"
        ),
        lambda: _choice(problem, window, course, needs),
    )
    most = int(np.argmax(lost))
    missing = window.target_kwh - course.reached_kwh
    words = [
        f"{kwh:.1f} kWh of the {missing:.1f} missing: {word}"
        for number, (kwh, word) in enumerate(zip(lost, SHORTLY, strict=True))
        if number != most and kwh > max(GIVEN * missing, NEGLIGIBLE_KWH)
    ]
    return "; ".join([stated[most](), *words])


SHORTLY = (
    "window too short",
    "above what the car may hold",
    "feeder limit",
    "feeder shared with other cars",
    "reserve",
    "the plan's own choice",
)
"""The causes in a word, in their order."""


def _reach(
    problem: DayProblem, window: SessionWindow, limit_kw: FloatArray, highest_kwh: FloatArray
) -> float:
    """The most that a session can leave with, with so much power in each slot, never above so much energy."""
    at_empty, fall = taper_line(problem.cars[window.car], problem.slot_hours)
    energy = window.arrival_kwh
    for kw, most in zip(limit_kw.tolist(), highest_kwh.tolist(), strict=True):
        power = max(0.0, min(kw, at_empty - fall * energy))
        energy = max(energy, min(energy + problem.slot_hours * power, most))
    return float(energy)


def _too_short(window: SessionWindow, hours: float, needs: str, gives_kwh: float) -> str:
    flat = window.charge_limit_kw * hours * len(window.slots)
    taper = "" if flat <= gives_kwh + NEGLIGIBLE_KWH else " because charging tapers at high SoC"
    return f"window too short: {needs}, window gives {gives_kwh:.1f} kWh{taper}"


def _feeder(problem: DayProblem, tree: SiteTree, window: SessionWindow, alone: FloatArray, needs: str) -> str:
    """The limit on the way that lets least through."""
    through = alone.sum(axis=1) * problem.slot_hours
    gives = f"feeder gives {through.min():.1f} kWh"
    return f"{_limit(problem, tree.paths[window.site][int(np.argmin(through))])}: {needs}, {gives}"


def _narrowest(tree: SiteTree, window: SessionWindow, room_kw: FloatArray) -> int:
    """The site on the way that leaves least [depth, slots]."""
    return tree.paths[window.site][int(np.argmin(room_kw.sum(axis=1)))]


def _limit(problem: DayProblem, j: int) -> str:
    site = problem.sites[j]
    load = "" if site.base_load_kw is None else ", less base load"
    return f"feeder limit of site {site.site_id!r} ({site.import_limit_kw:g} kW{load})"


def _choice(problem: DayProblem, window: SessionWindow, course: Course, needs: str) -> str:
    """The plan could have charged more, or fed back less."""
    fed = float(course.discharge_kw[window.first : window.end].sum()) * problem.slot_hours
    back = f", of which {fed:.1f} kWh are fed back" if fed > NEGLIGIBLE_KWH else ""
    own = [one for one in course.at_bounds if one.weighs()[window.car, window.first : window.end].any()]
    if own:
        return f"{named(own)} {'leaves' if len(own) == 1 else 'leave'} no more{back}; {needs}"
    price = f"departure price ({problem.departure_price_eur_per_kwh:g} €/kWh)"
    dear = problem.departure_price_eur_per_kwh > problem.most_gain_eur_per_kwh()
    if dear and course.solver.status == "time_limit":
        return f"the search ended before it was planned (gap {course.solver.gap:.1e}){back}; {needs}"
    return f"the {price} is worth less than the energy{back}; {needs}"


def _held_kw(problem: DayProblem, window: SessionWindow, reserves: Sequence[ReserveBid]) -> FloatArray:
    """Reserve that the car holds in the window's slots, both directions together."""
    held: FloatArray = np.zeros(len(problem.slots))
    for block, bid in zip(problem.reserves, reserves, strict=True):
        held[block.first_slot : block.end_slot] += bid.up_kw[window.car] + bid.down_kw[window.car]
    return held[window.first : window.end]


def _held_down(
    problem: DayProblem, window: SessionWindow, reserves: Sequence[ReserveBid]
) -> tuple[FloatArray, FloatArray]:
    """Metered power and battery-side energy that downward reserve keeps free in the window's slots."""
    power, energy = np.zeros(len(problem.slots)), np.zeros(len(problem.slots))
    for block, bid in zip(problem.reserves, reserves, strict=True):
        here = slice(block.first_slot, block.end_slot)
        power[here] += bid.down_kw[window.car]
        energy[here] += bid.down_kw[window.car] * block.sustain_hours * window.efficiency_charge
    return power[window.first : window.end], energy[window.first : window.end]
