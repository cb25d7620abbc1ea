"""The report of what was foreseen: figures recomputed from the rows, nothing known too early, drift
reported."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from flows.errors import NoForecastError
from flows.stages import Context
from flows.stages.forecast_report import forecast_report
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, spoil
from tests.flows.test_forecast_stage import made  # noqa: F401 (a fixture)
from warehouse.zones import market_day_bounds, market_day_slots

LAST = DAY - timedelta(days=2)
FIRST = LAST - timedelta(days=2)


def progress(done: int, total: int) -> None:
    assert 0 < done <= total


def scores(workspace: Workspace, run_id: str) -> pd.Series:
    rows = workspace.warehouse.read("out_forecast_score", where={"run_id": run_id})
    return rows.set_index(["target", "part", "metric"])["value"]


@pytest.fixture(scope="module")
def scored(made: Workspace) -> tuple[Workspace, pd.Series]:  # noqa: F811
    context = Context.of(made, AS_OF)
    result = forecast_report(context, FIRST, LAST, progress)
    assert {"scores", "by hour", "by week", "probability of plugging in"} == set(result.tables)
    return made, scores(made, context.run_id)


def test_the_error_and_the_coverage_are_those_of_the_rows(scored: tuple[Workspace, pd.Series]) -> None:
    workspace, found = scored
    days = [FIRST + timedelta(days=number) for number in range(3)]
    errors, held = [], []
    prices = workspace.warehouse.read("core_price").set_index("interval_start_utc")["price_eur_per_kwh"]
    for day in days:
        rows = workspace.warehouse.read("out_forecast", where={"target": "price", "market_date": day})
        assert (rows["as_of_utc"] < market_day_bounds(day, "DE-LU")[0]).all()
        wide = rows.pivot_table(index="interval_start_utc", columns="quantile", values="value")
        came = prices.reindex(market_day_slots(day, "DE-LU")).ffill()
        errors.append((wide[0.5] - came).abs().to_numpy())
        held.append(((wide[0.05] <= came) & (came <= wide[0.95])).to_numpy())
    assert found["price", "all", "mae"] == pytest.approx(np.mean(errors))
    assert found["price", "all", "coverage"] == pytest.approx(np.mean(held))
    assert found["price", "hour 08", "coverage"] == pytest.approx(np.array(held)[:, 32:36].mean())
    assert found["price", "all", "rmae"] < 1.5
    assert found["price", "all", "kendall_tau"] > 0.25  # five hours of 24 are dear, the rest is noise


def test_the_pool_and_the_sessions_are_scored_by_what_came(scored: tuple[Workspace, pd.Series]) -> None:
    _, found = scored
    assert found["pool_cars", "all", "coverage"] == 1.0
    assert found["pool_cars", "hour 00", "told"] == found["pool_cars", "hour 00", "came"] == 2.0
    assert found["pool_cars", "hour 12", "came"] == 0.0
    # They come within 28 minutes of each other and leave within 22.
    assert found["arrival", "all", "crps"] < 0.25 and found["departure", "all", "crps"] < 0.25
    assert found["need", "all", "below"] >= 0.5
    assert found["plug_in", "told 0.8-1.0", "came"] == 1.0


def test_what_was_issued_counts_and_a_second_report_writes_the_same(
    scored: tuple[Workspace, pd.Series],
) -> None:
    workspace, found = scored
    before = workspace.warehouse.read("out_forecast")
    context = Context.of(workspace, AS_OF + timedelta(minutes=1))
    forecast_report(context, FIRST, LAST, progress)
    pd.testing.assert_frame_equal(workspace.warehouse.read("out_forecast"), before)
    pd.testing.assert_series_equal(scores(workspace, context.run_id), found)


def test_a_band_that_does_not_hold_is_reported(scored: tuple[Workspace, pd.Series]) -> None:
    """Ten days whose bands are made too narrow behind everybody's back."""
    workspace, _ = scored
    first = LAST - timedelta(days=9)
    forecast_report(Context.of(workspace, AS_OF), first, LAST, progress)
    spoil(workspace, "UPDATE out_forecast SET value = 9.0 WHERE target = 'price' AND quantile = 0.05")
    result = forecast_report(Context.of(workspace, AS_OF), first, LAST, progress)
    assert result.exit_code == 3
    assert "coverage of price drifts: 0% of late where 90% is said" in result.message


def test_a_day_that_is_not_over_and_days_before_all_data_are_refused(
    scored: tuple[Workspace, pd.Series],
) -> None:
    workspace, _ = scored
    with pytest.raises(NoForecastError, match="is not over"):
        forecast_report(Context.of(workspace, AS_OF), FIRST, DAY, progress)
    early = FIRST - timedelta(days=200)
    with pytest.raises(NoForecastError, match="nothing was foreseen"):
        forecast_report(Context.of(workspace, AS_OF), early, early, progress)
