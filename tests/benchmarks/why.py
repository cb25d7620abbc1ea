"""Why a car does what it does, proven: `python -m tests.benchmarks.why [slots]` (200).

Days of real prices and sessions (Germany 2020, a garage in 2019) and of homes, each planned: without limits,
below a feeder that binds, with a least state of charge and wear that grows with use, with least powers, each
with the wear of a pack. Of each the same number of random slots in which a car charges or feeds back: what
the car's day is stated to lose without it, next to what it loses where its own day is planned anew by
`plan_day` with the slot forbidden, at the plan's shadow prices. "at least": stated as a bound, counted right
where it is none too high. Then how long the reasons of a plan of many cars take.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from optimize.arrays import FloatArray
from optimize.plan import plan_day
from optimize.types import Car, DayProblem, Session, Site
from optimize.why import reasons
from optimize.why.lost import Day, OfCar
from optimize.why.values import Change
from tests.benchmarks.data import add_data_option, benchmark_parser, require
from tests.benchmarks.real_days import ZONE, depot_cars, price_days, session_days
from tests.optimize.anew import best_eur
from tests.optimize.fleets import depot_day, wear
from warehouse.zones import market_day_bounds

CARS = 12
KINDS = ("no limits", "a feeder that binds", "least charge, growing wear", "least powers")
CLOSE_EUR, CLOSE_SHARE = 1e-3, 0.01


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("why", __doc__)
    parser.add_argument("slots", nargs="?", type=int, default=200, help="random slots in all (200)")
    parser.add_argument("--cars", type=int, default=1000, help="of the plan whose reasons are timed (1000)")
    add_data_option(parser)
    options = parser.parse_args(arguments)
    require(parser, options.data, "prices", "sessions")
    rng = np.random.default_rng(23)
    days = list(_real_days(options.data, rng))
    print("kind                         slots  stated  at least  not known  wrong  most off ct  within")
    for kind in KINDS:
        print(_row(kind, days, options.slots // len(KINDS), rng), flush=True)
    print(_timed(options.cars))


def _real_days(data: Path, rng: np.random.Generator) -> list[DayProblem]:
    """Ten days: a garage at work, the same cars at home over night in every second one."""
    prices = price_days(data)
    chosen = [day for day in prices if day.weekday() < 5]
    picked = sorted(rng.choice(len(chosen), size=10, replace=False).tolist())
    wanted: list[dt.date] = [chosen[number] for number in picked]
    cars = depot_cars(CARS)
    at_work = session_days(data, cars, wanted)
    return [
        _day(day, prices[day], cars, at_work[day] if number % 2 == 0 else _at_home(day, cars, rng))
        for number, day in enumerate(wanted)
    ]


def _at_home(day: dt.date, cars: Sequence[Car], rng: np.random.Generator) -> list[Session]:
    start, _ = market_day_bounds(day, ZONE)
    return [
        Session(
            session_id=f"{car.battery_id} night",
            battery_id=car.battery_id,
            arrival_utc=pd.Timestamp(start) + pd.Timedelta(hours=float(rng.uniform(0.0, 3.0))),
            departure_utc=pd.Timestamp(start) + pd.Timedelta(hours=float(rng.uniform(12.0, 23.0))),
            arrival_soc=float(rng.uniform(0.2, 0.7)),
            departure_soc=0.8,
        )
        for car in cars
    ]


def _day(day: dt.date, price: FloatArray, cars: tuple[Car, ...], sessions: Sequence[Session]) -> DayProblem:
    start, end = market_day_bounds(day, ZONE)
    return DayProblem(
        slots=pd.date_range(start, end, freq="15min", inclusive="left"),
        slot_hours=0.25,
        import_price_eur_per_kwh=price + 0.02,
        export_price_eur_per_kwh=price,
        cars=cars,
        sessions=tuple(sessions),
        sites=(Site(site_id="garage", import_limit_kw=np.inf, export_limit_kw=np.inf),),
        terminal_value_eur_per_kwh=float(np.mean(price)),
        departure_price_eur_per_kwh=2.0,
    )


def _dressed(kind: str, problem: DayProblem) -> DayProblem:
    cars = problem.cars
    if kind == "a feeder that binds":
        feeder = replace(problem.sites[0], import_limit_kw=2.5 * CARS, export_limit_kw=1.5 * CARS)
        return replace(problem, sites=(feeder,))
    if kind == "least charge, growing wear":
        cars = tuple(replace(car, soc_min=0.3, wear=wear("law")) for car in cars)
    if kind == "least powers":
        cars = tuple(replace(car, min_charge_kw=4.1, min_discharge_kw=4.1) for car in cars)
    return replace(problem, cars=cars)


def _row(kind: str, days: Sequence[DayProblem], count: int, rng: np.random.Generator) -> str:
    """Of one kind: so many random slots of its plans."""
    plans = [(problem, plan_day(problem, ("v2g",))["v2g"]) for problem in (_dressed(kind, d) for d in days)]
    moving = [
        (number, i, slot)
        for number, (_, plan) in enumerate(plans)
        for i, slot in zip(*np.nonzero(plan.charge_kw + plan.discharge_kw > 1e-6), strict=True)
    ]
    drawn = [moving[at] for at in sorted(rng.choice(len(moving), size=count, replace=False).tolist())]
    looked = {number: Day(problem, plan) for number, (problem, plan) in enumerate(plans)}
    whole: dict[tuple[int, int], float] = {}
    stated = at_least = unknown = wrong = 0
    worst, within = 0.0, 0
    for number, i, slot in drawn:
        of, (problem, plan) = OfCar(looked[number], int(i)), plans[number]
        if of.unknown:
            unknown += 1
            continue
        stay, at = next(
            (n, int(slot) - one.window.first)
            for n, one in enumerate(of.car.stays)
            if int(slot) in one.window.slots
        )
        lost = of.lost(Change(stay, at, at + 1))
        if lost is None:
            raise AssertionError(f"slot {slot} of car {i} of day {number} cannot be idle")
        if (number, i) not in whole:
            whole[number, i] = best_eur(problem, plan, int(i), {})
        actual = whole[number, i] - best_eur(problem, plan, int(i), {int(slot): (0.0, 0.0)})
        if not lost.exact:
            at_least += 1
            wrong += lost.eur > actual + CLOSE_EUR
            continue
        stated += 1
        worst = max(worst, abs(lost.eur - actual))
        close = abs(lost.eur - actual) <= max(CLOSE_EUR, CLOSE_SHARE * abs(actual))
        within += close
        wrong += not close
    return (
        f"{kind:27s}  {count:5d}  {stated:6d}  {at_least:8d}  {unknown:9d}  {wrong:5d}  {100 * worst:11.4f}"
        f"  {within} of {stated}"
    )


def _timed(cars: int) -> str:
    """How long the reasons of a large plan take."""
    problem = depot_day(cars)
    plan = plan_day(problem, ("v2g",))["v2g"]
    begun = time.process_time()
    found = reasons(problem, plan)
    seconds = time.process_time() - begun
    known = sum(not one.unknown for one in found)
    return f"{cars} cars: {len(found)} stretches, {known} of them known, in {seconds:.1f} CPU s"


if __name__ == "__main__":
    main()
