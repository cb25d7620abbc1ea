"""What a grid operator says: files that are read right or refused, and kept by the gateway at once."""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.dispatch.gateway.desk import Desk
from flows.dispatch.gateway.signals import SignalError, SiteLimit, limits_of
from flows.dispatch.plan_file import text_of
from flows.errors import UsageError
from tests.flows.depots import START, at_site, made_plan
from tests.flows.metered_depot import Depot
from warehouse.files import write_whole

OWN = {"site_id": "depot", "from": "2026-06-16T16:10:00Z", "to": "2026-06-16T18:40:00+02:00", "import_kw": 6}
EVENT: dict[str, Any] = {
    "id": "e1", "createdDateTime": "2026-06-16T15:00:00Z", "objectType": "EVENT", "programID": "p",
    "priority": 0, "targets": [{"type": "RESOURCE_NAME", "values": ["depot"]}],
    "payloadDescriptors": [
        {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "IMPORT_CAPACITY_LIMIT", "units": "KW"}
    ],
    "intervalPeriod": {"start": "2026-06-16T16:10:00Z", "duration": "PT15M"},
    "intervals": [
        {"id": 0, "payloads": [{"type": "IMPORT_CAPACITY_LIMIT", "values": [6.0]}]},
        {"id": 1, "payloads": [{"type": "IMPORT_CAPACITY_LIMIT", "values": [3.5]}]},
    ],
}  # fmt: skip


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def read(stated: object) -> list[SiteLimit]:
    return list(limits_of(json.dumps(stated).encode())[0])


def with_(**changed: Any) -> dict[str, Any]:
    return {**EVENT, **changed}


def test_own_limits_and_events_of_openadr_are_read_right() -> None:
    assert read(OWN) == [SiteLimit(site_id="depot", begin=at(10), end=at(40), import_kw=6.0)]
    assert read(EVENT) == [
        SiteLimit(site_id="depot", begin=at(10), end=at(25), import_kw=6.0),
        SiteLimit(site_id="depot", begin=at(25), end=at(40), import_kw=3.5),
    ]
    newer = with_(targets=["depot", "hall"], intervals=EVENT["intervals"][:1])  # 3.1: targets are texts
    assert [one.site_id for one in read(newer)] == ["depot", "hall"]
    own_period = {
        **EVENT["intervals"][0],
        "intervalPeriod": {"start": "2026-06-16T20:00:00Z", "duration": "P1DT1H"},
    }
    (alone,) = read(with_(intervals=[own_period], intervalPeriod=None))
    assert (alone.begin, alone.end) == (at(240), at(240) + timedelta(hours=25))
    at_once = with_(
        intervalPeriod={"start": "0001-01-01T00:00:00Z", "duration": "P9999Y"},
        intervals=EVENT["intervals"][:1],
    )
    (open_end,) = read(at_once)
    assert open_end.begin == datetime(2026, 6, 16, 15, tzinfo=UTC)
    assert open_end.end.year == 9999
    assert str(open_end).endswith("until it is lifted")


def test_what_is_not_acted_on_is_said_and_costs_nothing_else() -> None:
    price = {"type": "PRICE", "values": [0.2]}
    mixed = with_(intervals=[{"id": 0, "payloads": [price, *EVENT["intervals"][0]["payloads"]]}])
    limits, notes = limits_of(json.dumps([mixed, {"site_id": "hall"}, OWN]).encode())
    assert [one.import_kw for one in limits] == [6.0, 6.0]
    assert [note.split(",")[0] for note in notes] == [
        "PRICE is not acted on", "no. 2: says neither import_kw nor export_kw",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ({**OWN, "import_kw": -1}, "import_kw = '-1'"), ({**OWN, "import_kw": "6"}, "import_kw = '6'"),
        ({**OWN, "import_kw": True}, "import_kw"), ({**OWN, "kw": 3}, "has kw"),
        ({**OWN, "from": "2026-06-16T16:10:00"}, "no offset"), ({**OWN, "from": "soon"}, "is no time"),
        ({**OWN, "to": OWN["from"]}, "not after it began"), ({**OWN, "site_id": 7}, "names no site_id"),
        ({k: v for k, v in OWN.items() if k != "to"}, "to = 'None'"), (7, "is no object"),
        (with_(targets=[]), "names no site"), (with_(targets=None), "names no site"),
        (with_(payloadDescriptors=[]), "no unit"),
        (with_(payloadDescriptors=[{"payloadType": "IMPORT_CAPACITY_LIMIT", "units": "KVA"}]), "KVA, not KW"),
        (with_(intervalPeriod={"start": "2026-06-16T16:10:00Z", "duration": "15 min"}), "no duration"),
        (with_(intervalPeriod=None), "no start"),
        (with_(intervals=[{"payloads": [{"type": "IMPORT_CAPACITY_LIMIT", "values": []}]}]), "one value"),
        (with_(intervals=[{"id": 0}]), "no payloads"), (with_(intervals={}), "orders nothing"),
        (with_(intervals=[]), "orders nothing"), (with_(intervals=None), "orders nothing"),
        (with_(intervals=EVENT["intervals"][0]), "orders nothing"),
        (with_(duration="PT0S"), "orders nothing"), (with_(intervals=[{"payloads": []}]), "orders nothing"),
        (with_(intervals=[{"payloads": [{"type": "PRICE", "values": [1]}]}]), "PRICE is not acted on"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_with_its_reason(stated: object, why: str) -> None:
    with pytest.raises(SignalError, match=why):
        limits_of(json.dumps(stated).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000, b"nan", b'{"a":NaN}'])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(SignalError):
        limits_of(data)


def places(stated: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    pairs = (
        stated.items() if isinstance(stated, dict) else enumerate(stated if isinstance(stated, list) else ())
    )
    for key, value in pairs:
        yield from places(value, (*path, key))


@pytest.mark.parametrize(
    "odd", [None, True, 1, -1, 10**400, math.inf, math.nan, "x", "", "\ud800", "P1D", "9" * 500, [], [[]],
            [{}], [None], {}, {"a": 1}, "0001-01-01T00:00+14:00"],
    ids=lambda odd: repr(odd)[:20],
)  # fmt: skip
def test_whatever_stands_anywhere_in_a_file_it_is_read_or_refused(odd: Any) -> None:
    read_right = refused = 0
    for stated in (OWN, EVENT):
        for path in list(places(stated))[1:]:
            wrong = copy.deepcopy(stated)
            at_place: Any = wrong
            for key in path[:-1]:
                at_place = at_place[key]
            at_place[path[-1]] = odd
            try:
                limits, _ = limits_of(json.dumps(wrong).encode())
                read_right += 1
                assert all(f"{one}".encode() and one.import_kw <= 1e6 for one in limits)
            except SignalError:
                refused += 1
    assert read_right and refused


def test_of_two_limits_in_one_interval_the_least_holds() -> None:
    both = [{"type": "IMPORT_CAPACITY_LIMIT", "values": [kw]} for kw in (3.0, 9.0)]
    assert [one.import_kw for one in read(with_(intervals=[{"payloads": both}]))] == [3.0]


def test_what_is_no_plain_file_costs_no_other_signal_and_no_plan(tmp_path: Path) -> None:
    depot = Depot(tmp_path, at_site(made_plan({1: [4.0] * 24}), 50.0))
    depot.begin()
    for folder, name in (("signals", "a"), ("exports", "dispatch_a")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.json").symlink_to(tmp_path / "nowhere.json")
        os.mkfifo(tmp_path / folder / f"{name}b.json")
        (tmp_path / folder / f"{name}c.json").mkdir()
    write_whole(tmp_path / "signals" / "dim.json", json.dumps(EVENT))
    assert depot.desk.look_at_signals()
    assert {one["problem"].split()[0] for one in depot.stated("signal refused")} == {
        "a.json",
        "ab.json",
        "ac.json",
    }
    newer = at_site(made_plan({1: [5.0] * 24}, plan_id="p2", as_of=at(1)), 50.0)
    write_whole(tmp_path / "exports" / "dispatch_newer.json", text_of(newer))
    assert depot.desk.plans.look(depot.now)
    assert depot.desk.plans.plans[0].plan_id == "p2"


def test_the_gateway_keeps_a_limit_at_once_and_lets_go_when_it_is_over(tmp_path: Path) -> None:
    depot = Depot(tmp_path, at_site(made_plan({1: [4.0] * 24, 2: [6.0] * 24}), 50.0))
    depot.begin()
    depot.minutes(2)
    assert sum(depot.powers().values()) == 10.0
    (tmp_path / "signals").mkdir()
    write_whole(tmp_path / "signals" / "dim.json", json.dumps(EVENT))
    assert depot.desk.look_at_signals()
    assert not depot.desk.look_at_signals()
    depot.desk.guard.look()
    drawn = []
    while depot.now < at(60):
        drawn.append((depot.now, sum(depot.powers().values())))
        depot.minutes(1)
        if depot.now == at(20):  # killed, with the folder away
            (tmp_path / "signals").rename(tmp_path / "away")
            depot.desk = depot.opened()
            assert not depot.desk.look_at_signals()
            depot.desk.guard.look()
    for moment, power in drawn:
        most = 6.0 if at(10) <= moment < at(25) else 3.5 if at(25) <= moment < at(40) else math.inf
        assert power <= most + 1e-9, moment
        if moment < at(8):
            assert power == 10.0
    late = [power for moment, power in drawn if moment >= at(45)]
    assert min(late) >= 10.0, "and what was held back is made up"
    lines = (tmp_path / "gateway" / "alerts.jsonl").read_text().splitlines()
    stated = [json.loads(line)["problem"] for line in lines if "limited by the grid" in line]
    assert len(stated) == 2, "each once, over a restart too"
    assert "site depot may draw 6 kW from 2026-06-16 16:10 UTC to 2026-06-16 16:25 UTC" in stated
    assert (tmp_path / "gateway" / "replan.json").exists()


def test_an_event_of_many_limits_asks_for_one_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    depot = Depot(tmp_path, at_site(made_plan({1: [4.0] * 24}), 50.0))
    depot.begin()
    asked: list[str] = []
    monkeypatch.setattr(Desk, "ask", lambda _, why: asked.append(why))
    (tmp_path / "signals").mkdir()
    week = [{**EVENT["intervals"][0], "id": number} for number in range(672)]
    write_whole(tmp_path / "signals" / "week.json", json.dumps(with_(intervals=week)))
    assert depot.desk.look_at_signals()
    (why,) = asked
    assert why.startswith("limited by the grid: site depot may draw 6 kW") and why.endswith("; and 671 more")
    lines = (tmp_path / "gateway" / "alerts.jsonl").read_text().splitlines()
    assert sum("limited by the grid" in line for line in lines) == 672, "each is an alert"


def test_a_file_that_goes_lifts_its_limit_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    depot = Depot(tmp_path, at_site(made_plan({1: [4.0] * 24}), 50.0))
    depot.begin()
    file = tmp_path / "signals" / "dim.json"
    file.parent.mkdir()
    write_whole(
        file, json.dumps({**OWN, "from": START.isoformat(), "to": at(300).isoformat(), "import_kw": 1.0})
    )
    depot.desk.look_at_signals()
    depot.minutes(2)
    assert depot.asked(1) == 1.0
    write_whole(file, "{")
    depot.desk.look_at_signals()
    depot.minutes(2)
    assert depot.asked(1) == 1.0
    assert [one["problem"] for one in depot.stated("signal refused")] == ["dim.json is no JSON"]
    file.unlink()
    depot.desk.look_at_signals()
    depot.minutes(2)
    assert depot.asked(1) >= 4.0
    assert len(depot.stated("limit lifted")) == 1
    assert list((tmp_path / "gateway" / "signals").iterdir()) == []


def test_the_command_writes_a_file_that_the_gateway_keeps(tmp_path: Path) -> None:
    def run(*words: str) -> Any:
        moment = ("--as-of", START.isoformat())
        return CliRunner().invoke(app, ["-w", str(tmp_path), "--json", *moment, "gateway", "limit", *words])

    span = ("--from", "2026-06-16T16:10Z", "--to", "2026-06-16T16:40Z")
    done = run("yard/1", "--import-kw", "4.2", *span)
    assert done.exit_code == 0, done.output
    (file,) = (tmp_path / "signals").iterdir()
    assert json.loads(done.stdout)["file"] == str(file)
    (one,), notes = limits_of(file.read_bytes())
    assert (one.site_id, one.begin, one.end, one.import_kw, notes) == ("yard/1", at(10), at(40), 4.2, ())
    for words in (
        ("yard", *span), ("yard", "--import-kw", "1", "--from", span[3], "--to", span[1]),
        ("yard", "--import-kw", "-1", *span), ("yard", "--import-kw", "1", "--to", "soon"),
        ("yard", "--import-kw", "1", "--from", "2026-06-16T14:00Z", "--to", "2026-06-16T15:00Z"),
    ):  # fmt: skip
        refused = run(*words)
        assert isinstance(refused.exception, UsageError) or refused.exit_code == 2, words
    assert len(list((tmp_path / "signals").iterdir())) == 1


def test_another_limit_of_the_same_moment_stands_beside_the_first(tmp_path: Path) -> None:
    span = ("--from", "2026-06-16T16:10Z", "--to", "2026-06-16T16:40Z", "--as-of", START.isoformat())
    long = "ä" * 60
    orders = (("yard", "--import-kw", "4.2"), ("yard", "--export-kw", "0"), ("yard", "--import-kw", "2"),
              ("Yard", "--import-kw", "7"), (long, "--import-kw", "1"),
              ("yard", "--import-kw", "4.2"))  # fmt: skip
    for order in orders:
        done = CliRunner().invoke(app, ["-w", str(tmp_path), "gateway", "limit", *order, *span])
        assert done.exit_code == 0, done.output
    files = list((tmp_path / "signals").iterdir())
    held = [one for file in files for one in limits_of(file.read_bytes())[0]]
    assert sorted((one.site_id, one.import_kw, one.export_kw) for one in held) == [
        ("Yard", 7.0, math.inf), ("yard", 2.0, math.inf), ("yard", 4.2, math.inf), ("yard", math.inf, 0.0),
        (long, 1.0, math.inf),
    ]  # fmt: skip


def test_a_limit_for_a_site_that_no_plan_knows_says_so(tmp_path: Path) -> None:
    def known(site: str) -> bool:
        words = ("gateway", "limit", site, "--import-kw", "1", "--to", "2026-06-16T17:00Z")
        done = CliRunner().invoke(app, ["-w", str(tmp_path), "--json", *words, "--as-of", START.isoformat()])
        assert done.exit_code == 0, done.output
        return bool(json.loads(done.stdout)["known"])

    assert known("depot"), "no gateway has run here: nothing tells otherwise"
    Depot(tmp_path, at_site(made_plan({1: [4.0] * 24}), 50.0))
    assert known("depot")
    assert not known("depto")


SETPOINT = {
    **EVENT,
    "payloadDescriptors": [{"payloadType": "DISPATCH_SETPOINT", "units": "KW"}],
    "intervalPeriod": {"start": "2026-06-16T16:10:00Z", "duration": "PT15M", "randomizeStart": "PT5M"},
    "intervals": [
        {"id": 0, "payloads": [{"type": "DISPATCH_SETPOINT", "values": [5.0]}]},
        {"id": 1, "intervalPeriod": {"start": "0001-01-01T00:00:00Z", "duration": "PT10M"},
         "payloads": [{"type": "DISPATCH_SETPOINT", "values": [0]}]},
    ],
}  # fmt: skip


def test_a_set_point_is_read_and_one_that_cannot_be_meant_is_refused() -> None:
    first, second = read(SETPOINT)
    assert (first.begin, first.end, first.setpoint_kw, first.bounds_kw) == (at(10), at(25), 5.0, (5.0, 0.0))
    assert (second.begin, second.end, second.bounds_kw) == (at(25), at(35), (0.0, 0.0)), "after the first"
    assert str(first).startswith("site depot is to draw 5 kW from 2026-06-16 16:10")
    (cut,) = read({**SETPOINT, "duration": "PT10M"})
    assert (cut.begin, cut.end) == (at(10), at(20))
    for changed, why in (
        ({"intervals": [{"payloads": [{"type": "DISPATCH_SETPOINT", "values": [-3]}]}]}, "is no power of"),
        ({"intervals": [{"payloads": [{"type": "DISPATCH_SETPOINT_RELATIVE", "values": [3]}]}]},
         "RELATIVE is not"),
        ({"payloadDescriptors": [{"payloadType": "DISPATCH_SETPOINT", "units": "PERCENT"}]},
         "PERCENT, not KW"),
        ({"duration": "P9999Y"}, "repeat"), ({"intervalPeriod": "soon"}, "is no object"),
        ({"intervalPeriod": {"start": "2026-06-16T16:10:00Z", "duration": "P1M"}}, "is no duration"),
    ):  # fmt: skip
        with pytest.raises(SignalError, match=why):
            limits_of(json.dumps({**SETPOINT, **changed}).encode())


def test_the_gateway_lets_nothing_above_a_set_point_and_asks_for_a_plan(tmp_path: Path) -> None:
    """A car feeds back and one draws: under the order nothing is fed back in sum, and no more drawn."""
    depot = Depot(tmp_path, at_site(made_plan({1: [-4.0] * 24, 2: [6.0] * 24, 3: [-4.0] * 24}), 50.0))
    depot.begin()
    depot.minutes(2)
    assert sum(depot.powers().values()) == -2.0
    (tmp_path / "signals").mkdir()
    write_whole(tmp_path / "signals" / "order.json", json.dumps(SETPOINT))
    assert depot.desk.look_at_signals()
    depot.desk.guard.look()
    for _ in range(34):
        moment, power = depot.now, sum(depot.powers().values())
        if at(10) <= moment < at(25):
            assert -1e-9 <= power <= 5.0 + 1e-9, moment
        if at(25) <= moment < at(35):
            assert power == pytest.approx(0.0, abs=0.11), moment
        depot.minutes(1)
    asked = json.loads((tmp_path / "gateway" / "replan.json").read_text())
    assert asked["why"]
    (told,) = (tmp_path / "inbox").glob("site_limits__csv__*.csv")
    rows = [line.split(",") for line in told.read_text().splitlines()]
    assert [(row[1][11:16], row[3], row[4], row[5]) for row in rows[1:]] == [
        ("16:00", "5", "0", "5"), ("16:15", "0", "0", "0"), ("16:30", "0", "0", "0"),
    ]  # fmt: skip
