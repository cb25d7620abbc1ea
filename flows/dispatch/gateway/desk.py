"""What the gateway knows and keeps: journal, book, rows, plans, alerts; and what it answers to a message.

A message of a transaction is in the journal before it is answered. Everything here but the answer follows
from the journal, so that a kill at any moment costs nothing that a station believes to have reported.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.dispatch.current import Found
from flows.dispatch.gateway import ASKED_FILE, PLANS
from flows.dispatch.gateway.alerts import Alerts, Kind
from flows.dispatch.gateway.authorize import ACCEPTED, asked_token, status_of
from flows.dispatch.gateway.book import Book, Came, Transaction
from flows.dispatch.gateway.config import GatewayConfig
from flows.dispatch.gateway.following import Following
from flows.dispatch.gateway.guard import Guard
from flows.dispatch.gateway.journal import Journal
from flows.dispatch.gateway.outbox import Files, Rows, deliver
from flows.dispatch.gateway.plans import PlanFolder
from flows.dispatch.gateway.signal_folder import SIGNALS_FOLDER, SignalFolder
from flows.dispatch.gateway.signal_rows import SignalRows
from flows.dispatch.gateway.unforeseen import SLACK_S, other_band, other_wish, unforeseen
from flows.dispatch.gateway.wanted import Wanted
from flows.dispatch.station import Version
from warehouse.files import make_folder, write_whole

Clock = Callable[[], datetime]
_KEPT = ("StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent", "NotifyEVChargingNeeds")
_HEARTBEAT_S = 300


class Desk:
    """State of a gateway in the folder `state`; rows go to `inbox`, plans come from `plans`."""

    def __init__(self, config: GatewayConfig, *, plans: Path, inbox: Path, state: Path, clock: Clock) -> None:
        self.config, self.clock = config, clock
        self._inbox, self.state = inbox, make_folder(state)
        self.alerts = Alerts(state / "alerts.jsonl", clock)
        self.plans = PlanFolder(
            plans, state / PLANS, lambda name, why: self.alerts.report(Kind.PLAN_REFUSED, name, why)
        )
        self.plans.look(clock())  # before anybody is answered: a car that is plugged in already is in one
        self.signals = SignalFolder(
            plans.parent / SIGNALS_FOLDER, state / SIGNALS_FOLDER,
            lambda name, why: self.alerts.report(Kind.SIGNAL_REFUSED, name, why),
        )  # fmt: skip
        self._signal_rows = SignalRows(state / "limits_told.json", inbox)
        self.book, self.rows, self.following = Book(), Rows(), Following(state)
        self._asked = set[int]()
        self._id, self._flushes = uuid.uuid4().hex[:8], 0
        self._undelivered: dict[int, Files] = {}
        self._journal = Journal(state / "journal.jsonl")
        self.guard = Guard(
            plans=self.plans, alerts=self.alerts, running=lambda: self.book.running, ask=self.ask,
            keep=self._keep_guard, clock=clock, signalled=self.signals.at, margins=config.margins,
        )  # fmt: skip
        for record in self._journal.records():
            self._replay(record)
        if not any(self._journal.records()):
            self._journal.append({"k": "born", "id": self._id})

    def now_s(self) -> float:
        """This moment, s since 1970."""
        return self.clock().timestamp()

    def take(
        self, station: str, version: Version, action: str, payload: dict[str, Any]
    ) -> tuple[Came | None, dict[str, Any] | None]:
        """Take a message of a station: what it did, and the answer to it (None: the empty one).

        Raises OSError where the journal cannot be written: the message is then not taken.
        """
        came = self._keep(station, action, payload) if action in _KEPT else None
        return came, self._answer(station, version, action, payload, came)

    def _keep(self, station: str, action: str, payload: dict[str, Any]) -> Came | None:
        record = {"k": "m", "t": self.now_s(), "s": station, "a": action, "p": payload}
        if decided := self._decide(station, action, payload):
            record["r"] = decided
        try:
            self._journal.append(record)
        except OSError as error:
            self.alerts.report(Kind.DISK, "", f"what stations tell cannot be kept: {error.strerror}")
            raise
        came = self._apply(record)
        self._watch(station, action, came)
        return came

    def _keep_guard(self, record: Mapping[str, Any]) -> None:
        try:
            self._journal.append(record)
        except OSError as error:  # it holds all the same, until the gateway ends
            self.alerts.report(Kind.DISK, "", f"who is held back cannot be kept: {error.strerror}")

    def _apply(self, record: Mapping[str, Any]) -> Came | None:
        came = self.book.apply(record)
        if came is not None and not came.again:
            self.rows.came(came.transaction, came.readings)
        return came

    def _replay(self, record: Mapping[str, Any]) -> None:
        try:
            match record["k"]:
                case "born":
                    self._id = record["id"]
                case "m":
                    self._apply(record)
                case "guard":
                    self.guard.take_record(record)
                case "flush":
                    self._flushes = record["n"]
                    self._undelivered[record["n"]] = self.rows.take(self.book, self._name(record["n"]))
                case "flushed":
                    self._undelivered.pop(record["n"], None)
                case "snapshot":
                    self._id, self._flushes = record["id"], record["n"]
                    self.book, self.rows = Book.of_record(record["book"]), Rows.of_record(record["rows"])
                    self.guard.take_record(record["guard"])
        except (KeyError, TypeError, ValueError) as error:
            self.alerts.report(
                Kind.DISK, "", f"a record of the journal cannot be used: {type(error).__name__}: {error}"
            )

    def _decide(self, station: str, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """What is decided of a message before it counts: 1.6's transaction id, whose car it is."""
        if action == "StartTransaction":
            if self.book.started_as(station, payload) is not None:
                return {}
            evse = int(payload["connectorId"])
            return {"tx": self.book.numbered + 1, "car": self.car_of(station, evse, str(payload["idTag"]))}
        if action == "NotifyEVChargingNeeds":
            there = self.book.at(station, int(payload["evseId"]))
            car = None if there is None else self.plans.car(str(there.car.get("battery_id")))
            return {} if car is None else {"capacity_kwh": car.capacity_kwh}
        if action != "TransactionEvent":
            return {}
        known = self.book.of(station, str(payload["transactionInfo"]["transactionId"]))
        evse = int((payload.get("evse") or {}).get("id") or (known.evse if known else 0))
        token = (payload.get("idToken") or {}).get("idToken") or (known.token if known else None)
        if known is not None and (known.end is not None or known.token or (known.car and not token)):
            return {}
        return {"car": self.car_of(station, evse, token, known)}

    def car_of(
        self, station: str, evse: int, token: str | None, known: Transaction | None = None
    ) -> dict[str, Any]:
        """Whose car it is and what the plan says of its session; empty where nobody knows the car."""
        battery = self.config.car_of(token, station, evse)
        if battery is None and token is not None and self.plans.car(token) is not None:
            battery = token
        at = self.plans.plug(station, evse)
        charger = None if at is None else at.charger_id
        found = self.plans.session(battery, charger, self.clock())
        battery = battery or (found.session.battery_id if found and token is None else None)
        if battery is None:
            return {}
        car = self.plans.car(battery)
        fields: dict[str, Any] = {
            "battery_id": battery, "session_id": self._session(station, evse, token, found, known),
            "charger_id": charger, "feeds": at is None or at.feeds_kw > 0,
            "efficiencies": None if car is None else [car.efficiency_charge, car.efficiency_discharge],
        }  # fmt: skip
        if found is not None:
            session = found.session
            fields |= {
                "arrival": session.first_slot.timestamp(), "departure": session.departure.timestamp(),
                "departure_soc": session.departure_soc, "arrival_soc": session.arrival_soc,
            }  # fmt: skip
        return fields

    def _session(
        self, station: str, evse: int, token: str | None, found: Found | None, known: Transaction | None
    ) -> str:
        """The announced session that has come, else an id of its own: it came again, or unannounced."""
        used = {one.car.get("session_id") for one in self.book.transactions.values() if one is not known}
        if found is not None and found.session.told and found.session.session_id not in used:
            return found.session.session_id
        came = self.clock() if known is None else datetime.fromtimestamp(known.start, UTC)
        place = hashlib.sha256(f"{station}\n{evse}\n{token}".encode("utf-8", "replace")).hexdigest()[:8]
        return f"gateway-{came:%Y%m%dT%H%M%SZ}.{place}"

    def _watch(self, station: str, action: str, came: Came | None) -> None:
        """Tell of what a message shows, and ask for a new plan where it is not what was planned with."""
        if came is None or came.again:
            return
        one, battery = came.transaction, came.transaction.car.get("battery_id")
        if came.skew_s:
            text = f"its clock is off by {came.skew_s:.0f} s: our time is taken"
            self.alerts.report(Kind.CLOCK_OFF, station, text, evse=one.evse)
        if came.began and battery is None and one.token and one.token.upper() not in self.config.guests:
            self.alerts.report(
                Kind.UNKNOWN_CAR, station, f"nobody says whose car {one.token!r} is", evse=one.evse
            )
        if one.number not in self._asked and (why := unforeseen(one)) is not None:
            self._asked.add(one.number)
            self.ask(f"{battery or 'a car'} at {station}: {why}")
        if action == "NotifyEVChargingNeeds":
            self._wish(station, one)
        due = one.car.get("departure")
        if came.ended and one.end is not None and due is not None and one.end < due - SLACK_S:
            left = f"left before {datetime.fromtimestamp(due, UTC):%Y-%m-%d %H:%M} UTC"
            self.alerts.report(Kind.LEFT_EARLY, station, left, evse=one.evse, battery_id=battery)
            self.ask(f"{battery or 'a car'} at {station} {left}")

    def noted(self, one: Transaction, wanted: Wanted) -> None:
        """Take that a station has taken a session's profile."""
        try:
            self.following.note(one, wanted, self.now_s())
        except OSError as error:
            self.alerts.report(Kind.DISK, "", f"what is asked for cannot be kept: {error.strerror}")

    def _wish(self, station: str, one: Transaction) -> None:
        battery = one.car.get("battery_id")
        at = self.plans.plug(station, one.evse)
        planned = self.plans.session(battery, None if at is None else at.charger_id, self.clock())
        if other_wish(one):
            self.ask(f"{battery or 'a car'} at {station} wants something else")
        elif other_band(one, None if planned is None else planned.session):
            self.ask(f"{battery or 'a car'} at {station} lends itself in another band")

    def look_at_signals(self) -> bool:
        """Take what the grid says; whether that changed anything."""
        come, lifted = self.signals.look()
        noted: list[str] = []
        for kind, limits in ((Kind.SIGNAL, come), (Kind.SIGNAL_LIFTED, lifted)):
            for one in limits:
                known = self.plans.site(one.site_id) is not None
                what = f"{one}{'' if known else '; no plan knows that site'}"
                self.alerts.report(kind, "", what, site_id=one.site_id, each=True)
                noted.append(f"{kind}: {what}")
        if noted:  # an event may hold a thousand: it is asked once
            self.ask(noted[0] if len(noted) == 1 else f"{noted[0]}; and {len(noted) - 1} more")
            self.tell_limits()
        return bool(come or lifted)

    def tell_limits(self) -> None:
        """Have what the grid's signals come to in the inbox."""
        try:
            self._signal_rows.report(self.signals.limits, self.now_s(), self._id)
        except OSError as error:
            self.alerts.report(Kind.DISK, "", f"limits wait, the inbox cannot be written: {error.strerror}")

    def ask(self, why: str) -> None:
        """Ask whoever plans for a new plan."""
        fields = {"asked_utc": self.clock().isoformat(timespec="seconds"), "why": why}
        try:
            write_whole(self.state / ASKED_FILE, json.dumps(fields))
        except OSError as error:
            self.alerts.report(Kind.DISK, "", f"a new plan cannot be asked for: {error.strerror}")

    def _authorized(self, station: str, payload: Mapping[str, Any], evse: int | None) -> dict[str, Any]:
        """Whether a message's token may charge; one that may not is an alert."""
        token = asked_token(payload)
        status = status_of(self.config, self.plans, station, evse, token)
        if status != ACCEPTED:
            shown = "no token" if token is None else f"token {token!r}"
            self.alerts.report(Kind.NOT_ADMITTED, station, f"{shown} is on no list: {status}", evse=evse)
        return {"status": status}

    def _answer(
        self, station: str, version: Version, action: str, payload: Mapping[str, Any], came: Came | None
    ) -> dict[str, Any] | None:
        old, now = version == "1.6", _text(self.clock())
        match action:
            case "BootNotification":
                return {"currentTime": now, "interval": _HEARTBEAT_S, "status": "Accepted"}
            case "Heartbeat":
                return {"currentTime": now}
            case "Authorize":
                info = self._authorized(station, payload, None)
                return {"idTagInfo" if old else "idTokenInfo": info}
            case "StartTransaction" if came is not None:
                info = self._authorized(station, payload, came.transaction.evse)
                return {"transactionId": int(came.transaction.tx), "idTagInfo": info}
            case "TransactionEvent" if "idToken" in payload:
                evse = None if came is None else came.transaction.evse
                return {"idTokenInfo": self._authorized(station, payload, evse)}
            case "NotifyEVChargingNeeds":
                return {"status": "NoChargingProfile" if came is None else "Processing"}
            case "NotifyEVChargingSchedule":
                return {"status": "Accepted"}
            case "DataTransfer":
                return {"status": "UnknownVendorId"}
        return None

    def flush(self) -> None:
        """Put what waits into the inbox; what cannot be written now stays for the next time."""
        try:
            if self.rows.waiting:
                self.following.write(self.rows.quarters, self.book, self.plans)
                number = self._flushes + 1
                self._journal.append({"k": "flush", "n": number})
                self._flushes = number
                self._undelivered[number] = self.rows.take(self.book, self._name(number))
            for number, files in sorted(self._undelivered.items()):
                deliver(files, self._inbox)
                self._journal.append({"k": "flushed", "n": number})
                del self._undelivered[number]
        except OSError as error:
            self.alerts.report(
                Kind.DISK, "", f"rows wait, the inbox or the journal cannot be written: {error.strerror}"
            )

    def tidy(self) -> None:
        """Drop what has long been over, and shorten the journal where it has become long."""
        self.book.forget(self.now_s())
        self.rows.quarters.forget(self.now_s())
        self.following.tidy(self.now_s())
        self.tell_limits()
        if not self._undelivered:
            self._journal.shorten(
                lambda: {
                    "k": "snapshot", "id": self._id, "n": self._flushes, "book": self.book.to_record(),
                    "rows": self.rows.to_record(), "guard": self.guard.to_record(),
                }
            )  # fmt: skip

    def close(self) -> None:
        """Write what waits, and no more after it."""
        self.flush()
        self._journal.close()

    def _name(self, number: int) -> str:
        return f"gateway-{self._id}-{number}"


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
