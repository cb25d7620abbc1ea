"""Files that are nobody else's: private from the first byte, whole or not there at all.

Telemetry and sessions tell where a driver is. Whatever is written gets mode 0600 and every folder that is
made 0700, whatever the umask says, and a name that is a symbolic link is never written through.
"""

import errno
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

FILE_MODE, FOLDER_MODE = 0o600, 0o700
UNWRITABLE_CODES = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
)  # fmt: skip
"""What a call fails with where the disk or folder cannot be written, rather than a name is wrong."""
_COPY_BYTES = 2**20


def make_folder(folder: Path) -> Path:
    """Make a folder and the ones above it that are missing, for their owner alone; one that is there stays.

    Raises OSError, as where a file is in the way.
    """
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for one in reversed(missing):
        one.mkdir(mode=FOLDER_MODE, exist_ok=True)
    return folder


def new_file(path: Path) -> BinaryIO:
    """Open a new private file for writing; FileExistsError if anything has that name, a link included."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    return os.fdopen(descriptor, "wb")


def partial_of(target: Path, suffix: str = "partial") -> Path:
    """Return the name under which this thread writes what becomes `target`, free of an earlier try."""
    writer = f"{threading.get_native_id()}.{os.getpid()}"
    partial = target.with_name(f".{target.name}.{writer}.{suffix}")
    partial.unlink(missing_ok=True)
    return partial


def write_whole(target: Path, data: bytes | str) -> Path:
    """Write a private file in one step: whoever looks sees all of it or what was there before."""
    partial = partial_of(target)
    try:
        with new_file(partial) as stream:
            stream.write(data.encode() if isinstance(data, str) else data)
            sync(stream)
        return partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def copy_private(source: Path, target: Path) -> None:
    """Copy a file's bytes to a new private file."""
    with source.open("rb") as reading:
        copy_open(reading, target)


def copy_open(reading: BinaryIO, target: Path) -> None:
    """Copy all that an open file holds, from its beginning, to a new private file."""
    reading.seek(0)
    with new_file(target) as stream:
        while piece := reading.read(_COPY_BYTES):
            stream.write(piece)
        sync(stream)


def sync(stream: BinaryIO) -> None:
    """Have what was written on the disk before anybody relies on it; a full disk is reported here."""
    stream.flush()
    os.fsync(stream.fileno())


def place(partial: Path, target: Path, *, replace: bool) -> None:
    """Give a finished file its name in one step; unless `replace`, FileExistsError if the name is taken."""
    if replace:
        partial.replace(target)
        return
    try:
        os.link(partial, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise FileExistsError(f"{target} is there already") from None
        partial.rename(target)
    else:
        partial.unlink()


@contextmanager
def folder_held(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a folder against others who hold it so, until the block ends; False where one does and not `wait`.

    Nothing is held where the system or the file system has no such locks.
    """
    if sys.platform == "win32":
        yield True
        return
    import fcntl

    held = os.open(folder, os.O_RDONLY)
    try:
        alone = True
        try:
            fcntl.flock(held, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            alone = False
        except OSError:  # a share without locks
            pass
        yield alone
    finally:
        os.close(held)


def make_private(root: Path, *, keep: Callable[[Path], bool] = lambda _: False) -> int:
    """Take from everybody but the owner what they may do with `root` and all below it; return how many.

    Symbolic links are not followed; what `keep` names, and all below it, stays as it is.
    """
    changed = 0
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = [name for name in folders if not keep(here / name)]
        for path in (here, *(here / name for name in names)):
            if path.is_symlink() or keep(path):
                continue
            mode = path.stat().st_mode & 0o7777
            if mode & 0o077:
                path.chmod(mode & ~0o077)
                changed += 1
    return changed


def close_to_others(path: Path) -> None:
    """Give a file the mode of a private one, unless it is another user's, who lets this one write."""
    with suppress(PermissionError):
        path.chmod(FILE_MODE)


def has_access_list(path: Path) -> bool:
    """Whether somebody was let in by an access list (ACL), of which the mode's group bits are a part."""
    try:
        return any(name.startswith("system.posix_acl_") for name in os.listxattr(path, follow_symlinks=False))
    except (OSError, AttributeError):  # a file system, or a system, without
        return False
