"""What is wrong with one line, frame, value or transaction of an OCPP log costs the others nothing."""

import json

import pytest

from tests.warehouse.test_source_ocpp import HOUR, event, log_16, log_201, sessions, soc, write
from warehouse.errors import OptionError

OURS = log_16()
AT_11 = {"transactionId": 17, "connectorId": 1}


def meter(*values, **more):
    return [2, "mv", "MeterValues", {**AT_11, "meterValue": list(values), **more}]


GUEST = log_16(18, "g1", "GUEST", socs=("30", "60"), connector=2)
UNREAD = "1 lines or values could not be read and were left out, the first: log.jsonl, row {}"

ALONE = {
    "a guest's car": (GUEST, "transaction '18': left out, log.jsonl, row 7, column batteries: gives no bat"),
    "a placeholder of 255": ([meter(soc("255", 11))], UNREAD.format("6, column SoC: '255.0'")),
    "a placeholder of -1": ([meter(soc("-1", 11))], UNREAD.format("6, column SoC: '-1.0'")),
    "no number": ([meter(soc("NaN", 11))], UNREAD.format("6, column SoC: 'nan'")),
    "no text": ([meter(soc("", 11))], UNREAD.format("6, column value: ''")),
    "a unit that is none": ([meter(soc("50", 11, unitOfMeasure="Percent"))], UNREAD.format("6, column unit")),
    "no time": (
        [meter({**soc("50", 11), "timestamp": "soon"})],
        UNREAD.format("6, column timestamp: 'soon'"),
    ),
    "no list": ([meter(meterValue={"a": 1})], UNREAD.format("6, column meterValue")),
    "an end without a meter": (
        [[2, "z", "StopTransaction", {"transactionId": 5, "timestamp": HOUR.format(11)}]],
        UNREAD.format("6, column meterStop"),
    ),
    "an event of no kind": ([event("Begun", 11, 3)], UNREAD.format("6, column eventType: 'Begun'")),
    "no frame": ([{"station": 1}], UNREAD.format("6")),
}


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("name", ALONE)
def test_one_bad_member_is_left_out_and_reported(tmp_path, name, lines):
    bad, note = ALONE[name]
    source = sessions(write(tmp_path, [*OURS, *bad], lines=lines), batteries={"TAG1": "CAR1"})
    assert source.frame[["battery_id", "arrival_soc", "departure_soc"]].values.tolist() == [
        ["CAR1", 0.2, 0.8]
    ]
    assert [stated for stated in source.notes if stated.startswith(note)], source.notes


def test_a_log_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path):
    path = write(tmp_path, [*OURS, *log_16(18, "m2", "TAG2", connector=2)])
    path.write_text(path.read_text()[:-9])
    source = sessions(path, batteries={"TAG1": "CAR1", "TAG2": "CAR2"})
    assert source.frame["battery_id"].tolist() == ["CAR1", "CAR2"]
    assert source.frame["departure_utc"].isna().tolist() == [False, True]
    assert "the first: log.jsonl, row 10: is not JSON" in source.notes[0]
    assert source.notes[1].startswith("transaction '18': has no end yet, CAR2 is there since")


@pytest.mark.parametrize(
    "passed_over",
    [
        meter(
            {"timestamp": HOUR.format(11), "sampledValue": [{"value": "OCMF|{}|30", "format": "SignedData"}]}
        ),
        [6, "s1", "NotifyPeriodicEventStream", {"id": 1, "pending": 0, "data": []}],
        [5, "m1", "GenericError", "", {}],
    ],
)
def test_sealed_values_and_the_messages_of_2_1_are_passed_over(tmp_path, passed_over):
    for ours in (log_16(), log_201()):
        path = write(tmp_path, [*ours[:2], passed_over, *ours[2:]])
        source = sessions(path, battery_id="CAR1")
        assert source.frame[["arrival_soc", "departure_soc"]].values.tolist() == [[0.2, 0.8]]
        assert "could not be read" not in " ".join(source.notes)


def test_both_sides_of_a_connection_may_number_their_calls_alike(tmp_path):
    boot, start, result, *rest = log_16()
    theirs = [[2, "m1", "GetConfiguration", {}], [3, "m1", {"configurationKey": []}]]
    source = sessions(write(tmp_path, [boot, start, *theirs, result, *rest]), battery_id="CAR1")
    assert source.frame["arrival_soc"].tolist() == [0.2]


def test_readings_of_another_time_tell_nothing_of_a_transaction(tmp_path):
    stale = {**soc("3", 1), "timestamp": "1970-01-01T00:00:10Z"}
    late = soc("99", 20)
    source = sessions(write(tmp_path, [*OURS, meter(stale, late)]), battery_id="CAR1")
    assert source.frame[["arrival_soc", "departure_soc"]].values.tolist() == [[0.2, 0.8]]
    assert source.notes[0] == "transaction '17': 2 readings of another time were left out"


def test_a_token_is_the_same_in_capitals_unless_two_cars_differ_by_it(tmp_path):
    path = write(tmp_path, log_16(tag="tag1"))
    assert sessions(path, batteries={"TAG1": "CAR1"}).frame["battery_id"].tolist() == ["CAR1"]
    both = {"TAG1": "CAR1", "tag1": "CAR2"}
    assert sessions(path, batteries=both).frame["battery_id"].tolist() == ["CAR2"]
    with pytest.raises(OptionError, match="gives no battery for 'tag1'"):
        sessions(path, batteries={"TAG1": "CAR1", "Tag1": "CAR2"})


def test_a_log_of_which_nothing_is_left_is_refused_with_the_first_reason(tmp_path):
    broken = json.loads(json.dumps(OURS))[:3]
    broken[1][3]["timestamp"] = "yesterday"
    with pytest.raises(Exception, match=r"row 2, column timestamp: 'yesterday' is not an ISO 8601 time"):
        sessions(write(tmp_path, [*broken, *GUEST]), batteries={"TAG1": "CAR1"})


@pytest.mark.parametrize("status", ["Invalid", "Blocked", "Expired", "ConcurrentTx"])
def test_a_start_that_was_refused_leaves_no_car_plugged_in(tmp_path, status):
    started, answered = log_16(18, "m9", "TAG2", connector=2)[1:3]
    answered[2]["idTagInfo"] = {"status": status}
    source = sessions(write(tmp_path, [*OURS, started, answered]), batteries={"TAG1": "CAR1", "TAG2": "CAR2"})
    assert source.frame["battery_id"].tolist() == ["CAR1"]
    assert any("'18': left out, its token was refused" in note for note in source.notes), source.notes


@pytest.mark.parametrize(("answers", "there"), [(["Invalid"], False), (["Invalid", "Accepted"], True)])
def test_of_2_1_the_last_answer_to_a_token_tells_whether_the_car_is_there(tmp_path, answers, there):
    frames = list(log_201())
    for number, status in enumerate(answers):
        began = event(
            "Started" if number == 0 else "Updated", 20 + number, number, evse={"id": 3},
            transactionInfo={"transactionId": "t9"}, idToken={"idToken": f"T{number}", "type": "ISO14443"},
        )  # fmt: skip
        began[1] = f"e{number}"
        frames += [began, [3, f"e{number}", {"idTokenInfo": {"status": status}}]]
    source = sessions(write(tmp_path, frames), battery_id="CAR1")
    assert source.frame["departure_utc"].isna().any() == there
