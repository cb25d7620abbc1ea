"""The charge between which a car lends itself to the grid (ISO 15118-20: the range of V2X cycling).

Nothing is discharged that begins above the band or ends below it. Charging outside it is allowed: below it on
the way up, and above it where more is promised than the band holds. Which of both a session above is to do is
decided for the whole of it: one whose promise, or arrival, lies above the band feeds nothing back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pandas as pd

from flows.plain import known, records
from optimize.types import Car, DayProblem, Session

_CLOSE = 1e-9
Band = tuple[float, float]


def bands_of(sessions: pd.DataFrame) -> dict[str, Band]:
    """The least and the most charge (0–1) for V2X by session_id, of rows of core_session that have either."""
    found = {}
    for row in records(sessions):
        low, high = known(row["v2x_min_soc"]), known(row["v2x_max_soc"])
        if low is not None or high is not None:
            found[str(row["session_id"])] = (float(low or 0.0), 1.0 if high is None else float(high))
    return found


def within_band(session: Session, band: Band, car: Car) -> Session:
    """The session, such that no discharge of it leaves its band."""
    low, high = max(band[0], car.soc_min), band[1]
    if _outside(session, band, car):
        return replace(session, min_soc=None, max_soc=None, discharge_limit_kw=0.0, carries=False)
    if high >= car.soc_max:  # what it comes with besides stays within what it may hold
        return replace(session, min_soc=low)
    return replace(session, min_soc=low, max_soc=high, carries=False)


def _outside(session: Session, band: Band, car: Car) -> bool:
    """Whether nothing is fed back in a session for its band."""
    most = max(session.arrival_soc, min(session.departure_soc, car.soc_max))
    return max(band[0], car.soc_min) >= min(band[1], car.soc_max) or most > band[1] + _CLOSE


def kept(sessions: Iterable[Session], bands: Mapping[str, Band], cars: Iterable[Car]) -> tuple[Session, ...]:
    """The sessions, those with a band within it."""
    of_car = {car.battery_id: car for car in cars}
    return tuple(
        within_band(one, bands[one.session_id], of_car[one.battery_id]) if one.session_id in bands else one
        for one in sessions
    )


def band_notes(problem: DayProblem, bands: Mapping[str, Band]) -> list[str]:
    """Notes on sessions of a problem that feed nothing back, as what they come or leave with is above it."""
    able = {car.battery_id: car for car in problem.cars if car.discharge_limit_kw > 0.0}
    return [
        f"{one.battery_id} feeds nothing back in session {one.session_id}: {_why(one, bands[one.session_id])}"
        for one in problem.sessions
        if one.session_id in bands
        and one.battery_id in able
        and one.discharge_limit_kw == 0.0
        and _outside(one, bands[one.session_id], able[one.battery_id])
    ]


def _why(session: Session, band: Band) -> str:
    if band[0] >= band[1]:
        return "its V2X band is empty, or was not to be read (v2g check names it)"
    return (
        f"it comes with {session.arrival_soc:.0%} and is promised {session.departure_soc:.0%}, "
        f"its V2X band is {band[0]:.0%} to {band[1]:.0%}"
    )
