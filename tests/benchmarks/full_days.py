"""Three ways to the same full day: `python -m tests.benchmarks.full_days [days] [cars] [seconds]`.

By default 300 days of at most 30 cars, 20 s each way.

Random fleets over 92 (clocks go forward), 96 or 100 (back) quarter-hours with any features, prices down to
−0.5 €/kWh: the second formulation of the tests (all integers from the start), Pyomo with HiGHS, and the fleet
engine where it can express the day. No plan may be worth more than another way proves possible, and each must
pass the checker. Prints every disagreement and what was found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from optimize.account import account
from optimize.check import check_plan
from optimize.fleet.arrays import unsupported
from optimize.fleet.plan import solve_fleet
from optimize.solve import solve_mode
from optimize.types import DayProblem
from tests.benchmarks.data import benchmark_parser
from tests.optimize.mixed import FEATURES, mixed_day
from tests.optimize.reference import milp_answer

STARTS = {92: "2024-03-30T23:00Z", 96: "2024-05-06T22:00Z", 100: "2024-10-26T22:00Z"}


def full_day(seed: int, most_cars: int) -> DayProblem:
    """The day of a seed, in Central European time; the number of its slots goes round with the seed."""
    rng = np.random.default_rng([seed, 31])
    features = [feature for feature in FEATURES if feature != "objective" and rng.random() < 0.4]
    if seed % 4:  # no engine but Pyomo follows a previous plan
        features = [feature for feature in features if feature != "follow"]
    slots = tuple(STARTS)[seed % len(STARTS)]
    problem = mixed_day(seed, features=features, cars=int(rng.integers(1, most_cars + 1)), slots=slots)
    later = pd.Timestamp(STARTS[slots]) - problem.slots[0]
    return replace(
        problem,
        slots=problem.slots + later,
        sessions=tuple(
            replace(s, arrival_utc=s.arrival_utc + later, departure_utc=s.departure_utc + later)
            for s in problem.sessions
        ),
    )


def disagreements(problem: DayProblem, seconds: float, found: Counter[str]) -> list[str]:
    """What contradicts what, in words."""
    reference = milp_answer(problem, "v2g", seconds=seconds)
    exact = solve_mode(problem, "v2g", seconds)
    ways = {"second formulation": (reference.achieved, reference.bound + 1e-6 * abs(reference.bound))}
    plans = {"Pyomo": exact}
    if unsupported(problem):
        found["not for the fleet engine"] += 1
    else:
        plans["fleet engine"] = solve_fleet(problem, "v2g", seconds)
    for name, plan in plans.items():
        check_plan(problem, plan)
        value = account(problem, plan).total.objective_eur
        ways[name] = value, value + (plan.solver.gap + 3e-6) * max(1.0, abs(value))
        found[f"{name}: gap above 1e-4"] += plan.solver.gap > 1e-4
        found[f"{name}: gap above 1e-2"] += plan.solver.gap > 1e-2
    found["second formulation: open above 1e-3"] += reference.bound - reference.achieved > 1e-3 * max(
        1.0, abs(reference.bound)
    )
    return [
        f"{one} reaches {value:.6f}, {other} proves at most {most:.6f}"
        for one, (value, _) in ways.items()
        for other, (_, most) in ways.items()
        if value > most + 1e-5
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("full_days", __doc__)
    parser.add_argument("days", nargs="?", type=int, default=300, help="random days (300)")
    parser.add_argument("cars", nargs="?", type=int, default=30, help="cars at most (30)")
    parser.add_argument("seconds", nargs="?", type=float, default=20.0, help="for each way (20)")
    asked = parser.parse_args(arguments)
    found: Counter[str] = Counter()
    for seed in range(asked.days):
        problem = full_day(seed, asked.cars)
        wrong = disagreements(problem, asked.seconds, found)
        found["disagree" if wrong else "agree"] += 1
        found[f"{len(problem.slots)} slots"] += 1
        for line in wrong:
            print(f"seed {seed}, {len(problem.cars)} cars: {line}", flush=True)
    print(", ".join(f"{name}: {count}" for name, count in sorted(found.items())))


if __name__ == "__main__":
    main()
