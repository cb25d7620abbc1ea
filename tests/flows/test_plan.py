"""Plans of a small depot by the real optimiser, the real twin and the real warehouse."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from flows.errors import NoPlanError
from flows.stages import Context, StageResult
from flows.stages.calibrate import calibrate
from flows.stages.check import check
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, WEEK, fleet_rows, price_rows, put, session_rows, spoil
from warehouse.contracts import CONTRACTS


def planned(workspace: Workspace, day: object = DAY) -> StageResult:
    return plan(Context.of(workspace, AS_OF), day)  # type: ignore[arg-type]


def more(workspace: Workspace, dataset: str, rows: pd.DataFrame) -> None:
    put(workspace, dataset, rows)
    check(Context.of(workspace, AS_OF))


def tables(workspace: Workspace) -> dict[str, pd.DataFrame]:
    return {name: workspace.warehouse.read(name) for name in CONTRACTS if name.startswith("out_plan")}


def test_published_prices_give_three_modes_whose_accounts_add_up(depot: Workspace) -> None:
    result = planned(depot)
    assert (result.exit_code, result.status, result.details["outcome"]) == (0, "ok", "new")
    out = tables(depot)
    modes = out["out_plan_mode"].set_index("mode")
    assert set(modes.index) == {"uncontrolled", "ordered", "v2g"}
    assert (modes["net_benefit_eur"] - modes["objective_eur"]).abs().max() < 1e-6
    assert modes.loc["v2g", "net_benefit_eur"] > modes.loc["ordered", "net_benefit_eur"]
    assert modes.loc["ordered", "net_benefit_eur"] >= modes.loc["uncontrolled", "net_benefit_eur"]
    assert modes["wear_twin_eur"].gt(0).all()
    cars, slots, sites = out["out_plan_car"], out["out_plan_slot"], out["out_plan_site_slot"]
    # The day has 23:00 of the day before to 23:00 UTC; the car that stays over midnight leaves at 06:00.
    assert (len(cars), len(slots), len(sites)) == (6, 3 * 2 * 124, 3 * 124)
    for mode, row in modes.iterrows():
        own = slots[slots["mode"] == mode]
        assert own["power_kw"].clip(lower=0).sum() / 4 == pytest.approx(row["import_kwh"])
        assert own["discharge_kw"].sum() / 4 == pytest.approx(row["v2g_kwh"])
        assert cars.loc[cars["mode"] == mode, "wear_twin_eur"].sum() == pytest.approx(row["wear_twin_eur"])
    for name in ("out_plan_reserve", "out_plan_reserve_slot"):
        assert out.pop(name).empty, "nothing was won"
    for name, frame in out.items():
        assert frame["plan_source"].eq("published").all(), name
        assert frame["input_hash"].nunique() == frame["run_id"].nunique() == 1


def test_the_same_inputs_write_nothing(depot: Workspace) -> None:
    first = planned(depot)
    before = tables(depot)
    again = planned(depot)
    assert again.details["outcome"] == "unchanged"
    assert again.details["plan_id"] == first.details["plan_id"]
    for name, frame in tables(depot).items():
        pd.testing.assert_frame_equal(frame, before[name])


def test_the_same_rows_in_other_files_are_the_same_plan(depot: Workspace) -> None:
    first = planned(depot)
    more(depot, "prices", price_rows(DAY, 1).iloc[::-1])
    more(depot, "sessions", session_rows().iloc[::-1])
    more(depot, "fleet", fleet_rows().iloc[::-1])
    assert planned(depot).details["outcome"] == "unchanged"
    assert planned(depot).details["plan_id"] == first.details["plan_id"]


def test_a_changed_row_gives_a_new_plan_that_says_what_it_replaced(depot: Workspace) -> None:
    first = planned(depot)
    rows = price_rows(DAY, 1)
    more(
        depot, "prices", rows.assign(price_eur_per_kwh=rows["price_eur_per_kwh"].where(rows.index != 18, 0.5))
    )
    second = planned(depot)
    assert second.details["replaces_plan_id"] == first.details["plan_id"]
    assert second.details["changed_inputs"] == "prices"
    assert "changed prices" in second.message
    more(depot, "sessions", session_rows().iloc[[2]].assign(departure_soc=0.8))
    assert planned(depot).details["changed_inputs"] == "sessions"
    assert depot.warehouse.read("out_plan").sort_values("sequence")["sequence"].tolist() == [1, 2, 3]


def test_inputs_that_come_back_make_a_plan_of_their_own(depot: Workspace) -> None:
    first = planned(depot)
    rows = price_rows(DAY, 1)
    more(depot, "prices", rows.assign(price_eur_per_kwh=0.1))
    second = planned(depot)
    put(depot, "prices", rows.iloc[::-1])
    check(Context.of(depot, AS_OF))
    third = planned(depot)
    assert third.details["replaces_plan_id"] == second.details["plan_id"]
    assert third.details["plan_id"] not in {first.details["plan_id"], second.details["plan_id"]}
    assert planned(depot).details["outcome"] == "unchanged"
    assert depot.warehouse.read("out_plan")["input_hash"].nunique() == 2


def test_last_weeks_prices_give_a_degraded_plan_that_feeds_nothing_back(depot: Workspace) -> None:
    result = planned(depot, DAY + WEEK)
    assert (result.exit_code, result.status) == (3, "degraded")
    assert str(DAY) in result.message
    out = tables(depot)
    assert set(out["out_plan_mode"]["mode"]) == {"uncontrolled", "ordered"}
    assert out["out_plan_mode"]["export_kwh"].eq(0).all()
    assert out["out_plan_site_slot"]["export_limit_kw"].eq(0).all()
    assert out["out_plan_slot"]["plan_source"].eq("substituted").all()

    more(depot, "prices", price_rows(DAY + WEEK, 1))
    better = planned(depot, DAY + WEEK)
    assert (better.exit_code, better.details["plan_source"]) == (0, "published")
    assert "prices" in better.details["changed_inputs"]


def test_a_worse_rung_never_replaces_a_better_one(depot: Workspace) -> None:
    first = planned(depot)
    half_an_hour = price_rows(DAY, 1).iloc[[5]].assign(resolution_minutes=30)
    more(depot, "prices", half_an_hour)  # in place of the hour: the day is no longer whole
    result = planned(depot)
    assert (result.details["outcome"], result.details["plan_id"]) == ("kept", first.details["plan_id"])
    assert (result.exit_code, result.status) == (0, "degraded")
    assert "does not replace the better published plan" in result.message
    assert len(depot.warehouse.read("out_plan")) == 1


def test_without_any_price_the_cars_are_still_charged(depot: Workspace) -> None:
    spoil(depot, "DELETE FROM core_price")
    result = planned(depot)
    assert (result.exit_code, result.details["plan_source"]) == (3, "charge_only")
    out = tables(depot)
    assert out["out_plan_mode"]["mode"].tolist() == ["uncontrolled"]
    assert out["out_plan_departure"]["missing_kwh"].max() < 1e-6


def test_what_is_missing_is_said(depot: Workspace) -> None:
    with pytest.raises(NoPlanError, match="no car is plugged in") as caught:
        planned(depot, DAY + timedelta(days=3))
    assert caught.value.exit_code == 5
    runs = depot.warehouse.read("out_run")
    failed = runs[runs["status"] == "failed"]
    assert failed[["stage", "exit_code"]].to_numpy().tolist() == [["plan", 5]]


def test_before_the_first_calibration_cars_are_charged_in_order(depot: Workspace) -> None:
    spoil(depot, "UPDATE out_calibration SET as_of_utc = as_of_utc + INTERVAL 1 HOUR")
    result = planned(depot)
    assert (result.exit_code, result.details["followed_mode"]) == (3, "ordered")
    assert "none of 2 cars is calibrated" in result.message
    assert depot.warehouse.read("out_plan_slot")["discharge_kw"].max() == 0.0
    whole = plan(Context.of(depot, AS_OF + timedelta(hours=1)), DAY)
    assert (whole.exit_code, whole.details["followed_mode"]) == (0, "v2g")
    assert whole.details["replaces_plan_id"] == result.details["plan_id"]


def test_a_calibration_is_kept_until_its_rows_change(depot: Workspace) -> None:
    again = calibrate(Context.of(depot, AS_OF + timedelta(hours=2)))
    assert (again.details["batteries"], again.details["reused"]) == (2, 2)
    checkup = {"battery_id": "car-1", "time_utc": "2024-03-01T08:00:00Z", "capacity_ah": 160.0}
    more(depot, "checkups", pd.DataFrame([{**checkup, "resistance_ohm": 0.08, "temperature_degc": 20.0}]))
    changed = calibrate(Context.of(depot, AS_OF + timedelta(hours=2)))
    assert changed.details["reused"] == 1
    quality = {row["battery_id"]: row["quality"] for row in changed.tables["calibrations"]}
    assert quality == {"car-1": "checkups", "car-2": "prior"}
