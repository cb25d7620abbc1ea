"""Owner-days settled and logged, then exported and verified: seconds, entries, megabytes.

    python -m tests.benchmarks.ledger [--cars 1000] [--days 100]

Accounts are written at random, with 32 quarter-hours a car and day that departed from the schedule,
imbalance prices, and what reserve paid; settling, logging, exporting and verifying are those of the commands.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.stages.ledger import export_ledger, make_key, verify_ledger
from flows.stages.settle import settle_days
from flows.workspace import Workspace
from tests.benchmarks.data import benchmark_parser
from warehouse.contracts import table_contract
from warehouse.zones import market_day_slots

FIRST = date(2026, 1, 1)
DEPARTED = 32
_CONTRACT = """format = 1
id = "shared"
version = 1
currency = "EUR"
from = 2026-01-01
batteries = "all"
[pay]
eur_per_kwh_fed_back = 0.05
share_of_price_fed_back = 0.3
[imbalance]
owner_share = 0.25
[reserve]
owner_share = 0.5
[bonus]
eur_per_hour = 0.24
cap_eur_per_month = 60.0
[share]
rule = "after_wear"
theta = 0.5
"""


def main(arguments: list[str] | None = None) -> int:
    """Measure; 1 where settling and logging takes above 60 s per 100,000 owner-days."""
    parser = benchmark_parser("ledger", __doc__)
    parser.add_argument("--cars", type=int, default=1000)
    parser.add_argument("--days", type=int, default=100)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        workspace = _accounts(root / "fleet", asked.cars, asked.days)
        now = datetime.combine(FIRST, datetime.min.time(), UTC) + timedelta(days=asked.days + 2)
        context = Context.of(workspace, now)
        began, used = time.perf_counter(), time.process_time()
        result = settle_days(context, [FIRST + timedelta(days=number) for number in range(asked.days)])
        settled, used = time.perf_counter() - began, time.process_time() - used
        owner_days = asked.cars * asked.days
        if result.exit_code or len(workspace.warehouse.read("out_ledger")) != owner_days:
            print(result.message[:500], file=sys.stderr)
            return 1
        make_key(workspace, "example.org/fleet")
        began = time.perf_counter()
        export_ledger(context, root / "export", [])
        exported = time.perf_counter() - began
        size = sum(path.stat().st_size for path in (root / "export").rglob("*") if path.is_file())
        began = time.perf_counter()
        message = verify_ledger(root / "export", key=None, witnesses=[], since=None).message
        verified = time.perf_counter() - began
    print(
        f"{owner_days:,} owner-days of {asked.cars} cars settled and logged in {settled:.1f} s "
        f"({used:.1f} s CPU)"
    )
    print(f"exported in {exported:.1f} s ({size / 1e6:.0f} MB), verified in {verified:.1f} s: {message[:70]}")
    return int(settled > 60 * owner_days / 100_000)


def _accounts(folder: Path, cars: int, days: int) -> Workspace:
    """A workspace with a contract, and an account of each car and day at random."""
    workspace = Workspace.create(folder, zone="DE-LU")
    (folder / "shared.toml").write_text(_CONTRACT, encoding="utf-8")
    settings = folder / "v2g.toml"
    text = settings.read_text(encoding="utf-8").replace("contracts = []", 'contracts = ["shared.toml"]')
    settings.write_text(text, encoding="utf-8")
    rng = np.random.default_rng(1)
    for number in range(days):
        day = FIRST + timedelta(days=number)
        lineage = {
            "run_id": "benchmark", "as_of_utc": pd.Timestamp(day, tz="UTC") + pd.Timedelta(days=1),
            "input_hash": "none", "code_version": "none",
        }  # fmt: skip
        head = {"realised_id": f"account-{day}", "market_date": day, "zone": "DE-LU", **lineage}
        frames = {
            "out_realised": _filled("out_realised", pd.DataFrame([head])),
            "out_realised_car": _filled("out_realised_car", _cars(rng, cars).assign(**head)),
            "out_realised_deviation": _deviations(rng, cars, day).assign(**head),
        }
        workspace.warehouse.write(frames)
    _imbalance_prices(Workspace.open(folder), rng, days)
    return Workspace.open(folder)


def _cars(rng: np.random.Generator, cars: int) -> pd.DataFrame:
    names = [f"car-{number:05d}" for number in range(cars)]
    modes = ("followed", "uncontrolled", "ordered")
    frame = pd.DataFrame({"battery_id": names * 3, "mode": np.repeat(modes, cars)})
    size = len(frame)
    return frame.assign(
        import_kwh=rng.uniform(0, 40, size),
        export_kwh=rng.uniform(0, 15, size),
        stored_kwh=rng.uniform(0, 5, size),
        energy_cost_eur=rng.normal(2, 2, size),
        wear_eur=rng.uniform(0, 1, size),
        missed=0,
        metered_slots=96,
        scheduled_slots=96,
        fed_back_price_eur=rng.uniform(0, 2, size),
        reserve_income_eur=rng.uniform(0, 1, size),
    )


def _deviations(rng: np.random.Generator, cars: int, day: date) -> pd.DataFrame:
    slots = market_day_slots(day, "DE-LU")[:DEPARTED]
    size = cars * DEPARTED
    return pd.DataFrame(
        {
            "battery_id": np.repeat([f"car-{number:05d}" for number in range(cars)], DEPARTED),
            "interval_start_utc": np.tile(slots, cars),
            "scheduled_kwh": rng.normal(0, 1, size),
            "metered_kwh": rng.normal(0, 1, size),
        }
    )


def _imbalance_prices(workspace: Workspace, rng: np.random.Generator, days: int) -> None:
    slots = pd.date_range(
        pd.Timestamp(FIRST, tz="Europe/Berlin").tz_convert("UTC"), periods=96 * days, freq="15min"
    )
    file = workspace.root / "imbalance.csv"
    prices = rng.normal(0.1, 0.1, (2, len(slots)))
    pd.DataFrame(
        {
            "zone": "DE-LU", "interval_start_utc": slots.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "resolution_minutes": 15, "price_eur_per_kwh": prices[0], "short_price_eur_per_kwh": prices[1],
        }
    ).to_csv(file, index=False)  # fmt: skip
    context = Context.of(
        workspace, datetime.combine(FIRST, datetime.min.time(), UTC) + timedelta(days=days + 1)
    )
    ingest(context, "imbalance_prices", [file])
    check(context)


def _filled(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """With a value that fits for every column that the settlement does not look at."""
    for column in table_contract(table):
        if column.name not in frame:
            value: object = None
            if not column.nullable:
                kind = column.kind.value
                choices = {
                    "text": "none",
                    "float": 0.0,
                    "int": 0,
                    "bool": False,
                    "time": frame["as_of_utc"].iloc[0],
                }
                value = column.allowed[0] if column.allowed else choices.get(kind, FIRST)
            frame = frame.assign(**{column.name: value})
    return frame


if __name__ == "__main__":
    sys.exit(main())
