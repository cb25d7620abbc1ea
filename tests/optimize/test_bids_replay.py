"""What is bid is delivered: a garage's real days, a thousand calls, a desk apart from the bids."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from flows.mapping.calendar import holidays_of
from optimize.forecast.day_kind import number_of
from optimize.forecast.pool import pool_minimum
from optimize.market.bids.capability import block_least, capability
from optimize.market.bids.products import Reserve, products
from tests.benchmarks.data import SETS, data_folder, file_of
from tests.optimize.garage import cars_of, garage_days, one_site, pool_of
from tests.optimize.reserve_replay import Cars, Rules, caiso_days, delivered, owed, random_signals

DRAWS, BLOCKS = 1000, 6
SIGNAL = data_folder() / "grid" / "caiso_regulation_laafb_4s"
LEAST_KW = 5.0


def rules_of(product: Reserve) -> Rules:
    return Rules(
        up=product.up,
        down=product.down,
        reservoir_h=product.reservoir_minutes / 60.0,
        spare=product.power_per_bid - 1.0,
    )


def able_kw(product: Reserve, stays: pd.DataFrame) -> np.ndarray:
    """By block of a day what its stays could give, kW."""
    found = capability(
        pool_of(stays),
        one_site(),
        96,
        0.25,
        reservoir_hours=product.reservoir_hours,
        power_per_bid=product.power_per_bid,
    )
    ways = [kw for kw, asked in ((found.up_kw, product.up), (found.down_kw, product.down)) if asked]
    return block_least(np.min(ways, axis=0), np.arange(0, 97, 16))


@pytest.mark.slow
@pytest.mark.skipif(
    not (SIGNAL / "FrequencyRegulationData.csv").is_file() or not file_of(data_folder(), "drivers").is_file(),
    reason=f"no public data: {SETS['drivers'].folder}, {SIGNAL.name}",
)
def test_a_thousand_calls_are_delivered_as_often_as_the_product_asks() -> None:
    """FCR at a garage, workdays of eight months, each foreseen from the days up to two before."""
    product = products().reserve["FCR"]
    days = garage_days(data_folder())
    dates = sorted(days)
    numbers = np.array([number_of(day.date()) for day in dates])
    holidays = holidays_of("US", range(2018, 2021))
    minima = np.array([able_kw(product, days[day]) for day in dates])
    bids = []
    for row, day in enumerate(dates):
        if not (pd.Timestamp("2019-03-01") <= day < pd.Timestamp("2019-11-01")) or day.weekday() > 4:
            continue
        past = numbers <= numbers[row] - 2
        found = pool_minimum(minima[past], numbers[past], int(numbers[row]), holidays, product.quantile)
        assert found is not None
        bids += [(day, block, kw) for block, kw in enumerate(found.least) if kw >= LEAST_KW]
    assert len(bids) > 150
    rng = np.random.default_rng(4)
    drawn = [bids[number] for number in rng.integers(0, len(bids), DRAWS)]
    signals = owed(random_signals(caiso_days(SIGNAL), DRAWS, rng), rules_of(product))
    pools = [cars_of(days[day], 4.0 * block) for day, block, _ in drawn]
    kw = np.array([kw for *_, kw in drawn])
    assert np.mean(kw) > 40.0
    fine = delivered(pools, signals, kw, rules_of(product))
    assert fine.mean() >= product.quantile
    assert delivered(pools[:200], signals[:200], 2.0 * kw[:200], rules_of(product)).mean() < 0.9


def one_car(**changes: float) -> Cars:
    values = {
        "arrive_h": -1.0, "depart_h": 8.0, "energy_kwh": 30.0, "target_kwh": 30.0, "least_kwh": 5.0,
        "most_kwh": 60.0, "charge_kw": 10.0, "discharge_kw": 10.0, "into": 1.0, "out": 1.0,
    }  # fmt: skip
    return Cars(**{name: np.array([value]) for name, value in (values | changes).items()})


def test_the_replay_sees_what_is_not_there() -> None:
    """Power, charge, room, time and the promise, each missing alone; with all of them it is delivered."""
    rules = Rules(up=True, down=True, reservoir_h=0.25, spare=0.25)
    call = np.zeros((1, 3600))
    call[0, 900:1800] = 1.0
    kw = np.array([8.0])
    up, down = owed(call, rules), owed(-call, rules)
    assert delivered([one_car()], up, kw, rules)[0] and delivered([one_car()], down, kw, rules)[0]
    assert not delivered([one_car()], up, np.array([10.5]), rules)[0]
    assert not delivered([one_car(discharge_kw=7.0)], up, kw, rules)[0]
    assert not delivered([one_car(energy_kwh=6.0, target_kwh=6.0)], up, kw, rules)[0]
    assert not delivered([one_car(energy_kwh=59.0, target_kwh=59.0)], down, kw, rules)[0]
    assert not delivered([one_car(depart_h=1.5)], up, kw, rules)[0]
    assert not delivered([one_car(depart_h=2.05, target_kwh=60.0)], up, kw, rules)[0]


def test_no_more_is_asked_than_the_rules_allow() -> None:
    rules = Rules(up=True, down=False, reservoir_h=0.25, spare=0.0)
    asked = owed(np.ones((1, 3600)), rules)
    assert asked.sum() * 4.0 / 3600.0 == pytest.approx(0.25)
    assert not owed(-np.ones((1, 3600)), rules).any()
    refilled = owed(np.ones((1, 3600)), Rules(up=True, down=False, reservoir_h=0.25, spare=0.25))
    assert refilled.sum() * 4.0 / 3600.0 == pytest.approx(0.25 + 4.0 * 0.25, abs=0.02)
