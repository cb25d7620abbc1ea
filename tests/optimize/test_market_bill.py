"""Bills of a month against the same month reckoned by hand, to the cent, line by line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from optimize import plan_day
from optimize.errors import BillError, TermsError
from optimize.market.bill import Bill, bill, in_decimals, month_slots
from optimize.market.book import TariffBook, read_book
from optimize.market.prices import prices
from optimize.market.refund import Counted, refund_base, refund_bounds
from tests.optimize.market_books import BOOKS, counted, random_text, shipped
from tests.optimize.test_market_plan import CLOSE_EUR, a_home, billed, from_the_optimum

HEAD = 'format = 1\nname = "by hand"\ncurrency = "EUR"\ntimezone = "Europe/Berlin"\nfrom = 2025-01-01\n'
FIXED = HEAD + '[energy]\nkind = "windows"\nprice_eur_per_kwh = 0.3012\n'
Quarter = tuple[str, str, str] | tuple[str, str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class Month:
    """counted: UTC time, drawn, fed, spot, then what the store drew and returned if that is another meter."""

    book: TariffBook
    month: str
    rows: Sequence[tuple[str, ...]]
    lines: Mapping[str, str]
    total: str

    def billed(self) -> Bill:
        slots = month_slots(self.book, dt.date.fromisoformat(self.month + "-01"))
        series = {name: [Decimal(0)] * len(slots) for name in ("drawn", "fed", "spot", "stored", "returned")}
        for at, drawn, fed, spot, *store in self.rows:
            t = slots.get_loc(pd.Timestamp(at + "Z"))
            values = (drawn, fed, spot, *(store or (drawn, fed)))
            for name, value in zip(series, values, strict=True):
                series[name][t] = Decimal(value)
        spot = series.pop("spot")
        return bill(self.book, slots, Counted(**series), spot)


def book(text: str) -> TariffBook:
    return read_book(text, "by hand.toml")


BY_HAND = {
    # 250.4·0.3012 = 75.42048; 19 % of 75.42 + 9.90 = 85.32 is 16.2108
    "a fixed price, base fee and VAT": Month(
        book=book(FIXED + '[[monthly]]\nname = "base"\neur = 9.90\n[vat]\nrate = 0.19\n'),
        month="2026-01",
        rows=[("2026-01-05T12:00", "100.2", "0", "0"), ("2026-01-31T22:45", "150.2", "0", "0")],
        lines={"energy": "75.42", "base": "9.90", "VAT 19.00%": "16.21"},
        total="101.53",
    ),
    # 1.05·(10·0.08123 − 4·0.02) = 0.768915; 14·0.018 = 0.252; 14·0.083 = 1.162; 14·0.0205 = 0.287;
    # 19 % of 0.77 + 0.25 + 1.16 + 0.29 = 2.47 is 0.4693
    "spot with factor and markup, one hour below zero": Month(
        book=book(
            HEAD + '[energy]\nkind = "spot"\nfactor = 1.05\nmarkup_eur_per_kwh = 0.018\n'
            "[grid_fee]\nprice_eur_per_kwh = 0.083\n[taxes]\nelectricity_tax = 0.0205\n[vat]\nrate = 0.19\n"
        ),
        month="2026-02",
        rows=[("2026-02-03T03:00", "10", "0", "0.08123"), ("2026-02-03T11:00", "4", "0", "-0.02")],
        lines={
            "energy at spot": "0.77", "energy markup": "0.25", "grid fee": "1.16", "electricity_tax": "0.29",
            "VAT 19.00%": "0.47",
        },
        total="2.94",
    ),
    # Each of 01:45 and 03:00 local (the hour between is skipped on 29 March) is NT: 5·0.015 = 0.075;
    # 17:00 local is HT: 2·0.166 = 0.332; 21:00 is ST: 3·0.083 = 0.249; spot 10·0.1 = 1;
    # markup 10·0.018 = 0.18;
    # taxes 10·0.0205 = 0.205 → 0.21 (half up), 10·0.0166 = 0.166, 10·0.0265 = 0.265 → 0.27;
    # monthly 4.90 + 7.50 − 10.79 = 1.61; 19 % of 1 + 0.18 + 0.08 + 0.33 + 0.25 + 0.21 + 0.17 + 0.27 + 1.61
    # = 4.10 is 0.779
    "module 3 over the night when clocks go forward": Month(
        book=shipped("household_module_3.toml"),
        month="2026-03",
        rows=[
            ("2026-03-29T00:45", "2", "0", "0.1"), ("2026-03-29T01:00", "3", "0", "0.1"),
            ("2026-03-29T15:00", "2", "0", "0.1"), ("2026-03-29T19:00", "3", "0", "0.1"),
        ],
        lines={
            "energy at spot": "1.00", "energy markup": "0.18", "grid fee NT": "0.08", "grid fee ST": "0.25",
            "grid fee HT": "0.33", "electricity_tax": "0.21", "concession_levy": "0.17",
            "other_levies": "0.27", "supplier's base fee": "4.90", "grid, metering": "7.50",
            "module 1": "-10.79", "feed-in at spot": "0.00", "VAT 19.00%": "0.78",
        },
        total="4.88",
    ),
    # 20·0.3012 = 6.024; fed back 5·0.21 + 2·(−0.03) = 0.99 → −0.99; premium 7·0.02 = 0.14;
    # VAT 19 % of 6.02 is 1.1438
    "feed-in at spot with a premium, no VAT on it": Month(
        book=book(
            FIXED + '[feed_in]\nkind = "spot"\npremium_eur_per_kwh = 0.02\n[vat]\nrate = 0.19\n'
        ),
        month="2026-04",
        rows=[
            ("2026-04-01T00:00", "20", "0", "0.5"), ("2026-04-01T18:00", "0", "5", "0.21"),
            ("2026-04-30T21:45", "0", "2", "-0.03"),
        ],
        lines={
            "energy": "6.02", "feed-in at spot": "-0.99", "feed-in premium": "-0.14", "VAT 19.00%": "1.14",
        },
        total="6.03",
    ),
    # 100·0.3012 = 30.12; 60·0.0794 = 4.764 → −4.76; VAT 20 % on grid fee and feed-in alone:
    # grid fee 100·0.05 = 5 → 1.00; feed-in 4.76 → −0.952
    "VAT on the grid fee and on what is sold alone": Month(
        book=book(
            FIXED + '[grid_fee]\nprice_eur_per_kwh = 0.05\n[feed_in]\nkind = "windows"\n'
            'price_eur_per_kwh = 0.0794\n[vat]\nrate = 0.20\nbase = ["grid_fee", "feed_in"]\n'
        ),
        month="2026-05",
        rows=[("2026-05-09T04:15", "100", "0", "0"), ("2026-05-09T17:15", "0", "60", "0")],
        lines={
            "energy": "30.12", "grid fee": "5.00", "feed-in": "-4.76", "VAT 20.00%": "1.00",
            "VAT on feed-in 20.00%": "-0.95",
        },
        total="30.41",
    ),
    # Drawn 30 (the car 22 of it), fed back 12, all the car's. Q = 12. energy 30·0.3012 = 9.036;
    # fee 30·0.083 = 2.49; tax 30·0.0205 = 0.615 → 0.62; refund 12·0.083 = 0.996, 12·0.0205 = 0.246 → 0.25;
    # 19 % of 9.04 + 2.49 + 0.62 − 1.00 − 0.25 = 10.90 is 2.071
    "fees refunded on all that came back": Month(
        book=book(
            FIXED + "[grid_fee]\nprice_eur_per_kwh = 0.083\n[taxes]\nelectricity_tax = 0.0205\n"
            '[refund]\nmethod = "quarter_hours"\nof = ["grid_fee", "electricity_tax"]\n[vat]\nrate = 0.19\n'
        ),
        month="2026-06",
        rows=[
            ("2026-06-10T01:00", "30", "0", "0", "22", "0"), ("2026-06-10T19:00", "0", "12", "0", "0", "13"),
        ],
        lines={
            "energy": "9.04", "grid fee": "2.49", "electricity_tax": "0.62",
            "refund of grid fee, stored and fed back": "-1.00",
            "refund of electricity_tax, stored and fed back": "-0.25", "VAT 19.00%": "2.07",
        },
        total="12.97",
    ),
    # PV next to the car. Stored 11, of them 6 + 2 from the grid, (9) = 8, so (15) = 0.85·3 = 2.55; fed back
    # from the car 3 + 4 = (11) = 7, returned 9 < 11, (12) = 0; (16) = 7 − 2.55 = 4.45 < drawn 11.
    # The car drew 6 at NT 0.02 and 2 of the 5 at HT 0.10: mean (6·0.02 + 2·0.10)/8 = 0.04; refund 0.178.
    # energy 11·0.3012 = 3.3132; NT 6·0.02 = 0.12, HT 5·0.10 = 0.50
    "a time-variable fee refunded at its mean, PV's own apart": Month(
        book=book(
            FIXED + '[[grid_fee.season]]\nname = "year"\n[[grid_fee.season.window]]\nname = "NT"\n'
            'start = "22:00"\nend = "06:00"\nprice_eur_per_kwh = 0.02\n[[grid_fee.season.window]]\n'
            'name = "HT"\nstart = "06:00"\nend = "22:00"\nprice_eur_per_kwh = 0.10\n'
            '[refund]\nmethod = "quarter_hours"\nof = ["grid_fee"]\n'
        ),
        month="2026-07",
        rows=[
            ("2026-07-01T20:00", "6", "0", "0", "6", "0"), ("2026-07-02T04:00", "5", "0", "0", "2", "0"),
            ("2026-07-02T10:00", "0", "0", "0", "3", "0"),
            ("2026-07-02T16:00", "0", "3", "0", "0", "5"), ("2026-07-02T12:00", "0", "9", "0", "0", "4"),
        ],
        lines={
            "energy": "3.31", "grid fee NT": "0.12", "grid fee HT": "0.50",
            "refund of grid fee, stored and fed back": "-0.18",
        },
        total="3.75",
    ),
    # Fed back 450 − 400 = 50, and 200 drawn: Q = 50. energy 200·0.115 = 23; fee 200·0.083 = 16.60;
    # taxes 4.10, 3.32, 5.30; refund 50·0.083 = 4.15, ·0.0205 = 1.025 → 1.03; base 9.90;
    # 19 % of 23 + 16.60 + 4.10 + 3.32 + 5.30 − 4.15 − 1.03 + 9.90 = 57.04 is 10.8376;
    # feed-in 450·0.0794 = 35.73
    "the flat method next to PV": Month(
        book=shipped("household_pv.toml"),
        month="2025-08",
        rows=[("2025-08-03T01:00", "200", "0", "0"), ("2025-08-03T11:00", "0", "450", "0", "0", "0")],
        lines={
            "energy": "23.00", "grid fee": "16.60", "electricity_tax": "4.10", "concession_levy": "3.32",
            "other_levies": "5.30", "refund of grid fee, stored and fed back": "-4.15",
            "refund of electricity_tax, stored and fed back": "-1.03", "supplier's base fee": "9.90",
            "feed-in": "-35.73", "VAT 19.00%": "10.84",
        },
        total="32.15",
    ),
    # The hour 02:00–03:00 comes twice on 26 October, a Sunday; Monday 16:00 local is high load.
    # Spot 1.03·(50·0.1 + 50·0.1 + 80·0.2) = 26.78; markup 180·0.004 = 0.72; other times 100·0.021 = 2.10;
    # high load 80·0.062 = 4.96; tax 180·0.0205 = 3.69; peak 80·4 = 320 kW · 11.4 = 3648; metering 42;
    # feed-in 0.97·40·0.25 = 9.70, premium 0.40
    "a depot's peak, over the night when clocks go back": Month(
        book=shipped("depot.toml"),
        month="2025-10",
        rows=[
            ("2025-10-26T00:15", "50", "0", "0.1"), ("2025-10-26T01:15", "50", "0", "0.1"),
            ("2025-10-27T15:00", "80", "0", "0.2"), ("2025-10-27T17:00", "0", "40", "0.25"),
        ],
        lines={
            "energy at spot": "26.78", "energy markup": "0.72", "grid fee other times": "2.10",
            "grid fee high load": "4.96", "electricity_tax": "3.69", "largest quarter-hour": "3648.00",
            "metering": "42.00", "feed-in at spot": "-9.70", "feed-in premium": "-0.40",
        },
        total="3718.15",
    ),
    # Nothing but 1 kWh in summer: spot 1.03·0.05 = 0.0515, markup 0.004 → 0.00, fee 0.018, tax 0.0205,
    # peak 4 kW·11.4 = 45.60, metering 42; up to 250: 250 − (0.05 + 0 + 0.02 + 0.02 + 45.60 + 42) = 162.31
    "a minimum": Month(
        book=shipped("depot.toml"),
        month="2025-07",
        rows=[("2025-07-10T09:00", "1", "0", "0.05")],
        lines={
            "energy at spot": "0.05", "energy markup": "0.00", "grid fee summer": "0.02",
            "electricity_tax": "0.02", "largest quarter-hour": "45.60", "metering": "42.00",
            "up to the minimum": "162.31", "feed-in at spot": "0.00", "feed-in premium": "0.00",
        },
        total="250.00",
    ),
    # 0.5·0.3012 = 0.1506 → 0.15; base −0.005 → −0.01 (half away from zero)
    "half a cent": Month(
        book=book(FIXED + '[[monthly]]\nname = "credit"\neur = -0.005\n'),
        month="2026-12",
        rows=[("2026-12-01T00:00", "0.5", "0", "0")],
        lines={"energy": "0.15", "credit": "-0.01"},
        total="0.14",
    ),
}  # fmt: skip


Flows = tuple[str, str, str, str]
"""kWh of a quarter-hour: drawn and fed back at the point, stored and returned by the store."""

# BNetzA 618-25-02, annex 1, as restated in public with page and formula: quarter-hours, then Q.
ANNEX_1: dict[str, tuple[list[Flows], str]] = {
    # Example 1, p. 15: 130 drawn next to PV of 50, the store takes 100, all of it from the grid; example 2,
    # p. 16: it returns 80 next to PV, 80 are fed back, all of it its own. (9) = 100, (11) = 80, (15) = 0.
    "the storage comes first, both ways (examples 1 and 2)": (
        [("130", "0", "100", "0"), ("0", "80", "0", "80")], "80",
    ),
    # Note of HTW Berlin, decision p. 38: unloaded at noon and filled again from PV. (9) = 0: (15) = 8.5 > 8.
    "unloaded at noon and filled from PV again": ([("0", "8", "0", "8"), ("0", "0", "10", "0")], "0"),
    # p. 94: a full cycle with the grid.
    "a full cycle": ([("100", "0", "100", "0"), ("0", "90", "0", "90")], "90"),
    # p. 16, p. 35: 20 charged here next to a house, 30 returned: 10 were charged elsewhere, (13) = 30 − 10.
    "charged elsewhere": ([("120", "0", "20", "0"), ("0", "30", "0", "30")], "20"),
    # p. 14, each month for itself: what was drawn in the month before counts as charged elsewhere.
    "drawn in the month before": ([("0", "45", "0", "45"), ("50", "0", "0", "0")], "0"),
    # (20): no more than is drawn. Stored 10 from PV, 9.5 returned: (16) = 9.5 − 8.5 = 1 of 0.4 drawn.
    "no more than is drawn": (
        [("0.4", "0", "0", "0"), ("0", "0", "10", "0"), ("0", "9.5", "0", "9.5")], "0.4",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANNEX_1)
def test_the_laws_own_examples_of_quarter_hours(name: str) -> None:
    quarters, quantity = ANNEX_1[name]
    drawn, fed, stored, returned = (
        [Decimal(one) for one in series] for series in zip(*quarters, strict=True)
    )
    terms = book(
        FIXED + '[grid_fee]\nprice_eur_per_kwh = 0.1\n[refund]\nmethod = "quarter_hours"\nof = ["grid_fee"]'
    )
    counted_here = Counted(drawn=drawn, fed=fed, stored=stored, returned=returned)
    base = refund_base(terms, counted_here, [Decimal("0.1")] * len(quarters))
    assert base.quantity_kwh == Decimal(quantity)
    assert base.mean_eur_per_kwh["grid_fee"] == (Decimal("0.1") if any(drawn) else 0)


# BNetzA 618-25-02, annex 2, p. 13 and 14: 8 kWp and a store of 10 kWh, (P4) = 4,320 kWh; fed back, drawn, Q
# of examples 1 and 2; p. 29: with a charge point (P4) = 4,800, the same quantities.
@pytest.mark.parametrize(
    ("green", "fed", "drawn", "quantity"),
    [("4320", "3000", "1500", "0"), ("4320", "6000", "1500", "1500"), ("4800", "6000", "1500", "1200")],
)
def test_the_laws_own_examples_of_the_flat_method(green: str, fed: str, drawn: str, quantity: str) -> None:
    refund = f'[refund]\nmethod = "flat"\nof = ["grid_fee"]\ngreen_kwh_per_month = {green}\n'
    terms = book(FIXED + "[grid_fee]\nprice_eur_per_kwh = 0.1\n" + refund)
    zero = Decimal(0)
    series = Counted(
        drawn=[Decimal(drawn), zero], fed=[zero, Decimal(fed)], stored=[zero, zero], returned=[zero, zero]
    )
    assert refund_base(terms, series, [Decimal("0.1")] * 2).quantity_kwh == Decimal(quantity)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_month_is_billed_as_by_hand(name: str) -> None:
    case = BY_HAND[name]
    paid = case.billed()
    # A window's price of 0 makes no line; what is not named above would be one too many.
    assert {line.name: str(line.eur) for line in paid.lines} == dict(case.lines)
    assert str(paid.total_eur) == case.total
    assert abs(paid.exact_eur - paid.total_eur) <= Decimal("0.005") * len(paid.lines) + Decimal("0.01")


def test_a_price_that_is_not_known_is_named_and_one_without_energy_is_not_needed() -> None:
    known = shipped("wholesale.toml")
    slots = month_slots(known, dt.date(2025, 2, 1))
    zeros, spot = [Decimal(0)] * len(slots), [Decimal(1), None, None, *[Decimal(1)] * (len(slots) - 3)]
    drawn = [Decimal(1), Decimal(0), Decimal(2), *zeros[3:]]
    with pytest.raises(BillError, match=r"no spot price of 1 quarter-hours \(2025-01-31 23:30 UTC\)"):
        bill(known, slots, Counted(drawn=drawn, fed=zeros, stored=zeros, returned=zeros), spot)
    drawn[2] = Decimal(0)
    assert (
        bill(known, slots, Counted(drawn=drawn, fed=zeros, stored=zeros, returned=zeros), spot).total_eur == 1
    )


def test_a_quantity_below_zero_is_refused() -> None:
    known = shipped("wholesale.toml")
    slots = month_slots(known, dt.date(2025, 2, 1))
    zeros = [Decimal(0)] * len(slots)
    with pytest.raises(BillError, match=r"2025-01-31 23:00:00\+00:00: -1 kWh is below 0"):
        bill(
            known,
            slots,
            Counted(drawn=[Decimal(-1), *zeros[1:]], fed=zeros, stored=zeros, returned=zeros),
            zeros,
        )


def test_a_month_outside_the_book_is_refused() -> None:
    with pytest.raises(
        TermsError, match=r"wholesale.toml: from is 2025-01-01: 2024-12-01: in force from then"
    ):
        month_slots(shipped("wholesale.toml"), dt.date(2024, 12, 24))


@pytest.mark.parametrize("block", range(2))
def test_a_refund_at_a_varying_fee_is_off_by_no_more_than_its_bounds(block: int) -> None:
    strict = 0
    for seed in range(30 * block, 30 * block + 30):
        rng = np.random.default_rng([seed, 6])
        varying = read_book(random_text(rng, refund=True, steady=False), f"{seed}.toml")
        problem, spot = a_home(seed, varying)
        plan = plan_day(problem, ("v2g",))["v2g"]
        off = from_the_optimum(varying, problem, plan) - float(billed(varying, problem, plan, spot).exact_eur)
        fee = [
            window.eur_per_kwh for window in varying.grid_fee.at(problem.slots.tz_convert("Europe/Berlin"))
        ]
        low, high = refund_bounds(varying, counted(problem, plan), fee)
        assert float(low) - CLOSE_EUR <= off <= float(high) + CLOSE_EUR, seed
        strict += float(high) > 0.01
    assert strict >= 3


@pytest.mark.parametrize("method", ["quarter_hours", "flat"])
def test_the_bounds_hold_for_any_meters(method: str) -> None:
    rng = np.random.default_rng(11)
    for seed in range(200):
        text = random_text(np.random.default_rng([seed, 8]), refund=True, steady=False)
        green = f"\ngreen_kwh_per_month = {rng.uniform(0, 30):.3f}" if method == "flat" else ""
        terms = read_book(text.replace('method = "quarter_hours"', f'method = "{method}"{green}'), "any.toml")
        slots = pd.date_range("2026-01-05", periods=48, freq="15min", tz="UTC")
        drawn, fed, stored, returned = (
            in_decimals(np.round(np.maximum(0.0, rng.normal(0.0, 1.0, 48)), 3)) for _ in range(4)
        )
        series = Counted(drawn=drawn, fed=fed, stored=stored, returned=returned)
        fee = [window.eur_per_kwh for window in terms.grid_fee.at(slots.tz_convert("Europe/Berlin"))]
        base = refund_base(terms, series, fee)
        vat = {name: terms.with_vat("grid_fee" if name == "grid_fee" else "taxes") for name in terms.taxes}
        vat["grid_fee"] = terms.with_vat("grid_fee")
        refund = sum(mean * vat[name] for name, mean in base.mean_eur_per_kwh.items()) * base.quantity_kwh
        _, sold = prices(terms, slots, np.zeros(48))
        without = read_book(_unrefunded(text), "any.toml")
        _, plain = prices(without, slots, np.zeros(48))
        believed = float((sold - plain) @ np.array([float(one) for one in fed]))
        low, high = refund_bounds(terms, series, fee)
        assert float(low) - CLOSE_EUR <= float(refund) - believed <= float(high) + CLOSE_EUR


def _unrefunded(text: str) -> str:
    lines = text.splitlines()
    at = lines.index("[refund]")
    return "\n".join(lines[:at] + lines[at + 3 :])


def test_every_shipped_book_can_be_read() -> None:
    names = sorted(file.name for file in BOOKS.glob("*.toml"))
    assert len(names) >= 6
    for name in names:
        assert shipped(name).name
