"""A long log read piece by piece, Parquet or CSV, says what it says when it is read at once."""

import csv
import re
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.warehouse.builders import telemetry
from warehouse.errors import CellError
from warehouse.sources import read as reader
from warehouse.sources import read_pieces, read_source
from warehouse.sources.pieces import pieces
from warehouse.sources.rawfile import load


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(reader, "pieces", partial(pieces, rows=100))


def written(path, frame, group=70):
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=group)
    return path


def as_text(path, frame, **layout):
    frame.to_csv(path, index=False, date_format="%Y-%m-%dT%H:%M:%SZ", **layout)
    return path


WRITERS = {"parquet": written, "csv": as_text, "crlf": partial(as_text, lineterminator="\r\n"),
           "quoted": partial(as_text, quoting=csv.QUOTE_ALL)}  # fmt: skip


def log(minutes=450):
    """Several readings of a stamp now and then, temperature every seventh row, some too old to be carried."""
    rows = telemetry(minutes=minutes).assign(soc_reported=np.linspace(0.2, 0.7, minutes).round(3))
    rows.loc[np.arange(minutes) % 7 != 0, "temperature_degc"] = np.nan
    rows.loc[180:240, "temperature_degc"] = np.nan
    rows["time_utc"] = rows["time_utc"].where(np.arange(minutes) % 10 != 1).ffill()
    return rows


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("times", ["stamps", "unix"])
def test_pieces_are_the_file(tmp_path, times, write):
    rows = log()
    if times == "unix":
        rows = rows.rename(columns={"time_utc": "Unix Time / s"})
        rows["Unix Time / s"] = rows["Unix Time / s"].astype("int64") / 1e6
    path = WRITERS[write](tmp_path / "log", rows)
    whole, found = read_source("telemetry", path), list(read_pieces("telemetry", path))
    assert [len(one.frame) for one in found] == [100, 100, 100, 100, 50]
    assert {one.source_id for one in found} == {whole.source_id}
    together = pd.concat([one.frame for one in found], ignore_index=True)
    pd.testing.assert_frame_equal(together, whole.frame)
    assert 0 < whole.frame["temperature_degc"].isna().sum() < 61
    ends = [(one.frame["time_utc"].iloc[0], one.frame["time_utc"].iloc[-1]) for one in found]
    assert all(before < after for (_, before), (after, _) in pairwise(ends))


def test_a_text_that_ends_without_a_line_break_loses_no_row(tmp_path):
    path = as_text(tmp_path / "log.csv", log())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().rstrip(b"\n"))
    found = list(read_pieces("telemetry", path))
    assert [len(one.frame) for one in found] == [100, 100, 100, 100, 50]
    pd.testing.assert_frame_equal(
        pd.concat([one.frame for one in found], ignore_index=True), read_source("telemetry", path).frame
    )


@pytest.mark.parametrize("write", WRITERS)
def test_a_piece_begins_with_a_stamp_of_its_own(tmp_path, write):
    rows = log()
    rows.loc[95:104, "time_utc"] = rows.loc[95, "time_utc"]
    found = list(read_pieces("telemetry", WRITERS[write](tmp_path / "log", rows)))
    assert [len(one.frame) for one in found][:2] == [95, 105]


TORN = {
    "a blank line": lambda text: text.replace("\n", "\n\n", 7),
    "a short row": lambda text: text.replace(",20.0,", "\n", 1),
    "a quote": lambda text: text.replace(",20.0,", ',"20.0,', 1),
    "a comment": lambda text: f"# of our logger\n{text}",
    "times go back": lambda text: text + "\n".join(text.splitlines()[1:3]) + "\n",
    "a time lacks": lambda text: re.sub(r"2020-[^,]*,", ",", text, count=1),
    "no time": lambda text: re.sub(r"2020-[^,]*,", "now,", text, count=1),
}


@pytest.mark.parametrize("name", TORN)
def test_a_text_that_is_not_whole_is_read_at_once(tmp_path, name):
    path = as_text(tmp_path / "log.csv", log())
    text = path.read_text()
    path.write_text(TORN[name](text))
    assert path.read_text() != text
    (found,) = pieces("telemetry", load(path), 100)
    assert found.span is None and found.data == path.read_bytes()


@pytest.mark.parametrize("spoilt", ["shuffled", "a time lacks", "text", "short"])
def test_what_cannot_be_cut_is_read_at_once(tmp_path, spoilt):
    rows = log(100 if spoilt == "short" else 450)
    if spoilt == "shuffled":
        rows = rows.sample(frac=1.0, random_state=1)
    if spoilt == "a time lacks":
        rows.loc[7, "time_utc"] = pd.NaT
    if spoilt == "text":
        rows["time_utc"] = rows["time_utc"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    path = written(tmp_path / "log.parquet", rows)
    (found,) = read_pieces("telemetry", path)
    pd.testing.assert_frame_equal(found.frame, read_source("telemetry", path).frame)


@pytest.mark.parametrize("write", WRITERS)
def test_a_bad_cell_is_named_by_its_row_in_the_file(tmp_path, write):
    rows = log()
    rows["current_a"] = rows["current_a"].astype("str")
    rows.loc[333, "current_a"] = "ten"
    with pytest.raises(CellError) as refused:
        list(read_pieces("telemetry", WRITERS[write](tmp_path / "log", rows)))
    assert (refused.value.row, refused.value.column, refused.value.value) == (334, "current_a", "ten")
