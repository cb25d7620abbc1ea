"""Hostile Parquet, xlsx and things that are no files: each refused, the database untouched."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.workspace import Workspace
from tests.flows.hostile import CAR, TELEMETRY, depot_of, refused, sample
from warehouse.errors import OversizedFileError
from warehouse.sources import read_source
from warehouse.sources.caps import Caps

TIME = pd.Timestamp("2024-03-18T08:00Z").to_pydatetime()
ROWS = 3


@pytest.fixture(scope="module")
def depot(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return depot_of(tmp_path_factory.mktemp("hostile"))


def parquet(*, dictionary_page: int = 2**20, rows: int = ROWS, **columns: Any) -> bytes:
    """Telemetry as Parquet, some of its columns replaced or added."""
    table = {
        "battery_id": pa.array([CAR] * rows),
        "time_utc": pa.array([TIME] * rows, pa.timestamp("us", "UTC")),
        "voltage_v": pa.array([380.0] * rows),
        "current_a": pa.array([-5.0] * rows),
        "temperature_degc": pa.array([20.0] * rows),
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table({**table, **columns}), buffer, dictionary_pagesize_limit=dictionary_page)
    return buffer.getvalue()


def lying() -> bytes:
    """A file of 12,345 rows whose metadata say 1,048,575 (three bytes of a variable-length integer each)."""
    content = parquet(rows=12_345)
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    true, claimed = b"\xf2\xc0\x01", b"\xfe\xff\x7f"
    assert true in content[footer:]
    return content[:footer] + content[footer:].replace(true, claimed)


def long_texts() -> bytes:
    """Half a megabyte that stands for 5 GB of text."""
    coded = pa.DictionaryArray.from_arrays(pa.array(np.zeros(5000, "int32")), pa.array(["x" * 2**20]))
    return parquet(dictionary_page=2**22, rows=5000, battery_id=coded)


def many_rows() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"x": pa.array(np.zeros(50_000_001, "int8"))}), buffer)
    return buffer.getvalue()


PARQUETS: dict[str, tuple[Callable[[], bytes], str]] = {
    "no more than the mark": (lambda: b"PAR1", "is not readable Parquet"),
    "cut short": (lambda: parquet()[:-20], "is not readable Parquet"),
    "footer spoilt": (lambda: parquet()[:-200] + os.urandom(192) + parquet()[-8:], "is not readable Parquet"),
    "footer of 2 GB": (lambda: parquet()[:-8] + b"\xff\xff\xff\x7fPAR1", "is not readable Parquet"),
    "pages spoilt": (lambda: parquet()[:4] + bytes(400) + parquet()[404:], "is not readable Parquet"),
    "rows that are not there": (lying, "is not readable Parquet"),
    "no rows": (lambda: parquet(rows=0), "holds a header and no data rows"),
    "50,000,001 rows": (many_rows, "has 50,000,001 rows"),
    "1,005 columns": (
        lambda: parquet(**{f"x{number}": pa.array([1] * ROWS) for number in range(1000)}),
        "has 1,005 columns",
    ),
    "5 GB of text": (long_texts, "column battery_id: unpacks to 5,242,880,000 bytes of text"),
    "lists": (
        lambda: parquet(voltage_v=pa.array([[380.0]] * ROWS)),
        "voltage_v: holds list<.*one value a row",
    ),
    "structs": (lambda: parquet(voltage_v=pa.array([{"v": 1}] * ROWS)), "voltage_v: holds struct<"),
    "maps beside": (
        lambda: parquet(more=pa.array([[("a", 1)]] * ROWS, pa.map_(pa.string(), pa.int8()))),
        "column more: holds map<",
    ),
    "truth for a voltage": (lambda: parquet(voltage_v=pa.array([True] * ROWS)), "holds bool, not numbers"),
    "times for a voltage": (
        lambda: parquet(voltage_v=pa.array([TIME] * ROWS)),
        "voltage_v: holds timestamp.*, not numbers",
    ),
    "words for a voltage": (lambda: parquet(voltage_v=pa.array(["high"] * ROWS)), "'high' is not a number"),
    "numbers for a time": (
        lambda: parquet(time_utc=pa.array([1.0] * ROWS)),
        "time_utc: holds double, not times",
    ),
    "a clock for a time": (lambda: parquet(time_utc=pa.array([TIME.time()] * ROWS)), "column time_utc"),
    "year 292277": (
        lambda: parquet(time_utc=pa.array([9 * 10**15] * ROWS, pa.timestamp("ms", "UTC"))),
        "years 1900 to 2199|is not an ISO 8601 time",
    ),
    # In microseconds it would wrap around to a day in 2023.
    "a time beyond all years": (
        lambda: parquet(time_utc=pa.array([17 * 10**11 + 2**61] * ROWS, pa.timestamp("ms", "UTC"))),
        "years 1900 to 2199|is not an ISO 8601 time",
    ),
    "truth for an id": (
        lambda: parquet(battery_id=pa.array([True] * ROWS)),
        "battery_id: holds bool, not text",
    ),
    "bytes for an id": (
        lambda: parquet(battery_id=pa.array([b"\xff"] * ROWS, pa.binary())),
        "battery_id: is not UTF-8 text",
    ),
    "an id in a coded column": (
        lambda: parquet(battery_id=pa.array(["<b>"] * ROWS).dictionary_encode()),
        "row 1, column battery_id: '<b>' is not an id",
    ),
}


@pytest.mark.parametrize("case", PARQUETS)
def test_a_hostile_parquet_is_refused(depot: Workspace, tmp_path: Path, case: str) -> None:
    made, message = PARQUETS[case]
    path = tmp_path / "file.parquet"
    path.write_bytes(made())
    refused(depot, "telemetry", path, message)


HARMLESS: dict[str, dict[str, Any]] = {
    "coded ids": {"battery_id": pa.array([CAR] * ROWS).dictionary_encode()},
    "long strings": {"battery_id": pa.array([CAR] * ROWS, pa.large_string())},
    "bytes that are text": {"battery_id": pa.array([CAR.encode()] * ROWS, pa.binary())},
    "decimals": {"voltage_v": pa.array([380] * ROWS, pa.decimal128(9, 3))},
    "whole numbers": {"voltage_v": pa.array([380] * ROWS, pa.int16())},
    "single precision": {"voltage_v": pa.array([380.0] * ROWS, pa.float32())},
    "numbers as text": {"voltage_v": pa.array(["380"] * ROWS)},
    "nanoseconds": {"time_utc": pa.array([TIME] * ROWS, pa.timestamp("ns", "UTC"))},
    "another zone": {"time_utc": pa.array([TIME] * ROWS, pa.timestamp("us", "Europe/Zurich"))},
    "no zone, name says UTC": {"time_utc": pa.array([TIME.replace(tzinfo=None)] * ROWS, pa.timestamp("ms"))},
}


@pytest.mark.parametrize("case", HARMLESS)
def test_other_ways_to_write_the_same_parquet_are_read_alike(tmp_path: Path, case: str) -> None:
    path = tmp_path / "file.parquet"
    path.write_bytes(parquet(**HARMLESS[case]))
    frame = read_source("telemetry", path).frame
    assert frame["battery_id"].tolist() == [CAR] * ROWS
    assert frame["voltage_v"].tolist() == [380.0] * ROWS
    assert frame["time_utc"].tolist() == [pd.Timestamp(TIME)] * ROWS


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**31 + 1)


THINGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda _: None, "there is no such file"),
    "folder": (lambda path: path.mkdir(), "it is a folder, not a file"),
    "pipe": (os.mkfifo, "it is a pipe, not a file"),
    "link to an endless device": (lambda path: path.symlink_to("/dev/zero"), "it is a device, not a file"),
    "link to nowhere": (lambda path: path.symlink_to("nowhere"), "there is no such file"),
    "link to itself": (lambda path: path.symlink_to(path), "cannot be read: .*symbolic links"),
    "2 GiB and a byte": (_sparse, "is larger than 2,147,483,648 bytes"),
    "xlsx that is none": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(99)), "is not readable xlsx"),
}


@pytest.mark.parametrize("case", THINGS)
def test_what_is_no_file_to_read_is_refused(depot: Workspace, tmp_path: Path, case: str) -> None:
    make, message = THINGS[case]
    path = tmp_path / "file.csv"
    make(path)
    refused(depot, "telemetry", path, message)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb.csv", r"a\\nb\.csv"),
        ("\x1b[2J\x1b[31m.csv", r"\\x1b\[2J\\x1b\[31m\.csv"),
        ("\u202egnp.csv", r"\\u202egnp\.csv"),
        ("\udcff.csv", r"\\udcff\.csv"),
        ("<script>alert(1)<", "<script>alert"),
    ],
    ids=["line break", "terminal escapes", "right to left", "no UTF-8", "tag"],
)
def test_a_files_name_cannot_act_on_who_reads_of_it(
    depot: Workspace, tmp_path: Path, name: str, shown: str
) -> None:
    path = tmp_path / name
    path.write_text(TELEMETRY + sample(volt="x"))
    refused(depot, "telemetry", path, rf"{shown}.*, row 1, column voltage_v: 'x'")
    path.write_text(TELEMETRY + sample())
    assert read_source("telemetry", path).file_name.isprintable()


@pytest.mark.parametrize(
    ("caps", "message"),
    [
        (Caps(file_bytes=100), "is larger than 100 bytes"),
        (Caps(rows=1), "has 2 rows of 5 columns; 1 rows"),
        (Caps(cells=9), "and 9 cells are allowed"),
        (Caps(columns=4), "has 5 columns; 4 are allowed"),
    ],
)
def test_caps_are_arguments(tmp_path: Path, caps: Caps, message: str) -> None:
    path = tmp_path / "file.csv"
    path.write_text(TELEMETRY + sample() + sample(time="2024-03-18T08:01Z"))
    assert len(read_source("telemetry", path).frame) == 2
    with pytest.raises(OversizedFileError, match=message):
        read_source("telemetry", path, caps=caps)
