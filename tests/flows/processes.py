"""Which processes still belong to a workspace; and one that dies at its work."""

import os
import signal
from collections.abc import Callable
from pathlib import Path


def in_killed_child(work: Callable[[], object]) -> None:
    """Do it in a process that is killed while it is at it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def processes_of(prefect_home: Path) -> list[str]:
    """Ids of living processes whose PREFECT_HOME is this folder, but for the one that asks."""
    home = f"PREFECT_HOME={prefect_home}".encode()
    return [
        environ.parent.name
        for environ in Path("/proc").glob("[0-9]*/environ")
        if environ.parent.name != Path("/proc/self").resolve().name and home in _variables(environ)
    ]


def _variables(environ: Path) -> list[bytes]:
    try:
        return environ.read_bytes().split(b"\0")
    except OSError:
        return []
