"""Taking files out of a folder that others may write to: no name in it is trusted to be what it was."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
from contextlib import suppress
from pathlib import Path

from flows.errors import WorkspaceError
from warehouse.files import FOLDER_MODE

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def require_own(folder: Path) -> None:
    """Raise WorkspaceError for what stands in the place of a folder and is none; nothing there is fine."""
    try:
        mode = folder.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        raise _not_own(folder)


def being_written(file: Path) -> bool:
    """Whether a process has a file open for writing, as far as this system can tell (Linux: a lease says)."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        descriptor = os.open(file, _FILE)
    except OSError:
        return False  # whoever reads it says why not
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        # A writer that comes within this moment is given by this signal, which does nothing.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False  # another's file, or a file system without leases
    finally:
        os.close(descriptor)
    return False


def as_written(file: Path) -> tuple[int, int] | None:
    """A file's size in bytes and the moment of its last change, ns; None once it is gone."""
    try:
        status = file.lstat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def move_into(file: Path, folder: Path, name: str) -> None:
    """Move a file as it is, a link as a link, into a folder next to it, which is made when absent.

    Raises WorkspaceError where the folder is a link or file by now, OSError.
    """
    outer = os.open(file.parent, _FOLDER)
    try:
        with suppress(FileExistsError):
            os.mkdir(folder.name, FOLDER_MODE, dir_fd=outer)
        try:
            inner = os.open(folder.name, _FOLDER, dir_fd=outer)
        except NotADirectoryError:  # also what a link gives
            raise _not_own(folder) from None
        try:
            os.rename(file.name, name, src_dir_fd=outer, dst_dir_fd=inner)
        finally:
            os.close(inner)
    finally:
        os.close(outer)


def _not_own(folder: Path) -> WorkspaceError:
    kind = "symbolic link" if folder.is_symlink() else "file"
    return WorkspaceError(
        f"{folder} is a {kind}: files would leave the workspace",
        hint="Make it a folder. One that lies elsewhere can be mounted there.",
    )
