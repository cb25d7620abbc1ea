"""Large random fleets straight as arrays: overnight, workplace and several sessions a day, mixed wear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimize.fleet.arrays import FleetArrays
from optimize.types import ReserveBlock

SLOTS = 96
HOURS = 0.25


def random_fleet(
    cars: int,
    seed: int,
    *,
    reserves: bool = True,
    feeder: bool = True,
    peak: bool = True,
    sites: int = 1,
    whole: bool = True,
) -> FleetArrays:
    """A depot's day; limits, base load and peak grow with the number of cars.

    With more than one site, site 0 is the feeder and the others hang on it. Reserve: six symmetric blocks.
    Unless whole, nothing is fed in from some slot on and in some hours before, and what sessions leave in
    store is worth what each says.
    """
    rng = np.random.default_rng(seed)
    hour = np.arange(SLOTS) * HOURS
    market = 0.09 + 0.05 * np.sin((hour - 14) / 24 * 4 * np.pi) + rng.normal(0, 0.004, SLOTS)
    capacity = rng.uniform(40, 90, cars)
    law = rng.random(cars) < 0.5
    scale = rng.choice([0.0, 1.5, 1.8], cars, p=[0.1, 0.45, 0.45])
    alpha = rng.choice([0.0, 0.7, 1.0, 1.4, 10.0], cars, p=[0.05, 0.3, 0.3, 0.3, 0.05])
    sessions = [(i, first, end) for i in range(cars) for first, end in _sessions(rng)]
    car, first, end = np.array(sessions, dtype=np.int64).reshape(-1, 3).T
    arrival = rng.uniform(0.25, 0.65, car.size)
    target = np.minimum(0.8, arrival + rng.uniform(0.0, 0.5, car.size))
    hang_on = np.full(sites, -1 if sites == 1 else 0, dtype=np.int64)
    hang_on[0] = -1
    share = np.full(sites, 1.0 if sites == 1 else 1.3 / (sites - 1))
    share[0] = 1.0
    load = 0.5 * cars + 0.3 * cars * np.sin(hour / 24 * 2 * np.pi)
    blocks = tuple(
        ReserveBlock(
            product_id="FCR",
            direction="symmetric",
            site_id="feeder",
            first_slot=16 * b,
            end_slot=16 * b + 16,
            price_eur_per_kw_h=float(rng.uniform(0.004, 0.02)),
            sustain_hours=0.5,
            activation_share=0.05,
        )
        for b in range(6 if reserves else 0)
    )
    own_site = np.zeros(cars, dtype=np.int64) if sites == 1 else rng.integers(1, sites, cars)
    return FleetArrays(
        slot_hours=HOURS,
        import_cost=(market + 0.06) * 1.19,
        export_value=market + 0.04,
        previous_kw=np.zeros((0, SLOTS)),
        change_price=0.0,
        may_discharge=_with_holes(SLOTS if whole else int(rng.integers(SLOTS)), None if whole else seed),
        departure_price=5.0,
        capacity_kwh=capacity,
        wear_linear=np.where(law, 0.0, scale * 1.4),
        wear_scale=np.where(law, scale, 0.0),
        wear_alpha=np.where(law, alpha, 0.0),
        most_worth_eur=500.0 * cars,
        rest_price=rng.choice([0.0, 1e-4], cars),
        v2g_limit_kwh=np.full(cars, np.inf),
        v2g_least_kwh=np.full(cars, np.inf),
        drawdown_kwh=np.full(cars, np.inf),
        least_charge_kw=np.zeros(cars),
        least_discharge_kw=np.zeros(cars),
        car=car,
        first=first,
        count=end - first,
        site=own_site[car],
        arrival_kwh=arrival * capacity[car],
        lowest_kwh=0.15 * capacity[car],
        highest_kwh=0.95 * capacity[car],
        target_kwh=target * capacity[car],
        missing_weight=np.ones(car.size),
        carries=np.zeros(car.size, dtype=np.int64),
        surplus_kwh=np.zeros(car.size),
        charge_limit_kw=rng.choice([3.7, 11.0, 22.0], cars)[car],
        discharge_limit_kw=rng.choice([0.0, 3.7, 10.0], cars)[car],
        efficiency_charge=rng.uniform(0.9, 0.95, cars)[car],
        efficiency_discharge=rng.uniform(0.9, 0.95, cars)[car],
        terminal_value=np.full(car.size, 0.13) if whole else rng.uniform(-0.1, 0.3, car.size),
        taper_top_kw=np.full(car.size, np.inf),
        taper_fall=np.zeros(car.size),
        parent=hang_on,
        import_limit_kw=(2.5 * cars if feeder else np.inf) * share,
        export_limit_kw=(1.5 * cars if feeder else np.inf) * share,
        base_load_kw=np.concatenate([load[None, :], np.zeros((sites - 1, SLOTS))]),
        peak_price=np.concatenate([[0.05 if peak else 0.0], np.zeros(sites - 1)]),
        peak_so_far_kw=np.concatenate([[1.0 * cars], np.zeros(sites - 1)]),
        metered=np.zeros(sites, dtype=np.int64),
        blocks=blocks,
        block_site=np.zeros(len(blocks), dtype=np.int64),
    )


def six_ampere(arrays: FleetArrays) -> FleetArrays:
    """Cars that do nothing or at least 6 A on each of their phases."""

    def least(limit_kw: np.ndarray) -> np.ndarray:
        of_car = np.zeros(arrays.cars)
        of_car[arrays.car] = np.where(limit_kw <= 0.0, 0.0, np.where(limit_kw < 4.6, 1.38, 4.14))
        return of_car

    return replace(
        arrays,
        least_charge_kw=least(arrays.charge_limit_kw),
        least_discharge_kw=least(arrays.discharge_limit_kw),
    )


def _with_holes(end: int, seed: int | None) -> np.ndarray:
    """Whether feeding in is allowed: before a slot, but in some hours drawn apart from all else."""
    able = np.arange(SLOTS) < end
    if seed is not None:
        able &= np.repeat(np.random.default_rng([seed, 1]).random(SLOTS // 4) > 0.1, 4)
    return able


def _sessions(rng: np.random.Generator) -> list[tuple[int, int]]:
    """First and end slots: home overnight, work by day, or both and shopping."""
    kind = rng.choice(3, p=[0.5, 0.25, 0.25])
    if kind == 0:
        return [(0, int(rng.uniform(24, 34))), (int(rng.uniform(64, 78)), SLOTS)]
    if kind == 1:
        begin = int(rng.uniform(28, 40))
        return [(begin, begin + int(rng.uniform(20, 40)))]
    edges = [rng.uniform(24, 30), rng.uniform(36, 44), rng.uniform(50, 60), rng.uniform(66, 80)]
    leave, work, shop, home = (int(edge) for edge in edges)
    return [(0, leave), (work, shop), (home, SLOTS)]
