"""A pack whose resistance doubles in the cold: plan, check, account and chargers reckon with one figure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.dispatch.planned import plan_file
from flows.mapping.in_force import plan_in_force
from flows.mapping.requests import newest_calibrations
from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.realise import realise
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, begun, copied, put, session_rows
from tests.flows.test_dispatch_file import CHARGER
from tests.twin.test_twin_losses import DOUBLED

COLD_IN = 0.8 * (400 + 8.832) / (400 + 2 * 8.832)
"""At the plug 11.04 kW are drawn, 8.832 stored warm: 22.08 A at 400 V, by 0.4 Ω warm and 0.8 Ω at 0 °C."""
COLD_OUT = 0.7 * (400 - 2 * 10) / (400 - 10)
"""The car gives 10 kW."""


@pytest.fixture(scope="module")
def around(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One charger at which car-1 stands from the afternoon on."""
    folder = tmp_path_factory.mktemp("cold")
    depot = begun(calibrated_depot, folder)
    put(depot, "chargers", pd.DataFrame([CHARGER]))
    put(depot, "sessions", session_rows().assign(charger_id=["plug-1", "plug-1", ""]))
    check(Context.of(depot, AS_OF))
    return folder


def cooled(depot: Workspace, degc: float | None, quality: str | None = None) -> Context:
    """The depot with packs of that temperature, and the moment of its plan."""
    context = Context.of(depot, AS_OF)
    rows = depot.warehouse.read("out_calibration")
    held = newest_calibrations(context.known, ["car-1", "car-2"])
    told = {
        one.calibration_id: replace(
            one.record, losses=replace(DOUBLED, rest_v=(400.0, 400.0), today_degc=degc)
        ).to_json()
        for one in held.values()
    }
    rows = rows.assign(parameters_json=rows["calibration_id"].map(told))
    depot.warehouse.write({"out_calibration": rows if quality is None else rows.assign(quality=quality)})
    assert plan(context, DAY).exit_code == 0
    return context


def stored_of(context: Context, mode: str = "v2g") -> pd.DataFrame:
    """Slots of car-1 at the charger, with the energy that each stored per kWh metered."""
    header = plan_in_force(context.known, ZONE, DAY)
    assert header is not None
    where = {"plan_id": header["plan_id"], "mode": mode, "battery_id": "car-1"}
    slots = context.known.read("out_plan_slot", where=where).sort_values("interval_start_utc")
    slots = slots[slots["power_kw"].abs() > 0.1]
    moved = slots["energy_end_kwh"] - slots["energy_start_kwh"]
    return slots.assign(ratio=moved / (0.25 * slots["power_kw"]))


def test_plan_account_and_chargers_lose_what_the_cold_pack_loses(around: Path, tmp_path: Path) -> None:
    context = cooled(copied(around, tmp_path), 0.0)
    slots = stored_of(context)
    charged, fed = slots[slots["power_kw"] > 0], slots[slots["power_kw"] < 0]
    assert len(charged) and len(fed)
    np.testing.assert_allclose(charged["ratio"], COLD_IN, rtol=1e-6)
    np.testing.assert_allclose(fed["ratio"], 1 / COLD_OUT, rtol=1e-6)
    most_kw = charged["power_kw"].max()
    assert most_kw == pytest.approx(11.04, rel=1e-6), "the charger draws as much, and less of it arrives"
    header = plan_in_force(context.known, ZONE, DAY)
    assert header is not None
    at_charger = {one.session_id: one for one in plan_file(context, header).stays}["s2"].slots
    assert (at_charger.efficiency_charge, at_charger.efficiency_discharge) == pytest.approx(
        (COLD_IN, COLD_OUT)
    )
    over = Context.of(context.workspace, AS_OF + timedelta(days=3))
    assert realise(over, (DAY,)).exit_code == 0
    told = over.known.read("out_realised_car", where={"battery_id": "car-1"})
    assert len(told) and told["import_kwh"].max() > 1.0
    stored = COLD_IN * told["import_kwh"] - told["export_kwh"] / COLD_OUT
    np.testing.assert_allclose(told["stored_kwh"], stored, atol=1e-6)


@pytest.mark.parametrize(("degc", "quality"), [(None, None), (25.0, None), (31.0, None), (0.0, "stale")])
def test_a_warm_or_untold_pack_loses_what_is_declared(
    around: Path, tmp_path: Path, degc: float | None, quality: str | None
) -> None:
    slots = stored_of(cooled(copied(around, tmp_path), degc, quality))
    np.testing.assert_allclose(slots.loc[slots["power_kw"] > 0, "ratio"], 0.8, rtol=1e-6)
