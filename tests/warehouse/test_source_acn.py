"""Real workplace sessions replayed onto a fleet."""

import datetime as dt
import re

import pandas as pd
import pytest

from tests.warehouse.builders import ACN, fleet
from warehouse.errors import ColumnError, OptionError
from warehouse.sources import read_source
from warehouse.zones import market_day_bounds

HEADER = (
    "session_id,station_id,arrival_local_los_angeles,departure_local_los_angeles,"
    "requested_energy_kwh,max_power_kw\n"
)
SUNDAY, MONDAY = dt.date(2020, 3, 29), dt.date(2020, 3, 30)
real_month = pytest.mark.skipif(not ACN.exists(), reason=f"{ACN.name} of the shared data is absent")


def file_of(tmp_path, *lines):
    """One week, from Monday 4 to Sunday 10 March 2019 (the last with a clock change in Los Angeles)."""
    path = tmp_path / "sessions.csv"
    frame_lines = ("first,S,2019-03-04T08:00:00,2019-03-04T17:00:00,6,6.6", *lines)
    closing = "last,S,2019-03-10T22:00:00,2019-03-11T06:30:00,12,6.6"
    path.write_text(HEADER + "\n".join((*frame_lines, closing)) + "\n")
    return path


def replay(path, onto, cars=None, **options):
    cars = fleet(2) if cars is None else cars
    return read_source("sessions", path, source="acn", cars=cars, onto=onto, zone="DE-LU", **options)


def test_weekday_and_wall_clock_are_kept(tmp_path):
    source = replay(file_of(tmp_path), [MONDAY])
    monday = source.frame.set_index("session_id").loc["first@2020-03-30"]
    assert monday["arrival_utc"] == pd.Timestamp("2020-03-30T08:00", tz="Europe/Berlin")
    assert monday["departure_utc"] == pd.Timestamp("2020-03-30T17:00", tz="Europe/Berlin")
    assert monday["departure_soc"] == 0.8
    assert monday["arrival_soc"] == pytest.approx(0.8 - 6 * 0.93 / 60)


def test_who_is_still_plugged_from_the_day_before_is_there(tmp_path):
    source = replay(file_of(tmp_path), [MONDAY])
    assert source.frame["session_id"].tolist() == ["last@2020-03-29", "first@2020-03-30"]
    assert source.frame["departure_utc"][0] == pd.Timestamp("2020-03-30T06:30", tz="Europe/Berlin")


def test_skipped_and_repeated_hours_of_the_target_day(tmp_path):
    path = file_of(
        tmp_path,
        "gone,S,2019-03-10T01:59:00,2019-03-10T03:00:00,1,6.6",
        "night,S,2019-03-10T02:10:00,2019-03-10T02:50:00,1,6.6",
    )
    spring = replay(path, [SUNDAY])
    gone = spring.frame.set_index("session_id").loc["gone@2020-03-29"]
    assert gone["departure_utc"] - gone["arrival_utc"] == pd.Timedelta(minutes=1)
    assert any(note.startswith("night@2020-03-29: left out, the clock change") for note in spring.notes)
    autumn = replay(path, [dt.date(2020, 10, 25)]).frame.set_index("session_id")
    assert autumn.loc["night@2020-10-25", "arrival_utc"] == pd.Timestamp("2020-10-25T00:10Z")


def test_sessions_without_a_free_car_and_clipped_ones_are_noted(tmp_path):
    path = file_of(
        tmp_path,
        "second,S,2019-03-04T08:05:00,2019-03-04T12:00:00,60,6.6",
        "third,S,2019-03-04T08:10:00,2019-03-04T12:00:00,3,6.6",
        "fourth,S,2019-03-04T12:00:00,2019-03-04T13:00:00,3,6.6",
    )
    source = replay(path, [MONDAY])
    assert set(source.frame["session_id"].str.split("@").str[0]) == {"last", "first", "second", "fourth"}
    assert len(source.notes) == 2
    assert any("second@2020-03-30: 60 kWh is more than" in note for note in source.notes)
    assert any("third@2020-03-30: left out, no car was free" in note for note in source.notes)
    assert source.frame["arrival_soc"].min() == 0.1


def test_what_a_note_quotes_from_the_file_cannot_act_on_a_terminal(tmp_path):
    path = file_of(tmp_path, "\x1b[31mnight,S,2019-03-10T02:10:00,2019-03-10T02:50:00,1,6.6")
    notes = replay(path, [SUNDAY]).notes
    assert any(note.startswith(r"\x1b[31mnight@2020-03-29: left out") for note in notes)
    assert all(note.isprintable() for note in notes)


def test_target_soc_is_an_option_bounded_by_the_car(tmp_path):
    assert set(replay(file_of(tmp_path), [MONDAY], target_soc=1.0).frame["departure_soc"]) == {0.95}


@real_month
def test_real_month_onto_forty_cars_no_car_twice_at_once():
    days = [SUNDAY, dt.date(2020, 10, 25), dt.date(2020, 7, 5), dt.date(2020, 7, 8), dt.date(2020, 7, 9)]
    source = replay(ACN, days, cars=fleet(40))
    rows = source.frame.sort_values(["battery_id", "arrival_utc"])
    before = rows.groupby("battery_id")["departure_utc"].shift()
    assert not (before > rows["arrival_utc"]).any()
    assert rows["session_id"].is_unique
    assert (rows["arrival_soc"] < rows["departure_soc"]).all()
    for day in days:
        start, end = market_day_bounds(day, "DE-LU")
        assert ((rows["arrival_utc"] < end) & (rows["departure_utc"] > start)).sum() >= 10


@real_month
def test_a_days_cars_do_not_depend_on_the_other_days_asked_for():
    together = replay(ACN, [dt.date(2020, 7, day) for day in (6, 7, 8)], cars=fleet(40)).frame
    alone = replay(ACN, [dt.date(2020, 7, 8)], cars=fleet(40)).frame
    columns = ["session_id", "battery_id", "arrival_utc", "arrival_soc"]
    shared = together[together["session_id"].isin(alone["session_id"])]
    pd.testing.assert_frame_equal(shared[columns].reset_index(drop=True), alone[columns])


def test_fleet_days_and_options_are_part_of_the_source(tmp_path):
    path = file_of(tmp_path)
    first, again = replay(path, [MONDAY]), replay(path, [MONDAY])
    assert first.source_id == again.source_id
    others = [
        replay(path, [SUNDAY]),
        replay(path, [MONDAY], cars=fleet(3)),
        replay(path, [MONDAY], target_soc=0.7),
    ]
    assert len({first.source_id, *(other.source_id for other in others)}) == 4


@pytest.mark.parametrize(
    ("options", "column"),
    [
        ({"onto": []}, "onto"),
        ({"cars": fleet(0)}, "cars"),
        ({"cars": fleet().drop(columns="soc_max")}, "cars"),
        ({"target_soc": 80}, "target_soc"),
    ],
)
def test_wrong_options_are_named(tmp_path, options, column):
    with pytest.raises(OptionError, match=f"column {column}"):
        replay(file_of(tmp_path), **{"onto": [MONDAY], **options})


def test_faulty_rows_are_named(tmp_path):
    for line, note in (
        (
            "x,S,2019-03-05T08:00:00,2019-03-05T09:00:00,-3,6.6",
            r"requested_energy_kwh.*row 2 \(-3\)",
        ),
        ("x,S,yesterday,2019-03-05T09:00:00,3,6.6", r"arrival_local_los_angeles.*row 2 \(yesterday\)"),
        (
            "x,S,1919-03-05T08:00:00,1919-03-05T09:00:00,3,6.6",
            "row 2, column arrival: '1919-03-05' is no",
        ),
        ("x,S,2019-03-05T08:00:00", "row 2 has 3 cells where the header has 6"),
    ):
        read = replay(file_of(tmp_path, line), [MONDAY])
        assert any(re.search(note, stated) for stated in read.notes), read.notes
        assert not read.frame["session_id"].str.startswith("x").any()
    short = tmp_path / "short.csv"
    short.write_text(HEADER + "a,S,2019-03-04T08:00:00,2019-03-04T17:00:00,6,6.6\n")
    with pytest.raises(ColumnError, match="less than a week"):
        replay(short, [MONDAY])
