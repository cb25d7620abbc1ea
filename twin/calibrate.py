"""One battery's calibration: state from voltage, ageing from check-ups, life and α by the duty reading.

Stages A (`twin.state`), B (`twin.ageing`) and C (`twin.life`, `twin.law`) in that order. Stage A is a
measurement among others to stage B, whose posterior is the battery's state today; so check-ups, voltage and
ageing physics give one consistent answer. What stage C says is one answer among others: L0, α and β that are
published, with their intervals, are those of `twin.ensemble`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from twin.ageing import AgeingFit, checkup_arrays, factors_of, fit_ageing, health_at
from twin.cell import reference_cell
from twin.days import DutySpread, duty_spread
from twin.dispute import Dispute, believed, jump, misfit
from twin.duty import StandardDuty
from twin.energy import by_energy
from twin.ensemble.answer import CheckUps, together
from twin.entries import rows, vector
from twin.errors import TwinError
from twin.faults import believable
from twin.health import Array, Health
from twin.intervals import duty_part, law_part
from twin.law import fit_law
from twin.life import life_days
from twin.lives import simulate_lives
from twin.losses import PackLosses
from twin.observe import Observation, capacity_draws, observe, observe_from
from twin.past import lived_through, ordinary_day, present
from twin.prior import CHI2_LIMIT, NAMES, discrepancy_growth
from twin.rates import RateModel, rate_model
from twin.record import EndOfLife, IntervalParts, LearntRates, LifePoints, PriorRecord, TwinRecord
from twin.resistance import pack_losses, today_degc
from twin.restore import life_points, residual_frame
from twin.silence import course_of
from twin.state import StateFit
from twin.types import BatterySpec, Calibration, CalibrationRequest, Quality
from twin.update import anchor, carried, continues, daily_update, full_record, previous_on_fault, why_full
from twin.verdict import NO_CHECKUPS, NO_WINDOW, disputed
from twin.wearmap import wear_map

DRAWS = 200
_LEAST_LIFE_SOH = 0.02  # a battery at its end of life is priced over a further 2 % of capacity
_RANGE_FIRST = 0.95  # range that ends no earlier than this share of the life by capacity ends with it
_UNSEEN_SD = 0.1  # of life, by a past on another duty than what was seen
_SILENT = 0.1  # of the time: worth a word
_TYPICAL = 2  # of the V2G days: the middle one


def calibrate_chunk(requests: Sequence[CalibrationRequest]) -> list[Calibration]:
    """Calibrate some batteries one after another; PyBaMM models are built once a process."""
    return [calibrate_battery(request) for request in requests]


def calibrate_battery(request: CalibrationRequest) -> Calibration:
    """Calibrate one battery.

    Bad data never raise: ``quality`` and ``reason`` of the result tell what it rests on. TwinError is left
    for a request that makes no sense, such as a battery commissioned after ``as_of_utc``.
    """
    battery = request.battery
    age_days = (request.as_of_utc - battery.commissioned_utc).total_seconds() / 86400
    if age_days < 0:
        raise TwinError(
            f"battery {battery.battery_id}: commissioned {battery.commissioned_utc}, "
            f"after {request.as_of_utc}"
        )
    request = by_energy(believed(request))
    previous = request.previous
    stored = None if previous is None or not continues(request) else carried(previous, request.as_of_utc)
    daily = stored is not None and not why_full(request)
    observed = observe(request, age_days, stored, daily=daily)
    if stored is not None and daily and observed.fault is None:
        updated = None if observed.doubt is not None else daily_update(request, stored, observed)
        if updated is not None and not jump(request, updated.soh, _spread(updated, battery)):
            return updated
        observed = observe(request, age_days, stored)
    if observed.fault is not None and previous is not None:
        return previous_on_fault(request, previous, observed)
    return _full(request, age_days, observed)


def _spread(found: Calibration, battery: BatterySpec) -> float:
    return found.usable_capacity_sd_ah / battery.nominal_capacity_ah


def _full(request: CalibrationRequest, age_days: float, observed: Observation) -> Calibration:
    """All three stages, from what was ``observed``; without telemetry where that is in dispute."""
    battery, known_share = request.battery, request
    if observed.doubt is not None:
        return _without_voltage(request, age_days, observed, observed.doubt)
    if observed.fault is not None:
        request = believable(request, observed.fault)
    duty, cell = ordinary_day(request), reference_cell(battery.chemistry)
    base = rate_model(cell, duty.profile())
    past = lived_through(
        duty,
        request.telemetry,
        request.sessions,
        commissioned_utc=battery.commissioned_utc,
        as_of_utc=request.as_of_utc,
    )
    lived = base if past.duty is duty else rate_model(cell, past.duty.profile())
    checkups = request.checkups
    if observed.fault is not None and observed.fault.kind == "wrong_cell_count":
        checkups = checkups[:0]  # the nameplate that turns them into shares of the cell is what is wrong
    ages, capacity, resistance = checkup_arrays(
        checkups,
        battery.commissioned_utc,
        nominal_ah=battery.nominal_capacity_ah,
        ohm_ah_per_pack_ohm=battery.ohm_ah_per_pack_ohm,
    )
    ageing = partial(
        fit_ageing,
        lived,
        age_days=age_days,
        checkup_age_days=ages,
        capacity_share=capacity,
        resistance_share=resistance,
        prior=request.prior,
    )
    fit = ageing(state=observed.state, today=observed.energy)
    if fit.chi2_per_n > CHI2_LIMIT and observed.state is not None:
        # Voltage alone may be followed by more than one state: it is asked again from where ageing leads, and
        # from electrodes and lithium lost alike.
        faded = capacity_draws(cell, observed.state.posterior, observed.state.health.sei_m)[0]
        for guess in (health_at(lived, fit.mean, age_days), cell.fresh.scaled(faded)):
            again = observe_from(request, cell, observed, guess.first())
            other = fit if again.state is observed.state else ageing(state=again.state)
            if other.chi2_per_n < fit.chi2_per_n:
                observed, fit = again, other
    theta = np.vstack([fit.mean, fit.draws(DRAWS, seed=0)])
    today = health_at(lived, theta, age_days)
    doubt = misfit(fit, observed.state is not None, len(ages))
    if observed.replay is not None and observed.state is not None:
        shares = _shares(base, today)
        doubt = doubt or jump(request, float(shares[0]), float(shares[1:].std()))
    if doubt is not None and observed.replay is not None and observed.state is not None:
        return _without_voltage(request, age_days, observed, doubt)
    spread = duty_spread(
        request.telemetry,
        present(request.sessions, request.as_of_utc),
        nominal_ah=battery.nominal_capacity_ah,
        flow=course_of(request, request.telemetry),
    )
    known = CheckUps(ages=ages, capacity=capacity, age_days=age_days, lived=past.duty.profile())
    found = _result(request, duty, base, fit, theta, today, observed, known, past.known_share, spread)
    return found if doubt is None else disputed(found, known_share, observed, doubt, len(ages))


def _without_voltage(
    request: CalibrationRequest, age_days: float, observed: Observation, doubt: Dispute
) -> Calibration:
    """The disputed calibration: as if no voltage had been sent; driving and warmth stay as they were
    reported.

    Without check-ups, what needs no model of the cell tells the capacity (`twin.counted`).
    """
    known = int((request.checkups["time_utc"] >= request.battery.commissioned_utc).sum())
    found = _full(
        replace(request, previous=None), age_days, observed.without_voltage(request, age_days, known)
    )
    return disputed(found, request, observed, doubt, known)


def _result(
    request: CalibrationRequest,
    duty: StandardDuty,
    base: RateModel,
    fit: AgeingFit,
    theta: Array,
    today: Health,
    observed: Observation,
    known: CheckUps,
    known_share: float,
    spread: DutySpread,
) -> Calibration:
    n_checkups = len(known.ages)
    fault, weakest = observed.fault, observed.usable_share(n_checkups)
    state = None if observed.replay is None else observed.state
    battery, circuit = request.battery, base.cell.circuit
    share = _shares(base, today)
    soh = float(share[0])
    end = np.minimum(request.end_of_life_soh, share - _LEAST_LIFE_SOH)
    lives = simulate_lives(base, duty, theta, today, soh, end * circuit.fresh_capacity_ah)
    x = lives.x
    log_ratio = np.log(lives.lives / lives.l0)
    law = fit_law(x, log_ratio)
    spec = base.cell.spec
    from_days = duty_part(
        base,
        duty,
        spread,
        today.first(),
        factors_of(base, theta[:1]),
        end_capacity_ah=float(end[0]) * circuit.fresh_capacity_ah,
        v2g_ah_share=float(lives.dod[_TYPICAL]) * soh,
    )
    common = {"duty": from_days, "form": spec.wear_form_sd}
    parts = IntervalParts(
        l0={
            "form": spec.life_form_sd,
            "left_out": fit.prior.discrepancy * float(discrepancy_growth(fit.mean[2] - soh, soh - end[0])),
            "past": _UNSEEN_SD * (1 - known_share),
        },
        alpha=common | {"law": law_part(law.law_max_residual, law.window, law.alpha)},
        beta=common | {"law": law_part(law.rate_max_residual, law.window, law.beta)},
    )
    quality, reason = _quality(observed, n_checkups, end[0] < request.end_of_life_soh)
    film = base.cell.film_ohm_per_m * (today.sei_m - base.cell.fresh.sei_m)
    ohm = (np.exp(theta[:, 3]) / circuit.fresh_capacity_ah + film) * (
        circuit.fresh_capacity_ah / battery.ohm_ah_per_pack_ohm
    )
    by_range = life_days(
        base,
        today.at(slice(1)),
        factors_of(base, theta[:1]),
        float(end[0]) * circuit.fresh_capacity_ah,
        load_c_rate=duty.trip_c_rate,
        volts_at_1c=float(np.exp(theta[0, 3])),
    )
    above_scrap = battery.replacement_value_eur - battery.scrap_value_eur
    wear = wear_map(
        base,
        duty,
        factors_of(base, theta[:1]),
        today.first(),
        soh=soh,
        end_capacity_ah=float(end[0]) * circuit.fresh_capacity_ah,
        residual_value_eur=above_scrap,
        usable_energy_kwh=soh * battery.nominal_energy_kwh,
    )
    whole = together(
        request,
        duty,
        base,
        fit,
        theta,
        today,
        lives,
        known,
        parts=parts,
        soh=soh,
        soh_sd=float(share[1:].std()),
        observed=state is not None,
        end_soh=float(end[0]),
        rest_slope=wear.rest_price_eur_per_kwh_h * soh * battery.nominal_energy_kwh * 24 / above_scrap
        if above_scrap
        else 0.0,
    )
    law, l0 = whole.law, whole.l0_days
    value = above_scrap * whole.remaining
    end_of_life = EndOfLife(
        by="range" if by_range[0] < _RANGE_FIRST * lives.l0 else "capacity",
        capacity_days=l0[1],
        range_days=float(by_range[0]) * l0[1] / max(lives.l0, 1.0),
    )
    calibration_id = request.input_hash[:16]
    points = LifePoints(
        dod=vector([0.0, *lives.dod]),
        cycles_per_day=vector([0.0, *lives.cycles]),
        life_days=vector([l0[1], *(l0[1] * np.exp(whole.log_ratio))]),
    )
    return Calibration(
        calibration_id=calibration_id,
        battery_id=battery.battery_id,
        quality=quality,
        reason=reason,
        chemistry=battery.chemistry,
        usable_capacity_ah=soh * weakest * battery.nominal_capacity_ah,
        usable_capacity_sd_ah=float(share[1:].std()) * battery.nominal_capacity_ah,
        usable_energy_kwh=soh * weakest * battery.nominal_energy_kwh,
        soh=soh,
        resistance_ohm=float(ohm[0]),
        resistance_sd_ohm=float(ohm[1:].std()),
        current_bias_a=None if state is None else -state.bias_c * battery.nominal_capacity_ah,
        chi2_per_n=None if state is None else state.chi2_per_n,
        samples_used=0 if state is None else int(state.used.sum()),
        samples_excluded=0 if state is None else len(state.used) - int(state.used.sum()),
        residual_value_eur=value,
        l0_days=l0[1],
        l0_low_days=l0[0],
        l0_high_days=l0[2],
        alpha_day_per_efc=whole.alpha[1],
        alpha_low_day_per_efc=whole.alpha[0],
        alpha_high_day_per_efc=whole.alpha[2],
        beta_day_per_efc=whole.beta[1],
        beta_low_day_per_efc=whole.beta[0],
        beta_high_day_per_efc=whole.beta[2],
        law_r2=law.law_r2,
        law_max_residual=law.law_max_residual,
        rate_r2=law.rate_r2,
        rate_max_residual=law.rate_max_residual,
        window_efc_per_day=law.window,
        duty_efc_per_day=duty.trip_efc / soh,
        duty_temperature_degc=duty.temperature_degc,
        identifiability=f"{whole.verdict}; {fit.identifiability()}; data of {100 * known_share:.0f} % of "
        f"its life",
        cell_spread_v=observed.spread_v,
        sensor_fault=None if fault is None else fault.kind,
        sensor_evidence=None if fault is None else fault.evidence,
        rest_price_eur_per_kwh_h=value * whole.rest_slope / (soh * battery.nominal_energy_kwh * 24),
        record=replace(
            _record(fit, duty, base),
            model_hash=request.model_hash,
            health=today.first(),
            end_capacity_ah=float(end[0]) * circuit.fresh_capacity_ah,
            state=anchor(request, base.cell.fresh, today, observed),
            full=full_record(request, today.first(), observed.state is not None),
            lives=points,
            end_of_life=end_of_life,
            interval_parts=parts,
            ensemble=whole.record,
            losses=_losses(request, base, today.first(), state),
        ),
        life_points=life_points(calibration_id, battery.battery_id, points, law.alpha, law.beta),
        residuals=residual_frame(calibration_id, battery, observed.replay, state),
        wear_map=whole.wear_map(wear.table, value).assign(
            calibration_id=calibration_id, battery_id=battery.battery_id
        ),
    )


def _losses(
    request: CalibrationRequest, base: RateModel, today: Health, state: StateFit | None
) -> PackLosses | None:
    """What the pack loses in the cold, by the series resistance that voltage showed, else by the model's."""
    ohm_ah = 0.0 if state is None else float(state.posterior.mean[3])
    found = pack_losses(base.cell, today, request.battery, ohm_ah, electrolyte=request.electrolyte)
    return None if found is None else replace(found, today_degc=today_degc(request))


def _shares(base: RateModel, today: Health) -> Array:
    """Usable capacity as a share of a new cell's."""
    circuit = base.cell.circuit
    return np.asarray(circuit.window(today).capacity_ah / circuit.fresh_capacity_ah)


def _quality(observed: Observation, n_checkups: int, spent: bool) -> tuple[Quality, str]:
    notes = []
    if observed.fault is not None:
        notes.append(observed.fault.verdict)
    elif observed.energy is not None:
        notes.append(observed.energy.said)
    elif observed.silent_share > _SILENT:
        notes.append(f"nothing was sent {100 * observed.silent_share:.0f} % of the time: held at rest there")
    elif observed.replay is None:
        notes.append(NO_WINDOW)
    unfit_mv = observed.unfit_mv()
    if unfit_mv is not None:
        notes.append(
            f"the model does not fit this cell to {unfit_mv:.0f} mV: its open-circuit curve is left free"
        )
    if observed.charging is not None:
        notes.append(observed.charging.said)
    if not n_checkups:
        notes.append(NO_CHECKUPS)
    if spent:
        notes.append("at its end of life")
    quality: Quality = "calibrated" if observed.state is not None else "checkups" if n_checkups else "prior"
    if observed.energy is not None:
        quality = "energy"
    return quality, "; ".join(notes) or "ok"


def _record(fit: AgeingFit, duty: StandardDuty, base: RateModel) -> TwinRecord:
    """What a record keeps of the ageing fit and of the standard day."""
    return TwinRecord(
        names=NAMES,
        mean=vector(fit.mean),
        covariance=rows(fit.covariance),
        posterior_mean=vector(fit.sample.mean(axis=0)),
        prior=PriorRecord.of(fit.prior),
        surprise=fit.surprise,
        scatter=fit.scatter,
        duty=duty,
        rate_model=LearntRates(
            sei=vector(base.sei),
            lam=rows(base.lam),
            held_out_error=base.held_out_error,
            charge_c_rate=base.charge_c_rate,
        ),
        observations=fit.observations,
        ageing_chi2_per_n=fit.chi2_per_n,
    )
