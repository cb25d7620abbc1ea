"""Small files that stand for much memory are refused before they take it: measured in its own process."""

import gzip
import io
import json
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stored import stored_value
from warehouse.errors import ColumnError, OversizedFileError
from warehouse.sources import read_source

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read there")
MOST_MB = 150
HEADER = b"zone,interval_start_utc,resolution_minutes,price_eur_per_kwh\n"
ROW = b"DE-LU,2026-06-14T00:00:00Z,60,0.1\n"
_READ = """
import sys
from pathlib import Path
from warehouse.errors import SourceError
from warehouse.sources import read_source
try:
    read_source("prices", sys.argv[1], source=sys.argv[2], zone="DE-LU" if sys.argv[2] != "csv" else None)
    said = "read"
except SourceError as error:
    said = f"{type(error).__name__} {error}"
# Not ru_maxrss, which counts what the process that started this one took.
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
print(said)
"""


def peak(path: Path, source: str = "csv") -> tuple[int, str]:
    """What a process that reads the file took at most, in MB, and what it said."""
    command = [sys.executable, "-c", _READ, str(path), source]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    megabytes, said = done.stdout.split("\n", 1)
    return int(megabytes), said.strip()


@pytest.fixture(scope="module")
def harmless(tmp_path_factory):
    path = tmp_path_factory.mktemp("harmless") / "prices.csv"
    path.write_bytes(HEADER + ROW)
    megabytes, said = peak(path)
    assert said == "read"
    return megabytes


def packed(head: bytes, block: bytes, size: int) -> bytes:
    """Gzip of a head and as much of a repeated block as unpacks to `size` bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = packer.compress(head)
    block *= 2**20 // len(block)
    parts = [packer.compress(block) for _ in range(size // len(block))]
    return b"".join([first, *parts, packer.flush()])


def zipped(packing: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    """An xlsx of one sheet; members: sheet, strings, or another file's content."""
    sheet = b'<worksheet><sheetData><row r="1"><c r="A1"><v>1</v></c></row></sheetData></worksheet>'
    rels = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    link = '<Relationship Id="r{}" Type="' + kind + '/{}" Target="{}"/>'
    content = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": rels.format(link.format(1, "officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook xmlns:r="{kind}"><sheets>'
        '<sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": rels.format(
            link.format(1, "worksheet", "worksheets/sheet1.xml")
            + link.format(2, "sharedStrings", "sharedStrings.xml")
        ),
        "xl/worksheets/sheet1.xml": members.get("sheet", sheet),
        "xl/sharedStrings.xml": members.get("strings", b"<sst></sst>"),
        "xl/more.bin": members.get("more", b""),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing, compresslevel=9) as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def cells(rows: int, columns: int, cell: str) -> bytes:
    letters = [chr(ord("A") + number) for number in range(columns)]
    lines = (
        f'<row r="{row}">' + "".join(cell.format(f"{letter}{row}") for letter in letters) + "</row>"
        for row in range(1, rows + 1)
    )
    return f"<worksheet><sheetData>{''.join(lines)}</sheetData></worksheet>".encode()


def parquet(table: dict[str, pa.Array], **options: object) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(table), buffer, **options)
    return buffer.getvalue()


def many_groups() -> bytes:
    buffer = io.BytesIO()
    columns = {f"c{number}": pa.array([1.0]) for number in range(50)}
    with pq.ParquetWriter(buffer, pa.table(columns).schema) as writer:
        for _ in range(2500):
            writer.write_table(pa.table(columns))
    return buffer.getvalue()


CORNERS = b'<worksheet><sheetData><row r="1"><c r="A1"><v>1</v></c></row><row r="7000"><c r="ZZ7000"><v>1</v></c></row></sheetData></worksheet>'  # noqa: E501
BOMBS = {
    "gzip of 1 GB of zeros": ("csv", lambda: packed(b"", b"\0", 2**30)),
    "gzip of 500 MB of blanks": ("csv", lambda: packed(b"", b" \n", 500 * 2**20)),
    "gzip of 500 MB of one row": ("csv", lambda: packed(HEADER, ROW, 500 * 2**20)),
    "gzip of 250 MB of zeros": ("csv", lambda: packed(b"", b"\0", 250 * 2**20)),
    "gzip of gzip": ("csv", lambda: gzip.compress(packed(b"", b"\0", 2**28))),
    "gzip of many members": ("csv", lambda: packed(b"", b"\0", 2**26) * 40),
    "gzip of one long header": ("csv", lambda: packed(b"", b"a", 2**28)),
    "xlsx of 1 GB": ("csv", lambda: zipped(more=b"\0" * 2**29)),
    "xlsx in bzip2": ("csv", lambda: zipped(packing=zipfile.ZIP_BZIP2, more=b"\0" * 2**28)),
    "xlsx in lzma": ("csv", lambda: zipped(packing=zipfile.ZIP_LZMA, more=b"\0" * 2**28)),
    "xlsx of two far corners": ("csv", lambda: zipped(sheet=CORNERS)),
    "xlsx that repeats a long text": (
        "csv",
        lambda: zipped(
            sheet=cells(20_000, 5, '<c r="{}" t="s"><v>0</v></c>'),
            strings=b"<sst><si><t>" + b"x" * 2**20 + b"</t></si></sst>",
        ),
    ),
    "xlsx of a million empty texts": (
        "csv",
        lambda: zipped(strings=b"<sst>" + b"<si/>" * 6_000_000 + b"</sst>"),
    ),
    "parquet of 49 million equal rows": (
        "csv",
        lambda: parquet({name: pa.array(np.zeros(49_000_000, "int8")) for name in ("x", "y")}),
    ),
    "parquet of 8 million equal rows of ten columns": (
        "csv",
        lambda: parquet({f"c{number}": pa.array(np.zeros(8_000_000)) for number in range(10)}),
    ),
    "parquet of 2,500 row groups of 50 columns": ("csv", many_groups),
    "json of empty lists": ("awattar", lambda: b"[" + b"[]," * 15_000_000),
    "json of short texts": ("awattar", lambda: b"[" + b'"ab",' * 9_000_000),
    "json of lists in lists": ("awattar", lambda: b"[" * 45_000_000),
    "xml of empty elements": ("entsoe", lambda: b"<a>" + b"<b/>" * 11_000_000),
    "xml of attributes": ("entsoe", lambda: b"<a>" + b'<b c="" d="" e=""/>' * 2_400_000),
}


@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb_takes_little_more_memory_than_a_harmless_file(tmp_path, harmless, case):
    source, make = BOMBS[case]
    path = tmp_path / "file"
    dear = case.startswith(("gzip", "xlsx", "parquet"))  # to pack; what is no archive is as large as it looks
    bomb = stored_value("bomb", make, made_by=[Path(__file__)], rooms=[], given=case) if dear else make()
    path.write_bytes(bomb)
    megabytes, said = peak(path, source)
    assert said.split()[0] in (
        "OversizedFileError",
        "UndecodableFileError",
        "EmptyFileError",
        "ColumnError",
    ), said
    assert megabytes - harmless <= MOST_MB, said


def test_what_is_well_packed_and_still_data_is_read(tmp_path):
    rows = b"".join(
        b"DE-LU,%s,60,0.1\n" % str(np.datetime64("2020-01-01T00") + np.timedelta64(hour, "h")).encode()
        for hour in range(50_000)
    ).replace(b",60", b":00Z,60")
    (tmp_path / "prices.csv.gz").write_bytes(gzip.compress(HEADER + rows))
    assert len(read_source("prices", tmp_path / "prices.csv.gz").frame) == 50_000
    members = gzip.compress(HEADER) + b"".join(gzip.compress(row + b"\n") for row in rows.splitlines()[:300])
    (tmp_path / "members.csv.gz").write_bytes(members)
    assert len(read_source("prices", tmp_path / "members.csv.gz").frame) == 300


def test_texts_that_many_cells_share_are_no_bomb_where_they_are_short(tmp_path):
    strings = b"<sst><si><t>zone</t></si><si><t>DE-LU</t></si><si><t>" + b"x" * 60_000 + b"</t></si></sst>"
    path = tmp_path / "file.xlsx"
    path.write_bytes(zipped(sheet=cells(5000, 2, '<c r="{}" t="s"><v>1</v></c>'), strings=strings))
    with pytest.raises(
        ColumnError, match="zone: is missing"
    ):  # there is only DE-LU, twice: the sheet was read
        read_source("prices", path)
    again = cells(5000, 2, '<c r="{}" t="s"><v>2</v></c>')
    path.write_bytes(zipped(sheet=again, strings=strings))
    with pytest.raises(OversizedFileError, match="repeats its texts to 600,"):
        read_source("prices", path)


def test_a_list_of_as_many_values_as_a_year_of_prices_has_is_no_bomb(tmp_path):
    path = tmp_path / "file.json"
    path.write_text(json.dumps([[number, {"a": 0.5}] for number in range(200_000)]))
    with pytest.raises(Exception, match="not an object"):
        read_source("prices", path, source="awattar", zone="DE-LU")
