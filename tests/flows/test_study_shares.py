"""`v2g study shares` through the real stage: shares, θ, the operator as a player, what was known when."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import UsageError
from flows.mapping.question import day_problem
from flows.mapping.read_inputs import read_inputs
from flows.stages import Context, StageResult
from flows.stages import shares as module
from flows.stages.check import check
from flows.stages.shares import Asked, shares
from flows.workspace import Workspace
from optimize.account import account
from optimize.plan import plan_day
from tests.flows.conftest import AS_OF, DAY, put, session_rows, site_rows
from tests.flows.test_settle import SHARED, agreed
from warehouse.contracts import CONTRACTS


def study(workspace: Workspace, asked: Asked | None = None) -> StageResult:
    return shares(Context.of(workspace, AS_OF), DAY, asked or Asked(), lambda *_: None)


def table(result: StageResult, name: str) -> list[dict[str, Any]]:
    return [dict(row) for row in result.tables[name]]


def narrow(workspace: Workspace, import_kw: float = 4.0, export_kw: float = 4.0) -> Workspace:
    """The depot at a feeder too narrow for both cars, both there over the night."""
    put(workspace, "sites", site_rows().assign(import_limit_kw=import_kw, export_limit_kw=export_kw))
    rows = session_rows()
    put(
        workspace,
        "sessions",
        rows[rows["battery_id"] == "car-1"].assign(battery_id="car-2", session_id="s7")[1:],
    )
    from flows.stages.check import check

    assert check(Context.of(workspace, AS_OF)).exit_code == 0
    return workspace


def test_what_all_earn_is_shared_by_every_rule(depot: Workspace) -> None:
    result = study(depot)
    assert (result.exit_code, result.status) == (0, "ok")
    (game,) = table(result, "game")
    assert (game["cars"], game["coalitions"], game["all_coalitions"]) == (2, 3, True)
    assert game["operator_is_player"] is False
    inputs = read_inputs(Context.of(depot, AS_OF), DAY)
    problem = day_problem(inputs)
    plans = plan_day(problem, ("uncontrolled", "v2g"))
    gained = account(problem, plans["v2g"]).total.objective_eur
    gained -= account(problem, plans["uncontrolled"]).total.objective_eur
    assert game["value_eur"] == pytest.approx(gained, abs=1e-5)
    assert gained > 0.1
    rows = table(result, "shares")
    assert [row["player"] for row in rows] == ["car-1", "car-2"]
    for rule in ("shapley_eur", "nucleolus_eur", "prices_eur", "alone_eur", "last_eur"):
        assert sum(row[rule] for row in rows) == pytest.approx(gained, abs=1e-4)  # they do not meet
    assert "the core is not empty" in result.message


def test_theta_is_of_energy_gained_and_wear_by_car(depot: Workspace) -> None:
    result = study(depot, Asked(owner_otherwise_eur=0.01))
    owners, (agreed_on,) = table(result, "owners"), table(result, "bargain")
    problem = day_problem(read_inputs(Context.of(depot, AS_OF), DAY))
    plans = plan_day(problem, ("uncontrolled", "v2g"))
    before, came = (account(problem, plans[mode]).cars for mode in ("uncontrolled", "v2g"))
    for row in owners:
        one, other = before[row["battery_id"]], came[row["battery_id"]]
        assert row["gain_eur"] == pytest.approx(one.energy_cost_eur - other.energy_cost_eur, abs=1e-4)
        worn = other.wear_price_eur + other.rest_price_eur - one.wear_price_eur - one.rest_price_eur
        assert row["wear_eur"] == pytest.approx(worn, abs=1e-4)
    gain, wear = (sum(row[f"{name}_eur"] for row in owners) for name in ("gain", "wear"))
    assert (agreed_on["gain_eur"], agreed_on["wear_eur"]) == pytest.approx((gain, wear))
    assert agreed_on["answer"] == "dispatch"
    middle = 0.5 + (wear + 0.02) / (2 * gain)
    expected = min(max(middle, agreed_on["theta_low"]), agreed_on["theta_high"])
    assert agreed_on["theta"] == pytest.approx(expected)


def test_a_day_that_satisfies_nobody_is_not_to_be_dispatched(depot: Workspace) -> None:
    result = study(depot, Asked(owner_otherwise_eur=50.0))
    (agreed_on,) = table(result, "bargain")
    assert (agreed_on["answer"], agreed_on["theta"]) == ("do not dispatch", None)
    assert agreed_on["theta_low"] > agreed_on["theta_high"]
    assert agreed_on["surplus_eur"] == pytest.approx(agreed_on["gain_eur"] - agreed_on["wear_eur"] - 100.0)
    assert "do not dispatch: car-" in result.message
    assert (result.exit_code, result.details["dispatch"]) == (0, False)


def test_a_contract_makes_the_operator_a_player(depot: Workspace) -> None:
    narrow(depot)
    alone = study(depot)
    (game,) = table(alone, "game")
    assert game["least_core_eur"] > 0.001
    assert "the core is empty: whatever is given" in alone.message
    assert [row["prices_eur"] for row in table(alone, "shares")] == [None, None]  # the room is nobody's

    operated = study(agreed(depot, SHARED))
    (game,) = table(operated, "game")
    assert game["operator_is_player"] is True
    assert game["least_core_eur"] <= 0.0
    assert game["room_eur"] > 0.001
    rows = table(operated, "shares")
    assert [row["player"] for row in rows] == ["car-1", "car-2", "operator"]
    for rule in ("shapley_eur", "nucleolus_eur", "prices_eur"):
        assert sum(row[rule] for row in rows) == pytest.approx(game["value_eur"], abs=1e-6)
    held = {row["battery_id"]: row for row in table(operated, "owners")}
    assert (held["car-1"]["contract_id"], held["car-1"]["contract_theta"]) == ("shared", 0.6)
    assert (held["car-2"]["contract_id"], held["car-2"]["contract_satisfies"]) == (None, None)
    low, high = held["car-1"]["theta_low"], held["car-1"]["theta_high"]
    assert held["car-1"]["contract_satisfies"] is (low <= 0.6 <= high)


def test_more_players_than_are_looked_at_one_by_one_are_drawn(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(depot)
    workspace = agreed(depot, SHARED)
    exact = table(study(workspace), "shares")
    monkeypatch.setattr(module, "MOST_PLAYERS", 1)
    asked = Asked(orders=40, seed=3)
    result = study(workspace, asked)
    (game,), rows = table(result, "game"), table(result, "shares")
    assert (game["all_coalitions"], game["orders"], game["least_core_eur"]) == (False, 40, None)
    assert game["duality_gap_eur"] < 1e-5
    assert "no coalition gains more than" in result.message
    for row, known in zip(rows, exact, strict=True):
        assert row["shapley_low_eur"] <= row["shapley_eur"] <= row["shapley_high_eur"]
        half = row["shapley_high_eur"] - row["shapley_eur"]
        assert row["shapley_eur"] == pytest.approx(known["shapley_eur"], abs=max(3 * half, 1e-6))
        assert row["prices_eur"] == pytest.approx(known["prices_eur"], abs=1e-6)
    assert table(study(workspace, asked), "shares") == rows
    assert table(study(workspace, Asked(orders=40, seed=4)), "shares") != rows


def test_a_car_that_is_left_out_is_named_and_costs_no_other(depot: Workspace) -> None:
    twice = agreed(depot, SHARED, SHARED.replace('"shared"', '"again"'))
    result = study(twice)
    assert (result.exit_code, result.status) == (3, "degraded")
    assert "left out: car-1" in result.message
    (only,) = table(result, "shares")
    assert (only["player"], table(result, "game")[0]["operator_is_player"]) == ("car-2", False)
    assert only["shapley_eur"] == pytest.approx(only["nucleolus_eur"])


def test_what_came_later_is_not_known_and_nothing_is_written(depot: Workspace) -> None:
    before = study(depot)
    later = session_rows().assign(departure_soc=0.95)
    as_of = AS_OF + timedelta(hours=1)
    put(depot, "sessions", later, as_of=as_of)
    check(Context.of(depot, as_of))
    counts = {name: len(depot.warehouse.read(name)) for name in CONTRACTS}
    assert study(depot).tables == before.tables
    now = shares(Context.of(depot, as_of + timedelta(hours=1)), DAY, Asked(), lambda *_: None)
    assert now.tables != before.tables
    assert {name: len(depot.warehouse.read(name)) for name in CONTRACTS} == counts


def test_the_command_answers_people_and_programs(depot: Workspace) -> None:
    words = ["study", "shares", "--date", str(DAY), "-w", str(depot.root), "--as-of", AS_OF.isoformat()]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0, shown.output
    for part in ("nucleolus", "car-2", "dispatch"):
        assert part in shown.output
    answer = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)["stages"][0]
    assert (answer["stage"], answer["dispatch"]) == ("shares", True)
    assert {"game", "shares", "owners", "bargain"} == set(answer["tables"])
    wrong = CliRunner().invoke(app, [*words, "--owner-otherwise", "nan"])
    assert isinstance(wrong.exception, UsageError)
    assert "--owner-otherwise nan" in str(wrong.exception)
    result = CliRunner().invoke(app, ["study", "shares", "--help"])
    assert result.exit_code == 0
    for part in ("Example: v2g study shares", "--workspace", "--json", "--as-of", "--seed"):
        assert part in result.output


def test_other_objectives_are_shared_by_net_benefit(depot: Workspace) -> None:
    settings = depot.settings.model_copy(
        update={"plan": depot.settings.plan.model_copy(update={"objective": "peak_shaving"})}
    )
    other = replace(depot, settings=settings)
    assert table(study(other), "game")[0]["value_eur"] == pytest.approx(
        table(study(depot), "game")[0]["value_eur"], abs=1e-6
    )
