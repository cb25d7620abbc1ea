"""What is bid is delivered: a garage's real days, a thousand calls, a desk apart from the bids."""

from __future__ import annotations

import numpy as np
import pytest

from optimize.market.bids.products import products
from tests.benchmarks.data import SETS, data_folder, file_of
from tests.optimize.garage import cars_of, foreseen_bids, garage_days, rules_of
from tests.optimize.reserve_replay import Cars, Rules, caiso_days, delivered, owed, random_signals

DRAWS = 1000


@pytest.mark.slow
@pytest.mark.skipif(
    any(not file_of(data_folder(), name).is_file() for name in ("drivers", "regulation")),
    reason=f"no public data: {SETS['drivers'].folder}, {SETS['regulation'].folder}",
)
def test_a_thousand_calls_are_delivered_as_often_as_the_product_asks() -> None:
    """FCR at a garage, workdays of eight months, each foreseen from the days up to two before."""
    product = products().reserve["FCR"]
    days = garage_days(data_folder())
    bids = foreseen_bids(product, days)
    assert len(bids) > 150
    rng = np.random.default_rng(4)
    drawn = [bids[number] for number in rng.integers(0, len(bids), DRAWS)]
    signals = owed(random_signals(caiso_days(data_folder()), DRAWS, rng), rules_of(product))
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
