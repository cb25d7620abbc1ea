"""What checks found that no page has told yet: of a plan's own run, and of those since the last page.

A run that was killed after its check, or an inbox that was looked into between two plans, leaves findings
that belong to no plan: the next page tells them.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from flows.mapping.findings import findings
from flows.mapping.in_force import Plan
from flows.plain import records
from warehouse.known import Known
from warehouse.rows import Scalar

_OF_NOW = "fresh"
"""The rule that judges how new a dataset is: of several looks the last counts."""


def untold_checks(known: Known, plan: Plan) -> pd.DataFrame:
    """Rows of out_check that the page of a plan tells, by the moment they were known; known: as of the plan.

    Those of its own run, and of all runs as of later moments than the last plan of its zone before it whose
    run came to publishing its pages.
    """
    since = _last_page(known, plan)
    rows = known.read("out_check", within={"as_of_utc": (since, None)})
    if since is not None:
        rows = rows[(rows["as_of_utc"] > since) | (rows["run_id"] == plan["run_id"])]
    return rows.sort_values(["as_of_utc", "run_id"], kind="stable", ignore_index=True)


def _last_page(known: Known, plan: Plan) -> pd.Timestamp | None:
    columns = ["run_id", "as_of_utc", "made_utc"]
    plans = known.read("out_plan", where={"zone": plan["zone"]}, columns=columns)
    made = plans["made_utc"].fillna(plans["as_of_utc"])
    before = plans[
        (plans["as_of_utc"] < plan["as_of_utc"]) & (made < (plan["made_utc"] or plan["as_of_utc"]))
    ]
    if before.empty:
        return None
    where: dict[str, Scalar | list[Scalar]] = {"stage": "publish", "exit_code": 0}
    where["run_id"] = sorted(set(before["run_id"].astype(str)))
    published = known.warehouse.read("out_run", where=where, columns=["run_id"])
    last = before.loc[before["run_id"].isin(published["run_id"]), "as_of_utc"].max()
    return None if pd.isna(last) else last


def told_findings(checks: pd.DataFrame) -> list[dict[str, Any]]:
    """What did not pass, run by run; of how new a dataset is, what the last look said."""
    last = checks[checks["rule"] == _OF_NOW].groupby("dataset")["as_of_utc"].transform("max")
    old = last.index[checks.loc[last.index, "as_of_utc"] < last]
    runs = checks.drop(index=old).groupby("run_id", sort=False)
    return [row for _, own in runs for row in records(findings(own))]
