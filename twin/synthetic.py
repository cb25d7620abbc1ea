"""Synthetic batteries with a known hidden truth, simulated by a richer model than the twin fits.

The truth ages and drives with SPMe (electrolyte included), has its own manufacturing scale, ageing factors,
resistance and film resistivity, a varying week and weather; what the twin gets to see is that with sensor
noise, bias, gaps and, on request, a sensor fault. Nothing here is used in a calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd

from twin.cell import ReferenceCell, day_model, reference_cell
from twin.duty import DAY_S, StandardDuty
from twin.health import Array, Health
from twin.life import Factors, health_slope
from twin.rates import Rates, solve_rates
from twin.types import BatterySpec

Fault = Literal["none", "current_bias", "stuck_voltage", "flipped_current"]
_SEGMENTS = 128
_BLOCK_DAYS = 5
_DRIFTS_FROM = 0.01  # fade


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthSpec:
    """A synthetic battery and what is hidden in it.

    ``capacity_scale``: capacity when new over nameplate; ``sei_factor``, ``lam_factor``: ageing against the
    chemistry's prior; ``resistance``: of the reference cell, as volts per 1C; ``duty``: its ordinary day,
    left at ``departure_hour_utc``. Telemetry covers ``telemetry_days`` up to ``as_of_utc``, sessions
    ``ahead_days`` more; check-ups come every half year since commissioning. ``sei_bend``: as of
    `twin.life.Factors`; ``drift``: by how much the logarithm of all rates changes while fade goes from 1 to
    2 %, from 2 to 4 % and so on, nothing if empty. ``porous``: simulated by DFN instead of SPMe;
    ``voltage_sd_v``: noise of a cell's voltage; ``current_sd``: noise of the current as a share of it;
    ``bias_c``: bias of the current as a C-rate, drawn if None.
    """

    battery: BatterySpec
    duty: StandardDuty
    as_of_utc: pd.Timestamp
    telemetry_days: int
    ahead_days: int
    sample_s: int
    capacity_scale: float
    sei_factor: float
    lam_factor: float
    resistance: float
    departure_hour_utc: float
    fault: Fault
    seed: int
    porous: bool = False
    voltage_sd_v: float = 1e-3
    current_sd: float = 0.0
    bias_c: float | None = None
    sei_bend: float = 0.0
    drift: tuple[float, ...] = ()

    @property
    def cell(self) -> ReferenceCell:
        """The reference cell that it is simulated by."""
        return reference_cell(self.battery.chemistry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What the sensors say, and what is so.

    ``telemetry``, ``checkups``: columns of the tables of those names; ``sessions``: arrival and departure
    with SoC of every telemetry day; ``hidden``: the true figures, floats by name.
    """

    telemetry: pd.DataFrame
    checkups: pd.DataFrame
    sessions: pd.DataFrame
    hidden: dict[str, float]


def simulate_chunk(specs: Sequence[TruthSpec]) -> list[Truth]:
    """Simulate some batteries one after another; PyBaMM models are built once a process."""
    return [simulate_truth(spec) for spec in specs]


def simulate_truth(spec: TruthSpec) -> Truth:
    """Simulate one battery's history, check-ups and telemetry; the same spec gives the same truth."""
    rng = np.random.default_rng(spec.seed)
    age_days = (spec.as_of_utc - spec.battery.commissioned_utc).total_seconds() / DAY_S
    days, history = _age(spec, age_days)
    checkups = _checkups(spec, rng, days, history)
    today = history.at(-1).first()
    telemetry, sessions = _telemetry(spec, rng, today)
    circuit = spec.cell.circuit
    capacity = float(circuit.window(today).capacity_ah) / circuit.fresh_capacity_ah
    hidden = {
        "usable_capacity_ah": capacity * spec.battery.nominal_capacity_ah,
        "capacity_scale": spec.capacity_scale,
        "sei_factor": spec.sei_factor,
        "lam_factor": spec.lam_factor,
        **asdict(today),
    }
    return Truth(telemetry=telemetry, checkups=checkups, sessions=sessions, hidden=hidden)


def _age(spec: TruthSpec, age_days: float) -> tuple[Array, Health]:
    """Health from new to ``age_days`` by jumping over SPMe days (midpoint rule), steps growing to a year."""
    cell = spec.cell
    state = cell.fresh.scaled(spec.capacity_scale).vector()
    factors = Factors(
        sei=np.asarray(spec.sei_factor), lam=np.asarray(spec.lam_factor), sei_bend=spec.sei_bend
    )

    def slope(values: Array) -> Array:
        health = Health.of(values)
        return health_slope(cell, health, drifted(spec, health, _rates(spec, health)), factors)

    jumps = max(3, round(age_days / 300))
    days = age_days * (np.arange(jumps + 1) / jumps) ** 1.3
    states = [state]
    for step in np.diff(days):
        state = state + step * slope(state + 0.5 * step * slope(state))
        states.append(state)
    return days, Health.of(np.array(states).T)


def drifted(spec: TruthSpec, health: Health, rates: Rates) -> Rates:
    """The model's ``rates`` as the battery departs from them; arrays of any shape."""
    if not spec.drift:
        return rates
    circuit = spec.cell.circuit
    fade = 1 - circuit.window(health).capacity_ah / (spec.capacity_scale * circuit.fresh_capacity_ah)
    doublings = np.log2(np.maximum(fade, _DRIFTS_FROM) / _DRIFTS_FROM)
    factor = np.exp(np.interp(doublings, np.arange(len(spec.drift) + 1), np.cumsum([0.0, *spec.drift])))
    return Rates(
        sei_m=factor * rates.sei_m,
        eps_n=factor * rates.eps_n,
        eps_p=factor * rates.eps_p,
        lam_lithium_ah=factor * rates.lam_lithium_ah,
    )


def _rates(spec: TruthSpec, health: Health) -> Rates:
    return solve_rates(spec.cell, spec.duty.profile(), health, electrolyte=True, porous=spec.porous)


def _checkups(spec: TruthSpec, rng: np.random.Generator, days: Array, history: Health) -> pd.DataFrame:
    battery, cell, circuit = spec.battery, spec.cell, spec.cell.circuit
    share = circuit.window(history).capacity_ah / circuit.fresh_capacity_ah
    at_days = np.arange(5.0, days[-1], 182.6)
    capacity = np.interp(at_days, days, share) * battery.nominal_capacity_ah
    film = (
        cell.film_ohm_per_m
        * rng.normal(1.0, 0.1)
        * (np.interp(at_days, days, history.sei_m) - cell.fresh.sei_m)
    )
    ohm = (spec.resistance + film * circuit.fresh_capacity_ah) / battery.ohm_ah_per_pack_ohm
    return pd.DataFrame(
        {
            "battery_id": battery.battery_id,
            "time_utc": (battery.commissioned_utc + pd.to_timedelta(at_days, unit="D")).round("s"),
            "capacity_ah": capacity * rng.normal(1.0, 0.003, len(at_days)),
            "resistance_ohm": ohm * rng.normal(1.0, 0.01, len(at_days)),
            "temperature_degc": 25.0,
        }
    )


def _telemetry(
    spec: TruthSpec, rng: np.random.Generator, health: Health
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Telemetry up to ``as_of_utc`` and sessions beyond; blocks begin and end in the middle of a session."""
    circuit = spec.cell.circuit
    window = circuit.window(health)
    share = float(window.capacity_ah) / circuit.fresh_capacity_ah
    middle = spec.as_of_utc.normalize() + pd.Timedelta(
        hours=spec.departure_hour_utc - 0.5 * spec.duty.plugged_hours
    )
    begin = middle - pd.Timedelta(days=spec.telemetry_days + (middle > spec.as_of_utc))
    soc, frames, visits = spec.duty.target_soc, [], []
    model = day_model(spec.cell, _SEGMENTS, ageing=False, electrolyte=True, porous=spec.porous)
    total = spec.telemetry_days + spec.ahead_days
    for first in range(0, total, _BLOCK_DAYS):
        days = min(_BLOCK_DAYS, total - first)
        start_s, c_rate, sessions, end_soc = _block(spec, rng, days, soc, share)
        block_utc = begin + pd.Timedelta(days=first)
        visits += [
            (block_utc + pd.Timedelta(seconds=round(a)), block_utc + pd.Timedelta(seconds=round(d)), sa, sd)
            for a, d, sa, sd in sessions
        ]
        times = np.arange(0, days * DAY_S, spec.sample_s)
        temperature = spec.duty.temperature_degc + rng.normal(0, 2)
        x_n, y_p = window.at(soc)
        result = model.solve(
            start_s,
            c_rate * circuit.fresh_capacity_ah,
            days * DAY_S,
            health=health,
            x_n=float(x_n),
            y_p=float(y_p),
            temperature_degc=temperature,
            resistance_ohm=spec.resistance / circuit.fresh_capacity_ah,
            times_s=times,
        )
        frames.append(
            pd.DataFrame(
                {
                    "time_utc": block_utc + pd.to_timedelta(times, unit="s"),
                    "voltage_v": result.voltage_v,
                    "current_a": c_rate[np.searchsorted(start_s, times, side="right") - 1],
                    "temperature_degc": temperature + 0.5 * np.sin(2 * np.pi * times / DAY_S),
                }
            )
        )
        soc = end_soc
    true = pd.concat(frames, ignore_index=True)
    return _sense(spec, rng, true[true["time_utc"] <= spec.as_of_utc]), _join(visits)


def _join(visits: list[tuple[pd.Timestamp, pd.Timestamp, float, float]]) -> pd.DataFrame:
    """Visits as sessions; one that goes on over the seam of two blocks is one session."""
    joined = visits[:1]
    for arrival, departure, arrival_soc, departure_soc in visits[1:]:
        if arrival == joined[-1][1]:
            joined[-1] = (joined[-1][0], departure, joined[-1][2], departure_soc)
        else:
            joined.append((arrival, departure, arrival_soc, departure_soc))
    return pd.DataFrame(joined, columns=["arrival_utc", "departure_utc", "arrival_soc", "departure_soc"])


def _block(
    spec: TruthSpec, rng: np.random.Generator, days: int, soc: float, share: float
) -> tuple[Array, Array, list[tuple[float, float, float, float]], float]:
    """Steps [s], C-rates, visits and last SoC of days that begin and end in the middle of a session."""
    duty, steps, visits = spec.duty, [(0.0, 0.0)], []
    plugged_since, arrival_soc = 0.0, soc
    for day in range(days):
        leave = (day * 24 + 0.5 * duty.plugged_hours + rng.normal(0, 0.3)) * 3600
        back = leave + (24 - duty.plugged_hours + rng.normal(0, 0.3)) * 3600
        driven = float(np.clip(duty.trip_efc * rng.lognormal(-0.02, 0.2), 0.02, 0.6 * soc * share))
        visits.append((plugged_since, leave, arrival_soc, soc))
        half = driven / 2 / duty.trip_c_rate * 3600
        for begin in (leave, back - half):
            # A trip is not one current: it starts gently, goes faster, ends gently.
            for part, factor in ((0.0, 0.7), (0.3, 1.4), (0.7, 23 / 30)):
                steps.append((begin + half * part, -duty.trip_c_rate * factor))
            steps.append((begin + half, 0.0))
        soc -= driven / share
        plugged_since, arrival_soc = back, soc
        needed = (duty.target_soc - soc) * share
        steps.append((back + 60.0, duty.charge_c_rate))
        steps.append((back + 60.0 + needed / duty.charge_c_rate * 3600, 0.0))
        soc = duty.target_soc
    visits.append((plugged_since, days * DAY_S, arrival_soc, soc))
    table = np.array(steps)
    return table[:, 0], table[:, 1], visits, soc


def _sense(spec: TruthSpec, rng: np.random.Generator, true: pd.DataFrame) -> pd.DataFrame:
    """What the sensors of the pack report: noise, a small bias, gaps, and the fault of the spec."""
    battery, n = spec.battery, len(true)
    voltage = (true["voltage_v"].to_numpy() + rng.normal(0, spec.voltage_sd_v, n)) * battery.cells_series
    bias = rng.normal(0, 5e-4) if spec.bias_c is None else spec.bias_c
    rate = true["current_a"].to_numpy() * (1 + rng.normal(0, 2e-3)) + bias + rng.normal(0, 5e-4, n)
    if spec.current_sd:
        rate = rate * (1 + rng.normal(0, spec.current_sd, n))
    if spec.fault == "current_bias":
        rate = rate + 0.02
    elif spec.fault == "flipped_current":
        rate = -rate
    elif spec.fault == "stuck_voltage":
        stuck = slice(n - n // 3, n)
        voltage[stuck] = voltage[stuck.start]
    frame = pd.DataFrame(
        {
            "battery_id": battery.battery_id,
            "time_utc": true["time_utc"],
            "voltage_v": np.round(voltage, 2),
            "current_a": np.round(rate * battery.nominal_capacity_ah, 2),
            "temperature_degc": np.round(true["temperature_degc"] + rng.normal(0, 0.2, n), 1),
        }
    )
    keep = np.ones(n, dtype=bool)
    for start in rng.integers(0, n, max(1, spec.telemetry_days // 5)):
        keep[start : start + int(rng.integers(5, 60) * 60 / spec.sample_s)] = False
    return frame[keep].reset_index(drop=True)
