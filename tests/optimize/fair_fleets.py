"""Fleets whose day is a linear programme and whose cars meet at limits, peaks and common meters, by seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimize.types import DayProblem, Site
from tests.optimize.fleets import random_day

SLOTS, HOURS = 24, 1.0


def linear_fleet(seed: int, cars: int | None = None) -> DayProblem:
    """Six to ten cars over a day by the hour, in one or two sites below a feeder that is narrow for them.

    Prices are above zero and a kWh fed back earns no more than one drawn costs: nothing needs a binary.
    """
    rng = np.random.default_rng(seed)
    count = cars or int(rng.integers(6, 11))
    day = random_day(seed, cars=count, slots=SLOTS, hours=HOURS, hard=False)
    buy = np.abs(day.import_price_eur_per_kwh) + 0.02
    load = rng.uniform(0.0, 4.0, SLOTS) if rng.random() < 0.5 else None
    feeder = Site(
        site_id="feeder",
        import_limit_kw=float(rng.uniform(4.0, 14.0)),
        export_limit_kw=float(rng.uniform(2.0, 10.0)),
        base_load_kw=load,
        peak_price_eur_per_kw=float(rng.choice([0.0, 0.2])),
        peak_so_far_kw=float(rng.choice([0.0, 5.0])),
        metering="site" if rng.random() < 0.3 else "car",
    )
    below = (replace(site, parent_id="feeder") for site in day.sites)
    return replace(
        day,
        import_price_eur_per_kwh=buy,
        export_price_eur_per_kwh=np.minimum(np.abs(day.export_price_eur_per_kwh), 0.98 * buy),
        cars=tuple(replace(car, drawdown_limit=1.0) for car in day.cars),
        sites=(feeder, *below),
    )


def with_least_powers(day: DayProblem, share: float) -> DayProblem:
    """The day whose cars do nothing or at least a share of what they can: no linear programme."""
    cars = (
        replace(
            car,
            min_charge_kw=share * car.charge_limit_kw,
            min_discharge_kw=share * car.discharge_limit_kw,
        )
        for car in day.cars
    )
    return replace(day, cars=tuple(cars))
