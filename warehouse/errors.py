"""What can go wrong in the warehouse.

WarehouseError
├── ContractError            a frame does not fit its table
├── UnknownTableError        no contract has that table, dataset or column
├── UnknownZoneError         not a bidding zone we know
├── UnknownDayError          not a day that a market can have (exit code 2)
├── LedgerError              a log, key or export of it is not what it says it is (exit code 4)
├── StoreError
│   ├── NoWarehouseError     the database file is not there
│   ├── LockedError          another process holds the database (exit code 75)
│   ├── UnwritableError      the disk is full, the file or folder cannot be written (exit code 74)
│   ├── DamagedError         what the file holds is not what was written to it (exit code 4)
│   ├── CopyError            a copy cannot be put there, or taken from there (exit code 2)
│   └── SchemaVersionError   the file has another version's layout
└── SourceError              a file is refused; nothing was written
    ├── MissingFileError     the file is not there (a usage error: exit code 2)
    ├── OptionError          an option of the source is missing or wrong (exit code 2)
    │   └── RateError        prices in a currency whose worth nobody has given
    ├── EmptyFileError       no bytes, or a header and no rows
    ├── OversizedFileError   larger, wider, longer or deeper than `warehouse.sources.caps` allows
    ├── UndecodableFileError not UTF-8, not CSV, not Parquet
    ├── ColumnError          a column is missing, doubled or misnamed
    ├── CellError            one cell cannot be read
    ├── UnitError            a column's values cannot be in its unit
    ├── ProviderError        a provider's answer holds no prices: an error, a page, another kind of document
    │   ├── WrongDayError    it holds prices, but not of the day that was asked for
    │   └── RejectedError    the provider refuses the request itself: token, address (exit code 2)
    ├── UnreachableError     no answer in time, however often it was asked (exit code 75)
    └── UnknownIdError       a battery or site that nobody declared
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

_SHOWN_NAME, _SHOWN_VALUE, _SHOWN_PROBLEM = 300, 80, 1000
"""Characters of a file's own words that a message may hold."""
_SHOWN_BESIDES = 20


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint naming the known name closest to `name`, or an empty string."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    matches = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean {by_lower[matches[0]]!r}?" if matches else ""


def printable(text: str) -> str:
    """Return text with line breaks, terminal escapes and whatever else does not print written out."""
    return "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in text)


class WarehouseError(Exception):
    """Base of everything the warehouse raises on purpose."""


class LedgerError(WarehouseError):
    """A log, a key or an export of the ledger is not what it says it is."""


class ContractError(WarehouseError):
    """A frame does not fit its table contract."""


class UnknownTableError(WarehouseError):
    """No contract has that table, dataset or column."""


class UnknownZoneError(WarehouseError):
    """The bidding zone is not in `warehouse.zones.ZONES`."""


class UnknownDayError(WarehouseError):
    """The market day is outside `warehouse.zones.FIRST_DAY` to `LAST_DAY`."""


class StoreError(WarehouseError):
    """The database file cannot be used."""


class NoWarehouseError(StoreError):
    """The database file is not there."""


class LockedError(StoreError):
    """Another process holds the database and did not let go in time."""


class UnwritableError(StoreError):
    """The disk is full, or the file or its folder cannot be written; the message tells what was stored."""


class DamagedError(StoreError):
    """What the file holds is not what was written to it; `path` is the file."""

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(message)
        self.path = path


class CopyError(StoreError):
    """A copy of the database cannot be put there, or taken from there."""


class SpoolError(StoreError):
    """A file of spooled rows is damaged, or holds something else than one plan."""


class SchemaVersionError(StoreError):
    """The database has the layout of another version of this software."""


class SourceError(WarehouseError):
    """A source file is refused; carries what and where.

    Attributes: problem (in words), file (name), row (1-based data row or None), column (name or None),
    value (text or None), besides (what else is wrong with the file; the message tells that, too).
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str,
        row: int | None = None,
        column: str | None = None,
        value: str | None = None,
        besides: Sequence["SourceError"] = (),
    ) -> None:
        self.problem, self.file, self.row, self.column, self.value = problem, file, row, column, value
        self.besides = tuple(besides)
        more = len(self.besides) - _SHOWN_BESIDES
        stated = [one.without_file() for one in self.besides[:_SHOWN_BESIDES]]
        stated += [f"and {more} more"] if more > 0 else []
        place = ", ".join(text for text in (file[-_SHOWN_NAME:], self._place) if text)
        super().__init__("; ".join((printable(f"{place}:{self._stated}"), *stated)))

    def saying(self, more: str) -> "SourceError":
        """Return the same error with more to say of its first fault."""
        return type(self)(
            self.problem + more, file=self.file, row=self.row, column=self.column, value=self.value,
            besides=self.besides,
        )  # fmt: skip

    def without_file(self) -> str:
        """Return where in the file it is and what is wrong, in one line."""
        return printable(f"{self._place}:{self._stated}".lstrip(": "))

    @property
    def _place(self) -> str:
        place = [] if self.row is None else [f"row {self.row}"]
        if self.column is not None:
            place.append(f"column {self.column[:_SHOWN_VALUE]}")
        return ", ".join(place)

    @property
    def _stated(self) -> str:
        shown = "" if self.value is None else f" {self.value[:_SHOWN_VALUE]!r}"
        return f"{shown} {self.problem[:_SHOWN_PROBLEM]}"


def together(faults: Sequence[SourceError]) -> SourceError:
    """Return what is wrong with a file as one error: the first's kind and place, the others next to it."""
    first, *others = faults
    if not others:
        return first
    return type(first)(
        first.problem, file=first.file, row=first.row, column=first.column, value=first.value, besides=others
    )


class MissingFileError(SourceError):
    """The file is not there."""


class OptionError(SourceError):
    """An option of the source is missing, unknown or contradicts the file."""


class RateError(OptionError):
    """Prices are in a currency whose worth in euros nobody has given; `currency` is its code."""

    def __init__(self, problem: str, *, file: str, currency: str) -> None:
        super().__init__(problem, file=file, column="rate")
        self.currency = currency


class EmptyFileError(SourceError):
    """The file holds no data rows."""


class OversizedFileError(SourceError):
    """The file is larger, wider, longer or deeper than the caps allow."""


class UndecodableFileError(SourceError):
    """The file is not UTF-8 text, not CSV or not Parquet."""


class ColumnError(SourceError):
    """A column is missing, doubled or misnamed."""


class CellError(SourceError):
    """One cell cannot be read as what its column holds."""


class UnitError(SourceError):
    """A column's values cannot be in the unit its name declares."""


class ProviderError(SourceError):
    """A provider's answer holds no prices: an error, a web page, another kind of document."""


class WrongDayError(ProviderError):
    """The answer does not hold the market day that was asked for; the message tells what it holds."""


class RejectedError(ProviderError):
    """The provider refuses the request itself: its token, its address or what it asks for."""


class UnreachableError(SourceError):
    """The provider gave no whole answer in time; asking again later may help."""


class UnknownIdError(SourceError):
    """An id that no table of the fleet declares."""
