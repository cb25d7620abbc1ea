"""How a back-test ends: broken off, killed, called again, refused, degraded, and as a command."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows import cli
from flows.backtest.strategies import STRATEGIES
from flows.errors import NoAccountError
from flows.server.held import hold, let_go
from flows.workspace import Workspace
from tests.flows.backtests import (
    DAYS,
    FIRST,
    NIGHTS,
    asked,
    make_nightly,
    of,
    rows,
    run,
)
from warehouse.errors import LockedError

GONE_ON = ("v2g", "uncontrolled", "yesterday")


@pytest.fixture(scope="module")
def nightly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_nightly(tmp_path_factory.mktemp("nightly"))


@pytest.fixture
def home(nightly: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(Path(shutil.copytree(nightly, tmp_path / "home" / "depot")))


@pytest.fixture(scope="module")
def whole(nightly: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The rows of a back-test of GONE_ON that nobody disturbed."""
    copy = shutil.copytree(nightly, tmp_path_factory.mktemp("whole") / "depot")
    run(asked(workspace := Workspace.open(Path(copy)), *GONE_ON))
    return rows(workspace)


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("after", [0, 3, 6])  # before the copy, a day into the first course, the second
def test_broken_off_and_called_again_it_ends_in_the_same_rows(
    home: Workspace, whole: pd.DataFrame, after: int
) -> None:
    left = iter(range(after))

    def stop(*_: object) -> None:
        if next(left, None) is None:
            raise StoppedError

    with pytest.raises(StoppedError):
        asked(home, *GONE_ON).run(stop)
    assert len(rows(home)) < len(whole)
    run(asked(home, *GONE_ON))
    pd.testing.assert_frame_equal(rows(home), whole)


def test_what_is_done_is_reported_again_and_not_done_again(home: Workspace) -> None:
    first = run(asked(home, days=(DAYS[0], DAYS[0])))
    seen: list[str] = []
    again = asked(home, days=(DAYS[0], DAYS[0])).run(lambda what, *_: seen.append(what))
    assert (again.tables, seen) == (first.tables, [])
    (left,) = set(rows(home)["run_id"])
    (home.root / ".backtest" / left / "v2g").mkdir(parents=True)
    assert run(asked(home, days=(DAYS[0], DAYS[0]))).tables == first.tables
    assert not (home.root / ".backtest" / left).exists(), "left by one that was killed when all was done"
    kept = of(rows(home), "v2g").loc[DAYS[0]]
    run(asked(home))
    pd.testing.assert_series_equal(of(rows(home), "v2g").loc[DAYS[0]], kept)
    assert len(rows(home)) == 6, "another last day is the same back-test"


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_and_ends_in_the_same_rows(
    home: Workspace, whole: pd.DataFrame
) -> None:
    words = [word for name in GONE_ON for word in ("--strategy", name)]
    words += ["--from", str(DAYS[0]), "--to", str(DAYS[1]), "--json"]
    command = [sys.executable, "-m", "flows.cli", "backtest", "-w", str(home.root), *words]
    rng, killed = np.random.default_rng(3), 0
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for wait in (*rng.uniform(1.0, 9.0, 5), None):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd=home.root
        )
        try:
            out, _ = process.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += 1
    assert killed >= 2
    assert json.loads(out)["stages"][0]["exit_code"] == 0
    pd.testing.assert_frame_equal(rows(home), whole)
    assert sorted(path.name for path in (home.root / ".backtest").iterdir()) == ["lock"]


def test_a_day_without_prices_has_no_account_and_costs_no_other(home: Workspace) -> None:
    days = (DAYS[1], FIRST + timedelta(days=NIGHTS + 1))
    result = run(asked(home, "v2g", days=days))
    assert (result.status, result.exit_code) == ("degraded", 3)
    assert "no account of 1 days" in result.message and str(days[1]) in result.message
    assert of(rows(home), "v2g").index.max() == days[1] - timedelta(days=1)


def test_one_runs_at_a_time_and_days_that_are_not_over_are_refused(home: Workspace) -> None:
    (home.root / ".backtest").mkdir()
    lock = home.root / ".backtest" / "lock"
    assert hold(lock) is None
    try:
        with pytest.raises(LockedError, match="running already"):
            run(asked(home))
    finally:
        let_go(lock)
    with pytest.raises(NoAccountError, match="2024-03-15 is not over as of 2024-03-15 12:00 UTC"):
        asked(home, as_of=datetime(2024, 3, 15, 12, tzinfo=UTC))
    assert rows(home).empty


@pytest.mark.parametrize(
    ("words", "stated"),
    [
        (("--from", "2024-03-15", "--to", "2024-03-14"), "--to 2024-03-14 is before --from 2024-03-15"),
        (
            ("--from", "2024-03-14", "--to", "2024-03-15", "--strategy", "lastweek"),
            "lastweek: there is no such",
        ),
        (("--from", "2024-03-14", "--to", "2024-03-15", "--every", "5"), "greater than or equal to 15"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    home: Workspace, words: tuple[str, ...], stated: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["v2g", "backtest", "-w", str(home.root), "--json", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert stated in json.loads(capsys.readouterr().out)["error"]["message"]


def test_the_command_answers_a_program_and_names_every_strategy(
    home: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--from",
        str(DAYS[0]),
        "--to",
        str(DAYS[0]),
        "--strategy",
        "uncontrolled",
        "--as-of",
        "2024-06-01",
    ]
    monkeypatch.setattr(sys, "argv", ["v2g", "backtest", "-w", str(home.root), "--json", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert not left.value.code
    out, err = capsys.readouterr()
    (line,) = json.loads(out)["stages"][0]["tables"]["strategies"]
    assert (line["strategy"], line["days"], line["over_uncontrolled_eur"]) == ("uncontrolled", 1, 0.0)
    assert "v2g" in err
    monkeypatch.setattr(sys, "argv", ["v2g", "backtest", "--help"])
    with pytest.raises(SystemExit):
        cli.main()
    shown = capsys.readouterr().out
    assert [one.name for one in STRATEGIES if one.name not in shown] == []


def test_days_that_nothing_tells_of_have_no_answer_and_leave_no_row(home: Workspace) -> None:
    day = DAYS[1] + timedelta(days=60)
    with pytest.raises(
        NoAccountError, match=f"no day has an account.*like-days: {day}.*no plan was followed"
    ):
        run(asked(home, "like-days", days=(day, day)))
    assert rows(home).empty
