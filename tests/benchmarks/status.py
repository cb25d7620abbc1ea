"""How long `v2g status` takes, s: `python -m tests.benchmarks.status [--times 20]`.

The depot of `killed` is planned once and has its account; then the command is called, in a process of its
own, so often with nobody in the way, so often while another process holds the file, and as often as it goes
while a real `v2g run` works. Printed of each: how many calls, the median and the longest wall time, and the
median of CPU seconds, which tells what it takes where others crowd the machine.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from flows.status_stored import store_status
from flows.workspace import Workspace
from tests.benchmarks.data import benchmark_parser
from tests.benchmarks.killed import all_stages, begun, cpu_of_children, v2g_run
from tests.flows.prefect_database import put_database
from tests.warehouse.test_store_lock import HOLD


def called(workspace: Workspace) -> tuple[float, float]:
    """The wall time of one call and its CPU time, s; raises CalledProcessError where it fails."""
    begin, used = time.perf_counter(), cpu_of_children()
    words = [sys.executable, "-m", "flows.cli", "status", "--json", "-w", str(workspace.root)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin, cpu_of_children() - used


def show(what: str, workspace: Workspace, goes_on: Callable[[int], bool]) -> None:
    """Call it as long as `goes_on` and print what it took."""
    took: list[tuple[float, float]] = []
    while goes_on(len(took)):
        took.append(called(workspace))
    wall, cpu = np.transpose(took)
    print(f"{what}: {len(wall)} calls, median {np.median(wall):.2f} s, longest {max(wall):.2f} s", end="")
    print(f", CPU {np.median(cpu):.2f} s", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("status", __doc__)
    parser.add_argument("--times", type=int, default=20)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        workspace = begun(Path(folder) / "depot", workers=2)
        put_database(workspace)
        all_stages(workspace)
        store_status(workspace)
        show("nobody in the way", workspace, lambda done: done < asked.times)
        words = [sys.executable, "-c", HOLD, str(workspace.warehouse.path)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None and other.stdout.readline() == "held\n"
            show("while the file is held", workspace, lambda done: done < asked.times)
            other.kill()
        run = v2g_run(workspace)
        show("during a run", workspace, lambda done: done < 1 or run.poll() is None)
        run.wait()


if __name__ == "__main__":
    main()
