"""A folder that changes as a whole, names for files of any id: what a reader, a crash or a disk may meet."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import folders
from flows.filenames import file_stem
from flows.folders import whole_folder

PAGES = 20  # as in DYING, which loads as little as it can


def fill(fresh: Path, text: str) -> None:
    (fresh / "index.html").write_text(text, encoding="utf-8")
    (fresh / "batteries").mkdir()
    for number in range(PAGES):
        (fresh / "batteries" / f"{number}-{text}.html").write_text(text, encoding="utf-8")


def change(target: Path, text: str) -> None:
    with whole_folder(target) as fresh:
        fill(fresh, text)


def found(target: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in target.rglob("*.html")}


def expected(text: str) -> dict[str, str]:
    return {"index.html": text} | {f"{number}-{text}.html": text for number in range(PAGES)}


@pytest.fixture(params=["exchanged", "moved aside"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the system's exchange of two names, and where there is none."""
    if request.param == "moved aside":
        monkeypatch.setattr(folders, "_exchange", lambda *_: False)
    return str(request.param)


def test_what_is_in_the_folder_is_what_was_written_last(way: str, tmp_path: Path) -> None:
    target = tmp_path / "reports" / "2024-03-20"
    for text in ("first", "second", "third"):
        change(target, text)
        assert found(target) == expected(text)
        assert list(target.parent.iterdir()) == [target]


def test_an_error_on_the_way_leaves_the_old_folder(way: str, tmp_path: Path) -> None:
    target = tmp_path / "day"
    change(target, "old")
    with pytest.raises(RuntimeError), whole_folder(target) as fresh:
        fill(fresh, "new")
        raise RuntimeError
    assert found(target) == expected("old")
    assert list(tmp_path.iterdir()) == [target]


DYING = """
import os, sys
from pathlib import Path
from flows import folders
where, way, target = sys.argv[1], sys.argv[2], Path(sys.argv[3])
if way == "moved aside":
    folders._exchange = lambda *_: False
steps = {"rename": 0}
real = Path.rename
def rename(self, other):
    if where == f"rename {steps['rename']}":
        os._exit(9)
    steps["rename"] += 1
    return real(self, other)
Path.rename = rename
if where == "removing":
    folders._remove = lambda path: os._exit(9) if os.path.lexists(path) else None
with folders.whole_folder(target) as fresh:
    if where == "writing":
        (fresh / "index.html").write_text("half")
        os._exit(9)
    (fresh / "index.html").write_text("new", encoding="utf-8")
    (fresh / "batteries").mkdir()
    for number in range(20):
        (fresh / "batteries" / f"{number}-new.html").write_text("new", encoding="utf-8")
"""


@pytest.mark.parametrize(
    ("where", "how", "left"),
    [
        ("writing", "exchanged", "old"),
        ("removing", "exchanged", "new"),
        ("writing", "moved aside", "old"),
        ("rename 0", "moved aside", "old"),
        ("removing", "moved aside", "new"),
    ],
)
def test_a_process_that_dies_leaves_the_old_or_the_new_whole(
    where: str, how: str, left: str, tmp_path: Path
) -> None:
    target = tmp_path / "day"
    change(target, "old")
    died = subprocess.run([sys.executable, "-c", DYING, where, how, str(target)], check=False)
    assert died.returncode == 9
    assert found(target) == expected(left)
    change(target, "next")
    assert found(target) == expected("next")
    assert list(tmp_path.iterdir()) == [target]


def test_the_old_folder_comes_back_if_a_process_dies_between_two_moves(tmp_path: Path) -> None:
    target = tmp_path / "day"
    change(target, "old")
    died = subprocess.run([sys.executable, "-c", DYING, "rename 1", "moved aside", str(target)], check=False)
    assert (died.returncode, target.exists()) == (9, False)
    with pytest.raises(RuntimeError), whole_folder(target):
        raise RuntimeError
    assert found(target) == expected("old")
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="folders are exchanged in one step there")
def test_a_reader_always_finds_a_whole_folder_and_writers_take_turns(tmp_path: Path) -> None:
    target = tmp_path / "day"
    change(target, "0")
    done, seen, broken = threading.Event(), set[str](), list[str]()

    def look() -> None:
        while not done.is_set():
            try:
                opened = os.open(target, os.O_RDONLY)
            except FileNotFoundError:
                broken.append("no folder")
                continue
            try:
                page = os.open("index.html", os.O_RDONLY, dir_fd=opened)
                seen.add(os.read(page, 99).decode())
                os.close(page)
            except FileNotFoundError:
                pass  # that folder has been replaced since it was opened
            finally:
                os.close(opened)

    reader = threading.Thread(target=look)
    writers = [
        threading.Thread(target=lambda n=n: [change(target, f"{n}{k}") for k in range(40)]) for n in (1, 2)
    ]
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done.set()
    reader.join()
    assert broken == []
    assert "" not in seen and len(seen) > 1
    (last,) = set(found(target).values())
    assert last in ("139", "239") and found(target) == expected(last)
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_or_a_file_in_its_place_is_replaced_and_what_it_leads_to_stays(
    way: str, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    change(elsewhere, "kept")
    target = tmp_path / "day"
    target.symlink_to(elsewhere)
    change(target, "new")
    assert not target.is_symlink() and found(target) == expected("new")
    assert found(elsewhere) == expected("kept")


def on_a_careless_disk(name: str) -> str:
    """A name as a file system sees it that knows neither case nor spellings."""
    return unicodedata.normalize("NFKC", name).casefold()


@given(st.lists(st.text(min_size=1, max_size=300), unique=True, min_size=2, max_size=12))
def test_no_two_ids_share_a_name(ids: list[str]) -> None:
    stems = [file_stem(one) for one in ids]
    assert len(set(map(on_a_careless_disk, stems))) == len(ids)
    for stem in stems:
        assert re.fullmatch(r"[a-z0-9_][a-z0-9_~-]{0,64}", stem)


@given(
    st.sampled_from(["index", "Index", "car-1", "CAR-1", "con", "nul", "com1", "é", "e\u0301", "a.b", "a/b"]),
    st.data(),
)
def test_ids_that_nearly_agree_have_names_that_do_not(one: str, data: st.DataObject) -> None:
    other = data.draw(
        st.sampled_from(
            [one.upper(), one.lower(), one + ".", one + " ", unicodedata.normalize("NFD", one), one * 90]
        )
    )
    if one != other:
        assert on_a_careless_disk(file_stem(one)) != on_a_careless_disk(file_stem(other))


@pytest.mark.parametrize("name", ["con", "CON", "nul", "aux", "prn", "com0", "lpt9"])
def test_no_name_is_a_device(name: str) -> None:
    assert file_stem(name).startswith(f"{name.lower()}~")


def test_plain_ids_are_the_names_of_their_files() -> None:
    plain = ["car-001", "0_9", "a" * 64, "index"]
    assert [file_stem(name) for name in plain] == plain
