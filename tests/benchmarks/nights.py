"""What V2G is worth night after night, by the product's own stages: `python -m tests.benchmarks.nights`.

One home or workplace car, its prices as they were published, planned day after day at 13:00 of the day
before; the slots that are followed until the next plan are added up, net of wear. The columns: what each mode
earns, in €, what V2G earns over ordered charging, departures that V2G missed and ordered charging kept, and
of the gain over uncontrolled charging what was promised and what was realised, by the account of the days.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

from flows.mapping.promises import promises_met
from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.realise import realise
from flows.workspace import Workspace
from tests.benchmarks.data import add_data_option, benchmark_parser
from tests.benchmarks.depots import given_calibration, ingest_frame, moment
from warehouse.zones import market_timezone

SESSIONS = {"home 17-07": (17, 7), "home 19-06": (19, 6), "home 18-08": (18, 8), "workplace 08-17": (8, 17)}
CAPACITY_KWH, POWER_KW, EFFICIENCY, TRIP_KWH, TARGET = 60.0, 11.0, 0.9, 8.0, 0.8


@dataclass(frozen=True)
class Case:
    """prices: interval_start_utc, price_eur_per_kwh; every `minutes`."""

    zone: str
    prices: pd.DataFrame
    minutes: int
    first: date
    nights: int


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("nights", __doc__)
    parser.add_argument("--nights", type=int, default=None, help="so many of each case, all unless given")
    parser.add_argument("--stay", action="append", choices=list(SESSIONS), help="one of them, again for more")
    parser.add_argument("--case", action="append", choices=["cz", "smard"], help="one of the years")
    add_data_option(parser)
    options = parser.parse_args(arguments)
    cases = {"cz": czech, "smard": smard}
    print(
        "prices   stay             wear ct  uncontrolled  ordered    V2G   V2G over ordered  missed", end=""
    )
    print("  promised  realised")
    for name in options.case or cases:
        case = cases[name](options.data)
        for session in options.stay or SESSIONS:
            for wear in (0.04, 0.08):
                stated = _row(case, session, wear, options.nights or case.nights)
                print(f"{name:8} {session:16} {100 * wear:7.0f} {stated}", flush=True)


def czech(data: Path) -> Case:
    frame = pd.read_csv(data / "study/prices/cz_15min_2025_q4/prices.csv.gz")
    prices = pd.DataFrame(
        {
            "interval_start_utc": pd.to_datetime(frame["interval_start_utc"], utc=True),
            "price_eur_per_kwh": frame["price_eur_per_mwh"] / 1000,
        }
    )
    return Case(zone="CZ", prices=prices, minutes=15, first=date(2025, 10, 1), nights=90)


def smard(data: Path) -> Case:
    frame = pd.read_csv(data / "prices/smard_de_lu_2020/2020-hour-price.csv")
    local = pd.to_datetime(frame["sdate"] + " " + frame["stimestart"], format="%d.%m.%Y %H:%M")
    hours = pd.to_timedelta(frame["zone_start"].map({"CET": 1, "CEST": 2}), unit="h")
    start = (local - hours).dt.tz_localize("UTC")
    prices = pd.DataFrame({"interval_start_utc": start, "price_eur_per_kwh": frame["price"] / 100})
    return Case(zone="DE-LU", prices=prices, minutes=60, first=date(2020, 1, 9), nights=120)


def depot(root: Path, case: Case, session: str, wear: float, nights: int, cars: int = 1) -> Workspace:
    """A workspace with cars, their sessions as announced and every day's prices as they were published."""
    file = Workspace.create(root / "depot", zone=case.zone).root / "v2g.toml"
    settings = (
        file.read_text().replace('wear = "auto"', 'wear = "rate"').replace("workers = 0", "workers = 1")
    )
    file.write_text(settings, encoding="utf-8")
    workspace = Workspace.open(file.parent)
    workspace.enter()
    start = moment(case.zone, case.first - timedelta(days=1), 6)
    limits = {"import_limit_kw": 50.0 * cars, "export_limit_kw": 50.0 * cars}
    names = ["car", *(f"car-{number}" for number in range(1, cars))]
    tables = {
        "sites": pd.DataFrame([{"site_id": "home", "zone": case.zone, **limits}]),
        "fleet": pd.DataFrame([_car(name) for name in names]),
        "sessions": pd.concat(_sessions(case, session, nights, at, name) for at, name in enumerate(names)),
    }
    for dataset, rows in tables.items():
        ingest_frame(workspace, dataset, rows, start)
        check(Context.of(workspace, start))
    days = case.prices["interval_start_utc"].dt.tz_convert(ZoneInfo(market_timezone(case.zone))).dt.date
    rows = case.prices[(days >= case.first) & (days <= case.first + timedelta(days=nights))]
    rows = rows.assign(zone=case.zone, resolution_minutes=case.minutes)
    over = moment(case.zone, case.first + timedelta(days=nights + 2), 0)
    ingest_frame(workspace, "prices", rows, over, by="event")
    check(Context.of(workspace, over))
    frame = pd.DataFrame([given_calibration(start, wear, CAPACITY_KWH, name) for name in names])
    workspace.warehouse.write({"out_calibration": frame})
    return workspace


def _row(case: Case, session: str, wear: float, nights: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        workspace = depot(Path(folder), case, session, wear, nights)
        followed: list[pd.DataFrame] = []
        missed = 0
        for day in pd.date_range(case.first, periods=nights + 1).date:
            begins = pd.Timestamp(moment(case.zone, day - timedelta(days=1), 13))
            ends = pd.Timestamp(moment(case.zone, day, 13))
            result = plan(Context.of(workspace, begins.to_pydatetime()), day)
            where = {"plan_id": result.details["plan_id"]}
            slots = workspace.warehouse.read("out_plan_slot", where=where, start=begins, end=ends)
            missed += int(workspace.warehouse.read("out_plan", where=where)["own_misses"].sum())
            followed.append(slots)
        slots = pd.concat(followed)
        money = _money(case, slots, wear)
        over = Context.of(workspace, moment(case.zone, case.first + timedelta(days=nights + 2), 0))
        realise(over, list(pd.date_range(case.first, periods=nights + 1).date))
        kept = promises_met(over.known, case.zone)[-2]
    u, o, v = (money[mode] for mode in ("uncontrolled", "ordered", "v2g"))
    text = f"{-u:13.2f} {-o:8.2f} {-v:6.2f} {o - v:18.2f} {missed:7d}"
    return f"{text} {kept['promised_eur']:9.2f} {kept['realised_eur']:9.2f}"


def _money(case: Case, slots: pd.DataFrame, wear: float) -> dict[str, float]:
    """Cost of each mode, €, net of wear; what is in store more or less at the end is left out."""
    price = case.prices.set_index("interval_start_utc")["price_eur_per_kwh"]
    at = price.reindex(slots["interval_start_utc"].dt.floor(f"{case.minutes}min")).to_numpy()
    cost = 0.25 * (slots["power_kw"] * at + slots["discharge_kw"] * wear)
    return {str(mode): float(euro) for mode, euro in cost.groupby(slots["mode"]).sum().items()}


def _sessions(case: Case, session: str, nights: int, number: int, car: str) -> pd.DataFrame:
    """The sessions of a car; each further one comes 13 minutes later, within the hour."""
    arrives, leaves = SESSIONS[session]
    rows = [
        {
            "session_id": f"{car}: stay {k}",
            "battery_id": car,
            "arrival_utc": moment(case.zone, day, arrives, 13 * number % 60),
            "departure_utc": moment(case.zone, day + timedelta(days=int(leaves < arrives)), leaves),
            "arrival_soc": TARGET - TRIP_KWH / CAPACITY_KWH,
            "departure_soc": TARGET,
        }
        for k, day in enumerate(pd.date_range(case.first, periods=nights).date)
    ]
    return pd.DataFrame(rows)


def _car(name: str) -> dict[str, object]:
    return {
        "battery_id": name, "site_id": "home", "chemistry": "nmc811", "nominal_capacity_ah": 171.2,
        "nominal_energy_kwh": CAPACITY_KWH, "cells_series": 96, "cells_parallel": 40,
        "commissioned_utc": "2019-01-01T00:00:00Z",
        "charge_limit_kw": POWER_KW, "discharge_limit_kw": POWER_KW,
        "efficiency_charge": EFFICIENCY, "efficiency_discharge": EFFICIENCY, "soc_min": 0.2, "soc_max": 1.0,
        "replacement_value_eur": 7200.0, "scrap_value_eur": 900.0,
    }  # fmt: skip


if __name__ == "__main__":
    main()
