"""Messages of an OCPP log → transactions, where a transaction's id alone does not tell it.

Stations count anew after a restart, and several stations of one log may count alike: the same id can come
again days later, or run at two places at once. A transaction is given by its id, its place and its start.
What could belong to two of them is given to none, and said.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from warehouse.sources.ocpp_frames import Message, Part, Reading
from warehouse.sources.ocpp_readings import can_rise

_SLACK = dt.timedelta(minutes=15)
"""So far outside its transaction a reading may lie, by a meter's own clock or stamped to the quarter-hour."""
_EARLY, _FAR = (moment.replace(tzinfo=dt.UTC) for moment in (dt.datetime.min, dt.datetime.max))
_ORDER = (Part.START, Part.METER, Part.STOP)


@dataclass(slots=True, kw_only=True, eq=False)
class Transaction:
    """A transaction as far as the log tells; row: of the frame that first named it.

    until: from when another one of the same id runs at its place. refused: whether its token was, at last.
    messages: the messages that it is of.
    """

    transaction_id: str
    row: int
    token: str | None = None
    place: str | None = None
    start: dt.datetime | None = None
    stop: dt.datetime | None = None
    until: dt.datetime = _FAR
    refused: bool = False
    messages: list[Message] = field(default_factory=list)

    @property
    def named(self) -> str:
        """How notes and errors call it."""
        return f"transaction {self.transaction_id!r}"

    @property
    def begun_by(self) -> Message | None:
        """The message that began it, None where none was reported."""
        return next((one for one in self.messages if one.part is Part.START), None)

    @property
    def running(self) -> bool:
        """Whether it goes on as far as the log tells: begun, not refused, and not reported to be over."""
        return self.start is not None and self.stop is None and self.until == _FAR and not self.refused

    @property
    def goes_on_elsewhere(self) -> bool:
        """Whether another log may tell what this one does not: its start, or its end."""
        return self.until == _FAR and (self.start is None or self.stop is None)

    def could_be_of(self, place: str | None) -> bool:
        """Whether a message from a place may be of this one; a place of None may be any."""
        return place is None or self.place is None or place == self.place

    def runs(self, time: dt.datetime) -> bool:
        """Whether it runs at a time, as far as is known; at the moment of its end, too."""
        end = self.until if self.stop is None else self.stop
        return self.start is not None and self.start <= time <= end

    @property
    def readings(self) -> list[Reading]:
        """What was metered while it ran; of one moment the start's word comes first, the end's last."""
        first, last = self._within
        messages = sorted(self.messages, key=lambda one: _ORDER.index(one.part))
        return [it for one in messages for it in one.readings if first <= it.time <= last]

    @property
    def stray(self) -> int:
        """How many readings are of a time when it did not run, as from before a station's clock was set."""
        first, last = self._within
        return sum(not first <= it.time <= last for one in self.messages for it in one.readings)

    @property
    def _within(self) -> tuple[dt.datetime, dt.datetime]:
        first = _EARLY if self.start is None else self.start - _SLACK
        return first, _FAR if self.stop is None else self.stop + _SLACK

    def take(self, messages: Message) -> None:
        """Add what a message tells."""
        self.messages.append(messages)
        self.token, self.place = self.token or messages.token, self.place or messages.place
        self.refused = self.refused if messages.refused is None else messages.refused


def transactions(messages: Sequence[Message]) -> tuple[list[Transaction], list[str]]:
    """Return the transactions in the order in which they are first named, and notes on what was not clear."""
    found: list[Transaction] = []
    notes: list[str] = []
    by_id: dict[str, list[Message]] = {}
    for message in messages:
        if message.transaction_id is not None:
            by_id.setdefault(message.transaction_id, []).append(message)
    for transaction_id, own in by_id.items():
        found += _of_one_id(transaction_id, own, notes)
    for message in messages:
        if message.transaction_id is None:
            at_place = [
                one for one in found if one.place == message.place and (one.stop is not None or one.running)
            ]
            _give_readings(message, at_place, notes)
    return sorted(found, key=lambda one: one.row), notes


def _of_one_id(transaction_id: str, messages: Sequence[Message], notes: list[str]) -> list[Transaction]:
    """Put together what was reported under one id."""
    found = _started(transaction_id, [message for message in messages if message.part is Part.START])
    stops = _once(message for message in messages if message.part is Part.STOP)
    found += _stopped(transaction_id, found, stops, notes)
    for message in messages:
        if message.part is not Part.METER:
            continue
        if not found:
            found.append(Transaction(transaction_id=transaction_id, row=message.row))
        if len(found) == 1 and found[0].could_be_of(message.place):
            found[0].take(message)
            found[0].row = min(found[0].row, message.row)
        else:
            _give_readings(message, [one for one in found if one.could_be_of(message.place)], notes)
    return found


def _started(transaction_id: str, starts: Sequence[Message]) -> list[Transaction]:
    """Return a transaction a start; one at the same place ends what ran there, unless its end is reported."""
    found: list[Transaction] = []
    for message in sorted(_once(starts), key=lambda one: (_time(one), one.row)):
        for other in found:
            if other.could_be_of(message.place) and other.start != message.time:
                other.until = min(other.until, _time(message))
        found.append(
            Transaction(
                transaction_id=transaction_id, row=message.row, start=message.time, place=message.place
            )
        )
        found[-1].take(message)
    return found


def _stopped(
    transaction_id: str, started: Sequence[Transaction], stops: Sequence[Message], notes: list[str]
) -> list[Transaction]:
    """Give each stop to the one start that it can be of; return what ended without a start."""
    waiting = sorted(stops, key=lambda one: (_time(one), one.row))
    tests: list[Callable[[Transaction, Message], bool]] = [_same_token, _register_rises, _newest_there]
    for level in range(len(tests) + 1):
        settled = True
        while settled:
            settled = False
            for message in waiting:
                able = _able(started, message)
                for fits in tests[:level]:
                    able = [one for one in able if fits(one, message)] or able
                if len(able) == 1:
                    able[0].stop = message.time
                    able[0].take(message)
                    waiting.remove(message)
                    settled = True
                    break
    orphans = []
    for message in waiting:
        if able := _able(started, message):
            for one in able:  # one of them is over
                one.until = min(one.until, _time(message))
            places = " and ".join(sorted(str(one.place) for one in able))
            notes.append(
                f"row {message.row}: the end of transaction {transaction_id!r} was left out, it runs at "
                f"{places} and nothing tells which of them ended"
            )
        else:
            orphans.append(Transaction(transaction_id=transaction_id, row=message.row, stop=message.time))
            orphans[-1].take(message)
    return orphans


def _able(started: Sequence[Transaction], message: Message) -> list[Transaction]:
    able = [
        one
        for one in started
        if one.stop is None
        and one.start is not None
        and one.start <= _time(message)
        and one.could_be_of(message.place)
    ]
    return [one for one in able if one.start != message.time] or able


def _same_token(transaction: Transaction, message: Message) -> bool:
    return message.token is not None and transaction.token == message.token


def _register_rises(transaction: Transaction, message: Message) -> bool:
    """Whether the register at the end is one that the start's can have reached."""
    low, high = (
        next((reading for reading in readings if reading.energy_wh is not None), None)
        for readings in (transaction.readings, message.readings)
    )
    return low is not None and high is not None and can_rise(low, high)


def _newest_there(transaction: Transaction, message: Message) -> bool:
    """Whether no other one of its id began at its place since: a station runs one at a time."""
    return _time(message) <= transaction.until


def _give_readings(message: Message, able: Sequence[Transaction], notes: list[str]) -> None:
    """Give readings to who ran at their time; at a moment when one ends and another begins, to the latter."""
    unclear = 0
    for reading in message.readings:
        running = [one for one in able if one.runs(reading.time)]
        if len(running) > 1:
            running = [one for one in running if one.stop != reading.time] or running
        if len(running) == 1:
            running[0].take(replace(message, readings=(reading,)))
        unclear += len(running) > 1
    if unclear:
        notes.append(
            f"row {message.row}: {unclear} readings were left out, {len(able)} transactions run there at "
            "that time"
        )


def _once(messages: Iterable[Message]) -> list[Message]:
    """Return messages that were sent again, as stations do that got no answer, once."""
    seen: dict[tuple[object, ...], Message] = {}
    for message in messages:
        seen.setdefault((message.time, message.place, message.token, message.readings), message)
    return list(seen.values())


def _time(message: Message) -> dt.datetime:
    if message.time is None:
        raise ValueError(f"row {message.row} tells a start or an end without a time")
    return message.time
