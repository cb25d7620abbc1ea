"""Small true-to-contract frames and sources for the tests of storage and checks."""

import datetime as dt
import hashlib

import numpy as np
import pandas as pd

from tests.benchmarks.data import data_folder, file_of
from warehouse.contracts import CONTRACTS, dataset_contract
from warehouse.sources import SourceFile

NOW = dt.datetime(2020, 4, 1, 12, tzinfo=dt.UTC)
SHARED_DATA = data_folder()
SMARD, ACN = file_of(SHARED_DATA, "prices"), file_of(SHARED_DATA, "sessions")


def telemetry(battery_id="CAR1", start="2020-03-28T22:00Z", minutes=240, voltage_v=380.0, current_a=10.0):
    """A battery charging at one sample a minute, its voltage rising slowly."""
    return pd.DataFrame(
        {
            "battery_id": battery_id,
            "time_utc": pd.date_range(start, periods=minutes, freq="min", unit="us"),
            "voltage_v": voltage_v + 0.01 * np.arange(minutes),
            "current_a": current_a,
            "temperature_degc": 20.0,
            "soc_reported": np.nan,
            "cell_voltage_min_v": np.nan,
            "cell_voltage_max_v": np.nan,
        }
    )


def soc_power(battery_id="CAR1", start="2020-03-28T22:00Z", minutes=50, every=5, power_kw=7.0):
    """A car that charges, as a cloud tells of it."""
    times = pd.date_range(start, periods=minutes // every, freq=f"{every}min").as_unit("us")
    soc = np.round(0.5 + power_kw / 60 * every / 60 * np.arange(len(times)), 2)
    return pd.DataFrame({"battery_id": battery_id, "time_utc": times, "soc_reported": soc}).assign(
        power_kw=power_kw, temperature_degc=np.nan
    )


def metering(battery_id="CAR1", start="2020-03-28T22:00Z", quarters=96, import_kwh=2.5, export_kwh=0.0):
    """What the plug of a charging car counts, quarter-hour by quarter-hour."""
    return pd.DataFrame(
        {
            "battery_id": battery_id,
            "interval_start_utc": pd.date_range(start, periods=quarters, freq="15min", unit="us"),
            "import_kwh": import_kwh,
            "export_kwh": export_kwh,
        }
    )


def prices(start="2020-03-29T00:00+01:00", hours=23, zone="DE-LU"):
    """Hourly prices from `start`."""
    return pd.DataFrame(
        {
            "zone": zone,
            "interval_start_utc": pd.date_range(start, periods=hours, freq="h", unit="us").tz_convert("UTC"),
            "resolution_minutes": 60,
            "price_eur_per_kwh": 0.03 + 0.001 * np.arange(hours),
        }
    )


def tariffs(direction="import", start="2020-03-29T00:00+01:00", hours=23, zone="DE-LU"):
    """Hourly retail prices from `start`, with a demand charge on what is bought."""
    charge = 15.0 if direction == "import" else None
    return prices(start, hours, zone).assign(direction=direction, demand_charge_eur_per_kw=charge)


def fleet(count=3):
    """`count` cars of 60 kWh at one site."""
    return pd.DataFrame(
        {
            "battery_id": [f"CAR{number}" for number in range(1, count + 1)],
            "site_id": "DEPOT",
            "chemistry": "nmc811",
            "nominal_capacity_ah": 160.0,
            "nominal_energy_kwh": 60.0,
            "cells_series": 100,
            "cells_parallel": 32,
            "commissioned_utc": pd.Timestamp("2018-01-01", tz="UTC"),
            "charge_limit_kw": 11.0,
            "discharge_limit_kw": 11.0,
            "efficiency_charge": 0.93,
            "efficiency_discharge": 0.93,
            "soc_min": 0.1,
            "soc_max": 0.95,
            "replacement_value_eur": 7200.0,
            "scrap_value_eur": 1500.0,
        }
    )


def source_of(dataset, frame, name="file.csv"):
    """A source as a reader would hand it over, its id from its content."""
    absent = [one.name for one in dataset_contract(dataset) if one.nullable and one.name not in frame]
    rows = frame.reset_index(drop=True).assign(**dict.fromkeys(absent))
    rows = rows.assign(source_row=np.arange(1, len(frame) + 1))
    digest = hashlib.sha256(f"{name}{rows.to_csv()}".encode()).hexdigest()
    return SourceFile(
        dataset=dataset, source="csv", file_name=name, source_id=digest, sha256=digest, frame=rows
    )


def sites():
    """The depot's connection."""
    limits = {"import_limit_kw": 50.0, "export_limit_kw": 20.0}
    return pd.DataFrame([{"site_id": "DEPOT", "zone": "DE-LU", **limits}])


def chargers():
    """One charger of three phases."""
    return pd.DataFrame([{"charger_id": "P1", "site_id": "DEPOT", "phases": 3, "max_current_a": 16.0}])


def site_load(quarters=1, start="2020-03-29T00:00Z"):
    """What the depot draws besides its cars."""
    slots = pd.date_range(start, periods=quarters, freq="15min", unit="us")
    return pd.DataFrame(
        {"site_id": "DEPOT", "interval_start_utc": slots, "resolution_minutes": 15, "load_kw": -3.0}
    )


def site_limits(quarters=1, start="2020-03-29T00:00Z"):
    """What the grid lets the depot draw."""
    return site_load(quarters, start).drop(columns="load_kw").assign(import_limit_kw=4.2, export_limit_kw=0.0)


def awards(blocks=1, start="2020-03-29T00:00Z"):
    """What a market took of reserve, in blocks of four hours."""
    begins = pd.date_range(start, periods=blocks, freq="4h", unit="us")
    rows = {"zone": "DE-LU", "product": "FCR", "direction": "symmetric", "interval_start_utc": begins}
    ends = begins + pd.Timedelta(hours=4)
    return pd.DataFrame({**rows, "interval_end_utc": ends, "quantity_mw": 1.0, "price_eur_per_mw_h": 9.5})


def co2(hours=1):
    """Emissions of the hours of `prices`."""
    return prices(hours=hours).drop(columns="price_eur_per_kwh").assign(co2_kg_per_kwh=0.4)


def imbalance_prices(hours=1):
    """What imbalance is settled at in the hours of `prices`."""
    return prices(hours=hours).assign(price_eur_per_kwh=0.15, short_price_eur_per_kwh=0.2)


def activations(quarters=1, start="2020-03-29T00:00Z"):
    """What was called of reserve, upwards."""
    slots = pd.date_range(start, periods=quarters, freq="15min", unit="us")
    rows = {"zone": "DE-LU", "product": "aFRR up", "direction": "up", "interval_start_utc": slots}
    return pd.DataFrame({**rows, "energy_kwh": 12.0, "price_eur_per_kwh": 0.09})


def promote_unchecked(warehouse, dataset, checked_utc=NOW):
    """Promote what was ingested as if every row were good."""
    rows = warehouse.unchecked(dataset)
    warehouse.promote(
        dataset,
        rows.drop(columns="source_row"),
        pd.DataFrame(columns=CONTRACTS["core_quarantine"].names),
        pd.DataFrame(columns=CONTRACTS["out_check"].names),
        list(rows["source_id"].unique()),
        checked_utc,
    )


def ingested(dataset, frame):
    """Rows in the shape in which the checks get them."""
    source = source_of(dataset, frame)
    return source.frame.assign(source_id=source.source_id, received_utc=pd.Timestamp(NOW))


def sources_of(parts):
    """The files of some parts, each once."""
    return sorted({one for part in parts for one in part.source_ids})
