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

import numpy as np
import pandas as pd

from twin.dispute import pack
from twin.entries import rows, vector
from twin.health import Health
from twin.observe import Carried, Observation, capacity_draws
from twin.past import ordinary_day
from twin.prior import NAMES
from twin.record import FullRecord, LifePoints, StateRecord, need
from twin.resistance import today_degc
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
_UNFIT = ("stale", "disputed")
_EFFECTIVE_OHM_AH, _EFFECTIVE_SD = 0.05, 0.1


def anchor(request: CalibrationRequest, fresh: Health, today: Health, observed: Observation) -> StateRecord:
    """The state that a full calibration leaves for the days to come.

    ``fresh``: health of a new cell; ``today``: of the best estimate, then of posterior draws, in arrays.
    """
    moved = np.column_stack(today.changes(fresh))
    mean = np.array([*moved[0], _EFFECTIVE_OHM_AH, 0.0])
    covariance = np.diag([0.0, 0.0, 0.0, _EFFECTIVE_SD**2, BIAS_SD_C**2])
    covariance[:3, :3] = np.cov(moved[1:].T)
    if observed.state is not None:
        mean[3:] = observed.state.posterior.mean[3:]
        covariance[3:, 3:] = observed.state.posterior.covariance[3:, 3:]
    # A day's drift keeps the covariance regular: ageing posteriors may leave a direction without spread.
    prior = StatePrior(mean=mean, covariance=covariance).after(1.0)
    until = request.as_of_utc if observed.replay is None else observed.replay.end_utc
    return _state_record(prior, until, request.as_of_utc)


def full_record(request: CalibrationRequest, today: Health, observed: bool) -> FullRecord:
    """What is known later of a full calibration; ``today``: health in floats."""
    return FullRecord(
        calibration_id=request.input_hash[:16],
        as_of_utc=request.as_of_utc,
        checkups=len(request.checkups),
        observed=observed,
        nameplate=_nameplate(request),
        health=today,
    )


def why_full(request: CalibrationRequest) -> str:
    """Why yesterday's calibration cannot be carried on; "" where it can."""
    previous = request.previous
    if previous is None or previous.quality in _UNFIT or not previous.record.carries_on:
        return "no calibration to carry on"
    if previous.model_hash != request.model_hash:
        return "another model than the one that fitted the last calibration"
    full = need(previous.record.full, "full calibration")
    if full.nameplate != _nameplate(request):
        return "another nameplate or end of life"
    if full.checkups != len(request.checkups):
        return "a new check-up"
    days = (request.as_of_utc - full.as_of_utc).total_seconds() / 86400
    if not 0 <= days < request.full_every_days:
        return f"the last full calibration is {days:.0f} days old"
    if not full.observed and len(request.telemetry) and not len(request.coarse):
        return "telemetry where there was none"
    duty, before = ordinary_day(request), need(previous.record.duty, "duty")
    for name, limit in DUTY_LIMITS.items():
        now, then = float(getattr(duty, name)), float(getattr(before, name))
        if abs(now - then) > limit:
            return f"the ordinary day changed: {name} from {then:.3g} to {now:.3g}"
    return ""


def continues(request: CalibrationRequest) -> bool:
    """Whether a state goes on from the last calibration's, even where ageing and life are fitted anew."""
    previous = request.previous
    return (
        previous is not None
        and previous.quality not in _UNFIT
        and previous.record.carries_on
        and previous.model_hash == request.model_hash
    )


def carried(previous: Calibration, as_of_utc: pd.Timestamp) -> Carried:
    """Yesterday's state, standard days later."""
    state = need(previous.record.state, "state")
    days = _days(state.as_of_utc, as_of_utc)
    ageing = ageing_of(previous)
    health = ageing.after(health_of(previous), days)
    mean = np.array(state.mean)
    mean[:3] = health.changes(ageing.model.cell.fresh)
    return Carried(
        health=health,
        prior=StatePrior(mean=mean, covariance=np.array(state.covariance)).after(days),
        until_utc=state.until_utc,
        days=days,
    )


def daily_update(request: CalibrationRequest, stored: Carried, observed: Observation) -> Calibration | None:
    """Yesterday's calibration with today's state; None where the state has drifted from its ageing."""
    previous, battery = request.previous, request.battery
    if previous is None:
        return None
    state = observed.state
    health, posterior = (stored.health, stored.prior) if state is None else (state.health, state.posterior)
    weakest, ageing = observed.usable_share(len(request.checkups)), ageing_of(previous)
    shares = capacity_draws(ageing.model.cell, posterior, health.sei_m)
    share, spread = float(shares[0]), float(shares[1:].std())
    if _drifted(previous, ageing, request.as_of_utc, share, spread):
        return None
    ratio = _left(previous, ageing, health, request.as_of_utc)
    until = stored.until_utc if observed.replay is None else observed.replay.end_utc
    lives, losses = need(previous.record.lives, "lives"), previous.record.losses
    stored_now = replace(
        previous.record,
        health=health,
        state=_state_record(posterior, until, request.as_of_utc),
        lives=replace(lives, life_days=vector(ratio * life for life in lives.life_days)),
        losses=None if losses is None else replace(losses, today_degc=today_degc(request)),
    )
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
        cell_spread_v=observed.spread_v,
        sensor_fault=None,
        sensor_evidence=None,
        record=stored_now,
        life_points=points_of(stored_now.lives, calibration_id, previous),
        residuals=residual_frame(calibration_id, battery, observed.replay, state),
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


def previous_on_fault(
    request: CalibrationRequest, previous: Calibration, observed: Observation
) -> Calibration:
    """The last good calibration, stale, where today's sensors cannot be believed."""
    fault = observed.fault
    calibration_id = request.input_hash[:16]
    origin = previous.record.kept_from or previous.calibration_id
    return replace(
        previous,
        calibration_id=calibration_id,
        quality="stale",
        reason=f"{'' if fault is None else fault.verdict}; kept from calibration {origin}",
        sensor_fault=None if fault is None else fault.kind,
        sensor_evidence=None if fault is None else fault.evidence,
        record=replace(previous.record, kept_from=origin),
        life_points=points_of(previous.record.lives, calibration_id, previous),
    )


def points_of(lives: LifePoints | None, calibration_id: str, previous: Calibration) -> pd.DataFrame:
    """The lives of a calibration that is carried on, under its new name."""
    if lives is None:
        return pd.DataFrame()
    return life_points(
        calibration_id,
        previous.battery_id,
        lives,
        previous.alpha_day_per_efc,
        previous.beta_day_per_efc,
    )


def _left(previous: Calibration, ageing: Ageing, health: Health, as_of_utc: pd.Timestamp) -> float:
    """What is left of the previous remaining life: the days since are over, and what a state shows beyond
    that counts in proportion. The life is the ensemble's, which PyBaMM's ageing alone may foretell otherwise.
    """
    then = need(previous.record.state, "state").as_of_utc
    days, life = _days(then, as_of_utc), ageing.life_days(health_of(previous))
    if life <= days or previous.l0_days <= days:
        return ageing.life_days(health) / max(life, 1e-9)
    return ageing.life_days(health) / (life - days) * (1 - days / previous.l0_days)


def _drifted(
    previous: Calibration, ageing: Ageing, as_of_utc: pd.Timestamp, share: float, spread: float
) -> bool:
    full, circuit = need(previous.record.full, "full calibration"), ageing.model.cell.circuit
    foretold = ageing.after(full.health, _days(full.as_of_utc, as_of_utc))
    expected = float(circuit.window(foretold).capacity_ah) / circuit.fresh_capacity_ah
    return abs(share - expected) > max(DRIFT_LEAST, DRIFT_SIGMAS * spread)


def _reason(previous: Calibration, measured: bool) -> str:
    full = need(previous.record.full, "full calibration")
    text = "state of today" if measured else "state carried on, no new window of telemetry"
    return f"{text}; ageing, life and α of {full.calibration_id} ({full.as_of_utc:%Y-%m-%d})"


def _state_record(prior: StatePrior, until: pd.Timestamp, as_of_utc: pd.Timestamp) -> StateRecord:
    return StateRecord(
        mean=vector(prior.mean), covariance=rows(prior.covariance), until_utc=until, as_of_utc=as_of_utc
    )


def _nameplate(request: CalibrationRequest) -> tuple[str | float, ...]:
    battery = request.battery
    return (
        *pack(request),
        battery.charge_limit_kw,
        battery.replacement_value_eur,
        battery.scrap_value_eur,
        request.end_of_life_soh,
        *NAMES,
    )


def _days(then: pd.Timestamp, now: pd.Timestamp) -> float:
    return max(0.0, (now - then).total_seconds() / 86400)
