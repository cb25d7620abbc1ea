"""Whose cars are whose: owners.toml of the workspace, for its owner's eyes alone.

    [anna]                      # a name; it appears in no answer, page or table
    batteries = ["CAR1", "CAR2"]
    sites = ["home-anna"]       # connections that are theirs alone; may be absent

A car that no owner names is its owner's only one, known by its own id.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.errors import UsageError
from warehouse.contracts.types import ID_PATTERN

FILE = "owners.toml"
_KEYS = frozenset({"batteries", "sites"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """An owner's cars, and sites that are theirs alone."""

    name: str
    batteries: frozenset[str]
    sites: frozenset[str] = frozenset()


def read_owners(root: Path) -> Mapping[str, Owner]:
    """The owners that the file names, none without it; raises UsageError with owner, key and value."""
    path = root / FILE
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path} can be read by others: chmod 600 it")
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    found: dict[str, Owner] = {}
    of: dict[str, str] = {}
    for name, table in said.items():
        if not isinstance(table, dict) or set(table) - _KEYS or "batteries" not in table:
            raise UsageError(f"{path}: [{name}] has to hold batteries, and may hold sites, and nothing else")
        batteries, sites = (_ids(path, name, key, table.get(key, [])) for key in ("batteries", "sites"))
        for one in sorted(batteries):
            if one in of:
                raise UsageError(f"{path}: [{name}] batteries: {one!r} is of {of[one]} already")
            of[one] = name
        found[name] = Owner(name=name, batteries=batteries, sites=sites)
    return found


def owner_named(owners: Mapping[str, Owner], name: str) -> Owner:
    """The owner of a name, or of a car that no owner names; raises UsageError for one of several cars."""
    if name in owners:
        return owners[name]
    for owner in owners.values():
        if name in owner.batteries:
            raise UsageError(
                f"{name} is one of the cars of an owner in {FILE}: name the owner, or take the car out there"
            )
    if not re.fullmatch(ID_PATTERN, name):
        raise UsageError(f"{name!r} is neither an owner in {FILE} nor the id of a car")
    return Owner(name=name, batteries=frozenset({name}))


def by_owner(owners: Mapping[str, Owner], batteries: Iterable[str]) -> dict[str, str]:
    """Battery → its owner's name, its own id where nobody is named."""
    named = {one: owner.name for owner in owners.values() for one in owner.batteries}
    return {one: named.get(one, one) for one in batteries}


def _ids(path: Path, name: str, key: str, value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(
        isinstance(one, str) and re.fullmatch(ID_PATTERN, one) for one in value
    ):
        raise UsageError(f"{path}: [{name}] {key} = {value!r} has to be a list of ids")
    return frozenset(value)
