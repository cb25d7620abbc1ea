"""Telemetry of which a cell is wrong and the row is not; several readings of a stamp; what spacing shows."""

import numpy as np
import pandas as pd
import pytest

from tests.data_checks.builders import outcome
from tests.data_checks.test_check_sensors import START, charging, check, day, emptied
from tests.warehouse.builders import fleet

SOC = "soc_reported"


def resting_then_charging(minutes=420, every=1):
    """A car that rests, charges at C/7 from 30 % on and rests, told to a per cent."""
    since = np.clip(np.arange(0, minutes, every) - 90, 0, 220)
    soc = 0.3 + 0.14 * since / 60
    frame = charging(minutes=len(since), c_rate=0.14).assign(**{SOC: np.round(soc, 2)})
    frame["voltage_v"] = np.round(360.0 + 50.0 * soc + 0.001 * np.arange(len(since)), 3)
    frame.loc[(since == 0) | (since == 220), "current_a"] = 0.02
    times = pd.Timestamp(START) + pd.to_timedelta(np.arange(0, minutes, every), unit="min")
    return frame.assign(time_utc=times.as_unit("us"))


def test_a_day_of_rest_and_charge_is_left_alone():
    for every in (1, 5, 15):
        report = check(resting_then_charging(every=every))
        assert report.checks["passed"].all()
        assert report.good[SOC].notna().all()


@pytest.mark.parametrize("every", [1, 15])
@pytest.mark.parametrize("away", [0.12, -0.3, 0.39])
@pytest.mark.parametrize("length", [1, 3])
def test_a_charge_that_jumps_away_and_back_is_emptied_there(every, away, length):
    frame = resting_then_charging(every=every)
    wrong = [*range(4, 4 + length), *range(12, 12 + length), *range(18, 18 + length)]
    frame.loc[wrong, SOC] = (frame.loc[wrong, SOC] + away).clip(0.02, 1.0)
    report = check(frame)
    left = set(np.flatnonzero(report.good[SOC].isna()))
    assert left == set(wrong)
    assert report.rows_quarantined == 0
    stated = report.checks[~report.checks["passed"]]
    assert set(stated["severity"]) == {"warning"}
    assert set(stated["rule"]) <= {"soc_jump", "soc_voltage"}


def test_a_reckoning_that_is_corrected_and_stays_so_is_no_jump():
    frame = resting_then_charging()
    frame.loc[200:, SOC] += 0.08
    assert check(frame).good[SOC].notna().all()
    frame = resting_then_charging()
    frame.loc[100:110, SOC] += 0.08  # eleven samples: another reckoning for a while
    assert check(frame).good[SOC].notna().all()


def test_a_charge_that_a_cloud_repeats_is_stale_from_the_first_charge_on():
    frame = resting_then_charging()
    frame.loc[:309, SOC] = 0.3
    report = check(frame)
    assert emptied(report, "stale") == list(range(92, 310))
    assert "emptied in 218 rows from 2020-03-28 01:32 UTC on" in outcome(report, "stale", "CAR1")["message"]


def test_a_charge_of_zero_for_ever_is_no_charge():
    frame = resting_then_charging().assign(**{SOC: 0.0})
    report = check(pd.concat([frame, charging("CAR2")]))
    assert report.good.loc[report.good["battery_id"] == "CAR1", SOC].isna().all()
    assert report.good.loc[report.good["battery_id"] == "CAR2", SOC].notna().all()
    assert outcome(report, "no_soc")["rows_failed"] == len(frame)
    assert report.rows_quarantined == 0
    empty = charging(c_rate=0.0).assign(voltage_v=300.0, **{SOC: 0.0})
    assert check(empty).good[SOC].notna().all()


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        (SOC, 2.55, "cell_range"), (SOC, np.inf, "cell_range"), (SOC, -1.0, "cell_range"),
        ("cell_voltage_max_v", 65.535, "cell_range"), ("cell_voltage_min_v", 65.535, "cell_range"),
        ("cell_voltage_max_v", 5.1, "cell_outlier"), ("cell_voltage_min_v", 0.0, "cell_outlier"),
        ("cell_voltage_min_v", 4.2, "cell_outlier"), ("cell_voltage_max_v", 3.0, "cell_outlier"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("rows", [[7], list(range(7, 120, 10)), list(range(120))])
def test_a_cell_that_cannot_be_is_emptied_and_its_row_stays(column, value, rule, rows):
    frame = charging()
    mean = frame["voltage_v"] / 100
    frame = frame.assign(cell_voltage_min_v=mean - 0.01, cell_voltage_max_v=mean + 0.01)
    frame.loc[rows, column] = value
    report = check(frame)
    assert emptied(report, rule, column) == rows
    others = {SOC, "cell_voltage_min_v", "cell_voltage_max_v"} - {column}
    assert report.good[list(others)].notna().all(axis=None)
    assert outcome(report, rule, "CAR1")["message"].startswith(column)


def twice(frame, times=2, **apart):
    """Every row so many times, its columns the further apart."""
    parts = [
        frame.assign(**{name: frame[name] + number * step for name, step in apart.items()})
        for number in range(times)
    ]
    return pd.concat(parts).sort_values("time_utc", kind="stable", ignore_index=True)


@pytest.mark.parametrize("times", [2, 3])
def test_readings_of_one_stamp_are_one_row_of_their_mean(times):
    frame = charging()
    report = check(twice(frame, times, current_a=0.03, voltage_v=0.1))
    assert (len(report.good), report.rows_quarantined, report.rows_repeated) == (120, 0, 120 * (times - 1))
    assert report.good["current_a"].tolist() == pytest.approx(
        (frame["current_a"] + 0.015 * (times - 1)).tolist()
    )
    assert report.good["source_row"].tolist() == list(range(1, 120 * times, times))
    finding = outcome(report, "averaged")
    assert (finding["severity"], finding["rows_failed"]) == ("info", 120 * (times - 1))


@pytest.mark.parametrize(
    ("column", "apart"),
    [("current_a", 5.0), ("voltage_v", 3.0), ("temperature_degc", 1.0), (SOC, 0.05)],
)
def test_readings_that_contradict_each_other_are_quarantined(column, apart):
    frame = pd.concat(
        [charging(), charging().loc[[30]].assign(**{column: charging().loc[30, column] + apart})]
    )
    report = check(frame)
    assert set(report.quarantine["rule"]) == {"unique"}
    assert sorted(report.quarantine["source_row"]) == [31, 121]
    assert len(report.good) == 119


def test_a_reading_that_is_wrong_by_itself_takes_no_part_in_a_mean():
    frame = pd.concat([charging(), charging().loc[[30]].assign(current_a=np.inf)])
    report = check(frame)
    assert report.quarantine["rule"].tolist() == ["finite"]
    assert len(report.good) == 120
    assert report.good["current_a"].eq(32.0).all()


def test_a_logger_that_stamps_whole_seconds_is_averaged_while_the_car_drives():
    rng = np.random.default_rng(2)
    frame = charging(minutes=600, c_rate=-0.3, soc=0.9)
    seconds = pd.Timestamp(START) + pd.to_timedelta(np.arange(600) // 10, unit="s")
    frame = frame.assign(
        time_utc=seconds.as_unit("us"), voltage_v=380 + rng.normal(0, 2, 600), **{SOC: 0.9}
    ).assign(current_a=-50 + rng.normal(0, 30, 600))
    report = check(frame)
    assert len(report.good) == 58 and report.rows_quarantined == 20  # the ends have one neighbour
    assert report.good["current_a"].iloc[0] == pytest.approx(frame["current_a"][10:20].mean())


@pytest.mark.parametrize("every", [1, 5, 15, 30])
def test_a_wrong_sign_is_seen_at_the_spacing_of_the_series(every):
    frame = pd.concat([day(), day()], ignore_index=True)
    frame["time_utc"] = pd.Timestamp(START) + pd.to_timedelta(np.arange(len(frame)), unit="min")
    frame = frame.assign(current_a=-frame["current_a"])[::every].reset_index(drop=True)
    report = check(frame)
    assert report.blocked == {"CAR1"}
    assert outcome(report, "current_sign", "CAR1")["rows_failed"] == len(frame)
    assert check(frame.assign(current_a=-frame["current_a"])).rows_quarantined == 0


@pytest.mark.parametrize("every", [1, 5, 15])
def test_snapshots_in_regeneration_are_no_wrong_sign(every):
    rng = np.random.default_rng(4)
    count = 120 if every == 1 else 36
    current = np.round(-rng.uniform(5, 100, count), 2)
    current[3::7] = rng.uniform(5, 45, current[3::7].size)
    current[4::21] = 60.0  # two in a row
    frame = charging(minutes=count).assign(current_a=current, **{SOC: np.linspace(0.95, 0.35, count)})
    frame["time_utc"] = pd.Timestamp(START) + pd.to_timedelta(every * np.arange(count), unit="min")
    frame["voltage_v"] = 355 + 45 * frame[SOC] + 0.05 * current
    assert check(frame).rows_quarantined == 0


def test_a_coarse_display_is_not_stuck_between_two_snapshots():
    frame = day()[::15].reset_index(drop=True)
    frame["voltage_v"] = (frame["voltage_v"] / 5).round() * 5
    assert check(frame.assign(**{SOC: np.nan})).rows_quarantined == 0


def test_a_checkup_above_the_nominal_capacity():
    from data_checks import check_frame
    from tests.data_checks.builders import context
    from tests.warehouse.builders import ingested

    shares = {"CAR1": 1.04, "CAR2": 1.08, "CAR3": 1.28}
    frame = pd.DataFrame(
        {
            "battery_id": list(shares), "time_utc": pd.Timestamp("2020-03-28", tz="UTC"),
            "capacity_ah": [160.0 * share for share in shares.values()],
            "resistance_ohm": 0.05, "temperature_degc": 25.0,
        }
    )  # fmt: skip
    report = check_frame("checkups", ingested("checkups", frame), context(batteries=fleet()))
    assert report.good["battery_id"].tolist() == ["CAR1", "CAR2"]
    assert report.quarantine["rule"].tolist() == ["capacity"]
    warned = report.checks[report.checks["rule"] == "large_capacity"].set_index("scope")
    assert warned["rows_failed"].to_dict() == {"*": 1, "CAR2": 1}
    assert set(warned["severity"]) == {"warning"}
