"""An allocation from the shadow prices of the day: the Owen set of a linear production game (Owen 1975).

The day of all cars is max Σ_i f_i(y_i) − Φ(Σ_i p_i): each car's own money by its own rules, less what its
sites make of the sum of powers (limits, peaks, common meters), all against charging on plug-in u. With the
sites' shadow prices λ of that day each car is given what it earns at them,
    x_i = f_i(y_i) − λ·(p_i − u_i)        x_room = v(N) − Σ_i x_i,
the last for the room that nobody draws on plug-in: whose the room is has it, the operator. By strong duality
no coalition with the operator earns more than it is given, and without one cars earn nothing: it is in the
core.

That takes a linear day. Where a plan needs binaries, prices may promise more than there is: a car alone, by
a plan of its own or on plug-in, would have more at them than x_i. The sum of that, the duality gap, is found
by planning each car at the prices, and no coalition gains more than the gap by leaving. It bounds ε of the
least core for any fleet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from optimize.account import account, efficiencies, grid_power_kw
from optimize.arrays import BoolArray, FloatArray
from optimize.errors import ProblemError
from optimize.market.fair.coalitions import Coalitions, rows_of
from optimize.model.day import build_day
from optimize.plan import plan_day
from optimize.solve import solve_day
from optimize.tree import site_tree
from optimize.types import DayProblem, ModePlan
from optimize.windows import session_windows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PricedShares:
    """cars_eur [n] and room_eur sum to what all earn. gap_eur: no coalition gains more by leaving, ≥ 0.

    gap_eur is NaN where a car cannot be planned at the prices: one whose sessions carry on from one another,
    at prices beyond what a missed departure costs.
    """

    cars_eur: FloatArray
    room_eur: float
    gap_eur: float


def priced_shares(coalitions: Coalitions, all_eur: float | None = None) -> PricedShares:
    """The allocation from the prices of the exact formulation; raises SolverError as `plan_day`.

    all_eur: what all earn, where that is more than by the plan of all cars (`Coalitions.game`).
    """
    day, whole, idle = coalitions.problem, coalitions.whole, coalitions.idle
    price, netted = _prices(day, coalitions.time_limit_seconds)
    given = _earned(day, whole, price, netted) - _earned(day, idle, price, netted)
    value = coalitions.value_eur(coalitions.everybody) if all_eur is None else all_eur
    gap = 0.0
    for i, own in enumerate(given.tolist()):
        alone = _alone(day, i, price[i], netted[i], idle, coalitions.time_limit_seconds)
        gap += float(np.maximum(np.maximum(alone, 0.0) - own, 0.0))  # NaN stays
    return PricedShares(cars_eur=given, room_eur=value - float(given.sum()), gap_eur=gap)


def _prices(day: DayProblem, time_limit_seconds: float) -> tuple[FloatArray, BoolArray]:
    """What its sites charge each car next to its plug, [n, T] €/kWh metered, and where the plug itself counts
    nothing, since a common meter above it does."""
    windows, tree = session_windows(day), site_tree(day)
    model = build_day(day, windows, "v2g")
    duals = np.append(solve_day(model, time_limit_seconds).program.row_duals(), 0.0)
    of_site = duals[model.sites.site_power] / day.slot_hours
    metered = np.array([site.metering == "site" for site in day.sites])
    price = np.zeros((len(day.cars), len(day.slots)))
    netted = np.zeros(price.shape, dtype=np.bool_)
    for window in windows:
        path, slots = list(tree.paths[window.site]), slice(window.first, window.end)
        price[window.car, slots] = of_site[path, slots].sum(axis=0)
        netted[window.car, slots] = metered[path].any()
    return price, netted


def _earned(day: DayProblem, plan: ModePlan, price: FloatArray, netted: BoolArray) -> FloatArray:
    """What each car earns by itself, its power paid for at the prices of its sites, [n] €."""
    charging, discharging = efficiencies(day)
    drawn, fed = plan.charge_kw / charging, plan.discharge_kw * discharging
    at_plug = drawn * day.import_price_eur_per_kwh - fed * day.export_price_eur_per_kwh
    paid = (price * grid_power_kw(day, plan) - netted * at_plug).sum(axis=1) * day.slot_hours
    own = np.array([one.objective_eur for one in account(day, plan).cars.values()])
    return np.asarray(own - paid)


def _alone(
    day: DayProblem, i: int, price: FloatArray, netted: BoolArray, idle: ModePlan, time_limit_seconds: float
) -> float:
    """The most that car i earns at the prices, against charging on plug-in, €; NaN as PricedShares says."""
    battery = day.cars[i].battery_id
    free = (
        replace(
            site,
            parent_id=None,
            import_limit_kw=np.inf,
            export_limit_kw=np.inf,
            base_load_kw=None,
            peak_price_eur_per_kw=0.0,
            metering="car",
        )
        for site in day.sites
    )
    try:
        own = replace(
            day,
            import_price_eur_per_kwh=np.where(netted, 0.0, day.import_price_eur_per_kwh) + price,
            export_price_eur_per_kwh=np.where(netted, 0.0, day.export_price_eur_per_kwh) + price,
            cars=(day.cars[i],),
            sessions=tuple(one for one in day.sessions if one.battery_id == battery),
            sites=tuple(free),
            previous_kw=None if day.previous_kw is None else day.previous_kw[[i]],
        )
    except ProblemError:
        return np.nan
    plan = plan_day(own, ("v2g",), time_limit_seconds=time_limit_seconds)["v2g"]
    before = rows_of(day, idle, np.array([i]))
    return account(own, plan).total.objective_eur - account(own, before).total.objective_eur
