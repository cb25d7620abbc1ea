"""A calibrated battery in the hand: parameters, covariance, its PyBaMM simulation, residuals, forecast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pybamm

from twin.ageing import checkup_arrays
from twin.cell import AGEING_OPTIONS, ReferenceCell, reference_cell
from twin.ensemble.stored import band_of
from twin.ensemble.stress import stress_of
from twin.errors import SolveError, TwinError
from twin.forecast import forecast_capacity
from twin.health import Health
from twin.hindcast import FEWEST, hindcast
from twin.life import time_grid
from twin.record import need
from twin.restore import ageing_of, health_of
from twin.state import StatePrior, fit_state
from twin.types import BatterySpec, Calibration
from twin.window import DAILY_WINDOW_H, select_window

DRAWS = 200
TWIN_OF = "Twin of battery "
_GIVEN_SD = 1e-7  # of a state that a window is not asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryHandle:
    """One battery and its calibration; ``residuals``: measured and fitted pack voltage of the last window.

    Columns of ``residuals``: time_utc, voltage_v, model_voltage_v, used, error_v; empty without a fit.
    """

    battery: BatterySpec
    calibration: Calibration
    residuals: pd.DataFrame

    @property
    def parameters(self) -> Mapping[str, float]:
        """The ageing unknowns by name as the fit holds them: factors and resistance as natural logarithms."""
        held = self.calibration.record
        return dict(zip(need(held.names, "names"), need(held.mean, "mean"), strict=True))

    @property
    def covariance(self) -> pd.DataFrame:
        """Posterior covariance of `parameters`, named on both sides."""
        held = self.calibration.record
        names = list(need(held.names, "names"))
        return pd.DataFrame(np.array(need(held.covariance, "covariance")), index=names, columns=names)

    @property
    def cell(self) -> ReferenceCell:
        """The reference cell of its chemistry."""
        return reference_cell(self.calibration.chemistry)

    @property
    def health(self) -> Health:
        """Health today, of the chemistry's reference cell."""
        return health_of(self.calibration)

    def draws(self, count: int = DRAWS, seed: int = 0) -> pd.DataFrame:
        """``count`` draws of the posterior, one a row."""
        held = self.calibration.record
        mean, covariance = need(held.posterior_mean, "posterior mean"), need(held.covariance, "covariance")
        drawn = np.random.default_rng(seed).multivariate_normal(mean, covariance, count)
        return pd.DataFrame(drawn, columns=list(need(held.names, "names")))

    def capacity_forecast(self, years: float) -> pd.DataFrame:
        """Usable capacity over nominal if every day is a standard day: day, soh, soh_low, soh_high (90 %).

        It is the ensemble's, moved to today's capacity and L0: the same curves as `twin.horizon.life_band`.
        That of a calibration of PyBaMM alone is the posterior of the ageing unknowns, the spread of today's
        capacity and what the model leaves out, as a share of the fade to come.
        """
        found = self.calibration
        days = time_grid(years * 365.25)
        if found.record.ensemble is not None:
            band = band_of(found, found.record.ensemble)
            curves = {"soh": band.median, "soh_low": band.low, "soh_high": band.high}
            return pd.DataFrame(
                {"day": days} | {name: np.interp(days, band.days, curve) for name, curve in curves.items()}
            )
        stated = forecast_capacity(
            ageing_of(found).model,
            np.vstack([need(found.record.mean, "mean"), self.draws().to_numpy()]),
            self.health,
            days,
            discrepancy=need(found.record.prior, "prior").discrepancy,
            today_sd=found.usable_capacity_sd_ah / self.battery.nominal_capacity_ah,
        )
        return pd.DataFrame({"day": days, "soh": stated.best, "soh_low": stated.low, "soh_high": stated.high})

    def simulation(
        self,
        *,
        soc: float = 1.0,
        temperature_degc: float | None = None,
        ageing: bool = False,
        electrolyte: bool = False,
        experiment: Any = None,
    ) -> Any:
        """A PyBaMM simulation of this battery at today's health, ready to be solved.

        It is the pack: its current [A] is the pack's, PyBaMM's sign (+ = discharge), its "Battery voltage
        [V]" the pack's, and C-rates of an ``experiment`` are of nominal capacity. ``soc``: where it starts
        (0–1 of today's usable window); ``temperature_degc``: the standard day's if None; ``ageing``: with
        SEI and loss of active material at the fitted factors; ``electrolyte``: SPMe instead of SPM.
        """
        if not 0 <= soc <= 1:
            raise TwinError(f"battery {self.battery.battery_id}: SoC {soc} is not within 0 and 1")
        model_class = pybamm.lithium_ion.SPMe if electrolyte else pybamm.lithium_ion.SPM
        options = {"contact resistance": "true"} | (AGEING_OPTIONS if ageing else {})
        return pybamm.Simulation(
            model_class(options),
            parameter_values=self.parameter_values(soc=soc, temperature_degc=temperature_degc, ageing=ageing),
            experiment=experiment,
            solver=pybamm.IDAKLUSolver(rtol=1e-6, atol=1e-8),
        )

    def parameter_values(
        self, *, soc: float = 1.0, temperature_degc: float | None = None, ageing: bool = False
    ) -> Any:
        """PyBaMM parameter values of the pack at today's health; arguments as of `simulation`."""
        battery, found = self.battery, self.calibration
        cell, values = self.cell, self.cell.parameter_values.copy()
        x_n, y_p = cell.circuit.window(self.health).at(soc)
        degc = (
            need(found.record.duty, "duty").temperature_degc if temperature_degc is None else temperature_degc
        )
        strings = battery.nominal_capacity_ah / cell.circuit.fresh_capacity_ah
        parallel = values["Number of electrodes connected in parallel to make a cell"]
        changes = {
            "Number of electrodes connected in parallel to make a cell": parallel * strings,
            "Number of cells connected in series to make a battery": battery.cells_series,
            "Nominal cell capacity [A.h]": battery.nominal_capacity_ah,
            "Current function [A]": battery.nominal_capacity_ah / 3,
            "Contact resistance [Ohm]": self.effective_ohm_ah / battery.nominal_capacity_ah,
            "Initial concentration in negative electrode [mol.m-3]": float(x_n) * cell.c_max("Negative"),
            "Initial concentration in positive electrode [mol.m-3]": float(y_p) * cell.c_max("Positive"),
            "Negative electrode active material volume fraction": self.health.eps_n,
            "Positive electrode active material volume fraction": self.health.eps_p,
            "Ambient temperature [K]": degc + 273.15,
            "Initial temperature [K]": degc + 273.15,
        }
        if ageing:
            changes |= self._ageing_values()
        values.update(changes, check_already_exists=False)
        return values

    def replay(self, telemetry: pd.DataFrame) -> pd.DataFrame:
        """Telemetry day by day as this battery at today's state would have it: time_utc, voltage_v,
        model_voltage_v, error_v, of the pack [V].

        ``telemetry``: columns of that table, of any length. Of each day (UTC) the stretch that a calibration
        would choose, each from the charge that its first voltages tell; ``model_voltage_v`` is NaN where
        PyBaMM cannot follow. TwinError where no day holds such a stretch.
        """
        battery, stated = self.battery, np.array(need(self.calibration.record.state, "state").mean)
        stated[:3] = self.health.changes(self.cell.fresh)
        given = StatePrior(mean=stated, covariance=_GIVEN_SD**2 * np.eye(len(stated)))
        frames = []
        for _, day in telemetry.groupby(telemetry["time_utc"].dt.floor("D")):
            window = select_window(day, battery, hours=DAILY_WINDOW_H)
            if window is None:
                continue
            try:
                volts = fit_state(window, self.cell, self.health, prior=given).model_voltage_v
            except SolveError:
                volts = np.full(len(window.times_s), np.nan)
            pack_v = (
                np.column_stack([window.voltage_v, volts, window.voltage_v - volts]) * battery.cells_series
            )
            frame = pd.DataFrame(pack_v, columns=["voltage_v", "model_voltage_v", "error_v"])
            frame.insert(0, "time_utc", window.begin_utc + pd.to_timedelta(window.times_s, unit="s"))
            frames.append(frame)
        if not frames:
            raise TwinError(
                f"battery {battery.battery_id}: no day of the telemetry holds a stretch to replay"
            )
        return pd.concat(frames, ignore_index=True)

    def hindcast(self, checkups: pd.DataFrame) -> pd.DataFrame:
        """What each past check-up would have foretold of those after it, by all structures.

        ``checkups``: columns of that table. A row for each check-up seen up to then, from the second on, and
        each later one: seen, time_utc, days_ahead, soh (capacity over nominal as measured), soh_low,
        soh_median, soh_high (90 %), held. Every day of the past is taken to be an ordinary one of today.
        TwinError with fewer than three check-ups.
        """
        battery, stored = self.battery, need(self.calibration.record.prior, "prior")
        own = checkups[checkups["time_utc"] >= battery.commissioned_utc].sort_values("time_utc")
        if len(own) <= FEWEST:
            raise TwinError(
                f"battery {battery.battery_id}: {len(own)} check-ups since "
                f"{battery.commissioned_utc:%Y-%m-%d}, a hindcast needs {FEWEST + 1}"
            )
        arrays = checkup_arrays(
            own,
            battery.commissioned_utc,
            nominal_ah=battery.nominal_capacity_ah,
            ohm_ah_per_pack_ohm=battery.ohm_ah_per_pack_ohm,
        )
        duty = need(self.calibration.record.duty, "duty")
        stated = hindcast(
            ageing_of(self.calibration).model, stress_of(duty.profile()), stored.as_prior(), *arrays
        )
        stated.insert(1, "time_utc", own["time_utc"].iloc[stated.pop("at")].array)
        return stated

    def parameter_set(self, *, soc: float = 1.0, temperature_degc: float | None = None) -> dict[str, Any]:
        """`parameter_values` with its ageing as JSON that `pybamm.ParameterValues.from_json` reads.

        It needs the model option "contact resistance", and for ageing those of `twin.cell.AGEING_OPTIONS`.
        Since PyBaMM takes nothing but numbers and functions, the battery is named by a key with value 1.
        """
        values = self.parameter_values(soc=soc, temperature_degc=temperature_degc, ageing=True)
        return {f"{TWIN_OF}{self.battery.battery_id}": 1.0, **values.to_json()}

    @property
    def effective_ohm_ah(self) -> float:
        """Series resistance that voltage showed, ohm × Ah of the reference cell: SPM's own excluded."""
        return need(self.calibration.record.state, "state").mean[3]

    def _ageing_values(self) -> dict[str, float]:
        spec = self.cell.spec
        factors = ageing_of(self.calibration).factors
        sei, lam = float(factors.sei[0]), float(factors.lam[0])
        return {
            "SEI kinetic rate constant [m.s-1]": spec.sei_kinetic_m_per_s * sei,
            "EC diffusivity [m2.s-1]": spec.sei_diffusivity_m2_per_s * sei,
            "Initial SEI thickness [m]": self.health.sei_m,
            "Negative electrode LAM constant proportional term [s-1]": spec.lam_negative_per_s * lam,
            "Positive electrode LAM constant proportional term [s-1]": spec.lam_positive_per_s * lam,
        }
