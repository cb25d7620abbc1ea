"""What sessions carry next to times and charge: energy metered, charger, odometer, the driver's wish."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.warehouse.books import book_of
from tests.warehouse.builders import fleet
from tests.warehouse.test_source_acn_answer import item
from tests.warehouse.test_source_ocpp import log_16
from warehouse.sources import read_source

HEADER = "session_id,battery_id,arrival_utc,departure_utc,arrival_soc,departure_soc"
MORE = ["energy_kwh", "charger_id", "odometer_km", "requested_departure_utc", "requested_kwh"]
SESSION = "s1,ev1,2026-06-16T18:00:00Z,2026-06-17T07:00:00Z,0.4,0.8"
WANTED = [21.5, "DC-3", 48211.0, pd.Timestamp("2026-06-17T06:30Z"), 30.0]


def read(file: Path, data: str | bytes, source: str = "csv", **options: Any) -> pd.DataFrame:
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_source("sessions", file, source=source, **options).frame


@pytest.mark.parametrize(
    "names",
    [
        MORE,
        ["delivered_kwh", "charger", "odometer_km", "requested_departure_utc", "requested_energy_kwh"],
    ],
)
def test_canonical_files_tell_them_in_their_columns(tmp_path: Path, names: list[str]) -> None:
    text = f"{HEADER},{','.join(names)}\n{SESSION},21.5,DC-3,48211,2026-06-17T06:30:00Z,30\n{SESSION},,,,,\n"
    frame = read(tmp_path / "s.csv", text)
    assert frame[MORE].iloc[0].tolist() == WANTED
    assert frame[MORE].iloc[1].isna().all()


def test_so_does_a_sheet_and_a_file_without_them_is_read_as_before(tmp_path: Path) -> None:
    cells: list[object] = [*SESSION.split(",")[:4], 0.4, 0.8, *WANTED[:3], "2026-06-17T06:30:00Z", 30.0]
    frame = read(tmp_path / "s.xlsx", book_of([[*HEADER.split(","), *MORE], cells]))
    assert frame[MORE].iloc[0].tolist() == WANTED
    plain = read(tmp_path / "plain.csv", f"{HEADER}\n{SESSION}\n")
    assert plain[MORE].isna().all().all()


def test_a_bad_cell_of_theirs_costs_the_cell_alone(tmp_path: Path) -> None:
    rows = [
        f"{SESSION},{energy},DC,{odometer},," for energy, odometer in (("1", "5"), ("?", "x"), ("3", "7"))
    ]
    frame = read(tmp_path / "s.csv", "\n".join([f"{HEADER},{','.join(MORE)}", *rows]))
    assert frame[["energy_kwh", "odometer_km"]].isna().to_numpy().tolist() == [
        [False, False], [True, True], [False, False],
    ]  # fmt: skip
    assert frame["arrival_utc"].notna().all()


def test_the_service_of_acn_tells_what_was_delivered_and_asked_for(tmp_path: Path) -> None:
    wish = {"kWhRequested": 30.0, "requestedDeparture": "Wed, 25 Apr 2018 20:50:10 GMT"}
    text = json.dumps({"_items": [item(1, userInputs=[wish]), item(2)]})
    options = {"batteries": {"CA-496": "CAR1"}, "cars": fleet(2)}
    frame = read(tmp_path / "a.json", text, "acn", **options)
    asked = pd.Timestamp("2018-04-25T20:50:10Z")
    assert frame.loc[0, [*MORE[:2], *MORE[3:]]].tolist() == [12.0, "2-39-78-362", asked, 30.0]
    assert frame.loc[1, ["energy_kwh", "charger_id"]].tolist() == [12.0, "2-39-78-362"]
    assert frame.loc[1, MORE[3:]].isna().all()


def test_a_replayed_session_keeps_the_wish_and_not_the_energy_of_another_car(tmp_path: Path) -> None:
    day, text = dt.date(2026, 6, 17), json.dumps({"_items": [item(userInputs=[{"kWhRequested": 6.0}])]})
    frame = read(tmp_path / "a.json", text, "acn", onto=[day], zone="DE-LU", cars=fleet(2))
    assert frame["requested_kwh"].tolist() == [6.0]
    assert "energy_kwh" not in frame or frame["energy_kwh"].isna().all()


def test_a_charger_log_tells_the_energy_of_its_register_and_where(tmp_path: Path) -> None:
    lines = "\n".join(map(json.dumps, log_16()))
    frame = read(tmp_path / "log.jsonl", lines, "ocpp", battery_id="CAR1", station="CP7")
    assert frame[["energy_kwh", "charger_id"]].to_numpy().tolist() == [[30.0, "CP7 connector:1"]]
