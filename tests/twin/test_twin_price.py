"""Wear that is not surely known: its price by risk, what is said of it, and what data would tell."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.twin.batteries import calibrated
from twin.ensemble.mixture import PHYSICS, Draws, grid_days, mix
from twin.ensemble.outlook import WOULD_TELL, doubt_left
from twin.ensemble.price import LEVELS, multiples, price_multiple
from twin.health import Array
from twin.identifiable import not_identified, would_narrow
from twin.record import TwinRecord

SHARES = np.array([0.2, 0.5, 1.0])
COUNT = 500


def draws(
    name: str,
    beta: Array,
    *,
    when_new: float = 4000.0,
    calendar: Array | None = None,
    now: Array | None = None,
) -> Draws:
    """A structure whose draws lose 2 % in the square root of a year, and live 2,000 days."""
    count = len(beta)
    start = np.full(count, 0.9) if now is None else now
    rest = np.full(count, 0.5) if calendar is None else calendar
    return Draws(
        name=name,
        l0=np.full(count, 2000.0) * (start - 0.8) / 0.1,
        log_ratio=-np.log1p(beta[:, None] * SHARES),
        when_new=np.full(count, when_new),
        rest_slope=np.full(count, 1e-4),
        calendar=rest,
        path=start[:, None] - 0.02 * np.sqrt(grid_days() / 365.25),
        score=None,
    )


def test_the_mean_is_of_what_a_battery_loses_and_not_of_medians() -> None:
    few, many = draws(PHYSICS, np.full(COUNT, 3.0)), draws("sqrt", np.full(COUNT, 1.0), when_new=2000.0)
    found = mix("nmc811", [few, many], SHARES)
    weights = {one.name: one.weight for one in found.members}
    mean = weights[PHYSICS] * 3.0 / 4000.0 + weights["sqrt"] * 1.0 / 2000.0
    published = found.beta[1] * found.remaining / found.l0[1]
    assert found.price["rate"][0] * published == pytest.approx(mean)
    assert found.price["rate"][1] * published == pytest.approx(1.0 / 2000.0)
    assert found.price["rate"][-1] * published == pytest.approx(3.0 / 4000.0)


def test_tails_that_nothing_tells_do_not_make_the_mean() -> None:
    values = np.random.default_rng(3).lognormal(0.0, 1.0, 20_000)
    weight = np.full(len(values), 1 / len(values))
    stated = multiples(values, weight, 2.0)
    assert stated is not None
    assert stated[1:] == pytest.approx(np.quantile(values, LEVELS) / 2.0, rel=2e-3)
    assert 0.9 * values.mean() / 2 < stated[0] < values.mean() / 2
    farthest = values.copy()
    farthest[np.argmax(values)] = 1e9
    assert multiples(farthest, weight, 2.0) == pytest.approx(stated)
    assert multiples(values, weight, 0.0) is None


def test_a_price_follows_the_risk_that_is_asked_for() -> None:
    found = calibrated()
    ensemble = found.record.ensemble
    assert ensemble is not None
    assert price_multiple(found, "rate", "mean") == ensemble.price["rate"][0]
    between = price_multiple(found, "rate", 0.925)
    assert between == pytest.approx(0.5 * (ensemble.price["rate"][-2] + ensemble.price["rate"][-1]))
    assert TwinRecord.from_json(found.record.to_json()).ensemble == ensemble


def test_a_calibration_of_before_is_priced_as_it_is_published() -> None:
    found = calibrated()
    document = found.record.to_document()
    del document["ensemble"]["price"], document["ensemble"]["doubt_left"]
    old = replace(found, record=TwinRecord.from_json(json.dumps(document)))
    assert price_multiple(old, "rate", "mean") == price_multiple(old, "rest", 0.95) == 1.0
    assert would_narrow(old) == []


@pytest.mark.parametrize(("low", "warned"), [(300.0, False), (299.0, True), (0.0, True), (-1.0, True)])
def test_an_interval_that_tells_no_more_than_its_order_is_a_warning(low: float, warned: bool) -> None:
    sure = {"alpha_low_day_per_efc": 0.9, "alpha_high_day_per_efc": 1.1}
    sure |= {"beta_low_day_per_efc": 0.9, "beta_high_day_per_efc": 1.1}
    found = replace(calibrated(), l0_low_days=low, l0_days=1000.0, l0_high_days=3000.0, **sure)
    said = not_identified(found)
    assert len(said) == warned
    assert not warned or said[0].startswith("L0 is not identifiable: 1e+03 days is the middle of")


def test_what_data_tell_is_what_the_structures_would_have_them_show() -> None:
    rng = np.random.default_rng(4)
    calendar = rng.uniform(0.1, 0.9, COUNT)
    by_share = draws(PHYSICS, 2.0 * (1 - calendar), calendar=calendar)
    today = draws(PHYSICS, rng.lognormal(0.0, 0.5, COUNT), now=rng.normal(0.9, 0.02, COUNT))
    weights = np.ones(1)
    split = doubt_left([by_share], weights, SHARES, 0.002)
    assert set(split) == set(WOULD_TELL)
    assert split["siblings"][1] < 0.75  # the share of rest is all that is not known
    assert split["rest"][1] < split["ordinary"][1] > 0.95
    health = doubt_left([today], weights, SHARES, 0.002)
    assert health["checkup"][0] < 0.2 and health["siblings"][0] > 0.9
    assert health["v2g"][1] < 0.7 < 0.9 < health["rest"][1]
    assert min(doubt_left([today], weights, SHARES, 10.0)["checkup"]) > 0.95


def test_data_that_tell_most_are_named_first() -> None:
    stated = would_narrow(calibrated())
    less = [l0 + beta for _, l0, beta in stated]
    assert len(stated) == len(WOULD_TELL) and less == sorted(less, reverse=True)
    assert {name for name, *_ in stated} == set(WOULD_TELL.values())
