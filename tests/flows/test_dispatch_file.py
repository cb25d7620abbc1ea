"""The file of a plan for chargers: what it holds, what each connector may do alone, what is no such file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.dispatch.plan_file import PlanFileError, plan_of, text_of
from flows.dispatch.planned import FallbackShares, plan_file
from flows.mapping.in_force import plan_in_force
from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, begun, copied, put, session_rows

CHARGER = {
    "charger_id": "plug-1", "site_id": "yard", "phases": 3, "max_current_a": 16.0, "station_id": "S",
    "max_discharge_current_a": 16.0, "connector_id": 1, "efficiency_charge": 0.8, "efficiency_discharge": 0.7,
}  # fmt: skip


@pytest.fixture(scope="module")
def planned_around(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One charger whose losses are not the car's, a second one that nobody reaches, and a plan."""
    around = tmp_path_factory.mktemp("planned")
    depot = begun(calibrated_depot, around)
    other = {"charger_id": "far", "site_id": "yard", "phases": 1, "max_current_a": 16.0}
    put(depot, "chargers", pd.DataFrame([CHARGER, other]))
    put(depot, "sessions", session_rows().assign(charger_id=["plug-1", "plug-1", ""]))
    check(Context.of(depot, AS_OF))
    assert plan(Context.of(depot, AS_OF), DAY).exit_code == 0
    return around


@pytest.fixture
def planned(planned_around: Path, tmp_path: Path) -> Workspace:
    return copied(planned_around, tmp_path)


def test_a_run_writes_what_the_plan_has_to_say_to_chargers(planned: Workspace) -> None:
    context = Context.of(planned, AS_OF)
    assert publish(context, DAY).status == "ok"
    file = planned.exports / f"dispatch_{DAY}_{ZONE}.json"
    header = plan_in_force(context.known, ZONE, DAY)
    assert header is not None
    made, read = plan_file(context, header), plan_of(file.read_bytes(), file.name)
    assert text_of(read) == text_of(made) == file.read_text(encoding="utf-8")
    assert (read.plan_id, read.mode, read.as_of) == (header["plan_id"], "v2g", AS_OF)
    assert [one.plug.station_id for one in read.plugs] == ["S"]
    assert read.plugs[0].fallback_kw == pytest.approx(11.04), "half of the site's 30 kW is more than it can"
    sessions = {session.session_id: session for session in read.stays}
    assert (sessions["s2"].arrival_soc, sessions["s2"].departure_soc, sessions["s2"].told) == (0.5, 0.8, True)
    assert (sessions["s2"].charger_id, sessions["s3"].charger_id) == ("plug-1", None)


def test_the_bounds_of_a_merge_lose_what_the_charger_loses(planned: Workspace) -> None:
    context = Context.of(planned, AS_OF)
    header = plan_in_force(context.known, ZONE, DAY)
    assert header is not None
    sessions = {session.session_id: session for session in plan_file(context, header).stays}
    at_charger, elsewhere = sessions["s2"].slots, sessions["s3"].slots
    assert (at_charger.efficiency_charge, at_charger.efficiency_discharge) == (0.8, 0.7)
    assert (elsewhere.efficiency_charge, elsewhere.efficiency_discharge) == (0.92, 0.92)
    way = np.where(
        at_charger.power_kw >= 0, at_charger.efficiency_charge, 1 / at_charger.efficiency_discharge
    )
    stored = np.diff(at_charger.energy_kwh, prepend=sessions["s2"].energy_before_kwh)
    inside = slice(0, -1)  # the last quarter-hour ends with the departure
    np.testing.assert_allclose(stored[inside], 0.25 * (way * at_charger.power_kw)[inside], atol=1e-6)


def test_alone_chargers_keep_the_limit_of_every_site_above_and_leave_the_other_load_its_own() -> None:
    sites = pd.DataFrame(
        [
            {"site_id": "town", "import_limit_kw": 50.0, "parent_id": None},
            {"site_id": "yard", "import_limit_kw": 40.0, "parent_id": "town"},
            {"site_id": "hall", "import_limit_kw": 100.0, "parent_id": "town"},
        ]
    )
    slots = pd.DataFrame({"site_id": ["yard", "yard", "town"], "base_load_kw": [10.0, 16.0, np.nan]})
    chargers = [{"site_id": "yard"}] * 3 + [{"site_id": "hall"}] * 2
    shares = FallbackShares(slots, sites, chargers)
    assert shares.of("yard") == pytest.approx(8.0)  # (40 − 16) / 3, below 50 / 5
    assert shares.of("hall") == pytest.approx(10.0)  # of the town: 50 / 5
    assert 3 * shares.of("yard") + 2 * shares.of("hall") <= 50.0


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda answer: answer.pop("stays"),
        lambda answer: answer.update(format=2),
        lambda answer: answer["stays"][0].update(first_slot="2024-03-20T10:00:00"),
        lambda answer: answer["stays"][0]["slots"]["power_kw"].pop(),
        lambda answer: answer["stays"][0]["slots"]["power_kw"].__setitem__(0, None),
        lambda answer: answer["plugs"][0].update(evse_number=1),
        lambda answer: answer["stays"].append(None),
    ],
)
def test_what_is_no_plan_is_refused_by_its_name(planned: Workspace, spoilt: object) -> None:
    context = Context.of(planned, AS_OF)
    header = plan_in_force(context.known, ZONE, DAY)
    assert header is not None
    answer = json.loads(text_of(plan_file(context, header)))
    spoilt(answer)  # type: ignore[operator]
    with pytest.raises(PlanFileError, match=r"odd\.json"):
        plan_of(json.dumps(answer).encode(), "odd.json")
    for data in (b"", b"[1]", b"{" * 100_000, b"\xff"):
        with pytest.raises(PlanFileError, match=r"odd\.json"):
            plan_of(data, "odd.json")


def test_no_station_no_file(depot: Workspace) -> None:
    context = Context.of(depot, AS_OF)
    assert plan(context, DAY).exit_code == 0
    assert publish(context, DAY).status == "ok"
    assert not list(depot.exports.glob("dispatch_*"))
    assert asdict(plan_file(context, plan_in_force(context.known, ZONE, DAY) or {}))["plugs"] == ()
