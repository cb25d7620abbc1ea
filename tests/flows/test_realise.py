"""Promised and realised through the stages: plans of two days followed, and what happened next to them."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from flows.dispatch.planned import plan_file
from flows.errors import NoAccountError
from flows.mapping.in_force import plan_in_force
from flows.mapping.trace import trace
from flows.stages import Context, StageResult
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.stages.realise import realise
from flows.status import status_of
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, begun, copied, price_rows, put, session_rows, spoil
from warehouse.zones import market_day_bounds

NEXT = DAY + timedelta(days=1)
OVER = AS_OF + timedelta(days=3)


def nights(workspace: Workspace) -> None:
    """Two days of prices, each reported the day before, and the sessions of both."""
    put(workspace, "prices", price_rows(NEXT, 1), as_of=AS_OF + timedelta(days=1))
    later = session_rows(NEXT).iloc[1:]
    put(workspace, "sessions", later.assign(session_id=later["session_id"] + "n"))
    check(Context.of(workspace, AS_OF + timedelta(days=1)))


def followed(workspace: Workspace) -> None:
    """Plans of both days, each at noon of the day before."""
    for number, day in enumerate((DAY, NEXT)):
        assert plan(Context.of(workspace, AS_OF + timedelta(days=number)), day).exit_code == 0


@pytest.fixture(scope="module")
def planned_around(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder around a depot that was planned for two days."""
    around = tmp_path_factory.mktemp("followed")
    workspace = begun(calibrated_depot, around)
    nights(workspace)
    followed(workspace)
    return around


@pytest.fixture
def planned(planned_around: Path, tmp_path: Path) -> Workspace:
    return copied(planned_around, tmp_path)


def account(workspace: Workspace, *days: date, as_of: datetime = OVER) -> StageResult:
    return realise(Context.of(workspace, as_of), days or (DAY, NEXT))


def cars(workspace: Workspace, day: date) -> pd.DataFrame:
    rows = workspace.warehouse.newest("out_realised_car", by=["market_date"], where={"market_date": day})
    return rows.set_index(["mode", "battery_id"]).sort_index()


def net(rows: pd.DataFrame, prefix: str = "") -> pd.Series:
    return -rows[f"{prefix}energy_cost_eur"] - rows[f"{prefix}wear_eur"]


def test_days_that_go_as_planned_keep_every_promise(planned: Workspace) -> None:
    result = account(planned)
    assert (result.status, result.exit_code) == ("ok", 0)
    for day in (DAY, NEXT):
        rows = cars(planned, day)
        assert set(rows.index.get_level_values("mode")) == {"followed", "ordered", "uncontrolled"}
        pd.testing.assert_series_equal(net(rows), net(rows, "promised_"), check_names=False, atol=1e-6)
        for figure in ("import_kwh", "export_kwh", "v2g_kwh", "stored_kwh", "departures", "missed"):
            pd.testing.assert_series_equal(
                rows[figure], rows[f"promised_{figure}"], check_names=False, check_dtype=False, atol=1e-6
            )
        assert rows["missed"].sum() == 0
        assert rows.loc["followed", "v2g_kwh"].sum() > 0.5
    header = planned.warehouse.read("out_realised").sort_values("market_date")
    assert header["planned_slots"].tolist() == [96, 96]
    assert header["followed_modes"].tolist() == ["v2g", "v2g"]


def test_a_promise_counts_until_the_next_plan_begins(planned: Workspace) -> None:
    account(planned)
    plans = planned.warehouse.read("out_plan").sort_values("as_of_utc")["plan_id"].tolist()
    slots = planned.warehouse.read("out_plan_slot", where={"mode": "v2g", "plugged": True})
    start, end = (pd.Timestamp(bound) for bound in market_day_bounds(DAY, "DE-LU"))
    in_day = slots[(slots["interval_start_utc"] >= start) & (slots["interval_start_utc"] < end)]
    handed_over = pd.Timestamp(AS_OF + timedelta(days=1))
    first = in_day[(in_day["plan_id"] == plans[0]) & (in_day["interval_start_utc"] < handed_over)]
    second = in_day[(in_day["plan_id"] == plans[1]) & (in_day["interval_start_utc"] >= handed_over)]
    assert len(first) and len(second)
    drawn = 0.25 * (first["power_kw"].clip(lower=0).sum() + second["power_kw"].clip(lower=0).sum())
    assert cars(planned, DAY).loc["followed", "promised_import_kwh"].sum() == pytest.approx(drawn)


def test_a_car_that_came_late_is_the_cause_and_its_next_day_begins_with_less(
    planned: Workspace,
) -> None:
    late = session_rows(DAY).iloc[2:].assign(arrival_utc=f"{DAY}T15:30:00Z")
    put(planned, "sessions", late, as_of=AS_OF + timedelta(days=2))
    check(Context.of(planned, AS_OF + timedelta(days=2)))
    account(planned)
    rows = cars(planned, DAY)
    for mode in ("followed", "uncontrolled", "ordered"):
        own = rows.loc[(mode, "car-2")]
        assert own["missed"] == 1 and own["promised_missed"] == 0
        assert own["stored_kwh"] <= 10.0 * 0.25 + 1e-6
        assert own["held_kwh"] < own["left_target_kwh"]
        assert abs(own["car_eur"]) > 0.01
        causes = own[["price_eur", "car_eur", "horizon_eur", "limits_eur", "charger_eur"]].sum()
        realised, promised = net(rows).loc[(mode, "car-2")], net(rows, "promised_").loc[(mode, "car-2")]
        assert causes == pytest.approx(realised - promised, abs=1e-9)
    after = cars(planned, NEXT).xs("car-2", level="battery_id")
    stated_trip = 0.3 / 0.7 * after["left_target_kwh"]
    lacked = rows.xs("car-2", level="battery_id").eval("left_target_kwh - held_kwh")
    assert after["stored_kwh"]["uncontrolled"] == pytest.approx((stated_trip + lacked)["uncontrolled"])
    assert after["missed"].to_dict() == {"followed": 1, "ordered": 1, "uncontrolled": 0}
    # Their plan was made before: it charges what was reported of. What V2G was to feed back the car may not
    # have.
    least = after["left_target_kwh"] - lacked
    assert after["held_kwh"]["ordered"] == pytest.approx(least["ordered"])
    assert least["followed"] - 1e-6 <= after["held_kwh"]["followed"] < after["left_target_kwh"]["followed"]


def test_what_the_meter_counted_is_what_was_realised(planned: Workspace) -> None:
    slots = planned.warehouse.read("out_plan_slot", where={"mode": "v2g", "battery_id": "car-2"})
    start = pd.Timestamp(market_day_bounds(DAY, "DE-LU")[0])
    slots = slots[slots["interval_start_utc"] >= start].sort_values("interval_start_utc")
    first = slots.drop_duplicates("interval_start_utc").iloc[:96]  # of several plans, in whatever order
    rows = pd.DataFrame(
        {
            "battery_id": "car-2",
            "interval_start_utc": first["interval_start_utc"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "import_kwh": 0.0,
            "export_kwh": 0.0,
        }
    )
    rows.loc[rows["interval_start_utc"] == f"{DAY}T10:00:00Z", "import_kwh"] = 2.0
    put(planned, "metering", rows, as_of=AS_OF + timedelta(days=2))
    assert check(Context.of(planned, AS_OF + timedelta(days=2))).exit_code == 0
    account(planned, DAY)
    own = cars(planned, DAY).loc[("followed", "car-2")]
    assert (own["import_kwh"], own["export_kwh"], own["missed"]) == (2.0, 0.0, 1)
    assert abs(own["charger_eur"]) > 0.0
    other = cars(planned, DAY).loc[("followed", "car-1")]
    assert other["charger_eur"] == 0.0
    assert (own["metered_slots"], other["metered_slots"]) == (96, 0)
    assert planned.warehouse.read("out_realised")["note"].isna().all()

    rows.loc[rows["interval_start_utc"] == f"{DAY}T20:00:00Z", "import_kwh"] = 1.5  # when it had left
    put(planned, "metering", rows, as_of=AS_OF + timedelta(days=3))
    check(Context.of(planned, AS_OF + timedelta(days=3)))
    account(planned, DAY, as_of=OVER + timedelta(hours=1))
    note = planned.warehouse.read("out_realised").sort_values("as_of_utc")["note"].iloc[-1]
    assert (
        note == "the meter of car-2 counted 1.5 kWh while no session of it is known: paid, and in its battery"
    )
    held = cars(planned, DAY).loc[("followed", "car-2"), "held_kwh"]
    assert held == pytest.approx(own["held_kwh"] + 1.5 * 0.92)
    ordered = cars(planned, DAY).loc[("ordered", "car-2"), "held_kwh"]
    account(
        planned, NEXT, as_of=OVER + timedelta(hours=1)
    )  # its session was announced before: it comes with more
    next_day = cars(planned, NEXT)
    kwh = next_day.loc[("ordered", "car-2"), "left_target_kwh"] / 0.7
    came = next_day["held_kwh"] - next_day["stored_kwh"]
    assert came[("followed", "car-2")] == pytest.approx(0.4 * kwh + held - 0.7 * kwh)
    assert came[("ordered", "car-2")] == pytest.approx(0.4 * kwh + ordered - 0.7 * kwh)


def test_the_same_again_is_written_once_and_what_comes_in_later_anew(planned: Workspace) -> None:
    account(planned)
    account(planned)
    assert len(planned.warehouse.read("out_realised")) == 2
    put(planned, "prices", price_rows(DAY, 1, spread=0.02), as_of=OVER + timedelta(hours=1))
    check(Context.of(planned, OVER + timedelta(hours=1)))
    account(planned)
    assert len(planned.warehouse.read("out_realised")) == 2, "as of then, nobody knew it"
    before = cars(planned, DAY)
    account(planned, as_of=OVER + timedelta(hours=2))
    assert len(planned.warehouse.read("out_realised")) >= 3
    after = cars(planned, DAY)
    assert before["price_eur"].abs().max() == 0.0
    assert after["price_eur"].abs().max() > 0.0


def test_of_one_moment_there_is_one_account_of_a_day(
    planned: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = account(planned, DAY)
    again = account(planned, DAY)
    assert again.tables["days"] == first.tables["days"], "told of what is stored as of what was made"
    monkeypatch.setenv("V2G_PLAN__DEPARTURE_PRICE_EUR_PER_KWH", "7")
    account(Workspace.open(planned.root), DAY)
    assert len(planned.warehouse.read("out_realised")) == 1
    assert len(planned.warehouse.read("out_realised_car")) == 6


def test_a_day_that_is_not_over_or_has_no_price_has_no_account(planned: Workspace) -> None:
    early = account(planned, DAY, as_of=AS_OF + timedelta(days=1))
    assert (early.status, early.exit_code) == ("degraded", 3)
    assert "is not over" in early.message
    spoil(planned, "DELETE FROM core_price WHERE interval_start_utc >= '2024-03-20 23:00:00+00'")
    result = account(planned)
    assert result.exit_code == 3
    assert f"no account of {NEXT}" in result.message and str(DAY) in result.message
    assert planned.warehouse.read("out_realised")["market_date"].tolist() == [DAY]
    before = DAY - timedelta(days=30)
    assert account(planned, before).message == f"no plan was followed on {before}"


def test_a_day_to_come_that_no_plan_reaches_is_not_over_either(planned: Workspace) -> None:
    result = account(planned, DAY + timedelta(days=400))
    assert result.exit_code == 3
    assert "the day is not over" in result.message
    assert issubclass(NoAccountError, Exception)


def test_what_a_session_without_a_slot_lacks_its_car_lacks_on_in_plan_and_account(depot: Workspace) -> None:
    """From 06:06 to 06:25 no quarter-hour is whole: the car leaves as it came, and drives as far."""
    nights(depot)
    short = session_rows().iloc[[2]].assign(
        session_id="s0", arrival_utc=f"{DAY}T06:06:00Z", departure_utc=f"{DAY}T06:25:00Z",
        arrival_soc=0.55, departure_soc=0.7,
    )  # fmt: skip
    put(depot, "sessions", short)
    check(Context.of(depot, AS_OF + timedelta(days=1)))
    day = datetime.combine(DAY, datetime.min.time(), tzinfo=AS_OF.tzinfo)
    first = plan(Context.of(depot, AS_OF), DAY)
    at = {"battery_id": "car-2", "plan_id": first.details["plan_id"]}
    slots = depot.warehouse.read("out_plan_slot", where=at).set_index(["mode", "interval_start_utc"])
    kwh = slots.loc["uncontrolled"]["energy_end_kwh"].max() / 0.7
    came, later = pd.Timestamp(day + timedelta(hours=7, minutes=15)), pd.Timestamp(day + timedelta(hours=10))
    again = plan(Context.of(depot, later.to_pydatetime()), DAY)
    begun = depot.warehouse.read(
        "out_plan_slot", where=at | {"plan_id": again.details["plan_id"], "interval_start_utc": later}
    ).set_index("mode")["energy_start_kwh"]
    for mode in ("uncontrolled", "ordered", "v2g"):
        assert slots.loc[(mode, came), "energy_start_kwh"] == pytest.approx((0.4 - 0.15) * kwh, abs=1e-6)
        assert begun[mode] == pytest.approx(slots.loc[(mode, later), "energy_start_kwh"], abs=1e-6), mode
    plan(Context.of(depot, AS_OF + timedelta(days=1)), NEXT)
    account(depot)
    for market_day in (DAY, NEXT):
        rows = cars(depot, market_day)
        assert rows["missed"].to_dict() == rows["promised_missed"].to_dict()
        assert rows.xs("car-2", level=1)["missed"].tolist() == [int(market_day == DAY)] * 3
        pd.testing.assert_series_equal(net(rows), net(rows, "promised_"), check_names=False, atol=1e-6)


def with_drawdown(workspace: Workspace, limit: float) -> Workspace:
    """The same workspace, its settings changed in a way that makes another plan."""
    settings = workspace.settings.plan.model_copy(update={"drawdown_limit": limit})
    return dataclasses.replace(workspace, settings=workspace.settings.model_copy(update={"plan": settings}))


def test_what_is_planned_later_for_a_past_moment_was_not_followed(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan_at(workspace: Workspace, moment: datetime, made: datetime | None = None) -> str:
        with monkeypatch.context() as clock:
            if made is not None:
                clock.setattr("flows.stages.plan.now", lambda: made)
            return str(plan(Context.of(workspace, moment), DAY).details["plan_id"])

    def plan_followed(as_of: datetime) -> str:
        account(depot, DAY, as_of=as_of)
        day = depot.warehouse.newest("out_realised", by=["market_date"], where={"market_date": DAY})
        return str(day["plan_ids"].item())

    nights(depot)
    kept = plan_at(depot, AS_OF, AS_OF)
    later = AS_OF + timedelta(minutes=5)
    asked = plan_at(with_drawdown(depot, 0.5), later)  # what if…, asked months afterwards
    assert asked != kept and plan_followed(OVER) == kept
    replanned = plan_at(with_drawdown(depot, 0.4), later, later)  # the same, while it could be followed
    assert plan_followed(OVER + timedelta(hours=1)) == replanned


def test_account_pages_status_trace_and_chargers_follow_the_same_plan(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked afterwards of later knowledge is in force nowhere, what could be followed everywhere."""

    def plan_at(workspace: Workspace, moment: datetime, made: datetime) -> StageResult:
        with monkeypatch.context() as clock:
            clock.setattr("flows.stages.plan.now", lambda: made)
            return plan(Context.of(workspace, moment), DAY)

    def in_every_room(workspace: Workspace, moment: datetime) -> set[str]:
        context = Context.of(workspace, moment)
        account(workspace, DAY, as_of=moment)
        accounts = workspace.warehouse.newest("out_realised", by=["market_date"], where={"market_date": DAY})
        (last,) = status_of(workspace)["plans"]
        (then,) = status_of(workspace, moment)["plans"]
        header = plan_in_force(context.known, workspace.zone, DAY)
        assert header is not None
        return {
            *str(accounts["plan_ids"].item()).split(", "), last["plan_id"], then["plan_id"],
            plan_file(context, header).plan_id,
            publish(context, DAY).details["plan_id"], publish(context, None).details["in_force_plan_id"],
            trace(workspace, kept)["plan"]["in_force_plan_id"],
        }  # fmt: skip

    nights(depot)
    kept = str(plan_at(depot, AS_OF, AS_OF).details["plan_id"])
    later = AS_OF + timedelta(minutes=5)
    asked = plan_at(with_drawdown(depot, 0.5), later, OVER)
    assert asked.details["outcome"] == "history"
    assert "the day was over when it was made" in asked.message
    assert plan_at(with_drawdown(depot, 0.5), later, OVER).details["outcome"] == "unchanged"
    assert in_every_room(depot, OVER) == {kept}
    replanned = plan_at(with_drawdown(depot, 0.4), later, later)
    assert replanned.details["outcome"] == "new"
    assert in_every_room(depot, OVER + timedelta(hours=1)) == {replanned.details["plan_id"]}


def test_of_plans_that_all_were_written_later_the_newest_knowledge_counts(depot: Workspace) -> None:
    nights(depot)
    plan(Context.of(depot, AS_OF), DAY)
    newer = plan(Context.of(with_drawdown(depot, 0.5), AS_OF + timedelta(minutes=5)), DAY)
    account(depot, DAY)
    assert depot.warehouse.read("out_realised")["plan_ids"].item() == newer.details["plan_id"]
