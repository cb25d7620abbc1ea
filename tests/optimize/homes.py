"""Many small places: homes with a site for each car, and streets, homes and car parks mixed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimize.types import DayProblem, ReserveBlock, Session, Site
from tests.optimize.fleets import car, day, everyday, everyday_car, session_of, two_peaks, wear


def homes_day(
    count: int, seed: int = 1, *, feeder: bool = False, transformers: int = 0, load: bool = False
) -> DayProblem:
    """Quarter-hours of `count` cars, each behind a site of its own that can bind.

    feeder: all on one; transformers: on so many in turn, each of which can bind; load: with a household's.
    """
    rng = np.random.default_rng([seed, 41])
    market = two_peaks(rng)
    cars, sessions = [], []
    for i in range(count):
        one = everyday_car(rng, i, f"car {i:04d}", f"home {i:04d}")
        leave, home = rng.uniform(32, 38), rng.uniform(58, 66)
        cars.append(one)
        sessions.append(session_of(one.battery_id, -20, leave, rng.uniform(0.3, 0.7), 0.8, hours=0.25))
        sessions.append(session_of(one.battery_id, home, 126, rng.uniform(0.25, 0.6), 0.8, hours=0.25))
    streets = [f"transformer {k:03d}" for k in range(transformers)]
    above = [None if not feeder else "feeder"] * count
    if streets:
        above = [streets[i % transformers] for i in range(count)]
    sites = [
        Site(
            site_id=one.site_id,
            import_limit_kw=8.0,
            export_limit_kw=7.0,
            parent_id=parent,
            base_load_kw=rng.uniform(0.1, 1.5, 96) if load else None,
        )
        for one, parent in zip(cars, above, strict=True)
    ]
    each = 3.0 * count / max(1, transformers)
    sites += [Site(site_id=name, import_limit_kw=each, export_limit_kw=each) for name in streets]
    if feeder:
        sites.append(Site(site_id="feeder", import_limit_kw=5.0 * count, export_limit_kw=5.0 * count))
    return everyday(market, cars, sessions, sites)


def places_day(seed: int) -> DayProblem:
    """An hourly day of 6–12 cars at homes, car parks and streets, dressed at random with all that couples."""
    rng = np.random.default_rng([seed, 43])
    hours, slots, count = 1.0, 24, int(rng.integers(6, 13))
    buy = rng.uniform(0.05, 0.4, slots)
    sites = [Site(site_id="grid", import_limit_kw=1e4, export_limit_kw=np.inf)]
    for street in range(int(rng.integers(1, 3))):
        limit = float(rng.choice([9.0, np.inf]))
        above = str(rng.choice(["grid", ""])) or None
        sites.append(
            Site(site_id=f"street {street}", import_limit_kw=limit, export_limit_kw=limit, parent_id=above)
        )
    streets = [site.site_id for site in sites]
    for home in range(int(rng.integers(4, 8))):
        load = rng.uniform(0.0, 3.0, slots) - 4.0 * (rng.random() < 0.3)
        sites.append(
            Site(
                site_id=f"home {home}",
                import_limit_kw=float(rng.choice([5.0, 8.0, 1e3])),
                export_limit_kw=float(rng.choice([0.0, 5.0, np.inf])),
                parent_id=str(rng.choice([*streets, ""])) or None,
                base_load_kw=load if rng.random() < 0.5 else None,
                peak_price_eur_per_kw=float(rng.choice([0.0, 0.0, 0.3])),
                metering=str(rng.choice(["car", "car", "site"])),  # type: ignore[arg-type]
            )
        )
    homes = [site.site_id for site in sites if site.site_id.startswith("home")]
    cars, sessions = [], list[Session]()
    for i in range(count):
        one = car(
            f"car {i}",
            site_id=str(rng.choice([*homes, "grid"])),
            capacity_kwh=float(rng.choice([10.0, 30.0])),
            efficiency_charge=0.9,
            efficiency_discharge=0.95,
            drawdown_limit=float(rng.choice([0.3, 1.0])),
            wear=wear("rate", residual_value_eur=float(rng.choice([0.0, 300.0]))),
        )
        cars.append(one)
        for first, end in ((-2.0, 8.0), (10.0, 15.0), (17.0, 30.0))[: int(rng.integers(0, 4))]:
            session = session_of(
                one.battery_id, first, end, rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.9), hours=hours
            )
            elsewhere = str(rng.choice(homes)) if rng.random() < 0.15 else None
            sessions.append(replace(session, site_id=elsewhere))
    problem = day(
        buy, cars, sessions, export=buy - 0.03, sites=sites, hours=hours, terminal=0.12, departure_price=2.0
    )
    if rng.random() < 0.3:
        block = ReserveBlock(
            product_id="FCR",
            direction="symmetric",
            site_id=str(rng.choice([*homes, *streets])),
            first_slot=0,
            end_slot=6,
            price_eur_per_kw_h=0.05,
            sustain_hours=0.25,
        )
        problem = replace(problem, reserves=(block,))
    if rng.random() < 0.3:
        objective = str(rng.choice(["grid_support", "peak_shaving", "load_levelling"]))
        problem = replace(problem, objective=objective, peak_slots=(17, 18))  # type: ignore[arg-type]
    if rng.random() < 0.3:
        previous = rng.uniform(-3.0, 3.0, (count, slots))
        problem = replace(problem, previous_kw=previous, change_price_eur_per_kwh=0.02)
    return problem
