"""A real year of prices, both clock changes in it."""

import datetime as dt
import re

import pandas as pd
import pytest

from tests.warehouse.builders import SMARD
from warehouse.errors import ColumnError, UnitError
from warehouse.sources import read_source
from warehouse.zones import market_day_slots

HEADER = "time,sdate,stimestart,zone_start,stimeend,zone_end,price\n"
AUTUMN = (
    "2020-10-25 01:00:00,25.10.2020,01:00,CEST,02:00,CEST,0.6\n"
    "2020-10-25 02:00:00,25.10.2020,02:00,CEST,02:00,CET,1.5\n"
    "2020-10-25 02:00:00,25.10.2020,02:00,CET,03:00,CET,0.9\n"
    "2020-10-25 03:00:00,25.10.2020,03:00,CET,03:15,CET,-1.0\n"
)
real_year = pytest.mark.skipif(not SMARD.exists(), reason=f"{SMARD.name} of the shared data is absent")


def read(tmp_path, text):
    path = tmp_path / "smard.csv"
    path.write_text(text)
    return read_source("prices", path, source="smard")


def test_labels_tell_the_repeated_hour_apart(tmp_path):
    frame = read(tmp_path, HEADER + AUTUMN).frame
    assert frame["interval_start_utc"].tolist() == [
        pd.Timestamp("2020-10-24T23:00Z") + pd.Timedelta(hours=hour) for hour in range(4)
    ]
    assert frame["resolution_minutes"].tolist() == [60, 60, 60, 15]
    assert frame["price_eur_per_kwh"].tolist() == pytest.approx([0.006, 0.015, 0.009, -0.01])


@pytest.mark.parametrize("marks", [0, 1, 2, 5])
def test_a_download_that_is_marked_as_utf8_again_is_the_same_file(tmp_path, marks):
    lines = ["Datum von;Datum bis;Deutschland/Luxemburg [€/MWh] Originalauflösungen"]
    lines += [f"26.06.2024 {n:02d}:00;26.06.2024 {n + 1:02d}:00;{n},5" for n in range(23)]
    path = tmp_path / "smard.csv"
    path.write_bytes(b"\xef\xbb\xbf" * marks + "\n".join(lines).encode())
    frame = read_source("prices", path, source="smard").frame
    assert frame["price_eur_per_kwh"].tolist() == pytest.approx([(n + 0.5) / 1000 for n in range(23)])


@real_year
@pytest.mark.parametrize(
    ("date", "hours"),
    [(dt.date(2020, 3, 29), 23), (dt.date(2020, 10, 25), 25), (dt.date(2020, 7, 5), 24)],
)
def test_every_hour_of_the_clock_change_days_is_there(date, hours):
    source = read_source("prices", SMARD, source="smard", zone="DE-LU")
    slots = market_day_slots(date, "DE-LU", minutes=60)
    assert len(slots) == hours
    day = source.frame[source.frame["interval_start_utc"].isin(slots)]
    assert len(day) == hours
    assert source.licence == "CC BY 4.0"


@real_year
def test_the_year_is_hourly_without_gap_in_euro_per_kwh():
    frame = read_source("prices", SMARD, source="smard").frame
    assert len(frame) == 367 * 24
    assert (frame["interval_start_utc"].diff().dropna() == pd.Timedelta(hours=1)).all()
    assert (frame["resolution_minutes"] == 60).all()
    assert frame["price_eur_per_kwh"].mean() == pytest.approx(0.0305, abs=0.001)


@pytest.mark.parametrize(
    ("old", "new", "row", "column", "message"),
    [
        ("CEST,02:00,CET", "MESZ,02:00,CET", 2, "interval_start_utc", "zone_start.*MESZ.*is neither CET"),
        ("2020-10-25 03:00:00", "25.10.2020 03:00", 4, "interval_start_utc", "time.*25.10.2020 03:00"),
        ("03:15", "25:15", 4, "resolution_minutes", "stimeend.*25:15.*is not a clock time"),
        ("0.9", "9O", 3, "price_eur_per_kwh", "price.*9O"),
    ],
)
def test_a_cell_that_cannot_be_read_costs_its_row_and_is_reported(tmp_path, old, new, row, column, message):
    source = read(tmp_path, (HEADER + AUTUMN).replace(old, new))
    missing = source.frame[column].isna()
    assert source.frame.loc[missing, "source_row"].tolist() == [row]
    (note,) = source.notes
    assert re.search(message, note)
    assert f"row {row}" in note


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(ColumnError, match="column stimeend: is missing"):
        read(tmp_path, (HEADER + AUTUMN).replace("stimeend", "stimestop"))


def test_prices_in_another_unit_are_refused(tmp_path):
    with pytest.raises(UnitError, match=r"column price: .*plausible"):
        read(tmp_path, HEADER + AUTUMN.replace(",0.", ",9000.").replace(",1.5", ",15000"))


def test_one_price_far_off_is_left_to_the_checks(tmp_path):
    frame = read(tmp_path, (HEADER + AUTUMN).replace(",1.5", ",1500")).frame
    assert frame["price_eur_per_kwh"].tolist() == pytest.approx([0.006, 15.0, 0.009, -0.01])
