"""The demo's fleet, day after day, at feeders of other sizes: `python -m tests.benchmarks.feeders`.

Only the depot's feeder is changed. Each day is planned at 13:00 of the day before by the product's stages,
from what each way of charging left, and accounted for when it is over. A row a feeder: departures, how many
of them uncontrolled, ordered and followed charging miss as realised, those that plans said to miss though
ordered charging keeps them, what was gained over ordered charging as promised and as realised.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

from flows.demo import AS_OF, ZONE, make_demo
from flows.mapping.promises import kept_promises
from flows.stages import Context
from flows.stages.calibrate import calibrate
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.realise import realise
from flows.workspace import Workspace
from tests.benchmarks.data import benchmark_parser
from tests.benchmarks.depots import land, moment
from warehouse.zones import market_timezone

FEEDERS_KW = (35.0, 32.0, 30.0, 28.0, 24.0)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("feeders", __doc__)
    parser.add_argument("--days", type=int, default=32)
    parser.add_argument("--cars", type=int, default=12)
    parser.add_argument("--feeder", type=float, action="append", help="kW, again for more; all of them else")
    options = parser.parse_args(arguments)
    print("feeder kW  departures  missed: uncontrolled ordered followed  own misses  promised €  realised €")
    with tempfile.TemporaryDirectory() as folder:
        first = AS_OF.date() - timedelta(days=options.days - 1)
        depot = _depot(Path(folder), options.cars, options.days, first)
        for feeder in options.feeder or FEEDERS_KW:
            copy = Path(shutil.copytree(depot.root, Path(folder) / f"{feeder:g}"))
            print(_row(Workspace.open(copy), feeder, first, options.days), flush=True)


def _depot(root: Path, cars: int, days: int, first: date) -> Workspace:
    """The demo as if its data had come in time: prices a day ahead, the rest before the first day."""
    made = make_demo(root / "demo", cars=cars, days=days + 2, seed=7).workspace
    tables = {
        dataset: pd.concat(map(pd.read_csv, sorted(made.inbox.glob(f"{dataset}__*.csv*"))))
        for dataset in ("sites", "fleet", "checkups", "sessions", "prices")
    }
    tables = {dataset: rows.drop(columns="known_utc", errors="ignore") for dataset, rows in tables.items()}
    file = Workspace.create(root / "depot", zone=ZONE).root
    depot = Workspace.open(file)
    depot.enter()
    begin = moment(ZONE, first - timedelta(days=1), 6)
    for dataset in ("sites", "fleet", "checkups"):
        land(depot, dataset, tables[dataset], begin)
    check(Context.of(depot, begin))
    land(depot, "sessions", tables["sessions"], begin + timedelta(hours=1))
    prices = tables["prices"]
    starts = pd.to_datetime(prices["interval_start_utc"], utc=True)
    delivery = starts.dt.tz_convert(ZoneInfo(market_timezone(ZONE))).dt.date
    for day, rows in prices.groupby(delivery):
        land(depot, "prices", rows, max(begin, moment(ZONE, day - timedelta(days=1), 12)))
    check(Context.of(depot, AS_OF))
    calibrate(Context.of(depot, begin + timedelta(hours=2)))
    # A plan's wear by twin is no figure of this table: without parameters the twin is not asked.
    calibrations = depot.warehouse.read("out_calibration").assign(parameters_json="{}")
    depot.warehouse.write({"out_calibration": calibrations}, replace={"out_calibration": ("calibration_id",)})
    return depot


def _row(depot: Workspace, feeder_kw: float, first: date, days: int) -> str:
    begin = moment(ZONE, first - timedelta(days=1), 9)
    sites = depot.warehouse.read("core_site")[["site_id", "zone", "import_limit_kw", "export_limit_kw"]]
    sites.loc[sites["site_id"] == "depot", "import_limit_kw"] = feeder_kw
    land(depot, "sites", sites, begin)
    check(Context.of(depot, begin))
    planned = [first + timedelta(days=number) for number in range(days)]
    for day in planned:
        plan(Context.of(depot, moment(ZONE, day - timedelta(days=1), 13)), day)
    over = Context.of(depot, moment(ZONE, planned[-1] + timedelta(days=2), 0))
    realise(over, planned[1:])  # the first plan begins on the day before, the first whole day is the second
    accounts = depot.warehouse.read("out_realised")
    own = int(depot.warehouse.read("out_plan")["own_misses"].sum())
    kept = kept_promises(over.known, ZONE)[-1]
    missed = [int(accounts[f"{mode}_missed"].sum()) for mode in ("uncontrolled", "ordered", "followed")]
    told = f"{feeder_kw:9.0f} {accounts['followed_departures'].sum():11d} {missed[0]:21d} {missed[1]:7d}"
    return f"{told} {missed[2]:8d} {own:11d} {kept['promised_eur']:11.2f} {kept['realised_eur']:11.2f}"


if __name__ == "__main__":
    main()
