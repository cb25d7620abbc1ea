"""OCPP logs as stations write them: ids that repeat, registers that begin anew, charge that is none."""

import json

import pandas as pd
import pytest

from tests.warehouse.builders import fleet
from warehouse.errors import EmptyFileError
from warehouse.sources import read_source

CARS = {"T1": "CAR1", "T2": "CAR2", "T3": "CAR3"}


def at(hour, day=16):
    return f"2026-06-{day}T{int(hour):02d}:{round(hour % 1 * 60):02d}:00Z"


def begun(transaction_id, hour, tag="T1", connector=1, meter=1000, day=16):
    name = f"{tag}{day}{hour}{connector}"
    call = {"connectorId": connector, "idTag": tag, "meterStart": meter, "timestamp": at(hour, day)}
    return [
        [2, name, "StartTransaction", call],
        [3, name, {"transactionId": transaction_id, "idTagInfo": {"status": "Accepted"}}],
    ]


def ended(transaction_id, hour, meter=9000, day=16, **more):
    payload = {"transactionId": transaction_id, "meterStop": meter, "timestamp": at(hour, day), **more}
    return [[2, f"s{day}{hour}", "StopTransaction", payload]]


def metered(hour, transaction_id=None, connector=1, day=16, **values):
    """values: soc in %, wh."""
    units = {"soc": ("SoC", "Percent"), "wh": ("Energy.Active.Import.Register", "Wh")}
    samples = [
        {"value": str(value), "measurand": units[name][0], "unit": units[name][1]}
        for name, value in values.items()
    ]
    fields = {"connectorId": connector, "meterValue": [{"timestamp": at(hour, day), "sampledValue": samples}]}
    if transaction_id is not None:
        fields["transactionId"] = transaction_id
    return [[2, f"m{day}{hour}{connector}", "MeterValues", fields]]


def read(tmp_path, frames, **options):
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, frames)))
    return read_source(
        "sessions", path, source="ocpp", **{"batteries": CARS, "target_soc": 0.9, "cars": fleet(3), **options}
    )


def kwh(source):
    """Battery → energy that its arrival was derived from, by session in order of arrival."""
    frame = source.frame.sort_values(["battery_id", "arrival_utc"])
    energy = (0.9 - frame["arrival_soc"]) * 60 / 0.93
    return {car: [round(value, 3) for value in own] for car, own in energy.groupby(frame["battery_id"])}


def test_an_id_that_comes_again_days_later_is_another_session(tmp_path):
    frames = [
        *begun(1, 21), *ended(1, 23), *begun(1, 21, meter=9000, day=18), *ended(1, 23, 21_000, day=18),
    ]  # fmt: skip
    source = read(tmp_path, frames)
    assert kwh(source) == {"CAR1": [8.0, 12.0]}
    assert source.frame["session_id"].nunique() == 2
    assert source.notes == ()


def test_an_id_that_comes_again_after_an_end_that_was_never_reported(tmp_path):
    frames = [*begun(1, 2), *metered(3, 1, wh=2000), *begun(1, 10, meter=3000), *ended(1, 12, 8000)]
    source = read(tmp_path, frames)
    assert kwh(source) == {"CAR1": [5.0]}
    assert source.frame["arrival_utc"].tolist() == [pd.Timestamp(at(10))]
    assert source.notes == ("transaction '1': left out, the log does not hold its end",)


BOTH = [*begun(1, 8, "T1", 1, 1000), *begun(1, 8, "T2", 2, 500_000)]
ENDS = {
    "given by the token": [*ended(1, 10, 600_000, idTag="T2"), *ended(1, 11, 550_000, idTag="T1")],
    "given by the registers": [*ended(1, 10, 512_000), *ended(1, 11, 9000)],
}


def test_an_id_on_two_connectors_at_once_is_two_sessions(tmp_path):
    middle = [*metered(9, 1, 1, wh=5000), *metered(9, 1, 2, wh=507_000)]
    source = read(tmp_path, [*BOTH, *middle, *ENDS["given by the registers"]])
    assert kwh(source) == {"CAR1": [8.0], "CAR2": [12.0]}
    assert source.frame.set_index("battery_id")["departure_utc"]["CAR2"] == pd.Timestamp(at(10))
    frames = [*begun(1, 8, "T1", 1, 1000), *begun(1, 8, "T2", 2, 1000)]
    ends = [*ended(1, 10, 5000, idTag="T2"), *ended(1, 11, 9000, idTag="T1")]
    assert kwh(read(tmp_path, [*frames, *ends])) == {"CAR1": [8.0], "CAR2": [4.0]}


def test_ends_that_could_be_of_two_are_given_to_none_and_the_others_stand(tmp_path):
    frames = [*begun(1, 8, "T1", 1), *begun(1, 8, "T2", 2), *ended(1, 10), *ended(1, 11)]
    source = read(tmp_path, [*frames, *begun(2, 12, "T3", 1), *ended(2, 13)])
    assert kwh(source) == {"CAR3": [8.0]}
    assert "connector:1 and connector:2 and nothing tells which of them ended" in source.notes[0]
    with pytest.raises(EmptyFileError, match="nothing tells which"):
        read(tmp_path, frames)


def test_two_stations_with_one_connector_id_and_start(tmp_path):
    frames = [*begun(1, 8, "T1", 1, 1000), *begun(1, 8, "T2", 1, 500_000)]
    source = read(tmp_path, [*frames, *ENDS["given by the registers"], *metered(9, soc=50)])
    assert kwh(source) == {"CAR1": [8.0], "CAR2": [12.0]}
    assert source.frame["session_id"].nunique() == 2
    assert any("1 readings were left out, 2 transactions run there" in note for note in source.notes)
    alone = read(tmp_path, [*begun(1, 8), *ended(1, 10)]).frame["session_id"].tolist()
    other = read(tmp_path, [*begun(1, 8), *ended(1, 10)], station="north").frame["session_id"].tolist()
    assert alone != other


def test_a_station_that_sends_again_what_got_no_answer_tells_nothing_new(tmp_path):
    source = read(tmp_path, [*begun(1, 8), *begun(1, 8), *ended(1, 10), *ended(1, 10)])
    assert (kwh(source), source.notes) == ({"CAR1": [8.0]}, ())


def event(kind, hour, evse, transaction_id="1", **values):
    values = metered(hour, **values)[0][3]["meterValue"] if values else []
    payload = {
        "eventType": kind, "timestamp": at(hour), "transactionInfo": {"transactionId": transaction_id},
        "meterValue": values, "evse": {"id": evse}, "idToken": {"idToken": f"T{evse}"},
    }  # fmt: skip
    return [2, f"e{hour}{evse}{kind}", "TransactionEvent", payload]


def test_an_id_at_two_places_at_once_in_2_0_1(tmp_path):
    frames = [
        event("Started", 8, 1, soc=30), event("Started", 8, 2, soc=50), event("Updated", 9, 1, soc=40),
        event("Ended", 10, 2, soc=70), event("Ended", 11, 1, soc=60),
        event("Started", 12, 1, soc=10), event("Ended", 13, 1, soc=20),
    ]  # fmt: skip
    frame = read(tmp_path, frames, target_soc=None, cars=None).frame.sort_values(
        ["battery_id", "arrival_utc"]
    )
    columns = ["battery_id", "arrival_soc", "departure_soc"]
    assert frame[columns].to_numpy().tolist() == [["CAR1", 0.3, 0.6], ["CAR1", 0.1, 0.2], ["CAR2", 0.5, 0.7]]


@pytest.mark.parametrize(
    ("socs", "expected", "left"),
    [
        ([0, 63, 80], [0.63, 0.8], 1),
        ([0, 0, 63, 80], [0.63, 0.8], 2),
        ([63, 0, 80], [0.63, 0.8], 1),
        ([63, 70, 80, 0], [0.63, 0.8], 1),
        ([0, 2, 30], [0.0, 0.3], 0),
        ([3, 0, 2, 30], [0.03, 0.3], 0),
    ],
)
def test_a_state_of_charge_of_0_is_believed_only_next_to_a_low_one(tmp_path, socs, expected, left):
    middle = [frame for n, soc in enumerate(socs) for frame in metered(8 + n / 4, 1, soc=soc)]
    source = read(tmp_path, [*begun(1, 8), *middle, *ended(1, 10)])
    assert source.frame[["arrival_soc", "departure_soc"]].to_numpy().tolist() == [expected]
    text = f"transaction '1': {left} states of charge of 0 are placeholders, not readings, and were left out"
    assert source.notes == ((text,) if left else ())


def test_where_only_placeholders_are_reported_the_energy_tells_and_without_a_target_the_others_stand(
    tmp_path,
):
    zeros = [*metered(8, 1, soc=0), *metered(9, 1, soc=0)]
    frames = [*begun(1, 8), *zeros, *ended(1, 10)]
    assert kwh(read(tmp_path, frames)) == {"CAR1": [8.0]}
    others = [*begun(2, 12), *metered(12, 2, soc=30), *metered(13, 2, soc=60), *ended(2, 13)]
    source = read(tmp_path, [*frames, *others], target_soc=None, cars=None)
    assert source.frame["arrival_soc"].tolist() == [0.3]
    assert any("reports no state of charge at both ends" in note for note in source.notes)


@pytest.mark.parametrize(
    ("start", "values", "stop", "expected", "note"),
    [
        (500_000, [506_000, 1000], 4000, 10.0, "falls from 506,000 to 1,000 Wh"),
        (500_000, [], 4000, 4.0, "falls from 500,000 to 4,000 Wh"),
        (500_000, [503_000, 0, 2000, 500], 1500, 6.5, "falls from 503,000 to 0 Wh"),
        (506_123, [506_100, 512_000], 514_123, 8.0, None),
        (900, [899], 8900, 8.0, None),
        (500_000, [0, 4000], 506_000, 6.0, "readings are of two registers"),
    ],
)
def test_a_register_that_falls_counts_in_parts(tmp_path, start, values, stop, expected, note):
    middle = [frame for n, wh in enumerate(values) for frame in metered(8.5 + n / 4, 1, wh=wh)]
    source = read(tmp_path, [*begun(1, 8, meter=start), *middle, *ended(1, 9.75, stop)])
    assert kwh(source) == {"CAR1": [pytest.approx(expected)]}
    assert [note in stated for stated in source.notes] == ([True] if note else [])
