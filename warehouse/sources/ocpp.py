"""Transactions of a charging station's OCPP log → sessions of the fleet's cars.

A session runs from the start to the end of its transaction. The car is told by `batteries`, by the token that
was shown or by the place ("evse:1", "connector:2"); without it the token itself has to be a battery's id.
States of charge are the first and the last that the car reported; where it reported none they are derived
from the metered energy, and only if `target_soc` says what the car left with. A session's id holds a hash of
station, place and token beside the transaction's: stations count their transactions anew, and one number may
run at two places at a time. What an earlier log told the beginning of goes on (`ocpp_begun`). Voltage and
current of a meter are the grid's.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from warehouse.errors import EmptyFileError, OptionError, SourceError, nearest
from warehouse.sources.cars import REACHED, Car, cars_of, target_of
from warehouse.sources.ocpp_begun import Begun, goes_on, session_id
from warehouse.sources.ocpp_frames import Told, messages
from warehouse.sources.ocpp_readings import last_wh, metered_wh, reported_socs
from warehouse.sources.ocpp_transactions import Transaction, transactions
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile

PROVIDER = "OCPP message log"
BESIDE = "begun"
OPTIONS = frozenset({"batteries", "battery_id", "target_soc", "cars", "station", BESIDE})
_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)
NOT_TELEMETRY = (
    "holds what a charger meters on the grid's side, not a pack's voltage and current: no telemetry of a "
    "battery. Ingest it as sessions"
)


def parse_ocpp(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return a session a transaction; one that runs on has no departure yet, which the checks keep apart.

    options: batteries (token or place → battery_id), battery_id (all of them), target_soc with cars (battery
    table) where the log has no state of charge, station (whose log it is, where several number their
    transactions alike), begun (rows of `warehouse.begun`: what earlier logs told the beginning of). notes:
    transactions that were left out, readings that were not believed. Raises SourceError.
    """
    target = target_of(options, file.name)
    log = _Log(
        options=options,
        file=file,
        target=target,
        cars={} if target is None else {car.battery_id: car for car in cars_of(options, file.name)},
    )
    told, log.notes, unread = messages(file)
    begun = log.goes_on(told)
    found, unclear = transactions([*(one.start for one in begun.values()), *told])
    log.notes += unclear
    # The first thing that was wrong with a part of the log: it costs the others nothing, or is all there is.
    refusal: SourceError | None = unread[0] if unread else None
    if unread:
        log.notes.append(
            f"{len(unread)} lines or values could not be read and were left out, the first: {refusal}"
        )
    rows, joined = list[dict[str, object]](), list[str]()
    for transaction in found:
        before = begun.get((transaction.transaction_id, transaction.start or _NEVER))
        try:
            row = log.row(transaction, before)
        except OptionError as error:  # a guest's car, or no state of charge
            refusal = refusal or error
            log.notes.append(f"{transaction.named}: left out, {error}")
            continue
        if row is not None:
            rows.append(row)
            joined += [before.told] if before else []
    if not rows:
        if refusal is not None:
            raise refusal
        why = f": {log.notes[0]}" if log.notes else ""
        raise EmptyFileError(f"holds no transaction with a start and an end{why}", file=file.name)
    frame = pd.DataFrame(rows)
    for name in ("arrival_utc", "departure_utc"):
        frame[name] = frame[name].astype("datetime64[us, UTC]")
    for name in ("energy_kwh", "register_kwh", "last_soc"):
        frame[name] = frame[name].astype("float64")
    notes = (*log.notes, REACHED) if target is None else tuple(log.notes)
    return Parsed(frame=frame, notes=notes, joined=tuple(joined))


@dataclass(slots=True, kw_only=True)
class _Log:
    """A log that is read: how, and what is to be told of it."""

    options: Mapping[str, object]
    file: RawFile
    target: float | None
    cars: Mapping[str, Car]
    notes: list[str] = field(default_factory=list)

    def goes_on(self, told: Sequence[Told]) -> dict[tuple[str, dt.datetime], Begun]:
        """Return what earlier logs told the beginning of, by transaction and start."""
        rows, station = self.options.get(BESIDE), self.options.get("station")
        if not isinstance(rows, pd.DataFrame):
            return {}
        return goes_on(told, rows, None if station is None else str(station), self.file.sha256)

    def row(self, transaction: Transaction, before: Begun | None) -> dict[str, object] | None:
        """Return a session; None of one that is left out, as a note says, or of which no more is told."""
        running = transaction.running
        if before:  # what a stop says of the beginning was told by an earlier log
            transaction.drop_beginning(before.start.readings)
        if before and transaction.stop is None and transaction.readings == list(before.start.readings):
            return None
        if transaction.start is None or (transaction.stop is None and not running):
            end = "start" if transaction.start is None else "end"
            refused = "its token was refused and " if transaction.refused else ""
            whole = "; after the log before it, ingested first, it is read" if end == "start" else ""
            self._leave_out(transaction, f"{refused}the log does not hold its {end}{whole}")
            return None
        if stray := transaction.drop_stray():
            self.notes.append(f"{transaction.named}: {stray} readings of another time were left out")
        battery_id = before.battery_id if before else _battery_of(transaction, self.options, self.file.name)
        energy_wh, doubts = _metered(transaction, before)
        if running:
            arrival_soc, departure_soc = _so_far(transaction)
            self.notes.append(
                f"{transaction.named}: has no end yet, {battery_id} is there since {transaction.start}"
            )
        else:
            arrival_soc, departure_soc = self._states(transaction, battery_id, energy_wh, doubts)
            if not 0 <= arrival_soc <= 1:
                self._leave_out(
                    transaction,
                    f"its energy puts the arrival of {battery_id} at a state of charge of {arrival_soc:.3f}",
                )
                return None
        return {
            "session_id": before.session_id if before else _session_id(transaction, self.options),
            "battery_id": battery_id,
            "arrival_utc": transaction.start,
            "departure_utc": transaction.stop,
            "arrival_soc": arrival_soc,
            "departure_soc": departure_soc,
            "source_row": transaction.row,
            "energy_kwh": None if energy_wh is None else energy_wh / 1000.0,
            "register_kwh": None if (last := last_wh(transaction.readings)) is None else last / 1000.0,
            "last_soc": socs[-1] if len(socs := reported_socs(transaction.readings)[0]) > 1 else None,
            "charger_id": _charger_id(transaction, self.options),
        }

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
    """Return the states of charge of a transaction that runs on: at arrival, if told, and none at its end."""
    socs, _ = reported_socs(transaction.readings)
    return (socs[0] if socs else float("nan")), float("nan")


def _metered(transaction: Transaction, before: Begun | None) -> tuple[float | None, list[str]]:
    """Return the energy (Wh) since the start, of earlier logs, too, and what was odd about it."""
    energy_wh, doubts = metered_wh(transaction.readings)
    if before is None:
        return energy_wh, doubts
    return (None if before.energy_wh is None else before.energy_wh + (energy_wh or 0.0)), doubts


def _charger_id(transaction: Transaction, options: Mapping[str, object]) -> str | None:
    station = options.get("station")
    return " ".join(str(one) for one in (station, transaction.place) if one) or None


def _session_id(transaction: Transaction, options: Mapping[str, object]) -> str:
    if transaction.start is None:
        raise ValueError(f"{transaction.named} has no start")
    where = (str(options.get("station", "")), transaction.place, transaction.token)
    return session_id(transaction.transaction_id, transaction.start, *where)


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
    raise OptionError(
        f"gives no battery for {shown}{nearest(transaction.token or '', [str(key) for key in batteries])}",
        file=file, row=transaction.row, column="batteries",
    )  # fmt: skip


def _same_token(key: str, token: str | None) -> bool:
    return token is not None and key.casefold() == token.casefold()
