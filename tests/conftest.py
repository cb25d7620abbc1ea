"""What holds for all tests: threads, and the order in which several processes share the files.

The longest come first, and the longest in parts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

# As in a workspace: one core a process, and nothing that calls home. This file is read before numpy is
# loaded, whose threads would wait for each other on cores that all processes share.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")

# Hundreds of processes import the rooms, and two all tests: compiled once, wherever the environment says no.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

HERE = Path(__file__).parent
# By how long they take, waiting as well, the longest first; all others follow by their number of tests.
LONGEST = (
    "flows/test_hostile_names.py",
    "flows/test_soak.py",
    "flows/test_canary.py",
    "flows/test_erase.py",
    "flows/test_study_charger.py",
    "flows/test_what_if.py",
    "flows/test_owner_page.py",
    "flows/test_bid_alone.py",
    "flows/test_private_release.py",
    "flows/test_federate.py",
    "flows/test_awards.py",
    "flows/test_sealed_backup.py",
    "flows/test_ending.py",
    "twin/test_twin_dispute.py",
    "flows/test_real_prices.py",
    "flows/test_daily.py",
    "flows/test_jobs.py",
    "flows/test_backtest.py",
    "optimize/test_fleet_engine.py",
    "twin/test_twin_recovery.py",
    "flows/test_gateway.py",
    "flows/test_price_holes.py",
    "flows/test_bid.py",
    "optimize/test_bids_replay.py",
    "twin/test_twin_faults.py",
    "flows/test_serve_closed.py",
    "flows/test_serve_gateway.py",
    "test_house.py",
    "optimize/test_fleet_tidy.py",
    "flows/test_backtest_ending.py",
    "flows/test_work_pool.py",
    "flows/test_dead_prefect.py",
    "optimize/test_planning_truth.py",
    "twin/test_twin_counted.py",
    "flows/test_serve.py",
    "flows/test_logs_of_one_session.py",
    "flows/test_plan_races.py",
    "warehouse/test_overlaps.py",
    "flows/test_knowledge_of_stages.py",
    "flows/test_rotated_logs.py",
    "flows/test_day_goes_on.py",
    "flows/test_replan_at_arrival.py",
    "flows/test_realise.py",
    "warehouse/test_source_memory.py",
    "flows/test_received.py",
    "flows/test_later_sessions.py",
    "flows/test_gateway_killed.py",
    "flows/test_plan_left_out.py",
    "flows/test_fetch_day.py",
    "flows/test_ledger.py",
    "optimize/test_fleet_least.py",
    "flows/test_open_sessions.py",
    "flows/test_prices.py",
    "twin/test_twin_calibration.py",
    "optimize/test_planning_edges.py",
    "flows/test_disputes.py",
    "optimize/test_rules_everywhere.py",
    "flows/test_telemetry_cases.py",
    "flows/test_grid.py",
    "flows/test_plan.py",
    "flows/test_serve_browser.py",
    "warehouse/test_store_parts.py",
    "flows/test_plan_now.py",
    "flows/test_horizon.py",
    "flows/test_gateway_rows.py",
    "warehouse/test_received.py",
    "flows/test_cli.py",
    "twin/test_twin_silence.py",
    "warehouse/test_migrations.py",
    "optimize/test_planning_apart.py",
    "twin/test_twin_metered.py",
    "optimize/test_rescue.py",
    "flows/test_status.py",
    "twin/test_twin_life.py",
    "flows/test_ladder_of_plans.py",
    "flows/test_withdraw.py",
)
# Their tests share nothing that is dear to make: each may run in another process than its neighbours.
IN_PARTS = ("twin/test_twin_recovery.py", "test_house.py")


@pytest.fixture(autouse=True)
def _zones_that_a_test_defines_end_with_it() -> Iterator[None]:
    """They are known to the whole process, which in a run of all tests is that of others, too."""
    from warehouse import zones

    with patch.dict(zones._OWN), patch.dict(zones._KNOWN):
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: a sixth of their time tests wait, for a server or a clock."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1) + 1


def _place(file: str) -> int:
    return LONGEST.index(file) if file in LONGEST else len(LONGEST)


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0].removeprefix("tests/")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Processes that share the files take them in the order of `LONGEST`; one alone as they come."""
    if not hasattr(config, "workerinput"):
        return
    tests: dict[str, int] = {}
    for item in items:
        file = _file(item.nodeid)
        tests[file] = tests.get(file, 0) + 1
    items.sort(key=lambda item: (_place(file := _file(item.nodeid)), -tests[file], file))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """By file, in the order in which they are collected; of `IN_PARTS` each test by itself."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class LongestFirst(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if _file(nodeid) in IN_PARTS else nodeid.partition("::")[0]

    config.option.loadscopereorder = False
    return LongestFirst(config, log)
