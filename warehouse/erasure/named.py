"""Identifiers that are to be found nowhere any more, and what becomes of a text that holds one."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from warehouse.contracts import CONTRACTS, DATASETS

ERASED = "erased"
"""What stands in the place of an identifier."""
_WEAK = re.compile(r".{1,2}|\d{1,5}")
_ID_KEYS = frozenset(
    {"battery", "batteries", "car", "cars", "sessions", "sites", "idTag", "idToken", "token"}
)
_RUN, _WIDE_RUN = re.compile(r"[A-Za-z0-9_-]+"), re.compile(r"[A-Za-z0-9_.:@+-]+")

PARTS = ("batteries", "sites", "sessions", "alone", "others", "kept")


class _Gone:
    """Marks a value that names somebody: it goes with the element of a list that holds it."""


_GONE = _Gone()


@dataclass(frozen=True, kw_only=True)
class Named:
    """Whose rows go (batteries, sites, sessions), what else names the owner, and whose ids must stay.

    alone: sites that stay, where no other car plugs in: what plans say of their powers is of these cars.
    others: the owner's name, tokens that were shown for the cars, pseudonyms. kept: ids of others that one
    of these is a part of. What is as short as "7" or "c1", or called like a word of these tables ("ordered"),
    is a name only as the whole value of an id, not within a text.
    """

    batteries: frozenset[str]
    sites: frozenset[str] = frozenset()
    sessions: frozenset[str] = frozenset()
    alone: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    kept: frozenset[str] = field(default=frozenset())

    @cached_property
    def all(self) -> frozenset[str]:
        """Every identifier that goes."""
        return self.batteries | self.sites | self.sessions | self.others

    @cached_property
    def in_texts(self) -> tuple[str, ...]:
        """Those that can be told within a text, the longest first."""
        told = [one for one in self.all if not _is_weak(one)]
        return tuple(sorted(told, key=lambda one: (-len(one), one)))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        names = "|".join(map(re.escape, self.in_texts))
        return re.compile(rf"(?<![A-Za-z0-9])(?:{names})(?![A-Za-z0-9])", re.IGNORECASE)

    @cached_property
    def _lowered(self) -> frozenset[str]:
        return frozenset(one.lower() for one in self.in_texts)

    def joined(self, other: Named) -> Named:
        """Together with those found elsewhere."""
        return Named(**{name: getattr(self, name) | getattr(other, name) for name in PARTS})

    def is_one(self, value: str, under: str = "") -> bool:
        """Whether a whole value is one of the identifiers; under: the name that it has, for the shortest."""
        if value in self.all and (under in _ID_KEYS or under.endswith("_id")):
            return True
        return value.lower() in self._lowered and value not in self.kept

    def within(self, text: str) -> bool:
        """Whether a text holds one of them; part of another's id does not count."""
        if not self.in_texts:
            return False
        return any(not self._is_kept(found) for found in self._pattern.finditer(text))

    def scrubbed(self, text: str) -> str:
        """The text with each of them replaced."""
        if self.is_one(text):
            return ERASED
        if not self.in_texts:
            return text
        return self._pattern.sub(lambda found: found[0] if self._is_kept(found) else ERASED, text)

    def _is_kept(self, found: re.Match[str]) -> bool:
        if not self.kept:
            return False
        for run in (_RUN, _WIDE_RUN):
            for one in run.finditer(found.string, _start(found), min(len(found.string), found.end() + 128)):
                if one.start() <= found.start() and found.end() <= one.end():
                    if one[0] in self.kept:
                        return True
                    break
        return False

    def scrubbed_json(self, value: Any, under: str = "") -> Any:
        """A JSON value of the same form, with every string scrubbed, keys too."""
        if isinstance(value, str):
            return ERASED if self.is_one(value, under) else self.scrubbed(value)
        if isinstance(value, list):
            return [self.scrubbed_json(one, under) for one in value]
        if isinstance(value, dict):
            return {self.scrubbed(key): self.scrubbed_json(one, key) for key, one in value.items()}
        return value

    def without(self, value: Any) -> Any:
        """A JSON value less what is of them; None where all of it is.

        An object that has one as a value goes with the element of the list that it stands in; an entry whose
        key is one goes; a text that holds one is scrubbed.
        """
        rest = self._without(value, "")
        return None if rest is _GONE else rest

    def _without(self, value: Any, under: str) -> Any:
        if isinstance(value, str):
            return _GONE if self.is_one(value, under) else self.scrubbed(value)
        if isinstance(value, list):
            return [one for one in (self._without(one, under) for one in value) if one is not _GONE]
        if isinstance(value, dict):
            rest = {key: self._without(one, key) for key, one in value.items() if not self.is_one(key, under)}
            gone = any(one is _GONE for one in rest.values()) or (value and not rest)
            return _GONE if gone else {self.scrubbed(key): one for key, one in rest.items()}
        return value

    def scrubbed_cell(self, text: str, *, elements_go: bool = False) -> str | None:
        """A text of a table: JSON by its values (None where all of it goes), anything else as text."""
        if text[:1] in "{[":
            try:
                value = json.loads(text)
            except ValueError:
                return self.scrubbed(text)
            rest = self.without(value) if elements_go else self.scrubbed_json(value)
            if rest == value:
                return text
            return None if rest is None else json.dumps(rest, ensure_ascii=False)
        return self.scrubbed(text)


def _start(found: re.Match[str]) -> int:
    return max(0, found.start() - 128)


def _is_weak(name: str) -> bool:
    """Whether a name cannot be told within a text: too short, or a word of this software's own tables."""
    return bool(_WEAK.fullmatch(name)) or name.lower() in _own_words()


@cache
def _own_words() -> frozenset[str]:
    columns = [column for contract in CONTRACTS.values() for column in contract.columns]
    listed = {str(word).lower() for column in columns for word in column.allowed or ()}
    return frozenset({column.name for column in columns} | listed | set(CONTRACTS) | set(DATASETS))


def kept_of(others: Collection[str], gone: Collection[str]) -> frozenset[str]:
    """The ids of others that hold, as a part, one that goes."""
    lowered = [one.lower() for one in gone if not _is_weak(one)]
    return frozenset(one for one in others if any(part in one.lower() for part in lowered))
