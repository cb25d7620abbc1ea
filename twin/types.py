"""What goes into the twin and what comes out, with the mapping between a pack and its reference cell.

A pack of Ns × Np cells with nominal capacity Q (pack Ah) is seen as one reference cell of the chemistry:
voltage divides by Ns, current is a C-rate of Q, and capacity scales by Q over the reference cell's fresh
capacity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from twin.chemistry import chemistry
from twin.errors import RecordError, TwinError
from twin.prior import CHEMISTRY_PRIOR, AgeingPrior
from twin.record import TwinRecord

Quality = Literal["calibrated", "energy", "checkups", "prior", "stale", "disputed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatterySpec:
    """Nameplate of one pack.

    Capacities in Ah and kWh of the new pack, ``charge_limit_kw`` at the battery, values in €;
    ``scrap_value_eur`` is what the pack is worth at its end of life.
    """

    battery_id: str
    chemistry: str
    nominal_capacity_ah: float
    nominal_energy_kwh: float
    cells_series: int
    cells_parallel: int
    commissioned_utc: pd.Timestamp
    charge_limit_kw: float
    replacement_value_eur: float
    scrap_value_eur: float

    def __post_init__(self) -> None:
        chemistry(self.chemistry)
        for name in (
            "nominal_capacity_ah",
            "nominal_energy_kwh",
            "cells_series",
            "cells_parallel",
            "charge_limit_kw",
        ):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise TwinError(f"battery {self.battery_id}: {name} must be positive, is {value}")
        if not 0 <= self.scrap_value_eur <= self.replacement_value_eur:
            raise TwinError(
                f"battery {self.battery_id}: scrap value {self.scrap_value_eur} € must lie between 0 and the "
                f"replacement value {self.replacement_value_eur} €"
            )

    @property
    def ohm_ah_per_pack_ohm(self) -> float:
        """Ohm × Ah of the reference cell per ohm of the pack: voltage over Ns, current as a C-rate."""
        return self.nominal_capacity_ah / self.cells_series

    @property
    def charge_c_rate(self) -> float:
        """The charger's limit as a C-rate [1/h]."""
        return self.charge_limit_kw / self.nominal_energy_kwh


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetContext:
    """What the other cars of a battery's site show: median temperature [°C], its robust spread [K], cars."""

    temperature_degc: float
    temperature_spread_k: float
    cars: int


def _no_months() -> pd.DataFrame:
    months = pd.DatetimeIndex([], tz="UTC", name="month_utc")
    return pd.DataFrame({"month_utc": months, "temperature_degc": 0.0, "quarter_hours": 0})


def _no_coarse() -> pd.DataFrame:
    times = pd.DatetimeIndex([], tz="UTC", name="time_utc")
    return pd.DataFrame({"time_utc": times, "soc_reported": 0.0, "power_kw": 0.0, "temperature_degc": 0.0})


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRequest:
    """Everything the twin may know of a battery at ``as_of_utc``.

    ``telemetry``: time_utc, voltage_v, current_a (+ = charge), temperature_degc, pack level, checked;
    ``checkups``: time_utc, capacity_ah, resistance_ohm (may be NaN), temperature_degc; ``sessions``:
    arrival_utc, departure_utc, arrival_soc, departure_soc, as far back as there are any: the last
    `twin.past.PRESENT_DAYS` make the ordinary day, the rest tell of the past; ``climate``: month_utc,
    temperature_degc, quarter_hours of the months it has lived through; ``coarse``: time_utc, soc_reported,
    power_kw (+ = charge), temperature_degc (may be NaN) of a car that tells no voltage. Frames may be empty.
    ``previous``: the last calibration, kept where today's sensors fail and carried on from where nothing asks
    for a full one; ``full_every_days``: the longest that its ageing, life and α are carried on; ``fleet``:
    the other cars of the site, None where there are none; ``electrolyte``: fit the state by SPMe, not SPM;
    ``prior``: of its ageing, as the chemistry or as siblings have it (`twin.prior.sibling_priors`);
    ``model_hash``: of the model's code that answers, None where nobody tells.

    Raises TwinError for a check-up without a positive capacity.
    """

    battery: BatterySpec
    telemetry: pd.DataFrame
    checkups: pd.DataFrame
    sessions: pd.DataFrame
    as_of_utc: pd.Timestamp
    input_hash: str
    previous: Calibration | None = None
    end_of_life_soh: float = 0.8
    full_every_days: float = 30.0
    fleet: FleetContext | None = None
    electrolyte: bool = False
    prior: AgeingPrior = CHEMISTRY_PRIOR
    climate: pd.DataFrame = field(default_factory=_no_months)
    model_hash: str | None = None
    coarse: pd.DataFrame = field(default_factory=_no_coarse)

    def __post_init__(self) -> None:
        if not len(self.checkups):
            return
        capacity = self.checkups["capacity_ah"].to_numpy(dtype=float)
        wrong = np.flatnonzero(~(np.isfinite(capacity) & (capacity > 0)))
        if len(wrong):
            raise TwinError(
                f"battery {self.battery.battery_id}: check-up of {self.checkups['time_utc'].iloc[wrong[0]]} "
                f"has capacity_ah {capacity[wrong[0]]}, must be positive"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A calibrated battery: state today, L0, α and β with 90 % intervals, and how far to trust them.

    ``residual_value_eur`` is what wear can still take: the value above scrap, falling linearly with remaining
    life. ``law_*`` belong to ln(L/L0) = −α·x, ``rate_*`` to L/L0 = 1/(1+β·x); x is in equivalent full cycles
    a day of today's usable capacity, the residuals are in ln(L/L0). ``record`` holds what rebuilds the
    battery in PyBaMM and carries it on (`twin.record`). ``cell_spread_v``:
    highest less lowest cell voltage at rest, where cells are reported. ``sensor_fault`` names what is wrong
    with the sensors (a `twin.faults.FaultKind`), ``sensor_evidence`` says how it shows.
    ``rest_price_eur_per_kwh_h``: wear of one kWh more held for one hour (`twin.wearmap`). ``dispute``: what a
    disputed fit was refused by (`twin.dispute`), in short; ``chi2_per_n`` is then the misfit that shows it.
    """

    calibration_id: str
    battery_id: str
    quality: Quality
    reason: str
    chemistry: str
    usable_capacity_ah: float
    usable_capacity_sd_ah: float
    usable_energy_kwh: float
    soh: float
    resistance_ohm: float
    resistance_sd_ohm: float
    current_bias_a: float | None
    chi2_per_n: float | None
    samples_used: int
    samples_excluded: int
    residual_value_eur: float
    l0_days: float
    l0_low_days: float
    l0_high_days: float
    alpha_day_per_efc: float
    alpha_low_day_per_efc: float
    alpha_high_day_per_efc: float
    beta_day_per_efc: float
    beta_low_day_per_efc: float
    beta_high_day_per_efc: float
    law_r2: float
    law_max_residual: float
    rate_r2: float
    rate_max_residual: float
    window_efc_per_day: float
    duty_efc_per_day: float
    duty_temperature_degc: float
    identifiability: str
    record: TwinRecord
    cell_spread_v: float | None = None
    sensor_fault: str | None = None
    sensor_evidence: str | None = None
    rest_price_eur_per_kwh_h: float | None = None
    dispute: str | None = None
    life_points: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False)
    residuals: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False)
    wear_map: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False)

    @property
    def model_hash(self) -> str | None:
        """Hash of the model's code that fitted ageing, life and α; None where nobody announced."""
        return self.record.model_hash

    def to_record(self) -> dict[str, Any]:
        """One flat row: every field but the frames, ``record`` as JSON text."""
        row = {name: getattr(self, name) for name in _COLUMNS}
        return row | {"model_hash": self.model_hash, "parameters_json": self.record.to_json()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Calibration:
        """The calibration of a `to_record` row; keys that are no fields are ignored, frames are empty.

        What older versions of the twin did not tell may be missing. RecordError, with the calibration, where
        its ``parameters_json`` cannot be read, or is of a newer version.
        """
        stated = [name for name in _COLUMNS if name in record or name not in _LATER]
        values = {name: _plain(record[name]) for name in stated}
        try:
            stored = TwinRecord.from_json(record["parameters_json"])
        except RecordError as error:
            raise RecordError(f"calibration {record['calibration_id']}: {error}") from error
        if stored.model_hash is None:
            stored = replace(stored, model_hash=_plain(record.get("model_hash")))
        return cls(**values, record=stored)


_APART = ("record", "life_points", "residuals", "wear_map")
_COLUMNS = tuple(f.name for f in fields(Calibration) if f.name not in _APART)
_LATER = ("dispute",)


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return None
    return value.item() if isinstance(value, np.generic) else value
