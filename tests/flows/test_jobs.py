"""What is due is worked off through the real stages, one thing after the other."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from flows.context import Context
from flows.due import Job
from flows.stages import StageResult
from flows.stages.jobs import without_prefect, work_off, worst_code
from flows.stages.maintain import maintain
from flows.stages.plan import plan
from flows.stages.realise import days_to_account, realise
from flows.stages.situation import situation_of
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, price_rows, put, session_rows

CLOCKS = ("record", "ladder", "jobs", "fetch", "plan")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The moment that the stages read from the clock: its last item, to be moved by a test."""
    moments = [AS_OF]
    for module in CLOCKS:
        monkeypatch.setattr(f"flows.stages.{module}.now", lambda: moments[-1])
    return moments


def worked(workspace: Workspace) -> list[tuple[str, list[StageResult]]]:
    """What was done, by the job's name, calibration apart; it is looked at again until nothing is due."""
    done: list[tuple[str, list[StageResult]]] = []

    def do(job: Job, context: Context) -> list[StageResult]:
        if job.name == "calibrate":
            return []
        named = job.name if job.name == "replan" else f"{job.name} {job.day or ''}".strip()
        done.append((named, without_prefect(job, context)))
        return done[-1][1]

    came = work_off(workspace, do)
    first = [("catch-up", came[0])] if came and came[0] and came[0][0].stage == "catch-up" else []
    return [*first, *done]


def codes(done: list[tuple[str, list[StageResult]]]) -> dict[str, int]:
    return {name: worst_code([results]) for name, results in done}


def test_prices_that_come_make_the_plan_due_in_the_same_run(bare: Workspace, clock: list[datetime]) -> None:
    """The day after: nothing is known of it at noon, its prices are dropped into the inbox at one."""
    put(bare, "sessions", session_rows(DAY + timedelta(days=1)).assign(
        session_id=["t1", "t2", "t3"]).iloc[1:], as_of=AS_OF)  # fmt: skip
    clock.append(datetime.combine(DAY, datetime.min.time(), UTC) + timedelta(hours=11, minutes=1))
    first = worked(bare)
    assert [name for name, _ in first] == ["catch-up", "replan", "inbox", "realise", "maintain"]
    assert worked(bare) == []
    clock.append(clock[-1] + timedelta(minutes=59))
    tomorrow = DAY + timedelta(days=1)
    price_rows(tomorrow, 1).to_csv(bare.inbox / "prices__csv__tomorrow.csv", index=False)
    second = worked(bare)
    assert [name for name, _ in second] == ["inbox", f"plan {tomorrow}"]
    (made, published) = second[1][1]
    assert (made.details["plan_source"], made.details["market_date"]) == ("published", str(tomorrow))
    assert published.files
    assert worked(bare) == []
    # Without prices the day is planned at the time that is set, and that is not green.
    clock.append(clock[-1] + timedelta(days=1, hours=2, minutes=30))
    third = worked(bare)
    later = f"plan {tomorrow + timedelta(days=1)}"
    assert third[0][0] == "catch-up" and "nothing ran from 2024-03-20 12:00" in third[0][1][0].message
    assert codes(third)[later] in (3, 5)


def test_a_refused_file_is_not_green_and_costs_nothing_else(bare: Workspace, clock: list[datetime]) -> None:
    (bare.inbox / "prices__csv__broken.csv").write_text("no,prices\n1,2\n", encoding="utf-8")
    clock.append(AS_OF + timedelta(minutes=1))
    done = worked(bare)
    assert codes(done)["inbox"] == 3
    assert codes(done)["maintain"] == 0
    assert f"plan {DAY}" in codes(done)


def test_a_day_nobody_has_published_yet_is_asked_for_patiently(
    bare: Workspace, clock: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2G_FETCH__PRICES", '["energy_charts"]')
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    workspace = Workspace.open(bare.root)
    day = DAY + timedelta(days=1)
    noon = datetime.combine(DAY, datetime.min.time(), UTC) + timedelta(hours=11, minutes=46)
    for later, code in ((timedelta(), 0), (timedelta(minutes=15), 0), (timedelta(hours=1, minutes=15), 3)):
        clock.append(noon + later)
        done = dict(worked(workspace))
        (fetched, checked) = done[f"fetch {day}"]
        assert fetched.exit_code == code, fetched.message
        assert ("yet" in fetched.message) is (code == 0)
        assert checked.stage == "check"
    assert worked(workspace) == []


def test_a_backup_is_made_before_anything_is_let_go_and_the_oldest_goes(bare: Workspace) -> None:
    settings = bare.root / "v2g.toml"
    settings.write_text(settings.read_text().replace("backups = 7", "backups = 2"), encoding="utf-8")
    workspace = Workspace.open(bare.root)
    by_hand = workspace.backups / "by-hand.duckdb"
    made = []
    for number in range(3):
        result = maintain(Context.of(workspace, AS_OF + timedelta(days=number)))
        assert result.exit_code == 0
        made.append(result.files[0])
        by_hand.touch()
    there = {str(file) for file in workspace.backups.glob("2*.duckdb")}
    assert there == set(made[1:])
    assert by_hand.exists()
    assert workspace.warehouse.check_backup(made[-1])["core_session"] == 3


def test_a_backup_that_cannot_be_made_lets_nothing_go(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2G_RETENTION__SAMPLES_DAYS", "31")
    workspace = Workspace.open(bare.root)
    workspace.backups.write_text("no folder")

    def nothing(*_: object, **__: object) -> None:
        raise AssertionError("rows went without a backup")

    monkeypatch.setattr("flows.stages.maintain.let_go", nothing)
    (result,) = without_prefect(Job(name="maintain", why="of a test"), Context.of(workspace, AS_OF))
    assert result.status == "failed" and "backups" in result.message


def test_days_that_nobody_accounted_for_are_accounted_for(bare: Workspace) -> None:
    today = date(2024, 3, 19)
    assert days_to_account(Context.of(bare, AS_OF)) == [today - timedelta(days=n) for n in (3, 2, 1)]
    plan(Context.of(bare, AS_OF), DAY)
    assert realise(Context.of(bare, AS_OF + timedelta(days=2)), [DAY]).details["accounts"] == [str(DAY)]
    for later, days in ((3, 3), (9, 7), (100, 31)):  # as of so many days after it was planned
        last = today + timedelta(days=later - 1)
        wanted = [last - timedelta(days=number) for number in reversed(range(days))]
        assert days_to_account(Context.of(bare, AS_OF + timedelta(days=later))) == wanted


def test_pages_that_could_not_be_written_are_written_when_they_can_be(
    bare: Workspace, clock: list[datetime]
) -> None:
    """A plan that was made and not published, as after a publisher that failed or was killed."""
    bare.reports.rmdir()
    bare.reports.write_text("no folder", encoding="utf-8")
    clock.append(AS_OF + timedelta(minutes=1))
    tried = [one for _, results in worked(bare) for one in results if one.stage == "publish"]
    assert [one.status for one in tried] == ["failed", "failed"]
    bare.reports.unlink()
    clock.append(AS_OF + timedelta(minutes=31))
    assert worked(bare) == []
    clock.append(AS_OF + timedelta(minutes=61))
    done = worked(bare)
    assert [name for name, _ in done if name.startswith("publish")] == [f"publish {DAY - timedelta(days=1)}",
                                                                       f"publish {DAY}"]  # fmt: skip
    assert set(codes(done).values()) == {0}
    assert (bare.reports / str(DAY)).is_dir()
    clock.append(AS_OF + timedelta(minutes=122))
    assert [name for name, _ in worked(bare)] == ["inbox"]


def test_what_is_on_record_is_reported_as_of_the_moment(bare: Workspace, clock: list[datetime]) -> None:
    worked(bare)
    now = situation_of(Context.of(bare, AS_OF + timedelta(minutes=5)))
    before = situation_of(Context.of(bare, AS_OF - timedelta(minutes=5)))
    assert now.plans[DAY][0] == "published" and now.covering == AS_OF
    assert {"ingest", "plan", "maintain"} <= set(now.began)
    assert (before.plans, before.covering, dict(before.began)) == ({}, None, {})
    assert before.fleet is False and now.fleet is True
    assert now.priced == {DAY: AS_OF}
    assert now.happened["price"] == AS_OF
    assert now.happened.get("arrival") is None  # announced for 17:00, and it is noon


def test_one_thing_that_fails_costs_no_other_its_run() -> None:
    def came(stage: str, code: int) -> StageResult:
        return StageResult(stage=stage, status="ok" if code == 0 else "failed", message="", exit_code=code)

    fine, refused, no_plan = [came("ingest", 0)], [came("ingest", 3), came("check", 0)], [came("plan", 5)]
    assert worst_code([fine]) == 0
    assert worst_code([fine, refused]) == 3
    assert worst_code([refused, no_plan]) == 5
    assert worst_code([fine, [came("maintain", 74)]]) == 74
    assert worst_code([refused, [came("maintain", 74)]]) == 3
    assert worst_code([]) == 0


def test_a_day_and_more_through_the_real_stages_does_each_thing_once(
    bare: Workspace, clock: list[datetime]
) -> None:
    """Every quarter-hour is looked at, as the alarm would; files come at one, when prices are out."""
    began: list[tuple[str, str]] = []
    for number in range(26 * 4 + 1):
        clock.append(AS_OF + number * timedelta(minutes=15))
        local = clock[-1] + timedelta(hours=1)
        if f"{local:%d %H:%M}" == "20 13:00":
            day = DAY + timedelta(days=1)
            price_rows(day, 1).to_csv(bare.inbox / "prices__csv__next.csv", index=False)
            sessions = session_rows(day).iloc[1:].assign(session_id=["n2", "n3"])
            sessions.to_csv(bare.inbox / "sessions__csv__next.csv", index=False)
        began += [(f"{local:%d %H:%M}", name) for name, _ in worked(bare)]
    assert [one for one in began if one[1] != "inbox"] == [
        ("19 13:00", "replan"), ("19 13:00", f"plan {DAY}"), ("19 13:00", "realise"),
        ("19 13:00", "maintain"), ("20 05:00", "maintain"), ("20 06:30", "realise"),
        ("20 13:00", f"plan {DAY + timedelta(days=1)}"),
    ]  # fmt: skip
    looked = [when for when, name in began if name == "inbox"]
    hours = [f"{AS_OF + timedelta(hours=1 + number):%d %H:%M}" for number in range(1, 27)]
    assert sorted({*looked} - {"20 12:45", "19 13:00"}) == hours and len(looked) == len({*looked})
    plans = bare.warehouse.read("out_plan").sort_values("market_date")
    assert plans["plan_source"].tolist() == ["charge_only", "published", "published"]
