"""An older file brought forward to the layout of this code, its rows kept.

Step n turns version n into n + 1. All steps run in one transaction: killed in the middle, the file has the
version and the rows it had. To change the layout: raise `SCHEMA_VERSION` once a release; new tables and
nullable columns need nothing else, anything more is a step here.
"""

import logging
from collections.abc import Callable, Mapping

import duckdb

from warehouse.compaction import compact_all
from warehouse.schema import SCHEMA_VERSION, found_version, grow

_log = logging.getLogger(__name__)


def _from_1(connection: duckdb.DuckDBPyConnection) -> None:
    """Quarter-hours of the telemetry that is there."""
    compact_all(connection)


_STEPS: Mapping[int, Callable[[duckdb.DuckDBPyConnection], None]] = {1: _from_1}


def bring_forward(connection: duckdb.DuckDBPyConnection) -> int:
    """Migrate inside the caller's transaction and return the version that was found.

    Raises SchemaVersionError for a newer file, StoreError for one that is no warehouse or cannot be grown.
    """
    found = found_version(connection)
    if found < SCHEMA_VERSION:
        grow(connection)
        for version in range(found, SCHEMA_VERSION):
            _STEPS[version](connection)
        connection.execute("UPDATE meta_schema SET version = ?", [SCHEMA_VERSION])
        _log.warning("the warehouse was brought from schema version %d to %d", found, SCHEMA_VERSION)
    return found
