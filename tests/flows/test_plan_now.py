"""Planned again at any moment: from what the cars hold, next to what is followed, on the day's own peak."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import UsageError
from flows.mapping.horizon import QUARTER, candidate_slots
from flows.mapping.inputs import PlanInputs
from flows.mapping.prices import day_to_plan_now
from flows.mapping.question import day_problem
from flows.mapping.read_inputs import read_inputs
from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, WEEK, ZONE, begun, copied, price_rows, put, session_rows
from warehouse.zones import market_day_slots

NEXT = DAY + timedelta(days=1)
MODES = ("uncontrolled", "ordered", "v2g")


def at(hour: int, minute: int = 0) -> datetime:
    return datetime.combine(DAY, time(hour, minute), tzinfo=AS_OF.tzinfo)


def ingested(workspace: Workspace, dataset: str, rows: pd.DataFrame, as_of: datetime) -> None:
    put(workspace, dataset, rows, as_of=as_of)
    assert check(Context.of(workspace, as_of)).exit_code == 0


@pytest.fixture(scope="module")
def planned_around(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Planned at noon of the day before, with the prices of two days and the hours before."""
    around = tmp_path_factory.mktemp("planned")
    depot = begun(calibrated_depot, around)
    ingested(depot, "prices", price_rows(DAY - timedelta(days=1), 3), AS_OF)
    plan(Context.of(depot, AS_OF), DAY)
    return around


@pytest.fixture
def planned(planned_around: Path, tmp_path: Path) -> Workspace:
    return copied(planned_around, tmp_path)


def again(workspace: Workspace, moment: datetime) -> pd.DataFrame:
    """The slots of a plan that is made now."""
    context = Context.of(workspace, moment)
    result = plan(context, day_to_plan_now(context))
    assert result.details["outcome"] == "new"
    return workspace.warehouse.read("out_plan_slot", where={"plan_id": result.details["plan_id"]})


def inputs_at(workspace: Workspace, moment: datetime) -> PlanInputs:
    context = Context.of(workspace, moment)
    return read_inputs(context, day_to_plan_now(context))


def begins_with(inputs: PlanInputs, session: str) -> dict[str, float]:
    """kWh at the start of the plan (or of the session) in each mode."""
    kwh = dict(zip(inputs.sessions["session_id"], inputs.sessions["battery_id"], strict=True))[session]
    return {
        mode: next(s.arrival_soc for s in day_problem(inputs, mode).sessions if s.session_id == session)
        * inputs.capacity_kwh[kwh]
        for mode in MODES
    } | {
        "followed": next(s.arrival_soc for s in day_problem(inputs).sessions if s.session_id == session)
        * inputs.capacity_kwh[kwh]
    }


def slots_of(workspace: Workspace, battery: str, mode: str = "v2g") -> pd.DataFrame:
    rows = workspace.warehouse.read("out_plan_slot", where={"battery_id": battery, "mode": mode})
    return rows.set_index("interval_start_utc").sort_index()


def test_planned_again_with_nothing_new_it_goes_on_where_it_was(planned: Workspace) -> None:
    first = planned.warehouse.read("out_plan_slot")
    for moment in (at(1, 7), at(10), at(19, 52)):
        later = again(planned, moment)
        start = pd.Timestamp(moment).ceil(QUARTER)
        assert later["interval_start_utc"].min() == start
        keys = ["mode", "battery_id", "interval_start_utc"]
        both = first.merge(later, on=keys, suffixes=("_first", "_later"))
        both = both[both["interval_start_utc"] < pd.Timestamp(f"{NEXT}T06:00Z")]
        assert len(both)
        begins = both[(both["interval_start_utc"] == start) & both["plugged_first"]]
        for one in begins.itertuples():
            assert one.energy_start_kwh_later == pytest.approx(one.energy_start_kwh_first, abs=1e-6), one
        assert both["charge_kw_later"].sum() == pytest.approx(both["charge_kw_first"].sum(), abs=0.05)


def telemetry(soc: dict[datetime, float], battery: str = "car-1") -> pd.DataFrame:
    """Samples a minute apart for a while before each of some moments, at which a car reported its charge."""
    rows = []
    for moment, reported in soc.items():
        for minute in range(30, -1, -1):
            stated = reported - 0.002 * minute
            wave = np.sin(minute)
            rows.append((moment - timedelta(minutes=minute), 355.0 + 10 * stated + wave, 20.0 + wave, stated))
    frame = pd.DataFrame(rows, columns=["time_utc", "voltage_v", "current_a", "soc_reported"])
    return frame.assign(battery_id=battery, temperature_degc=20.0)


def test_it_begins_with_what_a_car_reported_and_what_was_followed_since(planned: Workspace) -> None:
    kwh = inputs_at(planned, at(19)).capacity_kwh["car-1"]
    stated_at = at(18, 50)
    ingested(planned, "telemetry", telemetry({stated_at: 0.62}), at(18, 55))
    inputs = inputs_at(planned, at(19, 4))
    rows = slots_of(planned, "car-1")
    net = rows["charge_kw"] - rows["discharge_kw"]
    moved = net[pd.Timestamp(at(18, 45))] * 10 / 60 + net[pd.Timestamp(at(19))] * 0.25
    begun = begins_with(inputs, "s2")
    assert begun["followed"] == pytest.approx(0.62 * kwh + moved)
    for mode in ("uncontrolled", "ordered"):  # hours after it came, its word tells of no mode
        there = slots_of(planned, "car-1", mode).loc[pd.Timestamp(at(19)), "energy_end_kwh"]
        assert begun[mode] == pytest.approx(there), mode


def test_what_a_car_tells_soon_after_it_came_is_so_in_every_mode(planned: Workspace) -> None:
    kwh = inputs_at(planned, at(16)).capacity_kwh["car-1"]
    before = {mode: slots_of(planned, "car-1", mode) for mode in ("uncontrolled", "ordered", "v2g")}
    ingested(planned, "telemetry", telemetry({at(16, 30): 0.41}), at(16, 35))  # 0.35 at 16:00
    less = 0.35 * kwh - before["v2g"].loc[pd.Timestamp(at(16)), "energy_start_kwh"]
    begun = begins_with(inputs_at(planned, at(16, 50)), "s2")
    for mode in ("uncontrolled", "ordered"):
        there = before[mode].loc[pd.Timestamp(at(16, 45)), "energy_end_kwh"]
        assert begun[mode] == pytest.approx(there + less), mode


def test_a_late_car_holds_nothing_that_it_was_to_be_charged_with(planned: Workspace) -> None:
    """Announced for 16:00, reported at 18:01 to have come at 18:00; another plan lies between."""
    again(planned, at(16, 5))
    late = session_rows().iloc[[1]].assign(arrival_utc=f"{DAY}T18:00:00Z")
    ingested(planned, "sessions", late, at(18, 1))
    inputs = inputs_at(planned, at(18, 5))
    for mode, held in begins_with(inputs, "s2").items():
        own = slots_of(planned, "car-1", "v2g" if mode == "followed" else mode)
        own = own[own["as_of_utc"] == pd.Timestamp(at(16, 5))].loc[pd.Timestamp(at(18))]
        more = 0.5 * inputs.capacity_kwh["car-1"] + (own["charge_kw"] - own["discharge_kw"]) * 0.25
        assert held == pytest.approx(more, abs=3.0), mode  # and what a mode left the car above its promise


def test_a_car_that_is_told_to_be_late_is_not_followed_before_it_comes(planned: Workspace) -> None:
    late = session_rows().iloc[[1]].assign(arrival_utc=f"{DAY}T20:10:00Z")
    ingested(planned, "sessions", late, at(15, 55))
    again(planned, at(15, 56))
    inputs = inputs_at(planned, at(20, 15))
    rows = slots_of(planned, "car-1")
    of_first = rows[(rows.index < pd.Timestamp(at(6))) & (rows["as_of_utc"] == pd.Timestamp(AS_OF))]
    left = of_first["energy_end_kwh"].iloc[-1] - 0.8 * inputs.capacity_kwh["car-1"]
    expected = 0.5 * inputs.capacity_kwh["car-1"] + left
    assert begins_with(inputs, "s2")["followed"] == pytest.approx(expected)
    of_day = of_first[of_first.index >= market_day_slots(DAY, ZONE)[0]]
    assert inputs.v2g_used_kwh.get("car-1", 0.0) == pytest.approx(of_day["discharge_kw"].sum() * 0.25)


def test_an_early_leaver_comes_back_with_what_it_left_with(planned: Workspace) -> None:
    """s1 leaves at 01:00 instead of 06:00, reported at 01:30: what it lacks of its promise it lacks at
    16:00."""
    early = session_rows().iloc[[0]].assign(departure_utc=f"{DAY}T01:00:00Z")
    ingested(planned, "sessions", early, at(1, 30))
    rows = slots_of(planned, "car-1").loc[pd.Timestamp(at(0, 45))]
    again(planned, at(1, 35))
    for moment in (at(7), at(15)):
        inputs = inputs_at(planned, moment)
        kwh = inputs.capacity_kwh["car-1"]
        expected = max(0.0, 0.5 * kwh + rows["energy_end_kwh"] - 0.8 * kwh)
        assert begins_with(inputs, "s2")["followed"] == pytest.approx(expected), moment


def test_a_word_that_came_later_or_of_another_session_is_none(planned: Workspace) -> None:
    before = begins_with(inputs_at(planned, at(19, 4)), "s2")
    ingested(planned, "telemetry", telemetry({at(15, 50): 0.2}), at(16))  # before it came
    ingested(planned, "telemetry", telemetry({at(18, 50): 0.62}), at(19, 30))  # received after
    assert begins_with(inputs_at(planned, at(19, 4)), "s2") == before
    assert begins_with(inputs_at(planned, at(19, 31)), "s2")["followed"] != pytest.approx(before["followed"])


def test_a_session_that_is_announced_when_the_car_has_come_says_what_it_came_with(planned: Workspace) -> None:
    ingested(planned, "sessions", session_rows().iloc[[1]].assign(arrival_soc=0.3), at(16, 5))
    inputs = inputs_at(planned, at(16, 20))
    kwh = inputs.capacity_kwh["car-1"]
    begun, rows = begins_with(inputs, "s2"), slots_of(planned, "car-1")
    net = (rows["charge_kw"] - rows["discharge_kw"])[pd.Timestamp(at(16)) : pd.Timestamp(at(16, 15))]
    assert begun["followed"] == pytest.approx(max(0.0, 0.3 * kwh + net.sum() * 0.25))
    other = slots_of(planned, "car-1", "ordered").loc[pd.Timestamp(at(16, 15))]
    less = 0.3 * kwh - rows.loc[pd.Timestamp(at(16)), "energy_start_kwh"]
    assert begun["ordered"] == pytest.approx(other["energy_end_kwh"] + less)
    assert begun["ordered"] < other["energy_end_kwh"]


def test_a_car_that_nobody_expected_charges_until_a_plan_sees_it(planned: Workspace) -> None:
    session = pd.DataFrame(
        [("new", "car-2", f"{DAY}T18:03:00Z", f"{NEXT}T05:00:00Z", 0.3, 0.9)],
        columns=session_rows().columns,
    )
    ingested(planned, "sessions", session, at(18, 5))
    inputs = inputs_at(planned, at(18, 50))
    begun = begins_with(inputs, "new")
    kwh = inputs.capacity_kwh["car-2"]
    assert begun["followed"] == pytest.approx(0.3 * kwh + 10.0 * 0.75)  # 18:15 to 19:00 at 10 kW
    later = again(planned, at(18, 50))
    assert (later["battery_id"] == "car-2").any()
    inputs = inputs_at(planned, at(19, 20))  # from here on as that plan says
    rows = slots_of(planned, "car-2")
    rows = rows[rows["as_of_utc"] == pd.Timestamp(at(18, 50))]
    assert begins_with(inputs, "new")["followed"] == pytest.approx(
        rows.loc[pd.Timestamp(at(19, 15)), "energy_end_kwh"], abs=1e-6
    )


def test_the_day_of_now_is_the_last_with_prices(depot: Workspace) -> None:
    assert day_to_plan_now(Context.of(depot, AS_OF)) == DAY
    assert day_to_plan_now(Context.of(depot, at(9))) == DAY
    ingested(depot, "prices", price_rows(NEXT, 1), at(12))
    assert day_to_plan_now(Context.of(depot, at(11))) == DAY
    assert day_to_plan_now(Context.of(depot, at(13))) == NEXT


def test_now_and_a_date_exclude_each_other_and_now_is_planned(depot: Workspace) -> None:
    run = CliRunner()
    both = run.invoke(app, ["plan", "--now", "--date", str(DAY), "-w", str(depot.root)])
    assert isinstance(both.exception, UsageError)
    answer = run.invoke(app, ["plan", "--now", "--as-of", f"{DAY}T09:07Z", "-w", str(depot.root), "--json"])
    assert answer.exit_code == 0, answer.output
    (header,) = depot.warehouse.read("out_plan").to_dict("records")
    assert header["first_slot_utc"] == pd.Timestamp(at(9, 15))
    assert header["market_date"] == DAY


def with_setting(workspace: Workspace, line: str) -> Workspace:
    file = workspace.root / "v2g.toml"
    text = file.read_text(encoding="utf-8")
    name = line.partition(" ")[0]
    kept = [one for one in text.splitlines() if not one.startswith(f"{name} ")]
    file.write_text("\n".join([*kept, "", "[plan]" if "[plan]" not in kept else ""]), encoding="utf-8")
    settled = file.read_text(encoding="utf-8").replace("[plan]", f"[plan]\n{line}", 1)
    file.write_text(settled, encoding="utf-8")
    return Workspace.open(workspace.root)


def test_a_peak_that_the_day_has_had_is_not_paid_again(planned: Workspace) -> None:
    priced = with_setting(planned, "peak_price_eur_per_kw = 0.5")
    inputs = inputs_at(priced, at(19))
    midnight = market_day_slots(DAY, ZONE)[0]
    rows = priced.warehouse.read("out_plan_site_slot", start=midnight, end=pd.Timestamp(at(19)))
    for mode in MODES:
        most = rows.loc[rows["mode"] == mode, "power_kw"].max()
        assert day_problem(inputs, mode).sites[0].peak_so_far_kw == pytest.approx(max(0.0, most)), mode
    followed = day_problem(inputs).sites[0].peak_so_far_kw
    assert followed == day_problem(inputs, "v2g").sites[0].peak_so_far_kw > 0.0
    assert day_problem(inputs_at(priced, AS_OF), "v2g").sites[0].peak_so_far_kw == 0.0


def test_a_market_day_that_has_begun_is_planned_from_now_on() -> None:
    whole = candidate_slots(ZONE, DAY, AS_OF, "market_day")
    assert len(whole) == 96
    begun = candidate_slots(ZONE, DAY, at(9, 7), "market_day")
    assert (begun[0], begun[-1]) == (pd.Timestamp(at(9, 15)), whole[-1])
    assert len(candidate_slots(ZONE, DAY, AS_OF + timedelta(days=9), "market_day")) == 96  # to account for


def test_departing_has_its_price_from_whatever_is_followed_in_each_slot(planned: Workspace) -> None:
    """A plan of the next market day took over this evening: what it says is what changing is from."""
    again(planned, at(14))
    dear = with_setting(planned, "change_price_eur_per_kwh = 5.0")
    before = dear.warehouse.read("out_plan_slot", where={"mode": "v2g"})
    before = before[before["as_of_utc"] == pd.Timestamp(at(14))]
    ingested(dear, "prices", price_rows(NEXT, 1, spread=-0.06), at(15))
    later = again(dear, at(17))
    both = before.merge(later[later["mode"] == "v2g"], on=["battery_id", "interval_start_utc"])
    assert len(both) > 40
    assert both["power_kw_x"].abs().sum() > 1.0
    np.testing.assert_allclose(both["power_kw_y"], both["power_kw_x"], atol=1e-5)


def test_a_day_that_is_over_is_planned_as_of_its_publication(depot: Workspace) -> None:
    day = DAY + WEEK
    out = datetime.combine(day - timedelta(days=1), time(11, 57), tzinfo=AS_OF.tzinfo)
    ingested(depot, "prices", price_rows(day, 1), out)
    answer = CliRunner().invoke(app, ["plan", "--date", str(day), "-w", str(depot.root), "--json"])
    assert answer.exit_code == 0, answer.output
    (header,) = depot.warehouse.read("out_plan").to_dict("records")
    assert (header["as_of_utc"], header["plan_source"]) == (pd.Timestamp(out), "published")
