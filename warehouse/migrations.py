"""A file brought forward to the layout of this code, its rows kept.

Step n turns version n into n + 1. All steps run in one transaction: killed in the middle, the file has the
version and the rows it had. To change the layout: new tables and nullable columns need nothing but their
record (see `warehouse.schema`); for anything more raise `SCHEMA_VERSION`, once a release, and write a step.
"""

import logging
from collections.abc import Callable, Mapping

import duckdb

from warehouse import overlaps
from warehouse.compaction import compact_all
from warehouse.layout import in_words
from warehouse.schema import (
    SCHEMA_VERSION,
    found_version,
    grow,
    is_current,
    layout_differences,
    record_layout,
    refuse_other_layout,
)

_log = logging.getLogger(__name__)


def _from_1(connection: duckdb.DuckDBPyConnection) -> None:
    """Quarter-hours of the telemetry that is there."""
    compact_all(connection)


def _from_2(connection: duckdb.DuckDBPyConnection) -> None:
    """Of sessions of one car that overlap the one received later holds."""
    overlaps.set_aside_overlaps(connection)


_STEPS: Mapping[int, Callable[[duckdb.DuckDBPyConnection], None]] = {1: _from_1, 2: _from_2}


def bring_forward(connection: duckdb.DuckDBPyConnection, *, whole: bool = False) -> int:
    """Migrate inside the caller's transaction and return the version that was found.

    whole: look into the file itself, not only at the layout that it notes. Raises SchemaVersionError for a
    newer file, StoreError for one that is no warehouse or cannot be grown.
    """
    if not whole and is_current(connection):
        return SCHEMA_VERSION
    found = found_version(connection)
    if found < SCHEMA_VERSION:
        grow(connection)
        for version in range(found, SCHEMA_VERSION):
            _STEPS[version](connection)
        record_layout(connection)
        _log.warning("the warehouse was brought from schema version %d to %d", found, SCHEMA_VERSION)
        return found
    other = layout_differences(connection)
    refuse_other_layout(other)
    if other or whole:
        grow(connection)
        record_layout(connection)
    if other:
        _log.warning("the warehouse of schema version %d has grown: %s", found, in_words(other))
    return found
