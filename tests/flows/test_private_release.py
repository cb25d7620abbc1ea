"""Private releases: one answer a question, a budget that nothing overspends, refusals that cost nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import UsageError
from flows.mapping.owner_figures import owner_figures
from flows.stages import Context
from flows.stages.release import Asked, release, releases
from flows.workspace import Workspace
from tests.flows.conftest import DAY
from tests.flows.test_realise import OVER
from tests.flows.test_settle import settled_around, settled_depot

__all__ = ["settled_around", "settled_depot"]
MARCH = date(2024, 3, 1)
TABLE = "out_private_release"
AFTER = OVER + timedelta(days=30)
ASKED = Asked(
    figure="import_kwh", statistic="sum", month=MARCH, least=0.0, most=100.0, epsilon=0.4, tolerance=1000.0
)
_ASK = """
import sys
from datetime import date, datetime
from pathlib import Path
from flows.stages import Context
from flows.stages.release import Asked, release
from flows.workspace import Workspace
workspace = Workspace.open(Path(sys.argv[1]))
asked = Asked(figure="import_kwh", statistic="sum", month=date(2024, 3, 1), least=0.0,
              most=float(sys.argv[3]), epsilon=float(sys.argv[4]), tolerance=1e6)
print("begun", flush=True)
sys.stdin.readline()
try:
    print(repr(release(Context.of(workspace, datetime.fromisoformat(sys.argv[2])), asked).details["value"]))
except Exception as error:
    print(type(error).__name__)
"""


def asking(root: Path, most: float, epsilon: float = 0.4) -> subprocess.Popen[str]:
    """A process that has read the workspace and asks once it is told to."""
    words = [sys.executable, "-c", _ASK, str(root), AFTER.isoformat(), str(most), str(epsilon)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    return process


def told(process: subprocess.Popen[str]) -> str:
    return process.communicate(timeout=300)[0].strip()


def at(workspace: Workspace) -> Context:
    return Context.of(workspace, AFTER)


def spent(workspace: Workspace) -> float:
    return float(workspace.warehouse.read(TABLE)["epsilon"].sum())


def test_the_same_question_has_one_answer_and_costs_once(settled_depot: Workspace) -> None:
    first = release(at(settled_depot), ASKED)
    for _ in range(3):
        again = release(at(settled_depot), replace(ASKED, tolerance=750.0))
        assert again.details["value"] == first.details["value"] and again.details["again"]
    assert spent(settled_depot) == 0.4 and not first.details["again"]
    other = release(at(settled_depot), replace(ASKED, most=101.0))
    assert other.details["value"] != first.details["value"]
    assert (spent(settled_depot), other.details["epsilon_left"]) == (0.8, pytest.approx(0.2))
    row = settled_depot.warehouse.read(TABLE).iloc[0]
    assert (row["owners"], row["budget"], row["scale"]) == (2, 1.0, pytest.approx(250.0, rel=0.02))
    listed = releases(at(settled_depot)).tables
    assert len(listed["answers"]) == 2 and listed["years"][0]["left"] == pytest.approx(0.2)


def test_what_is_refused_costs_nothing(settled_depot: Workspace) -> None:
    with pytest.raises(UsageError, match=r"off by up to 748\.9 kWh, more than --tolerance 700"):
        release(at(settled_depot), replace(ASKED, tolerance=700.0))
    with pytest.raises(UsageError, match="of the ε = 1 of 2024 there is 1 left"):
        release(at(settled_depot), replace(ASKED, epsilon=1.01))
    with pytest.raises(UsageError, match="is not over"):
        release(Context.of(settled_depot, OVER), ASKED)
    with pytest.raises(UsageError, match="bounds 0 to 0 are none"):
        release(at(settled_depot), replace(ASKED, most=0.0))
    assert settled_depot.warehouse.read(TABLE).empty
    release(at(settled_depot), ASKED)
    with pytest.raises(UsageError, match="more than --tolerance 700"):
        release(at(settled_depot), replace(ASKED, tolerance=700.0))


def test_a_year_has_its_own_budget_and_no_more(settled_depot: Workspace) -> None:
    release(at(settled_depot), replace(ASKED, epsilon=1.0))
    with pytest.raises(UsageError, match="there is 0 left"):
        release(at(settled_depot), replace(ASKED, figure="v2g_kwh", epsilon=0.001, tolerance=1e6))
    release(at(settled_depot), replace(ASKED, month=date(2023, 3, 1), epsilon=1.0))
    assert spent(settled_depot) == 2.0


def test_ten_tenths_are_the_whole_budget(settled_depot: Workspace) -> None:
    for number in range(10):
        release(at(settled_depot), replace(ASKED, most=100.0 + number, epsilon=0.1, tolerance=1e6))
    with pytest.raises(UsageError, match="nothing was spent"):
        release(at(settled_depot), replace(ASKED, most=90.0, epsilon=0.0002, tolerance=1e9))


def test_two_at_once_cannot_overspend(settled_depot: Workspace) -> None:
    processes = [asking(settled_depot.root, 100.0 + number) for number in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [told(process) for process in processes]
    assert spent(settled_depot) == pytest.approx(0.8)
    assert answers.count("UsageError") == 2


def test_the_same_asked_at_once_has_one_answer(settled_depot: Workspace) -> None:
    processes = [asking(settled_depot.root, 100.0) for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert len({told(process) for process in processes}) == 1
    assert spent(settled_depot) == pytest.approx(0.4)


def test_a_kill_draws_no_fresh_noise_and_loses_no_charge(settled_depot: Workspace, tmp_path: Path) -> None:
    kept = set()
    for number in range(5):
        copy = Workspace.open(Path(shutil.copytree(settled_depot.root, tmp_path / f"copy {number}")))
        process = asking(copy.root, 100.0)
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        time.sleep(0.4 * number)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        rows = copy.warehouse.read(TABLE)
        kept.add(len(rows))
        after = release(at(copy), ASKED)
        if len(rows):
            assert after.details["value"] == rows["value"].iloc[0] and after.details["again"]
        assert spent(copy) == 0.4 and len(copy.warehouse.read(TABLE)) == 1
    assert kept <= {0, 1}


def test_an_owner_counts_once_with_all_of_their_cars(settled_depot: Workspace) -> None:
    rows = settled_depot.warehouse.newest(
        "out_realised_car",
        by=["market_date"],
        where={"mode": "followed"},
        columns=["battery_id", "import_kwh"],
    )
    of_car = rows.groupby("battery_id")["import_kwh"].sum()
    assert owner_figures(at(settled_depot), "import_kwh", MARCH) == pytest.approx(of_car.to_dict())
    hours = owner_figures(at(settled_depot), "plugged_hours", MARCH)
    sessions = settled_depot.warehouse.read("core_session")
    inside = sessions[sessions["departure_utc"] < pd.Timestamp("2024-03-31", tz="UTC")]
    lasting = (inside["departure_utc"] - inside["arrival_utc"]).dt.total_seconds() / 3600
    assert hours == pytest.approx(lasting.groupby(inside["battery_id"]).sum().to_dict())
    owners = settled_depot.root / "owners.toml"
    owners.write_text('[anna]\nbatteries = ["car-1", "car-2"]\n', encoding="utf-8")
    owners.chmod(0o600)
    assert owner_figures(at(settled_depot), "import_kwh", MARCH) == {"anna": pytest.approx(of_car.sum())}
    assert release(at(settled_depot), ASKED).details["owners"] == 1


def test_loss_is_as_known_when_the_month_ended(settled_depot: Workspace) -> None:
    now = owner_figures(at(settled_depot), "yearly_loss", MARCH)
    assert set(now) == {"car-1", "car-2"} and all(one is not None and 0 < one < 0.2 for one in now.values())
    before = owner_figures(at(settled_depot), "yearly_loss", date(2023, 3, 1))
    assert before == {"car-1": None, "car-2": None}


def test_the_command_answers_in_json(settled_depot: Workspace) -> None:
    words = ["privacy", "release", "--figure", "plugged_hours", "--month", f"{DAY:%Y-%m}", "--most", "200"]
    words += ["--epsilon", "0.5", "--tolerance", "700", "-w", str(settled_depot.root), "--json"]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0, found.output
    said = json.loads(found.stdout)["stages"][0]
    assert (said["owners"], said["statistic"], said["unit"], said["epsilon"]) == (2, "mean", "h", 0.5)
    listed = CliRunner().invoke(app, ["privacy", "budget", "-w", str(settled_depot.root), "--json"])
    assert json.loads(listed.stdout)["stages"][0]["tables"]["answers"][0]["value"] == said["value"]
