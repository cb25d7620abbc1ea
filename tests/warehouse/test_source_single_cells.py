"""One bad cell costs its row; a column that is bad throughout, or naive times, the file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from data_checks import check_frame
from tests.data_checks.builders import context
from warehouse.contracts import dataset_contract
from warehouse.errors import CellError, OptionError, UnitError
from warehouse.sources import SourceFile, read_source
from warehouse.sources.cells import Cells
from warehouse.sources.mapping import load_mapping
from warehouse.sources.single import spared

PRICES = "zone,interval_start_utc,resolution_minutes,price_eur_per_mwh\n"
SESSIONS = "session_id,battery_id,arrival_utc,departure_utc,arrival_soc,departure_soc\n"


def read(tmp_path: Path, dataset: str, text: str, **options: object) -> SourceFile:
    file = tmp_path / "rows.csv"
    file.write_text(text, encoding="utf-8")
    return read_source(dataset, file, **options)


def hours(*prices: str) -> str:
    return PRICES + "".join(f"CZ,2025-07-04T{n:02d}:00:00Z,60,{price}\n" for n, price in enumerate(prices))


def sessions(*rows: tuple[str, str, str]) -> str:
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
    source = read(tmp_path, "sessions", sessions((*first, "unavailable"), (*second, "0.5")))
    assert source.frame["arrival_soc"].isna().tolist() == [True, False]
    assert "'unavailable'" in source.notes[0]
    assert "row 1" in source.notes[0]


def test_times_of_sessions_without_an_offset_are_refused_with_a_hint(tmp_path: Path) -> None:
    text = sessions(("2026-06-16 21:30:00", "2026-06-17 07:00:00", "0.5"))
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


def test_of_a_stated_zone_the_hour_that_comes_twice_costs_its_session_alone(tmp_path: Path) -> None:
    text = sessions(
        ("2026-10-24 18:05", "2026-10-25 07:00", "0.5"),
        ("2026-10-25 02:30", "2026-10-25 09:00", "0.5"),
        ("2026-10-25T02:30+01:00", "2026-10-25 09:00", "0.5"),
    )
    source = read(tmp_path, "sessions", text, timezone="Europe/Berlin")
    assert source.frame["arrival_utc"].isna().tolist() == [False, True, False]
    assert source.frame["arrival_utc"][2] == pd.Timestamp("2026-10-25T01:30Z")
    assert any("row 2 (2026-10-25 02:30)" in note and "twice" in note for note in source.notes)


def columns(**rules: str) -> str:
    """A mapping of German times: column → the header it comes from, and more of its rule."""
    text = 'timezone = "Europe/Berlin"\ndelimiter = ";"\ndecimal = ","\n'
    return text + "".join(f"[columns.{name}]\n{rule}\n" for name, rule in rules.items())


GERMAN = 'from = "{}"\nformat = "%d.%m.%Y %H:%M"'
MAPPED_SESSIONS = columns(
    session_id='from = "id"', battery_id='from = "car"', arrival_utc=GERMAN.format("in"),
    departure_utc=GERMAN.format("out"), arrival_soc='from = "soc"\nunit = "percent"',
    departure_soc="constant = 0.8",
)  # fmt: skip
MAPPED_PRICES = columns(
    zone='from = "area"\nvalues = { A = "DE-LU", B = "FR" }', interval_start_utc=GERMAN.format("start"),
    resolution_minutes='from = "minutes"', price_eur_per_kwh='from = "price"\nunit = "EUR/MWh"',
)  # fmt: skip


def mapped(tmp_path: Path, dataset: str, toml: str, lines: list[str]) -> SourceFile:
    (tmp_path / "map.toml").write_text(toml, encoding="utf-8")
    mapping = load_mapping(tmp_path / "map.toml", dataset)
    return read(tmp_path, dataset, "\n".join(lines), source=mapping.source, **mapping.options)


SESSION = "b;ev01;16.06.2026 18:05;17.06.2026 07:00;40"
INTERVAL = "A;25.10.2026 04:00;60;1,5"


def test_a_mapped_session_of_the_hour_that_comes_twice_is_set_aside_alone(tmp_path: Path) -> None:
    lines = [
        "id;car;in;out;soc",
        "a1;ev01;24.10.2026 18:05;25.10.2026 07:00;40",
        "a2;ev02;25.10.2026 02:30;25.10.2026 09:00;40",
        "a3;ev01;25.10.2026 18:05;26.10.2026 07:00;40",
    ]
    source = mapped(tmp_path, "sessions", MAPPED_SESSIONS, lines)
    assert source.frame["arrival_utc"].isna().tolist() == [False, True, False]
    assert source.frame["arrival_utc"][0] == pd.Timestamp("2026-10-24T16:05Z")
    assert source.frame["departure_utc"][2] == pd.Timestamp("2026-10-26T06:00Z")
    assert any("row 2 (25.10.2026 02:30)" in note and "has twice" in note for note in source.notes)


def price_lines(*, hours: int = 25, changed: dict[int, str] | None = None) -> list[str]:
    starts = pd.date_range("2026-10-24T22:00Z", periods=hours, freq="60min").tz_convert("Europe/Berlin")
    lines = [f"A;{start:%d.%m.%Y %H:%M};60;{n},5" for n, start in enumerate(starts)]
    for at, line in (changed or {}).items():
        lines[at] = line
    return ["area;start;minutes;price", *lines]


def test_mapped_prices_of_the_hour_that_comes_twice_are_distinguished_by_their_order(tmp_path: Path) -> None:
    frame = mapped(tmp_path, "prices", MAPPED_PRICES, price_lines()).frame
    assert frame["interval_start_utc"].tolist() == list(
        pd.date_range("2026-10-24T22:00Z", periods=25, freq="60min")
    )
    header, *lines = price_lines()
    turned = mapped(tmp_path, "prices", MAPPED_PRICES, [header, *reversed(lines)]).frame
    assert turned["interval_start_utc"].tolist() == frame["interval_start_utc"].tolist()[::-1]


@pytest.mark.parametrize(("good", "bad", "column"), [
    ("16.06.2026 18:05", "gestern", "arrival_utc"), ("17.06.2026 07:00", "17/06/2026", "departure_utc"),
    ("16.06.2026 18:05", "29.03.2026 02:30", "arrival_utc"), ("40", "unavailable", "arrival_soc"),
    ("40", "4o", "arrival_soc"), ("A;", "X;", "zone"), ("25.10.2026 04:00", "morgen", "interval_start_utc"),
    (";60;", ";1h;", "resolution_minutes"), ("1,5", "k.A.", "price_eur_per_kwh"),
    ("1,5", "1.5.2", "price_eur_per_kwh"),
])  # fmt: skip
def test_one_bad_cell_of_a_mapped_file_costs_its_row(
    tmp_path: Path, good: str, bad: str, column: str
) -> None:
    if good in SESSION:
        rest = "{};ev02;1{}.06.2026 18:05;1{}.06.2026 22:00;40"
        lines = [rest.format("a", 5, 5), SESSION.replace(good, bad), rest.format("c", 7, 7)]
        lines.insert(0, "id;car;in;out;soc")
        source, row = mapped(tmp_path, "sessions", MAPPED_SESSIONS, lines), 1
    else:
        lines = price_lines(changed={5: INTERVAL.replace(good, bad)})
        source, row = mapped(tmp_path, "prices", MAPPED_PRICES, lines), 5
    assert source.frame.index[source.frame[column].isna()].tolist() == [row]
    needed = [one.name for one in dataset_contract(source.dataset) if not one.nullable]
    assert source.frame.drop(index=row)[needed].notna().all().all()
    assert any(bad.strip(";") in note and f"row {row + 1}" in note for note in source.notes)


def test_a_mapped_column_that_is_bad_throughout_refuses_the_file(tmp_path: Path) -> None:
    lines = price_lines(changed={at: f"A;{at};60;1,5" for at in range(20)})
    with pytest.raises(CellError, match=r"row 1, column start: '0' is not a local time"):
        mapped(tmp_path, "prices", MAPPED_PRICES, lines)


def test_a_typed_cell_that_cannot_be_costs_its_row_alone(tmp_path: Path) -> None:
    """As a spreadsheet or Parquet has them: numbers, no text."""
    cells = Cells(file="f.xlsx", column="SOC", data=pa.array([20.0, 100.4, 50.0, None, 80.0]))
    values, (note,) = spared(cells, Cells.percents)
    assert values.isna().tolist() == [False, True, False, True, False]
    assert "row 2 (100.4) is not a percentage" in note
    with pytest.raises(CellError, match=r"row 1, column SOC: '400.0' is not a percentage"):
        spared(Cells(file="f.xlsx", column="SOC", data=pa.array([400.0, 100.4, 50.0])), Cells.percents)


def test_shares_in_a_column_of_per_cent_are_another_unit() -> None:
    for item, bad in (
        ([0.2, 0.47, 0.8], True),
        ([0.5, 1.0], False),
        ([0.0, 1.0, 1.0], False),
        ([0.5, 3, 80], False),
    ):
        cells = Cells(file="f.csv", column="battery_level", data=pa.array([float(one) for one in item]))
        if bad:
            with pytest.raises(UnitError, match="battery_level: looks like shares 0 to 1"):
                cells.percents()
        else:
            assert cells.percents().tolist() == pytest.approx([one / 100 for one in item])


def test_one_unknown_zone_or_odd_session_id_is_left_to_the_checks(tmp_path: Path) -> None:
    source = read(tmp_path, "prices", hours("1", "2", "3").replace("CZ,2025-07-04T01", "CZZ,2025-07-04T01"))
    assert source.frame["zone"].tolist() == ["CZ", "CZZ", "CZ"]
    with pytest.raises(CellError, match="'CZZ' is not a known bidding zone"):
        read(tmp_path, "prices", hours("1", "2", "3").replace("CZ,", "CZZ,"))
    night = ("2026-06-16T21:10:00Z", "2026-06-17T07:00:00Z")
    text = sessions((*night, "0.5"), (*night, "0.5"), (*night, "0.5"))
    frame = read(tmp_path, "sessions", text.replace("s1,", "TX/2026/1,")).frame
    assert frame["session_id"].tolist() == ["s0", "TX/2026/1", "s2"]
    report = check_frame(
        "sessions",
        frame.assign(source_id="a", received_utc=pd.Timestamp("2026-06-20T00:00Z")),
        context(battery_ids=frozenset({"ev0", "ev1", "ev2"}), as_of_utc=pd.Timestamp("2026-06-20T00:00Z")),
    )
    assert report.quarantine[["source_row", "rule"]].to_numpy().tolist() == [[2, "id"]]
