"""Cars at the plug whose departure nobody has reported: until somebody does, they leave as they are used to.

The row of such a session waits in quarantine for its end. It is planned from where it began to the departure
that its car's past makes likely, given that it is still there: early, by the quantile of the settings. A car
with too little past is left out by name; one that came again since has left, and one that came more than a
week ago is taken to have, and named.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from data_checks.sessions import LONGEST_SESSION
from flows.mapping.left_out import STILL_OPEN, Reasons, still_open
from flows.plain import records
from warehouse.at_once import at_once
from warehouse.known import Known
from warehouse.quarantine import Wanted

_ROW = ["source_id", "source_row"]


def open_sessions(known: Known, start: pd.Timestamp, battery_ids: Sequence[str]) -> pd.DataFrame:
    """Ingested sessions that lack their end, or charges, and may go on at `start`, one a car: the newest.

    start: where a plan begins; sessions that began after it have not begun.
    """
    return _without_end(known, start, battery_ids, STILL_OPEN)


def taken_as_over(known: Known, start: pd.Timestamp, battery_ids: Sequence[str]) -> Reasons:
    """Cars whose session nobody has ended, and that came not again: too long ago to be there still, and
    why."""
    rows = _without_end(known, start, battery_ids, LONGEST_SESSION)
    return {
        str(
            row["battery_id"]
        ): f"its session {row['session_id']!r} of {row['arrival_utc']:%Y-%m-%d} has no end "
        f"and is taken as over after {STILL_OPEN.days} days"
        for row in records(rows[rows["arrival_utc"] <= start - STILL_OPEN])
    }


def _without_end(
    known: Known, start: pd.Timestamp, battery_ids: Sequence[str], lasting: pd.Timedelta
) -> pd.DataFrame:
    """The newest session without an end of each car, begun since `lasting` ago; none of cars that came
    since."""
    with at_once(known.warehouse):
        return _newest_without_end(known, start, battery_ids, lasting)


def _newest_without_end(
    known: Known, start: pd.Timestamp, battery_ids: Sequence[str], lasting: pd.Timedelta
) -> pd.DataFrame:
    rules = known.quarantined(Wanted(dataset="sessions", touching=(start - lasting, start)))
    lack = lack_their_end(rules)
    rows = known.raw_rows("sessions", lack)
    rows = rows[rows["battery_id"].isin(list(battery_ids)) & rows["departure_utc"].isna()]
    rows = rows[rows["arrival_utc"].notna() & (rows["arrival_utc"] <= start)]
    if rows.empty:
        return rows
    rows = rows.loc[still_open(known, rows, start, lasting)]
    known_rows = known.read("core_session", where={"session_id": [str(name) for name in rows["session_id"]]})
    rows = rows[~rows["session_id"].isin(known_rows["session_id"])]  # its end has come in another row
    others = rules[~rules.set_index(_ROW).index.isin(lack.set_index(_ROW).index)]
    ended = known.raw_rows("sessions", others).dropna(subset=["departure_utc"])
    rows = rows[~rows["session_id"].isin(ended["session_id"])]  # or in one that lacks a charge
    return rows.sort_values(["arrival_utc", "received_utc"]).drop_duplicates("battery_id", keep="last")


def lack_their_end(rules: pd.DataFrame) -> pd.DataFrame:
    """Of rules that sessions broke (rows of core_quarantine) those of sessions that lack their end.

    They may lack charges as well. One that breaks any other rule is no session to go by.
    """
    if rules.empty:
        return rules
    lacks = (rules["rule"] == "not_null") & rules["column_name"].isin(["arrival_soc", "departure_soc"])
    other = rules[~(lacks | (rules["column_name"] == "departure_utc"))]
    own = rules[~rules.set_index(_ROW).index.isin(other.set_index(_ROW).index)]
    ends = own[(own["rule"] == "not_null") & (own["column_name"] == "departure_utc")]
    return own[own.set_index(_ROW).index.isin(ends.set_index(_ROW).index)]
