"""A planned day closed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from twin.wholeday import close_day

NAN = np.nan


def closed(power: list[float], plugged: str, start: list[float], end: list[float]):  # type: ignore[no-untyped-def]
    return close_day(
        np.array(power),
        np.array([mark == "p" for mark in plugged]),
        np.array(start),
        np.array(end),
        slot_hours=1.0,
        charge_limit_kw=10.0,
    )


def test_a_balanced_day_drives_what_it_charges() -> None:
    day = closed([0, 0, 0, 8], "paap", [40, NAN, NAN, 32], [40, NAN, NAN, 40])
    assert day.drives == ((1, 2, 8.0),)
    assert day.power_kw.tolist() == [0, 0, 0, 8]
    assert day.start_kwh == 40


def test_charging_left_for_tomorrow_is_done_from_midnight_on() -> None:
    # Comes back 8 kWh short and waits: the repeated day starts at 32 kWh and recharges first thing.
    day = closed([0, 0, 0, 0], "paap", [40, NAN, NAN, 32], [40, NAN, NAN, 32])
    assert day.drives == ((1, 2, 8.0),)
    assert day.power_kw.tolist() == [8, 0, 0, 0]
    assert day.start_kwh == 32


def test_v2g_in_the_evening_is_recharged_too() -> None:
    day = closed([0, 0, 0, 0, -6], "ppapp", [40, 40, NAN, 32, 32], [40, 40, NAN, 32, 26])
    assert day.power_kw.tolist() == [10, 4, 0, 0, -6]
    assert day.start_kwh == 26


def test_a_car_away_at_midnight_drives_the_rest_outside() -> None:
    day = closed([0, 4, 4, 0], "appa", [NAN, 20, 24, NAN], [NAN, 24, 28, NAN])
    assert day.drives == ((0, 0, 4.0), (3, 3, 4.0))
    assert day.start_kwh == 24


def test_more_than_the_trips_need_is_driven_as_well() -> None:
    day = closed([0, 0, 0, 12], "paap", [40, NAN, NAN, 32], [40, NAN, NAN, 44])
    assert day.drives == ((1, 2, 12.0),)


def test_rounding_is_no_trip() -> None:
    day = closed([0, 4, 1e-9, 0], "apap", [NAN, 20, NAN, 20], [NAN, 24, NAN, 20])
    assert day.drives == ((2, 2, 4.0),)


def test_a_car_that_never_comes_is_at_rest() -> None:
    day = closed([0, 0], "aa", [NAN, NAN], [NAN, NAN])
    assert (day.drives, day.start_kwh) == ((), None)


@pytest.mark.parametrize("seed", range(20))
def test_every_closed_day_is_neutral(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plugged = rng.random(24) < 0.7
    plugged[[0, 5, -1]] = True, False, True
    power = np.where(plugged, rng.choice([0.0, 0.0, 5.0, -3.0], 24), 0.0)
    start = np.where(plugged, 30 + rng.normal(0, 1, 24), NAN)
    day = close_day(power, plugged, start, start + power, slot_hours=1.0, charge_limit_kw=10.0)
    assert day.power_kw.sum() == pytest.approx(sum(kwh for *_, kwh in day.drives), abs=1e-9)
