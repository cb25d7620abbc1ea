"""Reserve that was won: the next plan holds it, as known, and says what it cannot hold."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pandas as pd
import pytest

from flows.publish import publish_run
from flows.stages import Context, StageResult
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.realise import realise
from flows.workspace import Workspace
from tests.flows.conftest import DAY, put, spoil
from tests.flows.page_tables import figure, tables
from tests.flows.svg import WIDTH, charts, lines
from tests.flows.test_bid import NOW, TOMORROW, around, homes, stated  # noqa: F401
from tests.flows.test_forecast_stage import prices

EVENING = pd.Timestamp(f"{TOMORROW}T19:00Z")
MINUTE = timedelta(minutes=1)
KEPT = [
    "battery_id", "charge_limit_kw", "discharge_limit_kw", "efficiency_charge", "efficiency_discharge"
]  # fmt: skip


def award(kw: float, **changes: object) -> pd.DataFrame:
    """An evening's block of FCR in Berlin, 20:00 to midnight."""
    row = {
        "zone": "DE-LU", "product": "FCR", "direction": "symmetric", "interval_start_utc": EVENING,
        "interval_end_utc": EVENING + pd.Timedelta(hours=4), "quantity_mw": kw / 1000.0,
        "price_eur_per_mw_h": 20.0,
    }  # fmt: skip
    return pd.DataFrame([row | changes])


@pytest.fixture
def priced(homes: Workspace) -> Workspace:  # noqa: F811
    put(homes, "prices", prices(TOMORROW, 1), as_of=NOW)
    assert check(Context.of(homes, NOW)).exit_code == 0
    return homes


def won(workspace: Workspace, *rows: pd.DataFrame, at: datetime = NOW) -> None:
    put(workspace, "awards", pd.concat(rows), as_of=at)
    check(Context.of(workspace, at))


def planned(workspace: Workspace, at: datetime = NOW) -> StageResult:
    return plan(Context.of(workspace, at), TOMORROW)


def held_back(workspace: Workspace, result: StageResult) -> tuple[float, float]:
    """The least of what all cars could draw less and more in the block's slots, metered kW, of 11 and 10 kW
    both ways."""
    rows = workspace.warehouse.read(
        "out_plan_slot", where={"plan_id": result.details["plan_id"], "mode": "v2g"},
        start=EVENING, end=EVENING + pd.Timedelta(hours=4),
    )  # fmt: skip
    cars = workspace.warehouse.read("core_battery")
    there = rows[rows["plugged"]].merge(cars[KEPT], on="battery_id")
    up = there["power_kw"] + there["discharge_limit_kw"] * there["efficiency_discharge"]
    down = there["charge_limit_kw"] / there["efficiency_charge"] - there["power_kw"]
    each = pd.DataFrame({"at": there["interval_start_utc"], "up": up, "down": down}).groupby("at").sum()
    assert len(each) == 16
    return float(each["up"].min()), float(each["down"].min())


def test_what_was_won_is_held_and_paid(priced: Workspace) -> None:
    free = planned(priced)
    assert free.exit_code == 0 and "reserve" not in free.tables
    won(priced, award(12.0), at=NOW + MINUTE)
    result = planned(priced, NOW + MINUTE)
    assert result.exit_code == 0, result.message
    assert "awards" in result.details["changed_inputs"]
    (row,) = result.tables["reserve"]
    assert (row["won_kw"], row["held_kw"], row["reason"]) == (12.0, 12.0, "")
    assert row["income_eur"] == pytest.approx(0.020 * 12.0 * 4.0)
    assert min(held_back(priced, result)) >= 12.0 - 1e-6
    modes = {one["mode"]: one for one in result.tables["modes"]}
    before = {one["mode"]: one for one in free.tables["modes"]}
    assert modes["v2g"]["net_benefit_eur"] == pytest.approx(modes["v2g"]["objective_eur"], abs=0.05)
    assert modes["v2g"]["unmet_departures"] == before["v2g"]["unmet_departures"] == 0
    sites = priced.warehouse.read("out_plan_site_slot", where={"plan_id": result.details["plan_id"]})
    assert set(sites["site_id"]) == {"yard"}


def test_what_cannot_be_held_is_named_and_no_driver_pays_for_it(priced: Workspace) -> None:
    won(priced, award(30.0))
    result = planned(priced)
    (row,) = result.tables["reserve"]
    assert result.exit_code == 3
    assert 5.0 < row["held_kw"] < 30.0 and "FCR of 2024-03-21 19:00 UTC: won 30 kW, held" in result.message
    assert min(held_back(priced, result)) >= row["held_kw"] - 1e-6
    modes = {one["mode"]: one for one in result.tables["modes"]}
    assert modes["v2g"]["unmet_departures"] == 0


def test_a_driver_who_comes_again_for_a_moment_loses_nothing_by_an_award(priced: Workspace) -> None:
    """Next to reserve no session carries on; what the second lacks by itself the first is asked for."""
    night = {"session_id": "night", "arrival_utc": f"{DAY}T17:00Z", "departure_utc": f"{TOMORROW}T06:00Z"}
    brief = {
        "session_id": "brief",
        "arrival_utc": f"{TOMORROW}T10:00Z",
        "departure_utc": f"{TOMORROW}T10:20Z",
    }
    rows = [
        night | {"arrival_soc": 0.6, "departure_soc": 0.7},
        brief | {"arrival_soc": 0.5, "departure_soc": 0.7},
    ]  # fmt: skip
    put(priced, "sessions", pd.DataFrame(rows).assign(battery_id="car-1"), as_of=NOW)
    check(Context.of(priced, NOW))
    free = planned(priced)
    won(priced, award(3.0), at=NOW + MINUTE)
    result = planned(priced, NOW + MINUTE)
    for one in (free, result):
        assert {row["mode"]: row["unmet_departures"] for row in one.tables["modes"]}["v2g"] == 0, one.message
    (row,) = result.tables["reserve"]
    assert (row["won_kw"], row["held_kw"]) == (3.0, 3.0)
    left = priced.warehouse.read(
        "out_plan_departure", where={"plan_id": result.details["plan_id"], "mode": "v2g"}
    ).set_index("session_id")
    assert left.loc["night", "reached_kwh"] > left.loc["night", "target_kwh"] - 1e-6
    assert left.loc["brief", "reached_kwh"] >= left.loc["brief", "target_kwh"] - 1e-6


def test_what_was_held_is_shown_when_the_day_is_over(priced: Workspace) -> None:
    """Of the plan that was followed: one of before the award held nothing of it."""
    won(priced, award(6.0), at=NOW + MINUTE)
    assert planned(priced, NOW).exit_code == 0
    over = NOW + timedelta(days=2)
    before = realise(Context.of(priced, over), [TOMORROW])
    assert "reserve" not in before.tables
    unheld = "FCR symmetric of 2024-03-21 19:00 UTC was won, and no plan that was followed knew of it"
    assert unheld in before.message
    planned(priced, NOW + MINUTE)
    (row,) = realise(Context.of(priced, over), [TOMORROW]).tables["reserve"]
    assert (row["won_kw"], row["held_kw"]) == (6.0, 6.0)
    assert row["promised_eur"] == row["paid_eur"] == pytest.approx(0.020 * 6.0 * 4.0)


def test_an_award_is_not_known_before_it_came(priced: Workspace) -> None:
    won(priced, award(12.0), at=NOW + MINUTE)
    before = planned(priced, NOW)
    assert "reserve" not in before.tables and before.exit_code == 0


def test_more_won_than_bid_is_named_and_what_was_bid_is_held(priced: Workspace) -> None:
    stated(priced, "FCR")
    rows = priced.warehouse.read("out_bid", where={"product": "FCR"})
    bid = float(rows.loc[rows["interval_start_utc"] == EVENING, "quantity_mw"].item()) * 1000.0
    assert bid > 5.0
    won(priced, award(bid + 3.0), at=NOW + MINUTE)
    result = planned(priced, NOW + MINUTE)
    (row,) = result.tables["reserve"]
    assert result.exit_code == 3 and "more won than bid: FCR of" in result.message
    assert row["won_kw"] == row["held_kw"] == pytest.approx(bid)
    page = publish_run(priced, result.details["plan_id"])[0].read_text(encoding="utf-8")
    shown = tables(page[page.index("<h2>Reserve") : page.index("<h2>Departures without")])
    (held,) = shown["Reserve"]
    assert (held["From"], held["Product"]) == (f"{TOMORROW} 20:00", "FCR"), "by the clock of Berlin"
    assert figure(held["Held kW"]) == pytest.approx(bid, abs=0.05)
    assert figure(held["Income €"]) == pytest.approx(row["income_eur"], abs=0.005)
    assert [figure(one["Bid MW"]) for one in shown["Bids"]] == pytest.approx(
        rows.sort_values("interval_start_utc")["quantity_mw"].tolist(), abs=5e-4
    )
    assert shown["Bids"][3]["Why none, or less"].startswith("with 95% the pool can give 0 kW")
    drawn = lines(charts(page)[0], "Reserve held: FCR, symmetric")
    assert len(drawn) == 2 and all(line[0, 0] < line[-1, 0] < WIDTH for line in drawn), "of its block alone"
    modes = re.findall(r'<th scope="row">([^<]+ €)</th>.*<td class="followed">([^<]+)</td>', page)
    followed = {name: figure(text) for name, text in modes}
    minus = (
        followed["Energy cost €"] + followed["Wear by price €"] + followed["Resting €"] + followed["Peaks €"]
    )
    assert followed["Emissions and reserve €"] == pytest.approx(row["income_eur"], abs=0.005)
    plus = followed["Stored energy €"] + followed["Emissions and reserve €"]
    assert followed["Net benefit €"] == pytest.approx(plus - minus, abs=0.03)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"direction": "up"}, "FCR is symmetric"),
        ({"product": "FCR-X"}, "products.toml has no such product"),
        ({"quantity_mw": 6.0}, "FCR of 2024-03-21 19:00 UTC: 6 MW, and all cars together take and give"),
    ],
)
def test_what_cannot_be_meant_is_named_and_costs_no_other(
    priced: Workspace, changes: dict[str, object], why: str
) -> None:
    won(priced, award(6.0, **changes), award(3.0, product="aFRR down", direction="down"))
    result = planned(priced)
    assert result.exit_code == 3 and why in result.message
    (row,) = result.tables["reserve"]
    assert (row["product"], row["held_kw"]) == ("aFRR down", 3.0)


def test_a_product_of_ones_own_is_held_by_its_reservoir(priced: Workspace) -> None:
    won(priced, award(6.0, product="local flexibility", direction="up", reservoir_minutes=30.0))
    (row,) = planned(priced).tables["reserve"]
    assert (row["product"], row["held_kw"]) == ("local flexibility", 6.0)


def test_of_blocks_that_overlap_the_later_told_holds(priced: Workspace) -> None:
    later = award(4.0, interval_start_utc=EVENING + pd.Timedelta(hours=2))
    won(priced, award(9.0))
    won(priced, later, at=NOW + MINUTE)
    result = planned(priced, NOW + MINUTE)
    (row,) = result.tables["reserve"]
    assert row["won_kw"] == 4.0 and "overlaps the block of" in result.message


def test_cars_that_only_charge_hold_what_charging_can(priced: Workspace) -> None:
    """Without calibrations nothing is fed back, and reserve downwards is charging that can be added."""
    spoil(priced, "DELETE FROM out_calibration")
    won(priced, award(4.0, product="aFRR down", direction="down"))
    result = planned(priced)
    (row,) = result.tables["reserve"]
    assert (row["held_kw"], result.details["followed_mode"]) == (4.0, "v2g")
    modes = {one["mode"]: one for one in result.tables["modes"]}
    assert modes["v2g"]["v2g_kwh"] == 0.0 and modes["v2g"]["unmet_departures"] == 0
