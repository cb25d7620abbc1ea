"""From powers to a plan: energies by summation, and each departure's outcome with its reason."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimize.types import DayProblem, DepartureOutcome, FloatArray, Mode, ModePlan, SolverRecord
from optimize.windows import SessionWindow

NEGLIGIBLE_KWH = 1e-6
NEGLIGIBLE_KW = 1e-6


def assemble_plan(
    problem: DayProblem,
    windows: Sequence[SessionWindow],
    mode: Mode,
    charge_kw: FloatArray,
    discharge_kw: FloatArray,
    solver: SolverRecord,
    site_shadow_price: FloatArray,
) -> ModePlan:
    """The plan of given battery-side powers [n, T], kW; energies follow by adding up, so they balance."""
    shape = (len(problem.cars), len(problem.slots))
    plugged = np.zeros(shape, dtype=np.bool_)
    start = np.full(shape, np.nan)
    end = np.full(shape, np.nan)
    site_full = _full_sites(problem, charge_kw, discharge_kw)
    outcomes = []
    for window in windows:
        energy = window.arrival_kwh
        for t in window.slots:
            plugged[window.car, t] = True
            start[window.car, t] = energy
            change = charge_kw[window.car, t] - discharge_kw[window.car, t]
            energy = float(energy + problem.slot_hours * change)
            end[window.car, t] = energy
        outcomes.append(_outcome(problem, window, energy, site_full))
    return ModePlan(
        mode=mode,
        charge_kw=charge_kw,
        discharge_kw=discharge_kw,
        plugged=plugged,
        energy_start_kwh=start,
        energy_end_kwh=end,
        departures=tuple(outcomes),
        solver=solver,
        site_shadow_price=site_shadow_price,
    )


def _full_sites(
    problem: DayProblem, charge_kw: FloatArray, discharge_kw: FloatArray
) -> dict[str, np.ndarray]:
    power = {site.site_id: np.zeros(len(problem.slots)) for site in problem.sites}
    for i, car in enumerate(problem.cars):
        power[car.site_id] += charge_kw[i] / car.efficiency_charge
        power[car.site_id] -= discharge_kw[i] * car.efficiency_discharge
    limit = {site.site_id: site.import_limit_kw for site in problem.sites}
    return {site_id: drawn >= limit[site_id] - NEGLIGIBLE_KW for site_id, drawn in power.items()}


def _outcome(
    problem: DayProblem, window: SessionWindow, reached_kwh: float, site_full: dict[str, np.ndarray]
) -> DepartureOutcome:
    missing = max(0.0, window.target_kwh - reached_kwh)
    if missing <= NEGLIGIBLE_KWH:
        missing = 0.0
    session = window.session
    return DepartureOutcome(
        session_id=session.session_id,
        battery_id=session.battery_id,
        departure_utc=session.departure_utc,
        due=window.due,
        target_kwh=window.target_kwh,
        reached_kwh=reached_kwh,
        missing_kwh=missing,
        reason=_reason(problem, window, site_full) if missing else "",
    )


def _reason(problem: DayProblem, window: SessionWindow, site_full: dict[str, np.ndarray]) -> str:
    """The first cause, from what no plan could change to what this one chose."""
    car = problem.cars[window.car]
    site = next(site for site in problem.sites if site.site_id == car.site_id)
    needed = window.target_kwh - window.arrival_kwh
    needs = f"arrives at {window.session.arrival_soc:.2f}, needs {needed:.1f} kWh"
    if not window.slots:
        return f"window too short: holds no whole slot; {needs}"
    hours = problem.slot_hours * len(window.slots)
    if needed > car.charge_limit_kw * hours + NEGLIGIBLE_KWH:
        return f"window too short: {needs}, window gives {car.charge_limit_kw * hours:.1f} kWh"
    if window.target_kwh > window.ceiling_kwh + NEGLIGIBLE_KWH:
        return (
            f"departure SoC {window.session.departure_soc:.2f} is above what the car may hold ({car.soc_max})"
        )
    through_site = site.import_limit_kw * car.efficiency_charge * hours
    limit = f"feeder limit of site {site.site_id!r} ({site.import_limit_kw:g} kW)"
    if needed > through_site + NEGLIGIBLE_KWH:
        return f"{limit}: {needs}, feeder gives {through_site:.1f} kWh"
    if site_full[site.site_id][window.first : window.end].any():
        return f"{limit}, shared with other cars; {needs}"
    price = f"departure price ({problem.departure_price_eur_per_kwh:g} €/kWh)"
    return f"the {price} is worth less than the energy; {needs}"
