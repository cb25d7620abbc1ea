"""Resampled means of days: as wide as the mean really varies, where days follow each other as well."""

from __future__ import annotations

import numpy as np
import pytest

from optimize.bootstrap import interval, resampled_means
from optimize.errors import ProblemError


def chained(rng: np.random.Generator, days: int, kept: float) -> np.ndarray:
    """Days of which each keeps a share of the day before; variance 1 each."""
    values = np.empty(days)
    values[0] = rng.standard_normal()
    for day in range(1, days):
        values[day] = kept * values[day - 1] + np.sqrt(1 - kept**2) * rng.standard_normal()
    return values


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_an_interval_of_nine_in_ten_holds_the_mean_about_as_often(kept: float) -> None:
    rng = np.random.default_rng(1)
    held = []
    for _ in range(400):
        days = chained(rng, 120, kept)[:, None]
        low, high = interval(resampled_means(days, samples=300)[:, 0])
        held.append(low <= 0.0 <= high)
    assert 0.8 <= np.mean(held) <= 0.95


def test_days_that_hang_together_are_less_sure_than_days_that_do_not() -> None:
    rng = np.random.default_rng(2)
    values = chained(rng, 365, 0.8)[:, None]
    blocks = resampled_means(values, block_days=14).std()
    single = resampled_means(values, block_days=1).std()
    assert single == pytest.approx(values.std() / np.sqrt(365), rel=0.1)
    assert blocks > 1.8 * single


def test_days_are_drawn_whole_blocks_at_a_time_around_the_end() -> None:
    values = np.arange(10.0)
    squares = np.column_stack([values, values**2])
    means = resampled_means(squares, block_days=5, samples=500)
    possible = {
        tuple(squares[[*np.arange(a, a + 5) % 10, *np.arange(b, b + 5) % 10]].mean(axis=0))
        for a in range(10)
        for b in range(10)
    }
    assert {tuple(row) for row in means} <= possible
    assert len({tuple(row) for row in means}) > 40
    assert means.mean(axis=0) == pytest.approx(squares.mean(axis=0), rel=0.05)


def test_the_same_days_give_the_same_interval() -> None:
    values = np.arange(20.0)[:, None]
    assert (resampled_means(values) == resampled_means(values)).all()
    assert interval(np.arange(101.0)) == pytest.approx((5.0, 95.0))


@pytest.mark.parametrize(
    ("values", "message"),
    [(np.zeros((13, 1)), "days is 13"), (np.full((20, 1), np.nan), "must be finite")],
)
def test_what_tells_nothing_is_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        resampled_means(values)
