"""Scores of forecasts by hand and by their definitions; coverage that drifts is reported, others are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from optimize.forecast.score import Banded, drift, kendall_tau, pinball


def banded(low: list, middle: list, high: list, came: list, naive: list) -> Banded:
    parts = [np.array(one, dtype=float) for one in (low, middle, high, came, naive)]
    return Banded(
        quantiles=(0.05, 0.5, 0.95),
        low=parts[0],
        middle=parts[1],
        high=parts[2],
        came=parts[3],
        naive=parts[4],
    )


def test_a_hand_solved_day() -> None:
    one = banded(
        [[0.0, 0.0, 2.0]], [[1.0, 2.0, 3.0]], [[2.0, 4.0, 4.0]], [[1.0, 5.0, 2.0]], [[3.0, 5.0, np.nan]]
    )
    scores = one.scores()
    assert scores["mae"] == pytest.approx((0.0 + 3.0 + 1.0) / 3.0)
    assert scores["rmae"] == pytest.approx(1.5)  # of the two slots that the naive one has: 3/2 over 2/2
    assert scores["coverage"] == pytest.approx(2.0 / 3.0)
    assert scores["sharpness"] == pytest.approx((2.0 + 4.0 + 2.0) / 3.0)
    low, middle, high = 0.05 * (1.0 + 5.0 + 0.0), 0.5 * 4.0, 0.05 * (1.0 + 2.0) + 0.95 * 1.0
    assert scores["crps"] == pytest.approx(2.0 * (low + middle + high) / 9.0)
    assert scores["kendall_tau"] == pytest.approx(1.0 / 3.0)


def test_the_loss_of_a_quantile_is_least_at_that_quantile() -> None:
    came = np.random.default_rng(3).standard_normal(20001)
    tried = np.linspace(0.5, 2.0, 31)
    best = tried[int(np.argmin([pinball(np.array(one), came, 0.9).mean() for one in tried]))]
    assert best == pytest.approx(np.quantile(came, 0.9), abs=0.06)


@pytest.mark.parametrize("seed", range(20))
def test_the_rank_correlation_is_that_of_scipy_ties_included(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, 8, 24).astype(float), rng.standard_normal(24).round(1)
    assert kendall_tau(one, other) == pytest.approx(kendalltau(one, other).statistic)
    assert np.isnan(kendall_tau(np.ones(5), np.arange(5.0)))


def test_coverage_that_drifts_is_reported_and_one_that_holds_is_not() -> None:
    rng = np.random.default_rng(4)
    holds = (rng.random((200, 24)) < 0.9).mean(axis=1)
    assert drift(holds, 0.9) is None
    worse = np.append(holds, (rng.random((28, 24)) < 0.75).mean(axis=1))
    stated = drift(worse, 0.9)
    assert stated is not None and stated == pytest.approx(0.75, abs=0.04)
    assert drift(worse[::-1].copy(), 0.9) is None  # of late alone
    assert drift(np.full(6, 0.2), 0.9) is None  # too few days
    assert drift(np.append(np.full(30, np.nan), np.full(6, 0.2)), 0.9) is None
    assert drift(np.full(20, 0.5), 0.9) == pytest.approx(0.5)  # days that are all alike


def test_days_that_miss_together_are_no_drift_by_their_quarter_hours() -> None:
    """Of 28 days four missed whole: 86 % where 90 % is said, which four days of 28 may well do."""
    daily = np.ones(28)
    daily[::7] = 0.0
    assert drift(daily, 0.9) is None
