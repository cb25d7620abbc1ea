"""Hostile text in every column of every table: no page, export or answer is anything but text for it.

Which doors there are is found: every command of the command line, and every module of `flows` that writes a
file, has to be named here with what opens it, or why it needs not be opened.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from pkgutil import walk_packages

import pandas as pd
import pytest
from typer.main import get_command

import flows
from flows import cli
from flows.stages import Context
from flows.stages.check import check
from flows.stages.ledger import make_key
from flows.stages.statement import settle_month
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, copied, put, spoil
from tests.flows.hostile_names import NAMES, formulas, make_hostile, skeleton, told
from tests.flows.test_realise import NEXT, OVER
from tests.flows.test_settle import settled_around
from warehouse.contracts import CONTRACTS
from warehouse.files import write_whole

__all__ = ["settled_around"]
ROOT = Path(__file__).parents[2]
MONTH = f"{DAY:%Y-%m}"
PLANS = object()
CAR = object()
OTHER = object()
OUT = object()

DOORS: dict[str, list[list[object]] | str] = {
    "report": [["report"], ["report", "--date", DAY]],
    "status": [["status"], ["status", "--prometheus"]],
    "trace": [["trace", PLANS]],
    "diff": [["diff", PLANS, PLANS]],
    "quarantine list": [["quarantine", "list"]],
    "quarantine show": [["quarantine", "show", "telemetry"], ["quarantine", "show", "prices"]],
    "statement": [["statement", "--month", MONTH, "--out", OUT, "--", CAR]],
    "settle": [["settle", "--date", DAY]],
    "bill": [["bill", "--month", MONTH]],
    "realise": [["realise", "--date", DAY]],
    "plan": [["plan", "--date", NEXT]],
    "check": [["check"]],
    "export": [["export", "--parquet", OUT]],
    "ledger show": [["ledger", "show"]],
    "ledger export": [["ledger", "export", OUT, "--battery", CAR]],
    "ledger verify": "reads what `ledger export` wrote, which this test holds to its bytes",
    "ledger key": "knows no table",
    "twin show": [["twin", "show", "--", CAR]],
    "twin compare": [["twin", "compare", "--", CAR, OTHER]],
    "twin replay": [["twin", "replay", "--", CAR]],
    "twin hindcast": [["twin", "hindcast", "--", CAR]],
    "twin export": [["twin", "export", "--out", OUT, "--", CAR]],
    "twin passport": [["twin", "passport", "--out", OUT, "--", CAR]],
    "twin share": "sums of figures, signed",
    "twin merge": "reads what `twin share` wrote elsewhere: tests/flows/test_federate.py",
    "ocpp profiles": [["ocpp", "profiles", "--date", DAY]],
    "s2 messages": [["s2", "messages", "--date", DAY]],
    **dict.fromkeys(("ocpi push", "ocpi active", "ocpi clear"),
                    "asks a central system of one's own: tests/flows/test_ocpi_command.py"),
    "ocpp check": "reads a file that somebody else wrote: tests/flows/test_ocpp_rules.py",
    "bid": [["bid", "--date", NEXT]],
    "study shares": [["study", "shares", "--date", DAY]],
    "study acceptance": [["study", "acceptance"]],
    "study investment": [["study", "investment"]],
    "study charger": [["study", "charger", "--efficiency", "0.96"]],
    "privacy erase": "takes out what it names: tests/flows/test_erase.py",
    "privacy export": "leaves out every text: tests/warehouse/test_pseudonyms.py",
    **dict.fromkeys(("privacy release", "privacy budget", "privacy rotate"), "figures and keys, no text"),
    "forecast day": [["forecast", "day"]],
    "forecast report": [["forecast", "report", "--from", DAY, "--to", NEXT]],
    "gateway status": [["gateway", "status"]],
    "gateway followed": [["gateway", "followed"]],
    "gateway run": "knows no table, but the plan's file: tests/flows/test_gateway.py",
    "gateway limit": "writes what its own options say: tests/flows/test_grid_limits.py",
    "simulate chargers": "knows no table, but the plan's file: tests/flows/test_gateway.py",
    "withdraw": [["withdraw", "sessions", "--key", "session_id=s1", "--reason", NAMES[0]]],
    "quarantine release": [["quarantine", "release", "telemetry", "--reason", NAMES[0]]],
    "open": "writes the pages that `report` does and serves the files: tests/flows/test_open.py",
    "snapshot": "copies the file as it is",
    "backup": "copies the file as it is",
    "restore": "copies the file, less who was erased: tests/warehouse/test_erased_again.py",
    "migrate": "changes layout and modes alone",
    "retention": [["retention", "--samples-days", "36500"]],
    "calibrate": [["calibrate"]],
    "run": "the stages of this table, one after the other; under Prefect: tests/flows/test_artifacts.py",
    "serve": "the stages of this table",
    "backfill": "the stages of this table: plan, realise",
    "backtest": "the stages of this table: plan, realise, in a copy of the tables",
    "init": "knows no table",
    "demo": "knows no table that it has not written",
    "warmup": "knows no table",
    "template": "knows no table",
    "ingest": "reads what somebody else wrote: tests/flows/test_hostile_text.py, test_hostile_files.py",
    "mapping suggest": "reads what somebody else wrote: tests/warehouse/test_suggest.py",
    "mapping keys": "knows no table",
}  # fmt: skip
"""Command → how it is given, or why it has no hostile text to show."""

WRITERS = {
    "flows.publish.pages", "flows.publish.schedule", "flows.dispatch.planned", "flows.twins",
    "flows.passport", "flows.stages.statement", "flows.publish.site", "warehouse.ledger.folder",
}  # fmt: skip
"""Modules whose files have to be seen written here."""
ELSEWHERE = {
    "flows.publish.owner_page": "`report --owner`: tests/flows/test_owner_page.py, with every name",
    "flows.publish.bids": "products, times and figures alone: no text of a table",
    "flows.commands.dispatch": "`ocpp profiles`, which is opened here: its file is looked for by name",
    "flows.publish.kept": "a page as `pages` made it, where a file system has no hard links",
    "flows.publish.csv_text": "makes the text of what `schedule` and `bids` write",
    "flows.console": "answers: all that a command prints is looked at here",
    "flows.server.password": "knows no table",
    "flows.server.opening": "a link of its own: tests/flows/test_open.py",
    "flows.lineage": "names of tables and stages, no text of a row: tests/flows/test_lineage.py",
    "flows.commands.own": "a template of the contracts",
    "flows.snapshot": "when something was last taken in",
    "flows.under_way": "the stages of a run, and its day",
    "flows.status_stored": "`status --json`, which is looked at here",
    "flows.notify": "tests/flows/test_notify.py; JSON, or the body of a mail",
    "flows.workspace": "settings of a new workspace",
    "flows.demo": "its own synthetic fleet",
    "flows.stages.inbox": "a reason next to a refused file: tests/flows/test_inbox_faults.py",
    "flows.commands.gateway": "a signal of its own options",
    "flows.stages.federate": "sums of figures, signed",
    **{f"flows.erasure.{name}": "files without what was erased: tests/flows/test_erase.py"
       for name in ("files", "journal")},
    **{f"flows.dispatch.gateway.{name}": "the gateway's own files: tests/flows/test_gateway_rows.py"
       for name in ("signal_rows", "desk", "signal_folder", "plans", "status", "outbox", "journal",
                    "alerts", "following")},
}  # fmt: skip
"""Modules that write files and are not opened here, and why."""


def commands() -> set[str]:
    """Every command of the command line."""

    def under(one: object, words: tuple[str, ...]) -> Iterator[str]:
        inner = getattr(one, "commands", None)
        if inner is None:
            yield " ".join(words)
        for name, below in (inner or {}).items():
            yield from under(below, (*words, name))

    return set(under(get_command(cli.app), ()))


_WRITING = ("write_whole", "write_text", "write_bytes", "to_csv", "to_parquet", "json_text")


def writers() -> set[str]:
    """Every module of `flows` that writes a file or makes the text of one."""
    found = set()
    for file in (ROOT / "flows").rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            name = (
                getattr(call.func, "attr", getattr(call.func, "id", "")) if isinstance(call, ast.Call) else ""
            )
            opened = name in ("open", "fdopen") and any(
                isinstance(one, ast.Constant) and one.value in ("a", "w", "wb", "ab", "x")
                for one in call.args
            )
            if opened or name in _WRITING:
                found.add(".".join(file.relative_to(ROOT).with_suffix("").parts))
    return found


def test_no_door_is_forgotten() -> None:
    assert commands() == set(DOORS), "a command is to be opened with hostile text, or it says why not"
    known = WRITERS | set(ELSEWHERE)
    assert writers() - known == set(), "a module that writes files is to be seen here, or it says why not"
    assert {name for name in known if name.startswith("flows.")} - writers() == set()
    assert {column.name for contract in CONTRACTS.values() for column in contract if told(column)} >= {
        "battery_id", "session_id", "site_id", "charger_id", "station_id", "reason", "note", "message",
        "file_name",
    }  # fmt: skip


@pytest.fixture(scope="module")
def proven(settled_around: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder around a depot with plans, accounts, settlements and their ledger."""
    around = tmp_path_factory.mktemp("proven")
    workspace = copied(settled_around, around)
    plugs = [
        {
            "charger_id": f"plug-{number}",
            "connector_id": number,
            "site_id": "yard",
            "phases": 3,
            "max_current_a": 16.0,
            "max_discharge_current_a": 16.0,
            "station_id": "S",
        }
        for number in (1, 2)
    ]
    put(workspace, "chargers", pd.DataFrame(plugs))
    check(Context.of(workspace, AS_OF))
    spoil(
        workspace,
        *(
            f"UPDATE {table} SET charger_id = 'plug-' || right(battery_id, 1)"  # noqa: S608
            for table in ("raw_session", "core_session")
        ),
    )
    make_key(workspace, "example.org/fleet")
    settle_month(Context.of(workspace, OVER), DAY.replace(day=1), "car-1")
    return around


class Visit:
    """A depot that is gone through door by door; codes, said: how each ended, and what it printed."""

    def __init__(self, around: Path, folder: Path, turn: int | None) -> None:
        self.folder = folder
        self.depot = copied(around, folder)
        plans = self.depot.warehouse.read("out_plan", columns=["plan_id"])["plan_id"].tolist()
        ids = {"car-1": "car-1", "car-2": "car-2"}
        if turn is not None:
            settings = self.depot.root / "v2g.toml"
            notice = json.dumps("".join(mark for mark in " ".join(NAMES[:27]) if mark.isprintable()))
            text = settings.read_text(encoding="utf-8").replace('notice = ""', f"notice = {notice}")
            settings.write_text(text, encoding="utf-8")
            self.depot = Workspace.open(self.depot.root)
            ids |= make_hostile(self.depot.root / "warehouse.duckdb", turn)["battery"]
        self.ids = ids
        self.words = {PLANS: plans[0], CAR: ids["car-1"], OTHER: ids["car-2"]}
        self.codes: dict[str, int] = {}
        self.said: dict[str, str] = {}

    def open(
        self,
        door: str,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        *,
        as_json: bool = False,
        last: bool = False,
    ) -> None:
        """Give a command in each of its ways, or the last alone, and as JSON too."""
        ways = DOORS[door]
        assert not isinstance(ways, str)
        for number, words in enumerate(ways[-1:] if last else ways):
            for more in ((), ("--json",)) if as_json else ((),):
                out = self.folder / "out" / f"{door} {number}{''.join(more)}"
                given = [str(self.words.get(word, out if word is OUT else word)) for word in words]  # type: ignore[call-overload]
                shared = ["-w", str(self.depot.root), "--as-of", OVER.isoformat(), *more]
                monkeypatch.setattr(sys, "argv", ["v2g", *shared, *given])
                with pytest.raises(SystemExit) as left:
                    cli.main()
                captured = capsys.readouterr()
                key = " ".join([door, str(number), *more])
                self.codes[key] = int(left.value.code or 0)
                self.said[key] = captured.out + ("" if more else captured.err)
                if more and not _is_json(captured.out):
                    self.said[key] = f"no JSON: {captured.out[:200]!r} {captured.err[-400:]!r}\r"

    def files(self, suffix: str) -> dict[str, Path]:
        """Files by name below the pages, the exports and what was asked to be written elsewhere."""
        roots = (self.depot.reports, self.depot.exports, self.folder / "out")
        return {
            str(file.relative_to(self.folder)): file for root in roots for file in root.rglob(f"*{suffix}")
        }


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


OF_EVERY_NAME = ("report", "statement")
"""Doors whose pages and files every name goes through as a car's; the first two go through all doors."""
TURNS = range(0, len(NAMES), 2)


@pytest.fixture
def plain(proven: Path, tmp_path: Path) -> Visit:
    return Visit(proven, tmp_path / "plain", None)


def test_no_name_is_more_than_text_on_any_page_export_or_screen(
    proven: Path, plain: Visit, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    wrote = _watch_writers(monkeypatch)
    monkeypatch.setattr(cli, "_leave", sys.exit)
    doors = [door for door, ways in DOORS.items() if not isinstance(ways, str)]
    tame = set[object]()
    for some, last in ((OF_EVERY_NAME, True), (doors, False)):
        for door in some:
            plain.open(door, capsys, monkeypatch, last=last)
        tame = tame.union(*(skeleton(file.read_text()).tags for file in plain.files(".html").values()))
    assert len(plain.files(".html")) >= 4 and wrote >= WRITERS, WRITERS - wrote
    assert any("profiles_" in name for name in plain.files(".json"))
    wrote.clear()
    seen = set()
    for turn in TURNS:
        visit = Visit(proven, tmp_path / f"turn {turn}", turn)
        seen |= {visit.ids["car-1"], visit.ids["car-2"]}
        for door in doors if turn == 0 else OF_EVERY_NAME:
            visit.open(door, capsys, monkeypatch, as_json=turn == 0, last=turn > 0)
        found = faults(visit, tame)
        assert found == [], sorted({(re.sub("[0-9]+", "9", where), str(what)[:60]) for where, what in found})
    assert seen == set(NAMES)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["plain", *(f"turn {n}" for n in TURNS)]
    )


_PATH = re.compile(r"[A-Za-z0-9 ~_.=@,+-]+(?:/[A-Za-z0-9 ~_.=@,+-]+)*")
_ADDRESS = re.compile(
    r"(?:\.\./)*[A-Za-z0-9~_-]+(?:/[A-Za-z0-9~_.-]+)*\.(?:html(?:#[a-z]+)?|passport\.json)|#[A-Za-z0-9_-]*|data:,"
)


_SEAL = re.compile(r"\('!--', \(' made of [0-9a-f]{64}: [0-9a-f]{64} ',\)\)")


def faults(visit: Visit, tame: set[object]) -> list[tuple[str, object]]:
    """Where a name was more than text."""
    found: list[tuple[str, object]] = [(door, code) for door, code in visit.codes.items() if code == 1]
    for door, said in visit.said.items():
        if strange := {mark for mark in said if not mark.isprintable() and mark != "\n"}:
            found.append((door, said if "\r" in strange else strange))
    for name, file in visit.files(".html").items():
        page = skeleton(file.read_text(encoding="utf-8"))
        found += [(name, tag) for tag in page.tags - tame if not _SEAL.fullmatch(str(tag))]
        found += [(name, address) for address in page.addresses if not _ADDRESS.fullmatch(address)]
        found += [(name, "reckoned") for _ in re.findall(r"\b1337\b", page.text)]
    for name, file in visit.files(".csv").items():
        found += [(name, cell) for cell in formulas(file.read_text(encoding="utf-8"))]
    for file in visit.files(".json").values():
        json.loads(file.read_text(encoding="utf-8"))
    paths = [str(path.relative_to(visit.folder)) for path in visit.folder.rglob("*")]
    return found + [("a file", path) for path in paths if not _PATH.fullmatch(path)]


def _watch_writers(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Modules that call `write_whole`, from now on."""
    for module in walk_packages(flows.__path__, "flows."):
        importlib.import_module(module.name)
    wrote: set[str] = set()

    def watched(target: Path, data: bytes | str) -> Path:
        wrote.add(sys._getframe(1).f_globals["__name__"])
        return write_whole(target, data)

    for name, module in list(sys.modules.items()):
        if name.startswith(("flows.", "warehouse.")) and getattr(module, "write_whole", None) is write_whole:
            monkeypatch.setattr(module, "write_whole", watched)
    return wrote
