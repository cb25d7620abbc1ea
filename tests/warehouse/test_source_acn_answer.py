"""ACN-Data's own answer: as it happened, or replayed."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_checks import check_frame
from tests.data_checks.builders import context
from tests.warehouse.builders import SHARED_DATA, fleet
from warehouse.errors import CellError, EmptyFileError, OptionError
from warehouse.sources import SourceFile, read_source

WEDNESDAY = dt.date(2026, 6, 17)
ACN_TABLE = SHARED_DATA / "study/sessions/acn_caltech_2018_09_2019_12/sessions.csv.gz"


def item(number: int = 1, **changes: object) -> dict[str, Any]:
    return {
        "_id": f"5c{number}",
        "connectionTime": "Wed, 25 Apr 2018 13:21:10 GMT",
        "disconnectTime": "Wed, 25 Apr 2018 23:00:10 GMT",
        "doneChargingTime": None,
        "kWhDelivered": 12.0,
        "sessionID": f"2_39_78_362_2018-04-25 13:21:10.{number}",
        "spaceID": "CA-496",
        "stationID": "2-39-78-362",
        "timezone": "America/Los_Angeles",
        "userID": None,
        "userInputs": None,
    } | changes


def read(tmp_path: Path, *items: dict[str, Any], **options: object) -> SourceFile:
    file = tmp_path / "acn.json"
    file.write_text(json.dumps({"_items": list(items), "_meta": {"page": 1}}), encoding="utf-8")
    return read_source("sessions", file, source="acn", cars=fleet(2), **options)


def test_a_session_is_read_as_it_was_at_the_car_of_its_space(tmp_path: Path) -> None:
    source = read(tmp_path, item(), batteries={"CA-496": "CAR1"}, target_soc=0.9)
    (row,) = source.frame.to_dict("records")
    assert (row["battery_id"], row["departure_soc"]) == ("CAR1", 0.9)
    assert row["arrival_utc"] == pd.Timestamp("2018-04-25T13:21:10Z")
    assert row["departure_utc"] == pd.Timestamp("2018-04-25T23:00:10Z")
    assert row["arrival_soc"] == pytest.approx(0.9 - 12 * 0.93 / 60)


def test_what_the_driver_asked_for_last_counts_and_a_user_goes_before_a_space(tmp_path: Path) -> None:
    asked = [{"kWhRequested": 30.0}, {"kWhRequested": 6.0}]
    stated = item(userID="000000022", userInputs=asked)
    source = read(tmp_path, stated, batteries={"000000022": "CAR2", "CA-496": "CAR1"})
    (row,) = source.frame.to_dict("records")
    assert row["battery_id"] == "CAR2"
    assert row["arrival_soc"] == pytest.approx(0.8 - 6 * 0.93 / 60)


def test_one_day_is_replayed_on_its_weekday_by_the_clock_of_its_site(tmp_path: Path) -> None:
    source = read(tmp_path, item(), onto=[WEDNESDAY], zone="DE-LU")
    (row,) = source.frame.to_dict("records")
    assert row["arrival_utc"] == pd.Timestamp("2026-06-17T06:21:10", tz="Europe/Berlin")
    assert any("less than a week" in note for note in source.notes)
    with pytest.raises(OptionError, match="no session falls on 2026-06-18"):
        read(tmp_path, item(), onto=[WEDNESDAY + dt.timedelta(days=1)], zone="DE-LU")


def test_a_bad_session_a_stranger_and_an_open_session_cost_themselves_alone(tmp_path: Path) -> None:
    source = read(
        tmp_path,
        item(1),
        item(2, kWhDelivered="much"),
        item(3, disconnectTime=None),
        item(4, spaceID="CA-1"),
        "no session",
        item(6, timezone="America/Nowhere"),
        batteries={"CA-496": "CAR1"},
    )
    rows = source.frame.set_index("source_row")
    assert rows.index.tolist() == [1, 2, 3, 5, 6]
    assert rows["arrival_soc"].isna().tolist() == [False, True, False, True, False]
    assert rows["arrival_utc"].isna().tolist() == [False, False, False, True, False]
    assert rows["departure_utc"].isna().tolist() == [False, False, True, True, False]
    text = "\n".join(source.notes)
    assert "row 2, column kWhDelivered" in text
    assert "row 5, column connectionTime: is missing" in text
    assert "row 6, column timezone" in text
    assert "has no end yet, CAR1 is there" in text
    assert "'CA-1'" in text


ASKED = {"kWhRequested": 6.0, "requestedDeparture": "Wed, 25 Apr 2018 22:00:00 GMT"}
ODD: list[object] = ["odd", [1], {"a": 1}, -3, True]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("kWhRequested", True), ("requestedDeparture", True), ("timezone", True), ("kWhDelivered", True),
        ("stationID", True), ("connectionTime", False), ("disconnectTime", False), ("sessionID", False),
    ],
)  # fmt: skip
def test_of_a_session_only_what_cannot_be_read_is_missing(
    tmp_path: Path, key: str, kept: bool, odd: object
) -> None:
    asked = {**ASKED, key: odd} if key in ASKED else ASKED
    later = {
        "connectionTime": "Thu, 26 Apr 2018 13:21:10 GMT",
        "disconnectTime": "Thu, 26 Apr 2018 23:00:10 GMT",
    }
    spoilt = item(2, userInputs=[asked], **(later | ({} if key in ASKED else {key: odd})))
    source = read(tmp_path, item(1), spoilt, battery_id="CAR1")
    assert source.frame["source_row"].tolist() == [1, 2]
    frame = source.frame.assign(source_id="s", received_utc=pd.Timestamp("2018-05-01T00:00Z"))
    report = check_frame("sessions", frame, context(battery_ids=frozenset({"CAR1"})))
    readable = key == "stationID" or (key == "sessionID" and isinstance(odd, str))
    assert set(report.quarantine["source_row"]) == (set() if kept or readable else {2})
    text = f"row 2, column {'userInputs.' * (key in ASKED)}{key}"
    assert readable or any(text in note for note in source.notes), source.notes


def test_what_cannot_be_read_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmptyFileError, match="holds no session"):
        read(tmp_path, battery_id="CAR1")
    with pytest.raises(CellError, match="row 1, column connectionTime"):
        read(tmp_path, item(connectionTime="2018"), battery_id="CAR1")
    with pytest.raises(OptionError, match="--onto"):
        read(tmp_path, item())
    with pytest.raises(OptionError, match="no car of the fleet stands for 'CA-496'"):
        read(tmp_path, item(), batteries={"CA-1": "CAR1"})


def test_a_table_of_the_service_is_its_answer(tmp_path: Path) -> None:
    asked = [{"kWhRequested": 6.0, "requestedDeparture": "Wed, 25 Apr 2018 22:00:00 GMT"}]
    items = [item(1, userInputs=asked), item(2, connectionTime="Thu, 26 Apr 2018 13:21:10 GMT",
             disconnectTime="Thu, 26 Apr 2018 20:00:00 GMT")]  # fmt: skip
    stated = read(tmp_path, *items, battery_id="CAR1")
    flat = pd.DataFrame(items)
    flat["userInputs"] = [json.dumps(asked), None]
    apart = flat.drop(columns="userInputs").assign(
        kWhRequested=[6.0, None], requestedDeparture=["2018-04-25T22:00:00Z", None]
    )
    for number, table in enumerate((flat, apart)):
        file = tmp_path / f"table{number}.csv"
        table.to_csv(file, index=False)
        file.write_text(file.read_text() + "cut,short\n")
        source = read_source("sessions", file, source="acn", cars=fleet(2), battery_id="CAR1")
        pd.testing.assert_frame_equal(source.frame, stated.frame)
        assert source.notes[0].startswith("row 3 has 2 cells where the header has")


@pytest.mark.skipif(not ACN_TABLE.exists(), reason="the shared data is absent")
def test_a_real_table_of_sixteen_months_is_read_whole() -> None:
    source = read_source("sessions", ACN_TABLE, source="acn", cars=fleet(2), battery_id="CAR1")
    rows = pd.read_csv(ACN_TABLE)
    assert len(source.frame) == len(rows) == 16525
    assert source.frame["energy_kwh"].sum() == pytest.approx(rows["kWhDelivered"].sum())
    assert source.frame["requested_kwh"].notna().sum() == rows["kWhRequested"].notna().sum()
    starts = pd.to_datetime(rows["connectionTime"], utc=True)
    assert (source.frame["arrival_utc"].to_numpy() == starts.to_numpy()).all()


def test_a_request_that_no_pack_can_hold_sets_no_charge(tmp_path: Path) -> None:
    asked = [{"kWhRequested": 1e6}]
    source = read(tmp_path, item(userInputs=asked), battery_id="CAR1", target_soc=0.9)
    assert source.frame["arrival_soc"].tolist() == pytest.approx([0.9 - 12 * 0.93 / 60])
    assert any("1e+06 kWh asked for are more than CAR1 holds" in note for note in source.notes)


def test_a_session_announced_twice_is_replayed_once(tmp_path: Path) -> None:
    days = ["Mon, 23", "Tue, 24", "Wed, 25", "Thu, 26", "Fri, 27", "Sat, 28", "Sun, 29"]
    items = [
        item(n, connectionTime=f"{day} Apr 2018 13:21:10 GMT", disconnectTime=f"{day} Apr 2018 23:00:10 GMT")
        for n, day in enumerate(days)
    ]
    onto = {"onto": [WEDNESDAY], "zone": "DE-LU"}
    once, twice = read(tmp_path, *items, **onto), read(tmp_path, *items, *items, **onto)
    pd.testing.assert_frame_equal(once.frame, twice.frame)
    assert "7 rows repeat another in every column and count once" in twice.notes
