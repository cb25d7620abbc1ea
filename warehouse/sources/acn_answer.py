"""What ACN-Data's service answers: sessions, the energy delivered, what was asked for; JSON or a table.

As they happened, each at the car that user, space or station stands for; or replayed onto other days. No
state of charge is known: departure is the target, arrival what the energy leaves below it.
"""

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from warehouse.errors import CellError, ColumnError, EmptyFileError, OptionError, SourceError
from warehouse.sources.cars import cars_of
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable
from warehouse.sources.replay import replay
from warehouse.sources.single import zone_info
from warehouse.sources.tariffs.payload import Record, moment, object_of
from warehouse.sources.tariffs.published.wide import texts_of

_Value = TypeVar("_Value")
_LOS_ANGELES = "America/Los_Angeles"
_PLACES = ("userID", "spaceID", "stationID")
_WISHES = ("kWhRequested", "requestedDeparture")
_BESIDES = ("energy_kwh", "charger_id", "requested_departure_utc", "requested_kwh")
_SHORT = "the answer spans less than a week: weekdays of which it has no session stay empty"


def is_answer(file: RawFile) -> bool:
    """Whether a file is the service's JSON and no table."""
    return file.data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"


def parse_answer(
    items: Iterable[Record], file: RawFile, options: Mapping[str, object], target: float
) -> Parsed:
    """Return the sessions; options: cars, and onto with zone, or batteries (word → battery_id) or battery_id.

    What cannot be read of a session is missing and noted, which the checks judge; one of nobody's car is left
    out; one that has no end yet has no departure. A replay takes none of these. Raises SourceError.
    """
    notes, errors = list[str](), list[SourceError]()
    sessions = [_session(item, errors) for item in items]
    if all(stated["arrival_utc"] is None for stated in sessions):
        raise errors[0] if errors else EmptyFileError("holds no session", file=file.name)
    notes += [f"read as no value: {error}" for error in errors]
    frame = pd.DataFrame(sessions).astype({"lacking_kwh": "float64"})
    if options.get("onto") is not None:
        over = frame[["session_id", "arrival", "departure", "lacking_kwh"]].notna().all(axis=1)
        rows = zip(frame.loc[~over, "source_row"], frame.loc[~over, "session_id"], strict=True)
        notes += [f"row {row} ({name}): left out, no energy or no end yet" for row, name in rows]
        frame = frame[over]
        if frame.empty:
            raise EmptyFileError("holds no session that is over", file=file.name)
        walls = frame.assign(arrival_soc=np.nan, departure_soc=target, energy_kwh=frame["lacking_kwh"])
        first, last = walls["arrival"].min(), walls["arrival"].max()
        short = (last.date() - first.date()).days < 6
        read = replay(walls, options, file.name, whole_week=False)
        return Parsed(frame=read.frame, notes=(*notes, *((_SHORT,) if short else ()), *read.notes))
    return _as_they_were(frame, options, file.name, target, notes)


def items_of_answer(file: RawFile) -> list[Record]:
    """Return the sessions of the service's JSON; raises SourceError."""
    return object_of(file).items("_items")


def is_table(table: RawTable) -> bool:
    """Whether a table has the service's own words for its columns."""
    return {"sessionID", "connectionTime"} <= table.columns.keys()


def items_of_table(table: RawTable) -> Iterator[Record]:
    """Return the sessions of a table as the service would answer them; an empty cell is null.

    What the driver asked for stands in columns of its own, or as JSON text under userInputs.
    """
    names = list(table.columns)
    cells = [texts_of(table, name) for name in names]
    for row in range(table.rows):
        stated: dict[str, object] = {name: own[row] or None for name, own in zip(names, cells, strict=True)}
        if not any(stated.values()):
            continue
        if wish := {name: stated[name] for name in _WISHES if stated.get(name) is not None}:
            stated["userInputs"] = [wish]
        elif isinstance(asked := stated.get("userInputs"), str):
            stated["userInputs"] = _wishes(asked)
        yield Record(file=table.file, row=row + 1, value=stated)


def _wishes(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _session(item: Record, errors: list[SourceError]) -> dict[str, object]:
    """Return a session, None for what cannot be read of it; errors takes up why not."""

    def report(read: Callable[[], _Value]) -> _Value | None:
        try:
            return read()
        except (CellError, ColumnError, OptionError) as error:
            errors.append(error)
            return None

    arrival = report(lambda: _moment(item, "connectionTime"))
    left = item.value.get("disconnectTime") is not None or "disconnectTime" not in item.value
    departure = report(lambda: _moment(item, "disconnectTime")) if left else None
    if left and departure is None:  # nobody can say whether the car is there still
        arrival = None
    zone = report(lambda: _zone(item))
    asked = item.value.get("userInputs")
    last = asked[-1] if isinstance(asked, list) and asked and isinstance(asked[-1], dict) else {}
    wish = Record(file=item.file, row=item.row, value=last, path="userInputs.")
    requested = (
        report(lambda: _energy(wish, "kWhRequested")) if last.get("kWhRequested") is not None else None
    )
    metered = (
        report(lambda: _energy(item, "kWhDelivered")) if item.value.get("kWhDelivered") is not None else None
    )
    return {
        "session_id": report(lambda: item.text("sessionID")),
        "arrival": None if arrival is None or zone is None else _wall(arrival, zone),
        "departure": None if departure is None or zone is None else _wall(departure, zone),
        "arrival_utc": arrival,
        "departure_utc": departure,
        "open": not left,
        "lacking_kwh": metered if requested is None else requested,
        "source_row": item.row,
        "energy_kwh": metered,
        "charger_id": next((word for key in _PLACES[:0:-1] if (word := _word(item, key)) is not None), None),
        "requested_departure_utc": None
        if last.get("requestedDeparture") is None
        else report(lambda: _moment(wish, "requestedDeparture")),
        "requested_kwh": requested,
        "words": tuple(word for key in _PLACES if (word := _word(item, key)) is not None),
    }


def _zone(item: Record) -> ZoneInfo:
    stated = item.value.get("timezone") or _LOS_ANGELES
    try:
        return zone_info(str(stated), item.file)
    except OptionError as error:
        raise item.error("timezone", error.problem) from None


def _word(item: Record, key: str) -> str | None:
    value = item.value.get(key)
    return str(value) if isinstance(value, str | int) and value != "" else None


def _energy(item: Record, key: str) -> float:
    energy = item.number(key)
    if energy < 0:
        raise item.error(key, "is not an energy ≥ 0 kWh")
    return energy


def _moment(item: Record, key: str) -> dt.datetime:
    value = item.get(key)
    try:
        found = parsedate_to_datetime(value) if isinstance(value, str) else None
    except ValueError:
        found = moment(str(value))
    if found is None or found.tzinfo is None or not 2000 <= found.year < 2100:
        raise item.error(key, "is not a time like 'Wed, 25 Apr 2018 13:21:10 GMT', nor ISO 8601 with offset")
    return found.astimezone(dt.UTC)


def _wall(moment: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _as_they_were(
    frame: pd.DataFrame, options: Mapping[str, object], file: str, target: float, notes: list[str]
) -> Parsed:
    cars = {car.battery_id: car for car in cars_of(options, file)}
    rows = []
    for one in frame.to_dict("records"):
        battery_id = _battery_of(one["words"], options, file)
        if one["words"] and battery_id not in cars:
            shown = " or ".join(map(repr, one["words"]))
            notes.append(f"{one['session_id']}: left out, no car of the fleet stands for {shown}")
            continue
        if one["open"]:
            notes.append(f"{one['session_id']}: has no end yet, {battery_id} is there")
        arrival_soc = np.nan
        if (car := cars.get(str(battery_id))) is not None:
            lacking = one["lacking_kwh"]
            if lacking * car.efficiency_charge > car.nominal_energy_kwh and one["energy_kwh"] < lacking:
                notes.append(
                    f"{one['session_id']}: {lacking:g} kWh asked for are more than {battery_id} holds; the "
                    "metered energy stands for it"
                )
                lacking = one["energy_kwh"]
            arrival_soc = car.soc_before(target, float(lacking))
            if arrival_soc < car.soc_min:
                notes.append(
                    f"{one['session_id']}: {lacking:g} kWh is more than {battery_id} can lack; "
                    f"arrival_soc {arrival_soc:.3f} raised to {car.soc_min:g}"
                )
                arrival_soc = car.soc_min
        names = ("session_id", "arrival_utc", "departure_utc", "source_row", *_BESIDES)
        rows.append(
            {name: one[name] for name in names}
            | {"battery_id": battery_id, "arrival_soc": arrival_soc, "departure_soc": target}
        )
    if not rows:
        raise OptionError(f"gives no car of the fleet: {notes[-1]}", file=file, column="batteries")
    found = pd.DataFrame(rows)
    for name in ("arrival_utc", "departure_utc", "requested_departure_utc"):
        found[name] = found[name].astype("datetime64[us, UTC]")
    for name in ("energy_kwh", "requested_kwh"):
        found[name] = found[name].astype("float64")
    return Parsed(frame=found, notes=tuple(notes))


def _battery_of(words: tuple[str, ...], options: Mapping[str, object], file: str) -> str | None:
    battery_id, batteries = options.get("battery_id"), options.get("batteries")
    if isinstance(battery_id, str):
        return battery_id
    if not isinstance(batteries, Mapping):
        raise OptionError(
            "is needed: days to replay onto (--onto), or which car a user, space or station stands for "
            "(--battery CA-496=ID)",
            file=file, column="onto",
        )  # fmt: skip
    return next((str(batteries[word]) for word in words if word in batteries), None)
