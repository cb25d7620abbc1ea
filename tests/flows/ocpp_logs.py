"""Logs of OCPP messages as stations send them, plain and odd, and how they are read and ingested in parts."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import after, ingest
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, fleet_rows, put, site_rows
from warehouse.sources import read_source
from warehouse.sources.ocpp_fragments import Begun

DAY = datetime(2026, 9, 1, tzinfo=UTC)
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


def session_16(number: int, token: str, place: int, first: float, last: float, *, charge: bool) -> Frames:
    """A session of 1.6 at 4 kW, with the state of charge where `charge`, reported every two hours."""
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
        fields = {"connectorId": place, "transactionId": number, "meterValue": values}
        frames.append([2, f"v{number}-{hours}", "MeterValues", fields])
        hours += 2.0
    return [*frames, [2, f"e{number}", "StopTransaction", stop]]


def session_2(number: str, token: str, place: int, first: float, last: float) -> Frames:
    """The same of 2.0.1: place and token are reported with the start alone."""
    frames: Frames = []
    hours, seq = first, 0
    while hours <= last:
        kind = "Started" if hours == first else "Ended" if hours + 2.0 > last else "Updated"
        fields = {
            "eventType": kind, "timestamp": stamp(hours), "seqNo": seq, "triggerReason": "MeterValuePeriodic",
            "transactionInfo": {"transactionId": number},
            "meterValue": [energy(hours, 5e5 + 4000 * (hours - first)), soc(hours, 20 + 5 * (hours - first))],
        }  # fmt: skip
        if kind == "Started":
            fields |= {"evse": {"id": place}, "idToken": {"idToken": token, "type": "ISO14443"}}
        frames.append([2, f"{number}-{seq}", "TransactionEvent", fields])
        hours, seq = hours + 2.0, seq + 1
    return frames


def in_time(*sessions: Frames) -> Frames:
    """Frames of several sessions as a log has them; an answer stays behind its call."""

    def time(frame: list[Any]) -> str:
        stated = frame[3]
        return str(stated["meterValue"][0]["timestamp"] if frame[2] == "MeterValues" else stated["timestamp"])

    keyed = []
    for frames in sessions:
        last = ""
        for frame in frames:
            last = time(frame) if frame[0] == 2 else last
            keyed.append((last, frame))
    return [frame for _, frame in sorted(keyed, key=lambda one: one[0])]


LOGS = {
    "1.6 with charges": (
        in_time(
            session_16(17, "car1", 1, 8, 18, charge=True),
            session_16(18, "car2", 2, 9, 20, charge=True),
            session_16(19, "car1", 1, 21, 31, charge=True),
        ),
        {},
    ),
    "1.6 by the register alone, ids that come again": (
        in_time(
            session_16(1, "car1", 1, 8, 16, charge=False),
            session_16(2, "car2", 2, 9, 17, charge=False),
            session_16(1, "car1", 1, 20, 30, charge=False),
        ),
        {"target_soc": 0.9},
    ),
    "2.0.1": (
        in_time(session_2("a", "car1", 1, 8, 18), session_2("b", "car2", 2, 9, 21)),
        {"station": "CS 1"},
    ),
}


def raised(frames: Frames, wh: float) -> Frames:
    """The frames with the registers that much higher."""
    stated = copy.deepcopy(frames)
    for frame in stated:
        for group in frame[3].get("meterValue", []):
            for sample in group["sampledValue"]:
                if sample["measurand"] != "SoC":
                    sample["value"] = str(float(sample["value"]) + wh)
        for name in {"meterStart", "meterStop"} & set(frame[3]):
            frame[3][name] += wh
    return stated


def two_registers() -> Frames:
    """A meter's own register at both ends, the session's between them."""
    frames = session_16(17, "car1", 1, 8, 18, charge=True)
    between = raised([frame for frame in frames if frame[2] == "MeterValues"], -1_017_000.0)
    return [*frames[:2], *between, frames[-1]]


def no_register_at_first() -> Frames:
    """A session of 2.0.1 that tells its energy from its third message on."""
    frames = session_2("a", "car1", 1, 8, 18)
    for frame in frames[:2]:
        del frame[3]["meterValue"][0]
    return frames


def sent_later(what: str) -> Frames:
    """A session of 2.0.1 that begins without a token or a place, which one of its next messages tells."""
    frames = session_2("a", "car1", 1, 8, 18)
    frames[2][3][what] = frames[0][3].pop(what)
    return frames


def without_ids() -> Frames:
    """A session of 1.6 whose meter values name the connector alone."""
    frames = session_16(17, "car1", 1, 8, 18, charge=True)
    for frame in frames:
        if frame[2] == "MeterValues":
            del frame[3]["transactionId"]
    return frames


def before_its_clock() -> Frames:
    """A session of 1.6 with a stamp of before the station's clock was set."""
    frames = session_16(17, "car1", 1, 8, 18, charge=True)
    frames[5][3]["meterValue"][0]["timestamp"] = "1970-01-01T00:00:07Z"
    return frames


def another_card() -> Frames:
    """A session that ends by another card than it began with."""
    frames = session_16(17, "car1", 1, 8, 18, charge=True)
    frames[-1][3]["idTag"] = "keyring"
    return frames


NO_IDS = "meter values of no transaction"
ODD = {
    "two registers": two_registers(),
    "no register at first": no_register_at_first(),
    "a token that comes later": sent_later("idToken"),
    "a place that comes later": sent_later("evse"),
    NO_IDS: without_ids(),
    "a clock that was not set": before_its_clock(),
    "another card at the end": another_card(),
    "a register that falls": [
        *session_16(17, "car1", 1, 8, 18, charge=True)[:4],
        *raised(session_16(17, "car1", 1, 8, 18, charge=True)[4:], -1_020_000.0),
    ],
    **{name: frames for name, (frames, options) in LOGS.items() if "target_soc" not in options},
}


CS_1 = {"station": "CS 1"}
BEGINNING, REST = LOGS["2.0.1"][0][:5], LOGS["2.0.1"][0][5:]
"""Both sessions begin in the former and end in the latter."""


GIVEN = ["battery_id", "arrival_utc", "departure_utc", "arrival_soc", "departure_soc", "energy_kwh",
        "register_kwh", "last_soc", "charger_id"]  # fmt: skip


FLEET = pd.concat([fleet_rows().head(1).assign(battery_id=car) for car in ("car1", "car2")])


def in_parts(folder: Path, parts: list[Frames], options: dict[str, Any]) -> pd.DataFrame:
    """Read logs one after the other, each with what those before it began; return the sessions that ended."""
    how, found, ingested = dict[str, Any](begun=Begun()), list[pd.DataFrame](), set[str]()
    for number, frames in enumerate(parts):
        file = folder / f"{number}.jsonl"
        file.write_text("".join(json.dumps(frame) + "\n" for frame in frames))
        item = read_source("sessions", file, source="ocpp", **how, **options)
        if item.source_id in ingested:  # as the warehouse knows it
            continue
        ingested.add(item.source_id)
        how = after(how, item)
        found += [item.frame] if len(item.frame) else []
    rows = pd.concat(found).drop_duplicates("session_id", keep="last").dropna(subset=["departure_utc"])
    return rows.set_index("session_id")[GIVEN].sort_index()


def with_cars(root: Path) -> Workspace:
    workspace = Workspace.open(Workspace.create(root, zone="DE-LU").root)
    put(workspace, "sites", site_rows())
    put(workspace, "fleet", FLEET)
    return workspace


def report(
    workspace: Workspace, parts: list[Frames], *, at_once: bool = False, start: int = 0, **options: Any
) -> pd.DataFrame:
    """Ingest and check logs, one after the other or in one call; return the sessions that count."""
    files = []
    for number, frames in enumerate(parts):
        files.append(workspace.root / f"log-{number}.jsonl")
        files[-1].write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    for number, group in enumerate([files] if at_once else [[file] for file in files]):
        context = Context.of(workspace, AS_OF + timedelta(minutes=start + number))
        ingest(context, "sessions", group, source="ocpp", options=dict(options))
        check(context)
    return counted(workspace)


def counted(workspace: Workspace) -> pd.DataFrame:
    rows = workspace.warehouse.read("core_session").sort_values("session_id")
    return rows.set_index("session_id")[GIVEN]


def begun_in(folder: Path, frames: Frames, **options: Any) -> Begun:
    file = folder / "begun.jsonl"
    file.write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    item = read_source("sessions", file, source="ocpp", **options)
    return Begun().and_of(item.source_id, item.transactions, item.frame)
