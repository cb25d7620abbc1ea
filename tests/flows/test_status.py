"""What status tells of a depot: a bounded table of what there is, and of what was known at a moment."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.status import PLAN_DAYS, status_of
from flows.status_stored import status_at_once, store_status
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, price_rows, put, session_rows, spoil
from tests.warehouse.test_store_lock import HOLD
from warehouse.errors import LockedError


def test_as_of_a_moment_it_tells_what_was_known_then(bare: Workspace) -> None:
    plan(Context.of(bare, AS_OF), DAY)
    later = AS_OF + timedelta(hours=2)
    changed = session_rows().assign(arrival_soc=[0.3, 0.3, 1.2])
    put(bare, "sessions", changed, as_of=later)
    check(Context.of(bare, later))
    plan(Context.of(bare, later), DAY)
    now, then = status_of(bare), status_of(bare, AS_OF)
    assert [row["as_of_utc"] for row in now["plans"]] == [f"{later:%Y-%m-%d %H:%M}"]
    assert [row["as_of_utc"] for row in then["plans"]] == [f"{AS_OF:%Y-%m-%d %H:%M}"]
    received = {row["dataset"]: row["received_utc"] for row in then["data"]}
    assert received["sessions"] == f"{AS_OF:%Y-%m-%d %H:%M}"
    assert (sum(row["size"] for row in now["quarantine"]), then["quarantine"]) == (1, [])
    assert now["last runs"] and not then["last runs"]  # they ran by the clock, after that moment
    before = status_of(bare, AS_OF - timedelta(days=900))
    assert not before["plans"] and {row["rows"] for row in before["data"]} == {0}


def test_of_many_days_the_plans_of_the_last_ones_are_reported(bare: Workspace) -> None:
    plan(Context.of(bare, AS_OF), DAY)
    spoil(
        bare,
        "INSERT INTO out_plan SELECT * EXCLUDE (d) REPLACE ('older ' || d AS plan_id, "
        "market_date - d::INT AS market_date, as_of_utc - to_days(d::INT) AS as_of_utc) "
        "FROM out_plan, range(1, 40) AS days(d)",
    )
    stated = [row["market_date"] for row in status_of(bare)["plans"]]
    assert stated == [str(DAY - timedelta(days=back)) for back in reversed(range(PLAN_DAYS))]


def test_each_day_and_source_is_reported_against_its_own_deadline(bare: Workspace) -> None:
    """A day that is filled later turns itself late, and no other green."""
    plan(Context.of(bare, AS_OF), DAY)
    yesterday, tomorrow = DAY - timedelta(days=1), DAY + timedelta(days=1)

    def states(moment: datetime) -> dict[tuple[str, str], str]:
        rows = status_of(bare, moment)["days"]
        return {(row["market_date"], row["source"]): row["state"] for row in rows}

    noon = datetime(2024, 3, 20, 12, tzinfo=UTC)  # 13:00 on the wall of DAY
    before = states(noon)
    assert before[str(DAY), "prices"] == before[str(DAY), "plan"] == "ok"
    assert before[str(yesterday), "prices"] == before[str(yesterday), "plan"] == "missing"
    assert before[str(tomorrow), "prices"] == before[str(tomorrow), "plan"] == "awaited"
    late = noon + timedelta(hours=1, minutes=1)  # the alert is at 14:00
    assert states(late)[str(tomorrow), "prices"] == "missing"
    put(bare, "prices", price_rows(yesterday, 1), as_of=late)
    assert check(Context.of(bare, late)).exit_code == 0
    after = states(late)
    assert after[str(yesterday), "prices"] == "late"
    assert after == states(late - timedelta(seconds=1)) | {(str(yesterday), "prices"): "late"}
    (row,) = [row for row in status_of(bare, late)["days"]
              if (row["market_date"], row["source"]) == (str(DAY), "prices")]  # fmt: skip
    assert (row["came_utc"], row["deadline_utc"]) == ("2024-03-19 12:00", "2024-03-19 13:00")


def test_the_plan_in_force_is_reported_with_its_gap_and_what_is_next(bare: Workspace) -> None:
    plan(Context.of(bare, AS_OF), DAY)
    answer = status_of(bare, AS_OF)
    (row,) = answer["plans"]
    modes = bare.warehouse.read("out_plan_mode", where={"mode": row["followed_mode"]})
    assert row["gap"] == modes["gap"].iloc[0]
    coming = {one["what"]: one["next_utc"] for one in answer["next"]}
    assert (coming["inbox"], coming["fetch"]) == ("2024-03-19 13:00", "2024-03-20 11:45")
    assert (coming["calibrate"], coming["maintain"]) == ("2024-03-19 21:30", "2024-03-20 04:00")
    assert answer["disk"][0]["warehouse_mb"] > 0 and answer["disk"][0]["free_mb"] > 0
    (cars,) = answer["calibrated"]
    assert (cars["cars"], cars["calibrated"], cars["never"], cars["stale"]) == (2, 0, 2, True)


def test_while_a_run_holds_the_warehouse_it_says_at_once_what_it_said_last(bare: Workspace) -> None:
    plan(Context.of(bare, AS_OF), DAY)
    with held(bare):
        with pytest.raises(LockedError):
            status_at_once(bare)
        store_status(bare)  # cannot be, and is no fault of a run
    store_status(bare)
    free = status_at_once(bare)
    with held(bare):
        began = time.monotonic()
        answer = status_at_once(bare)
        took = time.monotonic() - began
        with pytest.raises(LockedError):
            status_at_once(bare, AS_OF)
    assert took < 1.5
    (head,) = answer["in use"]
    assert "held by another process" in head["why"] and head["told_as_of_utc"].startswith("20")
    same = ("plans", "data", "quarantine", "calibrated", "last runs")
    assert all(answer[name] == free[name] for name in same)
    assert "in use" not in free


@contextmanager
def held(workspace: Workspace) -> Iterator[None]:
    """Another process has the warehouse open."""
    words = [sys.executable, "-c", HOLD, str(workspace.warehouse.path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield
        process.communicate("done\n")


def test_it_loads_nothing_that_plans() -> None:
    heavy = ("optimize", "scipy", "pyomo", "twin", "pybamm", "prefect")
    code = f"import sys, flows.status_stored; print([one for one in {heavy} if one in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
