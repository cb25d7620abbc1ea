"""The question to the optimiser: a plan's inputs as a DayProblem, for each mode from what it carries."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pandas as pd

from flows.mapping.chargers import least_powers
from flows.mapping.grid_limits import with_grid_limits
from flows.mapping.inputs import PlanInputs
from flows.mapping.past import FOLLOWED
from flows.mapping.site_tree import billed_sites, sites_of
from flows.mapping.v2x_band import bands_of, kept
from flows.mapping.worth import StoredWorth
from flows.plain import known, records
from optimize.ahead import asked_ahead
from optimize.arrays import FloatArray
from optimize.errors import OptimizeError
from optimize.types import Car, DayProblem, Mode, Session, Site, Taper, WearPrice, choose_form
from optimize.windows import certain_arrivals, most_lacking, session_windows
from twin.ensemble.price import price_multiple
from twin.types import Calibration

SLOT_HOURS = 0.25
_KEPT = 5.0
"""Times the dearest kWh, with a quarter-hour's share of the demand charge, emissions and what a change costs:
what is missing at a departure never pays, whatever losses and later hours add."""
_Points = tuple[FloatArray, FloatArray]
_NO_POINTS: _Points = (np.empty(0), np.empty(0))


def day_problem(
    inputs: PlanInputs,
    mode: Mode | None = None,
    *,
    only: Collection[str] | None = None,
    as_announced: bool = False,
    linked: bool = True,
) -> DayProblem:
    """The question to the optimiser; nothing is fed back where no price is published, without any all are 0.

    mode: whose batteries it begins with; None: those of the cars that follow the plan in force. only: the
    batteries that it is asked for, all if None. What a session cannot but leave short of its promise the next
    lacks (`certain_arrivals`), and what it leaves above it comes back with that, unless `unlinked` tells of
    it, or linked is False: then what one lacks by itself is asked for in the one before (`asked_ahead`);
    as_announced: sessions come with what is said of them. Raises what
    `plannable.IMPOSSIBLE` holds.
    """
    batteries, sessions, sites = inputs.batteries, inputs.sessions, inputs.sites
    if only is not None:
        batteries = batteries[batteries["battery_id"].isin(list(only))]
        sessions = sessions[sessions["battery_id"].isin(list(only))]
        sites = sites_of(batteries, sessions, sites)
    plan, tariff = inputs.settings.plan, inputs.tariff
    buy, sell = inputs.prices.at_the_plug(tariff)
    prices, horizon, socs = inputs.prices, inputs.prices.horizon, inputs.carried.of(mode)
    around, billed = inputs.surroundings, billed_sites(inputs.sites)
    value = plan.terminal_value_eur_per_kwh
    points = _points_of(inputs.life_points)
    least = {row["battery_id"]: row for row in records(least_powers(sessions).reset_index())}
    capacity_kwh = inputs.capacity_kwh
    cars = [
        _car(inputs, row, capacity_kwh[str(row["battery_id"])], points, least[row["battery_id"]])
        for row in batteries.to_dict("records")  # NaN as it is: what cannot be meant is reported of
    ]
    plugged = [_session(row, socs) for row in sessions.to_dict("records")]
    able = prices.priced if plan.feed_in_on_forecast else prices.published

    worth = StoredWorth(prices, tariff)  # one for both questions: what it has looked up it keeps
    stated = {session.session_id: session.arrival_soc for session in plugged}
    said = zip(sessions["session_id"], sessions["arrival_soc"], strict=True)
    stated |= {str(name): float(soc) for name, soc in said if pd.notna(soc)}

    co2 = 0.0 if around.co2_kg_per_kwh is None else float(np.abs(around.co2_kg_per_kwh).max())
    dearest = max(float(np.abs(price).max()) for price in (buy, sell)) + plan.co2_price_eur_per_kg * co2
    dearest += inputs.peaks.price_eur_per_kw / SLOT_HOURS + 2.0 * plan.change_price_eur_per_kwh

    bands = bands_of(sessions) if mode in (None, "v2g") else {}

    def asked(plugged: Sequence[Session], *, carrying: bool) -> DayProblem:
        plugged = kept(plugged, bands, cars)
        if value is None:
            plugged = worth.of(plugged, cars, stated, linked=carrying)
        problem = DayProblem(
            slots=inputs.prices.slots,
            slot_hours=SLOT_HOURS,
            import_price_eur_per_kwh=buy,
            export_price_eur_per_kwh=sell,
            cars=tuple(cars),
            sessions=tuple(plugged),
            sites=tuple(
                Site(
                    site_id=row["site_id"],
                    import_limit_kw=float(row["import_limit_kw"]),
                    export_limit_kw=float(row["export_limit_kw"]) if able.any() else 0.0,
                    parent_id=known(row["parent_id"]),
                    base_load_kw=around.load_kw.get(str(row["site_id"])),
                    metering=known(row["metering"]) or "car",
                    peak_price_eur_per_kw=inputs.peaks.price_eur_per_kw if row["site_id"] in billed else 0.0,
                    peak_so_far_kw=inputs.peaks.so_far_kw(mode or FOLLOWED, str(row["site_id"])),
                )
                for _, row in sites.iterrows()
            ),
            terminal_value_eur_per_kwh=0.0 if value is None else value,
            departure_price_eur_per_kwh=max(plan.departure_price_eur_per_kwh, _KEPT * dearest),
            co2_kg_per_kwh=around.co2_kg_per_kwh,
            co2_price_eur_per_kg=plan.co2_price_eur_per_kg,
            objective=plan.objective,
            peak_slots=tuple(np.flatnonzero(able & horizon.local.hour.isin(plan.peak_hours)).tolist()),
            duty_days=max(1.0, int(able.sum()) * SLOT_HOURS / 24.0) if horizon.kind == "published" else 1.0,
            day_starts=horizon.day_starts,
            may_discharge=able,
        )
        return with_grid_limits(problem, around.limits_kw, around.setpoints_kw)

    alone = asked(plugged, carrying=False)
    if as_announced:
        return alone
    later = _later(inputs.later[inputs.later["battery_id"].isin(batteries["battery_id"])])
    ahead = alone.sessions if linked else asked_ahead(alone, later)
    if ahead != alone.sessions:
        alone = asked(ahead, carrying=False)
    certain = certain_arrivals(alone)
    if certain != alone.sessions:
        alone = asked(certain, carrying=False)
    if alone.constraints or not linked:  # next to these no session carries on from the one before
        return alone
    priced = replace(alone, change_price_eur_per_kwh=plan.change_price_eur_per_kwh)
    carried = _linked(priced, later)
    return alone if carried is None else asked(carried, carrying=True)


def _linked(problem: DayProblem, later: Mapping[str, Sequence[Session]]) -> list[Session] | None:
    """The sessions, those that can carry on from the one before saying so; None where they cannot be planned
    so.

    later: of cars, the sessions after the horizon. The one that lacks most by itself is asked
    for with those before, if its car leaves within the horizon: what it lacks has to be there before.
    Only where missing at a departure is dearer than a kWh elsewhere (`_apart`).
    """
    if _apart(problem):
        return None
    windows = session_windows(problem)
    carrying = {
        session.session.session_id
        for before, session in pairwise(windows)
        if before.car == session.car and session.session.arrival_soc <= before.session.departure_soc
    }
    short: list[Session] = []
    for number, own in groupby(windows, key=lambda window: window.car):
        charges = False  # in a session from which the last carries on
        for last in own:
            charges = bool(last.slots) or (charges and last.session.session_id in carrying)
        car = problem.cars[number]
        if charges and last.due == "departure" and car.battery_id in later:
            behind_kwh = 0.0 if last.slots else max(0.0, last.target_kwh - last.arrival_kwh)
            lacking = most_lacking(problem, car, later[car.battery_id], behind_kwh)
            if lacking is not None and lacking.arrival_soc <= last.session.departure_soc:
                short.append(lacking)
    carrying |= {session.session_id for session in short}
    asked = (*problem.sessions, *short)
    return (
        [replace(session, carries=session.session_id in carrying) for session in asked] if carrying else None
    )


def _apart(problem: DayProblem) -> bool:
    """Whether missing at a departure is too cheap for sessions to carry on, which may be worth more then."""
    return problem.departure_price_eur_per_kwh <= 2.0 * problem.most_gain_eur_per_kwh()


def unlinked(problem: DayProblem) -> list[str]:
    """A note where sessions are planned one by one although their cars come again, or may."""
    leave = {one.battery_id for one in problem.sessions if one.departure_utc <= problem.end_utc}
    if not leave or any(one.carries for one in problem.sessions) or not _apart(problem):
        return []
    price, most = problem.departure_price_eur_per_kwh, problem.most_gain_eur_per_kwh()
    return [
        f"sessions of {len(leave)} cars are planned one by one, and nothing is charged for what is due "
        f"after the"
        f" plan: missing at a departure costs {price:.3g} EUR/kWh, not above twice what a kWh may earn"
        f" ({most:.3g})"
    ]


def _later(rows: pd.DataFrame) -> dict[str, list[Session]]:
    """Sessions after the horizon by battery_id, in their order; where they are is no matter of this plan.

    One that cannot be meant is none: the plan that holds it will say so.
    """
    found: dict[str, list[Session]] = {}
    for row in rows.sort_values("arrival_utc").to_dict("records"):
        try:
            session = _session(row, {})
        except OptimizeError:
            continue
        session = replace(session, site_id=None, efficiency_charge=None, efficiency_discharge=None)
        found.setdefault(session.battery_id, []).append(session)
    return found


def _session(row: Mapping[Hashable, Any], socs: Mapping[str, float]) -> Session:
    return Session(
        session_id=row["session_id"],
        battery_id=row["battery_id"],
        arrival_utc=row["arrival_utc"],
        departure_utc=row["departure_utc"],
        arrival_soc=socs.get(row["session_id"], float(row["arrival_soc"])),
        departure_soc=float(row["departure_soc"]),
        charge_limit_kw=known(row["plug_charge_kw"]),
        discharge_limit_kw=known(row["plug_discharge_kw"]),
        efficiency_charge=known(row["plug_efficiency_charge"]),
        efficiency_discharge=known(row["plug_efficiency_discharge"]),
        site_id=known(row["plug_site_id"]),
    )


def _car(
    inputs: PlanInputs,
    row: Mapping[Hashable, Any],
    capacity_kwh: float,
    points: Mapping[str, _Points],
    least: Mapping[str, Any],
) -> Car:
    """least: kW that the chargers of its sessions need when on; a car with fewer phases may take less."""
    calibration, plan = inputs.calibrations.get(row["battery_id"]), inputs.settings.plan
    taper, name = plan.taper_from_soc, str(row["battery_id"])
    return Car(
        battery_id=row["battery_id"],
        site_id=row["site_id"],
        capacity_kwh=capacity_kwh,
        soc_min=inputs.contracts.min_soc(name, float(row["soc_min"])),
        soc_max=float(row["soc_max"]),
        charge_limit_kw=float(row["charge_limit_kw"]),
        discharge_limit_kw=float(row["discharge_limit_kw"]) if calibration else 0.0,
        efficiency_charge=float(row["efficiency_charge"]),
        efficiency_discharge=float(row["efficiency_discharge"]),
        drawdown_limit=plan.drawdown_limit,
        min_charge_kw=min(float(least["charge"]), float(row["charge_limit_kw"])),
        min_discharge_kw=min(float(least["discharge"]), float(row["discharge_limit_kw"])),
        wear=_wear(inputs, calibration, points),
        rest_price_eur_per_kwh_h=_rest_price(inputs, calibration),
        charge_taper=None if taper is None else Taper(from_soc=taper, full_share=plan.taper_full_share),
        v2g_limit_kwh=inputs.contracts.v2g_limit_kwh(
            name, np.inf if plan.v2g_limit_kwh is None else plan.v2g_limit_kwh
        ),
        v2g_used_kwh=inputs.v2g_used_kwh.get(name, 0.0),
    )


def _points_of(life_points: pd.DataFrame) -> dict[str, _Points]:
    """Of each calibration the cycles a day and the days of life that its twin simulated."""
    rows = life_points.sort_values("calibration_id", kind="stable")
    names, first = np.unique(rows["calibration_id"].to_numpy(dtype=object), return_index=True)
    efc, life = (rows[name].to_numpy(dtype=np.float64) for name in ("efc_per_day", "life_days"))
    own = zip(np.split(efc, first[1:]), np.split(life, first[1:]), strict=True)
    return dict(zip(map(str, names), own, strict=True)) if len(names) else {}


def _wear(inputs: PlanInputs, calibration: Calibration | None, points: Mapping[str, _Points]) -> WearPrice:
    if calibration is None:
        return WearPrice(
            form="rate", residual_value_eur=0.0, l0_days=1.0, alpha_day_per_efc=0.0, beta_day_per_efc=0.0
        )
    l0, alpha, beta = calibration.l0_days, calibration.alpha_day_per_efc, calibration.beta_day_per_efc
    form = inputs.settings.plan.wear
    if form == "auto":
        efc, life = points.get(calibration.calibration_id, _NO_POINTS)
        form = choose_form(efc, life, l0, alpha, beta)
    risk = inputs.settings.plan.wear_risk
    return WearPrice(
        form=form,
        residual_value_eur=calibration.residual_value_eur,
        l0_days=l0,
        alpha_day_per_efc=alpha * price_multiple(calibration, "law", risk),
        beta_day_per_efc=beta * price_multiple(calibration, "rate", risk),
    )


def _rest_price(inputs: PlanInputs, calibration: Calibration | None) -> float:
    if calibration is None or not calibration.rest_price_eur_per_kwh_h:
        return 0.0
    risk = inputs.settings.plan.wear_risk
    return calibration.rest_price_eur_per_kwh_h * price_multiple(calibration, "rest", risk)
