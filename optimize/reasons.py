"""Why a departure was missed: the first cause, from what no plan could change to what this one chose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimize.tree import SiteTree
from optimize.types import BoolArray, Car, DayProblem, FloatArray, ReserveBid
from optimize.windows import SessionWindow, taper_line

NEGLIGIBLE_KWH = 1e-6


def why_missed(
    problem: DayProblem,
    tree: SiteTree,
    window: SessionWindow,
    full: BoolArray,
    reserves: Sequence[ReserveBid],
) -> str:
    """The reason in words; full [S, T]: slots in which a site's import is used up."""
    car = problem.cars[window.car]
    needed = window.target_kwh - window.arrival_kwh
    needs = f"arrives at {window.session.arrival_soc:.2f}, needs {needed:.1f} kWh"
    if not window.slots:
        return f"window too short: holds no whole slot; {needs}"
    if window.charge_limit_kw < car.min_charge_kw:
        limits = f"{window.charge_limit_kw:g} kW, car needs {car.min_charge_kw:g} kW to charge"
        return f"charger too weak: gives {limits}; {needs}"
    most = _most_kwh(car, window, problem.slot_hours)
    if needed > most + NEGLIGIBLE_KWH:
        flat = window.charge_limit_kw * problem.slot_hours * len(window.slots)
        taper = "" if flat <= most + NEGLIGIBLE_KWH else " because charging tapers at high SoC"
        return f"window too short: {needs}, window gives {most:.1f} kWh{taper}"
    if window.target_kwh > window.ceiling_kwh + NEGLIGIBLE_KWH:
        asked = f"departure SoC {window.session.departure_soc:.2f}"
        return f"{asked} is above what the car may hold ({car.soc_max})"
    return _feeder(problem, tree, window, full, needs) or _choice(problem, window, reserves, needs)


def _most_kwh(car: Car, window: SessionWindow, hours: float) -> float:
    """What full power over the whole window would bring, were there no bound above."""
    at_empty, fall = taper_line(car, hours)
    energy = window.arrival_kwh
    for _ in window.slots:
        energy += hours * max(0.0, min(window.charge_limit_kw, at_empty - fall * energy))
    return energy - window.arrival_kwh


def _feeder(problem: DayProblem, tree: SiteTree, window: SessionWindow, full: BoolArray, needs: str) -> str:
    span = slice(window.first, window.end)
    needed = window.target_kwh - window.arrival_kwh
    for j in tree.paths[window.site]:
        most = np.minimum(tree.import_kw[j, span] * window.efficiency_charge, window.charge_limit_kw)
        through = float(most.sum()) * problem.slot_hours
        if needed > through + NEGLIGIBLE_KWH:
            return f"{_limit(problem, j)}: {needs}, feeder gives {through:.1f} kWh"
    for j in tree.paths[window.site]:
        if full[j, span].any():
            return f"{_limit(problem, j)}, shared with other cars; {needs}"
    return ""


def _limit(problem: DayProblem, j: int) -> str:
    site = problem.sites[j]
    load = "" if site.base_load_kw is None else ", less base load"
    return f"feeder limit of site {site.site_id!r} ({site.import_limit_kw:g} kW{load})"


def _choice(problem: DayProblem, window: SessionWindow, reserves: Sequence[ReserveBid], needs: str) -> str:
    held = _held_kw(problem, window, reserves)
    if held.any():
        return f"reserve: holds up to {held.max():.1f} kW for bids that pay more than the departure; {needs}"
    price = f"departure price ({problem.departure_price_eur_per_kwh:g} €/kWh)"
    return f"the {price} is worth less than the energy; {needs}"


def _held_kw(problem: DayProblem, window: SessionWindow, reserves: Sequence[ReserveBid]) -> FloatArray:
    """Reserve that the car holds in the window's slots, both directions together."""
    held: FloatArray = np.zeros(len(problem.slots))
    for block, bid in zip(problem.reserves, reserves, strict=True):
        held[block.first_slot : block.end_slot] += bid.up_kw[window.car] + bid.down_kw[window.car]
    kept = held[window.first : window.end]
    return np.where(kept > NEGLIGIBLE_KWH, kept, 0.0)
