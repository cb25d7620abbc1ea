"""A workspace that can only be read: everything can be looked at, and a write says why it cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY

Command = Callable[..., tuple[int, Any]]
MAIN = "import sys; from flows.cli import main; sys.argv[0] = 'v2g'; main()"


def call(root: Path, *words: object) -> tuple[int, Any]:
    """Run v2g in a process of its own: exit code and the JSON answer."""
    line = [sys.executable, "-c", MAIN, "--json", "-w", str(root), *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd="/")
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def tree(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in root.rglob("*")}


@pytest.fixture(params=["closed", "with a log"])
def sealed(request: pytest.FixtureRequest, depot: Workspace, tmp_path: Path) -> Iterator[Path]:
    """The depot on a read-only mount, also as a killed writer left it; skipped where none can be made."""
    import shutil

    shutil.rmtree(depot.prefect_home, ignore_errors=True)
    if request.param == "with a log":
        killed = (
            "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]);"
            "c.execute(\"INSERT INTO out_run VALUES ('r1', 'plan', now(), now(), 'ok', 0, 'kept')\");"
            "os._exit(9)"
        )
        subprocess.run([sys.executable, "-c", killed, str(depot.warehouse.path)], check=False)
        assert Path(f"{depot.warehouse.path}.wal").exists()
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
    sealed: Path, tmp_path: Path
) -> None:
    before = tree(sealed)
    at = ("--as-of", AS_OF.isoformat())
    code, status = call(sealed, "status")
    assert (code, [row["dataset"] for row in status["data"]][:1]) == (0, ["prices"])
    for words in (
        ("quarantine", "list"),
        ("twin", "show", "car-1", *at),
        ("twin", "compare", "car-1", "car-2", *at),
        ("twin", "export", "car-1", *at, "--out", tmp_path / "twins"),
        ("snapshot", tmp_path / "snapshot.duckdb"),
        ("backup", tmp_path / "backup.duckdb"),
        ("export", "--parquet", tmp_path / "lake", "--table", "core_battery"),
        ("retention", "--dry-run"),
    ):
        assert (words, *call(sealed, *words))[:2] == (words, 0)
    code, told = call(sealed, "quarantine", "show", "telemetry")
    assert (code, told["error"]["kind"]) == (2, "UsageError")  # there is nothing to show
    for words in (
        ("check",),
        ("plan", "--date", DAY, *at),
        ("migrate",),
        ("snapshot",),
        ("run", "--date", DAY, *at),
    ):
        code, told = call(sealed, *words)
        assert (words, code) == (words, 74), told
    assert tree(sealed) == before


def test_a_plan_can_be_traced_where_nothing_can_be_written(depot: Workspace, tmp_path: Path) -> None:
    code, told = call(depot.root, "plan", "--date", DAY, "--as-of", AS_OF.isoformat())
    assert code == 0, told
    place = tmp_path / "sealed"
    place.mkdir()
    if subprocess.run(["mount", "--bind", "-o", "ro", str(depot.root), str(place)], check=False).returncode:
        pytest.skip("a folder cannot be mounted read-only here: that needs root")
    try:
        code, traced = call(place, "trace", told["stages"][0]["plan_id"])
    finally:
        subprocess.run(["umount", str(place)], check=True)
    assert (code, traced["plan"]["plan_id"]) == (0, told["stages"][0]["plan_id"])


def test_a_reading_command_makes_nothing_in_a_workspace(depot: Workspace) -> None:
    import shutil

    shutil.rmtree(depot.prefect_home, ignore_errors=True)
    before = tree(depot.root)
    assert call(depot.root, "status")[0] == 0
    assert tree(depot.root) == before
