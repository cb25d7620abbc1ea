"""Sessions that nobody has announced and that are likely to come: a car's own past, shrunk to its fleet's.

A car whose sessions are announced before it comes is planned as announced. Of the others each day of the
horizon without a session gets the one to plan for, where it is likely enough: it comes late, leaves early and
needs much, by the quantile of the settings, so that a car that comes is seldom worse off than planned. A
session that is announced takes its place. One that is told to have begun, and not to have ended, ends as its
car's sessions do. A car that is likely to come, and whose past leaves no time in which it is sure to be
there, is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from flows.mapping.calendar import holidays_for
from flows.mapping.horizon import LONGEST_TAIL, QUARTER, Horizon
from flows.mapping.open_sessions import open_sessions
from flows.plain import records
from flows.settings import PlanSettings
from optimize.forecast.plug_in import DAY_BEGINS, PlugInDay, PlugInHistory
from warehouse.at_once import at_once
from warehouse.contracts import CONTRACTS
from warehouse.known import Known
from warehouse.zones import market_timezone

HISTORY = pd.Timedelta(days=180)
FEWEST_DAYS, LEAST_SPAN = 5, pd.Timedelta(days=14)
"""A car with fewer days of sessions, or a shorter past, is not foreseen."""
_SHORTEST = pd.Timedelta(minutes=30)
_HOUR = pd.Timedelta(hours=1)
_ANNOUNCED = 0.5
PREFIX = "expected:"
"""What the session_id of a session begins with that nobody has announced."""
_COLUMNS = CONTRACTS["core_session"].names
_PAST = ("battery_id", "arrival_utc", "departure_utc", "arrival_soc", "departure_soc", "received_utc")
_SHARES = {"10": 0.1, "50": 0.5, "90": 0.9}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expected:
    """sessions: as rows of core_session, without the columns of a file. rows: rows of out_expected_stay.

    begun: the session_ids of those among them that have begun. unforeseen: battery_id → why a car that is
    likely to come is not expected.
    """

    sessions: pd.DataFrame
    rows: pd.DataFrame
    begun: frozenset[str] = frozenset()
    unforeseen: Mapping[str, str] = field(default_factory=dict)


NOTHING_EXPECTED = Expected(
    sessions=pd.DataFrame(columns=list(_COLUMNS)),
    rows=pd.DataFrame(columns=list(CONTRACTS["out_expected_stay"].names)),
)


def expected_stays(
    known: Known, horizon: Horizon, battery_ids: list[str], settings: PlanSettings
) -> Expected:
    """The sessions of some cars that are likely in a horizon, and what they rest on."""
    if settings.expected_stays == "never":
        return NOTHING_EXPECTED
    now = pd.Timestamp(known.as_of)
    where = {"battery_id": battery_ids}
    zone = market_timezone(horizon.zone)
    # What has ended today counts, and what is reported beyond the last price: the plan may reach there.
    begin = (horizon.local[0] - DAY_BEGINS).normalize()
    with at_once(known.warehouse):
        past = known.read("core_session", where=where, start=now - HISTORY, end=now, columns=list(_PAST))
        known_rows = known.sessions(begin, horizon.priced_end + LONGEST_TAIL)
    past = past.sort_values("arrival_utc")
    taken = {
        str(car): list(zip(own["arrival_utc"], own["departure_utc"], strict=True))
        for car, own in known_rows.groupby("battery_id")
    }
    years = range((now - HISTORY).year, horizon.end.year + 2)
    holidays = holidays_for(horizon.zone, settings.holidays, years)
    begun = _begun(known, horizon, _long_enough(past), battery_ids, settings, taken, holidays)
    for one in begun:
        span = (one.session["arrival_utc"], one.session["departure_utc"])
        taken.setdefault(one.session["battery_id"], []).append(span)
    rows, found = [one.session for one in begun], [one.rows for one in begun]
    past, unforeseen = _of_the_unannounced(past), dict[str, str]()
    if past.empty:
        return _expected(rows, found, begun, unforeseen)
    last = past.groupby("battery_id")[["departure_soc", "received_utc"]].last()
    history = PlugInHistory.of(local_sessions(past, zone), holidays)
    days = pd.date_range(begin, horizon.local[horizon.priced_slots - 1], freq="D")
    over = (now.tz_convert(zone) - DAY_BEGINS).date()
    for day in days:
        of_day = history.on(day.date(), over=over)
        for car, row in zip(last.index, records(last), strict=True):
            expected = of_day.expect(str(car))
            if expected is None:
                continue
            session = _session(expected, day, horizon, row["departure_soc"], settings)
            spans = taken.setdefault(str(car), [])
            if isinstance(session, str):
                if not any((came.tz_convert(zone) - DAY_BEGINS).date() == day.date() for came, _ in spans):
                    unforeseen[str(car)] = session
                continue
            if session is None or _is_taken(session, day.date(), spans, zone):
                continue
            spans.append((session["arrival_utc"], session["departure_utc"]))
            name = f"{PREFIX}{car}:{day:%Y-%m-%d}"
            rows.append(
                {"session_id": name, "battery_id": car, **session, "received_utc": row["received_utc"]}
            )
            found.append({"session_id": name, "battery_id": car, **_announced(expected, day)})
    return _expected(rows, found, begun, unforeseen)


def _expected(
    rows: list[dict[str, Any]],
    found: list[dict[str, object]],
    begun: Sequence[_Begun],
    unforeseen: Mapping[str, str],
) -> Expected:
    if not rows:
        return replace(NOTHING_EXPECTED, unforeseen=unforeseen)
    return Expected(
        sessions=pd.DataFrame(rows).reindex(columns=list(_COLUMNS)),
        rows=pd.DataFrame(found),
        begun=frozenset(row.session["session_id"] for row in begun),
        unforeseen=unforeseen,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A session that goes on: as a row of core_session, and of out_expected_stay."""

    session: dict[str, Any]
    rows: dict[str, object]


def _begun(
    known: Known,
    horizon: Horizon,
    past: pd.DataFrame,
    battery_ids: list[str],
    settings: PlanSettings,
    taken: Mapping[str, Sequence[tuple[pd.Timestamp, pd.Timestamp]]],
    holidays: frozenset[int],
) -> list[_Begun]:
    """The sessions whose end nobody has reported, with that which their cars' pasts, long enough, make
    likely.

    taken: car → spans of its announced sessions: at the latest, it leaves before the next of them.
    """
    there = open_sessions(known, horizon.start, battery_ids)
    there = there[there["battery_id"].isin(past["battery_id"])]
    if there.empty:
        return []
    zone, found = market_timezone(horizon.zone), list[_Begun]()
    last = past.groupby("battery_id")["departure_soc"].last()
    history = PlugInHistory.of(local_sessions(past, zone), holidays)
    for row in records(there):
        day = (row["arrival_utc"].tz_convert(zone) - DAY_BEGINS).normalize()
        car, expected = str(row["battery_id"]), history.on(day.date()).expect(str(row["battery_id"]))
        wall = horizon.local[0].tz_localize(None) - day.tz_localize(None)
        leaves = None if expected is None else expected.departure.beyond(wall / _HOUR)
        if expected is None or leaves is None:
            continue  # it should have left long ago
        left = _at(day, leaves.quantile(1.0 - settings.expected_quantile)).floor("min")
        later = [came for came, _ in taken.get(car, []) if came > row["arrival_utc"]]
        left = min([max(left, horizon.start + _SHORTEST), *later])
        if left - horizon.start < _SHORTEST:
            continue  # it is about to come again
        target = float(last[car]) if row["departure_soc"] is None else row["departure_soc"]
        need = min(expected.need.quantile(settings.expected_quantile), target)
        stated = _announced(replace(expected, probability=1.0, departure=leaves), day)
        arrived = {f"arrival_utc_q{name}": row["arrival_utc"].floor("s") for name in _SHARES}
        name = f"{PREFIX}{row['session_id']}"
        session = {**{column: row.get(column) for column in _COLUMNS}, "session_id": name, "battery_id": car}
        session |= {"departure_utc": left, "departure_soc": target}
        if session["arrival_soc"] is None:
            session["arrival_soc"] = target - need
        found.append(
            _Begun(session=session, rows={"session_id": name, "battery_id": car, **stated, **arrived})
        )
    return found


def _long_enough(past: pd.DataFrame) -> pd.DataFrame:
    """Past sessions of cars that are known long enough."""
    of_car = past.groupby("battery_id")["arrival_utc"]
    enough = (of_car.count() >= FEWEST_DAYS) & (of_car.max() - of_car.min() >= LEAST_SPAN)
    return past[past["battery_id"].isin(enough.index[enough])]


def _of_the_unannounced(past: pd.DataFrame) -> pd.DataFrame:
    """Past sessions of cars that come without a word, and that are known long enough."""
    past = _long_enough(past)
    announced = (past["received_utc"] < past["arrival_utc"] - QUARTER).groupby(past["battery_id"]).mean()
    cars = [car for car in announced.index if announced[car] < _ANNOUNCED]
    return past[past["battery_id"].isin(cars)]


def local_sessions(past: pd.DataFrame, zone: str) -> pd.DataFrame:
    """Sessions by the local clock; what they need is a share of capacity."""
    clock = {
        name: past[f"{name}_utc"].dt.tz_convert(zone).dt.tz_localize(None)
        for name in ("arrival", "departure")
    }
    need = (past["departure_soc"] - past["arrival_soc"]).clip(lower=0.0)
    sessions = pd.DataFrame({"battery_id": past["battery_id"].astype(str), **clock, "need": need})
    return sessions[
        sessions["departure"] > sessions["arrival"]
    ]  # an hour that comes twice may turn a short one round


def _session(
    expected: PlugInDay, day: pd.Timestamp, horizon: Horizon, target: float, settings: PlanSettings
) -> dict[str, Any] | str | None:
    """The session to plan for; None where none is likely any more, and why where there is no time in it."""
    gone = (horizon.local[0].tz_localize(None) - day.tz_localize(None)) / _HOUR  # < 0 before the day
    arrival, probability = expected.arrival, expected.probability
    if gone > 0.0:
        later, share = arrival.beyond(gone), arrival.above(gone)
        if later is None:
            return None
        arrival = later
        probability = probability * share / (1.0 - probability + probability * share)
    if probability < settings.expected_probability:
        return None
    safe = settings.expected_quantile
    came = _at(day, arrival.quantile(safe)).ceil("min")
    left = _at(day, expected.departure.quantile(1.0 - safe)).floor("min")
    if max(came, left) <= horizon.start or came >= horizon.end:
        return None
    if left - came < _SHORTEST:
        by, from_then = (f"{one.tz_convert(day.tz):%H:%M}" for one in (came, left))
        return (
            f"likely to come on {day:%Y-%m-%d}, its past is too wide, or its sessions too short, to plan "
            f"for: "
            f"{safe:.0%} of its arrivals are by {by} local time and as many departures from {from_then} on"
        )
    if left <= horizon.start:
        return None
    need = min(expected.need.quantile(safe), target)
    return {
        "arrival_utc": came, "departure_utc": left, "arrival_soc": target - need, "departure_soc": target,
    }  # fmt: skip


def _is_taken(
    session: Mapping[str, Any], day: date, taken: Sequence[tuple[pd.Timestamp, pd.Timestamp]], zone: str
) -> bool:
    """Whether the car has come on that day already, or is in another session, reported or expected, by
    then."""
    return any(
        (came.tz_convert(zone) - DAY_BEGINS).date() == day
        or (came < session["departure_utc"] and left > session["arrival_utc"])
        for came, left in taken
    )


def _announced(expected: PlugInDay, day: pd.Timestamp) -> dict[str, object]:
    """Quantiles of what is expected, for the table."""
    found: dict[str, object] = {"probability": expected.probability, "days": expected.days}
    for name, share in _SHARES.items():
        found[f"arrival_utc_q{name}"] = _at(day, expected.arrival.quantile(share)).floor("s")
        found[f"departure_utc_q{name}"] = _at(day, expected.departure.quantile(share)).floor("s")
        found[f"need_soc_q{name}"] = float(np.clip(expected.need.quantile(share), 0.0, 1.0))
    return found


def _at(day: pd.Timestamp, hours: float) -> pd.Timestamp:
    """So many hours after local midnight by the clock, UTC; of a hidden clock time the one after it."""
    wall = day.tz_localize(None) + pd.Timedelta(hours=hours)
    return wall.tz_localize(day.tz, ambiguous=True, nonexistent="shift_forward").tz_convert("UTC")
