"""Charges of TeslaMate become sessions of one car; they are never telemetry."""

import re

import pandas as pd
import pytest

from tests.warehouse.builders import SHARED_DATA
from warehouse.errors import CellError, EmptyFileError, OptionError, SourceError
from warehouse.sources import read_source

FOLDER = SHARED_DATA / "telemetry" / "teslamate_charge_telemetry"
real_charges = pytest.mark.skipif(not FOLDER.exists(), reason=f"{FOLDER.name} of the shared data is absent")
HEADER = "id,date,battery_level,charge_energy_added,charging_process_id"


def sessions(path, **options):
    return read_source("sessions", path, source="teslamate", **{"battery_id": "CAR1", **options})


def charges(tmp_path, *lines):
    path = tmp_path / "charges.csv"
    path.write_text("\n".join((HEADER, *lines)) + "\n")
    return path


@real_charges
@pytest.mark.parametrize(
    ("name", "process", "row", "arrival", "departure", "soc"),
    [
        ("daylightsavingstime", 275, 1, "2021-04-13T19:46:13.251Z", "2021-04-13T22:02:46.669Z", (0.26, 0.48)),
        ("exactmillisecond", 65, 1, "2023-08-24T23:43:53.026Z", "2023-08-25T03:19:42.588Z", (0.56, 0.90)),
        ("nophasedata", 465, 1, "2022-03-14T02:04:18.770Z", "2022-03-14T02:04:26.489Z", (0.38, 0.38)),
        ("plunge", 38, 1, "2020-05-23T00:02:21.825Z", "2020-05-23T05:00:05.578Z", (0.07, 0.53)),
        ("threephase", 57, 61, "2021-02-03T00:03:03Z", "2021-02-03T04:21:30Z", (0.20, 0.81)),
    ],
)
def test_every_real_export_is_one_session_in_utc(name, process, row, arrival, departure, soc):
    source = sessions(FOLDER / f"{name}_test.csv")
    (session,) = source.frame.to_dict("records")
    assert session["session_id"] == f"CAR1-teslamate-{process}"
    assert (session["arrival_utc"], session["departure_utc"]) == (
        pd.Timestamp(arrival),
        pd.Timestamp(departure),
    )
    assert (session["arrival_soc"], session["departure_soc"], session["source_row"]) == (*soc, row)
    assert source.notes[-1].startswith("departure_soc is what was reached")


@real_charges
@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.csv")), ids=lambda file: file.stem)
def test_no_real_export_is_taken_for_telemetry(file):
    with pytest.raises(OptionError, match="the charger's voltage and current, on the grid's side"):
        read_source("telemetry", file, source="teslamate", battery_id="CAR1")
    with pytest.raises(SourceError, match="charges of TeslaMate"):
        read_source("telemetry", file, battery_id="CAR1")


def test_gaps_repeated_samples_and_lone_ones_are_noted(tmp_path):
    path = charges(
        tmp_path,
        "3,2021-01-01 10:30:00,40,5,7",
        "1,2021-01-01 10:00:00,20,0,7",
        "1,2021-01-01 10:00:00,20,0,7",
        "2,2021-01-01 10:05:00,22,1,7",
        "9,2021-01-02 10:00:00,50,0,8",
    )
    source = sessions(path)
    assert source.frame["source_row"].tolist() == [2]
    assert source.frame["departure_utc"].tolist() == [pd.Timestamp("2021-01-01T10:30Z")]
    assert source.notes[:4] == (
        "1 samples are there twice and count once",
        "1 ids are there twice; samples are distinguished by their time",
        "charging process 7: 1 gaps of more than 10 min, the longest 25 min; the session spans them",
        "charging process 8: left out, one sample is no session",
    )


def test_what_began_before_the_export_is_a_session_of_its_own_and_takes_no_place(tmp_path):
    night = [
        f"{n},2021-01-01 {22 + n // 60:02d}:{n % 60:02d}:00,{20 + n // 4},{n / 6:.2f},7" for n in range(120)
    ]
    whole, late = charges(tmp_path, *night), tmp_path / "late.csv"
    late.write_text("\n".join((HEADER, *night[60:])) + "\n")
    (first,) = sessions(whole).frame.to_dict("records")
    read = sessions(late)
    (rest,) = read.frame.to_dict("records")
    assert first["session_id"] == "CAR1-teslamate-7"
    assert rest["session_id"] == "CAR1-teslamate-7@part-20210101T230000Z"
    assert rest["arrival_utc"] == pd.Timestamp("2021-01-01T23:00Z")
    assert read.notes[0].startswith("charging process 7: began before this export, 10 kWh were in by then")


GOOD = [f"{n},2021-01-01 10:{n:02d}:00,{20 + n},0,7" for n in range(5)]


NEXT = "its first or last sample has no state of charge"


@pytest.mark.parametrize(
    ("line", "ends", "note"),
    [
        ("9,2021-01-01 10:07:00,120,0,7", 7, rf"battery_level.*row 6 \(120\) is not|{NEXT}"),
        ("9,2021-01-01 10:07:00,,0,7", 7, NEXT),
        (
            "9,2021-01-01 10:04:00,90,0,7",
            4,
            "2 samples contradict .* row 5: battery_level 24 at 2021-01-01 10:04",
        ),
        ("9,2021-01-01T10:07:00+01:00,20,0,7", 4, r"row 6 \(2021-01-01T10:07:00\+01:00\) has a time zone"),
        ("9,soon,20,0,7", 4, r"date.*row 6 \(soon\) is not a local time"),
        ("9,2021-01-01 10:07:00,20,0,", 4, "1 samples lack a value and were left out, the first in row 6"),
        ("9,2021-01-01 10:07", 4, "row 6 has 2 cells where the header has 5"),
    ],
)
def test_of_a_faulty_sample_what_can_be_read_counts(tmp_path, line, ends, note):
    source = sessions(charges(tmp_path, *GOOD, line))
    assert source.frame["departure_utc"].tolist() == [pd.Timestamp(f"2021-01-01T10:0{ends}Z")]
    assert source.frame["departure_soc"].tolist() == [0.23 if "10:04" in line else 0.24]
    assert any(re.search(note, stated) for stated in source.notes), source.notes


def test_a_process_without_any_state_of_charge_is_left_to_the_checks(tmp_path):
    source = sessions(charges(tmp_path, *GOOD, *(f"{n},2021-01-02 10:0{n}:00,,0,8" for n in range(3))))
    assert source.frame["departure_utc"].tolist()[1] == pd.Timestamp("2021-01-02T10:02Z")
    assert source.frame["departure_soc"].isna().tolist() == [False, True]


def test_a_file_without_two_samples_is_refused(tmp_path):
    with pytest.raises(EmptyFileError, match="no charging process of two samples"):
        sessions(charges(tmp_path, GOOD[0]))
    with pytest.raises(CellError, match="row 1, column date: 'soon' is not a local time"):
        sessions(charges(tmp_path, "1,soon,20,0,7"))


def test_the_car_has_to_be_given(tmp_path):
    with pytest.raises(OptionError, match="column battery_id: needs the battery"):
        sessions(charges(tmp_path, "1,2021-01-01 10:00:00,20,0,7"), battery_id=None)
