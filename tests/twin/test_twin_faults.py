"""Sensor faults: each of the nine named, honest sensors left alone, what only looks like one
distinguished."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks import twin_faults
from tests.benchmarks.twin_faults import cases as benchmark_cases
from tests.benchmarks.twin_faults import judge, verdicts
from tests.twin.batteries import simulated
from tests.twin.faulty import AS_OF, SIZES, broken, clean_spec, clean_truth, swap_partner
from twin.calibrate import calibrate_battery
from twin.cell import reference_cell
from twin.evidence import Balance, Clock, Evidence, gather, signal_of
from twin.faults import Known, find_fault, gain_fault, known_capacity
from twin.observe import Observation
from twin.spread import cell_spread
from twin.synthetic import Truth, TruthSpec
from twin.types import CalibrationRequest, FleetContext

NMC, LFP = 4, 3
LARGE = {kind: sizes[2] for kind, sizes in SIZES.items()}


@lru_cache(maxsize=8)
def made(seed: int) -> tuple[TruthSpec, Truth]:
    spec = clean_spec(seed)
    return spec, clean_truth(spec, simulated)


@lru_cache(maxsize=4)
def partner(seed: int) -> tuple[TruthSpec, Truth]:
    other = swap_partner(clean_spec(seed), LARGE["swapped_battery"])
    return other, clean_truth(other, simulated)


def fleet_of(spec: TruthSpec) -> FleetContext:
    return FleetContext(temperature_degc=spec.duty.temperature_degc, temperature_spread_k=1.0, cars=6)


def evidence_of(seed: int) -> Evidence:
    spec, truth = made(seed)
    return gather(signal_of(truth.telemetry, spec.battery), truth.sessions)


def found(evidence: Evidence, **known: float | None) -> str:
    """The kind that the evidence of the NMC battery shows, with some of it changed."""
    spec, truth = made(NMC)
    values: dict[str, float | None] = {"measured_share": 0.9, "young_share": 1.0} | known
    fault = find_fault(
        signal_of(truth.telemetry, spec.battery),
        truth.sessions,
        evidence,
        spec.battery,
        Known(
            circuit=reference_cell("nmc811").circuit,
            health=reference_cell("nmc811").fresh,
            expected_share=0.9,
            measured_sd=0.01,
            measured_share=values["measured_share"],
            young_share=values["young_share"],
        ),
        fleet_of(spec),
    )
    return "none" if fault is None else fault.kind


@pytest.mark.parametrize("seed", [NMC, LFP])
@pytest.mark.parametrize("kind", sorted(SIZES))
def test_a_large_fault_is_named(kind: str, seed: int) -> None:
    spec, truth = made(seed)
    other = partner(seed) if kind == "swapped_battery" else None
    battery, record = broken(kind, LARGE[kind], spec, truth, other)
    assert judge(battery, record, fleet_of(spec)) == kind


@pytest.mark.parametrize("seed", [NMC, LFP])
def test_honest_sensors_raise_no_alarm(seed: int) -> None:
    spec, truth = made(seed)
    assert judge(spec.battery, truth, fleet_of(spec)) == "none"


def test_strings_in_parallel_are_counted_by_check_ups_and_telemetry() -> None:
    spec, truth = made(NMC)
    battery = replace(
        spec.battery,
        cells_parallel=2 * spec.battery.cells_parallel,
        nominal_capacity_ah=2 * spec.battery.nominal_capacity_ah,
        nominal_energy_kwh=2 * spec.battery.nominal_energy_kwh,
    )
    for checkups in (truth.checkups, truth.checkups[:0]):
        assert judge(battery, replace(truth, checkups=checkups), fleet_of(spec)) == "wrong_cell_count"


def test_evidence_tells_how_large_a_fault_is() -> None:
    spec, truth = made(NMC)
    clean = evidence_of(NMC)
    shifted = truth.telemetry.assign(voltage_v=truth.telemetry["voltage_v"].shift(10)).dropna()
    late = gather(signal_of(shifted, spec.battery), truth.sessions)
    assert late.answer is not None
    assert late.answer.lag_s == pytest.approx(600, abs=61)
    moved = truth.telemetry.assign(time_utc=truth.telemetry["time_utc"] + pd.Timedelta(hours=3))
    clock = gather(signal_of(moved, spec.battery), truth.sessions).clock
    assert clock is not None
    assert clock.shift_s / 3600 == pytest.approx(3.0, abs=0.35)
    biased = truth.telemetry.assign(
        current_a=truth.telemetry["current_a"] + 0.01 * spec.battery.nominal_capacity_ah
    )
    offset = gather(signal_of(biased, spec.battery), truth.sessions)
    assert offset.rest_c is not None and clean.rest_c is not None
    assert offset.rest_c - clean.rest_c == pytest.approx(0.01, abs=5e-4)
    assert offset.balance is not None and clean.balance is not None
    assert offset.balance.drift_c - clean.balance.drift_c == pytest.approx(0.01, abs=1e-3)
    true_share = truth.hidden["usable_capacity_ah"] / spec.battery.nominal_capacity_ah
    assert clean.balance.capacity_share == pytest.approx(true_share, abs=3 * clean.balance.capacity_sd)


def test_a_drain_that_takes_the_charge_along_is_no_bias() -> None:
    clean = evidence_of(NMC)
    assert clean.balance is not None
    drained = replace(clean, rest_c=-0.012, balance=replace(clean.balance, drift_c=0.0))
    assert found(drained) == "none"
    biased = replace(clean, rest_c=-0.012, balance=replace(clean.balance, drift_c=-0.012))
    assert found(biased) == "current_bias"


def test_discharge_to_the_grid_is_not_another_cars_driving() -> None:
    clean = evidence_of(NMC)
    assert clean.balance is not None
    feeding = replace(clean, clock=Clock(misplaced=0.42, shift_s=1800.0, remaining=0.4))
    assert found(feeding) == "none"
    stranger = replace(feeding, balance=replace(clean.balance, agreement=0.1))
    assert found(stranger) == "swapped_battery"


def test_gain_needs_more_than_the_spread_of_what_is_known() -> None:
    assert gain_fault(0.95, 0.01, 0.88, 0.01, "sessions") is not None
    assert gain_fault(0.95, 0.03, 0.88, 0.02, "sessions") is None
    assert gain_fault(0.90, 0.001, 0.88, 0.001, "sessions") is None


def test_a_battery_whose_capacity_nobody_measured_has_no_gain_fault() -> None:
    clean = evidence_of(NMC)
    assert clean.balance is not None
    off = replace(clean, balance=replace(clean.balance, capacity_share=0.7))
    assert found(off) == "current_gain"
    assert found(off, measured_share=None, young_share=None) == "none"


def test_without_cars_next_to_it_temperature_is_believed() -> None:
    spec, truth = made(NMC)
    _, record = broken("temperature_offset", 15.0, spec, truth)
    assert judge(spec.battery, record, fleet_of(spec)) == "temperature_offset"
    alone = replace(fleet_of(spec), cars=2)
    assert judge(spec.battery, record, alone) == "none"


def test_capacity_known_today_fades_from_the_last_check_up() -> None:
    ages, shares = np.array([5.0, 1000.0]), np.array([1.0, 0.9])
    share, spread, young = known_capacity(ages, shares, 1200.0, None)
    assert share is not None
    assert 0.88 < share < 0.9
    assert spread > known_capacity(ages, shares, 1010.0, None)[1]
    assert young == 1.0
    assert known_capacity(ages[:0], shares[:0], 1200.0, 0.93)[0] == 0.93


def test_faulty_sensors_cost_a_first_calibration_its_telemetry_and_are_published() -> None:
    spec, truth = made(NMC)
    battery, record = broken("current_gain", 0.2, spec, truth)
    calibration = calibrate_battery(
        CalibrationRequest(
            battery=battery,
            telemetry=record.telemetry,
            checkups=record.checkups,
            sessions=record.sessions,
            as_of_utc=AS_OF,
            input_hash="c" * 64,
        )
    )
    assert (calibration.quality, calibration.sensor_fault) == ("checkups", "current_gain")
    assert calibration.sensor_evidence is not None
    assert "of nominal capacity" in calibration.sensor_evidence
    true_ah = truth.hidden["usable_capacity_ah"]
    assert calibration.usable_capacity_ah == pytest.approx(true_ah, rel=0.02)


@pytest.mark.slow
def test_the_benchmark_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine faults of three sizes on one battery, three clean ones more; `twin_faults` runs the whole."""
    monkeypatch.setattr(twin_faults, "clean_truth", partial(clean_truth, simulate=simulated))
    stated = [one for case in benchmark_cases(4, 1) for one in verdicts(case)]
    assert [(put, named) for put, size, named in stated if size == "large"] == [(k, k) for k in SIZES]
    assert sum(put == named for put, size, named in stated if size == "medium") >= 7
    assert [named for put, _, named in stated if put == "none"] == ["none"] * 4


def test_balance_needs_stretches_enough() -> None:
    spec, truth = made(NMC)
    few = gather(signal_of(truth.telemetry, spec.battery), truth.sessions[:3])
    assert few.balance is None
    assert isinstance(evidence_of(NMC).balance, Balance)


def test_the_weakest_cell_limits_a_pack_that_no_check_up_measured() -> None:
    spec, truth = made(NMC)
    battery, telemetry = spec.battery, truth.telemetry
    health = reference_cell("nmc811").fresh
    circuit, socs = reference_cell("nmc811").circuit, np.linspace(0, 1, 400)
    curve = circuit.voltage(*circuit.window(health).at(socs))
    mean = telemetry["voltage_v"].to_numpy() / battery.cells_series
    soc = np.interp(mean, curve, socs)
    apart = telemetry.assign(
        cell_voltage_min_v=np.interp(soc - 0.02, socs, curve),
        cell_voltage_max_v=np.interp(soc + 0.03, socs, curve),
    )
    spread = cell_spread(apart, battery, circuit, health)
    assert spread is not None
    assert spread.usable_share == pytest.approx(0.95, abs=0.01)
    assert 0.02 < spread.spread_v < 0.1
    assert Observation(spread=spread).usable_share(0) == spread.usable_share
    assert Observation(spread=spread).usable_share(3) == 1.0
    assert cell_spread(telemetry, battery, circuit, health) is None
    assert cell_spread(apart.assign(cell_voltage_min_v=np.nan), battery, circuit, health) is None
