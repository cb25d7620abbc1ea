"""`v2g study acceptance` through the real stages: index of each car, offers, what is missing and whose."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import UsageError
from flows.mapping.requests import newest_calibrations
from flows.stages import Context, StageResult
from flows.stages.acceptance import Given, acceptance_of
from flows.stages.settle import settle_days
from flows.workspace import Workspace
from optimize.market.choice import ATTRIBUTES
from tests.flows.conftest import DAY, begun, copied, fleet_rows, put, spoil
from tests.flows.test_realise import NEXT, OVER, account, followed, nights
from tests.flows.test_settle import SHARED, agreed
from twin.ensemble.stored import year_loss
from warehouse.contracts import CONTRACTS

OFFER = "small:enrol=50,per_event=2,events=4,lower_soc=30,guaranteed_soc=60"
FULL = dict(zip(ATTRIBUTES, (50.0, 2.0, 4.0, 30.0, 60.0), strict=True))


@pytest.fixture(scope="module")
def accounted_around(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder around a depot whose two planned days have their account."""
    around = tmp_path_factory.mktemp("accepted")
    workspace = begun(calibrated_depot, around)
    nights(workspace)
    followed(workspace)
    account(workspace)
    return around


@pytest.fixture
def accounted(accounted_around: Path, tmp_path: Path) -> Workspace:
    return copied(accounted_around, tmp_path)


def study(workspace: Workspace, given: Given | None = None) -> StageResult:
    return acceptance_of(Context.of(workspace, OVER), DAY, NEXT, given or {})


def cars(result: StageResult) -> dict[str, dict[str, Any]]:
    return {row["battery_id"]: dict(row) for row in result.tables["cars"]}


def of_owner(workspace: Workspace, **changes: float) -> Workspace:
    settings = workspace.settings
    owner = settings.owner.model_copy(update=changes)
    return replace(workspace, settings=settings.model_copy(update={"owner": owner}))


def test_the_index_of_each_car_is_of_its_own_account_and_twin(accounted: Workspace) -> None:
    result = study(of_owner(accounted, beta1=2.0, beta2=0.5, k=3.0, t=-1.0, u_priv_full=0.8))
    assert (result.exit_code, result.status) == (0, "ok")
    assert "2 of 2 cars have an index, uncalibrated" in result.message
    rows = cars(result)
    assert set(rows) == {"car-1", "car-2"}
    known_rows = accounted.warehouse.read("out_realised_car")
    net = known_rows.assign(cost=known_rows["energy_cost_eur"] + known_rows["wear_eur"])
    net = net.groupby(["battery_id", "mode"])["cost"].sum()
    twins = newest_calibrations(Context.of(accounted, OVER).known, list(rows))
    for name, row in rows.items():
        gained = net[name, "uncontrolled"] - net[name, "followed"]
        assert row["benefit_eur"] == pytest.approx(gained, abs=1e-9)
        assert abs(gained) > 0.01
        low, middle, high = year_loss(twins[name])
        assert (row["loss_low"], row["loss_median"], row["loss_high"]) == (low, middle, high)
        width = (high - low) / middle
        assert row["u_deg"] == pytest.approx(width)
        assert (row["days"], row["settled_days"], row["unsettled_days"]) == (2, 0, 0)
        risk = 2.0 * width + 0.5 * 0.8
        assert row["risk"] == pytest.approx(risk)
        assert row["acceptance"] == pytest.approx(3.0 * gained / risk - 1.0)
        assert (row["privacy"], row["index"], row["reason"]) == ("full", "uncalibrated", None)
    assert rows["car-1"]["u_deg"] != rows["car-2"]["u_deg"]


def test_of_a_settled_day_the_owners_part_counts_and_the_privacy_agreed_on(accounted: Workspace) -> None:
    quiet = SHARED + '[privacy]\nmode = "totals"\n'
    workspace = agreed(accounted, quiet)
    before = study(workspace)
    assert (before.exit_code, before.status) == (3, "degraded")
    assert "car-1: none of 2 realised days under its contract is settled: `v2g settle`" in before.message
    free = cars(before)["car-2"]
    assert free["acceptance"] is not None

    assert settle_days(Context.of(workspace, OVER), [DAY]).exit_code == 0
    paid = workspace.warehouse.read("out_settlement")
    (row,) = paid[paid["battery_id"] == "car-1"].to_dict("records")
    result = study(workspace)
    own = cars(result)["car-1"]
    assert own["benefit_eur"] == pytest.approx(row["owner_eur"])
    assert (own["days"], own["settled_days"], own["unsettled_days"]) == (1, 1, 1)
    assert (own["privacy"], own["u_priv"]) == ("totals", 0.5)
    assert own["risk"] == pytest.approx(own["u_deg"] + 0.5)
    assert cars(result)["car-2"] == free
    assert result.exit_code == 0


def test_what_one_car_lacks_is_named_and_costs_no_other(accounted: Workspace) -> None:
    whole = cars(study(accounted))
    put(accounted, "fleet", fleet_rows().iloc[:1].assign(battery_id="car-3"), as_of=OVER - timedelta(days=1))
    from flows.stages.check import check

    assert check(Context.of(accounted, OVER - timedelta(days=1))).exit_code == 0
    result = study(accounted)
    rows = cars(result)
    assert (result.exit_code, rows["car-3"]["acceptance"], rows["car-3"]["days"]) == (3, None, 0)
    assert "car-3: no twin was known: `v2g calibrate`; no realised days in the period" in result.message
    assert {name: rows[name] for name in whole} == whole

    with duckdb.connect(str(accounted.root / "warehouse.duckdb")) as connection:
        (text,) = connection.execute(
            "SELECT parameters_json FROM out_calibration WHERE battery_id = 'car-2'"
        ).fetchall()[0]
        record = json.loads(text)
        del record["ensemble"]["year_loss"]
        connection.execute(
            "UPDATE out_calibration SET parameters_json = ? WHERE battery_id = 'car-2'", [json.dumps(record)]
        )
    result = study(accounted)
    assert "car-2: the record of the calibration holds no interval of next year's loss" in result.message
    assert cars(result)["car-1"] == whole["car-1"]
    assert cars(result)["car-2"]["benefit_eur"] == whole["car-2"]["benefit_eur"]


def test_a_risk_of_nothing_is_an_error_by_car(accounted: Workspace) -> None:
    result = study(of_owner(accounted, beta1=0.0, u_priv_full=0.0))
    assert result.exit_code == 3
    assert "car-1: risk R is 0.0, must be > 0" in result.message
    assert {row["acceptance"] for row in cars(result).values()} == {None}


def test_a_figure_that_is_none_and_a_second_contract_cost_their_own_car_alone(accounted: Workspace) -> None:
    whole = cars(study(accounted))["car-2"]
    twice = study(agreed(accounted, SHARED, SHARED.replace('"shared"', '"again"')))
    assert "car-1: 2 contracts hold it" in twice.message
    assert cars(twice)["car-2"] == whole
    spoil(accounted, "UPDATE out_realised_car SET wear_eur = 'nan' WHERE battery_id = 'car-1'")
    result = study(accounted)
    assert "car-1: benefit_eur is nan, must be a finite number" in result.message
    assert (result.exit_code, cars(result)["car-1"]["acceptance"]) == (3, None)
    assert cars(result)["car-2"] == whole


def test_days_that_nobody_accounted_for_are_no_days(accounted: Workspace) -> None:
    spoil(accounted, "DELETE FROM out_realised_car WHERE battery_id = 'car-1' AND market_date > '2024-03-20'")
    rows = cars(study(accounted))
    assert (rows["car-1"]["days"], rows["car-2"]["days"]) == (1, 2)
    early = acceptance_of(Context.of(accounted, OVER), DAY - timedelta(9), DAY - timedelta(3), {})
    assert "car-1: no realised days in the period: `v2g realise`" in early.message
    # As of a moment before the account was made there is none, and nothing is written.
    counts = {name: len(accounted.warehouse.read(name)) for name in CONTRACTS}
    past = acceptance_of(Context.of(accounted, OVER - timedelta(hours=1)), DAY, NEXT, {})
    assert {row["days"] for row in cars(past).values()} == {0}
    assert {name: len(accounted.warehouse.read(name)) for name in CONTRACTS} == counts


def test_an_offer_of_a_contracts_name_takes_what_it_states(accounted: Workspace) -> None:
    limited = SHARED.replace("[bonus]", "[limits]\nmin_soc = 0.4\n[bonus]")
    workspace = agreed(accounted, limited)
    stated = {name: value for name, value in FULL.items() if name != "lower_soc_points"}
    result = study(workspace, {"shared": stated, "small": FULL})
    shared, small, none = (dict(row) for row in result.tables["offers"])
    assert (shared["lower_soc_points"], small["lower_soc_points"]) == (40.0, 30.0)
    assert shared["utility"] - small["utility"] == pytest.approx(10 * 0.0237)
    assert (shared["extrapolated"], none["offer"]) == (None, "no choice")
    assert shared["share"] + small["share"] + none["share"] == pytest.approx(1.0)
    (contract,) = result.tables["contracts"]
    assert contract["not_stated"] == "enrol_usd, per_event_usd, events_per_month, guaranteed_soc_points"
    assert contract["among_offers"] is True
    with pytest.raises(UsageError, match="--offer other: lacks lower_soc_points"):
        study(workspace, {"other": stated})
    values = {row["attribute"]: row for row in result.tables["values"]}
    assert values["guaranteed_soc_points"]["usd_per_event"] == pytest.approx(3.22, abs=0.005)


def test_the_command_answers_people_and_programs(accounted: Workspace) -> None:
    words = ["study", "acceptance", "-w", str(accounted.root), "--as-of", OVER.isoformat()]
    words += ["--from", str(DAY), "--to", str(NEXT), "--offer", OFFER]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0, shown.output
    for part in ("uncalibrated", "car-2", "no choice", "US owners", "smart-charging-preferences-2025"):
        assert part in shown.output
    answer = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)["stages"][0]
    assert (answer["stage"], answer["index"], answer["from"]) == ("acceptance", "uncalibrated", str(DAY))
    assert {"cars", "offers", "values", "model"} == set(answer["tables"])
    result = CliRunner().invoke(app, ["study", "acceptance", "--help"])
    for part in ("Example: v2g study acceptance", "--offer", "--from", "--json", "--as-of"):
        assert part in result.output
    default = json.loads(CliRunner().invoke(app, [*words[:6], "--json"]).stdout)["stages"][0]
    assert (default["from"], default["to"]) == ("2024-02-21", str(NEXT))


@pytest.mark.parametrize(
    ("offer", "why"),
    [
        ("a:enrol=50", "--offer a: lacks per_event_usd, events_per_month"),
        (":enrol=50", "NAME: is needed"),
        ("a:bonus=1", "bonus is none of enrol, per_event, events"),
        ("a:enrol=1,enrol=2", "enrol is given twice"),
        ("a:enrol=much", "enrol is 'much', a number is needed"),
        (OFFER.replace("lower_soc=30", "lower_soc=0.3"), "lower_soc_points is 0.3, must be in points"),
        (OFFER.replace("enrol=50", "enrol=nan"), "enrol_usd is nan, must be a finite number"),
    ],
)
def test_an_offer_that_cannot_be_read_is_refused_with_its_name(
    accounted: Workspace, offer: str, why: str
) -> None:
    words = ["study", "acceptance", "-w", str(accounted.root), "--as-of", OVER.isoformat(), "--offer", offer]
    refused = CliRunner().invoke(app, words)
    assert isinstance(refused.exception, UsageError)
    assert why in str(refused.exception)


def test_a_period_has_to_be_over_and_meant(accounted: Workspace) -> None:
    words = ["study", "acceptance", "-w", str(accounted.root), "--as-of", OVER.isoformat()]
    for more, why in (
        (["--to", str(DAY + timedelta(days=2))], "the day is not over"),
        (["--from", str(NEXT), "--to", str(DAY)], "1 to 366 days are needed"),
        (["--offer", OFFER, "--offer", OFFER], "a name is given twice"),
    ):
        refused = CliRunner().invoke(app, [*words, *more])
        assert isinstance(refused.exception, UsageError) and why in str(refused.exception)
