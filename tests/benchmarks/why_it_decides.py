"""What V2G earns one home car a year: `python -m tests.benchmarks.why_it_decides`.

By each shipped book and contract. The car is that of the project's yardstick of nights: 60 kWh, 11 kW both
ways, 0.9 each way, state of charge 0.2 to 1.0; every night from 17:00 to 07:00 it comes home with 8 kWh less
than the 0.8 that it is promised by the morning; wear is 4 ct per kWh discharged. Each night is planned in the
optimum, prices known, once with V2G and once charging alone (ordered). The gain is what the exact bill of its
meter falls by, less wear, as € a year. A contract's row is what `settle` pays for the hours at the plug, 30
nights a month.

Prices are whole years of the public data: Finland 2023 (hours; VAT taken out), Germany 2020 (hours), and
October to December 2025 of Czechia (quarter-hours), taken for a year. Books are German ones, read by the
clock of the prices. Next to them: what was stated when this table was asked for, which named neither prices
nor fee levels; `*` marks what lies within 10 % of it (of a range by its ends; within 1 € where it is 0).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
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

CAPACITY_KWH, POWER_KW, EFFICIENCY, SOC_MIN = 60.0, 11.0, 0.9, 0.2
TRIP_KWH, PROMISED, DRAWDOWN, WEAR_EUR_PER_KWH = 8.0, 0.8, 0.6, 0.04
HOUSE_KW, PART_LOAD, HOURS = 2.0, 0.7, Decimal(14)
_MONEY = [one.name for one in fields(OwnerDay) if one.name not in ("hours", "missed")]
QUARTER = pd.Timedelta(minutes=15)
MODULE_3, PRICE_SHEET = "household_module_3.toml", "household_module_3_augsburg.toml"
Row = tuple[str, str, float, float, tuple[float, float] | None]
ROWS: tuple[Row, ...] = (
    ("wholesale both ways", "wholesale.toml", 0.0, EFFICIENCY, (129, 129)),
    ("household, feed-in at spot", "household_spot.toml", 0.0, EFFICIENCY, (0, 0)),
    ("household, fees refunded", "household_refund.toml", 0.0, EFFICIENCY, (5, 15)),
    ("a 2 kW house, flat fee", "household_spot.toml", HOUSE_KW, EFFICIENCY, (21, 21)),
    ("a 2 kW house, time-variable fee", MODULE_3, HOUSE_KW, EFFICIENCY, (193, 193)),
    ("the same, 30 % lost at part load", MODULE_3, HOUSE_KW, PART_LOAD, (29, 29)),
    ("the same house, a printed price sheet", PRICE_SHEET, HOUSE_KW, EFFICIENCY, None),
)


@dataclass(frozen=True)
class Nights:
    """Spot prices, €/kWh, of quarter-hours in UTC; timezone: of the home."""

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
    part = efficiency < EFFICIENCY  # at the house's 2 kW, an inverter of 11 kW runs at part load
    car = Car(
        battery_id="car",
        site_id="home",
        capacity_kwh=CAPACITY_KWH,
        soc_min=SOC_MIN,
        soc_max=1.0,
        charge_limit_kw=POWER_KW,
        discharge_limit_kw=house_kw / efficiency if part else POWER_KW,
        efficiency_charge=EFFICIENCY,
        efficiency_discharge=efficiency,
        drawdown_limit=DRAWDOWN,
        wear=wear,
    )
    session = Session(
        session_id="night",
        battery_id="car",
        arrival_utc=slots[0],
        departure_utc=slots[-1] + QUARTER,
        arrival_soc=PROMISED - TRIP_KWH / CAPACITY_KWH,
        departure_soc=PROMISED,
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
    book = as_read(name, nights.timezone)
    gains = [
        gain_eur(night, night_problem(night, book, house_kw, efficiency), book) for night in nights.each(step)
    ]
    return 365.0 * float(np.mean(gains))


def plugged_year(contract: Contract) -> float:
    """€ a year that a contract pays for the nights at the plug: twelve months of 30 days."""
    day = OwnerDay(**dict.fromkeys(_MONEY, Decimal(0)), hours=HOURS, missed=0)
    days = (replace(day, hours_before=HOURS * number) for number in range(30))
    return 12.0 * float(sum(settle(contract, one).paid_eur for one in days))


def as_read(name: str, timezone: str) -> TariffBook:
    """A shipped book, in force in earlier years too and by the clock of the prices."""
    book = shipped(name)
    return replace(book, first_day=book.first_day.replace(year=2000), timezone=timezone)


def finland(data: Path) -> Nights:
    """2023, without VAT: 10 % until April (a passing rate), 24 % after it."""
    frame = pd.read_csv(file_of(data, "finland"), parse_dates=["hour"])
    local = pd.DatetimeIndex(frame["hour"]).tz_convert("Europe/Helsinki")
    vat = np.where(local < pd.Timestamp("2023-05-01", tz="Europe/Helsinki"), 1.10, 1.24)
    return Nights(_in_quarters(frame["price"] / vat / 100.0, local)[:"2023"], "Europe/Helsinki")


def germany(data: Path) -> Nights:
    """2020."""
    frame = pd.read_csv(file_of(data, "prices"))
    wall = pd.to_datetime(frame["sdate"] + frame["stimestart"], format="%d.%m.%Y%H:%M")
    utc = wall - pd.to_timedelta(frame["zone_start"].map({"CET": 1, "CEST": 2}), unit="h")
    local = pd.DatetimeIndex(utc).tz_localize("UTC").tz_convert("Europe/Berlin")
    return Nights(_in_quarters(frame["price"] / 100.0, local)[:"2020"], "Europe/Berlin")


def given(file: Path, timezone: str) -> Nights:
    """A CSV with the columns interval_start_utc and price_eur_per_mwh, of hours or quarter-hours."""
    frame = pd.read_csv(file, parse_dates=["interval_start_utc"])
    local = pd.DatetimeIndex(frame["interval_start_utc"]).tz_convert(timezone)
    return Nights(_in_quarters(frame["price_eur_per_mwh"] / 1000.0, local), timezone)


def _in_quarters(price: pd.Series, local: pd.DatetimeIndex) -> pd.Series:
    series = pd.Series(price.round(7).to_numpy(), index=local)
    return series.resample(QUARTER).ffill(limit=3)


def shown(eur: float, stated: tuple[float, float] | None) -> str:
    """The figure; marked where it is within 10 % of what was stated."""
    if stated is None:
        return f"{eur:12.1f} "
    least, most = stated
    near = abs(eur) < 1.0 if most == 0 else 0.9 * least <= eur <= 1.1 * most
    return f"{eur:12.1f}{'*' if near else ' '}"


def main(arguments: list[str] | None = None) -> None:
    parser = benchmark_parser("why_it_decides", __doc__)
    parser.add_argument("--step", type=int, default=1, help="every so manyth night")
    parser.add_argument(
        "--prices",
        type=Path,
        metavar="FILE",
        help="instead of the public data: CSV with interval_start_utc and price_eur_per_mwh",
    )
    parser.add_argument("--timezone", default="Europe/Berlin", help="of the home, with --prices")
    add_data_option(parser)
    options = parser.parse_args(arguments)
    if options.prices is None:
        require(parser, options.data, "finland", "prices", "quarters")
        nights = {"FI 2023": finland(options.data), "DE 2020": germany(options.data)}
        nights["CZ 2025 Q4"] = given(file_of(options.data, "quarters"), "Europe/Prague")
    else:
        nights = {options.prices.name[:12]: given(options.prices, options.timezone)}
    began = time.process_time()
    print(f"{'EUR a year by V2G':38}" + "".join(f"{name:>12} " for name in nights) + f"{'stated':>8}")
    for title, name, house_kw, efficiency, stated in ROWS:
        found = [a_year(one, options.step, name, house_kw, efficiency) for one in nights.values()]
        text = "" if stated is None else "-".join(f"{one:g}" for one in dict.fromkeys(stated))
        print(f"{title:38}" + "".join(shown(eur, stated) for eur in found) + f"{text:>8}", flush=True)
    by_contract = shown(plugged_year(shipped_contract("plugged_hours.toml")), (720, 720))
    print(f"{'a contract by the plugged hour':38}" + by_contract * len(nights) + f"{720:>8}")
    print(f"{time.process_time() - began:.0f} CPU s")


if __name__ == "__main__":
    main()
