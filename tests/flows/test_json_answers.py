"""Every command's --json is one document without NaN, on a first, a second and a degraded run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from flows import cli
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, WEEK, spoil

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(bare: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: object) -> tuple[int, dict[str, Any]]:
        line = ["v2g", "--json", "-w", str(bare.root), f"--as-of={AS_OF.isoformat()}", *map(str, words)]
        monkeypatch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as left:
            cli.main()
        out = capsys.readouterr().out
        answer = json.loads(out, parse_constant=lambda word: pytest.fail(f"{words}: {word} is no JSON"))
        return int(left.value.code or 0), answer

    return call


def every_answer(run: Run, plan_id: str) -> dict[str, dict[str, Any]]:
    words = {
        "status": ["status"],
        "trace": ["trace", plan_id],
        "report": ["report", "--date", DAY],
        "check": ["check"],
        "quarantine": ["quarantine", "list"],
        "retention": ["retention", "--dry-run"],
        "migrate": ["migrate"],
    }
    answers = {}
    for name, line in words.items():
        code, answers[name] = run(*line)
        assert code == 0, name
    return answers


def test_plans_and_all_that_tells_of_them(run: Run, bare: Workspace) -> None:
    day = ("--date", DAY)
    code, answer = run("plan", *day)
    first = answer["stages"][0]
    assert (code, first["outcome"], first["replaces_plan_id"], first["changed_inputs"]) == (
        3,
        "new",
        None,
        None,
    )
    assert every_answer(run, first["plan_id"])["trace"]["plan"]["replaces_plan_id"] is None

    code, answer = run("plan", *day)  # the red case: a first plan of a day, asked for again
    second = answer["stages"][0]
    assert (code, second["outcome"], second["plan_id"]) == (3, "unchanged", first["plan_id"])
    assert (second["replaces_plan_id"], second["changed_inputs"], second["sequence"]) == (None, None, 1)

    spoil(bare, "UPDATE core_battery SET soc_min = 0.97 WHERE battery_id = 'car-1'")
    third = run("plan", *day)[1]["stages"][0]
    assert third["replaces_plan_id"] == first["plan_id"]
    assert list(third["left_out"]) == ["car-1"]
    assert every_answer(run, third["plan_id"])["status"]["plans"][0]["plan_id"] == third["plan_id"]


def test_a_degraded_day_and_days_of_errors(run: Run, bare: Workspace) -> None:
    spoil(bare, "DELETE FROM core_price")
    for outcome in ("new", "unchanged"):
        code, answer = run("plan", "--date", DAY)
        assert (code, answer["stages"][0]["outcome"]) == (3, outcome)
        assert answer["stages"][0]["plan_source"] == "charge_only"
    code, answer = run("plan", "--date", DAY + WEEK)
    assert (code, answer["error"]["exit_code"]) == (5, 5)
    code, answer = run("trace", "zzz")
    assert (code, answer["error"]["kind"]) == (2, "UsageError")


def test_missing_figures_of_other_tables_are_null(run: Run, bare: Workspace) -> None:
    spoil(bare, "UPDATE core_battery SET charge_limit_kw = 'nan' WHERE battery_id = 'car-1'")
    assert run("status")[0] == 0
    assert run("plan", "--date", DAY)[0] == 3
