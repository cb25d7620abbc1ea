"""A folder of files that changes as a whole: written next to its place, then put there in one step."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from warehouse.files import folder_held, make_folder

_AT_FDCWD, _RENAME_EXCHANGE, _RENAME_SWAP = -100, 2, 2
_NOT_HERE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; when the block ends it stands at `target`, in place of what was there.

    Whoever looks finds the old folder or the new one. If the block raises, or the process dies, the old one
    stays; what a dead process left next to it goes with the next change. Where the system cannot exchange two
    folders, the old one is moved aside for a moment, and put back by the next change if it dies just then.
    """
    make_folder(target.parent)
    with folder_held(target.parent):
        _tidy(target)
        fresh = target.with_name(f".{target.name}.new")
        try:
            make_folder(fresh)
            yield fresh
            _finish(fresh)
            _put(fresh, target)
        finally:
            for left in (fresh, _aside(target)):
                with suppress(OSError):  # the next change tries again
                    _remove(left)


def _put(fresh: Path, target: Path) -> None:
    if not os.path.lexists(target):
        fresh.rename(target)
    elif not _exchange(fresh, target):
        aside = _aside(target)
        target.rename(aside)
        try:
            fresh.rename(target)
        except OSError:
            aside.rename(target)
            raise


def _finish(folder: Path) -> None:
    """Have all of a folder on the disk, lest its name gets there first."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def _tidy(target: Path) -> None:
    """Clear up after a process that died here."""
    aside = _aside(target)
    if os.path.lexists(aside) and not os.path.lexists(target):
        aside.rename(target)
    for left in (aside, target.with_name(f".{target.name}.new")):
        _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where the system or the file system has no such step."""
    if sys.platform == "win32":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin":
        swapped = hasattr(libc, "renamex_np") and bool(libc.renamex_np(*names, _RENAME_SWAP) == 0)
    elif hasattr(libc, "renameat2"):
        swapped = bool(libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)
    else:
        return False
    failed = ctypes.get_errno()
    if not swapped and failed not in (0, *_NOT_HERE):
        raise OSError(failed, os.strerror(failed), str(other))
    return swapped
