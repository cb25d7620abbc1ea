"""What is left of a file's bytes once an owner's cars are out of it; None where nothing is to be left."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import tomllib
import zipfile
from collections.abc import Callable
from typing import Any

from warehouse.erasure.named import Named
from warehouse.erasure.rows import without_listed

_IDS = ("battery_id", "session_id", "site_id")
_HEADER = re.compile(r"\s*\[+(?P<name>[^\]]*)\]+\s*(#.*)?$")
_LINE = re.compile(r"""\s*(?P<key>"[^"]*"|'[^']*'|[\w.-]+)\s*=\s*(?P<value>"[^"]*"|'[^']*')?""")


def rest_of(name: str, data: bytes, named: Named) -> bytes | None:
    """What stays of a file, by the end of its name; raises ValueError where that cannot be told."""
    ending = name.lower()
    if ending.endswith(".gz"):
        plain = gzip.decompress(data)
        rest = rest_of(ending.removesuffix(".gz"), plain, named)
        return data if rest == plain else None if rest is None else gzip.compress(rest, mtime=0)
    if ending.endswith(".parquet"):
        return _parquet(data, named)
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            held = any(_names(archive.read(one), named) for one in archive.namelist())
        return None if held else data
    for end, of_text in _BY_ENDING.items():
        if ending.endswith(end):
            return _as_text(data, of_text, named)
    return None if _names(data, named) else data


def _as_text(data: bytes, rest: Callable[[str, Named], str | None], named: Named) -> bytes | None:
    encoding = "utf-8" if _is_utf8(data) else "latin-1"
    text = data.decode(encoding)
    left = rest(text, named)
    return data if left == text else None if left is None else left.encode(encoding)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _names(data: bytes, named: Named) -> bool:
    """Whether any of the names stands in bytes of whatever form."""
    return named.within(data.decode("latin-1"))


def _json(text: str, named: Named) -> str | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None if named.within(text) else text
    rest = named.without(value)
    if rest == value:
        return text
    indent = 2 if text.lstrip().startswith(("{\n", "[\n")) else None
    return None if rest is None else json.dumps(rest, ensure_ascii=False, indent=indent) + "\n"


def _json_lines(text: str, named: Named) -> str | None:
    lines = text.splitlines(keepends=True)
    transactions = {one for line in lines if _tells(line, named) for one in _transactions(line)}
    left = []
    for line in lines:
        if transactions & _transactions(line):
            continue
        rest = _json(line, named)
        if rest is not None:
            left.append(rest)
    return "".join(left) or (None if lines else text)


def _tells(line: str, named: Named) -> bool:
    try:
        value = json.loads(line)
    except ValueError:
        return named.within(line)
    return bool(named.without(value) != value)


def _transactions(line: str) -> set[tuple[str, str]]:
    """Station and number of the transaction that a record of the gateway's journal is of."""
    try:
        said = json.loads(line)
        station, payload = str(said["s"]), said["p"]
    except (ValueError, KeyError, TypeError):
        return set()
    stated: list[Any] = [
        (said.get("r") or {}).get("tx"),
        payload.get("transactionId"),
        (payload.get("transactionInfo") or {}).get("transactionId"),
    ]
    return {(station, str(one)) for one in stated if one is not None}


def _lines(text: str, named: Named) -> str | None:
    """A log less the lines that name them."""
    lines = text.splitlines(keepends=True)
    left = [line for line in lines if not named.within(line)]
    return text if len(left) == len(lines) else "".join(left) or None


def _table(text: str, named: Named) -> str | None:
    """A table less the rows that name them; None where its head does, or no row is left."""
    lines = text.splitlines(keepends=True)
    if not lines or named.within(lines[0]):
        return None if lines else text
    weak = _weak_columns(lines[0])
    left = [line for line in lines if not named.within(line) and not _has_weak(line, weak, named)]
    if len(left) == len(lines):
        return text
    return "".join(left) if len(left) > 1 else None


def _weak_columns(header: str) -> dict[int, str]:
    cells = _cells(header)
    return {place: cell for place, cell in enumerate(cells) if cell in _IDS}


def _has_weak(line: str, columns: dict[int, str], named: Named) -> bool:
    if not columns:
        return False
    cells = _cells(line)
    return any(place < len(cells) and named.is_one(cells[place], name) for place, name in columns.items())


def _cells(line: str) -> list[str]:
    mark = max(",;\t", key=line.count)
    try:
        return next(csv.reader([line.strip()], delimiter=mark), [])
    except csv.Error:
        return []


def _toml(text: str, named: Named) -> str | None:
    """Settings without the lists' elements, lines and tables that name them; comments are scrubbed."""
    left, skipping = [], False
    for line in without_listed(text, named).splitlines(keepends=True):
        if header := _HEADER.match(line):
            parts = [one.strip(" \"'") for one in header["name"].split(".")]
            skipping = any(named.is_one(one, "_id") for one in parts)
        if skipping or _is_theirs(line, named):
            continue
        left.append(named.scrubbed(line))
    rest = "".join(left)
    try:
        tomllib.loads(rest)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(
            f"it names the owner or a car in a way that is to be taken out by hand ({error})"
        ) from error
    return rest


def _is_theirs(line: str, named: Named) -> bool:
    found = _LINE.match(line)
    if not found:
        return False
    key, value = found["key"].strip("\"'"), (found["value"] or "").strip("\"'")
    return named.is_one(key, "_id") or bool(value and named.is_one(value, key))


def _parquet(data: bytes, named: Named) -> bytes | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    keep = [True] * table.num_rows
    for field in table.schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            theirs = {
                one
                for one in set(table[field.name].to_pylist())
                if isinstance(one, str) and (named.is_one(one, field.name) or named.within(one))
            }
            keep = [
                so and one not in theirs for so, one in zip(keep, table[field.name].to_pylist(), strict=True)
            ]
    if all(keep):
        return data
    if not any(keep):
        return None
    sink = io.BytesIO()
    pq.write_table(table.filter(pa.array(keep)), sink, compression="zstd")
    return sink.getvalue()


_BY_ENDING: dict[str, Callable[[str, Named], str | None]] = {
    ".json": _json, ".jsonl": _json_lines, ".ndjson": _json_lines, ".csv": _table, ".tsv": _table,
    ".txt": _lines, ".log": _lines, ".toml": _toml,
}  # fmt: skip
ROWS = (".csv", ".csv.gz", ".parquet")
"""Files whose every row tells whose it is."""
