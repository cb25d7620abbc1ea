"""The transactions of a depot, as what its stations said adds up to: every message once, in any order.

All of it follows from the journal's records, so that a gateway that was killed comes back to the same book.
What was decided when a message came (whose car it is, 1.6's transaction ids) is in the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from flows.dispatch.gateway.needs import band_of, needs_of
from flows.dispatch.gateway.readings import Reading, readings_of, seconds

SKEW_S = 300.0
"""A clock that is off by more is not believed."""
KEPT_S = 3 * 86400.0
"""So long what is over is remembered, so that what comes late or again finds it."""
_NOTED = 400


@dataclass(slots=True, kw_only=True)
class Transaction:
    """A car at a plug, times in s since 1970.

    tx: its id at the station. evse: 1.6's connector. began: whether its start was reported. car: battery_id,
    session_id, charger_id, efficiencies, feeds and what the plan had announced; empty while nobody knows.
    needs: what the car asked for. seen: messages that count no more. points: (time, drawn, fed) whose
    quarter-hours are not settled yet, which begin at `settled`. told: the session's row as it last went out.
    """

    station: str
    evse: int
    tx: str
    number: int
    start: float
    began: bool = True
    end: float | None = None
    token: str | None = None
    key: str = ""
    car: dict[str, Any] = field(default_factory=dict)
    needs: dict[str, Any] = field(default_factory=dict)
    seen: list[int] = field(default_factory=list)
    soc_first: float | None = None
    soc_last: float | None = None
    first: list[float | None] = field(default_factory=lambda: [None, None])
    last: list[float | None] = field(default_factory=lambda: [None, None])
    power_at: float = 0.0
    power_kw: float | None = None
    points: list[list[float | None]] = field(default_factory=list)
    settled: float | None = None
    told: list[Any] = field(default_factory=list)

    def take(self, readings: list[Reading]) -> None:
        """Add what was metered; a moment that was metered before counts once."""
        for one in readings:
            if one.soc is not None:
                self.soc_first = one.soc if self.soc_first is None else self.soc_first
                self.soc_last = one.soc
            if one.power_kw is not None and one.at >= self.power_at:
                self.power_at, self.power_kw = one.at, one.power_kw
            if one.drawn_kwh is None and one.fed_kwh is None:
                continue
            values = [one.drawn_kwh, one.fed_kwh]
            self.first = [
                old if old is not None else new for old, new in zip(self.first, values, strict=True)
            ]
            self.last = [new if new is not None else old for old, new in zip(self.last, values, strict=True)]
            if all(one.at != point[0] for point in reversed(self.points)):
                self.points.append([one.at, *values])
        self.points.sort(key=lambda point: point[0] or 0.0)

    @property
    def metered_kwh(self) -> float | None:
        """Drawn less fed back so far, None where no register reported it."""
        drawn, fed = (
            None if new is None or old is None or new < old else new - old
            for old, new in zip(self.first, self.last, strict=True)
        )
        return None if drawn is None else drawn - (fed or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What a message did: the transaction it is of, what was new in it, and whether its clock was off."""

    transaction: Transaction
    began: bool = False
    ended: bool = False
    again: bool = False
    skew_s: float = 0.0
    readings: tuple[Reading, ...] = ()


class Book:
    """Every transaction that runs or was over lately, by its number."""

    def __init__(self) -> None:
        self.transactions: dict[int, Transaction] = {}
        self.numbered = 0

    @property
    def running(self) -> Iterator[Transaction]:
        """Those that are not over."""
        return (one for one in self.transactions.values() if one.end is None)

    def at(self, station: str, evse: int) -> Transaction | None:
        """The newest that runs at a place."""
        mine = [one for one in self.running if (one.station, one.evse) == (station, evse)]
        return mine[-1] if mine else None

    def of(self, station: str, tx: str) -> Transaction | None:
        """The newest of an id at a station."""
        mine = [one for one in self.transactions.values() if (one.station, one.tx) == (station, tx)]
        return mine[-1] if mine else None

    def started_as(self, station: str, payload: Mapping[str, Any]) -> Transaction | None:
        """The one that the same StartTransaction began before, as a station sends that got no answer."""
        key = _start_key(payload)
        return next(
            (one for one in self.transactions.values() if (one.station, one.key) == (station, key)), None
        )

    def apply(self, record: Mapping[str, Any]) -> Came | None:
        """Take a message that is in the journal; None for what is of no transaction."""
        station, payload, now = str(record["s"]), record["p"], float(record["t"])
        match record["a"]:
            case "StartTransaction":
                return self._start(station, payload, now, record)
            case "StopTransaction":
                return self._stop(station, payload, now)
            case "TransactionEvent":
                return self._event(station, payload, now, record)
            case "MeterValues":
                return self._meter(station, payload, now)
            case "NotifyEVChargingNeeds":
                return self._needs(station, payload, record)
        return None

    def forget(self, now: float) -> None:
        """Drop what has long been over."""
        old = [one.number for one in self.transactions.values() if one.end and one.end < now - KEPT_S]
        for number in old:
            del self.transactions[number]

    def to_record(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {
            "numbered": self.numbered,
            "transactions": [asdict(one) for one in self.transactions.values()],
        }

    @classmethod
    def of_record(cls, stated: Mapping[str, Any]) -> Book:
        """What `to_record` gave."""
        book = cls()
        book.numbered = int(stated["numbered"])
        book.transactions = {one["number"]: Transaction(**one) for one in stated["transactions"]}
        return book

    def _open(self, station: str, evse: int, tx: str, start: float, **more: Any) -> Transaction:
        before = self.at(station, evse) if evse else None
        if before is not None:  # its end was never reported
            before.end = max(before.start, start)
        self.numbered += 1
        found = Transaction(station=station, evse=evse, tx=tx, number=self.numbered, start=start, **more)
        self.transactions[found.number] = found
        return found

    def _start(self, station: str, payload: Mapping[str, Any], now: float, record: Mapping[str, Any]) -> Came:
        if (before := self.started_as(station, payload)) is not None:
            return Came(transaction=before, again=True)
        start, skew = _believed(seconds(payload["timestamp"]), now, live=False)
        found = self._open(
            station, int(payload["connectorId"]), str(record["r"]["tx"]), start, token=str(payload["idTag"]),
            key=_start_key(payload), car=dict(record["r"].get("car") or {}),
        )  # fmt: skip
        readings = [Reading(at=start, drawn_kwh=float(payload["meterStart"]) / 1000.0)]
        found.take(readings)
        return Came(transaction=found, began=True, skew_s=skew, readings=tuple(readings))

    def _stop(self, station: str, payload: Mapping[str, Any], now: float) -> Came | None:
        found = self.of(station, str(payload["transactionId"]))
        if found is None or found.end is not None:
            return None if found is None else Came(transaction=found, again=True)
        end, skew = _believed(seconds(payload["timestamp"]), now, live=False)
        readings = readings_of(payload.get("transactionData", ()))
        readings.append(Reading(at=end, drawn_kwh=float(payload["meterStop"]) / 1000.0))
        found.take(readings)
        found.end = max(end, found.start)
        return Came(transaction=found, ended=True, skew_s=skew, readings=tuple(readings))

    def _event(
        self, station: str, payload: Mapping[str, Any], now: float, record: Mapping[str, Any]
    ) -> Came | None:
        tx, kind = str(payload["transactionInfo"]["transactionId"]), payload["eventType"]
        at, skew = _believed(seconds(payload["timestamp"]), now, live=not payload.get("offline", False))
        evse = int((payload.get("evse") or {}).get("id") or 0)
        token = (payload.get("idToken") or {}).get("idToken") or None
        found, began = self.of(station, tx), False
        if found is None:
            found = self._open(station, evse, tx, at, began=kind == "Started")
            began = True
        if payload["seqNo"] in found.seen:
            return Came(transaction=found, again=True)
        found.seen = [*found.seen, int(payload["seqNo"])][-_NOTED:]
        if kind == "Started" and not found.began:  # what came before it was sent after it
            found.began, found.start = True, min(found.start, at)
        found.evse, found.token = found.evse or evse, found.token or token
        if car := (record.get("r") or {}).get("car"):
            found.car = dict(car)
        readings = _moved(readings_of(payload.get("meterValue", ())), skew)
        found.take(readings)
        ended = kind == "Ended" and found.end is None
        if ended:
            found.end = max(at, found.start)
        return Came(
            transaction=found, began=began, ended=ended, skew_s=skew, readings=tuple(readings)
        )  # fmt: skip

    def _meter(self, station: str, payload: Mapping[str, Any], now: float) -> Came | None:
        tx = payload.get("transactionId")
        evse = int(payload.get("evseId") or payload.get("connectorId") or 0)
        found = self.at(station, evse) if tx is None else self.of(station, str(tx))
        if found is None or found.end is not None:
            return None
        readings = readings_of(payload.get("meterValue", ()))
        newest = max((one.at for one in readings), default=now)
        # 2.x tells the rest of a session live, by its own clock's time moved; 1.6 is believed in all of it.
        _, skew = _believed(newest, now, live="evseId" in payload and _on_request(payload))
        readings = [one for one in _moved(readings, skew) if one.at >= found.start - SKEW_S]
        found.take(readings)
        return Came(transaction=found, skew_s=skew, readings=tuple(readings))

    def _needs(self, station: str, payload: Mapping[str, Any], record: Mapping[str, Any]) -> Came | None:
        found = self.at(station, int(payload["evseId"]))
        if found is None:
            return None
        found.needs = needs_of(payload["chargingNeeds"])
        if found.needs.get("soc") is not None and found.soc_first is None:
            found.soc_first = found.soc_last = found.needs["soc"]
        soc = _first(found.needs.get("soc"), found.soc_last, found.car.get("arrival_soc"))
        band = band_of(found.needs, soc, (record.get("r") or {}).get("capacity_kwh"))
        if band is not None:
            found.needs |= {
                "v2x_soc": band,
                "planned_capacity_kwh": (record.get("r") or {}).get("capacity_kwh"),
            }
        return Came(transaction=found)


def _first(*values: float | None) -> float | None:
    return next((one for one in values if one is not None), None)


def _believed(stated: float | None, now: float, *, live: bool) -> tuple[float, float]:
    """The time of a message, and by how much the station's clock is off where it is not believed.

    live: whether it was sent as it happened. What was kept while the line was lost may be old, never of the
    future.
    """
    if stated is None:
        return now, 0.0
    ahead = stated - now
    off = ahead > SKEW_S or (live and ahead < -SKEW_S)
    return (now, ahead) if off else (stated, 0.0)


def _moved(readings: list[Reading], skew_s: float) -> list[Reading]:
    """Readings of a clock that is off by so much, by ours."""
    if not skew_s:
        return readings
    return [
        Reading(
            at=one.at - skew_s, soc=one.soc, power_kw=one.power_kw, drawn_kwh=one.drawn_kwh,
            fed_kwh=one.fed_kwh,
        )
        for one in readings
    ]  # fmt: skip


def _on_request(payload: Mapping[str, Any]) -> bool:
    """Whether meter values were read because they were asked for."""
    return any(
        sample.get("context") == "Trigger"
        for group in payload.get("meterValue", ())
        for sample in group.get("sampledValue", ())
    )


def _start_key(payload: Mapping[str, Any]) -> str:
    return "\n".join(str(payload[name]) for name in ("connectorId", "timestamp", "idTag", "meterStart"))
