"""Answers of the JSON providers, small and built by hand.

Those of aWATTar and Tibber, of which nothing was recorded, follow their public API documentation.
"""

import json

import pandas as pd
import pytest

from warehouse.errors import (
    CellError,
    ColumnError,
    OptionError,
    OversizedFileError,
    ProviderError,
    SourceError,
    UndecodableFileError,
    UnitError,
)
from warehouse.sources.rawfile import RawFile
from warehouse.sources.read import parse_source
from warehouse.sources.tariffs import PROVIDERS

SUMMER = 1781388000  # 2026-06-13T22:00Z, midnight in Berlin


def read(source, value, dataset="prices", **options):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return parse_source(dataset, RawFile(name="answer.json", data=data), source=source, **options)


def rows(source, unit=1000.0):
    frame = source.frame
    return list(
        zip(
            frame["interval_start_utc"].dt.strftime("%dT%H:%M"),
            frame["resolution_minutes"],
            (frame["price_eur_per_kwh"] * unit).round(6),
            strict=True,
        )
    )


def energy_charts(minutes, prices, unit="EUR / MWh"):
    seconds = [SUMMER + 60 * minute for minute in minutes]
    return {"license_info": "CC BY 4.0", "unix_seconds": seconds, "price": prices, "unit": unit}


def test_energy_charts_quarter_hours_with_spaces_in_the_unit_and_its_own_licence():
    source = read("energy_charts", energy_charts([0, 15, 30], [80, -5.5, 90]), zone="DE-LU")
    assert rows(source) == [("13T22:00", 15, 80), ("13T22:15", 15, -5.5), ("13T22:30", 15, 90)]
    assert source.licence == "CC BY 4.0"


def test_energy_charts_null_is_a_missing_price_not_a_missing_row():
    source = read("energy_charts", energy_charts([0, 60, 120], [80, None, 90]), zone="DE-LU")
    assert source.frame["price_eur_per_kwh"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("minutes", "lengths"),
    [
        ([0, 60, 120, 135, 150], [60, 60, 15, 15, 15]),
        ([0, 15, 30, 45, 60, 120, 180], [15, 15, 15, 15, 60, 60, 60]),
        ([0, 60, 180, 240], [60, 60, 60, 60]),
        ([0, 15, 30, 90, 105], [15, 15, 15, 15, 15]),
        ([0, 15, 30, 90], [15, 15, 15, 15]),
        ([0, 30, 45, 60], [15, 15, 15, 15]),
    ],
    ids=[
        "hours then quarters",
        "quarters then hours",
        "an hour missing",
        "quarters missing",
        "missing at the end",
        "missing after the first",
    ],
)
def test_an_interval_lasts_to_the_next_but_not_over_a_gap(minutes, lengths):
    source = read("energy_charts", energy_charts(minutes, [50.0] * len(minutes)), zone="DE-LU")
    assert source.frame["resolution_minutes"].tolist() == lengths


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"unit": "EUR/MW"}, UnitError, "is 'EUR/MW', not a currency per kWh or MWh"),
        ({"unit": "CHF/MWh"}, OptionError, "in CHF; tell with rate"),
        ({"price": [1.0]}, ColumnError, "has 1 values next to 3 of unix_seconds"),
        ({"price": [1.0, "x", "y"]}, CellError, r"row 2, column price: '\"x\"' is not a number"),
        ({"price": [1.0, True, "y"]}, CellError, "row 2, column price: 'true' is not a number"),
        ({"unix_seconds": [SUMMER, SUMMER, SUMMER]}, CellError, "is 0 minutes from its neighbour"),
        ({"unix_seconds": [SUMMER, SUMMER - 3600, SUMMER]}, CellError, "is -60 minutes from its neighbour"),
        ({"unix_seconds": [SUMMER * 1000.0] * 3}, CellError, "is no Unix time in seconds"),
        ({"unix_seconds": [], "price": []}, ProviderError, "holds no prices"),
        ({"unix_seconds": 7}, CellError, "'7' is not a list"),
    ],
)
def test_energy_charts_faults(changed, error, message):
    with pytest.raises(error, match=message):
        read("energy_charts", energy_charts([0, 60, 120], [1.0, 2.0, 3.0]) | changed, zone="DE-LU")


def test_energy_charts_error_in_its_own_words():
    with pytest.raises(ProviderError, match="is an error, not prices: bidding zone unknown"):
        read("energy_charts", {"detail": "bidding zone unknown"}, zone="DE-LU")


def awattar(*hours, unit="Eur/MWh"):
    return {
        "object": "list",
        "data": [
            {
                "start_timestamp": (SUMMER + 3600 * hour) * 1000,
                "end_timestamp": (SUMMER + 3600 * (hour + 1)) * 1000,
                "marketprice": price,
                "unit": unit,
            }
            for hour, price in enumerate(hours)
        ],
        "url": "/de/v1/marketdata",
    }


def test_awattar():
    assert rows(read("awattar", awattar(80.5, -3), zone="AT")) == [
        ("13T22:00", 60, 80.5),
        ("13T23:00", 60, -3),
    ]
    with pytest.raises(OptionError, match="zone: is needed"):
        read("awattar", awattar(80.5))
    with pytest.raises(UnitError, match="Eur/MW'"):
        read("awattar", awattar(80.5, unit="Eur/MW"), zone="AT")
    with pytest.raises(ProviderError, match="holds no prices"):
        read("awattar", awattar(), zone="AT")


def octopus(*items, **more):
    listed = [
        {"value_exc_vat": exc, "value_inc_vat": inc, "valid_from": start, "valid_to": end}
        for start, end, exc, inc in items
    ]
    return {"count": len(listed), "next": None, "previous": None, "results": listed} | more


HALF_HOURS = (
    ("2026-06-14T00:30:00Z", "2026-06-14T01:00:00Z", 20.0, 21.0),
    ("2026-06-14T00:00:00Z", "2026-06-14T00:30:00Z", -10.0, -10.5),
)


def test_octopus_newest_first_without_vat_in_pence():
    source = read("octopus", octopus(*HALF_HOURS), rate=1.2)
    assert rows(source, 100 / 1.2) == [("14T00:00", 30, -10), ("14T00:30", 30, 20)]
    assert source.frame["zone"].unique().tolist() == ["GB"]
    assert source.notes == ("1 GBP was taken as 1.2 EUR", "rates are those without VAT")


@pytest.mark.parametrize(("source", "direction"), [("octopus", "import"), ("octopus_export", "export")])
def test_octopus_as_retail_tariff_is_what_is_paid_at_the_plug(source, direction):
    read_in = read(source, octopus(*HALF_HOURS), dataset="tariffs", rate=1.2)
    assert rows(read_in, 100 / 1.2) == [("14T00:00", 30, -10.5), ("14T00:30", 30, 21)]
    assert read_in.frame["direction"].unique().tolist() == [direction]
    assert read_in.frame["demand_charge_eur_per_kw"].isna().all()


def test_octopus_faults():
    with pytest.raises(CellError, match="row 1, column valid_to: has no end"):
        read("octopus", octopus(("2026-06-14T00:00:00Z", None, 1, 1)), rate=1.2)
    with pytest.raises(CellError, match="ends 1440 minutes after its start"):
        read("octopus", octopus(("2026-06-14T00:00:00Z", "2026-06-15T00:00:00Z", 1, 1)), rate=1.2)
    both = (HALF_HOURS[0], (*HALF_HOURS[0][:2], 22.0, 23.0))
    with pytest.raises(CellError, match=r"row 2, column value_exc_vat: '22\.0' covers 2026-06-14 00:30 UTC"):
        read("octopus", octopus(*both), rate=1.2)
    with pytest.raises(CellError, match="is not an ISO 8601 time with its offset"):
        read("octopus", octopus(("2026-06-14T00:00:00", "2026-06-14T00:30:00Z", 1, 1)), rate=1.2)
    with pytest.raises(ProviderError, match=r"is an error, not rates: Not found\."):
        read("octopus", {"detail": "Not found."}, rate=1.2)
    page = read("octopus", octopus(*HALF_HOURS, next="https://…page=2"), rate=1.2)
    assert "the answer goes on in a further page, which is not in this file" in page.notes


@pytest.mark.parametrize("rate", [0, -1.2, float("nan"), float("inf"), 5000])
def test_a_rate_that_is_none(rate):
    with pytest.raises(OptionError, match="is not the euros that one GBP is worth"):
        read("octopus", octopus(*HALF_HOURS), rate=rate)


def nordpool(*prices, areas=("SE3", "SE4"), currency="EUR", **more):
    entries = [
        {
            "deliveryStart": f"2026-06-13T22:{15 * n:02}:00Z",
            "deliveryEnd": f"2026-06-13T{22 + (n + 1) // 4}:{15 * (n + 1) % 60:02}:00Z",
            "entryPerArea": dict.fromkeys(areas, price),
        }
        for n, price in enumerate(prices)
    ]
    said = {"market": "DayAhead", "deliveryAreas": list(areas), "multiAreaEntries": entries}
    return said | {"currency": currency} | more


def test_nordpool_of_several_areas_the_zone_chooses():
    source = read("nordpool", nordpool(10, 11, 12, 13), zone="SE4")
    assert [row[1:] for row in rows(source)] == [(15, 10), (15, 11), (15, 12), (15, 13)]
    assert source.frame["zone"].unique().tolist() == ["SE4"]
    with pytest.raises(OptionError, match="zone: is needed to choose among SE3, SE4"):
        read("nordpool", nordpool(10))
    with pytest.raises(OptionError, match="'FI' is not in the answer, which holds SE3, SE4"):
        read("nordpool", nordpool(10), zone="FI")


def test_nordpool_money_market_and_state():
    assert read("nordpool", nordpool(10, areas=("GER",))).frame["zone"].unique().tolist() == ["DE-LU"]
    with pytest.raises(OptionError, match="in SEK; tell with rate"):
        read("nordpool", nordpool(100, currency="SEK"), zone="SE3")
    with pytest.raises(ProviderError, match="holds the market 'N2EX_DayAhead', not DayAhead"):
        read("nordpool", nordpool(10, market="N2EX_DayAhead"), zone="SE3")
    states = [{"state": "Preliminary", "areas": ["SE3"]}, {"state": "Final", "areas": ["SE4"]}]
    assert read("nordpool", nordpool(10, areaStates=states), zone="SE3").notes == (
        "the prices are Preliminary, not Final",
    )
    assert read("nordpool", nordpool(10, areaStates=states), zone="SE4").notes == ()


def easyenergy(*walls, granularity="hour", unit="kWh"):
    return {
        "prices": [
            {"from": wall, "until": wall, "price": number / 100, "unit": unit, "granularity": granularity}
            for number, wall in enumerate(walls, start=1)
        ]
    }


def test_easyenergy_tells_the_repeated_hour_apart_by_its_place():
    walls = [f"2026-10-25T0{hour}:00:00.0000000" for hour in (1, 2, 2, 3)]
    starts = [row[0] for row in rows(read("easyenergy", easyenergy(*walls)))]
    assert starts == ["24T23:00", "25T00:00", "25T01:00", "25T02:00"]


def test_easyenergy_faults():
    with pytest.raises(CellError, match=r"row 1, column from: .* is a time that the local clock skipped"):
        read("easyenergy", easyenergy("2026-03-29T02:00:00"))
    with pytest.raises(CellError, match="is not a local time, without offset"):
        read("easyenergy", easyenergy("2026-06-14T00:00:00Z"))
    with pytest.raises(CellError, match="is not a local time like"):
        read("easyenergy", easyenergy("14.06.2026"))
    with pytest.raises(CellError, match="is neither hour nor quarter"):
        read("easyenergy", easyenergy("2026-06-14T00:00:00", granularity="day"))
    with pytest.raises(ProviderError, match="holds no prices"):
        read("easyenergy", easyenergy())


def tibber(*homes, currency="NOK"):
    def home(prices):
        if prices is None:
            return {"currentSubscription": None}
        stated = [
            {"total": p + 0.5, "energy": p, "tax": 0.5, "startsAt": f"2026-06-14T00:{15 * n:02}:00.000+02:00",
             "currency": currency}
            for n, p in enumerate(prices)
        ]  # fmt: skip
        return {"currentSubscription": {"priceInfo": {"today": stated, "tomorrow": []}}}

    return {"data": {"viewer": {"homes": [home(prices) for prices in homes]}}}


def test_tibber_takes_the_price_without_tax():
    source = read("tibber", tibber(None, [1.0, 1.5, 2.0]), zone="NO1", rate=0.08)
    assert rows(source, 1 / 0.08) == [("13T22:00", 15, 1.0), ("13T22:15", 15, 1.5), ("13T22:30", 15, 2.0)]


def test_tibber_faults():
    with pytest.raises(ProviderError, match="is an error, not prices: invalid token"):
        read("tibber", {"errors": [{"message": "invalid token"}], "data": None}, zone="NO1")
    with pytest.raises(ProviderError, match="holds no home with prices"):
        read("tibber", tibber(None), zone="NO1")
    with pytest.raises(ProviderError, match="2 homes whose prices differ"):
        read("tibber", tibber([1.0, 2.0], [1.0, 3.0]), zone="NO1", rate=0.08)
    assert len(read("tibber", tibber([1.0, 2.0], [1.0, 2.0]), zone="NO1", rate=0.08).frame) == 2
    with pytest.raises(CellError, match="has one value: how long it holds is not reported"):
        read("tibber", tibber([1.0]), zone="NO1", rate=0.08)


def test_sahkotin_without_vat_is_divided_by_nothing():
    text = b"hour,price\n2026-06-13T21:00:00.000Z,2.5\n2026-06-13T22:00:00.000Z,-0.5\n"
    assert rows(read("sahkotin", text, vat="excluded"), 100) == [
        ("13T21:00", 60, 2.5),
        ("13T22:00", 60, -0.5),
    ]
    with pytest.raises(OptionError, match="column vat: 'yes' must be given: included or excluded"):
        read("sahkotin", text, vat="yes")
    with pytest.raises(ColumnError, match="column price: is missing"):
        read("sahkotin", text.replace(b"price", b"cost"), vat="excluded")


def energyzero(*prices):
    stated = [
        {
            "start": f"2026-06-14T0{n}:00:00Z",
            "end": f"2026-06-14T0{n + 1}:00:00Z",
            "price": {"value": str(price / 100)},
        }
        for n, price in enumerate(prices)
    ]
    return {"base": stated}


def sahkotin(*prices):
    stated = [{"date": f"2026-06-14T0{n}:00:00.000Z", "value": price} for n, price in enumerate(prices)]
    return {"prices": stated}


ANSWERS = {
    "energy_charts": (energy_charts([0, 60, 120, 180, 240], [11, 12, 13, 14, 15]), str(SUMMER + 7200)),
    "awattar": (awattar(11, 12, 13, 14, 15), f'"start_timestamp": {SUMMER + 7200}000'),
    "nordpool": (nordpool(11, 12, 13, 14, areas=("SE3",)), '"deliveryStart": "2026-06-13T22:30:00Z"'),
    "easyenergy": (
        easyenergy(*(f"2026-06-14T0{n}:00:00" for n in range(5))),
        '"from": "2026-06-14T02:00:00"',
    ),
    "energyzero": (energyzero(11, 12, 13, 14, 15), '"start": "2026-06-14T02:00:00Z"'),
    "tibber": (
        tibber([0.11, 0.12, 0.13, 0.14], currency="EUR"),
        '"startsAt": "2026-06-14T00:30:00.000+02:00"',
    ),
    "sahkotin": (sahkotin(11, 12, 13, 14, 15), '"date": "2026-06-14T02:00:00.000Z"'),
    "octopus": (
        octopus(*((f"2026-06-14T0{n}:00:00Z", f"2026-06-14T0{n}:30:00Z", n, n) for n in range(5))),
        '"valid_from": "2026-06-14T02:00:00Z"',
    ),
}


@pytest.mark.parametrize("source", ANSWERS)
def test_an_item_that_cannot_be_read_costs_its_own_interval_and_is_reported(source):
    value, third = ANSWERS[source]
    text = json.dumps(value)
    options = {"octopus": {"rate": 1.2}, "sahkotin": {"vat": "excluded"}}.get(source, {})
    if source in ("energy_charts", "awattar", "tibber", "nordpool"):
        options = {"zone": {"tibber": "NO1", "nordpool": "SE3"}.get(source, "DE-LU")}
    assert third in text
    good = read(source, value, **options).frame
    key = third[: third.find(": ") + 2] if ": " in third else ""
    bad = read(source, text.replace(third, f'{key}"yesterday"', 1).encode(), **options)
    pd.testing.assert_frame_equal(bad.frame, good.drop(index=2).reset_index(drop=True))
    assert any("1 items were left out: 3" in note and "yesterday" in note for note in bad.notes), bad.notes


def test_sahkotin_csv_with_a_broken_time_or_price_keeps_its_other_hours():
    text = "hour,price\n" + "".join(f"2026-06-14T0{n}:00:00.000Z,{n + 1}.5\n" for n in range(5))
    good = read("sahkotin", text.encode(), vat="excluded").frame
    bad = read("sahkotin", text.replace("2026-06-14T02", "yesterday").encode(), vat="excluded")
    pd.testing.assert_frame_equal(bad.frame, good.drop(index=2).reset_index(drop=True))
    assert any("yesterday" in note for note in bad.notes)
    cheap = read("sahkotin", text.replace("3.5", "cheap").encode(), vat="excluded").frame
    assert cheap["price_eur_per_kwh"].isna().tolist() == [False, False, True, False, False]


def test_of_a_repeated_hour_with_an_item_that_cannot_be_read_nothing_is_guessed():
    walls = [f"2026-10-25T0{hour}:00:00.0000000" for hour in (0, 1, 2, 2, 3)]
    text = json.dumps(easyenergy(*walls)).replace(walls[2], "now", 1)
    source = read("easyenergy", text.encode())
    assert [row[0] for row in rows(source)] == ["24T22:00", "24T23:00", "25T02:00"]
    assert any("which pass of the repeated hour" in note for note in source.notes)


JSON_SOURCES = sorted(name for name, one in PROVIDERS.items() if one.suffix == "json")
OPTIONS = {"energyzero": {}, "easyenergy": {}}
HOSTILE = {
    "a web page": (b"<!doctype html><title>502</title>", ProviderError, r"is a web page \('502'\), not JSON"),
    "deep": (b"[" * 40 + b"]" * 40, OversizedFileError, "nested deeper than 32 levels"),
    "very deep": (b"[" * 200_000, SourceError, "nested deeper|is not JSON"),
    "truncated": (b'{"data": [', UndecodableFileError, "is not JSON"),
    "not text": (b"\xff\xfe\x00", UndecodableFileError, "is not JSON"),
    "NaN": (b'{"data": NaN}', UndecodableFileError, "is not JSON: NaN is no"),
    "a huge number": (b'{"data": ' + b"9" * 5000 + b"}", UndecodableFileError, "is not JSON"),
    "a list": (b"[]", UndecodableFileError, "is a JSON list, not an object"),
    "plain words": (b"not available", UndecodableFileError, "is not JSON"),
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("source", JSON_SOURCES)
def test_what_is_no_answer(source, case):
    data, error, message = HOSTILE[case]
    with pytest.raises(error, match=message):
        read(source, data, **OPTIONS.get(source, {"rate": 1.2}), zone="NL")


@pytest.mark.parametrize("source", JSON_SOURCES)
@pytest.mark.parametrize(
    "value",
    [{}, {"data": {}}, {"data": None}, {"data": [None]}, {"results": [7]}, {"prices": [{}]}, {"base": [{}]}],
    ids=str,
)
def test_an_answer_of_another_shape_is_refused_not_read(source, value):
    with pytest.raises(SourceError):
        read(source, value, **OPTIONS.get(source, {"rate": 1.2}), zone="NL")
