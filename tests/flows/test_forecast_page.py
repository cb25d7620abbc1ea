"""The forecasts' page: scores, bands and warnings are those that were stored, read back from the HTML."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from flows.publish.forecast_page import contents
from flows.publish.site import write_site
from flows.stages import Context
from flows.stages.forecast import forecast
from flows.stages.forecast_report import forecast_report
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, created, spoil
from tests.flows.page_tables import figure, tables
from tests.flows.svg import WIDTH, charts, level, lines
from tests.flows.test_forecast_report import FIRST, LAST, progress, scores
from tests.flows.test_forecast_stage import made  # noqa: F401 (a fixture)


@pytest.fixture(scope="module")
def judged(made: Workspace) -> tuple[Workspace, str]:  # noqa: F811
    """A depot with a report and the forecast of the day to come, and the run that reported."""
    context = Context.of(made, AS_OF)
    forecast_report(context, FIRST, LAST, progress)
    forecast(Context.of(made, AS_OF), DAY)
    return made, context.run_id


def page(workspace: Workspace) -> str:
    write_site(Context.of(workspace, AS_OF + timedelta(hours=1)))
    return (workspace.reports / "forecast.html").read_text(encoding="utf-8")


def test_scores_are_those_of_the_last_report(judged: tuple[Workspace, str]) -> None:
    workspace, run_id = judged
    stored, found = scores(workspace, run_id), tables(page(workspace))
    (prices,) = found["Prices"]
    for name, metric, scale in (
        ("Mean absolute error", "mae", 100.0), ("CRPS", "crps", 100.0),
        ("Width of the band", "sharpness", 100.0),
        ("as a share of like days'", "rmae", 1.0), ("Rank within the day, Kendall's τ", "kendall_tau", 1.0),
    ):  # fmt: skip
        assert figure(prices[name]) == pytest.approx(scale * stored["price", "all", metric], abs=6e-4), name
    assert prices["Unit"] == "ct per kWh" and prices["said"] == "90.0 %"
    assert figure(prices["Held by the band"]) == pytest.approx(
        100 * stored["price", "all", "coverage"], abs=0.06
    )
    sessions = {row["What"]: row for row in found["Sessions"]}
    for name, target in (("Arrival", "arrival"), ("Departure", "departure"), ("Charge needed", "need")):
        row = sessions[name]
        assert figure(row["CRPS"]) == pytest.approx(stored[target, "all", "crps"], abs=6e-4)
        for column, metric in (
            ("Held by the band", "coverage"), ("Not above the 90 % quantile", "below"),
            ("Not below the 10 % quantile", "above"),
        ):  # fmt: skip
            assert figure(row[column]) == pytest.approx(100 * stored[target, "all", metric], abs=0.06)
        assert row["said"] == "80.0 %"
    pool = {row["Unit"]: row for row in found["The pool"]}
    for unit in ("cars", "kW", "kWh"):
        for column, metric in (("Foreseen, mean", "told"), ("Came, mean", "came")):
            assert figure(pool[unit][column]) == pytest.approx(
                stored[f"pool_{unit.lower()}", "all", metric], abs=6e-4
            )
    for row in found["Who plugs in"]:
        for column, metric in (("Stated, mean", "told"), ("Came", "came")):
            stated = stored["plug_in", f"told {row['Probability']}", metric]
            assert figure(row[column]) == pytest.approx(100 * stated, abs=0.06)
    for row in found["Held by the band, week by week"]:
        stated = stored["price", f"week {row['Week from']}", "coverage"]
        assert figure(row["Price (90.0 % said)"]) == pytest.approx(100 * stated, abs=0.06)


def test_coverage_by_hour_is_drawn_as_it_is_stored(judged: tuple[Workspace, str]) -> None:
    workspace, run_id = judged
    stored = scores(workspace, run_id)
    (by_hour,) = [chart for chart in charts(page(workspace)) if "90% band" in chart]
    (held,) = lines(by_hour, "90% band")
    expected = [stored["price", f"hour {hour:02}", "coverage"] for hour in range(24)]
    np.testing.assert_allclose(1.0 - held[:, 1] / 100.0, expected, atol=2e-3)


def test_what_is_foreseen_is_what_was_issued_last(judged: tuple[Workspace, str]) -> None:
    workspace, _ = judged
    issued = workspace.warehouse.read("out_forecast", where={"market_date": DAY})
    found = tables(page(workspace))
    blocks = found["What the cars have plugged in, at the least"]
    for name, column in (("pool_cars", "cars"), ("pool_kwh", "kWh")):
        own = issued[issued["target"] == name].pivot_table(
            index="interval_start_utc", columns="quantile", values="value"
        )
        for low, usual, row in zip(own[0.05], own[0.5], blocks, strict=True):
            assert figure(row[f"{column}, on 95 of 100 days"]) == pytest.approx(low, abs=0.06)
            assert figure(row[f"{column}, as often as not"]) == pytest.approx(usual, abs=0.06)
    assert blocks[0]["From"] == f"{DAY} 00:00"
    (chart,) = [chart for chart in charts(page(workspace)) if "Price before taxes" in chart]
    across = (np.arange(96) + 0.5) * WIDTH / 96
    drawn = [level(line, across) for line in lines(chart, "Price before taxes")]
    low, high, middle = drawn  # nothing is published of the day yet
    assert (low >= middle).all() and (middle >= high).all() and (low > high).any()


def test_a_band_that_drifts_is_warned_of(judged: tuple[Workspace, str]) -> None:
    workspace, _ = judged
    assert 'class="warning"' not in page(workspace)
    first = LAST - timedelta(days=9)
    forecast_report(Context.of(workspace, AS_OF), first, LAST, progress)
    spoil(workspace, "UPDATE out_forecast SET value = 9.0 WHERE target = 'price' AND quantile = 0.05")
    forecast_report(Context.of(workspace, AS_OF + timedelta(minutes=1)), first, LAST, progress)
    text = page(workspace)
    assert "coverage of price drifts: 0% of late where 90% is said" in text
    assert 'class="warning"' in text and f"Market days {first} to {LAST}" in text


def test_without_any_it_says_how_to_make_one(tmp_path: Path) -> None:
    workspace = created(tmp_path / "empty")
    text = page(workspace)
    assert "<code>v2g forecast day</code>" in text
    assert "<code>v2g forecast report --from DATE --to DATE</code>" in text and tables(text) == {}
    assert contents(Context.of(workspace, AS_OF))["report"] is None
