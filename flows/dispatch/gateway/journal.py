"""An append-only file of what has happened, on the disk before anybody is answered.

One JSON object a line. A line that a kill cut off is dropped at the next opening: nobody was answered for it.
From time to time all of it is replaced, in one step, by a snapshot of what it adds up to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from warehouse.files import FILE_MODE, make_folder, write_whole

_LARGE_BYTES = 16_000_000
Record = Mapping[str, Any]


def records_of(file: Path) -> Iterator[Record]:
    """The objects of a file that has one a line, in order; what is no record is passed over."""
    with file.open("rb") as lines:
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                yield record


class Journal:
    """The file at `path`, made when absent."""

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        self._size = self._floor = 0
        self._path = path
        self._open()

    def records(self) -> Iterator[Record]:
        """What was written so far, in order; what is no record is passed over."""
        return records_of(self._path)

    def append(self, record: Record) -> None:
        """Add a record; it is on the disk when this returns. Raises OSError."""
        data = _line(record)
        before = self._size
        try:
            while data:
                data = data[os.write(self._file, data) :]
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, before)
            raise
        self._size = os.fstat(self._file).st_size

    def shorten(self, snapshot: Callable[[], Record]) -> None:
        """Where it has become long, put a snapshot in the place of all records."""
        if self._size <= self._floor + _LARGE_BYTES:
            return
        write_whole(self._path, _line(snapshot()))
        self.close()
        self._open()

    def close(self) -> None:
        """Write no more."""
        os.close(self._file)

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
        self._size = os.fstat(self._file).st_size
        self._drop_torn_line()
        self._floor = self._size

    def _drop_torn_line(self) -> None:
        end = self._size
        while end and os.pread(self._file, 1, end - 1) != b"\n":
            step = os.pread(self._file, min(end, 65536), max(0, end - 65536))
            end = end - len(step) + (step.rfind(b"\n") + 1)
        if end != self._size:
            os.ftruncate(self._file, end)
            self._size = end


def _line(record: Record) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"
