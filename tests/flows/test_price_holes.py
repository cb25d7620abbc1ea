"""A day with holes in its prices, through the real stages: V2G goes on next to them, and never in them."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.stages.withdraw import withdraw
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, ZONE, price_rows, put, session_rows
from warehouse.withdrawal import Rows
from warehouse.zones import market_day_bounds, market_day_slots

WEEK = timedelta(days=7)
DEAR = 0.4
"""€/kWh that the evening costs more: selling then pays."""


def rows_of(day: date) -> pd.DataFrame:
    return price_rows(day, 1, spread=0.15)


def sessions(day: date) -> pd.DataFrame:
    """Both cars at the plug the whole day: whatever hour is missing, they could feed back in it."""
    begin, end = market_day_bounds(day, ZONE)
    return session_rows(day).iloc[[0, 2]].assign(
        session_id=["long-1", "long-2"],
        arrival_utc=(begin - timedelta(hours=1)).isoformat(),
        departure_utc=(end + timedelta(hours=1)).isoformat(),
        arrival_soc=0.6,
        departure_soc=0.7,
    )  # fmt: skip


def ingest_rows(workspace: Workspace, dataset: str, rows: pd.DataFrame) -> None:
    put(workspace, dataset, rows)
    check(Context.of(workspace, AS_OF))


def planned(workspace: Workspace, day: date) -> tuple[int, dict[str, pd.DataFrame]]:
    before = datetime.combine(day - timedelta(days=1), AS_OF.timetz())
    result = plan(Context.of(workspace, before), day)
    mine = {"plan_id": result.details["plan_id"]}
    names = ("out_plan_price", "out_plan_mode", "out_plan_slot", "out_plan")
    return result.exit_code, {name: workspace.warehouse.read(name, where=mine) for name in names}


def gained(out: dict[str, pd.DataFrame], mode: str) -> float:
    """What a mode is better than charging on plug-in, €."""
    benefit = out["out_plan_mode"].set_index("mode")["net_benefit_eur"]
    return float(benefit[mode] - benefit["uncontrolled"])


SPRING, PLAIN, AUTUMN = date(2024, 3, 31), date(2024, 4, 10), date(2024, 10, 27)


@pytest.mark.parametrize(
    ("day", "lost"),
    [
        (PLAIN, [0]), (PLAIN, [12]), (PLAIN, [23]), (PLAIN, [3, 8, 18, 19]),
        (SPRING, [2]), (SPRING, [1, 22]), (AUTUMN, [2, 3]), (AUTUMN, [24]),
    ],
)  # fmt: skip
def test_a_hole_costs_what_is_not_fed_back_in_it_and_no_more(
    depot: Workspace, day: date, lost: list[int]
) -> None:
    ingest_rows(depot, "sessions", sessions(day))
    rows = rows_of(day)
    ingest_rows(depot, "prices", rows.drop(index=lost))
    code, torn = planned(depot, day)
    assert code == 3
    priced = torn["out_plan_price"].set_index("interval_start_utc")["price_source"]
    own = market_day_slots(day, ZONE)
    hole = own[np.repeat(np.isin(np.arange(len(rows)), lost), 4)]
    assert set(priced[hole]) == {"forecast"}
    assert set(priced[own.difference(hole)]) == {"published"}
    v2g = torn["out_plan_slot"].query("mode == 'v2g'").groupby("interval_start_utc")["discharge_kw"].sum()
    assert v2g[hole].max() < 1e-9
    assert torn["out_plan_slot"].query("mode != 'v2g'")["discharge_kw"].max() == 0.0

    ingest_rows(depot, "prices", rows)
    code, whole = planned(depot, day)
    assert (code, whole["out_plan"]["plan_source"].item()) == (0, "published")
    undisturbed = whole["out_plan_slot"].query("mode == 'v2g'").groupby("interval_start_utc")
    undisturbed = undisturbed["discharge_kw"].sum()
    for side in (own[own < hole[0]], own[own > hole[-1]]):
        assert (v2g[side].sum() > 4.0) == (undisturbed[side].sum() > 4.0), "V2G goes on next to the hole"
    assert 0.6 * gained(whole, "v2g") < gained(torn, "v2g") < gained(whole, "v2g") + 0.05
    assert gained(torn, "ordered") == pytest.approx(gained(whole, "ordered"), abs=0.5)


def test_the_dearest_hour_is_not_sold_into_while_nobody_has_published_it(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest_rows(depot, "sessions", sessions(PLAIN))
    dear = rows_of(PLAIN - WEEK)
    dear.loc[12, "price_eur_per_kwh"] += 3 * DEAR
    ingest_rows(depot, "prices", dear)
    ingest_rows(depot, "prices", rows_of(PLAIN).drop(index=12))
    own = market_day_slots(PLAIN, ZONE)

    def sold(workspace: Workspace) -> float:
        _, out = planned(workspace, PLAIN)
        prices = out["out_plan_price"].set_index("interval_start_utc").loc[own[48:52]]
        assert set(prices["price_source"]) == {"substituted"}
        assert prices["import_eur_per_kwh"].min() > DEAR
        slots = out["out_plan_slot"].query("mode == 'v2g'").set_index("interval_start_utc")
        return float(slots.loc[own[48:52], "discharge_kw"].sum())

    assert sold(depot) == 0.0
    monkeypatch.setenv("V2G_PLAN__FEED_IN_ON_FORECAST", "true")
    assert sold(Workspace.open(depot.root)) > 10.0


def test_a_hole_of_the_day_before_neither_shortens_the_plan_nor_costs_its_rung(depot: Workspace) -> None:
    ingest_rows(depot, "sessions", sessions(PLAIN))
    before = PLAIN - timedelta(days=1)
    ingest_rows(depot, "prices", pd.concat([rows_of(before).drop(index=19), rows_of(PLAIN)]))
    code, out = planned(depot, PLAIN)
    assert (code, out["out_plan"]["plan_source"].item()) == (3, "published")
    assert "4 quarter-hours before" in out["out_plan"]["note"].item()
    at = pd.Timestamp(datetime.combine(before, AS_OF.timetz()))
    assert out["out_plan"]["first_slot_utc"].item() == at
    hole = market_day_slots(before, ZONE)[76:80]
    prices = out["out_plan_price"].set_index("interval_start_utc")["price_source"]
    assert set(prices[hole]) == {"forecast"}
    slots = out["out_plan_slot"].query("mode == 'v2g'").set_index("interval_start_utc")["discharge_kw"]
    assert slots[hole].max() < 1e-9 < slots.max()


def test_a_plan_on_prices_that_were_withdrawn_since_stands_in_nobodys_way(depot: Workspace) -> None:
    ingest_rows(depot, "sessions", sessions(PLAIN))
    file = put(depot, "prices", rows_of(PLAIN))
    before = datetime.combine(PLAIN - timedelta(days=1), AS_OF.timetz())
    check(Context.of(depot, AS_OF))
    first = plan(Context.of(depot, before), PLAIN)
    assert first.details["plan_source"] == "published"
    hour = timedelta(hours=1)
    gone = Rows(dataset="prices", source=file.name)
    withdraw(Context.of(depot, before + hour), gone, action="withdraw", decided_by="ada", reason="wrong day")
    right = rows_of(PLAIN).iloc[:-1]
    put(depot, "prices", right.assign(price_eur_per_kwh=right["price_eur_per_kwh"] + 0.01))
    check(Context.of(depot, before + hour))
    second = plan(Context.of(depot, before + 2 * hour), PLAIN)
    assert (second.details["outcome"], second.details["plan_source"]) == ("new", "substituted")
    assert second.details["in_force_plan_id"] == second.details["plan_id"] != first.details["plan_id"]


def test_the_page_says_that_nothing_is_fed_back_where_there_is_no_price(depot: Workspace) -> None:
    ingest_rows(depot, "sessions", sessions(PLAIN))
    ingest_rows(depot, "prices", rows_of(PLAIN).drop(index=[5, 6]))
    planned(depot, PLAIN)
    pages = publish(Context.of(depot, datetime.combine(PLAIN - timedelta(days=1), AS_OF.timetz())), PLAIN)
    index = next(file for file in pages.files if file.endswith("index.html"))
    text = (depot.root / index).read_text(encoding="utf-8")
    assert "8 of 96 quarter-hours of 2024-04-10 without one price (05:00–07:00)" in text
    assert "nothing is fed back" in text


@pytest.mark.parametrize("day", [SPRING, PLAIN, AUTUMN])
@pytest.mark.parametrize("stand_in", ["week_ago", "day_before", "like_days"])
def test_a_day_without_prices_goes_by_what_the_settings_say(
    depot: Workspace, day: date, stand_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest_rows(depot, "sessions", sessions(day))
    spreads = {day - timedelta(days=ago): 0.02 * ago for ago in range(1, 10)}
    ingest_rows(depot, "prices", pd.concat(price_rows(one, 1, spread=of) for one, of in spreads.items()))
    monkeypatch.setenv("V2G_PLAN__HORIZON", "market_day")
    monkeypatch.setenv("V2G_PLAN__UNKNOWN_PRICES", stand_in)
    code, out = planned(Workspace.open(depot.root), day)
    assert (code, out["out_plan"]["plan_source"].item()) == (3, "substituted")
    assert out["out_plan"]["followed_mode"].item() == "ordered"
    price = out["out_plan_price"].set_index("interval_start_utc")["import_eur_per_kwh"]
    own = market_day_slots(day, ZONE)
    free = day.weekday() >= 5
    like = [of for one, of in spreads.items() if (one.weekday() >= 5) == free][:7]
    spread = {"week_ago": 0.14, "day_before": 0.02, "like_days": float(np.mean(like))}[stand_in]
    hour = own.tz_convert("Europe/Berlin").hour.to_numpy()
    expected = 0.09 + spread * np.sin((hour - 14.0) / 24.0 * 4.0 * np.pi)
    np.testing.assert_allclose(price.loc[own], expected, atol=2e-5)

    monkeypatch.setenv("V2G_PLAN__FEED_IN_ON_FORECAST", "true")
    code, fed = planned(Workspace.open(depot.root), day)
    assert (code, fed["out_plan"]["followed_mode"].item()) == (3, "v2g")
    assert set(fed["out_plan_mode"]["mode"]) == {"uncontrolled", "ordered", "v2g"}


def test_without_any_day_before_nothing_stands_in(depot: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    day = date(2024, 5, 8)  # four weeks after the last price
    ingest_rows(depot, "sessions", sessions(day))
    monkeypatch.setenv("V2G_PLAN__HORIZON", "market_day")
    monkeypatch.setenv("V2G_PLAN__FEED_IN_ON_FORECAST", "true")
    for stand_in in ("like_days", "day_before"):
        monkeypatch.setenv("V2G_PLAN__UNKNOWN_PRICES", stand_in)
        code, out = planned(Workspace.open(depot.root), day)
        assert (code, out["out_plan"]["plan_source"].item()) == (3, "charge_only")
        assert "nor is any day of the 28 before it complete" in out["out_plan"]["note"].item()
        discharged = out["out_plan_slot"]["discharge_kw"].max()
        assert discharged == 0.0


def test_a_day_between_others_that_lacks_an_hour_is_said_to_lack_it_and_no_more(depot: Workspace) -> None:
    days = [PLAIN + timedelta(days=more) for more in (-1, 0, 1)]
    rows = pd.concat([rows_of(day) for day in days], ignore_index=True).drop(index=30)
    put(depot, "prices", rows)
    result = check(Context.of(depot, AS_OF))
    assert f"not complete: prices {ZONE} {PLAIN}" in result.message
    assert "failed as a whole" not in result.message
    assert (result.status, result.exit_code) == ("degraded", 3)
