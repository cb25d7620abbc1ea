"""Plans in as many periods as a station takes: `python -m tests.benchmarks.periods`.

One car (60 kWh, 11 kW, efficiencies 0.9, wear at 4 ct/kWh fed back and at none) on real quarter-hourly
prices, plugged in from 17 to 07 or the whole day, each day planned by the optimiser in mode v2g. The columns:
days, quarter-hours a session, runs of one power a plan has (median, most), days that needed merging, what
merging cost and the gain over charging on plug-in, €, and the one by the other; days that could not be
determined in so many periods.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from flows.dispatch.merge import Floats, MergeError, SessionPowers, merged
from optimize.account import account
from optimize.plan import plan_day
from optimize.types import DayProblem
from tests.benchmarks.data import add_data_option, benchmark_parser
from tests.optimize.fleets import car, day, session_of, wear

PRICES_FILE = "study/prices/cz_15min_2025_q4/prices.csv.gz"
CAPACITY_KWH, POWER_KW, EFFICIENCY = 60.0, 11.0, 0.9


def nights(
    prices: Path, *, count: int | None, plugged: int, cents: float
) -> Iterator[tuple[DayProblem, Floats]]:
    """Each day from 17 o'clock on, the car plugged in for so many quarter-hours, and its prices.

    cents: what wear costs a kWh fed back, by the rates.
    """
    frame = pd.read_csv(prices)
    local = pd.to_datetime(frame["interval_start_utc"], utc=True).dt.tz_convert("Europe/Prague")
    euros = frame["price_eur_per_mwh"].to_numpy(dtype=np.float64) / 1000.0
    begins = np.flatnonzero((local.dt.hour == 17) & (local.dt.minute == 0))
    for begin in begins[begins + 96 <= len(euros)][:count]:
        own = euros[begin : begin + plugged]
        one = car(
            capacity_kwh=CAPACITY_KWH, charge_limit_kw=POWER_KW, discharge_limit_kw=POWER_KW,
            efficiency_charge=EFFICIENCY, efficiency_discharge=EFFICIENCY,
            wear=wear("rate", residual_value_eur=6000.0, l0_days=4000.0, beta_day_per_efc=0.4 * cents),
        )  # fmt: skip
        yield day(own, [one], [session_of("A", 0, plugged, 0.65, 0.8, hours=0.25)], hours=0.25), own


def loss(problem: DayProblem, prices: Floats, most: int = 24) -> tuple[int, float, float]:
    """Runs of one power that the plan has, what merging them to `most` costs, and the gain of the plan, €."""
    plans = plan_day(problem, ["uncontrolled", "v2g"])
    plan = plans["v2g"]
    power = (plan.charge_kw / EFFICIENCY - plan.discharge_kw * EFFICIENCY)[0]
    size = len(power)
    session = SessionPowers(
        power_kw=power, least_kw=np.full(size, -np.inf), most_kw=np.full(size, np.inf), import_price=prices,
        export_price=prices, energy_kwh=plan.energy_end_kwh[0], least_kwh=np.zeros(size),
        most_kwh=np.full(size, CAPACITY_KWH), efficiency_charge=EFFICIENCY, efficiency_discharge=EFFICIENCY,
    )  # fmt: skip
    gain = (
        account(problem, plan).total.net_benefit_eur
        - account(problem, plans["uncontrolled"]).total.net_benefit_eur
    )
    runs = 1 + int((np.abs(np.diff(power)) > 1e-6).sum())
    return runs, merged(session, most).cost_eur, gain


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row a session and number of periods."""
    parser = benchmark_parser("periods", __doc__)
    parser.add_argument("--days", type=int, help="so many of each, all unless given")
    add_data_option(parser)
    options = parser.parse_args(arguments)
    print("ct/kWh quarter-hours periods  days  runs median most  merged  cost €   gain €  share %  untold")
    for cents, plugged in itertools.product((4.0, 0.0), (56, 96)):
        for most in (24, 12):
            found, never = [], 0
            days = nights(options.data / PRICES_FILE, count=options.days, plugged=plugged, cents=cents)
            for problem, prices in days:
                try:
                    found.append(loss(problem, prices, most))
                except MergeError:
                    never += 1
            runs, costs, gains = (np.array(column) for column in zip(*found, strict=True))
            print(
                f"{cents:6.0f} {plugged:13} {most:7} {len(found) + never:5} "
                f"{np.median(runs):12.0f} {runs.max():4.0f} "
                f"{int((runs > most).sum()):7} {costs.sum():7.3f} {gains.sum():8.2f} "
                f"{100 * costs.sum() / gains.sum():8.3f} {never:7}",
                flush=True,
            )


if __name__ == "__main__":
    main()
