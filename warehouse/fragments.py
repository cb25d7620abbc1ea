"""What the logs of a source told of transactions, for a log that tells more of them."""

import datetime as dt
import json

from warehouse.beliefs import WITHDRAWN, received
from warehouse.connection import connect
from warehouse.schema import check_version
from warehouse.sources.ocpp_fragments import STAYS, Begun
from warehouse.store import Warehouse
from warehouse.withdrawal import WHOLLY_WITHDRAWN

HELD_FOR = dt.timedelta(days=60)
"""So long after a log the rest of it is waited for."""


def begun(warehouse: Warehouse, source: str, landing: dt.datetime) -> Begun:
    """Return what is held of transactions by logs landed since HELD_FOR before, but for what is withdrawn.

    Logs received after `landing` are among them: what rests on one is not known before it.
    """
    files = "source = $source AND received_utc >= $since"
    landed = f"""
        SELECT {", ".join(STAYS)}, row.source_id, gone.source_row IS NOT NULL AS withdrawn
        FROM {received("sessions", files)} AS row
        LEFT JOIN {WITHDRAWN} AS gone ON gone.dataset = 'sessions'
            AND gone.source_id = row.source_id AND gone.source_row = row.source_row
        WHERE arrival_utc IS NOT NULL ORDER BY row.received_utc
    """  # noqa: S608
    held = f"""
        SELECT source_id, transactions, received_utc FROM raw_source AS file
        WHERE {files} AND transactions IS NOT NULL AND NOT ({WHOLLY_WITHDRAWN}) ORDER BY received_utc
    """  # noqa: S608
    how = {"source": source, "since": landing - HELD_FOR}
    with connect(warehouse.path, write=False, timeout_s=warehouse.lock_timeout_s) as connection:
        check_version(connection)
        stays = connection.sql(landed, params=how).to_arrow_table().to_pandas()
        rows = connection.sql(held, params=how).fetchall()
    gone = set(stays.loc[stays["withdrawn"], ["source_id", "session_id"]].itertuples(index=False, name=None))
    return Begun(
        held=tuple(
            (moment.astimezone(dt.UTC), one)
            for source_id, text, moment in rows
            for one in json.loads(text)
            if (source_id, one["session_id"]) not in gone
        ),
        stays=stays.loc[~stays["withdrawn"], list(STAYS)],
        sources=frozenset(source_id for source_id, *_ in rows),
    )
