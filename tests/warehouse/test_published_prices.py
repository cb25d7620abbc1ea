"""Prices as their publishers let them be downloaded: right rows at both clock changes, too."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.warehouse.books import book_of
from tests.warehouse.published_abroad import ABROAD
from tests.warehouse.published_layouts import LAYOUTS, Layout, nordpool, smard_de
from warehouse.errors import CellError, ColumnError, EmptyFileError, OptionError, UnitError
from warehouse.sources import SourceFile, read_source

DAYS = {
    "Europe/Berlin": (dt.date(2026, 3, 29), dt.date(2026, 6, 24), dt.date(2026, 10, 25)),
    "America/Los_Angeles": (dt.date(2026, 3, 8), dt.date(2026, 6, 24), dt.date(2026, 11, 1)),
    "Australia/Sydney": (dt.date(2026, 4, 5), dt.date(2026, 6, 24), dt.date(2026, 10, 4)),
}
DAYS |= {"Australia/Adelaide": DAYS["Australia/Sydney"]}
DAYS |= {f"America/{city}": DAYS["America/Los_Angeles"] for city in ("New_York", "Chicago")}
DAYS |= {f"Europe/{city}": DAYS["Europe/Berlin"] for city in ("London", "Tallinn")}
EVERY = {**LAYOUTS, **ABROAD}
CASES = [
    pytest.param(layout, day, minutes, id=f"{name} {day} {minutes}")
    for name, layout in EVERY.items()
    for day in DAYS[layout.timezone]
    for minutes in layout.minutes
]


def grid(day: dt.date, minutes: int, timezone: str = "Europe/Berlin", days: int = 1) -> pd.DatetimeIndex:
    ends = [pd.Timestamp(day + dt.timedelta(days=more), tz=timezone) for more in (0, days)]
    return pd.date_range(*ends, freq=f"{minutes}min", inclusive="left").tz_convert("UTC")


def invented(count: int) -> list[float]:
    """Prices like those of a day with sun: negative ones, and one above a thousand."""
    return [round(90.0 * np.cos(step / 7.0) + 1300.0 * (step == 5), 2) for step in range(count)]


def read(tmp_path: Path, text: str | bytes, source: str, **options: object) -> SourceFile:
    file = tmp_path / "prices.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_source("prices", file, source=source, **options)


@pytest.mark.parametrize(("layout", "day", "minutes"), CASES)
def test_every_interval_of_a_day_is_read_once_with_its_price(
    tmp_path: Path, layout: Layout, day: dt.date, minutes: int
) -> None:
    starts = grid(day, minutes, layout.timezone)
    prices = invented(len(starts))
    source = read(tmp_path, layout.write(starts, minutes, prices), layout.source, **layout.options)
    assert set(source.frame["zone"]) == set(layout.zones)
    for number, zone in enumerate(layout.zones):
        own = source.frame[source.frame["zone"] == zone]
        assert own["interval_start_utc"].tolist() == list(starts)
        assert set(own["resolution_minutes"]) == {minutes}
        stated = [(price + number) * layout.factor for price in prices]
        assert own["price_eur_per_kwh"].tolist() == pytest.approx(stated, abs=1e-9)
    assert source.frame["source_row"].is_unique


@pytest.mark.parametrize("name", ["smard, German", "entsoe", "nordpool"])
@pytest.mark.parametrize("turned", [False, True])
def test_weeks_with_the_hour_that_comes_twice_are_read_in_either_order(
    tmp_path: Path, name: str, turned: bool
) -> None:
    layout, starts = LAYOUTS[name], grid(dt.date(2026, 10, 20), 15, days=10)
    prices = invented(len(starts))
    header, *lines = layout.write(starts, 15, prices).split("\n")
    text = "\n".join([header, *(reversed(lines) if turned else lines)])
    frame = read(tmp_path, text, layout.source).frame
    own = frame[frame["zone"] == layout.zones[0]]
    assert own["interval_start_utc"].tolist() == list(starts)
    assert own["price_eur_per_kwh"].tolist() == pytest.approx([p * 1e-3 for p in prices], abs=1e-9)


def test_where_nothing_tells_the_two_passes_apart_that_hour_alone_is_left_out(tmp_path: Path) -> None:
    starts = grid(dt.date(2026, 10, 25), 15)
    header, *lines = smard_de(starts, 15, invented(len(starts))).split("\n")
    source = read(tmp_path, "\n".join([header, *lines[:8], *lines[12:16], *lines[16:]]), "smard")
    left = starts[12:16]
    assert not set(left) & set(source.frame["interval_start_utc"])
    assert len(source.frame) == len(starts) - 8
    assert any("4 rows" in note and "has twice" in note for note in source.notes)


@pytest.mark.parametrize("word", ["-", "n/e", "N/A", "SN", "", "null", "no market price", "#REF!"])
def test_a_word_for_no_price_is_a_missing_interval_and_reported(tmp_path: Path, word: str) -> None:
    starts = grid(dt.date(2026, 6, 24), 60)
    header, *lines = nordpool(starts, 60, invented(24)).split("\n")
    cells = lines[6].split(";")
    lines[6] = ";".join([*cells[:2], word, *cells[3:]])
    source = read(tmp_path, "\n".join([header, *lines]), "nordpool")
    own = source.frame[source.frame["zone"] == "FI"].set_index("interval_start_utc")["price_eur_per_kwh"]
    assert own.index[own.isna()].tolist() == [starts[6]]
    assert source.frame.loc[source.frame["zone"] == "SE3", "price_eur_per_kwh"].notna().all()
    assert any("'FI (EUR)'" in note and "row" in note and (not word or word in note) for note in source.notes)


def test_a_broken_cell_costs_its_interval_and_not_a_year(tmp_path: Path) -> None:
    starts = grid(dt.date(2026, 1, 1), 60, days=365)
    header, *lines = smard_de(starts, 60, invented(len(starts))).split("\n")
    lines[100], lines[200] = "kaputt;;;", lines[200].replace(",", ";,;", 1)[:40] + ";x;-"
    lines[200] = ";".join([*lines[201].split(";")[:2], "12,3,4", "-"])
    source = read(tmp_path, "\n".join([header, *lines]), "smard")
    frame = source.frame
    assert len(frame) == len(starts) - 1
    assert frame["price_eur_per_kwh"].isna().sum() == 1
    assert any("101 (kaputt)" in note for note in source.notes)


def test_a_zone_is_chosen_and_one_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    starts = grid(dt.date(2026, 6, 24), 60)
    text = nordpool(starts, 60, invented(24))
    assert set(read(tmp_path, text, "nordpool", zone="SE3").frame["zone"]) == {"SE3"}
    with pytest.raises(OptionError, match="is not in the file, which holds FI, SE3"):
        read(tmp_path, text, "nordpool", zone="DE-LU")


def test_money_other_than_euros_needs_its_rate(tmp_path: Path) -> None:
    starts = grid(dt.date(2026, 6, 24), 60)
    text = nordpool(starts, 60, invented(24)).replace("(EUR)", "(SEK)")
    with pytest.raises(OptionError, match="the prices are in SEK; tell with rate"):
        read(tmp_path, text, "nordpool")
    source = read(tmp_path, text, "nordpool", rate=0.09)
    assert source.frame["price_eur_per_kwh"].iloc[0] == pytest.approx(90.0 * 0.09e-3)


@pytest.mark.parametrize(
    ("text", "source", "options", "error", "message"),
    [
        ("Datum von;Datum bis;Netzlast [MWh] Originalauflösungen\n", "smard", {}, EmptyFileError, "no data"),
        (
            "Datum von;Datum bis;Netzlast [MWh] Originalauflösungen\n26.06.2024 00:00;26.06.2024 01:00;1\n",
            "smard", {}, ColumnError, "a column of prices, as",
        ),
        (
            "Datum von;Datum bis;Belgien [€/MWh]\n26.06.2024 00:00;27.06.2024 00:00;1\n",
            "smard", {}, CellError, "does not last 15, 30 or 60 minutes",
        ),
        (
            "Datum von;Datum bis;Belgien [€/MWh]\n26.06.2024 00:00;26.06.2024 01:00;-\n",
            "smard", {}, EmptyFileError, "holds no price",
        ),
        (
            "Delivery Start (PST);Delivery End (PST);FI (EUR)\n25.06.2026 00:00;25.06.2026 01:00;1\n",
            "nordpool", {}, ColumnError, "unknown clock",
        ),
        (
            '"MTU (CET/CEST)","Area","Sequence","Day-ahead Price (EUR/MWh)"\n'
            '"25/06/2026 00:00:00 - 25/06/2026 01:00:00","BZN|DE-LU","2","7"\n',
            "entsoe", {}, EmptyFileError, "1 is the day-ahead auction",
        ),
        (
            "Datum (GMT+1),Day Ahead Auktion (DE-LU)\n,Leistung (MW)\n2026-06-25T00:00+0200,1\n"
            "2026-06-25T00:15+0200,1\n2026-06-25T00:30+0200,1\n",
            "energy_charts", {}, UnitError, "not reported to be in EUR/MWh",
        ),
        ("MARGINALPDBC;\n2026;6;25;101;1;1;\n", "omie", {}, CellError, "which has 96 of 15 minutes"),
        ("MARGINALPDBC;\n2024;6;25;25;1;1;\n", "omie", {}, CellError, "which has 24 of 60 minutes"),
        (
            "INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,NODE_ID,MARKET_RUN_ID,LMP_TYPE,MW\n"
            "2026-06-25T07:00:00-00:00,2026-06-25T08:00:00-00:00,SLAP_X,DAM,LMP,30\n",
            "caiso", {"rate": 0.9}, OptionError, "SLAP_X is that of no zone",
        ),
        ("[]", "amber", {"zone": "NSW1", "rate": 0.6}, EmptyFileError, "holds no interval"),
    ],
)  # fmt: skip
def test_what_is_no_price_is_refused_with_the_reason(
    tmp_path: Path, text: str, source: str, options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read(tmp_path, text, source, **options)


def test_amber_tariffs_tell_both_directions_and_five_minutes_are_averaged(tmp_path: Path) -> None:
    start = pd.Timestamp("2026-06-24T00:00Z")
    items = []
    for channel, sign in (("general", 1.0), ("feedIn", -1.0)):
        for number in range(4):
            end = start + pd.Timedelta(minutes=5 * (number + 1))
            items.append(
                f'{{"duration": 5, "startTime": "{end - pd.Timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}", '
                f'"endTime": "{end:%Y-%m-%dT%H:%M:%SZ}", "channelType": "{channel}", '
                f'"perKwh": {sign * (30 + number)}, "spotPerKwh": 9}}'
            )
    file = tmp_path / "amber.json"
    file.write_text(f"[{', '.join(items)}]")
    source = read_source("tariffs", file, source="amber", zone="NSW1", rate=0.5)
    rows = source.frame[["direction", "resolution_minutes", "price_eur_per_kwh"]].to_numpy().tolist()
    assert rows == [["import", 15, pytest.approx(0.155)], ["export", 15, pytest.approx(0.155)]]
    assert any("not all five minutes" in note for note in source.notes)
    with pytest.raises(OptionError, match="must be given"):
        read_source("prices", file, source="amber", zone="NSW1", rate=0.5)


@pytest.mark.parametrize("name", ["smard, German", "entsoe", "nordpool", "energy_charts", "caiso", "omie"])
def test_a_broken_time_costs_its_interval_and_not_the_others(tmp_path: Path, name: str) -> None:
    layout, starts = EVERY[name], grid(dt.date(2026, 6, 24), 60, EVERY[name].timezone)
    lines = layout.write(starts, 60, invented(24)).split("\n")
    good = read(tmp_path, "\n".join(lines), layout.source, **layout.options).frame
    below = lines[len(lines) // 2 :]
    at = lines.index(next(line for line in below if ",DAM," not in line or ",LMP," in line))
    lines[at] = lines[at].replace("2026", "20x6")
    source = read(tmp_path, "\n".join(lines), layout.source, **layout.options)
    names = list(good.columns)
    both = good.merge(source.frame, on=names, how="outer", indicator=True)
    assert both["_merge"].value_counts().to_dict() == {
        "both": len(good) - len(layout.zones), "left_only": len(layout.zones), "right_only": 0,
    }  # fmt: skip
    assert any("20x6" in note for note in source.notes)


WRITTEN = {
    name: layout.write(
        grid(dt.date(2026, 6, 24), layout.minutes[-1], layout.timezone),
        layout.minutes[-1],
        invented(1440 // layout.minutes[-1]),
    )
    for name, layout in EVERY.items()
}
TABLES = [name for name, text in WRITTEN.items() if isinstance(text, str) and not text.startswith(("[", "{"))]


@pytest.mark.parametrize("more", [True, False])
@pytest.mark.parametrize("name", TABLES)
def test_a_line_of_more_or_fewer_cells_costs_its_intervals_and_no_other(
    tmp_path: Path, name: str, more: bool
) -> None:
    layout, lines = EVERY[name], WRITTEN[name].replace("\r", "").split("\n")
    good = read(tmp_path, "\n".join(lines), layout.source, **layout.options).frame
    at = len(lines) // 2
    mark = max(";,\t", key=lines[at].count)
    lines[at] = lines[at] + mark if more else lines[at].rpartition(mark)[0]
    source = read(tmp_path, "\n".join(lines), layout.source, **layout.options)
    kept = source.frame.dropna(subset="price_eur_per_kwh")
    both = good.merge(kept, on=list(good.columns), how="outer", indicator=True)
    counts = both["_merge"].value_counts()
    assert (counts["left_only"] <= len(layout.zones), counts["right_only"]) == (True, 0), counts
    assert not counts["left_only"] or source.notes


@pytest.mark.parametrize(
    ("day", "minutes"), [(dt.date(2024, 10, 27), 60), (dt.date(2025, 10, 26), 15), (dt.date(2026, 6, 24), 15)]
)
@pytest.mark.parametrize("change", [("1", "77"), ("1", "x"), ("3", "20"), (None, None)])
def test_a_day_of_omie_with_a_broken_line_keeps_its_grid(
    tmp_path: Path, day: dt.date, minutes: int, change: tuple[str | None, str | None]
) -> None:
    layout, starts = EVERY["omie"], grid(day, minutes)
    first, *lines = layout.write(starts, minutes, invented(len(starts))).split("\n")
    good = read(tmp_path, "\n".join([first, *lines]), "omie").frame
    old, new = change
    if old is None:
        lines = lines[:11]  # cut short
    else:
        at = int(old) - 1
        cells = lines[at].split(";")
        lines[at] = ";".join([*cells[:3], str(new), *cells[4:]])
    frame = read(tmp_path, "\n".join([first, *lines]), "omie").frame
    same = good.merge(frame, on=["zone", "interval_start_utc", "price_eur_per_kwh", "resolution_minutes"])
    lost = len(starts) - 11 if old is None else 1
    assert len(same) == len(good) - 2 * lost


def test_rows_of_energy_charts_may_stand_in_any_order_and_twice(tmp_path: Path) -> None:
    layout, starts = LAYOUTS["energy_charts"], grid(dt.date(2026, 10, 25), 15)
    text = layout.write(starts, 15, invented(len(starts)))
    header, below, *lines = text.split("\n")
    good = read(tmp_path, text, layout.source, **layout.options).frame.drop(columns="source_row")
    for order in (lines[::-1], [*lines[:7], lines[8], lines[7], *lines[9:]], [*lines, header, below, *lines]):
        source = read(tmp_path, "\n".join([header, below, *order]), layout.source, **layout.options)
        pd.testing.assert_frame_equal(source.frame.drop(columns="source_row"), good)


def test_rows_in_another_currency_than_the_header_says_are_left_out_or_refused(tmp_path: Path) -> None:
    lines = ["MTU (CET/CEST),Day-ahead Price [EUR/MWh],Currency,BZN|DE-LU"]
    lines += [f"24.06.2026 {n:02d}:00 - 24.06.2026 {n + 1:02d}:00,{n + 40.5},EUR," for n in range(23)]
    assert len(read(tmp_path, "\n".join(lines), "entsoe").frame) == 23
    lines[4] = lines[4].replace("EUR,", "GBP,")
    source = read(tmp_path, "\n".join(lines), "entsoe")
    assert len(source.frame) == 22
    assert any("1 rows in GBP were left out" in note for note in source.notes)
    pounds = [one.replace("EUR,", "GBP,").replace("EUR/MWh", "£/MWh") for one in lines]
    assert len(read(tmp_path, "\n".join(pounds), "entsoe", rate=1.2).frame) == 23
    with pytest.raises(UnitError, match="row 1, column Currency: 'GBP' contradicts"):
        read(tmp_path, "\n".join([lines[0], *(one.replace("EUR,", "GBP,") for one in lines[1:])]), "entsoe")


@pytest.mark.parametrize(("mark", "kept"), [("CEST", 23), ("CET", 0), ("GMT", 0), ("EEST", 0)])
def test_marks_of_another_clock_than_the_headers_are_no_times(tmp_path: Path, mark: str, kept: int) -> None:
    lines = ["MTU (CET/CEST),Day-ahead Price [EUR/MWh],Currency,BZN|DE-LU"]
    clock = [f"24.06.2026 {n:02d}:00 ({mark})" for n in range(24)]
    lines += [f"{clock[n]} - {clock[n + 1]},{n + 40.5},EUR," for n in range(23)]
    if not kept:
        with pytest.raises(CellError, match="is marked with another clock than Europe/Paris shows then"):
            read(tmp_path, "\n".join(lines), "entsoe")
        return
    assert len(read(tmp_path, "\n".join(lines), "entsoe").frame) == kept


def test_hours_of_zones_that_lie_half_an_hour_next_to_utc_are_hours_of_their_clock(tmp_path: Path) -> None:
    starts = grid(dt.date(2026, 6, 24), 60, "Australia/Adelaide")
    lines = ["zone,interval_start_utc,resolution_minutes,price_eur_per_kwh"]
    lines += [f"SA1,{one:%Y-%m-%dT%H:%M:%SZ},60,{0.05 + 0.001 * n:.3f}" for n, one in enumerate(starts)]
    file = tmp_path / "prices.csv"
    file.write_text("\n".join(lines))
    assert len(read_source("prices", file, source="csv").frame) == 24
    file.write_text("\n".join(lines).replace("SA1", "NSW1"))
    with pytest.raises(CellError, match="begins next to the grid of its 60 minutes"):
        read_source("prices", file, source="csv")


def test_days_at_a_markets_cap_are_believed_of_who_states_the_unit(tmp_path: Path) -> None:
    starts = grid(dt.date(2026, 6, 24), 60)
    source = read(tmp_path, LAYOUTS["smard, English"].write(starts, 60, [4000.0] * 24), "smard")
    assert set(source.frame["price_eur_per_kwh"].round(2)) == {4.0}


def test_a_short_line_of_omie_costs_its_own_interval(tmp_path: Path) -> None:
    starts = grid(dt.date(2026, 6, 24), 15)
    first, *lines = LAYOUTS["omie"].write(starts, 15, invented(96)).split("\n")
    lines[5] = "2026;6;24;"
    source = read(tmp_path, "\n".join([first, *lines]), "omie")
    assert len(source.frame) == 2 * 95
    assert any("1 rows were left out" in note for note in source.notes)


@pytest.mark.parametrize("cut", [2, 5, 9])
def test_a_line_of_omie_that_is_cut_within_a_number_costs_its_interval(tmp_path: Path, cut: int) -> None:
    starts = grid(dt.date(2026, 6, 24), 15)
    text = LAYOUTS["omie"].write(starts, 15, [100.0 + n / 8 for n in range(96)]).rstrip().removesuffix("*")
    whole = read(tmp_path, text, "omie").frame
    frame = read(tmp_path, text.rstrip()[:-cut], "omie").frame
    kept = frame.dropna(subset="price_eur_per_kwh")
    assert len(kept) == len(whole) - 2
    messages = ["zone", "interval_start_utc", "resolution_minutes", "price_eur_per_kwh"]
    assert len(kept.merge(whole, on=messages)) == len(kept)


def test_prices_of_nord_pool_may_be_numbers_of_a_spreadsheet(tmp_path: Path) -> None:
    times = [f"24.06.2026 {hour:02d}:00" for hour in range(24)]
    prices = [float(hour) if hour % 2 else hour + 0.125 for hour in range(23)] + [-1.5]
    cells = list(zip(times, [*times[1:], "25.06.2026 00:00"], prices, strict=True))
    header = ["Delivery Start (CET)", "Delivery End (CET)", "SE3 (EUR)"]
    file = tmp_path / "day.xlsx"
    file.write_bytes(book_of([header, *map(list, cells)]))
    source = read_source("prices", file, source="nordpool")
    assert source.frame["price_eur_per_kwh"].tolist() == pytest.approx([price / 1000 for price in prices])


def test_zones_in_euros_need_no_rate_of_those_next_to_them(tmp_path: Path) -> None:
    lines = ["Delivery Start (CET),Delivery End (CET),SE3 (EUR),UK (GBP)"]
    lines += [f"24.06.2026 {n:02d}:00:00,24.06.2026 {n + 1:02d}:00:00,{n + 40.5},80" for n in range(23)]
    text = "\n".join(lines)
    source = read(tmp_path, text, "nordpool")
    assert set(source.frame["zone"]) == {"SE3"}
    assert any("zone GB is in GBP: with --rate" in note for note in source.notes)
    both = read(tmp_path, text, "nordpool", rate=1.2).frame.groupby("zone")["price_eur_per_kwh"].first()
    assert both.to_dict() == pytest.approx({"GB": 0.096, "SE3": 0.0405})
    with pytest.raises(OptionError, match="the zones are in GBP, NOK"):
        read(tmp_path, text.replace("SE3 (EUR)", "NO1 (NOK)"), "nordpool", rate=1.2)
