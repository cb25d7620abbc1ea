"""Bidding zones that a workspace defines itself, and money other than euros that it shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from flows.errors import SettingsError
from flows.money import EURO, Money
from flows.settings import load_settings
from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, day_prices
from tests.warehouse.published_abroad import elexon_csv, nyiso
from warehouse.errors import RateError
from warehouse.zones import market_day_slots, publication

OWN = '[zones.XCEL-CO]\ntimezone = "America/Denver"\npublished = "14:30"\n'
DOLLARS = '[workspace]\ncurrency = "USD"\neuros = 0.8\n'


def having(workspace: Workspace, *, zone: str = ZONE, more: str = "", workspace_table: str = "") -> Workspace:
    file = workspace.root / "v2g.toml"
    text = file.read_text(encoding="utf-8").replace(f'zone = "{ZONE}"', f'zone = "{zone}"')
    if workspace_table:
        text = text.replace('[workspace]\ncurrency = "EUR"\n', workspace_table)
    file.write_text(f"{text}\n{more}", encoding="utf-8")
    return Workspace.open(workspace.root)


@pytest.fixture
def empty(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "depot", zone=ZONE)


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2024, 3, 10), 23), (date(2024, 4, 2), 24), (date(2024, 11, 3), 25)]
)
def test_prices_of_a_zone_of_ones_own_are_days_of_its_own_clock(
    empty: Workspace, day: date, hours: int
) -> None:
    mine = having(empty, zone="XCEL-CO", more=OWN)
    slots = market_day_slots(day, "XCEL-CO", 60)
    assert (len(slots), slots[0].tz_convert("America/Denver").hour) == (hours, 0)
    file = mine.root.parent / "prices.csv"
    rows = pd.DataFrame({"zone": "XCEL-CO", "interval_start_utc": slots, "resolution_minutes": 60})
    rows.assign(price_eur_per_kwh=[0.05 + number / 100 for number in range(hours)]).to_csv(file, index=False)
    late = AS_OF + timedelta(days=365)
    ingest(Context.of(mine, late), "prices", [file], received="event")
    assert check(Context.of(mine, late)).exit_code == 0
    core = mine.warehouse.read("core_price")
    assert set(core["received_utc"]) == {pd.Timestamp(publication(day, "XCEL-CO"))}
    local = core["received_utc"].iloc[0].tz_convert("America/Denver")
    assert (f"{local:%H:%M}", local.date()) == ("14:30", day - timedelta(days=1))
    found = day_prices(mine, day, late)
    assert (found.source, len(found.slots)) == ("published", 4 * hours)


def test_a_zone_where_prices_come_as_they_are_delivered(empty: Workspace) -> None:
    having(empty, more='[zones.ISLAND]\ntimezone = "Pacific/Auckland"\npublished = "delivered"\n')
    assert publication(date(2024, 4, 2), "ISLAND") == market_day_slots(date(2024, 4, 2), "ISLAND")[0]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            '[zones.MINE]\ntimezone = "America/Denvr"\n',
            ["v2g.toml:2", "[zones] MINE timezone = 'America/Denvr'", "America/Denver?"],
        ),
        ("[zones.MINE]\n", ["v2g.toml:1", "[zones] MINE timezone", "required"]),
        ('[zones.FI]\ntimezone = "Europe/Oslo"\n', ["FI is known already, in Europe/Helsinki"]),
        ('[zones."a/b"]\ntimezone = "Europe/Oslo"\n', ["'a/b' is no name of a zone"]),
        (
            '[zones.MINE]\ntimezone = "Europe/Oslo"\npublished = "25:00"\n',
            ["v2g.toml:3", "[zones] MINE published = '25:00'"],
        ),
        ('[zones.MINE]\ntimezone = "Europe/Oslo"\ntimezon = 1\n', ["v2g.toml:3", "did you mean timezone?"]),
        ('[workspace]\ncurrency = "USD"\n', ["v2g.toml:1", "needs euros", "how many euros one USD is"]),
        ('[workspace]\ncurrency = "dollars"\n', ["v2g.toml:2", "[workspace] currency = 'dollars'"]),
        ("[workspace]\neuros = 0.9\n", ["one EUR is one euro"]),
        ('[workspace]\ncurrency = "USD"\neuros = 0\n', ["v2g.toml:3", "greater than 0"]),
    ],
)
def test_what_cannot_be_meant_is_refused_by_line_and_key(tmp_path: Path, text: str, parts: list[str]) -> None:
    file = tmp_path / "v2g.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    for part in parts:
        assert part in str(caught.value)


def prices_of(folder: Path, write: Callable[..., str], zone: str) -> Path:
    starts = market_day_slots(date(2024, 4, 2), zone, 60 if write is nyiso else 30)
    file = folder / "published.csv"
    file.write_text(write(starts, 60, [40.0 + number for number in range(len(starts))]), encoding="utf-8")
    return file


def test_prices_in_the_workspaces_money_need_no_rate_and_no_other_money_is_taken(empty: Workspace) -> None:
    mine = having(empty, workspace_table=DOLLARS)
    context, folder = Context.of(mine, AS_OF), mine.root.parent
    file = prices_of(folder, nyiso, "NYISO-NYC")
    ingest(context, "prices", [file], source="nyiso", zone="NYISO-NYC")
    check(context)
    core = mine.warehouse.read("core_price").sort_values("interval_start_utc")
    assert core["price_eur_per_kwh"].tolist() == pytest.approx([0.8 * (40 + n) / 1000 for n in range(24)])
    known_rows = mine.warehouse.read("raw_source")["options"].iloc[0]
    assert json.loads(known_rows)["rate"] == "0.8"  # which rate a file was read at stays with it
    with pytest.raises(RateError, match="prices are in GBP"):
        ingest(context, "prices", [prices_of(folder, elexon_csv, "GB")], source="elexon")
    with pytest.raises(RateError, match="prices are in USD"):
        euros = Workspace.create(folder / "euros", zone=ZONE)
        ingest(Context.of(euros, AS_OF), "prices", [prices_of(folder, nyiso, "NYISO-NYC")], source="nyiso")


def test_answers_and_pages_name_the_money_that_they_are_in(depot: Workspace) -> None:
    in_euros = plan(Context.of(depot, AS_OF), DAY)
    index = next(file for file in publish(Context.of(depot, AS_OF), DAY).files if file.endswith("index.html"))
    euros = (depot.root / index).read_text(encoding="utf-8")
    assert "Energy cost €" in euros
    assert "USD" not in euros
    mine = having(depot, workspace_table=DOLLARS)
    in_dollars = plan(Context.of(mine, AS_OF), DAY)
    assert in_dollars.details["outcome"] == "unchanged", "what is shown changes nothing of what is planned"
    for one, other in zip(in_euros.tables["modes"], in_dollars.tables["modes"], strict=True):
        assert "energy_cost_eur" not in other
        assert other["energy_cost_usd"] == pytest.approx(one["energy_cost_eur"] / 0.8)
        assert other["import_kwh"] == one["import_kwh"]
    publish(Context.of(mine, AS_OF), DAY)
    page = (depot.root / index).read_text(encoding="utf-8")
    cost = float(in_dollars.tables["modes"][0]["energy_cost_usd"])
    assert "Energy cost USD" in page
    assert f"{cost:,.2f}" in page
    assert "kept in euros and shown in USD, at 0.8 € each" in page
    assert "Bought at the plug, 0.01 USD/kWh" in page
    cars = [file.read_text(encoding="utf-8") for file in (depot.root / index).parent.glob("batteries/*.html")]
    assert len(cars) == 2
    for text in cars:
        assert "Wear by price USD" in text and "Wear of the day, USD" in text and "€</td>" not in text


def test_a_record_in_other_money_says_so_in_its_names() -> None:
    dollars = Money(code="USD", euros=0.5)
    row = {
        "energy_cost_eur": 2.0,
        "price_eur_per_kwh": 0.1,
        "l0_eur_note": None,
        "neural_kwh": 3.0,
        "mode": "x",
    }
    assert dollars.row(row) == {
        "energy_cost_usd": 4.0, "price_usd_per_kwh": 0.2, "l0_usd_note": None, "neural_kwh": 3.0, "mode": "x",
    }  # fmt: skip
    assert EURO.row(row) == row
