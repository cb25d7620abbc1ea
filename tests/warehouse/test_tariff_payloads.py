"""Every recorded answer of a provider: read right, or refused for the right reason.

The values were read off the files by hand, in the provider's own unit, and the times from their text.
"""

from dataclasses import dataclass, field

import pandas as pd
import pytest

from tests.warehouse.builders import SHARED_DATA
from warehouse.errors import CellError, OptionError, ProviderError, SourceError, UndecodableFileError
from warehouse.sources import read_source

PAYLOADS, PRICES = SHARED_DATA / "payloads", SHARED_DATA / "prices"
pytestmark = pytest.mark.skipif(not PAYLOADS.exists(), reason="no shared data with recorded answers")

ENTSOE, HEXAGON = "payloads/entsoe_a44_jaccor", "payloads/entsoe_hexagon"
OCTOPUS, ZERO = "payloads/octopus_agile_teslamateagile", "payloads/energyzero"
EASY, FI = "payloads/easyenergy", "prices/fi_sahkotin_2023_2024"


@dataclass(frozen=True)
class Good:
    """What a file holds: rows by resolution, bounds, and prices by row as the file writes them.

    span: first and last start, UTC. unit: how many of the file's unit are one €/kWh.
    """

    path: str
    source: str
    zone: str
    rows: dict[int, int]
    span: tuple[str, str]
    unit: float
    prices: dict[int, float]
    options: dict[str, object] = field(default_factory=dict)


READ = [
    Good(f"{ENTSOE}/BE_60M.xml", "entsoe", "BE", {60: 24}, ("2024-10-07T22:00", "2024-10-08T21:00"), 1000,
         {0: 64.98, 1: 57.86, 2: 53.73, 22: 57.42, 23: 50.0}),
    Good(f"{ENTSOE}/BE_15M_exact4.xml", "entsoe", "BE", {15: 4}, ("2024-10-05T22:00", "2024-10-05T22:45"),
         1000, {0: 55.35, 1: 44.22, 2: 40.32, 3: 31.86}),
    # Points 1, 5, 9, … are there: each price holds for the points left out after it.
    Good(f"{ENTSOE}/BE_60M_15M_mix.xml", "entsoe", "BE", {15: 192, 60: 24},
         ("2024-10-05T22:00", "2024-10-08T21:00"), 1000,
         {0: 55.35, 1: 55.35, 3: 55.35, 4: 44.22, 7: 44.22, 8: 40.32, 88: 60.79, 95: 52.33, 96: 34.58,
          191: 77.18, 192: 64.98, 215: 50.0}),
    # Sequence 2, in quarter-hours, is another auction; in sequence 1, point 15 of the first day is left out.
    Good(f"{ENTSOE}/DE_60M_15M_overlap.xml", "entsoe", "DE-LU", {60: 48},
         ("2024-10-05T22:00", "2024-10-07T21:00"), 1000,
         {0: 67.04, 1: 63.97, 13: -0.01, 14: -0.01, 15: 0.2, 22: 58.69, 23: 51.71, 24: 34.58, 47: 79.12}),
    Good("payloads/energy_charts_price/price_DE-LU_2024-05-04.json", "energy_charts", "DE-LU", {60: 24},
         ("2024-05-03T22:00", "2024-05-04T21:00"), 1000, {0: 90.8, 14: 13.34, 20: 135.4, 23: 83.6},
         {"zone": "DE-LU"}),
    # Newest first in the file; a pound at 1.17 €.
    Good(f"{OCTOPUS}/plunge_test.json", "octopus", "GB", {30: 11}, ("2020-05-23T00:00", "2020-05-23T05:00"),
         100 / 1.17, {0: 0.0, 1: -1.51, 8: -8.4, 10: -5.54}, {"rate": 1.17}),
    Good("payloads/nordpool_pynordpool/delivery_period.json", "nordpool", "SE3", {60: 24},
         ("2024-11-04T23:00", "2024-11-05T22:00"), 1000, {0: 21.54, 7: 120.8, 15: 108.15, 23: 24.84}),
    Good(f"{ZERO}/electricity_hour_response.json", "energyzero", "NL", {60: 72},
         ("2025-12-15T23:00", "2025-12-18T22:00"), 1, {0: 0.077495, 1: 0.074315}),
    Good(f"{ZERO}/electricity_quarter_response.json", "energyzero", "NL", {15: 288},
         ("2025-12-15T23:00", "2025-12-18T22:45"), 1, {0: 0.07994, 3: 0.07279}),
    Good(f"{ZERO}/energy.json", "energyzero", "NL", {60: 24}, ("2025-05-30T22:00", "2025-05-31T21:00"), 1,
         {0: 0.107, 13: -0.01317}),
    # Local wall time without offset: midnight in Amsterdam.
    Good(f"{EASY}/energy.json", "easyenergy", "NL", {60: 24}, ("2026-04-18T22:00", "2026-04-19T21:00"), 1,
         {0: 0.11549, 13: -0.00085, 14: -0.003, 23: 0.1113}),
    Good(f"{EASY}/energy_quarter.json", "easyenergy", "NL", {15: 5}, ("2026-04-19T12:00", "2026-04-19T13:00"),
         1, {0: -0.0021, 4: -0.00321}),
    # With VAT: 10 % until April 2023, 24 % until August 2024, then 25.5 %.
    Good(f"{FI}/sahkotin_spot_price_vat.csv", "sahkotin", "FI", {60: 10176},
         ("2023-01-01T00:00", "2024-02-28T23:00"), 100,
         {0: 0.152 / 1.1, 1: 0.010 / 1.1, 10175: 2.561 / 1.24}, {"vat": "included"}),
    Good(f"{FI}/prices.json", "sahkotin", "FI", {60: 23}, ("2025-12-26T00:00", "2025-12-26T22:00"), 100,
         {0: 2.093 / 1.255, 22: 3.627 / 1.255}, {"vat": "included"}),
    Good("prices/smard_de_lu_2020/2020-hour-price.csv", "smard", "DE-LU", {60: 8808},
         ("2019-12-31T23:00", "2021-01-01T22:00"), 100, {0: 4.188, 1: 3.86}),
]  # fmt: skip

REFUSED = [
    (f"{ENTSOE}/BE_15M_avg.xml", "entsoe", CellError,
     r"row 8, column position: '3' lies outside its period of 2 intervals from 2024-10-06 03:00 UTC"),
    (f"{HEXAGON}/acknowledgement.invalidrequest.xml", "entsoe", ProviderError,
     "is an acknowledgement, not prices: 999 No matching data found"),
    (f"{HEXAGON}/invalid.xml", "entsoe", UndecodableFileError,
     "is a Unknown_MarketDocument, not a Publication_MarketDocument"),
    (f"{HEXAGON}/publication.a03curvetype.xml", "entsoe", ProviderError,
     "prices from 10YCZ-CEPS-----N into 10YSK-SEPS-----K, not those of one zone"),
    (f"{HEXAGON}/publication.explicitallocations.xml", "entsoe", ProviderError, "type A25, not A44"),
    (f"{OCTOPUS}/plunge_test.json", "octopus", OptionError, "in GBP; tell with rate"),
    (f"{OCTOPUS}/ha_test.json", "octopus", UndecodableFileError, "is a JSON list, not an object"),
    (f"{ZERO}/energy_no_prices.json", "energyzero", ProviderError, "holds no prices"),
    (f"{ZERO}/error_response.json", "energyzero", ProviderError, "not prices: invalid DailyEnergyPrices"),
    (f"{ZERO}/gql_error.json", "energyzero", ProviderError, "not prices: internal_server_error"),
    (f"{ZERO}/no_data.json", "energyzero", ProviderError, "holds no prices"),
    (f"{ZERO}/gas.json", "energyzero", ProviderError, "prices of Gas, not of electricity"),
    (f"{ZERO}/gas_day_response.json", "energyzero", CellError, r"row 1, column end: .*ends 1440 minutes"),
    (f"{EASY}/gas.json", "easyenergy", ProviderError, "per m3, not per kWh"),
    (f"{FI}/sahkotin_spot_price_vat.csv", "sahkotin", OptionError, "column vat: must be given"),
]  # fmt: skip


@pytest.mark.parametrize("case", READ, ids=lambda case: case.path)
def test_read(case):
    source = read_source("prices", SHARED_DATA / case.path, source=case.source, **case.options)
    frame = source.frame
    assert frame["zone"].unique().tolist() == [case.zone]
    assert frame["resolution_minutes"].value_counts().to_dict() == case.rows
    starts = frame["interval_start_utc"]
    assert starts.is_monotonic_increasing
    assert [starts.iloc[0], starts.iloc[-1]] == [pd.Timestamp(f"{moment}Z") for moment in case.span]
    for row, price in case.prices.items():
        assert frame["price_eur_per_kwh"].iloc[row] == pytest.approx(price / case.unit, rel=1e-12), row
    assert source.provider
    assert source.licence


@pytest.mark.parametrize(("path", "source", "error", "reason"), REFUSED, ids=str)
def test_refused(path, source, error, reason):
    with pytest.raises(error, match=reason) as caught:
        read_source("prices", SHARED_DATA / path, source=source)
    assert path.rpartition("/")[2] in str(caught.value)


def test_every_recorded_answer_is_in_one_of_the_tables():
    named = {case.path for case in READ} | {path for path, *_ in REFUSED}
    folders = ("entsoe_a44_jaccor", "entsoe_hexagon", "energy_charts_price", "octopus_agile_teslamateagile",
               "nordpool_pynordpool", "energyzero", "easyenergy")  # fmt: skip
    there = [file for folder in folders for file in (PAYLOADS / folder).iterdir()]
    there += [file for folder in PRICES.iterdir() for file in folder.iterdir()]
    assert {str(file.relative_to(SHARED_DATA)) for file in there if file.name != "SOURCE.txt"} == named


@pytest.mark.parametrize("other", sorted({one.source for one in READ} - {"smard"}))
def test_no_answer_passes_for_another_providers(other):
    options = {"vat": "included"} if other == "sahkotin" else {"zone": "NL"}
    for case in READ:
        if case.source != other:
            with pytest.raises(SourceError):
                read_source("prices", SHARED_DATA / case.path, source=other, **options)


def test_the_vat_of_finland_is_the_one_that_the_file_itself_shows():
    """Before VAT a price has three decimals of a cent: the right rate leads nearly all of them back there."""
    path = SHARED_DATA / FI / "sahkotin_spot_price_vat.csv"
    file = pd.read_csv(path)
    frame = read_source("prices", path, source="sahkotin", vat="included").frame
    taken_out = (file["price"] / (100 * frame["price_eur_per_kwh"]) - 1).round(4)
    month = frame["interval_start_utc"].dt.tz_convert("Europe/Helsinki").dt.strftime("%Y-%m")
    for name, prices in file["price"].groupby(month):
        share = {rate: _on_the_grid(prices, rate).mean() for rate in (0.10, 0.24, 0.255)}
        assert set(taken_out[prices.index].dropna()) == {max(share, key=share.__getitem__)}, (name, share)
        assert max(share.values()) > 0.95, (name, share)


def _on_the_grid(prices, rate):
    """Tell which prices are a whole number of thousandths times 1 + rate, rounded to thousandths."""
    whole = (prices / (1 + rate) * 1000).round()
    near = [((whole + step) / 1000 * (1 + rate)).round(3) for step in (-1, 0, 1)]
    return sum((value - prices).abs() < 1e-9 for value in near) > 0
