"""What is received after the moment of a plan changes nothing in it, whatever it says."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, fleet_rows, price_rows, put, session_rows, site_rows

LATER = AS_OF + timedelta(hours=1)
HOSTILE = {
    "prices": price_rows(DAY - timedelta(days=7), 8, spread=-0.4),
    "sessions": session_rows().assign(arrival_soc=0.11, departure_soc=0.9),
    "fleet": fleet_rows().assign(soc_min=0.6, discharge_limit_kw=1.0),
    "sites": site_rows().assign(import_limit_kw=3.0, export_limit_kw=0.0),
}


def written(workspace: Workspace) -> dict[str, pd.DataFrame]:
    plan(Context.of(workspace, AS_OF), DAY)
    tables = ("out_plan", "out_plan_mode", "out_plan_car", "out_plan_slot", "out_plan_site_slot",
              "out_plan_departure", "out_plan_source", "out_left_out")  # fmt: skip
    return {
        name: workspace.warehouse.read(name).drop(
            columns=["run_id", "solve_seconds", "made_utc"], errors="ignore"
        )
        for name in tables
    }


@pytest.mark.parametrize("dataset", HOSTILE)
def test_a_plan_made_in_the_past_is_the_one_that_was_made_then(
    bare: Workspace, workspace: Workspace, dataset: str
) -> None:
    put(workspace, "prices", price_rows(DAY, 1))
    put(workspace, "sessions", session_rows())
    check(Context.of(workspace, AS_OF))
    put(workspace, dataset, HOSTILE[dataset], as_of=LATER)
    check(Context.of(workspace, LATER))
    then, now = written(bare), written(workspace)
    for table, frame in then.items():
        pd.testing.assert_frame_equal(now[table], frame)
