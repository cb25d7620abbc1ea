import numpy as np
import pandas as pd
import pytest

from data_checks import check_frame
from data_checks.owners import Owners
from data_checks.telemetry import file_order
from tests.data_checks.builders import context, outcome
from tests.warehouse.builders import ingested, telemetry


def check(frame, **given):
    return check_frame("telemetry", ingested("telemetry", frame), context(**given))


def test_a_clock_more_than_five_minutes_ahead_is_quarantined():
    report = check(telemetry(start="2020-04-01T12:00Z", minutes=10))
    assert report.quarantine["row_key"].tolist() == [f"CAR1|2020-04-01T12:0{m}:00Z" for m in (6, 7, 8, 9)]
    assert set(report.quarantine["rule"]) == {"future"}


@pytest.mark.parametrize("voltage", [149.0, 461.0])
def test_voltage_no_cell_can_have_is_quarantined(voltage):
    report = check(telemetry(minutes=30, voltage_v=voltage))
    assert set(report.quarantine["rule"]) == {"cell_voltage"}
    assert report.rows_quarantined == 30
    assert check(telemetry(minutes=30, voltage_v=voltage), batteries=None).rows_quarantined == 0


@pytest.mark.parametrize("factor", [1.15, 0.8])
def test_a_single_sample_off_both_neighbours_is_quarantined(factor):
    frame = telemetry(minutes=30)
    frame.loc[12, "voltage_v"] *= factor
    report = check(frame)
    assert report.quarantine["rule"].tolist() == ["jump"]
    assert report.quarantine["source_row"].tolist() == [13]


def test_steps_small_spikes_ends_and_gaps_are_no_jumps():
    step = telemetry(minutes=30)
    step.loc[15:, "voltage_v"] += 60.0
    small = telemetry(minutes=30)
    small.loc[15, "voltage_v"] *= 1.09
    ends = telemetry(minutes=30)
    ends.loc[[0, 29], "voltage_v"] *= 1.15
    gap = telemetry(minutes=30)
    gap.loc[15, "voltage_v"] *= 1.15
    gap.loc[15:, "time_utc"] += pd.Timedelta(minutes=20)
    for frame in (step, small, ends, gap):
        assert check(frame).rows_quarantined == 0


def test_neighbours_of_a_jump_are_of_the_same_battery_and_not_bad_themselves():
    cars = pd.concat([telemetry("CAR1", minutes=3), telemetry("CAR2", minutes=3)], ignore_index=True)
    cars.loc[3:, "voltage_v"] = 310.0
    assert check(cars).rows_quarantined == 0
    dead = telemetry(minutes=9)
    dead.loc[[3, 5], "voltage_v"] = 0.0
    report = check(dead)
    assert report.quarantine["source_row"].tolist() == [4, 6]
    assert set(report.quarantine["rule"]) == {"cell_voltage"}


def test_order_of_rows_does_not_matter_to_a_jump():
    frame = telemetry(minutes=30)
    frame.loc[12, "voltage_v"] *= 1.15
    shuffled = frame.sample(frac=1.0, random_state=4)
    report = check(shuffled)
    quarantined = report.quarantine[report.quarantine["rule"] == "jump"]
    assert quarantined["row_key"].tolist() == ["CAR1|2020-03-28T22:12:00Z"]
    assert outcome(report, "monotone", "CAR1")["severity"] == "warning"


def test_planted_faults_in_many_rows_are_all_found_and_nothing_else():
    rng = np.random.default_rng(7)
    cars = [f"CAR{number}" for number in (1, 2, 3)]
    frame = pd.concat([telemetry(car, "2020-03-20T00:00Z", 4000) for car in cars], ignore_index=True)
    frame["voltage_v"] = 380.0 + rng.normal(0, 0.2, len(frame))
    planted = {
        "finite": ("current_a", np.inf), "not_null": ("temperature_degc", np.nan),
        "range": ("temperature_degc", 900.0), "cell_voltage": ("voltage_v", 0.0),
        "jump": ("voltage_v", 455.0), "known": ("battery_id", "CAR7"),
    }  # fmt: skip
    rows = rng.choice(np.arange(5, len(frame), 10), size=len(planted) * 20, replace=False)
    expected = set()
    for (rule, (column, value)), chosen in zip(planted.items(), np.split(rows, len(planted)), strict=True):
        frame.loc[chosen, column] = value
        expected |= {(rule, int(row) + 1) for row in chosen}
    report = check(frame)
    found = set(zip(report.quarantine["rule"], report.quarantine["source_row"].astype(int), strict=True))
    assert found == expected
    assert report.rows_quarantined == len(rows)
    assert len(report.good) == len(frame) - len(rows)


@pytest.mark.parametrize(
    ("hours", "every", "named"), [(1.0, 1, True), (2.0, 10, True), (0.5, 1, False), (1.5, 1, False)]
)
def test_a_clock_that_is_set_back_by_whole_hours_is_named_as_that(hours, every, named):
    frame = ingested("telemetry", telemetry(minutes=600).iloc[::every])
    later = np.arange(len(frame)) >= len(frame) // 2
    frame["time_utc"] = frame["time_utc"] - pd.to_timedelta(hours * later, unit="h")
    stated = {one.scope: one for one in file_order(frame, Owners.of(frame, "battery_id"))}
    assert stated["CAR1"].rows_failed == 1
    assert ("crossed a time zone" in stated["CAR1"].message) is named
    assert stated["*"].message == stated["CAR1"].message
