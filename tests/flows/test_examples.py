"""The examples run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from flows.workspace import Workspace

EXAMPLES = Path(__file__).parents[1] / "examples"


def ran(name: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=EXAMPLES.parents[1],
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_run_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [file.name for file in EXAMPLES.glob("*.py") if f'ran("{file.name}"' not in text] == []


def test_a_fleet_is_planned_from_a_script() -> None:
    modes = [line.split()[0] for line in ran("plan_a_fleet.py").splitlines()]
    assert modes == ["uncontrolled", "ordered", "v2g"]


def test_a_plan_is_held_to_own_constraints() -> None:
    *stated, refused = ran("add_a_constraint.py").splitlines()
    power = [float(re.search(r"at most +([\d.]+) kW", line)[1]) for line in stated]  # type: ignore[index]
    fed = [float(re.search(r"([\d.]+) kWh fed", line)[1]) for line in stated]  # type: ignore[index]
    euros = [float(line.split()[-2]) for line in stated]
    assert power[0] > 5.0 >= max(power[1:])
    assert fed == [0.0, 0.0, 3.0]
    assert euros[0] >= euros[1] > euros[2]
    assert "no plan keeps own constraint 'evening support'" in refused


@pytest.mark.parametrize("battery_id", ["car-1"])
def test_a_twin_is_inspected(depot: Workspace, battery_id: str) -> None:
    answer = ran("inspect_a_twin.py", str(depot.root), battery_id)
    assert answer.startswith(f"{battery_id}: ")
    assert "V" in answer.splitlines()[-1]
