"""OCPP logs, written after the message definitions of OCPP 1.6 and 2.0.1, become sessions."""

import json
import re

import pandas as pd
import pytest

from tests.warehouse.builders import fleet
from warehouse.errors import CellError, EmptyFileError, OptionError, OversizedFileError, UndecodableFileError
from warehouse.sources import read_source
from warehouse.sources.cars import REACHED

HOUR = "2024-05-06T{:02d}:00:00Z"


def soc(value, hour, **more):
    return {"timestamp": HOUR.format(hour), "sampledValue": [{"value": value, "measurand": "SoC", **more}]}


def log_16(transaction_id=17, message_id="m1", tag="TAG1", socs=("20", "80"), connector=1, hours=(8, 9, 18)):
    """A transaction from 08 to 18 h of 30 kWh, the state of charge given by two ways of 1.6."""
    begin, middle, end = hours
    start = {"connectorId": connector, "idTag": tag, "meterStart": 1000, "timestamp": HOUR.format(begin)}
    stop = {"transactionId": transaction_id, "meterStop": 31_000, "timestamp": HOUR.format(end)}
    frames = [
        [2, "b", "BootNotification", {"chargePointModel": "x", "chargePointVendor": "y"}],
        [2, message_id, "StartTransaction", start],
        [3, message_id, {"transactionId": transaction_id, "idTagInfo": {"status": "Accepted"}}],
    ]
    if socs:
        first = {"connectorId": connector, "meterValue": [soc(socs[0], middle, unit="Percent")]}
        frames.append([2, f"{message_id}v", "MeterValues", first])
        stop["transactionData"] = [soc(socs[1], end)]
    return [*frames, [2, f"{message_id}s", "StopTransaction", stop]]


def event(kind, hour, seq, values=(), **more):
    payload = {
        "eventType": kind, "timestamp": HOUR.format(hour), "seqNo": seq, "triggerReason": "Authorized",
        "transactionInfo": {"transactionId": "ab-1"}, "meterValue": list(values), **more,
    }  # fmt: skip
    return [2, f"e{seq}", "TransactionEvent", payload]


def log_201():
    started = event("Started", 8, 0, evse={"id": 2}, idToken={"idToken": "TAG1", "type": "ISO14443"})
    return [
        started,
        event("Updated", 9, 1, [soc(0.2, 9, unitOfMeasure={"unit": "Percent", "multiplier": 2})]),
        [2, "x", "MeterValues", {"evseId": 2, "meterValue": [soc(55, 12)]}],
        event("Ended", 18, 2, [soc(80, 18, location="EV")]),
    ]


def write(tmp_path, frames, *, lines=True):
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, frames)) + "\n" if lines else json.dumps(frames, indent=1))
    return path


def sessions(path, **options):
    return read_source("sessions", path, source="ocpp", **options)


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize(
    ("frames", "battery", "session_id", "row"),
    [
        (log_16(), "TAG1", "ocpp-17@20240506T080000Z.621440", 2),
        (log_201(), "evse:2", "ocpp-ab-1@20240506T080000Z.ad29e1", 1),
    ],
)
def test_a_transaction_is_a_session_with_the_charge_that_the_car_reported(
    tmp_path, lines, frames, battery, session_id, row
):
    source = sessions(write(tmp_path, frames, lines=lines), batteries={battery: "CAR1"})
    stated = source.frame.dropna(axis=1).drop(columns=["energy_kwh", "register_kwh"], errors="ignore")
    assert stated.to_dict("records") == [
        {
            "session_id": session_id, "battery_id": "CAR1", "arrival_utc": pd.Timestamp(HOUR.format(8)),
            "departure_utc": pd.Timestamp(HOUR.format(18)), "arrival_soc": 0.2, "departure_soc": 0.8,
            "source_row": row, "last_soc": 0.8, "charger_id": "connector:1" if battery == "TAG1" else battery,
        }
    ]  # fmt: skip
    assert source.notes == (REACHED,)


def test_times_without_an_offset_are_those_of_utc_and_reported(tmp_path):
    text = json.dumps(log_16()).replace('Z"', '"')
    source = sessions(write(tmp_path, json.loads(text)), batteries={"TAG1": "CAR1"})
    assert source.frame["arrival_utc"].tolist() == [pd.Timestamp(HOUR.format(8))]
    assert any("times without an offset were taken as UTC" in note for note in source.notes)


def test_without_states_of_charge_a_target_and_the_car_derive_them(tmp_path):
    path = write(tmp_path, log_16(tag="CAR1", socs=()))
    with pytest.raises(OptionError, match=r"row 2, column target_soc: transaction '17' reports no state"):
        sessions(path)
    frame = sessions(path, target_soc=0.9, cars=fleet(1)).frame
    assert frame["departure_soc"].tolist() == [0.9]
    assert frame["arrival_soc"].tolist() == pytest.approx([0.9 - 30 * 0.93 / 60])
    with pytest.raises(EmptyFileError, match=r"its energy puts the arrival of CAR1 at .* -0\.165"):
        sessions(path, target_soc=0.3, cars=fleet(1))
    with pytest.raises(OptionError, match=r"column cars: 'CAR9' lacks the car"):
        sessions(path, target_soc=0.9, cars=fleet(1), battery_id="CAR9")


def test_readings_that_name_only_a_place_go_to_who_was_there(tmp_path):
    frames = [
        *log_16(),
        *log_16(18, "m2", "TAG2", socs=("40", "90"), connector=2),
        *log_16(19, "m3", "TAG3", socs=("10", "15"), hours=(19, 20, 21)),
    ]
    batteries = {"TAG1": "CAR1", "connector:2": "CAR2", "TAG3": "CAR3"}
    frame = sessions(write(tmp_path, frames), batteries=batteries).frame
    assert frame[["battery_id", "arrival_soc", "departure_soc"]].to_numpy().tolist() == [
        ["CAR1", 0.2, 0.8],
        ["CAR2", 0.4, 0.9],
        ["CAR3", 0.1, 0.15],
    ]


def test_what_the_log_holds_only_in_part_is_left_out_and_noted(tmp_path):
    whole = log_16()
    late = [2, "l", "StopTransaction", {"transactionId": 5, "meterStop": 1, "timestamp": HOUR.format(1)}]
    torn = log_16(19, "m9")[1:2]
    refused = [*log_16(20, "r")[1:2], [4, "r", "InternalError", "", {}]]
    source = sessions(write(tmp_path, [late, *whole, *refused, *torn]), battery_id="CAR1")
    assert source.frame["session_id"].tolist() == ["ocpp-17@20240506T080000Z.621440"]
    assert len(source.notes) == 3
    assert source.notes[0].startswith("row 9: StartTransaction 'm9' was left out, no result [3, …]")
    assert source.notes[1] == (
        "transaction '5': left out, the log does not hold its start; a log that does completes it"
    )
    source = sessions(write(tmp_path, torn), battery_id="CAR1")
    assert source.frame.empty
    assert source.notes[0].startswith("row 1: StartTransaction 'm9' was left out")
    (tmp_path / "none.json").write_text("[\n]")
    with pytest.raises(EmptyFileError, match="no message"):
        sessions(tmp_path / "none.json", battery_id="CAR1")


def test_a_transaction_that_runs_on_is_a_session_without_a_departure_until_its_end_is_reported(tmp_path):
    path, whole = write(tmp_path, log_16()[:-1]), log_16()
    source = sessions(path, battery_id="CAR1")
    (open_session,) = source.frame.to_dict("records")
    assert (open_session["arrival_soc"], pd.isna(open_session["departure_utc"])) == (0.2, True)
    assert any("has no end yet, CAR1 is there since" in note for note in source.notes)
    (over,) = sessions(write(tmp_path, whole), battery_id="CAR1").frame.to_dict("records")
    assert over["session_id"] == open_session["session_id"]
    assert over["departure_utc"] == pd.Timestamp(HOUR.format(18))


def test_a_transaction_after_which_another_began_at_its_place_is_not_there_any_more(tmp_path):
    lost = log_16()[:-1]
    again = log_16(message_id="m2", hours=(19, 20, 22))
    source = sessions(write(tmp_path, [*lost, *again]), battery_id="CAR1")
    assert source.frame["arrival_utc"].tolist() == [pd.Timestamp(HOUR.format(19))]
    assert any("left out, the log does not hold its end" in note for note in source.notes)


def test_a_token_without_a_battery_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(
        OptionError, match=r"row 2, .*no battery for 'TAG1' or 'connector:1'; did you mean 'TAG2'"
    ):
        sessions(write(tmp_path, log_16()), batteries={"TAG2": "CAR2"})


def test_ocpp_is_no_telemetry(tmp_path):
    with pytest.raises(OptionError, match="not a pack's voltage and current"):
        read_source("telemetry", write(tmp_path, log_16()), source="ocpp")


def spoilt(**changes):
    frames = log_16()
    frames[1][3].update(changes)
    return "\n".join(map(json.dumps, frames))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timestamp": "yesterday"}, r"row 2, column timestamp: 'yesterday' is not an"),
        ({"timestamp": "0001-01-01T00:00:00Z"}, r"years 1900 to 2199"),
        ({"meterStart": "1000"}, r"row 2, column meterStart: '1000' is not an energy in Wh"),
        ({"idTag": {"a": 1}}, r"row 2, column idTag: .* is no text"),
    ],
)
def test_a_start_that_cannot_be_read_is_named_and_the_rest_held(tmp_path, changes, message):
    path = tmp_path / "log.jsonl"
    path.write_text(spoilt(**changes))
    source = sessions(path, battery_id="CAR1")
    assert source.frame.empty
    assert source.transactions is not None
    assert any(re.search(message, note) for note in source.notes), source.notes


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (json.dumps([2, "e", "TransactionEvent", {"transactionInfo": {"transactionId": "1"},
                                                  "timestamp": HOUR.format(8), "eventType": "Begun"}]),
         CellError, r"row 1, column eventType: 'Begun' is none of Started, Updated, Ended"),
        ('[2, "a", "MeterValues", {"connectorId": 1, "meterValue": [{"timestamp": "2024-05-06T08:00:00Z", '
         '"sampledValue": [{"measurand": "SoC", "value": "140"}]}]}]', CellError, r"column SoC: '140.0' is"),
        ('[2, "a", "MeterValues", {"connectorId": 1, "meterValue": {"timestamp": 1}}]', CellError,
         r"column meterValue: .* is not a list of objects"),
        ('[2, "a", "Heartbeat", {}]\n{"station": 1}', CellError, r"row 2: .* is no OCPP frame"),
        ('[2, "a", "Heartbeat", {}]\nnonsense', UndecodableFileError, r"row 2: is not JSON"),
        ('[2, "a", "Heartbeat", {"x": NaN}]', UndecodableFileError, r"row 1: is not JSON: NaN is"),
        ('{"messages": []}', UndecodableFileError, r"is not a list of OCPP frames"),
        ('[2, "a", "Heartbeat", {"x": ' + "[" * 100 + "]" * 100 + "}]", OversizedFileError, r".*32 levels"),
        ("[" * 200_000, OversizedFileError, r"nested deeper than 32 levels"),
        ('[2, "a", "Heartbeat", {"x": "' + "y" * 2**20 + '"}]', OversizedFileError, r"row 1: is longer than"),
    ],
)  # fmt: skip
def test_faulty_frames_are_named(tmp_path, text, error, message):
    path = tmp_path / "log.jsonl"
    path.write_text(text)
    with pytest.raises(error, match=message):
        sessions(path, battery_id="CAR1")
