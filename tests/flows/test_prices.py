from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from flows.stages import Context
from flows.stages.check import check
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, ZONE, day_prices, price_rows, put
from warehouse.zones import market_day_slots


def known(workspace: Workspace, rows: pd.DataFrame) -> None:
    put(workspace, "prices", rows)
    check(Context.of(workspace, AS_OF))


@pytest.mark.parametrize(
    ("day", "slots"), [(date(2024, 3, 31), 92), (date(2024, 4, 1), 96), (date(2024, 10, 27), 100)]
)
def test_hourly_prices_cover_every_quarter_hour_of_the_local_day(
    workspace: Workspace, day: date, slots: int
) -> None:
    rows = price_rows(day, 1)
    known(workspace, rows)
    found = day_prices(workspace, day)
    assert found.source == "published"
    assert found.market is not None
    assert len(found.slots) == len(found.market) == slots
    assert found.market.reshape(-1, 4)[:, 0].tolist() == rows["price_eur_per_kwh"].tolist()
    assert (np.ptp(found.market.reshape(-1, 4), axis=1) == 0).all()


def test_a_quarter_hour_with_two_prices_has_none(workspace: Workspace) -> None:
    day = date(2024, 4, 1)
    rows = price_rows(day, 1)
    first = market_day_slots(day, ZONE)[0]
    quarter = {"zone": ZONE, "interval_start_utc": f"{first + pd.Timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}"}
    rows = pd.concat([rows, pd.DataFrame([{**quarter, "resolution_minutes": 15, "price_eur_per_kwh": 0.5}])])
    known(workspace, rows)
    found = day_prices(workspace, day)
    assert (found.source, found.slot_sources.index("forecast"), found.published.sum()) == (
        "substituted",
        2,
        95,
    )
    assert "1 of 96 quarter-hours" in found.note


@pytest.mark.parametrize("day", [date(2024, 3, 31), date(2024, 4, 7), date(2024, 10, 27), date(2024, 11, 3)])
def test_last_weeks_prices_stand_in_by_the_clock_on_the_wall(workspace: Workspace, day: date) -> None:
    before = day - timedelta(days=7)
    known(workspace, price_rows(before, 1))
    found = day_prices(workspace, day)
    assert found.source == "substituted"
    assert str(before) in found.note
    assert found.market is not None
    assert len(found.market) == len(market_day_slots(day, ZONE))
    assert np.isfinite(found.market).all()
    old = day_prices(workspace, before)
    for clock in ("00:00", "05:15", "18:45", "23:45"):
        assert at(found.slots, found.market, clock) == at(old.slots, old.market, clock)


@pytest.mark.parametrize("day", [date(2024, 3, 31), date(2024, 4, 1), date(2024, 10, 27)])
@pytest.mark.parametrize("lost", [[0], [7], [22], [0, 1, 9, 21]])
def test_a_hole_is_filled_between_its_neighbours_where_no_day_before_is_known(
    workspace: Workspace, day: date, lost: list[int]
) -> None:
    rows = price_rows(day, 1)
    known(workspace, rows.drop(index=lost))
    found = day_prices(workspace, day)
    assert found.source == "substituted"
    assert f"{4 * len(lost)} of {4 * len(rows)} quarter-hours" in found.note
    hole = np.repeat(np.isin(np.arange(len(rows)), lost), 4)
    assert found.slot_sources == tuple(np.where(hole, "forecast", "published"))
    assert (found.published == ~hole).all()
    assert found.market is not None
    stated = np.repeat(rows["price_eur_per_kwh"].to_numpy(), 4)
    assert found.market[~hole].tolist() == stated[~hole].tolist()
    filled = np.interp(np.flatnonzero(hole), np.flatnonzero(~hole), stated[~hole])
    assert found.market[hole].tolist() == pytest.approx(filled.tolist())


def test_a_hole_is_as_on_days_like_it_where_last_week_is_not_whole(workspace: Workspace) -> None:
    day = date(2024, 4, 10)
    known(workspace, price_rows(day - timedelta(days=2), 2).assign(price_eur_per_kwh=0.25))
    known(workspace, price_rows(day, 1).drop(index=12))
    found = day_prices(workspace, day)
    assert found.market is not None
    assert found.market[~found.published].tolist() == [0.25] * 4
    assert set(found.slot_sources) == {"published", "forecast"}


def test_in_a_first_week_the_day_before_stands_in_where_last_week_is_not_known(workspace: Workspace) -> None:
    known(workspace, price_rows(date(2024, 4, 1), 1))
    found, before = day_prices(workspace, date(2024, 4, 2)), day_prices(workspace, date(2024, 4, 1))
    assert (found.source, "those of like days stand in" in found.note) == ("substituted", True)
    assert found.market is not None and before.market is not None
    assert found.market.tolist() == before.market.tolist()


def test_without_one_price_of_the_day_nor_of_any_before_there_is_none(workspace: Workspace) -> None:
    known(workspace, price_rows(date(2024, 4, 1), 1))
    found = day_prices(workspace, date(2024, 5, 2))
    assert (found.source, found.market, found.published.any()) == ("charge_only", None, False)


@pytest.mark.parametrize("lost", [[7], [23], list(range(12, 24)), list(range(23))])
def test_what_is_known_of_a_day_is_planned_on_and_last_week_fills_its_holes(
    workspace: Workspace, lost: list[int]
) -> None:
    day = date(2024, 4, 10)
    known(workspace, price_rows(day - timedelta(days=7), 1))
    dearer = price_rows(day, 1).assign(price_eur_per_kwh=lambda rows: rows["price_eur_per_kwh"] + 0.5)
    known(workspace, dearer.drop(index=lost))
    found, before = day_prices(workspace, day), day_prices(workspace, day - timedelta(days=7))
    assert (found.source, f"{4 * len(lost)} of 96" in found.note) == ("substituted", True)
    assert found.market is not None
    assert before.market is not None
    hole = np.repeat(np.isin(np.arange(24), lost), 4)
    assert found.slot_sources[:96] == tuple(np.where(hole, "substituted", "published"))
    assert found.market[:96][hole].tolist() == pytest.approx(before.market[:96][hole].tolist())
    assert found.market[:96][~hole].tolist() == pytest.approx(
        np.repeat(dearer["price_eur_per_kwh"].to_numpy(), 4)[~hole].tolist()
    )


def at(slots: pd.DatetimeIndex, price: object, clock: str) -> float:
    series = pd.Series(price, index=slots.tz_convert("Europe/Berlin").strftime("%H:%M"))
    return float(series[~series.index.duplicated()][clock])
