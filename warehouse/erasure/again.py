"""What was erased stays erased where a backup of before is put back: NAME.erased next to a warehouse.

One JSON line an erasure: its id, a salt of its own, and HMACs of the owner's name and of the ids of cars and
sites that went. It names nobody; who can read it, and guesses an id, can tell that it was erased.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from warehouse.connection import connect
from warehouse.erasure.database import erase_database
from warehouse.erasure.named import Named
from warehouse.erasure.rows import found_in, ids_of
from warehouse.errors import CopyError
from warehouse.files import write_whole
from warehouse.pseudonyms import PurposeKey

LOG = "out_erasure"
_OWNER = "owner"
_PARTS = {"batteries": "battery_id", "sites": "site_id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An erasure by its id and salt; owner, batteries, sites: what stands for the name and ids that went."""

    erasure_id: str
    salt: str = field(repr=False)
    owner: str = ""
    batteries: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()

    def stands_for(self, kind: str, ids: Iterable[str]) -> frozenset[str]:
        """What stands for ids, of `battery_id` or `site_id`, or for names."""
        key = PurposeKey(purpose="erased", epoch=1, key=self.salt)
        return frozenset(key.pseudonym(kind, one) for one in ids)

    def is_of(self, name: str) -> bool:
        """Whether it was the erasure of an owner, or of a car, of that name."""
        return (
            self.owner in self.stands_for(_OWNER, [name])
            or self.stands_for("battery_id", [name]) <= self.batteries
        )

    def among(self, ids: Mapping[str, Iterable[str]]) -> Named:
        """Which of the ids, by kind, it erased."""
        own = {
            part: frozenset(one for one in ids[kind] if self.stands_for(kind, [one]) <= getattr(self, part))
            for part, kind in _PARTS.items()
        }
        return Named(**own)


def note(warehouse: Path, erasure_id: str, named: Named, owner: str) -> None:
    """Add an erasure to those noted, once; in one step and on the disk before it returns."""
    before = noted(warehouse)
    if any(one.erasure_id == erasure_id for one in before):
        return
    empty = Note(erasure_id=erasure_id, salt=secrets.token_hex(32))
    own = {part: empty.stands_for(kind, getattr(named, part)) for part, kind in _PARTS.items()}
    (mine,) = empty.stands_for(_OWNER, [owner])
    fresh = Note(erasure_id=erasure_id, salt=empty.salt, owner=mine, **own)
    write_whole(_list(warehouse), "".join(_line(one) for one in (*before, fresh)))


def noted(warehouse: Path) -> Sequence[Note]:
    """The erasures noted of a warehouse, the oldest first; raises CopyError for a line that is none."""
    path = _list(warehouse)
    try:
        lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            said = json.loads(line)
            bytes.fromhex(said["salt"])
            parts = {part: frozenset(map(str, said[part])) for part in _PARTS}
            fresh = Note(
                erasure_id=str(said["erasure_id"]),
                salt=said["salt"],
                owner=str(said["owner"]),
                batteries=parts["batteries"],
                sites=parts["sites"],
            )
            found.append(fresh)
        except (ValueError, KeyError, TypeError) as error:
            raise CopyError(
                f"{path}, line {number}, tells of no erasure: put back this file as it was, or take out the "
                "line and erase again who was erased"
            ) from error
    return found


def erase_again(path: Path, notes: Sequence[Note], *, timeout_s: float) -> frozenset[str]:
    """Erase from a copy what it holds of those noted, unless it was taken after; returns the cars."""
    with connect(path, write=False, timeout_s=timeout_s) as connection:
        known = logged(connection)
        asked = Named(batteries=frozenset())
        if missing := [one for one in notes if one.erasure_id not in known]:
            ids = {kind: ids_of(connection, kind) for kind in _PARTS.values()}
            for one in missing:
                asked = asked.joined(one.among(ids))
        if not asked.batteries and not asked.sites:
            return frozenset()
        named = found_in(connection, asked)
    erase_database(path, named, timeout_s=timeout_s)
    return named.batteries


def logged(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Ids of the erasures that an open file tells of."""
    return ids_of(connection, "erasure_id", tables=(LOG,))


def _line(one: Note) -> str:
    said = {part: sorted(getattr(one, part)) for part in _PARTS}
    return json.dumps({"erasure_id": one.erasure_id, "salt": one.salt, "owner": one.owner, **said}) + "\n"


def _list(warehouse: Path) -> Path:
    return Path(f"{warehouse}.erased")
