"""One connected station: it is asked what it takes, then kept to the profiles that it is to have.

After every connection all of them are sent again: their ids stay, so that none is there twice. A profile that
is refused is reported and not tried again until it changes; a station that does not answer is asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from flows.dispatch.gateway.alerts import Kind
from flows.dispatch.gateway.book import Came, Transaction
from flows.dispatch.gateway.desk import Desk
from flows.dispatch.gateway.follow import SETTLES, Follower, limit_of
from flows.dispatch.gateway.link import Link, RefusedError
from flows.dispatch.gateway.meters import ASKED_FOR, ask_reading, set_meters
from flows.dispatch.gateway.readings import Reading
from flows.dispatch.gateway.unforeseen import SLACK_S
from flows.dispatch.gateway.unread import SOON
from flows.dispatch.gateway.wanted import (
    Intended,
    NoProfileError,
    Wanted,
    by_fallback,
    cannot_feed,
    fallback,
    of_session,
)
from flows.dispatch.message import ACTION
from flows.dispatch.plan_file import PlanPlug
from flows.dispatch.station import Station, Version

_AGAIN_S = 15.0
_PROFILES_FIRST_S = 1.0
"""So long after its start, which mostly follows its connection at once: both count as one."""
_REMEMBERED = 32
_KEYS = [
    "ChargingScheduleMaxPeriods",
    "ChargeProfileMaxStackLevel",
    "ChargingScheduleAllowedChargingRateUnit",
]
_VARIABLES = (
    ("SmartChargingCtrlr", "PeriodsPerSchedule"), ("SmartChargingCtrlr", "ProfileStackLevel"),
    ("SmartChargingCtrlr", "RateUnit"), ("V2XChargingCtrlr", "SupportedOperationModes"),
)  # fmt: skip
_UNKNOWN = ("UnknownComponent", "UnknownVariable", "NotSupportedAttributeType")
_UNITS = {"Current": "A", "Power": "W", "A": "A", "W": "W"}


Made = TypeVar("Made")


class Connected:
    """A station from its connection to its end."""

    def __init__(self, desk: Desk, name: str, version: Version, link: Link) -> None:
        self.name, self.version, self.since = name, version, desk.clock()
        self.station = Station(version=version)
        self.has: dict[tuple[int, str], Wanted] = {}
        self.refused: dict[tuple[int, str], Wanted] = {}
        self.changed = asyncio.Event()
        self.sent = 0
        self._desk, self._link = desk, link
        self._followers: dict[int, Follower] = {}
        self._given: dict[tuple[int, str], float] = {}
        self._made: dict[tuple[Any, ...], Any] = {}
        self._started, self.meters_set = asyncio.Event(), False
        self._started.set()
        self._readings = list(ASKED_FOR[version])
        self._to_read, self._unread = set[int](), asyncio.Event()

    def came(self, action: str, payload: Mapping[str, Any], came: Came | None) -> None:
        """React to a message that was taken."""
        if action == "BootNotification":  # what it had may be lost
            self.has.clear()
            self.refused.clear()
            self._readings = list(ASKED_FOR[self.version])
            self._started.set()
            self.changed.set()
        status = payload.get("connectorStatus") or payload.get("status")
        if action == "StatusNotification" and status == "Faulted":
            evse = int(payload.get("evseId") or payload.get("connectorId") or 0)
            code = payload.get("errorCode") or "no reason is reported"
            if self._desk.alerts.report(Kind.FAULT, self.name, f"is faulted: {code}", evse=evse):
                self._desk.ask(f"{self.name} is faulted")
        if came is None or came.again:
            return
        if came.began or came.ended or action == "NotifyEVChargingNeeds" or payload.get("idToken"):
            self.changed.set()
        one = came.transaction
        if action == "TransactionEvent" and (why := limit_of(payload)) is not None:
            battery = one.car.get("battery_id")
            kind = Kind.LIMIT_REACHED
            if self._desk.alerts.report(kind, self.name, why, evse=one.evse, battery_id=battery):
                self._desk.ask(f"{battery or 'a car'} at {self.name}: {why}")
        if came.ended:
            self.has.pop((one.evse, str(one.number)), None)
            self._followers.pop(one.number, None)
            self._desk.guard.left(one)
            return
        for reading in came.readings:
            self._judge(one, reading)

    def _judge(self, one: Transaction, reading: Reading) -> None:
        key = (one.evse, str(one.number))
        has, since = self.has.get(key), max(self._given.get(key, 0.0), one.start)
        asked = self._asked_kw(one, has, reading.at, SOON)
        if reading.power_kw is None or asked is None or reading.at < since + SOON.total_seconds():
            return
        settled = (
            reading.at >= since + SETTLES.total_seconds()
            and self._asked_kw(one, has, reading.at, SETTLES) is not None
        )
        self._desk.guard.read(one.number, asked, reading.power_kw, settled=settled)
        if not settled:
            return
        follower = self._followers.setdefault(one.number, Follower())
        if has is None or (found := follower.judge(asked, reading)) is None:
            return
        kind, problem = found
        battery = one.car.get("battery_id")
        self._desk.alerts.report(kind, self.name, problem, evse=one.evse, battery_id=battery)
        self._desk.ask(f"{battery or 'a car'} at {self.name}: {kind}")

    def _asked_kw(self, one: Transaction, has: Wanted | None, at: float, length: timedelta) -> float | None:
        """What a car is asked for at a moment, if it has been for so long."""
        moment = datetime.fromtimestamp(at, UTC)
        if has is not None:
            asked = has.asks(moment)
            return asked if asked == has.asks(moment - length) else None
        intended = self._desk.guard.cars.intended.get(one.number)
        return None if intended is None else intended.kw(at)

    async def keep(self) -> None:
        """Learn what it takes, then bring it what it is to have, whenever that changes, until cancelled."""
        await self._learn()
        self.changed.set()
        while True:
            await self.changed.wait()
            self.changed.clear()
            for wanted in self.wanted():
                key = (wanted.evse, wanted.what)
                now = self._desk.clock()
                if any(
                    one is not None and one.same_as(wanted, now)
                    for one in (self.has.get(key), self.refused.get(key))
                ):
                    continue
                await self._send(key, wanted)

    async def keep_meters(self) -> None:
        """Tell it what to meter, at each start of it, until cancelled: between its profiles, call by call."""
        while True:
            await self._started.wait()
            await asyncio.sleep(_PROFILES_FIRST_S)
            self._started.clear()
            self.meters_set = False
            await self._set_meters()
            self.meters_set = not self._started.is_set()

    async def _set_meters(self) -> None:
        """Have it meter what plans are followed by; what it refuses is told, and asked again when it comes
        anew."""
        try:
            problems = await set_meters(self._link, self.version, self._desk.config.meter_interval_s)
        except TimeoutError:
            problems = ["no answer: nothing of it is known to be set"]
        if problems:
            self._desk.alerts.report(Kind.METER_NOT_SET, self.name, "; ".join(problems))

    def read(self, evse: int) -> None:
        """Have it asked for a reading of an EVSE, unless it is known to send none."""
        if self._readings:
            self._to_read.add(evse)
            self._unread.set()

    async def keep_reading(self) -> None:
        """Ask it for the readings that are wanted, until cancelled: between its profiles, call by call."""
        while True:
            await self._unread.wait()
            self._unread.clear()
            while self._to_read:
                await self._ask_reading(self._to_read.pop())

    async def _ask_reading(self, evse: int) -> None:
        """Ask for a reading; what it refuses it is not asked for again until it starts, or comes, anew."""
        problems = []
        try:
            while self._readings:
                why = await ask_reading(self._link, self.version, evse, self._readings[0])
                if why is None:
                    return
                problems.append(f"{self._readings.pop(0)}: {why}")
        except TimeoutError:
            self._desk.alerts.report(Kind.SILENT, self.name, "does not answer when it is asked for a reading")
            return
        if problems:
            why = "; ".join(problems)
            self._desk.alerts.report(
                Kind.NOT_READ, self.name, f"{why}: what a car at it does is known a meter interval later"
            )

    def wanted(self) -> list[Wanted]:
        """What it is to have now; what cannot be sent to it is an alert."""
        found: list[Wanted | None] = []
        for at in self._desk.plans.plugs(self.name):
            make = partial(fallback, at, self.station)
            found.append(self._once(("fallback", at, self.station), make, at.plug.evse, None))
            if (one := self._desk.book.at(self.name, at.plug.evse)) is not None:
                found.append(self._of(one, at))
        return [one for one in found if one is not None]

    def _of(self, one: Transaction, at: PlanPlug) -> Wanted | None:
        """What a running session is to have; without a plan nothing, unless it is, or was, held back."""
        key, intended = self._intended(one, at)
        guard = self._desk.guard
        alone = intended is None
        intended = by_fallback(one, at) if intended is None else intended
        guard.cars.intended[one.number] = intended
        curb = guard.curb(one.number)
        if alone and curb is None and (one.evse, str(one.number)) not in self.has:
            return None
        make = partial(intended.told, self.station, curb)
        return self._once((*key, "told", curb), make, one.evse, one.car.get("battery_id"))

    def _intended(self, one: Transaction, at: PlanPlug) -> tuple[tuple[Any, ...], Intended | None]:
        """The plan of a running session, and what it rests on; a guest has none: it is another car's."""
        none, battery = ("alone", one.number, at, self.station), one.car.get("battery_id")
        if battery is None and one.token is not None:
            return none, None
        session = self._desk.plans.session(battery, at.charger_id, self._desk.clock())
        due = one.car.get("departure")
        if session is None and due is not None and self._desk.now_s() < due + SLACK_S:
            return none, None  # it is about to leave
        if session is None:
            why = "no plan has a session of it: it charges by its fallback"
            self._desk.alerts.report(Kind.NO_PROFILE, self.name, why, evse=one.evse, battery_id=battery)
            return none, None
        if session.session.slots.power_kw.min() < 0 and (reason := cannot_feed(one, self.station)):
            kind = Kind.REFUSES_TO_DISCHARGE
            if self._desk.alerts.report(
                kind, self.name, reason, evse=one.evse, battery_id=session.session.battery_id
            ):
                self._desk.ask(f"{session.session.battery_id} at {self.name}: {reason}")
        make = partial(of_session, one, session, at, self.station)
        plan = (session.plan.plan_id, session.plan.as_of, session.session.session_id)
        key = (*plan, one.number, str(one.needs), at, self.station)
        return key, self._once(key, make, one.evse, session.session.battery_id)

    def _once(
        self, key: tuple[Any, ...], make: Callable[[], Made], evse: int, battery: str | None
    ) -> Made | None:
        """Make a profile, or take it from before: the same question has the same answer."""
        if key not in self._made:
            try:
                self._made[key] = make()
            except NoProfileError as error:
                self._made[key] = str(error)
            while len(self._made) > _REMEMBERED:
                del self._made[next(iter(self._made))]
        made: Made | str = self._made[key]
        if isinstance(made, str):
            self._desk.alerts.report(Kind.NO_PROFILE, self.name, made, evse=evse, battery_id=battery)
            return None
        return made

    async def _send(self, key: tuple[int, str], wanted: Wanted) -> None:
        try:
            answer = await self._link.call(ACTION, wanted.request)
            status, why = str(answer.get("status")), str(answer.get("statusInfo") or "no reason is reported")
        except RefusedError as error:
            status, why = "Rejected", str(error)
        except TimeoutError:
            why = "does not answer: its profile is sent again"
            self._heard(key, wanted, taken=False)
            if self._desk.alerts.report(Kind.SILENT, self.name, why, evse=wanted.evse):
                self._desk.ask(f"{self.name} does not answer")
            asyncio.get_running_loop().call_later(_AGAIN_S, self.changed.set)
            return
        self.sent += 1
        self._heard(key, wanted, taken=status == "Accepted")
        one = self._desk.book.transactions.get(int(key[1])) if key[1].isdecimal() else None
        if status == "Accepted":
            self.has[key] = wanted
            self.refused.pop(key, None)
            if one is not None:
                self._desk.noted(one, wanted)
            return
        self.refused[key] = wanted
        battery = None if one is None else one.car.get("battery_id")
        self._desk.alerts.report(
            Kind.PROFILE_REJECTED, self.name, f"{status}: {why}", evse=wanted.evse, battery_id=battery
        )
        self._desk.ask(f"{self.name} refused a profile")

    def _heard(self, key: tuple[int, str], wanted: Wanted, *, taken: bool) -> None:
        """Let the guard of the site know what was taken, and what was not."""
        guard, number = self._desk.guard, int(key[1]) if key[1].isdecimal() else None
        if taken:
            self._given[key] = now = self._desk.now_s()
            if number is not None:
                guard.unread.given[number] = now
        if number is None:
            (guard.bare.discard if taken else guard.bare.add)((self.name, wanted.evse))
        elif taken:
            guard.deaf.discard(number)
            guard.has[number] = wanted
        else:
            guard.deaf.add(number)

    async def _learn(self) -> None:
        """Ask what it takes; what it does not say stays unknown, and what it refuses to say is told."""
        refused: list[str] = []
        try:
            if self.version == "1.6":
                answer = await self._link.call("GetConfiguration", {"key": _KEYS})
                stated = _stated(answer.get("configurationKey", ()), refused)
            else:
                data = [
                    {"component": {"name": part}, "variable": {"name": name}} for part, name in _VARIABLES
                ]
                answer = await self._link.call("GetVariables", {"getVariableData": data})
                stated = _stated(answer.get("getVariableResult", ()), refused)
        except RefusedError as error:
            stated, refused = {}, [str(error)]
        except TimeoutError:
            self._desk.alerts.report(
                Kind.SILENT, self.name, "does not say what it takes: the usual is assumed"
            )
            return
        if refused:
            why = f"does not say all of what it takes: {'; '.join(refused)}; the usual is assumed"
            self._desk.alerts.report(Kind.NOT_LEARNT, self.name, why)
        self.station = station_of(self.version, stated)


def _stated(rows: object, refused: list[str]) -> dict[str, str]:
    """Values by name of what a station answers (keys of 1.6, variables of 2.x); what it refuses, or says in a
    way that cannot be read, is added to `refused`. What it does not know is left out."""
    found: dict[str, str] = {}
    if not isinstance(rows, list | tuple):
        refused.append("an answer that cannot be read")
        return found
    for row in rows:
        match row:
            case {"key": str(name)}:
                found[name] = str(row.get("value", ""))
            case {"variable": {"name": str(name)}, "attributeStatus": "Accepted"}:
                found[name] = str(row.get("attributeValue", ""))
            case {"variable": {"name": str(name)}, "attributeStatus": str(status)}:
                refused += [] if status in _UNKNOWN else [f"{name[:50]}: {status[:40]}"]
            case _:
                refused.append("an answer that cannot be read")
    return found


def station_of(version: Version, stated: Mapping[str, str]) -> Station:
    """What a station takes by what it says of itself (configuration keys of 1.6, variables of 2.x)."""
    words = {
        name: [word.strip() for word in text.split(",") if word.strip()] for name, text in stated.items()
    }
    units = words.get("ChargingScheduleAllowedChargingRateUnit") or words.get("RateUnit") or []
    modes = words.get("SupportedOperationModes")
    return Station(
        version=version,
        most_periods=_number(stated.get("ChargingScheduleMaxPeriods") or stated.get("PeriodsPerSchedule"), 1),
        most_stack_level=_number(
            stated.get("ChargeProfileMaxStackLevel") or stated.get("ProfileStackLevel"), 0
        ),
        units=frozenset(_UNITS[one] for one in units if one in _UNITS) or None,
        modes=frozenset(modes) if modes else None,
    )


def _number(text: str | None, least: int) -> int | None:
    """A number; what is none is not known."""
    return int(text) if text and text.isdecimal() and least <= int(text) < 10_000 else None
