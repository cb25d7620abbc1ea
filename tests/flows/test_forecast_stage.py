"""A day that is foreseen: prices with a band, what the pool has plugged in at least, kept as issued."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.cli import main
from flows.errors import NoForecastError, SettingsError
from flows.mapping.calendar import country_of, holidays_for
from flows.mapping.pool import block_edges
from flows.mapping.price_forecast import PriceForecast, price_forecast
from flows.mapping.prices import PlanPrices, plan_prices
from flows.stages import Context
from flows.stages.check import check
from flows.stages.forecast import forecast, issued_prices
from flows.stages.ingest import ingest
from flows.workspace import Workspace
from optimize.forecast.combined import combined_prices
from optimize.forecast.day_kind import number_of
from optimize.types import Tariff
from tests.flows.conftest import AS_OF, DAY, fleet_rows, put, site_rows
from tests.flows.test_expected import lived
from warehouse.zones import BUILT_IN, market_day_slots

EVE = DAY - timedelta(days=1)
DAYS = 70


def prices(first: date, days: int) -> pd.DataFrame:
    """Dear at breakfast and in the evening, cheaper on weekends, with noise from day to day."""
    rng = np.random.default_rng(5)
    rows = []
    for number in range(days):
        day = first + timedelta(days=number)
        slots = market_day_slots(day, "DE-LU")[::4]
        hour = np.asarray(slots.tz_convert("Europe/Berlin").hour)
        shape = 0.03 * (np.isin(hour, (7, 8, 18, 19, 20)) - 0.5) - 0.02 * (day.weekday() >= 5)
        value = 0.08 + shape + 0.01 * rng.standard_normal() + 0.003 * rng.standard_normal(len(slots))
        rows.append(pd.DataFrame({"interval_start_utc": slots, "price_eur_per_kwh": value}))
    return pd.concat(rows).assign(zone="DE-LU", resolution_minutes=60)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two cars, seventy nights each; prices of as many days, up to the day before DAY."""
    workspace = Workspace.create(tmp_path_factory.mktemp("pool") / "home", zone="DE-LU")
    begun = AS_OF - timedelta(days=DAYS)
    put(workspace, "sites", site_rows(), as_of=begun)
    put(workspace, "fleet", fleet_rows(), as_of=begun)
    nights = pd.concat([lived(DAY - timedelta(days=DAYS), DAYS - 1, f"car-{one}") for one in (1, 2)])
    for name, rows in (("sessions", nights), ("prices", prices(DAY - timedelta(days=DAYS), DAYS))):
        file = workspace.root.parent / f"{name}.csv"
        rows.to_csv(file, index=False)
        ingest(Context.of(workspace, AS_OF), name, [file], received="event")
    assert check(Context.of(workspace, AS_OF)).exit_code == 0
    return workspace


def test_what_is_foreseen_may_stand_in_for_prices_of_a_plan(
    made: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2G_PLAN__UNKNOWN_PRICES", "combined")
    workspace, nobody = Workspace.open(made.root), pd.Series([], dtype="datetime64[us, UTC]")

    def priced(day: date) -> PlanPrices:
        before = AS_OF - (DAY - day)
        return plan_prices(Context.of(workspace, before), day, lambda _: nobody, "market_day")

    found = priced(DAY)
    assert (found.source, set(found.slot_sources)) == ("substituted", {"substituted"})
    assert "several forecasts combined expect stands in" in found.note
    of_hours = prices(DAY - timedelta(days=DAYS), DAYS)["price_eur_per_kwh"].to_numpy().reshape(DAYS, 24)
    weekday = np.array([(EVE.weekday() - DAYS + 1 + number) % 7 for number in range(DAYS + 1)])
    assert found.market is not None
    np.testing.assert_allclose(found.market[::4], combined_prices(of_hours, weekday))
    monkeypatch.setattr("flows.mapping.price_forecast.FEW_DAYS", DAYS + 1)
    early = priced(DAY)
    assert f"{DAYS} days of prices" in early.note and "those of like days stand in" in early.note
    assert early.market is not None and np.isfinite(early.market).all()


def test_what_is_sold_at_prices_that_nobody_has_published_counts_for_less(
    made: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = pd.Series([], dtype="datetime64[us, UTC]")

    def priced(day: date) -> PlanPrices:
        workspace = Workspace.open(made.root)
        return plan_prices(Context.of(workspace, AS_OF - (DAY - day)), day, lambda _: nobody, "market_day")

    alone = priced(DAY)
    monkeypatch.setenv("V2G_PLAN__FEED_IN_ON_FORECAST", "true")
    found, told = priced(DAY), priced(EVE - timedelta(days=1))
    hours = prices(DAY - timedelta(days=DAYS), DAYS)["price_eur_per_kwh"].to_numpy().reshape(DAYS, 24)
    off = hours[-35:-7] - hours[-28:]  # a week before each of the last 28 days, the setting left as it is
    less = float(np.abs(off - off.mean(axis=1, keepdims=True)).mean())
    assert found.market is not None and alone.market is not None
    buy, sell = found.at_the_plug(Tariff())
    assert buy == pytest.approx(found.market)
    assert sell == pytest.approx(found.market - less)
    assert f"counts for {100 * less:.2g} ct/kWh less" in found.note
    assert alone.at_the_plug(Tariff())[1] == pytest.approx(alone.market)
    assert found.digest != alone.digest
    assert (told.source, told.doubt_eur_per_kwh, told.note) == ("published", 0.0, "")


def rows_of(workspace: Workspace, target: str, quantile: float) -> pd.DataFrame:
    where = {"target": target, "quantile": quantile, "market_date": DAY}
    return workspace.warehouse.read("out_forecast", where=where).sort_values("interval_start_utc")


def test_a_day_is_foreseen_kept_and_not_written_twice(made: Workspace) -> None:
    first = forecast(Context.of(made, AS_OF), DAY)
    assert (first.status, first.details["written"]) == ("ok", True)
    kept = made.warehouse.read("out_forecast")
    again = forecast(Context.of(made, AS_OF + timedelta(minutes=5)), DAY)
    assert again.details["written"] is False
    pd.testing.assert_frame_equal(made.warehouse.read("out_forecast"), kept)
    low, middle, high = (rows_of(made, "price", share)["value"].to_numpy() for share in (0.05, 0.5, 0.95))
    assert len(middle) == 96
    assert (low < middle).all() and (middle < high).all()
    local = market_day_slots(DAY, "DE-LU").tz_convert("Europe/Berlin").hour
    dear = np.isin(local, (7, 8, 18, 19, 20))
    assert middle[dear].mean() - middle[~dear].mean() == pytest.approx(0.03, abs=0.006)


def test_a_day_a_week_ahead_is_foreseen_with_a_band_of_its_own(made: Workspace) -> None:
    middle, wide = [], []
    for ahead in (1, 7):
        day = EVE + timedelta(days=ahead)
        found = price_forecast(Context.of(made, AS_OF).known, "DE-LU", day, {}, 0.9)
        assert isinstance(found, PriceForecast)
        middle.append(found.expected)
        wide.append(found.half_width.mean())
    dear = np.isin(np.arange(96) // 4, (7, 8, 18, 19, 20))
    for expected in middle:
        assert expected[dear].mean() - expected[~dear].mean() == pytest.approx(0.03, abs=0.006)
    assert wide[1] != wide[0]


def test_only_what_was_issued_on_the_eve_tells_how_far_the_next_day_may_be_off(made: Workspace) -> None:
    for before in (7, 1):
        forecast(Context.of(made, AS_OF - timedelta(days=before)), EVE)
        issued = issued_prices(Context.of(made, AS_OF), DAY)
        assert (EVE in issued) == (before == 1)


def test_the_pool_at_night_is_both_cars_and_by_day_nobody(made: Workspace) -> None:
    forecast(Context.of(made, AS_OF), DAY)
    fleet = fleet_rows().set_index("battery_id")
    sizes = {
        "pool_cars": 2.0,
        "pool_kw": fleet["charge_limit_kw"].sum(),
        "pool_kwh": fleet["nominal_energy_kwh"].sum(),
    }
    for target, whole in sizes.items():
        rows = rows_of(made, target, 0.05)
        # They come between 18:00 and 18:28 local and leave from 6:38 on.
        assert rows["value"].tolist() == [whole, 0.0, 0.0, 0.0, 0.0, whole]
        assert rows["interval_start_utc"].tolist() == list(block_edges("DE-LU", DAY, 1)[:-1])
    assert (rows["interval_end_utc"] - rows["interval_start_utc"] == pd.Timedelta(hours=4)).all()


def test_a_day_that_has_begun_or_of_which_nothing_is_known_is_refused(made: Workspace) -> None:
    with pytest.raises(NoForecastError, match="has begun"):
        forecast(Context.of(made, AS_OF), EVE)
    early = AS_OF - timedelta(days=DAYS + 5)
    with pytest.raises(NoForecastError, match="no forecast of"):
        forecast(Context.of(made, early), early.date() + timedelta(days=1))


def test_where_the_last_prices_are_too_old_the_pool_alone_is_foreseen(made: Workspace) -> None:
    day = EVE + timedelta(days=8)
    result = forecast(Context.of(made, AS_OF + timedelta(days=1)), day)
    assert result.exit_code == 3
    assert f"zone DE-LU: prices are known up to {EVE}, more than 7 days before {day}" in result.message
    written = made.warehouse.read("out_forecast", where={"market_date": day})
    assert set(written["target"]) == {"pool_cars", "pool_kw", "pool_kwh"}


def test_no_pool_is_foreseen_of_a_fleet_that_nobody_had_announced(tmp_path: Path) -> None:
    """Stays and prices of the past are known, cars from AS_OF on: zeros would be a forecast."""
    workspace = Workspace.create(tmp_path / "late", zone="DE-LU")
    put(workspace, "sites", site_rows())
    put(workspace, "fleet", fleet_rows())
    for name, rows in (
        ("sessions", lived(DAY - timedelta(days=DAYS), DAYS - 1)),
        ("prices", prices(DAY - timedelta(days=DAYS), DAYS)),
    ):
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
        ingest(Context.of(workspace, AS_OF), name, [tmp_path / f"{name}.csv"], received="event")
    check(Context.of(workspace, AS_OF))
    result = forecast(Context.of(workspace, AS_OF - timedelta(days=2)), EVE - timedelta(days=1))
    assert result.exit_code == 3 and "too few days of sessions, or no car" in result.message
    assert set(workspace.warehouse.read("out_forecast")["target"]) == {"price"}


def test_the_command_tells_it_as_json(
    made: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["forecast", "day", "--date", str(DAY), "--as-of", AS_OF.isoformat(), "--json"]
    monkeypatch.setattr("sys.argv", ["v2g", *arguments, "--workspace", str(made.root)])
    with pytest.raises(SystemExit) as left:
        main()
    answer = json.loads(capsys.readouterr().out)
    assert left.value.code == 0
    tables = answer["stages"][0]["tables"]
    assert [len(tables[name]) for name in ("prices", "pool")] == [96, 6]
    assert tables["pool"][0]["from"] == f"{DAY} 00:00"
    assert (tables["pool"][0]["least_cars"], tables["pool"][3]["usual_kw"]) == (2.0, 0.0)
    first = tables["prices"][0]
    assert first["low_eur_per_kwh"] < first["price_eur_per_kwh"] < first["high_eur_per_kwh"]


def test_blocks_go_by_the_clock_on_the_days_it_is_moved() -> None:
    hours = {
        day: (np.diff(block_edges("DE-LU", day, 1)) / pd.Timedelta(hours=1)).tolist()
        for day in (date(2026, 3, 29), date(2026, 10, 25), date(2026, 7, 1))
    }
    assert list(hours.values()) == [[3, 4, 4, 4, 4, 4], [5, 4, 4, 4, 4, 4], [4] * 6]


def test_every_zone_has_a_country_and_a_calendar_can_be_named() -> None:
    assert [zone for zone, timezone in BUILT_IN.items() if country_of(timezone) is None] == []
    unity = number_of(date(2026, 10, 3))
    assert unity in holidays_for("DE-LU", "auto", [2026])
    assert unity not in holidays_for("CZ", "auto", [2026])
    assert number_of(date(2026, 1, 6)) in holidays_for("DE-LU", "DE-BY", [2026])
    assert number_of(date(2026, 1, 6)) not in holidays_for("DE-LU", "auto", [2026])
    assert holidays_for("DE-LU", "none", [2026]) == frozenset()
    with pytest.raises(SettingsError, match="'DE-QQ'"):
        holidays_for("DE-LU", "DE-QQ", [2026])
