import datetime as dt

import pandas as pd
import pytest

from data_checks import check_frame
from tests.data_checks.builders import context, outcome
from tests.warehouse.builders import NOW, SMARD, ingested, prices
from warehouse.sources import read_source

SPRING, AUTUMN, SUMMER = dt.date(2020, 3, 29), dt.date(2020, 10, 25), dt.date(2020, 7, 5)


def check(frame, *days, **given):
    return check_frame("prices", ingested("prices", frame), context(market_days=days, **given))


@pytest.mark.parametrize(
    ("day", "start", "hours"),
    [
        (SPRING, "2020-03-29T00:00+01:00", 23),
        (AUTUMN, "2020-10-25T00:00+02:00", 25),
        (SUMMER, "2020-07-05T00:00+02:00", 24),
    ],
)
@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_a_whole_day_of_any_resolution_is_complete(day, start, hours, minutes):
    frame = prices(start, hours)
    times = pd.date_range(start, periods=hours * 60 // minutes, freq=f"{minutes}min", unit="us")
    frame = frame.iloc[[0] * len(times)].assign(
        interval_start_utc=times.tz_convert("UTC"), resolution_minutes=minutes
    )
    report = check(frame, day)
    assert outcome(report, "complete", f"DE-LU {day}")["rows_checked"] == hours * 4
    assert not report.blocked


def test_a_missing_hour_blocks_the_zones_day_and_keeps_the_rows():
    report = check(prices().drop(index=5), SPRING)
    assert report.blocked == {"DE-LU 2020-03-29"}
    assert len(report.good) == 22
    finding = outcome(report, "complete", "DE-LU 2020-03-29")
    assert (finding["rows_checked"], finding["rows_failed"]) == (92, 4)
    assert "the first at 2020-03-29T04:00:00+00:00" in finding["message"]


def test_a_quarantined_price_is_a_missing_one():
    frame = prices()
    frame.loc[5, "price_eur_per_kwh"] = 99.0
    assert check(frame, SPRING).blocked == {"DE-LU 2020-03-29"}


def test_an_hour_reported_at_two_resolutions_blocks_the_day():
    extra = prices("2020-03-29T05:30+02:00", 1).assign(resolution_minutes=30)
    report = check(pd.concat([prices(), extra], ignore_index=True), SPRING)
    assert "2 covered twice" in outcome(report, "complete", "DE-LU 2020-03-29")["message"]
    assert report.blocked == {"DE-LU 2020-03-29"}


@pytest.mark.parametrize(("minutes", "blocked"), [(60, False), (30, True)], ids=["later", "at once"])
def test_an_hour_reported_again_in_quarters_holds_only_if_it_was_given_later(minutes, blocked):
    received = pd.Timestamp(NOW) - pd.Timedelta(minutes=minutes - 30)
    known = prices().assign(source_id="s", received_utc=received)
    start = "2020-03-29T05:00+02:00"
    times = pd.date_range(start, periods=4, freq="15min", unit="us").tz_convert("UTC")
    quarters = prices(start, 4).assign(interval_start_utc=times, resolution_minutes=15)
    report = check(quarters.iloc[1:] if blocked else quarters, SPRING, known_prices=known)
    assert bool(report.blocked) is blocked


def test_other_zones_and_days_are_not_blocked():
    finnish = prices("2020-03-29T00:00+02:00", 23, zone="FI")
    report = check(pd.concat([prices().drop(index=0), finnish], ignore_index=True), SPRING)
    assert report.blocked == {"DE-LU 2020-03-29"}


def test_prices_known_before_count():
    known = prices().iloc[:10].assign(source_id="s", received_utc=pd.Timestamp(NOW))
    assert check(prices().iloc[10:], SPRING).blocked
    assert not check(prices().iloc[10:], SPRING, known_prices=known).blocked
    nothing_new = ingested("prices", prices()).iloc[:0]
    report = check_frame("prices", nothing_new, context(market_days=(SPRING,), known_prices=known))
    assert report.blocked == {"DE-LU 2020-03-29"}


def test_times_that_go_back_in_a_file_are_a_warning():
    report = check(pd.concat([prices().iloc[5:], prices().iloc[:5]]), SPRING)
    finding = outcome(report, "monotone", "DE-LU")
    assert (finding["severity"], finding["passed"]) == ("warning", False)
    assert len(report.good) == 23
    assert not report.blocked


def test_the_newest_first_is_an_order():
    report = check(prices().iloc[::-1], SPRING)
    assert outcome(report, "monotone", "*")["passed"]
    assert len(report.good) == 23


@pytest.mark.skipif(not SMARD.exists(), reason=f"{SMARD.name} of the shared data is absent")
def test_the_real_year_is_complete_on_both_clock_changes():
    frame = read_source("prices", SMARD, source="smard").frame
    rows = frame.assign(source_id="s", received_utc=pd.Timestamp(NOW))
    days = (SPRING, AUTUMN, SUMMER, dt.date(2021, 1, 2))
    report = check_frame("prices", rows, context(market_days=days))
    checked = [outcome(report, "complete", f"DE-LU {day}")["rows_checked"] for day in days]
    assert checked == [92, 100, 96, 96]
    assert report.blocked == {"DE-LU 2021-01-02"}
    assert len(report.good) == 8808
