"""Charts of a day: drawn from end to end whatever its length, charge from plug-in to plug-out."""

from __future__ import annotations

import re
from datetime import date

import numpy as np
import pandas as pd
import pytest

from flows.publish.day_charts import DayAxis, battery_day, price_and_power, price_panels
from flows.publish.prices import UsedPrices
from tests.flows.conftest import DAY, ZONE
from tests.flows.svg import WIDTH, lines, words
from warehouse.zones import market_day_slots


@pytest.mark.parametrize(("day", "hours"), [(date(2024, 3, 31), 23), (DAY, 24), (date(2024, 10, 27), 25)])
def test_a_day_of_any_length_is_drawn_from_end_to_end(day: date, hours: int) -> None:
    slots = market_day_slots(day, ZONE)
    axis = DayAxis(slots=slots, timezone="Europe/Berlin")
    count = len(slots)
    rows = pd.DataFrame({"interval_start_utc": slots})
    sites = rows.assign(
        site_id="a:b[c]",
        mode="ordered",
        power_kw=np.arange(count),
        most_kw=99.0,
        least_kw=-9.0,
        shadow_price_eur_per_kwh=np.where(np.arange(count) < 4, 0.05, 0.0),
    )
    prices = rows.assign(series="sold", price_ct_per_kwh=np.arange(count))
    late = [slots[-8], slots[-1] + pd.Timedelta(hours=2)]
    reserve = pd.DataFrame({"interval_start_utc": late[:1], "interval_end_utc": late[1:], "product": "FCR"})
    reserve = reserve.assign(direction="symmetric", won_kw=5.0, held_kw=4.0)
    chart = price_and_power(axis, prices, {"sold": "Sold at the plug, ct/kWh"}, sites, reserve)
    (worth,) = lines(chart, "a:b[c]: worth of one kWh more room")
    assert worth[[0, -1], 0].tolist() == [0, WIDTH], "a step is drawn where the value changes, and at the end"
    assert worth[1:-1, 0] == pytest.approx(WIDTH / hours, abs=0.06)
    for about in ("Sold at the plug", "a:b[c]: grid power"):
        (line,) = lines(chart, about)
        assert (line[0, 0], line[-1, 0]) == (0, WIDTH)
        steps = np.unique(line[:, 0])
        assert np.allclose(np.diff(steps), WIDTH / (4 * hours), atol=0.11)
    for line in lines(chart, "Reserve held: FCR, symmetric"):
        assert line[[0, -1], 0] == pytest.approx([WIDTH * (1 - 2 / hours), WIDTH], abs=0.1), (
            "as far as the plan"
        )
    clocks = [word for word in words(chart) if re.fullmatch(r"\d\d:\d\d", word)]
    shown = [clock for clock in clocks if clock in ("00:00", "02:00", "24:00")]
    assert shown == 4 * ["00:00", *["02:00"] * (hours - 23), "24:00"]


def day_of(axis: DayAxis, rows: pd.DataFrame) -> str:
    """A car's chart without prices, reasons and departures."""
    none = UsedPrices(frame=pd.DataFrame(), titles={}, note="", unit="ct/kWh")
    nothing = pd.DataFrame()
    rows = rows.assign(power_kw=0.0)
    prices = price_panels(axis, none)
    return battery_day(axis, rows, 20.0, prices=prices, price_names={}, stretches=nothing, departures=nothing)


def test_charge_is_drawn_from_plug_in_to_plug_out_and_not_in_between() -> None:
    slots = market_day_slots(DAY, ZONE)
    axis = DayAxis(slots=slots, timezone="Europe/Berlin")
    there = np.r_[0:8, 40:44]
    rows = pd.DataFrame({"interval_start_utc": slots, "mode": "ordered"})
    rows["energy_start_kwh"] = pd.Series(10.0, index=there)
    rows["energy_end_kwh"] = pd.Series(11.0, index=there)
    first, second = lines(day_of(axis, rows), "State of charge")
    quarter = WIDTH / 96
    assert (first[0, 0], first[-1, 0]) == pytest.approx((0, 8 * quarter), abs=0.06)
    assert (second[0, 0], second[-1, 0]) == pytest.approx((40 * quarter, 44 * quarter), abs=0.06)
