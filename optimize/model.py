"""The day-ahead problem of one mode, in Pyomo: the one formulation of this room.

Indices: i cars, s sessions, j sites, t slots, k plugged (car, slot) pairs; i(k), s(k), t(k) of pair k;
k−1 is the pair before k in the same session.

    max  Σ_k Δt·(λ_dis,t(k)·η_dis,i·d_k − λ_ch,t(k)·c_k/η_ch,i) − Σ_i w_i − π·Σ_s m_s + ω·Σ_s (e_end(s) − E_s)
    energy_balance   e_k = e_{k−1} + Δt·(c_k − d_k),  e_{k−1} = E_s at the session's first pair
    departure        m_s ≥ target_s − e_end(s),  m_s ≥ 0
    site_import      Σ_{k: site j, slot t} (c_k/η_ch,i − η_dis,i·d_k) ≤ I_j
    site_export      −Σ_{k: site j, slot t} (c_k/η_ch,i − η_dis,i·d_k) ≤ X_j
    duty             x_i = Δt·Σ_{k of i} d_k / capacity_i
    wear_cut         w_i ≥ C_i(x̂) + C_i'(x̂)·(x_i − x̂)  for each tangent point x̂ (exact where C_i is linear)
    drawdown         M_k ≥ M_{k−1}, M_k ≥ e_k, M_k − e_k ≤ ΔDOD_i·capacity_i,  M_{k−1} = E_s at the first pair
    direction        c_k ≤ P_ch·(1 − y_k), d_k ≤ P_dis·y_k, y_k ∈ {0, 1};
                     for an arrival below SOC_min also e_k ≥ floor_s + (e_min,i − floor_s)·y_k,
                     for an arrival above SOC_max also e_k ≤ e_max,i + (ceiling_s − e_max,i)·y_k
    bounds           0 ≤ c_k ≤ P_ch,i;  0 ≤ d_k ≤ P_dis,i;  floor_s ≤ e_k ≤ ceiling_s;  0 ≤ x_i ≤ x_max,i

The direction rows say: no simultaneous charge and discharge, and no discharge that ends below SOC_min nor
charge that ends above SOC_max when an arrival outside the bounds has widened them. They are added only where
a solution without them breaks the rule (`add_direction`). x_max,i is where marginal wear exceeds anything a
kWh can earn; it cuts off no optimum and keeps exponentials finite. Idling satisfies every row, so no problem
is infeasible. Site rows that could not bind are left out, as is drawdown where ΔDOD is 1.

| symbol | here | unit |
|---|---|---|
| c_k, d_k | charge[k], discharge[k] | kW, battery-side |
| e_k, M_k | energy[k], peak_energy[k] | kWh at the end of the slot |
| m_s | missing[s] | kWh |
| x_i, w_i | duty[i], wear[i] | EFC, € |
| y_k | discharging[k] | binary |
| λ_ch, λ_dis | import_price_eur_per_kwh, export_price_eur_per_kwh | €/kWh metered |
| ω, π | terminal_value_eur_per_kwh, departure_price_eur_per_kwh | €/kWh battery-side |
| E_s, floor_s, ceiling_s, target_s | SessionWindow.arrival_kwh, floor_kwh, ceiling_kwh, target_kwh | kWh |
| I_j, X_j | Site.import_limit_kw, export_limit_kw | kW metered |
| P_ch, P_dis | charge_limit_kw, discharge_limit_kw | kW, battery-side |
| ΔDOD | Car.drawdown_limit | 0–1 |
| Δt | slot_hours | h |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyomo.environ as pyo
from pyomo.common.gc_manager import PauseGC

from optimize.types import Car, DayProblem, Mode
from optimize.windows import SessionWindow

TANGENTS_AT_START = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DayModel:
    """A Pyomo model and the pairs its vectors run over: k ↔ (car, slot, session window)."""

    problem: DayProblem
    windows: tuple[SessionWindow, ...]
    mode: Mode
    model: pyo.ConcreteModel
    pair_car: list[int]
    pair_slot: list[int]
    pair_window: list[int]
    pair_before: list[int | None]
    last_pair: list[int | None]
    discharging_pairs: list[int]
    discharging_cars: list[int]

    def car(self, pair: int) -> Car:
        """The car of a pair."""
        return self.problem.cars[self.pair_car[pair]]

    def window(self, pair: int) -> SessionWindow:
        """The session window of a pair."""
        return self.windows[self.pair_window[pair]]


def build_model(problem: DayProblem, windows: tuple[SessionWindow, ...], mode: Mode) -> DayModel:
    """The LP of a mode ("ordered" or "v2g") with the first wear tangents and without direction binaries."""
    # Pyomo makes so many small objects that garbage collection would take half of the building time.
    with PauseGC():
        day = _index(problem, windows, mode)
        variables(day)
        energy_balance(day)
        departure(day)
        site_limits(day)
        duty(day)
        first_wear_cuts(day)
        drawdown(day)
        objective(day)
    return day


def _index(problem: DayProblem, windows: tuple[SessionWindow, ...], mode: Mode) -> DayModel:
    pair_car: list[int] = []
    pair_slot: list[int] = []
    pair_window: list[int] = []
    pair_before: list[int | None] = []
    last_pair: list[int | None] = []
    for number, window in enumerate(windows):
        for slot in window.slots:
            pair_before.append(None if slot == window.first else len(pair_car) - 1)
            pair_car.append(window.car)
            pair_slot.append(slot)
            pair_window.append(number)
        last_pair.append(len(pair_car) - 1 if window.slots else None)
    able = [mode == "v2g" and _duty_limit(problem, car) > 0 for car in problem.cars]
    discharging = [k for k, i in enumerate(pair_car) if able[i]]
    return DayModel(
        problem=problem,
        windows=windows,
        mode=mode,
        model=pyo.ConcreteModel(),
        pair_car=pair_car,
        pair_slot=pair_slot,
        pair_window=pair_window,
        pair_before=pair_before,
        last_pair=last_pair,
        discharging_pairs=discharging,
        discharging_cars=sorted({pair_car[k] for k in discharging}),
    )


def _duty_limit(problem: DayProblem, car: Car) -> float:
    """x_max: what the charger can do in a day, or less where further wear exceeds any possible gain."""
    possible = car.discharge_limit_kw * problem.slot_hours * len(problem.slots) / car.capacity_kwh
    gain_eur_per_kwh = (
        float(np.abs(problem.export_price_eur_per_kwh).max())
        + abs(problem.terminal_value_eur_per_kwh)
        + (problem.departure_price_eur_per_kwh + float(np.abs(problem.import_price_eur_per_kwh).max()))
        / min(other.efficiency_charge for other in problem.cars)
    )
    return min(possible, car.wear.duty_at_slope_efc(2.0 * gain_eur_per_kwh * car.capacity_kwh))


def variables(day: DayModel) -> None:
    """Declare c, d, e, m, x and w with their bounds."""
    m = day.model
    pairs = range(len(day.pair_car))
    m.charge = pyo.Var(pairs, bounds=lambda _, k: (0.0, day.car(k).charge_limit_kw))
    m.discharge = pyo.Var(day.discharging_pairs, bounds=lambda _, k: (0.0, day.car(k).discharge_limit_kw))
    m.energy = pyo.Var(pairs, bounds=lambda _, k: (day.window(k).floor_kwh, day.window(k).ceiling_kwh))
    m.missing = pyo.Var(range(len(day.windows)), bounds=(0.0, None))
    m.duty = pyo.Var(
        day.discharging_cars, bounds=lambda _, i: (0.0, _duty_limit(day.problem, day.problem.cars[i]))
    )
    m.wear = pyo.Var(day.discharging_cars, bounds=(0.0, None))


def energy_balance(day: DayModel) -> None:
    """What is stored at the end of a slot is what was there plus what went in minus what came out."""
    m, hours = day.model, day.problem.slot_hours

    def rule(_: pyo.ConcreteModel, k: int) -> pyo.Expression:
        change = hours * m.charge[k]
        if k in m.discharge:
            change = change - hours * m.discharge[k]
        return m.energy[k] - _energy_before(day, k) - change == 0.0

    m.energy_balance = pyo.Constraint(range(len(day.pair_car)), rule=rule)


def departure(day: DayModel) -> None:
    """What a session leaves short of its target is missing."""
    m = day.model

    def rule(_: pyo.ConcreteModel, s: int) -> pyo.Expression:
        return m.missing[s] + _energy_at_end(day, s) >= day.windows[s].target_kwh

    m.departure = pyo.Constraint(range(len(day.windows)), rule=rule)


def site_limits(day: DayModel) -> None:
    """The cars of a site together keep its limits in every slot where they could break them."""
    m, problem = day.model, day.problem
    number = {site.site_id: j for j, site in enumerate(problem.sites)}
    members: dict[tuple[int, int], list[int]] = {}
    for k, slot in enumerate(day.pair_slot):
        members.setdefault((number[day.car(k).site_id], slot), []).append(k)
    intake = {key: _intake_kw(day, pairs) for key, pairs in members.items()}
    feed_in = {key: _feed_in_kw(day, pairs) for key, pairs in members.items()}

    def power(pairs: list[int]) -> pyo.Expression:
        drawn = pyo.quicksum(m.charge[k] / day.car(k).efficiency_charge for k in pairs)
        fed = pyo.quicksum(
            day.car(k).efficiency_discharge * m.discharge[k] for k in pairs if k in m.discharge
        )
        return drawn - fed

    m.site_import = pyo.Constraint(
        [key for key in members if intake[key] > problem.sites[key[0]].import_limit_kw],
        rule=lambda _, j, t: power(members[j, t]) <= problem.sites[j].import_limit_kw,
    )
    m.site_export = pyo.Constraint(
        [key for key in members if feed_in[key] > problem.sites[key[0]].export_limit_kw],
        rule=lambda _, j, t: -power(members[j, t]) <= problem.sites[j].export_limit_kw,
    )


def duty(day: DayModel) -> None:
    """The day's V2G discharge of a car in equivalent full cycles."""
    m, problem = day.model, day.problem
    pairs: dict[int, list[int]] = {i: [] for i in day.discharging_cars}
    for k in day.discharging_pairs:
        pairs[day.pair_car[k]].append(k)

    def rule(_: pyo.ConcreteModel, i: int) -> pyo.Expression:
        share = problem.slot_hours / problem.cars[i].capacity_kwh
        return m.duty[i] - pyo.quicksum(share * m.discharge[k] for k in pairs[i]) == 0.0

    m.duty_sum = pyo.Constraint(day.discharging_cars, rule=rule)


def wear_cut(day: DayModel, i: int, x: float) -> tuple[float, float]:
    """The tangent to car i's wear at x as (slope, height at zero): w ≥ slope·x_i + height."""
    wear = day.problem.cars[i].wear
    slope = wear.slope_eur(x)
    return slope, wear.cost_eur(x) - slope * x


def first_wear_cuts(day: DayModel) -> None:
    """Tangents spread over the possible duty; one where wear is linear."""
    m = day.model
    m.wear_cut = pyo.ConstraintList()
    for i in day.discharging_cars:
        wear = day.problem.cars[i].wear
        points = [0.0] if wear.linear else np.linspace(0.0, m.duty[i].ub, TANGENTS_AT_START)
        for x in points:
            slope, height = wear_cut(day, i, float(x))
            m.wear_cut.add(m.wear[i] - slope * m.duty[i] >= height)


def drawdown(day: DayModel) -> None:
    """A session never falls further below its own running maximum than the car's ΔDOD threshold."""
    m = day.model
    pairs = [k for k in day.discharging_pairs if day.car(k).drawdown_limit < 1.0]
    m.peak_energy = pyo.Var(pairs)

    def grows(_: pyo.ConcreteModel, k: int) -> pyo.Expression:
        before = day.pair_before[k]
        return m.peak_energy[k] >= (day.window(k).arrival_kwh if before is None else m.peak_energy[before])

    m.peak_grows = pyo.Constraint(pairs, rule=grows)
    m.peak_covers = pyo.Constraint(pairs, rule=lambda _, k: m.peak_energy[k] >= m.energy[k])
    m.drawdown = pyo.Constraint(
        pairs,
        rule=lambda _, k: (
            m.peak_energy[k] - m.energy[k] <= day.car(k).drawdown_limit * day.car(k).capacity_kwh
        ),
    )


def objective(day: DayModel) -> None:
    """Net benefit: revenue − cost − wear − price of what is missing + value of what is stored."""
    m, problem = day.model, day.problem
    hours = problem.slot_hours
    import_price = problem.import_price_eur_per_kwh.tolist()
    export_price = problem.export_price_eur_per_kwh.tolist()
    cost = pyo.quicksum(
        hours * import_price[day.pair_slot[k]] / day.car(k).efficiency_charge * m.charge[k] for k in m.charge
    )
    revenue = pyo.quicksum(
        hours * export_price[day.pair_slot[k]] * day.car(k).efficiency_discharge * m.discharge[k]
        for k in m.discharge
    )
    stored = pyo.quicksum(_energy_at_end(day, s) - window.arrival_kwh for s, window in enumerate(day.windows))
    missing = pyo.quicksum(m.missing[s] for s in m.missing)
    m.net_benefit = pyo.Objective(
        expr=revenue
        - cost
        - pyo.quicksum(m.wear[i] for i in m.wear)
        - problem.departure_price_eur_per_kwh * missing
        + problem.terminal_value_eur_per_kwh * stored,
        sense=pyo.maximize,
    )


def add_direction(day: DayModel, pairs: Iterable[int]) -> None:
    """Give pairs a binary direction: charge or discharge, not both. Those that have one keep it."""
    m = day.model
    if m.component("discharging") is None:
        m.discharging = pyo.Var(pyo.Any, dense=False, domain=pyo.Binary)
        m.direction = pyo.ConstraintList()
    for k in (k for k in pairs if k not in m.discharging):
        car, window = day.car(k), day.window(k)
        lowest, highest = car.soc_min * car.capacity_kwh, car.soc_max * car.capacity_kwh
        y = m.discharging[k]
        m.direction.add(m.charge[k] + car.charge_limit_kw * y <= car.charge_limit_kw)
        m.direction.add(m.discharge[k] - car.discharge_limit_kw * y <= 0.0)
        if window.floor_kwh < lowest:
            m.direction.add(m.energy[k] - (lowest - window.floor_kwh) * y >= window.floor_kwh)
        if window.ceiling_kwh > highest:
            m.direction.add(m.energy[k] - (window.ceiling_kwh - highest) * y <= highest)


def _energy_before(day: DayModel, k: int) -> pyo.Expression | float:
    before = day.pair_before[k]
    return day.window(k).arrival_kwh if before is None else day.model.energy[before]


def _energy_at_end(day: DayModel, s: int) -> pyo.Expression | float:
    last = day.last_pair[s]
    return day.windows[s].arrival_kwh if last is None else day.model.energy[last]


def _intake_kw(day: DayModel, pairs: list[int]) -> float:
    return sum(day.car(k).charge_limit_kw / day.car(k).efficiency_charge for k in pairs)


def _feed_in_kw(day: DayModel, pairs: list[int]) -> float:
    able = (k for k in pairs if k in day.model.discharge)
    return sum(day.car(k).discharge_limit_kw * day.car(k).efficiency_discharge for k in able)
