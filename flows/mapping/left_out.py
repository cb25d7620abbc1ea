"""Cars that are seen in the sessions of a market day and yet cannot be planned, and what stands against each.

Two kinds: sessions that never reach the plan's tables (their row, battery or site is unknown or in
quarantine), and cars whose own figures make no problem that could be solved. What is wrong with one costs no
other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_checks.sessions import LONGEST_SESSION
from flows.plain import records
from warehouse.known import Known
from warehouse.quarantine import Wanted

STILL_OPEN = pd.Timedelta(days=7)
"""So long a session whose end was not reported may be going on; a car that came again since has left."""
_INSTANT = pd.Timedelta(microseconds=1)
NOT_EXPECTED = "not expected: "
"""How the reason of a car begins of which no session could be foreseen: no fault of the plan."""
Reasons = dict[str, str]
"""battery_id → what stands against it."""


def strangers(sessions: pd.DataFrame, batteries: pd.DataFrame, sites: pd.DataFrame) -> Reasons:
    """Cars with a session that no battery, or no site, is known for.

    sessions: the day's rows of core_session; batteries, sites: all rows of core_battery and core_site.
    """
    site_of = dict(zip(batteries["battery_id"].astype(str), batteries["site_id"].astype(str), strict=True))
    known_sites = set(sites["site_id"].astype(str))
    found = {}
    for row in records(sessions[["battery_id", "session_id"]]):
        battery_id = str(row["battery_id"])
        if battery_id not in site_of:
            found[battery_id] = f"session {row['session_id']!r}: its battery is not in the fleet"
        elif site_of[battery_id] not in known_sites:
            found[battery_id] = f"its site {site_of[battery_id]!r} is not known"
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Cars with a session in quarantine: why each is left out, and from when to when each session may have
    been."""

    reasons: Mapping[str, str]
    spans: Mapping[str, Sequence[tuple[pd.Timestamp, pd.Timestamp]]]

    def announced_instead(self, expected: pd.DataFrame) -> Reasons:
        """Return the reasons; of cars with expected sessions they say that these are planned."""
        planned = set(expected["battery_id"].astype(str))
        more = "; what is expected of it at other times is planned"
        return {car: why + more * (car in planned) for car, why in self.reasons.items()}

    def apart_from(self, sessions: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of sessions at whose time none in quarantine may be."""
        free = [
            not any(
                one["arrival_utc"] < last and one["departure_utc"] > first
                for first, last in self.spans.get(str(one["battery_id"]), ())
            )
            for one in records(sessions[["battery_id", "arrival_utc", "departure_utc"]])
        ]
        return sessions[np.array(free, dtype="bool")]


def quarantined_sessions(
    known: Known,
    start: pd.Timestamp,
    end: pd.Timestamp,
    sessions: pd.DataFrame,
    elsewhere: Collection[str],
) -> Quarantined:
    """Cars with a session in [start, end) that is in quarantine, unless another one stands in its place.

    sessions: the day's rows of core_session; a session of the same car at that time, or the same session as
    it was reported in another row, is such another. elsewhere: batteries of other zones. A session without an
    end is still open, for some days, unless its car came again, and so is one whose end is another year's; a
    session announced for later does not stand in its place.
    """
    rules = known.quarantined(Wanted(dataset="sessions", touching=(start - STILL_OPEN, end)))
    if rules.empty:
        return Quarantined(reasons={}, spans={})
    rows = known.raw_rows("sessions", rules)
    rows = rows[rows["battery_id"].notna() & ~rows["battery_id"].isin(list(elsewhere))]
    first = rows[["arrival_utc", "departure_utc"]].min(axis=1)
    last = rows[["arrival_utc", "departure_utc"]].max(axis=1)
    endless = _endless(rows)
    # Of a session that ends some other year only its beginning is sure.
    last = last.mask(endless, first + pd.Timedelta(days=1))
    goes_on = np.array(still_open(known, rows, start), dtype="bool")
    last = last.mask(goes_on & ~endless, end)
    today = (first < end) & ((last > start) | (first >= start) | goes_on)
    rows = rows.assign(first=first, last=last, goes_on=goes_on)[today]
    stated = [str(name) for name in rows["session_id"].dropna().unique()]
    core = set(known.read("core_session", where={"session_id": stated})["session_id"])
    stated_of = rules.drop_duplicates(["source_id", "source_row"]).set_index(["source_id", "source_row"])
    found: dict[str, list[str]] = {}
    spans: dict[str, list[tuple[pd.Timestamp, pd.Timestamp]]] = {}
    for row in records(rows):
        battery_id = str(row["battery_id"])
        own = sessions[sessions["battery_id"] == battery_id]
        # How far an open session reaches nobody knows: one announced for later is another, one that holds its
        # arrival is the same.
        reach = row["first"] + _INSTANT if row["goes_on"] else row["last"]
        instead = (own["arrival_utc"] < reach) & (own["departure_utc"] > row["first"])
        if row["session_id"] in core or instead.any():
            continue
        rule = stated_of.loc[(row["source_id"], row["source_row"])]
        why = f"session {row['session_id']!r} is in quarantine: {rule['rule']}: {rule['reason']}"
        if not own.empty:
            why += "; its other sessions are planned"
        found.setdefault(battery_id, []).append(why)
        spans.setdefault(battery_id, []).append((row["first"], row["last"]))
    reasons = {battery_id: "; ".join(dict.fromkeys(whys)) for battery_id, whys in found.items()}
    return Quarantined(reasons=reasons, spans=spans)


def _endless(rows: pd.DataFrame) -> pd.Series:
    """Whether both ends of a session are announced, and are longer apart than a session may be."""
    return (rows["departure_utc"] - rows["arrival_utc"]).abs() > LONGEST_SESSION


def still_open(
    known: Known, rows: pd.DataFrame, start: pd.Timestamp, lasting: pd.Timedelta = STILL_OPEN
) -> list[bool]:
    """Whether each session may be going on at `start`: begun since `lasting` ago, and its car came not again.

    It lacks its end, or has one of another year: then it may be older. A car has come again where another
    session of its began later, be it one of `rows` that lacks its end.
    """
    lacking, endless = rows["departure_utc"].isna(), _endless(rows)
    lacks = lacking | endless
    cars = [str(name) for name in rows.loc[lacks, "battery_id"].unique()]
    oldest = start - (LONGEST_SESSION if endless.any() else lasting)
    came = known.read(
        "core_session",
        where={"battery_id": cars},
        start=oldest,
        end=start,
        columns=["battery_id", "arrival_utc"],
    )
    others = rows.loc[lacking & (rows["arrival_utc"] <= start), ["battery_id", "arrival_utc"]]
    newest = pd.concat([came, others]).groupby("battery_id")["arrival_utc"].max().to_dict()
    return [
        lacks_end
        and row["arrival_utc"] is not None
        and row["arrival_utc"] > start - (lasting if row["departure_utc"] is None else LONGEST_SESSION)
        and row["arrival_utc"] >= newest.get(row["battery_id"], row["arrival_utc"])
        for lacks_end, row in zip(
            lacks.tolist(), records(rows[["battery_id", "arrival_utc", "departure_utc"]]), strict=True
        )
    ]


def left_out_rows(left_out: Mapping[str, str], unforeseen: Mapping[str, str]) -> pd.DataFrame:
    """Rows of out_left_out: cars that should be in the plan, and those that nobody can tell the time of."""
    rows = {**left_out, **{car: f"{NOT_EXPECTED}{why}" for car, why in unforeseen.items()}}
    return pd.DataFrame(sorted(rows.items()), columns=["battery_id", "reason"])


def apart(rows: pd.DataFrame) -> tuple[Reasons, Reasons]:
    """Rows of out_left_out as they were put together: what is left out, and what is not expected."""
    stated = dict(zip(rows["battery_id"].astype(str), rows["reason"].astype(str), strict=True))
    unforeseen = {
        car: why.removeprefix(NOT_EXPECTED) for car, why in stated.items() if why.startswith(NOT_EXPECTED)
    }
    return {car: why for car, why in stated.items() if car not in unforeseen}, unforeseen


def in_words(left_out: Mapping[str, str], most: int = 5) -> str:
    """The cars and why, for a message; of many the first, and how many follow."""
    names: Sequence[str] = sorted(left_out)
    text = "; ".join(f"{name} ({left_out[name]})" for name in names[:most])
    return text if len(names) <= most else f"{text}; and {len(names) - most} cars more"
