"""What the plug's meter tells next to the car: how much of a charge is lost, and capacity by metered energy.

Over a session the battery's own power adds up to the energy that went in, the meter at the plug counted what
was drawn for it: their ratio is the efficiency of charging, whatever the SoC is. Both meters may be off by a
hundredth. Where the car's power is polled too seldom to be added up, what was metered less that loss is held
against the rise of SoC instead (as `twin.energy` does it for power), with the loss as it is usual.

Sessions count near whose ends the car itself reported its SoC: what a session promises for its departure is
no reading.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from twin.cell import reference_cell
from twin.course import UNSEEN, Course
from twin.energy import LOAD_OHM_AH, EnergyFit, display_step, slope
from twin.evidence import seconds_of
from twin.health import Array
from twin.types import BatterySpec

_LEAST_KWH, _LEAST_RISE = 1.0, 0.05
_FEWEST, _LEAST_SWING = 3, 0.25
_NEAR_H = 1.0  # of a session's ends, the car reported its SoC
_AGREES = 0.02  # of two SoC of one moment
_METER_KWH = 0.05  # told to a tenth
_METER_GAIN = 0.01  # class B, and as much of the car's
_POSSIBLE = (0.5, 1.1)  # battery over plug: else they are not of one charge
_FED_BACK = 0.05
_MOST_SD = 0.05  # of an efficiency that is worth telling
_USUAL, _USUAL_SD = 0.90, 0.045  # on-board and DC chargers, part load and cold included
_SYSTEMATIC_SD = float(np.sqrt(0.01**2 + 0.02**2))  # voltage level, what the display leaves out


@dataclass(frozen=True, slots=True, kw_only=True)
class Charging:
    """Energy into the battery over energy metered at the plug: ``efficiency`` ± ``sd``, over ``sessions``."""

    efficiency: float
    sd: float
    sessions: int

    @property
    def said(self) -> str:
        """In words."""
        if self.efficiency - 2 * self.sd > 1:
            return (
                f"more went into the battery than was metered at the plug ({self.efficiency:.2f} of it, "
                f"{self.sessions} sessions): one of the two meters is off"
            )
        lost, sd = 100 * (1 - self.efficiency), 100 * self.sd
        return f"{lost:.0f} ± {sd:.0f} % of what is metered is lost in charging ({self.sessions} sessions)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sessions:
    """Metered stays, one a row: metered and into the battery [kWh], the latter's variance, whether it was
    seen throughout; SoC at plug-in, its rise, the variance of that besides the display's (NaN: not
    reported)."""

    metered: Array
    stored: Array
    stored_variance: Array
    observed: npt.NDArray[np.bool_]
    soc: Array
    rise: Array
    rise_variance: Array


def by_meter(
    telemetry: pd.DataFrame, sessions: pd.DataFrame, flow: Course, battery: BatterySpec
) -> tuple[Charging | None, EnergyFit | None]:
    """Efficiency of charging, and capacity by metered energy against SoC; None where too little was metered.

    ``telemetry``: with voltage_v, current_a and soc_reported where it is given; ``flow``: its course;
    ``sessions``: arrival_utc, departure_utc, energy_kwh (drawn less fed back, NaN where nobody metered).
    """
    if "energy_kwh" not in sessions or len(telemetry) < 2:
        return None, None
    plugged = _sessions(telemetry, sessions, flow, battery)
    charging = _efficiency(plugged)
    return charging, _capacity(plugged, charging, telemetry, battery)


def _sessions(
    telemetry: pd.DataFrame, sessions: pd.DataFrame, flow: Course, battery: BatterySpec
) -> _Sessions:
    ordered = telemetry.sort_values("time_utc", kind="stable")
    time_s = seconds_of(ordered["time_utc"])
    power = (ordered["voltage_v"] * ordered["current_a"]).to_numpy(dtype=float) / 1000
    over = (sessions["departure_utc"] <= ordered["time_utc"].iloc[-1]) & (
        sessions["arrival_utc"] >= ordered["time_utc"].iloc[0]
    )
    own = sessions[over & (sessions["energy_kwh"] >= _LEAST_KWH)].sort_values("arrival_utc")
    ends = [seconds_of(own[name]) for name in ("arrival_utc", "departure_utc")]
    into, out, variance = _into_battery(time_s, power, *ends)
    unseen = [np.interp(end, flow.end_s, np.cumsum(flow.kind == UNSEEN)) for end in ends]
    stated = ordered["soc_reported"].to_numpy(dtype=float) if "soc_reported" in ordered else power * np.nan
    kw = np.maximum(power, 0) / battery.nominal_energy_kwh
    first, since = _stated_with(time_s, stated, kw, ends[0], after=True)
    last, until = _stated_with(time_s, stated, kw, ends[1], after=False)
    # What was charged between plug-in and the first report: none to all that its power could.
    arrived, arrived_variance = first - 0.5 * since, since**2 / 12
    if "arrival_soc" in own:
        plugged = own["arrival_soc"].to_numpy(dtype=float)
        agrees = (plugged >= first - since - _AGREES) & (plugged <= first + _AGREES)
        arrived, arrived_variance = np.where(agrees, (plugged, 0.0 * plugged), (arrived, arrived_variance))
    return _Sessions(
        metered=own["energy_kwh"].to_numpy(dtype=float),
        stored=into + out,
        stored_variance=variance,
        observed=(unseen[1] - unseen[0] < 0.5) & (-out <= _FED_BACK * np.maximum(into, 1e-9)),
        soc=arrived,
        rise=last + 0.5 * until - arrived,
        rise_variance=arrived_variance + until**2 / 12,
    )


def _into_battery(time_s: Array, power_kw: Array, begin_s: Array, end_s: Array) -> tuple[Array, Array, Array]:
    """Energy in and out over each session [kWh], and the former's variance, by the samples of the session
    alone: the first holds from its begin on, for many a charge begins with it, and the last to its end."""
    found = np.zeros((3, len(begin_s)))
    for number, (begin, end) in enumerate(zip(begin_s, end_s, strict=True)):
        own = slice(np.searchsorted(time_s, begin), np.searchsorted(time_s, end, side="right"))
        times, power = time_s[own], power_kw[own]
        if not len(times):
            continue
        edges = np.concatenate([[begin], 0.5 * (times[1:] + times[:-1]), [end]])
        hours = np.diff(edges) / 3600
        changes = (np.diff(power) * np.diff(times) / 3600) ** 2 / 12
        found[:, number] = (
            (np.maximum(power, 0) * hours).sum(), (np.minimum(power, 0) * hours).sum(), changes.sum()
        )  # fmt: skip
    into, out, variance = found
    return into, out, variance


def _stated_with(
    time_s: Array, soc: Array, rate: Array, asked_s: Array, *, after: bool
) -> tuple[Array, Array]:
    """SoC reported next after (or before) some moments, NaN where not near, and what its ``rate`` [1/h] moves
    between the two."""
    known = np.isfinite(soc)
    if not known.any():
        return np.full(len(asked_s), np.nan), np.full(len(asked_s), np.nan)
    time_s, soc, rate = time_s[known], soc[known], rate[known]
    place = np.searchsorted(time_s, asked_s) if after else np.searchsorted(time_s, asked_s, side="right") - 1
    near = (place >= 0) & (place < len(time_s))
    place = np.clip(place, 0, len(time_s) - 1)
    hours = np.abs(time_s[place] - asked_s) / 3600
    return np.where(near & (hours <= _NEAR_H), soc[place], np.nan), rate[place] * hours


def _efficiency(sessions: _Sessions) -> Charging | None:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = sessions.stored / sessions.metered
    use = sessions.observed & (ratio > _POSSIBLE[0]) & (ratio < _POSSIBLE[1])
    if use.sum() < max(_FEWEST, 0.5 * sessions.observed.sum()):
        return None
    metered, ratio = sessions.metered[use], ratio[use]
    efficiency = float((metered * ratio).sum() / metered.sum())
    weight = metered / metered.sum()
    scatter = float((weight**2 * (ratio - efficiency) ** 2).sum()) * len(ratio) / (len(ratio) - 1)
    counted = float((sessions.stored_variance[use] + _METER_KWH**2).sum()) / float(metered.sum()) ** 2
    sd = float(np.sqrt(max(scatter, counted) + 2 * (_METER_GAIN * efficiency) ** 2))
    return Charging(efficiency=efficiency, sd=sd, sessions=int(use.sum())) if sd < _MOST_SD else None


def _capacity(
    sessions: _Sessions, charging: Charging | None, telemetry: pd.DataFrame, battery: BatterySpec
) -> EnergyFit | None:
    use = (sessions.rise >= _LEAST_RISE) & (sessions.metered > 0)
    if use.sum() < _FEWEST or sessions.rise[use].sum() < _LEAST_SWING:
        return None
    precision, log_mean = _USUAL_SD**-2, np.log(_USUAL) * _USUAL_SD**-2
    if charging is not None:
        own = (charging.sd / charging.efficiency) ** -2
        precision, log_mean = precision + own, log_mean + own * np.log(charging.efficiency)
    efficiency, efficiency_sd = np.exp(log_mean / precision), precision**-0.5
    circuit = reference_cell(battery.chemistry).circuit
    window = circuit.window(reference_cell(battery.chemistry).fresh)
    rise, start = sessions.rise[use], sessions.soc[use]
    within = start + np.array([[0.1], [0.3], [0.5], [0.7], [0.9]]) * rise
    volts = circuit.voltage(*window.at(within)).mean(axis=0)
    volts = volts + LOAD_OHM_AH * battery.charge_c_rate
    per_kwh = 1000 / (battery.cells_series * battery.nominal_capacity_ah * volts)
    step = display_step(telemetry["soc_reported"].to_numpy(dtype=float))
    share, sd = slope(
        efficiency * sessions.metered[use] * per_kwh,
        rise,
        (_METER_KWH * per_kwh) ** 2,
        sessions.rise_variance[use] + 2 * step**2 / 12 + (0.5 * step) ** 2,
        np.zeros(int(use.sum())),  # what a plugged car draws besides is in the efficiency
    )
    systematic = share * np.sqrt(_SYSTEMATIC_SD**2 + efficiency_sd**2 + _METER_GAIN**2)
    return EnergyFit(
        share=share,
        sd=float(np.hypot(sd, systematic)),
        legs=int(use.sum()),
        swing=float(rise.sum()),
        by="energy metered at the plug against SoC",
    )
