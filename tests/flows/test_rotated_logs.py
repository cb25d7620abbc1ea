"""OCPP logs that rotation cut: in parts, one after the other, they tell what they tell in one piece."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import given, settings

from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.stages.tryout import dry_run
from flows.stages.withdraw import withdraw
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, put, session_rows
from tests.flows.ocpp_logs import (
    BEGINNING,
    CS_1,
    FLEET,
    LOGS,
    NO_IDS,
    ODD,
    REST,
    Frames,
    begun_in,
    counted,
    energy,
    in_parts,
    raised,
    report,
    session_2,
    session_16,
    soc,
    stamp,
    with_cars,
)  # fmt: skip
from warehouse.errors import OptionError
from warehouse.fragments import begun
from warehouse.sources import read_source
from warehouse.sources.ocpp_fragments import Begun
from warehouse.withdrawal import Rows


@pytest.mark.parametrize("name", LOGS)
def test_a_log_cut_anywhere_is_read_as_if_it_were_whole(tmp_path: Path, name: str) -> None:
    frames, options = LOGS[name]
    if "target_soc" in options:
        options = {**options, "cars": FLEET}
    whole = in_parts(tmp_path, [frames], options)
    assert len(whole) == sum("StopTransaction" in frame or "Ended" in str(frame) for frame in frames)
    places = [number for number in range(2, len(frames)) if frames[number][0] == 2]
    for number, first in enumerate(places):
        parts = [frames[:first], frames[first:]]
        pd.testing.assert_frame_equal(in_parts(tmp_path, parts, options), whole)
        if number + 3 < len(places):
            second = places[number + 3]
            parts = [frames[:first], frames[first:second], frames[second:]]
            pd.testing.assert_frame_equal(in_parts(tmp_path, parts, options), whole)


def test_parts_that_are_ingested_one_by_one_or_in_one_call_are_one_log(tmp_path: Path) -> None:
    frames, options = LOGS["1.6 by the register alone, ids that come again"]
    whole = report(with_cars(tmp_path / "whole"), [frames], **options)
    third = len(frames) // 3
    parts = [frames[:third], frames[third : 2 * third], frames[2 * third :]]
    for at_once in (False, True):
        workspace = with_cars(tmp_path / f"{at_once}")
        pd.testing.assert_frame_equal(report(workspace, parts, at_once=at_once, **options), whole)
        before = len(workspace.warehouse.read("raw_session"))
        pd.testing.assert_frame_equal(report(workspace, parts, at_once=at_once, **options), whole)
        assert len(workspace.warehouse.read("raw_session")) == before, "what was reported is known"


def rest(folder: Path, begun: Begun, frames: Frames = REST, **options: Any) -> set[str]:
    """The transactions whose end is read."""
    file = folder / "rest.jsonl"
    file.write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    found = read_source("sessions", file, source="ocpp", begun=begun, **options).frame
    return {name.split("@")[0] for name in found.dropna(subset=["departure_utc"])["session_id"]}


def of_car_1(frames: Frames) -> Frames:
    return [frame for frame in frames if frame[3]["transactionInfo"]["transactionId"] == "a"]


def with_car_1(frames: Frames) -> Frames:
    return [*[frame for frame in BEGINNING if frame not in of_car_1(BEGINNING)], *frames]


NOT_THE_REST: dict[str, tuple[Frames, dict[str, str], dict[str, str]]] = {
    "another station's": (BEGINNING, {"station": "CS 2"}, CS_1),
    "a station's that is not named": (BEGINNING, {}, CS_1),
    "a register that was higher": (with_car_1(raised(of_car_1(BEGINNING), 9e8)), {}, {}),
    "a register no charger can come from": (with_car_1(raised(of_car_1(BEGINNING), -9e8)), CS_1, CS_1),
    "it began later": (with_car_1(session_2("a", "car1", 1, 19, 29)[:2]), CS_1, CS_1),
    "another id": (with_car_1(session_2("c", "car1", 1, 8, 18)[:3]), CS_1, CS_1),
    "another place": (with_car_1(session_2("a", "car1", 7, 8, 18)[:3]), CS_1, CS_1),
}


@pytest.mark.parametrize("what", NOT_THE_REST)
def test_what_cannot_be_the_rest_of_a_session_is_not_joined_to_it(tmp_path: Path, what: str) -> None:
    frames, before, options = NOT_THE_REST[what]
    end = [{**frame[3], "evse": {"id": 1}} for frame in of_car_1(REST)]
    others = [frame for frame in REST if frame not in of_car_1(REST)]
    stated = [*others, *([2, f"e{number}", "TransactionEvent", one] for number, one in enumerate(end))]
    assert rest(tmp_path, begun_in(tmp_path, BEGINNING, **options), stated, **options) == {"ocpp-a", "ocpp-b"}
    found = rest(tmp_path, begun_in(tmp_path, frames, **before), stated, **options)
    assert found == ({"ocpp-b"} if before == options else set())


def test_a_car_that_came_again_has_left(tmp_path: Path) -> None:
    begun = begun_in(tmp_path, BEGINNING, station="CS 1")
    again = {"session_id": "x", "battery_id": "car1", "charger_id": None}
    for hours, found in ((17, {"ocpp-b"}), (19, {"ocpp-a", "ocpp-b"})):
        came = pd.DataFrame([{**again, "arrival_utc": pd.Timestamp(stamp(hours))}])
        assert rest(tmp_path, begun.and_of("x", None, came), station="CS 1") == found


def test_another_token_ends_no_session_of_an_earlier_log(tmp_path: Path) -> None:
    frames = session_16(17, "car1", 1, 8, 18, charge=True)
    begun = begun_in(tmp_path, frames[:4])
    stop = frames[-1]
    for token, found in (("car1", {"ocpp-17"}), (None, {"ocpp-17"}), ("car2", set())):
        messages = [2, "e", "StopTransaction", stop[3] | ({"idTag": token} if token else {})]
        assert rest(tmp_path, begun, [*frames[4:-1], messages]) == found, token


def test_an_id_that_comes_again_behind_the_rest_is_a_session_of_its_own(tmp_path: Path) -> None:
    frames = LOGS["1.6 by the register alone, ids that come again"][0]
    own = [frame for frame in frames if frame[2] == "MeterValues" and frame[3]["transactionId"] == 1]
    begun = begun_in(tmp_path, frames[:3])
    options = {"target_soc": 0.9, "cars": FLEET}
    assert len(own) > 8
    file = tmp_path / "again.jsonl"
    file.write_text("".join(json.dumps(frame) + "\n" for frame in frames[3:]))
    found = read_source("sessions", file, source="ocpp", begun=begun, **options).frame
    arrivals = found.loc[found["battery_id"] == "car1", "arrival_utc"].dt.hour
    assert sorted(arrivals) == [8, 20]


def test_logs_that_overlap_and_logs_that_come_in_another_order(tmp_path: Path) -> None:
    frames, options = LOGS["2.0.1"]
    whole = report(with_cars(tmp_path / "whole"), [frames], **options)
    overlapping = report(with_cars(tmp_path / "over"), [frames[:8], frames[1:]], **options)
    pd.testing.assert_frame_equal(overlapping, whole)
    late = with_cars(tmp_path / "late")
    assert report(late, [REST], **options).empty
    pd.testing.assert_frame_equal(report(late, [BEGINNING], **options), whole)
    pd.testing.assert_frame_equal(report(late, [REST, BEGINNING], **options), whole)


def cars_begun(workspace: Workspace, moment: datetime) -> set[str | None]:
    return {one["battery_id"] for _, one in begun(workspace.warehouse, "ocpp", moment).held}


def test_a_beginning_that_is_withdrawn_or_came_later_is_none(tmp_path: Path) -> None:
    workspace = with_cars(tmp_path / "depot")
    report(workspace, [BEGINNING], station="CS 1")
    assert cars_begun(workspace, AS_OF) == {"car1", "car2"}
    assert not begun(workspace.warehouse, "csv", AS_OF).held
    rows = Rows(dataset="sessions", key={"battery_id": "car1"})
    moment = Context.of(workspace, AS_OF + timedelta(minutes=1))
    withdraw(moment, rows, action="withdraw", decided_by="me", reason="a test of the plug")
    assert cars_begun(workspace, AS_OF + timedelta(minutes=2)) == {"car2"}


def test_a_dry_run_reads_the_rest_as_the_real_run_does(tmp_path: Path) -> None:
    workspace = with_cars(tmp_path / "depot")
    report(workspace, [BEGINNING], station="CS 1")
    file = workspace.root / "rest.jsonl"
    file.write_text("".join(json.dumps(frame) + "\n" for frame in REST))
    how: dict[str, Any] = {"source": "ocpp", "options": {"station": "CS 1"}}
    answer = dry_run(Context.of(workspace, AS_OF), "sessions", [file], **how)
    assert answer.tables["files"][0]["would be let in"] == 2, answer.tables
    both = [workspace.root / "log-0.jsonl", file]
    fresh = with_cars(tmp_path / "fresh")
    answer = dry_run(Context.of(fresh, AS_OF), "sessions", both, **how)
    assert [row["outcome"] for row in answer.tables["files"]] == ["taken", "taken"], answer.tables
    answer = dry_run(Context.of(fresh, AS_OF), "sessions", both[::-1], **how)
    assert [row["outcome"] for row in answer.tables["files"]] == ["taken", "taken"], answer.tables


def test_an_end_reported_again_and_what_a_stop_says_of_the_beginning_change_nothing(tmp_path: Path) -> None:
    frames = session_16(17, "car1", 1, 8, 18, charge=True)
    stop = frames[-1]
    begins = {"transactionData": [energy(8, 0.0), soc(8, 20), energy(18, 40_000.0)]}
    stated = [*frames[:-1], [*stop[:3], stop[3] | begins]]
    whole = report(with_cars(tmp_path / "whole"), [frames])
    cut = report(with_cars(tmp_path / "cut"), [stated[:5], stated[5:]])
    assert cut["energy_kwh"].tolist() == [40.0]
    again = with_cars(tmp_path / "again")
    pd.testing.assert_frame_equal(report(again, [frames[:5], frames[5:]]), whole)
    file = again.root / "again.jsonl"
    file.write_text(json.dumps(stop) + "\n")
    later = Context.of(again, AS_OF + timedelta(minutes=9))
    ingest(later, "sessions", [file], source="ocpp")
    check(later)
    pd.testing.assert_frame_equal(counted(again), whole)


def test_stations_that_nobody_names_end_no_session_of_one_another(tmp_path: Path) -> None:
    mine, theirs = (
        session_16(7, car, 1, first, 20, charge=True) for car, first in (("car1", 8), ("car2", 9))
    )
    begun = begun_in(tmp_path, mine[:4])
    assert rest(tmp_path, begun, mine[4:]) == {"ocpp-7"}
    other = begun_in(tmp_path, theirs[:4])
    begun = Begun(held=(*begun.held, *other.held), sessions=pd.concat([begun.sessions, other.sessions]))
    assert rest(tmp_path, begun, mine[4:]) == set()
    stop = mine[-1]
    assert rest(tmp_path, begun, [*mine[4:-1], [*stop[:3], stop[3] | {"idTag": "CAR1"}]]) == {"ocpp-7"}


def test_a_session_that_somebody_announced_is_no_other_session_of_a_charger_s_log(tmp_path: Path) -> None:
    workspace = with_cars(tmp_path / "depot")
    frames = session_16(17, "car1", 1, 8, 18, charge=True)
    row = session_rows().head(1).assign(battery_id="car1", session_id="plan1")
    put(workspace, "sessions", row.assign(arrival_utc=stamp(9), departure_utc=stamp(19)))
    check(Context.of(workspace, AS_OF))
    found = report(workspace, [frames[:5], frames[5:]])
    assert [name.split("@")[0] for name in found.index] == ["ocpp-17"]


def test_a_register_that_begins_anew_in_the_next_log_is_not_gone_on_with(tmp_path: Path) -> None:
    frames = session_16(17, "car1", 1, 8, 18, charge=True)
    later = raised(frames[5:], -1_014_000.0)
    assert rest(tmp_path, begun_in(tmp_path, frames[:5]), later) == set()


@pytest.mark.parametrize("front", [b"", b"\0" * 5000])
def test_a_log_cut_within_a_line_loses_that_line_alone(tmp_path: Path, front: bytes) -> None:
    begun = begun_in(tmp_path, BEGINNING)
    lines = "".join(json.dumps(frame) + "\n" for frame in REST).encode()
    file = tmp_path / "half.jsonl"
    file.write_bytes(front + (b"" if front else b'stamp": "2026-09-01T12:00:00Z"}]}]\n') + lines)
    found = read_source("sessions", file, source="ocpp", begun=begun).frame
    assert found["departure_utc"].notna().sum() == 2


@pytest.mark.parametrize("name", ODD)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_parts_in_any_order_some_of_them_twice_are_one_log(name: str, data: st.DataObject) -> None:
    frames = ODD[name]
    places = [number for number in range(1, len(frames)) if frames[number][0] == 2]
    cuts = sorted(data.draw(st.sets(st.sampled_from(places), min_size=1, max_size=3)))
    parts = [frames[low:high] for low, high in zip([0, *cuts], [*cuts, len(frames)], strict=True)]
    again = data.draw(st.lists(st.sampled_from(parts), max_size=2))
    # Values of no transaction say nothing until it is known what ran there.
    order = [*parts, *again] if name == NO_IDS else data.draw(st.permutations([*parts, *again]))
    with TemporaryDirectory() as folder:
        whole = in_parts(Path(folder), [frames], {"station": "CS 1"})
        assert len(whole)
        pd.testing.assert_frame_equal(in_parts(Path(folder), order, {"station": "CS 1"}), whole)


def test_a_log_of_parts_alone_is_held_whatever_else_it_has(tmp_path: Path) -> None:
    whole = in_parts(tmp_path, [BEGINNING + REST], CS_1)
    guest = session_2("g", "guest", 3, 8, 18)[:3]
    torn: Frames = [[2, "x", "TransactionEvent", {}]]
    options = {"batteries": {"car1": "car1", "car2": "car2"}, **CS_1}
    for before, after_it in ((torn, torn), (guest, []), ([], guest)):
        parts = [[*before, *REST], [*BEGINNING, *after_it]]
        pd.testing.assert_frame_equal(in_parts(tmp_path, parts, options), whole)
    with pytest.raises(OptionError, match="gives no battery for 'guest' or 'evse:3'; did you mean 'guest1'"):
        in_parts(tmp_path, [guest], {"batteries": {"guest1": "car1"}, **CS_1})
