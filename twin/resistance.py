"""The resistance of a pack by temperature and SoC, asked of its own PyBaMM model by pulses of charge.

    R(T, SoC) = (U after the pulse − U at rest with the charge that it brought) / I

with half an hour at C/5, about what a home charger does, ending at each SoC. Kinetics and diffusion get
slower in the cold as the chemistry's set says; the series resistance that voltage showed is taken to be the
same at all temperatures, so that in the cold it is rather told too low.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from twin.cell import DayModel, ReferenceCell, day_model
from twin.entries import rows, vector
from twin.errors import SolveError
from twin.health import Health
from twin.losses import WARM_DEGC, PackLosses
from twin.types import BatterySpec, CalibrationRequest

TEMPERATURES_DEGC = (-10.0, 0.0, 10.0, WARM_DEGC)
SOCS = (0.2, 0.5, 0.8)
_C_RATE, _HOURS = 0.2, 0.5
_DAY = pd.Timedelta(days=1)


def pack_losses(
    cell: ReferenceCell, health: Health, battery: BatterySpec, ohm_ah: float, *, electrolyte: bool = False
) -> PackLosses | None:
    """A pack's resistance at a ``health`` in floats; None where PyBaMM cannot follow the pulses.

    ``ohm_ah``: series resistance next to the model's own, ohm × Ah of the reference cell.
    """
    model = day_model(cell, 2, ageing=False, electrolyte=electrolyte)
    try:
        ohm = [
            [_ohm_ah(model, health, degc, soc) + max(0.0, ohm_ah) for soc in SOCS]
            for degc in TEMPERATURES_DEGC
        ]
    except SolveError:
        return None
    rest_v = cell.circuit.voltage(*cell.circuit.window(health).at(np.array(SOCS)))
    return PackLosses(
        temperature_degc=TEMPERATURES_DEGC,
        soc=SOCS,
        ohm=rows(np.maximum(ohm, 0.0) / battery.ohm_ah_per_pack_ohm),
        rest_v=vector(rest_v * battery.cells_series),
    )


def today_degc(request: CalibrationRequest) -> float | None:
    """Mean temperature [°C] that the telemetry of the last day measured; None where it measured none."""
    telemetry = request.telemetry
    if telemetry.empty:
        return None
    lately = telemetry.loc[telemetry["time_utc"] > request.as_of_utc - _DAY, "temperature_degc"]
    return float(lately.mean()) if lately.notna().any() else None


def _ohm_ah(model: DayModel, health: Health, degc: float, soc: float) -> float:
    """Of the reference cell, ohm × Ah; the rest voltage is PyBaMM's too, since some sets' follows warmth."""
    circuit = model.cell.circuit
    window, pulse = circuit.window(health), _C_RATE * circuit.fresh_capacity_ah

    def ends_at(before: float, current_a: float) -> float:
        x, y = window.at(soc - before)
        done = model.solve(
            np.zeros(1), np.array([current_a]), 3600 * _HOURS, health=health, x_n=float(x), y_p=float(y),
            temperature_degc=degc, times_s=np.array([3600 * _HOURS - 1.0]),
        )  # fmt: skip
        return float(done.voltage_v[0])  # at the end itself nothing flows any more

    brought = pulse * _HOURS / float(window.capacity_ah)
    return (ends_at(brought, pulse) - ends_at(0.0, 0.0)) / _C_RATE
