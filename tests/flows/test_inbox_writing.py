"""A file of the inbox that somebody still writes to loses nothing: it waits until it is whole."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from flows.context import Context
from flows.stages import inbox
from flows.stages.inbox import ingest_inbox
from flows.stages.record import StageResult
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, price_rows

NAME = "prices__csv__day.csv"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "depot", zone=ZONE)


def taken(workspace: Workspace) -> tuple[StageResult, str, int]:
    result = ingest_inbox(Context.of(workspace, AS_OF))
    (row,) = result.tables["inbox"]
    return result, row["outcome"], len(workspace.warehouse.unchecked("prices"))


def halves() -> tuple[str, str]:
    lines = price_rows(DAY, 1).to_csv(index=False).splitlines(keepends=True)
    return "".join(lines[:10]), "".join(lines[10:])


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="the system knows no leases")
def test_a_file_that_is_open_for_writing_waits_until_it_is_closed(workspace: Workspace) -> None:
    first, rest = halves()
    with (workspace.inbox / NAME).open("w", encoding="utf-8") as stream:
        stream.write(first)
        stream.flush()
        result, outcome, rows = taken(workspace)
        assert (result.exit_code, outcome, rows) == (3, "unread", 0)
        stream.write(rest)
    result, outcome, rows = taken(workspace)
    assert (result.exit_code, outcome, rows) == (0, "landed", 24)
    assert not (workspace.inbox / NAME).exists()


@pytest.mark.parametrize("first", [halves()[0], "no price at all"])
def test_a_file_that_grows_while_it_is_read_is_read_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    file, whole = workspace.inbox / NAME, "".join(halves())
    file.write_text(first, encoding="utf-8")
    ingest = inbox.ingest_files

    def grows_meanwhile(*given, **named):  # type: ignore[no-untyped-def]
        try:
            return ingest(*given, **named)
        finally:
            file.write_text(whole, encoding="utf-8")

    with monkeypatch.context() as patched:
        patched.setattr(inbox, "ingest_files", grows_meanwhile)
        result, _, _ = taken(workspace)
    assert result.exit_code == 3
    assert file.exists()
    result, outcome, _ = taken(workspace)
    assert (result.exit_code, outcome) == (0, "landed")
    rows = workspace.warehouse.unchecked("prices")
    assert rows["interval_start_utc"].nunique() == 24
