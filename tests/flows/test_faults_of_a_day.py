"""Faults of a day through its real stages: each has the outcome that the ladder says, and is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape

from flows.errors import NoPlanError
from flows.stages import Context, StageResult
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.workspace import Workspace
from tests.flows.conftest import (
    AS_OF,
    DAY,
    created,
    fleet_rows,
    price_rows,
    put,
    session_rows,
    site_rows,
)

LATER = AS_OF + timedelta(minutes=5)


def checked_and_planned(
    workspace: Workspace, dataset: str, rows: pd.DataFrame
) -> tuple[StageResult, StageResult]:
    """What a file that comes later, and the day, come to."""
    put(workspace, dataset, rows, as_of=LATER)
    context = Context.of(workspace, LATER)
    return check(context), plan(context, DAY)


def stored(workspace: Workspace, table: str, planned: StageResult, **where: str) -> pd.DataFrame:
    return workspace.warehouse.read(table, where={"plan_id": planned.details["plan_id"], **where})


def page(workspace: Workspace) -> str:
    publish(Context.of(workspace, LATER), DAY)
    return (workspace.reports / str(DAY) / "index.html").read_text(encoding="utf-8")


def test_prices_of_minus_500_and_4000_eur_per_mwh_are_believed_and_planned_on(bare: Workspace) -> None:
    rows = price_rows(DAY, 1)
    rows.loc[2, "price_eur_per_kwh"], rows.loc[18, "price_eur_per_kwh"] = -0.5, 4.0
    checked, planned = checked_and_planned(bare, "prices", rows)
    assert (checked.status, planned.details["plan_source"]) == ("ok", "published")
    slots = stored(bare, "out_plan_slot", planned, mode="ordered", battery_id="car-1")
    drawn = slots.set_index("interval_start_utc")["charge_kw"]
    of_hour = [drawn[pd.Timestamp(rows["interval_start_utc"][hour]) + pd.Timedelta(minutes=m)]
               for hour in (2, 18) for m in (0, 15, 30, 45)]  # fmt: skip
    assert max(of_hour[:4]) > 0.0 and of_hour[4:] == [0.0] * 4


def test_prices_that_are_no_numbers_are_set_aside_by_name_and_what_was_known_holds(bare: Workspace) -> None:
    rows = price_rows(DAY, 1).assign(price_eur_per_kwh=lambda one: one["price_eur_per_kwh"] + 0.01)
    rows.loc[[3, 4], "price_eur_per_kwh"] = np.nan
    checked, planned = checked_and_planned(bare, "prices", rows)
    assert (checked.status, checked.details["quarantined"]) == ("degraded", 2)
    (rule,) = set(bare.warehouse.read("core_quarantine")["rule"])
    assert f'<td class="text">{rule}</td>' in page(bare)
    assert planned.details["plan_source"] == "published"
    known = stored(bare, "out_plan_price", planned)["import_eur_per_kwh"]
    assert np.isfinite(known).all()


def low(workspace: Workspace, rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(arrival_soc=0.02, departure_utc=f"{DAY}T11:00:00Z")


def short(workspace: Workspace, rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(departure_utc=f"{DAY}T07:40:00Z")


def weak(workspace: Workspace, rows: pd.DataFrame) -> pd.DataFrame:
    put(workspace, "sites", site_rows().assign(import_limit_kw=1.0), as_of=LATER)
    return rows


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (low, "window too short: arrives at 0.02"),
        (short, "window too short: arrives at 0.40"),
        (weak, "feeder limit of site 'yard' (1 kW)"),
    ],
    ids=["SoC too low", "window too short", "feeder too small"],
)
def test_a_departure_that_cannot_be_met_is_planned_as_far_as_it_goes_with_the_reason(
    bare: Workspace, fault: Callable[[Workspace, pd.DataFrame], pd.DataFrame], reason: str
) -> None:
    rows = fault(bare, session_rows().iloc[2:])
    _, planned = checked_and_planned(bare, "sessions", rows)
    assert planned.details["plan_source"] == "published"
    left = stored(bare, "out_plan_departure", planned, mode="ordered").set_index("battery_id")
    (missed,) = left.loc[["car-2"]].to_dict("records")
    assert missed["missing_kwh"] > 1.0 and missed["reason"].startswith(reason)
    assert missed["reached_kwh"] == pytest.approx(missed["target_kwh"] - missed["missing_kwh"])
    assert str(escape(missed["reason"])) in page(bare)
    if fault is not weak:  # which is the other car's feeder as well
        assert (left.loc[["car-1"], "missing_kwh"] < 1e-6).all()


def test_telemetry_of_the_future_is_refused_as_a_whole_and_the_day_is_planned(bare: Workspace) -> None:
    times = pd.date_range(LATER + timedelta(days=3), periods=8, freq="15min").strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = pd.DataFrame({"battery_id": "car-1", "time_utc": times, "soc_reported": 0.5, "power_kw": 0.0})
    checked, planned = checked_and_planned(bare, "soc_power", rows)
    assert (checked.exit_code, checked.details["quarantined"]) == (4, 8)
    assert "failed as a whole: soc_power" in checked.message
    assert bare.warehouse.read("core_soc_power").empty
    assert planned.details["plan_source"] == "published"


def test_without_a_fleet_there_is_no_plan_and_with_one_car_there_is(tmp_path: Path) -> None:
    workspace = created(tmp_path / "depot")
    put(workspace, "sites", site_rows())
    put(workspace, "prices", price_rows(DAY, 1))
    context = Context.of(workspace, AS_OF)
    assert check(context).exit_code == 0
    with pytest.raises(NoPlanError, match="nothing of fleet has been received at all") as refused:
        plan(context, DAY)
    assert refused.value.exit_code == 5
    put(workspace, "fleet", fleet_rows().iloc[:1])
    put(workspace, "sessions", session_rows().iloc[:1])
    assert check(context).exit_code == 0
    planned = plan(context, DAY)
    assert planned.details["plan_source"] == "published"
    assert set(stored(workspace, "out_plan_car", planned)["battery_id"]) == {"car-1"}
