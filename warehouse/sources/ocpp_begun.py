"""Transactions that an earlier log told the beginning of, as starts before a log that lacks it.

A log is cut where it is rotated. What the earlier part told of a transaction that runs on is in the warehouse
as a session without an end; a later log that names the same transaction goes on from there. It does so only
where nothing speaks against it: station, place and token the same, no other stay in between, the register no
lower than it was read last. A transaction that goes on keeps its session_id and its car.
"""

import datetime as dt
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from warehouse.sources.ocpp_frames import Part, Reading, Told
from warehouse.sources.ocpp_readings import can_rise

_ID = re.compile(r"ocpp-(?P<transaction>.+)@(?P<start>\d{8}T\d{6}Z)\.(?P<place>[0-9a-f]{6})", re.DOTALL)
_CHARGER = re.compile(r"(?:(?P<station>.*) )?(?P<place>(?:connector|evse):[^ ]*)|(?P<alone>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What was told of a transaction before: the session of it, and a start that stands for it.

    energy_wh: metered until then, from its start on; None where no register was read.
    """

    session_id: str
    battery_id: str
    energy_wh: float | None
    start: Told

    @property
    def told(self) -> str:
        """What a later part rests on, in a word."""
        return f"{self.session_id} {self.energy_wh} {self.start.readings}"


def session_id(transaction_id: str, start: dt.datetime, *where: str | None) -> str:
    """Return an id that two transactions share only if they are one; where: station, place and token."""
    place = hashlib.sha256("\n".join(one or "" for one in where).encode()).hexdigest()[:6]
    return f"ocpp-{transaction_id}@{start:%Y%m%dT%H%M%SZ}.{place}"


def goes_on(
    told: Sequence[Told], rows: pd.DataFrame, station: str | None, sha256: str
) -> dict[tuple[str, dt.datetime], Begun]:
    """Return what goes on in a log's messages, by transaction and start.

    rows: of `warehouse.begun`. sha256: of the log; what it told itself is no beginning of it.
    """
    by_id: dict[str, list[Told]] = {}
    for message in told:
        if message.transaction_id is not None:
            by_id.setdefault(message.transaction_id, []).append(message)
    found: dict[tuple[str, dt.datetime], Begun] = {}
    for told_before in rows[rows["sha256"] != sha256].to_dict("records"):
        row = {str(name): value for name, value in told_before.items()}
        row["arrival_utc"] = row["arrival_utc"].to_pydatetime()
        named = _ID.fullmatch(str(row["session_id"]))
        own = by_id.get(named["transaction"], []) if named else []
        if not named or not own or any(_is_start(message, row) for message in own):
            continue
        one = _begun(row, named["transaction"], own, station, sha256)
        if one is None:
            continue
        key = (named["transaction"], row["arrival_utc"])
        # Of several parts before this one that which went furthest.
        if key not in found or _last_wh(one) >= _last_wh(found[key]):
            found[key] = one
    return found if station else _told_apart(found)


def _told_apart(found: Mapping[tuple[str, dt.datetime], Begun]) -> dict[tuple[str, dt.datetime], Begun]:
    """Return what is the only one of its number and place, or is told by its token.

    Stations that nobody names number their transactions alike.
    """
    alike = Counter((number, one.start.place) for (number, _), one in found.items())
    return {
        key: one
        for key, one in found.items()
        if one.start.token is not None or alike[key[0], one.start.place] == 1
    }


def _is_start(message: Told, row: Mapping[str, Any]) -> bool:
    """Whether the log tells this beginning itself."""
    return message.part is Part.START and message.time == row["arrival_utc"]


def _begun(
    row: Mapping[str, Any], transaction_id: str, own: Sequence[Told], station: str | None, sha256: str
) -> Begun | None:
    """Return what a row told the beginning of, None where what the log says cannot be the rest of it."""
    charger = _CHARGER.fullmatch("" if pd.isna(row["charger_id"]) else str(row["charger_id"]))
    if charger is None or (charger["station"] or charger["alone"] or "") != (station or ""):
        return None
    place = charger["place"]
    arrival, next_utc = row["arrival_utc"], row["next_utc"]
    own = _until_another(one for one in own if one.place in (None, place) or place is None)
    times = [time for one in own for time in _times(one)]
    if not times or min(times) < arrival or (not pd.isna(next_utc) and max(times) > next_utc):
        return None
    # What another log told the end of is told again, not gone on with.
    if not pd.isna(row["ended_utc"]) and row["ended_sha256"] != sha256 and min(times) >= row["ended_utc"]:
        return None
    tokens = {said for one in own if one.token for said in (one.token, one.token.upper(), one.token.lower())}
    by_token = {session_id(transaction_id, arrival, station, place, token): token for token in tokens}
    if tokens and row["session_id"] not in by_token:
        return None
    socs = [float(row[name]) for name in ("arrival_soc", "last_soc") if not pd.isna(row[name])]
    readings = [Reading(time=arrival, soc=soc) for soc in socs]
    counted = _counted(row, own)
    if counted is None:
        return None
    low, energy_wh = counted
    if low is not None:
        readings.append(low)
    start = Told(
        part=Part.START, row=min(one.row for one in own), transaction_id=transaction_id, time=arrival,
        token=by_token.get(row["session_id"]), place=place, readings=tuple(readings),
    )  # fmt: skip
    return Begun(
        session_id=str(row["session_id"]), battery_id=str(row["battery_id"]), energy_wh=energy_wh, start=start
    )


def _counted(row: Mapping[str, Any], own: Sequence[Told]) -> tuple[Reading | None, float | None] | None:
    """Return the register that the rest goes on from and the energy (Wh) until then; None if it cannot be.

    A rest that begins before the register was read last and reads that again, as of logs that overlap, goes
    on from its own first. Any other that begins lower is of a register that began anew.
    """
    if pd.isna(row["register_kwh"]):
        return None, None
    low = Reading(time=row["arrival_utc"], energy_wh=1000.0 * float(row["register_kwh"]))
    energy_wh = 0.0 if pd.isna(row["energy_kwh"]) else 1000.0 * float(row["energy_kwh"])
    told = [it for one in own for it in one.readings if it.energy_wh is not None]
    if not told or can_rise(low, told[0]):
        return low, energy_wh
    first, last_wh = told[0], low.energy_wh or 0.0
    twice = last_wh - (first.energy_wh or 0.0)
    again = any(math.isclose(it.energy_wh or 0.0, last_wh, rel_tol=1e-9, abs_tol=1e-3) for it in told)
    if not again or not 0.0 < twice <= energy_wh:
        return None
    return replace(low, energy_wh=first.energy_wh), energy_wh - twice


def _until_another(own: Iterable[Told]) -> list[Told]:
    """Return what is told of a transaction before another one of its id begins: all of it, if none does."""
    messages = list(own)
    first = min((one.time for one in messages if one.part is Part.START and one.time), default=None)
    return [one for one in messages if first is None or max(_times(one), default=first) < first]


def _times(message: Told) -> list[dt.datetime]:
    return [*([message.time] if message.time else []), *(reading.time for reading in message.readings)]


def _last_wh(one: Begun) -> float:
    return next((it.energy_wh for it in one.start.readings if it.energy_wh is not None), float("-inf"))
