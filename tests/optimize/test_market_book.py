"""Whatever a tariff book cannot mean is reported with file, key and value."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from optimize.errors import TermsError
from optimize.market.book import read_book
from optimize.market.prices import prices
from tests.optimize.market_books import BOOKS, shipped

GOOD = (BOOKS / "household_refund.toml").read_text(encoding="utf-8")
WINDOWS = (BOOKS / "household_module_3.toml").read_text(encoding="utf-8")
DEPOT = (BOOKS / "depot.toml").read_text(encoding="utf-8")

WRONG = {
    "an unknown key": (GOOD, "markup_eur_per_kwh", "mark_up_eur_per_kwh",
        r"energy.mark_up_eur_per_kwh is 0.018: no such key; did you mean markup_eur_per_kwh\?"),
    "an unknown table": (GOOD, "[feed_in]", "[feedin]", r"feedin is .*: no such key; did you mean feed_in\?"),
    "VAT in per cent": (GOOD, "rate = 0.19", "rate = 19",
        r"vat.rate is 19: must lie in 0 … 1, as 0.19 for 19 %"),
    "another currency": (GOOD, '"EUR"', '"CHF"', r"currency is CHF: must be EUR"),
    "a text for a price": (GOOD, "= 0.083", '= "0,083"',
        r"grid_fee.price_eur_per_kwh is 0,083: must be a number"),
    "a price in cents by far": (GOOD, "= 0.083", "= 8300.0",
        r"grid_fee.price_eur_per_kwh is 8300.0: must lie in"),
    "not a number at all": (GOOD, "= 0.083", "= nan", r"grid_fee.price_eur_per_kwh is NaN: must lie in"),
    "a refund of no tax": (GOOD, '"other_levies"]', '"levies"]',
        r"refund.of is .*: must be a list of grid_fee, "),
    "a refund of one twice": (GOOD, '"other_levies"]', '"grid_fee"]', r"refund.of is .*: names one twice"),
    "a refund of less than nothing": (GOOD, "other_levies = 0.0265", "other_levies = -0.01",
        r"refund.of is .*: one of them is -0.01 €/kWh"),
    "a method that there is not": (GOOD, "quarter_hours", "quarter-hours",
        r"refund.method is quarter-hours: must be one of quarter_hours, flat; did you mean quarter_hours\?"),
    "a key of the other method": (GOOD, "[[monthly]]\nname = \"supplier", "green_kwh_per_month = 3\n"
        "[[monthly]]\nname = \"supplier", r"refund.green_kwh_per_month is 3: no such key"),
    "no energy": (GOOD, '[energy]\nkind = "spot"\nmarkup_eur_per_kwh = 0.018\n', "",
        r"energy is absent: is needed"),
    "a date in quotes": (GOOD, "from = 2025-01-01", 'from = "2025-01-01"',
        r"from is 2025-01-01: must be a date"),
    "an end before the start": (GOOD, "from = 2025-01-01", "from = 2025-01-01\nuntil = 2024-12-31",
        r"until is 2024-12-31: must not be before 2025-01-01"),
    "a clock that there is not": (GOOD, "Europe/Berlin", "Europe/Bonn",
        r"timezone is Europe/Bonn: must be a time"),
    "a fee named twice": (GOOD, '"grid, metering"', '"supplier\'s base fee"',
        r"monthly\[2\].name is .*: is there twice"),
    "no TOML": (GOOD, "[energy]", "[energy", r"the file is no TOML: "),
    "another format": (GOOD, "format = 1", "format = 2", r"format is 2: must be 1"),
    "part of the base that there is not": (GOOD, "rate = 0.19", 'rate = 0.19\nbase = ["fees"]',
        r"vat.base is \['fees'\]: must be a list of energy, grid_fee"),
    "windows that overlap": (WINDOWS, 'start = "05:00"', 'start = "04:30"',
        r"grid_fee.season\[1\].window\[2\].start is 04:30: overlaps window 'NT' at 04:30"),
    "a time without a window": (WINDOWS, 'end = "19:00"', 'end = "18:45"',
        r"grid_fee.season\[1\].window is .*: season 'all year' has no price at 18:45"),
    "a time between quarter-hours": (WINDOWS, 'end = "05:00"', 'end = "05:10"',
        r"grid_fee.season\[1\].window\[1\].end is 05:10: must be a local time on a quarter-hour"),
    "a window of no length": (WINDOWS, 'end = "05:00"', 'end = "23:00"',
        r"window\[1\].end is 23:00: must differ"),
    "a season missing": (DEPOT, 'from = "04-01"', 'from = "04-02"',
        r"grid_fee.season is .*: mon 04-01 is missing"),
    "seasons that overlap": (DEPOT, 'to = "09-30"', 'to = "10-01"',
        r"grid_fee.season is .*: mon 10-01 is in several seasons \(winter, summer\)"),
    "a day that there is not": (DEPOT, 'from = "04-01"', 'from = "04-31"',
        r"grid_fee.season\[3\].from is 04-31: must be a day of the year"),
    "weekdays that there are not": (DEPOT, '"weekends"', '["sa"]',
        r"season\[2\].days is \['sa'\]: must be a list of mon"),
    "a fee in ct": (WINDOWS, "price_eur_per_kwh = 0.083", "price_eur_per_kwh = 8.3",
        r"season\[1\].window\[2\].price_eur_per_kwh is 8.3: must lie in -5 … 5 €; 8.3 ct are 0.083"),
    "a tax in ct": (GOOD, "levies = 0.0265", "levies = 26.5",
        r"taxes.other_levies is 26.5: must lie in -5 … 5"),
    "a charge below zero": (DEPOT, "= 11.4", "= -11.4", r"demand.price_eur_per_kw is -11.4: must lie in 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_reported_with_file_key_and_value(name: str) -> None:
    text, right, wrong, message = WRONG[name]
    assert right in text
    with pytest.raises(TermsError, match=f"^a book.toml: .*{message}"):
        read_book(text.replace(right, wrong, 1), "a book.toml")


def test_a_fixed_price_next_to_seasons_is_refused() -> None:
    both = "[grid_fee]\nprice_eur_per_kwh = 0.1\n[[grid_fee.season]]"
    text = DEPOT.replace("[grid_fee]\n[[grid_fee.season]]", both)
    with pytest.raises(TermsError, match=r"grid_fee.price_eur_per_kwh is 0.1: stands next to seasons"):
        read_book(text, "depot.toml")


def test_prices_follow_the_local_clock_over_both_clock_changes() -> None:
    book = shipped("household_module_3.toml")
    for day in ("2026-03-29", "2026-10-25"):
        slots = pd.date_range(
            pd.Timestamp(day, tz="Europe/Berlin"),
            pd.Timestamp(day, tz="Europe/Berlin") + pd.DateOffset(days=1),
            freq="15min",
            inclusive="left",
        ).tz_convert("UTC")
        buy, sell = prices(book, slots, np.zeros(len(slots)))
        hours = slots.tz_convert("Europe/Berlin").hour
        fee = np.select([(hours < 5) | (hours >= 23), (hours >= 17) & (hours < 19)], [0.015, 0.166], 0.083)
        np.testing.assert_allclose(buy, 1.19 * (0.018 + 0.0205 + 0.0166 + 0.0265 + fee), atol=1e-12)
        np.testing.assert_array_equal(sell, 0.0)
    assert len(slots) == 100


def test_what_is_not_known_sessions_unknown_where_it_counts() -> None:
    slots = pd.date_range("2026-01-05", periods=3, freq="15min", tz="UTC")
    spot = np.array([0.1, np.nan, 0.2])
    buy, sell = prices(shipped("household_pv.toml"), slots, None)
    assert np.isfinite([buy, sell]).all()
    assert np.isnan(prices(shipped("wholesale.toml"), slots, spot)).tolist() == [[False, True, False]] * 2
    np.testing.assert_array_equal(prices(shipped("wholesale.toml"), slots, None), np.zeros((2, 3)))
