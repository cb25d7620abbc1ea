"""One connected station: it is asked what it takes, then kept to the profiles that it is to have.

After every connection all of them are sent again: their ids stay, so that none is there twice. A profile that
is refused is told and not tried again until it changes; a station that does not answer is asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from flows.dispatch.gateway.alerts import Kind
from flows.dispatch.gateway.book import Came, Transaction
from flows.dispatch.gateway.desk import Desk
from flows.dispatch.gateway.follow import Follower
from flows.dispatch.gateway.link import Link, RefusedError
from flows.dispatch.gateway.unforeseen import SLACK_S
from flows.dispatch.gateway.wanted import NoProfileError, Wanted, cannot_feed, fallback, of_stay
from flows.dispatch.message import ACTION
from flows.dispatch.plan_file import PlanPlug
from flows.dispatch.station import Station, Version

_AGAIN_S = 15.0
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
_UNITS = {"Current": "A", "Power": "W", "A": "A", "W": "W"}


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
        self._made: dict[tuple[Any, ...], Wanted | str] = {}

    def came(self, action: str, payload: Mapping[str, Any], came: Came | None) -> None:
        """React to a message that was taken."""
        if action == "BootNotification":  # what it had may be lost
            self.has.clear()
            self.refused.clear()
            self.changed.set()
        status = payload.get("connectorStatus") or payload.get("status")
        if action == "StatusNotification" and status == "Faulted":
            evse = int(payload.get("evseId") or payload.get("connectorId") or 0)
            code = payload.get("errorCode") or "no reason is told"
            if self._desk.alerts.tell(Kind.FAULT, self.name, f"is faulted: {code}", evse=evse):
                self._desk.ask(f"{self.name} is faulted")
        if came is None or came.again:
            return
        if came.began or came.ended or action == "NotifyEVChargingNeeds" or payload.get("idToken"):
            self.changed.set()
        if came.ended:
            self.has.pop((came.transaction.evse, str(came.transaction.number)), None)
            self._followers.pop(came.transaction.number, None)
            return
        has = self.has.get((came.transaction.evse, str(came.transaction.number)))
        for reading in came.readings if has else ():
            self._judge(came.transaction, has, reading)

    def _judge(self, one: Transaction, has: Wanted | None, reading: Any) -> None:
        follower = self._followers.setdefault(one.number, Follower())
        if has is None or (found := follower.judge(has, reading)) is None:
            return
        kind, problem = found
        battery = one.car.get("battery_id")
        self._desk.alerts.tell(kind, self.name, problem, evse=one.evse, battery_id=battery)
        self._desk.ask(f"{battery or 'a car'} at {self.name}: {kind}")

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

    def wanted(self) -> list[Wanted]:
        """What it is to have now; what cannot be told to it is an alert."""
        found: list[Wanted | None] = []
        for at in self._desk.plans.plugs(self.name):
            make = partial(fallback, at, self.station)
            found.append(self._once(("fallback", at, self.station), make, at.plug.evse, None))
            if (one := self._desk.book.at(self.name, at.plug.evse)) is not None:
                found.append(self._of(one, at))
        return [one for one in found if one is not None]

    def _of(self, one: Transaction, at: PlanPlug) -> Wanted | None:
        """What a running stay is to have; a guest nothing: what is planned there is another car's."""
        battery = one.car.get("battery_id")
        if battery is None and one.token is not None:
            return None
        stay = self._desk.plans.stay(battery, at.charger_id, self._desk.clock())
        due = one.car.get("departure")
        if stay is None and due is not None and self._desk.now_s() < due + SLACK_S:
            return None  # it is about to leave
        if stay is None:
            why = "no plan has a stay of it: it charges by its fallback"
            self._desk.alerts.tell(Kind.NO_PROFILE, self.name, why, evse=one.evse, battery_id=battery)
            return None
        if stay.stay.slots.power_kw.min() < 0 and (reason := cannot_feed(one, self.station)):
            kind = Kind.REFUSES_TO_DISCHARGE
            if self._desk.alerts.tell(
                kind, self.name, reason, evse=one.evse, battery_id=stay.stay.battery_id
            ):
                self._desk.ask(f"{stay.stay.battery_id} at {self.name}: {reason}")
        make = partial(of_stay, one, stay, at, self.station)
        key = (stay.plan.plan_id, stay.plan.as_of, stay.stay.session_id, one.number, str(one.needs), at)
        return self._once((*key, self.station), make, one.evse, stay.stay.battery_id)

    def _once(
        self, key: tuple[Any, ...], make: Callable[[], Wanted], evse: int, battery: str | None
    ) -> Wanted | None:
        """Make a profile, or take it from before: the same question has the same answer."""
        if key not in self._made:
            try:
                self._made[key] = make()
            except NoProfileError as error:
                self._made[key] = str(error)
            while len(self._made) > _REMEMBERED:
                del self._made[next(iter(self._made))]
        made = self._made[key]
        if isinstance(made, str):
            self._desk.alerts.tell(Kind.NO_PROFILE, self.name, made, evse=evse, battery_id=battery)
            return None
        return made

    async def _send(self, key: tuple[int, str], wanted: Wanted) -> None:
        try:
            answer = await self._link.call(ACTION, wanted.request)
            status, why = str(answer.get("status")), str(answer.get("statusInfo") or "no reason is told")
        except RefusedError as error:
            status, why = "Rejected", str(error)
        except TimeoutError:
            why = "does not answer: its profile is sent again"
            if self._desk.alerts.tell(Kind.SILENT, self.name, why, evse=wanted.evse):
                self._desk.ask(f"{self.name} does not answer")
            asyncio.get_running_loop().call_later(_AGAIN_S, self.changed.set)
            return
        self.sent += 1
        if status == "Accepted":
            self.has[key] = wanted
            self.refused.pop(key, None)
            return
        self.refused[key] = wanted
        one = self._desk.book.transactions.get(int(key[1])) if key[1].isdecimal() else None
        battery = None if one is None else one.car.get("battery_id")
        self._desk.alerts.tell(
            Kind.PROFILE_REJECTED, self.name, f"{status}: {why}", evse=wanted.evse, battery_id=battery
        )
        self._desk.ask(f"{self.name} refused a profile")

    async def _learn(self) -> None:
        """Ask what it takes; what it does not say stays unknown."""
        try:
            if self.version == "1.6":
                answer = await self._link.call("GetConfiguration", {"key": _KEYS})
                told = {
                    str(one.get("key")): str(one.get("value", ""))
                    for one in answer.get("configurationKey", ())
                }
            else:
                data = [
                    {"component": {"name": part}, "variable": {"name": name}} for part, name in _VARIABLES
                ]
                answer = await self._link.call("GetVariables", {"getVariableData": data})
                told = {
                    str(one["variable"]["name"]): str(one.get("attributeValue", ""))
                    for one in answer.get("getVariableResult", ())
                    if one.get("attributeStatus") == "Accepted"
                }
        except (RefusedError, KeyError, TypeError, AttributeError):
            return
        except TimeoutError:
            self._desk.alerts.tell(Kind.SILENT, self.name, "does not say what it takes: the usual is assumed")
            return
        self.station = station_of(self.version, told)


def station_of(version: Version, told: Mapping[str, str]) -> Station:
    """What a station takes by what it says of itself (configuration keys of 1.6, variables of 2.x)."""
    words = {name: [word.strip() for word in text.split(",") if word.strip()] for name, text in told.items()}
    units = words.get("ChargingScheduleAllowedChargingRateUnit") or words.get("RateUnit") or []
    modes = words.get("SupportedOperationModes")
    return Station(
        version=version,
        most_periods=_number(told.get("ChargingScheduleMaxPeriods") or told.get("PeriodsPerSchedule"), 1),
        most_stack_level=_number(told.get("ChargeProfileMaxStackLevel") or told.get("ProfileStackLevel"), 0),
        units=frozenset(_UNITS[one] for one in units if one in _UNITS) or None,
        modes=frozenset(modes) if modes else None,
    )


def _number(text: str | None, least: int) -> int | None:
    """A number; what is none is not known."""
    return int(text) if text and text.isdecimal() and least <= int(text) < 10_000 else None
