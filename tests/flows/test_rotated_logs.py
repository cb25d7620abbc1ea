"""OCPP logs that rotation cut: in parts, one after the other, they tell what they tell in one piece."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import after, ingest
from flows.stages.tryout import dry_run
from flows.stages.withdraw import withdraw
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, fleet_rows, put, session_rows, site_rows
from warehouse.begun import COLUMNS as BEGUN
from warehouse.begun import begun
from warehouse.errors import EmptyFileError
from warehouse.sources import read_source
from warehouse.withdrawal import Rows

DAY = datetime(2026, 9, 1, tzinfo=UTC)
TOLD = ["battery_id", "arrival_utc", "departure_utc", "arrival_soc", "departure_soc", "energy_kwh",
        "register_kwh", "last_soc", "charger_id"]  # fmt: skip
Frames = list[list[Any]]


def stamp(hours: float) -> str:
    return f"{DAY + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"


def soc(hours: float, value: float) -> dict[str, Any]:
    return {"timestamp": stamp(hours), "sampledValue": [{"value": str(value), "measurand": "SoC"}]}


def energy(hours: float, wh: float) -> dict[str, Any]:
    return {
        "timestamp": stamp(hours),
        "sampledValue": [{"value": str(wh), "measurand": "Energy.Active.Import.Register"}],
    }


def stay_16(number: int, token: str, place: int, first: float, last: float, *, charge: bool) -> Frames:
    """A stay of 1.6 at 4 kW, with the state of charge where `charge`, told every two hours."""
    begin = 1_000_000.0 + 1000 * number
    start = {"connectorId": place, "idTag": token, "meterStart": begin, "timestamp": stamp(first)}
    stop = {"transactionId": number, "meterStop": begin + 4000 * (last - first), "timestamp": stamp(last)}
    frames: Frames = [
        [2, f"s{number}", "StartTransaction", start],
        [3, f"s{number}", {"transactionId": number, "idTagInfo": {"status": "Accepted"}}],
    ]
    hours = first
    while hours <= last:
        values = [energy(hours, begin + 4000 * (hours - first))]
        values += [soc(hours, round(20 + 5 * (hours - first), 1))] if charge else []
        told = {"connectorId": place, "transactionId": number, "meterValue": values}
        frames.append([2, f"v{number}-{hours}", "MeterValues", told])
        hours += 2.0
    return [*frames, [2, f"e{number}", "StopTransaction", stop]]


def stay_2(number: str, token: str, place: int, first: float, last: float) -> Frames:
    """The same of 2.0.1: place and token are told with the start alone."""
    frames: Frames = []
    hours, seq = first, 0
    while hours <= last:
        kind = "Started" if hours == first else "Ended" if hours + 2.0 > last else "Updated"
        told = {
            "eventType": kind, "timestamp": stamp(hours), "seqNo": seq, "triggerReason": "MeterValuePeriodic",
            "transactionInfo": {"transactionId": number},
            "meterValue": [energy(hours, 5e5 + 4000 * (hours - first)), soc(hours, 20 + 5 * (hours - first))],
        }  # fmt: skip
        if kind == "Started":
            told |= {"evse": {"id": place}, "idToken": {"idToken": token, "type": "ISO14443"}}
        frames.append([2, f"{number}-{seq}", "TransactionEvent", told])
        hours, seq = hours + 2.0, seq + 1
    return frames


def in_time(*stays: Frames) -> Frames:
    """Frames of several stays as a log has them; an answer stays behind its call."""

    def time(frame: list[Any]) -> str:
        told = frame[3]
        return str(told["meterValue"][0]["timestamp"] if frame[2] == "MeterValues" else told["timestamp"])

    keyed = []
    for frames in stays:
        last = ""
        for frame in frames:
            last = time(frame) if frame[0] == 2 else last
            keyed.append((last, frame))
    return [frame for _, frame in sorted(keyed, key=lambda one: one[0])]


LOGS = {
    "1.6 with charges": (
        in_time(
            stay_16(17, "car1", 1, 8, 18, charge=True),
            stay_16(18, "car2", 2, 9, 20, charge=True),
            stay_16(19, "car1", 1, 21, 31, charge=True),
        ),
        {},
    ),
    "1.6 by the register alone, ids that come again": (
        in_time(
            stay_16(1, "car1", 1, 8, 16, charge=False),
            stay_16(2, "car2", 2, 9, 17, charge=False),
            stay_16(1, "car1", 1, 20, 30, charge=False),
        ),
        {"target_soc": 0.9},
    ),
    "2.0.1": (in_time(stay_2("a", "car1", 1, 8, 18), stay_2("b", "car2", 2, 9, 21)), {"station": "CS 1"}),
}


FLEET = pd.concat([fleet_rows().head(1).assign(battery_id=car) for car in ("car1", "car2")])


def in_parts(folder: Path, parts: list[Frames], options: dict[str, Any]) -> pd.DataFrame:
    """Read logs one after the other, each with what those before it began; return the stays that ended."""
    how, found = {"begun": pd.DataFrame(columns=list(BEGUN))}, list[pd.DataFrame]()
    for number, frames in enumerate(parts):
        file = folder / f"{number}.jsonl"
        file.write_text("".join(json.dumps(frame) + "\n" for frame in frames))
        try:
            item = read_source("sessions", file, source="ocpp", **how, **options)
        except EmptyFileError:
            continue
        how = after(how, item)
        found.append(item.frame)
    rows = pd.concat(found).dropna(subset=["departure_utc"]).sort_values("session_id")
    assert not rows["session_id"].duplicated().any()
    return rows.set_index("session_id")[TOLD]


def with_cars(root: Path) -> Workspace:
    workspace = Workspace.open(Workspace.create(root, zone="DE-LU").root)
    put(workspace, "sites", site_rows())
    put(workspace, "fleet", FLEET)
    return workspace


def tell(workspace: Workspace, parts: list[Frames], *, at_once: bool = False, **options: Any) -> pd.DataFrame:
    """Ingest and check logs, one after the other or in one call; return the sessions that count."""
    files = []
    for number, frames in enumerate(parts):
        files.append(workspace.root / f"log-{number}.jsonl")
        files[-1].write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    for number, group in enumerate([files] if at_once else [[file] for file in files]):
        context = Context.of(workspace, AS_OF + timedelta(minutes=number))
        ingest(context, "sessions", group, source="ocpp", options=dict(options))
        check(context)
    return counted(workspace)


def counted(workspace: Workspace) -> pd.DataFrame:
    rows = workspace.warehouse.read("core_session").sort_values("session_id")
    return rows.set_index("session_id")[TOLD]


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
    whole = tell(with_cars(tmp_path / "whole"), [frames], **options)
    third = len(frames) // 3
    parts = [frames[:third], frames[third : 2 * third], frames[2 * third :]]
    for at_once in (False, True):
        workspace = with_cars(tmp_path / f"{at_once}")
        pd.testing.assert_frame_equal(tell(workspace, parts, at_once=at_once, **options), whole)
        before = len(workspace.warehouse.read("raw_session"))
        pd.testing.assert_frame_equal(tell(workspace, parts, at_once=at_once, **options), whole)
        assert len(workspace.warehouse.read("raw_session")) == before, "what was told is known"


BEGINNING, REST = LOGS["2.0.1"][0][:5], LOGS["2.0.1"][0][5:]
"""Both stays begin in the former and end in the latter."""


def begun_rows(folder: Path, frames: Frames, **options: Any) -> pd.DataFrame:
    file = folder / "begun.jsonl"
    file.write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    item = read_source("sessions", file, source="ocpp", **options)
    return pd.DataFrame(after({"begun": pd.DataFrame(columns=list(BEGUN))}, item)["begun"])


def rest(folder: Path, begun: pd.DataFrame, frames: Frames = REST, **options: Any) -> set[str]:
    """The transactions whose end is read."""
    file = folder / "rest.jsonl"
    file.write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    try:
        found = read_source("sessions", file, source="ocpp", begun=begun, **options).frame
    except EmptyFileError as error:
        assert "after the log before it, ingested first, it is read" in str(error)
        return set()
    return {name.split("@")[0] for name in found.dropna(subset=["departure_utc"])["session_id"]}


NOT_THE_REST = {
    "another station's": {"charger_id": "CS 2 evse:1"},
    "a station's that is not named": {"charger_id": "evse:1"},
    "a register that was higher": {"register_kwh": 9e5},
    "a register that no charger can have come from": {"register_kwh": -9e6},
    "a car that came again": {"next_utc": pd.Timestamp(DAY + timedelta(hours=17))},
    "it began later": {"arrival_utc": pd.Timestamp(DAY + timedelta(hours=19))},
    "an id of another kind": {"session_id": "tx-a"},
}


@pytest.mark.parametrize("what", NOT_THE_REST)
def test_what_cannot_be_the_rest_of_a_stay_is_not_joined_to_it(tmp_path: Path, what: str) -> None:
    begun = begun_rows(tmp_path, BEGINNING, station="CS 1")
    begun["next_utc"] = pd.to_datetime(begun["next_utc"], utc=True)
    assert rest(tmp_path, begun, station="CS 1") == {"ocpp-a", "ocpp-b"}
    for column, value in NOT_THE_REST[what].items():
        begun.loc[begun["battery_id"] == "car1", column] = value
    assert rest(tmp_path, begun, station="CS 1") == {"ocpp-b"}


def test_another_token_ends_no_stay_of_an_earlier_log(tmp_path: Path) -> None:
    frames = stay_16(17, "car1", 1, 8, 18, charge=True)
    begun = begun_rows(tmp_path, frames[:4])
    stop = frames[-1]
    for token, found in (("car1", {"ocpp-17"}), (None, {"ocpp-17"}), ("car2", set())):
        told = [2, "e", "StopTransaction", stop[3] | ({"idTag": token} if token else {})]
        assert rest(tmp_path, begun, [*frames[4:-1], told]) == found, token


def test_an_id_that_comes_again_behind_the_rest_is_a_stay_of_its_own(tmp_path: Path) -> None:
    frames = LOGS["1.6 by the register alone, ids that come again"][0]
    own = [frame for frame in frames if frame[2] == "MeterValues" and frame[3]["transactionId"] == 1]
    begun = begun_rows(tmp_path, frames[:3])
    options = {"target_soc": 0.9, "cars": FLEET}
    assert len(own) > 8
    file = tmp_path / "again.jsonl"
    file.write_text("".join(json.dumps(frame) + "\n" for frame in frames[3:]))
    found = read_source("sessions", file, source="ocpp", begun=begun, **options).frame
    arrivals = found.loc[found["battery_id"] == "car1", "arrival_utc"].dt.hour
    assert sorted(arrivals) == [8, 20]


def test_logs_that_overlap_and_logs_that_come_in_another_order(tmp_path: Path) -> None:
    frames, options = LOGS["2.0.1"]
    whole = tell(with_cars(tmp_path / "whole"), [frames], **options)
    overlapping = tell(with_cars(tmp_path / "over"), [frames[:8], frames[1:]], **options)
    pd.testing.assert_frame_equal(overlapping, whole)
    late = with_cars(tmp_path / "late")
    with pytest.raises(EmptyFileError, match="ingested first, it is read"):
        tell(late, [REST], **options)
    pd.testing.assert_frame_equal(tell(late, [BEGINNING, REST], **options), whole)


def test_a_beginning_that_is_withdrawn_or_came_later_is_none(tmp_path: Path) -> None:
    workspace = with_cars(tmp_path / "depot")
    tell(workspace, [BEGINNING], station="CS 1")
    assert set(begun(workspace.warehouse, "ocpp", AS_OF)["battery_id"]) == {"car1", "car2"}
    assert begun(workspace.warehouse, "ocpp", AS_OF - timedelta(seconds=1)).empty
    assert begun(workspace.warehouse, "csv", AS_OF).empty
    rows = Rows(dataset="sessions", key={"battery_id": "car1"})
    moment = Context.of(workspace, AS_OF + timedelta(minutes=1))
    withdraw(moment, rows, action="withdraw", decided_by="me", reason="a test of the plug")
    assert set(begun(workspace.warehouse, "ocpp", AS_OF + timedelta(minutes=2))["battery_id"]) == {"car2"}
    assert set(begun(workspace.warehouse, "ocpp", AS_OF)["battery_id"]) == {"car1", "car2"}


def test_a_dry_run_reads_the_rest_as_the_real_run_does(tmp_path: Path) -> None:
    workspace = with_cars(tmp_path / "depot")
    tell(workspace, [BEGINNING], station="CS 1")
    file = workspace.root / "rest.jsonl"
    file.write_text("".join(json.dumps(frame) + "\n" for frame in REST))
    how: dict[str, Any] = {"source": "ocpp", "options": {"station": "CS 1"}}
    told = dry_run(Context.of(workspace, AS_OF), "sessions", [file], **how)
    assert told.tables["files"][0]["would be let in"] == 2, told.tables
    both = [workspace.root / "log-0.jsonl", file]
    fresh = with_cars(tmp_path / "fresh")
    told = dry_run(Context.of(fresh, AS_OF), "sessions", both, **how)
    assert [row["outcome"] for row in told.tables["files"]] == ["taken", "taken"], told.tables
    told = dry_run(Context.of(fresh, AS_OF), "sessions", both[::-1], **how)
    assert [row["outcome"] for row in told.tables["files"]] == ["refused", "taken"], told.tables


def test_an_end_told_again_and_what_a_stop_says_of_the_beginning_change_nothing(tmp_path: Path) -> None:
    frames = stay_16(17, "car1", 1, 8, 18, charge=True)
    stop = frames[-1]
    begins = {"transactionData": [energy(8, 0.0), soc(8, 20), energy(18, 40_000.0)]}
    told = [*frames[:-1], [*stop[:3], stop[3] | begins]]
    whole = tell(with_cars(tmp_path / "whole"), [frames])
    cut = tell(with_cars(tmp_path / "cut"), [told[:5], told[5:]])
    assert cut["energy_kwh"].tolist() == [40.0]
    again = with_cars(tmp_path / "again")
    pd.testing.assert_frame_equal(tell(again, [frames[:5], frames[5:]]), whole)
    file = again.root / "again.jsonl"
    file.write_text(json.dumps(stop) + "\n")
    later = Context.of(again, AS_OF + timedelta(minutes=9))
    with pytest.raises(EmptyFileError, match="ingested first, it is read"):
        ingest(later, "sessions", [file], source="ocpp")
    pd.testing.assert_frame_equal(counted(again), whole)


def test_stations_that_nobody_names_end_no_stay_of_one_another(tmp_path: Path) -> None:
    mine, theirs = (stay_16(7, car, 1, first, 20, charge=True) for car, first in (("car1", 8), ("car2", 9)))
    begun = pd.concat([begun_rows(tmp_path, mine[:4]), begun_rows(tmp_path, theirs[:4])])
    assert rest(tmp_path, begun.head(1), mine[4:]) == {"ocpp-7"}
    assert rest(tmp_path, begun, mine[4:]) == set()
    stop = mine[-1]
    assert rest(tmp_path, begun, [*mine[4:-1], [*stop[:3], stop[3] | {"idTag": "CAR1"}]]) == {"ocpp-7"}


def test_a_stay_that_somebody_announced_is_no_other_stay_of_a_charger_s_log(tmp_path: Path) -> None:
    workspace = with_cars(tmp_path / "depot")
    frames = stay_16(17, "car1", 1, 8, 18, charge=True)
    row = session_rows().head(1).assign(battery_id="car1", session_id="plan1")
    put(workspace, "sessions", row.assign(arrival_utc=stamp(9), departure_utc=stamp(19)))
    check(Context.of(workspace, AS_OF))
    found = tell(workspace, [frames[:5], frames[5:]])
    assert [name.split("@")[0] for name in found.index] == ["ocpp-17"]


def test_a_register_that_begins_anew_in_the_next_log_is_not_gone_on_with(tmp_path: Path) -> None:
    frames = stay_16(17, "car1", 1, 8, 18, charge=True)
    for frame in frames[5:]:
        for group in frame[3].get("meterValue", []):
            sample = group["sampledValue"][0]
            if sample["measurand"] != "SoC":
                sample["value"] = str(float(sample["value"]) - 1_014_000.0)
        if "meterStop" in frame[3]:
            frame[3]["meterStop"] -= 1_014_000.0
    assert rest(tmp_path, begun_rows(tmp_path, frames[:5]), frames[5:]) == set()


@pytest.mark.parametrize("front", [b"", b"\0" * 5000])
def test_a_log_cut_within_a_line_loses_that_line_alone(tmp_path: Path, front: bytes) -> None:
    begun = begun_rows(tmp_path, BEGINNING)
    lines = "".join(json.dumps(frame) + "\n" for frame in REST).encode()
    file = tmp_path / "half.jsonl"
    file.write_bytes(front + (b"" if front else b'stamp": "2026-09-01T12:00:00Z"}]}]\n') + lines)
    found = read_source("sessions", file, source="ocpp", begun=begun).frame
    assert found["departure_utc"].notna().sum() == 2
