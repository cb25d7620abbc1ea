"""Nobody but who runs the planner reads what it writes, and what was readable is closed by `v2g migrate`."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import cli
from flows.stages import Context, new_run_id
from flows.stages.inbox import ingest_inbox
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, site_rows
from warehouse.files import has_access_list


@pytest.fixture(autouse=True)
def _open_to_all() -> Iterator[None]:
    """The umask of somebody who minds nothing."""
    before = os.umask(0)
    yield
    os.umask(before)


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["v2g", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return int(left.value.code or 0)


def readable(root: Path) -> list[str]:
    """What others may do anything with, below a folder and itself."""
    return [
        f"{oct(stat.S_IMODE(path.lstat().st_mode))} {path}"
        for path in (root, *root.rglob("*"))
        if not path.is_symlink() and path.lstat().st_mode & 0o077
    ]


def test_all_that_the_command_line_writes_is_private(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, depot: Workspace
) -> None:
    root = tmp_path / "mine"
    root.mkdir(mode=0o777)
    assert call(monkeypatch, "init", root, "--zone", ZONE) == 0
    assert readable(root) == []
    for path in (depot.root, *depot.root.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    at = ("-w", depot.root, "--as-of", AS_OF.isoformat())
    (depot.inbox / "notes.txt").write_text("refused", encoding="utf-8")
    (depot.inbox / "notes.txt").chmod(0o600)
    os.umask(0)
    assert call(monkeypatch, "plan", "--date", DAY, *at) == 0
    for words in (("report",), ("snapshot",), ("backup", tmp_path / "out" / "backup.duckdb"),
                  ("export", "--parquet", tmp_path / "out" / "lake", "--table", "core_battery"),
                  ("twin", "export", "car-1")):  # fmt: skip
        os.umask(0)
        assert call(monkeypatch, *words, *at) == 0
    assert len(list(depot.reports.glob("*/**/*.html"))) == 3 and (depot.reports / "index.html").is_file()
    assert readable(depot.root) + readable(tmp_path / "out") == []


def test_a_stage_that_no_command_line_started_writes_privately_too(depot: Workspace) -> None:
    for path in (depot.root, *depot.root.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    site_rows().to_csv(depot.inbox / "sites__csv__again.csv", index=False)
    (depot.inbox / "notes.txt").write_text("refused", encoding="utf-8")
    for path in depot.inbox.iterdir():
        path.chmod(0o600)
    run_id = new_run_id(AS_OF)
    for stage in (ingest_inbox, plan, publish):
        os.umask(0)
        stage(Context.of(depot, AS_OF, run_id), *(() if stage is ingest_inbox else (DAY,)))  # type: ignore[operator]
    assert (depot.inbox / "refused" / "notes.txt.reason.txt").exists()
    assert readable(depot.root) == []


def test_migrate_closes_an_open_workspace_follows_no_link_and_leaves_access_lists(
    monkeypatch: pytest.MonkeyPatch,
    workspace: Workspace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    outside.chmod(0o755)
    (workspace.root / "link").symlink_to(outside)
    for path in (workspace.root, *workspace.root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    shared = workspace.reports / "shared.html"
    shared.write_text("page", encoding="utf-8")
    shared.chmod(0o640)
    try:
        os.setxattr(shared, "system.posix_acl_access", access_list())
        assert has_access_list(shared)
    except OSError:
        shared.unlink()  # a file system without
    assert call(monkeypatch, "migrate", "-w", workspace.root) == 0
    assert "files and folders that others could read are private now" in capsys.readouterr().out
    assert [line for line in readable(workspace.root) if "shared.html" not in line] == []
    assert not shared.exists() or stat.S_IMODE(shared.stat().st_mode) & 0o040
    assert stat.S_IMODE(outside.stat().st_mode) == 0o755
    assert call(monkeypatch, "migrate", "-w", workspace.root) == 0
    assert "is up to date" in capsys.readouterr().out


def access_list() -> bytes:
    """rw for the owner, r for user 33 besides, in the kernel's own words: version, then tag, rights, id."""
    anyone = 0xFFFFFFFF
    entries = ((0x01, 6, anyone), (0x02, 4, 33), (0x04, 4, anyone), (0x10, 4, anyone), (0x20, 0, anyone))
    packed = b"".join(
        tag.to_bytes(2, "little") + rights.to_bytes(2, "little") + who.to_bytes(4, "little")
        for tag, rights, who in entries
    )
    return (2).to_bytes(4, "little") + packed
