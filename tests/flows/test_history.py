"""Days that are filled in later, and two plans next to each other."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from flows.cli import main
from flows.errors import UsageError
from flows.mapping.plan_diff import plan_diff
from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, price_rows, put, session_rows

LATER = AS_OF + timedelta(minutes=1)


def planned(workspace: Workspace, moment: Any = AS_OF) -> str:
    return str(plan(Context.of(workspace, moment), DAY).details["plan_id"])


def by_car(stated: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["battery_id"]: row for row in stated["by car"]}


def test_two_plans_differ_by_car_and_cause_as_their_accounts_do(bare: Workspace) -> None:
    before = planned(bare)
    changed = session_rows().assign(departure_soc=[0.8, 0.8, 0.9])
    put(bare, "sessions", changed, as_of=LATER)
    check(Context.of(bare, LATER))
    of_sessions = planned(bare, LATER)
    answer = plan_diff(bare, before, of_sessions)
    (car,) = answer["by car"]
    assert (car["battery_id"], car["causes"]) == ("car-2", "stays")
    assert car["import_kwh"] == pytest.approx(0.2 * 60.0 / 0.92, abs=0.01)
    assert car["of_prices_eur"] == pytest.approx(0.0, abs=1e-9)
    assert [row["input"] for row in answer["changed inputs"]] == ["sessions"]

    more = price_rows(DAY, 1)
    more["price_eur_per_kwh"] += 0.02
    put(bare, "prices", more, as_of=LATER + timedelta(minutes=1))
    check(Context.of(bare, LATER + timedelta(minutes=1)))
    of_prices = planned(bare, LATER + timedelta(minutes=1))
    answer = plan_diff(bare, of_sessions, of_prices)
    assert {row["causes"] for row in answer["by car"]} == {"prices"}
    drawn = bare.warehouse.read("out_plan_car", where={"plan_id": of_sessions, "mode": "ordered"})
    accounts = bare.warehouse.read("out_plan_car", where={"plan_id": of_prices, "mode": "ordered"})
    for name, row in by_car(answer).items():
        old, new = (rows[rows["battery_id"] == name].iloc[0] for rows in (drawn, accounts))
        assert row["energy_cost_eur"] == pytest.approx(
            new["energy_cost_eur"] - old["energy_cost_eur"], abs=1e-6
        )
        assert row["energy_cost_eur"] == pytest.approx(row["of_prices_eur"] + row["of_schedule_eur"])
    (total,) = answer["in all"]
    assert total["of_prices_eur"] == pytest.approx(sum(row["of_prices_eur"] for row in answer["by car"]))
    assert total["of_prices_eur"] > 0.1

    back = plan_diff(bare, of_prices, of_sessions)["in all"][0]["energy_cost_eur"]
    assert back == pytest.approx(-total["energy_cost_eur"])
    same = plan_diff(bare, of_prices, of_prices)
    assert same["by car"] == same["changed inputs"] == []


def test_a_plan_that_is_not_there_is_named(bare: Workspace) -> None:
    with pytest.raises(UsageError, match="no plans begin with 'nothing'"):
        plan_diff(bare, planned(bare), "nothing")


def ran(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, Any]:
    monkeypatch.setattr("sys.argv", ["v2g", *words, "--json"])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0), json.loads(capsys.readouterr().out)


def test_days_are_filled_in_and_none_costs_another(
    bare: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = DAY - timedelta(days=3), DAY + timedelta(days=1)
    words = ("backfill", f"--from={before}", f"--to={after}", f"--workspace={bare.root}")
    code, answer = ran(capsys, monkeypatch, *words)
    plans = {one["message"][:10]: one for one in answer["stages"] if one["stage"] == "plan"}
    assert code == 3 and len(plans) == 5
    assert plans[str(before)]["exit_code"] == 5 and "were received later" in plans[str(before)]["message"]
    assert plans[str(DAY)]["plan_source"] == "published"
    assert plans[str(after)]["plan_source"] in ("last_plan", "charge_only")
    (account,) = [one for one in answer["stages"] if one["stage"] == "realise"]
    assert str(DAY) in account["accounts"]
    code, again = ran(capsys, monkeypatch, *words)
    outcomes = {one["message"][:10]: one.get("outcome") for one in again["stages"] if one["stage"] == "plan"}
    assert outcomes[str(DAY)] == "unchanged"
    code, answer = ran(capsys, monkeypatch, "backfill", "--from=2024-03-20", "--to=2024-03-19",
                     f"--workspace={bare.root}")  # fmt: skip
    assert code == 2 and "1 to 366 days" in answer["error"]["message"]
    code, answer = ran(capsys, monkeypatch, "backfill", "--from=2024-03-20", "--to=2024-03-21",
                     f"--workspace={bare.root}", "--as-of=2024-03-21T12:00Z")  # fmt: skip
    assert code == 2 and "is not over" in answer["error"]["message"]
