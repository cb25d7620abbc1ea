"""What the terminal shows: whole, at any width and in a pipe, and as it is in the data."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from flows import cli, console
from flows.problem import Problem
from flows.stages import Context, StageResult
from flows.stages.plan import plan
from flows.tables import Records, _cell, _heading
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, fleet_rows, put, session_rows, site_rows

MOMENT = f"--as-of={AS_OF:%Y-%m-%dT%H:%MZ}"
WIDTHS = (40, 80, 200, 1_000_000)


def drawn(table: object, width: int) -> list[str]:
    """The lines of a table on a console of some width."""
    out = io.StringIO()
    Console(file=out, width=width, markup=False, emoji=False, highlight=False).print(table)
    return out.getvalue().splitlines()


def marks(texts: object) -> Counter[str]:
    """All that is no blank, counted."""
    return Counter("".join("".join(map(str, texts)).split()))  # type: ignore[call-overload]


def assert_whole(table: Records, width: int) -> None:
    lines = drawn(table, width)
    assert max(map(len, lines)) <= width
    keys = list(dict.fromkeys(key for row in table.rows for key in row))
    cells = [_cell(row.get(key)) for row in table.rows for key in keys]
    headings = [_heading(key) for key in keys]
    stated = marks(lines)
    as_grid, as_records = (marks([table.title, *cells, *headings * times]) for times in (1, len(table.rows)))
    assert stated in (as_grid, as_records)
    if width == WIDTHS[-1]:
        assert len(lines) == 2 + len(table.rows)
        for row, line in zip(table.rows, lines[2:], strict=True):
            assert all(_cell(row.get(key)) in line for key in keys)


@pytest.fixture(scope="module")
def workspace_with_all(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The depot with a plan, and rows that a check will keep out."""
    root = shutil.copytree(calibrated_depot, tmp_path_factory.mktemp("console") / "depot")
    workspace = Workspace.open(Path(root))
    plan(Context.of(workspace, AS_OF), DAY)
    bad = session_rows().assign(session_id=["b1", "b2", "b3"], arrival_soc=1.2)
    put(workspace, "sessions", bad)
    return workspace


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Records]]:
    """The tables that commands print, as they print them."""
    seen: list[Records] = []

    class Listening(Console):
        def print(self, *objects: object, **options: object) -> None:  # type: ignore[override]
            seen.extend(one for one in objects if isinstance(one, Records))
            super().print(*objects, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(console, "Console", Listening)
    yield seen


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["v2g", *map(str, words)])
    with pytest.raises(SystemExit):
        cli.main()


def test_no_table_of_any_command_loses_a_mark_at_any_width(
    workspace_with_all: Workspace,
    shown: list[Records],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    root = workspace_with_all.root
    plan_id = workspace_with_all.warehouse.read("out_plan")["plan_id"].iloc[0]
    sites = tmp_path / "sites [x] :x:.csv"
    site_rows().to_csv(sites, index=False)
    commands = {
        "ingest": ["ingest", "sites", sites],
        "check": ["check"],
        "status": ["status"],
        "plan": ["plan", f"--date={DAY}"],
        "quarantine list": ["quarantine", "list"],
        "quarantine show": ["quarantine", "show", "sessions"],
        "trace": ["trace", plan_id],
        "trace of one": ["trace", plan_id, "--battery=car-1"],
        "twin show": ["twin", "show", "car-1"],
        "twin compare": ["twin", "compare", "car-1", "car-2"],
        "retention": ["retention", "--dry-run", "--samples-days=31"],
        "export": ["export", "--parquet", tmp_path / "lake", "--table=out_plan"],
    }
    for name, words in commands.items():
        shown.clear()
        run(monkeypatch, "-w", root, MOMENT, *words)
        assert shown, name
        for table in shown:
            for width in WIDTHS:
                assert_whole(table, width)


HOSTILE = [
    ":x:",
    "[red]a[/red]",
    "[/]",
    "\\[b]",
    "a" * 300,
    "\x1b[31mred\x07",
    "日本語" * 30,
    "two\nlines\r\t",
]


@pytest.mark.parametrize("width", [1, 2, 10, *WIDTHS])
def test_what_data_says_is_shown_as_it_is(width: int) -> None:
    rows = [{"battery_id": text, text: 1.5, "note": f"{text} {text}"} for text in HOSTILE]
    message = "".join(drawn(Records(HOSTILE[0], rows), max(width, 2)))
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", message)
    assert "❌" not in message
    assert message.count(":") >= 2 * 4
    if width >= 40:
        for table in (
            Records("t", rows),
            Records("t", rows[:1]),
            Records("t", [{"only": 1}, {"other": "x"}]),
        ):
            assert_whole(table, width)
        whole = "\n".join(drawn(Records("t", rows), WIDTHS[-1]))
        for text in (*HOSTILE[:5], r"\x1b[31mred\x07", HOSTILE[6], r"two\nlines\r\t"):
            assert text in whole


def test_what_rounds_to_nothing_has_no_sign() -> None:
    numbers = [{"eur": one} for one in (-0.0004, -0.0, 0.0004, -0.0006, -1234.4)]
    assert drawn(Records("", numbers), 80)[2:] == [" 0.000", " 0.000", " 0.000", "-0.001", "-1,234"]


def test_messages_titles_paths_and_errors_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    text = ":x: [red]a[/red] [/] \x1b[31m"
    written = r":x: [red]a[/red] [/] \x1b[31m"
    result = StageResult(
        stage="check", status="ok", message=text, files=(f"/a/{text}.html",), tables={text: [{"what": text}]}
    )
    console.show_stages(console.make_console(), [result])
    console.show_tables(console.make_console(), {text: []})
    console.show_problem(Problem(kind="E", message=text, hint=text, exit_code=2), as_json=False)
    with console.working(text) as progress:
        progress(text)
    printed = capsys.readouterr()
    assert printed.out.count(written) == 5
    assert printed.err.count(written) == 2
    assert "\x1b" not in printed.out + printed.err and "❌" not in printed.out + printed.err


def test_only_one_place_makes_consoles_and_none_reads_markup() -> None:
    rooms = Path(cli.__file__).parent
    found = {
        file.relative_to(rooms).as_posix()
        for file in rooms.rglob("*.py")
        if re.search(
            r"\bConsole\(|from_markup|rich\.markup|rich import print|\[/?(bold|dim|red)\]", file.read_text()
        )
    }
    assert found == {"console.py"}


def test_a_pipe_gets_whole_lines_and_a_narrow_terminal_folded_ones(tmp_path: Path) -> None:
    made = Workspace.create(tmp_path / "depot", zone=ZONE)
    put(made, "sites", site_rows())
    put(made, "fleet", fleet_rows())
    words = [sys.executable, "-m", "flows.cli", "-w", str(made.root), "status"]
    environment = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "TERM")}
    environment |= {"COLUMNS": "40"}
    piped = subprocess.run(words, capture_output=True, text=True, check=True, env=environment).stdout
    message = "2 new rows of fleet; `v2g check` lets them in"
    assert any(line.endswith(message) for line in piped.splitlines())

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    environment |= {"TERM": "xterm"}
    del environment["COLUMNS"]
    child = subprocess.Popen(words, stdout=theirs, stderr=subprocess.DEVNULL, env=environment)
    os.close(theirs)
    read = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        read += part
    os.close(ours)
    assert child.wait() == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", read.decode()).replace("\r", "").splitlines()
    assert max(map(len, lines)) <= 40
    text = [" ".join(" ".join(lines[at : at + 3]).split()) for at in range(len(lines))]
    assert any(message in line.replace(" message", "") for line in text)
