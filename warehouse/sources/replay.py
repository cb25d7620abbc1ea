"""Sessions of other cars, replayed onto the cars of a fleet.

Every target day is played by the source day of the same weekday, at the same wall-clock times, in whole weeks
over and over; whoever is still plugged in from the day before is there too. Each session takes one free car,
chosen by rule and not by chance, so that a day's assignment does not depend on which other days are asked
for.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from warehouse.errors import CellError, ColumnError, OptionError
from warehouse.sources.cars import Car, cars_of
from warehouse.sources.parsed import Parsed
from warehouse.zones import FIRST_DAY, LAST_DAY, market_day_bounds, market_timezone

OPTIONS = frozenset({"cars", "onto", "zone"})

_WARM_UP_DAYS = 7
_STRIDE = 7
"""Cars by which the first choice moves on from day to day, so that all of them are used."""

_BESIDES = ("charger_id", "requested_kwh")
"""What comes along with a session where its source tells it; what was metered was another car's."""
_STATED = ("session_id", "source_row", "energy_kwh", "arrival_soc", "departure_soc", "arrival", "departure")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Visit:
    """A source session replayed on a target day; times UTC. NaN where the source does not tell."""

    session_id: str
    source_row: int
    energy_kwh: float
    arrival_soc: float
    departure_soc: float
    arrival: dt.datetime
    departure: dt.datetime
    preference: int
    besides: Mapping[str, object]


def replay(
    sessions: pd.DataFrame, options: Mapping[str, object], file: str, *, whole_week: bool = True
) -> Parsed:
    """Return sessions of the cars on the days asked for.

    sessions: session_id, source_row, arrival and departure (local wall times), departure_soc, and
    arrival_soc or, where it is NaN, energy_kwh (metered). options: cars (battery table), onto (market dates),
    zone. States of charge are held to the car's limits; notes list what found no free car, was clipped or
    fell into a skipped hour. whole_week: whether the source has to span one. Raises SourceError.
    """
    cars, days, zone = cars_of(options, file), _days(options, file), _zone(options, file)
    dated = sessions.assign(date=sessions["arrival"].dt.date)
    never = dated[(dated["date"] < FIRST_DAY) | (dated["date"] > LAST_DAY)]
    notes = list[str]()
    again = dated.duplicated([name for name in dated.columns if name != "source_row"])
    if again.any():
        notes.append(f"{int(again.sum())} rows repeat another in every column and count once")
        dated = dated[~again]
    if len(never):  # one such day would stretch the cycle over all the years between
        first = never.iloc[0]
        error = CellError(
            f"is no day that a session can have: not within {FIRST_DAY} to {LAST_DAY}",
            file=file, row=int(first["source_row"]), column="arrival", value=str(first["date"]),
        )  # fmt: skip
        if 2 * len(never) > len(dated):
            raise error
        notes.append(f"{len(never)} sessions were left out, the first: {error}")
        dated = dated.drop(never.index, errors="ignore")
    if whole_week and dated["date"].max() - dated["date"].min() < dt.timedelta(days=6):
        raise ColumnError("spans less than a week", file=file, column="arrival")
    dated = dated.sort_values(["arrival", "departure", "session_id"])
    asked = [market_day_bounds(day, zone) for day in days]
    busy_until: dict[str, dt.datetime] = {}
    rows: list[dict[str, object]] = []
    for visit in _visits(dated, days, market_timezone(zone)):
        wanted = any(visit.arrival < end and visit.departure > start for start, end in asked)
        if visit.departure <= visit.arrival:
            if wanted:
                notes.append(f"{visit.session_id}: left out, the clock change leaves it no time")
            continue
        car = _free_car(cars, busy_until, visit)
        if car is not None:
            busy_until[car.battery_id] = visit.departure
        if wanted and car is None:
            notes.append(
                f"{visit.session_id}: left out, no car was free at {visit.arrival:%Y-%m-%d %H:%M} UTC"
            )
        elif wanted and car is not None:
            rows.append(_row(visit, car, notes))
    if not rows:
        raise OptionError(f"no session falls on {', '.join(map(str, days))}", file=file, column="onto")
    return Parsed(frame=pd.DataFrame(rows), notes=tuple(notes))


def _days(options: Mapping[str, object], file: str) -> list[dt.date]:
    onto = options.get("onto")
    if not isinstance(onto, Iterable) or not (days := sorted(set(onto))):
        raise OptionError("needs the market days to replay onto", file=file, column="onto")
    return days


def _zone(options: Mapping[str, object], file: str) -> str:
    zone = options.get("zone")
    if not isinstance(zone, str):
        raise OptionError("needs the bidding zone whose local time counts", file=file, column="zone")
    return zone


def _visits(sessions: pd.DataFrame, days: list[dt.date], timezone: str) -> list[_Visit]:
    """Return the replayed sessions of the days and of the week before each, in order of arrival."""
    first = sessions["date"].min()
    cycle = ((sessions["date"].max() - first).days + 1) // 7 * 7 or 7
    by_date = dict(list(sessions.groupby("date")))
    warm = {day - dt.timedelta(days=back) for day in days for back in range(_WARM_UP_DAYS + 1)}
    visits = []
    for day in sorted(warm):
        source_date = first + dt.timedelta(days=(day - first).days % cycle)
        if source_date not in by_date:
            continue
        source = by_date[source_date]
        moved = pd.Timedelta(days=(day - source_date).days)
        rows = source.assign(
            arrival=_local_to_utc(source["arrival"] + moved, timezone),
            departure=_local_to_utc(source["departure"] + moved, timezone),
        )
        besides = rows[[name for name in _BESIDES if name in rows.columns]].to_dict("records")
        visits += [
            _Visit(**dict(zip(_STATED, values, strict=True)) | {
                "session_id": f"{values[0]}@{day}", "preference": day.toordinal() * _STRIDE + rank,
                "besides": besides[rank],
            })
            for rank, values in enumerate(zip(*(rows[name] for name in _STATED), strict=True))
        ]  # fmt: skip
    return sorted(visits, key=lambda visit: (visit.arrival, visit.departure, visit.session_id))


def _local_to_utc(wall: pd.Series, timezone: str) -> pd.Series:
    """Return UTC of wall times; a skipped hour moves to its end, of a repeated hour the first pass counts."""
    summer = pd.Series(True, index=wall.index).to_numpy()
    local = wall.dt.tz_localize(timezone, nonexistent="shift_forward", ambiguous=summer)
    return pd.Series(local, dtype="datetime64[us, UTC]")


def _free_car(cars: list[Car], busy_until: Mapping[str, dt.datetime], visit: _Visit) -> Car | None:
    """Return the first free car from the visit's preferred one onwards."""
    for step in range(len(cars)):
        car = cars[(visit.preference + step) % len(cars)]
        until = busy_until.get(car.battery_id)
        if until is None or until <= visit.arrival:
            return car
    return None


def _row(visit: _Visit, car: Car, notes: list[str]) -> dict[str, object]:
    departure_soc = min(visit.departure_soc, car.soc_max)
    arrival_soc = visit.arrival_soc
    if np.isnan(arrival_soc):
        arrival_soc = car.soc_before(departure_soc, visit.energy_kwh)
        if arrival_soc < car.soc_min:
            notes.append(
                f"{visit.session_id}: {visit.energy_kwh:g} kWh is more than {car.battery_id} can lack; "
                f"arrival_soc {arrival_soc:.3f} raised to {car.soc_min:g}"
            )
            arrival_soc = car.soc_min
    elif departure_soc < visit.departure_soc:
        notes.append(
            f"{visit.session_id}: departure_soc {visit.departure_soc:.3f} lowered to {car.soc_max:g}, the "
            f"highest that {car.battery_id} may use"
        )
    return {
        "session_id": visit.session_id,
        "battery_id": car.battery_id,
        "arrival_utc": visit.arrival,
        "departure_utc": visit.departure,
        "arrival_soc": arrival_soc,
        "departure_soc": departure_soc,
        "source_row": visit.source_row,
        **visit.besides,
    }
