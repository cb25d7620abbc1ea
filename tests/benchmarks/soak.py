"""Weeks of `v2g serve` on a fake clock with faults: `python -m tests.benchmarks.soak [--days 60] [--seed 0]`.

A depot of three cars lives so many days from 20 October on, over the clock change, through the real jobs
and stages: its files come by the inbox, what is due is done at each look. On three days of four one or two
faults are thrown: prices late, missing, wrong or garbage, telemetry and sessions late, doubled, cut or
contradictory, processes killed, the file held or cut short, settings mistyped, the machine asleep. Printed
by day: the faults, the rung of the plan that was there before the day began, CPU seconds and the peak of
memory; what a quiet day costs after weeks, next to one of the second week; then what should not be: a day
without a plan in time, a degraded one that says nothing, a fault that nobody names, an alarm on a quiet day.
`--only` throws one fault alone, on every fourth day.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from statistics import median

from tests.benchmarks.data import benchmark_parser
from tests.soak.faults import FAULTS
from tests.soak.life import drawn, live

FIRST = date(2026, 10, 20)
_WARM = 8
"""After so many days what is looked back to is there."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("soak", __doc__)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=sorted(FAULTS), help="this fault alone")
    asked = parser.parse_args(arguments)
    days = [FIRST + timedelta(days=number) for number in range(asked.days)]
    thrown = {day: [asked.only] for day in days[2::4]} if asked.only else drawn(days, asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        told = live(Path(folder) / "depot", FIRST, asked.days, thrown, asked.seed)
    for day in days:
        rung, names = told.rungs.get(day, "-"), ", ".join(told.thrown[day])
        print(f"{day} {rung:12} {told.seconds[day]:5.1f} s {told.peak_mb[day]:6.0f} MB  {names}")
    quiet = [day for day in days[_WARM:] if not told.thrown[day]]
    early, late = quiet[: len(quiet) // 3], quiet[-(len(quiet) // 3) :]
    for what, of in (("CPU s", told.seconds), ("MB", told.peak_mb)) if early else ():
        before, after = (median(of[day] for day in some) for some in (early, late))
        print(f"a quiet day, {what}: {before:.1f} around {early[0]}, {after:.1f} around {late[-1]}", end="")
        print(f", {after / before - 1:+.0%}")
    rungs = ", ".join(f"{number} {rung}" for rung, number in Counter(told.rungs.values()).most_common())
    print(f"{len(told.looks)} looks, {sum(map(len, told.thrown.values()))} faults; plans in time: {rungs}")
    print(f"{len(told.findings)} findings", *told.findings, sep="\n")


if __name__ == "__main__":
    main()
