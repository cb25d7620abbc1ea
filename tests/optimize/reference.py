"""Another way to the optimum, sharing nothing with the room's model but the problem's types.

A second formulation for scipy's milp: sums of powers instead of energies, a binary for every direction,
power, meter and bid from the start, drawdown as a row for each pair of slots, the tree walked for every car
and slot, wear under a dense fan of tangents.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from optimize.types import Car, DayProblem, Mode, Session, WearPrice

FAN = 400
Sum = dict[int, float]
CONSTANT = -1
_OF_THE_SESSION = (
    "charge_limit_kw",
    "discharge_limit_kw",
    "efficiency_charge",
    "efficiency_discharge",
    "site_id",
)


@dataclass(frozen=True)
class Answer:
    """achieved: wear exact; bound: wear underestimated; both €, to be large. primary: as in the record."""

    achieved: float
    bound: float
    primary: float


def milp_answer(problem: DayProblem, mode: Mode, *, seconds: float = math.inf) -> Answer:
    """The largest objective of a mode, after those that come before it.

    After `seconds` a search for net benefit ends with what it has, its bound below or above by what is open.
    """
    return _Rows(problem, mode, seconds).solve()


def add(into: Sum, other: Sum, factor: float = 1.0) -> Sum:
    """A sum of columns and a constant, plus a multiple of another."""
    for column, share in other.items():
        into[column] = into.get(column, 0.0) + factor * share
    return into


class NoPlanError(Exception):
    """Nothing keeps every row."""


class _Rows:
    def __init__(self, problem: DayProblem, mode: Mode, seconds: float) -> None:
        self.problem, self.mode, self.seconds = problem, mode, seconds
        self.gain: Sum = {}
        self.missing: Sum = {}
        self.lower: list[float] = []
        self.upper: list[float] = []
        self.integer: list[int] = []
        self.rows: list[tuple[Sum, float, float]] = []
        self.wear: list[tuple[WearPrice, int, Sum]] = []
        self.sites = {site.site_id: site for site in problem.sites}
        slots = range(len(problem.slots))
        self.power: dict[tuple[str, int], Sum] = {(j, t): {} for j in self.sites for t in slots}
        self.held: dict[tuple[int, str, int], Sum] = {}
        self.plug: dict[tuple[int, int], tuple[Sum, Sum]] = {}
        for i, one in enumerate(problem.cars):
            self._car(i, one)
        for j in self.sites:
            self._site(j)
        self._bids()
        self._own()
        self.primary = self._primary()

    def column(self, lower: float, upper: float, *, gain: float = 0.0, integer: bool = False) -> int:
        self.lower.append(lower)
        self.upper.append(upper)
        self.integer.append(int(integer))
        number = len(self.lower) - 1
        self.gain[number] = gain
        return number

    def above(self, site_id: str) -> list[str]:
        path: list[str] = []
        place: str | None = site_id
        while place is not None:
            path.append(place)
            place = self.sites[place].parent_id
        return path

    def base(self, site_id: str, t: int) -> float:
        loads = [s.base_load_kw for s in self.problem.sites if site_id in self.above(s.site_id)]
        return sum(float(load[t]) for load in loads if load is not None)

    def _car(self, i: int, one: Car) -> None:
        duty: Sum = {}
        fed: list[Sum] = [{} for _ in self.problem.day_starts]
        own = [s for s in self.problem.sessions if s.battery_id == one.battery_id]
        left: Sum | None = None
        own.sort(key=lambda s: s.arrival_utc)
        for number, session in enumerate(own):
            chain = list(takewhile(lambda s: s.carries, own[number + 1 :]))
            without = [s for s in chain if not self._slots(s)] if self._slots(session) else []
            pays = sum(0.5 if s.arrival_utc >= self.problem.end_utc else 1.0 for s in (session, *without))
            left = self._session(i, session, duty, fed, left, pays)
        for number, day in enumerate(fed):
            used = one.v2g_used_kwh if number == 0 else 0.0
            self.rows.append((day, -np.inf, max(0.0, one.v2g_limit_kwh - used)))
        wear, days = self.column(0.0, np.inf, gain=-1.0), self.problem.duty_days
        priced = replace(
            one.wear,
            residual_value_eur=one.wear.residual_value_eur * days,
            alpha_day_per_efc=one.wear.alpha_day_per_efc / days,
            beta_day_per_efc=one.wear.beta_day_per_efc / days,
        )
        self.wear.append((priced, wear, duty))
        most = sum(share * self.upper[column] for column, share in duty.items())
        for x in np.linspace(0.0, min(most, 3.0), FAN):
            slope, cost = priced.slope_eur(x), priced.cost_eur(x)
            self.rows.append((add({wear: 1.0}, duty, -slope), cost - slope * x, np.inf))

    def _slots(self, session: Session) -> list[int]:
        ends = [*self.problem.slots[1:], self.problem.end_utc]
        return [
            t
            for t, (start, end) in enumerate(zip(self.problem.slots, ends, strict=True))
            if start >= session.arrival_utc and end <= session.departure_utc
        ]

    def _session(
        self, i: int, session: Session, duty: Sum, fed: list[Sum], left: Sum | None, pays: float
    ) -> Sum | None:
        """left: what the session before ends with above its target, None where it holds no slot.

        pays: times the departure price for what is missing.
        """
        one, problem, hours = self.problem.cars[i], self.problem, self.problem.slot_hours
        own = {
            name: getattr(one, name) if getattr(session, name) is None else getattr(session, name)
            for name in _OF_THE_SESSION
        }
        p_ch, p_dis, eta_in, eta_out, site = own.values()
        p_ch, p_dis = min(p_ch, one.charge_limit_kw), min(p_dis, one.discharge_limit_kw)
        places = self.above(site)
        metered = any(self.sites[j].metering == "site" for j in places)
        ends = [*problem.slots[1:], problem.end_utc]
        slots = self._slots(session)
        start = session.arrival_soc * one.capacity_kwh
        low = max(one.soc_min, session.min_soc or 0.0) * one.capacity_kwh
        high = min(one.soc_max, 1.0 if session.max_soc is None else session.max_soc) * one.capacity_kwh
        most = p_dis if self.mode == "v2g" else 0.0
        carried = left if session.carries else None
        energy = add({CONSTANT: start}, carried or {})
        most_start = start if carried is None else one.capacity_kwh
        begun = dict(energy)
        trail: list[Sum] = [energy]
        for t in slots:
            c, d = self.column(0.0, p_ch), self.column(0.0, self._out(t, most))
            y, z = (self.column(0.0, 1.0, integer=True) for _ in range(2))
            before, energy = energy, add(dict(energy), {c: hours, d: -hours})
            power = {c: 1.0 / eta_in, d: -eta_out}
            self.plug[i, t] = {c: 1.0 / eta_in}, {d: eta_out}
            self.rows += [
                ({c: 1.0, z: -p_ch}, -np.inf, 0.0),
                ({c: 1.0, z: -one.min_charge_kw}, 0.0, np.inf),
                ({d: 1.0, y: -most}, -np.inf, 0.0),
                ({d: 1.0, y: -one.min_discharge_kw}, 0.0, np.inf),
                ({y: 1.0, z: 1.0}, 0.0, 1.0),
                (add({y: min(low, start) - low}, energy), min(low, start), np.inf),
                (add({z: max(high, most_start) - high}, energy), -np.inf, max(high, most_start)),
            ]
            if one.charge_taper is not None:
                taper = one.charge_taper
                fall = (1.0 - taper.full_share) / (1.0 - taper.from_soc) * one.charge_limit_kw
                row = add({c: 1.0}, before, fall / one.capacity_kwh)
                self.rows.append((row, -np.inf, one.charge_limit_kw + fall * taper.from_soc))
            for earlier in trail:
                if self.mode == "v2g" and one.drawdown_limit < 1.0:
                    fall_kwh = add(dict(earlier), energy, -1.0)
                    self.rows.append((fall_kwh, -np.inf, one.drawdown_limit * one.capacity_kwh))
            trail.append(energy)
            buy, sell = problem.import_price_eur_per_kwh[t], problem.export_price_eur_per_kwh[t]
            if not metered:
                add(self.gain, {c: -hours * buy / eta_in, d: hours * sell * eta_out})
            if problem.co2_kg_per_kwh is not None:
                add(self.gain, power, -hours * problem.co2_kg_per_kwh[t] * problem.co2_price_eur_per_kg)
            for part in (before, energy):
                add(self.gain, part, -0.5 * hours * one.rest_price_eur_per_kwh_h)
            if problem.previous_kw is not None and not math.isnan(problem.previous_kw[i, t]):
                moved = self.column(0.0, np.inf, gain=-hours * problem.change_price_eur_per_kwh)
                self.rows.append((add({moved: 1.0}, power), problem.previous_kw[i, t], np.inf))
                self.rows.append((add({moved: 1.0}, power, -1.0), -problem.previous_kw[i, t], np.inf))
            for j in places:
                add(self.power[j, t], power)
            duty[d] = hours / one.capacity_kwh
            fed[sum(t >= first for first in problem.day_starts) - 1][d] = hours
            if self.mode == "v2g":
                rooms = (self._out(t, p_dis) * eta_out, p_ch / eta_in, start >= low, start <= high)
                called = self._hold(t, places, power, (before, energy), (low, high), (eta_in, eta_out), rooms)
                add(duty, called, hours / one.capacity_kwh)
        target = self._target(session, one, p_ch, ends)
        missing = self.column(0.0, np.inf, gain=-pays * problem.departure_price_eur_per_kwh)
        self.missing[missing] = pays
        self.rows.append((add({missing: 1.0}, energy), target, np.inf))
        own_value = session.value_eur_per_kwh
        value = problem.terminal_value_eur_per_kwh if own_value is None else own_value
        add(self.gain, energy, value)
        add(self.gain, begun, -value)
        return add(add({CONSTANT: -target}, energy), {missing: 1.0}) if slots else carried

    def _out(self, t: int, most: float) -> float:
        """What may be discharged in a slot by a charger that can so much."""
        flags = self.problem.may_discharge
        return most if flags is None or flags[t] else 0.0

    def _target(self, session: Session, one: Car, p_ch: float, ends: list) -> float:
        """Owed at the window's end: of a session beyond the day by search over what full power can do."""
        problem, hours = self.problem, self.problem.slot_hours
        target = session.departure_soc * one.capacity_kwh
        if session.departure_utc <= problem.end_utc:
            return target
        step = ends[0] - problem.slots[0]
        begin = max(session.arrival_utc, problem.end_utc)
        begin += (problem.end_utc - begin) % step
        later = max(0, math.floor((session.departure_utc - begin) / step))
        for _ in range(later):
            candidates = [target - hours * p_ch]
            if one.charge_taper is not None:
                taper = one.charge_taper
                fall = (1.0 - taper.full_share) / (1.0 - taper.from_soc) * one.charge_limit_kw
                slope = fall / one.capacity_kwh
                flat = one.charge_limit_kw + fall * taper.from_soc
                if hours * slope < 1.0:
                    candidates.append((target - hours * flat) / (1.0 - hours * slope))
            target = max(0.0, min(target, max(candidates)))
        return target

    def _hold(
        self,
        t: int,
        places: list[str],
        power: Sum,
        energies: tuple[Sum, Sum],
        bounds: tuple[float, float],
        efficiency: tuple[float, float],
        rooms: tuple[float, float, bool, bool],
    ) -> Sum:
        """Columns of what is held for each block now; returns the battery-side kW expected to be called."""
        called: Sum = {}
        ways: dict[str, tuple[Sum, Sum]] = {"up": ({}, {}), "down": ({}, {})}
        for b, block in enumerate(self.problem.reserves):
            if t not in block.slots or block.site_id not in places:
                continue
            for way in ways:
                if not getattr(block, way) or not rooms[2 if way == "up" else 3]:
                    continue
                column = self.column(0.0, rooms[0] + rooms[1])
                self.held.setdefault((b, way, t), {})[column] = 1.0
                kw, kwh = ways[way]
                kw[column] = 1.0
                factor = 1.0 / efficiency[1] if way == "up" else efficiency[0]
                kwh[column] = block.sustain_hours * factor
                if way == "up":
                    called[column] = block.activation_share / efficiency[1]
        for way, (kw, kwh) in ways.items():
            if kw:
                sign = -1.0 if way == "up" else 1.0
                self.rows.append((add(dict(kw), power, sign), -np.inf, rooms[0 if way == "up" else 1]))
                for energy in energies:
                    limit = -bounds[0] if way == "up" else bounds[1]
                    self.rows.append((add(dict(kwh), energy, sign), -np.inf, limit))
        return called

    def _site(self, j: str) -> None:
        problem, site = self.problem, self.sites[j]
        slots = range(len(problem.slots))
        if site.peak_price_eur_per_kw:
            peak = self.column(site.peak_so_far_kw, np.inf, gain=-site.peak_price_eur_per_kw)
            add(self.gain, {CONSTANT: site.peak_price_eur_per_kw * site.peak_so_far_kw})
        for t in slots:
            power, base = self.power[j, t], self.base(j, t)
            least = -max(site.export_limit_kw + base, 0.0)
            self.rows.append((dict(power), least, max(site.import_limit_kw - base, 0.0)))
            if site.peak_price_eur_per_kw:
                self.rows.append((add({peak: 1.0}, power, -1.0), base, np.inf))
            if site.metering == "site":
                self._meter(t, power, base)

    def _meter(self, t: int, power: Sum, base: float) -> None:
        buy, sell = self.problem.import_price_eur_per_kwh[t], self.problem.export_price_eur_per_kwh[t]
        hours = self.problem.slot_hours
        most = abs(base) + sum(abs(share) * self.upper[column] for column, share in power.items())
        drawn = self.column(0.0, most, gain=-hours * buy)
        fed = self.column(0.0, most, gain=hours * sell)
        way = self.column(0.0, 1.0, integer=True)
        self.rows.append((add({drawn: 1.0, fed: -1.0}, power, -1.0), base, base))
        self.rows.append(({drawn: 1.0, way: most}, -np.inf, most))
        self.rows.append(({fed: 1.0, way: -most}, -np.inf, 0.0))
        add(self.gain, {CONSTANT: hours * (buy if base > 0.0 else sell) * base})

    def _bids(self) -> None:
        for b, block in enumerate(self.problem.reserves):
            length = self.problem.slot_hours * len(block.slots)
            most = min(block.max_kw, 1e4) if self.mode == "v2g" else 0.0
            bid = self.column(0.0, most, gain=length * block.price_eur_per_kw_h)
            offered = self.column(0.0, 1.0, integer=True)
            self.rows.append(({bid: 1.0, offered: -most}, -np.inf, 0.0))
            self.rows.append(({bid: 1.0, offered: -block.min_kw}, 0.0, np.inf))
            for way in ("up", "down"):
                for t in block.slots if getattr(block, way) else ():
                    self.rows.append((add({bid: -1.0}, self.held.get((b, way, t), {})), 0.0, np.inf))

    def _own(self) -> None:
        for one in self.problem.constraints:
            row: Sum = {}
            for (i, t), (drawn, fed) in self.plug.items():
                for factors, power in ((one.import_coefficients, drawn), (one.export_coefficients, fed)):
                    add(row, power, 0.0 if factors is None else float(factors[i, t]))
            self.rows.append((row, one.lower, one.upper))

    def _primary(self) -> Sum | None:
        problem, slots = self.problem, range(len(self.problem.slots))
        roots = [j for j, site in self.sites.items() if site.parent_id is None]
        wanted: Sum = {}
        if problem.objective == "grid_support":
            for j in roots:
                for t in set(problem.peak_slots):
                    add(wanted, self.power[j, t], problem.slot_hours)
        elif problem.objective == "peak_shaving":
            for j in roots:
                top = self.column(0.0, np.inf)
                wanted[top] = 1.0
                for t in slots:
                    self.rows.append((add({top: 1.0}, self.power[j, t], -1.0), self.base(j, t), np.inf))
        elif problem.objective == "load_levelling":
            for j in roots:
                loads = [add({CONSTANT: self.base(j, t)}, self.power[j, t]) for t in slots]
                mean: Sum = {}
                for load in loads:
                    add(mean, load, 1.0 / len(loads))
                for load in loads:
                    apart = self.column(0.0, np.inf)
                    wanted[apart] = 1.0
                    for sign in (1.0, -1.0):
                        row = add(add({apart: 1.0}, load, -sign), mean, sign)
                        self.rows.append((row, 0.0, np.inf))
        return wanted if problem.objective != "net_benefit" else None

    def solve(self) -> Answer:
        primary = math.nan
        for wanted in (self.missing, self.primary) if self.primary is not None else ():
            primary, _, _ = self._minimum(wanted, math.inf)
            self.rows.append((dict(wanted), -np.inf, primary + 1e-7 * max(1.0, abs(primary))))
        value, least, x = self._minimum({c: -gain for c, gain in self.gain.items()}, self.seconds)
        hidden = 0.0
        for price, column, duty in self.wear:
            hidden += price.cost_eur(sum(share * x[d] for d, share in duty.items())) - x[column]
        sign = -1.0 if self.problem.objective == "grid_support" else 1.0
        return Answer(achieved=-value - hidden, bound=-least, primary=sign * primary)

    def _minimum(self, wanted: Sum, seconds: float) -> tuple[float, float, np.ndarray]:
        """The least value found, the least there can be, and where it is."""
        width = len(self.lower)
        places = [
            (r, column, share) for r, (row, _, _) in enumerate(self.rows) for column, share in row.items()
        ]
        number, column, share = np.array(places).reshape(-1, 3).T
        column = np.where(column == CONSTANT, width, column)
        matrix = sparse.csr_array(
            (share, (number.astype(int), column.astype(int))), shape=(len(self.rows), width + 1)
        )
        constant = matrix[:, [width]].toarray().ravel()
        low = np.array([least for _, least, _ in self.rows]) - constant
        high = np.array([most for _, _, most in self.rows]) - constant
        cost = np.zeros(width + 1)
        cost[list(wanted)] = list(wanted.values())
        if width == 0:
            return float(cost[-1]), float(cost[-1]), np.zeros(0)
        answer = milp(
            cost[:-1],
            integrality=np.array(self.integer),
            bounds=Bounds(np.array(self.lower), np.array(self.upper)),
            constraints=LinearConstraint(matrix[:, :width], low, high),
            options={"mip_rel_gap": 1e-7} | ({"time_limit": seconds} if math.isfinite(seconds) else {}),
        )
        if answer.status == 2:
            raise NoPlanError
        assert answer.status in (0, 1), answer.message
        value = float(answer.fun) if answer.x is not None else math.inf
        least = value if answer.status == 0 else min(value, answer.mip_dual_bound or -math.inf)
        x = np.zeros(width) if answer.x is None else answer.x
        return value + float(cost[-1]), least + float(cost[-1]), x
