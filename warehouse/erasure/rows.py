"""The rows of an owner's cars in one database file: gone in one transaction, the same at every repetition.

Rows with a battery, session or site of theirs are deleted from whatever tables the file has, also one of an
earlier layout. Totals of the fleet stay. Texts that name them are scrubbed, the lines of files too
(`raw_source`), whose count becomes that of the rows that are left. Entries of the ledger keep their place and
commitment and lose salt and opening: the tree and every proof hold, and nothing can be opened any more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import duckdb

from warehouse.contracts import CONTRACTS
from warehouse.erasure.named import ERASED, Named, kept_of

_LEDGER, _OF_SITES = "out_ledger", "out_plan_site_slot"
_IDS = ("battery_id", "session_id", "site_id")
_MADE = frozenset(
    {
        "run_id", "input_hash", "code_version", "source_id", "by_source_id", "calibration_id", "plan_id",
        "previous_calibration_id", "replaces_plan_id", "realised_id", "settlement_id", "corrects", "sha256",
        "contract_digest", "commitment", "salt", "model_hash", "fingerprint", "layout", "last_write",
        "charger_id", "by_session_id", "station_id", "parent_id", "plan_ids", *_IDS,
    }
)  # fmt: skip
"""Columns that are no text: hashes and numbers of this software, and ids, which are compared whole."""
_WORDS_OF_OURS = frozenset(
    {
        "zone", "dataset", "stage", "rule", "source", "product", "target", "part", "metric", "strategy",
        "model", "engine", "solver_status", "wear_form", "held_by", "column_name", "followed_modes", "kind",
    }
)  # fmt: skip
"""Columns that hold words of this software: a car may be called like one."""
_ELEMENTS_GO = "transactions"
_WORDS = ("batteries", "cars", "values")
_METERS = "meters"
_PLACE = re.compile(r"(evse|connector)[: ]\d+$", re.IGNORECASE)
_HEAD = re.compile(r"(?m)(^[ \t]*\[[^=\n]*\][ \t]*(?:#.*)?$)")
Tables = Mapping[str, Mapping[str, str]]


def found_in(connection: duckdb.DuckDBPyConnection, asked: Named) -> Named:
    """The owner's names with what a file tells of them besides: sessions, tokens, ids of others to keep."""
    tables = _tables(connection)
    sessions = {
        one
        for table, columns in tables.items()
        if {"battery_id", "session_id"} <= columns.keys()
        for one in _strings(connection, table, "session_id", {"battery_id": asked.batteries})
    }
    tokens = set[str]()
    if "options" in tables.get("raw_source", {}):
        for (text,) in connection.execute(
            "SELECT options FROM raw_source WHERE options IS NOT NULL"
        ).fetchall():
            tokens |= tokens_of(json.loads(text), asked.batteries)
    others = asked.others | tokens
    gone = asked.batteries | asked.sites | sessions | others
    stay = {
        one
        for table, columns in tables.items()
        for name in _IDS
        if name in columns and table.startswith(("raw_", "core_")) and _length(connection, table)
        for one in _strings(connection, table, name, {})
        if one not in gone
    }
    return Named(
        batteries=asked.batteries, sites=asked.sites, sessions=asked.sessions | sessions, others=others,
        alone=asked.alone | _alone(connection, tables, asked.batteries) - asked.sites,
        kept=asked.kept | kept_of(stay, gone),
    )  # fmt: skip


def _alone(connection: duckdb.DuckDBPyConnection, tables: Tables, batteries: Iterable[str]) -> set[str]:
    """Sites at which no car but these has ever been declared."""
    if "raw_battery" not in tables:
        return set()
    rows = connection.execute(
        "SELECT site_id, battery_id FROM raw_battery UNION SELECT site_id, battery_id FROM core_battery"
    ).fetchall()
    own, wanted = {site for site, car in rows if car in set(batteries)}, set(batteries)
    return {str(site) for site in own if site is not None} - {site for site, car in rows if car not in wanted}


def tokens_of(said: Any, batteries: Iterable[str]) -> set[str]:
    """Words for one of the batteries in options, mappings or settings: tokens and cars' foreign names.

    They stand in a table called batteries, cars or values; a place ("evse:1") is no name. Of
    meters, the serial of each that is registered for one of them.
    """
    wanted, found = set(batteries), set[str]()
    if isinstance(said, list):
        return set().union(*(tokens_of(one, wanted) for one in said)) if said else found
    if isinstance(said, dict):
        for key, given in said.items():
            value = _of_json(given)
            if key in _WORDS and isinstance(value, dict):
                found |= {
                    word for word, car in value.items() if _is_in(car, wanted) and not _PLACE.search(word)
                }
            if key == _METERS and isinstance(value, dict):
                own = {serial: one.get("battery") for serial, one in value.items() if isinstance(one, dict)}
                found |= {serial for serial, car in own.items() if _is_in(car, wanted)}
            found |= tokens_of(value, wanted)
    return found


def _of_json(value: Any) -> Any:
    """What options hold as a text: a table of JSON within JSON."""
    with suppress(ValueError):
        return json.loads(value) if isinstance(value, str) and value.startswith("{") else value
    return value


def _is_in(car: object, wanted: set[str]) -> bool:
    return isinstance(car, str) and car in wanted


def ids_of(connection: duckdb.DuckDBPyConnection, column: str, tables: Iterable[str] = ()) -> set[str]:
    """All that stands in an id's column, of the tables named, else of all that have one."""
    held = _tables(connection)
    return {
        one
        for table in tables or held
        if column in held.get(table, {})
        for one in _strings(connection, table, column, {})
    }


def count_rows(connection: duckdb.DuckDBPyConnection, named: Named) -> int:
    """How many rows have a battery, site or session of theirs, entries of the ledger left out."""
    return sum(
        _count(connection, table, where)
        for table, where in _conditions(_tables(connection), named).items()
        if table != _LEDGER
    )


def entries_of(connection: duckdb.DuckDBPyConnection, named: Named) -> list[int]:
    """The places in the ledger of the cars' entries."""
    if _LEDGER not in _tables(connection):
        return []
    found = connection.execute(
        f"SELECT entry_index FROM {_LEDGER} WHERE battery_id IN (SELECT unnest(?)) ORDER BY entry_index",  # noqa: S608
        [sorted(named.batteries)],
    ).fetchall()
    return [int(one) for (one,) in found]


def sources_of(connection: duckdb.DuckDBPyConnection, named: Named) -> dict[str, str]:
    """SHA-256 of each ingested file that has a row of theirs → its name."""
    tables = _tables(connection)
    if "raw_source" not in tables:
        return {}
    ids = {
        one
        for table, where in _conditions(tables, named).items()
        if table.startswith("raw_") and "source_id" in tables[table]
        for one in _strings(connection, table, "source_id", where)
    }
    rows = connection.execute(
        "SELECT sha256, file_name FROM raw_source WHERE source_id IN (SELECT unnest(?))", [sorted(ids)]
    ).fetchall()
    return {str(sha): str(name) for sha, name in rows}


def erase_rows(connection: duckdb.DuckDBPyConnection, named: Named) -> None:
    """Delete the rows and scrub the texts, within the caller's transaction."""
    tables = _tables(connection)
    conditions = _conditions(tables, named)
    _forget_judged(connection, tables, conditions)
    for table, where in conditions.items():
        if table == _LEDGER:
            connection.execute(
                f"UPDATE {_LEDGER} SET battery_id = ?, salt = '', opening = '' "  # noqa: S608
                "WHERE battery_id IN (SELECT unnest(?))",
                [ERASED, sorted(named.batteries)],
            )
            continue
        before = _of_sources(connection, table) if table.startswith("raw_") else {}
        clause, values = _clause(where)
        connection.execute(f"DELETE FROM {table} WHERE {clause}", values)  # noqa: S608
        _recount(connection, table, before)
    for table, columns in tables.items():
        for column, kind in columns.items():
            if kind == "VARCHAR" and column not in _MADE | _WORDS_OF_OURS | _listed(table):
                _scrub(connection, table, column, named)


def _forget_judged(
    connection: duckdb.DuckDBPyConnection, tables: Tables, conditions: Mapping[str, Mapping[str, Any]]
) -> None:
    """Delete what checks and persons decided on raw rows that go."""
    for table, where in conditions.items():
        if not table.startswith("raw_") or "source_row" not in tables[table]:
            continue
        clause, values = _clause(where)
        for judged in ("core_quarantine", "core_release", "core_withdrawal"):
            if judged in tables:
                connection.execute(
                    f"DELETE FROM {judged} AS j WHERE EXISTS (SELECT 1 FROM {table} AS r WHERE "  # noqa: S608
                    f"r.source_id = j.source_id AND r.source_row = j.source_row AND ({clause}))",
                    values,
                )


def _of_sources(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, int]:
    return dict(
        connection.execute(f"SELECT source_id, count(*) FROM {table} GROUP BY source_id").fetchall()  # noqa: S608
    )


def _recount(connection: duckdb.DuckDBPyConnection, table: str, before: Mapping[str, int]) -> None:
    """Take off a file's count what was deleted of its rows."""
    after = _of_sources(connection, table) if before else {}
    for source_id, rows in before.items():
        if gone := rows - after.get(source_id, 0):
            connection.execute(
                "UPDATE raw_source SET rows = greatest(rows - ?, 0) WHERE source_id = ?", [gone, source_id]
            )


def _scrub(connection: duckdb.DuckDBPyConnection, table: str, column: str, named: Named) -> None:
    hit = " OR ".join(f"contains(lower({column}), ?)" for _ in named.all)
    if not hit:
        return
    rows = connection.execute(
        f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL AND ({hit})",  # noqa: S608
        [one.lower() for one in sorted(named.all)],
    ).fetchall()
    for rowid, text in rows:
        rest = _scrubbed(column, text, named)
        if rest != text and _is_key(table, column):
            connection.execute(f"DELETE FROM {table} WHERE rowid = ?", [rowid])  # noqa: S608
        elif rest != text:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", [rest, rowid])  # noqa: S608


def _listed(table: str) -> set[str]:
    """Columns that hold words of a fixed list."""
    contract = CONTRACTS.get(table)
    return {one.name for one in contract.columns if one.allowed} if contract else set()


def _is_key(table: str, column: str) -> bool:
    return table in CONTRACTS and column in CONTRACTS[table].key


def _scrubbed(column: str, text: str, named: Named) -> str | None:
    if column == "contract_text":
        return named.scrubbed(without_listed(text, named))
    return named.scrubbed_cell(text, elements_go=column == _ELEMENTS_GO)


def without_listed(text: str, named: Named) -> str:
    """A TOML text whose lists no longer name them; the heads of its tables stay."""
    parts = _HEAD.split(text)
    return "".join(part if _HEAD.fullmatch(part) else _unlisted(part, named) for part in parts)


def _unlisted(text: str, named: Named) -> str:
    for one in sorted(named.all, key=len, reverse=True):
        quoted = rf"""(?:"{re.escape(one)}"|'{re.escape(one)}')"""
        text = re.sub(rf"(?<=[\[,])(\s*){quoted}\s*,\s*", r"\1", text)
        text = re.sub(rf",\s*{quoted}(?=\s*,?\s*\])", "", text)
        text = re.sub(rf"(?<=\[)\s*{quoted}\s*(?=\])", "", text)
        entry = rf"""(?:"[^"\n]*"|'[^'\n]*'|[\w-]+)\s*=\s*{quoted}"""
        text = re.sub(rf"(?<=[{{,])(\s*){entry}\s*,\s*", r"\1", text)
        text = re.sub(rf",\s*{entry}(?=\s*\}})", "", text)
        text = re.sub(rf"(?<=\{{)\s*{entry}\s*(?=\}})", "", text)
    return text


def _conditions(tables: Tables, named: Named) -> dict[str, dict[str, frozenset[str]]]:
    """Table → column → values, for each table with rows that can be theirs."""
    of = {"battery_id": named.batteries, "session_id": named.sessions, "site_id": named.sites}
    found = {
        table: {name: values for name, values in of.items() if name in columns and values}
        for table, columns in tables.items()
    }
    for table, where in found.items():
        if "battery_id" in where:  # sessions of others may have the same id in another file
            where.pop("session_id", None)
        if table == _OF_SITES and named.sites | named.alone:
            where["site_id"] = named.sites | named.alone
    return {table: where for table, where in found.items() if where}


def _clause(where: Mapping[str, Iterable[str]]) -> tuple[str, list[list[str]]]:
    return (
        " OR ".join(f"{name} IN (SELECT unnest(?))" for name in where) or "FALSE",
        [sorted(values) for values in where.values()],
    )


def _count(connection: duckdb.DuckDBPyConnection, table: str, where: Mapping[str, Iterable[str]]) -> int:
    clause, values = _clause(where)
    return int(
        connection.execute(f"SELECT count(*) FROM {table} WHERE {clause}", values).fetchall()[0][0]  # noqa: S608
    )


def _length(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])  # noqa: S608


def _strings(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, where: Mapping[str, Iterable[str]]
) -> set[str]:
    clause, values = _clause(where) if where else ("TRUE", [])
    rows = connection.execute(
        f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL AND ({clause})",  # noqa: S608
        values,
    ).fetchall()
    return {str(one) for (one,) in rows}


def _tables(connection: duckdb.DuckDBPyConnection) -> Tables:
    """Table → column → type, of the file that is open."""
    found: dict[str, dict[str, str]] = {}
    rows = connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = current_database() AND NOT internal ORDER BY table_name, column_index"
    ).fetchall()
    for table, column, kind in rows:
        found.setdefault(table, {})[column] = kind
    return found
