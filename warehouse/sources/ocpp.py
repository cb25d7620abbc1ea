"""Transactions of a charging station's OCPP log → sessions of the fleet's cars.

A session runs from the start to the end of its transaction. The car is given by `batteries`, by the token
that was shown or by the place ("evse:1", "connector:2"); without it the token itself has to be a battery's
id. States of charge are the first and the last that the car reported; where it reported none they are derived
from the metered energy, and only if `target_soc` says what the car left with. A session's id holds a hash of
station, place and token next to the transaction's: stations count their transactions anew, and one number may
run at two places at a time. What an earlier log reported in part goes on (`ocpp_begun`). Voltage and
current of a meter are the grid's.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from warehouse.errors import EmptyFileError, OptionError, SourceError, nearest
from warehouse.sources.cars import REACHED, Car, cars_of, target_of
from warehouse.sources.ocpp_begun import Joined, elsewhere, joined
from warehouse.sources.ocpp_fragments import Begun, Fragment, as_text, thinned
from warehouse.sources.ocpp_frames import Message, messages
from warehouse.sources.ocpp_readings import last_wh, metered_wh, reported_socs
from warehouse.sources.ocpp_transactions import Transaction, transactions
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile

PROVIDER = "OCPP message log"
BESIDE = "begun"
OPTIONS = frozenset({"batteries", "battery_id", "target_soc", "cars", "station", BESIDE})
_COLUMNS = (
    "session_id", "battery_id", "arrival_utc", "departure_utc", "arrival_soc", "departure_soc", "source_row",
    "energy_kwh", "register_kwh", "last_soc", "charger_id",
)  # fmt: skip
_UNFIT, _LONGEST = re.compile(r"[^A-Za-z0-9 _.:@+-]"), 90
"""What a transaction's id may hold and a session's may not."""
NOT_TELEMETRY = (
    "holds what a charger meters on the grid's side, not a pack's voltage and current: no telemetry of a "
    "battery. Ingest it as sessions"
)


def parse_ocpp(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return a session a transaction; one that runs on has no departure yet, which the checks keep apart.

    options: batteries (token or place → battery_id), battery_id (all of them), target_soc with cars (battery
    table) where the log has no state of charge, station (whose log it is, where several number their
    transactions alike), begun (of `warehouse.fragments`: what earlier logs reported in part). notes:
    transactions that were left out, readings that were not believed. Raises SourceError.
    """
    target = target_of(options, file.name)
    log = _Log(
        options=options,
        file=file,
        target=target,
        cars={} if target is None else {car.battery_id: car for car in cars_of(options, file.name)},
    )
    sent, log.notes, unread = messages(file)
    going_on = log.going_on(sent)
    found, unclear = transactions([*_put_before(going_on, sent), *sent])
    log.notes += unclear
    # The first thing that was wrong with a part of the log: it costs the others nothing, or is all there is.
    refusal: SourceError | None = unread[0] if unread else None
    if unread:
        log.notes.append(
            f"{len(unread)} lines or values could not be read and were left out, the first: {refusal}"
        )
    rows, fragments, parts, guests = list[dict[str, object]](), list[Fragment](), 0, 0
    for transaction in found:
        before = next((one for one in going_on if _is_of(transaction, one)), None)
        row = None
        try:
            row = log.row(transaction, before)
        except OptionError as error:  # a guest's car, or no state of charge
            log.notes.append(f"{transaction.named}: left out, {error}")
            guests += (guest := isinstance(error, _GuestError))
            sent_later = before is not None and transaction.token is None
            refusal = refusal or (None if guest or sent_later else error)
            if error.column == "batteries" and not sent_later:
                continue  # of whom nothing is held
        rows += [row] if row else []
        parts += transaction.goes_on_elsewhere or before is not None
        fragments += log.fragment(transaction, before, row)
    if not rows and not parts:
        if refusal is not None:
            raise refusal
        quiet = "holds no transaction with a start and an end"
        if len(found) > guests:
            raise EmptyFileError(f"{quiet}: {log.notes[0]}", file=file.name)
        log.notes.append(f"{file.name}: {quiet}")
    frame = pd.DataFrame(rows, columns=list(_COLUMNS))
    for name in ("arrival_utc", "departure_utc"):
        frame[name] = frame[name].astype("datetime64[us, UTC]")
    for name in ("energy_kwh", "register_kwh", "last_soc"):
        frame[name] = frame[name].astype("float64")
    return Parsed(
        frame=frame,
        notes=(*log.notes, REACHED) if target is None and rows else tuple(log.notes),
        joined=tuple(sorted(part.digest for one in going_on for part in one.fragments)),
        transactions=as_text(fragments) if fragments else None,
        not_before=max((one.received for one in going_on if one.received is not None), default=None),
    )


@dataclass(slots=True, kw_only=True)
class _Log:
    """A log that is read: how, and what is to be reported of it."""

    options: Mapping[str, object]
    file: RawFile
    target: float | None
    cars: Mapping[str, Car]
    notes: list[str] = field(default_factory=list)

    @property
    def station(self) -> str | None:
        """Whose log it is, None where nobody says."""
        station = self.options.get("station")
        return None if station is None else str(station)

    @property
    def begun(self) -> Begun:
        """What earlier logs hold."""
        begun = self.options.get(BESIDE)
        return begun if isinstance(begun, Begun) else Begun()

    def going_on(self, messages: Sequence[Message]) -> list[Joined]:
        """Return the transactions that earlier logs reported another part of."""
        return joined(messages, self.begun, self.station, self.file.sha256)

    def fragment(
        self, transaction: Transaction, before: Joined | None, row: Mapping[str, object] | None
    ) -> list[Fragment]:
        """Return what is to be held of a transaction, nothing of one that another of its id cut short."""
        if transaction.stop is None and not transaction.goes_on_elsewhere:
            return []
        session, car = (None, None) if row is None else (str(row["session_id"]), str(row["battery_id"]))
        files = frozenset({self.file.sha256}) | (before.files if before else frozenset())
        return [
            Fragment(
                transaction_id=transaction.transaction_id, station=self.station, session_id=session,
                battery_id=car, files=files,
                messages=thinned([self._of_fleet(one) for one in transaction.messages]),
            )
        ]  # fmt: skip

    def _of_fleet(self, message: Message) -> Message:
        """Return a message without a token that the fleet does not know: a guest's is nobody's business."""
        batteries = self.options.get("batteries")
        if not isinstance(batteries, Mapping) or message.token is None:
            return message
        known = any(_same_token(str(key), message.token) for key in batteries)
        return message if known else replace(message, token=None)

    def row(self, transaction: Transaction, before: Joined | None) -> dict[str, object] | None:
        """Return a session; None of one that is left out, as a note says."""
        running = transaction.running
        if transaction.start is None or (transaction.stop is None and not running):
            end = "start" if transaction.start is None else "end"
            refused = "its token was refused and " if transaction.refused else ""
            held = ""
            if transaction.goes_on_elsewhere:
                where = elsewhere(transaction.transaction_id, self.begun, self.station)
                held = f"; a log that does completes it{where}"
            self._leave_out(transaction, f"{refused}the log does not hold its {end}{held}")
            return None
        if transaction.stray:
            self.notes.append(
                f"{transaction.named}: {transaction.stray} readings of another time were left out"
            )
        if running and transaction.token is None and not _is_placed(transaction, self.options):
            self._leave_out(transaction, "no token was shown yet; a log that tells it completes it")
            return None
        name, battery_id = self._session(transaction, before)
        energy_wh, doubts = metered_wh(transaction.readings)
        if running:
            arrival_soc, departure_soc = _so_far(transaction)
            self.notes.append(
                f"{transaction.named}: has no end yet, {battery_id} is there since {transaction.start}"
            )
        else:
            known = before is not None and before.session is not None
            try:
                arrival_soc, departure_soc = self._states(transaction, battery_id, energy_wh, doubts)
            except OptionError as error:
                if not known:
                    raise
                arrival_soc, departure_soc = float("nan"), float("nan")
                self.notes.append(f"{transaction.named}: its end is reported, its charge is not: {error}")
            if not 0 <= arrival_soc <= 1 and not known:
                self._leave_out(
                    transaction,
                    f"its energy puts the arrival of {battery_id} at a state of charge of {arrival_soc:.3f}",
                )
                return None
        socs, _ = reported_socs(transaction.readings)
        last = last_wh(transaction.readings)
        messages = (
            name, battery_id, transaction.start, transaction.stop, arrival_soc, departure_soc,
            transaction.row, None if energy_wh is None else energy_wh / 1000.0,
            None if last is None else last / 1000.0, socs[-1] if len(socs) > 1 else None,
            _charger_id(transaction, self.options),
        )  # fmt: skip
        return dict(zip(_COLUMNS, messages, strict=True))

    def _session(self, transaction: Transaction, before: Joined | None) -> tuple[str, str]:
        """Return the id of the session and its car, as this log's options say, else as it was reported
        last."""
        if before is None or before.session is None:
            return _session_id(transaction, self.options), _battery_of(
                transaction, self.options, self.file.name
            )
        name, car = before.session
        car = self.begun.cars.get(name, car)
        try:
            now = _battery_of(transaction, self.options, self.file.name)
        except OptionError:  # reported no more
            return name, car
        if not {"batteries", "battery_id"} & self.options.keys() or now == car:
            return name, car
        self.notes.append(f"{transaction.named}: is of {now}, an earlier log was read as of {car}")
        return name, now

    def _leave_out(self, transaction: Transaction, reason: str) -> None:
        self.notes.append(f"{transaction.named}: left out, {reason}")

    def _states(
        self, transaction: Transaction, battery_id: str, energy_wh: float | None, doubts: Sequence[str]
    ) -> tuple[float, float]:
        """Return the states of charge at arrival and departure, noting what was not believed."""
        socs, disbelieved = reported_socs(transaction.readings)
        self.notes += [f"{transaction.named}: {doubt}" for doubt in disbelieved]
        if len(socs) > 1:
            return socs[0], socs[-1]
        if self.target is None or energy_wh is None:
            lacking = "target_soc" if self.target is None else "an energy register at both ends"
            raise OptionError(
                f"{transaction.named} reports no state of charge at both ends; to derive it from its energy "
                f"takes {lacking}",
                file=self.file.name, row=transaction.row, column="target_soc",
            )  # fmt: skip
        if battery_id not in self.cars:
            raise OptionError(
                f"lacks the car of {transaction.named}{nearest(battery_id, self.cars)}",
                file=self.file.name, row=transaction.row, column="cars", value=battery_id,
            )  # fmt: skip
        self.notes += [f"{transaction.named}: {doubt}" for doubt in doubts]
        return self.cars[battery_id].soc_before(self.target, energy_wh / 1000.0), self.target


def _so_far(transaction: Transaction) -> tuple[float, float]:
    """Return the states of charge of a transaction that runs on: at arrival, if given, and none at its
    end."""
    socs, _ = reported_socs(transaction.readings)
    return (socs[0] if socs else float("nan")), float("nan")


def _put_before(going_on: Sequence[Joined], messages: Sequence[Message]) -> list[Message]:
    """Return what is held of transactions as messages of this log, at the row that first names each."""
    first: dict[str | None, int] = {}
    for message in messages:
        first.setdefault(message.transaction_id, message.row)
    return [
        replace(message, row=first.get(message.transaction_id, messages[0].row))
        for one in going_on
        for message in one.messages
    ]


def _is_of(transaction: Transaction, one: Joined) -> bool:
    same = (transaction.transaction_id, transaction.start) == (one.start.transaction_id, one.begun)
    return same and transaction.could_be_of(one.place)


def _is_placed(transaction: Transaction, options: Mapping[str, object]) -> bool:
    """Whether the car is reported without a token."""
    batteries = options.get("batteries")
    return "battery_id" in options or (isinstance(batteries, Mapping) and transaction.place in batteries)


def _charger_id(transaction: Transaction, options: Mapping[str, object]) -> str | None:
    station = options.get("station")
    return " ".join(str(one) for one in (station, transaction.place) if one) or None


def _session_id(transaction: Transaction, options: Mapping[str, object]) -> str:
    """Return an id that two transactions share only if they are one, of what was reported as it began."""
    start = transaction.begun_by
    if start is None or start.time is None:
        raise ValueError(f"{transaction.named} has no start")
    label = _UNFIT.sub("_", transaction.transaction_id)[:_LONGEST]
    where = [str(options.get("station", "")), start.place, start.token]
    where += [] if label == transaction.transaction_id else [transaction.transaction_id]
    place = hashlib.sha256("\n".join(one or "" for one in where).encode()).hexdigest()[:6]
    return f"ocpp-{label}@{start.time:%Y%m%dT%H%M%SZ}.{place}"


def _battery_of(transaction: Transaction, options: Mapping[str, object], file: str) -> str:
    batteries, battery_id = options.get("batteries"), options.get("battery_id")
    if isinstance(battery_id, str):
        return battery_id
    if not isinstance(batteries, Mapping):
        if transaction.token is None:
            raise OptionError(
                f"is needed: {transaction.named} names no token",
                file=file, row=transaction.row, column="batteries",
            )  # fmt: skip
        return transaction.token
    for key in (transaction.token, transaction.place):
        if key in batteries:
            return str(batteries[key])
    # A token is the same in capitals, by OCPP.
    alike = {str(car) for key, car in batteries.items() if _same_token(str(key), transaction.token)}
    if len(alike) == 1:
        return alike.pop()
    shown = " or ".join(repr(key) for key in (transaction.token, transaction.place) if key)
    meant = nearest(transaction.token or "", [str(key) for key in batteries])
    raise (OptionError if meant else _GuestError)(
        f"gives no battery for {shown}{meant}", file=file, row=transaction.row, column="batteries"
    )


class _GuestError(OptionError):
    """A token that is not like one of the fleet's: of a car that is no matter here."""


def _same_token(key: str, token: str | None) -> bool:
    return token is not None and key.casefold() == token.casefold()
