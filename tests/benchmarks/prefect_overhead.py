"""What Prefect costs a run: `python -m tests.benchmarks.prefect_overhead [--times 3]`.

The depot of `killed` is lived through for a day, from its inbox to its pages, in fresh copies in turns: all
stages in one process without Prefect, and as `v2g run`, which starts a server of its own and ends it. Both
are processes of their own with Python's start in it. Printed of each: wall and CPU seconds, medians, and the
difference. A first pair warms up and is not counted.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.data import benchmark_parser
from tests.benchmarks.killed import AS_OF, DAY, begun
from tests.benchmarks.watched import cost_of
from tests.flows.prefect_database import put_database

_STAGES = """
import sys
from pathlib import Path
from flows.workspace import Workspace
from tests.benchmarks.killed import all_stages
all_stages(Workspace.open(Path(sys.argv[1])))
"""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("prefect_overhead", __doc__)
    parser.add_argument("--times", type=int, default=3)
    asked = parser.parse_args(arguments)
    took: dict[str, list[tuple[float, float]]] = {"stages alone": [], "v2g run": []}
    with tempfile.TemporaryDirectory() as folder:
        seed = begun(Path(folder) / "seed", workers=1)
        put_database(seed)
        for _ in range(asked.times + 1):
            for what, of in took.items():
                root = str(shutil.copytree(seed.root, Path(folder) / "own"))
                run = ["-m", "flows.cli", "run", "-w", root, f"--date={DAY}"]
                words = (
                    ["-c", _STAGES, root]
                    if what == "stages alone"
                    else [*run, f"--as-of={AS_OF:%Y-%m-%dT%H:%MZ}"]
                )
                cost = cost_of(words, ends=(0, 3))
                of.append((cost.wall_s, cost.cpu_s))
                shutil.rmtree(root)
    medians = {what: np.median(of[1:], axis=0) for what, of in took.items()}
    for what, (wall, cpu) in medians.items():
        print(f"{what}: {wall:.1f} s, {cpu:.1f} CPU s")
    wall, cpu = medians["v2g run"] - medians["stages alone"]
    print(f"Prefect: {wall:.1f} s, {cpu:.1f} CPU s")


if __name__ == "__main__":
    main()
