"""What the meters at the plugs counted: on the grid, over, and no more than a plug can pass."""

import numpy as np
import pandas as pd
import pytest

from data_checks import check_frame
from tests.data_checks.builders import context, outcome
from tests.warehouse.builders import NOW, fleet, ingested, metering

IMPORT_KWH, EXPORT_KWH = 11.0 / 0.93 / 4, 11.0 * 0.93 / 4
"""What the plug of a car of 11 kW passes in a quarter-hour."""


def check(frame, **given):
    return check_frame("metering", ingested("metering", frame), context(**given))


def with_cell(column, value, row=5, **changes):
    frame = metering(**changes)
    frame[column] = frame[column].where(frame.index != row, value)
    return frame


def found(report):
    return report.quarantine[["source_row", "rule", "column_name"]].to_numpy().tolist()


@pytest.mark.parametrize(
    ("start", "quarters"),
    [("2020-03-29T00:00+01:00", 92), ("2019-10-27T00:00+02:00", 100), ("2020-03-01T00:00+05:30", 96)],
)
def test_every_quarter_hour_of_a_day_passes_however_long_the_day_is(start, quarters):
    frame = metering(start=start, quarters=quarters, export_kwh=1.0)
    report = check(frame.assign(interval_start_utc=frame["interval_start_utc"].dt.tz_convert("UTC")))
    assert (len(report.good), report.rows_quarantined) == (quarters, 0)
    assert report.checks["passed"].all()


@pytest.mark.parametrize("off_grid", ["7min", "5min", "1s", "1us", "899s"])
def test_an_interval_that_begins_next_to_the_quarter_hour_is_set_aside_alone(off_grid):
    frame = metering()
    frame.loc[3, "interval_start_utc"] += pd.Timedelta(off_grid)
    report = check(frame)
    assert found(report) == [[4, "grid", "interval_start_utc"]]
    assert len(report.good) == 95


@pytest.mark.parametrize(
    ("minutes", "future"), [(-15, False), (-11, False), (0, True), (15, True), (1e6, True)]
)
def test_a_quarter_hour_counts_once_it_is_over(minutes, future):
    start = (pd.Timestamp(NOW) + pd.Timedelta(minutes=minutes)).floor("15min")
    late = pd.Timestamp(NOW) + pd.Timedelta(days=9000)
    report = check(metering(start=start, quarters=1), as_of_utc=late)  # judged by when its file came
    assert [rule for _, rule, _ in found(report)] == ["future"] * future
    assert len(check(metering(start=start, quarters=1), as_of_utc=start).good) == 0


def test_the_running_quarter_hour_is_none_yet_but_a_clock_may_be_some_minutes_off():
    rows = ingested("metering", metering(start="2020-04-01T11:45Z", quarters=1))
    for minutes, good in ((0, 1), (-5, 1), (-6, 0)):
        received = pd.Timestamp(NOW) + pd.Timedelta(minutes=minutes)
        assert len(check_frame("metering", rows.assign(received_utc=received), context()).good) == good


def test_a_clock_that_was_never_set_is_named():
    report = check(metering(start="1970-01-01T00:00Z", quarters=2))
    assert {rule for _, rule, _ in found(report)} == {"clock"}


@pytest.mark.parametrize(("column", "limit"), [("import_kwh", IMPORT_KWH), ("export_kwh", EXPORT_KWH)])
def test_more_than_the_plug_can_pass_is_set_aside_with_battery_value_and_limit(column, limit):
    assert check(with_cell(column, 1.249 * limit)).rows_quarantined == 0
    report = check(with_cell(column, 1.251 * limit))
    assert found(report) == [[6, "plug", column]]
    assert len(report.good) == 95
    reason = report.quarantine["reason"].iloc[0]
    assert f"CAR1 counted {1.251 * limit:g} kWh, its plug passes {limit:.3g} kWh" in reason
    assert "Wh, not kWh?" not in reason
    assert report.quarantine["row_key"].iloc[0] == "CAR1|2020-03-28T23:15:00Z"
    assert reason == outcome(report, "plug", "CAR1")["message"]
    assert not report.blocked


def test_each_car_is_held_against_its_own_plug():
    cars = fleet().assign(charge_limit_kw=[3.7, 11.0, 150.0])
    frame = pd.concat([metering(car, quarters=4) for car in cars["battery_id"]], ignore_index=True)
    report = check(frame, batteries=cars)
    assert {key.split("|")[0] for key in report.quarantine["row_key"]} == {"CAR1"}
    assert check(frame, batteries=None).rows_quarantined == 0


def test_both_ways_within_one_quarter_hour_are_no_fault():
    assert len(check(metering(import_kwh=1.4, export_kwh=1.3)).good) == 96


def test_a_plug_that_feeds_nothing_back_counts_no_more_than_its_last_digit():
    cars = fleet().assign(discharge_limit_kw=0.0)
    assert check(metering(export_kwh=0.01), batteries=cars).rows_quarantined == 0
    report = check(metering(export_kwh=0.02), batteries=cars)
    assert {(rule, column) for _, rule, column in found(report)} == {("plug", "export_kwh")}
    assert not report.blocked  # nothing speaks of another unit


@pytest.mark.parametrize("column", ["import_kwh", "export_kwh"])
def test_a_battery_reported_in_wh_is_refused_whole_and_named_and_nothing_is_scaled(column):
    idle = np.where(np.arange(96) % 8 < 7, 2.0, 2400.0)  # 2 Wh of standby would pass for 2 kWh
    frame = pd.concat([metering("CAR1").assign(**{column: idle}), metering("CAR2")], ignore_index=True)
    report = check(frame)
    assert report.blocked == {"CAR1"}
    assert set(report.quarantine["rule"]) == {"unit"}
    assert set(report.good["battery_id"]) == {"CAR2"}
    assert (len(report.good), report.rows_quarantined) == (96, 96)
    message = outcome(report, "unit", "CAR1")["message"]
    assert message.count("CAR1 counted up to 2400 kWh, its plug passes 2.96 kWh") == 1
    assert "Wh, not kWh?" in message


def test_one_slip_costs_no_other_row_and_is_asked_about():
    report = check(with_cell("import_kwh", 2500.0))
    assert found(report) == [[6, "plug", "import_kwh"]]
    reason = report.quarantine["reason"].iloc[0]
    assert reason.endswith("CAR1 counted 2500 kWh, its plug passes 2.96 kWh (Wh, not kWh?)")
    assert len(report.good) == 95


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_short_file_in_wh_is_asked_about_too(quarters):
    report = check(metering(quarters=quarters, import_kwh=2500.0))
    assert report.good.empty
    assert report.quarantine["reason"].str.contains("Wh, not kWh?", regex=False).all()


def test_a_refused_signed_value_is_named_and_costs_no_other():
    frame = metering(quarters=4).assign(signature=["verified", "refused", None, "unverified"])
    frame = frame.assign(signature_note=[None, "record 2: changed", None, "no key"], meter_id="M1")
    report = check_frame("metering", ingested("metering", frame), context())
    assert report.quarantine["rule"].tolist() == ["signature"]
    assert report.quarantine["reason"].tolist() == ["the signed value is refused: record 2: changed"]
    assert len(report.good) == 3


def test_a_person_may_let_in_what_a_plug_is_said_not_to_pass():
    frame = with_cell("import_kwh", 4.0)
    rows = ingested("metering", frame)
    let_in = rows[["source_id", "source_row"]].iloc[[5]].assign(rule="plug")
    assert len(check_frame("metering", rows, context(released=let_in)).good) == 96
