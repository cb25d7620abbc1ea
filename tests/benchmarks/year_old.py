"""What age costs: `python -m tests.benchmarks.year_old [--cars 200] [--days 365] [--young 30]`.

Two workspaces of the same depot are made, one so many days old and one a month: telemetry, sessions, prices,
refused rows, a calibration a car and day, a plan of three modes a day, eight runs a day. Then the commands of
a day are run on each as processes of their own. Printed for each command: the peak of memory of all its
processes together, CPU seconds of all cores, wall seconds and exit code on the old and the young workspace,
and the ratios. "snapshot" is the copy that every run leaves; "inputs" what `v2g plan` reads, alone; "nothing"
the same process without reading, to be taken off. A first run warms up and is not reported; a plan is made
anew each time, as of a quarter-hour later. `--keep DIR` makes the workspaces there, or takes those that are
there as they are.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from flows.workspace import Workspace
from tests.benchmarks.data import benchmark_parser
from tests.benchmarks.old_warehouse import LAST, Age, make_old, noon_before
from tests.benchmarks.watched import Cost, cost_of

DAY = LAST + timedelta(days=1)
_V2G = ("-c", "from flows.cli import main; main()")
_READ = (
    "import sys, datetime as dt; from pathlib import Path; from flows.stages import Context; "
    "from flows.mapping.read_inputs import read_inputs; from flows.workspace import Workspace; "
    "import optimize.plan, flows.mapping.plannable; workspace, read, day, moment = sys.argv[1:]; "
    "context = Context.of(Workspace.open(Path(workspace)), dt.datetime.fromisoformat(moment)); "
    "read == 'inputs' and read_inputs(context, dt.date.fromisoformat(day))"
)
"""A process that loads what a plan loads, and reads what it reads."""


def words_of(command: str, workspace: Path, as_of: datetime) -> list[str]:
    """The line of a command, as words."""
    moment, where = as_of.isoformat(), ["--workspace", str(workspace)]
    match command:
        case "nothing" | "inputs":
            return ["-c", _READ, str(workspace), command, str(DAY), moment]
        case "status":
            return [*_V2G, "status", *where]
        case "status then":
            return [*_V2G, "status", "--as-of", moment, *where]
        case "snapshot":
            return [*_V2G, "snapshot", *where]
    return [*_V2G, command, "--date", str(DAY), "--as-of", moment, *where]


COMMANDS = ("status", "status then", "snapshot", "nothing", "inputs", "plan")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("year_old", __doc__)
    parser.add_argument("--cars", type=int, default=200)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--young", type=int, default=30, help="age of the other one, in days")
    parser.add_argument("--slots", type=int, default=120, help="quarter-hours of each old plan")
    parser.add_argument("--times", type=int, default=3, help="runs of each command: the median is reported")
    parser.add_argument("--only", choices=COMMANDS, action="append", help="a command, again for more")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where the workspaces are, or are to be")
    asked = parser.parse_args(arguments)
    with _folder(asked.keep) as root:
        made = [
            _made(root, Age(cars=asked.cars, days=days, slots=asked.slots))
            for days in (asked.days, asked.young)
        ]
        print(f"{asked.cars} cars: {asked.days} days old, {asked.young} days old, ratio")
        print("command      peak MB   CPU s  wall s end    peak MB   CPU s  wall s end     peak   CPU")
        for command in asked.only or COMMANDS:
            old, young = (_median(command, workspace, asked.times) for workspace in made)
            stated = (
                f"{one.peak_mb:9.0f} {one.cpu_s:7.2f} {one.wall_s:7.2f} {one.code:3d}" for one in (old, young)
            )
            ratios = f"{old.peak_mb / young.peak_mb:8.2f} {old.cpu_s / young.cpu_s:5.2f}"
            print(f"{command:11}{'  '.join(stated)} {ratios}", flush=True)


def _median(command: str, workspace: Path, times: int) -> Cost:
    noon = noon_before(DAY)
    # The first is not reported: what it compiles and loads from disk would be counted as the age of a
    # warehouse.
    _, *found = (
        cost_of(words_of(command, workspace, noon + timedelta(minutes=15 * turn)), ends=(0, 3))
        for turn in range(times + 1)
    )

    def middle(of: Callable[[Cost], float]) -> float:
        return statistics.median(map(of, found))

    return replace(
        found[-1],
        peak_mb=middle(lambda one: one.peak_mb),
        cpu_s=middle(lambda one: one.cpu_s),
        wall_s=middle(lambda one: one.wall_s),
    )


def _made(root: Path, age: Age) -> Path:
    """The folder of a workspace of that age, made unless it is there."""
    folder = root / f"{age.cars}_cars_{age.days}_days"
    if not folder.exists():
        begun = time.perf_counter()
        warehouse = make_old(folder, age).warehouse.path
        size = warehouse.stat().st_size / 2**20
        print(f"{folder.name}: {size:,.0f} MB, made in {time.perf_counter() - begun:.0f} s", flush=True)
    return Workspace.open(folder).root


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


if __name__ == "__main__":
    main()
