"""The demo's fleet, day after day, at feeders of other sizes: `python -m tests.benchmarks.feeders`.

Only the depot's feeder is changed. Each day is planned at 13:00 of the day before by the product's stages,
from what each way of charging left, and accounted for when it is over. `--workplace N` lets so many cars more
charge at that feeder by day, on real workplace sessions (ACN) of as many days in turn; unless given, feeders
are larger by their own size for every 20 of them. A row a feeder: departures, how many of them uncontrolled,
ordered and followed charging miss as realised, how many the plans said that the cars would miss, car-days
with such a miss that ordered charging has not, departures that plans said to miss though ordered charging
keeps them, what was gained over ordered charging as promised and as realised.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

from flows.demo import AS_OF, ZONE, make_demo
from flows.mapping.promises import promises_met
from flows.stages import Context
from flows.stages.calibrate import calibrate
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.realise import realise
from flows.workspace import Workspace
from tests.benchmarks.data import add_data_option, benchmark_parser, file_of, require
from tests.benchmarks.depots import given_calibration, ingest_frame, moment
from warehouse.sources import read_source
from warehouse.zones import market_timezone

FEEDERS_KW = (35.0, 32.0, 30.0, 28.0, 24.0)
_CARS_A_FEEDER = 20
_WEAR_EUR = 0.04
"""Of the cars next to the demo's, a kWh discharged."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("feeders", __doc__)
    parser.add_argument("--days", type=int, default=32)
    parser.add_argument("--cars", type=int, default=12)
    parser.add_argument("--workplace", type=int, default=0, metavar="N", help="cars next to them by day")
    parser.add_argument("--feeder", type=float, action="append", help="kW, again for more; all of them else")
    add_data_option(parser)
    options = parser.parse_args(arguments)
    if options.workplace:
        require(parser, options.data, "drivers")
    larger = 1.0 + options.workplace / _CARS_A_FEEDER
    print("feeder kW  departures  missed: uncontrolled ordered followed  planned  not by ordered", end="")
    print("  own misses  promised €  realised €")
    with tempfile.TemporaryDirectory() as folder:
        first = AS_OF.date() - timedelta(days=options.days - 1)
        days = [first + timedelta(days=number) for number in range(options.days)]
        at_work = _workplace(options.data, options.workplace, days) if options.workplace else {}
        depot = _depot(Path(folder), options.cars, days, at_work)
        for feeder in options.feeder or [larger * kw for kw in FEEDERS_KW]:
            copy = Path(shutil.copytree(depot.root, Path(folder) / f"{feeder:g}"))
            print(_row(Workspace.open(copy), feeder, days), flush=True)


def _workplace(data: Path, cars: int, days: Sequence[date]) -> dict[str, pd.DataFrame]:
    """Fleet and sessions of cars that are at the depot by day, as real drivers were at a workplace."""
    pack = {"chemistry": "nmc811", "nominal_capacity_ah": 171.2, "nominal_energy_kwh": 60.0}
    row = pack | {
        "site_id": "depot", "cells_series": 96, "cells_parallel": 40,
        "commissioned_utc": "2023-01-01T00:00:00Z", "charge_limit_kw": 11.0, "discharge_limit_kw": 11.0,
        "efficiency_charge": 0.93, "efficiency_discharge": 0.93, "soc_min": 0.15, "soc_max": 0.95,
        "replacement_value_eur": 7200.0, "scrap_value_eur": 900.0,
    }  # fmt: skip
    fleet = pd.DataFrame([{"battery_id": f"day-{i + 1:03d}", **row} for i in range(cars)])
    stated = pd.read_csv(file_of(data, "drivers"))
    walls = {
        f"{name}_local_los_angeles": stated[column].str.slice(0, 19).str.replace(" ", "T")
        for name, column in (("arrival", "connectionTime"), ("departure", "disconnectTime"))
    }
    table = pd.DataFrame(
        {"session_id": stated["sessionID"], **walls, "requested_energy_kwh": stated["kWhDelivered"]}
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sessions.csv"
        table.to_csv(file, index=False)
        sessions = read_source("sessions", file, source="acn", zone=ZONE, cars=fleet, onto=days).frame
    return {"fleet": fleet, "sessions": sessions.drop(columns=["source_row"], errors="ignore")}


def _depot(root: Path, cars: int, days: Sequence[date], at_work: Mapping[str, pd.DataFrame]) -> Workspace:
    """The demo as if its data had come in time: prices a day ahead, the rest before the first day.

    at_work: fleet and sessions of other cars, if there are any, whose wear is reported.
    """
    made = make_demo(root / "demo", cars=cars, days=len(days) + 2, seed=7).workspace
    tables = {
        dataset: pd.concat(map(pd.read_csv, sorted(made.inbox.glob(f"{dataset}__*.csv*"))))
        for dataset in ("sites", "fleet", "checkups", "sessions", "prices")
    }
    tables = {dataset: rows.drop(columns="known_utc", errors="ignore") for dataset, rows in tables.items()}
    tables |= {name: pd.concat([tables[name], rows]) for name, rows in at_work.items()}
    depot = Workspace.open(Workspace.create(root / "depot", zone=ZONE).root)
    depot.enter()
    begin = moment(ZONE, days[0] - timedelta(days=1), 6)
    for dataset in ("sites", "fleet", "checkups"):
        ingest_frame(depot, dataset, tables[dataset], begin)
    check(Context.of(depot, begin))
    ingest_frame(depot, "sessions", tables["sessions"], begin + timedelta(hours=1))
    prices = tables["prices"]
    starts = pd.to_datetime(prices["interval_start_utc"], utc=True)
    delivery = starts.dt.tz_convert(ZoneInfo(market_timezone(ZONE))).dt.date
    for day, rows in prices.groupby(delivery):
        ingest_frame(depot, "prices", rows, max(begin, moment(ZONE, day - timedelta(days=1), 12)))
    check(Context.of(depot, AS_OF))
    calibrate(Context.of(depot, begin + timedelta(hours=2)))
    # A plan's wear by twin is no figure of this table: without parameters the twin is not asked.
    calibrations = depot.warehouse.read("out_calibration").assign(parameters_json="{}")
    if at_work:
        others = at_work["fleet"]["battery_id"]
        stated = [given_calibration(begin + timedelta(hours=2), _WEAR_EUR, 60.0, name) for name in others]
        own = calibrations[~calibrations["battery_id"].isin(others)]
        calibrations = pd.concat([own, pd.DataFrame(stated)])
    depot.warehouse.write({"out_calibration": calibrations}, replace={"out_calibration": ("calibration_id",)})
    return depot


def _row(depot: Workspace, feeder_kw: float, days: Sequence[date]) -> str:
    begin = moment(ZONE, days[0] - timedelta(days=1), 9)
    sites = depot.warehouse.read("core_site")[["site_id", "zone", "import_limit_kw", "export_limit_kw"]]
    sites.loc[sites["site_id"] == "depot", "import_limit_kw"] = feeder_kw
    ingest_frame(depot, "sites", sites, begin)
    check(Context.of(depot, begin))
    for day in days:
        plan(Context.of(depot, moment(ZONE, day - timedelta(days=1), 13)), day)
    over = Context.of(depot, moment(ZONE, days[-1] + timedelta(days=2), 0))
    realise(over, days[1:])  # the first plan begins on the day before, the first whole day is the second
    accounts = depot.warehouse.read("out_realised")
    cars = depot.warehouse.read("out_realised_car")
    by_day = cars.pivot_table(index=["market_date", "battery_id"], columns="mode", values="missed")
    alone = int((by_day["followed"] > by_day["ordered"]).sum())
    planned = int(cars.loc[cars["mode"] == "followed", "promised_missed"].sum())
    own = int(depot.warehouse.read("out_plan")["own_misses"].sum())
    kept = promises_met(over.known, ZONE)[-1]
    missed = [int(accounts[f"{mode}_missed"].sum()) for mode in ("uncontrolled", "ordered", "followed")]
    text = f"{feeder_kw:9.0f} {accounts['followed_departures'].sum():11d} {missed[0]:21d} {missed[1]:7d}"
    text += f" {missed[2]:8d} {planned:8d} {alone:15d} {own:11d}"
    return f"{text} {kept['promised_eur']:11.2f} {kept['realised_eur']:11.2f}"


if __name__ == "__main__":
    main()
