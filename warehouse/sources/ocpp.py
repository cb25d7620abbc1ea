"""Transactions of a charging station's OCPP log → sessions of the fleet's cars.

A session runs from the start to the end of its transaction. The car is told by `batteries`, by the token that
was shown or by the place ("evse:1", "connector:2"); without it the token itself has to be a battery's id.
States of charge are the first and the last that the car reported; where it reported none they are derived
from the metered energy, and only if `target_soc` says what the car left with. A session's id holds a hash of
station, place and token beside the transaction's: stations count their transactions anew, and one number may
run at two places at a time. Voltage and current of a meter are the grid's.
"""

import hashlib
from collections.abc import Mapping

import pandas as pd

from warehouse.errors import EmptyFileError, OptionError, SourceError, nearest
from warehouse.sources.cars import REACHED, Car, cars_of, target_of
from warehouse.sources.ocpp_frames import messages
from warehouse.sources.ocpp_readings import metered_wh, reported_socs
from warehouse.sources.ocpp_transactions import Transaction, transactions
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile

PROVIDER = "OCPP message log"
OPTIONS = frozenset({"batteries", "battery_id", "target_soc", "cars", "station"})
NOT_TELEMETRY = (
    "holds what a charger meters on the grid's side, not a pack's voltage and current: no telemetry of a "
    "battery. Ingest it as sessions"
)


def parse_ocpp(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return a session a transaction; one that runs on has no departure yet, which the checks keep apart.

    options: batteries (token or place → battery_id), battery_id (all of them), target_soc with cars (battery
    table) where the log has no state of charge, station (whose log it is, where several number their
    transactions alike). notes: transactions that were left out, readings that were not believed. Raises
    SourceError.
    """
    target = target_of(options, file.name)
    cars = {} if target is None else {car.battery_id: car for car in cars_of(options, file.name)}
    told, notes, unread = messages(file)
    found, unclear = transactions(told)
    notes += unclear
    rows: list[dict[str, object]] = []
    # The first thing that was wrong with a part of the log: it costs the others nothing, or is all there is.
    refusal: SourceError | None = unread[0] if unread else None
    if unread:
        notes.append(
            f"{len(unread)} lines or values could not be read and were left out, the first: {refusal}"
        )
    for transaction in found:
        running = transaction.running
        if transaction.start is None or (transaction.stop is None and not running):
            end = "start" if transaction.start is None else "end"
            refused = "its token was refused and " if transaction.refused else ""
            whole = "; put together with the log before it (`cat`) it is read" if end == "start" else ""
            notes.append(f"{transaction.named}: left out, {refused}the log does not hold its {end}{whole}")
            continue
        if stray := transaction.drop_stray():
            notes.append(f"{transaction.named}: {stray} readings of another time were left out")
        try:
            battery_id = _battery_of(transaction, options, file.name)
            arrival_soc, departure_soc = (
                _so_far(transaction)
                if running
                else _states(transaction, battery_id, target, cars, file.name, notes)
            )
        except OptionError as error:  # a guest's car, or no state of charge
            refusal = refusal or error
            notes.append(f"{transaction.named}: left out, {error}")
            continue
        if running:
            notes.append(
                f"{transaction.named}: has no end yet, {battery_id} is there since {transaction.start}"
            )
        elif not 0 <= arrival_soc <= 1:
            notes.append(
                f"{transaction.named}: left out, its energy puts the arrival of {battery_id} at a state of "
                f"charge of {arrival_soc:.3f}"
            )
            continue
        rows.append(
            {
                "session_id": _session_id(transaction, options),
                "battery_id": battery_id,
                "arrival_utc": transaction.start,
                "departure_utc": transaction.stop,
                "arrival_soc": arrival_soc,
                "departure_soc": departure_soc,
                "source_row": transaction.row,
                "energy_kwh": _energy_kwh(transaction),
                "charger_id": _charger_id(transaction, options),
            }
        )
    if not rows:
        if refusal is not None:
            raise refusal
        why = f": {notes[0]}" if notes else ""
        raise EmptyFileError(f"holds no transaction with a start and an end{why}", file=file.name)
    frame = pd.DataFrame(rows)
    for name in ("arrival_utc", "departure_utc"):
        frame[name] = frame[name].astype("datetime64[us, UTC]")
    frame["energy_kwh"] = frame["energy_kwh"].astype("float64")
    return Parsed(frame=frame, notes=(*notes, REACHED) if target is None else tuple(notes))


def _so_far(transaction: Transaction) -> tuple[float, float]:
    """Return the states of charge of a transaction that runs on: at arrival, if told, and none at its end."""
    socs, _ = reported_socs(transaction.readings)
    return (socs[0] if socs else float("nan")), float("nan")


def _energy_kwh(transaction: Transaction) -> float | None:
    energy_wh, _ = metered_wh(transaction.readings)
    return None if energy_wh is None else energy_wh / 1000.0


def _charger_id(transaction: Transaction, options: Mapping[str, object]) -> str | None:
    station = options.get("station")
    return " ".join(str(one) for one in (station, transaction.place) if one) or None


def _session_id(transaction: Transaction, options: Mapping[str, object]) -> str:
    """Return an id that two transactions share only if they are one, whatever a mapping says of them."""
    where = [str(options.get("station", "")), transaction.place or "", transaction.token or ""]
    place = hashlib.sha256("\n".join(where).encode()).hexdigest()[:6]
    return f"ocpp-{transaction.transaction_id}@{transaction.start:%Y%m%dT%H%M%SZ}.{place}"


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


def _states(
    transaction: Transaction,
    battery_id: str,
    target: float | None,
    cars: Mapping[str, Car],
    file: str,
    notes: list[str],
) -> tuple[float, float]:
    """Return the states of charge at arrival and departure; notes takes up what was not believed."""
    socs, doubts = reported_socs(transaction.readings)
    notes += [f"{transaction.named}: {doubt}" for doubt in doubts]
    if len(socs) > 1:
        return socs[0], socs[-1]
    energy_wh, doubts = metered_wh(transaction.readings)
    if target is None or energy_wh is None:
        lacking = "target_soc" if target is None else "an energy register at both ends"
        raise OptionError(
            f"{transaction.named} reports no state of charge at both ends; to derive it from its energy "
            f"takes {lacking}",
            file=file, row=transaction.row, column="target_soc",
        )  # fmt: skip
    if battery_id not in cars:
        raise OptionError(
            f"lacks the car of {transaction.named}{nearest(battery_id, cars)}",
            file=file, row=transaction.row, column="cars", value=battery_id,
        )  # fmt: skip
    notes += [f"{transaction.named}: {doubt}" for doubt in doubts]
    return cars[battery_id].soc_before(target, energy_wh / 1000.0), target
