"""A log of OCPP-J messages → what each says of a transaction: when, by whom, where, what was metered.

Frames as they go over the wire: calls [2, id, action, payload], results [3, id, payload], errors [4, …]; one
a line, or all in one JSON array. OCPP 1.6: StartTransaction and its result, MeterValues, StopTransaction.
OCPP 2.0.1 and 2.1: TransactionEvent, MeterValues; of 2.1 also errors to results [5, …] and unanswered
sends [6, …]. Other actions are passed over. Which messages belong together is given by `ocpp_transactions`.
A line, frame or value that cannot be read costs itself alone: a log holds whatever stations have sent.
"""

import datetime as dt
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from warehouse.errors import CellError, EmptyFileError, OversizedFileError, SourceError, UndecodableFileError
from warehouse.sources.jsontext import parse_json
from warehouse.sources.rawfile import RawFile

_SIGNED = "SignedData"
_BLANK = b"\xef\xbb\xbf \t\r\n\0"  # NUL bytes: a log that was emptied while its writer kept its place
_SOC, _ENERGY = "SoC", "Energy.Active.Import.Register"
_ENERGY_WH: Mapping[str, float] = {"Wh": 1.0, "kWh": 1000.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A metered value: state of charge (0–1) or energy register (Wh), whichever it is not is None."""

    time: dt.datetime
    soc: float | None = None
    energy_wh: float | None = None


class Part(StrEnum):
    """Which part of a transaction a message tells of."""

    START = "start"
    METER = "meter"
    STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one message says; row: of its frame. transaction_id is None where only the place is reported.

    refused: whether the token was, None where it was not answered here.
    """

    part: Part
    row: int
    transaction_id: str | None
    time: dt.datetime | None = None
    token: str | None = None
    place: str | None = None
    readings: tuple[Reading, ...] = ()
    refused: bool | None = None


_EVENTS: Mapping[object, Part] = {"Started": Part.START, "Updated": Part.METER, "Ended": Part.STOP}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """One message; its payload's members are read with the row in every error.

    unread: takes up the errors of values that were left out, naive the times without an offset.
    """

    file: str
    row: int
    message_id: str
    action: str | None
    payload: Mapping[str, Any]
    unread: list[SourceError] = field(default_factory=list)
    naive: list[str] = field(default_factory=list)

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
        if time.tzinfo is None:
            self.naive.append(str(value))
        # Without an offset OCPP-J means UTC.
        return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)

    def members(self, name: str, holder: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        value = holder.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(name, "is not a list of objects", value)
        return value

    def readings(self, name: str = "meterValue") -> list[Reading]:
        """Return the states of charge and energy registers under a member; what is none is left out."""
        found = []
        for group in self.members(name, self.payload):
            for sample in self.members("sampledValue", group):
                measurand = sample.get("measurand", _ENERGY)
                if sample.get("phase") or measurand not in (_SOC, _ENERGY):
                    continue
                if sample.get("format") == _SIGNED:  # the same value again, sealed for the bill
                    continue
                try:
                    found.append(self._reading(self.time(group.get("timestamp")), measurand, sample))
                except CellError as error:
                    self.unread.append(error)
        return found

    def _reading(self, time: dt.datetime, measurand: str, sample: Mapping[str, Any]) -> Reading:
        unit = sample.get("unitOfMeasure") or {}
        if not isinstance(unit, dict):
            raise self.error("unitOfMeasure", "is not an object", unit)
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


def messages(file: RawFile) -> tuple[list[Message], list[str], list[SourceError]]:
    """Return what a log's messages say of transactions, in order, notes, and what could not be read.

    Raises SourceError for a file that is no log, or too large.
    """
    waiting: dict[str, _Frame] = {}
    messages: list[Message] = []
    unread: list[SourceError] = []
    naive: list[str] = []
    for row, value in _values(file):
        try:
            if isinstance(value, SourceError):
                raise value
            frame = _frame(value, file.name, row)
            if (message := _stated(frame, waiting)) is not None:
                messages.append(message)
            unread += frame.unread
            naive += frame.naive
        except (CellError, UndecodableFileError) as error:
            unread.append(error)
    if not messages and not unread and not any(True for _ in _values(file)):
        raise EmptyFileError("holds no message", file=file.name)
    notes = [
        f"row {call.row}: StartTransaction {call.message_id!r} was left out, no result [3, …] in the log "
        "says which transaction started"
        for call in waiting.values()
        if call.action == "StartTransaction"
    ]
    if naive:
        notes.append(
            f"{len(naive)} times without an offset were taken as UTC, as in OCPP, the first: {naive[0]}"
        )
    return messages, notes, unread


def _stated(frame: _Frame, waiting: dict[str, _Frame]) -> Message | None:
    """Return what a message says of a transaction; a start waits in `waiting` for its result."""
    match frame.action:
        case "StartTransaction":
            waiting[frame.message_id] = frame
        case "StopTransaction":
            return _stop(frame)
        case "TransactionEvent":
            if frame.payload.get("idToken"):
                waiting[frame.message_id] = frame
            return _event(frame)
        case "MeterValues":
            return _meter(frame)
        case None if frame.message_id in waiting:
            # The two sides number their calls each for itself: a result of another kind answers the other's.
            if not frame.payload:
                del waiting[frame.message_id]
            elif waiting[frame.message_id].action == "TransactionEvent":
                return _verdict(waiting.pop(frame.message_id), frame)
            elif frame.payload.keys() & {"transactionId", "idTagInfo"}:
                return _start(waiting.pop(frame.message_id), frame)
    return None


def _verdict(event: _Frame, answer: _Frame) -> Message | None:
    """Return what the answer to an event says of its token."""
    refused = _refused(answer, "idTokenInfo")
    return None if refused is None else replace(_event(event), part=Part.METER, readings=(), refused=refused)


def _refused(answer: _Frame, member: str) -> bool | None:
    info = answer.payload.get(member)
    status = info.get("status") if isinstance(info, dict) else None
    return None if status is None else status != "Accepted"


def _values(file: RawFile) -> Iterator[tuple[int, object]]:
    """Yield row and value of each frame, the error of a line that is no JSON in its place."""
    first = file.data.lstrip(_BLANK)
    if _is_frame(first.split(b"\n", 1)[0]):
        yield from _lines(file)
        return
    try:
        whole = parse_json(file.data, file)
    except UndecodableFileError:
        # Whoever cut the log may have cut its first line in half.
        if not _is_frame(first.partition(b"\n")[2].lstrip(_BLANK).split(b"\n", 1)[0]):
            raise
        yield from _lines(file)
        return
    if not isinstance(whole, list):
        raise UndecodableFileError("is not a list of OCPP frames, nor one a line", file=file.name)
    yield from enumerate(whole, start=1)


def _is_frame(line: bytes) -> bool:
    """Whether a line is a frame of its own, as [2, "…; an array of frames begins [[ or spans lines."""
    line = line.strip()
    return line.startswith(b"[") and line.endswith(b"]") and not line[1:].lstrip().startswith(b"[")


def _lines(file: RawFile) -> Iterator[tuple[int, object]]:
    for row, text in enumerate(io.BytesIO(file.data), start=1):
        if len(text) > file.caps.line_bytes:
            raise OversizedFileError(
                f"is longer than {file.caps.line_bytes:,} bytes", file=file.name, row=row
            )
        if messages := text.strip(_BLANK):
            try:
                yield row, parse_json(messages, file, row)
            except UndecodableFileError as error:
                yield row, error


def _frame(value: object, file: str, row: int) -> _Frame:
    match value:
        case [2 | 6, str(message_id), str(action), dict(payload)]:
            return _Frame(file=file, row=row, message_id=message_id, action=action, payload=payload)
        case [3, str(message_id), dict(payload)]:
            return _Frame(file=file, row=row, message_id=message_id, action=None, payload=payload)
        case [4, str(message_id), str(), str(), *_]:
            return _Frame(file=file, row=row, message_id=message_id, action=None, payload={})
        case [5, str(message_id), str(), str(), *_]:  # a result that its receiver could not use
            return _Frame(file=file, row=row, message_id=message_id, action="", payload={})
    raise CellError(
        "is no OCPP frame: [2, id, action, payload], [3, id, payload] or [4, id, code, …]",
        file=file, row=row, value=str(value),
    )  # fmt: skip


def _start(frame: _Frame, answer: _Frame) -> Message:
    time = frame.time(frame.payload.get("timestamp"))
    return Message(
        part=Part.START, row=frame.row, transaction_id=answer.text("transactionId"), time=time,
        token=frame.text("idTag"), place=f"connector:{frame.text('connectorId')}",
        readings=(_register(frame, "meterStart", time),), refused=_refused(answer, "idTagInfo"),
    )  # fmt: skip


def _stop(frame: _Frame) -> Message:
    time = frame.time(frame.payload.get("timestamp"))
    return Message(
        part=Part.STOP, row=frame.row, transaction_id=frame.text("transactionId"), time=time,
        token=frame.text("idTag") if frame.payload.get("idTag") else None,
        readings=(*frame.readings("transactionData"), _register(frame, "meterStop", time)),
    )  # fmt: skip


def _register(frame: _Frame, member: str, time: dt.datetime) -> Reading:
    value = frame.payload.get(member)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise frame.error(member, "is not an energy in Wh", value)
    return Reading(time=time, energy_wh=float(value))


def _event(frame: _Frame) -> Message:
    info = frame.payload.get("transactionInfo")
    kind = frame.payload.get("eventType")
    if kind not in _EVENTS:
        raise frame.error("eventType", "is none of Started, Updated, Ended", kind)
    token, evse = frame.payload.get("idToken"), frame.payload.get("evse")
    return Message(
        part=_EVENTS[kind], row=frame.row,
        transaction_id=frame.text("transactionId", info if isinstance(info, dict) else {}),
        time=frame.time(frame.payload.get("timestamp")),
        token=frame.text("idToken", token) if isinstance(token, dict) else None,
        place=f"evse:{frame.text('id', evse)}" if isinstance(evse, dict) else None,
        readings=tuple(frame.readings()),
    )  # fmt: skip


def _meter(frame: _Frame) -> Message:
    transaction_id = frame.payload.get("transactionId")
    kind, member = ("evse", "evseId") if "evseId" in frame.payload else ("connector", "connectorId")
    # A transaction's readings need no place; those without a transaction have nothing else.
    placed = transaction_id is None or member in frame.payload
    return Message(
        part=Part.METER, row=frame.row,
        transaction_id=None if transaction_id is None else frame.text("transactionId"),
        place=f"{kind}:{frame.text(member)}" if placed else None, readings=tuple(frame.readings()),
    )  # fmt: skip
