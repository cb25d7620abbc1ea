"""Days made of real prices and real workplace sessions, for studies: SMARD 2020 and ACN March 2019."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd

from optimize.types import Car, Session, WearPrice
from tests.benchmarks.data import file_of
from warehouse.sources import read_source
from warehouse.zones import market_day_bounds

ZONE = "DE-LU"
PACK_KWH = 60.0
EFFICIENCY = 0.93


def depot_cars(count: int) -> tuple[Car, ...]:
    """Equal cars of a workplace garage; wear as a 60 kWh pack's: 6,000 € over 4,000 days, β 1.4 day/EFC."""
    wear = WearPrice(
        form="rate",
        residual_value_eur=6000.0,
        l0_days=4000.0,
        alpha_day_per_efc=1.0,
        beta_day_per_efc=1.4,
    )
    return tuple(
        Car(
            battery_id=f"ev-{i:02d}",
            site_id="garage",
            capacity_kwh=PACK_KWH,
            soc_min=0.1,
            soc_max=1.0,
            charge_limit_kw=11.0,
            discharge_limit_kw=11.0,
            efficiency_charge=EFFICIENCY,
            efficiency_discharge=EFFICIENCY,
            drawdown_limit=1.0,
            wear=wear,
        )
        for i in range(count)
    )


def price_days(data: Path) -> dict[dt.date, np.ndarray]:
    """Market day → quarter-hourly price, €/kWh, of every ordinary (24 h) day of the year."""
    frame = read_source("prices", file_of(data, "prices"), source="smard", zone=ZONE).frame
    hourly = frame.set_index("interval_start_utc")["price_eur_per_kwh"].sort_index()
    days = {}
    for day in pd.date_range("2020-01-01", "2020-12-31"):
        start, end = market_day_bounds(day.date(), ZONE)
        values = hourly[(hourly.index >= start) & (hourly.index < end)].to_numpy()
        if len(values) == 24:
            days[day.date()] = np.repeat(values, 4)
    return days


def session_days(data: Path, cars: tuple[Car, ...], days: list[dt.date]) -> dict[dt.date, list[Session]]:
    """Market day → the sessions that arrive on it, replayed onto the cars by weekday."""
    fleet = pd.DataFrame(
        {
            "battery_id": [car.battery_id for car in cars],
            "nominal_energy_kwh": PACK_KWH,
            "efficiency_charge": EFFICIENCY,
            "soc_min": 0.1,
            "soc_max": 1.0,
        }
    )
    frame = read_source(
        "sessions", file_of(data, "sessions"), source="acn", zone=ZONE, cars=fleet, onto=days
    ).frame
    found: dict[dt.date, list[Session]] = {}
    for day in days:
        start, end = market_day_bounds(day, ZONE)
        rows = frame[(frame["arrival_utc"] >= start) & (frame["departure_utc"] <= end)]
        columns = ["session_id", "battery_id", "arrival_utc", "departure_utc", "arrival_soc", "departure_soc"]
        found[day] = [Session(**dict(zip(columns, row, strict=True))) for row in rows[columns].to_numpy()]
    return found


def moved(sessions: list[Session], offset: pd.Timedelta) -> tuple[Session, ...]:
    """The same sessions on another day."""
    return tuple(
        Session(
            session_id=one.session_id,
            battery_id=one.battery_id,
            arrival_utc=one.arrival_utc + offset,
            departure_utc=one.departure_utc + offset,
            arrival_soc=one.arrival_soc,
            departure_soc=one.departure_soc,
        )
        for one in sessions
    )
