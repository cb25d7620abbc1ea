"""What status tells of a depot: a bounded table of what there is, and of what was known at a moment."""

from __future__ import annotations

from datetime import timedelta

from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.status import PLAN_DAYS, status_of
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, put, session_rows, spoil


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


def test_of_many_days_the_plans_of_the_last_ones_are_told(bare: Workspace) -> None:
    plan(Context.of(bare, AS_OF), DAY)
    spoil(
        bare,
        "INSERT INTO out_plan SELECT * EXCLUDE (d) REPLACE ('older ' || d AS plan_id, "
        "market_date - d::INT AS market_date, as_of_utc - to_days(d::INT) AS as_of_utc) "
        "FROM out_plan, range(1, 40) AS days(d)",
    )
    told = [row["market_date"] for row in status_of(bare)["plans"]]
    assert told == [str(DAY - timedelta(days=back)) for back in reversed(range(PLAN_DAYS))]
