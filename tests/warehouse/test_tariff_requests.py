"""What each provider is asked for, and whether an answer holds the day that was asked."""

import datetime as dt

import pandas as pd
import pytest

from warehouse.errors import OptionError, WrongDayError
from warehouse.sources.tariffs import PROVIDERS, Ask
from warehouse.sources.tariffs.coverage import require_day
from warehouse.zones import market_day_bounds, market_day_slots

ASKED = {
    "entsoe": ("DE-LU", "https://web-api.tp.entsoe.eu/api?documentType=A44&in_Domain=10Y1001A1001A82H"
               "&out_Domain=10Y1001A1001A82H&periodStart=202603282300&periodEnd=202603292200"),
    "energy_charts": ("DE-LU", "https://api.energy-charts.info/price?bzn=DE-LU&start=2026-03-29&end=2026-03-29"),
    "awattar": ("AT", "https://api.awattar.at/v1/marketdata?start=1774738800000&end=1774821600000"),
    "octopus": ("GB", "https://api.octopus.energy/v1/products/AGILE-24-10-01/electricity-tariffs/"
                "E-1R-AGILE-24-10-01-C/standard-unit-rates/?period_from=2026-03-29T00:00:00Z"
                "&period_to=2026-03-29T23:00:00Z&page_size=1500"),
    "nordpool": ("DE-LU", "https://dataportal-api.nordpoolgroup.com/api/DayAheadPrices?date=2026-03-29"
                 "&market=DayAhead&deliveryArea=GER&currency=EUR"),
    "energyzero": ("NL", "https://public.api.energyzero.nl/public/v1/prices?energyType=ENERGY_TYPE_ELECTRICITY"
                   "&date=29-03-2026&interval=INTERVAL_QUARTER"),
    "easyenergy": ("NL", "https://price-graph.acc-mijn.easyenergy.com/api/prices?start=2026-03-29&end=2026-03-30"
                   "&type=electricity&granularity=quarter"),
    "tibber": ("NO1", "https://api.tibber.com/v1-beta/gql"),
    "sahkotin": ("FI", "https://sahkotin.fi/prices.csv?fix=true&start=2026-03-28T22:00:00Z"
                 "&end=2026-03-29T21:00:00Z"),
}  # fmt: skip


def ask(zone, **more):
    day = dt.date(2026, 3, 29)
    start, end = market_day_bounds(day, zone)
    return Ask(zone=zone, day=day, start=start, end=end, **more)


@pytest.mark.parametrize("name", ASKED)
def test_requests_ask_for_the_local_day_and_show_no_token(name):
    zone, address = ASKED[name]
    request = PROVIDERS[name].request(ask(zone, token="t0ken", tariff="E-1R-AGILE-24-10-01-C"))  # noqa: S106
    assert request.shown == address


@pytest.mark.parametrize("name", sorted(set(PROVIDERS) - {"entsoe", "tibber"}))
def test_a_zone_that_a_provider_has_not(name):
    with pytest.raises(OptionError, match="column zone: 'MD' has no prices in"):
        PROVIDERS[name].request(ask("MD", tariff="E-1R-AGILE-24-10-01-C"))


def test_a_tariff_code_is_no_path():
    with pytest.raises(OptionError, match="is not a tariff code"):
        PROVIDERS["octopus"].request(ask("GB", tariff="E-1R-../../x-C"))


def day_frame(day, zone, minutes):
    slots = market_day_slots(day, zone, minutes)
    return pd.DataFrame(
        {"zone": zone, "interval_start_utc": slots, "resolution_minutes": minutes, "price_eur_per_kwh": 0.1}
    )


@pytest.mark.parametrize("day", [dt.date(2026, 3, 29), dt.date(2026, 6, 14), dt.date(2026, 10, 25)], ids=str)
@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_a_whole_day_is_whole_at_every_resolution(day, minutes):
    frame = day_frame(day, "DE-LU", minutes)
    require_day(frame, "DE-LU", day, "f")
    with pytest.raises(
        WrongDayError, match=f"{minutes // 15} of {len(market_day_slots(day, 'DE-LU'))} quarter"
    ):
        require_day(frame.drop(index=5), "DE-LU", day, "f")
    frame.loc[3, "price_eur_per_kwh"] = float("nan")
    with pytest.raises(WrongDayError):
        require_day(frame, "DE-LU", day, "f")


def test_another_day_or_zone_is_reported():
    frame = day_frame(dt.date(2026, 6, 14), "DE-LU", 60)
    wrong = r"day 2026-06-15 of DE-LU: 96 of 96 .* first at 2026-06-14 22:00 UTC; it holds 2026-06-14$"
    with pytest.raises(WrongDayError, match=wrong):
        require_day(frame, "DE-LU", dt.date(2026, 6, 15), "f")
    with pytest.raises(WrongDayError, match="it holds nothing of that zone"):
        require_day(frame, "FR", dt.date(2026, 6, 14), "f")
    with pytest.raises(WrongDayError, match=r"it holds 2026-06-14 \(8 of 96\)"):
        require_day(frame.head(2), "DE-LU", dt.date(2026, 6, 14), "f")
