"""Books of one sheet as spreadsheets write them."""

import datetime as dt
import io
import zipfile
from collections.abc import Sequence

from warehouse.sources.rawfile import RawFile

_PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'spreadsheetml.sheet.main+xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
    'officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
    '<sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
    'relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
    'relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}


def book(*cells, **more):
    """An xlsx of one sheet; cells: (reference, text)."""
    rows: dict[str, str] = {}
    for place, text in cells:
        number = place.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        rows.setdefault(number, "")
        rows[number] += f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'
    data = "".join(f'<row r="{number}">{inner}</row>' for number, inner in rows.items())
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f"<sheetData>{data}</sheetData></worksheet>"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {**_PARTS, "xl/worksheets/sheet1.xml": sheet, **more}.items():
            archive.writestr(name, text)
    return RawFile(name="book.xlsx", data=buffer.getvalue())


_STYLES = (
    '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs count="2">'
    '<xf numFmtId="0"/><xf numFmtId="22"/></cellXfs></styleSheet>'
)
_STYLED = _PARTS["xl/_rels/workbook.xml.rels"].replace(
    "</Relationships>",
    '<Relationship Id="r2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" '
    'Target="styles.xml"/></Relationships>',
)
_DAY_ZERO = dt.datetime(1899, 12, 30)


def book_of(rows: Sequence[Sequence[object]]) -> bytes:
    """An xlsx of one sheet; cells: text, numbers, times, None."""
    lines = []
    for number, row in enumerate(rows, start=1):
        cells = [_cell(f"{chr(65 + at)}{number}", value) for at, value in enumerate(row) if value is not None]
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f"<sheetData>{''.join(lines)}</sheetData></worksheet>"
    )
    return book(
        **{
            "xl/worksheets/sheet1.xml": sheet,
            "xl/styles.xml": _STYLES,
            "xl/_rels/workbook.xml.rels": _STYLED,
        }
    ).data


def _cell(place: str, value: object) -> str:
    if isinstance(value, dt.datetime):
        return f'<c r="{place}" s="1"><v>{(value - _DAY_ZERO).total_seconds() / 86400!r}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{float(value)!r}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
