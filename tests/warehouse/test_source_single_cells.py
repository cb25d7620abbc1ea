"""One bad cell costs its row; a column that is bad throughout, or naive times, the file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from warehouse.errors import CellError, OptionError
from warehouse.sources import SourceFile, read_source

PRICES = "zone,interval_start_utc,resolution_minutes,price_eur_per_mwh\n"
SESSIONS = "session_id,battery_id,arrival_utc,departure_utc,arrival_soc,departure_soc\n"


def read(tmp_path: Path, dataset: str, text: str, **options: object) -> SourceFile:
    file = tmp_path / "rows.csv"
    file.write_text(text, encoding="utf-8")
    return read_source(dataset, file, **options)


def hours(*prices: str) -> str:
    return PRICES + "".join(f"CZ,2025-07-04T{n:02d}:00:00Z,60,{price}\n" for n, price in enumerate(prices))


def stays(*rows: tuple[str, str, str]) -> str:
    return SESSIONS + "".join(f"s{n},ev{n},{a},{d},{soc},0.8\n" for n, (a, d, soc) in enumerate(rows))


@pytest.mark.parametrize("word", ["SN", "n/a", "N/E", "-", "unavailable", "NaN", "null", "?", "twelve"])
def test_a_word_in_a_price_is_a_missing_interval(tmp_path: Path, word: str) -> None:
    source = read(tmp_path, "prices", hours("12.5", "-3", word, "40"))
    values = source.frame["price_eur_per_kwh"]
    assert values.drop(2).tolist() == [0.0125, -0.003, 0.04]
    assert pd.isna(values[2])
    assert word == "NaN" or any(f"'{word}'" in note and "row 3" in note for note in source.notes)


def test_words_may_be_most_of_a_column_and_other_text_may_not(tmp_path: Path) -> None:
    source = read(tmp_path, "prices", hours("12.5", "SN", "SN"))
    assert source.frame["price_eur_per_kwh"].notna().tolist() == [True, False, False]
    with pytest.raises(CellError, match=r"row 2, column price_eur_per_mwh: 'a' is not a number"):
        read(tmp_path, "prices", hours("12.5", "a", "b"))


@pytest.mark.parametrize("cells", [('"12,5"', '"13,5"', "14", "15"), ('"1,250"', '"1,350"', "14", "15")])
def test_decimal_commas_are_a_dialect_and_no_slip(tmp_path: Path, cells: tuple[str, ...]) -> None:
    with pytest.raises(CellError, match="has a decimal comma; write a point"):
        read(tmp_path, "prices", hours(*cells))


def test_a_stamp_that_is_none_costs_its_interval(tmp_path: Path) -> None:
    text = hours("1", "2", "3").replace("2025-07-04T01:00:00Z", "04.07.2025 01:00")
    source = read(tmp_path, "prices", text)
    assert source.frame["interval_start_utc"].isna().tolist() == [False, True, False]
    assert any("row 2 (04.07.2025 01:00" in note for note in source.notes)


def test_a_text_for_a_state_of_charge_costs_that_stay_alone(tmp_path: Path) -> None:
    first, second = (
        ("2026-06-16T21:10:00Z", "2026-06-17T07:00:00Z"),
        ("2026-06-18T21:10Z", "2026-06-19T07:00Z"),
    )
    source = read(tmp_path, "sessions", stays((*first, "unavailable"), (*second, "0.5")))
    assert source.frame["arrival_soc"].isna().tolist() == [True, False]
    assert "'unavailable'" in source.notes[0]
    assert "row 1" in source.notes[0]


def test_times_of_stays_without_an_offset_are_refused_with_a_hint(tmp_path: Path) -> None:
    text = stays(("2026-06-16 21:30:00", "2026-06-17 07:00:00", "0.5"))
    with pytest.raises(CellError, match=r"row 1, column arrival_utc: .*no offset from UTC.*--timezone"):
        read(tmp_path, "sessions", text)
    with pytest.raises(OptionError, match="no time zone; did you mean 'Europe/Berlin'"):
        read(tmp_path, "sessions", text, timezone="Europe/Berln")
    frame = read(tmp_path, "sessions", text, timezone="Europe/Berlin").frame
    assert frame["arrival_utc"].tolist() == [pd.Timestamp("2026-06-16T19:30Z")]
    assert read(tmp_path, "sessions", text, timezone="UTC").frame["departure_utc"][0].hour == 7


def test_times_of_a_table_with_types_are_no_less_naive(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    rows = {"session_id": ["s"], "battery_id": ["ev0"], "arrival_soc": [0.5], "departure_soc": [0.8]}
    times = {
        "arrival_utc": [pd.Timestamp("2026-06-16 21:30")],
        "departure_utc": [pd.Timestamp("2026-06-17 07:00")],
    }
    pd.DataFrame(rows | times).to_parquet(file)
    with pytest.raises(CellError, match="no offset from UTC"):
        read_source("sessions", file)
    frame = read_source("sessions", file, timezone="Europe/Berlin").frame
    assert frame["departure_utc"].tolist() == [pd.Timestamp("2026-06-17T05:00Z")]


def test_of_a_stated_zone_the_hour_that_comes_twice_costs_its_stay_alone(tmp_path: Path) -> None:
    text = stays(
        ("2026-10-24 18:05", "2026-10-25 07:00", "0.5"),
        ("2026-10-25 02:30", "2026-10-25 09:00", "0.5"),
        ("2026-10-25T02:30+01:00", "2026-10-25 09:00", "0.5"),
    )
    source = read(tmp_path, "sessions", text, timezone="Europe/Berlin")
    assert source.frame["arrival_utc"].isna().tolist() == [False, True, False]
    assert source.frame["arrival_utc"][2] == pd.Timestamp("2026-10-25T01:30Z")
    assert any("row 2 (2026-10-25 02:30)" in note and "twice" in note for note in source.notes)
