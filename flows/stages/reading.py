"""Files that are read before any is ingested: kept while they are short, else read again in their turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from warehouse.errors import SourceError, UnknownIdError
from warehouse.ingestion import Batch
from warehouse.sources import SourceFile
from warehouse.store import Warehouse

MOST_HELD_ROWS = 3_000_000
"""Rows of all files together that are kept until the last is read: some 300 MB."""
Pieces = Callable[[], Iterator[SourceFile]]
Judge = Callable[[SourceFile], list[str]]
"""What is to be reported of a file, or of a piece of one; raises SourceError where it cannot be ingested."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """A file that was read: `item`, which has its rows if it is `held`, and what is to be reported of it.

    pieces: gives the file, or one piece of it after the other, and anew when it is called again.
    """

    pieces: Pieces
    item: SourceFile
    held: bool
    findings: tuple[str, ...] = ()

    @classmethod
    def of(cls, pieces: Pieces, judge: Judge, room: int) -> Reading:
        """Read a file of which at most `room` rows are kept; of more each piece is judged here and let go."""
        read = pieces()
        first = next(read)
        second = next(read, None)
        if second is None and len(first.frame) <= room:
            return cls(pieces=pieces, item=first, held=True)
        notes, noted, unknown, number = dict[str, None](), list[str](), list[UnknownIdError](), 0
        for piece in chain((first,), () if second is None else (second,), read):
            number += 1
            notes |= dict.fromkeys(piece.notes)
            try:
                noted += judge(piece)
            except UnknownIdError as error:  # as good as a few rows, unless no piece has another
                unknown.append(error)
        if len(unknown) == number:
            raise unknown[0]
        noted += [f"{error}: these rows are set aside" for error in unknown]
        item = replace(first, frame=first.frame.iloc[:0], notes=tuple(notes))
        return cls(pieces=pieces, item=item, held=False, findings=tuple(noted))

    def ingest(self, warehouse: Warehouse, moment: datetime) -> Batch:
        """Ingest its rows. Raises SourceError for a file that is no longer the one that was read."""
        if self.held:
            return warehouse.ingest(self.item, moment)
        pieces = self._again()
        return warehouse.ingest(next(pieces), moment, pieces)

    def _again(self) -> Iterator[SourceFile]:
        for piece in self.pieces():
            if piece.source_id != self.item.source_id:
                raise SourceError("changed while it was read: ingest it again", file=piece.file_name)
            yield piece
