"""Real fast-charging sessions with state of charge, replayed onto a fleet; xlsx and its dangers."""

import datetime as dt

import pandas as pd
import pytest

from tests.warehouse.books import book
from tests.warehouse.builders import SHARED_DATA, fleet
from warehouse.errors import CellError, ColumnError, OversizedFileError, UndecodableFileError
from warehouse.sources import read_source
from warehouse.sources.caps import Caps
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import read_table

DESL = SHARED_DATA / "sessions" / "desl_epfl_dc_sessions" / "Session_data.xlsx"
FRIDAY = dt.date(2024, 7, 5)
real_sessions = pytest.mark.skipif(not DESL.exists(), reason=f"{DESL.name} of the shared data is absent")


def spoilt(data):
    """The archive with the middle of its first packed member overwritten."""
    return data[:60] + b"\xff" * 20 + data[80:]


@real_sessions
def test_the_real_file_plays_a_day_with_its_own_states_of_charge():
    source = read_source("sessions", DESL, source="desl", cars=fleet(20), onto=[FRIDAY], zone="DE-LU")
    frame = source.frame.set_index("session_id")
    assert len(frame) == 12
    # Row 725 of the sheet: session 853, CCS2, 04:11 to 04:36 local time, 26.0 % to 93.99 %.
    first = frame.loc["desl-853@2024-07-05"]
    assert first["source_row"] == 725
    assert first["arrival_utc"] == pd.Timestamp("2024-07-05T04:11", tz="Europe/Berlin")
    assert first["departure_utc"] == pd.Timestamp("2024-07-05T04:36", tz="Europe/Berlin")
    assert (first["arrival_soc"], first["departure_soc"]) == pytest.approx((0.26, 0.9399), abs=1e-4)
    assert frame.loc["desl-1696@2024-07-05", "departure_soc"] == 0.95
    assert "desl-1696@2024-07-05: departure_soc 1.000 lowered to 0.95" in source.notes[0]
    assert source.provider == "Distributed Electrical Systems Laboratory, EPFL"


@real_sessions
def test_the_real_file_plays_64_whole_weeks_row_by_row():
    table = read_table(RawFile(name=DESL.name, data=DESL.read_bytes()))
    assert table.rows == 1878
    arrival = pd.Series(table.columns["Arrival"].to_pandas()).dt.date
    weeks = dt.timedelta(weeks=64)
    first, end = arrival.min(), arrival.min() + weeks
    days = sorted({day + weeks for day in arrival if day < end})
    source = read_source("sessions", DESL, source="desl", cars=fleet(60), onto=days, zone="CH")
    assert set(source.frame["source_row"]) == set(arrival[arrival < end].index + 1)
    assert (arrival >= end).sum() == 5
    assert first == dt.date(2022, 4, 12)


@real_sessions
def test_canonical_says_what_the_file_is():
    with pytest.raises(ColumnError, match=r"looks like sessions of DESL \(source desl\)"):
        read_source("sessions", DESL)


def test_a_book_is_a_table_like_any_other():
    table = read_table(book(("A1", "zone"), ("B1", "price"), ("A2", "FI"), ("B2", "1.5"), ("A3", "EE")))
    assert {name: column.to_pylist() for name, column in table.columns.items()} == {
        "zone": ["FI", "EE"],
        "price": ["1.5", None],
    }


def sheet_of(tmp_path, arrival, soc="20"):
    headers = ("Session", "Arrival", "Departure", "SOC arrival", "SOC departure")
    values = ("1", arrival, "2024-01-01T10:00:00", soc, "80")
    cells = [(f"{column}1", text) for column, text in zip("ABCDE", headers, strict=True)]
    cells += [(f"{column}2", text) for column, text in zip("ABCDE", values, strict=True)]
    path = tmp_path / "sheet.xlsx"
    path.write_bytes(book(*cells).data)
    return path


@pytest.mark.parametrize(
    ("arrival", "soc", "message"),
    [
        ("yesterday", "20", "row 1, column Arrival: 'yesterday' is not a local time"),
        ("2024-01-01T11:00:00", "20", "row 1, column Departure: .* is not after the arrival"),
        ("2024-01-01T09:00:00", "-3", "row 1, column SOC arrival: '-3' is not a percentage"),
    ],
)
def test_faulty_cells_are_named(tmp_path, arrival, soc, message):
    path = sheet_of(tmp_path, arrival, soc)
    with pytest.raises(CellError, match=message):
        read_source("sessions", path, source="desl", cars=fleet(1), onto=[FRIDAY], zone="CH")


@pytest.mark.parametrize(
    ("file", "error", "message"),
    [
        (RawFile(name="f.xlsx", data=b"PK\x03\x04 and no more"), UndecodableFileError, "not readable xlsx"),
        (
            RawFile(name="f.xlsx", data=spoilt(book(("A1", "a")).data)),
            UndecodableFileError,
            "not readable xlsx",
        ),
        (
            book(("A1", "a"), ("XFD1048576", "b")),
            OversizedFileError,
            "spans 1,048,576 rows of 16,384 columns",
        ),
        (
            book(("A1", "a"), ("A1000000", "b"), ("Z2", "c")),
            OversizedFileError,
            "5,000,000 cells are allowed",
        ),
        (book(("A1", "a"), **{"xl/media/x.bin": bytes(2**25)}), OversizedFileError, "a zip bomb?"),
        (
            book(("A1", "a"), **{f"m{number}": "" for number in range(1000)}),
            OversizedFileError,
            "zip of 1,00",
        ),
        (book(("A1", "a"), ("B1", "a"), ("A2", "1")), ColumnError, "column a: is there 2 times"),
    ],
)
def test_books_that_are_none_or_ask_for_too_much(file, error, message):
    with pytest.raises(error, match=message):
        read_table(file)


def test_a_member_that_lies_about_its_size_is_found_out():
    data = bytearray(book(("A1", "a")).data)
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (5).to_bytes(4, "little")  # the directory's uncompressed size
    with pytest.raises(UndecodableFileError, match="not readable xlsx"):
        read_table(RawFile(name="book.xlsx", data=bytes(data)))


def test_caps_are_arguments():
    small = RawFile(name="book.xlsx", data=book(("A1", "a"), ("A3", "b")).data, caps=Caps(sheet_cells=2))
    with pytest.raises(OversizedFileError, match="spans 3 rows of 1 columns"):
        read_table(small)
