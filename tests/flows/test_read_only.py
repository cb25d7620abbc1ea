"""A workspace that can only be read: everything can be looked at, and a write says why it cannot be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows import cli
from flows.stages import Context
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, WEEK

Command = Callable[..., tuple[int, Any]]
MAIN = "import sys; from flows.cli import main; sys.argv[0] = 'v2g'; main()"


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Call v2g: exit code and the JSON answer."""

    def called(root: Path, *words: object) -> tuple[int, Any]:
        monkeypatch.setattr(sys, "argv", ["v2g", "--json", "-w", str(root), *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), json.loads(capsys.readouterr().out)

    return called


def tree(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in root.rglob("*")}


@pytest.fixture
def sealed(depot: Workspace, tmp_path: Path) -> Iterator[Path]:
    """The depot with a plan, without Prefect's home, read-only; skipped where that cannot be mounted."""
    plan(Context.of(depot, AS_OF), DAY)
    shutil.rmtree(depot.prefect_home, ignore_errors=True)
    place = tmp_path / "sealed"
    place.mkdir()
    done = subprocess.run(
        ["mount", "--bind", "-o", "ro", str(depot.root), str(place)], capture_output=True, check=False
    )
    if done.returncode or os.access(place, os.W_OK):
        pytest.skip("a folder cannot be mounted read-only here: that needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_every_command_that_reads_works_and_one_that_writes_ends_with_74(
    sealed: Path, tmp_path: Path, call: Command
) -> None:
    before = tree(sealed)
    at = ("--as-of", AS_OF.isoformat())
    code, status = call(sealed, "status")
    assert (code, len(status["plans"])) == (0, 1)
    plan_id = status["plans"][0]["plan_id"]
    for words in (
        ("quarantine", "list"),
        ("trace", plan_id),
        ("twin", "show", "car-1", *at),
        ("twin", "compare", "car-1", "car-2", *at),
        ("twin", "export", "car-1", *at, "--out", tmp_path / "twins"),
        ("snapshot", tmp_path / "snapshot.duckdb"),
        ("backup", tmp_path / "backup.duckdb"),
        ("export", "--parquet", tmp_path / "lake", "--table", "core_battery"),
        ("retention", "--dry-run"),
    ):
        assert (words, *call(sealed, *words))[:2] == (words, 0)
    code, answer = call(sealed, "quarantine", "show", "telemetry")
    assert (code, answer["error"]["kind"]) == (2, "UsageError")  # there is nothing to show
    for words in (
        ("check",),
        ("plan", "--date", DAY + WEEK, *at),
        ("migrate",),
        ("snapshot",),
    ):
        code, answer = call(sealed, *words)
        assert (words, code) == (words, 74), answer
    line = [sys.executable, "-c", MAIN, "-w", str(sealed), "run", "--date", str(DAY), *at]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, "Read-only file system" in done.stderr) == (74, True), done.stderr
    assert tree(sealed) == before


def test_a_reading_command_makes_nothing_in_a_workspace(depot: Workspace, call: Command) -> None:
    shutil.rmtree(depot.prefect_home, ignore_errors=True)
    before = tree(depot.root)
    assert call(depot.root, "status")[0] == 0
    assert tree(depot.root) == before
