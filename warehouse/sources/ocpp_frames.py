"""A log of OCPP-J messages → transactions: when, by whom, where, and what was metered.

Frames as they go over the wire: calls [2, id, action, payload], results [3, id, payload], errors [4, …]; one
a line, or all in one JSON array. OCPP 1.6: StartTransaction and its result, MeterValues, StopTransaction.
OCPP 2.0.1 and 2.1: TransactionEvent, MeterValues. Other actions are passed over.
"""

import datetime as dt
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from warehouse.errors import CellError, OversizedFileError, UndecodableFileError
from warehouse.sources.jsontext import parse_json
from warehouse.sources.rawfile import RawFile

_SOC, _ENERGY = "SoC", "Energy.Active.Import.Register"
_ENERGY_WH: Mapping[str, float] = {"Wh": 1.0, "kWh": 1000.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A metered value: state of charge (0–1) or energy register (Wh), whichever it is not is None."""

    time: dt.datetime
    soc: float | None = None
    energy_wh: float | None = None


@dataclass(slots=True, kw_only=True)
class Transaction:
    """A transaction as far as the log tells; row: of the frame that first named it."""

    transaction_id: str
    row: int
    token: str | None = None
    place: str | None = None
    start: dt.datetime | None = None
    stop: dt.datetime | None = None
    readings: list[Reading] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """One message; its payload's members are read with the row in every error."""

    file: str
    row: int
    message_id: str
    action: str | None
    payload: Mapping[str, Any]

    def error(self, member: str, problem: str, value: object = None) -> CellError:
        shown = None if value is None else str(value)
        return CellError(problem, file=self.file, row=self.row, column=member, value=shown)

    def text(self, member: str, holder: Mapping[str, Any] | None = None) -> str:
        value = (self.payload if holder is None else holder).get(member)
        if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
            raise self.error(member, f"is missing from {self.action or 'a result'} or is no text", value)
        return str(value)

    def time(self, value: object) -> dt.datetime:
        try:
            time = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            time = None
        if time is None or not 1900 <= time.year < 2200:
            raise self.error("timestamp", "is not an ISO 8601 time of the years 1900 to 2199", value)
        # Without an offset OCPP-J means UTC.
        return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)

    def members(self, name: str, holder: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        value = holder.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(name, "is not a list of objects", value)
        return value

    def readings(self, name: str = "meterValue") -> list[Reading]:
        """Return the states of charge and energy registers under a member."""
        found = []
        for group in self.members(name, self.payload):
            time = self.time(group.get("timestamp"))
            for sample in self.members("sampledValue", group):
                measurand = sample.get("measurand", _ENERGY)
                if sample.get("phase") or measurand not in (_SOC, _ENERGY):
                    continue
                found.append(self._reading(time, measurand, sample))
        return found

    def _reading(self, time: dt.datetime, measurand: str, sample: Mapping[str, Any]) -> Reading:
        unit = sample.get("unitOfMeasure") or {}
        name = unit.get("unit") or sample.get("unit")
        try:
            value = float(sample["value"]) * 10.0 ** int(unit.get("multiplier") or 0)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise self.error("value", "is not a number", sample.get("value")) from None
        if measurand == _SOC:
            if name not in (None, "Percent") or not 0 <= value <= 100:
                raise self.error("SoC", f"is not a percentage, 0 to 100 (unit {name})", value)
            return Reading(time=time, soc=value / 100.0)
        if name not in (None, *_ENERGY_WH) or not abs(value) < 1e12:
            raise self.error(_ENERGY, f"is not an energy in Wh or kWh (unit {name})", value)
        return Reading(time=time, energy_wh=value * _ENERGY_WH[name or "Wh"])


def transactions(file: RawFile) -> tuple[list[Transaction], list[str]]:
    """Return a log's transactions in the order in which they are first named, and notes.

    Raises SourceError.
    """
    known: dict[str, Transaction] = {}
    waiting: dict[str, _Frame] = {}
    loose: list[tuple[str, list[Reading]]] = []
    for frame in _frames(file):
        match frame.action:
            case None:
                call = waiting.pop(frame.message_id, None)
                if call is not None and frame.payload:
                    _start(call, frame, known)
            case "StartTransaction":
                waiting[frame.message_id] = frame
            case "StopTransaction":
                _stop(frame, known)
            case "TransactionEvent":
                _event(frame, known)
            case "MeterValues":
                transaction_id = frame.payload.get("transactionId")
                if transaction_id is not None:
                    _of(frame, str(transaction_id), known).readings += frame.readings()
                elif "evseId" in frame.payload:
                    loose.append((f"evse:{frame.text('evseId')}", frame.readings()))
                else:
                    loose.append((f"connector:{frame.text('connectorId')}", frame.readings()))
    _attach(loose, known)
    notes = [
        f"row {call.row}: StartTransaction {call.message_id!r} was left out, no result [3, …] in the log "
        "says which transaction started"
        for call in waiting.values()
    ]
    return list(known.values()), notes


def _frames(file: RawFile) -> Iterator[_Frame]:
    first = file.data.lstrip(b"\xef\xbb\xbf \t\r\n")
    line = first.split(b"\n", 1)[0].strip()
    # A line that is a frame of its own begins [2, "…; an array of frames begins [[ or spans lines.
    if line.startswith(b"[") and line.endswith(b"]") and not line[1:].lstrip().startswith(b"["):
        for row, text in enumerate(io.BytesIO(file.data), start=1):
            if len(text) > file.caps.line_bytes:
                raise OversizedFileError(
                    f"is longer than {file.caps.line_bytes:,} bytes", file=file.name, row=row
                )
            if text.strip(b"\xef\xbb\xbf \t\r\n"):
                yield _frame(parse_json(text, file, row), file.name, row)
        return
    whole = parse_json(file.data, file)
    if not isinstance(whole, list):
        raise UndecodableFileError("is not a list of OCPP frames, nor one a line", file=file.name)
    for row, value in enumerate(whole, start=1):
        yield _frame(value, file.name, row)


def _frame(value: object, file: str, row: int) -> _Frame:
    match value:
        case [2, str(message_id), str(action), dict(payload)]:
            return _Frame(file=file, row=row, message_id=message_id, action=action, payload=payload)
        case [3, str(message_id), dict(payload)]:
            return _Frame(file=file, row=row, message_id=message_id, action=None, payload=payload)
        case [4, str(message_id), str(), str(), *_]:
            return _Frame(file=file, row=row, message_id=message_id, action=None, payload={})
    raise CellError(
        "is no OCPP frame: [2, id, action, payload], [3, id, payload] or [4, id, code, …]",
        file=file, row=row, value=str(value),
    )  # fmt: skip


def _of(frame: _Frame, transaction_id: str, known: dict[str, Transaction]) -> Transaction:
    return known.setdefault(transaction_id, Transaction(transaction_id=transaction_id, row=frame.row))


def _start(frame: _Frame, answer: _Frame, known: dict[str, Transaction]) -> None:
    transaction = _of(frame, answer.text("transactionId"), known)
    transaction.token, transaction.place = frame.text("idTag"), f"connector:{frame.text('connectorId')}"
    transaction.start = frame.time(frame.payload.get("timestamp"))
    transaction.readings.append(_register(frame, "meterStart", transaction.start))


def _stop(frame: _Frame, known: dict[str, Transaction]) -> None:
    transaction = _of(frame, frame.text("transactionId"), known)
    transaction.stop = frame.time(frame.payload.get("timestamp"))
    transaction.readings.append(_register(frame, "meterStop", transaction.stop))
    transaction.readings += frame.readings("transactionData")


def _register(frame: _Frame, member: str, time: dt.datetime) -> Reading:
    value = frame.payload.get(member)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise frame.error(member, "is not an energy in Wh", value)
    return Reading(time=time, energy_wh=float(value))


def _event(frame: _Frame, known: dict[str, Transaction]) -> None:
    info = frame.payload.get("transactionInfo")
    transaction = _of(frame, frame.text("transactionId", info if isinstance(info, dict) else {}), known)
    time, kind = frame.time(frame.payload.get("timestamp")), frame.payload.get("eventType")
    if kind == "Started":
        transaction.start = time
    elif kind == "Ended":
        transaction.stop = time
    elif kind != "Updated":
        raise frame.error("eventType", "is none of Started, Updated, Ended", kind)
    if isinstance(token := frame.payload.get("idToken"), dict) and transaction.token is None:
        transaction.token = frame.text("idToken", token)
    if isinstance(evse := frame.payload.get("evse"), dict):
        transaction.place = f"evse:{frame.text('id', evse)}"
    transaction.readings += frame.readings()


def _attach(loose: list[tuple[str, list[Reading]]], known: Mapping[str, Transaction]) -> None:
    """Give readings that name only a place to the transactions that ran there at their time."""
    at_place: dict[str | None, list[Transaction]] = {}
    for transaction in known.values():
        at_place.setdefault(transaction.place, []).append(transaction)
    for place, readings in loose:
        for reading in readings:
            for transaction in at_place.get(place, []):
                start, stop = transaction.start, transaction.stop
                if start and stop and start <= reading.time <= stop:
                    transaction.readings.append(reading)
