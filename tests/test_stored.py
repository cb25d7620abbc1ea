"""What the tests keep on disk is made once, whole, and never of other sources than those that are there."""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests import conftest
from tests.stored import VERSIONS, digest_of, stored


def make(folder: Path) -> None:
    """Leave a file, and a mark next to all folders that it was made."""
    (folder / "begun").write_text("")
    time.sleep(0.2)  # the others come meanwhile
    (folder / "whole").write_text("whole")
    with (folder.parent.parent / "made").open("a") as made:
        made.write("x")


def one_of_several(number: int, around: Path) -> None:
    into = around / f"of-{number}"
    stored("thing", into, make, made_by=[around / "maker.py"], rooms=(), folder=around / "kept")
    (into / "whole").write_text(f"changed by {number}")  # a copy is its own


@pytest.fixture
def around(tmp_path: Path) -> Path:
    (tmp_path / "maker.py").write_text("size = 1\n")
    return tmp_path


def test_processes_that_ask_at_once_make_it_once_and_each_has_its_own(around: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=one_of_several, args=(number, around)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=300)
        assert process.exitcode == 0
    assert (around / "made").read_text() == "x"
    text = [(around / f"of-{number}" / "whole").read_text() for number in range(3)]
    assert text == [f"changed by {number}" for number in range(3)]
    one_of_several(3, around)
    assert (around / "made").read_text() == "x"


def test_what_other_sources_made_is_not_taken_and_the_longest_unused_goes(around: Path) -> None:
    sizes = [*range(VERSIONS), 0, VERSIONS, 0]  # the first again before one too many, and after it
    for number, size in enumerate(sizes):
        (around / "maker.py").write_text(f"size = {size}\n")
        one_of_several(number, around)
    assert (around / "made").read_text() == "x" * (VERSIONS + 1)
    assert len([one for one in (around / "kept").iterdir() if one.is_dir()]) == VERSIONS
    (around / "maker.py").write_text("size = 1\n")
    one_of_several(len(sizes), around)
    assert (around / "made").read_text() == "x" * (VERSIONS + 2)


def test_whoever_was_ended_in_the_middle_leaves_nothing_for_long(around: Path) -> None:
    left = around / "kept" / f"thing-{sys.implementation.cache_tag}-begun-x"
    left.mkdir(parents=True)
    one_of_several(0, around)
    assert not left.exists()


def test_rooms_and_files_are_in_the_digest(around: Path) -> None:
    other = around / "other.py"
    shutil.copy(around / "maker.py", other)
    digests = {
        digest_of([around / "maker.py"], ()),
        digest_of([other], ()),
        digest_of([other, around / "maker.py"], ()),
        digest_of([other], ("twin",)),
        digest_of([other], ("twin", "warehouse")),
    }
    assert len(digests) == 5


def test_what_fails_leaves_nothing_behind(around: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "begun").write_text("")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stored("thing", around / "a", fail, made_by=[around / "maker.py"], rooms=(), folder=around / "kept")
    assert [one.suffix for one in (around / "kept").iterdir()] == [".lock"]
    one_of_several(1, around)
    assert (around / "made").read_text() == "x"


def test_the_longest_files_are_named_once_and_are_there() -> None:
    assert len(set(conftest.LONGEST)) == len(conftest.LONGEST)
    assert {*conftest.LONGEST, *conftest.IN_PARTS} <= {
        str(file.relative_to(conftest.HERE)) for file in conftest.HERE.rglob("test_*.py")
    }
