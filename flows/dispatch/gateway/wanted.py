"""The profiles that a station is to have: what each connector does alone, each session's plan.

A plan is given within the bounds that its site's limit puts on the car for now.

Ids and levels stay the same from plan to plan, so that a newer profile takes the place of the older one and
none is there twice. Whatever breaks a rule, or asks more than station or car can do, does not go out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np

from flows.dispatch.current import Found, powers_from
from flows.dispatch.gateway.book import Transaction
from flows.dispatch.gateway.catch_up import Raised
from flows.dispatch.gateway.needs import states_band
from flows.dispatch.gateway.unforeseen import other_band
from flows.dispatch.merge import MergeError, Run, SessionPowers, charging_only, merged
from flows.dispatch.plan_file import QUARTER, PlanPlug, PlanSession
from flows.dispatch.plan_profiles import PERIODS
from flows.dispatch.profile import Unit, fallback_request, plan_request
from flows.dispatch.rules import check_message
from flows.dispatch.station import Station

_GUEST = timedelta(days=7)
_CLOSE_KWH = 1e-6
_SINCE = datetime(2024, 1, 1, tzinfo=UTC)
"""What holds without a plan holds from always on: it does not change with the day."""


class NoProfileError(ValueError):
    """A session cannot be told to its station; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A SetChargingProfile request. what: "fallback" or the number of a transaction; plan_id: of a session's.

    kw_of_unit: kW of one W, or of one A.
    """

    what: str
    evse: int
    request: Mapping[str, Any]
    plan_id: str | None = None
    kw_of_unit: float = 1e-3

    @property
    def profile(self) -> Mapping[str, Any]:
        """The profile in it, of whichever version."""
        stated: Mapping[str, Any] = self.request.get("chargingProfile") or self.request["csChargingProfiles"]
        return stated

    def steps(self, after: datetime) -> list[tuple[datetime, Mapping[str, Any]]]:
        """From when on, UTC, it says what, as far as that lies after a moment."""
        schedule = self.profile["chargingSchedule"]
        schedule = schedule if isinstance(schedule, Mapping) else schedule[0]
        start = datetime.fromisoformat(schedule["startSchedule"]).timestamp()
        steps = [
            (
                datetime.fromtimestamp(start + one["startPeriod"], UTC),
                {k: v for k, v in one.items() if k != "startPeriod"},
            )
            for one in schedule["chargingSchedulePeriod"]
        ]
        ends = [end for _, (end, _) in pairwise(steps)] + [None]
        left = [
            (max(begin, after), what)
            for (begin, what), end in zip(steps, ends, strict=True)
            if end is None or end > after
        ]
        noted: list[tuple[datetime, Mapping[str, Any]]] = []
        for begin, what in left:
            if not noted or noted[-1][1] != what:
                noted.append((begin, what))
        return noted

    def asks(self, now: datetime) -> float | None:
        """The power that it asks for at a moment, kW; None before it begins, or where it is over."""
        if self.profile.get("validTo") and now >= datetime.fromisoformat(self.profile["validTo"]):
            return None
        begin, what = self.steps(now)[0]
        if begin > now:
            return None
        return self._kw(what)

    def powers(self, after: datetime) -> list[tuple[datetime, float]]:
        """From when on, UTC, it asks for what power, kW, as far as that lies after a moment."""
        return [(begin, self._kw(what)) for begin, what in self.steps(after)]

    def _kw(self, what: Mapping[str, Any]) -> float:
        if what.get("operationMode") == "Idle":
            return 0.0
        return float(what.get("setpoint", what.get("limit", 0.0))) * self.kw_of_unit

    def same_as(self, other: Wanted, now: datetime) -> bool:
        """Whether two say the same from now on."""
        apart = ("chargingSchedule", "validFrom")
        mine, its = ({k: v for k, v in one.profile.items() if k not in apart} for one in (self, other))
        return mine == its and self.steps(now) == other.steps(now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curb:
    """Bounds that a site's limit puts on a car for now, kW at its plug; raised: what it makes up."""

    least_kw: float = -math.inf
    most_kw: float = math.inf
    raised: Raised | None = None

    def of(self, power_kw: float) -> float:
        """A power within them."""
        return min(max(power_kw, self.least_kw), self.most_kw)

    def at(self, moment: float, power_kw: float) -> float:
        """What becomes of a plan's power at a moment (s since 1970)."""
        up = self.raised
        return up.kw if up and 0 <= moment - up.slot < QUARTER.total_seconds() else self.of(power_kw)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intended:
    """What a running session is to do before anybody is held back: quarter-hours from `begin` on, in runs."""

    one: Transaction
    at: PlanPlug
    begin: datetime
    runs: tuple[Run, ...]
    departure: datetime
    may_feed: bool = True
    plan_id: str | None = None

    def kw(self, at: float) -> float:
        """The power at a moment (s since 1970): 0 before it begins, its fallback when it is over."""
        if at >= self.departure.timestamp():
            return self.at.fallback_kw
        place = (at - self.begin.timestamp()) / QUARTER.total_seconds() + self.runs[0].first
        return next((run.power_kw for run in reversed(self.runs) if run.first <= place), 0.0)

    def told(self, station: Station, curb: Curb | None) -> Wanted:
        """The profile for its station, within a curb; raises NoProfileError."""
        runs = self.runs if curb is None else self._within(curb, station.most_periods or PERIODS)
        request = plan_request(
            self.at.plug, runs, key=f"transaction {self.one.tx}", first_slot=self.begin,
            departure=self.departure, version=station.version, unit=unit_of(station),
            transaction=self.one.tx, may_feed=self.may_feed,
        )  # fmt: skip
        wanted = Wanted(
            what=str(self.one.number), evse=self.one.evse, request=request, plan_id=self.plan_id,
            kw_of_unit=_kw_of_unit(self.at, station),
        )  # fmt: skip
        return _checked(wanted, station)

    def _within(self, curb: Curb, most: int) -> list[Run]:
        """The runs within a curb, one of them cut where it is raised, if the station takes so many."""
        bounded = [replace(run, power_kw=curb.of(run.power_kw)) for run in self.runs]
        if curb.raised is None:
            return bounded
        place = round((curb.raised.slot - self.begin.timestamp()) / QUARTER.total_seconds())
        place += self.runs[0].first
        cut: list[Run] = []
        for run in bounded:
            if run.first <= place < run.last:
                parts = ((run.first, place, run.power_kw), (place, place + 1, curb.raised.kw),
                         (place + 1, run.last, run.power_kw))  # fmt: skip
                cut += [Run(first=a, last=b, power_kw=kw) for a, b, kw in parts if a < b]
            else:
                cut.append(run)
        return cut if len(cut) <= most else bounded


def fallback(at: PlanPlug, station: Station) -> Wanted:
    """What a connector does when nobody talks to it; raises NoProfileError."""
    request = fallback_request(
        at.plug, _SINCE, at.fallback_kw, version=station.version, unit=unit_of(station)
    )
    return _checked(Wanted(what="fallback", evse=at.plug.evse, request=request), station)


def _kw_of_unit(at: PlanPlug, station: Station) -> float:
    return (1.0 if unit_of(station) == "W" else at.plug.voltage_v * max(at.plug.phases, 1)) / 1000.0


def of_session(one: Transaction, found: Found, at: PlanPlug, station: Station) -> Intended:
    """The plan of a running session, as its station takes it; raises NoProfileError.

    From the plan's first quarter-hour, or from when the car came: before its plan begins it rests.
    """
    session = found.session
    begin, slots = powers_from(session, datetime.fromtimestamp(one.start, UTC))
    slots = _within(slots, at, one.needs)
    if other_band(one, session):
        slots = in_band(one, session, begin, slots)
    may_feed = cannot_feed(one, station) is None
    if not may_feed:
        slots = charging_only(slots)
    try:
        most = (station.most_periods or PERIODS) - len(session.last_minutes)
        cut = merged(slots, most)
    except MergeError as error:
        raise NoProfileError(str(error)) from error
    last = len(slots.power_kw)
    rest = [Run(first=last, last=last + 1, power_kw=0.0)] if session.last_minutes else []
    return Intended(
        one=one, at=at, begin=begin, runs=(*cut.runs, *rest), departure=session.departure, may_feed=may_feed,
        plan_id=found.plan.plan_id,
    )  # fmt: skip


def as_planned(one: Transaction, found: Found, at: PlanPlug) -> Intended:
    """The plan of a running session, quarter-hour by quarter-hour: what its station takes is not known."""
    session = found.session
    power = np.clip(session.slots.power_kw, -at.feeds_kw, at.plug.most_kw)
    runs = tuple(Run(first=n, last=n + 1, power_kw=float(kw)) for n, kw in enumerate(power))
    return Intended(
        one=one, at=at, begin=session.first_slot, runs=runs, departure=session.departure,
        plan_id=found.plan.plan_id,
    )  # fmt: skip


def by_fallback(one: Transaction, at: PlanPlug) -> Intended:
    """What a session without a plan does: its connector's share."""
    begin = datetime.fromtimestamp(one.start - one.start % QUARTER.total_seconds(), UTC)
    run = Run(first=0, last=1, power_kw=min(at.plug.most_kw, at.fallback_kw))
    return Intended(one=one, at=at, begin=begin, runs=(run,), departure=begin + _GUEST, may_feed=False)


def cannot_feed(one: Transaction, station: Station) -> str | None:
    """Why nothing can be fed back in a session, as far as car and station say; None where it can."""
    if station.version != "2.1":
        return f"OCPP {station.version} has no words for feeding back: it rests where it should"
    if station.modes is not None and "CentralSetpoint" not in station.modes:
        return "the station takes no setpoints: it rests where it should feed back"
    if states_band(one.needs) and "v2x_soc" not in one.needs:
        return "the car has a V2X band, and nothing tells its charge: it rests where it should feed back"
    return None if one.needs.get("feeds", True) else "the car says that it cannot: it rests where it should"


def in_band(one: Transaction, planned: PlanSession, begin: datetime, slots: SessionPowers) -> SessionPowers:
    """Powers without what would be fed back outside a band that the plan did not know; a car then rests.

    Its energy is that of the plan, or what it came with if it came later; its capacity what that says.
    """
    (low, high), arrival = one.needs["v2x_soc"], planned.arrival_soc
    capacity = one.needs.get("capacity_kwh") or one.needs["planned_capacity_kwh"]
    came = one.soc_first if one.soc_first is not None else arrival
    late = begin > planned.first_slot and came is not None
    held = came * capacity if late and came is not None else planned.energy_before_kwh
    power, trail = slots.power_kw.copy(), np.zeros(len(slots.power_kw))
    for n, kw in enumerate(power):
        gain = kw * slots.efficiency_charge if kw > 0 else kw / slots.efficiency_discharge
        after = held + gain * QUARTER / timedelta(hours=1)
        if kw < 0 and (held > high * capacity + _CLOSE_KWH or after < low * capacity - _CLOSE_KWH):
            power[n], after = 0.0, held
        held = trail[n] = after
    return replace(
        slots, power_kw=power, least_kw=np.where(power < 0, slots.least_kw, np.maximum(slots.least_kw, 0.0)),
        most_kw=np.maximum(slots.most_kw, power), energy_kwh=trail,
        least_kwh=np.minimum(slots.least_kwh, trail), most_kwh=np.maximum(slots.most_kwh, trail),
    )  # fmt: skip


def unit_of(station: Station) -> Unit:
    """W where the station takes it, or does not say."""
    return "A" if station.units is not None and "W" not in station.units else "W"


def _within(slots: SessionPowers, at: PlanPlug, needs: Mapping[str, Any]) -> SessionPowers:
    """Powers as far as connector and car can."""
    most = min(at.plug.most_kw, needs.get("charge_kw", np.inf))
    least = -min(at.feeds_kw, needs.get("discharge_kw", np.inf))
    power = np.clip(slots.power_kw, least, most)
    return replace(
        slots,
        power_kw=power,
        least_kw=np.minimum(slots.least_kw, power),
        most_kw=np.maximum(slots.most_kw, power),
    )


def _checked(wanted: Wanted, station: Station) -> Wanted:
    if broken := check_message(wanted.request, station):
        raise NoProfileError("; ".join(map(str, broken)))
    return wanted
