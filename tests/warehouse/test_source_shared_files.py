"""Every file of the shared sessions and telemetry, by name, and what becomes of it."""

import datetime as dt

import pytest

from tests.warehouse.builders import SHARED_DATA, fleet
from warehouse.errors import SourceError
from warehouse.sources import read_source

FRIDAY = dt.date(2024, 7, 5)
REPLAY = {"cars": fleet(40), "onto": [FRIDAY], "zone": "CH"}
CHARGER = "the charger's voltage and current"

ACN = "sessions/acn_caltech_event_queue_2019_03/sessions_2019-03.csv"
DESL = "sessions/desl_epfl_dc_sessions/Session_data.xlsx"
TESLAMATE = "telemetry/teslamate_charge_telemetry"
# file → the source and options that read it, and the rows that land
READ = {
    ACN: ("acn", REPLAY, 31),
    DESL: ("desl", REPLAY, 12),
    f"{TESLAMATE}/daylightsavingstime_test.csv": ("teslamate", {"battery_id": "CAR1"}, 1),
    f"{TESLAMATE}/exactmillisecond_test.csv": ("teslamate", {"battery_id": "CAR1"}, 1),
    f"{TESLAMATE}/nophasedata_test.csv": ("teslamate", {"battery_id": "CAR1"}, 1),
    f"{TESLAMATE}/plunge_test.csv": ("teslamate", {"battery_id": "CAR1"}, 1),
    f"{TESLAMATE}/threephase_test.csv": ("teslamate", {"battery_id": "CAR1"}, 1),
}
# file → why it is neither sessions in our own words nor telemetry
REFUSED = {
    ACN: ("looks like sessions of ACN", "looks like sessions of ACN"),
    DESL: ("looks like sessions of DESL", "looks like sessions of DESL"),
    **dict.fromkeys(list(READ)[2:], ("charges of TeslaMate", "charges of TeslaMate")),
}
shared = pytest.mark.skipif(not (SHARED_DATA / "sessions").exists(), reason="the shared data is absent")


@shared
def test_no_file_is_forgotten():
    notes = {"SOURCE.txt", "README.md"}
    there = {
        file.relative_to(SHARED_DATA).as_posix()
        for folder in ("sessions", "telemetry")
        for file in (SHARED_DATA / folder).rglob("*")
        if file.is_file() and file.name not in notes
    }
    assert there == set(READ)


@shared
@pytest.mark.parametrize("name", READ)
def test_each_file_is_read_by_its_source(name):
    source, options, rows = READ[name]
    frame = read_source("sessions", SHARED_DATA / name, source=source, **options).frame
    assert len(frame) == rows
    assert (frame["departure_utc"] > frame["arrival_utc"]).all()
    assert frame[["arrival_soc", "departure_soc"]].stack().between(0, 1).all()


@shared
@pytest.mark.parametrize("name", READ)
def test_each_file_is_refused_where_it_is_something_else(name):
    for dataset, reason in zip(("sessions", "telemetry"), REFUSED[name], strict=True):
        with pytest.raises(SourceError, match=reason):
            read_source(dataset, SHARED_DATA / name)


@shared
@pytest.mark.parametrize("name", [name for name in READ if name.startswith(TESLAMATE)])
def test_charges_are_no_telemetry_however_they_are_given(name):
    with pytest.raises(SourceError, match=CHARGER):
        read_source("telemetry", SHARED_DATA / name, source="teslamate", battery_id="CAR1")
