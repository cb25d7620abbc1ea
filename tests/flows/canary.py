"""Secrets as nobody would miss them: what is left of one in files, tables and answers, however it is spelt.

The finder is written apart from what takes secrets out (`warehouse.sources.tariffs.redact`): it undoes each
way of spelling on all that it looks at, where that one builds patterns.
"""

from __future__ import annotations

import base64
import html
import re
import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, unquote_plus

import duckdb

TOKENS = {
    "uuid": "3f0c7d1e-94ab-4c6b-8f52-d0e19b7ac3f4",
    "base64url": "Q2hhcmdlLXRvLWdyaWQtMjAyNi1fLXRva2Vu_x9-Zb1",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ2MmcifQ.Tn0tAWordThatAnybodyKnows",
    "marks": "k3y/+=\" 7&'<q>-token",
    "of a page": "p@ss:w0rd!%41?next=#frag",
    "back slashes": "C:\\depot\\new\\token\\t9",
    "digits": "471107194826350",
    "hexadecimal": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
    "short": "aB3$dE6g",
    "long": "".join(f"{number:03d}-Zq{chr(97 + number % 26)}." for number in range(40)),
}
"""Ten of the kinds that providers hand out."""


def split(token: str) -> str:
    """A token as a mail or a log folds it."""
    return "\n  ".join(token[at : at + 7] for at in range(0, len(token), 7))


def left_of(token: str, data: bytes) -> list[str]:
    """The ways in which a secret can still be read in some bytes."""
    found = []
    for name, text, plain, bare in _readings(data):
        if token.casefold() in plain or _bare(token) in bare:
            found.append(name)
        if token.encode().hex() in bare:
            found.append(f"{name}, in hexadecimal")
        if any(core in text for core in _cores(token)):
            found.append(f"{name}, in base64")
    return found


def _bare(text: str) -> str:
    """A text without what folds, quotes or escapes it."""
    return re.sub(r"""[\s"',\\\0:;=-]|<[^<>]*>""", "", text).casefold()


@lru_cache(maxsize=1)  # many secrets are looked for in one file
def _readings(data: bytes) -> list[tuple[str, str, str, str]]:
    """Ways to read some bytes: name, text, and that text in one case and without what folds it."""
    different = {text: name for name, text in reversed(list(_texts(data)))}
    return [(name, text, text.casefold(), _bare(text)) for text, name in different.items()]


def _texts(data: bytes) -> Iterator[tuple[str, str]]:
    text = data.decode("utf-8", "replace")
    yield "as it is", text
    yield "percent-decoded", unquote(text)
    yield "percent-decoded twice", unquote(unquote(text))
    yield "of a form", unquote_plus(text)
    yield "of HTML", html.unescape(text)
    escaped = re.sub(r"\\u([0-9a-fA-F]{4})", lambda mark: chr(int(mark[1], 16)), text)
    yield "of JSON", re.sub(r"\\+([^u])", lambda mark: {"n": "\n", "t": "\t"}.get(mark[1], mark[1]), escaped)
    yield "with back slashes once", text.replace("\\\\", "\\")


def _cores(token: str) -> Iterator[str]:
    """What base64 holds of a token after 0, 1 and 2 bytes of three."""
    for before in range(3):
        for coded in (base64.b64encode, base64.urlsafe_b64encode):
            core = coded(b"x" * before + token.encode()).decode().rstrip("=")
            yield core[4 if before else 0 : -2]


def all_of(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder by name and bytes, and every database's rows besides: they may be packed."""
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        name = str(path.relative_to(root))
        yield name, name.encode() + b"\n" + path.read_bytes()
        if path.suffix == ".duckdb":
            yield f"tables of {name}", _of_duckdb(path)
        if path.suffix == ".db":
            yield f"tables of {name}", _of_sqlite(path)
        if path.suffix == ".parquet":
            yield f"rows of {name}", repr(duckdb.read_parquet(str(path)).fetchall()).encode()


def _of_duckdb(path: Path) -> bytes:
    with duckdb.connect(str(path), read_only=True) as database:
        tables = [row[0] for row in database.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        rows = [database.execute(f'SELECT * FROM "{table}"').fetchall() for table in tables]  # noqa: S608
    return _words(rows)


def _of_sqlite(path: Path) -> bytes:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [database.execute(f'SELECT * FROM "{table}"').fetchall() for table in tables]  # noqa: S608
    return _words(rows)


def _words(tables: list[list[tuple[object, ...]]]) -> bytes:
    values = [value for rows in tables for row in rows for value in row if isinstance(value, str | bytes)]
    return b"\n".join(value if isinstance(value, bytes) else value.encode() for value in values)


def coded(token: str) -> str:
    """A token in base64, as basic authentication sends it."""
    return base64.b64encode(f"v2g:{token}".encode()).decode()


def hexed(token: str) -> str:
    """A token's bytes in hexadecimal."""
    return token.encode().hex()
