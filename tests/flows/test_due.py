"""What is due: a whole year with both clock changes, a machine that was off, prices that are late."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest

from flows.due import LOOK_EVERY, Job, Situation, due, skipped, upcoming
from flows.schedules import ALARM, ScheduleSettings
from warehouse.zones import market_timezone

SETTINGS = ScheduleSettings()
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """A workspace without one: what is done is on record at once, prices are out when a test says so."""

    def __init__(self, zone: str, settings: ScheduleSettings, out: Callable[[date], datetime]) -> None:
        self.zone, self.settings, self.out = zone, settings, out
        self.began: dict[str, datetime] = {}
        self.priced: dict[date, datetime] = {}
        self.plans: dict[date, tuple[str, datetime]] = {}
        self.done: list[tuple[datetime, Job]] = []
        self.stated: list[str] = []

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(ZoneInfo(market_timezone(self.zone)))

    def situation(self, now: datetime) -> Situation:
        today = self.local(now).date()
        days = (today, today + timedelta(days=1))
        begun = [as_of for day, (_, as_of) in self.plans.items() if day in days and self._holds(day, now)]
        return Situation(
            began=dict(self.began),
            lacking=frozenset(day for day in days if day not in self.priced),
            priced={day: self.priced[day] for day in days if day in self.priced},
            plans={day: self.plans[day] for day in days if day in self.plans},
            covering=max(begun, default=None),
            happened={"price": max(self.priced.values())} if self.priced else {},
            planned=frozenset(self.plans),
            fleet=True,
        )

    def _holds(self, day: date, now: datetime) -> bool:
        """Whether a plan of a market day holds the next quarter-hour: from its making to the day's end."""
        return self.local(now) < datetime.combine(
            day + timedelta(days=1), time(), ZoneInfo(market_timezone(self.zone))
        )

    def look(self, now: datetime) -> list[Job]:
        """What one alarm does."""
        self.stated += skipped(self.settings, self.zone, now, self.situation(now))
        jobs: list[Job] = []
        while True:
            moment = now + len(jobs) * timedelta(seconds=1)
            left = due(self.settings, self.zone, moment, self.situation(moment))
            left = [job for job in left if job not in jobs]
            if not left:
                self.done += [(now, job) for job in jobs]
                return jobs
            jobs.append(left[0])
            self._do(left[0], moment)

    def _do(self, job: Job, now: datetime) -> None:
        stage = {"inbox": "ingest", "replan": "plan"}.get(job.name, job.name)
        self.began[stage] = now
        today = self.local(now).date()
        if job.name == "fetch" and job.day is not None and self.out(job.day) <= now:
            self.priced[job.day] = now
        if job.name in ("plan", "replan"):
            tomorrow = today + timedelta(days=1)
            day = job.day or (tomorrow if tomorrow in self.priced else today)
            self.plans[day] = ("published" if day in self.priced else "substituted", now)

    def by_day(self, name: str) -> Counter[date]:
        return Counter(self.local(when).date() for when, job in self.done if job.name == name)


def year(zone: str, until: date = date(2027, 1, 1)) -> Iterator[datetime]:
    end = datetime.combine(until, time(), UTC)
    return takewhile(lambda now: now < end, (BEGIN + number * LOOK_EVERY for number in range(10**6)))


def at(zone: str, clock: str, *, late: timedelta = timedelta()) -> Callable[[date], datetime]:
    """Prices of a day are out at a local time of the day before."""
    timezone = ZoneInfo(market_timezone(zone))

    def out(day: date) -> datetime:
        before = datetime.combine(day - timedelta(days=1), time.fromisoformat(clock), timezone)
        return before.astimezone(UTC) + late

    return out


@pytest.mark.parametrize("zone", ["DE-LU", "FI", "GB", "PT"])
def test_over_a_year_nothing_is_missed_and_nothing_doubled(zone: str) -> None:
    world = World(zone, SETTINGS, at(zone, "12:57"))
    for now in year(zone):
        world.look(now)
    days = {date(2026, 1, 2) + timedelta(days=number) for number in range(364)} - {date(2027, 1, 1)}
    for name in ("calibrate", "realise", "maintain", "plan"):
        counted = world.by_day(name)
        assert {day: counted[day] for day in days} == dict.fromkeys(days, 1), name
    wall = {"calibrate": "22:30", "realise": "06:30", "maintain": "05:00", "plan": "13:00"}
    for name, clock in wall.items():
        times = {f"{world.local(when):%H:%M}" for when, job in world.done
                 if job.name == name and world.local(when).date() in days}  # fmt: skip
        assert times == {clock}, name
    # Every hour of UTC, and once more where `ingest` is at no full hour.
    hours = Counter(when.replace(minute=0) for when, job in world.done if job.name == "inbox")
    assert set(hours) == {BEGIN + timedelta(hours=number) for number in range(365 * 24)}
    assert set(hours.values()) <= {1, 2} and sum(hours.values()) <= 366 * 25
    # From 12:45 on until they are out, and never again on that day.
    asked = [f"{world.local(when):%H:%M}" for when, job in world.done if job.name == "fetch"]
    assert Counter(asked[2:]).keys() == {"12:45", "13:00"}
    assert all(world.by_day("fetch")[day] == 2 for day in days)
    # Each day is planned before its first quarter-hour, on its own prices; nobody was away.
    timezone = ZoneInfo(market_timezone(zone))
    assert all(world.plans[day][0] == "published" for day in days)
    assert all(world.plans[day][1] < datetime.combine(day, time(), timezone) for day in days)
    assert world.stated == []


def test_prices_that_are_late_are_asked_for_until_they_are_out() -> None:
    zone = "DE-LU"
    world = World(zone, SETTINGS, at(zone, "12:57", late=timedelta(hours=3)))
    for now in year(zone, date(2026, 1, 4)):
        world.look(now)
    third = [(f"{world.local(when):%H:%M}", job) for when, job in world.done
             if world.local(when).date() == date(2026, 1, 3)]  # fmt: skip
    asked = [(clock, job.patient) for clock, job in third if job.name == "fetch"]
    assert [clock for clock, _ in asked] == [
        "12:45", "13:00", "13:15", "13:30", "13:45", "14:00", "14:15", "14:30", "14:45", "15:00", "15:15",
        "15:30", "15:45", "16:00",
    ]  # fmt: skip
    assert next(clock for clock, patient in asked if not patient) == "14:00"
    assert [clock for clock, job in third if job.name == "plan"] == ["14:30", "16:00"]


def test_a_machine_that_was_off_plans_what_still_runs_first_and_says_what_it_skipped() -> None:
    zone = "DE-LU"
    world = World(zone, SETTINGS, at(zone, "12:57"))
    off, on = datetime(2026, 3, 27, 9, 5, tzinfo=UTC), datetime(2026, 3, 30, 10, 7, tzinfo=UTC)
    for now in year(zone, date(2026, 3, 28)):
        if now < off:
            world.look(now)
    assert world.stated == []
    jobs = [(job.name, job.day) for job in world.look(on)]
    today = date(2026, 3, 30)
    assert jobs == [
        ("replan", today), ("inbox", None), ("fetch", today), ("replan", None), ("realise", None),
        ("maintain", None),
    ]  # fmt: skip
    assert world.stated[0] == "nothing ran from 2026-03-27 09:00 to 2026-03-30 10:07 UTC"
    assert world.stated[1:] == [
        "2026-03-28 was never planned, and is over",
        "2026-03-29 was never planned, and is over",
        "realise: one run now does for 3",
        "maintain: one run now does for 3",
        "calibrate: 3 nights are over, the next one is tonight at 22:30",
    ]
    # The late alarms of the time asleep find nothing.
    assert world.look(on + timedelta(minutes=1)) == []


def test_what_is_planned_anew_is_what_the_settings_name() -> None:
    zone, noon = "DE-LU", datetime(2026, 5, 4, 10, tzinfo=UTC)
    planned = noon - timedelta(minutes=40)
    today = date(2026, 5, 4)
    came = noon - timedelta(minutes=5)

    def names(settings: ScheduleSettings, **happened: datetime) -> list[str]:
        began = dict.fromkeys(("ingest", "fetch", "realise", "maintain", "calibrate"), noon)
        record = Situation(
            began={**began, "plan": planned}, covering=planned - timedelta(minutes=1), happened=happened,
            plans={today: ("published", planned)}, fleet=True,
        )  # fmt: skip
        return [job.why for job in due(settings, zone, noon, record) if job.name == "replan"]

    every = ScheduleSettings(replan_on=["arrival", "unplanned", "departure", "price"])
    for name in ("arrival", "unplanned", "departure", "price"):
        assert names(every, **{name: came}) == [f"since the last plan: {name}"]
        assert names(every, **{name: planned - timedelta(minutes=1)}) == []
        assert names(ScheduleSettings(replan_on=[]), **{name: came}) == []
    assert names(ScheduleSettings(replan_minutes=30)) == ["every 30 minutes"]
    assert names(ScheduleSettings(replan_minutes=0)) == []
    # 09:20 to 10:00 UTC: no full two hours have come in between but one.
    assert names(ScheduleSettings(replan_minutes=120)) == ["every 120 minutes"]
    assert names(ScheduleSettings(replan_minutes=180)) == []


def test_a_plan_that_came_to_none_is_tried_again_in_another_hour_and_costs_no_other_day() -> None:
    zone, noon = "DE-LU", datetime(2026, 5, 4, 13, 15, tzinfo=UTC)
    today, tomorrow = date(2026, 5, 4), date(2026, 5, 5)
    began = dict.fromkeys(("ingest", "fetch", "realise", "maintain", "calibrate"), noon)
    now, before = noon - timedelta(minutes=10), noon - timedelta(minutes=20)
    for failed, tried in (
        ({today: now, tomorrow: now}, []),
        ({today: now}, ["plan"]),
        ({tomorrow: now}, ["replan"]),
        ({today: before, tomorrow: before}, ["replan", "plan"]),
    ):
        record = Situation(began={**began, "plan": now}, no_plan=failed, fleet=True)
        assert [job.name for job in due(SETTINGS, zone, noon, record)] == tried


def test_a_plan_without_its_pages_is_published_once_an_hour() -> None:
    noon, today = datetime(2026, 5, 4, 13, 15, tzinfo=UTC), date(2026, 5, 4)
    began = dict.fromkeys(("ingest", "fetch", "realise", "maintain", "calibrate"), noon)
    days = (today, today + timedelta(days=1))
    for tried, wanted in ((noon - timedelta(minutes=10), days[1:]), (noon - timedelta(minutes=20), days)):
        record = Situation(
            began={**began, "plan": noon, "publish": tried}, covering=noon,
            unpublished={days[0]: tried, days[1]: noon - timedelta(hours=1)},
            plans=dict.fromkeys(days, ("published", noon)), fleet=True,
        )  # fmt: skip
        jobs = due(SETTINGS, "DE-LU", noon, record)
        assert [(job.name, job.day) for job in jobs] == [("publish", day) for day in wanted]


def test_in_the_last_quarter_hour_of_a_day_the_next_one_is_planned() -> None:
    began = dict.fromkeys(
        ("realise", "maintain", "calibrate", "ingest"), datetime(2026, 5, 4, 22, tzinfo=UTC)
    )
    for moment, day in (((21, 45, 0), 4), ((21, 45, 3), 5), ((22, 0, 0), 5), ((22, 0, 1), 5)):
        now = datetime(2026, 5, 4, *moment, tzinfo=UTC)  # 23:45 and midnight on the wall
        first, *_ = due(SETTINGS, "DE-LU", now, Situation(began=began, fleet=True))
        assert (first.name, first.day) == ("replan", date(2026, 5, day))


def test_an_empty_workspace_has_its_inbox_looked_into_and_is_backed_up() -> None:
    jobs = due(SETTINGS, "DE-LU", datetime(2026, 5, 4, 10, tzinfo=UTC), Situation())
    assert [job.name for job in jobs] == ["inbox", "maintain"]


def test_what_comes_next_is_at_its_time_on_the_wall_on_both_clock_changes() -> None:
    for day, hours in ((date(2026, 3, 28), 23), (date(2026, 10, 24), 25)):
        noon = datetime.combine(day, time(22, 31), ZoneInfo("Europe/Berlin"))
        coming = upcoming(SETTINGS, "DE-LU", noon.astimezone(UTC))
        assert coming["calibrate"] - noon == timedelta(hours=hours) - timedelta(minutes=1)
        assert "replan" not in coming


def test_the_alarm_rings_every_quarter_hour_of_both_clock_changes() -> None:
    """As Prefect's own scheduler reads it."""
    from prefect.server.schemas.schedules import CronSchedule

    for day in (date(2026, 3, 28), date(2026, 10, 24)):
        start = datetime.combine(day, time(), UTC)
        schedule = CronSchedule(cron=ALARM, timezone="UTC")
        fired = asyncio.run(schedule.get_dates(n=3 * 96, start=start))
        assert [moment.astimezone(UTC) for moment in fired] == [
            start + number * LOOK_EVERY for number in range(3 * 96)
        ]
