"""What is peculiar to publishers' files: marks, places, money, bad cells, and what is no day-ahead price."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from tests.warehouse import published_abroad as layouts
from tests.warehouse.books import book_of
from tests.warehouse.published_abroad import ABROAD
from tests.warehouse.published_layouts import Layout
from tests.warehouse.test_published_prices import DAYS, grid, invented, read
from warehouse.errors import CellError, ColumnError, EmptyFileError, OptionError
from warehouse.sources import read_source
from warehouse.zones import ZONES, OwnZone, define_zones, publication

SPOILT = {
    "nyiso": (",61758,91.0", ",61758,x"),
    "ercot": (", 90.00,", ", n/a,"),
    "pjm": (",90.0,1,2,TRUE", ",,1,2,TRUE"),
    "aemo": (",90.0,TRADE", ",null,TRADE"),
    "elering": ('"90,00"', '"-"'),
    "elprisetjustnu": ('"EUR_per_kWh": 0.09,', '"EUR_per_kWh": null,'),
    "elexon": ('"price": 90.0,', '"price": "unavailable",'),
    "comed, hours": ('"price": "9.0"', '"price": "nan"'),
    "entsoe, file library": ("\t90.0\tEUR\t2026-01-02", "\tn/e\tEUR\t2026-01-02"),
    "ote, csv": (";90,00", ";"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_bad_price_costs_its_interval_alone_and_is_reported(tmp_path: Path, name: str) -> None:
    layout, (good, bad) = ABROAD[name], SPOILT[name]
    starts = grid(DAYS[layout.timezone][1], layout.minutes[-1], layout.timezone)
    text = layout.write(starts, layout.minutes[-1], invented(len(starts)))
    assert good in text
    source = read(tmp_path, text.replace(good, bad, 1), layout.source, **layout.options)
    prices = source.frame["price_eur_per_kwh"]
    assert int(prices.isna().sum()) == 1
    assert len(source.frame) == len(starts) * len(layout.zones)
    assert any("missing" in note or "no value" in note for note in source.notes)


@pytest.mark.parametrize("name", [name for name in SPOILT if name not in ("ote, csv", "comed, hours")])
def test_a_bad_time_costs_its_interval_alone_and_is_reported(tmp_path: Path, name: str) -> None:
    layout = ABROAD[name]
    starts = grid(DAYS[layout.timezone][1], layout.minutes[-1], layout.timezone)
    text = layout.write(starts, layout.minutes[-1], invented(len(starts)))
    at = {
        "nyiso": "06/24/2026 05:00\",\"HUD", "ercot": "06/24/2026,05:00,HB_NORTH",
        "pjm": "6/24/2026 9:00:00 AM,6/24/2026 5:00:00 AM,51288", "aemo": "2026/06/24 05:00:00",
        "elering": str(int(starts[5].timestamp())),
        "elprisetjustnu": "2026-06-24T05:00:00+02:00\", \"time_end", "elexon": "\"settlementPeriod\": 48,",
        "entsoe, file library": f"{starts[5]:%Y-%m-%d %H:%M:%S}\tPT60M\t10YAT",
    }[name]  # fmt: skip
    assert at in text
    spoilt = '"settlementPeriod": null,' if name == "elexon" else "yesterday" + at[9:]
    source = read(tmp_path, text.replace(at, spoilt, 1), layout.source, **layout.options)
    assert len(source.frame) == len(starts) * len(layout.zones) - (2 if name == "elering" else 1)
    assert any("1 rows were left out" in note for note in source.notes)


@pytest.mark.parametrize("turned", [False, True])
def test_weeks_of_new_york_are_distinguished_by_the_order_alone(tmp_path: Path, *, turned: bool) -> None:
    starts = grid(dt.date(2026, 10, 28), 60, layouts.NEW_YORK, days=9)
    prices = invented(len(starts))
    header, *lines = layouts.nyiso(starts, 60, prices).split("\n")
    text = "\n".join([header, *(reversed(lines) if turned else lines)])
    own = read(tmp_path, text, "nyiso", rate=1.0, zone="NYISO-NYC").frame
    assert own["interval_start_utc"].tolist() == list(starts)
    assert own["price_eur_per_kwh"].tolist() == pytest.approx([price / 1000 for price in prices])


def test_one_pass_alone_of_the_hour_is_left_out_where_no_flag_tells(tmp_path: Path) -> None:
    starts = grid(dt.date(2026, 11, 1), 60, layouts.NEW_YORK)
    text = layouts.nyiso(starts, 60, invented(25))
    lines = text.split("\n")
    source = read(tmp_path, "\n".join([*lines[:3], *lines[5:]]), "nyiso", rate=1.0, zone="NYISO-NYC")
    assert set(starts) - set(source.frame["interval_start_utc"]) == {starts[1], starts[2]}
    assert any("has twice, and nothing tells" in note for note in source.notes)


def test_a_mark_on_the_second_pass_alone_is_one(tmp_path: Path) -> None:
    starts = grid(dt.date(2026, 10, 25), 15)
    header, *lines = layouts.nordpool_portal(starts, 15, invented(100)).split("\n")
    for at in range(12, 16):
        lines[at] = lines[at].replace(" 02:", " 02a:")
    mixed = [*lines[:8], *lines[12:16], *lines[8:12], *lines[16:]]
    frame = read(tmp_path, "\n".join([header, *mixed]), "nordpool", zone="SE1").frame
    assert frame["interval_start_utc"].tolist() == list(starts)


def test_a_file_over_the_change_to_five_minutes_is_read_at_both_lengths(tmp_path: Path) -> None:
    brisbane = "Australia/Brisbane"
    halves, fives = (
        grid(dt.date(2021, 9, 30), 30, brisbane),
        grid(dt.date(2021, 10, 1), 15, brisbane),
    )
    text = layouts.aemo(halves, 30, [50.0] * len(halves))
    text += "\r\n" + "\r\n".join(layouts.aemo(fives, 15, [70.0] * len(fives)).split("\r\n")[1:])
    frame = read(tmp_path, text, "aemo", rate=1.0).frame
    assert frame["interval_start_utc"].tolist() == [*halves, *fives]
    assert frame["resolution_minutes"].tolist() == [30] * 48 + [15] * 96
    assert frame["price_eur_per_kwh"].tolist() == pytest.approx([0.05] * 48 + [0.07] * 96)


def test_a_quarter_hour_needs_all_its_five_minutes(tmp_path: Path) -> None:
    starts = grid(dt.date(2026, 6, 24), 15, layouts.CHICAGO)
    items = json.loads(layouts.comed_five(starts, 15, [20.0] * 96))
    del items[4]
    source = read(tmp_path, json.dumps(items), "comed", rate=1.0)
    assert len(source.frame) == 95
    assert any("1 quarter-hours were left out" in note for note in source.notes)


def test_where_nothing_was_traded_zero_is_no_price(tmp_path: Path) -> None:
    starts = grid(dt.date(2026, 6, 24), 30, layouts.LONDON)
    text = layouts.elexon(starts, 30, invented(48)).replace("APXMIDP", "OTHER")
    with pytest.raises(EmptyFileError, match="holds no price"):
        read(tmp_path, text, "elexon", rate=1.2)
    traded = layouts.elexon_csv(starts, 30, [0.0] * 47 + [12.0])
    frame = read(tmp_path, traded, "elexon", rate=1.0).frame
    assert frame["price_eur_per_kwh"].tolist() == [0.0] * 47 + [0.012]


def test_periods_count_the_hours_that_london_has(tmp_path: Path) -> None:
    day = dt.date(2026, 3, 29)
    text = (
        layouts.elexon_csv(grid(day, 30, layouts.LONDON), 30, invented(46))
        + "\nMID,APXMIDP,2026-03-29,47,9,9"
    )
    source = read(tmp_path, text, "elexon", rate=1.0)
    assert len(source.frame) == 46
    assert any("is no period of a day of 46" in note for note in source.notes)


def test_zones_with_other_money_cost_the_others_nothing(tmp_path: Path) -> None:
    starts = grid(dt.date(2026, 6, 24), 60)
    text = layouts.library(starts, 60, invented(24))
    source = read(tmp_path, text, "entsoe")
    assert any("zone GB was left out: its prices are in GBP" in note for note in source.notes)
    frame = read(tmp_path, text, "entsoe", zone="GB", rate=1.2).frame
    assert frame["price_eur_per_kwh"].tolist() == pytest.approx([p * 1.2e-3 for p in invented(24)])
    with pytest.raises(OptionError, match="tell with rate"):
        read(tmp_path, text, "entsoe", zone="GB")
    with pytest.raises(OptionError, match="of which zone"):
        read(tmp_path, text, "entsoe", rate=1.2)


def test_a_file_of_one_node_stands_for_the_zone_that_is_reported(tmp_path: Path) -> None:
    starts = grid(dt.date(2026, 6, 24), 60, layouts.CHICAGO)
    text = layouts.ercot_yearly(starts, 60, invented(24)).replace("HB_NORTH", "7RNCHSLR_ALL")
    with pytest.raises(OptionError, match="price of 7RNCHSLR_ALL is that of no zone"):
        read(tmp_path, text, "ercot", rate=1.0)
    assert set(read(tmp_path, text, "ercot", rate=1.0, zone="ERCOT-LZ_WEST").frame["zone"]) == {
        "ERCOT-LZ_WEST"
    }


def test_the_zone_of_a_day_is_in_the_name_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "06-24_SE4.json"
    starts = grid(dt.date(2026, 6, 24), 60)
    file.write_text(layouts.elprisetjustnu(starts, 60, invented(24)))
    assert set(read_source("prices", file, source="elprisetjustnu").frame["zone"]) == {"SE4"}
    with pytest.raises(OptionError, match="contradicts"):
        read_source("prices", file, source="elprisetjustnu", zone="SE1")


def test_the_day_of_a_sheet_is_given_by_its_titles_and_its_name(tmp_path: Path) -> None:
    starts = grid(dt.date(2026, 6, 24), 15, layouts.PRAGUE)
    data = layouts.ote(starts, 15, invented(96))
    wrong = tmp_path / "DT_15MIN_25_06_2026_CZ.xlsx"
    wrong.write_bytes(data)
    with pytest.raises(OptionError, match=r"of which day.*2026-06-24, 2026-06-25"):
        read_source("prices", wrong, source="ote")
    bare = [["Period", "Time interval", "15 min price (EUR/MWh)"], *([n, "", 5.0] for n in range(1, 97))]
    with pytest.raises(OptionError, match="names no day"):
        read(tmp_path, book_of(bare), "ote")
    named = tmp_path / "DT_15MIN_24_06_2026_EN.xlsx"
    named.write_bytes(book_of(bare))
    assert read_source("prices", named, source="ote").frame["interval_start_utc"].tolist() == list(starts)


@pytest.mark.parametrize(
    ("text", "source", "error", "message"),
    [
        (
            "DeliveryDate,DeliveryHour,DeliveryInterval,SettlementPoint,SettlementPointPrice\n1,1,1,a,1\n",
            "ercot", ColumnError, "real-time market",
        ),
        (
            "datetime_beginning_utc,pnode_name,total_lmp_rt\n1/1/2026 5:00:00 AM,DOM,1\n",
            "pjm", ColumnError, "total_lmp_da",
        ),
        (
            '"Time Stamp","Name","PTID","LBMP ($/MWHr)"\n"06/24/2026 00:05:00","WEST",1,20\n',
            "nyiso", CellError, "does not begin on 60 full minutes",
        ),
        (
            '{"data": [{"settlementDate": "2026-06-24", "settlementPeriod": 1, "systemSellPrice": 9}]}',
            "elexon", ColumnError, "market index prices are read",
        ),
        ("[]", "comed", EmptyFileError, "not published yet"),
        ('[{"millisUTC":"1434686700","price":"2.0"}]', "comed", CellError, "is no time in milliseconds"),
        ("a;b\n1;2\n", "elering", ColumnError, "Ajatempel"),
        ("a;b\n1;2\n", "ote", ColumnError, "no header of OTE"),
    ],
)  # fmt: skip
def test_what_is_no_day_ahead_price_is_refused_with_the_reason(
    tmp_path: Path, text: str, source: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read(tmp_path, text, source, **({} if source in ("elering", "ote") else {"rate": 1.0}))


def test_money_of_abroad_needs_its_rate(tmp_path: Path) -> None:
    for layout in ABROAD.values():
        if "rate" in layout.options:
            starts = grid(DAYS[layout.timezone][1], layout.minutes[0], layout.timezone)
            text = layout.write(starts, layout.minutes[0], invented(len(starts)))
            with pytest.raises(OptionError, match="tell with rate"):
                read(tmp_path, text, layout.source)


def test_zones_beyond_europe_have_their_own_clock_and_hour_of_publication() -> None:
    day = dt.date(2026, 6, 24)
    assert ZONES["ERCOT-HB_NORTH"] == layouts.CHICAGO
    assert publication(day, "ERCOT-HB_NORTH") == pd.Timestamp("2026-06-23T18:30Z")
    assert publication(day, "NYISO-NYC") == pd.Timestamp("2026-06-23T15:00Z")
    assert publication(day, "DE-LU") == pd.Timestamp("2026-06-23T10:57Z")
    assert publication(day, "SA1") == pd.Timestamp("2026-06-23T14:30Z")


def test_every_layout_of_this_list_is_of_a_source() -> None:
    assert all(isinstance(layout, Layout) for layout in ABROAD.values())
    assert len({layout.source for layout in ABROAD.values()}) >= 11


def test_elering_over_the_markets_change_to_quarter_hours_loses_none(tmp_path: Path) -> None:
    """The auction of 1 October 2025 begins at midnight in Berlin, an hour into the day of Tallinn."""
    change = pd.Timestamp("2025-09-30T22:00Z")
    hours = pd.date_range(change - pd.Timedelta(hours=25), change, freq="h", inclusive="left")
    quarters = pd.date_range(change, change + pd.Timedelta(hours=24), freq="15min", inclusive="left")
    stamps = [*hours, *quarters]
    lines = ["Ajatempel (UTC);Kuupäev (Eesti aeg);NPS Eesti"]
    lines += [f"{int(one.timestamp())};x;{number % 90},5" for number, one in enumerate(stamps)]
    frame = read(tmp_path, "\n".join(lines), "elering").frame
    assert frame["resolution_minutes"].tolist() == [60] * 25 + [15] * 96


def test_days_of_aemo_that_follow_on_as_month_and_day_alone_are_refused(tmp_path: Path) -> None:
    layout = ABROAD["aemo"]
    starts = grid(dt.date(2026, 4, 6), 30, layout.timezone, days=4)
    text = layout.write(starts, 30, invented(len(starts)))
    assert len(read(tmp_path, text, "aemo", **layout.options).frame)
    turned = re.sub(r"2026/(\d\d)/(\d\d)", lambda found: f"{int(found[1])}/{int(found[2])}/2026", text)
    with pytest.raises(CellError, match="follow on only as month/day"):
        read(tmp_path, turned, "aemo", **layout.options)


@pytest.mark.parametrize(("name", "own"), [("comed, hours", "COMED"), ("ote, csv", "CZ")])
def test_the_zone_of_a_publisher_of_one_is_its_own_or_one_of_ours_by_its_clock(
    tmp_path: Path, name: str, own: str
) -> None:
    layout, clock = ABROAD[name], ZONES[own]
    define_zones({f"OURS-{own}": OwnZone(timezone=clock, published=None)})
    define_zones({"THEIRS": OwnZone(timezone="UTC", published=None)})
    text = layout.write(grid(dt.date(2026, 6, 24), 60, clock), 60, invented(24))
    for zone in (own, f"OURS-{own}"):
        frame = read(tmp_path, text, layout.source, **{**layout.options, "zone": zone}).frame
        assert set(frame["zone"]) == {zone}
    for zone in ("DE-LU", "THEIRS"):
        with pytest.raises(OptionError, match=f"'{zone}' contradicts the source, which is of {own}"):
            read(tmp_path, text, layout.source, **{**layout.options, "zone": zone})
