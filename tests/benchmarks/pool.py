"""How far a pool's minimum can be counted on: `python -m tests.benchmarks.pool`.

Real workplace sessions of a garage, by known drivers and of everybody. For each weekday block of four hours
between 08 and 20, foreseen from the days up to two before, holidays known: how often the 95 % minimum was
there, and its mean as a share of the least that came. Blocks count whose median is at least three cars, by
what is foreseen and by what came. `--from` and `--to` name the days; what was chosen was chosen on those
before September 2019.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from flows.mapping.calendar import holidays_of
from optimize.forecast.day_kind import number_of, weekdays
from optimize.forecast.pool import block_minima, pool_minimum, recorded_days
from tests.benchmarks.data import add_data_option, benchmark_parser, file_of, require

ZONE = "America/Los_Angeles"
AHEAD_DAYS, BLOCKS, LEAST_CARS = 2, 6, 3
WITHIN = slice(2, 5)
"""The blocks between 08 and 20."""


def minima_of(folder: Path, *, known: bool) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the recorded days, and the least cars plugged in by block, [days, BLOCKS]."""
    frame = pd.read_csv(file_of(folder, "drivers"))
    frame = frame.dropna(subset=["userID"]) if known else frame
    begins, ends = (
        pd.to_datetime(frame[column], utc=True) for column in ("connectionTime", "disconnectTime")
    )
    whole = (ends > begins) & (ends - begins < pd.Timedelta(days=1))
    begins, ends = begins[whole], ends[whole]
    local = begins.dt.tz_convert(ZONE).dt.tz_localize(None).dt.normalize()
    days = pd.date_range(local.min(), local.max())
    edges = pd.date_range(days[0], days[-1] + pd.Timedelta(days=1), freq="4h").tz_localize(
        ZONE, ambiguous=False, nonexistent="shift_forward"
    )
    seconds = [pd.DatetimeIndex(one).tz_convert("UTC").as_unit("s").asi8 for one in (begins, ends, edges)]
    minima = block_minima(seconds[0], seconds[1], np.ones(len(begins)), seconds[2]).reshape(-1, BLOCKS)
    numbers = np.array([number_of(day.date()) for day in days])
    kept = recorded_days(np.isin(days, local.unique()))
    return numbers[kept], minima[kept]


def main(arguments: list[str] | None = None) -> None:
    parser = benchmark_parser("pool", __doc__)
    parser.add_argument("--from", dest="first", default="2019-09-01", metavar="DATE")
    parser.add_argument("--to", dest="last", default="2019-12-31", metavar="DATE")
    add_data_option(parser)
    options = parser.parse_args(arguments)
    require(parser, options.data, "drivers")
    first, last = (number_of(pd.Timestamp(one).date()) for one in (options.first, options.last))
    holidays = holidays_of("US", range(2018, 2021))
    for name, known in (("known drivers", True), ("everybody", False)):
        days, minima = minima_of(options.data, known=known)
        asked = days[(days >= first) & (days <= last) & (weekdays(days) < 5)]
        foreseen = []
        for day in asked:
            past = days <= day - AHEAD_DAYS
            foreseen.append(pool_minimum(minima[past], days[past], int(day), holidays))
        stated_of = [(one, minima[days == day][0]) for one, day in zip(foreseen, asked, strict=True) if one]
        least, median = (
            np.array([getattr(one, part)[WITHIN] for one, _ in stated_of]) for part in ("least", "median")
        )
        came = np.array([of_day[WITHIN] for _, of_day in stated_of])
        usual = np.broadcast_to(np.median(came, axis=0) >= LEAST_CARS, came.shape)
        for how, counted in (("foreseen", median >= LEAST_CARS), ("came", usual)):
            held = 100.0 * (came >= least)[counted].mean()
            share = 100.0 * least[counted].sum() / came[counted].sum()
            print(
                f"{name}, median by what {how}: {counted.sum()} blocks, held {held:.1f} %, "
                f"mean {share:.1f} % of what came",
                flush=True,
            )


if __name__ == "__main__":
    main()
