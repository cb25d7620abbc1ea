"""What V2G earns one home car by each shipped tariff book: `python -m tests.benchmarks.tariffs`.

A car of 60 kWh at an 11 kW charger (efficiencies 0.92) comes home at 17:00 with 60 % and leaves at 07:00
with 80 %, every night; wear is 4 ct per kWh discharged. Each night is planned in the optimum, prices
known, once with V2G and once charging alone (ordered); the gain is what the exact bill of its meter
falls by, less wear. It is reported for the real quarter-hours of Czechia, October to December 2025, and for
the hours of Germany 2017, as € a year, next to what was stated when this table was asked for (its levels
of fees and its car were not reported).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

from optimize import plan_day
from optimize.account import account
from optimize.market.bill import bill, in_decimals
from optimize.market.book import TariffBook
from optimize.market.contract import Contract
from optimize.market.prices import prices
from optimize.market.settlement import OwnerDay, settle
from optimize.types import Car, DayProblem, Mode, Session, Site, WearPrice
from tests.benchmarks.data import add_data_option, benchmark_parser, file_of, require
from tests.optimize.market_books import counted, shipped, shipped_contract

CAPACITY_KWH, WEAR_EUR_PER_KWH, HOUSE_KW = 60.0, 0.04, 2.0
PART_LOAD, HOURS = 0.70, Decimal(14)
_MONEY = [one.name for one in fields(OwnerDay) if one.name not in ("hours", "missed")]
QUARTER = pd.Timedelta(minutes=15)
ROWS: tuple[tuple[str, str, float, float, str], ...] = (
    ("wholesale both ways", "wholesale.toml", 0.0, 0.92, "129"),
    ("household, feed-in at spot", "household_spot.toml", 0.0, 0.92, "0"),
    ("household, fees refunded", "household_refund.toml", 0.0, 0.92, "5-15"),
    ("a 2 kW house, flat fee", "household_spot.toml", HOUSE_KW, 0.92, "21"),
    ("a 2 kW house, time-variable fee", "household_module_3.toml", HOUSE_KW, 0.92, "193"),
    ("the same, 30 % lost at part load", "household_module_3.toml", HOUSE_KW, PART_LOAD, "29"),
)


@dataclass(frozen=True)
class Nights:
    """Spot prices, €/kWh, of quarter-hours in UTC without a hole; timezone: of the home."""

    spot: pd.Series
    timezone: str

    def each(self, step: int) -> Iterator[pd.Series]:
        """The quarter-hours from 17:00 to 07:00 of every so manyth night that is whole."""
        local = self.spot.index.tz_convert(self.timezone)
        for day in local.normalize().unique()[::step]:
            begin, end = day + pd.Timedelta(hours=17), day + pd.DateOffset(days=1, hours=7)
            slots = pd.date_range(
                begin.tz_convert("UTC"), end.tz_convert("UTC"), freq=QUARTER, inclusive="left"
            )
            night = self.spot.reindex(slots)
            if night.notna().all():
                yield night


def night_problem(night: pd.Series, book: TariffBook, house_kw: float, efficiency: float) -> DayProblem:
    """A night of the car; behind the meter of its house, if that draws anything."""
    slots = pd.DatetimeIndex(night.index)
    buy, sell = prices(book, slots, night.to_numpy())
    wear = WearPrice(
        form="rate",
        residual_value_eur=WEAR_EUR_PER_KWH * CAPACITY_KWH * 4000.0,
        l0_days=4000.0,
        alpha_day_per_efc=1.0,
        beta_day_per_efc=1.0,
    )
    car = Car(
        battery_id="car",
        site_id="home",
        capacity_kwh=CAPACITY_KWH,
        soc_min=0.1,
        soc_max=0.95,
        charge_limit_kw=11.0 * 0.92,
        discharge_limit_kw=11.0 / efficiency if efficiency > PART_LOAD else HOUSE_KW / efficiency,
        efficiency_charge=0.92,
        efficiency_discharge=efficiency,
        drawdown_limit=1.0,
        wear=wear,
    )
    session = Session(
        session_id="night",
        battery_id="car",
        arrival_utc=slots[0],
        departure_utc=slots[-1] + QUARTER,
        arrival_soc=0.6,
        departure_soc=0.8,
    )
    site = Site(
        site_id="home",
        import_limit_kw=30.0,
        export_limit_kw=30.0,
        base_load_kw=np.full(len(slots), house_kw),
        metering="site",
    )
    return DayProblem(
        slots=slots,
        slot_hours=0.25,
        import_price_eur_per_kwh=buy,
        export_price_eur_per_kwh=sell,
        cars=(car,),
        sessions=(session,),
        sites=(site,),
        terminal_value_eur_per_kwh=0.0,
        departure_price_eur_per_kwh=10.0,
    )


def gain_eur(night: pd.Series, problem: DayProblem, book: TariffBook) -> float:
    """What a night's bill falls by, less wear, by V2G."""
    cost: dict[Mode, float] = {}
    spot = in_decimals(night)
    for mode, plan in plan_day(problem, ("ordered", "v2g")).items():
        total = account(problem, plan).total
        paid = bill(book, problem.slots, counted(problem, plan), spot).exact_eur
        cost[mode] = float(paid) + total.wear_price_eur + total.unmet_price_eur
    return cost["ordered"] - cost["v2g"]


def a_year(nights: Nights, step: int, name: str, house_kw: float, efficiency: float) -> float:
    """€ a year by a shipped book."""
    book = in_force_always(shipped(name))
    gains = [
        gain_eur(night, night_problem(night, book, house_kw, efficiency), book) for night in nights.each(step)
    ]
    return 365.0 * float(np.mean(gains))


def plugged_year(contract: Contract) -> float:
    """€ a year that a contract pays for the nights at the plug: twelve months of 30 days."""
    day = OwnerDay(**dict.fromkeys(_MONEY, Decimal(0)), hours=HOURS, missed=0)
    days = (replace(day, hours_before=HOURS * number) for number in range(30))
    return 12.0 * float(sum(settle(contract, one).paid_eur for one in days))


def in_force_always(book: TariffBook) -> TariffBook:
    """The same terms for prices of earlier years."""
    return replace(book, first_day=book.first_day.replace(year=2000))


def quarters(data: Path) -> Nights:
    """Czechia 2025-10 to 2025-12."""
    frame = pd.read_csv(file_of(data, "quarters"), parse_dates=["interval_start_utc"])
    spot = pd.Series(
        (frame["price_eur_per_mwh"] / 1e3).round(7).to_numpy(),
        index=pd.DatetimeIndex(frame["interval_start_utc"]),
    )
    return Nights(spot=spot, timezone="Europe/Prague")


def hours_of_2017(data: Path) -> Nights:
    """Germany 2017; its days have 24 hours each: taken as UTC+1 all year, an hour off in summer."""
    frame = pd.read_csv(file_of(data, "market"), parse_dates=["local_hour"])
    frame = frame[frame["local_hour"].dt.year == 2017]
    hours = pd.DatetimeIndex(frame["local_hour"]).tz_localize("Etc/GMT-1").tz_convert("UTC")
    hourly = pd.Series((frame["price_eur_per_mwh"] / 1e3).round(7).to_numpy(), index=hours)
    return Nights(spot=hourly.resample("15min").ffill(), timezone="Etc/GMT-1")


def main(arguments: list[str] | None = None) -> None:
    parser = benchmark_parser("tariffs", __doc__)
    parser.add_argument("--step", type=int, default=1, help="every so manyth night")
    add_data_option(parser)
    options = parser.parse_args(arguments)
    require(parser, options.data, "quarters", "market")
    sets: dict[str, Callable[[Path], Nights]] = {"CZ 2025 Q4": quarters, "DE 2017": hours_of_2017}
    began = time.perf_counter()
    nights = {name: read(options.data) for name, read in sets.items()}
    print(f"{'EUR a year by V2G':34}" + "".join(f"{name:>12}" for name in nights) + f"{'stated':>10}")
    for title, name, house_kw, efficiency, stated in ROWS:
        found = [a_year(one, options.step, name, house_kw, efficiency) for one in nights.values()]
        print(f"{title:34}" + "".join(f"{eur:12.1f}" for eur in found) + f"{stated:>10}", flush=True)
    by_contract = plugged_year(shipped_contract("plugged_hours.toml"))
    print(f"{'a contract by the plugged hour':34}" + f"{by_contract:12.1f}" * len(nights) + f"{'720':>10}")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
