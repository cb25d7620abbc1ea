"""Capacity of cells that no model fits, by what needs none: charge against SoC, and between rests."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.foreign_cells import foreign_pack
from tests.stored import sources_of, stored_value
from tests.twin.batteries import AS_OF, battery, duty, request, truth
from tests.twin.sent import soc_and_power
from twin.ageing import fit_ageing, health_at
from twin.calibrate import calibrate_battery
from twin.cell import reference_cell
from twin.counted import between_rests, capacity_counted
from twin.course import Course
from twin.energy import EnergyFit, state_of
from twin.evidence import Signal, signal_of
from twin.expected import expected_health
from twin.rates import rate_model
from twin.silence import course_of
from twin.synthetic import Truth
from twin.types import BatterySpec, CalibrationRequest

AGE_DAYS = (AS_OF - battery().commissioned_utc).total_seconds() / 86400
TRUE_AH = truth().hidden["usable_capacity_ah"]
PACKS, Z90 = 12, 1.645


def with_own_soc(made: Truth, pack: BatterySpec) -> pd.DataFrame:
    """The telemetry of a car that sends its SoC next to it, in whole per cents."""
    stated = soc_and_power(made, pack, 3).set_index("time_utc")["soc_reported"]
    return made.telemetry.assign(soc_reported=stated.reindex(made.telemetry["time_utc"]).to_numpy())


def bare(chemistry: str, telemetry: pd.DataFrame) -> CalibrationRequest:
    """A car of which nothing is known but its telemetry."""
    made = truth()
    return request(
        made, chemistry, telemetry=telemetry, checkups=made.checkups[:0], sessions=made.sessions[:0]
    )


@pytest.mark.parametrize("chemistry", ["nca", "nmc532"])
def test_a_cell_that_no_model_fits_has_the_capacity_that_its_charge_tells(chemistry: str) -> None:
    found = calibrate_battery(bare(chemistry, with_own_soc(truth(), battery())))
    assert (found.quality, found.sensor_fault) == ("disputed", None)
    assert "mV a cell" in found.reason
    assert "capacity by charge counted against the car's own SoC" in found.reason
    off = found.usable_capacity_ah - TRUE_AH
    assert abs(off) < Z90 * found.usable_capacity_sd_ah
    assert abs(off) < 0.025 * TRUE_AH


def test_without_soc_charge_between_rests_tells_it() -> None:
    found = calibrate_battery(bare("nca", truth().telemetry))
    assert found.quality == "disputed"
    assert "capacity by charge counted between rests, by their voltage" in found.reason
    off = found.usable_capacity_ah - TRUE_AH
    assert abs(off) < Z90 * found.usable_capacity_sd_ah < 0.12 * TRUE_AH
    assert abs(off) < 0.025 * TRUE_AH


def pack(index: int) -> tuple[BatterySpec, Truth]:
    def made() -> tuple[BatterySpec, Truth]:
        foreign = foreign_pack(index, first=300)
        assert foreign.spec.as_of_utc == AS_OF
        return foreign.spec.battery, foreign.truth

    made_by = sources_of("tests.benchmarks.foreign_cells")
    return stored_value("foreign_pack", made, made_by=made_by, rooms=["twin"], given=index)


def rests_of(pack: BatterySpec, truth: Truth) -> tuple[Signal, Course, float]:
    asked = CalibrationRequest(
        battery=pack,
        telemetry=truth.telemetry,
        checkups=truth.checkups[:0],
        sessions=truth.sessions[:0],
        as_of_utc=AS_OF,
        input_hash="a" * 64,
    )
    flow = course_of(asked, asked.telemetry)
    assert flow is not None
    age_days = (AS_OF - pack.commissioned_utc).total_seconds() / 86400
    return signal_of(asked.telemetry, pack), flow, age_days


def test_the_interval_between_rests_holds_cells_of_curves_that_are_no_sets() -> None:
    """Packs of curves of their own, of all kinds and chemistries; flat ones may tell nothing."""
    held, off = [], []
    for index in range(PACKS):
        car, made = pack(index)
        found = between_rests(*rests_of(car, made), car.chemistry)
        if found is None:
            continue
        true = made.hidden["usable_capacity_ah"] / car.nominal_capacity_ah
        held.append(abs(found.share - true) < Z90 * found.sd)
        off.append(abs(found.share - true) / found.sd)
    assert len(held) >= 6
    assert np.mean(held) >= 0.8
    assert max(off) < 3.5


def test_what_never_rests_and_what_hardly_moves_tells_nothing() -> None:
    asked = bare("nca", truth().telemetry)
    signal = signal_of(asked.telemetry, asked.battery)
    flow = course_of(asked, asked.telemetry)
    assert flow is not None
    assert between_rests(signal, flow, AGE_DAYS, "nca") is not None
    driven = asked.telemetry.assign(current_a=asked.telemetry["current_a"] + 0.05 * 150)
    assert capacity_counted(bare("nca", driven), AGE_DAYS) is None
    night = asked.telemetry.iloc[:180]
    assert capacity_counted(bare("nca", night), AGE_DAYS) is None


def test_a_capacity_counts_as_one_where_a_knee_may_lie_ahead() -> None:
    """Old cells of a set whose capacity moves with its cathode alone, as long as no lithium is short."""
    cell, age_days, stated = reference_cell("nca"), 811.0, EnergyFit(share=0.955, sd=0.043, legs=4, swing=2.0)
    hard = duty(trip_efc=0.75, target_soc=0.95, trip_c_rate=0.5, charge_c_rate=0.5, temperature_degc=27.0)
    base, nothing = rate_model(cell, hard.profile()), np.zeros(0)
    fit = fit_ageing(
        base,
        age_days=age_days,
        checkup_age_days=nothing,
        capacity_share=nothing,
        resistance_share=nothing,
        state=state_of(stated, cell, expected_health(cell, age_days)),
        today=stated,
    )
    today = health_at(base, fit.sample, age_days)
    shares = cell.circuit.window(today).capacity_ah / cell.circuit.fresh_capacity_ah
    assert shares.std() < 1.2 * stated.sd
    assert shares.min() > stated.share - 5 * stated.sd
