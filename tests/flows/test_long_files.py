"""Files of more rows than are kept are read twice and end as others do; one that changes does not be
ingested."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.stages import Context
from flows.stages import ingest as stage
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.workspace import Workspace
from tests.benchmarks.telemetry_day import AS_OF, make_workspace, write_day
from warehouse.errors import SourceError, UnknownIdError
from warehouse.sources import read as reader
from warehouse.sources.pieces import pieces


@pytest.fixture
def rooms(tmp_path: Path) -> list[Workspace]:
    """Two workspaces that know two cars."""
    found = []
    for name in ("whole", "pieces"):
        (tmp_path / name).mkdir()
        found.append(make_workspace(tmp_path / name, 2))
    return found


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A day of two cars by the minute, and another file of the first hours of it without its unit."""
    write_day(tmp_path / "day.parquet", 2, order="time")
    rows = pd.read_parquet(tmp_path / "day.parquet")
    rows.iloc[:300].assign(current_a=1.0).to_csv(tmp_path / "again.csv", index=False)
    return [tmp_path / "day.parquet", tmp_path / "again.csv"]


def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "MOST_HELD_ROWS", 0)
    monkeypatch.setattr(reader, "pieces", partial(pieces, rows=400))


@pytest.mark.parametrize("received", [None, "event"])
def test_long_files_end_in_the_tables_of_short_ones(
    rooms: list[Workspace], files: list[Path], received: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = []
    for number, workspace in enumerate(rooms):
        if number:
            few_rows(monkeypatch)
        context = Context.of(workspace, AS_OF)
        noted.append(ingest(context, "telemetry", files, received=received).tables)
        assert check(context).details["rows"] == 2880 + 300
    assert noted[0] == noted[1]
    both = [workspace.warehouse for workspace in rooms]
    for table in ("core_telemetry", "raw_source", "core_quarantine"):
        frames = [warehouse.read(table).drop(columns=["checked_utc"], errors="ignore") for warehouse in both]
        pd.testing.assert_frame_equal(*frames)
    again = ingest(Context.of(rooms[1], AS_OF), "telemetry", files, received=received)
    assert {row["state"] for row in again.tables["files"]} == {"already ingested"}


def test_a_file_that_changes_between_two_readings_does_not_be_ingested(
    rooms: list[Workspace], files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    few_rows(monkeypatch)
    known = stage.not_declared

    def meanwhile(*given: object) -> list[str]:
        table = pq.read_table(files[0])
        pq.write_table(table.slice(0, table.num_rows - 1), files[0])
        return known(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(stage, "not_declared", meanwhile)
    with pytest.raises(SourceError, match="changed while it was read"):
        ingest(Context.of(rooms[0], AS_OF), "telemetry", files[:1])
    assert rooms[0].warehouse.extent("telemetry").waiting == 0


def test_pieces_of_cars_that_nobody_declared_are_set_aside_and_a_file_of_such_alone_is_refused(
    rooms: list[Workspace], files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    few_rows(monkeypatch)
    table = pq.read_table(files[0])
    stranger = pa.array(["stranger"] * table.num_rows)
    mixed = pa.concat_arrays([stranger.slice(0, 800), table["battery_id"].combine_chunks().slice(800)])
    for name, ids in (("mixed", mixed), ("strange", stranger)):
        path = files[0].with_name(f"{name}.parquet")
        pq.write_table(table.set_column(0, "battery_id", ids), path)
    context = Context.of(rooms[0], AS_OF)
    with pytest.raises(UnknownIdError, match="stranger"):
        ingest(context, "telemetry", [files[0].with_name("strange.parquet")])
    assert rooms[0].warehouse.extent("telemetry").waiting == 0
    done = ingest(context, "telemetry", [files[0].with_name("mixed.parquet")])
    notes = [row["note"] for row in done.tables["notes"]]
    assert sum("stranger" in note and "set aside" in note for note in notes) == 2
    check(context)
    assert rooms[0].warehouse.extent("telemetry").rows == table.num_rows - 800
