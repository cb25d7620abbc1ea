"""A year of real prices and workplace sessions: 40 cars, both clock changes, a negative Sunday, a normal day.

Everything is recomputed here from the stored tables and the file, in plain pandas, without the optimiser.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from flows.stages import Context, new_run_id
from flows.stages.calibrate import calibrate
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.benchmarks.data import data_folder, file_of
from tests.flows.conftest import put
from warehouse.zones import market_day_slots

DATA = data_folder()
PRICES, SESSIONS = file_of(DATA, "prices"), file_of(DATA, "sessions")
AS_OF = datetime(2020, 3, 28, 11, tzinfo=UTC)
DAYS = {date(2020, 3, 29): 92, date(2020, 7, 5): 96, date(2020, 9, 15): 96, date(2020, 10, 25): 100}
STORED = 0.03
KEY = ["mode", "battery_id"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PRICES.exists() or not SESSIONS.exists(), reason=f"no real data under {DATA}"),
]


@pytest.fixture(scope="module")
def garage(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    settings = Workspace.create(tmp_path_factory.mktemp("real") / "garage", zone="DE-LU").root / "v2g.toml"
    text = settings.read_text(encoding="utf-8")
    text = text.replace('horizon = "published"', 'horizon = "market_day"')
    settings.write_text(
        text.replace("[plan]", f"[plan]\nterminal_value_eur_per_kwh = {STORED}"), encoding="utf-8"
    )
    workspace = Workspace.open(settings.parent)
    assert workspace.settings.plan.horizon == "market_day"
    workspace.enter()
    sites = [{"site_id": "garage", "zone": "DE-LU", "import_limit_kw": 60.0, "export_limit_kw": 60.0}]
    put(workspace, "sites", pd.DataFrame(sites), as_of=AS_OF)
    put(workspace, "fleet", fleet(), as_of=AS_OF)
    run_id = new_run_id(AS_OF)
    assert check(Context.of(workspace, AS_OF, run_id)).exit_code == 0
    ingest(Context.of(workspace, AS_OF, run_id), "prices", [PRICES], source="smard")
    options = {"onto": list(DAYS), "target_soc": 0.8}
    ingest(Context.of(workspace, AS_OF, run_id), "sessions", [SESSIONS], source="acn", options=options)
    assert check(Context.of(workspace, AS_OF, run_id)).exit_code == 0
    assert calibrate(Context.of(workspace, AS_OF, run_id)).status == "ok"
    return workspace


def fleet() -> pd.DataFrame:
    volts = {"nmc811": 3.65, "nca": 3.65, "lfp": 3.25}
    return pd.DataFrame(
        [
            {
                "battery_id": f"ev-{i:02d}",
                "site_id": "garage",
                "chemistry": tuple(volts)[i % 3],
                "nominal_capacity_ah": 160.0,
                "nominal_energy_kwh": round(160 * 108 * tuple(volts.values())[i % 3] / 1000, 3),
                "cells_series": 108,
                "cells_parallel": 1,
                "commissioned_utc": f"{2017 + i % 3}-05-01T00:00:00Z",
                "charge_limit_kw": 6.6,
                "discharge_limit_kw": 6.6,
                "efficiency_charge": 0.93,
                "efficiency_discharge": 0.93,
                "soc_min": 0.1,
                "soc_max": 1.0,
                "replacement_value_eur": 7000,
                "scrap_value_eur": 1200,
            }
            for i in range(40)
        ]
    )


@pytest.mark.parametrize("day", list(DAYS), ids=str)
def test_every_number_of_a_real_day_adds_up(garage: Workspace, day: date) -> None:
    result = plan(Context.of(garage, AS_OF), day)
    assert result.exit_code == 0
    mine = {"plan_id": result.details["plan_id"]}
    tables = {name: garage.warehouse.read(f"out_plan_{name}", where=mine) for name in TABLES}
    slots, modes = tables["slot"], tables["mode"].set_index("mode")
    cars = slots["battery_id"].nunique()
    starts = pd.DatetimeIndex(slots["interval_start_utc"].unique())
    assert len(slots) == 3 * cars * len(starts), "the day, and on to where its last car leaves"
    assert starts.isin(market_day_slots(day, "DE-LU")).sum() == DAYS[day]
    assert set(modes.index) == {"uncontrolled", "ordered", "v2g"}
    energy_is_balanced(slots)
    every_departure_is_met_or_named(garage, day, tables["departure"], slots)
    limits = tables["site_slot"]
    assert (limits["power_kw"] <= limits["import_limit_kw"] + 1e-6).all()
    assert (-limits["power_kw"] <= limits["export_limit_kw"] + 1e-6).all()
    objective = recomputed_objective(garage, tables)
    for mode in modes.index:
        assert objective[mode] == pytest.approx(modes.loc[mode, "objective_eur"], abs=1e-6)
    assert objective["uncontrolled"] <= objective["ordered"] + 1e-6
    assert objective["ordered"] <= objective["v2g"] + 1e-6
    assert (modes["l0_over_l"] > 0).all()


TABLES = ("slot", "mode", "car", "departure", "site_slot", "price")


def energy_is_balanced(slots: pd.DataFrame) -> None:
    plugged = slots[slots["plugged"]]
    moved = 0.25 * (plugged["charge_kw"] - plugged["discharge_kw"])
    error = plugged["energy_end_kwh"] - plugged["energy_start_kwh"] - moved
    assert error.abs().max() < 1e-6
    away = slots[~slots["plugged"]]
    assert (away[["charge_kw", "discharge_kw", "power_kw"]] == 0).all(axis=None)
    metered = plugged["charge_kw"] / 0.93 - plugged["discharge_kw"] * 0.93
    assert (metered - plugged["power_kw"]).abs().max() < 1e-9


def every_departure_is_met_or_named(
    garage: Workspace, day: date, departures: pd.DataFrame, slots: pd.DataFrame
) -> None:
    start, end = slots["interval_start_utc"].min(), slots["interval_start_utc"].max() + pd.Timedelta("15min")
    sessions = garage.warehouse.read("core_session")
    today = sessions[(sessions["arrival_utc"] < end) & (sessions["departure_utc"] > start)]
    assert len(today) > 0, day
    for mode, one in departures.groupby("mode"):
        assert set(one["session_id"]) == set(today["session_id"]), mode
    missing = (departures["target_kwh"] - departures["reached_kwh"]).clip(lower=0)
    assert (missing - departures["missing_kwh"]).abs().max() < 1e-6
    assert ((departures["missing_kwh"] > 0) == (departures["reason"] != "")).all()


def recomputed_objective(garage: Workspace, tables: dict[str, pd.DataFrame]) -> pd.Series:
    """Revenue − cost + stored − wear of V2G and of resting − price of what is missing, by mode."""
    slots, plan_settings = tables["slot"], garage.settings.plan
    stated = tables["price"].set_index("interval_start_utc")
    published = stated[stated["price_source"] == "published"]["import_eur_per_kwh"]
    listed = smard_prices().reindex(published.index.floor("h")).to_numpy()
    np.testing.assert_allclose(published, listed, atol=1e-9)
    price = stated["import_eur_per_kwh"].reindex(slots["interval_start_utc"]).to_numpy()
    energy_eur = (0.25 * slots["power_kw"] * price).groupby(slots["mode"]).sum()
    plugged = slots[slots["plugged"]]
    stored_kwh = 0.25 * (plugged["charge_kw"] - plugged["discharge_kw"])
    stored_eur = stored_kwh.groupby(plugged["mode"]).sum() * STORED
    calibrations = garage.warehouse.read("out_calibration").set_index("calibration_id")
    records = calibrations["parameters_json"].map(json.loads)
    means = pd.DataFrame(
        {
            of: records.map(lambda stated, of=of: stated["ensemble"]["price"][of][0])
            for of in ("law", "rate", "rest")
        }
    )
    discharged = 0.25 * plugged.groupby(KEY)["discharge_kw"].sum()
    wear = {}
    for _, car in tables["car"].iterrows():
        known, dearer = calibrations.loc[car["calibration_id"]], means.loc[car["calibration_id"]]
        x = discharged.get((car["mode"], car["battery_id"]), 0.0) / known["usable_energy_kwh"]
        growth = (
            known["beta_day_per_efc"] * dearer["rate"] * x
            if car["wear_form"] == "rate"
            else np.expm1(known["alpha_day_per_efc"] * dearer["law"] * x)
        )
        wear[car["mode"], car["battery_id"]] = known["residual_value_eur"] / known["l0_days"] * growth
    wear_eur = pd.Series(wear).groupby(level=0).sum()
    rest_price = calibrations["rest_price_eur_per_kwh_h"].fillna(0.0) * means["rest"]
    rest = rest_price.set_axis(calibrations["battery_id"])
    mean_kwh = (plugged["energy_start_kwh"] + plugged["energy_end_kwh"]) / 2
    rest_eur = (0.25 * mean_kwh * plugged["battery_id"].map(rest)).groupby(plugged["mode"]).sum()
    missing_kwh = tables["departure"].groupby("mode")["missing_kwh"].sum()
    missing_eur = plan_settings.departure_price_eur_per_kwh * missing_kwh
    return stored_eur - energy_eur - wear_eur - rest_eur - missing_eur


def smard_prices() -> pd.Series:
    """€/kWh by UTC hour, from the file itself: the label CET or CEST tells the offset."""
    rows = pd.read_csv(PRICES)
    offset = rows["zone_start"].map({"CET": 1, "CEST": 2})
    start = pd.to_datetime(rows["time"]).dt.tz_localize("UTC") - pd.to_timedelta(offset, unit="h")
    return pd.Series(rows["price"].to_numpy() / 100, index=start)
