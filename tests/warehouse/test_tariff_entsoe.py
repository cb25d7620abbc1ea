"""ENTSO-E documents built piece by piece: curves, sequences, overlaps, and every way of being none."""

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.warehouse.a44 import document, period, series
from warehouse.errors import (
    CellError,
    ColumnError,
    OptionError,
    ProviderError,
    SourceError,
    UndecodableFileError,
    UnitError,
)
from warehouse.sources.rawfile import RawFile
from warehouse.sources.read import parse_source
from warehouse.sources.tariffs.eic import EIC
from warehouse.zones import ZONES


def read(text, **options):
    data = text if isinstance(text, bytes) else text.encode()
    return parse_source("prices", RawFile(name="a44.xml", data=data), source="entsoe", **options)


def mwh(source):
    return (source.frame["price_eur_per_kwh"] * 1000).round(6).tolist()


SIX = ("2024-01-01T00:00Z", "2024-01-01T06:00Z")
FLAT_DAY = ("2026-06-13T22:00Z", "2026-06-14T22:00Z")


def test_points_left_out_of_an_a03_curve_repeat_the_one_before_and_name_its_row():
    text = document(series(period(*SIX, "PT1H", {1: 50, 3: 55, 6: 60})))
    source = read(text)
    assert mwh(source) == [50, 50, 55, 55, 55, 60]
    assert source.frame["source_row"].tolist() == [1, 1, 2, 2, 2, 3]


@settings(max_examples=60, deadline=None)
@given(
    prices=st.lists(st.sampled_from([-5.0, 0.0, 12.34, 99.99]), min_size=96, max_size=96),
    order=st.randoms(use_true_random=False),
    stored=st.lists(st.booleans(), min_size=96, max_size=96),
)
def test_any_curve_comes_back_whichever_repeated_points_are_left_out_in_whatever_order(prices, order, stored):
    needed = [n for n in range(96) if n == 0 or stored[n] or prices[n] != prices[n - 1]]
    order.shuffle(needed)
    text = document(series(period(*FLAT_DAY, "PT15M", {n + 1: prices[n] for n in needed})))
    assert mwh(read(text)) == prices


def test_points_left_out_of_another_curve_stay_missing():
    source = read(document(series(period(*SIX, "PT60M", {1: 50, 3: 55}), curve="A01")))
    assert mwh(source) == [50, 55]
    assert (source.frame["interval_start_utc"].diff().dropna() == pd.Timedelta(hours=2)).all()


def test_one_point_may_stand_for_a_whole_day():
    source = read(document(series(period(*FLAT_DAY, "PT15M", {1: 12.5}))))
    assert len(source.frame) == 96
    assert set(mwh(source)) == {12.5}


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [("2026-03-28T23:00Z", "2026-03-29T22:00Z", 23), ("2026-10-24T22:00Z", "2026-10-25T23:00Z", 25)],
)
@pytest.mark.parametrize(("resolution", "minutes"), [("PT60M", 60), ("PT30M", 30), ("PT15M", 15)])
def test_days_of_the_clock_change(start, end, hours, resolution, minutes):
    points = {position: position for position in range(1, hours * 60 // minutes + 1)}
    source = read(document(series(period(start, end, resolution, points))))
    assert len(source.frame) == hours * 60 // minutes
    assert mwh(source) == list(points.values())
    assert source.frame["interval_start_utc"].iloc[-1] == pd.Timestamp(end) - pd.Timedelta(minutes=minutes)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_of_two_sequences_the_first_auction_is_taken_wherever_it_stands(order):
    prices = {1: 100.0, 2: 200.0}
    text = document(
        *(series(period(*FLAT_DAY, "PT15M", {1: prices[n]}), number=n, sequence=n) for n in order)
    )
    source = read(text)
    assert set(mwh(source)) == {100.0}
    assert source.notes == ("series 2 (96 intervals) was left out: sequence 2 is another auction",)


def test_another_auction_alone_is_no_day_ahead_price():
    with pytest.raises(ProviderError, match="holds sequence 2 alone"):
        read(document(series(period(*FLAT_DAY, "PT15M", {1: 1}), sequence=2)))


@pytest.mark.parametrize(("day", "stored"), [(dt.date(2025, 9, 30), 60), (dt.date(2025, 10, 1), 15)])
def test_of_unnumbered_overlapping_series_the_resolution_of_the_coupled_auction_is_taken(day, stored):
    bounds = (f"{day - dt.timedelta(days=1)}T22:00Z", f"{day}T22:00Z")
    text = document(
        series(period(*bounds, "PT60M", {1: 60.0})), series(period(*bounds, "PT15M", {1: 15.0}), number=2)
    )
    source = read(text)
    assert source.frame["resolution_minutes"].unique().tolist() == [stored]
    assert set(mwh(source)) == {float(stored)}
    assert "intervals were left out that another resolution covers too" in source.notes[0]


def test_one_resolution_alone_is_taken_as_it_is():
    assert len(read(document(series(period(*FLAT_DAY, "PT60M", {1: 60.0})))).frame) == 24


def test_series_that_repeat_each_other_count_once():
    day = series(period(*FLAT_DAY, "PT15M", {1: 12.5, 40: 13.0}))
    source = read(document(day, day))
    assert len(source.frame) == 96
    assert source.notes == ("96 items that repeat another were left out",)


def test_series_that_contradict_each_other():
    text = document(
        series(period(*FLAT_DAY, "PT15M", {1: 12.5})), series(period(*FLAT_DAY, "PT15M", {1: 13.0}), number=2)
    )
    with pytest.raises(CellError, match=r"covers 2026-06-13 22:00 UTC, as row 1 does with 12\.5"):
        read(text)


def test_intraday_series_are_left_out():
    text = document(
        series(period(*FLAT_DAY, "PT15M", {1: 12.5})),
        series(period(*FLAT_DAY, "PT15M", {1: 99}), number=2, kind="A07"),
    )
    assert set(mwh(read(text))) == {12.5}


def test_another_currency_wants_its_rate():
    text = document(series(period(*FLAT_DAY, "PT60M", {1: 500}), zone="SE3", currency="SEK"))
    with pytest.raises(OptionError, match="in SEK; tell with rate"):
        read(text)
    source = read(text, rate=0.09)
    assert set(mwh(source)) == {45.0}
    assert source.notes == ("1 SEK was taken as 0.09 EUR",)
    assert source.options == '{"rate": "0.09"}'


def test_a_rate_for_euros_is_refused():
    with pytest.raises(OptionError, match="a rate would change them"):
        read(document(series(period(*FLAT_DAY, "PT60M", {1: 50}))), rate=1.1)


def test_the_zone_given_must_be_the_documents():
    text = document(series(period(*FLAT_DAY, "PT60M", {1: 50}), zone="AT"))
    assert read(text, zone="AT").frame["zone"].unique().tolist() == ["AT"]
    with pytest.raises(OptionError, match="'FR' contradicts the answer, which is of AT"):
        read(text, zone="FR")


GOOD = document(series(period(*SIX, "PT60M", {1: 50, 2: 51})))


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        (
            "<position>2<",
            "<position>7<",
            CellError,
            r"row 2, column position: '7' lies outside its period of 6",
        ),
        ("<position>2<", "<position>0<", CellError, "'0' lies outside"),
        ("<position>2<", "<position>1<", CellError, "'1' is there twice"),
        ("<position>2<", "<position>2.5<", CellError, "'2.5' is not a whole number"),
        ("<position>1<", "<position>3<", ColumnError, "position: 1 is missing in the period from 2024-01-01"),
        (">51<", ">51,5<", CellError, r"row 2, column price.amount: '51,5' is not a number"),
        (">51<", ">NaN<", CellError, "'NaN' is not a number"),
        (">51<", ">1e400<", CellError, "is not a number"),
        (">51<", "><", ColumnError, r"row 2, column price.amount: is missing in Point"),
        ("PT60M", "PT4S", CellError, "'PT4S' is none of PT15M, PT30M, PT60M, PT1H"),
        ("T06:00Z</end>", "T06:10Z</end>", CellError, "PT60M does not divide the period"),
        ("T06:00Z</end>", "T00:00Z</end>", CellError, "does not divide the period"),
        ("2024-01-01T06:00Z</end>", "2099-01-01T06:00Z</end>", CellError, "does not divide the period"),
        ("2024-01-01T00:00Z", "0001-01-01T00:00Z", CellError, "is not a time like"),
        ("2024-01-01T00:00Z", "2024-01-01T00:00", CellError, "is not a time like"),
        (">MWH<", ">KWH<", UnitError, "is 'KWH', not MWH"),
        (">A44<", ">A65<", ProviderError, "is a document of type A65, not A44"),
        (">A01<", ">A07<", ProviderError, "holds no day-ahead series"),
        (EIC["DE-LU"], "10YXX-NOBODY---X", CellError, "is not the EIC code of a known bidding zone"),
        ("<Period>", "<Perio>", UndecodableFileError, "is not well-formed XML"),
        ("</Publication_MarketDocument>", "", UndecodableFileError, "is not well-formed XML"),
        ('<?xml version="1.0"?>', "stray", UndecodableFileError, "is not well-formed XML"),
    ],
)
def test_faults_are_named(old, new, error, message):
    assert old in GOOD
    with pytest.raises(error, match=message):
        read(GOOD.replace(old, new))


BOMB = '<!DOCTYPE lol [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
FILE = '<!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
REMOTE = '<!DOCTYPE f SYSTEM "http://127.0.0.1:9/evil.dtd">'


@pytest.mark.parametrize("head", [BOMB, FILE, REMOTE], ids=["entity bomb", "external file", "external type"])
def test_document_types_and_entities_are_refused(head):
    name = "&c;" if head is BOMB else "&x;" if head is FILE else "x"
    text = GOOD.replace('<?xml version="1.0"?>', f'<?xml version="1.0"?>{head}').replace(">51<", f">{name}<")
    with pytest.raises(UndecodableFileError, match="document type or entities, which is refused"):
        read(text)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (
            b"<!DOCTYPE html><html><title>Log in</title></html>",
            ProviderError,
            r"is a web page \('Log in'\), not XML",
        ),
        (b"  <HTML><body>no", ProviderError, "is a web page, not XML"),
        (b"PK\x03\x04rest", UndecodableFileError, "zip of documents"),
        (b"PK\x03\x04xl/workbook.xml", UndecodableFileError, r"is a workbook \(xlsx\)"),
        (b"PAR1rest", UndecodableFileError, "is Parquet; the publisher's own"),
        (b"\xff\xfe<\x00a\x00/\x00", UndecodableFileError, "is not well-formed XML"),
        (b"<a/>", UndecodableFileError, "is a a, not a Publication_MarketDocument"),
        (b'{"a": 1}', UndecodableFileError, "is not well-formed XML"),
        (b"\0\0\0", UndecodableFileError, "is not well-formed XML"),
        (b"<a>" * 100_000, SourceError, "is not well-formed XML"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', UndecodableFileError, "is not well-formed XML"),
    ],
)
def test_what_is_no_document(data, error, message):
    with pytest.raises(error, match=message):
        read(data)


def test_every_zone_with_an_eic_code_is_one_we_know_and_no_code_is_shared():
    assert set(EIC) <= set(ZONES)
    assert len(set(EIC.values())) == len(EIC)
    assert all(len(code) == 16 for code in EIC.values())
