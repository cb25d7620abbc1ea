"""Whoever may drop a file into the inbox reads no other file by it, and writes none."""

from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from flows.stages import Context
from flows.stages.inbox import ingest_inbox
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, ZONE, site_rows
from warehouse.errors import MissingFileError
from warehouse.sources.rawfile import load

LINE = "root:x:0:0:a line that nobody may see"


@pytest.fixture
def depot(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "depot", zone=ZONE)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "sites__csv__b.csv").write_text(f"{LINE}\n{LINE}\n", encoding="utf-8")
    return folder / "sites__csv__b.csv"


def take(workspace: Workspace) -> dict[str, str]:
    result = ingest_inbox(Context.of(workspace, AS_OF))
    return {str(row["file"]): f"{row['outcome']} {row['reason']}" for row in result.tables["inbox"]}


def everything_written(workspace: Workspace) -> str:
    """All that lies in the workspace, read without following a link."""
    texts = [str(workspace.warehouse.read("out_run").to_dict())]
    files = [path for path in workspace.root.rglob("*") if path.is_file() and not path.is_symlink()]
    return "\n".join([*texts, *(file.read_bytes().decode("utf-8", errors="replace") for file in files)])


def test_links_pipes_sockets_devices_and_linked_folders_are_refused_unopened(
    depot: Workspace, secret: Path
) -> None:
    inbox = depot.inbox
    (inbox / "sites__csv__absolute.csv").symlink_to(secret)
    (inbox / "sites__csv__relative.csv").symlink_to("../../secrets/sites__csv__b.csv")
    (inbox / "sites__csv__linked.csv").symlink_to(inbox / "sites__csv__absolute.csv")
    (inbox / "sites__csv__gone.csv").symlink_to("nowhere")
    (inbox / "sites__csv__loop.csv").symlink_to("sites__csv__loop.csv")
    (inbox / "sites__csv__folder").symlink_to(secret.parent)
    (inbox / "linked-folder").symlink_to(secret.parent)
    (inbox / "sites__csv__zero.csv").symlink_to("/dev/zero")
    os.mkfifo(inbox / "sites__csv__pipe.csv")
    site_rows().to_csv(inbox / "sites__csv__good.csv", index=False)
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(inbox)  # a socket's path is short
        try:
            listening.bind("sites__csv__socket.csv")
        finally:
            os.chdir(here)
        answer = take(depot)

    assert answer.pop("sites__csv__good.csv").strip() == "landed"
    assert {text.partition(" ")[0] for text in answer.values()} == {"refused"}
    assert "a symbolic link" in answer["sites__csv__absolute.csv"]
    assert "a pipe" in answer["sites__csv__pipe.csv"]
    assert "a socket" in answer["sites__csv__socket.csv"]
    assert len(answer) == 11 - 1
    assert LINE[:8] not in everything_written(depot) + str(answer)
    assert secret.read_text(encoding="utf-8").startswith(LINE)
    assert [path.name for path in inbox.iterdir() if path.name not in ("done", "refused")] == []
    assert (inbox / "refused" / "sites__csv__absolute.csv").is_symlink()


def test_a_file_that_becomes_a_link_between_look_and_open_is_refused(
    depot: Workspace, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = depot.inbox / "sites__csv__swapped.csv"
    site_rows().to_csv(file, index=False)
    look = Path.lstat

    def swapped(path: Path) -> os.stat_result:
        found = look(path)
        if path == file and not stat.S_ISLNK(found.st_mode):
            file.unlink()
            file.symlink_to(secret)
        return found

    monkeypatch.setattr(Path, "lstat", swapped)
    answer = take(depot)
    assert "a symbolic link" in answer[file.name]
    assert LINE[:8] not in everything_written(depot)


def test_a_file_swapped_for_a_link_all_the_time_is_never_read_through(tmp_path: Path, secret: Path) -> None:
    file, other = tmp_path / "file.csv", tmp_path / "other"
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            other.unlink(missing_ok=True)
            other.symlink_to(secret)
            other.replace(file)
            other.write_text("harmless", encoding="utf-8")
            other.replace(file)

    file.write_text("harmless", encoding="utf-8")
    thread = threading.Thread(target=swap)
    thread.start()
    read, refused = 0, 0
    try:
        for _ in range(3000):
            try:
                assert load(file, follow=False).data == b"harmless"
                read += 1
            except MissingFileError:
                refused += 1
    finally:
        over.set()
        thread.join()
    assert read
    assert refused


@pytest.mark.parametrize("name", ["done", "refused", ""])
@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_folder_of_the_inbox_that_is_none_stops_before_any_file_is_touched(
    depot: Workspace, tmp_path: Path, name: str, kind: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = depot.inbox / name if name else depot.inbox
    if not name:
        depot.inbox.rmdir()
    else:
        site_rows().to_csv(depot.inbox / "sites__csv__a.csv", index=False)
    if kind == "link":
        folder.symlink_to(outside)
    else:
        folder.touch()
    answer = ingest_inbox(Context.of(depot, AS_OF))
    assert (answer.status, answer.exit_code) == ("degraded", 3)
    assert ("symbolic link" if kind == "link" else "is a file") in answer.message
    assert list(outside.iterdir()) == []
    assert depot.warehouse.read("raw_source").empty


def test_a_reason_is_not_written_through_a_link_laid_out_for_it(depot: Workspace, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious", encoding="utf-8")
    refused = depot.inbox / "refused"
    refused.mkdir()
    (refused / "notes.txt.reason.txt").symlink_to(precious)
    (depot.inbox / "notes.txt").write_text("no such name", encoding="utf-8")
    take(depot)
    assert precious.read_text(encoding="utf-8") == "precious"
    assert "does not say what it holds" in (refused / "notes.txt.2.reason.txt").read_text(encoding="utf-8")


def test_a_mapping_that_is_a_link_is_not_read(depot: Workspace, secret: Path) -> None:
    depot.mappings.mkdir()
    (depot.mappings / "theirs.toml").symlink_to(secret)
    (depot.inbox / "sites__theirs__a.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    answer = take(depot)
    assert "theirs.toml: cannot be read: it is a symbolic link" in answer["sites__theirs__a.csv"]
    depot.mappings.joinpath("theirs.toml").unlink()
    depot.mappings.rmdir()
    depot.mappings.symlink_to(secret.parent)
    (secret.parent / "theirs.toml").write_text(LINE, encoding="utf-8")
    (depot.inbox / "sites__theirs__b.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    answer = take(depot)
    assert "mappings is a symbolic link" in answer["sites__theirs__b.csv"]
    assert LINE[:8] not in everything_written(depot)
