"""Days settled through the stages: the account's figures, corrections, contracts in the plan."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import SettingsError, UsageError
from flows.mapping.question import day_problem
from flows.mapping.read_inputs import read_inputs
from flows.stages import Context, StageResult
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.realise import realise
from flows.stages.settle import _nothing_since, days_to_settle, settle_days
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, begun, copied, fleet_rows, put, site_rows, spoil
from tests.flows.test_realise import NEXT, OVER, account, followed, nights
from tests.optimize.market_books import CONTRACTS
from warehouse.zones import market_day_slots

SHARED = """format = 1
id = "shared"
version = 2
currency = "EUR"
from = 2020-01-01
batteries = ["car-1"]
[bonus]
eur_per_hour = 0.1
[pay]
eur_per_kwh_fed_back = 0.02
[share]
rule = "fixed"
theta = 0.6
"""


def agreed(workspace: Workspace, *texts: str) -> Workspace:
    for number, text in enumerate(texts):
        (workspace.root / f"contract {number}.toml").write_text(text, encoding="utf-8")
    settings = workspace.root / "v2g.toml"
    names = json.dumps([f"contract {number}.toml" for number in range(len(texts))])
    output = settings.read_text(encoding="utf-8").replace("contracts = []", f"contracts = {names}")
    settings.write_text(output, encoding="utf-8")
    return Workspace.open(workspace.root)


@pytest.fixture(scope="module")
def settled_around(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder around a depot with two contracts, whose plans of two days have their account."""
    around = tmp_path_factory.mktemp("settled")
    rest = SHARED.replace('["car-1"]', '"all"').replace('"shared"', '"rest"')
    workspace = agreed(begun(calibrated_depot, around), SHARED, rest)
    nights(workspace)
    followed(workspace)
    account(workspace)
    return around


@pytest.fixture
def settled_depot(settled_around: Path, tmp_path: Path) -> Workspace:
    return copied(settled_around, tmp_path)


def settled(workspace: Workspace, *days: date, as_of: datetime = OVER) -> StageResult:
    return settle_days(Context.of(workspace, as_of), days or (DAY, NEXT))


def rows_of(workspace: Workspace, day: date = DAY) -> pd.DataFrame:
    rows = workspace.warehouse.read("out_settlement", where={"market_date": day})
    return rows.sort_values(["sequence", "battery_id"]).reset_index(drop=True)


def cents(value: object) -> Decimal:
    return Decimal(repr(value)).quantize(Decimal("0.01"))


def assert_same_but_for_history(rows: pd.DataFrame, others: pd.DataFrame) -> None:
    """Settlements that say the same, whatever was settled before them."""
    history = ["settlement_id", "sequence", "corrects", "run_id"]
    history += ["owner_correction_eur", "grid_correction_eur"]
    pd.testing.assert_frame_equal(rows.drop(columns=history), others.drop(columns=history))


def test_a_day_is_settled_from_its_account(settled_depot: Workspace) -> None:
    assert settled(settled_depot).exit_code == 0
    cars = settled_depot.warehouse.read("out_realised_car", where={"market_date": DAY})
    own = cars.set_index(["mode", "battery_id"]).sort_index()
    rows = rows_of(settled_depot)
    assert rows[["battery_id", "contract_id", "sequence"]].to_numpy().tolist() == [
        ["car-1", "shared", 1], ["car-2", "rest", 1],
    ]  # fmt: skip
    assert rows["corrects"].isna().all()
    for _, row in rows.iterrows():
        came, other = (own.loc[(mode, row["battery_id"])] for mode in ("followed", "uncontrolled"))
        assert row["total_eur"] == pytest.approx(
            other["energy_cost_eur"] - came["energy_cost_eur"], abs=0.00501
        )
        assert row["wear_eur"] == pytest.approx(came["wear_eur"] - other["wear_eur"], abs=0.00501)
        assert row["fed_back_eur"] == pytest.approx(0.02 * came["export_kwh"], abs=0.00501)
        assert row["owner_share_eur"] == pytest.approx(0.6 * row["total_eur"], abs=0.01)
        share = cents(row["owner_share_eur"]) + cents(row["grid_share_eur"])
        assert share == cents(row["total_eur"])
        both = cents(row["owner_eur"]) + cents(row["grid_eur"])
        assert both == cents(row["total_eur"]) - cents(row["wear_eur"])
        assert (row["owner_correction_eur"], row["grid_correction_eur"]) == (
            row["owner_eur"],
            row["grid_eur"],
        )
        assert row["bonus_eur"] == pytest.approx(0.1 * row["plugged_hours"], abs=0.00501)
        assert row["plugged_hours"] > 5 and row["metered_slots"] == 0
    assert rows["total_eur"].sum() > 0
    assert settled_depot.warehouse.read("out_run", where={"stage": "settle"})["exit_code"].tolist() == [0]


def test_the_same_account_settles_to_nothing_new(settled_depot: Workspace) -> None:
    settled(settled_depot)
    before = rows_of(settled_depot)
    realise(Context.of(settled_depot, OVER + timedelta(hours=1)), [DAY])
    assert settled(settled_depot, as_of=OVER + timedelta(hours=2)).exit_code == 0
    pd.testing.assert_frame_equal(rows_of(settled_depot), before)


def test_wear_by_the_twin_is_of_the_day_as_driven(settled_depot: Workspace) -> None:
    by_twin = SHARED + 'wear = "twin"\n'
    workspace = agreed_anew(settled_depot, by_twin)
    account(workspace)
    assert settled(workspace).exit_code == 0
    cars = workspace.warehouse.read("out_realised_car", where={"market_date": DAY})
    cars = cars[cars["as_of_utc"] == cars["as_of_utc"].max()].set_index(["battery_id", "mode"]).sort_index()
    assert cars.loc["car-2", "wear_twin_eur"].isna().all()  # its contract asks for the price
    twin = cars.loc["car-1", "wear_twin_eur"]
    row = rows_of(workspace).iloc[0]
    assert row["battery_id"] == "car-1"
    assert row["wear_eur"] == pytest.approx(twin["followed"] - twin["uncontrolled"], abs=0.00501)
    priced = cars.loc["car-1", "wear_eur"]
    assert abs(row["wear_eur"] - (priced["followed"] - priced["uncontrolled"])) > 0.01


def test_a_car_without_the_twins_answer_costs_itself_alone(settled_depot: Workspace) -> None:
    workspace = agreed_anew(settled_depot, SHARED + 'wear = "twin"\n')
    account(workspace)
    spoil(workspace, "UPDATE out_realised_car SET wear_twin_eur = NULL WHERE mode = 'uncontrolled'")
    result = settled(workspace, DAY)
    assert result.exit_code == 3
    assert "car-1 is not settled: its contract counts wear by the twin" in result.message
    assert rows_of(workspace)["battery_id"].tolist() == ["car-2"]


def agreed_anew(workspace: Workspace, text: str) -> Workspace:
    (workspace.root / "contract 0.toml").write_text(text, encoding="utf-8")
    return Workspace.open(workspace.root)


def late_meter(workspace: Workspace, when: datetime, *, backwards: bool = False) -> None:
    slots = market_day_slots(DAY, "DE-LU")
    counted = pd.DataFrame(
        {
            "battery_id": "car-1",
            "interval_start_utc": slots.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "import_kwh": [0.25 if number < 20 else 0.0 for number in range(len(slots))],
            "export_kwh": [0.1 if number == 80 else 0.0 for number in range(len(slots))],
        }
    )
    put(workspace, "metering", counted.iloc[::-1] if backwards else counted, as_of=when)
    check(Context.of(workspace, when))
    realise(Context.of(workspace, when), [DAY])


def test_a_late_meter_is_a_correction_that_equals_a_fresh_settlement(
    settled_depot: Workspace, tmp_path: Path
) -> None:
    settled(settled_depot)
    first = rows_of(settled_depot)
    late = OVER + timedelta(days=1)
    late_meter(settled_depot, late)
    assert settled(settled_depot, DAY, as_of=late).exit_code == 0
    rows = rows_of(settled_depot)
    pd.testing.assert_frame_equal(rows[rows["sequence"] == 1].reset_index(drop=True), first)
    second = rows[rows["sequence"] == 2].reset_index(drop=True)
    assert second["corrects"].tolist() == [first["settlement_id"].iloc[0]] * 2
    assert second["metered_slots"].tolist() == [96, 0]
    for whose in ("owner", "grid"):
        corrected = first[f"{whose}_eur"] + second[f"{whose}_correction_eur"]
        pd.testing.assert_series_equal(corrected.round(2), second[f"{whose}_eur"], check_names=False)
    assert second["owner_correction_eur"].tolist()[1] == 0.0
    assert second["import_kwh"].tolist()[0] == 5.0

    # Settled for the first time with everything there, the same but for its history.
    fresh = Workspace.open(Path(shutil.copytree(settled_depot.root, tmp_path / "fresh")))
    spoil(fresh, "DELETE FROM out_settlement")
    settled(fresh, DAY, as_of=late)
    assert_same_but_for_history(rows_of(fresh), second)


def test_an_order_of_meter_rows_changes_no_cent(settled_depot: Workspace, tmp_path: Path) -> None:
    other = Workspace.open(Path(shutil.copytree(settled_depot.root, tmp_path / "other")))
    late = OVER + timedelta(days=1)
    for workspace, backwards in ((settled_depot, False), (other, True)):
        late_meter(workspace, late, backwards=backwards)
        settled(workspace, DAY, as_of=late)
    lineage = ["run_id", "realised_id", "settlement_id", "input_hash"]
    pd.testing.assert_frame_equal(
        rows_of(settled_depot).drop(columns=lineage), rows_of(other).drop(columns=lineage)
    )


def test_a_car_that_is_gone_is_taken_back_whole(settled_depot: Workspace) -> None:
    settled(settled_depot, DAY)
    first = rows_of(settled_depot).set_index("battery_id")
    fewer = replace(settled_depot, contracts=settled_depot.contracts[:1])
    assert settled(fewer, DAY, as_of=OVER + timedelta(hours=1)).exit_code == 0
    gone = rows_of(settled_depot).set_index(["sequence", "battery_id"]).loc[(2, "car-2")]
    assert (gone["owner_eur"], gone["grid_eur"]) == (0.0, 0.0)
    assert gone["owner_correction_eur"] == -first.loc["car-2", "owner_eur"]


def test_what_was_settled_as_of_later_is_not_settled_over(settled_depot: Workspace) -> None:
    settled(settled_depot, DAY, as_of=OVER + timedelta(days=2))
    result = settled(settled_depot, DAY, as_of=OVER)
    assert result.exit_code == 3 and "settled meanwhile, or as of a later moment" in result.message
    assert rows_of(settled_depot)["sequence"].tolist() == [1, 1]
    guard = _nothing_since("DE-LU", DAY, {"a"})
    assert guard(lambda _, where: pd.DataFrame({"settlement_id": ["a"] if where else []}))
    assert not guard(lambda _, where: pd.DataFrame({"settlement_id": ["a", "b"] if where else []}))


def test_a_day_without_an_account_or_a_contract_is_reported_and_costs_no_other(
    settled_depot: Workspace,
) -> None:
    result = settled(settled_depot, DAY, DAY - timedelta(days=9))
    assert result.exit_code == 3 and len(result.tables["settlement"]) == 2
    assert f"{DAY - timedelta(days=9)} is not settled: there is no account of it" in result.message
    with pytest.raises(UsageError, match="names no contract"):
        settled(replace(settled_depot, contracts=()))
    later = replace(settled_depot.contracts[0], first_day=DAY + timedelta(days=99))
    result = settled(replace(settled_depot, contracts=(later,)), DAY)
    assert "no contract that is in force holds any of its cars" in result.message


def test_cars_behind_a_meter_that_nets_them_are_named_and_not_settled(settled_depot: Workspace) -> None:
    yard = site_rows().assign(metering="site")
    home = site_rows().assign(site_id="home", metering="site")
    put(settled_depot, "sites", pd.concat([yard, home]), as_of=OVER)
    moved = fleet_rows()
    moved.loc[moved["battery_id"] == "car-2", "site_id"] = "home"
    put(settled_depot, "fleet", moved, as_of=OVER)
    hour = pd.DataFrame(
        {
            "site_id": ["home"], "interval_start_utc": [f"{DAY}T10:00:00Z"], "resolution_minutes": [60],
            "load_kw": [2.0],
        }
    )  # fmt: skip
    put(settled_depot, "site_load", hour, as_of=OVER)
    check(Context.of(settled_depot, OVER))
    result = settled(settled_depot, DAY)
    assert result.exit_code == 3
    assert "car-2 is not settled: the meter of site home nets it with load or other cars" in result.message
    assert rows_of(settled_depot)["battery_id"].tolist() == ["car-1"]  # alone behind its meter


def test_a_car_whose_account_lacks_what_it_is_counted_against_costs_no_other(
    settled_depot: Workspace,
) -> None:
    spoil(settled_depot, "DELETE FROM out_realised_car WHERE battery_id = 'car-2' AND mode = 'uncontrolled'")
    result = settled(settled_depot, DAY)
    assert result.exit_code == 3
    assert f"{DAY}: car-2 is not settled: its account lacks uncontrolled" in result.message
    assert rows_of(settled_depot)["battery_id"].tolist() == ["car-1"]


def test_a_car_with_two_contracts_costs_itself_alone(settled_depot: Workspace) -> None:
    one, rest = settled_depot.contracts
    both = replace(settled_depot, contracts=(one, replace(one, file="second.toml"), rest))
    result = settled(both, DAY)
    assert result.exit_code == 3
    assert (
        f"{DAY}: car-1 is not settled: 2 contracts hold it (contract 0.toml, second.toml)" in result.message
    )
    assert rows_of(both)["battery_id"].tolist() == ["car-2"]
    made = plan(Context.of(both, AS_OF + timedelta(minutes=1)), DAY)
    assert "car-1" in made.message and "2 contracts hold it" in json.dumps(made.to_record())
    cars = both.warehouse.read("out_plan_car")
    assert set(cars[cars["run_id"] == cars["run_id"].max()]["battery_id"]) >= {"car-2"}


def test_a_contract_for_a_car_that_there_is_not_is_named(settled_depot: Workspace) -> None:
    workspace = agreed_anew(settled_depot, SHARED.replace('["car-1"]', '["car-1", "car1"]'))
    result = settled(workspace, DAY)
    assert result.exit_code == 3
    wanted = "contract 0.toml names car1, and no such car is known; did you mean 'car-1'?"
    assert f"owner-days; {wanted}" in result.message
    assert "car-1" in set(rows_of(workspace)["battery_id"])


def test_totals_keep_no_energies(settled_depot: Workspace) -> None:
    quiet = tuple(replace(one, privacy="totals") for one in settled_depot.contracts)
    settled(replace(settled_depot, contracts=quiet), DAY)
    rows = rows_of(settled_depot)
    assert rows[["plugged_hours", "import_kwh", "export_kwh", "stored_more_kwh"]].isna().all(axis=None)
    assert rows["total_eur"].notna().all()


def test_the_command_settles_the_later_days_of_the_month_again(settled_depot: Workspace) -> None:
    settled(settled_depot, NEXT)
    assert days_to_settle(Context.of(settled_depot, OVER), DAY) == [DAY, NEXT]
    words = [
        "settle",
        "--date",
        str(DAY),
        "--as-of",
        OVER.isoformat(),
        "--json",
        "-w",
        str(settled_depot.root),
    ]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    stages = {stage["stage"]: stage for stage in json.loads(done.stdout)["stages"]}
    assert list(stages) == ["realise", "settle"]
    stated = stages["settle"]["tables"]["settlement"]
    assert [(row["market_date"], row["battery_id"]) for row in stated] == [
        (str(day), car) for day in (DAY, NEXT) for car in ("car-1", "car-2")
    ]


def test_a_contract_bounds_the_plan(depot: Workspace) -> None:
    free = day_problem(read_inputs(Context.of(depot, AS_OF), DAY))
    limits = "[limits]\nmin_soc = 0.35\nv2g_kwh_per_day = 3.0\nv2g_kwh_per_month = 400\n"
    bound = agreed(depot, SHARED + limits)
    inputs = read_inputs(Context.of(bound, AS_OF), DAY)
    cars = {car.battery_id: car for car in day_problem(inputs).cars}
    assert (cars["car-1"].soc_min, cars["car-1"].v2g_limit_kwh) == (0.35, 3.0)
    assert cars["car-2"] == {car.battery_id: car for car in free.cars}["car-2"]
    assert "contracts" in inputs.parts
    assert "contracts" not in read_inputs(Context.of(replace(bound, contracts=()), AS_OF), DAY).parts


def test_a_plan_names_a_car_of_a_contract_that_there_is_not(depot: Workspace) -> None:
    plan(Context.of(depot, AS_OF), DAY)
    workspace = agreed(depot, SHARED.replace('["car-1"]', '["car1"]'))
    result = plan(Context.of(workspace, AS_OF), DAY)
    wanted = "contract 0.toml names car1, and no such car is known; did you mean 'car-1'?"
    assert wanted in result.message and result.exit_code == 3
    right = plan(Context.of(agreed_anew(workspace, SHARED), AS_OF), DAY)
    assert wanted not in right.message


def test_a_months_cap_counts_what_was_discharged_in_it(depot: Workspace) -> None:
    workspace = agreed(depot, SHARED.replace('["car-1"]', '"all"') + "[limits]\nv2g_kwh_per_month = 9\n")
    nights(workspace)
    later = AS_OF + timedelta(days=1)
    assert plan(Context.of(workspace, AS_OF), DAY).exit_code == 0
    slots = workspace.warehouse.read("out_plan_slot", where={"mode": "v2g"})
    inputs = read_inputs(Context.of(workspace, later), NEXT)
    before = slots[slots["interval_start_utc"] < inputs.prices.horizon.start]
    used = before.groupby("battery_id")["discharge_kw"].sum() * 0.25
    assert used.max() > 0.5
    days = len(inputs.prices.horizon.day_starts)
    for car in day_problem(inputs).cars:
        assert car.v2g_limit_kwh == pytest.approx((9 - used.get(car.battery_id, 0.0)) / days)


@pytest.mark.parametrize("name", ["plugged_hours.toml", "monthly_bonus.toml", "free_charging.toml"])
def test_a_day_is_settled_by_each_shipped_contract(settled_depot: Workspace, name: str) -> None:
    text = (CONTRACTS / name).read_text(encoding="utf-8").replace("from = 2025", "from = 2020")
    (settled_depot.root / "contract 0.toml").write_text(text, encoding="utf-8")
    refused = settled(Workspace.open(settled_depot.root), DAY)
    assert refused.exit_code == 3
    assert "car-2 is not settled: 2 contracts hold it (contract 0.toml, contract 1.toml)" in refused.message
    (settled_depot.root / "contract 1.toml").write_text(SHARED, encoding="utf-8")
    assert settled(Workspace.open(settled_depot.root), DAY).exit_code == 0
    assert set(rows_of(settled_depot)["contract_id"]) == {
        "shared",
        name.removesuffix(".toml").replace("_", "-"),
    }


def test_a_contract_that_cannot_be_read_is_reported_when_the_workspace_is_opened(depot: Workspace) -> None:
    with pytest.raises(SettingsError, match=r"contract 0.toml: share.theta is 60: must lie in 0 … 1"):
        agreed(depot, SHARED.replace("theta = 0.6", "theta = 60"))
