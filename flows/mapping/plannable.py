"""Which cars make a problem that can be asked: one bad member costs no other its plan."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from flows.mapping.carry import NOTHING_CARRIED
from flows.mapping.chargers import with_chargers
from flows.mapping.contracted import Contracted
from flows.mapping.expected import NOTHING_EXPECTED, Expected
from flows.mapping.inputs import PlanInputs
from flows.mapping.pack_losses import known_losses
from flows.mapping.peaks import Peaks
from flows.mapping.prices import PlanPrices
from flows.mapping.question import day_problem
from flows.mapping.requests import newest_calibrations
from flows.mapping.site_tree import misplaced, sites_of
from flows.mapping.surroundings import Surroundings
from flows.settings import Settings
from optimize.errors import OptimizeError
from optimize.types import DayProblem
from optimize.windows import session_windows
from warehouse.at_once import at_once
from warehouse.known import Known

IMPOSSIBLE = (OptimizeError, ValueError, TypeError, LookupError, ArithmeticError)
"""What a figure that cannot be meant raises on its way to the optimiser."""


def plan_inputs(
    known: Known,
    settings: Settings,
    prices: PlanPrices,
    batteries: pd.DataFrame,
    sessions: pd.DataFrame,
    sites: pd.DataFrame,
    *,
    calibrated: Known,
    left_out: Mapping[str, str],
    contracts: Contracted,
    expected: Expected = NOTHING_EXPECTED,
    later: pd.DataFrame | None = None,
) -> PlanInputs:
    """The inputs of a plan or an account, nothing carried yet; those that cannot be asked for are left out.

    batteries, sessions, sites: rows of the core tables, sites all of the zone; a car without a session may be
    among them. calibrated: what was known of calibrations. later: sessions after the horizon.
    """
    later = sessions.iloc[:0] if later is None else later[later["battery_id"].isin(sessions["battery_id"])]
    with at_once(known.warehouse):
        chargers = known.read("core_charger")
        calibrations = newest_calibrations(calibrated, [str(name) for name in batteries["battery_id"]])
    losses = known_losses(calibrations)
    later, _ = with_chargers(later, chargers, batteries, losses)
    sessions, unknown_chargers = with_chargers(sessions, chargers, batteries, losses)
    nowhere = misplaced(batteries, sessions, sites)
    batteries, sessions = (rows[~rows["battery_id"].isin(list(nowhere))] for rows in (batteries, sessions))
    sites = sites_of(batteries, sessions, sites)
    calibrations = {name: found for name, found in calibrations.items() if name not in nowhere}
    horizon, plan = prices.horizon, settings.plan
    with at_once(known.warehouse):
        ids = [calibration.calibration_id for calibration in calibrations.values()]
        life_points = known.read("out_life_point", where={"calibration_id": ids})
        peaks = Peaks.of(known, horizon, plan.peak_price_eur_per_kw, prices.demand_charge)
        own = [str(site) for site in sites["site_id"]]
        surroundings = Surroundings.of(known, horizon, own, co2=plan.co2_price_eur_per_kg > 0.0)
    return plannable(
        PlanInputs(
            zone=horizon.zone,
            market_date=horizon.market_date,
            settings=settings,
            prices=prices,
            batteries=batteries.reset_index(drop=True),
            sites=sites.reset_index(drop=True),
            sessions=sessions.reset_index(drop=True),
            later=later.reset_index(drop=True),
            calibrations=calibrations,
            life_points=life_points,
            carried=NOTHING_CARRIED,
            v2g_used_kwh={},
            left_out={**left_out, **nowhere},
            peaks=peaks,
            surroundings=surroundings,
            unknown_chargers=unknown_chargers,
            expected=expected,
            contracts=contracts,
        )
    )


def plannable(inputs: PlanInputs) -> PlanInputs:
    """The inputs with the cars alone that a problem can be made of; the others are in `left_out`.

    A car that can be planned only without its calibration is planned without: charged, never discharged.
    Raises what is wrong with the day itself, whatever the cars.
    """
    try:
        problem = day_problem(inputs)
    except IMPOSSIBLE:
        day_problem(inputs, only=())
        return _without_bad(inputs)
    return replace(inputs, later=_that_matter(inputs.later, problem)) if len(inputs.later) else inputs


def _that_matter(later: pd.DataFrame, problem: DayProblem) -> pd.DataFrame:
    """Of sessions after the plan those that it asks for, and what their cars do before: others change
    nothing.

    Of a car whose last session holds no slot all: what that lacks depends on what the car carries.
    """
    until = {
        one.battery_id: one.arrival_utc for one in problem.sessions if one.arrival_utc >= problem.end_utc
    }
    last = {window.car: window for window in session_windows(problem) if window.due != "later"}
    for car, window in last.items():
        if not window.slots:
            until[problem.cars[car].battery_id] = later["arrival_utc"].max()
    ends = later["battery_id"].map(until).astype(later["arrival_utc"].dtype)
    return later[later["arrival_utc"] <= ends].reset_index(drop=True)


def _without_bad(inputs: PlanInputs) -> PlanInputs:
    bad = _bad([str(name) for name in inputs.batteries["battery_id"]], inputs)
    calibrated = [battery_id for battery_id in bad if battery_id in inputs.calibrations]
    uncalibrated = _with_calibrations(inputs, without=bad)
    still_bad = _bad(calibrated, uncalibrated)
    mended = {battery_id: bad[battery_id] for battery_id in calibrated if battery_id not in still_bad}
    left_out = {battery_id: why for battery_id, why in bad.items() if battery_id not in mended}
    return replace(
        _with_calibrations(without_cars(inputs, left_out), without={**left_out, **mended}),
        left_out={**inputs.left_out, **left_out},
        unusable={**inputs.unusable, **mended},
    )


def _bad(battery_ids: Sequence[str], inputs: PlanInputs) -> dict[str, str]:
    """The cars of no problem and why, by halves: a few among many are found in a few looks."""
    if not battery_ids:
        return {}
    try:
        day_problem(inputs, only=battery_ids)
    except IMPOSSIBLE as error:
        if len(battery_ids) == 1:
            return {battery_ids[0]: in_words(error)}
        middle = len(battery_ids) // 2
        return _bad(battery_ids[:middle], inputs) | _bad(battery_ids[middle:], inputs)
    return {}


def in_words(error: Exception) -> str:
    """An error of the optimiser by its text, any other with its kind."""
    return str(error) if isinstance(error, OptimizeError) else f"{type(error).__name__}: {error}"


def without_cars(inputs: PlanInputs, battery_ids: Collection[str]) -> PlanInputs:
    """The inputs of the other cars, and of the sites that these need."""
    batteries = inputs.batteries[~inputs.batteries["battery_id"].isin(list(battery_ids))]
    sessions = inputs.sessions[~inputs.sessions["battery_id"].isin(list(battery_ids))]
    return replace(
        inputs,
        batteries=batteries.reset_index(drop=True),
        sessions=sessions.reset_index(drop=True),
        sites=sites_of(batteries, sessions, inputs.sites).reset_index(drop=True),
    )


def _with_calibrations(inputs: PlanInputs, *, without: Mapping[str, str]) -> PlanInputs:
    kept = {
        battery_id: found for battery_id, found in inputs.calibrations.items() if battery_id not in without
    }
    return replace(inputs, calibrations=kept)
