"""Real charging sessions, their file spoilt in every way of `hostile_variants`: right sessions or a
reason."""

import csv
import datetime as dt

import pytest

from tests.warehouse.builders import ACN, fleet
from tests.warehouse.hostile_variants import VARIANTS, Table
from warehouse.errors import SourceError
from warehouse.sources import read_source

FRIDAY = dt.date(2024, 7, 5)
REPLAY = {"cars": fleet(40), "onto": [FRIDAY], "zone": "CH"}
LINES_SHOWN = 25


def sessions(file):
    """What a file gives: session id → when it is there."""
    frame = read_source("sessions", file, source="acn", **REPLAY).frame
    return {
        name: (came, left)
        for name, came, left in zip(
            frame["session_id"], frame["arrival_utc"], frame["departure_utc"], strict=True
        )
    }


@pytest.fixture(scope="module")
def table():
    header, *rows = csv.reader(ACN.read_text(encoding="utf-8").splitlines())
    energy = header.index("requested_energy_kwh")
    return Table(
        header=header, rows=rows, time=header.index("arrival_local_los_angeles"), price=energy,
        true={number: row[energy] for number, row in enumerate(rows)},
    )  # fmt: skip


@pytest.mark.skipif(not ACN.exists(), reason="the shared data is absent")
def test_a_spoilt_file_gives_sessions_that_were_announced_or_a_reason_on_one_screen(table, tmp_path):
    true, faults = sessions(ACN), []
    assert len(true) == 31
    for number, (name, make) in enumerate(VARIANTS.items()):
        variant, file = make(table), tmp_path / f"V{number:02d}.csv"
        file.write_bytes(variant.data)
        try:
            stated = sessions(file)
        except SourceError as error:
            reason = str(error)
            if file.name not in reason or len(reason.splitlines()) > LINES_SHOWN:
                faults.append(f"{name}: no file, or more than a screen: {reason}")
            if (variant.cell or variant.line) and error.row is None:
                faults.append(f"{name}: no row: {reason}")
            if variant.whole and name != "a price below zero":  # here it is an energy, which is none
                faults.append(f"{name}: refused: {reason}")
            continue
        if wrong := {session: when for session, when in stated.items() if true.get(session) != when}:
            faults.append(f"{name}: {len(wrong)} sessions that nobody announced: {next(iter(wrong.items()))}")
        if not variant.true:
            faults.append(f"{name}: {len(stated)} sessions of nothing")
        if variant.whole and name != "a price below zero" and len(stated) < len(true):
            faults.append(f"{name}: {len(true) - len(stated)} sessions are lost")
    assert not faults, "\n".join(faults)
