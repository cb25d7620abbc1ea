"""One car that cannot be planned costs no other its plan, and is named wherever the plan is given of."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows import cli
from flows.errors import NoPlanError
from flows.mapping.left_out import in_words
from flows.mapping.read_inputs import read_inputs
from flows.mapping.trace import trace, trace_tables
from flows.stages import Context, StageResult
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, put, session_rows, spoil

SECOND_SITE = "INSERT INTO core_site SELECT * REPLACE ('other' AS site_id) FROM core_site"
MOVED = "UPDATE core_battery SET site_id = 'other' WHERE battery_id = 'car-1'"
OVERLAP = (
    "INSERT INTO core_session SELECT * REPLACE ('s1b' AS session_id, arrival_utc + INTERVAL 1 HOUR AS "
    "arrival_utc) FROM core_session WHERE session_id = 's1'"
)
FAULTS = {
    "overlap": ([OVERLAP], ["s1b", "overlaps session 's1'"]),
    "departs before it comes": (
        [
            "UPDATE core_session SET arrival_utc = departure_utc, departure_utc = arrival_utc "
            "WHERE session_id = 's2'"
        ],
        ["session 's2'", "departure_utc", "must be after arrival_utc"],
    ),
    "no soc": (
        ["UPDATE core_session SET departure_soc = 'nan' WHERE session_id = 's2'"],
        ["session 's2'", "departure_soc is nan"],
    ),
    "soc in percent": (
        ["UPDATE core_session SET arrival_soc = 55 WHERE session_id = 's1'"],
        ["session 's1'", "arrival_soc is 55"],
    ),
    "soc bounds": (
        ["UPDATE core_battery SET soc_min = 0.97 WHERE battery_id = 'car-1'"],
        ["car 'car-1'", "soc_min is 0.97", "soc_max (0.95)"],
    ),
    "no limit": (
        ["UPDATE core_battery SET charge_limit_kw = 'nan' WHERE battery_id = 'car-1'"],
        ["charge_limit_kw is nan"],
    ),
    "endless limit": (
        ["UPDATE core_battery SET charge_limit_kw = 'inf' WHERE battery_id = 'car-1'"],
        ["charge_limit_kw is inf"],
    ),
    "no capacity": (
        ["UPDATE core_battery SET nominal_energy_kwh = 0 WHERE battery_id = 'car-1'"],
        ["capacity_kwh is 0"],
    ),
    "no efficiency": (
        ["UPDATE core_battery SET efficiency_charge = 0 WHERE battery_id = 'car-1'"],
        ["efficiency_charge is 0"],
    ),
    "site without limit": (
        [SECOND_SITE, MOVED, "UPDATE core_site SET import_limit_kw = 'nan' WHERE site_id = 'other'"],
        ["site 'other'", "import_limit_kw is nan"],
    ),
    "unknown site": ([MOVED], ["site 'other' is not known"]),
    "unknown battery": (["DELETE FROM core_battery WHERE battery_id = 'car-1'"], ["not in the fleet"]),
}


def planned(workspace: Workspace) -> StageResult:
    return plan(Context.of(workspace, AS_OF), DAY)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_car_with_impossible_figures_is_named_and_the_others_are_planned(
    bare: Workspace, fault: str
) -> None:
    statements, parts = FAULTS[fault]
    spoil(bare, *statements)
    result = planned(bare)
    assert (result.exit_code, result.status, result.details["outcome"]) == (3, "degraded", "new")
    assert list(result.details["left_out"]) == ["car-1"]
    for part in parts:
        assert part in result.details["left_out"]["car-1"]
        assert part in result.message
    slots = bare.warehouse.read("out_plan_slot")
    assert set(slots["battery_id"]) == {"car-2"}
    assert slots["charge_kw"].gt(0).any()
    assert bare.warehouse.read("out_plan_departure")["missing_kwh"].max() < 1e-6
    (row,) = bare.warehouse.read("out_left_out").to_dict("records")
    assert (row["battery_id"], row["plan_id"]) == ("car-1", result.details["plan_id"])
    again = planned(bare)
    assert (again.details["outcome"], again.exit_code, again.details["left_out"]) == (
        "unchanged", 3, result.details["left_out"],
    )  # fmt: skip


def test_a_car_that_is_mended_comes_back_in(bare: Workspace) -> None:
    spoil(bare, OVERLAP)
    first = planned(bare)
    spoil(bare, "DELETE FROM core_session WHERE session_id = 's1b'")
    second = planned(bare)
    assert second.details["replaces_plan_id"] == first.details["plan_id"]
    assert "left out" in second.details["changed_inputs"]
    assert second.details["left_out"] == {}
    assert set(trace(bare, second.details["plan_id"])["left_out"]) == set()


def test_a_session_in_quarantine_leaves_its_car_out_by_name(bare: Workspace) -> None:
    rows = session_rows().iloc[[2]].assign(battery_id="car-2", session_id="s9", arrival_soc=0.3)
    spoil(bare, "DELETE FROM core_session WHERE battery_id = 'car-2'")
    put(bare, "sessions", rows.assign(departure_utc=rows["arrival_utc"].iloc[0]))
    check(Context.of(bare, AS_OF))
    result = planned(bare)
    assert (result.exit_code, list(result.details["left_out"])) == (3, ["car-2"])
    assert "session 's9' is in quarantine" in result.details["left_out"]["car-2"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "another session of the car at that time is planned"),
        ({"session_id": "s3"}, "the session is known from another row"),
        (
            {"arrival_utc": "2024-03-28T07:00Z", "departure_utc": "2024-03-28T06:00Z"},
            "it is of another day",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_session_in_quarantine_that_another_stands_for_leaves_nobody_out(
    bare: Workspace, changes: dict[str, object], why: str
) -> None:
    reversed_session = {"arrival_utc": "2024-03-20T09:00Z", "departure_utc": "2024-03-20T08:00Z"}
    rows = session_rows().iloc[[2]].assign(session_id="s9", **reversed_session).assign(**changes)
    put(bare, "sessions", rows)
    check(Context.of(bare, AS_OF))
    assert len(bare.warehouse.read("core_quarantine")) > 0
    assert planned(bare).details["left_out"] == {}


def test_a_session_still_open_since_days_ago_leaves_its_car_out_by_name(bare: Workspace) -> None:
    spoil(bare, "DELETE FROM core_session WHERE battery_id = 'car-2'")
    session = session_rows().iloc[[2]].assign(session_id="open", arrival_utc="2024-03-18T17:00Z")
    put(bare, "sessions", session.assign(departure_utc=None))
    check(Context.of(bare, AS_OF))
    result = planned(bare)
    assert (result.exit_code, list(result.details["left_out"])) == (3, ["car-2"])
    assert "session 'open' is in quarantine" in result.message


@pytest.mark.parametrize("came", ["2024-03-17T08:00Z", "2024-02-01T08:00Z"])
def test_an_open_session_of_a_car_that_came_again_or_of_long_ago_leaves_nobody_out(
    bare: Workspace, came: str
) -> None:
    rows = session_rows().iloc[[2]]
    open_session = rows.assign(session_id="open", arrival_utc=came, departure_utc=None)
    between = rows.assign(
        session_id="again", arrival_utc="2024-03-18T07:00Z", departure_utc="2024-03-18T15:00Z"
    )
    spoil(bare, "DELETE FROM core_session WHERE battery_id = 'car-2'")
    put(bare, "sessions", pd.concat([open_session, between] if came > "2024-03" else [open_session]))
    check(Context.of(bare, AS_OF))
    assert len(bare.warehouse.read("core_quarantine")) > 0
    assert planned(bare).details["left_out"] == {}


def test_of_two_sessions_without_an_end_the_newer_is_planned(bare: Workspace) -> None:
    """A stop that was lost: the car came again, and is there."""
    spoil(bare, "DELETE FROM core_session WHERE battery_id = 'car-2'")
    history = [
        session_rows()
        .iloc[[2]]
        .assign(
            session_id=f"h{day}",
            arrival_utc=f"2024-02-{day:02d}T16:00Z",
            departure_utc=f"2024-02-{day + 1:02d}T05:00Z",
        )
        for day in range(1, 28)
    ]  # fmt: skip
    opened = [
        session_rows().iloc[[2]].assign(session_id=name, arrival_utc=came, departure_utc=None)
        for name, came in (("lost", "2024-03-17T17:00Z"), ("now", "2024-03-19T10:00Z"))
    ]
    put(bare, "sessions", pd.concat([*history, *opened]))
    check(Context.of(bare, AS_OF))
    result = planned(bare)
    assert result.details["left_out"] == {}
    sessions = set(bare.warehouse.read("out_plan_departure")["session_id"])
    assert "expected:now" in sessions
    assert "expected:lost" not in sessions


def test_a_bad_short_session_costs_no_night_that_is_expected(bare: Workspace) -> None:
    spoil(bare, "DELETE FROM core_session WHERE battery_id = 'car-2'")
    history = [
        session_rows()
        .iloc[[2]]
        .assign(
            session_id=f"h{day}",
            arrival_utc=f"{pd.Timestamp('2024-02-19') + pd.Timedelta(days=day):%Y-%m-%d}T16:00Z",
            departure_utc=f"{pd.Timestamp('2024-02-20') + pd.Timedelta(days=day):%Y-%m-%d}T05:00Z",
        )
        for day in range(28)
    ]
    noon = (
        session_rows()
        .iloc[[2]]
        .assign(
            session_id="z",
            arrival_utc="2024-03-20T10:00Z",
            departure_utc="2024-03-20T10:30Z",
            arrival_soc=1.4,
        )
    )
    put(bare, "sessions", pd.concat([*history, noon]))
    check(Context.of(bare, AS_OF))
    result = planned(bare)
    assert "session 'z' is in quarantine" in result.details["left_out"]["car-2"]
    assert "what is expected of it at other times is planned" in result.details["left_out"]["car-2"]
    sessions = set(bare.warehouse.read("out_plan_departure")["session_id"])
    assert any(name.startswith("expected:car-2") for name in sessions), sessions


def test_a_session_that_ends_in_another_year_names_its_car_until_it_comes_again(bare: Workspace) -> None:
    spoil(bare, "DELETE FROM core_session WHERE battery_id = 'car-2'")
    long = (
        session_rows()
        .iloc[[2]]
        .assign(session_id="long", arrival_utc="2024-03-01T17:00Z", departure_utc="2025-03-02T07:00Z")
    )
    put(bare, "sessions", long)
    check(Context.of(bare, AS_OF))
    assert list(planned(bare).details["left_out"]) == ["car-2"]
    again = (
        session_rows()
        .iloc[[2]]
        .assign(session_id="again", arrival_utc="2024-03-11T07:00Z", departure_utc="2024-03-11T15:00Z")
    )
    put(bare, "sessions", again)
    check(Context.of(bare, AS_OF))
    assert planned(bare).details["left_out"] == {}


def test_a_session_over_several_days_is_planned_on_each_of_them(bare: Workspace) -> None:
    spoil(bare, "DELETE FROM core_session WHERE battery_id = 'car-2'")
    long = (
        session_rows()
        .iloc[[2]]
        .assign(session_id="long", arrival_utc="2024-03-17T07:00Z", departure_utc="2024-03-25T07:00Z")
    )
    put(bare, "sessions", long)
    check(Context.of(bare, AS_OF))
    result = planned(bare)
    assert result.details["left_out"] == {}
    slots = bare.warehouse.read("out_plan_slot")
    assert "car-2" in set(slots["battery_id"])


def test_a_car_without_a_session_on_the_day_is_not_left_out(bare: Workspace) -> None:
    spoil(
        bare,
        "DELETE FROM core_session WHERE battery_id = 'car-1'",
        "UPDATE core_battery SET soc_min = 0.97 WHERE battery_id = 'car-1'",
    )
    assert planned(bare).details["left_out"] == {}


def test_a_day_on_which_no_car_can_be_planned_is_no_plan(bare: Workspace) -> None:
    spoil(bare, "UPDATE core_battery SET soc_min = 0.97")
    with pytest.raises(NoPlanError, match=r"no car can be planned; left out: car-1 .*soc_min.*; car-2 "):
        planned(bare)
    assert len(bare.warehouse.read("out_plan")) == 0


def test_a_calibration_that_cannot_be_used_costs_the_car_its_v2g_alone(depot: Workspace) -> None:
    spoil(depot, "UPDATE out_calibration SET usable_energy_kwh = 'nan' WHERE battery_id = 'car-1'")
    inputs = read_inputs(Context.of(depot, AS_OF), DAY)
    assert set(inputs.batteries["battery_id"]) == {"car-1", "car-2"}
    assert inputs.left_out == {}
    assert set(inputs.unusable) == {"car-1"}
    assert set(inputs.calibrations) == {"car-2"}
    assert all(np.isfinite(soc) for soc in inputs.carried.followed.values())


def test_left_out_cars_are_on_the_pages_and_in_every_answer(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(bare, OVERLAP)

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(
            sys, "argv", ["v2g", *words, "-w", str(bare.root), f"--as-of={AS_OF.isoformat()}"]
        )
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), capsys.readouterr().out

    code, out = run("plan", "--date", str(DAY), "--json")
    (stage,) = json.loads(out)["stages"]
    assert (code, stage["exit_code"]) == (3, 3)
    assert "overlaps" in stage["left_out"]["car-1"]
    code, out = run("plan", "--date", str(DAY))
    assert code == 3
    assert "car-1" in out
    pages = publish(Context.of(bare, AS_OF), DAY).files
    index = Path(pages[0]).read_text(encoding="utf-8")
    assert "left out: car-1 (" in index.replace("&#39;", "'")
    answer = trace(bare, stage["plan_id"])
    assert [row["battery_id"] for row in answer["left_out"]] == ["car-1"]
    assert "left out" in trace_tables(answer)


def test_many_left_out_cars_are_counted() -> None:
    stated = in_words({f"car-{i}": "why" for i in range(9)})
    assert stated.startswith("car-0 (why); car-1 (why)")
    assert stated.endswith("and 4 cars more")
