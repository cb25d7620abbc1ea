"""What tests of back-tests share: a car at home every night, and back-tests of two of its days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from flows.backtest.run import BackTest
from flows.backtest.strategies import BY_NAME
from flows.stages import StageResult
from flows.workspace import Workspace
from tests.benchmarks.nights import Case, depot
from warehouse.zones import market_day_slots

ZONE, FIRST, NIGHTS = "DE-LU", date(2024, 3, 4), 13
DAYS = (date(2024, 3, 14), date(2024, 3, 15))
NOW = datetime(2024, 6, 1, tzinfo=UTC)
SOME = ("v2g", "ordered", "uncontrolled")


def priced(seed: int = 1) -> pd.DataFrame:
    """Quarter-hours whose dear and cheap hours move from day to day."""
    rng = np.random.default_rng(seed)
    days = [FIRST + timedelta(days=number) for number in range(NIGHTS + 1)]
    frames = []
    for day in days:
        slots = market_day_slots(day, ZONE)
        hour = np.arange(len(slots)) / 4.0
        wave = np.sin((hour - rng.uniform(12.0, 16.0)) / 24.0 * 4.0 * np.pi)
        price = 0.09 + rng.uniform(0.06, 0.16) * wave
        frames.append(pd.DataFrame({"interval_start_utc": slots, "price_eur_per_kwh": price.round(5)}))
    return pd.concat(frames, ignore_index=True)


def make_nightly(folder: Path) -> Path:
    """A car at home every night, what wears reported, every price known from the day before on."""
    case = Case(zone=ZONE, prices=priced(), minutes=15, first=FIRST, nights=NIGHTS)
    return depot(folder, case, "home 17-07", 0.04, NIGHTS).root


def asked(
    workspace: Workspace,
    *names: str,
    days: tuple[date, date] = DAYS,
    every: int = 0,
    as_of: datetime | None = None,
) -> BackTest:
    strategies = [BY_NAME[name] for name in names or SOME]
    return BackTest.of(workspace, days, strategies, now=NOW, every_minutes=every, as_of=as_of)


def run(test: BackTest) -> StageResult:
    return test.run(lambda *_: None)


def rows(workspace: Workspace) -> pd.DataFrame:
    return workspace.warehouse.read("out_backtest")


def of(frame: pd.DataFrame, strategy: str) -> pd.DataFrame:
    return frame[frame["strategy"] == strategy].set_index("market_date")
