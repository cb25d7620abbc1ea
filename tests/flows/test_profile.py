import numpy as np
import pytest

from flows.stages.profile import DayProfile, whole_day

HOURS = 0.25


def closed(net_kw: list[float], plugged: list[bool], start_kwh: list[float]) -> DayProfile:
    """A day from its plugged net powers and the stored energy at the start of every plugged slot."""
    net, at = np.array(net_kw), np.array(plugged)
    energy = np.where(at, np.array(start_kwh), np.nan)
    return whole_day(
        charge_kw=np.where(at, np.maximum(net, 0.0), 0.0),
        discharge_kw=np.where(at, np.maximum(-net, 0.0), 0.0),
        plugged=at,
        energy_start_kwh=energy,
        energy_end_kwh=energy + net * HOURS,
        slot_hours=HOURS,
        capacity_kwh=40.0,
    )


def test_between_sessions_the_car_drives_what_it_lacks_at_its_return() -> None:
    day = closed([8, 0, 0, 8, 0], [True, False, False, True, False], [20.0, 0, 0, 12.0, 0])
    assert day.discharge_kw.tolist() == [0, 20, 20, 0, 0]  # 22 kWh → 12 kWh in half an hour
    assert day.charge_kw.tolist() == [8, 0, 0, 8, 24]
    assert day.start_soc == 0.5


def test_a_car_plugged_at_both_ends_is_neutral_through_its_trip() -> None:
    day = closed([8, 0, 0, 8], [True, False, False, True], [20.0, 0, 0, 21.0])
    assert np.sum(day.charge_kw - day.discharge_kw) == pytest.approx(0.0)
    assert day.discharge_kw.tolist() == [0, 8, 8, 0]


def test_outside_all_sessions_the_car_drives_what_makes_the_day_neutral() -> None:
    day = closed([0, 8, -4, 0], [False, True, True, False], [0, 20.0, 22.0, 0])
    assert day.discharge_kw.tolist() == [2, 0, 4, 2]
    assert day.charge_kw.tolist() == [0, 8, 0, 0]
    assert day.start_soc == pytest.approx((20.0 + 2 * HOURS) / 40.0)


def test_a_car_that_returns_fuller_was_charged_elsewhere() -> None:
    day = closed([0, 0, 0], [True, False, True], [20.0, 0, 24.0])
    assert day.charge_kw[1] == 0.0  # and neutral in the end: the day has no other slot to drive in
    day = closed([0, 0, 0, 0], [True, False, True, False], [20.0, 0, 24.0, 0])
    assert day.charge_kw.tolist() == [0, 16, 0, 0]
    assert day.discharge_kw.tolist() == [0, 0, 0, 16]


def test_a_car_that_never_plugs_in_rests() -> None:
    day = closed([0, 0], [False, False], [0, 0])
    assert not day.charge_kw.any() and not day.discharge_kw.any()
