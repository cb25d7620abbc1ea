"""What is wrong with one file of the inbox, or with the inbox itself, is reported and costs nothing else."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from flows.stages import Context, StageResult, inbox
from flows.stages.inbox import ingest_inbox
from flows.stages.trouble import may_pass
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, price_rows, site_rows
from tests.flows.powerless import mode
from warehouse.errors import LockedError, StoreError, UnreachableError


@pytest.fixture
def two_files(tmp_path: Path) -> Workspace:
    workspace = Workspace.create(tmp_path / "depot", zone=ZONE)
    site_rows().to_csv(workspace.inbox / "sites__csv__a.csv", index=False)
    price_rows(DAY, 1).to_csv(workspace.inbox / "prices__csv__b.csv", index=False)
    return workspace


def taken(workspace: Workspace) -> StageResult:
    return ingest_inbox(Context.of(workspace, AS_OF))


def outcomes(result: StageResult) -> dict[str, tuple[str, int]]:
    return {row["file"]: (row["outcome"], row["rows"]) for row in result.tables["inbox"]}


def ingested(workspace: Workspace) -> tuple[int, int]:
    return len(workspace.warehouse.unchecked("sites")), len(workspace.warehouse.unchecked("prices"))


@pytest.mark.parametrize("locked", ["done", "."])
def test_done_that_takes_nothing_costs_no_row_and_no_second_ingest(two_files: Workspace, locked: str) -> None:
    done = two_files.inbox / "done"
    if locked == "done":
        done.mkdir()
    with mode(two_files.inbox / locked, 0o555):
        results = [taken(two_files), taken(two_files)]
    assert [(one.status, one.exit_code) for one in results] == [("degraded", 3)] * 2
    first, second = map(outcomes, results)
    assert first == {"sites__csv__a.csv": ("landed", 1), "prices__csv__b.csv": ("landed", 24)}
    assert second == {"sites__csv__a.csv": ("landed", 0), "prices__csv__b.csv": ("landed", 0)}
    assert ingested(two_files) == (1, 24)
    for result in results:
        assert "2 could not be moved out of the inbox" in result.message
        assert str(done) in result.message
        assert all("it stays in the inbox" in row["reason"] for row in result.tables["inbox"])

    mended = taken(two_files)
    assert (mended.status, mended.exit_code) == ("ok", 0)
    assert sorted(path.name for path in done.iterdir()) == ["prices__csv__b.csv", "sites__csv__a.csv"]
    assert ingested(two_files) == (1, 24)


def test_refused_that_takes_nothing_still_tells_why_and_the_good_file_is_ingested(
    two_files: Workspace,
) -> None:
    (two_files.inbox / "prices__csv__b.csv").write_text("zone\nDE-LU\n")
    refused = two_files.inbox / "refused"
    refused.mkdir()
    with mode(refused, 0o555):
        result = taken(two_files)
    assert (result.status, result.exit_code) == ("degraded", 3)
    assert outcomes(result)["sites__csv__a.csv"] == ("landed", 1)
    (row,) = (row for row in result.tables["inbox"] if row["outcome"] == "refused")
    assert "interval_start_utc" in row["reason"] and "it stays in the inbox" in row["reason"]
    assert (two_files.inbox / "prices__csv__b.csv").is_file()


def test_a_reason_whose_name_is_taken_is_written_under_another(two_files: Workspace) -> None:
    (two_files.inbox / "prices__csv__b.csv").write_text("zone\nDE-LU\n")
    (two_files.inbox / "refused" / "prices__csv__b.csv.reason.txt").mkdir(parents=True)
    result = taken(two_files)
    assert outcomes(result)["sites__csv__a.csv"] == ("landed", 1)
    (row,) = (row for row in result.tables["inbox"] if row["outcome"] == "refused")
    second_reason = two_files.inbox / "refused" / "prices__csv__b.csv.2.reason.txt"
    assert "interval_start_utc" in row["reason"]
    assert second_reason.read_text(encoding="utf-8") == row["reason"] + "\n"


@pytest.mark.parametrize("bits", [0o000, 0o444])
def test_an_inbox_that_cannot_be_looked_into_is_reported(two_files: Workspace, bits: int) -> None:
    with mode(two_files.inbox, bits):
        result = taken(two_files)
    assert (result.status, result.exit_code) == ("degraded", 3)
    assert str(two_files.inbox) in result.message and "Permission denied" in result.message
    assert ingested(two_files) == (0, 0)
    assert taken(two_files).exit_code == 0


def test_a_file_that_may_not_be_read_is_named_and_the_other_is_ingested(two_files: Workspace) -> None:
    with mode(two_files.inbox / "sites__csv__a.csv", 0o000):
        result = taken(two_files)
    assert outcomes(result)["prices__csv__b.csv"] == ("landed", 24)
    (row,) = (row for row in result.tables["inbox"] if row["file"] == "sites__csv__a.csv")
    assert "Permission denied" in row["reason"]
    assert (result.status, result.exit_code) == ("degraded", 3)


def test_a_file_that_vanishes_meanwhile_costs_itself_alone(
    two_files: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest = inbox.ingest_files

    def and_the_other_vanishes(*args: object, **more: object) -> object:
        (two_files.inbox / "prices__csv__b.csv").unlink(missing_ok=True)
        return ingest(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(inbox, "ingest_files", and_the_other_vanishes)
    result = taken(two_files)
    assert outcomes(result) == {"sites__csv__a.csv": ("landed", 1), "prices__csv__b.csv": ("gone", 0)}
    assert result.exit_code == 3


def test_an_ingested_file_that_somebody_else_moved_is_done(
    two_files: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest = inbox.ingest_files

    def and_it_vanishes(context: Context, dataset: str, files: list[Path], **more: object) -> object:
        found = ingest(context, dataset, files, **more)  # type: ignore[arg-type]
        files[0].unlink()
        return found

    monkeypatch.setattr(inbox, "ingest_files", and_it_vanishes)
    result = taken(two_files)
    assert (result.status, result.exit_code) == ("ok", 0)
    assert ingested(two_files) == (1, 24)


@pytest.mark.parametrize(
    ("error", "outcome", "where"),
    [
        (OverflowError("too large"), "refused", "refused/sites__csv__a.csv"),
        (OSError(errno.EBUSY, "busy"), "unread", "sites__csv__a.csv"),
        (MemoryError(), "unread", "sites__csv__a.csv"),
    ],
)
def test_whatever_reading_one_file_raises_the_other_is_ingested(
    two_files: Workspace, monkeypatch: pytest.MonkeyPatch, error: Exception, outcome: str, where: str
) -> None:
    ingest = inbox.ingest_files

    def broken(context: Context, dataset: str, files: list[Path], **more: object) -> object:
        if dataset == "sites":
            raise error
        return ingest(context, dataset, files, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(inbox, "ingest_files", broken)
    result = taken(two_files)
    assert outcomes(result) == {"sites__csv__a.csv": (outcome, 0), "prices__csv__b.csv": ("landed", 24)}
    assert type(error).__name__ in result.tables["inbox"][0]["reason"]
    assert (two_files.inbox / where).is_file()
    assert result.exit_code == 3


@pytest.mark.parametrize("at", ["sites", "prices"])
def test_a_store_that_takes_nothing_refuses_no_file(
    two_files: Workspace, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    ingest = inbox.ingest_files

    def full(context: Context, dataset: str, files: list[Path], **more: object) -> object:
        if dataset == at:
            raise StoreError("no space left on device")
        return ingest(context, dataset, files, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(inbox, "ingest_files", full)
    if at == "sites":
        with pytest.raises(StoreError, match="no space"):
            taken(two_files)
    else:
        result = taken(two_files)
        assert outcomes(result) == {"sites__csv__a.csv": ("landed", 1), "prices__csv__b.csv": ("waiting", 0)}
        assert result.exit_code == 3
    assert (two_files.inbox / "prices__csv__b.csv").is_file()
    assert not (two_files.inbox / "refused").exists()


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (LockedError("held"), True),
        (OSError(errno.EAGAIN, "again"), True),
        (OSError(errno.EBUSY, "busy"), True),
        (PermissionError(errno.EACCES, "no"), False),
        (FileNotFoundError(errno.ENOENT, "gone"), False),
        (OSError(errno.EROFS, "read-only"), False),
        (OSError(errno.ENOSPC, "full"), False),
        (OSError("without a number"), False),
        (StoreError("damaged"), False),
        (UnreachableError("no answer", file="x"), False),
        (None, False),
    ],
)
def test_only_what_may_pass_is_tried_again(error: Exception | None, passes: bool) -> None:
    from prefect.states import Failed

    from flows.daily import _busy

    assert may_pass(error) is passes
    assert _busy(None, None, Failed(data=error)) is passes  # type: ignore[arg-type]
