import datetime as dt
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from warehouse.errors import UnknownZoneError
from warehouse.zones import ZONES, market_day_slots, market_timezone


@pytest.mark.parametrize(
    ("date", "zone", "slots"),
    [
        (dt.date(2020, 3, 29), "DE-LU", 92),
        (dt.date(2020, 10, 25), "DE-LU", 100),
        (dt.date(2020, 7, 5), "DE-LU", 96),
        (dt.date(2020, 3, 29), "FI", 92),
        (dt.date(2020, 10, 25), "PT", 100),
    ],
)
def test_market_day_has_92_96_or_100_quarter_hours(date, zone, slots):
    index = market_day_slots(date, zone)
    assert len(index) == slots
    assert len(market_day_slots(date, zone, minutes=60)) == slots // 4
    assert str(index.dtype) == "datetime64[us, UTC]"
    local = index.tz_convert(market_timezone(zone))
    assert {time.date() for time in local} == {date}
    assert (index[1:] - index[:-1] == pd.Timedelta(minutes=15)).all()


def test_days_join_without_gap_or_overlap():
    days = [market_day_slots(dt.date(2020, 10, day), "DE-LU") for day in (24, 25, 26)]
    joined = days[0].append(days[1]).append(days[2])
    assert (joined[1:] - joined[:-1] == pd.Timedelta(minutes=15)).all()


def test_every_zone_has_a_time_zone_that_exists():
    assert len(ZONES) > 40
    for zone in ZONES:
        ZoneInfo(market_timezone(zone))


def test_unknown_zone_names_the_nearest():
    with pytest.raises(UnknownZoneError, match="'DE_LU'; did you mean 'DE-LU'"):
        market_timezone("DE_LU")


def test_slots_must_divide_an_hour():
    with pytest.raises(ValueError, match="45 minutes"):
        market_day_slots(dt.date(2020, 1, 1), "DE-LU", minutes=45)
