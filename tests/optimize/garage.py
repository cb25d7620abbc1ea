"""A garage's real days as a pool for bids: public sessions of known and unknown drivers, packs supposed.

What a session does not tell is supposed alike of all: a pack of 60 kWh that leaves with 54 kWh, or with what
was delivered if that is less than the rest allows; 7 kW both ways, 0.93 each way.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from optimize.market.bids.capability import PoolSites, PoolStays
from tests.benchmarks.data import file_of
from tests.optimize.reserve_replay import Cars

ZONE = "America/Los_Angeles"
PACK_KWH, LEAVES_KWH, LEAST_KWH, KW, EFFICIENCY = 60.0, 54.0, 9.0, 7.0, 0.93


def garage_days(data: Path) -> dict[pd.Timestamp, pd.DataFrame]:
    """Local day → its stays: hours from midnight and energy on arrival, of stays within one day."""
    frame = pd.read_csv(file_of(data, "drivers"))
    begin, end = (
        pd.to_datetime(frame[column], utc=True).dt.tz_convert(ZONE).dt.tz_localize(None)
        for column in ("connectionTime", "disconnectTime")
    )
    day = begin.dt.normalize()
    hours = {"arrive_h": (begin - day), "depart_h": (end - day)}
    rows = pd.DataFrame({name: each / pd.Timedelta(hours=1) for name, each in hours.items()})
    stay = rows["depart_h"] - rows["arrive_h"]
    stored = np.minimum(frame["kWhDelivered"], 0.95 * KW * stay / EFFICIENCY) * EFFICIENCY
    rows["energy_kwh"] = LEAVES_KWH - np.clip(stored, 0.0, LEAVES_KWH - LEAST_KWH)
    kept = (stay > 0.1) & (rows["depart_h"] <= 24.0) & frame["kWhDelivered"].notna()
    return {when: own.reset_index(drop=True) for when, own in rows[kept].groupby(day[kept])}


def pool_of(stays: pd.DataFrame) -> PoolStays:
    every = np.ones(len(stays))
    return PoolStays(
        arrive_h=stays["arrive_h"].to_numpy(),
        depart_h=stays["depart_h"].to_numpy(),
        energy_kwh=stays["energy_kwh"].to_numpy(),
        target_kwh=LEAVES_KWH * every,
        least_kwh=LEAST_KWH * every,
        most_kwh=PACK_KWH * every,
        charge_kw=KW * every,
        discharge_kw=KW * every,
        drawdown_kwh=PACK_KWH * every,
        efficiency_charge=EFFICIENCY * every,
        efficiency_discharge=EFFICIENCY * every,
        site=np.zeros(len(stays), dtype=np.int64),
    )


def one_site(kw: float = 1e6) -> PoolSites:
    return PoolSites(export_kw=np.array([kw]), import_kw=np.array([kw]), parent=np.array([-1]))


def cars_of(stays: pd.DataFrame, begin_h: float) -> Cars:
    """The same stays for the replay of a block that begins so long after midnight; those in it alone."""
    stays = stays[(stays["arrive_h"] < begin_h + 4.0) & (stays["depart_h"] > begin_h)]
    every = np.ones(len(stays))
    return Cars(
        arrive_h=stays["arrive_h"].to_numpy() - begin_h,
        depart_h=stays["depart_h"].to_numpy() - begin_h,
        energy_kwh=stays["energy_kwh"].to_numpy(),
        target_kwh=LEAVES_KWH * every,
        least_kwh=LEAST_KWH * every,
        most_kwh=PACK_KWH * every,
        charge_kw=KW * every,
        discharge_kw=KW * every,
        into=EFFICIENCY * every,
        out=EFFICIENCY * every,
    )
