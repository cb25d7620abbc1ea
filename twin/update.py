"""The daily update: yesterday's calibration carried on to today, its state measured, its life kept in step.

Ageing factors, α, β and the ratios of lives do not change from one day to the next; state does. So on most
days only the state is fitted, with yesterday's posterior as prior, and remaining life follows from it by the
rates already learnt. `why_full` says when that is not enough: nothing to carry on, another nameplate or end
of life, another model, a new check-up, an ordinary day that changed, too long since the last full
calibration, telemetry where there was none. `daily_update` gives up itself where the state has drifted from
what ageing foretold.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from twin.cell import Health, reference_cell
from twin.dispute import pack
from twin.duty import StandardDuty
from twin.observe import Carried, Observation, capacity_draws
from twin.opencircuit import open_circuit
from twin.past import ordinary_day
from twin.prior import NAMES
from twin.restore import Ageing, ageing_of, health_of, life_points, residual_frame
from twin.state import BIAS_SD_C, StatePrior
from twin.types import Calibration, CalibrationRequest

DRIFT_SIGMAS, DRIFT_LEAST = 3.0, 0.01  # of capacity, against what ageing foretold
DUTY_LIMITS = {
    "trip_efc": 0.04,
    "charge_c_rate": 0.04,
    "plugged_hours": 2.0,
    "target_soc": 0.06,
    "temperature_degc": 4.0,
}
_EFFECTIVE_OHM_AH, _EFFECTIVE_SD = 0.05, 0.1


def anchor(
    request: CalibrationRequest, duty: StandardDuty, today: Health, seen: Observation
) -> dict[str, Any]:
    """What a full calibration leaves for the days to come, as entries of its ``parameters``.

    ``today``: health of the best estimate, then of posterior draws, in arrays.
    """
    fresh = reference_cell(request.battery.chemistry).fresh
    rows = np.column_stack(
        [
            np.log(today.eps_n / fresh.eps_n),
            np.log(today.eps_p / fresh.eps_p),
            today.lithium_ah / fresh.lithium_ah,
        ]
    )
    mean = np.array([*rows[0], _EFFECTIVE_OHM_AH, 0.0])
    covariance = np.diag([0.0, 0.0, 0.0, _EFFECTIVE_SD**2, BIAS_SD_C**2])
    covariance[:3, :3] = np.cov(rows[1:].T)
    if seen.state is not None:
        mean[3:] = seen.state.posterior.mean[3:]
        covariance[3:, 3:] = seen.state.posterior.covariance[3:, 3:]
    # A day's drift keeps the covariance regular: ageing posteriors may leave a direction without spread.
    prior = StatePrior(mean=mean, covariance=covariance).after(1.0)
    until = request.as_of_utc if seen.replay is None else seen.replay.end_utc
    return {
        "state": _state_record(prior, until, request.as_of_utc),
        "full": {
            "calibration_id": request.input_hash[:16],
            "as_of_utc": request.as_of_utc.isoformat(),
            "checkups": len(request.checkups),
            "observed": seen.state is not None,
            "nameplate": _nameplate(request),
            "duty": {name: float(getattr(duty, name)) for name in DUTY_LIMITS},
            "health": {
                name: float(np.ravel(getattr(today, name))[0])
                for name in ("sei_m", "eps_n", "eps_p", "lithium_ah")
            },
        },
    }


def why_full(request: CalibrationRequest) -> str:
    """Why yesterday's calibration cannot be carried on; "" where it can."""
    previous = request.previous
    unfit = ("stale", "disputed")
    if previous is None or previous.quality in unfit or "full" not in previous.parameters:
        return "no calibration to carry on"
    if previous.model_hash != request.model_hash:
        return "another model than the one that fitted the last calibration"
    full = previous.parameters["full"]
    if full["nameplate"] != _nameplate(request):
        return "another nameplate or end of life"
    if full["checkups"] != len(request.checkups):
        return "a new check-up"
    days = (request.as_of_utc - pd.Timestamp(full["as_of_utc"])).total_seconds() / 86400
    if not 0 <= days < request.full_every_days:
        return f"the last full calibration is {days:.0f} days old"
    if not full["observed"] and len(request.telemetry):
        return "telemetry where there was none"
    duty = ordinary_day(request)
    for name, limit in DUTY_LIMITS.items():
        now, then = float(getattr(duty, name)), full["duty"][name]
        if abs(now - then) > limit:
            return f"the ordinary day changed: {name} from {then:.3g} to {now:.3g}"
    return ""


def carried(previous: Calibration, as_of_utc: pd.Timestamp) -> Carried:
    """Yesterday's state, standard days later."""
    state = previous.parameters["state"]
    days = _days(state["as_of_utc"], as_of_utc)
    health = ageing_of(previous).after(health_of(previous), days)
    fresh = reference_cell(previous.chemistry).fresh
    mean = np.array(state["mean"])
    mean[0], mean[1] = np.log(health.eps_n / fresh.eps_n), np.log(health.eps_p / fresh.eps_p)
    mean[2] = health.lithium_ah / fresh.lithium_ah
    return Carried(
        health=health,
        prior=StatePrior(mean=mean, covariance=np.array(state["covariance"])).after(days),
        until_utc=pd.Timestamp(state["until_utc"]),
    )


def daily_update(request: CalibrationRequest, kept: Carried, seen: Observation) -> Calibration | None:
    """Yesterday's calibration with today's state; None where the state has drifted from its ageing."""
    previous, battery = request.previous, request.battery
    if previous is None:
        return None
    state = seen.state
    health, posterior = (kept.health, kept.prior) if state is None else (state.health, state.posterior)
    shares = capacity_draws(battery.chemistry, posterior, health.sei_m)
    share, spread = float(shares[0]), float(shares[1:].std())
    weakest, ageing = seen.usable_share(len(request.checkups)), ageing_of(previous)
    if _drifted(previous, ageing, request.as_of_utc, share, spread):
        return None
    ratio = ageing.life_days(health) / max(ageing.life_days(health_of(previous)), 1e-9)
    until = kept.until_utc if seen.replay is None else seen.replay.end_utc
    parameters = dict(previous.parameters)
    parameters["health"] = {
        name: float(getattr(health, name)) for name in ("sei_m", "eps_n", "eps_p", "lithium_ah")
    }
    parameters["state"] = _state_record(posterior, until, request.as_of_utc)
    parameters["lives"] = parameters["lives"] | {
        "life_days": [ratio * life for life in parameters["lives"]["life_days"]]
    }
    calibration_id = request.input_hash[:16]
    updated = replace(
        previous,
        calibration_id=calibration_id,
        reason=_reason(previous, state is not None),
        usable_capacity_ah=share * weakest * battery.nominal_capacity_ah,
        usable_capacity_sd_ah=spread * battery.nominal_capacity_ah,
        usable_energy_kwh=share * weakest * battery.nominal_energy_kwh,
        soh=share,
        residual_value_eur=ratio * previous.residual_value_eur,
        l0_days=ratio * previous.l0_days,
        l0_low_days=ratio * previous.l0_low_days,
        l0_high_days=ratio * previous.l0_high_days,
        cell_spread_v=seen.spread_v,
        sensor_fault=None,
        sensor_evidence=None,
        parameters=parameters,
        life_points=points_of(parameters, calibration_id, previous),
        residuals=residual_frame(calibration_id, battery, seen.replay, state),
    )
    if state is None:
        return updated
    return replace(
        updated,
        current_bias_a=-state.bias_c * battery.nominal_capacity_ah,
        chi2_per_n=state.chi2_per_n,
        samples_used=int(state.used.sum()),
        samples_excluded=len(state.used) - int(state.used.sum()),
    )


def kept_on_fault(request: CalibrationRequest, previous: Calibration, seen: Observation) -> Calibration:
    """The last good calibration, stale, where today's sensors cannot be believed."""
    fault = seen.fault
    calibration_id = request.input_hash[:16]
    parameters = dict(previous.parameters)
    origin = parameters.setdefault("kept_from", previous.calibration_id)
    return replace(
        previous,
        calibration_id=calibration_id,
        quality="stale",
        reason=f"sensors refused ({fault}); kept from calibration {origin}",
        sensor_fault=None if fault is None else fault.kind,
        sensor_evidence=None if fault is None else fault.evidence,
        parameters=parameters,
        life_points=points_of(parameters, calibration_id, previous),
    )


def points_of(parameters: dict[str, Any], calibration_id: str, previous: Calibration) -> pd.DataFrame:
    """The lives of a calibration that is carried on, under its new name."""
    if "lives" not in parameters:
        return pd.DataFrame()
    return life_points(
        calibration_id,
        previous.battery_id,
        parameters["lives"],
        previous.alpha_day_per_efc,
        previous.beta_day_per_efc,
    )


def _drifted(
    previous: Calibration, ageing: Ageing, as_of_utc: pd.Timestamp, share: float, spread: float
) -> bool:
    full, circuit = previous.parameters["full"], open_circuit(previous.chemistry)
    foretold = ageing.after(Health(**full["health"]), _days(full["as_of_utc"], as_of_utc))
    expected = float(circuit.window(foretold).capacity_ah) / circuit.fresh_capacity_ah
    return abs(share - expected) > max(DRIFT_LEAST, DRIFT_SIGMAS * spread)


def _reason(previous: Calibration, measured: bool) -> str:
    full = previous.parameters["full"]
    told = "state of today" if measured else "state carried on, no new window of telemetry"
    return f"{told}; ageing, life and α of {full['calibration_id']} ({full['as_of_utc'][:10]})"


def _state_record(prior: StatePrior, until: pd.Timestamp, as_of_utc: pd.Timestamp) -> dict[str, Any]:
    return {
        "mean": prior.mean.tolist(),
        "covariance": prior.covariance.tolist(),
        "until_utc": until.isoformat(),
        "as_of_utc": as_of_utc.isoformat(),
    }


def _nameplate(request: CalibrationRequest) -> list[Any]:
    battery = request.battery
    return [
        *pack(request),
        battery.charge_limit_kw,
        battery.replacement_value_eur,
        battery.scrap_value_eur,
        request.end_of_life_soh,
        *NAMES,
    ]


def _days(then: str, now: pd.Timestamp) -> float:
    return max(0.0, (now - pd.Timestamp(then)).total_seconds() / 86400)
