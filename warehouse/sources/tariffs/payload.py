"""Bytes of an answer → JSON or XML, and cells of it → values; what is neither is named for what it is.

Sizes and depths are capped by `warehouse.sources.caps`. XML knows no document type, hence no entities.
"""

import datetime as dt
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from warehouse.errors import (
    CellError,
    ColumnError,
    OversizedFileError,
    ProviderError,
    UndecodableFileError,
    nearest,
)
from warehouse.sources.jsontext import parse_json, refuse_crowded
from warehouse.sources.rawfile import RawFile

_HTML = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_TITLE = re.compile(rb"<title[^>]*>\s*([^<]{1,120})", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_YEARS = range(2000, 2101)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One object of a JSON answer, with errors that name the file, the object's number and the key."""

    file: str
    value: Mapping[str, object]
    row: int | None = None
    path: str = ""

    def get(self, key: str) -> object:
        """Return what stands under a key; ColumnError if there is none."""
        try:
            return self.value[key]
        except KeyError:
            raise ColumnError(
                f"is missing{nearest(key, self.value)}",
                file=self.file,
                row=self.row,
                column=self._column(key),
            ) from None

    @property
    def number_of_item(self) -> int:
        """Its number among the items of its list, from 1; of no list 1."""
        return self.row or 1

    def text(self, key: str) -> str:
        """Return text; CellError for anything else."""
        value = self.get(key)
        if not isinstance(value, str):
            raise self.error(key, "is not text")
        return value

    def number(self, key: str) -> float:
        """Return a finite number, also from text as in "0.0775"; CellError for anything else."""
        value = self.get(key)
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.error(key, "is not a number")
        return float(value)

    def number_or_none(self, key: str) -> float | None:
        """Return a finite number, or None for null."""
        return None if self.get(key) is None else self.number(key)

    def moment(self, key: str) -> dt.datetime:
        """Return a UTC time from ISO 8601 text with its offset."""
        value = self.get(key)
        found = moment(value) if isinstance(value, str) else None
        if found is None:
            raise self.error(key, "is not an ISO 8601 time with its offset from UTC")
        return found

    def inner(self, key: str) -> "Record":
        """Return the object under a key."""
        value = self.get(key)
        if not isinstance(value, dict):
            raise self.error(key, "is not an object")
        return Record(file=self.file, value=value, row=self.row, path=f"{self._column(key)}.")

    def items(self, key: str) -> "list[Record]":
        """Return the objects listed under a key, numbered from 1."""
        return records(self.get(key), self.file, self._column(key))

    def values(self, key: str) -> list[object]:
        """Return the list under a key."""
        value = self.get(key)
        if not isinstance(value, list):
            raise self.error(key, "is not a list")
        return value

    def error(self, key: str, problem: str) -> CellError:
        """Build the error of one value."""
        shown = json.dumps(self.value.get(key), default=str)
        return CellError(problem, file=self.file, row=self.row, column=self._column(key), value=shown)

    def _column(self, key: str) -> str:
        return f"{self.path}{key}"


def records(value: object, file: str, column: str) -> list[Record]:
    """Return a list of objects, numbered from 1; one that is none has no key. CellError if it is no list."""
    if not isinstance(value, list):
        raise CellError("is not a list", file=file, column=column)
    return [
        Record(file=file, value=item if isinstance(item, dict) else {}, row=row)
        for row, item in enumerate(value, start=1)
    ]


def json_of(file: RawFile) -> object:
    """Return what a JSON answer holds; raises ProviderError for a web page, and as `parse_json`."""
    _refuse_page(file, "JSON")
    begins = file.data.lstrip(b"\xef\xbb\xbf \t\r\n")
    if begins[:1] not in (b"{", b"["):
        shown = begins[:60].splitlines()[0].decode("utf-8", "replace") if begins else ""
        raise UndecodableFileError(
            f"is not JSON, which the publisher's service answers in: it begins with {shown!r}", file=file.name
        )
    return parse_json(file.data, file)


def object_of(file: RawFile) -> Record:
    """Return the object that a JSON answer is."""
    value = json_of(file)
    if not isinstance(value, dict):
        raise UndecodableFileError(f"is a JSON {type(value).__name__}, not an object", file=file.name)
    return Record(file=file.name, value=value)


def xml_of(file: RawFile) -> Element:
    """Return the root of an XML answer.

    Raises ProviderError for a web page, UndecodableFileError for what is no XML or not safe to parse,
    OversizedFileError.
    """
    _refuse_page(file, "XML")
    if file.is_parquet or b"xl/workbook.xml" in file.data:
        kind = "Parquet" if file.is_parquet else "a workbook (xlsx)"
        raise UndecodableFileError(f"is {kind}; the publisher's own XML or CSV is read", file=file.name)
    if file.is_xlsx:
        raise UndecodableFileError(
            "is a zip of documents; unpack it and give them one by one", file=file.name
        )
    if len(file.data) > file.caps.json_bytes:
        raise OversizedFileError(f"is larger than {file.caps.json_bytes:,} bytes", file=file.name)
    refuse_crowded(file.data, b"<=", file)
    try:
        root: Element = fromstring(file.data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise UndecodableFileError(
            f"declares a document type or entities, which is refused ({type(error).__name__})", file=file.name
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise UndecodableFileError(f"is not well-formed XML: {error}", file=file.name) from error
    return root


def moment(text: str) -> dt.datetime | None:
    """Return a UTC time from ISO 8601 text with offset, None for anything else or a year out of 2000–2100."""
    try:
        parsed = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if parsed.tzinfo is None or parsed.year not in _YEARS:
        return None
    return parsed.astimezone(dt.UTC)


def unix_moment(seconds: float, file: str, row: int, column: str) -> dt.datetime:
    """Return a UTC time from seconds since 1970; CellError for a year out of 2000–2100."""
    if not 946684800 <= seconds < 4133980800 or seconds % 60:
        raise CellError(
            "is no Unix time in seconds on a full minute",
            file=file,
            row=row,
            column=column,
            value=f"{seconds:g}",
        )
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _refuse_page(file: RawFile, expected: str) -> None:
    if _HTML.match(file.data):
        title = _TITLE.search(file.data[:65536])
        named = f" ({title[1].decode('utf-8', 'replace').strip()!r})" if title else ""
        raise ProviderError(f"is a web page{named}, not {expected}", file=file.name)
