"""How fit a plan is for real chargers, as counts: powers too small to mean anything, changes of direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimize.arrays import FloatArray
from optimize.fleet.arrays import FleetArrays
from optimize.fleet.layout import IntArray
from optimize.fleet.solve import FleetSolution
from optimize.types import Car, DayProblem, ModePlan, Session, Site, WearPrice
from optimize.windows import session_windows
from tests.optimize.fleets import session_of, slot_times

ACTIVE_KW, DUST_KW, SIX_AMPERE_KW = 1e-6, 0.05, 1.38
DAYS = 4000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dust:
    """Counts of a plan of so many cars; powers are those at the plug.

    active: slots with any power; dust: those below 50 W; weak: those below 6 A at one phase (1.38 kW), the
    former among them; weak_share: their share of the energy; flips: from charge to discharge or back between
    neighbouring slots of a session; starts: how often a session's power begins, or changes its direction.
    """

    cars: int
    active: int
    dust: int
    weak: int
    weak_share: float
    flips: int
    starts: int

    @property
    def dust_percent(self) -> float:
        return 100.0 * self.dust / max(1, self.active)

    @property
    def weak_percent(self) -> float:
        return 100.0 * self.weak / max(1, self.active)


def count_dust(power_kw: FloatArray, session_of: IntArray) -> Dust:
    """The counts of metered powers [n, T], + = import; stay_of [n, T]: the number of the session, −1 away."""
    size = np.where(session_of >= 0, np.abs(power_kw), 0.0)
    active, weak = size > ACTIVE_KW, (size > ACTIVE_KW) & (size < SIX_AMPERE_KW)
    way = np.where(active, np.sign(power_kw), 0.0)
    before = np.concatenate([np.zeros((way.shape[0], 1)), way[:, :-1]], axis=1)
    same = np.concatenate(
        [np.zeros((way.shape[0], 1), dtype=np.bool_), session_of[:, 1:] == session_of[:, :-1]], axis=1
    )
    return Dust(
        cars=way.shape[0],
        active=int(active.sum()),
        dust=int((active & (size < DUST_KW)).sum()),
        weak=int(weak.sum()),
        weak_share=float(size[weak].sum() / max(1e-9, size.sum())),
        flips=int((same & (way * before < 0.0)).sum()),
        starts=int((active & (~same | (way != before))).sum()),
    )


def dust_of_solution(found: FleetSolution) -> Dust:
    """The counts of the fleet engine's plan."""
    repairer = found.repairer
    rules, shape = repairer.rules, (repairer.arrays.cars, repairer.arrays.slots)
    power, session_of = np.zeros(shape), np.full(shape, -1, dtype=np.int64)
    power[repairer.step_car, rules.slot] = repairer.metered(found.plan)
    session_of[repairer.step_car, rules.slot] = rules.session
    return count_dust(power, session_of)


def dust_of_plan(problem: DayProblem, plan: ModePlan) -> Dust:
    """The counts of any plan."""
    power, session_of = np.zeros(plan.charge_kw.shape), np.full(plan.charge_kw.shape, -1, dtype=np.int64)
    for number, window in enumerate(session_windows(problem)):
        row, slots = window.car, slice(window.first, window.end)
        drawn = plan.charge_kw[row, slots] / window.efficiency_charge
        power[row, slots] = drawn - plan.discharge_kw[row, slots] * window.efficiency_discharge
        session_of[row, slots] = number
    return count_dust(power, session_of)


def problem_of(arrays: FleetArrays) -> DayProblem:
    """The day that arrays of `random_fleet` say, for any engine."""
    names = ["feeder", *(f"site {j}" for j in range(1, arrays.sites))]
    first = np.searchsorted(arrays.car, np.arange(arrays.cars)).tolist()
    cars = tuple(_car(arrays, i, s, names) for i, s in enumerate(first))
    slots = slot_times(arrays.slots, arrays.slot_hours)
    sites = tuple(
        Site(
            site_id=name,
            import_limit_kw=float(arrays.import_limit_kw[j]),
            export_limit_kw=float(arrays.export_limit_kw[j]),
            parent_id=None if arrays.parent[j] < 0 else names[int(arrays.parent[j])],
            base_load_kw=arrays.base_load_kw[j] if j == 0 else None,
            peak_price_eur_per_kw=float(arrays.peak_price[j]),
            peak_so_far_kw=float(arrays.peak_so_far_kw[j]),
        )
        for j, name in enumerate(names)
    )
    return DayProblem(
        slots=pd.DatetimeIndex(slots),
        slot_hours=arrays.slot_hours,
        import_price_eur_per_kwh=arrays.import_cost,
        export_price_eur_per_kwh=arrays.export_value,
        cars=cars,
        sessions=tuple(_session(arrays, s) for s in range(arrays.car.size)),
        sites=sites,
        terminal_value_eur_per_kwh=0.0,
        departure_price_eur_per_kwh=arrays.departure_price,
        reserves=arrays.blocks,
        may_discharge=arrays.may_discharge,
    )


def _car(arrays: FleetArrays, i: int, s: int, names: list[str]) -> Car:
    """Car i, whose first session is s."""
    capacity, law = float(arrays.capacity_kwh[i]), bool(arrays.wear_scale[i] > 0.0)
    return Car(
        battery_id=str(i),
        site_id=names[int(arrays.site[s])],
        capacity_kwh=capacity,
        soc_min=float(arrays.lowest_kwh[s]) / capacity,
        soc_max=float(arrays.highest_kwh[s]) / capacity,
        charge_limit_kw=float(arrays.charge_limit_kw[s]),
        discharge_limit_kw=float(arrays.discharge_limit_kw[s]),
        efficiency_charge=float(arrays.efficiency_charge[s]),
        efficiency_discharge=float(arrays.efficiency_discharge[s]),
        drawdown_limit=1.0,
        wear=WearPrice(
            form="law" if law else "rate",
            residual_value_eur=DAYS * float(arrays.wear_scale[i] if law else arrays.wear_linear[i]),
            l0_days=DAYS,
            alpha_day_per_efc=float(arrays.wear_alpha[i]),
            beta_day_per_efc=1.0,
        ),
        rest_price_eur_per_kwh_h=float(arrays.rest_price[i]),
        min_charge_kw=float(arrays.least_charge_kw[i]),
        min_discharge_kw=float(arrays.least_discharge_kw[i]),
    )


def _session(arrays: FleetArrays, s: int) -> Session:
    i, capacity = int(arrays.car[s]), float(arrays.capacity_kwh[arrays.car[s]])
    made = session_of(
        str(i),
        float(arrays.first[s]),
        float(arrays.first[s] + arrays.count[s]),
        float(arrays.arrival_kwh[s]) / capacity,
        float(arrays.target_kwh[s]) / capacity,
        hours=arrays.slot_hours,
        session_id=str(s),
    )
    return Session(
        session_id=made.session_id,
        battery_id=made.battery_id,
        arrival_utc=made.arrival_utc,
        departure_utc=made.departure_utc,
        arrival_soc=made.arrival_soc,
        departure_soc=made.departure_soc,
        value_eur_per_kwh=float(arrays.terminal_value[s]),
    )
