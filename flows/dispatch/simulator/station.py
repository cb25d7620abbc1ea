"""A simulated charge point with one plug: it keeps to its profiles, and its faults are those asked for."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from flows.dispatch.plan_file import PlanPlug
from flows.dispatch.simulator.car import Visit
from flows.dispatch.simulator.point import point_class
from flows.dispatch.simulator.slots import Profiles
from flows.dispatch.simulator.words import SUBPROTOCOL, Words, text
from flows.dispatch.station import Version

_BACK_AFTER_S = 0.5
_LATE_S = 5.0
_OFF = timedelta(hours=1)
_STEP_S = 15.0
"""So soon a car does what a new profile says."""


class Fault(StrEnum):
    """What a station, or the car at it, does wrong; unasked: it sends no reading when it is asked for one."""

    LATE = "late"
    SILENT = "silent"
    REFUSING = "refusing"
    CLOCK_OFF = "clock-off"
    RECONNECTING = "reconnecting"
    DUPLICATE = "duplicate"
    DISOBEYING = "disobeying"
    GREEDY = "greedy"
    BROKEN = "broken"
    UNASKED = "unasked"


class StationClock:
    """Time of a station, `speed` times as fast as the wall's; it is set by what its central system says."""

    def __init__(self, speed: float, off: timedelta = timedelta()) -> None:
        self._speed, self._off = speed, off
        self._base, self._since = datetime.now(UTC), time.monotonic()

    def set(self, moment: str) -> None:
        """Take the time that a central system tells."""
        self._base, self._since = datetime.fromisoformat(moment), time.monotonic()

    @property
    def true(self) -> datetime:
        """The moment, as if it were right."""
        return self._base + timedelta(seconds=(time.monotonic() - self._since) * self._speed)

    def stated(self) -> str:
        """The moment, as the station believes it."""
        return text(self.true + self._off)

    async def until(self, moment: datetime, earlier: asyncio.Event | None = None) -> None:
        """Wait for a moment, or until something happens before."""
        left_s = max(0.0, (moment - self.true).total_seconds() / self._speed)
        if earlier is None:
            await asyncio.sleep(left_s)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await earlier.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a simulated station is: where it connects (url without its id), how it speaks, what is wrong.

    unheard: is told why a station has not been able to connect yet, each reason once.
    """

    url: str
    password: str
    version: Version = "2.1"
    speed: float = 1.0
    meter_s: float = 60.0
    faults: frozenset[Fault] = frozenset()
    tls: ssl.SSLContext | None = None
    unheard: Callable[[str], None] = lambda _: None


class SimulatedStation:
    """A charge point at a plug, with the cars that come to it. seen: is called with each profile it takes."""

    def __init__(
        self,
        at: PlanPlug,
        visits: Sequence[Visit],
        setup: Setup,
        seen: Callable[[datetime], None] = lambda _: None,
    ) -> None:
        self.at, self.visits, self.setup = at, sorted(visits, key=lambda one: one.arrival), setup
        self.profiles, self.seen = Profiles(), seen
        self.meter_s, self.set_values = setup.meter_s, dict[str, str]()
        self.clock = StationClock(setup.speed, _OFF if Fault.CLOCK_OFF in setup.faults else timedelta())
        self.set_profiles: list[Mapping[str, Any]] = []
        self.followed: list[tuple[datetime, float, float]] = []
        self.missed: list[str] = []
        self.connected, self._lost = asyncio.Event(), asyncio.Event()
        self.asked_for: list[str] = []
        self._asked, self._unsent = asyncio.Event(), list[str]()
        self.plugged_in_at: float | None = None
        self.profile_after_s: list[float] = []
        self.transaction: str | None = None
        self._words = Words(setup.version)
        self._point: Any = None
        self._line_lost: datetime | None = None
        self.drawn_kwh = self.fed_kwh = 0.0
        self._first_boot, self.unheard = True, "nobody answered yet"

    async def run(self) -> None:
        """Connect, and again whenever the line is lost, until the last car has left."""
        line = asyncio.create_task(self._keep_line())
        try:
            await self.connected.wait()
            for visit in self.visits:
                await self.clock.until(visit.arrival)
                await self._session(visit)
        finally:
            line.cancel()

    async def _keep_line(self) -> None:
        while True:
            try:
                async with self._connect() as socket:
                    await self._talk(socket)
            except (OSError, WebSocketException, TimeoutError) as error:
                self._failed(error)
            if self.connected.is_set():
                self._line_lost = self.clock.true
                self.connected.clear()
                self._lost.set()
            await asyncio.sleep(_BACK_AFTER_S)

    def _failed(self, error: Exception) -> None:
        why = str(error) or type(error).__name__
        if self._first_boot and why != self.unheard:
            self.unheard = why
            self.setup.unheard(f"{self.at.plug.station_id} is not connected to {self.setup.url}: {why}")

    def _connect(self) -> Any:
        name = self.at.plug.station_id
        secret = base64.b64encode(f"{name}:{self.setup.password}".encode()).decode()
        return connect(
            f"{self.setup.url}/{name}", additional_headers={"Authorization": f"Basic {secret}"},
            subprotocols=[Subprotocol(SUBPROTOCOL[self.setup.version])], compression=None, ssl=self.setup.tls,
        )  # fmt: skip

    async def _talk(self, socket: Any) -> None:
        self._point = point_class(self.setup.version)(self, socket)
        listening = asyncio.create_task(self._point.start())
        try:
            if self._first_boot:
                booted = await self._point.call(self._words.boot())
                self.clock.set(booted.current_time)
                self._first_boot, self.unheard = False, ""
            else:
                beat = await self._point.call(self._words.heartbeat())
                self.clock.set(beat.current_time)
            self._line_lost = None
            self._lost.clear()
            self.connected.set()
            if Fault.RECONNECTING in self.setup.faults:
                await asyncio.wait([listening], timeout=3600.0 / self.setup.speed)
                return
            await listening
        finally:
            listening.cancel()

    async def _report(self, message: Any) -> Any:
        """Send a message until it is answered, as stations do."""
        while True:
            await self.connected.wait()
            try:
                answer = await self._point.call(message)
                if Fault.DUPLICATE in self.setup.faults:
                    answer = await self._point.call(message)
                if answer is not None:
                    return answer
                return None
            except (OSError, WebSocketException, TimeoutError):
                await asyncio.sleep(_BACK_AFTER_S)

    async def _answered_or_lost(self, telling: asyncio.Task[Any]) -> None:
        """Wait for an answer, or for the line to go: the car goes on all the same."""
        lost = asyncio.create_task(self._lost.wait())
        await asyncio.wait([telling, lost], return_when=asyncio.FIRST_COMPLETED)
        lost.cancel()

    async def _session(self, visit: Visit) -> None:
        """A car from its arrival to its departure."""
        car, evse = visit.car, self.at.plug.evse
        if Fault.DISOBEYING in self.setup.faults:
            car.obeys = False
        car.greedy = Fault.GREEDY in self.setup.faults
        transaction, number = str(uuid.uuid4()), 0
        if not self._words.old:
            self.transaction = transaction
        self.plugged_in_at = time.monotonic()
        began = await self._report(
            self._words.started(
                evse, car.battery_id, self.clock.stated(), self._metered(0.0, car.soc), transaction
            )
        )
        if self._words.old:
            transaction = str(began.transaction_id)
        self.transaction = transaction
        if Fault.BROKEN in self.setup.faults:
            await self._report(self._words.status(evse, "Faulted", self.clock.stated()))
        if self.setup.version == "2.1":
            await self._report(self._words.needs(evse, text(visit.departure), _needs(visit)))
        before, telling, step = self.clock.true, None, timedelta(seconds=_STEP_S)
        due, extra = before + self._meter, list[asyncio.Task[Any]]()
        while before < visit.departure:
            asked = self._asked_kw(before)
            await self.clock.until(min(before + step, due, visit.departure), self._asked)
            now = max(before, min(self.clock.true, visit.departure))  # a clock may be set back
            power = self._move(visit, before, asked, (now - before) / timedelta(hours=1))
            before = now
            for message in self._taken():
                number += message == "TransactionEvent"
                metered = self._metered(power, car.soc, "Trigger")
                told = self._words.asked_for(message, evse, number, self.clock.stated(), metered, transaction)
                extra.append(asyncio.create_task(self._report(told)))
            if now < due:
                continue
            due, number = now + self._meter, number + 1
            unanswered = telling is not None and not telling.done()
            if now < visit.departure and self.connected.is_set() and not unanswered:
                message = self._words.updated(
                    evse, number, self.clock.stated(), self._metered(power, car.soc), transaction
                )
                telling = asyncio.create_task(self._report(message))
                await self._answered_or_lost(telling)
        late = not self.connected.is_set()
        await asyncio.gather(*extra, *([] if telling is None else [telling]))
        await self._report(
            self._words.ended(
                evse, number + 1, self.clock.stated(), self._metered(0.0, car.soc), transaction, late
            )
        )
        self.profiles.end(transaction)
        self.transaction = self.plugged_in_at = None
        if car.energy_kwh < visit.target_kwh - 0.01 * car.capacity_kwh:
            self.missed.append(f"{car.battery_id}: {car.energy_kwh:.2f} of {visit.target_kwh:.2f} kWh")

    @property
    def _meter(self) -> timedelta:
        return timedelta(seconds=self.meter_s)

    def set_value(self, name: str, value: str) -> str:
        """What it answers to a value of its configuration, or of a variable: it meters as often as told."""
        if Fault.REFUSING in self.setup.faults:
            return "Rejected"
        self.set_values[name] = value
        if name in ("MeterValueSampleInterval", "TxUpdatedInterval"):
            self.meter_s = float(value)
        return "Accepted"

    def _asked_kw(self, now: datetime) -> float:
        offline = timedelta() if self._line_lost is None else now - self._line_lost
        plug = self.at.plug
        kw_of_ampere = plug.voltage_v * max(plug.phases, 1) / 1000.0
        return self.profiles.asked_kw(now, plug.most_kw, kw_of_ampere, self.transaction, offline)

    def _move(self, visit: Visit, now: datetime, asked: float, hours: float) -> float:
        power = visit.car.step(asked, hours)
        self.drawn_kwh += max(power, 0.0) * hours
        self.fed_kwh += max(-power, 0.0) * hours
        self.followed.append((now, asked, power))
        return power

    def _metered(self, power: float, soc: float, why: str = "Sample.Periodic") -> list[Any]:
        return self._words.metered(
            self.clock.stated(), power_kw=power, drawn_kwh=self.drawn_kwh, fed_kwh=self.fed_kwh, soc=soc,
            why=why,
        )  # fmt: skip

    def hears(self, frame: str) -> bool:
        """Whether it takes any notice of a frame."""
        return Fault.SILENT not in self.setup.faults or '"SetChargingProfile"' not in frame

    def take_trigger(self, message: str, evse: int | None) -> str:
        """What it answers to TriggerMessage: a reading of the car that is there follows."""
        if Fault.REFUSING in self.setup.faults:
            return "Rejected"
        known = message == "MeterValues" or (message == "TransactionEvent" and not self._words.old)
        if Fault.UNASKED in self.setup.faults or not known:
            return "NotImplemented"
        if self.transaction is None or evse not in (None, 0, self.at.plug.evse):
            return "Rejected"
        self.asked_for.append(message)
        self._unsent.append(message)
        self._asked.set()
        return "Accepted"

    def _taken(self) -> list[str]:
        """What was asked for and not sent yet; then sent."""
        self._asked.clear()
        found, self._unsent = self._unsent, []
        return found

    async def take_profile(self, evse: int, profile: Mapping[str, Any]) -> str:
        """What it answers to SetChargingProfile."""
        if Fault.LATE in self.setup.faults:
            await asyncio.sleep(_LATE_S / self.setup.speed)
        if Fault.REFUSING in self.setup.faults or evse != self.at.plug.evse:
            return "Rejected"
        mine = profile.get("transaction_id")
        if mine is not None and str(mine) != self.transaction and self.transaction is not None:
            return "Rejected"
        self.set_profiles.append(profile)
        self.profiles.put(profile)
        self.seen(self.clock.true)
        if mine is not None and self.plugged_in_at is not None:
            self.profile_after_s.append(time.monotonic() - self.plugged_in_at)
            self.plugged_in_at = None
        return "Accepted"


def _needs(visit: Visit) -> dict[str, float]:
    car = visit.car
    return {
        "charge_kw": car.charge_kw, "discharge_kw": car.discharge_kw, "energy_kwh": car.energy_kwh,
        "room_kwh": car.capacity_kwh - car.energy_kwh,
        "wanted_kwh": max(0.0, visit.target_kwh - car.energy_kwh),
        "target_percent": 100.0 * min(1.0, visit.target_kwh / car.capacity_kwh),
    }  # fmt: skip
