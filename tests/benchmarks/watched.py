"""What a command costs, all of its processes together: `cost_of(words)`.

The command is started and watched by a small process of its own (this file, the standard library alone):
what a process counts as its peak it inherits from the one that started it, however large that has been.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Peak of memory of a process and all that it starts, MB; CPU seconds of theirs; wall seconds.

    code: how it ended; output: the end of what it printed. A page that processes share counts in each.
    """

    peak_mb: float
    cpu_s: float
    wall_s: float
    code: int
    output: str


def cost_of(words: Sequence[str], *, ends: Sequence[int] = (0,)) -> Cost:
    """Run Python with these words; raises CalledProcessError where it ends with a code not among `ends`."""
    launcher = [sys.executable, "-S", str(Path(__file__)), sys.executable, *words]
    done = subprocess.run(launcher, stdout=subprocess.PIPE, text=True, check=True)
    cost = Cost(**json.loads(done.stdout))
    if cost.code not in ends:
        raise subprocess.CalledProcessError(cost.code, list(words), output=cost.output)
    return cost


def watch(words: Sequence[str]) -> Cost:
    """Run a command to its end from this process, and look at it some 50 times a second."""
    begun = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seen = _Watch(process.pid)
    watcher = threading.Thread(target=seen.until_ended)
    watcher.start()
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    seen.ended.set()
    watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(
        peak_mb=max(seen.peak_mb, used.ru_maxrss / 1024),  # of the largest alone: reported to the last page
        cpu_s=used.ru_utime + used.ru_stime,
        wall_s=wall,
        code=process.returncode,
        output=output[-4000:],
    )


@dataclass(eq=False)
class _Watch:
    root: int
    peak_mb: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)

    def until_ended(self) -> None:
        while not self.ended.wait(0.02):
            self.peak_mb = max(self.peak_mb, sum(map(_resident_mb, _with_children(self.root))))


def _with_children(root: int) -> Iterator[int]:
    yield root
    for task in Path(f"/proc/{root}/task").glob("*/children"):
        try:
            children = task.read_text(encoding="ascii").split()
        except OSError:
            continue
        for child in children:
            yield from _with_children(int(child))


def _resident_mb(process: int) -> float:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):  # it has ended meanwhile
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    print(json.dumps(asdict(watch(sys.argv[1:]))))
