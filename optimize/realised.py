"""What a day's plan promised, what came of it, and why the two differ: one account, whoever asks.

Both are counted by the same definitions (`optimize.account`) over the slots that the plan was followed in:
what is earned at the plug net of wear. What is in store when the day ends is reported in kWh next to the
money, never valued: a day that ends emptier has earned some of its money from the day after. The difference
is split in steps, each of which changes one thing:

price    the powers as planned, at the prices that came
car      the cars as they came, left and what they held; their batteries take no more and give no more
horizon  cars and slots that no plan covered: they charge on plug-in
limits   the limits of the site tree
charger  what the meter counted, where one did
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from optimize.account import account, efficiencies
from optimize.arrays import BoolArray, FloatArray
from optimize.assemble import assemble_plan
from optimize.follow import SIMULATED, Schedule, came_with_kwh, follow, untold
from optimize.types import DayProblem, DepartureOutcome, Mode, ModePlan, Prices
from optimize.windows import SessionWindow, session_windows

CAUSES = ("price", "car", "horizon", "limits", "charger")
KEPT_SOC = 0.005
"""A promise counts as kept where charge is short by no more of the capacity: cars report whole percents."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Promise:
    """What was planned for the slots of a day by the plan that was followed in each.

    import_price, export_price [T]: €/kWh at the plug, as that plan knew them. schedule: battery-side powers
    and where it reported of a car. energy_start_kwh, energy_end_kwh [n, T]: NaN where a car is away.
    departures: what was promised to those that leave within the day.
    """

    import_price_eur_per_kwh: FloatArray
    export_price_eur_per_kwh: FloatArray
    schedule: Schedule
    energy_start_kwh: FloatArray
    energy_end_kwh: FloatArray
    departures: tuple[DepartureOutcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metered:
    """What the meters at the plugs counted, kWh [n, T]; counted: which slots they did, [n, T].

    heard: when the word of a session was received, by session_id.
    """

    import_kwh: FloatArray
    export_kwh: FloatArray
    counted: BoolArray
    heard: Mapping[str, pd.Timestamp] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Energy, money and departures; energies in kWh (import and export metered, the others battery side).

    stored_kwh: charged less discharged; wear_eur: of V2G and of resting charged. departures: those that fall
    within the day; missed: of these, the ones that left with less than promised by more than `KEPT_SOC`.
    """

    import_kwh: float = 0.0
    export_kwh: float = 0.0
    v2g_kwh: float = 0.0
    stored_kwh: float = 0.0
    energy_cost_eur: float = 0.0
    wear_eur: float = 0.0
    departures: int = 0
    missed: int = 0

    @property
    def net_eur(self) -> float:
        """What the car earns, €: below 0 in most cases, as it has to charge."""
        return -self.energy_cost_eur - self.wear_eur


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Realised:
    """A car's promise next to what came of it; causes: € by each of CAUSES, their sum is
    realised.net_eur − promised.net_eur.
    """

    promised: Figures
    realised: Figures
    causes: Mapping[str, float]


def realise(
    day: DayProblem,
    promise: Promise,
    mode: Mode,
    *,
    driven_kwh: Mapping[str, float] | None = None,
    metered: Metered | None = None,
) -> tuple[dict[str, Realised], ModePlan]:
    """Each car's account by battery_id, and what came of the schedule as a plan of the day.

    day: the slots, cars and stays as they were, at the prices that came; a stored kWh has no worth in it.
    driven_kwh: see `optimize.follow.follow`. metered: what a meter counted stands for what the schedule would
    have done in that slot. Uncontrolled cars follow nothing: they charge on plug-in, whatever was
    foreseen, and what differs is the price and the car.
    """
    day = replace(
        day,
        terminal_value_eur_per_kwh=0.0,
        sessions=tuple(replace(session, value_eur_per_kwh=None) for session in day.sessions),
    )
    as_announced = replace(
        day,
        import_price_eur_per_kwh=promise.import_price_eur_per_kwh,
        export_price_eur_per_kwh=promise.export_price_eur_per_kwh,
    )
    planned = _plan_of(day, promise, mode)
    driven, by_itself = driven_kwh or {}, mode == "uncontrolled"
    schedule = untold(day) if by_itself else promise.schedule
    followed = follow(day, schedule, mode, driven_kwh=driven)
    came = followed if metered is None else _metered_plan(day, followed, metered, driven)
    steps = [_figures(as_announced, planned), _figures(day, planned)]
    if not by_itself:
        for unplanned in (False, True):
            free = follow(day, schedule, mode, driven_kwh=driven, unplanned=unplanned, feeder=False)
            steps.append(_figures(day, free))
    steps += [_figures(day, followed)] * (3 if by_itself else 1) + [_figures(day, came)]
    accounts = {
        car.battery_id: Realised(
            promised=steps[0][car.battery_id],
            realised=steps[-1][car.battery_id],
            causes={
                cause: after[car.battery_id].net_eur - before[car.battery_id].net_eur
                for cause, (before, after) in zip(CAUSES, pairwise(steps), strict=True)
            },
        )
        for car in day.cars
    }
    return accounts, came


def _figures(day: DayProblem, plan: ModePlan) -> dict[str, Figures]:
    accounts = account(day, plan).cars
    stored = np.sum(plan.charge_kw - plan.discharge_kw, axis=1) * day.slot_hours
    due = [one for one in plan.departures if one.due == "departure"]
    left = Counter(one.battery_id for one in due)
    tolerance = {car.battery_id: KEPT_SOC * car.capacity_kwh for car in day.cars}
    missed = Counter(one.battery_id for one in due if one.missing_kwh > tolerance[one.battery_id])
    return {
        car.battery_id: Figures(
            import_kwh=(one := accounts[car.battery_id]).import_kwh,
            export_kwh=one.export_kwh,
            v2g_kwh=one.v2g_kwh,
            stored_kwh=float(stored[i]),
            energy_cost_eur=one.energy_cost_eur,
            wear_eur=one.wear_price_eur + one.rest_price_eur,
            departures=left[car.battery_id],
            missed=missed[car.battery_id],
        )
        for i, car in enumerate(day.cars)
    }


def _plan_of(day: DayProblem, promise: Promise, mode: Mode) -> ModePlan:
    shape = (len(day.cars), len(day.slots))
    return ModePlan(
        mode=mode,
        charge_kw=promise.schedule.charge_kw,
        discharge_kw=promise.schedule.discharge_kw,
        plugged=promise.schedule.scheduled,
        energy_start_kwh=promise.energy_start_kwh,
        energy_end_kwh=promise.energy_end_kwh,
        departures=promise.departures,
        solver=SIMULATED,
        reserves=(),
        prices=Prices.unknown(shape[0], len(day.sites), 0, shape[1]),
        binding=np.zeros(shape, dtype=np.int8),
    )


def _metered_plan(
    day: DayProblem, followed: ModePlan, metered: Metered, driven_kwh: Mapping[str, float]
) -> ModePlan:
    """The day with what the meters counted, whether or not a session was announced for it."""
    hours, (into, out) = day.slot_hours, efficiencies(day)
    charge = np.where(metered.counted, metered.import_kwh * into / hours, followed.charge_kw)
    discharge = np.where(metered.counted, metered.export_kwh / out / hours, followed.discharge_kw)
    stored = (charge - discharge) * hours
    windows: list[SessionWindow] = []
    for window in _as_counted(day, metered.counted):
        before = windows[-1] if windows and windows[-1].car == window.car else None
        driven = driven_kwh.get(window.session.session_id)
        # What it was charged with while no session was announced is news to a word that was heard before.
        away = range(before.end if before else 0, window.first)
        heard = metered.heard.get(window.session.session_id)
        brought = sum(
            float(stored[window.car, t]) for t in away if heard is not None and day.slots[t] >= heard
        )
        came = window.arrival_kwh
        capacity = day.cars[window.car].capacity_kwh
        if driven is not None and before is not None:
            left = before.arrival_kwh + float(stored[before.car, before.first : before.end].sum())
            came = came_with_kwh(left, driven, capacity)
        windows.append(replace(window, arrival_kwh=min(max(came + brought, 0.0), capacity)))
    return assemble_plan(day, windows, followed.mode, charge, discharge, SIMULATED)


def _as_counted(day: DayProblem, counted: BoolArray) -> list[SessionWindow]:
    """The windows, with the slots that their cars came and left in where a meter counted there.

    Of two sessions that share such a slot it is the earlier one's.
    """
    step, begin, count = pd.Timedelta(hours=day.slot_hours).value, day.slots[0].value, len(day.slots)
    windows: list[SessionWindow] = []
    for window in session_windows(day):
        session = window.session
        first = min(max((session.arrival_utc.value - begin) // step, 0), count)
        end = min(max(-((begin - session.departure_utc.value) // step), 0), count)
        taken = windows[-1].end if windows and windows[-1].car == window.car else 0
        opens = taken <= first < window.first and counted[window.car, first]
        closes = max(taken, window.end) < end and counted[window.car, end - 1]
        wider = replace(window, first=first if opens else window.first, end=end if closes else window.end)
        windows.append(wider if wider.first <= wider.end else window)
    return windows


def stored_away_kwh(day: DayProblem, plan: ModePlan) -> FloatArray:
    """What a plan stores in cars (takes out, < 0) in slots without a session of theirs, [n, T]."""
    stored: FloatArray = np.where(plan.plugged, 0.0, (plan.charge_kw - plan.discharge_kw) * day.slot_hours)
    return stored
