"""What the pages of a plan cost: `python -m tests.benchmarks.pages [--cars 1000]`.

A depot of so many cars is made, with a plan of three modes for the next day. Then all its pages are written
by `v2g report`, as a process of its own, and again, with nothing changed. Printed of both: wall and CPU
seconds, the peak of memory of all its processes; then the pages' number, the largest by kind and all
together. `--keep DIR` makes the workspace there, or takes the one that is there, whose pages are thrown away.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from tests.benchmarks.data import benchmark_parser
from tests.benchmarks.old_warehouse import LAST, Age, make_old, noon_before
from tests.benchmarks.watched import cost_of

DAY = LAST + timedelta(days=1)
_V2G = ("-c", "from flows.cli import main; main()")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("pages", __doc__)
    parser.add_argument("--cars", type=int, default=1000)
    parser.add_argument("--days", type=int, default=8, help="age of the depot, in days")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where the workspace is, or is to be")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as passing:
        root = (asked.keep or Path(passing)) / f"{asked.cars} cars"
        moment = noon_before(DAY).isoformat()
        own = ["--date", str(DAY), "--as-of", moment, "--workspace", str(root)]
        if not (root / "v2g.toml").is_file():
            make_old(root, Age(cars=asked.cars, days=asked.days, slots=120))
            cost_of([*_V2G, "plan", *own], ends=(0, 3))
        shutil.rmtree(root / "reports", ignore_errors=True)
        for turn in ("made", "made again"):
            cost = cost_of([*_V2G, "report", *own], ends=(0,))
            print(
                f"{asked.cars} cars, {turn}: {cost.wall_s:.1f} s, {cost.cpu_s:.1f} CPU s, "
                f"{cost.peak_mb:.0f} MB"
            )
        _sizes(root / "reports")


def _sizes(reports: Path) -> None:
    kinds: dict[str, list[int]] = {}
    for page in reports.rglob("*.html"):
        kind = (
            page.name if page.parent == reports else page.parent.name if page.name != "index.html" else "day"
        )
        kinds.setdefault(kind, []).append(page.stat().st_size)
    for kind, sizes in sorted(kinds.items()):
        print(f"{kind:16}{len(sizes):6} pages, the largest {max(sizes) / 1e3:7.1f} kB")
    print(f"all together {sum(map(sum, kinds.values())) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
