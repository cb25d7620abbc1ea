"""Core tables as they were believed at an earlier moment.

A core table holds the latest belief of each key. Where that one was received later than the moment asked
for, the belief of then is found again among the raw rows: the latest received by then that the checks, or a
person by then, let in. Its cells are those that the checks left; a row that repeats another of its file
shares the lot of the first. A person's decision, to release a row or to withdraw it, counts from its own
moment on. Raw rows that were pruned cannot be found again. Of sessions that overlap, those hold that no
session of the same car received by then had replaced.
"""

import datetime as dt
from collections.abc import Sequence

from warehouse.contracts import AMENDED, DATASETS, TableContract, dataset_contract, raw_contract
from warehouse.errors import UnknownTableError
from warehouse.overlaps import SESSIONS, SUPERSEDED, holding

_BELIEF = ("received_utc", "source_id")
_SAME_INSTANT = dt.timedelta(milliseconds=1)
"""Files ingested at one instant are distinguished by microseconds; all of them were known at that instant."""


def released(before: str = "") -> str:
    """Return SQL of the (dataset, rule, source_id, source_row) that are released.

    before: SQL of the moment before which decisions count, "" for all of them.
    """
    return _decided("core_release", ("dataset", "rule", "source_id", "source_row"), "release", before)


def withdrawn(before: str = "") -> str:
    """Return SQL of the (dataset, source_id, source_row) withdrawn, and when; before: as for `released`."""
    return _decided("core_withdrawal", ("dataset", "source_id", "source_row"), "withdraw", before)


def _decided(table: str, subject: Sequence[str], action: str, before: str) -> str:
    names, bound = ", ".join(subject), f"WHERE decided_utc < {before}" if before else ""
    return f"""(
        SELECT {names}, decided_utc FROM {table} {bound}
        QUALIFY row_number() OVER (PARTITION BY {names} ORDER BY sequence DESC) = 1 AND action = '{action}'
    )"""  # noqa: S608


RELEASED, WITHDRAWN = released(), withdrawn()
"""SQL of what is released and what is withdrawn now."""


def latest_first(contract: TableContract) -> str:
    """Return the ORDER BY under which the belief that holds is the first of its key."""
    values = [name for name in contract.names if name not in (*contract.key, *_BELIEF)]
    return ", ".join(f"{name} DESC NULLS LAST" for name in (*_BELIEF, *values))


def received(dataset: str, files: str) -> str:
    """Return SQL of ingested rows of a dataset, each received at its own moment or with its file.

    files: SQL on columns of raw_source that selects files.
    """
    raw = raw_contract(dataset)
    names = ", ".join(name for name in raw.names if name not in _BELIEF)
    return f"""(
        SELECT {names}, source_id, coalesce(landed.received_utc, file.received_utc) AS received_utc
        FROM {raw.name} AS landed
        JOIN (SELECT source_id, received_utc FROM raw_source WHERE {files}) AS file USING (source_id)
    )"""  # noqa: S608


def as_checked(dataset: str, ingested: str) -> str:
    """Return SQL of ingested rows as the checks left them; whether they let them in is not asked.

    ingested: SQL of rows in the shape of `received`. Cells are as the checks amended them; what repeats
    another row of its file, or is in the mean of some of its readings, is left out.
    """
    declared = dataset_contract(dataset)
    place, said = "source_id, source_row", ", ".join(declared.names)
    rows = f"(SELECT {said}, {place}, received_utc, FALSE AS amended FROM {ingested})"  # noqa: S608
    if dataset in AMENDED:
        left = ", ".join(
            f"CASE WHEN amended.source_id IS NULL THEN landed.{name} ELSE amended.{name} END AS {name}"
            for name in declared.names
        )
        rows = (
            f"(SELECT {left}, landed.source_id, landed.source_row, received_utc, "  # noqa: S608
            f"amended.source_id IS NOT NULL AS amended FROM {ingested} AS landed "
            f"LEFT JOIN {AMENDED[dataset].name} AS amended USING ({place}))"
        )
    stated_of = f"{', '.join(declared.key)}, source_id, received_utc"
    return f"""(
        SELECT {said}, {place}, received_utc FROM {rows}
        QUALIFY row_number() OVER (PARTITION BY {said}, source_id, received_utc ORDER BY source_row) = 1
        AND (amended OR NOT bool_or(amended) OVER (PARTITION BY {stated_of}))
    )"""  # noqa: S608


def believed(contract: TableContract, condition: str) -> str:
    """Return SQL of a core table's rows as known at one moment, bound as `$known_by`.

    condition: SQL on key columns that selects keys (others would miss rows that were corrected since).
    Raises UnknownTableError for a table that is not a dataset's core table.
    """
    dataset = _owner(contract)
    if contract.name != SESSIONS:
        return _latest(contract, dataset, contract.name, condition)
    names = ", ".join(contract.names)
    every = f"(SELECT {names} FROM {SESSIONS} UNION ALL SELECT {names} FROM {SUPERSEDED})"  # noqa: S608
    # Whether a session holds depends on others of its car, hence on keys that were not asked for.
    beliefs = _latest(contract, dataset, every, "TRUE")
    return f"""(
        WITH beliefs AS MATERIALIZED {beliefs}
        SELECT {names} FROM beliefs SEMI JOIN {holding("beliefs")} AS holds USING (session_id)
    )"""  # noqa: S608


def received_since(contract: TableContract, condition: str) -> str:
    """Return SQL of rows or none: whether a belief that holds now was received, or decided on, since then.

    Then is `$known_by`. Where none was, the table as it is is what was believed at that moment. Raises
    UnknownTableError as `believed`.
    """
    dataset = _owner(contract)
    tables = (SESSIONS, SUPERSEDED) if contract.name == SESSIONS else (contract.name,)
    later = [
        f"(SELECT 1 FROM {table} WHERE received_utc >= $known_by AND {condition} LIMIT 1)"  # noqa: S608
        for table in tables
    ]
    later += [f"(SELECT 1 FROM {_decided_since(dataset)} LIMIT 1)"]  # noqa: S608
    return " UNION ALL ".join(later)


def _decided_since(dataset: str) -> str:
    """Return SQL of the (source_id, source_row) that a person decided on at `$known_by` or later."""
    each = (
        f"SELECT source_id, source_row FROM {table} WHERE dataset = '{dataset}' AND decided_utc >= $known_by"  # noqa: S608
        for table in ("core_release", "core_withdrawal")
    )
    return f"({' UNION '.join(each)})"


def _owner(contract: TableContract) -> str:
    """Return the dataset of a core table."""
    owners = {f"core_{declared.name}": dataset for dataset, declared in DATASETS.items()}
    if contract.name not in owners:
        raise UnknownTableError(f"{contract.name} does not tell what of it was known at a moment")
    return owners[contract.name]


def _latest(contract: TableContract, dataset: str, now: str, condition: str) -> str:
    """Return SQL of the latest belief of each key at `$known_by`; now: SQL of the latest ones by now."""
    key, names = ", ".join(contract.key), ", ".join(contract.names)
    # Rows of a file that was ingested later may have been received before, if they tell so.
    then = f"dataset = '{dataset}' AND checked_utc IS NOT NULL"
    then += " AND (received IS NOT NULL OR received_utc < $known_by)"
    decided = (
        f"(SELECT DISTINCT {key} FROM {raw_contract(dataset).name} "  # noqa: S608
        f"SEMI JOIN {_decided_since(dataset)} USING (source_id, source_row))"
    )
    again = f"""(
        FROM {received(dataset, then)} SEMI JOIN (
            SELECT {key} FROM {now} WHERE received_utc >= $known_by AND {condition}
            UNION SELECT {key} FROM {decided}
        ) AS corrected USING ({key})
    )"""  # noqa: S608
    return f"""(
        SELECT {names} FROM {now} ANTI JOIN {decided} AS decided USING ({key})
        WHERE received_utc < $known_by AND {condition}
        UNION ALL
        SELECT {names} FROM (
            FROM {as_checked(dataset, again)}
            ANTI JOIN (
                SELECT source_id, source_row FROM core_quarantine
                ANTI JOIN {released("$known_by")} AS let_in USING (dataset, rule, source_id, source_row)
                WHERE dataset = '{dataset}'
                UNION
                SELECT source_id, source_row FROM {withdrawn("$known_by")} WHERE dataset = '{dataset}'
            ) AS bad USING (source_id, source_row)
            WHERE received_utc < $known_by AND {condition}
            QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {latest_first(contract)}) = 1
        )
    )"""  # noqa: S608


def known_before(moment: dt.datetime) -> dt.datetime:
    """Return the bound below which `received_utc` counts as known at a moment."""
    return moment + _SAME_INSTANT
