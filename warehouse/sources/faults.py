"""What is wrong with a file, taken up instead of raised at the first: for whoever wants to know all of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from warehouse.errors import CellError, SourceError, together
from warehouse.sources.cells import Cells

MOST_CELLS = 2_000
"""Unreadable cells of a column that are reported one by one."""
Rows = NDArray[np.intp]
Read = Callable[[Rows], pd.Series]


@dataclass(slots=True, kw_only=True)
class Faults:
    """What was found of one file.

    refusing: for what the file is refused. aside: what costs rows of it, which its dataset can do without.
    rows: data rows of the file that one of either costs. absent: columns of ours that cannot be read at all.
    """

    refusing: list[SourceError] = field(default_factory=list)
    aside: list[SourceError] = field(default_factory=list)
    rows: set[int] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)

    def take(self, errors: Iterable[SourceError]) -> None:
        """Take up errors, each for itself."""
        for error in errors:
            self.refusing += [_alone(error), *error.besides]

    def take_torn(self, torn: Mapping[int, SourceError]) -> None:
        """Take up rows that are none of their table, by their number."""
        self.aside += torn.values()
        self.rows |= set(torn)

    def read(self, name: str, read: Read, cells: Cells, *, singly: bool) -> pd.Series | None:
        """Return a column of ours without what cannot be read of it, which is taken up; None: nothing can.

        read: what reads some rows of it; raises CellError. cells: the column of the file. singly: whether a
        bad cell costs its row and not the file, so that `read` passes over it.
        """
        rows = np.arange(len(cells.data))
        try:
            values: pd.Series | None = read(rows)
        except CellError as error:
            values = self._without_unreadable(name, read, rows, singly=singly)
            if singly and values is not None:  # so many are bad that the file is refused
                self._refuse(error)
                place = (error.row, error.column)
                self.aside = [one for one in self.aside if (one.row, one.column) != place]
        if singly and values is not None:
            self._take_passed_over(values, read, cells)
        return values

    def _take_passed_over(self, values: pd.Series, read: Read, cells: Cells) -> None:
        """Take up the cells whose values `read` left out."""
        stated = cells.data.is_valid().to_numpy(zero_copy_only=False)
        known = {error.row for error in (*self.aside, *self.refusing) if error.column == cells.column}
        for at in np.flatnonzero(stated & values.isna().to_numpy())[:MOST_CELLS]:
            if cells.row(int(at)) not in known:
                self._aside(_reason(read, cells, int(at)))

    def _without_unreadable(self, name: str, read: Read, rows: Rows, *, singly: bool) -> pd.Series | None:
        bad: list[tuple[int, CellError]] = []
        for one in _bad(read, 0, rows.size):
            bad.append(one)
            if len(bad) > MOST_CELLS or (2 * len(bad) > rows.size and rows.size > 1):
                self.refusing.append(bad[0][1].saying("; so cannot most others of its column"))
                self.absent.add(name)
                return None
        for _, error in bad:
            self._aside(error) if singly else self._refuse(error)
        good = np.setdiff1d(rows, [position for position, _ in bad])
        values = read(good)
        values.index = pd.Index(good)
        return values.reindex(rows)

    def _refuse(self, error: CellError) -> None:
        self.refusing.append(error)
        self.rows |= set() if error.row is None else {error.row}

    def _aside(self, error: CellError) -> None:
        self.aside.append(error)
        self.rows |= set() if error.row is None else {error.row}


def _reason(read: Read, cells: Cells, at: int) -> CellError:
    """Return why a cell that was passed over cannot be read."""
    try:
        read(np.array([at]))
    except CellError as error:
        return error
    return cells.error(at, "is no value")


def _alone(error: SourceError) -> SourceError:
    """Return an error by itself."""
    if not error.besides:
        return error
    return type(error)(error.problem, file=error.file, row=error.row, column=error.column, value=error.value)


def first_of_each(errors: Iterable[SourceError]) -> None:
    """Raise what was found, if anything, as one error."""
    if found := list(errors):
        raise together(found)


def _bad(read: Read, low: int, high: int) -> Iterator[tuple[int, CellError]]:
    """Find the rows of [low, high) whose cells cannot be read, by halves."""
    try:
        read(np.arange(low, high))
    except CellError as error:
        if high - low == 1:
            yield low, error
            return
        middle = (low + high) // 2
        yield from _bad(read, low, middle)
        yield from _bad(read, middle, high)
