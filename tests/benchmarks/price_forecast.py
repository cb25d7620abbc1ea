"""How well day-ahead prices are foreseen: `python -m tests.benchmarks.price_forecast`.

EPEX-DE 2016 and 2017, each day from the days before it, with the forecasts of load and of wind and sun that
were known (and without). Mean absolute error in €/MWh next to that of naive ways and of the published
forecasts of the same days (LEAR, DNN: Lago et al. 2021), with the probability that the published one is as
good (Diebold-Mariano, on the mean absolute error of a day); how often the 90 % band held, in all, in the
worst hours and quarters; Kendall's τ within the day; and what one cycle a day of the three cheapest and the
three dearest hours earns of what it could. Last, the error by days ahead, from prices alone, of every
tenth of these days.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, norm

from optimize.forecast.band import ErrorBand
from optimize.forecast.price_regression import MOST_AHEAD, Outlook, forecast_prices
from tests.benchmarks.data import add_data_option, benchmark_parser, file_of, require

FIRST = pd.Timestamp("2016-01-04")
WARM_UP = 60
"""Days before the first, by which the bands learn."""
CYCLE_HOURS, AHEAD_STEP = 3, 10


@dataclass(frozen=True)
class Market:
    """Prices, €/MWh, and what was forecast of load and of wind and sun, MW, [days, 24]."""

    days: pd.DatetimeIndex
    prices: np.ndarray
    load: np.ndarray
    renewables: np.ndarray

    def forecast(self, day: int, *, stated: bool) -> np.ndarray:
        """The prices of a day from those before it; stated: with the outlook."""
        outlook = (
            Outlook(load=self.load[: day + 1], renewables=self.renewables[: day + 1]) if stated else None
        )
        weekday = np.asarray(self.days[: day + 1].day_of_week)
        return forecast_prices(self.prices[:day], weekday, outlook)

    def ahead(self, day: int, days: int) -> np.ndarray:
        """The prices of a day from those that were known so many days before it."""
        known = self.prices[: day - days + 1]
        return forecast_prices(known, np.asarray(self.days[: day + 1].day_of_week), ahead=days)

    def like_days(self, day: int, days: int = 1) -> np.ndarray:
        """The mean of the last seven days like it, so many days before: workdays, or days of the weekend."""
        free = np.asarray(self.days.day_of_week >= 5)
        return self.prices[np.flatnonzero(free[: day - days + 1] == free[day])[-7:]].mean(axis=0)


def read_market(frame: pd.DataFrame) -> Market:
    """Of hourly rows: local_hour, price_eur_per_mwh, load_forecast_mw, pv_wind_forecast_mw."""
    names = ("price_eur_per_mwh", "load_forecast_mw", "pv_wind_forecast_mw")
    prices, load, renewables = (frame[name].to_numpy().reshape(-1, 24) for name in names)
    days = pd.DatetimeIndex(pd.to_datetime(frame["local_hour"].iloc[::24]))
    return Market(days=days, prices=prices, load=load, renewables=renewables)


def earned(forecast: np.ndarray, came: np.ndarray) -> float:
    """Of what the dearest less the cheapest hours could earn, the share that these forecasts do."""
    order, best = np.argsort(forecast, axis=1), np.sort(came, axis=1)
    dear = np.take_along_axis(came, order[:, -CYCLE_HOURS:], 1).sum()
    cheap = np.take_along_axis(came, order[:, :CYCLE_HOURS], 1).sum()
    return float((dear - cheap) / (best[:, -CYCLE_HOURS:].sum() - best[:, :CYCLE_HOURS].sum()))


def as_good(theirs: np.ndarray, ours: np.ndarray, came: np.ndarray) -> float:
    """The probability of what was seen if their forecasts were as good as ours, one-sided."""
    less = np.abs(theirs - came).mean(axis=1) - np.abs(ours - came).mean(axis=1)
    return float(norm.sf(less.mean() / (less.std(ddof=1) / np.sqrt(len(less)))))


def main(arguments: list[str] | None = None) -> None:
    parser = benchmark_parser("price_forecast", __doc__)
    parser.add_argument("--step", type=int, default=1, help="every so manyth day")
    add_data_option(parser)
    options = parser.parse_args(arguments)
    require(parser, options.data, "market")
    market = read_market(pd.read_csv(file_of(options.data, "market")))
    published = pd.read_csv(file_of(options.data, "market", "published_forecasts.csv.gz"), index_col=0)
    first = int(market.days.searchsorted(FIRST))
    days = np.arange(first - WARM_UP * options.step, len(market.prices), options.step)
    of_test, came = days >= first, market.prices[days]
    begun = time.process_time()
    ours = np.array([market.forecast(day, stated=True) for day in days])
    seconds = (time.process_time() - begun) / len(days)
    band, widths = ErrorBand(slots=24), np.full(came.shape, np.nan)
    for row, error in enumerate(came - ours):
        width = band.half_width()
        widths[row] = np.nan if width is None else width
        band.learn(error)
    compared = {
        "regression": ours,
        "regression, prices alone": np.array([market.forecast(day, stated=False) for day in days]),
        "seven like days": np.array([market.like_days(day) for day in days]),
        "a week before": market.prices[days - 7],
    }
    compared = {name: table[of_test] for name, table in compared.items()}
    for name in ("LEAR 1456", "LEAR Ensemble", "DNN Ensemble"):
        compared[f"published {name}"] = published[name].to_numpy().reshape(-1, 24)[:: options.step]
    true = came[of_test]
    print(f"{len(true)} days                  MAE  Kendall τ  earned %  as good as the first, p")
    for name, table in compared.items():
        rank = np.mean([kendalltau(a, b).statistic for a, b in zip(table, true, strict=True)])
        p = as_good(table, compared["regression"], true) if name != "regression" else 1.0
        error = np.abs(table - true).mean()
        print(f"{name:25} {error:6.3f} {rank:9.3f} {100 * earned(table, true):9.1f} {p:12.4f}", flush=True)
    held = (np.abs(came - ours) <= widths)[of_test]
    quarters = pd.DataFrame(held, index=market.days[days[of_test]].to_period("Q")).groupby(level=0).mean()
    hours, quarter = 100 * held.mean(axis=0), 100 * quarters.mean(axis=1)
    print(
        f"90 % band holds {100 * held.mean():.1f} %, {hours.min():.1f}–{hours.max():.1f} by hour, "
        f"{quarter.min():.1f}–{quarter.max():.1f} by quarter"
    )
    print(f"{seconds:.2f} CPU s a day, refit included")
    few = days[of_test][::AHEAD_STEP]
    for ahead in range(1, MOST_AHEAD + 1):
        ours, like = (
            np.abs(np.array([way(day, ahead) for day in few]) - market.prices[few]).mean()
            for way in (market.ahead, market.like_days)
        )
        print(f"{ahead} days ahead: MAE {ours:.3f}, seven like days {like:.3f}")


if __name__ == "__main__":
    main()
