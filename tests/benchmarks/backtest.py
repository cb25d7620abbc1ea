"""What each strategy earns on Czech nights or working days: `python -m tests.benchmarks.backtest`.

Cars whose sessions are announced and whose wear is reported, planned by `v2g backtest` from 1 November 2025
on, from quarter-hourly prices as they were published. A row a strategy: what it gains over charging on
plug-in as promised and as realised, € net of wear, and over ordered charging of the same knowledge; the share
of what perfect foresight gains, and of the gap between the best other naive strategy and perfect foresight,
each with its 90 % interval; departures missed; what the cars hold more in the end. Last, the seconds that a
day of a car took.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from flows.backtest.run import BackTest
from flows.backtest.strategies import STRATEGIES, courses_of
from flows.clock import now
from tests.benchmarks.data import add_data_option, benchmark_parser
from tests.benchmarks.nights import SESSIONS, czech, depot

FIRST = date(2025, 11, 1)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("backtest", __doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--cars", type=int, default=1)
    parser.add_argument("--stay", choices=list(SESSIONS), default="home 17-07")
    parser.add_argument("--wear", type=float, default=0.04, help="€ a kWh discharged")
    parser.add_argument("--every", type=int, default=0, help="minutes from plan to plan, as well")
    parser.add_argument("--strategy", action="append", help="by name, again for more; all unless given")
    add_data_option(parser)
    options = parser.parse_args(arguments)
    strategies = [one for one in STRATEGIES if not options.strategy or one.name in options.strategy]
    case, last = czech(options.data), FIRST + timedelta(days=options.days - 1)
    nights = (last - case.first).days + 3
    with tempfile.TemporaryDirectory() as folder:
        workspace = depot(Path(folder), case, options.stay, options.wear, nights, options.cars)
        test = BackTest.of(workspace, (FIRST, last), strategies, now=now(), every_minutes=options.every)
        begin = perf_counter()
        result = test.run(lambda *_: None)
        seconds = perf_counter() - begin
    print(result.message)
    heads = f"{'strategy':18}  promised €  gained €  over ordered €"
    print(f"{heads}  {'of foresight':22}  {'gap closed':22}  missed  stored kWh")
    for line in result.tables["strategies"]:
        print(_row(line))
    days = options.days * len(courses_of(strategies))
    print(
        f"{seconds:.0f} s, {seconds / days:.2f} s a day, {seconds / days / options.cars:.3f} s a car and day"
    )


def _row(line: Mapping[str, Any]) -> str:
    promised = line["promised_eur"] - line["realised_eur"] + line["over_uncontrolled_eur"]
    text = f"{line['strategy']:18}  {promised:10.2f}  {line['over_uncontrolled_eur']:8.2f}"
    text += f"  {line['over_ordered_eur']:14.2f}"
    for figure in ("of_foresight", "gap_closed"):
        ends = [line.get(f"{figure}{end}") for end in ("", "_low", "_high")]
        share, low, high = ("–" if one is None else f"{one:.3f}" for one in ends)
        text += f"  {share:>6} [{low:>6}, {high:>6}]"
    return f"{text}  {line['missed']:6d}  {line['more_in_store_kwh']:10.1f}"


if __name__ == "__main__":
    main()
