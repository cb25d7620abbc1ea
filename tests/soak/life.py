"""Live days at a depot: drop its files, look as `v2g serve` does, throw the faults, and judge what came.

`live` runs the real jobs through their real stages in one process, on a clock that jumps from look to look.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import flows.clock
from flows.problem import problem_of
from flows.snapshot import keep_snapshot
from flows.stages import StageResult
from flows.stages.jobs import without_prefect, work_off
from flows.workspace import Workspace
from tests.flows.conftest import ZONE, fleet_rows, site_rows
from tests.soak.faults import FAULTS
from tests.soak.world import Day, World, local

CARS = ("car-1", "car-2", "car-3")
LOOKS = tuple(
    f"{hour:02}:{minute:02}"
    for hour in range(24)
    for minute in ((0, 15, 30, 45) if hour in (12, 13, 14) else (0,))
)
"""Every quarter-hour while prices may come, else every hour."""
PLANNED_AT = "13:00"
_HOLD = "import sys, time, duckdb; c = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(60)"
_UNSAID = frozenset({"prices_extreme", "prices_corrected", "telemetry_twice", "telemetry_unordered", "killed",
                     "telemetry_late", "sessions_impossible", "sessions_never",
                     "sessions_overlap"})  # fmt: skip
"""Faults that may cost nothing, or are made up for by what is expected, or by a later file whose session
replaces another: with these a day may be green."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a look came to: each stage's answer, or the error that nothing could be looked at with."""

    moment: datetime
    results: tuple[StageResult, ...] = ()
    refused: str = ""
    code: int = 0

    @property
    def codes(self) -> list[int]:
        """Exit codes that are not 0."""
        return [one.exit_code for one in self.results if one.exit_code] + ([self.code] if self.code else [])

    @property
    def said(self) -> bool:
        """Whether it says that something is not as it should be; rows set aside cost no exit code."""
        return bool(self.codes) or any(one.status != "ok" for one in self.results)


@dataclass(slots=True)
class Lived:
    """What days came to. findings: what should not be; rungs: day → that of the plan that it began with;
    thrown: day → faults; seconds: day → of CPU; peak_mb: day → of memory of this process.
    """

    findings: list[str] = field(default_factory=list)
    rungs: dict[date, str] = field(default_factory=dict)
    thrown: dict[date, list[str]] = field(default_factory=dict)
    looks: list[Looked] = field(default_factory=list)
    seconds: dict[date, float] = field(default_factory=dict)
    peak_mb: dict[date, float] = field(default_factory=dict)


@contextmanager
def clock_at(moments: list[datetime]) -> Iterator[None]:
    """Have all of `flows` read the last of `moments` from the clock."""
    real = flows.clock.now

    def then() -> datetime:
        return moments[-1]

    changed = [one for name, one in list(sys.modules.items())
               if name.split(".")[0] == "flows" and getattr(one, "now", None) is real]  # fmt: skip
    for module in changed:
        module.now = then  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for name, one in list(sys.modules.items()):
            if name.split(".")[0] == "flows" and getattr(one, "now", None) is then:
                one.now = real  # type: ignore[attr-defined]


def drawn(days: Sequence[date], seed: int, most: int = 2) -> dict[date, list[str]]:
    """Faults for days from a seed, up to `most` a day of different kinds; every third day is spared."""
    dice = np.random.default_rng(seed)
    found: dict[date, list[str]] = {}
    for number, day in enumerate(days):
        if number % 4 == 0:
            continue
        chosen: dict[str, str] = {}
        for name in dice.permutation(list(FAULTS))[: dice.integers(1, most + 1)]:
            chosen.setdefault(str(name).split("_")[0], str(name))
        found[day] = list(chosen.values())
    return found


def live(
    root: Path, first: date, days: int, faults: Mapping[date, Sequence[str]], seed: int = 0,
    looks: Sequence[str] = LOOKS,
) -> Lived:  # fmt: skip
    """Make a depot in `root` and live so many local days from `first`, with faults thrown by day.

    looks: local times of a day at which what is due is done.
    """
    life = _Life(root, World(seed, list(CARS)), seed, looks)
    with clock_at(life.moments):
        life.begin(first)
        for number in range(days):
            life.a_day(first + timedelta(days=number), faults.get(first + timedelta(days=number), ()))
        life.judge()
    return life.lived


class _Life:
    def __init__(self, root: Path, world: World, seed: int, looks: Sequence[str]) -> None:
        self.root, self.world, self.looks = root, world, looks
        self.dice = np.random.default_rng([seed, 1])
        self.moments = [local(date(2026, 1, 1), "00:00")]
        self.lived = Lived()
        self.asleep = (self.moments[0], self.moments[0])
        self.coming: list[tuple[datetime, list[tuple[str, str | bytes]]]] = []

    def begin(self, first: date) -> None:
        self.moments.append(local(first, "00:00"))
        settings = Workspace.create(self.root, zone=ZONE).root / "v2g.toml"
        text = settings.read_text(encoding="utf-8").replace("workers = 0", "workers = 1")
        settings.write_text(text, encoding="utf-8")
        before = first - timedelta(days=1)
        self._drop(
            [
                ("sites__csv__yard.csv", site_rows().to_csv(index=False)),
                ("fleet__csv__cars.csv", _fleet().to_csv(index=False)),
                (f"sessions__csv__{before}.csv", self.world.sessions(before)),
                (f"sessions__csv__{first}.csv", self.world.sessions(first)),
            ]
        )
        for back in range(8):
            day = first - timedelta(days=back)
            self._drop([(f"prices__csv__{day}.csv", self.world.prices(day).to_csv(index=False))])

    def a_day(self, day: date, names: Sequence[str]) -> None:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak is counted anew
        began, spoilt = time.process_time(), self.world.day(day)
        for name in names:
            FAULTS[name](self.world, spoilt, self.dice)
        self.lived.thrown[day] = list(names)
        if spoilt.away:
            self.asleep = spoilt.away
        self.coming = sorted([*self.coming, *spoilt.files.items()], key=lambda one: one[0])
        for stated in self.looks:
            moment = local(day, stated)
            while self.coming and self.coming[0][0] <= moment:
                self._drop(self.coming.pop(0)[1])
            if not self.asleep[0] <= moment < self.asleep[1]:
                self._look(spoilt, moment, stated)
        self.lived.seconds[day] = time.process_time() - began
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
        self.lived.peak_mb[day] = int(peak) / 1024

    def _look(self, day: Day, moment: datetime, stated: str) -> None:
        self.moments.append(moment)
        if day.damaged and stated == "07:00":
            self._damaged(moment)
        at_plan = stated == PLANNED_AT
        if at_plan and day.killed:
            self._killed()
        with self._held(at_plan and day.locked), self._mistyped(at_plan and day.mistyped), \
                self._shut(at_plan and day.shut), self._provider(day.unreachable):  # fmt: skip
            self.lived.looks.append(self._worked(moment, 0.3 if at_plan and day.locked else 10.0))

    def _worked(self, moment: datetime, patience_s: float = 10.0) -> Looked:
        try:
            workspace = Workspace.open(self.root)
            object.__setattr__(workspace, "lock_timeout_s", patience_s)
            came = work_off(workspace, without_prefect)
            if came:
                keep_snapshot(workspace)
        except Exception as error:
            problem = problem_of(error)
            return Looked(moment=moment, refused=f"{problem.kind}: {problem.message}", code=problem.exit_code)
        return Looked(moment=moment, results=tuple(one for results in came for one in results))

    def _killed(self) -> None:
        """Look in a process that is killed at some moment of its work."""
        child = os.fork()
        if child == 0:
            try:
                self._worked(self.moments[-1])
            finally:
                os._exit(0)
        time.sleep(float(self.dice.uniform(0.0, 2.0)))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    @contextmanager
    def _held(self, wanted: bool) -> Iterator[None]:
        if not wanted:
            yield
            return
        words = [sys.executable, "-c", _HOLD, str(self.root / "warehouse.duckdb")]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None and other.stdout.readline() == b"held\n"
            try:
                yield
            finally:
                other.kill()

    @contextmanager
    def _mistyped(self, wanted: bool) -> Iterator[None]:
        file = self.root / "v2g.toml"
        text = file.read_text(encoding="utf-8")
        if wanted:
            file.write_text(text.replace("[plan]", "[plan]\nhorizont = 3\n", 1), encoding="utf-8")
        try:
            yield
        finally:
            file.write_text(text, encoding="utf-8")

    @contextmanager
    def _shut(self, wanted: bool) -> Iterator[None]:
        """Have a file stand where the folder of pages should be."""
        pages, away = self.root / "reports", self.root / "reports.away"
        if wanted:
            if pages.exists():
                pages.rename(away)
            pages.write_text("no folder", encoding="utf-8")
        try:
            yield
        finally:
            if wanted:
                pages.unlink()
                if away.exists():
                    away.rename(pages)

    @contextmanager
    def _provider(self, unreachable: bool) -> Iterator[None]:
        """Ask a provider of prices that nobody answers for."""
        words = {"V2G_FETCH__PRICES": '["energy_charts"]', "V2G_FETCH__DEADLINE_S": "1",
                 "HTTPS_PROXY": "http://127.0.0.1:9"} if unreachable else {}  # fmt: skip
        with pytest.MonkeyPatch.context() as patch:
            for name, value in words.items():
                patch.setenv(name, value)
            yield

    def _damaged(self, moment: datetime) -> None:
        """Cut the database short; whoever looks is told, and puts back the backup and what came since."""
        file = self.root / "warehouse.duckdb"
        backup = max((self.root / "backups").glob("*.duckdb"), key=lambda one: one.stat().st_mtime)
        os.truncate(file, file.stat().st_size // 2)
        looked = self._worked(moment)
        self.lived.looks.append(looked)
        if not looked.codes:
            self._found(moment, "a database that was cut short was looked at, and all was well")
        Workspace.open(self.root).warehouse.restore(backup)
        for done in (self.root / "inbox" / "done").rglob("*.csv"):
            if done.stat().st_mtime >= backup.stat().st_mtime:
                shutil.copy(done, self.root / "inbox" / done.name)

    def _drop(self, files: Sequence[tuple[str, str | bytes]]) -> None:
        inbox = self.root / "inbox"
        inbox.mkdir(exist_ok=True)
        for name, text in files:
            part = inbox / f".{name}"
            part.write_bytes(text if isinstance(text, bytes) else text.encode())
            part.rename(inbox / name)

    def _found(self, when: datetime | date, what: str) -> None:
        self.lived.findings.append(f"{when:%Y-%m-%d %H:%M} {what}")

    def judge(self) -> None:
        """Every day has a plan in time; what is degraded says so, and nothing else does."""
        workspace = Workspace.open(self.root)
        plans = workspace.warehouse.read("out_plan").sort_values("as_of_utc")
        days = list(self.lived.thrown)
        for day in days[1:]:
            midnight = local(day, "00:00")
            own = plans[(plans["market_date"] == day) & (plans["as_of_utc"] <= midnight)]
            if len(own):
                self.lived.rungs[day] = str(own["plan_source"].iloc[-1])
            elif not self._slept_through(day):
                self._found(midnight, "no plan before the day began")
        for looked in self.lived.looks:
            self._judge_look(looked)
        for number, day in enumerate(days):
            self._judge_day(day, [self.lived.thrown[one] for one in days[max(0, number - 2) : number + 1]])
        if left := [one.name for one in (self.root / "inbox").glob("*.csv")]:
            self._found(days[-1], f"files still wait in the inbox: {left[:3]}")
        if plans.duplicated(["market_date", "as_of_utc", "sequence"]).any():
            self._found(days[-1], "two plans of one moment")
        realised = set(workspace.warehouse.read("out_realised")["market_date"])
        for day in days[1:-2]:
            if day not in realised:
                self._found(day, "was never accounted for")

    def _slept_through(self, day: date) -> bool:
        before = [one for one in self.lived.looks
                  if local(day - timedelta(days=1), "14:30") <= one.moment < local(day, "00:00")]  # fmt: skip
        return not before

    def _judge_look(self, looked: Looked) -> None:
        if (looked.refused and looked.code == 1) or "Traceback" in looked.refused:
            self._found(looked.moment, f"a fault: {looked.refused}")
        for one in looked.results:
            if one.exit_code == 1 or "Traceback" in one.message:
                self._found(looked.moment, f"a fault in {one.stage}: {one.message}")
            if one.exit_code and not one.message:
                self._found(looked.moment, f"{one.stage} ended with {one.exit_code} and says nothing")
            if one.stage == "plan" and one.exit_code == 0 and one.details.get("plan_source") != "published":
                self._found(looked.moment, f"a plan of rung {one.details.get('plan_source')} is green")

    def _judge_day(self, day: date, thrown: Sequence[Sequence[str]]) -> None:
        begin, end = local(day, "00:00"), local(day + timedelta(days=1), "00:00")
        looks = [one for one in self.lived.looks if begin <= one.moment < end]
        bad = [(one.stage, one.message) for look in looks for one in look.results if one.exit_code]
        bad += [("look", look.refused) for look in looks if look.refused]
        if bad and not any(thrown) and day != next(iter(self.lived.thrown)):
            self._found(begin, f"nothing was wrong, and {bad[0][0]} says: {bad[0][1]}")
        until = end + timedelta(days=1)
        later = [one for one in self.lived.looks if begin <= one.moment < until]
        unsaid = [name for name in thrown[-1] if name not in _UNSAID]
        if unsaid and later and not any(one.said for one in later):
            self._found(begin, f"{', '.join(unsaid)}: nobody says so")


def _fleet() -> pd.DataFrame:
    first = fleet_rows().iloc[[0]]
    return pd.concat([first.assign(battery_id=car) for car in CARS])
