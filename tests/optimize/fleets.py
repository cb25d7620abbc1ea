"""Days to plan, for tests and benchmark: small ones by hand, random ones by seed, an ordinary depot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from optimize.arrays import FloatArray
from optimize.types import Car, DayProblem, Session, Site, WearPrice

MIDNIGHT = pd.Timestamp("2024-05-06T22:00Z")
FREE_WEAR = WearPrice(
    form="rate", residual_value_eur=0.0, l0_days=4000.0, alpha_day_per_efc=0.0, beta_day_per_efc=0.0
)


def wear(form: str = "law", **changes: float) -> WearPrice:
    """A 60 kWh pack's typical wear: 6,000 € over 4,000 days, 1 day per EFC by law."""
    values: dict[str, Any] = {
        "residual_value_eur": 6000.0,
        "l0_days": 4000.0,
        "alpha_day_per_efc": 1.0,
        "beta_day_per_efc": 1.4,
    }
    return WearPrice(form=form, **(values | changes))  # type: ignore[arg-type]


def car(battery_id: str = "A", **changes: Any) -> Car:
    values: dict[str, Any] = {
        "site_id": "depot",
        "capacity_kwh": 10.0,
        "soc_min": 0.0,
        "soc_max": 1.0,
        "charge_limit_kw": 4.0,
        "discharge_limit_kw": 4.0,
        "efficiency_charge": 1.0,
        "efficiency_discharge": 1.0,
        "drawdown_limit": 1.0,
        "wear": FREE_WEAR,
    }
    return Car(battery_id=battery_id, **(values | changes))


def slot_times(count: int, hours: float, start: pd.Timestamp = MIDNIGHT) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=count, freq=pd.Timedelta(hours=hours))


def session_of(
    battery_id: str,
    arrival: float,
    departure: float,
    soc: float,
    target: float,
    *,
    hours: float = 1.0,
    start: pd.Timestamp = MIDNIGHT,
    session_id: str | None = None,
) -> Session:
    """A session from slot number `arrival` to `departure` (fractions allowed, also beyond the day)."""
    return Session(
        session_id=session_id or f"{battery_id}-{arrival:g}",
        battery_id=battery_id,
        arrival_utc=start + pd.Timedelta(hours=hours * arrival),
        departure_utc=start + pd.Timedelta(hours=hours * departure),
        arrival_soc=soc,
        departure_soc=target,
    )


def day(
    prices: list[float] | np.ndarray,
    cars: list[Car],
    sessions: list[Session],
    *,
    export: list[float] | np.ndarray | None = None,
    sites: list[Site] | None = None,
    hours: float = 1.0,
    terminal: float = 0.0,
    departure_price: float = 5.0,
    start: pd.Timestamp = MIDNIGHT,
) -> DayProblem:
    return DayProblem(
        slots=slot_times(len(prices), hours, start),
        slot_hours=hours,
        import_price_eur_per_kwh=np.asarray(prices, dtype=float),
        export_price_eur_per_kwh=np.asarray(prices if export is None else export, dtype=float),
        cars=tuple(cars),
        sessions=tuple(sessions),
        sites=tuple(sites or [Site(site_id="depot", import_limit_kw=100.0, export_limit_kw=100.0)]),
        terminal_value_eur_per_kwh=terminal,
        departure_price_eur_per_kwh=departure_price,
    )


def random_day(
    seed: int, *, cars: int | None = None, slots: int | None = None, hours: float = 0.25, hard: bool = True
) -> DayProblem:
    """A fleet with every feature mixed; `hard` adds SoCs out of bounds, zero limits and −0.5 €/kWh."""
    rng = np.random.default_rng(seed)
    count = cars or int(rng.integers(1, 9))
    length = slots or int(rng.choice([92, 96, 100]))
    hour = np.arange(length) * hours
    market = 0.08 + 0.06 * np.sin(hour / 24 * 4 * np.pi + rng.uniform(0, 6)) + rng.normal(0, 0.02, length)
    if rng.random() < 0.5:
        dip = slice(int(rng.integers(0, length)), None)
        market[dip][: int(rng.integers(1, max(2, length // 8)))] = rng.choice(
            [-0.02, -0.1, -0.5 if hard else -0.05]
        )
    sites = [
        Site(
            site_id=f"site {j}",
            import_limit_kw=float(rng.choice(limits)),
            export_limit_kw=float(rng.choice(limits)),
        )
        for j, limits in enumerate([[7.0, 15.0, 40.0], [0.0 if hard else 3.0, 11.0, np.inf]])
    ]
    fleet = [_random_car(rng, i, sites, hard=hard) for i in range(count)]
    sessions = [s for one in fleet for s in _random_sessions(rng, one, length, hours, hard=hard)]
    return day(
        market * 1.19 + rng.choice([0.0, 0.12]),
        fleet,
        sessions,
        export=market + rng.choice([-0.01, 0.0, 0.05]),
        sites=sites,
        hours=hours,
        terminal=float(rng.choice([0.0, 0.05, 0.12])),
        departure_price=float(rng.choice([0.3, 2.0, 10.0])),
    )


def _random_car(rng: np.random.Generator, i: int, sites: list[Site], *, hard: bool) -> Car:
    return Car(
        battery_id=f"car {i}",
        site_id=str(rng.choice([site.site_id for site in sites])),
        capacity_kwh=float(rng.uniform(20, 90)),
        soc_min=float(rng.choice([0.0, 0.1, 0.2])),
        soc_max=float(rng.choice([0.8, 0.9, 1.0])),
        charge_limit_kw=float(rng.choice([3.7, 11.0, 22.0])),
        discharge_limit_kw=float(rng.choice([0.0, 3.7, 11.0] if hard else [3.7, 11.0])),
        efficiency_charge=float(rng.choice([0.85, 0.92, 1.0])),
        efficiency_discharge=float(rng.choice([0.85, 0.92, 1.0])),
        drawdown_limit=float(rng.choice([0.1, 0.3, 1.0, 1.0])),
        wear=wear(
            str(rng.choice(["law", "rate"])),
            residual_value_eur=float(rng.choice([0.0, 2000.0, 6000.0])),
            alpha_day_per_efc=float(rng.choice([0.0, 0.7, 2.0])),
        ),
    )


def _random_sessions(
    rng: np.random.Generator, one: Car, length: int, hours: float, *, hard: bool
) -> list[Session]:
    visits = int(rng.choice([0, 1, 1, 1, 2, 2]))
    edges = np.sort(rng.uniform(-0.3 * length, 1.3 * length, 2 * visits))
    low, high = (0.0, 1.0) if hard else (one.soc_min, one.soc_max)
    sessions = []
    for arrival, departure in zip(edges[::2], edges[1::2], strict=True):
        if departure > 0.01 and arrival < length - 0.01:
            soc, target = rng.uniform(low, high), rng.uniform(0.1, 0.9)
            sessions.append(session_of(one.battery_id, arrival, departure, soc, target, hours=hours))
    return sessions


def two_peaks(rng: np.random.Generator) -> FloatArray:
    """Market prices of a day's quarter-hours with a dear morning and evening, €/kWh."""
    hour = np.arange(96) / 4
    prices: FloatArray = 0.09 + 0.05 * np.sin((hour - 14) / 24 * 4 * np.pi) + rng.normal(0, 0.004, 96)
    return prices


def everyday_car(rng: np.random.Generator, i: int, name: str, site_id: str, **more: Any) -> Car:
    """An ordinary car, its capacity and wear drawn at random."""
    return car(
        name,
        site_id=site_id,
        capacity_kwh=float(rng.uniform(40, 80)),
        soc_min=0.15,
        soc_max=0.95,
        charge_limit_kw=11.0,
        discharge_limit_kw=10.0,
        efficiency_charge=0.93,
        efficiency_discharge=0.92,
        wear=wear("law" if i % 2 else "rate", alpha_day_per_efc=float(rng.uniform(0.6, 1.4))),
        **more,
    )


def everyday(
    market: FloatArray, cars: Sequence[Car], sessions: Sequence[Session], sites: Sequence[Site]
) -> DayProblem:
    """A day of quarter-hours at a household's prices of that market."""
    return day(
        (market + 0.06) * 1.19,
        cars,
        sessions,
        export=market + 0.04,
        sites=sites,
        hours=0.25,
        terminal=0.13,
        departure_price=5.0,
    )


def depot_day(count: int, seed: int = 1) -> DayProblem:
    """An ordinary day of `count` cars at two sites: home before evening or early morning, work by day."""
    rng = np.random.default_rng(seed)
    market = two_peaks(rng)
    sites = [
        Site(site_id=f"site {j}", import_limit_kw=4.0 * count, export_limit_kw=3.0 * count) for j in range(2)
    ]
    fleet = [
        everyday_car(rng, i, f"car {i:03d}", f"site {i % 2}", drawdown_limit=0.5 if i % 3 == 0 else 1.0)
        for i in range(count)
    ]
    sessions = []
    for one in fleet:
        leave, home = rng.uniform(26, 34), rng.uniform(64, 76)
        soc, evening = rng.uniform(0.3, 0.7), rng.uniform(0.25, 0.6)
        sessions.append(session_of(one.battery_id, -20, leave, soc, 0.8, hours=0.25))
        sessions.append(session_of(one.battery_id, home, 96 + 30, evening, 0.8, hours=0.25))
    return everyday(market, fleet, sessions, sites)
