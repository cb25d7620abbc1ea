"""Runs killed at random and done again: `python -m tests.benchmarks.killed [--stages 200] [--runs 20]`.

A depot of two cars finds days of files in its inbox, some of them with rows that cannot be right. All
stages of its day are done in a process forked from this one, which is killed (SIGKILL) at a moment drawn
evenly over what an undisturbed one takes; then they are done again, once. `--runs` does the same to real
`v2g run`s with Prefect's server and two twin processes. Printed: how many ended in the same tables and files
as the undisturbed one, row by row but for whose run and at what time of the clock; rows that are lost or
more than there should be; rows of a key that are there twice; whether the page names every rule of the
quarantine; runs that Prefect still takes for running, and processes that are left ten seconds after the
kill. Interrupted, it tells of those it did; `--seed` draws other moments, so that it can be run in parts.
Ends with 1 unless all of that is as it should be.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from flows.stages import Context, new_run_id
from flows.stages.ladder import climb, steps_of
from flows.workspace import Workspace
from tests.benchmarks.data import benchmark_parser
from tests.flows.conftest import ZONE, created, fleet_rows, site_rows
from tests.flows.prefect_database import put_database
from tests.flows.processes import processes_of
from tests.soak.world import World, as_csv, local
from warehouse.contracts import CONTRACTS

DAY = date(2026, 10, 21)
AS_OF = local(DAY - timedelta(days=1), "14:00")
CARS = ("car-1", "car-2")
DAYS_BACK = 3
_OF_A_RUN = {"run_id", "made_utc", "started_utc", "finished_utc", "solve_seconds"}
_OF_MOMENTS = {".spool/taken_in"}
"""When something was last taken in that a snapshot lacks: there only where there was one before."""
_LONGEST_S = 600.0


def inbox_files(world: World) -> dict[str, str]:
    """Days of files, with a session that ends before it begins and three prices that are no numbers."""
    days = [DAY - timedelta(days=back) for back in range(DAYS_BACK, -1, -1)]
    cars = [fleet_rows().iloc[[0]].assign(battery_id=name) for name in CARS]
    files = {
        "sites__csv__yard.csv": site_rows().to_csv(index=False),
        "fleet__csv__cars.csv": pd.concat(cars).to_csv(index=False),
    }
    for day in days:
        files[f"prices__csv__{day}.csv"] = world.prices(day).to_csv(index=False)
        files[f"sessions__csv__{day}.csv"] = world.sessions(day)
        if day < DAY - timedelta(days=1):
            files[f"soc_power__csv__{day}.csv"] = world.telemetry(day).to_csv(index=False)
    night = world.night(CARS[0], DAY - timedelta(days=DAYS_BACK))
    turned = replace(night, session_id="turned", arrival=night.departure, departure=night.arrival)
    files["sessions__csv__turned.csv"] = as_csv([turned])
    prices = world.prices(DAY + timedelta(days=1))
    prices.loc[[3, 4, 5], "price_eur_per_kwh"] = np.nan
    files["prices__csv__holes.csv"] = prices.to_csv(index=False, na_rep="NaN")
    return files


def begun(folder: Path, *, workers: int) -> Workspace:
    """A depot with nothing but its inbox, by files of one age."""
    workspace = created(folder, workers=workers)
    for name, text in inbox_files(World(0, list(CARS))).items():
        (workspace.inbox / name).write_text(text, encoding="utf-8")
        os.utime(workspace.inbox / name, (AS_OF.timestamp(), AS_OF.timestamp()))
    return workspace


def state(workspace: Workspace) -> dict[str, list[str]]:
    """Table or file → its rows, but for what tells of a run."""
    found: dict[str, list[str]] = {}
    for name in CONTRACTS:
        if name == "out_run":
            continue
        frame = workspace.warehouse.read(name)
        frame = frame.drop(columns=[one for one in frame.columns if one in _OF_A_RUN])
        if name == "out_check":  # both looked, at other parts
            frame = frame.drop_duplicates()
        lines = frame.to_csv(index=False, header=False).splitlines()
        found[name] = sorted(lines)
    for path in sorted(workspace.exports.glob("schedule_*.csv")):
        found[path.name] = path.read_text(encoding="utf-8").splitlines()
    files = [one.relative_to(workspace.root) for one in workspace.root.rglob("*") if one.is_file()]
    found["files"] = sorted({str(one) for one in files if one.parts[0] != ".prefect"} - _OF_MOMENTS)
    return found


@dataclass(slots=True)
class Tally:
    """What became of the tries of one kind."""

    same: int = 0
    tries: int = 0
    differed: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    more: int = 0
    twice: int = 0
    unnamed: int = 0
    running: int = 0
    left: int = 0
    killed_in: Counter[str] = field(default_factory=Counter)

    def judge(self, workspace: Workspace, wanted: dict[str, list[str]], where: str) -> None:
        """Hold what a re-run ended in to what an undisturbed run did."""
        self.tries += 1
        came = state(workspace)
        wrong = [name for name in sorted({*wanted, *came}) if wanted.get(name) != came.get(name)]
        self.same += not wrong
        self.differed.update(wrong)
        for name in wrong:
            before, after = Counter(wanted.get(name, ())), Counter(came.get(name, ()))
            lost, more = list((before - after).elements()), list((after - before).elements())
            self.lost, self.more = self.lost + len(lost), self.more + len(more)
            print(f"  {where}: {name} lacks {lost[:2]}, has {more[:2]}", file=sys.stderr)
        for name, contract in CONTRACTS.items():
            if contract.key:
                keys = workspace.warehouse.read(name, columns=list(contract.key))
                self.twice += int(keys.duplicated().sum())
        rules = set(workspace.warehouse.read("core_quarantine")["rule"].astype(str))
        page = (workspace.reports / str(DAY) / "index.html").read_text(encoding="utf-8")
        self.unnamed += sum(f'<td class="text">{rule}</td>' not in page for rule in rules)
        runs = workspace.warehouse.read("out_run")
        told = runs.loc[runs["message"].str.contains("was killed", regex=False), "stage"]
        self.killed_in.update(told.tolist() or ["before or after all stages"])

    @property
    def well(self) -> bool:
        """Whether nothing is lost, doubled, unnamed or left."""
        return self.same == self.tries and not self.twice + self.unnamed + self.running + self.left

    def show(self, what: str) -> None:
        """The lines that are printed."""
        print(f"{what}: {self.same} of {self.tries} ended in the same tables")
        print(f"  killed in: {', '.join(f'{name} {n}' for name, n in self.killed_in.most_common())}")
        print(f"  differed: {dict(self.differed) or 'nothing'}; lost {self.lost}, too many {self.more}")
        print(f"  rows of a key that is there already: {self.twice}")
        print(f"  rules of the quarantine that the page does not name: {self.unnamed}")
        print(f"  still running for Prefect: {self.running}; processes left: {self.left}")


def in_fork(work: Callable[[], object], within_s: float | None = None) -> tuple[float, int]:
    """Do it in a process forked from this one, killed after so many seconds; what it took, s, and how many
    processes that it began are left.
    """
    begin = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            work()
            code = 0
        finally:
            os._exit(code)
    deadline = begin + (_LONGEST_S if within_s is None else within_s)
    ended = (0, 0)
    try:
        while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.002)
    finally:
        if ended == (0, 0):
            os.kill(child, signal.SIGKILL)
            ended = os.waitpid(child, 0)
    if within_s is None and ended[1] != 0:
        raise RuntimeError(f"a process that nobody killed ended with {ended[1]}")
    took = time.monotonic() - begin
    return took, left_after(lambda: of_session(child))


def of_session(leader: int) -> list[str]:
    """Ids of living processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
            found += [stat.parent.name] if int(session) == leader and state != "Z" else []
    return found


def left_after(living: Callable[[], list[str]]) -> int:
    """How many processes are there ten seconds later at the latest."""
    deadline = time.monotonic() + 10.0
    while (left := living()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return len(left)


def all_stages(workspace: Workspace) -> None:
    context = Context.of(workspace, AS_OF, new_run_id(AS_OF))
    climb(context, steps_of(context, DAY), DAY)


def forked(folder: Path, tries: int, dice: np.random.Generator, tally: Tally) -> None:
    """Stages in forks of this process, which has done them once."""
    seed = begun(folder / "seed", workers=1)
    warm = Workspace.open(Path(shutil.copytree(seed.root, folder / "warm")))
    all_stages(warm)
    wanted = state(warm)
    shutil.copytree(seed.root, folder / "timed")
    takes, _ = in_fork(lambda: all_stages(Workspace.open(folder / "timed")))
    for number in range(tries):
        own = replace(seed, root=folder / "try")
        shutil.copytree(seed.root, own.root)
        moment = float(dice.uniform(0.0, takes))
        for within_s in (moment, None):
            tally.left += in_fork(partial(all_stages, own), within_s)[1]
        tally.judge(own, wanted, f"try {number}, {moment:.2f} of {takes:.2f} s")
        shutil.rmtree(own.root)


def v2g_run(workspace: Workspace) -> subprocess.Popen[bytes]:
    """A real run of the day, quiet."""
    words = [sys.executable, "-m", "flows.cli", "run", "-w", str(workspace.root), f"--date={DAY}"]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    return subprocess.Popen(
        [*words, f"--as-of={AS_OF:%Y-%m-%dT%H:%MZ}"],
        env=kept,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def cpu_of_children() -> float:
    """What ended processes that this one began have used, s."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def running(workspace: Workspace) -> int:
    """How many runs Prefect's database takes for running."""
    database = workspace.prefect_home / "prefect.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        found = connection.execute("SELECT count(*) FROM flow_run WHERE state_type = 'RUNNING'").fetchone()
    return int(found[0])


def real(folder: Path, tries: int, dice: np.random.Generator, tally: Tally) -> None:
    """Real commands, each with a server and two twin processes of its own."""
    seed = begun(folder / "real-seed", workers=2)
    put_database(seed)
    undisturbed = Workspace.open(Path(shutil.copytree(seed.root, folder / "undisturbed")))
    begin, used = time.monotonic(), cpu_of_children()
    v2g_run(undisturbed).wait()
    takes, wanted = time.monotonic() - begin, state(undisturbed)
    print(f"an undisturbed v2g run takes {takes:.0f} s, {cpu_of_children() - used:.0f} s of CPU", flush=True)
    for number in range(tries):
        own = Workspace.open(Path(shutil.copytree(seed.root, folder / "run")))
        moment = float(dice.uniform(0.0, takes))
        with v2g_run(own) as process:
            try:
                process.wait(timeout=moment)
            except subprocess.TimeoutExpired:
                process.kill()
        tally.left += left_after(partial(processes_of, own.prefect_home))
        with v2g_run(own):
            pass  # which waits for its end
        tally.left += left_after(partial(processes_of, own.prefect_home))
        tally.judge(own, wanted, f"run {number}, {moment:.1f} of {takes:.1f} s")
        tally.running += running(own)
        shutil.rmtree(own.root)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("killed", __doc__)
    parser.add_argument("--stages", type=int, default=200, help="tries in forks")
    parser.add_argument("--runs", type=int, default=20, help="tries of real runs")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    for order in (signal.SIGINT, signal.SIGTERM):
        signal.signal(order, signal.default_int_handler)
    dice = np.random.default_rng(asked.seed)
    begin, well = datetime.now().astimezone(), True
    with tempfile.TemporaryDirectory() as folder:
        for what, tries, work in (
            ("v2g run", asked.runs, real),
            ("stages forked from a warm process", asked.stages, forked),
        ):
            if tries:
                tally = Tally()
                with suppress(KeyboardInterrupt):
                    work(Path(folder), tries, dice, tally)
                tally.show(what)
                well &= tally.well and tally.tries == tries
    print(f"in {(datetime.now().astimezone() - begin).total_seconds() / 60:.0f} min, zone {ZONE}")
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
