"""What is suggested, line by line, and the TOML that it makes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

TODO = "TODO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A mapping as text, and what in it is left open: nothing, if it can be used as it stands.

    dataset: what the file seems to hold; None if that could not be determined.
    """

    dataset: str | None
    text: str
    left_open: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is left open."""
        return not self.left_open


@dataclass(slots=True, kw_only=True)
class Draft:
    """A mapping while it is written: lines of the file, then a table for each column of ours."""

    head: list[str] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=dict)
    left_open: list[str] = field(default_factory=list)

    def say(self, key: str, value: object, reason: str, column: str | None = None) -> None:
        """Take a line in, with why it is so."""
        self._lines(column).append(f"{key} = {spelled(value)}  # {_flat(reason)}")

    def leave(self, key: str, example: object, reason: str, column: str | None = None) -> None:
        """Leave a line open: a comment that shows how it would be said."""
        place = key if column is None else f"columns.{column}.{key}"
        self.left_open.append(f"{place}: {_flat(reason)}")
        self._lines(column).append(f"# {TODO} {key} = {spelled(example)}  # {_flat(reason)}")

    def note(self, text: str, column: str | None = None) -> None:
        """Take a comment in."""
        self._lines(column).append(f"# {_flat(text)}")

    @property
    def names_a_column(self) -> bool:
        """Whether a line says what a column comes from."""
        return any(not line.startswith("#") for own in self.columns.values() for line in own)

    def answer(self, dataset: str | None) -> Suggestion:
        """Return the whole."""
        text = "\n".join(self.head) + "\n"
        for name, lines in self.columns.items():
            said = any(not line.startswith("#") for line in lines)
            title = f"[columns.{name}]" if said else f"# [columns.{name}]"
            text += "\n" + "\n".join((title, *lines)) + "\n"
        return Suggestion(dataset=dataset, text=text, left_open=tuple(self.left_open))

    def _lines(self, column: str | None) -> list[str]:
        return self.head if column is None else self.columns.setdefault(column, [])


def spelled(value: object) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        pairs = (f"{spelled(key)} = {spelled(stated)}" for key, stated in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(spelled, value))}]"
    return repr(value)


def _flat(text: str) -> str:
    return "".join(mark if mark.isprintable() else " " for mark in text)
