"""Settings of the plan reach the optimiser, and what it answers reaches the tables."""

from __future__ import annotations

import json
from datetime import timedelta

import duckdb
import numpy as np
import pytest

from flows.errors import SettingsError
from flows.mapping.question import day_problem
from flows.mapping.read_inputs import read_inputs
from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.workspace import Workspace
from optimize.rulebook import BINDINGS
from tests.flows.conftest import AS_OF, DAY, price_rows, put


def with_settings(depot: Workspace, monkeypatch: pytest.MonkeyPatch, **values: object) -> Workspace:
    for name, value in values.items():
        monkeypatch.setenv(f"V2G_PLAN__{name.upper()}", str(value))
    return Workspace.open(depot.root)


def test_settings_make_the_problem(depot: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = with_settings(
        depot,
        monkeypatch,
        objective="grid_support",
        peak_hours=[18, 19],
        peak_price_eur_per_kw=0.5,
        v2g_limit_kwh=3,
        taper_from_soc=0.7,
    )
    problem = day_problem(read_inputs(Context.of(workspace, AS_OF), DAY))
    assert problem.objective == "grid_support"
    hours = problem.slots[list(problem.peak_slots)].tz_convert("Europe/Berlin").hour
    assert (len(hours), set(hours)) == (8, {18, 19})
    assert {site.peak_price_eur_per_kw for site in problem.sites} == {0.5}
    assert {car.v2g_limit_kwh for car in problem.cars} == {3.0}
    assert {car.charge_taper.from_soc for car in problem.cars if car.charge_taper} == {0.7}


def test_wear_is_priced_at_what_its_risk_setting_asks_for(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def priced(**values: object) -> dict[str, tuple[float, float]]:
        workspace = with_settings(depot, monkeypatch, **values)
        problem = day_problem(read_inputs(Context.of(workspace, AS_OF), DAY))
        return {
            car.battery_id: (car.wear.slope_eur(0.0), car.rest_price_eur_per_kwh_h) for car in problem.cars
        }

    mean, middle, high = priced(), priced(wear_risk=0.5), priced(wear_risk=0.95)
    for _, row in depot.warehouse.read("out_calibration").iterrows():
        name = row["battery_id"]
        answer = json.loads(row["parameters_json"])["ensemble"]["price"]
        published = row["residual_value_eur"] / row["l0_days"] * row["beta_day_per_efc"]
        assert mean[name][0] == pytest.approx(published * answer["rate"][0])
        assert high[name][0] == pytest.approx(published * answer["rate"][-1])
        assert mean[name][1] == pytest.approx(row["rest_price_eur_per_kwh_h"] * answer["rest"][0])
        assert middle[name][0] == pytest.approx(published * answer["rate"][6])
        assert high[name][1] > mean[name][1] > 0


def test_calibrations_of_before_are_planned_with_as_they_were_published(depot: Workspace) -> None:
    with duckdb.connect(str(depot.root / "warehouse.duckdb")) as connection:
        for name, text in connection.execute(
            "SELECT battery_id, parameters_json FROM out_calibration"
        ).fetchall():
            record = json.loads(text)
            for one in ("price", "doubt_left"):
                del record["ensemble"][one]
            connection.execute(
                "UPDATE out_calibration SET parameters_json = ? WHERE battery_id = ?",
                [json.dumps(record), name],
            )
    problem = day_problem(read_inputs(Context.of(Workspace.open(depot.root), AS_OF), DAY))
    rows = depot.warehouse.read("out_calibration").set_index("battery_id")
    for car in problem.cars:
        row = rows.loc[car.battery_id]
        published = row["residual_value_eur"] / row["l0_days"] * row["beta_day_per_efc"]
        assert car.wear.slope_eur(0.0) == pytest.approx(published)
        assert car.rest_price_eur_per_kwh_h == row["rest_price_eur_per_kwh_h"] > 0
    assert plan(Context.of(depot, AS_OF), DAY).details["outcome"] == "new"


@pytest.mark.parametrize("asked", ["median", "0.99", "0", "nan", "true"])
def test_a_risk_that_is_no_mean_and_no_quantile_given_is_refused(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    with pytest.raises(
        SettingsError, match=r'wear_risk = .*: "mean" is needed, or a quantile from 0.05 to 0.95$'
    ):
        with_settings(depot, monkeypatch, wear_risk=asked)


def test_peaks_contracts_and_reasons_are_in_the_tables(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = with_settings(depot, monkeypatch, peak_price_eur_per_kw=0.5, v2g_limit_kwh=3)
    plan(Context.of(workspace, AS_OF), DAY)
    modes = workspace.warehouse.read("out_plan_mode").set_index("mode")
    sites = workspace.warehouse.read("out_plan_site_slot")
    for mode, row in modes.iterrows():
        peak = sites.loc[sites["mode"] == mode, "power_kw"].max()
        assert row["peak_charge_eur"] == pytest.approx(0.5 * peak)
    known = workspace.warehouse.read("out_calibration").set_index("battery_id")
    means = known["parameters_json"].map(lambda text: json.loads(text)["ensemble"]["price"]["rest"][0])
    rest = known["rest_price_eur_per_kwh_h"] * means
    slots = workspace.warehouse.read("out_plan_slot")
    held = (slots["energy_start_kwh"] + slots["energy_end_kwh"]) / 2 * 0.25 * slots["battery_id"].map(rest)
    assert rest.gt(0.0).any()
    for mode, eur in held.groupby(slots["mode"]).sum().items():
        assert modes.loc[mode, "rest_price_eur"] == pytest.approx(eur)
    assert modes.loc["v2g", "peak_charge_eur"] < modes.loc["uncontrolled", "peak_charge_eur"]
    cars = workspace.warehouse.read("out_plan_car").query("mode == 'v2g'")
    assert cars["v2g_kwh"].max() <= 3.0 + 1e-6
    slots = workspace.warehouse.read("out_plan_slot").query("mode == 'v2g'")
    assert set(slots["held_by"]) <= set(BINDINGS)
    assert (slots["held_by"] == "away").eq(~slots["plugged"]).all()
    assert slots["energy_value_eur_per_kwh"].notna().eq(slots["plugged"]).all()


def test_a_plan_in_force_is_kept_to_where_departing_is_dear(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(Context.of(depot, AS_OF), DAY)
    later = AS_OF + timedelta(minutes=5)
    put(depot, "prices", price_rows(DAY, 1, spread=-0.06), as_of=later)
    check(Context.of(depot, later))
    workspace = with_settings(depot, monkeypatch, change_price_eur_per_kwh=10.0)
    result = plan(Context.of(workspace, later), DAY)
    assert result.details["outcome"] == "new"
    plans = workspace.warehouse.read("out_plan").sort_values("sequence")["plan_id"].tolist()
    slots = workspace.warehouse.read("out_plan_slot").query("mode == 'v2g'")
    before, after = (slots[slots["plan_id"] == plan_id]["power_kw"].to_numpy() for plan_id in plans)
    assert np.abs(before).sum() > 1.0
    np.testing.assert_allclose(after, before, atol=1e-5)
