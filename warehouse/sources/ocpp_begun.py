"""Of which transactions of a log earlier logs reported another part: the beginning, the middle, or the rest.

What is held of a transaction is put next to the log's own messages only where nothing speaks against it:
station and place the same, no other session in between, a register that one can have come from the other.
Where nobody names the station its register may not fall, and a token that is reported is the same: stations
number their transactions alike. A transaction that goes on keeps its session_id and its car.
"""

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from warehouse.sources.ocpp_fragments import Begun, Fragment, times_of
from warehouse.sources.ocpp_frames import Message, Part, Reading
from warehouse.sources.ocpp_readings import can_rise


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A transaction that a log tells a part of, and fragments of it that are held; start: what began it."""

    start: Message
    fragments: tuple[Fragment, ...]

    @property
    def begun(self) -> dt.datetime:
        """When it began."""
        if self.start.time is None:
            raise ValueError(f"row {self.start.row} tells a start without a time")
        return self.start.time

    @property
    def session(self) -> tuple[str, str] | None:
        """Id and car of the session that was made of it before, None where none was."""
        made = [(one.session_id, one.battery_id) for one in reversed(self.fragments)]
        return next(((name, car) for name, car in made if name is not None and car is not None), None)

    @property
    def files(self) -> frozenset[str]:
        """SHA-256 of the logs that reported it."""
        return frozenset[str]().union(*(one.files for one in self.fragments))

    @property
    def received(self) -> dt.datetime | None:
        """When the last of those that are ingested was received."""
        return max((one.received for one in self.fragments if one.received is not None), default=None)

    @property
    def messages(self) -> Iterator[Message]:
        """The messages of those logs."""
        return (message for one in self.fragments for message in one.messages)

    @property
    def place(self) -> str | None:
        """Connector or EVSE, None where none was reported."""
        return next((one.place for one in (self.start, *self.messages) if one.place is not None), None)


def joined(messages: Sequence[Message], begun: Begun, station: str | None, sha256: str) -> list[Joined]:
    """Return the transactions of a log of which something is held.

    sha256: of the log; what rests on it is nothing that it could go on from.
    """
    by_id: dict[str, list[Message]] = {}
    for message in messages:
        if message.transaction_id is not None:
            by_id.setdefault(message.transaction_id, []).append(message)
    held: dict[str, list[Fragment]] = {}
    for fragment in begun.of(
        by_id, {one.place for one in messages if one.transaction_id is None and one.place}
    ):
        if sha256 not in fragment.files and fragment.station == station:
            held.setdefault(fragment.transaction_id, []).append(fragment)
    found, others = list[Joined](), list[Joined]()
    for transaction_id, fragments in held.items():
        own = by_id.get(transaction_id, [])
        sessions = [
            _joined(start, own, fragments, begun.sessions, station) for start in _starts(own, fragments)
        ]
        sessions = [one for one in sessions if one.fragments]
        if own:
            found += _of_one_id(own, sessions, begun.sessions, station)
        else:
            others += sessions
    return found + _metered_at_place(messages, others, begun.sessions, station)


def elsewhere(transaction_id: str, begun: Begun, station: str | None) -> str:
    """Return where one of a transaction's id is held that is not joined to it, "" if none is."""
    held = begun.of({transaction_id}, ())
    if stations := {fragment.station for fragment in held} - {station}:
        named = ", ".join(sorted("no station" if one is None else repr(one) for one in stations))
        return f" (one of that id is held of {named}: `station` tells whose a log is)"
    ids = begun.sessions["session_id"][
        begun.sessions["session_id"].astype(str).str.startswith(f"ocpp-{transaction_id}@")
    ]
    if len(ids) and not held:
        return f" (session {ids.iloc[-1]} is of an earlier version: ingest its log again)"
    return ""


def _starts(own: Sequence[Message], fragments: Sequence[Fragment]) -> list[Message]:
    """Return the beginnings that are reported, each once."""
    starts = list[Message]()
    for one in (*own, *(message for fragment in fragments for message in fragment.messages)):
        if one.part is Part.START and not any(_is_same(one, other) for other in starts):
            starts.append(one)
    return starts


def _joined(
    start: Message,
    own: Sequence[Message],
    fragments: Sequence[Fragment],
    sessions: pd.DataFrame,
    station: str | None,
) -> Joined:
    """Return what is held of the transaction that began so: fragments that tell that, and those that fit."""
    is_own = any(one is start for one in own)
    own = [one for one in own if is_own and one.time and start.time and one.time >= start.time]
    fits = [one for one in fragments if one.start is not None and _is_same(one.start, start)]
    # What one of them holds of another's logs is the same again, what was reported of a log last counts.
    newest = {one.files: one for one in fits}
    fits = [one for one in newest.values() if not any(one.files < other.files for other in newest.values())]
    known = Joined(start=start, fragments=tuple(fits))
    until = _next_session(known, sessions, station)
    orphans = [
        one
        for one in fragments
        if one.start is None and _is_rest(one.messages, [start, *own, *known.messages], until, station)
    ]
    return Joined(start=start, fragments=(*fits, *orphans))


def _of_one_id(
    own: Sequence[Message], sessions: Sequence[Joined], known: pd.DataFrame, station: str | None
) -> list[Joined]:
    """Return those sessions of one id that a log's messages of that id are of."""
    own_starts = [one for one in own if one.part is Part.START]
    found = [one for one in sessions if any(_is_same(one.start, start) for start in own_starts)]
    rest = _before_another(own, own_starts)
    going_on = [
        one
        for one in sessions
        if one not in found
        and _is_rest(rest, list(one.messages), _next_session(one, known, station), station)
    ]
    # Stations that nobody names number their transactions alike: the token tells them apart.
    if station is None and len({one.place for one in going_on}) < len(going_on):
        tokens = _tokens(rest)
        going_on = [one for one in going_on if tokens & _tokens(one.messages)]
    return found + going_on


def _metered_at_place(
    messages: Sequence[Message], sessions: Sequence[Joined], known: pd.DataFrame, station: str | None
) -> list[Joined]:
    """Return what ran where a log was metered without a transaction's id, and where nothing else began."""
    at_place: dict[str, list[Message]] = {}
    for message in messages:
        if message.place is not None:
            at_place.setdefault(message.place, []).append(message)
    found = []
    for one in sessions:
        own = at_place.get(one.place or "", [])
        metered = [message for message in own if message.transaction_id is None]
        if any(message.part is Part.START for message in own):
            continue
        if _is_rest(metered, list(one.messages), _next_session(one, known, station), station):
            found.append(one)
    # Stations that nobody names have places alike.
    return found if station is not None or len(found) == len({one.place for one in found}) else []


def _is_rest(
    rest: Iterable[Message], base: Sequence[Message], until: dt.datetime | None, station: str | None
) -> bool:
    """Whether messages can be of the transaction that others tell the beginning of.

    until: when another session began there.
    """
    start = next(one for one in base if one.part is Part.START)
    place = next((one.place for one in base if one.place is not None), None)
    rest = [one for one in rest if place is None or one.place in (None, place)]
    over = max((one.time for one in base if one.part is Part.STOP and one.time), default=None)
    ends = [one.time for one in rest if one.part is Part.STOP and one.time]
    if not all(_is_within(time, start.time, until) for time in ends):
        return False
    # A clock that was not set yet stamps some of it out of its time, not most.
    times = times_of(rest)
    amid = [time for time in times if all(_is_within(time, start.time, last) for last in (until, over))]
    if not times or 2 * len(amid) < len(times):
        return False
    tokens, begun = _tokens(rest), _tokens(base)
    if station is None and tokens and begun and not tokens & begun:
        return False
    return _fits(base, rest, anew=station is not None)


def _fits(base: Iterable[Message], rest: Iterable[Message], *, anew: bool) -> bool:
    """Whether a register that was read in either can have become one in the other, if both tell any.

    anew: whether it may be lower, as one that began anew or is the session's.
    """
    low, high = (
        [it for one in messages for it in one.readings if it.energy_wh is not None]
        for messages in (base, rest)
    )
    if not low or not high:
        return True
    pairs = [sorted(pair, key=lambda it: it.time) for pair in itertools.product(low, high)]
    return any(can_rise(first, last) or (anew and not _rises(first, last)) for first, last in pairs)


def _rises(first: Reading, last: Reading) -> bool:
    return (last.energy_wh or 0.0) >= (first.energy_wh or 0.0)


def _is_within(time: dt.datetime, first: dt.datetime | None, last: dt.datetime | None) -> bool:
    return (first is None or first <= time) and (last is None or time <= last)


def _is_same(start: Message, other: Message) -> bool:
    """Whether two messages tell one beginning."""
    return start.time == other.time and (start.place == other.place or None in (start.place, other.place))


def _before_another(own: Sequence[Message], starts: Sequence[Message]) -> list[Message]:
    """Return what is reported of a transaction before another one of its id begins: all of it, if none
    does."""
    first = min((one.time for one in starts if one.time), default=None)
    if first is None:
        return list(own)
    return [
        one for one in own if one.part is not Part.START and any(time <= first for time in times_of([one]))
    ]


def _next_session(one: Joined, sessions: pd.DataFrame, station: str | None) -> dt.datetime | None:
    """Return when the next session of its car, or at its place of a station that is named, began."""
    name, car = one.session or ("", "")
    there = sessions["battery_id"] == car
    if station is not None and one.place is not None:
        there |= sessions["charger_id"] == f"{station} {one.place}"
    later = sessions[there & (sessions["session_id"] != name)]["arrival_utc"]
    later = later[later > pd.Timestamp(one.begun)]
    return None if later.empty else later.min().to_pydatetime()


def _tokens(messages: Iterable[Message]) -> set[str]:
    """Return the tokens that were shown; they are the same in capitals, by OCPP."""
    return {one.token.casefold() for one in messages if one.token is not None}
