"""Commitments under uncertainty, out of sample: `python -m tests.benchmarks.two_stage [months …]`.

Real prices (SMARD 2020) and real workplace sessions (ACN March 2019, replayed by weekday). In each month the
first twelve working days are known and the next eight are still to come; 40 cars commit their energy, and
bid symmetric reserve in six blocks of four hours, by
    persistence   the last known day is the forecast
    mean          the known days' mean price and their most central day of sessions
    stochastic    all twelve known days as scenarios, expected cost
    CVaR          the same, half of the goal on the worst tenth
and every promise is then settled on the days to come. Then: how long 50 cars with 20 scenarios take.
"""

from __future__ import annotations

import datetime as dt
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from optimize.scenarios import Commitment, Scenario, UncertainDay, reduce_scenarios
from optimize.scenarios.commit import commit, evaluate, tail_mean
from optimize.types import DayProblem, ReserveBlock, Session, Site
from tests.benchmarks.data import add_data_option, benchmark_parser, require
from tests.benchmarks.real_days import ZONE, depot_cars, moved, price_days, session_days
from warehouse.zones import market_day_bounds

CARS, KNOWN, TO_COME = 40, 12, 8
DEVIATION_EUR_PER_KWH, SHORTFALL_EUR_PER_KW_H = 0.05, 0.1
RESERVE_EUR_PER_KW_H, SUSTAIN_HOURS = 0.01, 0.25
ANNEX_EUR_PER_KWH = 0.10  # taxes and fees on energy drawn, given back on energy fed


def scenario_day(cars: tuple, price: np.ndarray, sessions: tuple[Session, ...], day: dt.date) -> DayProblem:
    """A garage's day with a reserve market."""
    start, _ = market_day_bounds(day, ZONE)
    return DayProblem(
        slots=pd.date_range(start, periods=96, freq="15min"),
        slot_hours=0.25,
        import_price_eur_per_kwh=price + ANNEX_EUR_PER_KWH,
        export_price_eur_per_kwh=price + ANNEX_EUR_PER_KWH,
        cars=cars,
        sessions=sessions,
        sites=(Site(site_id="garage", import_limit_kw=4.0 * len(cars), export_limit_kw=4.0 * len(cars)),),
        terminal_value_eur_per_kwh=0.0,
        departure_price_eur_per_kwh=2.0,
        reserves=tuple(
            ReserveBlock(
                product_id="FCR",
                direction="symmetric",
                site_id="garage",
                first_slot=16 * block,
                end_slot=16 * (block + 1),
                price_eur_per_kw_h=RESERVE_EUR_PER_KW_H,
                sustain_hours=SUSTAIN_HOURS,
            )
            for block in range(6)
        ),
    )


def month_days(data: Path, month: int, count: int, size: int = CARS) -> list[DayProblem]:
    """The first `count` working days of a month as days of one and the same date, for `size` cars."""
    cars, prices = depot_cars(size), price_days(data)
    dates = [day.date() for day in pd.bdate_range(f"2020-{month:02d}-01", periods=count + 2)]
    dates = [day for day in dates if day in prices][:count]
    sessions = session_days(data, cars, dates)
    first, _ = market_day_bounds(dates[0], ZONE)
    offsets = {day: first - market_day_bounds(day, ZONE)[0] for day in dates}
    return [scenario_day(cars, prices[day], moved(sessions[day], offsets[day]), dates[0]) for day in dates]


def uncertain(days: list[DayProblem], cvar_weight: float = 0.0) -> UncertainDay:
    """Equally likely days."""
    return UncertainDay(
        scenarios=tuple(Scenario(probability=1.0 / len(days), day=day) for day in days),
        deviation_price_eur_per_kwh=DEVIATION_EUR_PER_KWH,
        shortfall_price_eur_per_kw_h=SHORTFALL_EUR_PER_KW_H,
        cvar_weight=cvar_weight,
    )


def mean_day(days: list[DayProblem]) -> DayProblem:
    """Mean prices, and the sessions of the day that stands best for all."""
    central = reduce_scenarios(uncertain(days).scenarios, 1)[0].day
    price = np.mean([day.import_price_eur_per_kwh for day in days], axis=0)
    return replace(central, import_price_eur_per_kwh=price, export_price_eur_per_kwh=price)


def policies(known: list[DayProblem]) -> dict[str, Commitment]:
    """What each policy promises, knowing these days."""
    asked = {
        "persistence": uncertain(known[-1:]),
        "mean": uncertain([mean_day(known)]),
        "stochastic": uncertain(known),
        "CVaR": uncertain(known, cvar_weight=0.5),
    }
    return {name: commit(question).commitment for name, question in asked.items()}


def compare(months: list[int], data: Path) -> None:
    """Print each policy's costs out of sample, mean and tail over all days to come."""
    costs: dict[str, list[float]] = {}
    for month in months:
        days = month_days(data, month, KNOWN + TO_COME)
        known, to_come = days[:KNOWN], days[KNOWN:]
        promises = policies(known)
        for name, promise in promises.items():
            stated = evaluate(uncertain(to_come), promise)
            costs.setdefault(name, []).extend(stated.scenario_cost_eur.tolist())
        for day in to_come:  # each day committed with that day known: what nobody can beat
            best = commit(uncertain([day])).expected_cost_eur
            costs.setdefault("perfect foresight", []).append(best)
        row = ", ".join(f"{name} {np.mean(values[-TO_COME:]):.2f}" for name, values in costs.items())
        print(f"2020-{month:02d}: {row}", file=sys.stderr)
    print(f"{len(months) * TO_COME} days out of sample, {CARS} cars, € a day (lower is better)")
    print(f"{'policy':<18} {'mean':>8} {'worst 10 %':>11} {'against mean forecast':>22}")
    reference = np.array(costs["mean"])
    for name, values in costs.items():
        cost = np.array(values)
        tail = tail_mean(cost, np.full(len(cost), 1 / len(cost)), 0.9)
        saved = reference - cost
        error = saved.std(ddof=1) / np.sqrt(len(saved)) if name != "mean" else 0.0
        print(f"{name:<18} {cost.mean():8.2f} {tail:11.2f} {saved.mean():+13.2f} ± {1.96 * error:.2f}")


def speed(data: Path, cars: int = 50, scenarios: int = 20) -> None:
    """Print how long a commitment over many scenarios takes."""
    days = month_days(data, 2, scenarios, cars)
    for weight in (0.0, 0.5):
        start = time.perf_counter()
        plan = commit(uncertain(days, weight))
        print(
            f"{cars} cars × {scenarios} scenarios, CVaR weight {weight}: {time.perf_counter() - start:.1f} s "
            f"(solver {plan.solve_seconds:.1f} s, {plan.columns} columns, {plan.rows} rows, "
            f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB)"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("two_stage", __doc__)
    parser.add_argument(
        "months",
        nargs="*",
        type=int,
        default=[1, 2, 4, 5, 6, 7, 8, 9, 11, 12],
        help="of 2020 (the ten whole ones)",
    )
    add_data_option(parser)
    asked = parser.parse_args(arguments)
    require(parser, asked.data, "prices", "sessions")
    compare(asked.months, asked.data)
    speed(asked.data)


if __name__ == "__main__":
    main()
