"""Prices that begin next to their grid, at the market's cap, about zero; days of one zone and of another."""

import pandas as pd
import pytest

from data_checks import check_frame
from tests.data_checks.builders import context, outcome
from tests.warehouse.builders import ingested, prices


def check(frame, **given):
    return check_frame("prices", ingested("prices", frame), context(**given))


@pytest.mark.parametrize("minutes", [15, 30, 45])
def test_an_hour_that_begins_next_to_the_hour_is_set_aside_and_the_others_stand(minutes):
    frame = prices()
    frame.loc[3, "interval_start_utc"] += pd.Timedelta(minutes=minutes)
    report = check(frame)
    assert report.quarantine[["source_row", "rule"]].to_numpy().tolist() == [[4, "grid"]]
    assert len(report.good) == 22
    assert check(frame.assign(resolution_minutes=15)).rows_quarantined == 0


def test_seconds_next_to_the_grid_count_too():
    frame = prices()
    frame.loc[3, "interval_start_utc"] += pd.Timedelta(seconds=1)
    assert check(frame.assign(resolution_minutes=15)).quarantine["rule"].tolist() == ["grid"]


@pytest.mark.parametrize("hours", [1, 4])
def test_hours_at_the_markets_cap_are_prices_with_a_warning(hours):
    known = prices("2020-03-22T00:00+01:00", 168).assign(
        source_id="s", received_utc=pd.Timestamp("2020-03-28T00:00Z")
    )
    frame = prices()
    frame.loc[: hours - 1, "price_eur_per_kwh"] = 4.0
    report = check(frame, known_prices=known)
    assert (report.rows_quarantined, report.blocked) == (0, frozenset())
    finding = outcome(report, "dear", "DE-LU")
    assert (finding["severity"], finding["rows_failed"]) == ("warning", hours)


def test_a_day_about_zero_is_set_aside_until_a_person_says_that_it_is_right():
    frame = prices().assign(price_eur_per_kwh=[0.0001 * (hour % 3 - 1) for hour in range(23)])
    rows = ingested("prices", frame)
    report = check_frame("prices", rows, context())
    assert (report.blocked, set(report.quarantine["rule"])) == ({"DE-LU"}, {"unit"})
    assert "near zero all the time: release it if that is right" in report.quarantine["reason"].iloc[0]
    confirmed = rows[["source_id", "source_row"]].assign(rule="unit")
    assert len(check_frame("prices", rows, context(released=confirmed)).good) == 23


def test_a_day_about_zero_is_kept_with_a_warning_of_a_source_that_states_its_unit():
    frame = prices().assign(price_eur_per_kwh=[0.0001 * (hour % 3 - 1) for hour in range(23)])
    rows = ingested("prices", frame)
    stated = frozenset(rows["source_id"])
    report = check_frame("prices", rows, context(unit_stated=stated))
    assert (len(report.good), report.blocked) == (23, frozenset())
    finding = outcome(report, "near_zero", "DE-LU")
    assert (finding["severity"], finding["rows_failed"]) == ("warning", 23)
    above = rows.assign(price_eur_per_kwh=0.00005)
    assert check_frame("prices", above, context(unit_stated=stated)).blocked == {"DE-LU"}
    by_publisher = context(unit_stated=stated, unit_published=stated)
    assert len(check_frame("prices", above, by_publisher).good) == 23


def test_days_are_asked_of_the_zone_that_they_are_named_for():
    finnish = prices("2020-07-01T00:00+03:00", 23, zone="FI")
    days = {"DE-LU": (pd.Timestamp("2020-03-29").date(),), "FI": (pd.Timestamp("2020-07-01").date(),)}
    assert check(pd.concat([prices(), finnish], ignore_index=True), market_days=days).blocked == {
        "FI 2020-07-01"
    }
