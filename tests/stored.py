"""What tests make once and share between their processes, and the next run: copies of it, kept on disk.

It lies in the user's cache folder, as compiled kernels do, so that a fresh checkout of the same sources finds
it too: delete `FOLDER` to have everything made anew. Nothing in it is ever stale, since its name holds a
digest of all that makes it: the Python that runs, every package that is installed, the sources of the rooms,
the files of the tests that make it, and whatever else they are reported. Of one thing the `VERSIONS` that
were used last session: checkouts of other sources work beside.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import TypeVar

from flows.version import ROOMS, imported, source_hash

ROOT = Path(__file__).parents[1]
T = TypeVar("T")
CACHES = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "v2g-planner"
FOLDER = CACHES / "tests"
VERSIONS = 4


def stored(
    name: str,
    into: Path,
    make: Callable[[Path], object],
    *,
    made_by: Sequence[Path],
    rooms: Sequence[str] = ROOMS,
    folder: Path = FOLDER,
) -> Path:
    """Copy into ``into``, a folder that is not there yet, what ``make`` puts into an empty one.

    ``make`` runs in one process at a time, and in no other once it has come to its end; what it raises leaves
    nothing. ``made_by``: the files of the tests that it runs; ``rooms``: whose sources. Where nothing can be
    kept it is made in place.
    """
    digest = digest_of(made_by, rooms)
    name = f"{name}-{sys.implementation.cache_tag}"  # another Python may run beside: each keeps its own
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f"{name}.lock").open("w")
    except OSError:  # a checkout that may not be written
        into.mkdir()
        make(into)
        return into
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / f"{name}-{digest}"
        if done.is_dir():
            os.utime(done)
        else:
            for left in (
                *folder.glob(f"{name}-begun-*"),
                *_oldest(folder, name),
            ):  # begun: its maker was ended
                shutil.rmtree(left, ignore_errors=True)
            begun = Path(tempfile.mkdtemp(prefix=f"{name}-begun-", dir=folder))
            try:
                make(begun)
                begun.rename(done)
            except BaseException:
                shutil.rmtree(begun, ignore_errors=True)
                raise
        return Path(shutil.copytree(done, into))


def _oldest(folder: Path, name: str) -> list[Path]:
    """What goes before one more is made: of other sources, and used longer ago than most."""
    made = [one for one in folder.glob(f"{name}-*") if one.is_dir()]
    return sorted(made, key=lambda one: one.stat().st_mtime, reverse=True)[VERSIONS - 1 :]


def stored_value(
    name: str, make: Callable[[], T], *, made_by: Sequence[Path], rooms: Sequence[str], given: object = None
) -> T:
    """What ``make`` returns, as `stored`; ``given``: all that it was reported besides, as its `repr` has
    it."""
    label = f"{name}_{hashlib.sha256(repr(given).encode()).hexdigest()[:12]}"

    def pickled(folder: Path) -> None:
        (folder / "value").write_bytes(pickle.dumps(make()))

    with tempfile.TemporaryDirectory() as around:
        into = stored(label, Path(around) / "copy", pickled, made_by=made_by, rooms=rooms)
        found: T = pickle.loads((into / "value").read_bytes())  # noqa: S301 what these tests wrote
    return found


def sources_of(module: str) -> list[Path]:
    """The file of a module of the tests and of all that it imports of them, in turn."""
    return [ROOT / file for file in imported(ROOT, module)]


def digest_of(made_by: Sequence[Path], rooms: Sequence[str]) -> str:
    """Digest of everything that what is made depends on."""
    digest = hashlib.sha256(_surroundings().encode())
    digest.update(source_hash(*rooms).encode())
    for file in (Path(__file__), ROOT / "requirements.lock", *made_by):
        source = file.read_bytes()
        digest.update(f" {file.name} {len(source)} ".encode() + source)
    return digest.hexdigest()[:24]


@contextmanager
def type_cache() -> Iterator[Path]:
    """mypy's own folder of this Python, for one process at a time; it takes only what is as it was.

    By content, wherever the checkout lies; what mypy finds of one Python's packages is not so for another.
    """
    folder = CACHES / f"mypy-{sys.implementation.cache_tag}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError:
        with tempfile.TemporaryDirectory() as own:
            yield Path(own)
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


@cache
def _surroundings() -> str:
    installed = sorted(f"{one.metadata['Name']}=={one.version}" for one in distributions())
    return " ".join((sys.version, sys.platform, *installed))
