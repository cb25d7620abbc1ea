"""What the logs of a source told of transactions that none of them tells whole, as of a moment."""

import datetime as dt

from warehouse.beliefs import known_before, received, withdrawn
from warehouse.connection import connect
from warehouse.schema import check_version
from warehouse.sources.ocpp_fragments import STAYS, Begun, from_text
from warehouse.store import Warehouse

HELD_FOR = dt.timedelta(days=60)
"""So long after a log the rest of it is waited for."""


def begun(warehouse: Warehouse, source: str, known_by: dt.datetime) -> Begun:
    """Return what is held of transactions, and the stays that those logs told; not what was withdrawn.

    Raises the errors of opening a warehouse.
    """
    files = "source = $source AND received_utc < $before AND received_utc >= $since"
    landed = f"""
        SELECT {", ".join(STAYS)}, row.source_id, gone.source_row IS NOT NULL AS withdrawn
        FROM {received("sessions", files)} AS row
        LEFT JOIN {withdrawn("$before")} AS gone ON gone.dataset = 'sessions'
            AND gone.source_id = row.source_id AND gone.source_row = row.source_row
        WHERE row.received_utc < $before AND arrival_utc IS NOT NULL
    """  # noqa: S608
    held = f"""
        SELECT source_id, unfinished FROM raw_source
        WHERE {files} AND unfinished IS NOT NULL ORDER BY received_utc
    """  # noqa: S608
    before = known_before(known_by)
    how = {"source": source, "before": before, "since": before - HELD_FOR}
    with connect(warehouse.path, write=False, timeout_s=warehouse.lock_timeout_s) as connection:
        check_version(connection)
        stays = connection.sql(landed, params=how).to_arrow_table().to_pandas()
        rows = connection.sql(held, params=how).fetchall()
    gone = set(stays.loc[stays["withdrawn"], ["source_id", "session_id"]].itertuples(index=False, name=None))
    fragments = [
        fragment
        for source_id, text in rows
        for fragment in from_text(str(text))
        if (source_id, fragment.session_id) not in gone
    ]
    return Begun(fragments=tuple(fragments), stays=stays.loc[~stays["withdrawn"], list(STAYS)])
