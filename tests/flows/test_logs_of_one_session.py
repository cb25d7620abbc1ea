"""What several OCPP logs tell of one session: whose mapping counts, what is withdrawn, what comes at once."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import flows.stages.ingest as stage
from flows.mapping.open_sessions import open_sessions
from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.stages.withdraw import withdraw
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF
from tests.flows.ocpp_logs import (
    BEGINNING,
    CS_1,
    LOGS,
    ODD,
    REST,
    Frames,
    begun_in,
    counted,
    in_parts,
    report,
    session_2,
    session_16,
    stamp,
    with_cars,
)  # fmt: skip
from warehouse.known import Known
from warehouse.sources import read_source
from warehouse.sources.ocpp_fragments import Begun
from warehouse.withdrawal import Rows


def options_of(text: str) -> dict[str, Any]:
    return {"batteries": dict(pair.split("=") for pair in text.split()), **CS_1}


def test_the_mapping_of_the_day_says_whose_a_session_is(tmp_path: Path) -> None:
    frames = session_16(17, "T1", 1, 8, 18, charge=True)
    wrong, right = options_of("T1=car2"), options_of("T1=car1")
    whole = with_cars(tmp_path / "whole")
    assert report(whole, [frames], **wrong)["battery_id"].tolist() == ["car2"]
    assert report(whole, [frames], **right)["battery_id"].tolist() == ["car1"], (
        "another mapping is another source"
    )
    parts = [frames[:5], frames[5:]]
    for first, second in (([parts[0]], parts), (parts, parts), ([parts[0]], [parts[1]])):
        workspace = with_cars(tmp_path / f"{len(first)}{len(second)}")
        report(workspace, first, **wrong)
        assert report(workspace, second, start=9, **right)["battery_id"].tolist() == ["car1"]
    assert report(workspace, [parts[1]], start=19, **CS_1)["battery_id"].tolist() == ["car1"], "told no more"


def test_what_is_withdrawn_is_gone_on_with_no_more(tmp_path: Path) -> None:
    mine, theirs = (session_16(7, "car1", 1, 8, last, charge=True) for last in (18, 14))
    other = session_16(8, "car2", 2, 9, 15, charge=True)
    whole = report(with_cars(tmp_path / "whole"), [mine], **CS_1)
    for number, taken in enumerate((theirs[5:], [*theirs[5:], *other])):
        workspace = with_cars(tmp_path / f"{number}")
        report(workspace, [taken], **CS_1)
        rows = Rows(dataset="sessions", source="log-0.jsonl")
        moment = Context.of(workspace, AS_OF + timedelta(minutes=5))
        withdraw(moment, rows, action="withdraw", decided_by="me", reason="of another station")
        found = report(workspace, [mine[:5], mine[5:]], start=9, **CS_1)
        pd.testing.assert_frame_equal(found, whole)


def test_parts_with_a_gap_take_nothing_from_a_session_that_was_announced_whole(tmp_path: Path) -> None:
    frames = ODD["a register that falls"]
    workspace = with_cars(tmp_path / "depot")
    whole = report(workspace, [frames], **CS_1)
    pd.testing.assert_frame_equal(report(workspace, [frames[:3], frames[-1:]], start=9, **CS_1), whole)


def test_a_session_that_ended_with_an_unknown_charge_is_not_there_any_more(tmp_path: Path) -> None:
    frames = session_16(17, "car1", 1, 8, 18, charge=False)
    workspace = with_cars(tmp_path / "depot")
    later = pd.Timestamp(stamp(30))
    assert report(workspace, [frames[:5]], **CS_1).empty
    for parts, there in (([], ["car1"]), ([frames[5:]], [])):
        assert report(workspace, parts, start=9, **CS_1).empty
        known = Known(workspace.warehouse, AS_OF + timedelta(hours=1))
        assert open_sessions(known, later, ["car1"])["battery_id"].tolist() == there


def test_logs_that_are_ingested_at_once_or_as_of_another_order_are_put_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, options = LOGS["2.0.1"]
    whole = report(with_cars(tmp_path / "whole"), [frames], **options)
    workspace = with_cars(tmp_path / "late")
    report(workspace, [REST], start=60, **options)
    pd.testing.assert_frame_equal(report(workspace, [BEGINNING], **options), whole)
    assert workspace.warehouse.read("core_session")["received_utc"].min() >= pd.Timestamp(
        AS_OF + timedelta(minutes=60)
    ), "nothing is known before what it rests on"

    workspace = with_cars(tmp_path / "race")
    read = stage.read_file

    def overtaken(*args: Any) -> Any:
        monkeypatch.setattr(stage, "read_file", read)
        item = read(*args)
        report(workspace, [REST], **options)
        return item

    file = workspace.root / "mine.jsonl"
    file.write_text("".join(json.dumps(frame) + "\n" for frame in BEGINNING))
    monkeypatch.setattr(stage, "read_file", overtaken)
    moment = Context.of(workspace, AS_OF + timedelta(minutes=5))
    ingest(moment, "sessions", [file], source="ocpp", options=options)
    check(moment)
    pd.testing.assert_frame_equal(counted(workspace), whole)


def test_a_quiet_day_is_no_reason_to_refuse_a_call(tmp_path: Path) -> None:
    frames, options = LOGS["2.0.1"]
    whole = report(with_cars(tmp_path / "whole"), [frames], **options)
    quiet: Frames = [[2, "h", "Heartbeat", {}], [3, "h", {"currentTime": stamp(1)}]]
    workspace = with_cars(tmp_path / "depot")
    pd.testing.assert_frame_equal(report(workspace, [quiet, BEGINNING, REST], at_once=True, **options), whole)


def test_a_log_whose_beginning_is_held_elsewhere_says_where(tmp_path: Path) -> None:
    begun = begun_in(tmp_path, BEGINNING)
    file = tmp_path / "rest.jsonl"
    file.write_text("".join(json.dumps(frame) + "\n" for frame in REST))
    item = read_source("sessions", file, source="ocpp", begun=begun, **CS_1)
    assert any("one of that id is held of no station" in note for note in item.notes)
    before = Begun(sessions=begun.sessions)
    item = read_source("sessions", file, source="ocpp", begun=before)
    assert any("is of an earlier version: ingest its log again" in note for note in item.notes)


def test_ids_of_transactions_may_hold_what_ids_of_sessions_may_not(tmp_path: Path) -> None:
    logs = [session_2(number, "car1", 1, 8, 18) for number in ("a*b|c=", "a_b_c_", "x" * 36)]
    ids = [in_parts(tmp_path, [log[:3], log[3:]], CS_1).index.tolist() for log in logs]
    assert [len(one) for one in ids] == [1, 1, 1]
    assert len({one[0] for one in ids}) == 3


def decided(workspace: Workspace, minutes: int, **rows: Any) -> None:
    moment = Context.of(workspace, AS_OF + timedelta(minutes=minutes))
    asked = Rows(dataset="sessions", **rows)
    withdraw(moment, asked, action="withdraw", decided_by="me", reason="was not so")
    check(moment)


def test_what_rests_on_a_withdrawn_log_is_gone_on_with_no_more(tmp_path: Path) -> None:
    mine, theirs = (session_16(7, "car1", 1, 8, last, charge=True) for last in (18, 14))
    whole = report(with_cars(tmp_path / "whole"), [mine], **CS_1)
    workspace = with_cars(tmp_path / "depot")
    report(workspace, [mine[:3], theirs[-1:], mine[3:5]], **CS_1)
    decided(workspace, 5, source="log-1.jsonl")
    pd.testing.assert_frame_equal(report(workspace, [mine[5:]], start=9, **CS_1), whole)


def test_a_withdrawn_session_stays_so_when_its_logs_are_sent_again(tmp_path: Path) -> None:
    frames = session_16(17, "car1", 1, 8, 18, charge=True)
    parts = [frames[:5], frames[5:]]
    workspace = with_cars(tmp_path / "depot")
    name = str(report(workspace, parts, **CS_1).index[0])
    decided(workspace, 5, key={"session_id": name})
    for number, order in enumerate((parts, parts[::-1], parts[:1], parts[1:])):
        assert report(workspace, order, start=10 + 3 * number, **CS_1).empty
    assert len(report(workspace, [frames], start=30, **CS_1)) == 1, "another file says so"


def test_tokens_of_guests_are_not_held(tmp_path: Path) -> None:
    guest = session_16(17, "visitor", 1, 8, 18, charge=True)
    guest[-1][3]["idTag"] = "visitor"
    mine = session_16(18, "car1", 2, 8, 18, charge=True)
    options = {"batteries": {"car1": "car1"}, **CS_1}
    for number, parts in enumerate(([guest[5:]], [guest[5:], guest[:5]], [guest[:5], guest[5:]], [guest])):
        workspace = with_cars(tmp_path / f"{number}")
        assert len(report(workspace, [mine[:4], *parts, mine[4:]], at_once=True, **options)) == 1
        held = workspace.warehouse.read("raw_source")["transactions"].dropna()
        assert len(held) > 1
        assert not held.str.contains("visitor").any()
