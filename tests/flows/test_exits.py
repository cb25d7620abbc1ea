"""Every exit code is reported once, and trouble with disk and file has the right one."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows import cli
from flows.exits import ENDINGS, Exit, as_markdown, one_line
from flows.problem import problem_of
from flows.stages import Context, StageResult, record
from flows.stages.plan import plan
from flows.stages.record import recorded
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY
from tests.warehouse.test_store_damage import BLOCK, HEADERS, failing_index_block, flip
from warehouse.errors import DamagedError, StoreError, UnwritableError

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(root: Path, *words: object) -> tuple[int, dict[str, Any]]:
        monkeypatch.setattr(sys, "argv", ["v2g", "--json", "-w", str(root), *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), json.loads(capsys.readouterr().out)

    return call


def test_each_code_has_its_words_and_the_help_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(ENDINGS) == set(Exit) == {0, 1, 2, 3, 4, 5, 74, 75}
    with pytest.raises(SystemExit):
        cli.app(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert one_line() in shown
    assert as_markdown() in (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["twin", "passport", "car-1", "--consumption", "0.17"], "'--consumption'"),
        (["bid", "--points", "99"], "'--points'"),
        (["ledger", "key"], "'--name'"),
        (["privacy", "release", "--figure", "profit"], "'--figure'"),
        (["plan", "--date"], "'--date'"),
        (["bid", "--dat", "2024-03-20"], "--date"),
    ],
)
def test_an_option_that_cannot_be_meant_is_named(
    run: Run, tmp_path: Path, words: list[str], named: str
) -> None:
    code, answer = run(tmp_path, *words)
    assert code == 2 and named in answer["error"]["message"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 74),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 74),
        (PermissionError(errno.EACCES, "Permission denied", "reports"), 74),
        (OSError(errno.EROFS, "Read-only file system"), 74),
        (FileNotFoundError(errno.ENOENT, "No such file", "x"), 2),
        (UnwritableError("w"), 74),
        (DamagedError("w", path=Path("w.duckdb")), 4),
        (StoreError("w"), 4),
    ],
)
def test_what_cannot_be_written_is_no_usage_error(error: Exception, code: int) -> None:
    assert problem_of(error).exit_code == code


def test_a_plan_that_meets_a_damaged_block_ends_with_4_and_names_the_newest_backup(
    depot: Workspace, run: Run, tmp_path: Path
) -> None:
    backup = tmp_path / "newest.duckdb"
    assert run(depot.root, "backup", backup)[0] == 0
    database = depot.warehouse.path
    healthy = database.read_bytes()
    index, died = failing_index_block(database), 0
    blocks = (len(healthy) - HEADERS) // BLOCK
    for number in sorted({*range(0, blocks, max(1, blocks // 8)), index}):
        database.write_bytes(healthy)
        Path(f"{database}.wal").unlink(missing_ok=True)
        flip(database, HEADERS + number * BLOCK + 4321)
        copy = tmp_path / f"{number}.duckdb"
        good, _ = run(depot.root, "backup", copy)
        assert good in (0, 4)
        if good == 0 or number in (0, index):  # of the others a backup said what a plan would meet
            code, planned = run(depot.root, "plan", "--date", DAY, "--as-of", AS_OF.isoformat())
            assert code in (0, good), f"a backup called block {number} good: {planned}"
            if code:
                died += 1
                newest = copy if copy.exists() else backup
                assert planned["error"]["kind"] == "DamagedError"
                assert planned["error"]["hint"].startswith(f"`v2g restore {newest}`")
        copy.unlink(missing_ok=True)
    assert died
    database.write_bytes(healthy)
    Path(f"{database}.wal").unlink(missing_ok=True)
    flip(database, HEADERS + index * BLOCK + 99)
    assert run(depot.root, "restore", backup)[0] == 0
    assert run(depot.root, "plan", "--date", DAY, "--as-of", AS_OF.isoformat())[0] == 0


def test_a_backup_is_checked_by_name(depot: Workspace, run: Run, tmp_path: Path) -> None:
    backup = tmp_path / "b.duckdb"
    code, answer = run(depot.root, "backup", backup)
    assert code == 0
    code, checked = run(depot.root, "backup", "--check", backup)
    assert (code, checked["rows"]) == (0, answer["rows"])
    flip(backup, HEADERS + 4321)
    assert run(depot.root, "backup", "--check", backup)[0] == 4
    assert run(depot.root, "backup", "--check", tmp_path)[0] == 2


def test_a_plan_that_was_written_before_the_disk_was_full_is_said_to_be(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise UnwritableError("No space left on device. out_run: not written, the warehouse is as it was")

    monkeypatch.setattr(record, "write_run", full)
    with pytest.raises(UnwritableError, match=r"plan is done and written \(plan [0-9a-f]{16} for") as caught:
        plan(Context.of(depot, AS_OF), DAY)
    assert problem_of(caught.value).exit_code == 74
    assert len(depot.warehouse.read("out_plan")) == 1


def test_a_stage_that_failed_on_a_full_disk_is_reported_as_that_and_nothing_else(depot: Workspace) -> None:
    @recorded("plan")
    def full(context: Context) -> StageResult:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = len(depot.warehouse.read("out_run"))
    with pytest.raises(OSError, match="No space left"):
        full(Context.of(depot, AS_OF, "r"))
    assert len(depot.warehouse.read("out_run")) == before
