"""The demo: a synthetic fleet with a hidden truth, dropped into a new workspace's inbox.

Telemetry and check-ups come from `twin.synthetic`, which simulates every battery with a richer model than the
twin fits. What is hidden (capacity, ageing factors) is stored in exports/hidden_truth.json, where no stage
reads it. The same number of cars, days and seed makes the same files. Those of the past say when each row was
known (mappings/past.toml, declared.toml); what came today waits as a .part until the days before are lived.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from flows.console import working
from flows.errors import UsageError
from flows.settings import FILE_NAME
from flows.stages.ledger import make_key
from flows.workers import twin_workers
from flows.workspace import Workspace
from twin.duty import StandardDuty
from twin.types import BatterySpec
from warehouse.zones import market_day_slots

if TYPE_CHECKING:
    from twin.synthetic import Fault, Truth, TruthSpec

PART = ".part"
AS_OF = datetime(2026, 6, 15, 11, 0, tzinfo=UTC)
MARKET_DATE = date(2026, 6, 16)
ZONE = "DE-LU"
NOTICE = "Synthetic fleet and synthetic prices: simulated for this demo, no real car, driver or market."
_MANIFEST = "demo.json"
_TRUTH = "hidden_truth.json"
_SAMPLE_S = 60
_ANNOUNCED = pd.Timedelta(days=2)
"""How long before its arrival a session is announced."""
_MAPPINGS = {
    "declared": 'source = "csv"\nreceived = "known_utc"\n',
    "past": 'source = "csv"\nreceived = "event"\n',
    "pastparquet": 'source = "parquet"\nreceived = "event"\n',
}
_CONTRACT = """# Made up for this demo.
format = 1
id = "demo"
version = 1
currency = "EUR"
from = 2026-01-01
batteries = "all"

[guarantee]
compensation_eur = 10.0

[share]
rule = "after_wear"
theta = 0.5
"""
_FAULTS: tuple[Fault, ...] = ("current_bias", "stuck_voltage", "flipped_current")
# Nominal cell voltage [V], cells in series, pack capacity [Ah].
_PACKS = {"nmc811": (3.65, 108, 160.0), "nca": (3.65, 96, 170.0), "lfp": (3.25, 104, 165.0)}
# Departure hour [UTC], hours plugged in, import and export limit [kW].
_SITES = {"depot": (4.5, 13.5, 35.0, 30.0), "office": (15.0, 8.5, 30.0, 25.0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A workspace with a synthetic fleet, and the day to plan."""

    workspace: Workspace
    as_of: datetime
    market_date: date


def make_demo(directory: Path, *, cars: int, days: int, seed: int) -> Demo:
    """Make the workspace in ``directory``, or take it as it is when the same demo is there already.

    Raises UsageError when the folder holds another workspace.
    """
    directory = directory.expanduser().resolve()
    manifest = {"cars": cars, "days": days, "seed": seed}
    known = directory / _MANIFEST
    if known.exists():
        if json.loads(known.read_text(encoding="utf-8")) != manifest:
            raise UsageError(
                f"{directory} holds another demo: {known.read_text(encoding='utf-8').strip()}",
                hint="Name another folder: v2g demo DIR.",
            )
        return Demo(workspace=Workspace.open(directory), as_of=AS_OF, market_date=MARKET_DATE)
    workspace = _agreed(Workspace.create(directory, zone=ZONE, notice=NOTICE))
    workspace.enter()
    rng = np.random.default_rng(seed)
    fleet = _fleet(rng, cars)
    specs = [_truth_spec(rng, row, i, days) for i, (_, row) in enumerate(fleet.iterrows())]
    with working(f"simulating {cars} batteries over {days} days (SPMe)"):
        truths = _simulate(workspace, specs)
    _drop(workspace, rng, fleet, truths, days)
    hidden = {
        spec.battery.battery_id: {"fault": spec.fault, **truth.hidden}
        for spec, truth in zip(specs, truths, strict=True)
    }
    (workspace.exports / _TRUTH).write_text(json.dumps(hidden, indent=2) + "\n", encoding="utf-8")
    known.write_text(json.dumps(manifest) + "\n", encoding="utf-8")
    return Demo(workspace=workspace, as_of=AS_OF, market_date=MARKET_DATE)


def _agreed(workspace: Workspace) -> Workspace:
    """With a contract for all cars, and a key for the log of what is settled by it."""
    (workspace.root / "contract.toml").write_text(_CONTRACT, encoding="utf-8")
    settings = workspace.root / FILE_NAME
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("contracts = []", 'contracts = ["contract.toml"]'), encoding="utf-8")
    make_key(workspace, "demo.v2g-planner")
    return Workspace.open(workspace.root)


def _fleet(rng: np.random.Generator, cars: int) -> pd.DataFrame:
    rows = []
    for i in range(cars):
        chemistry = tuple(_PACKS)[i % 3]
        volts, series, capacity_ah = _PACKS[chemistry]
        energy_kwh = capacity_ah * volts * series / 1000
        rows.append(
            {
                "battery_id": f"car-{i + 1:03d}",
                "site_id": "depot" if i % 5 < 3 else "office",
                "chemistry": chemistry,
                "nominal_capacity_ah": capacity_ah,
                "nominal_energy_kwh": round(energy_kwh, 3),
                "cells_series": series,
                "cells_parallel": 1,
                "commissioned_utc": pd.Timestamp(AS_OF).normalize()
                - pd.Timedelta(days=round(365 * rng.uniform(1.0, 4.5))),
                "charge_limit_kw": 10.0,
                "discharge_limit_kw": 10.0,
                "efficiency_charge": 0.93,
                "efficiency_discharge": 0.93,
                "soc_min": 0.15,
                "soc_max": 0.95,
                "replacement_value_eur": round(110 * energy_kwh),
                "scrap_value_eur": round(20 * energy_kwh),
            }
        )
    return pd.DataFrame(rows)


def _truth_spec(rng: np.random.Generator, row: pd.Series, index: int, days: int) -> TruthSpec:
    from twin.synthetic import TruthSpec

    departure, plugged, *_ = _SITES[row["site_id"]]
    names = BatterySpec.__dataclass_fields__
    battery = BatterySpec(**{name: row[name] for name in names})
    every = index % 4  # every fourth car has a bad sensor, in turn of another kind
    return TruthSpec(
        battery=battery,
        duty=StandardDuty(
            trip_efc=float(rng.uniform(0.15, 0.3)),
            trip_c_rate=float(rng.uniform(0.2, 0.3)),
            charge_c_rate=battery.charge_c_rate,
            plugged_hours=plugged,
            target_soc=0.8,
            temperature_degc=float(rng.normal(18, 3)),
            source="synthetic",
        ),
        as_of_utc=pd.Timestamp(AS_OF),
        telemetry_days=days,
        ahead_days=3,
        sample_s=_SAMPLE_S,
        capacity_scale=float(rng.normal(0.99, 0.012)),
        sei_factor=float(rng.lognormal(0, 0.25)),
        lam_factor=float(rng.lognormal(0, 0.25)),
        resistance=float(rng.uniform(0.04, 0.08)),
        departure_hour_utc=departure,
        fault=_FAULTS[index // 4 % 3] if every == 3 else "none",
        seed=int(rng.integers(2**31)),
    )


def _simulate(workspace: Workspace, specs: list[TruthSpec]) -> list[Truth]:
    from twin.synthetic import simulate_chunk

    truths = []
    with twin_workers(workspace.settings.calibrate.twins) as workers:
        for answer in workers.spread(simulate_chunk, specs):
            if isinstance(answer, Exception):
                raise answer
            truths.append(answer)
    return truths


def _drop(
    workspace: Workspace, rng: np.random.Generator, fleet: pd.DataFrame, truths: list[Truth], days: int
) -> None:
    """Write the files that a fleet's systems would send, some readings spoilt, into the inbox."""
    inbox = workspace.inbox
    workspace.mappings.mkdir(exist_ok=True)
    for name, text in _MAPPINGS.items():
        (workspace.mappings / f"{name}.toml").write_text(text, encoding="utf-8")
    begin = pd.Timestamp(AS_OF).normalize() - pd.Timedelta(days=days + 1)
    sites = pd.DataFrame(
        [
            {"site_id": name, "zone": ZONE, "import_limit_kw": up, "export_limit_kw": down}
            for name, (_, _, up, down) in _SITES.items()
        ]
    )
    telemetry = pd.concat([truth.telemetry for truth in truths], ignore_index=True)
    spoilt = rng.choice(len(telemetry), 12, replace=False)
    telemetry.loc[spoilt[:6], "voltage_v"] = 9999.0
    telemetry.loc[spoilt[6:], "current_a"] = np.nan
    sessions = []
    for battery_id, truth in zip(fleet["battery_id"], truths, strict=True):
        plugged = truth.sessions
        names = battery_id + "-" + plugged["arrival_utc"].dt.strftime("%Y%m%dT%H%M")
        sessions.append(plugged.assign(session_id=names, battery_id=battery_id))
    plugged = pd.concat(sessions)
    announced = (plugged["arrival_utc"] - _ANNOUNCED).where(
        plugged["arrival_utc"] < AS_OF + _ANNOUNCED, AS_OF
    )
    sites.assign(known_utc=begin).to_csv(inbox / "sites__declared__demo.csv", index=False)
    fleet.assign(known_utc=begin).to_csv(inbox / "fleet__declared__demo.csv", index=False)
    plugged.assign(known_utc=announced).to_csv(
        inbox / "sessions__declared__demo.csv", index=False, float_format="%.5f"
    )
    checkups = pd.concat([truth.checkups for truth in truths])
    checkups.to_csv(inbox / "checkups__past__demo.csv", index=False, float_format="%.5f")
    prices = _prices(rng, days)
    tomorrow = prices["interval_start_utc"].isin(market_day_slots(MARKET_DATE, ZONE))
    prices[~tomorrow].to_csv(inbox / "prices__past__demo.csv", index=False)
    prices[tomorrow].to_csv(inbox / f"prices__csv__tomorrow.csv{PART}", index=False)
    today = telemetry["time_utc"] >= pd.Timestamp(AS_OF).normalize()
    telemetry[~today].to_parquet(inbox / "telemetry__pastparquet__demo.parquet", index=False)
    telemetry[today].to_parquet(inbox / f"telemetry__parquet__today.parquet{PART}", index=False)


def _prices(rng: np.random.Generator, days: int) -> pd.DataFrame:
    """A quarter-hourly curve as of a sunny market: two peaks, a midday trough, below zero on bright days."""
    frames = []
    for back in range(days, -2, -1):
        day = (pd.Timestamp(AS_OF).normalize() - pd.Timedelta(days=back)).date()
        slots = market_day_slots(day, ZONE)
        local = slots.tz_convert("Europe/Berlin")
        hour = local.hour.to_numpy() + local.minute.to_numpy() / 60
        sun, demand = rng.uniform(90, 170), 0.8 if day.weekday() >= 5 else 1.0
        price = (
            90 * demand
            + 35 * demand * np.exp(-(((hour - 7.75) / 1.3) ** 2))
            + rng.uniform(60, 130) * demand * np.exp(-(((hour - 20) / 1.6) ** 2))
            - sun * np.exp(-(((hour - 13.2) / 2.8) ** 2))
            + 6 * ((hour * 4) % 4 - 1.5) * np.sign(13.5 - hour)
            + np.convolve(rng.normal(0, 5, len(slots)), np.ones(4) / 2, mode="same")
        )
        frames.append(
            pd.DataFrame(
                {
                    "zone": ZONE,
                    "interval_start_utc": slots,
                    "resolution_minutes": 15,
                    "price_eur_per_mwh": np.round(price, 2),
                }
            )
        )
    return pd.concat(frames)
