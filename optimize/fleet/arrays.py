"""A fleet's day as arrays: what `DayProblem` says with one object per car, for 100,000 of them.

Arrays count n cars, s stays (sorted by car, then by first slot), S sites, B reserve blocks and T slots. Units
are those of `optimize.types`: battery-side kW and kWh, €/kWh metered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimize import conditions, most_duty, rulebook
from optimize.fleet.errors import UnsupportedError
from optimize.fleet.layout import BoolArray, FloatArray, IntArray
from optimize.tree import site_tree
from optimize.types import DayProblem, Mode, ReserveBlock
from optimize.validation import require_optimising
from optimize.windows import SessionWindow, taper_line

PER_CAR = (
    "capacity_kwh",
    "wear_linear",
    "wear_scale",
    "wear_alpha",
    "rest_price",
    "v2g_limit_kwh",
    "v2g_least_kwh",
    "drawdown_kwh",
    "least_charge_kw",
    "least_discharge_kw",
)
PER_SESSION = (
    "first",
    "count",
    "site",
    "arrival_kwh",
    "lowest_kwh",
    "highest_kwh",
    "target_kwh",
    "missing_weight",
    "carries",
    "surplus_kwh",
    "charge_limit_kw",
    "discharge_limit_kw",
    "efficiency_charge",
    "efficiency_discharge",
    "terminal_value",
    "taper_top_kw",
    "taper_fall",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FleetArrays:
    """The question, for one mode; see the module.

    import_cost, export_value [T] hold CO2. previous_kw [n, T]: metered power of the plan in force, NaN where
    there is none; [0, T] where departing from it costs nothing, otherwise change_price, €/kWh metered.
    Nothing is discharged but where may_discharge [T]. wear: linear € per EFC, or scale·(exp(alpha·x) − 1),
    of which no best plan has more than most_worth_eur.
    drawdown_kwh, least_charge_kw, least_discharge_kw [n] are kept by every plan but left out of the engine's
    bound, as is v2g_limit_kwh where reserve is activated; `polish` brings them in. v2g_limit_kwh is of all
    days together, v2g_least_kwh of the day that allows the least: plans without a search keep that.
    carries [s]: whether a session comes besides with what the last one with slots before it leaves above its
    target, at most surplus_kwh [s]. missing_weight [s]: what is missing costs so many times the departure
    price. terminal_value [s]: of a kWh in store when a session ends. parent [S]: −1 for a root.
    base_load_kw [S, T]: of the whole subtree. metered [S]: whether that nets behind one meter.
    """

    slot_hours: float
    import_cost: FloatArray
    export_value: FloatArray
    previous_kw: FloatArray
    change_price: float
    may_discharge: BoolArray
    departure_price: float
    capacity_kwh: FloatArray
    wear_linear: FloatArray
    wear_scale: FloatArray
    wear_alpha: FloatArray
    most_worth_eur: float
    rest_price: FloatArray
    v2g_limit_kwh: FloatArray
    v2g_least_kwh: FloatArray
    drawdown_kwh: FloatArray
    least_charge_kw: FloatArray
    least_discharge_kw: FloatArray
    car: IntArray
    first: IntArray
    count: IntArray
    site: IntArray
    arrival_kwh: FloatArray
    lowest_kwh: FloatArray
    highest_kwh: FloatArray
    target_kwh: FloatArray
    missing_weight: FloatArray
    carries: IntArray
    surplus_kwh: FloatArray
    charge_limit_kw: FloatArray
    discharge_limit_kw: FloatArray
    efficiency_charge: FloatArray
    efficiency_discharge: FloatArray
    terminal_value: FloatArray
    taper_top_kw: FloatArray
    taper_fall: FloatArray
    parent: IntArray
    import_limit_kw: FloatArray
    export_limit_kw: FloatArray
    base_load_kw: FloatArray
    peak_price: FloatArray
    peak_so_far_kw: FloatArray
    metered: IntArray
    blocks: tuple[ReserveBlock, ...]
    block_site: IntArray

    @property
    def cars(self) -> int:
        """n."""
        return int(self.capacity_kwh.size)

    @property
    def slots(self) -> int:
        """T."""
        return int(self.import_cost.size)

    @property
    def sites(self) -> int:
        """S."""
        return int(self.parent.size)

    def subset(self, cars: IntArray) -> FleetArrays:
        """The same day with these cars alone, in this order."""
        position = np.full(self.cars, -1, dtype=np.int64)
        position[cars] = np.arange(cars.size)
        sessions = np.flatnonzero(position[self.car] >= 0)
        sessions = sessions[np.lexsort((self.first[sessions], position[self.car[sessions]]))]
        parts = {name: getattr(self, name)[cars] for name in PER_CAR}
        parts |= {name: getattr(self, name)[sessions] for name in PER_SESSION}
        if self.previous_kw.size:
            parts["previous_kw"] = self.previous_kw[cars]
        return replace(self, **parts, car=position[self.car[sessions]])

    def path(self, site: int) -> list[int]:
        """The site and everything above it."""
        nodes = [site]
        while self.parent[nodes[-1]] >= 0:
            nodes.append(int(self.parent[nodes[-1]]))
        return nodes

    def of_subtrees(self, own: FloatArray) -> FloatArray:
        """Sums over each subtree of what sites have themselves, [S, …]."""
        total, depth = own.copy(), np.zeros(self.sites, dtype=np.int64)
        above = self.parent.copy()
        while (above >= 0).any():
            depth[above >= 0] += 1
            above = np.where(above >= 0, self.parent[above], -1)
        for level in range(int(depth.max(initial=0)), 0, -1):
            here = np.flatnonzero(depth == level)
            np.add.at(total, self.parent[here], total[here])
        return total

    def below(self, root: int) -> list[int]:
        """The sites of a subtree, its root among them."""
        return [j for j in range(self.sites) if root in self.path(j)]


def from_problem(problem: DayProblem, windows: Sequence[SessionWindow], mode: Mode) -> FleetArrays:
    """The arrays of an optimising mode ("ordered" or "v2g"). Raises UnsupportedError (see `unsupported`)."""
    why = unsupported(problem)
    if why or problem.objective != "net_benefit":  # which `before` makes days of net benefit of
        raise UnsupportedError(why or f"objective {problem.objective!r}")
    return arrays_of(problem, windows, mode)


def arrays_of(problem: DayProblem, windows: Sequence[SessionWindow], mode: Mode) -> FleetArrays:
    """The arrays of any day: what `unsupported` names is not in them, or priced too well."""
    require_optimising(mode)
    cars = problem.cars
    v2g = mode == "v2g"
    wear = [car.wear.over(problem.duty_days) for car in cars]
    scale = np.array([w.residual_value_eur / w.l0_days for w in wear])
    by_law = np.array([w.form == "law" for w in wear], dtype=bool)
    alpha = np.array([w.alpha_day_per_efc for w in wear])
    beta = np.array([w.beta_day_per_efc for w in wear])
    taper = np.array([taper_line(car, problem.slot_hours) for car in cars]).reshape(-1, 2)
    owner = np.array([w.car for w in windows], dtype=np.int64)
    least_in = np.array([car.min_charge_kw for car in cars])
    least_out = np.array([car.min_discharge_kw for car in cars])
    number = {site.site_id: j for j, site in enumerate(problem.sites)}

    contract = problem.v2g_left_kwh() if v2g else np.full((len(cars), 1), np.inf)

    def sessions(field: str) -> FloatArray:
        return np.array([getattr(w, field) for w in windows], dtype=np.float64)

    return FleetArrays(
        slot_hours=problem.slot_hours,
        import_cost=problem.import_cost_eur_per_kwh,
        export_value=problem.export_value_eur_per_kwh,
        previous_kw=problem.previous_kw
        if problem.previous_kw is not None and conditions.followed(problem)
        else np.zeros((0, len(problem.slots))),
        change_price=problem.change_price_eur_per_kwh,
        may_discharge=problem.able,
        departure_price=problem.departure_price_eur_per_kwh,
        capacity_kwh=np.array([car.capacity_kwh for car in cars]),
        wear_linear=np.where(by_law, 0.0, scale * beta),
        wear_scale=np.where(by_law, scale, 0.0),
        wear_alpha=np.where(by_law, alpha, 0.0),
        most_worth_eur=most_duty.most_worth_eur(problem, windows),
        rest_price=np.array([car.rest_price_eur_per_kwh_h for car in cars]),
        v2g_limit_kwh=contract.sum(axis=1),
        v2g_least_kwh=contract.min(axis=1),
        drawdown_kwh=np.array(
            [car.drawdown_limit * car.capacity_kwh if car.drawdown_limit < 1.0 else np.inf for car in cars]
        ),
        least_charge_kw=least_in,
        least_discharge_kw=least_out,
        car=owner,
        first=np.array([w.first for w in windows], dtype=np.int64),
        count=np.array([w.end - w.first for w in windows], dtype=np.int64),
        site=np.array([w.site for w in windows], dtype=np.int64),
        arrival_kwh=sessions("arrival_kwh"),
        lowest_kwh=sessions("lowest_kwh"),
        highest_kwh=sessions("highest_kwh"),
        target_kwh=sessions("target_kwh"),
        missing_weight=sessions("missing_weight"),
        carries=np.array([w.carries for w in windows], dtype=np.int64),
        surplus_kwh=sessions("surplus_kwh"),
        charge_limit_kw=_on(sessions("charge_limit_kw"), least_in[owner], problem),
        discharge_limit_kw=_on(sessions("discharge_limit_kw") * float(v2g), least_out[owner], problem),
        efficiency_charge=sessions("efficiency_charge"),
        efficiency_discharge=sessions("efficiency_discharge"),
        terminal_value=sessions("value_eur_per_kwh"),
        taper_top_kw=taper[owner, 0],
        taper_fall=taper[owner, 1],
        parent=np.array([-1 if s.parent_id is None else number[s.parent_id] for s in problem.sites]),
        import_limit_kw=np.array([site.import_limit_kw for site in problem.sites]),
        export_limit_kw=np.array([site.export_limit_kw for site in problem.sites]),
        base_load_kw=site_tree(problem).base_kw,
        peak_price=np.array([site.peak_price_eur_per_kw for site in problem.sites]),
        peak_so_far_kw=np.array([site.peak_so_far_kw for site in problem.sites]),
        metered=np.array([site.metering == "site" for site in problem.sites], dtype=np.int64),
        blocks=problem.reserves if v2g else (),
        block_site=np.array([number[b.site_id] for b in problem.reserves] if v2g else [], dtype=np.int64),
    )


def _on(limit_kw: FloatArray, least_kw: FloatArray, problem: DayProblem) -> FloatArray:
    """The limits, 0 where they are below the least that may be on, unless reserve is held against them."""
    return limit_kw if problem.reserves else np.where(limit_kw < least_kw, 0.0, limit_kw)


def unsupported(problem: DayProblem) -> str:
    """What the engine cannot express in this problem, in words; "" if it can all of it."""
    return rulebook.declined(problem)
