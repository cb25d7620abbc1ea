"""A file is written in one step, however many write it at once."""

import threading
from pathlib import Path

import pytest

from warehouse import files
from warehouse.files import write_whole


def test_two_threads_that_write_one_file_at_once_leave_one_of_both_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, sync, failed = threading.Barrier(2), files.sync, list[BaseException]()
    texts = ["a" * 10_000, "b" * 20_000]

    def together(stream: object) -> None:
        both.wait(60)  # each has written all of its own
        sync(stream)  # type: ignore[arg-type]

    def write(text: str) -> None:
        try:
            write_whole(tmp_path / "plan.csv", text)
        except BaseException as error:
            failed.append(error)
            both.abort()

    monkeypatch.setattr(files, "sync", together)
    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert (tmp_path / "plan.csv").read_text() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["plan.csv"]
