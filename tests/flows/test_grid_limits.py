"""A limit of the grid on its way: from a signal to rows, to the plan that keeps it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.dispatch.bell import asked_by_gateway, files_of_gateway
from flows.dispatch.gateway.signal_rows import SignalRows
from flows.dispatch.gateway.signals import SiteLimit
from flows.mapping.question import day_problem
from flows.mapping.setpoints import attainable_kw
from flows.publish.stored_plan import stored_plan
from flows.stages import Context
from flows.stages.check import check
from flows.workspace import Workspace
from optimize.windows import session_windows
from tests.flows.conftest import AS_OF, DAY, put, session_rows, site_rows
from tests.flows.depots import START, folders, made_desk, rows_of
from tests.flows.test_grid import charger_rows, followed, hourly, inputs_of, planned
from tests.flows.test_jobs import clock, worked  # noqa: F401
from warehouse.files import write_whole

NOW = START.timestamp()
LIMIT = SiteLimit(
    site_id="yard", begin=START + timedelta(minutes=20), end=START + timedelta(minutes=50), import_kw=4.2
)


def stated(root: Path) -> list[tuple[str, str, str, str]]:
    files = sorted((root / "inbox").glob("site_limits__csv__gateway-g-limits-*.csv"))
    found = []
    for file in files:
        header, *rows = (line.split(",") for line in file.read_text().splitlines())
        assert header[2] == "resolution_minutes"
        found += [(row[0], row[1][11:16], row[3], row[4]) for row in rows]
    return found


def test_a_limit_is_reported_once_and_lifted_once(tmp_path: Path) -> None:
    folders(tmp_path)

    def opened() -> SignalRows:
        return SignalRows(tmp_path / "told.json", tmp_path / "inbox")

    opened().report([LIMIT], NOW, "g")
    first = [("yard", at, "4.2", "") for at in ("16:15", "16:30", "16:45")]
    assert stated(tmp_path) == first
    opened().report([LIMIT], NOW + 60, "g")
    assert stated(tmp_path) == first, "nothing is new"
    lower = replace(LIMIT, import_kw=2.0, end=START + timedelta(minutes=30), export_kw=0.0)
    opened().report([LIMIT, lower], NOW + 120, "g")
    assert stated(tmp_path)[3:] == [("yard", "16:15", "2", "0")]
    opened().report([], NOW + 1900, "g")
    assert stated(tmp_path)[4:] == [("yard", "16:30", "", ""), ("yard", "16:45", "", "")]
    opened().report([], NOW + 1960, "g")
    assert len(stated(tmp_path)) == 6
    opened().report([LIMIT], NOW + 2000, "g")
    assert stated(tmp_path)[6:] == [("yard", "16:30", "4.2", ""), ("yard", "16:45", "4.2", "")]


def test_a_limit_without_an_end_is_reported_day_by_day(tmp_path: Path) -> None:
    folders(tmp_path)
    rows = SignalRows(tmp_path / "told.json", tmp_path / "inbox")
    for_ever = replace(LIMIT, end=datetime(9999, 1, 1, tzinfo=UTC))
    rows.report([for_ever], NOW, "g")
    first = len(stated(tmp_path))
    assert first == 4 * 24 * 4 - (16 * 4 + 1)
    rows.report([for_ever], NOW + 3600, "g")
    assert len(stated(tmp_path)) == first
    rows.report([for_ever], NOW + 86400, "g")
    assert len(stated(tmp_path)) == first + 96


def test_a_plan_keeps_what_the_grid_lets_a_site_draw(bare: Workspace) -> None:
    put(bare, "chargers", charger_rows())
    free = followed_power(bare)
    busiest = free.idxmax()
    assert free[busiest] > 3.0
    limit = round(free[busiest] / 2, 2)
    rows = hourly(DAY, 1, "import_limit_kw", limit, site_id="yard")
    put(bare, "site_limits", rows)
    check(Context.of(bare, AS_OF))
    problem = day_problem(inputs_of(bare))
    assert problem.constraints
    assert {one.upper for one in problem.constraints} == {limit}
    bounded = followed_power(bare)
    on_day = bounded.index < pd.Timestamp(rows["interval_start_utc"].max()) + pd.Timedelta(hours=1)
    assert bounded[on_day].max() <= limit + 1e-6
    assert bounded[on_day].max() > limit - 1e-3, "and it is used"
    sites = stored_plan(bare, str(followed(bare, "out_plan_site_slot")["plan_id"].iloc[0])).sites
    most = (
        sites[sites["site_id"] == "yard"]
        .drop_duplicates("interval_start_utc")
        .sort_values("interval_start_utc")
    )
    assert set(most["most_kw"]) == {limit, float(site_rows()["import_limit_kw"].iloc[0])}


def test_of_limits_that_overlap_in_one_file_the_least_holds(bare: Workspace) -> None:
    put(bare, "chargers", charger_rows())
    hours = hourly(DAY, 1, "import_limit_kw", 4.0, site_id="yard").assign(resolution_minutes=60)
    hours = hours[pd.to_datetime(hours["interval_start_utc"]).dt.minute == 0]
    quarters = hours.assign(
        resolution_minutes=15, import_limit_kw=1.5,
        interval_start_utc=pd.to_datetime(hours["interval_start_utc"]) + pd.Timedelta(minutes=15),
    )  # fmt: skip
    put(bare, "site_limits", pd.concat([hours, quarters]))
    check(Context.of(bare, AS_OF))
    limit, _ = inputs_of(bare).surroundings.limits_kw["yard"]
    assert sorted(set(limit[np.isfinite(limit)])) == [1.5, 4.0]
    assert np.isfinite(limit).sum() == 4 * len(hours)
    assert (limit == 1.5).sum() == len(quarters)


def test_no_car_is_left_out_for_a_limit_of_the_grid(bare: Workspace) -> None:
    put(bare, "chargers", charger_rows(max_discharge_current_a=16.0))
    put(bare, "sessions", session_rows().assign(charger_id=["yard-1", "", ""]))
    put(bare, "site_limits", hourly(DAY, 1, "import_limit_kw", 9.0, site_id="yard"))
    check(Context.of(bare, AS_OF))
    inputs = inputs_of(bare)
    assert inputs.left_out == {}
    assert day_problem(inputs).constraints


def followed_power(workspace: Workspace) -> pd.Series:
    planned(workspace)
    slots = followed(workspace, "out_plan_site_slot")
    last = slots["plan_id"].iloc[-1]
    return slots[(slots["plan_id"] == last) & (slots["site_id"] == "yard")].set_index("interval_start_utc")[
        "power_kw"
    ]


def test_a_limit_of_what_hangs_above_counts_all_below_and_their_other_load(bare: Workspace) -> None:
    above = site_rows().assign(site_id="street", import_limit_kw=99.0)
    put(bare, "sites", pd.concat([above, site_rows().assign(parent_id="street")]))
    put(bare, "site_load", hourly(DAY - timedelta(days=1), 3, "load_kw", 4.0, site_id="street"))
    put(
        bare,
        "site_limits",
        hourly(DAY, 1, "import_limit_kw", 7.0, site_id="street").assign(export_limit_kw=1.0),
    )
    check(Context.of(bare, AS_OF))
    problem = day_problem(inputs_of(bare))
    draws = [one for one in problem.constraints if "may draw" in one.name]
    feeds = [one for one in problem.constraints if "may feed back" in one.name]
    assert {one.upper for one in draws} == {3.0}
    assert {one.upper for one in feeds} == {5.0}
    plugged = sum(np.abs(one.coefficients()[0]).sum() for one in draws)
    assert plugged > 0


def test_a_signal_asks_for_a_plan_that_knows_it(
    bare: Workspace, clock: list[datetime]  # noqa: F811
) -> None:  # fmt: skip
    put(bare, "sessions", session_rows())
    clock.append(datetime.combine(DAY, datetime.min.time(), UTC) + timedelta(hours=11, minutes=1))
    worked(bare)
    assert worked(bare) == []
    clock.append(clock[-1] + timedelta(minutes=4))
    now = clock[-1]
    folders(bare.root)
    (bare.root / "signals").mkdir()
    signal = {
        "site_id": "yard",
        "from": now.isoformat(),
        "to": (now + timedelta(hours=5)).isoformat(),
        "import_kw": 1.5,
    }
    write_whole(bare.root / "signals" / "dim.json", json.dumps(signal))
    desk = made_desk(bare.root, [1], lambda: now)
    assert desk.look_at_signals()
    desk.close()
    assert asked_by_gateway(bare, now) is not None
    assert len(files_of_gateway(bare)) == 1
    clock.append(now + timedelta(seconds=5))
    assert [name for name, _ in worked(bare)] == ["inbox", "replan"]
    rows = bare.warehouse.read("core_site_limit")
    assert set(rows["import_limit_kw"]) == {1.5}
    assert len(rows) == 21
    assert rows_of(bare.root, "site_limits") == [], "taken in"
    plans = bare.warehouse.read("out_plan")
    assert plans["as_of_utc"].max() >= now, "it was planned anew"
    newest = bare.warehouse.read("out_plan").sort_values("as_of_utc").iloc[-1]
    slots = bare.warehouse.read(
        "out_plan_site_slot", where={"plan_id": newest["plan_id"], "mode": newest["followed_mode"]}
    )
    in_time = slots[slots["interval_start_utc"] < now + timedelta(hours=5)]
    assert not in_time.empty
    assert in_time["power_kw"].max() <= 1.5 + 1e-6


def test_a_plan_draws_what_the_grid_orders_as_far_as_its_cars_can(bare: Workspace) -> None:
    """Ordered for an hour in which nothing was planned to be drawn; more than cars can take is not asked."""
    put(bare, "chargers", charger_rows())
    free = followed_power(bare)
    problem = day_problem(inputs_of(bare))
    there = np.zeros(len(problem.slots), dtype=bool)
    for window in session_windows(problem):
        there[window.first : window.end] |= problem.sites[window.site].site_id == "yard"
    hours = free.reindex(problem.slots)[there].groupby(lambda at: at.floor("h")).agg(["max", "size"])
    two, much = hours[(hours["max"] < 0.5) & (hours["size"] == 4)].index[:2]
    row = {"site_id": "yard", "interval_start_utc": [two, much], "resolution_minutes": 60}
    put(bare, "site_limits", pd.DataFrame({**row, "setpoint_kw": [2.0, 500.0]}))
    check(Context.of(bare, AS_OF))
    asked = day_problem(inputs_of(bare), "v2g")
    hour_of = asked.slots.floor("h")
    due = np.where(hour_of == two, 2.0, np.where(hour_of == much, 500.0, np.nan))
    reached = attainable_kw(asked, {}, {"yard": due})["yard"]
    found = followed_power(bare).reindex(asked.slots).to_numpy()
    assert found[hour_of == two] == pytest.approx(2.0, abs=1e-3)
    assert found[hour_of == much].max() > 2.5, "as much as the cars there take"
    assert (found >= reached - 1e-3)[np.isfinite(due)].all()
    departures = followed(bare, "out_plan_departure")
    assert departures["missing_kwh"].max() < 1e-6
