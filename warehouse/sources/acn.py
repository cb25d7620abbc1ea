"""Workplace charging sessions (ACN): local wall times and energy asked for, replayed onto a fleet.

Every target day is played by the source day of the same weekday, at the same wall-clock times, in whole weeks
over and over; whoever is still plugged in from the day before is there too. Each session takes one free car,
chosen by rule and not by chance, so that a day's assignment does not depend on which other days are asked
for.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import pandas as pd

from warehouse.errors import ColumnError, OptionError, nearest
from warehouse.sources.cells import Cells
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.zones import market_day_bounds, market_timezone

PROVIDER = "ACN-Data, California Institute of Technology"
LICENCE = "BSD-3-Clause"
OPTIONS = frozenset({"cars", "onto", "zone", "target_soc"})

_COLUMNS = ("session_id", "arrival_local_los_angeles", "departure_local_los_angeles", "requested_energy_kwh")
_WARM_UP_DAYS = 7
_STRIDE = 7
"""Cars by which the first choice moves on from day to day, so that all of them are used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Car:
    """What a replay needs to know of a car."""

    battery_id: str
    nominal_energy_kwh: float
    efficiency_charge: float
    soc_min: float
    soc_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Visit:
    """A source session replayed on a target day; times UTC."""

    session_id: str
    source_row: int
    energy_kwh: float
    arrival: dt.datetime
    departure: dt.datetime
    preference: int


def parse_acn(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return sessions of the cars on the days asked for.

    options: cars (battery table), onto (market dates), zone, target_soc (0–1, default 0.8). departure_soc is
    target_soc, arrival_soc what the requested energy (metered) leaves below it, not less than the car's
    soc_min. notes list sessions that found no free car, were clipped or fell into a skipped hour. Raises
    SourceError.
    """
    zone, days, cars, target = _checked_options(file.name, options)
    sessions = _sessions(read_table(file), file.name)
    asked = [market_day_bounds(day, zone) for day in days]
    busy_until: dict[str, dt.datetime] = {}
    rows: list[dict[str, object]] = []
    notes: list[str] = []
    for visit in _visits(sessions, days, market_timezone(zone)):
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
            rows.append(_row(visit, car, target, notes))
    if not rows:
        raise OptionError(f"no session falls on {', '.join(map(str, days))}", file=file.name, column="onto")
    return Parsed(frame=pd.DataFrame(rows), notes=tuple(notes))


def _checked_options(
    file: str, options: Mapping[str, object]
) -> tuple[str, list[dt.date], list[_Car], float]:
    cars, onto, zone = options.get("cars"), options.get("onto"), options.get("zone")
    target = options.get("target_soc", 0.8)
    if not isinstance(cars, pd.DataFrame) or cars.empty:
        raise OptionError("needs the fleet: a battery table with at least one car", file=file, column="cars")
    names = [field.name for field in fields(_Car)]
    if missing := [name for name in names if name not in cars.columns]:
        raise OptionError(f"lacks {missing[0]}", file=file, column="cars")
    if not isinstance(onto, Iterable) or not (days := sorted(set(onto))):
        raise OptionError("needs the market days to replay onto", file=file, column="onto")
    if not isinstance(zone, str):
        raise OptionError("needs the bidding zone whose local time counts", file=file, column="zone")
    if not isinstance(target, int | float) or not 0 < target <= 1:
        raise OptionError(
            "is not a state of charge in (0, 1]", file=file, column="target_soc", value=str(target)
        )
    ordered = cars.sort_values("battery_id")[names]
    fleet = [_Car(**dict(zip(names, values, strict=True))) for values in ordered.itertuples(index=False)]
    return zone, days, fleet, float(target)


def _sessions(table: RawTable, file: str) -> pd.DataFrame:
    for column in _COLUMNS:
        if column not in table.columns:
            raise ColumnError(f"is missing{nearest(column, table.columns)}", file=file, column=column)
    frame = pd.DataFrame({"session_id": Cells.of(table, "session_id").text()})
    for name in ("arrival", "departure"):
        cells = Cells.of(table, f"{name}_local_los_angeles")
        frame[name] = pd.to_datetime(cells.text(), format="ISO8601", errors="coerce")
        cells.refuse_first(frame[name].isna(), "is not a local time like 2019-03-01T06:20:00")
    energy = Cells.of(table, "requested_energy_kwh")
    frame["energy_kwh"] = energy.floats()
    energy.refuse_first(~(frame["energy_kwh"] >= 0), "is not an energy ≥ 0 kWh")
    frame["source_row"] = range(1, table.rows + 1)
    frame["date"] = frame["arrival"].dt.date
    if frame["date"].max() - frame["date"].min() < dt.timedelta(days=6):
        raise ColumnError("spans less than a week", file=file, column="arrival_local_los_angeles")
    return frame.sort_values(["arrival", "departure", "session_id"])


def _visits(sessions: pd.DataFrame, days: list[dt.date], timezone: str) -> list[_Visit]:
    """Return the replayed sessions of the days and of the week before each, in order of arrival."""
    first = sessions["date"].min()
    cycle = ((sessions["date"].max() - first).days + 1) // 7 * 7
    by_date = dict(list(sessions.groupby("date")))
    warm = {day - dt.timedelta(days=back) for day in days for back in range(_WARM_UP_DAYS + 1)}
    visits = []
    for day in sorted(warm):
        source_date = first + dt.timedelta(days=(day - first).days % cycle)
        if source_date not in by_date:
            continue
        source = by_date[source_date]
        moved = pd.Timedelta(days=(day - source_date).days)
        starts = _local_to_utc(source["arrival"] + moved, timezone)
        ends = _local_to_utc(source["departure"] + moved, timezone)
        told = zip(
            source["session_id"], source["source_row"], source["energy_kwh"], starts, ends, strict=True
        )
        visits += [
            _Visit(
                session_id=f"{session_id}@{day}",
                source_row=row,
                energy_kwh=energy,
                arrival=start,
                departure=end,
                preference=day.toordinal() * _STRIDE + rank,
            )
            for rank, (session_id, row, energy, start, end) in enumerate(told)
        ]
    return sorted(visits, key=lambda visit: (visit.arrival, visit.departure, visit.session_id))


def _local_to_utc(wall: pd.Series, timezone: str) -> pd.Series:
    """Return UTC of wall times; a skipped hour moves to its end, of a repeated hour the first pass counts."""
    summer = pd.Series(True, index=wall.index).to_numpy()
    local = wall.dt.tz_localize(timezone, nonexistent="shift_forward", ambiguous=summer)
    return pd.Series(local, dtype="datetime64[us, UTC]")


def _free_car(cars: list[_Car], busy_until: Mapping[str, dt.datetime], visit: _Visit) -> _Car | None:
    """Return the first free car from the visit's preferred one onwards."""
    for step in range(len(cars)):
        car = cars[(visit.preference + step) % len(cars)]
        until = busy_until.get(car.battery_id)
        if until is None or until <= visit.arrival:
            return car
    return None


def _row(visit: _Visit, car: _Car, target: float, notes: list[str]) -> dict[str, object]:
    departure_soc = min(target, car.soc_max)
    arrival_soc = departure_soc - visit.energy_kwh * car.efficiency_charge / car.nominal_energy_kwh
    if arrival_soc < car.soc_min:
        notes.append(
            f"{visit.session_id}: {visit.energy_kwh:g} kWh is more than {car.battery_id} can lack; "
            f"arrival_soc {arrival_soc:.3f} raised to {car.soc_min:g}"
        )
        arrival_soc = car.soc_min
    return {
        "session_id": visit.session_id,
        "battery_id": car.battery_id,
        "arrival_utc": visit.arrival,
        "departure_utc": visit.departure,
        "arrival_soc": arrival_soc,
        "departure_soc": departure_soc,
        "source_row": visit.source_row,
    }
