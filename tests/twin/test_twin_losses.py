"""What a pack loses in the cold: a table solved by hand, and PyBaMM's own pack next to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pybamm
import pytest

from tests.twin.batteries import AS_OF, battery, calibrated, request, truth
from twin.handle import BatteryHandle
from twin.losses import PackLosses
from twin.record import TwinRecord
from twin.resistance import today_degc

DOUBLED = PackLosses(
    temperature_degc=(0.0, 25.0), soc=(0.2, 0.8), ohm=((0.8, 0.8), (0.4, 0.4)), rest_v=(360.0, 440.0)
)


def test_a_resistance_that_doubles_in_the_cold_by_hand() -> None:
    """10 kW at 400 V are 25 A: 10 V of 400 are lost warm, 20 V at 0 °C, 15 V half-way."""
    assert DOUBLED.ohm_at(12.5, 0.5) == pytest.approx(0.6)
    assert DOUBLED.kept_charging(10.0, 0.5, 0.0) == pytest.approx(410 / 420)
    assert DOUBLED.kept_charging(10.0, 0.5, 12.5) == pytest.approx(410 / 415)
    assert DOUBLED.kept_discharging(10.0, 0.5, 0.0) == pytest.approx(380 / 390)
    assert DOUBLED.kept_charging(5.0, 0.5, 0.0) == pytest.approx(405 / 410), "at part load less is lost"
    assert DOUBLED.kept_charging(10.0, 0.5, -20.0) == DOUBLED.kept_charging(10.0, 0.5, 0.0)
    for degc in (25.0, 40.0):
        assert DOUBLED.kept_charging(10.0, 0.5, degc) == DOUBLED.kept_discharging(10.0, 0.5, degc) == 1.0
    assert DOUBLED.kept_discharging(9000.0, 0.5, 0.0) > 0.5, "a figure that no charger gives stays a share"


def test_pulses_of_the_pack_in_pybamm_show_the_resistance_that_is_told() -> None:
    found = calibrated()
    losses, held = (
        found.record.losses,
        BatteryHandle(battery=battery(), calibration=found, residuals=found.residuals),
    )
    assert losses is not None
    ohm = np.array(losses.ohm)
    assert (np.diff(ohm, axis=0) < 0.0).all(), "less, the warmer"
    share = 0.2 * 0.5 / found.soh  # of today's capacity, in half an hour at C/5 of the nominal one
    for degc, soc in ((0.0, 0.5), (25.0, 0.8)):
        ended = [
            held.simulation(
                soc=soc - moved, temperature_degc=degc, experiment=pybamm.Experiment([step])
            ).solve()
            for moved, step in ((share, "Charge at C/5 for 30 minutes"), (0.0, "Rest for 1 minute"))
        ]
        loaded, rested = (float(one["Battery voltage [V]"].entries[-1]) for one in ended)
        amps = battery().nominal_capacity_ah / 5
        assert losses.ohm_at(degc, soc) == pytest.approx((loaded - rested) / amps, rel=0.03)
        assert np.interp(soc, losses.soc, losses.rest_v) == pytest.approx(rested, rel=0.002)


def test_the_warmth_of_the_last_day_counts_and_a_silent_car_has_none() -> None:
    made = truth()
    asked = request(made)
    lately = made.telemetry[made.telemetry["time_utc"] > AS_OF - pd.Timedelta(days=1)]
    losses = calibrated().record.losses
    assert losses is not None
    assert losses.today_degc == pytest.approx(lately["temperature_degc"].mean())
    assert today_degc(replace(asked, telemetry=made.telemetry[:0])) is None
    unsaid = made.telemetry.assign(temperature_degc=np.nan)
    assert today_degc(replace(asked, telemetry=unsaid)) is None


def test_a_record_keeps_the_losses_and_refuses_what_are_none() -> None:
    record = TwinRecord(losses=replace(DOUBLED, today_degc=-3.5))
    assert TwinRecord.from_json(record.to_json()) == record
    with pytest.raises(ValueError, match="below 0"):
        TwinRecord.from_json(record.to_json().replace("0.8, 0.8", "0.8, -0.8"))
    with pytest.raises(ValueError, match="row a temperature"):
        TwinRecord.from_json(record.to_json().replace("[0.0, 25.0]", "[25.0]"))
