"""An owner's choices: each cell is what `v2g plan` answers where a file says so of that car alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows.errors import NoPlanError, UsageError
from flows.plain import record
from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.what_if import Choice, WhatIf, what_if
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, begun, copied, fleet_rows, put, session_rows, site_rows, spoil
from tests.flows.test_settle import SHARED, agreed
from tests.optimize.market_books import CONTRACTS

CENT = 0.005
CAR = "car-1"
OWN = SHARED.replace("[bonus]", "[limits]\nmin_soc = 0.25\nv2g_kwh_per_day = 12.0\n[bonus]")
OTHER = (CONTRACTS / "plugged_hours.toml").read_text(encoding="utf-8")
OTHER = OTHER.replace('"all"', '["car-2"]').replace("2025-01-01", "2024-01-01")


def quiet(workspace: Workspace) -> Context:
    """What the twin says of a plan's wear is nobody's question here."""
    return replace(Context.of(workspace, AS_OF), shown=False)


def made(workspace: Workspace) -> str:
    result = plan(quiet(workspace), DAY)
    assert result.exit_code == 0, result.message
    return str(result.details["plan_id"])


def together() -> pd.DataFrame:
    """Both cars over the same night."""
    rows = session_rows()
    other = rows["battery_id"] == "car-2"
    rows.loc[other, ["arrival_utc", "departure_utc"]] = [
        f"{DAY}T15:00:00Z",
        f"{DAY + timedelta(days=1)}T05:30:00Z",
    ]
    return rows


@pytest.fixture(scope="module")
def apart_around(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A planned depot whose cars share nothing that binds, each with a contract."""
    around = tmp_path_factory.mktemp("apart")
    made(agreed(begun(calibrated_depot, around), OWN, OTHER))
    return around


@pytest.fixture(scope="module")
def apart_asked(apart_around: Path, tmp_path_factory: pytest.TempPathFactory) -> WhatIf:
    """What is answered there, which writes nothing."""
    workspace = copied(apart_around, tmp_path_factory.mktemp("asked"))
    before = (workspace.root / "warehouse.duckdb").read_bytes()
    found = asked(workspace)
    assert (workspace.root / "warehouse.duckdb").read_bytes() == before
    return found


@pytest.fixture(scope="module")
def shared_around(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A planned depot whose cars stand at one feeder that is too small for both at once."""
    around = tmp_path_factory.mktemp("shared")
    workspace = agreed(begun(calibrated_depot, around), OWN, OTHER)
    put(workspace, "sites", site_rows().assign(import_limit_kw=7.0, export_limit_kw=7.0))
    put(workspace, "sessions", together())
    check(Context.of(workspace, AS_OF))
    made(workspace)
    return around


def asked(workspace: Workspace, battery_id: str = CAR) -> WhatIf:
    header = record(workspace.warehouse.read("out_plan", where={"market_date": DAY}).iloc[-1])
    seen: list[tuple[int, int]] = []
    found = what_if(
        Context.of(workspace, AS_OF), header, battery_id, lambda _, done, total: seen.append((done, total))
    )
    assert seen[-1] == (len(found.cells), len(found.cells))
    return found


def changed(around: Path, folder: Path, choice: Choice, sessions: pd.DataFrame) -> dict[str, Any]:
    """What `v2g plan` answers of the car in a copy in which files say what is chosen."""
    workspace = copied(around, folder)
    mine = fleet_rows()["battery_id"] == CAR
    fleet = fleet_rows()
    fleet.loc[mine, "soc_min"] = choice.soc_min
    if not choice.feeds_back:
        fleet.loc[mine, "discharge_limit_kw"] = 0.0
    put(workspace, "fleet", fleet)
    if choice.leaves is not None:
        name, at = choice.leaves
        sessions = sessions.copy()
        sessions.loc[sessions["session_id"] == name, "departure_utc"] = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        put(workspace, "sessions", sessions)
    if choice.contract is not None:
        (workspace.root / "contract 0.toml").write_text(OTHER.replace("car-2", CAR), encoding="utf-8")
        workspace = Workspace.open(workspace.root)
    check(Context.of(workspace, AS_OF))
    return told(workspace, made(workspace))


def told(workspace: Workspace, plan_id: str, battery_id: str = CAR) -> dict[str, Any]:
    """The cell of a car, from the rows of a plan."""
    mine = {"plan_id": plan_id, "battery_id": battery_id}
    read = workspace.warehouse.read
    (mode,) = read("out_plan", where={"plan_id": plan_id})["followed_mode"]
    cars = read("out_plan_car", where=mine).set_index("mode")
    wear = cars["wear_price_eur"] + cars["rest_price_eur"]
    net = cars["stored_value_eur"] - cars["energy_cost_eur"] - wear
    one, at_once = cars.loc[mode], cars.loc["uncontrolled"]
    slots = read("out_plan_slot", where={**mine, "mode": mode})
    capacity = read("out_calibration", where={"battery_id": battery_id})["usable_energy_kwh"].iloc[-1]
    due = read("out_plan_departure", where={**mine, "mode": mode})
    return {
        "cost_eur": one["energy_cost_eur"],
        "at_once_eur": at_once["energy_cost_eur"],
        "stored_eur": one["stored_value_eur"] - at_once["stored_value_eur"],
        "wear_eur": wear[mode] - wear["uncontrolled"],
        "benefit_eur": net[mode] - net["uncontrolled"],
        "fed_back_kwh": one["export_kwh"],
        "lowest_soc": slots[["energy_start_kwh", "energy_end_kwh"]].min().min() / capacity,
        "departures": len(due),
        "missing_kwh": due["missing_kwh"].sum(),
    }


def differences(cell: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, float]:
    """By how much a cell's figures differ from a plan's, those by a cent, a 100th kWh or a percent."""
    return {name: cell[name] - value for name, value in other.items() if abs(cell[name] - value) >= CENT}


def assert_cells_are_plans(
    found: WhatIf, around: Path, tmp_path: Path, sessions: pd.DataFrame, near: set[str], picked: Sequence[int]
) -> None:
    """picked: numbers of cells; least charge, departure, contract and V2G, the last the fastest."""
    assert (len(found.cells), found.same, set(found.near)) == (24, True, near)
    for number in picked:
        choice, cell = found.options.choices[number], found.cells[number]
        other = changed(around, tmp_path / f"{number}", choice, sessions)
        assert differences(cell, other) == {}, (number, choice)


def test_each_choice_of_a_car_alone_is_the_plan_that_files_would_make(
    apart_around: Path, apart_asked: WhatIf, tmp_path: Path
) -> None:
    assert_cells_are_plans(apart_asked, apart_around, tmp_path, session_rows(), set(), (0, 1, 6, 12, 23))
    cells = apart_asked.cells
    assert all(cell["others_eur"] == pytest.approx(0.0, abs=1e-9) for cell in cells)
    assert cells[0]["fed_back_kwh"] > 1.0 and cells[1]["fed_back_kwh"] == 0.0, "V2G, and none"
    assert cells[0]["benefit_eur"] > cells[1]["benefit_eur"] + CENT
    assert len({round(cell["benefit_eur"], 2) for cell in cells}) >= 5, "choices matter"


def test_cars_that_share_a_limit_are_planned_anew_with_it(shared_around: Path, tmp_path: Path) -> None:
    found = asked(copied(shared_around, tmp_path / "asked"))
    assert_cells_are_plans(found, shared_around, tmp_path, together(), {"car-2"}, (0, 5, 14, 20))
    assert found.cells[0]["others_eur"] == 0.0
    assert max(abs(cell["others_eur"]) for cell in found.cells) >= CENT, "it costs the others, or spares them"


def test_the_contract_is_reckoned_from_the_plan(apart_asked: WhatIf) -> None:
    cells = apart_asked.cells
    for cell in cells:
        assert cell["contract_id"] in ("shared", "plugged-hours")
    own = cells[0]
    share = round(0.6 * round(own["saved_eur"], 2), 2)
    paid = round(0.02 * own["fed_back_kwh"], 2)
    assert own["received_eur"] == pytest.approx(share + paid, abs=0.011)
    assert own["after_wear_eur"] == pytest.approx(own["received_eur"] - own["wear_eur"], abs=0.011)
    assert cells[2]["received_eur"] == 0.0, "this one pays for hours alone, which are told apart"
    assert own["least_soc"] == 0.25 and cells[2]["least_soc"] == 0.2, "each keeps what its contract says"


def test_what_cannot_be_asked_is_said(apart_around: Path, tmp_path: Path) -> None:
    workspace = copied(apart_around, tmp_path)
    with pytest.raises(UsageError, match="'car-9' is not in the fleet"):
        asked(workspace, "car-9")
    put(workspace, "fleet", fleet_rows().tail(1).assign(battery_id="car-3"))
    check(Context.of(workspace, AS_OF))
    with pytest.raises(NoPlanError, match="car-3 is not in the plan for 2024-03-20"):
        asked(workspace, "car-3")
    spoil(workspace, "UPDATE out_plan SET plan_source = 'charge_only'")
    with pytest.raises(NoPlanError, match="only charges on plug-in: nothing was reckoned"):
        asked(workspace)
