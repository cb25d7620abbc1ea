"""What is not sent, and what is sent seldom: rest, unseen trips, snapshots; SoC and power alone."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest

from tests.twin.batteries import AS_OF, battery, request, truth
from tests.twin.sent import COARSE, WAYS, asked
from twin.calibrate import calibrate_battery
from twin.cell import reference_cell
from twin.course import OBSERVED, REST, UNSEEN, course
from twin.days import duty_spread
from twin.duty import derive_duty
from twin.energy import by_energy, fit_energy
from twin.observe import Observation, observe
from twin.past import ordinary_day
from twin.recount import asked_by_voltage, recounted
from twin.replay import Replay
from twin.silence import course_of
from twin.types import Calibration, CalibrationRequest
from twin.window import select_window

MINUTE = "1 min"
AGE_DAYS = (AS_OF - battery().commissioned_utc).total_seconds() / 86400
TRUE_SHARE = truth().hidden["usable_capacity_ah"] / battery().nominal_capacity_ah


@lru_cache(maxsize=16)
def sent(way: str) -> CalibrationRequest:
    """What the plain truth's battery would be asked of, sent in a way."""
    made = truth()
    return by_energy(asked(request(made), way, WAYS[way](made, battery(), 3)))


@lru_cache(maxsize=16)
def observed(way: str) -> Observation:
    return observe(sent(way), AGE_DAYS)


def test_a_sample_holds_half_way_to_its_neighbours_and_the_charge_is_the_trapezoids() -> None:
    time_s = np.array([0.0, 600.0, 1200.0, 1500.0])
    flow = course(time_s, np.array([0.0, 0.1, 0.1, -0.2]))
    assert float(flow.charge_at(time_s[-1:])[0]) == pytest.approx((30 + 60 - 15) / 3600)
    assert (flow.kind == OBSERVED).all()
    # The current changed somewhere in the first ten minutes: 0.1 C times 10 min / √12.
    assert float(flow.variance_at(time_s[1:2])[0]) ** 0.5 == pytest.approx(0.1 / 6 / 12**0.5, rel=0.01)


def test_silence_is_rest_and_wall_time() -> None:
    time_s = np.concatenate([np.arange(0, 3600, 60.0), 86400 + np.arange(0, 3600, 60.0)])
    flow = course(time_s, np.full(len(time_s), -0.1))
    (silent,) = np.flatnonzero(flow.kind == REST)
    assert flow.hours[silent] == pytest.approx(24 - 59 / 60 - 1 / 60)
    assert flow.hours.sum() == pytest.approx((time_s[-1] - time_s[0]) / 3600)
    assert -float((flow.c_rate * flow.hours).sum()) == pytest.approx(2 * 0.1, rel=0.02)
    parts = flow.by_day()
    assert parts.hours.sum() == pytest.approx(flow.hours.sum())
    assert ((parts.begin_s // 86400) == ((parts.end_s - 1e-6) // 86400)).all()


@pytest.mark.parametrize("announced", [True, False], ids=["with its session", "with no session"])
def test_a_trip_between_two_polls_is_in_the_error_of_the_charge_counted(announced: bool) -> None:
    pack = battery()
    every = pd.date_range("2026-02-01", periods=600, freq="min", tz="UTC")
    current = np.zeros(600)
    current[100:125] = current[300:308] = -0.3 * pack.nominal_capacity_ah
    current[309:420] = 0.2 * pack.nominal_capacity_ah
    frame = pd.DataFrame(
        {"time_utc": every, "voltage_v": 350.0, "current_a": current, "temperature_degc": 20.0}
    )
    session = truth().sessions.iloc[:1].assign(arrival_utc=every[308], departure_utc=every[599])
    given = request(truth(), sessions=session if announced else session[:0])
    hidden = 0
    for phase in range(12):
        flow = course_of(given, frame.iloc[phase::12])
        assert flow is not None
        span = flow.begin_s[0], flow.end_s[-1]
        inside = (frame["time_utc"].astype("datetime64[s, UTC]").astype(int).to_numpy() - span[0]) / 60
        true = (
            current[(inside >= 0) & (inside < (span[1] - span[0]) / 60)].sum() / 60 / pack.nominal_capacity_ah
        )
        off = abs(float(flow.charge_at(flow.end_s[-1:])[0]) - true)
        assert off < 2.5 * float(flow.variance_at(flow.end_s[-1:])[0]) ** 0.5
        hidden += not (frame["current_a"].iloc[phase::12].iloc[20:] < 0).any()
    assert hidden >= 4  # of the phases, in which no poll falls into the second trip


def test_a_car_that_stayed_plugged_in_drove_nowhere_between_two_polls() -> None:
    pack, every = battery(), pd.date_range("2026-02-01", periods=40, freq="15min", tz="UTC")
    current = np.where(np.arange(40) < 4, -0.3, np.where(np.arange(40) >= 20, 0.2, 0.0))
    frame = pd.DataFrame(
        {
            "time_utc": every,
            "voltage_v": 350.0,
            "current_a": current * pack.nominal_capacity_ah,
            "temperature_degc": 20.0,
        }
    )
    session = truth().sessions.iloc[:1].assign(arrival_utc=every[10], departure_utc=every[39])
    spread = {}
    for name, sessions in (("stayed", session), ("unknown", session[:0])):
        flow = course_of(request(truth(), sessions=sessions), frame)
        assert flow is not None
        spread[name] = float(np.diff(flow.variance_at(flow.end_s[[18, 20]]))[0]) ** 0.5
    assert spread["stayed"] == pytest.approx(0.2 / 4 / 12**0.5, rel=0.01)
    assert spread["unknown"] > 0.04


@pytest.mark.parametrize("way", [way for way in WAYS if way != MINUTE])
def test_driving_is_the_same_however_it_is_sent(way: str) -> None:
    every, stated = ordinary_day(sent(MINUTE)), ordinary_day(sent(way))
    assert stated.trip_efc == pytest.approx(every.trip_efc, rel=0.05)


@pytest.mark.parametrize("way", list(WAYS))
def test_no_way_of_sending_counts_for_nothing(way: str) -> None:
    found = observed(way)
    assert found.fault is None
    assert found.doubt is None
    assert found.state is not None
    if way == COARSE:
        assert found.energy is not None
        assert abs(found.energy.share - TRUE_SHARE) < 1.645 * found.energy.sd
        assert 1.645 * found.energy.sd < 0.07 * TRUE_SHARE
    else:
        assert found.replay is not None
        assert abs(found.state.bias_c) < 0.004


def test_a_car_asleep_rests_and_nothing_in_its_sleep_is_taken_for_a_trip() -> None:
    flow = course_of(sent("asleep when parked"), sent("asleep when parked").telemetry)
    assert flow is not None
    assert flow.silent_share > 0.7
    assert not (flow.kind == UNSEEN).any()


def test_what_a_charger_does_not_see_is_driven_by_the_sessions_soc() -> None:
    stated = sent("charging only")
    flow = course_of(stated, stated.telemetry)
    assert flow is not None
    gaps = flow.kind == UNSEEN
    assert gaps.sum() >= 8
    visits = truth().sessions
    driven = (
        visits["departure_soc"].to_numpy()[:-1] - visits["arrival_soc"].to_numpy()[1:]
    ).mean() * TRUE_SHARE
    assert -float((flow.c_rate * flow.hours)[gaps].mean()) == pytest.approx(driven, rel=0.08)


def test_a_trip_in_an_outage_is_counted_by_its_soc_and_rest_in_one_is_not() -> None:
    made, pack = truth(), battery()
    frame = made.telemetry
    driving = (frame["current_a"] < -0.05 * pack.nominal_capacity_ah).to_numpy()
    first = frame["time_utc"][driving].iloc[0]
    hours = {"trip": (first - pd.Timedelta(hours=1), 3.0), "night": (first - pd.Timedelta(hours=6), 4.0)}
    kinds, moved = {}, {}
    for name, (begin, length) in hours.items():
        out = (frame["time_utc"] >= begin) & (frame["time_utc"] < begin + pd.Timedelta(hours=length))
        flow = course_of(request(made), frame[~out])
        assert flow is not None
        at = int(np.searchsorted(flow.begin_s, begin.timestamp() + 1800, side="right")) - 1
        kinds[name], moved[name] = int(flow.kind[at]), float(flow.c_rate[at] * flow.hours[at])
        counted = -float((frame["current_a"][out & driving]).sum()) / 60 / pack.nominal_capacity_ah
        if name == "trip":
            assert -moved[name] == pytest.approx(counted, abs=0.03)
    assert kinds == {"trip": UNSEEN, "night": REST}
    assert moved["night"] == 0.0


def test_a_reported_soc_tells_what_a_flat_voltage_cannot() -> None:
    made = truth()
    frame = made.telemetry.iloc[::5].reset_index(drop=True)
    cut = frame[(frame.index < 400) | (frame.index > 500)].assign(
        voltage_v=350.0,
        soc_reported=0.6 + 0.01 * (np.arange(len(frame)) % 3 == 0)[(frame.index < 400) | (frame.index > 500)],
    )
    flat = request(made, "lfp", telemetry=cut, sessions=made.sessions[:0])
    rest = course_of(flat, cut)
    fallen = cut.assign(soc_reported=cut["soc_reported"] - 0.2 * (cut.index > 500))
    driven = course_of(flat, fallen)
    assert rest is not None and driven is not None
    assert REST in rest.kind and UNSEEN not in rest.kind
    (gap,) = np.flatnonzero(driven.kind == UNSEEN)
    assert -float(driven.c_rate[gap] * driven.hours[gap]) == pytest.approx(0.2, abs=0.06)


def test_the_charge_counted_by_snapshots_wanders_and_the_window_says_by_how_much() -> None:
    ends = {}
    for way in ("5 min", "15 min"):
        replay = observed(way).replay
        assert replay is not None and replay.charge_variance is not None
        ends[way] = float(replay.charge_variance[-1]) ** 0.5
    assert 0.003 < ends["5 min"] < 0.5 * ends["15 min"] < 0.05
    every = observed(MINUTE).replay
    assert every is not None and every.charge_variance is None


def test_silence_in_a_window_is_no_sensors_current() -> None:
    replay = select_window(sent("asleep when parked").telemetry, battery())
    assert replay is not None and replay.silent is not None
    assert np.abs(replay.c_rate[replay.silent]).max() < 1e-9
    assert replay.observed_hours_at(np.array([replay.end_s]))[0] < 0.4 * replay.end_s / 3600


def test_days_that_are_slept_through_tell_the_ordinary_day_as_well() -> None:
    stated = sent("asleep when parked")
    flow = course_of(stated, stated.telemetry)
    sparse = duty_spread(stated.telemetry, stated.sessions, nominal_ah=150.0, flow=flow)
    every = duty_spread(sent(MINUTE).telemetry, stated.sessions, nominal_ah=150.0)
    assert sparse.driving == pytest.approx(every.driving, rel=0.5)
    known = derive_duty(
        stated.telemetry.assign(temperature_degc=np.nan), stated.sessions, nominal_ah=150.0, charge_c_rate=0.2
    )
    assert known.temperature_degc == 25.0


def test_power_that_goes_against_soc_tells_no_capacity() -> None:
    stated = sent(COARSE)
    turned = stated.telemetry.assign(current_a=-stated.telemetry["current_a"])
    flow = course_of(stated, turned)
    assert flow is not None
    assert fit_energy(turned, flow) is None


@lru_cache(maxsize=4)
def calibrated(way: str) -> Calibration:
    made = truth()
    return calibrate_battery(asked(request(made), way, WAYS[way](made, battery(), 3)))


@pytest.mark.parametrize(("way", "quality"), [("asleep when parked", "calibrated"), (COARSE, "energy")])
def test_a_twin_of_what_is_sent_holds_the_truth(way: str, quality: str) -> None:
    found = calibrated(way)
    half = 1.645 * found.usable_capacity_sd_ah
    assert found.quality == quality
    assert abs(found.usable_capacity_ah - truth().hidden["usable_capacity_ah"]) < half
    assert half < 0.06 * found.usable_capacity_ah
    assert Calibration.from_record(found.to_record()).quality == quality


def test_the_energy_twin_is_carried_on_and_says_what_it_rests_on() -> None:
    found = calibrated(COARSE)
    assert "capacity by energy against SoC" in found.reason
    assert found.current_bias_a is None and found.chi2_per_n is None
    made = truth()
    later = asked(request(made), COARSE, WAYS[COARSE](made, battery(), 3))
    again = calibrate_battery(
        CalibrationRequest(
            battery=later.battery,
            telemetry=later.telemetry,
            checkups=later.checkups,
            sessions=later.sessions,
            as_of_utc=AS_OF + pd.Timedelta(days=1),
            input_hash="b" * 64,
            previous=found,
            coarse=later.coarse,
        )
    )
    assert again.quality == "energy"
    assert again.record.full == found.record.full
    assert again.usable_capacity_ah == pytest.approx(found.usable_capacity_ah, rel=0.01)


@pytest.mark.parametrize("chemistry", ["nmc811", "lfp"])
def test_charge_that_no_cell_holds_is_recounted_by_its_voltage(chemistry: str) -> None:
    cell = reference_cell(chemistry)
    time_s = np.arange(0.0, 36_000.0, 600.0)
    late = time_s >= 12_000
    counted = np.where(late, 0.35, 0.0)  # of which a trip that nobody saw took the most
    true = np.where(late, 0.06, 0.0)
    replay = Replay(
        begin_utc=pd.Timestamp("2026-02-01T00:00Z"),
        start_s=np.array([0.0, 11_400.0, 12_000.0]),
        c_rate=np.array([0.0, 0.35 * 6, 0.0]),
        times_s=time_s,
        voltage_v=cell.circuit.voltage(*cell.circuit.window(cell.fresh).at(0.9 + true)),
        temperature_degc=20.0,
        charge_variance=np.where(late, 0.15**2, 1e-6),
    )
    assert replay.charge_at(time_s) == pytest.approx(counted, abs=1e-9)
    off = asked_by_voltage(replay, cell.fresh, cell)
    assert off is not None
    again = recounted(replay, off).charge_at(time_s)
    assert np.abs(again - true).max() < (0.02 if chemistry == "nmc811" else 0.06)
    believable = replace(replay, c_rate=np.array([0.0, 0.06 * 6, 0.0]))
    assert asked_by_voltage(believable, cell.fresh, cell) is None
    assert asked_by_voltage(replace(replay, charge_variance=None), cell.fresh, cell) is None
