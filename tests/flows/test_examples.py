"""The examples run as they stand."""

from __future__ import annotations

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
    told = Path(__file__).read_text(encoding="utf-8")
    assert [file.name for file in EXAMPLES.glob("*.py") if f'ran("{file.name}"' not in told] == []


def test_a_fleet_is_planned_from_a_script() -> None:
    modes = [line.split()[0] for line in ran("plan_a_fleet.py").splitlines()]
    assert modes == ["uncontrolled", "ordered", "v2g"]


@pytest.mark.parametrize("battery_id", ["car-1"])
def test_a_twin_is_inspected(depot: Workspace, battery_id: str) -> None:
    told = ran("inspect_a_twin.py", str(depot.root), battery_id)
    assert told.startswith(f"{battery_id}: ")
    assert "V" in told.splitlines()[-1]
