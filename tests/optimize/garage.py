"""A garage's real days as a pool for bids: public sessions of known and unknown drivers, packs supposed.

What a session does not tell is supposed alike of all: a pack of 60 kWh that leaves with 54 kWh, or with what
was delivered if that is less than the rest allows; 7 kW both ways, 0.93 each way.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from flows.mapping.calendar import holidays_of
from optimize.forecast.day_kind import number_of
from optimize.forecast.pool import pool_minimum
from optimize.market.bids.capability import PoolSites, PoolStays, block_least, capability
from optimize.market.bids.products import Reserve
from tests.benchmarks.data import file_of
from tests.optimize.reserve_replay import Cars, Rules

ZONE = "America/Los_Angeles"
LEAST_KW = 5.0
PACK_KWH, LEAVES_KWH, LEAST_KWH, KW, EFFICIENCY = 60.0, 54.0, 9.0, 7.0, 0.93


def garage_days(data: Path) -> dict[pd.Timestamp, pd.DataFrame]:
    """Local day → its sessions: hours from midnight and energy on arrival, of sessions within one day."""
    frame = pd.read_csv(file_of(data, "drivers"))
    begin, end = (
        pd.to_datetime(frame[column], utc=True).dt.tz_convert(ZONE).dt.tz_localize(None)
        for column in ("connectionTime", "disconnectTime")
    )
    day = begin.dt.normalize()
    hours = {"arrive_h": (begin - day), "depart_h": (end - day)}
    rows = pd.DataFrame({name: each / pd.Timedelta(hours=1) for name, each in hours.items()})
    session = rows["depart_h"] - rows["arrive_h"]
    stored = np.minimum(frame["kWhDelivered"], 0.95 * KW * session / EFFICIENCY) * EFFICIENCY
    rows["energy_kwh"] = LEAVES_KWH - np.clip(stored, 0.0, LEAVES_KWH - LEAST_KWH)
    kept = (session > 0.1) & (rows["depart_h"] <= 24.0) & frame["kWhDelivered"].notna()
    return {when: own.reset_index(drop=True) for when, own in rows[kept].groupby(day[kept])}


def pool_of(sessions: pd.DataFrame) -> PoolStays:
    every = np.ones(len(sessions))
    return PoolStays(
        arrive_h=sessions["arrive_h"].to_numpy(),
        depart_h=sessions["depart_h"].to_numpy(),
        energy_kwh=sessions["energy_kwh"].to_numpy(),
        target_kwh=LEAVES_KWH * every,
        least_kwh=LEAST_KWH * every,
        most_kwh=PACK_KWH * every,
        charge_kw=KW * every,
        discharge_kw=KW * every,
        drawdown_kwh=PACK_KWH * every,
        efficiency_charge=EFFICIENCY * every,
        efficiency_discharge=EFFICIENCY * every,
        site=np.zeros(len(sessions), dtype=np.int64),
    )


def one_site(kw: float = 1e6) -> PoolSites:
    return PoolSites(export_kw=np.array([kw]), import_kw=np.array([kw]), parent=np.array([-1]))


def cars_of(sessions: pd.DataFrame, begin_h: float) -> Cars:
    """The same sessions for the replay of a block that begins so long after midnight; those in it alone."""
    sessions = sessions[(sessions["arrive_h"] < begin_h + 4.0) & (sessions["depart_h"] > begin_h)]
    every = np.ones(len(sessions))
    return Cars(
        arrive_h=sessions["arrive_h"].to_numpy() - begin_h,
        depart_h=sessions["depart_h"].to_numpy() - begin_h,
        energy_kwh=sessions["energy_kwh"].to_numpy(),
        target_kwh=LEAVES_KWH * every,
        least_kwh=LEAST_KWH * every,
        most_kwh=PACK_KWH * every,
        charge_kw=KW * every,
        discharge_kw=KW * every,
        into=EFFICIENCY * every,
        out=EFFICIENCY * every,
    )


def rules_of(product: Reserve) -> Rules:
    return Rules(
        up=product.up,
        down=product.down,
        reservoir_h=product.reservoir_minutes / 60.0,
        spare=product.power_per_bid - 1.0,
    )


def able_kw(product: Reserve, sessions: pd.DataFrame) -> np.ndarray:
    """By block of a day what its sessions could give, kW."""
    found = capability(
        pool_of(sessions),
        one_site(),
        96,
        0.25,
        reservoir_hours=product.reservoir_hours,
        power_per_bid=product.power_per_bid,
    )
    ways = [kw for kw, asked in ((found.up_kw, product.up), (found.down_kw, product.down)) if asked]
    return block_least(np.min(ways, axis=0), np.arange(0, 97, 16))


def foreseen_bids(
    product: Reserve,
    days: dict[pd.Timestamp, pd.DataFrame],
    first: str = "2019-03-01",
    last: str = "2019-10-31",
) -> list[tuple[pd.Timestamp, int, float]]:
    """Day, block and kW of workdays, each foreseen from the days up to two before, from LEAST_KW on."""
    dates = sorted(days)
    numbers = np.array([number_of(day.date()) for day in dates])
    holidays = holidays_of("US", range(2018, 2021))
    minima = np.array([able_kw(product, days[day]) for day in dates])
    bids = []
    for row, day in enumerate(dates):
        if not (pd.Timestamp(first) <= day <= pd.Timestamp(last)) or day.weekday() > 4:
            continue
        past = numbers <= numbers[row] - 2
        found = pool_minimum(minima[past], numbers[past], int(numbers[row]), holidays, product.quantile)
        assert found is not None
        bids += [(day, block, kw) for block, kw in enumerate(found.least) if kw >= LEAST_KW]
    return bids
