"""Rows that are none, at the end of a file and far too long ones: each costs itself."""

import pytest

from warehouse.errors import OversizedFileError, SourceError
from warehouse.sources import read_source
from warehouse.sources.dialect import Dialect
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import read_table
from warehouse.sources.torn import BLOCK_BYTES

HEADER = "zone,interval_start_utc,resolution_minutes,price_eur_per_kwh"
ROWS = [f"DE-LU,2026-06-16T{hour:02d}:00:00Z,60,0.0{hour + 10}1" for hour in range(23)]


def table_of(text):
    file = RawFile(name="x.csv", data=text.encode())
    return read_table(file), file


@pytest.mark.parametrize("last", ["0.0871", "0.087", "0.08", "0.0", "0.", "0", "-0.087", "-"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_last_number_of_fewer_decimals_than_all_others_is_cut_where_its_line_has_no_end(
    tmp_path, last, end
):
    text = "\n".join([HEADER, *ROWS, f"DE-LU,2026-06-16T23:00:00Z,60,{last}"]) + end
    path = tmp_path / "day.csv"
    path.write_text(text, encoding="utf-8", newline="")
    frame = read_source("prices", path).frame
    assert len(frame) == 24
    assert frame["price_eur_per_kwh"].iloc[:23].notna().all()
    _, file = table_of(text)
    stated = {row: str(error) for row, error in file.torn.items()}
    if end or last == "0.0871":
        assert stated == {}
    else:
        assert list(stated) == [24]
        assert "row 24" in stated[24] and "cut off" in stated[24]
        assert frame.iloc[23][["zone", "price_eur_per_kwh"]].isna().all()


@pytest.mark.parametrize(
    ("others", "last", "cut"),
    [
        ("2026-06-16T10:{:02d}:00Z", "2026-06-16T10:4", True),
        ("2026-06-16T10:{:02d}:00Z", "2026-06-16T10:40:00Z", False),
        ("{:02d}.06.2026 10:00", "23.06.2026 1", True),
        ("4{}", "4", False),  # whole numbers: as few as they like
        ("{}", "9", False),
        ("CAR{:02d}", "CAR", False),  # names, too
        ("1.000,{:02d}", "1.000,5", False),  # marks of thousands: not known here
        ("7,{:02d}", "7,5", True),
    ],
)
def test_what_the_last_cell_would_be_is_judged_by_those_before_it(others, last, cut):
    rows = [f"x;{others.format(number)}" for number in range(10, 24)]
    file = RawFile(name="x.csv", data="\n".join(["a;b", *rows, f"x;{last}"]).encode())
    table = read_table(file, dialect=Dialect(delimiter=";"))
    assert table.rows == 15
    assert list(file.torn) == ([15] if cut else [])


@pytest.mark.parametrize("rows", [1, 14])
def test_a_quote_that_is_open_at_the_end_is_a_row_cut_off(rows):
    whole = [f'"x";"{number}"' for number in range(10, 10 + rows)]
    for last, torn in (('"x";"11', [rows + 1]), ('"x";"11"', [])):
        file = RawFile(name="x.csv", data="\n".join(["a;b", *whole, last]).encode())
        assert read_table(file, dialect=Dialect(delimiter=";")).rows == rows + 1
        assert list(file.torn) == torn


def test_ten_rows_are_too_few_to_judge_the_eleventh_by():
    text = "\n".join([HEADER, *ROWS[:9], "DE-LU,2026-06-16T23:00:00Z,60,0"])
    assert table_of(text)[1].torn == {}


def test_a_row_longer_than_a_block_costs_itself_and_a_header_the_file():
    long = "DE-LU,2026-06-16T23:00:00Z,60," + "9" * 3 * BLOCK_BYTES
    table, file = table_of("\n".join([HEADER, *ROWS[:5], long, *ROWS[5:]]) + "\n")
    assert table.rows == 24
    assert list(file.torn) == [6]
    assert "row 6" in str(file.torn[6]) and "longer than 1,048,576 bytes" in str(file.torn[6])
    assert table.columns["price_eur_per_kwh"].null_count == 1
    with pytest.raises(OversizedFileError, match="header longer"):
        table_of(HEADER + "x" * BLOCK_BYTES + "\n" + "\n".join(ROWS))


def test_a_quote_that_is_never_closed_is_still_named_as_one():
    rows = [*ROWS[:3], '"DE-LU,2026-06-16T23:00:00Z,60,0.1', *ROWS * 1000]
    with pytest.raises(SourceError, match="a quote that is never closed"):
        table_of("\n".join([HEADER, *rows]) + "\n")
