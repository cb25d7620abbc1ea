"""Sessions of one car never overlap: of two that do, the one received later holds, the other is superseded.

A session is a belief about where a car is, whatever id it goes under. The beliefs that hold of each id (its
latest) lie in core_session and, where a later received one that holds overlaps them, in
core_session_superseded with what replaced them; what is superseded itself stands in no one's way. Which is
which depends on these beliefs alone, not on the order in which they were merged: when one is corrected or
withdrawn, what it had replaced comes forward again. The rest of a session that a file begins within (`PART`)
stands behind whatever else is reported of that time.
"""

from collections.abc import Sequence

import duckdb

from warehouse.contracts import CONTRACTS

SESSIONS, SUPERSEDED = "core_session", "core_session_superseded"
_NAMES = ", ".join(CONTRACTS[SESSIONS].names)
PART = "@part-"
"""In the id of a session that a file holds the rest of alone: it takes no other's place."""


def _order(alias: str) -> tuple[str, ...]:
    """Return SQL by whose values the later of two holds; ids only tell apart what came in one file."""
    whole = f"NOT contains({alias}.session_id, '{PART}')"
    return (whole, *(f"{alias}.{name}" for name in ("received_utc", "source_id", "session_id")))


def overlaps_later(earlier: str, later: str) -> str:
    """Return SQL that holds where `later` is of the same car, overlaps `earlier` and holds before it."""
    first, second = (", ".join(_order(alias)) for alias in (earlier, later))
    return (
        f"{later}.battery_id = {earlier}.battery_id AND {later}.arrival_utc < {earlier}.departure_utc "
        f"AND {earlier}.arrival_utc < {later}.departure_utc AND ({second}) > ({first})"
    )


def holding(beliefs: str) -> str:
    """Return SQL of the session_id of those of some beliefs that hold; beliefs: SQL, a row a session.

    From the one received last to the first, each holds that overlaps none of its car's that holds already:
    decided island by island of sessions that follow on without a gap, few each.
    """
    pair = ", ".join(f"{name} := own.{name}" for name in ("arrival_utc", "departure_utc"))
    latest = ", ".join(f"{name} DESC" for name in _order("placed"))
    in_time = "PARTITION BY battery_id ORDER BY arrival_utc, departure_utc, session_id ROWS"
    clear = (
        "len(list_filter(taken, lambda one: one.arrival_utc < own.departure_utc "
        "AND own.arrival_utc < one.departure_utc)) = 0"
    )
    return f"""(
        WITH RECURSIVE begun AS (
            SELECT *, coalesce(arrival_utc >= max(departure_utc) OVER (
                {in_time} BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ), TRUE) AS begins FROM {beliefs}
        ), placed AS (
            SELECT *, sum(begins::INTEGER) OVER ({in_time} UNBOUNDED PRECEDING) AS island FROM begun
        ), contested AS (
            SELECT *, row_number() OVER (PARTITION BY battery_id, island ORDER BY {latest}) AS place
            FROM placed QUALIFY count(*) OVER (PARTITION BY battery_id, island) > 1
        ), judged AS (
            SELECT battery_id, island, place, session_id, TRUE AS holds, [struct_pack({pair})] AS taken
            FROM contested AS own WHERE place = 1
            UNION ALL
            SELECT own.battery_id, own.island, own.place, own.session_id, {clear},
            CASE WHEN {clear} THEN list_append(taken, struct_pack({pair})) ELSE taken END
            FROM judged JOIN contested AS own ON own.battery_id = judged.battery_id
            AND own.island = judged.island AND own.place = judged.place + 1
        )
        SELECT session_id FROM {beliefs} AS every ANTI JOIN contested USING (session_id)
        UNION ALL SELECT session_id FROM judged WHERE holds
    )"""  # noqa: S608


def reopen(connection: duckdb.DuckDBPyConnection, batteries: Sequence[str]) -> None:
    """Put the superseded beliefs on some cars back next to the others, until `set_aside_overlaps` judges all
    anew."""
    cars = [list(batteries)]
    connection.execute(
        f"INSERT INTO {SESSIONS} ({_NAMES}) SELECT {_NAMES} FROM {SUPERSEDED} "  # noqa: S608
        "WHERE battery_id IN (SELECT unnest(?))",
        cars,
    )
    connection.execute(
        f"DELETE FROM {SUPERSEDED} WHERE battery_id IN (SELECT unnest(?))",  # noqa: S608
        cars,
    )


def set_aside_overlaps(connection: duckdb.DuckDBPyConnection) -> None:
    """Set aside every session that a later received one of its car overlaps, inside the caller's transaction.

    Every car is looked at: files of earlier versions of this software may hold such pairs.
    """
    later = ", ".join(f"later.{name} AS by_{name}" for name in ("session_id", "source_id", "source_row"))
    own = ", ".join(f"earlier.{name}" for name in CONTRACTS[SESSIONS].names)
    latest = ", ".join(f"{name} DESC" for name in _order("later"))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE lost AS WITH holds AS MATERIALIZED {holding(SESSIONS)} "  # noqa: S608
        f"SELECT {own}, {later}, later.received_utc AS by_received_utc "
        f"FROM (FROM {SESSIONS} ANTI JOIN holds USING (session_id)) AS earlier "
        f"JOIN (FROM {SESSIONS} SEMI JOIN holds USING (session_id)) AS later "
        f"ON {overlaps_later('earlier', 'later')} "
        f"QUALIFY row_number() OVER (PARTITION BY earlier.session_id ORDER BY {latest}) = 1"
    )
    connection.execute(f"DELETE FROM {SESSIONS} USING lost WHERE {SESSIONS}.session_id = lost.session_id")  # noqa: S608
    names = ", ".join(CONTRACTS[SUPERSEDED].names)
    connection.execute(f"INSERT INTO {SUPERSEDED} ({names}) SELECT {names} FROM lost")  # noqa: S608
    connection.execute("DROP TABLE lost")


def cars_of_incoming(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the cars that the rows of `incoming` concern: theirs, and those of the same ids so far."""
    known = " UNION ".join(
        f"SELECT battery_id FROM {table} SEMI JOIN incoming USING (session_id)"  # noqa: S608
        for table in (SESSIONS, SUPERSEDED)
    )
    found = connection.execute(f"SELECT battery_id FROM incoming UNION {known}").fetchall()  # noqa: S608
    return [str(row[0]) for row in found]
