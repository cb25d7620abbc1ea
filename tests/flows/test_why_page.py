"""Why a car does what it does, on its page: as the rows tell, in words, in its own time and money."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from flows.money import EURO, Money
from flows.publish import publish_run
from flows.publish.prices import UsedPrices
from flows.publish.why import HELD, NONE_KEPT, Why
from flows.stages import Context
from flows.stages.plan import plan
from flows.workspace import Workspace
from optimize.rulebook import BINDINGS
from optimize.why.instead import DOES
from optimize.why.lost import UNKNOWN
from optimize.why.reasons import ACTIONS
from tests.flows.conftest import AS_OF, DAY
from tests.flows.svg import charts, lines, words
from warehouse.contracts.reasons import REASON_ACTIONS, REASON_INSTEAD, REASON_UNKNOWN

BEGIN = pd.Timestamp("2024-03-20T17:00Z")
QUARTER = pd.Timedelta(minutes=15)
EMPTY = {
    "action": "rests", "wear_eur_per_kwh": 0.05, "worth_eur": None, "worth_exact": None, "instead": None,
    "instead_kwh": None, "instead_utc": None, "charge_eur_per_kwh": None, "charge_exact": None,
    "charge_utc": None, "feed_eur_per_kwh": None, "feed_exact": None, "feed_utc": None, "unknown": None,
}  # fmt: skip


def told(
    *stretches: dict[str, Any], held_by: str = "free", money: Money = EURO, priced: bool = True
) -> list[dict[str, Any]]:
    """The stretches of one session as a page tells them; each is an hour, drawn at 10 to 13 ct, sold at 8."""
    count = 4 * len(stretches)
    slots = pd.DataFrame({"interval_start_utc": pd.date_range(BEGIN, periods=count, freq="15min")})
    slots["power_kw"], slots["held_by"] = 8.0, held_by
    bought = slots.assign(series="bought", price_ct_per_kwh=10.0 + np.arange(count) % 4)
    sold = slots.assign(series="sold", price_ct_per_kwh=8.0)
    frame = pd.concat([bought, sold])[: None if priced else 0]
    prices = UsedPrices(frame=frame, titles={}, note="", unit="ct/kWh")
    rows = [
        EMPTY | one | {"interval_start_utc": BEGIN + 4 * n * QUARTER,
                       "interval_end_utc": BEGIN + 4 * (n + 1) * QUARTER}
        for n, one in enumerate(stretches)
    ]  # fmt: skip
    due = {"departure_utc": BEGIN + count * QUARTER, "target_kwh": 40.0, "reached_kwh": 40.0}
    departures = pd.DataFrame([due | {"missing_kwh": 0.0}])
    why = Why(prices=prices, timezone="Europe/Berlin", money=money)
    (session,) = why.sessions(pd.DataFrame(rows), slots, departures)
    assert (session["begin"], session["beyond"]) == ("20 Mar 18:00", False)
    found: list[dict[str, Any]] = session["stretches"]
    return found


def at(number: int) -> pd.Timestamp:
    return BEGIN + number * QUARTER


SAID = [
    (
        {"action": "charges", "worth_eur": 0.32, "worth_exact": True, "instead": "charges elsewhere",
         "instead_kwh": 7.0, "instead_utc": at(37)},
        "else it would charge at 03:15, which costs 4.0 ct/kWh more",
    ),
    (
        {"action": "charges", "worth_eur": 9.0, "worth_exact": True, "instead": "leaves short",
         "instead_kwh": 2.44},
        "must: else it leaves 2.4 kWh short",
    ),
    (
        {"action": "charges", "worth_eur": 0.0, "worth_exact": True, "instead": "charges elsewhere",
         "instead_kwh": 7.0, "instead_utc": at(37)},
        "as good as at 03:15",
    ),
    (
        {"action": "charges", "worth_eur": 0.32, "worth_exact": False, "instead": "feeds back less",
         "instead_kwh": 7.0, "instead_utc": at(5)},
        "to feed it back at 19:15: that gains at least 4.0 ct/kWh after wear",
    ),
    (
        {"action": "charges", "worth_eur": 0.32, "worth_exact": True, "instead": "leaves with less",
         "instead_kwh": 7.0},
        "what it leaves with is worth 4.0 ct/kWh more than it costs",
    ),
    (
        {"action": "feeds back", "worth_eur": 0.16, "worth_exact": True, "instead": "feeds back elsewhere",
         "instead_kwh": 7.0, "instead_utc": at(9)},
        "else it would feed back at 20:15, which earns 2.0 ct/kWh less; wear of 5.0 ct/kWh paid",
    ),
    (
        {"action": "feeds back", "worth_eur": 0.16, "worth_exact": True, "instead": "charges less",
         "instead_kwh": 7.0, "instead_utc": at(9)},
        "gains 2.0 ct/kWh over what charging it costs, wear of 5.0 ct/kWh paid",
    ),
    (
        {"action": "feeds back", "worth_eur": 0.16, "worth_exact": True, "instead": "leaves with more",
         "instead_kwh": 7.0},
        "gains 2.0 ct/kWh over leaving with it, wear of 5.0 ct/kWh paid",
    ),
    (
        {"action": "holds", "feed_eur_per_kwh": 0.021, "feed_exact": True, "feed_utc": at(1)},
        "keeps it: a kWh fed back at 18:15 would earn 8.0 ct/kWh, wear takes 5.0 ct/kWh and in the battery "
        "it is worth 5.1 ct/kWh: 2.1 ct/kWh lost",
    ),
    ({"action": "holds"}, "keeps it"),
    (
        {"action": "rests", "charge_eur_per_kwh": 0.03, "charge_exact": True, "charge_utc": at(1)},
        "a kWh more would cost 3.0 ct/kWh more than it is worth",
    ),
    ({"action": "rests"}, "nothing to do"),
    (
        {"action": "charges", "unknown": "plug-in"},
        "it charges as soon as it is plugged in: nothing is weighed",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("row", "said"), SAID, ids=[said[:40] for _, said in SAID])
def test_a_stretch_is_told_in_words_by_the_clock_of_the_zone(row: dict[str, Any], said: str) -> None:
    (found,) = told(row)
    assert found["why"] == said
    assert found["time"] == "18:00–19:00"
    assert found["price"] == ("8.0" if row["action"] == "feeds back" else "10.0 to 13.0")
    moves = row["action"] in ("charges", "feeds back")
    assert (found["kwh"], found["kw"]) == ((8.0, 8.0) if moves else (None, None))


def test_waiting_names_the_hour_that_it_waits_for_and_by_how_much_that_is_better() -> None:
    wait = {"action": "waits", "charge_eur_per_kwh": 0.041, "charge_exact": True, "charge_utc": at(2)}
    later = {"action": "charges", "worth_eur": 0.0, "worth_exact": True}
    first, _ = told(wait, later)
    assert first["why"] == "19:00 is 4.1 ct/kWh cheaper than charging at 18:30, its best quarter-hour before"
    alike, _ = told(wait | {"charge_eur_per_kwh": 0.0001}, later)
    assert alike["why"] == "19:00 is as good"
    able, _ = told(wait | {"feed_eur_per_kwh": 0.02, "feed_exact": False, "feed_utc": at(1)}, later)
    assert able["why"].endswith("; feeding back would lose at least 2.0 ct/kWh")
    full, _ = told({"action": "waits"}, later)
    assert full["why"] == "waits for 19:00: no room to charge"


def test_holding_names_the_hour_that_it_keeps_its_charge_for() -> None:
    hold = {"action": "holds", "feed_eur_per_kwh": 0.0001, "feed_exact": True, "feed_utc": at(1)}
    first, _ = told(hold, {"action": "feeds back", "worth_eur": 0.1, "worth_exact": True})
    assert first["why"] == "keeps it for 19:00; feeding back at 18:15 would be as good"


def test_without_prices_none_is_told() -> None:
    (found,) = told(SAID[0][0], priced=False)
    assert (found["price"], found["kwh"]) == ("", 8.0)


def test_other_money_is_told_at_its_rate() -> None:
    (found,) = told(SAID[0][0], money=Money(code="CZK", euros=0.04))
    assert "costs 100.0 0.01 CZK/kWh more" in found["why"]


@pytest.mark.parametrize("word", sorted(set(BINDINGS) - {"away", "free", "idle"}))
def test_what_binds_is_told(word: str) -> None:
    (found,) = told({"action": "rests"}, held_by=word)
    assert found["why"] == f"nothing to do; {HELD[word]}"


def test_words_of_the_rows_are_those_of_the_optimiser() -> None:
    assert (REASON_ACTIONS, REASON_INSTEAD, REASON_UNKNOWN) == (ACTIONS, DOES, UNKNOWN)
    for word in UNKNOWN:
        assert told({"action": "charges", "unknown": word})[0]["why"]


@pytest.fixture(scope="module")
def made(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A depot with a plan."""
    root = shutil.copytree(calibrated_depot, tmp_path_factory.mktemp("why") / "depot")
    workspace = Workspace.open(Path(root))
    plan(Context.of(workspace, AS_OF), DAY)
    return workspace


def pages(workspace: Workspace) -> dict[str, str]:
    plan_id = str(workspace.warehouse.read("out_plan")["plan_id"].iloc[-1])
    files = publish_run(workspace, plan_id)[1:-1]
    return {file.stem: file.read_text(encoding="utf-8") for file in files}


def table_rows(page: str) -> list[list[str]]:
    """The cells of the stretches of a page."""
    part = page.split('<h2 id="why">Why this slot</h2>')[1].split("<h2>")[0]
    rows = [
        re.findall(r"<td[^>]*>(.*?)</td>", row, re.S) for row in re.findall(r"<tr>(.*?)</tr>", part, re.S)
    ]
    return [[html.unescape(cell) for cell in row] for row in rows if row]


def test_a_page_tells_every_stretch_of_the_followed_mode_as_it_is_stored(made: Workspace) -> None:
    rows = made.warehouse.read("out_plan_reason")
    slots = made.warehouse.read("out_plan_slot")
    followed = slots[(slots["mode"] == rows["mode"].iloc[0]) & slots["plugged"]]
    assert set(rows["mode"]) == {"v2g"} and rows["unknown"].isna().all()
    for name, page in pages(made).items():
        own = rows[rows["battery_id"] == name].sort_values("interval_start_utc")
        found = table_rows(page)
        assert len(found) == len(own) > 2
        spans = (own["interval_end_utc"] - own["interval_start_utc"]).sum() / QUARTER
        assert spans == (followed["battery_id"] == name).sum()
        for cells, (_, row) in zip(found, own.iterrows(), strict=True):
            begin, end = (
                row[f"interval_{edge}_utc"].tz_convert("Europe/Berlin") for edge in ("start", "end")
            )
            assert cells[:2] == [f"{begin:%H:%M}–{end:%H:%M}", row["action"]]
            if pd.notna(row["worth_eur"]):
                assert cells[6] == f"{'' if row['worth_exact'] else '≥ '}{100 * row['worth_eur']:,.1f}"
                mine = followed[(followed["battery_id"] == name) & (followed["interval_start_utc"] >= begin)]
                mine = mine[mine["interval_start_utc"] < end]
                assert cells[3] == f"{mine['power_kw'].abs().sum() / 4:.1f}"
            assert cells[2]


def test_price_power_and_charge_with_its_bounds_lie_on_one_axis(made: Workspace) -> None:
    rows = made.warehouse.read("out_plan_reason")
    for name, page in pages(made).items():
        chart = charts(page.split('<h2 id="day">The day</h2>')[1])[0]
        for about, least in (("Price at the plug", 2), ("Power at the plug", 3), ("State of charge", 3)):
            assert len(lines(chart, about)) >= least, about
        own = rows[rows["battery_id"] == name]
        assert chart.count('class="interval s-zero"') == 2 * len(own)
        assert 'class="dots s-lives"' in chart
        assert {"what it is to leave with", "the least and the most that it may hold"} <= set(words(chart))


def test_a_plan_of_before_reasons_were_kept_says_so(made: Workspace, tmp_path: Path) -> None:
    own = Workspace.open(Path(shutil.copytree(made.root, tmp_path / "depot")))
    with duckdb.connect(str(own.root / "warehouse.duckdb")) as connection:
        connection.execute("DELETE FROM out_plan_reason")
    for page in pages(own).values():
        assert NONE_KEPT in html.unescape(page) and table_rows(page) == []
