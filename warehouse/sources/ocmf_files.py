"""Where OCMF records lie in a file: lines, a column `ocmf`, XML as the Transparenzsoftware has it, JSON.

JSON: OCPI's `signed_data` (`signed_values`), OCPP's `signedMeterData`, in base64 or as they are, and any
other text that begins with `OCMF|`. Keys that a file carries next to its records are not read.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from warehouse.errors import ColumnError, EmptyFileError, OversizedFileError, UndecodableFileError
from warehouse.sources.cells import Cells
from warehouse.sources.jsontext import parse_json, refuse_crowded
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import read_table

_BEGINNINGS = (b"OCMF|", b"4F434D467C", b"4f434d467c")
"""Of a record as text, and in hexadecimal digits."""
_TEXT = "OCMF|"
_SIGNED = frozenset({"signed_data", "signedMeterData", "signeddata"})
_MOST = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A record's text and its number in the file, from 1; battery_id where a column of the file tells it."""

    row: int
    text: str
    battery_id: str | None = None


def texts(file: RawFile) -> list[Text]:
    """The records of a file in their order; raises SourceError where it holds none, or cannot be read."""
    start = file.data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if file.is_parquet or file.is_xlsx:
        found = _of_table(file)
    elif start == b"<":
        found = _numbered(_of_xml(file))
    elif start in (b"{", b"["):
        found = _numbered(_of_json(parse_json(file.data, file)))
    elif any(line.lstrip(b"\xef\xbb\xbf \t").startswith(_BEGINNINGS) for line in file.data.splitlines()):
        found = _numbered(_of_lines(file))
    else:
        found = _of_table(file)
    if not found:
        raise EmptyFileError("holds no OCMF record", file=file.name)
    if len(found) > _MOST:
        raise OversizedFileError(f"holds more than {_MOST:,} records: split it", file=file.name)
    return found


def _numbered(found: Iterator[str]) -> list[Text]:
    return [Text(row=number, text=text) for number, text in enumerate(found, start=1)]


def _of_lines(file: RawFile) -> Iterator[str]:
    for line in file.data.decode("utf-8-sig", errors="replace").splitlines():
        if line.strip():
            yield line.strip()


def _of_table(file: RawFile) -> list[Text]:
    table = read_table(file, used={"ocmf", "battery_id"})
    if "ocmf" not in table.columns:
        raise ColumnError(
            "is missing: a table of signed values has a column of OCMF records", file=file.name, column="ocmf"
        )
    records = Cells.of(table, "ocmf").text()
    there = "battery_id" in table.columns
    cars = Cells.of(table, "battery_id").text() if there else records.map(lambda _: None)
    rows = zip(table.row_numbers.tolist(), records, cars, strict=True)
    return [
        Text(
            row=row,
            text=text if isinstance(text, str) else "",
            battery_id=car if isinstance(car, str) else None,
        )
        for row, text, car in rows
    ]


def _of_xml(file: RawFile) -> Iterator[str]:
    refuse_crowded(file.data, b"<", file)
    try:
        root = fromstring(file.data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise UndecodableFileError(f"is not XML: {error}", file=file.name) from error
    for value in root.iter("value"):
        for name in ("signedData", "encodedData"):
            for one in value.findall(name):
                text = "".join((one.text or "").split("\n")).strip()
                if one.get("format", "").upper() == "OCMF" or text.startswith(_TEXT):
                    yield _decoded(text)


def _of_json(value: object, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _of_json(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _of_json(inner, name)
    elif isinstance(value, str) and value.strip():
        if value.lstrip().startswith(_TEXT):
            yield value.strip()
        elif name in _SIGNED:
            yield _decoded(value.strip())


def _decoded(text: str) -> str:
    """The record where base64 was put around it; else the text as it is."""
    if text.startswith(_TEXT):
        return text
    try:
        inner = base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return text
    return inner.strip() if inner.lstrip().startswith(_TEXT) else text
