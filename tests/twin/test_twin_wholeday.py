"""A planned day closed by hand: one-hour slots, p plugged in and a away, a charger of 10 kW."""

from __future__ import annotations

import numpy as np
import pytest

from twin.wholeday import Drive, WholeDay, close_day, runs


def closed(power: list[float], marks: str, drives: list[Drive], first_kwh: float) -> WholeDay:
    plugged = np.array([mark == "p" for mark in marks])
    return close_day(
        np.array(power),
        plugged,
        drives,
        first_kwh=first_kwh,
        capacity_kwh=60.0,
        slot_hours=1.0,
        charge_limit_kw=10.0,
    )


TRIP = Drive(first=1, last=2, energy_kwh=8.0)


def test_a_balanced_day_stays_as_it_is() -> None:
    day = closed([0, 0, 0, 8], "paap", [TRIP], 40)
    assert (day.power_kw.tolist(), day.drives, day.start_kwh) == ([0, 0, 0, 8], (TRIP,), 40)


def test_charging_left_for_tomorrow_is_done_from_midnight_on() -> None:
    # Comes back 8 kWh short and waits: the repeated day starts at 32 kWh and recharges first thing.
    day = closed([0, 0, 0, 0], "paap", [TRIP], 40)
    assert (day.power_kw.tolist(), day.start_kwh) == ([8, 0, 0, 0], 32)


def test_v2g_in_the_evening_is_recharged_too() -> None:
    day = closed([0, 0, 0, 0, -6], "ppapp", [Drive(first=2, last=2, energy_kwh=8.0)], 40)
    assert (day.power_kw.tolist(), day.start_kwh) == ([10, 4, 0, 0, -6], 26)


def test_what_is_charged_beyond_the_trips_is_left_out_latest_first() -> None:
    day = closed([0, 0, 0, 9, 6], "paapp", [TRIP], 40)
    assert (day.power_kw.tolist(), day.start_kwh) == ([0, 0, 0, 8, 0], 40)


def test_a_car_away_at_midnight_starts_with_its_trip_still_to_drive() -> None:
    drives = [Drive(first=0, last=0, energy_kwh=4.0), Drive(first=3, last=3, energy_kwh=4.0)]
    day = closed([0, 4, 4, 0], "appa", drives, 20)
    assert (day.power_kw.tolist(), day.start_kwh) == ([0, 4, 4, 0], 24)


def test_a_day_that_would_run_empty_begins_with_more() -> None:
    # 20 kWh go out before they are put back: with 8 kWh in store it would fall below nothing.
    day = closed([-10, -10, 0, 0, 0], "ppppa", [], 8)
    assert (day.power_kw.tolist(), day.start_kwh) == ([-10, -10, 10, 10, 0], 23)


def test_rounding_is_no_trip() -> None:
    tiny = Drive(first=1, last=2, energy_kwh=1e-9)
    assert closed([0, 0, 0, 0], "paap", [tiny], 40).drives == ()


@pytest.mark.parametrize("seed", range(20))
def test_every_closed_day_is_neutral(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plugged = rng.random(24) < 0.7
    plugged[[0, 5, -1]] = True, False, True
    power = np.where(plugged, rng.choice([0.0, 0.0, 5.0, -2.0], 24), 0.0)
    drives = [Drive(first=a, last=b, energy_kwh=rng.uniform(0, 6)) for a, b in runs(np.flatnonzero(~plugged))]
    day = close_day(
        power, plugged, drives, first_kwh=30.0, capacity_kwh=60.0, slot_hours=1.0, charge_limit_kw=10.0
    )
    assert day.power_kw.sum() == pytest.approx(sum(drive.energy_kwh for drive in drives), abs=1e-9)
    assert day.power_kw.max() <= 10.0
    assert (day.power_kw[~plugged] == 0).all()
