"""Keys and values of a mapping file, each refused by its own name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warehouse.errors import OptionError, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """One file's mapping; every method raises OptionError with the key."""

    file: str

    def text(self, holder: Mapping[str, Any], key: str, place: str = "") -> str:
        """Return a text that has to be one."""
        value = holder[key]
        if not isinstance(value, str) or not value:
            raise self.error(f"{place}.{key}".lstrip("."), "is not text", value)
        return value

    def texts(self, holder: Mapping[str, Any], key: str, place: str = "") -> tuple[str, ...]:
        """Return a text or a list of texts; none where there is none."""
        value = holder.get(key, [])
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(one, str) and one for one in listed):
            raise self.error(f"{place}.{key}".lstrip("."), "is neither text nor a list of texts", value)
        return tuple(listed)

    def number(self, holder: Mapping[str, Any], key: str, default: float, place: str = "") -> float:
        """Return a finite number."""
        value = holder.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < float("inf"):
            raise self.error(f"{place}.{key}".lstrip("."), "is not a number", value)
        return float(value)

    def count(self, holder: Mapping[str, Any], key: str, most: int) -> int:
        """Return a whole number from 0."""
        value = self.number(holder, key, 0)
        if value % 1 or not 0 <= value <= most:
            raise self.error(key, f"is not a whole number from 0 to {most}", holder[key])
        return int(value)

    def one_of(
        self, holder: Mapping[str, Any], key: str, allowed: tuple[str, ...], place: str = ""
    ) -> str | None:
        """Return one of the words there are, None where there is none."""
        if key not in holder:
            return None
        if holder[key] not in allowed:
            shown = " or ".join(map(repr, allowed))
            raise self.error(f"{place}.{key}".lstrip("."), f"is not {shown}", holder[key])
        return str(holder[key])

    def table(
        self, holder: Mapping[str, Any], key: str, needed: tuple[str, ...], place: str = ""
    ) -> Mapping[str, Any]:
        """Return a table of exactly some keys."""
        value, where = holder[key], f"{place}.{key}".lstrip(".")
        if not isinstance(value, dict):
            raise self.error(where, f"is not a table of {', '.join(needed)}", value)
        self.known(value, needed, f"{where}.")
        for name in needed:
            if name not in value:
                raise self.error(where, f"needs {name}")
        return value

    def known(
        self, holder: Mapping[str, Any], known: tuple[str, ...], place: str, what: str = "a key of a mapping"
    ) -> None:
        """Refuse the first key that means nothing."""
        for key in holder:
            if key not in known:
                raise self.error(f"{place}{key}", f"is not {what}{nearest(key, known)}")

    def error(self, key: str, problem: str, value: object = None) -> OptionError:
        """Build the error of a key."""
        return OptionError(problem, file=self.file, column=key, value=None if value is None else str(value))
