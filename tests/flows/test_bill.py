"""A month's bill from metering, and a plan by the same book."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import NoAccountError, SettingsError, UsageError
from flows.mapping.hashing import hash_values
from flows.mapping.prices import plan_prices
from flows.mapping.read_inputs import read_inputs
from flows.stages import Context
from flows.stages.bill import bills, month_of
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.situation import _priced
from flows.workspace import Workspace
from optimize.market.prices import prices
from optimize.types import Tariff
from tests.flows.conftest import AS_OF, DAY, nobody, price_rows, put, site_rows
from tests.optimize.market_books import BOOKS
from warehouse.zones import market_day_bounds

AFTER = datetime(2025, 3, 2, tzinfo=UTC)
FEBRUARY = date(2025, 2, 1)


def by_book(workspace: Workspace, name: str, *changes: tuple[str, str]) -> Workspace:
    text = (BOOKS / name).read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (workspace.root / "books").mkdir(exist_ok=True)
    (workspace.root / "books" / name).write_text(text, encoding="utf-8")
    settings = workspace.root / "v2g.toml"
    output = settings.read_text(encoding="utf-8").replace('book = ""', f'book = "books/{name}"')
    settings.write_text(output, encoding="utf-8")
    return Workspace.open(workspace.root)


def february() -> pd.DatetimeIndex:
    return pd.date_range("2025-01-31T23:00Z", "2025-02-28T23:00Z", freq="15min", inclusive="left")


def meter(battery_id: str, drawn: np.ndarray, fed: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "battery_id": battery_id,
            "interval_start_utc": february().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "import_kwh": drawn,
            "export_kwh": fed,
        }
    )


def a_month(workspace: Workspace, *cars: str) -> None:
    """Prices, and of each car 1.5 kWh drawn from 00:00 of each day and 0.8 fed back from 17:30."""
    at = np.arange(len(february())) % 96
    put(workspace, "prices", price_rows(FEBRUARY, 28), as_of=AFTER)
    for car in cars:
        rows = meter(car, np.where(at == 0, 1.5, 0.0), np.where(at == 70, 0.8, 0.0))
        put(workspace, "metering", rows, as_of=AFTER)
    check(Context.of(workspace, AFTER))


def lines(result: object, point: str) -> dict[str, float]:
    rows = result.tables["bill"]  # type: ignore[attr-defined]
    return {row["line"]: row["amount_eur"] for row in rows if row["point"] == point}


def test_a_plug_is_billed_from_its_meter(workspace: Workspace) -> None:
    a_month(workspace, "car-1")
    workspace = by_book(workspace, "household_refund.toml")
    result = bills(Context.of(workspace, AFTER), FEBRUARY, battery="car-1")
    stated = lines(result, "battery car-1")
    # 28·1.5 = 42 kWh drawn at 00:00 local, 28·0.8 = 22.4 fed back at 17:30 local, all of it refunded.
    price = price_rows(FEBRUARY, 1).set_index("interval_start_utc")["price_eur_per_kwh"]
    night, evening = price["2025-01-31T23:00:00Z"], price["2025-02-01T16:00:00Z"]
    expected = {
        "energy at spot": round(42 * night, 2), "energy markup": 0.76, "grid fee": 3.49,
        "electricity_tax": 0.86, "concession_levy": 0.70, "other_levies": 1.11,
        "refund of grid fee, stored and fed back": -1.86,
        "refund of electricity_tax, stored and fed back": -0.46,
        "refund of other_levies, stored and fed back": -0.59, "supplier's base fee": 4.90,
        "grid, metering": 7.50, "feed-in at spot": -round(22.4 * evening, 2),
    }  # fmt: skip
    vat = Decimal(str(sum(expected.values()) - expected["feed-in at spot"])).quantize(Decimal("0.01"))
    expected["VAT 19.00%"] = float((vat * Decimal("0.19")).quantize(Decimal("0.01"), "ROUND_HALF_UP"))
    total = stated.pop("total, Household, dynamic, fees refunded on what is fed back")
    assert stated == expected
    assert total == pytest.approx(sum(expected.values()), abs=1e-9)
    assert result.exit_code == 0


def test_a_quarter_hour_without_a_meter_is_named_and_costs_that_bill_alone(workspace: Workspace) -> None:
    a_month(workspace, "car-1")
    rows = meter("car-2", np.zeros(len(february())), np.zeros(len(february())))
    put(workspace, "metering", rows.drop([3, 4]), as_of=AFTER)
    check(Context.of(workspace, AFTER))
    result = bills(Context.of(by_book(workspace, "household_spot.toml"), AFTER), FEBRUARY)
    missing = r"2 quarter-hours (2025-01-31 23:45, 2025-02-01 00:00 UTC)"
    assert f"no bill of battery car-2: metering of car-2 is missing in {missing}" in result.message
    assert (result.exit_code, {row["point"] for row in result.tables["bill"]}) == (3, {"battery car-1"})
    with pytest.raises(NoAccountError, match="metering of car-2 is missing"):
        bills(Context.of(Workspace.open(workspace.root), AFTER), FEBRUARY, battery="car-2")


def test_what_comes_later_changes_no_bill_of_then(workspace: Workspace) -> None:
    a_month(workspace, "car-1")
    workspace = by_book(workspace, "household_refund.toml")
    then = bills(Context.of(workspace, AFTER), FEBRUARY)
    later = AFTER + timedelta(hours=1)
    ones = np.ones(len(february()))
    put(workspace, "sites", site_rows().assign(metering="site"), as_of=later)
    put(workspace, "prices", price_rows(FEBRUARY, 28, spread=-0.4), as_of=later)
    put(workspace, "metering", meter("car-1", 3.0 * ones, ones), as_of=later)
    put(workspace, "metering", meter("car-2", ones, ones), as_of=later)
    check(Context.of(workspace, later))
    assert bills(Context.of(workspace, AFTER), FEBRUARY).tables == then.tables
    assert bills(Context.of(workspace, later), FEBRUARY).tables != then.tables


def test_a_site_behind_one_meter_is_billed_net_of_its_load(workspace: Workspace) -> None:
    put(workspace, "sites", site_rows().assign(metering="site"), as_of=AFTER)
    a_month(workspace, "car-1", "car-2")
    slots = february()
    load = pd.DataFrame(
        {
            "site_id": "yard", "interval_start_utc": slots.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "resolution_minutes": 15, "load_kw": np.where(np.arange(len(slots)) % 96 == 70, 2.0, 0.0),
        }
    )  # fmt: skip
    workspace = by_book(workspace, "wholesale.toml")
    alone = bills(Context.of(workspace, AFTER), FEBRUARY, site="yard")
    assert "no load of yard is known: cars alone" in alone.message
    put(workspace, "site_load", load.iloc[5:], as_of=AFTER)
    check(Context.of(workspace, AFTER))
    with pytest.raises(NoAccountError, match=r"site_load of yard is missing in 5 quarter-hours \(2025"):
        bills(Context.of(workspace, AFTER), FEBRUARY, site="yard")
    put(workspace, "site_load", load.iloc[:5], as_of=AFTER)
    check(Context.of(workspace, AFTER))
    rows = bills(Context.of(workspace, AFTER), FEBRUARY, site="yard").tables["bill"]
    # Of 2·0.8 kWh that the cars feed back the load takes 0.5: 28·1.1 are sold, 28·3 are drawn.
    assert {row["line"]: row["quantity"] for row in rows if row["quantity"]} == {
        "energy at spot": 84.0, "feed-in at spot": pytest.approx(30.8),
    }  # fmt: skip
    with pytest.raises(UsageError, match="--battery car-1: it is behind the meter of site yard"):
        bills(Context.of(workspace, AFTER), FEBRUARY, battery="car-1")


def test_what_cannot_be_asked_is_reported(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="names no tariff book"):
        bills(Context.of(workspace, AFTER), FEBRUARY)
    billed = by_book(workspace, "wholesale.toml")
    with pytest.raises(NoAccountError, match="2025-02 is not over as of 2025-02-28 22:00"):
        bills(Context.of(billed, datetime(2025, 2, 28, 22, tzinfo=UTC)), FEBRUARY)
    with pytest.raises(UsageError, match="battery ghost: no such meter"):
        bills(Context.of(billed, AFTER), FEBRUARY, battery="ghost")
    with pytest.raises(UsageError, match="in force from then"):
        bills(Context.of(billed, AFTER), date(2024, 2, 1))
    with pytest.raises(UsageError, match="'2025-13': a month like"):
        month_of("2025-13")


def test_the_command_answers_in_json(workspace: Workspace) -> None:
    a_month(workspace, "car-1")
    by_book(workspace, "wholesale.toml")
    words = ["bill", "--month", "2025-02", "--battery", "car-1", "--as-of", "2025-03-02", "--json"]
    done = CliRunner().invoke(app, [*words, "-w", str(workspace.root)])
    assert done.exit_code == 0, done.output
    (stage,) = json.loads(done.stdout)["stages"]
    assert (stage["month"], len(stage["book_digest"])) == ("2025-02", 64)
    assert [row["part"] for row in stage["tables"]["bill"]] == ["energy", "feed_in", "total"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("rate = 0.19", "rate = 19")], r"household_spot.toml: vat.rate is 19: must lie in 0 … 1"),
        ([('"EUR"', '"GBP"')], r"household_spot.toml: currency is GBP: must be EUR"),
    ],
)
def test_a_wrong_book_is_reported_when_the_workspace_is_opened(
    workspace: Workspace, changes: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        by_book(workspace, "household_spot.toml", *changes)


def test_a_book_that_is_not_there_or_not_alone_is_reported(workspace: Workspace) -> None:
    file = workspace.root / "v2g.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('book = ""', 'book = "none.toml"'), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"\[tariff\] book = 'none.toml': cannot be read"):
        Workspace.open(workspace.root)
    file.write_text(text.replace('book = ""', 'book = "b.toml"').replace("vat = 0.0", "vat = 0.19"), "utf-8")
    with pytest.raises(SettingsError, match="a book stands in place of the adders and vat"):
        Workspace.open(workspace.root)


def test_a_plan_is_made_and_kept_by_the_prices_of_its_book(depot: Workspace) -> None:
    depot = by_book(depot, "household_module_3.toml", ("from = 2025-01-01", "from = 2020-01-01"))
    result = plan(Context.of(depot, AS_OF), DAY)
    assert result.exit_code in (0, 3), result.message
    kept = depot.warehouse.read("out_plan_price").sort_values("interval_start_utc")
    slots = pd.DatetimeIndex(kept["interval_start_utc"])
    stated = plan_prices(Context.of(depot, AS_OF), DAY, nobody)
    spot = pd.Series(stated.market, index=stated.slots).reindex(slots).to_numpy()
    known = np.isfinite(spot)
    assert depot.book is not None
    buy, sell = prices(depot.book, slots, spot)
    np.testing.assert_allclose(kept["import_eur_per_kwh"][known], buy[known], atol=1e-12)
    np.testing.assert_allclose(kept["export_eur_per_kwh"][known], sell[known], atol=1e-12)
    assert known.sum() >= 96


def test_a_book_without_spot_prices_plans_without_a_market(workspace: Workspace) -> None:
    fixed = by_book(workspace, "household_pv.toml", ("from = 2025-01-01", "from = 2020-01-01"))
    stated = plan_prices(Context.of(fixed, AS_OF), DAY, nobody)
    assert (stated.source, set(stated.slot_sources)) == ("published", {"published"})
    buy, sell = stated.at_the_plug(Tariff())
    np.testing.assert_allclose(buy, 1.19 * (0.115 + 0.083 + 0.0205 + 0.0166 + 0.0265), atol=1e-12)
    np.testing.assert_allclose(sell, 0.0794 + 1.19 * (0.083 + 0.0205), atol=1e-12)
    assert _priced(Context.of(fixed, AS_OF), DAY) == market_day_bounds(DAY - timedelta(days=1), fixed.zone)[0]
    assert _priced(Context.of(replace(fixed, book=None), AS_OF), DAY) is None


def test_a_book_that_is_not_in_force_makes_no_plan(workspace: Workspace) -> None:
    book = by_book(workspace, "household_pv.toml")
    with pytest.raises(SettingsError, match=r"household_pv.toml: from is 2025-01-01: 2024-03-1"):
        plan_prices(Context.of(book, AS_OF), DAY, nobody)


def test_without_a_book_nothing_about_a_plan_changes(depot: Workspace) -> None:
    inputs = read_inputs(Context.of(depot, AS_OF), DAY)
    adders = {"import_adder_eur_per_kwh": 0.0, "vat": 0.0, "export_adder_eur_per_kwh": 0.0}
    options = {
        "tariff": adders,
        "plan": depot.settings.plan.model_dump(exclude={"gap_warning", "from_snapshot"}),
    }
    assert inputs.parts["settings"] == hash_values(options)
    stated = inputs.prices
    past = [table.to_numpy().tolist() for table in (stated.past.table, stated.past_bought.table)]
    market = None if stated.market is None else stated.market.tolist()
    parts = [str(stated.slots[0]), len(stated.slots), stated.source, stated.slot_sources, market, past]
    assert inputs.parts["prices"] == hash_values(parts)
