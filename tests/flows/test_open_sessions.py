"""A car that came and has not left: planned until it usually leaves, and named where nobody can tell when."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from flows.errors import NoPlanError
from flows.mapping.read_inputs import read_inputs
from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, put
from tests.flows.test_expected import home, home_around, lived, load  # noqa: F401 (fixtures)

EVENING = AS_OF + timedelta(hours=8)  # 21 o'clock local of the day before DAY
CAME = pd.Timestamp(f"{DAY - timedelta(days=1)}T17:20Z")


def comes(workspace: Workspace, *, after: timedelta = timedelta(0), **given: object) -> None:
    """A session that has begun and not ended, as a charger tells it."""
    row = lived(DAY - timedelta(days=1), 1).assign(session_id="tx9", arrival_utc=CAME, departure_utc=None)
    put(workspace, "sessions", row.assign(**given), as_of=EVENING + after)
    check(Context.of(workspace, EVENING + after))


def sessions(workspace: Workspace, hours: float = 0.0) -> pd.DataFrame:
    inputs = read_inputs(Context.of(workspace, EVENING + timedelta(hours=hours)), DAY)
    return inputs.sessions.set_index("session_id")


def test_a_session_that_goes_on_is_planned_until_its_car_is_used_to_leave(home: Workspace) -> None:  # noqa: F811
    comes(home)
    result = plan(Context.of(home, EVENING), DAY)
    assert result.details["left_out"] == {}
    assert "expected and not announced: sessions 2, cars 1" in result.message
    own = sessions(home).loc["expected:tx9"]
    assert own["arrival_utc"] == CAME
    early, usual = (pd.Timestamp(f"{DAY}T{clock}Z") for clock in ("05:00", "06:10"))
    assert early < own["departure_utc"] < usual
    assert (own["arrival_soc"], own["departure_soc"]) == (0.6, 0.8)
    known_rows = home.warehouse.read("out_expected_stay").set_index("session_id").loc["expected:tx9"]
    assert known_rows["probability"] == 1.0
    assert known_rows["arrival_utc_q10"] == known_rows["arrival_utc_q90"] == CAME
    assert known_rows["departure_utc_q10"] < known_rows["departure_utc_q90"]
    departures = home.warehouse.read("out_plan_departure", where={"session_id": "expected:tx9"})
    assert (departures["missing_kwh"] < 1e-6).all()
    slots = home.warehouse.read("out_plan_slot", where={"mode": "ordered", "plugged": True})
    assert slots["interval_start_utc"].min() == pd.Timestamp(EVENING)


def test_what_is_reported_of_its_end_takes_its_place(home: Workspace) -> None:  # noqa: F811
    comes(home)
    hour = timedelta(hours=1)
    comes(home, after=hour, departure_utc=f"{DAY}T03:00Z")
    found = sessions(home, 1.0)
    assert found.loc["tx9", "departure_utc"] == pd.Timestamp(f"{DAY}T03:00Z")
    assert "expected:tx9" not in found.index
    assert "expected:tx9" in sessions(home).index, "an hour ago nobody knew"


def test_charges_that_are_not_reported_are_as_usual(home: Workspace) -> None:  # noqa: F811
    comes(home, arrival_soc=np.nan, departure_soc=np.nan)
    own = sessions(home).loc["expected:tx9"]
    assert own["departure_soc"] == 0.8
    assert 0.5 < own["arrival_soc"] < 0.62


def test_a_car_that_should_have_left_long_ago_or_has_no_past_is_left_out_by_name(home: Workspace) -> None:  # noqa: F811
    comes(home)
    with pytest.raises(NoPlanError, match=r"left out: car-1 \(session 'tx9' is in quarantine"):
        read_inputs(Context.of(home, EVENING + timedelta(hours=14)), DAY)  # at noon of DAY
    stranger = lived(DAY - timedelta(days=1), 1, "car-2").assign(departure_utc=None)
    put(home, "sessions", stranger, as_of=EVENING)
    check(Context.of(home, EVENING))
    assert set(read_inputs(Context.of(home, EVENING), DAY).left_out) == {"car-2"}


def test_a_session_that_nobody_ended_for_a_week_counts_as_over_and_its_car_is_named(home: Workspace) -> None:  # noqa: F811
    parked = lived(DAY - timedelta(days=9), 1, "car-2").assign(session_id="tx2", departure_utc=None)
    put(home, "sessions", parked, as_of=EVENING)
    comes(home)
    result = plan(Context.of(home, EVENING), DAY)
    assert result.details["left_out"] == {}
    (why,) = result.details["not_expected"].values()
    assert set(result.details["not_expected"]) == {"car-2"}
    assert why == (
        f"its session 'tx2' of {DAY - timedelta(days=9):%Y-%m-%d} has no end and is taken as over after 7 "
        f"days"
    )
    put(home, "sessions", lived(DAY - timedelta(days=3), 1, "car-2"), as_of=EVENING)  # it came again
    check(Context.of(home, EVENING))
    assert plan(Context.of(home, EVENING), DAY).details["not_expected"] == {}


@pytest.mark.parametrize("again", ["04:00", "18:00"])
def test_a_session_announced_for_later_stands_not_in_the_place_of_one_that_goes_on(
    home: Workspace,  # noqa: F811
    again: str,
) -> None:
    comes(home)
    for car in ("car-1", "car-2"):
        later = lived(DAY, 1, car).assign(session_id=f"later-{car}", arrival_utc=f"{DAY}T{again}Z")
        put(home, "sessions", later.assign(departure_utc=f"{DAY}T20:00Z"), as_of=EVENING)
    stranger = lived(DAY - timedelta(days=1), 1, "car-2").assign(arrival_utc=CAME, departure_utc=None)
    put(home, "sessions", stranger, as_of=EVENING)
    check(Context.of(home, EVENING))
    result = plan(Context.of(home, EVENING), DAY)
    assert set(result.details["left_out"]) == {"car-2"}, "nobody can tell when its first session ends"
    own = sessions(home)
    assert own.loc["expected:tx9", "departure_utc"] <= pd.Timestamp(f"{DAY}T{again}Z")
    planned = set(home.warehouse.read("out_plan_departure")["session_id"])
    assert {"expected:tx9", "later-car-1", "later-car-2"} <= planned


def test_a_car_that_comes_at_any_hour_is_named_and_spoils_no_plan(home: Workspace) -> None:  # noqa: F811
    wide = lived(DAY - timedelta(days=41), 40, car="car-2")
    offset = pd.to_timedelta([(11 * number) % 17 for number in range(40)], unit="h")
    came = wide["arrival_utc"].dt.normalize() + pd.Timedelta(hours=5) + offset
    load(home, wide.assign(arrival_utc=came, departure_utc=came + pd.Timedelta(minutes=50)))
    result = plan(Context.of(home, AS_OF), DAY)
    assert result.details["left_out"] == {}
    assert set(result.details["not_expected"]) == {"car-2"}
    assert "not expected: car-2 (likely to come on 2024-03" in result.message
    assert "its past is too wide" in result.message
    index = next(file for file in publish(Context.of(home, AS_OF), DAY).files if file.endswith("index.html"))
    assert "Not expected: car-2 (likely to come on" in (home.root / index).read_text(encoding="utf-8")
    put(home, "sessions", lived(DAY - timedelta(days=1), 1, "car-2"), as_of=AS_OF)
    check(Context.of(home, AS_OF))
    assert plan(Context.of(home, AS_OF), DAY).details["not_expected"] == {}, "it is planned as given"


def test_a_site_that_draws_more_than_its_limit_by_itself_is_named(bare: Workspace) -> None:
    starts = pd.date_range(AS_OF, periods=4 * 60, freq="15min")
    load_kw = np.where(starts.hour == 18, 41.5, 5.0)
    rows = pd.DataFrame(
        {"site_id": "yard", "interval_start_utc": starts, "resolution_minutes": 15, "load_kw": load_kw}
    )
    put(bare, "site_load", rows)
    check(Context.of(bare, AS_OF))
    result = plan(Context.of(bare, AS_OF), DAY)
    assert result.exit_code == 3
    assert "site yard: besides cars it draws up to 41.5 kW, above its limit of 30.0 kW" in result.message
    assert f"quarter-hours from {DAY} 18:00 UTC on" in result.message


@pytest.mark.parametrize(
    ("changes", "let_in"),
    [
        ({"min_current_a": 16.0}, True), ({"min_current_a": 17.0}, False), ({"min_current_a": None}, True),
        ({"min_current_a": 12.0, "max_discharge_current_a": 10.0}, False),
        ({"min_current_a": 12.0, "max_discharge_current_a": 0.0}, True),
    ],
)  # fmt: skip
def test_a_charger_that_could_never_be_on_is_set_aside(
    workspace: Workspace, changes: dict[str, object], let_in: bool
) -> None:
    charger = {"charger_id": "left", "site_id": "yard", "phases": 3, "max_current_a": 16.0}
    put(workspace, "chargers", pd.DataFrame([{**charger, **changes}, {**charger, "charger_id": "right"}]))
    check(Context.of(workspace, AS_OF))
    assert set(workspace.warehouse.read("core_charger")["charger_id"]) == {"right", *(["left"] * let_in)}
    rows = workspace.warehouse.read("core_quarantine")
    assert rows["rule"].tolist() == [] if let_in else ["least_above_most"]
    if not let_in:
        assert "min_current_a is above max_" in rows["reason"].item()
        assert rows["value"].item() == str(changes["min_current_a"])


def test_a_file_that_tells_of_sessions_that_go_on_alone_has_not_failed(home: Workspace) -> None:  # noqa: F811
    row = lived(DAY - timedelta(days=1), 1).assign(session_id="tx9", arrival_utc=CAME, departure_utc=None)
    put(home, "sessions", row, as_of=EVENING)
    result = check(Context.of(home, EVENING))
    assert (result.status, result.exit_code) == ("degraded", 0)
    assert "failed" not in result.message and result.details["quarantined"] == 1
    put(home, "sessions", row.assign(arrival_soc=1.3), as_of=EVENING + timedelta(hours=1))
    assert check(Context.of(home, EVENING + timedelta(hours=1))).exit_code == 4
    put(home, "sessions", row.assign(arrival_utc=None), as_of=EVENING + timedelta(hours=2))
    assert check(Context.of(home, EVENING + timedelta(hours=2))).exit_code == 4, "nothing says that it began"
