"""What the logs of a source reported of transactions, for a log that tells more of them."""

import datetime as dt
import json

import pandas as pd

from warehouse.beliefs import WITHDRAWN, received
from warehouse.connection import connect
from warehouse.schema import check_version_once
from warehouse.sources.ocpp_fragments import SESSIONS, Begun
from warehouse.store import Warehouse
from warehouse.withdrawal import WHOLLY_WITHDRAWN

HELD_FOR = dt.timedelta(days=60)
"""So long after a log the rest of it is waited for."""


_FILES = "source = $source AND received_utc >= $since"
_SOURCES = f"SELECT source_id FROM raw_source WHERE {_FILES}"  # noqa: S608


def logs_of(warehouse: Warehouse, source: str, ingested_utc: dt.datetime) -> frozenset[str]:
    """Return the source_ids of the logs that `begun` reads."""
    with connect(warehouse.path, write=False, timeout_s=warehouse.lock_timeout_s) as connection:
        check_version_once(warehouse.path, connection)
        found = connection.sql(_SOURCES, params=_asked(source, ingested_utc)).fetchall()
    return frozenset(source_id for (source_id,) in found)


def begun(warehouse: Warehouse, source: str, ingested_utc: dt.datetime) -> Begun:
    """Return what is held of transactions by logs ingested since HELD_FOR before, but for what is withdrawn.

    Logs received after `ingested_utc` are among them: what rests on one is not known before it.
    """
    ingested = f"""
        SELECT {", ".join(SESSIONS)}, file.source_id, file.sha256, file.options,
            gone.source_row IS NOT NULL AS withdrawn
        FROM {received("sessions", _FILES)} AS row JOIN raw_source AS file ON file.source_id = row.source_id
        LEFT JOIN {WITHDRAWN} AS gone ON gone.dataset = 'sessions'
            AND gone.source_id = row.source_id AND gone.source_row = row.source_row
        WHERE arrival_utc IS NOT NULL ORDER BY row.received_utc
    """  # noqa: S608
    held = f"""
        SELECT sha256, transactions, received_utc, {WHOLLY_WITHDRAWN} FROM raw_source AS file
        WHERE {_FILES} AND transactions IS NOT NULL ORDER BY received_utc
    """  # noqa: S608
    how = _asked(source, ingested_utc)
    with connect(warehouse.path, write=False, timeout_s=warehouse.lock_timeout_s) as connection:
        check_version_once(warehouse.path, connection)
        sessions = connection.sql(ingested, params=how).to_arrow_table().to_pandas()
        rows = connection.sql(held, params=how).fetchall()
        sources = connection.sql(_SOURCES, params=how).fetchall()
    gone, kept = sessions[sessions["withdrawn"]], sessions[~sessions["withdrawn"]]
    # Unless the same log counts, read in another way.
    of_session = _pairs(gone) - _pairs(kept)
    logs = {sha256 for sha256, _, _, withdrawn in rows if withdrawn}
    logs -= {sha256 for sha256, _, _, withdrawn in rows if not withdrawn}
    return Begun(
        held=tuple(
            (moment.astimezone(dt.UTC), one)
            for _, text, moment, _ in rows
            for one in json.loads(text)
            # Neither what was withdrawn nor what rests on it.
            if not any(sha256 in logs or (sha256, one["session_id"]) in of_session for sha256 in one["files"])
        ),
        sessions=kept[list(SESSIONS)],
        sources=frozenset(source_id for (source_id,) in sources),
        withdrawn=frozenset(
            (sha256, _as_given(options), str(name))
            for sha256, options, name in gone[["sha256", "options", "session_id"]].itertuples(index=False)
        ),
    )


def _asked(source: str, ingested_utc: dt.datetime) -> dict[str, object]:
    return {"source": source, "since": ingested_utc - HELD_FOR}


def _pairs(sessions: pd.DataFrame) -> set[tuple[str, str]]:
    return set(sessions[["sha256", "session_id"]].itertuples(index=False, name=None))


def _as_given(options: str | None) -> str | None:
    """How a log was read, but for what others reported."""
    stated = {} if options is None else json.loads(options)
    stated.pop("joined", None)
    return json.dumps(stated, ensure_ascii=False) if stated else None
