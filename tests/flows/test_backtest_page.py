"""The back-tests' page: its figures are sums over out_backtest, and it says what it compares."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from flows.publish.backtest_page import MOST_RUNS, contents
from flows.publish.site import write_site
from flows.stages import Context
from flows.workspace import Workspace
from tests.flows.backtests import DAYS, NOW, SOME, asked, make_nightly, rows, run
from tests.flows.conftest import created, spoil
from tests.flows.page_tables import figure, tables

AFTER = NOW + timedelta(days=1)
HEADING = f"{DAYS[0]} to {DAYS[1]}: 2 days, 1 car"
NAMES = ("v2g", "ordered", "uncontrolled", "foresight")


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A car's two days by four strategies, back-tested."""
    workspace = Workspace.open(make_nightly(tmp_path_factory.mktemp("nightly")))
    run(asked(workspace, *NAMES))
    return workspace.root


@pytest.fixture
def home(tested: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(Path(shutil.copytree(tested, tmp_path / "home" / "depot")))


def page(workspace: Workspace) -> str:
    write_site(Context.of(workspace, AFTER))
    return (workspace.reports / "backtest.html").read_text(encoding="utf-8")


def test_each_strategy_is_what_its_days_add_up_to(home: Workspace) -> None:
    stored = rows(home)
    text = page(home)
    found = tables(text)
    sums = {row["Strategy"]: row for row in found["Added up"]}
    lines = {row["Strategy"]: row | sums[row["Strategy"]] for row in found[HEADING]}
    assert set(lines) == set(NAMES)
    gains = {}
    for name, own in stored.groupby("strategy"):
        row, gain = lines[str(name)], own["eur"] - own["uncontrolled_eur"]
        gains[str(name)] = gain.sum()
        assert figure(row["€ a car and year"]) == pytest.approx(gain.mean() * 365.25, abs=0.51)
        assert figure(row["Realised €"]) == pytest.approx(own["eur"].sum(), abs=0.006)
        assert figure(row["Promised €"]) == pytest.approx(own["promised_eur"].sum(), abs=0.006)
        assert figure(row["Over plug-in €"]) == pytest.approx(gain.sum(), abs=0.006)
        assert figure(row["Over ordered €"]) == pytest.approx(
            (own["eur"] - own["ordered_eur"]).sum(), abs=0.006
        )
        assert figure(row["Wear €"]) == pytest.approx(own["wear_eur"].sum(), abs=0.006)
        assert row["Departures missed"] == f"{own['missed'].sum()} of {own['departures'].sum()}"
        assert row["90 % interval"] == "–"
    for name, row in lines.items():
        share = gains[name] / gains["foresight"]
        assert figure(row["of perfect foresight"]) == pytest.approx(100 * share, abs=0.51)
    assert gains["v2g"] > gains["ordered"] > 0 and "Intervals are told from 14 days on." in text
    assert "Without an account of all days" not in text


def test_of_many_days_there_is_an_interval_and_a_strategy_that_lacks_days_is_compared_with_by_none(
    home: Workspace,
) -> None:
    """The two days again and again, with other gains, but for foresight, which has no more."""
    spoil(
        home,
        "INSERT INTO out_backtest SELECT * EXCLUDE (n) REPLACE (market_date + 2 * n::INT AS market_date, "
        "eur + 0.1 * (n % 3) AS eur) FROM out_backtest, range(1, 14) AS t(n) WHERE strategy <> 'foresight'",
    )
    text = page(home)
    last = DAYS[1] + timedelta(days=26)
    lines = {row["Strategy"]: row for row in tables(text)[f"{DAYS[0]} to {last}: 28 days, 1 car"]}
    assert set(lines) == set(SOME)
    assert "compared with by none: foresight (2 of 28 days)." in text
    low, high = map(figure, lines["v2g"]["90 % interval"].split(" to "))
    assert low <= figure(lines["v2g"]["€ a car and year"]) <= high and low < high
    (row,) = re.findall(r'<tr class="followed"><td>v2g</td>.*?</tr>', text, re.S)
    (bar,) = re.findall(r'class="with" x="([\d.]+)%" width="([\d.]+)%"', row)
    (span,) = re.findall(r'class="span" x1="([\d.]+)%" x2="([\d.]+)%"', row)
    assert float(span[0]) <= float(bar[0]) + float(bar[1]) <= float(span[1])


def test_the_newest_back_tests_are_told_whole_and_others_are_listed(home: Workspace) -> None:
    spoil(
        home,
        "INSERT INTO out_backtest SELECT * EXCLUDE (n) REPLACE ('older-' || n AS run_id, "
        "market_date - n::INT AS market_date, first_date - n::INT AS first_date) "
        "FROM out_backtest, range(1, 6) AS t(n)",
        "UPDATE out_backtest SET note = 'no prices', plan_source = 'substituted' "
        "WHERE strategy = 'v2g' AND run_id LIKE 'backtest-%'",
    )
    found = contents(Context.of(home, AFTER))
    assert [test["first"] for test in found["tests"]] == [
        DAYS[0] - timedelta(days=n) for n in range(MOST_RUNS)
    ]
    assert [test["run_id"] for test in found["others"].rows] == ["older-3", "older-4", "older-5"]
    told = tables(page(home))
    assert [row["Note"] for row in told["What is not as it should be"]] == ["no prices", "no prices"]
    assert [row["Run"] for row in told["Others"]] == ["older-3", "older-4", "older-5"]
    assert contents(Context.of(home, pd.Timestamp(DAYS[0], tz="UTC")))["tests"] == []


def test_without_any_it_says_how_to_make_one(tmp_path: Path) -> None:
    text = page(created(tmp_path / "empty"))
    assert "<code>v2g backtest --from DATE --to DATE</code>" in text and tables(text) == {}
