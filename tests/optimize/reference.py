"""Two other ways to the optimum, sharing nothing with the room's model but the problem's types.

`milp_objective`: a second formulation for scipy's milp: sums of powers instead of energies, a binary for
every direction from the start, drawdown as a row for each pair of slots, wear under a dense fan of tangents.
`grid_objective`: an exact dynamic programme for one car whose numbers all lie on a grid of energy steps.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from optimize.types import DayProblem, Mode, Session, WearPrice

FAN = 400


def milp_objective(problem: DayProblem, mode: Mode) -> tuple[float, float]:
    """(achieved, bound) of the largest objective, €: wear exact in the one, underestimated in the other."""
    return _Rows(problem, mode).solve()


class _Rows:
    def __init__(self, problem: DayProblem, mode: Mode) -> None:
        self.problem, self.mode = problem, mode
        self.cost: list[float] = []
        self.lower: list[float] = []
        self.upper: list[float] = []
        self.integer: list[int] = []
        self.rows: list[tuple[dict[int, float], float, float]] = []
        self.wear: list[tuple[WearPrice, int, dict[int, float]]] = []
        self.site_power: dict[tuple[str, int], dict[int, float]] = {}
        for car_index in range(len(problem.cars)):
            self._car(car_index)
        limits = {site.site_id: (-site.export_limit_kw, site.import_limit_kw) for site in problem.sites}
        for (site_id, _), power in self.site_power.items():
            self.rows.append((power, *limits[site_id]))

    def column(self, cost: float, lower: float, upper: float, *, integer: bool = False) -> int:
        self.cost.append(cost)
        self.lower.append(lower)
        self.upper.append(upper)
        self.integer.append(int(integer))
        return len(self.cost) - 1

    def _car(self, i: int) -> None:
        one, problem, hours = self.problem.cars[i], self.problem, self.problem.slot_hours
        duty: dict[int, float] = {}
        for session in problem.sessions:
            if session.battery_id == one.battery_id:
                self._session(i, session, duty)
        wear = self.column(-1.0, 0.0, np.inf)
        self.wear.append((one.wear, wear, duty))
        most = one.discharge_limit_kw * hours * len(problem.slots) / one.capacity_kwh
        for x in np.linspace(0.0, most, FAN):
            slope, cost = one.wear.slope_eur(x), one.wear.cost_eur(x)
            row = {column: -slope * share for column, share in duty.items()} | {wear: 1.0}
            self.rows.append((row, cost - slope * x, np.inf))

    def _session(self, i: int, session: Session, duty: dict[int, float]) -> None:
        one, problem, hours = self.problem.cars[i], self.problem, self.problem.slot_hours
        ends = [*problem.slots[1:], problem.end_utc]
        slots = [
            t
            for t in range(len(problem.slots))
            if problem.slots[t] >= session.arrival_utc and ends[t] <= session.departure_utc
        ]
        start = session.arrival_soc * one.capacity_kwh
        low, high = one.soc_min * one.capacity_kwh, one.soc_max * one.capacity_kwh
        target = session.departure_soc * one.capacity_kwh
        if session.departure_utc > problem.end_utc:
            begin = max(session.arrival_utc, problem.end_utc)
            begin += (problem.end_utc - begin) % (ends[0] - problem.slots[0])
            later = math.floor((session.departure_utc - begin) / (ends[0] - problem.slots[0]))
            target = max(0.0, target - max(0, later) * hours * one.charge_limit_kw)
        most = one.discharge_limit_kw if self.mode == "v2g" else 0.0
        stored: dict[int, float] = {}
        trail: list[dict[int, float]] = [{}]
        for t in slots:
            worth = problem.terminal_value_eur_per_kwh
            buy = -problem.import_price_eur_per_kwh[t] / one.efficiency_charge + worth
            sell = problem.export_price_eur_per_kwh[t] * one.efficiency_discharge - worth
            c = self.column(hours * buy, 0.0, one.charge_limit_kw)
            d = self.column(hours * sell, 0.0, most)
            y = self.column(0.0, 0.0, 1.0, integer=True)
            self.rows.append(({c: 1.0, y: one.charge_limit_kw}, -np.inf, one.charge_limit_kw))
            self.rows.append(({d: 1.0, y: -most}, -np.inf, 0.0))
            stored = stored | {c: hours, d: -hours}
            self.rows.append((stored, min(low, start) - start, max(high, start) - start))
            if start < low:
                self.rows.append((stored | {y: start - low}, 0.0, np.inf))
            if start > high:
                self.rows.append((stored | {y: high - start}, -np.inf, high - start))
            for before in trail:
                fall = dict(before)
                for column, share in stored.items():
                    fall[column] = fall.get(column, 0.0) - share
                if self.mode == "v2g":
                    self.rows.append((fall, -np.inf, one.drawdown_limit * one.capacity_kwh))
            trail.append(stored)
            duty[d] = hours / one.capacity_kwh
            power = self.site_power.setdefault((one.site_id, t), {})
            power[c], power[d] = 1.0 / one.efficiency_charge, -one.efficiency_discharge
        missing = self.column(-problem.departure_price_eur_per_kwh, 0.0, np.inf)
        self.rows.append((stored | {missing: 1.0}, target - start, np.inf))

    def solve(self) -> tuple[float, float]:
        if not self.cost:
            return 0.0, 0.0
        matrix = np.zeros((len(self.rows), len(self.cost)))
        for r, (row, _, _) in enumerate(self.rows):
            for column, value in row.items():
                matrix[r, column] = value
        low = np.array([row[1] for row in self.rows])
        high = np.array([row[2] for row in self.rows])
        answer = milp(
            -np.array(self.cost),
            integrality=np.array(self.integer),
            bounds=Bounds(np.array(self.lower), np.array(self.upper)),
            constraints=LinearConstraint(matrix, low, high),
            options={"mip_rel_gap": 1e-7},
        )
        assert answer.success, answer.message
        hidden = 0.0
        for price, column, duty in self.wear:
            x = sum(share * answer.x[d] for d, share in duty.items())
            hidden += price.cost_eur(x) - answer.x[column]
        return -float(answer.fun) - hidden, -float(answer.fun)


def grid_objective(problem: DayProblem, step_kwh: float) -> float:
    """Largest v2g objective of one car in one session that starts and owes whole steps, with linear wear.

    The charger moves exactly one step a slot, in or out, or none; a vertex of such a chain moves whole steps.
    """
    (one,), (session,) = problem.cars, problem.sessions
    levels = np.arange(round(one.capacity_kwh / step_kwh) + 1)
    low, high = (
        round(one.soc_min * one.capacity_kwh / step_kwh),
        round(one.soc_max * one.capacity_kwh / step_kwh),
    )
    start = round(session.arrival_soc * one.capacity_kwh / step_kwh)
    target = round(session.departure_soc * one.capacity_kwh / step_kwh)
    missing = np.maximum(0, target - levels) * step_kwh
    value = (levels - start) * step_kwh * problem.terminal_value_eur_per_kwh
    value = value - problem.departure_price_eur_per_kwh * missing
    value[(levels < low) | (levels > high)] = -np.inf
    wear = one.wear.cost_eur(step_kwh / one.capacity_kwh)
    for t in reversed(range(len(problem.slots))):
        buy = problem.import_price_eur_per_kwh[t] * step_kwh / one.efficiency_charge
        sell = problem.export_price_eur_per_kwh[t] * step_kwh * one.efficiency_discharge - wear
        best = value.copy()
        best[:-1] = np.maximum(best[:-1], value[1:] - buy)
        best[1:] = np.maximum(best[1:], value[:-1] + sell)
        best[(levels < low) | (levels > high)] = -np.inf
        value = best
    return float(value[start])
