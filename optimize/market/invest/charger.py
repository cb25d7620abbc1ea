"""What other chargers are worth on a day: the same day, solved with theirs in place of those that there are.

    metered limits P (drawn) and G (fed back), efficiencies η:   c ≤ P·η_ch,   d ≤ G/η_dis,   the car's too
    phases n → n′ multiply P, G and the least power by n′/n; a power says P and G itself

Prices, stays, promises, and what a kWh in store is worth stay those of the day, so that the same charger is
the same day. At prices ≥ 0 a higher efficiency at the same metered limits is never worth less: what was drawn
gives as much with less, what was fed back takes less. Below 0 losses earn, and it may be.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import isclose

from optimize.account import Account, account
from optimize.errors import ProblemError
from optimize.plan import plan_day
from optimize.types import Car, DayProblem, Mode, Session
from optimize.validation import require_efficiency, require_positive

_SAME = 1e-12
_ALL = (1.0, 1.0)
NOTHING_LOST: Mapping[str, tuple[float, float]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Charger:
    """What is changed; None stays as it is. efficiency: both ways; power_kw: metered, drawn, and fed back
    where anything is; phases: 1 to 3; car_kw: what cars themselves take and give, battery-side.

    Raises ProblemError for what cannot be meant, or where nothing is changed.
    """

    efficiency: float | None = None
    power_kw: float | None = None
    phases: int | None = None
    car_kw: float | None = None

    def __post_init__(self) -> None:
        if self.efficiency is not None:
            require_efficiency("charger", "efficiency", self.efficiency)
        for name in ("power_kw", "car_kw"):
            if (kw := getattr(self, name)) is not None:
                require_positive("charger", name, kw)
        if self.phases is not None and not 1 <= self.phases <= 3:
            raise ProblemError("charger", "phases", self.phases, "must be 1 to 3")
        if (self.efficiency, self.power_kw, self.phases, self.car_kw) == (None,) * 4:
            raise ProblemError(
                "charger", "change", "nothing", "must be one of efficiency, power, phases, car"
            )


def with_charger(
    problem: DayProblem,
    charger: Charger,
    battery_ids: Collection[str],
    phases: Mapping[str, int],
    kept: Mapping[str, tuple[float, float]] = NOTHING_LOST,
) -> DayProblem:
    """The day with that charger at all stays of some cars.

    phases: of the charger at a session, by session_id; one that is not there keeps its power. kept:
    what a cold pack leaves of its efficiencies, charging and discharging, by session_id. Raises ProblemError
    where the day cannot be so.
    """
    cars = {car.battery_id: car for car in problem.cars if car.battery_id in battery_ids}
    sessions = [
        _session(
            one, cars[one.battery_id], charger, phases.get(one.session_id), kept.get(one.session_id, _ALL)
        )
        if one.battery_id in cars
        else one
        for one in problem.sessions
    ]
    changed = [
        _car(car, charger, [phases.get(one.session_id) for one in problem.sessions if one.battery_id == name])
        if (name := car.battery_id) in cars
        else car
        for car in problem.cars
    ]
    return replace(problem, cars=tuple(changed), sessions=tuple(sessions))


def _session(
    session: Session, car: Car, charger: Charger, phases: int | None, kept: tuple[float, float]
) -> Session:
    into, out = (
        own or of_car
        for own, of_car in (
            (session.efficiency_charge, car.efficiency_charge),
            (session.efficiency_discharge, car.efficiency_discharge),
        )
    )
    times = charger.phases / phases if charger.phases is not None and phases else 1.0
    new_into, new_out = into, out
    if charger.efficiency is not None:
        new_into, new_out = (charger.efficiency * own for own in kept)
    drawn, fed = session.charge_limit_kw, session.discharge_limit_kw
    if charger.power_kw is not None:
        drawn = charger.power_kw * into
        fed = charger.power_kw / out if fed is None or fed > 0.0 else 0.0
    return replace(
        session,
        charge_limit_kw=None if drawn is None else _kept(drawn, drawn / into * times * new_into),
        discharge_limit_kw=None if fed is None else _kept(fed, fed * out * times / new_out),
        efficiency_charge=new_into,
        efficiency_discharge=new_out,
    )


def _car(car: Car, charger: Charger, phases: Collection[int | None]) -> Car:
    """The car; a least power that its chargers ask for goes with what they all change to."""
    efficiency = charger.efficiency
    into, out = (efficiency or own for own in (car.efficiency_charge, car.efficiency_discharge))
    times = 1.0
    if charger.phases is not None and len(found := set(phases)) == 1 and (own := found.pop()):
        times = charger.phases / own
    charge, discharge = car.charge_limit_kw, car.discharge_limit_kw
    if charger.car_kw is not None:
        charge, discharge = charger.car_kw, charger.car_kw if discharge > 0.0 else 0.0
    least = car.min_charge_kw * times * (into / car.efficiency_charge)
    least_back = car.min_discharge_kw * times * (car.efficiency_discharge / out)
    return replace(
        car,
        charge_limit_kw=charge,
        discharge_limit_kw=discharge,
        min_charge_kw=min(least, charge),
        min_discharge_kw=min(least_back, discharge),
    )


def _kept(before: float, after: float) -> float:
    """What it was, where it differs by rounding alone."""
    return before if isclose(before, after, rel_tol=_SAME) else after


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What another charger adds to a day. eur: net benefit; car_eur: of each car, what sites share apart.

    missing_kwh: what departures lack less; drawn_kwh: what is drawn more. open_eur: by how much the two
    solves together may be from their best.
    """

    eur: float
    car_eur: Mapping[str, float]
    missing_kwh: float
    drawn_kwh: float
    open_eur: float


def gain(problem: DayProblem, other: DayProblem, mode: Mode, *, time_limit_seconds: float) -> Gain:
    """The gain of one day over another of the same cars. Raises the errors of `plan_day`."""
    plans = [plan_day(one, [mode], time_limit_seconds=time_limit_seconds)[mode] for one in (problem, other)]
    before, after = (account(day, plan) for day, plan in zip((problem, other), plans, strict=True))
    return Gain(
        eur=after.total.net_benefit_eur - before.total.net_benefit_eur,
        car_eur={
            name: own.net_benefit_eur - before.cars[name].net_benefit_eur for name, own in after.cars.items()
        },
        missing_kwh=before.total.unmet_kwh - after.total.unmet_kwh,
        drawn_kwh=_net(after.total) - _net(before.total),
        open_eur=sum(
            plan.solver.gap * max(1.0, abs(plan.solver.objective_eur))
            for plan in plans
            if plan.solver.status != "simulated"
        ),
    )


def _net(total: Account) -> float:
    return total.import_kwh - total.export_kwh
