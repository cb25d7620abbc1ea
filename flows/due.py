"""What is due in a workspace: decided from settings, a moment and what is on record, and from that alone.

An alarm rings every quarter-hour in UTC (`flows.schedules`). What it starts asks here, does the first thing
that is due and asks again, until nothing is. Whatever was missed while the machine was off is still due when
it comes back, whatever was done is not due twice, and no clock change comes between: local times are read in
the zone of the market, in which the settings allow none of the hours that a clock change skips or repeats.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from flows.schedules import ScheduleSettings
from warehouse.zones import market_timezone

LOOK_EVERY = timedelta(minutes=15)
_HOUR = timedelta(hours=1)
_NIGHT = timedelta(hours=10)
"""So long after its time a calibration is still begun: later it would stand in the way of the next plan."""
_GAP = timedelta(minutes=90)
"""With nothing on record for so long, nobody has looked: the inbox alone is looked into every hour."""
_NEVER = datetime.min.replace(tzinfo=UTC)

JobName = Literal["replan", "inbox", "fetch", "plan", "publish", "realise", "maintain", "calibrate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a workspace has on record at a moment.

    began: stage → when it last began, of those that could work; since: no stage before that was looked at.
    no_plan: day → when its last plan began, if that came to none. lacking: today and tomorrow if something of
    them is missing that a provider is asked for. priced: day → when the last of its prices came, of those
    that have all. plans: day → rung and moment of knowledge of the plan in force. covering: moment of
    knowledge of the plan that holds the next quarter-hour. happened: arrival, unplanned, departure or price →
    when the last one came. planned: market days that have a plan. fleet: whether there are cars. asked: when
    the gateway last asked for a new plan, and waiting: whether files of it lie in the inbox. unpublished: of
    today and tomorrow those whose plan in force has no pages, since publishing it failed or was killed → when
    that was last tried.
    """

    began: Mapping[str, datetime] = field(default_factory=dict)
    no_plan: Mapping[date, datetime] = field(default_factory=dict)
    lacking: frozenset[date] = frozenset()
    priced: Mapping[date, datetime] = field(default_factory=dict)
    plans: Mapping[date, tuple[str, datetime]] = field(default_factory=dict)
    covering: datetime | None = None
    happened: Mapping[str, datetime] = field(default_factory=dict)
    planned: frozenset[date] = frozenset()
    fleet: bool = False
    asked: datetime | None = None
    waiting: bool = False
    unpublished: Mapping[date, datetime] = field(default_factory=dict)

    def begun_since(self, stage: str, moment: datetime) -> bool:
        """Whether a stage has begun at or after a moment."""
        return self.began.get(stage, _NEVER) >= moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A thing that is due, the market day it is for if it is for one, and why.

    patient: of a fetch, that the day need not be out yet.
    """

    name: JobName
    why: str
    day: date | None = None
    patient: bool = False


def due(settings: ScheduleSettings, zone: str, now: datetime, on_record: Situation) -> list[Job]:
    """Everything that is due at `now` (tz-aware), the most urgent first.

    What still runs is planned first, then what the plan of tomorrow needs; what takes long comes last.
    """
    return list(_Due(settings=settings, clock=Clock(zone=zone, now=now), record=on_record).jobs())


def skipped(settings: ScheduleSettings, zone: str, now: datetime, on_record: Situation) -> list[str]:
    """What was missed since anybody looked and is not made up for, in words; [] where nobody was away.

    Only days that went without a plan, and nightly work of which one run does for all.
    """
    last = max(on_record.began.values(), default=None)
    if last is None or now - last < _GAP:
        return []
    clock, then = Clock(zone=zone, now=now), Clock(zone=zone, now=last)
    days = [then.today + timedelta(days=more) for more in range((clock.today - then.today).days)]
    unplanned = [day for day in days if on_record.fleet and day not in on_record.planned]
    messages = [f"{day} was never planned, and is over" for day in unplanned]
    for name, at in (
        ("realise", settings.realise), ("maintain", settings.maintain), ("calibrate", settings.calibrate)
    ):  # fmt: skip
        times = [clock.at(day, at) for day in (*days, clock.today)]
        missed = [one for one in times if last < one <= now]
        late = name == "calibrate" and missed and now - missed[-1] > _NIGHT
        if late:
            messages.append(f"calibrate: {len(missed)} nights are over, the next one is tonight at {at}")
        elif len(missed) > 1:
            messages.append(f"{name}: one run now does for {len(missed)}")
    return [f"nothing ran from {last:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC", *messages]


def upcoming(settings: ScheduleSettings, zone: str, now: datetime) -> Mapping[str, datetime]:
    """When each thing that has a time is next looked at, UTC, by its name in the settings."""
    clock = Clock(zone=zone, now=now)
    times = {name: clock.next(getattr(settings, name)) for name in TIMED}
    hour = _floor(now, _HOUR) + _HOUR
    every = timedelta(minutes=settings.replan_minutes)
    more = {"replan": _floor(now, every) + every} if every else {}
    return {"inbox": hour, **times, **more}


TIMED = ("ingest", "fetch", "alert", "plan", "calibrate", "realise", "maintain")
"""The settings that are a local time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A moment on the wall of a market."""

    zone: str
    now: datetime

    @property
    def today(self) -> date:
        """The market day that runs."""
        return self.now.astimezone(ZoneInfo(market_timezone(self.zone))).date()

    @property
    def next_day(self) -> date:
        """The market day of the next quarter-hour, the first that can still be planned."""
        begun = _floor(self.now, LOOK_EVERY)
        return replace(self, now=begun if begun == self.now else begun + LOOK_EVERY).today

    def at(self, day: date, stated: str) -> datetime:
        """HH:MM of a day, UTC."""
        timezone = ZoneInfo(market_timezone(self.zone))
        return datetime.combine(day, time.fromisoformat(stated), timezone).astimezone(UTC)

    def last(self, stated: str) -> datetime:
        """When it was last HH:MM, UTC; this moment counts."""
        today = self.at(self.today, stated)
        return today if today <= self.now else self.at(self.today - timedelta(days=1), stated)

    def next(self, stated: str) -> datetime:
        """When it is next HH:MM, UTC; this moment does not count."""
        today = self.at(self.today, stated)
        return today if today > self.now else self.at(self.today + timedelta(days=1), stated)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    settings: ScheduleSettings
    clock: Clock
    record: Situation

    def jobs(self) -> Iterator[Job]:
        day = self.clock.next_day
        if self._may_plan(day) and self.record.covering is None:
            yield Job(name="replan", day=day, why="no plan holds this moment: the rest of the day is planned")
        yield from self._inbox()
        yield from self._fetch()
        yield from self._plan()
        yield from self._replan()
        yield from self._publish()
        yield from self._daily("realise", self.settings.realise)
        yield from self._daily("maintain", self.settings.maintain)
        yield from self._calibrate()

    def _may_plan(self, day: date) -> bool:
        """Where there are cars; a plan that could not be made is tried again in another hour."""
        failed = self.record.no_plan.get(day, _NEVER)
        return self.record.fleet and failed < _floor(self.clock.now, _HOUR)

    def _inbox(self) -> Iterator[Job]:
        since = max(_floor(self.clock.now, _HOUR), self.clock.last(self.settings.ingest))
        if not self.record.begun_since("ingest", since):
            yield Job(name="inbox", why=f"{since:%H:%M} UTC has come")
        elif self.record.waiting:
            yield Job(name="inbox", why="the gateway has reported of sessions")

    def _fetch(self) -> Iterator[Job]:
        today, now = self.clock.today, self.clock.now
        if self.record.begun_since("fetch", _floor(now, LOOK_EVERY)):
            return
        if today in self.record.lacking:
            yield Job(name="fetch", day=today, why="something of the day that runs is missing")
        tomorrow = today + timedelta(days=1)
        if tomorrow in self.record.lacking and now >= self.clock.at(today, self.settings.fetch):
            patient = now < self.clock.at(today, self.settings.alert)
            yield Job(name="fetch", day=tomorrow, why="tomorrow is not known yet", patient=patient)

    def _plan(self) -> Iterator[Job]:
        day = self.clock.today + timedelta(days=1)
        source, as_of = self.record.plans.get(day, (None, _NEVER))
        came = self.record.priced.get(day)
        if not self._may_plan(day):
            return
        if came is not None and source != "published" and as_of < came:
            yield Job(name="plan", day=day, why="its prices are out")
        elif source is None and self.clock.now >= self.clock.at(self.clock.today, self.settings.plan):
            yield Job(name="plan", day=day, why=f"it is {self.settings.plan}: planned on what there is")

    def _replan(self) -> Iterator[Job]:
        if self.record.covering is None:
            return
        now, made = self.clock.now, max(self.record.covering, self.record.began.get("plan", _NEVER))
        happened: dict[str, datetime] = {
            name: self.record.happened.get(name, _NEVER) for name in self.settings.replan_on
        }
        happened["gateway"] = self.record.asked or _NEVER
        if new := [name for name, when in happened.items() if when > made]:
            yield Job(name="replan", why=f"since the last plan: {', '.join(new)}")
        elif (minutes := self.settings.replan_minutes) and made < _floor(now, timedelta(minutes=minutes)):
            yield Job(name="replan", why=f"every {minutes} minutes")

    def _publish(self) -> Iterator[Job]:
        """What was planned and not published: once an hour, since what stands in its way may last."""
        for day, tried in sorted(self.record.unpublished.items()):
            if tried < _floor(self.clock.now, _HOUR):
                yield Job(name="publish", day=day, why=f"the plan of {day} is not published")

    def _daily(self, name: Literal["realise", "maintain"], stated: str) -> Iterator[Job]:
        since = self.clock.last(stated)
        if not self.record.begun_since(name, since) and (self.record.fleet or name == "maintain"):
            yield Job(name=name, why=f"{stated} has come")

    def _calibrate(self) -> Iterator[Job]:
        since = self.clock.last(self.settings.calibrate)
        never = "calibrate" not in self.record.began
        if not self.record.fleet or self.record.begun_since("calibrate", since):
            return
        if never or self.clock.now - since <= _NIGHT:
            text = "it was never done" if never else f"{self.settings.calibrate} has come"
            yield Job(name="calibrate", why=text)


def _floor(moment: datetime, step: timedelta) -> datetime:
    """The last whole multiple of a step since midnight UTC."""
    midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // step * step
