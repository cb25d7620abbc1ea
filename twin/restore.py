"""A kept calibration as the objects that compute: its ageing model, its health, its frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from twin.ageing import factors_of
from twin.cell import reference_cell
from twin.health import Health
from twin.life import Factors, life_days, trajectory
from twin.rates import RateModel
from twin.record import LifePoints, need
from twin.replay import Replay
from twin.state import StateFit
from twin.types import BatterySpec, Calibration


@dataclass(frozen=True, slots=True, kw_only=True)
class Ageing:
    """How a calibrated battery ages on its standard day, and the capacity at which its life ends [Ah]."""

    model: RateModel
    factors: Factors
    end_capacity_ah: float

    @property
    def end_soh(self) -> float:
        """Capacity over nominal at which its life ends."""
        return self.end_capacity_ah / self.model.cell.circuit.fresh_capacity_ah

    def after(self, health: Health, days: float) -> Health:
        """Health some standard days later; floats."""
        return trajectory(self.model, health.row(), self.factors, np.array([0.0, days])).at(-1).first()

    def life_days(self, health: Health) -> float:
        """Remaining life on standard days [d]."""
        return float(life_days(self.model, health.row(), self.factors, self.end_capacity_ah)[0])


def ageing_of(calibration: Calibration) -> Ageing:
    """The ageing that ``calibration`` was made with."""
    stored = calibration.record
    learnt = need(stored.rate_model, "rates of the standard day")
    model = RateModel(
        cell=reference_cell(calibration.chemistry),
        sei=np.array(learnt.sei),
        lam=np.array(learnt.lam),
        held_out_error=learnt.held_out_error,
        charge_c_rate=learnt.charge_c_rate,
    )
    return Ageing(
        model=model,
        factors=factors_of(model, np.array(need(stored.mean, "mean"))),
        end_capacity_ah=need(stored.end_capacity_ah, "capacity at its end of life"),
    )


def restorable(calibration: Calibration) -> bool:
    """Whether a calibration has the unknowns that this version of the twin ages a battery by."""
    return calibration.record.restorable


def health_of(calibration: Calibration) -> Health:
    """The battery's health at its calibration; floats."""
    return need(calibration.record.health, "health")


def life_points(
    calibration_id: str, battery_id: str, lives: LifePoints, alpha: float, beta: float
) -> pd.DataFrame:
    """Simulated lives next to both forms."""
    dod, cycles, life = (np.array(one) for one in (lives.dod, lives.cycles_per_day, lives.life_days))
    x = dod * cycles
    return pd.DataFrame(
        {
            "calibration_id": calibration_id,
            "battery_id": battery_id,
            "dod": dod,
            "cycles_per_day": cycles,
            "efc_per_day": x,
            "life_days": life,
            "law_life_days": life[0] * np.exp(-alpha * x),
            "rate_life_days": life[0] / (1 + beta * x),
        }
    )


def residual_frame(
    calibration_id: str, battery: BatterySpec, replay: Replay | None, state: StateFit | None
) -> pd.DataFrame:
    """Measured and fitted pack voltage of the window; empty without a fit."""
    if replay is None or state is None:
        return pd.DataFrame()
    return pd.DataFrame(
        {
            "calibration_id": calibration_id,
            "battery_id": battery.battery_id,
            "time_utc": replay.begin_utc + pd.to_timedelta(replay.times_s, unit="s"),
            "voltage_v": replay.voltage_v * battery.cells_series,
            "model_voltage_v": state.model_voltage_v * battery.cells_series,
            "used": state.used,
        }
    )
