"""How well sessions are foreseen: `python -m tests.benchmarks.plug_in`.

Real workplace sessions of 366 drivers, their last months, each day forecast from the days before it. Of
arrival, departure (hours) and energy (kWh): the score (CRPS) as a share of that of the driver's own past and
of that of the fleet's, and how many that came lie below the 90 % quantile and above the 10 % quantile. Then
how often a car came on days that were given a probability, by tenths.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from flows.mapping.calendar import holidays_of
from optimize.forecast.plug_in import PlugInHistory
from optimize.forecast.weighted import Weighted
from tests.benchmarks.data import add_data_option, benchmark_parser, file_of, require

ZONE = "America/Los_Angeles"


def sessions(folder: Path) -> pd.DataFrame:
    """The sessions of known drivers by the local clock; need: kWh delivered."""
    frame = pd.read_csv(file_of(folder, "drivers")).dropna(subset=["userID"])
    times = {
        name: pd.to_datetime(frame[column], utc=True).dt.tz_convert(ZONE).dt.tz_localize(None)
        for name, column in (("arrival", "connectionTime"), ("departure", "disconnectTime"))
    }
    made = pd.DataFrame({"battery_id": frame["userID"].astype(str), **times, "need": frame["kWhDelivered"]})
    length = made["departure"] - made["arrival"]
    return made[(length > pd.Timedelta(0)) & (length < pd.Timedelta(days=1)) & (made["need"] > 0.0)]


def scores(history: PlugInHistory, first: int, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """CRPS [n, 3, (forecast, own past, fleet's past)] and whether what came is in the quantiles [n, 3, 2]."""
    crps, held, names = [], [], list(history.rows)
    for row in np.flatnonzero(history.day >= first)[::step]:
        day = int(history.day[row])
        own = (history.day < day) & (history.car == history.car[row])
        fleet = (history.day < day) & (history.day >= day - 60)
        expected = history.on(pd.Timestamp(day, unit="D").date()).expect(names[history.car[row]])
        if expected is None:
            continue
        values = np.column_stack([history.hours, history.need])
        came = values[row]
        of_row, in_row = [], []
        for k, forecast in enumerate((expected.arrival, expected.departure, expected.need)):
            pasts = [Weighted(values[mask, k], np.ones(int(mask.sum()))) for mask in (own, fleet)]
            of_row.append([one.crps(came[k]) for one in (forecast, *pasts)])
            in_row.append([came[k] <= forecast.quantile(0.9), came[k] >= forecast.quantile(0.1)])
        crps.append(of_row)
        held.append(in_row)
    return np.array(crps), np.array(held)


def reliability(history: PlugInHistory, first: int, last: int) -> list[tuple[float, float, int]]:
    """By tenths of the probability: the mean reported, the share that came, how many car-days."""
    noted, came = [], []
    there = set(zip(history.car.tolist(), history.day.tolist(), strict=True))
    for day in range(first, last, 7):
        for shift in (0, 1, 5):
            of_day = history.on(pd.Timestamp(day + shift, unit="D").date())
            for code, name in enumerate(history.rows):
                expected = of_day.expect(name)
                if expected is not None:
                    noted.append(expected.probability)
                    came.append((code, day + shift) in there)
    probability, present = np.array(noted), np.array(came)
    tenth = np.minimum((probability * 10).astype(int), 9)
    rows = [(probability[tenth == one], present[tenth == one]) for one in np.unique(tenth)]
    return [(float(said.mean()), float(there.mean()), len(said)) for said, there in rows]


def main(arguments: list[str] | None = None) -> None:
    parser = benchmark_parser("plug_in", __doc__)
    parser.add_argument("--days", type=int, default=122, help="so many last days are forecast")
    parser.add_argument("--step", type=int, default=1, help="every so manyth session of them")
    add_data_option(parser)
    options = parser.parse_args(arguments)
    require(parser, options.data, "drivers")
    history = PlugInHistory.of(sessions(options.data), holidays_of("US", range(2018, 2021)))
    first, last = int(history.day[-1]) - options.days, int(history.day[-1]) - 5
    crps, held = scores(history, first, options.step)
    mean = crps.mean(axis=0)
    print(f"{len(crps)} stays          CRPS  of own past  of the fleet's  <= 90 %  >= 10 %")
    for k, name in enumerate(("arrival h", "departure h", "energy kWh")):
        ratios = f"{mean[k, 0]:9.3f} {mean[k, 0] / mean[k, 1]:12.3f} {mean[k, 0] / mean[k, 2]:15.3f}"
        print(f"{name:12} {ratios} {held[:, k, 0].mean():8.3f} {held[:, k, 1].mean():8.3f}")
    print("probability reported, came, car-days")
    for stated_of, came, count in reliability(history, first, last):
        print(f"{stated_of:16.2f} {came:5.2f} {count:9}")


if __name__ == "__main__":
    main()
