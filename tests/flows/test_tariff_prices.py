"""Retail tariffs in a plan's prices: which price counts where, and what it says of its origin."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.mapping.prices import PlanPrices, plan_prices
from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.workspace import Workspace
from optimize.types import Tariff
from tests.flows.conftest import AS_OF, DAY, ZONE, nobody, price_rows, put
from tests.warehouse.builders import promote_unchecked
from warehouse.zones import market_day_slots

SETTINGS = Tariff(import_adder_eur_per_kwh=0.1, vat=0.5, export_adder_eur_per_kwh=-0.01)
TOU = """
name = "Depot"
currency = "EUR"
from = 2024-01-01
[[season]]
name = "all year"
from = "01-01"
to = "12-31"
days = "all"
[[season.period]]
start = "00:00"
energy_per_kwh = 0.11
FEED
[[season.period]]
start = "17:00"
energy_per_kwh = 0.41
FEED
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "depot", zone=ZONE)


def tariff(workspace: Workspace, *, sold: bool, days: int = 1) -> None:
    file = Path(workspace.root.parent / "depot.toml")
    file.write_text(TOU.replace("FEED", "feed_in_per_kwh = 0.3" if sold else ""), encoding="utf-8")
    options = {"days": [DAY - timedelta(days=number) for number in range(days)]}
    ingest(Context.of(workspace, AS_OF), "tariffs", [file], source="tou", options=options)
    promote_unchecked(workspace.warehouse, "tariffs", AS_OF)


def market(workspace: Workspace) -> None:
    put(workspace, "prices", price_rows(DAY, 1))
    promote_unchecked(workspace.warehouse, "prices", AS_OF)


def found(workspace: Workspace, day: date = DAY) -> PlanPrices:
    return plan_prices(Context.of(workspace, AS_OF + timedelta(hours=1)), day, nobody)


def test_a_tariff_both_ways_stands_before_the_market(workspace: Workspace) -> None:
    market(workspace)
    tariff(workspace, sold=True)
    buy, sell = found(workspace).at_the_plug(SETTINGS)
    assert buy.tolist() == [0.11] * 68 + [0.41] * 28
    assert sell.tolist() == [0.3] * 96


def test_a_direction_without_tariff_is_priced_by_market_and_settings(workspace: Workspace) -> None:
    market(workspace)
    before, sold_before = found(workspace).at_the_plug(SETTINGS)
    tariff(workspace, sold=False)
    prices = found(workspace)
    buy, sell = prices.at_the_plug(SETTINGS)
    assert buy[0] == 0.11
    assert sell.tolist() == sold_before.tolist()
    assert prices.market is not None
    np.testing.assert_allclose(before, (prices.market + 0.1) * 1.5)
    np.testing.assert_allclose(sell, prices.market - 0.01)


@pytest.mark.parametrize("order", [(60, 15), (15, 60)])
def test_of_two_answers_of_different_resolution_the_later_holds(
    workspace: Workspace, order: tuple[int, int]
) -> None:
    for number, minutes in enumerate(order):
        slots = market_day_slots(DAY, ZONE, minutes)
        rows = pd.DataFrame(
            {
                "zone": ZONE,
                "interval_start_utc": slots.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "resolution_minutes": minutes,
                "price_eur_per_kwh": 0.1 * (number + 1),
            }
        )
        put(workspace, "prices", rows, as_of=AS_OF + timedelta(minutes=number))
        promote_unchecked(workspace.warehouse, "prices", AS_OF)
    prices = found(workspace)
    assert prices.source == "published"
    assert prices.market is not None
    assert prices.market.tolist() == [0.2] * 96


@pytest.mark.parametrize("sold", [True, False])
def test_without_market_a_tariff_is_published_and_nothing_else_is_earned(
    workspace: Workspace, sold: bool
) -> None:
    assert found(workspace).source == "charge_only"
    tariff(workspace, sold=sold)
    prices = found(workspace)
    buy, sell = prices.at_the_plug(SETTINGS)
    assert (prices.source, prices.note, prices.market) == ("published", "", None)
    assert buy.max() == 0.41
    assert set(sell) == ({0.3} if sold else {0.0})


def test_a_tariff_that_misses_the_day_is_not_used(workspace: Workspace) -> None:
    tariff(workspace, sold=True)
    tomorrow = found(workspace, DAY + timedelta(days=1))
    assert tomorrow.source == "charge_only"
    assert tomorrow.bought is None
    assert tomorrow.retail_rows.empty


def test_what_a_kwh_cost_before_is_given_by_the_tariff_of_what_is_bought(workspace: Workspace) -> None:
    tariff(workspace, sold=False, days=8)
    prices = found(workspace)
    assert prices.slots[0] < market_day_slots(DAY, ZONE)[0], "the plan begins where its prices begin, or now"
    day = market_day_slots(DAY, ZONE)
    workdays_of_the_week = prices.past_at_the_plug(SETTINGS, day)
    assert workdays_of_the_week.tolist() == [[0.11] * 68 + [0.41] * 28] * 5
    weekend = prices.past_at_the_plug(SETTINGS, day + pd.Timedelta(days=3))
    assert len(weekend) == 2


def test_a_plan_by_tariff_alone_names_its_file(depot: Workspace) -> None:
    day = DAY + timedelta(days=7)
    file = depot.root.parent / "depot.toml"
    night, evening = (f"feed_in_per_kwh = {price}" for price in (0.05, 0.3))
    file.write_text(TOU.replace("FEED", night, 1).replace("FEED", evening), encoding="utf-8")
    options = {"days": [day]}
    ingest(Context.of(depot, AS_OF), "tariffs", [file], source="tou", options=options)
    assert check(Context.of(depot, AS_OF)).exit_code == 0
    result = plan(Context.of(depot, AS_OF), day)
    assert result.exit_code == 0
    used = depot.warehouse.read("out_plan_source", where={"plan_id": result.details["plan_id"]})
    (row,) = used[used["dataset"] == "tariffs"].to_dict("records")
    assert (row["rows"], row["first_row"], row["last_row"]) == (48, 1, 2)
    mode = depot.warehouse.read("out_plan_mode", where={"plan_id": result.details["plan_id"], "mode": "v2g"})
    assert mode["export_kwh"].item() > 0
    pages = publish(Context.of(depot, AS_OF), day)
    assert pages.status == "ok"
    assert any(file.endswith("index.html") for file in pages.files)
