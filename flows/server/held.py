"""Which process of a workspace is still there: each holds a lock on a file that names it.

The system lets go of the lock when the process ends, however it ends. A lock that is held therefore proves
that the process named in the file lives and is one of ours, which a process id alone never does.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_GRACE_S = 3.0
_held: dict[Path, int] = {}


def hold(path: Path) -> int | None:
    """Hold `path` until this process ends: None, or the id of the process that holds it (0: unknown)."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return _named(path)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    _held[path] = descriptor
    return None


def let_go(path: Path) -> None:
    """Hold `path` no longer."""
    os.close(_held.pop(path))


def end_holder(path: Path) -> int | None:
    """End the process that holds `path` and return its id; None when it is, or comes, free by itself.

    SIGTERM first, SIGKILL for one that does not hear it.
    """
    ended: int | None = None
    for order in (None, signal.SIGTERM, signal.SIGKILL):
        if order is not None and (pid := holder(path)):
            with suppress(ProcessLookupError):
                os.kill(pid, order)
                ended = pid
        deadline = time.monotonic() + _GRACE_S
        while (pid := holder(path)) is not None and time.monotonic() < deadline:
            time.sleep(0.1)
        if pid is None:
            break
    return ended


def holder(path: Path) -> int | None:
    """The id of the process that holds `path` (0: unknown); None where nobody does."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _named(path)
    return None


def _named(path: Path) -> int:
    text = path.read_text().partition("\n")[0].strip()
    return int(text) if text.isdecimal() else 0
