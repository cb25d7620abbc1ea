"""Time-of-use tariffs: hand-computed prices of seasons, weekdays, fees and clock changes, and faults."""

import datetime as dt
import re

import pandas as pd
import pytest

from tests.warehouse.builders import SHARED_DATA
from warehouse.errors import (
    CellError,
    ColumnError,
    OptionError,
    OversizedFileError,
    SourceError,
    UndecodableFileError,
    UnitError,
)
from warehouse.sources import read_source
from warehouse.sources.rawfile import RawFile
from warehouse.sources.read import parse_source
from warehouse.sources.tariffs import toml_tariff

ACN = SHARED_DATA / "payloads" / "tou_tariffs_acnportal"
DEPOT = """
name = "Depot"
currency = "EUR"
from = 2026-01-01
until = 2027-12-31
vat = 0.25
taxes_per_kwh = 0.02
discharge_premium_per_kwh = 0.01

[[season]]
name = "summer, weekdays"
from = "04-01"
to = "09-30"
days = "weekdays"
demand_charge_per_kw = 12.5
[[season.period]]
start = "00:00"
energy_per_kwh = 0.10
grid_fee_per_kwh = 0.04
feed_in_per_kwh = 0.05
[[season.period]]
start = "16:30"
energy_per_kwh = 0.30
grid_fee_per_kwh = 0.08
feed_in_per_kwh = 0.20

[[season]]
name = "summer, weekends"
from = "04-01"
to = "09-30"
days = ["sat", "sun"]
[[season.period]]
start = "00:00"
energy_per_kwh = 0.08

[[season]]
name = "winter"
from = "10-01"
to = "03-31"
days = "all"
[[season.period]]
start = "00:00"
energy_per_kwh = 0.12
[[season.period]]
start = "02:00"
energy_per_kwh = 0.06
[[season.period]]
start = "03:00"
energy_per_kwh = 0.15
"""
FRIDAY, SATURDAY = dt.date(2026, 6, 12), dt.date(2026, 6, 13)


def read(text, dataset="tariffs", days=(FRIDAY,), zone="DE-LU", **options):
    data = text if isinstance(text, bytes) else text.encode()
    given = {"days": list(days), "zone": zone} | options
    return parse_source(dataset, RawFile(name="depot.toml", data=data), source="tou", **given)


def at(source, moment, direction="import"):
    frame = source.frame
    if "direction" in frame:
        frame = frame[frame["direction"] == direction]
    start = pd.Timestamp(moment, tz="Europe/Berlin").tz_convert("UTC")
    return frame.set_index("interval_start_utc")["price_eur_per_kwh"].loc[start]


def test_what_is_paid_and_earned_at_the_plug():
    source = read(DEPOT)
    frame = source.frame
    assert frame["resolution_minutes"].unique().tolist() == [30]
    assert frame["direction"].value_counts().to_dict() == {"import": 48, "export": 48}
    assert at(source, "2026-06-12T16:00") == pytest.approx((0.10 + 0.04 + 0.02) * 1.25)
    assert at(source, "2026-06-12T16:30") == pytest.approx((0.30 + 0.08 + 0.02) * 1.25)
    assert at(source, "2026-06-12T16:00", "export") == pytest.approx(0.05 + 0.01)
    assert at(source, "2026-06-12T16:30", "export") == pytest.approx(0.20 + 0.01)
    bought = frame[frame["direction"] == "import"]
    assert bought["demand_charge_eur_per_kw"].unique().tolist() == [12.5]
    assert frame[frame["direction"] == "export"]["demand_charge_eur_per_kw"].isna().all()
    assert set(frame["source_row"]) == {1, 2}


def test_nothing_is_sold_where_no_feed_in_is_reported():
    source = read(DEPOT, days=[SATURDAY])
    assert source.frame["direction"].unique().tolist() == ["import"]
    assert source.frame["source_row"].unique().tolist() == [3]
    assert at(source, "2026-06-13T12:00") == pytest.approx((0.08 + 0.02) * 1.25)


def test_as_market_price_it_is_the_energy_alone_and_says_what_is_left_out():
    source = read(DEPOT, dataset="prices")
    assert len(source.frame) == 48
    assert at(source, "2026-06-12T16:30") == 0.30
    assert source.notes[-1] == (
        "left out, since a market price holds none of them: taxes, VAT, the discharge premium, grid fees, "
        "the demand charge"
    )


@pytest.mark.parametrize(
    ("day", "cheap", "slots"),
    [(dt.date(2026, 3, 29), 0, 46), (dt.date(2026, 10, 25), 4, 50), (dt.date(2026, 1, 31), 2, 48)],
    ids=["the hour from 2 is skipped", "it comes twice", "once"],
)
def test_local_periods_follow_the_clock(day, cheap, slots):
    source = read(DEPOT, dataset="prices", days=[day])
    assert len(source.frame) == slots
    assert (source.frame["price_eur_per_kwh"] == 0.06).sum() == cheap


def test_several_days_are_written_out_in_order_once():
    days = [SATURDAY, FRIDAY, FRIDAY]
    frame = read(DEPOT, dataset="prices", days=days).frame
    assert len(frame) == 96
    assert frame["interval_start_utc"].is_monotonic_increasing


def test_another_currency_with_its_rate():
    text = DEPOT.replace('"EUR"', '"DKK"')
    with pytest.raises(OptionError, match="in DKK; tell with rate"):
        read(text)
    source = read(text, rate=0.134)
    assert at(source, "2026-06-12T16:30") == pytest.approx((0.30 + 0.08 + 0.02) * 1.25 * 0.134)
    assert source.frame["demand_charge_eur_per_kw"].max() == pytest.approx(12.5 * 0.134)


def test_the_example_in_the_documentation_is_a_tariff():
    example = re.search(r"\n\n(    name = .*?)\nEvery day", toml_tariff.__doc__, re.DOTALL)[1]
    source = read(example, days=[dt.date(2026, 2, 1)])
    assert at(source, "2026-02-01T16:00") == pytest.approx((0.2667 + 0.0205) * 1.19)
    assert at(source, "2026-02-01T16:00", "export") == pytest.approx(0.09 + 0.02)


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ('to = "03-31"', 'to = "03-30"', ColumnError, "seasons: leave out, on mon 03-31"),
        ('days = ["sat", "sun"]', 'days = "all"', ColumnError,
         "seasons: hold more than once: 'summer, weekdays', 'summer, weekends', on mon 04-01"),
        ('days = "all"', 'days = "weekday"', CellError, "row 3, column days: .* is neither all, weekdays"),
        ('days = "all"', "days = []", CellError, "column days"),
        ('days = "all"', 'days = ["mo"]', CellError, "column days"),
        ('start = "16:30"', 'start = "16:20"', CellError, "row 1, column period 2 start: .*quarter-hour"),
        ('start = "16:30"', 'start = "24:00"', CellError, "on a quarter-hour"),
        ('start = "16:30"', 'start = "00:00"', CellError, "row 1, column period: do not begin at 00:00"),
        ('start = "02:00"', 'start = "03:30"', CellError, "row 3, column period: do not begin"),
        ('from = "10-01"', 'from = "02-30"', CellError, "row 3, column from: .*not a day of the year"),
        ('from = "10-01"', 'from = "13-01"', CellError, "not a day of the year"),
        ("from = 2026-01-01", 'from = "soon"', CellError, "column from: .*not a date"),
        ("from = 2026-01-01", "from = 2026-01-01T00:00:00Z", CellError, "not a date"),
        ("energy_per_kwh = 0.30", "energy_per_kwh = nan", CellError, "is not a number"),
        ("energy_per_kwh = 0.30", "energy_per_kwh = inf", CellError, "is not a number"),
        ("energy_per_kwh = 0.30", "energy_per_kwh = true", CellError, "is not a number"),
        ("energy_per_kwh = 0.30", 'energy_per_kwh = "0,30"', CellError, "is not a number"),
        ("energy_per_kwh = 0.30", "energy_per_kwh = 1e9", CellError, "is not a price from -1000 to 1000"),
        ("energy_per_kwh = 0.30", "energy = 0.30", ColumnError, "is not a key; did you mean 'energy_per"),
        ("vat = 0.25", "vat = 25", CellError, "column vat: '25' is not a share"),
        ("vat = 0.25", "wat = 0.25", ColumnError, "column wat: is not a key; did you mean 'vat'"),
        ("demand_charge_per_kw = 12.5", "demand_charge_per_kw = -1", CellError, "is not a price from 0"),
        ("feed_in_per_kwh = 0.20", "", CellError, "periods with feed_in_per_kwh and others without"),
        ('name = "Depot"', "", ColumnError, "column name: is missing"),
        ('name = "Depot"', 'name = "Depot"\nname = "x"', UndecodableFileError, "is not TOML"),
        ("[[season]]", "[[seasonn]]", ColumnError, "column seasonn: is not a key; did you mean 'season'"),
        ('name = "Depot"', "name = 7", CellError, "column name: '7' is not text"),
        ("0.10", "100", UnitError, "cannot be in its unit"),
    ],
)  # fmt: skip
def test_faults_are_named(old, new, error, message):
    assert old in DEPOT
    with pytest.raises(error, match=message):
        read(DEPOT.replace(old, new))


@pytest.mark.parametrize(
    ("days", "zone", "message"),
    [
        ([], "DE-LU", "column date: must be given"),
        (
            [dt.date(2025, 12, 31)],
            "DE-LU",
            "is not in force: Depot holds from 2026-01-01 until 2027-12-31",
        ),
        ([dt.date(2028, 1, 1)], "DE-LU", "is not in force"),
        ([FRIDAY], None, "column zone: is needed"),
    ],
)
def test_options(days, zone, message):
    with pytest.raises(OptionError, match=message):
        read(DEPOT, days=days, zone=zone)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\xff\xfe", UndecodableFileError),
        (b"a = " + b"[" * 100_000, UndecodableFileError),
        (b"[[season]]", SourceError),
        (b"{" * 100_000, SourceError),
        (b'{"name": ' + b"[" * 40 + b"]" * 40 + b"}", OversizedFileError),
        (b'{"name": "x"}', ColumnError),
        (b"<html></html>", UndecodableFileError),
        (DEPOT.encode() + b"#" * 2**20, OversizedFileError),
        (DEPOT.encode() + DEPOT[DEPOT.index("[[season]]") :].encode() * 40, ColumnError),
    ],
)
def test_what_is_no_tariff(data, error):
    with pytest.raises(error):
        read(data)


@pytest.mark.skipif(not ACN.exists(), reason="no shared data with tariffs of acnportal")
class TestAcnportal:
    """Prices of the files in US dollars, taken as 0.9 € each; local times are those of the zone given."""

    @staticmethod
    def read(name, day, dataset="tariffs"):
        return read_source(dataset, ACN / f"{name}.json", source="tou", zone="DE-LU", days=[day], rate=0.9)

    @pytest.mark.parametrize(
        ("name", "moment", "dollars", "demand"),
        [
            ("sce_tou_ev_4_march_2019", "2026-07-01T12:00", 0.26668, 15.51),
            ("sce_tou_ev_4_march_2019", "2026-07-01T11:00", 0.0925, 15.51),
            ("sce_tou_ev_4_march_2019", "2026-07-04T12:00", 0.05623, 15.51),
            ("sce_tou_ev_4_march_2019", "2026-12-31T17:00", 0.0869, 15.51),
            ("sce_tou_ev_4_march_2019_tou_periods_shifted", "2026-07-04T16:00", 0.0925, 15.51),
            ("sce_tou_ev_4_march_2019_tou_periods_shifted", "2026-02-01T08:00", 0.06087, 15.51),
            ("sce_tou_ev_8_june_2019", "2026-09-30T20:00", 0.49619, 0.0),
            ("sce_tou_ev_8_june_2019", "2026-10-01T20:00", 0.297, 0.0),
            ("sce_tou_ev_8_oct_2018", "2026-09-30T21:00", 0.05993, 0.0),
            ("sce_tou_ev_8_oct_2018", "2026-10-01T08:00", 0.03964, 0.0),
        ],
    )
    def test_prices(self, name, moment, dollars, demand):
        source = self.read(name, dt.date.fromisoformat(moment[:10]))
        assert at(source, moment) == pytest.approx(dollars * 0.9)
        assert source.frame["demand_charge_eur_per_kw"].unique().tolist() == [pytest.approx(demand * 0.9)]
        assert source.frame["direction"].unique().tolist() == ["import"]
        assert source.notes[0] == "1 USD was taken as 0.9 EUR"

    def test_a_schedule_with_two_winters_is_refused(self):
        with pytest.raises(ColumnError, match="hold more than once: 'Winter-Weekday', 'Winter-Weekend'"):
            self.read("pge_a10_tou_aug_2019", dt.date(2026, 7, 1))

    def test_before_it_was_in_force(self):
        with pytest.raises(OptionError, match="SCE TOU-EV-4 holds from 2019-03-01"):
            self.read("sce_tou_ev_4_march_2019", dt.date(2019, 2, 28))

    def test_every_file_is_named_here(self):
        stated = {case[0] for case in self.test_prices.pytestmark[0].args[1]} | {"pge_a10_tou_aug_2019"}
        assert {file.stem for file in ACN.glob("*.json")} == stated
