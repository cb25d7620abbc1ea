"""Reading a TOML file key by key: whatever is wrong is reported with file, key and value; nothing is
swallowed.

Numbers are Decimals as the file writes them: what is paid is never a binary fraction.
"""

from __future__ import annotations

import datetime as dt
import difflib
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from optimize.errors import TermsError

MOST_CHARACTERS = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of a file: its values and the path that leads to it ("grid_fee.season[2]", "" for the root)."""

    file: str
    path: str
    content: Mapping[str, object]
    asked: set[str] = field(default_factory=set)

    @classmethod
    def of_text(cls, text: str, file: str) -> Table:
        """The root of a TOML text; raises TermsError where it is none."""
        if len(text) > MOST_CHARACTERS:
            raise TermsError(file, "the file", f"{len(text):,} characters", "more than 1 MiB is not read")
        try:
            values = tomllib.loads(text, parse_float=Decimal)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise TermsError(file, "the file", "no TOML", str(error)) from error
        return cls(file=file, path="", content=values)

    def error(self, key: str, rule: str) -> TermsError:
        """What is wrong with a key of this table."""
        return TermsError(self.file, self._name(key), self.content.get(key, "absent"), rule)

    def __contains__(self, key: object) -> bool:
        return key in self.content

    def text(self, key: str) -> str:
        """A text that is not empty."""
        value = self._get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, "must be a text")
        return value

    def one_of(self, key: str, words: Collection[str], default: str | None = None) -> str:
        """One of the words that mean something."""
        if self._absent(key) and default is not None:
            return default
        value = self._get(key)
        if not isinstance(value, str) or value not in words:
            raise self.error(key, f"must be one of {', '.join(words)}{_near(str(value), words)}")
        return value

    def some_of(self, key: str, words: Collection[str], default: Collection[str]) -> tuple[str, ...]:
        """A list of such words, each once."""
        if self._absent(key):
            return tuple(default)
        value = self._get(key)
        if not isinstance(value, list) or not all(isinstance(one, str) and one in words for one in value):
            raise self.error(key, f"must be a list of {', '.join(words)}")
        if len(set(value)) < len(value):
            raise self.error(key, "names one twice")
        return tuple(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, each once, at least one."""
        value = self._get(key)
        if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
            raise self.error(key, "must be a list of texts")
        if len(set(value)) < len(value):
            raise self.error(key, "names one twice")
        return tuple(value)

    def number(
        self,
        key: str,
        default: str | None = None,
        *,
        least: str = "-1000",
        most: str = "1000",
        example: str = "",
    ) -> Decimal:
        """A number from least to most; the default where the key is absent, if there is one."""
        if self._absent(key) and default is not None:
            return Decimal(default)
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise self.error(key, "must be a number")
        number = Decimal(value)
        if not number.is_finite() or not Decimal(least) <= number <= Decimal(most):
            raise self.error(key, f"must lie in {least} … {most}{example}")
        return number

    def share(self, key: str, default: str | None = None) -> Decimal:
        """A share from 0 to 1."""
        return self.number(key, default, least="0", most="1", example=", as 0.19 for 19 %")

    def price(self, key: str, default: str | None = None, *, least: str = "-5") -> Decimal:
        """Euros a kWh or an hour, as prices are; what reads like another unit is refused, never scaled."""
        return self.number(key, default, least=least, most="5", example=" €; 8.3 ct are 0.083")

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = default if self._absent(key) else self._get(key)
        if not isinstance(value, bool):
            raise self.error(key, "must be true or false")
        return value

    def date(self, key: str) -> dt.date | None:
        """A date; None where the key is absent."""
        if self._absent(key):
            return None
        value = self._get(key)
        if isinstance(value, dt.datetime) or not isinstance(value, dt.date):
            raise self.error(key, "must be a date like 2026-01-31, without quotes")
        return value

    def in_force(self) -> tuple[dt.date, dt.date | None]:
        """The first day (`from`) and, where it is known, the last (`until`)."""
        first, last = self.date("from"), self.date("until")
        if first is None:
            raise self.error("from", "is needed")
        if last is not None and last < first:
            raise self.error("until", f"must not be before {first}")
        return first, last

    def table(self, key: str) -> Table | None:
        """A table; None where the key is absent."""
        if self._absent(key):
            return None
        value = self._get(key)
        if not isinstance(value, dict):
            raise self.error(key, f"must be a table: [{self._name(key)}]")
        return Table(file=self.file, path=self._name(key), content=value)

    def tables(self, key: str) -> list[Table]:
        """An array of tables; empty where the key is absent."""
        if self._absent(key):
            return []
        value = self._get(key)
        if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
            raise self.error(key, f"must be written as [[{self._name(key)}]]")
        return [
            Table(file=self.file, path=f"{self._name(key)}[{number}]", content=one)
            for number, one in enumerate(value, start=1)
        ]

    def named_prices(self) -> Iterator[tuple[str, Decimal]]:
        """Every key of this table with its price: a table of names that the file itself chooses."""
        for key in self.content:
            yield key, self.price(key)

    def refuse_rest(self) -> None:
        """Refuse every key that nothing has asked for."""
        for key in self.content:
            if key not in self.asked:
                raise self.error(key, f"no such key{_near(key, self.asked)}")

    def _absent(self, key: str) -> bool:
        self.asked.add(key)
        return key not in self.content

    def _get(self, key: str) -> object:
        if self._absent(key):
            raise self.error(key, "is needed")
        return self.content[key]

    def _name(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def _near(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
