"""Stage A as a measurement that may be doubted: the sensors judged, a window chosen, its state fitted.

Evidence of a fault comes first and needs no model; a faulty record is not fitted. What the fit itself then
shows is judged as well: an absurd bias, a capacity that check-ups belie are faults of a sensor; a voltage
that does not follow puts the fit in dispute (`twin.dispute`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from twin.ageing import checkup_arrays
from twin.cell import ReferenceCell, reference_cell
from twin.counted import capacity_counted
from twin.dispute import Dispute, by_misfit
from twin.energy import EnergyFit, counted, fit_energy, state_of, with_capacity
from twin.errors import SolveError
from twin.evidence import Evidence, gather, signal_of
from twin.expected import expected_health
from twin.faults import Known, SensorFault, find_fault, known_capacity
from twin.health import Array, Health
from twin.likeness import reads_like
from twin.metered import Charging, by_meter
from twin.past import present
from twin.prior import CHI2_LIMIT
from twin.replay import Replay
from twin.silence import course_of
from twin.spread import CellSpread, cell_spread
from twin.state import BIAS_LIMIT_C, StateFit, StatePrior, fit_state
from twin.types import CalibrationRequest
from twin.window import DAILY_WINDOW_H, WINDOW_H, select_window

RECENT_DAYS = 10
_SHORT_H = 9.0
APART_SIGMAS = 3.0
_DRAWS = 100
_NO_WORSE = 1.2  # times χ²/n of another fit
_TRUSTED_CHI2 = 1.0  # SPM is trusted to no less
REACH_PER_DAY = 0.008  # of capacity: worst fade, relaxation and a BMS that balances anew bring no more
CURVE_LIMIT_V = 25e-3  # of a curve's error: what is further off is another cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What yesterday knew: health expected today, the state's prior, the end of the data that are in it, and
    how many days ago that was."""

    health: Health
    prior: StatePrior
    until_utc: pd.Timestamp
    days: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What telemetry says today: window and fit, or the fault that forbids one; all None without data.

    ``silent_share``: of the time, in which nothing was sent. ``doubt``: why the fit is not to be used;
    ``state`` is None with it where PyBaMM could not follow at all. ``energy``: the capacity that ``state``
    rests on where the car tells SoC and power alone. ``charging``: what is lost on the way in, where the plug
    was metered.
    """

    replay: Replay | None = None
    state: StateFit | None = None
    fault: SensorFault | None = None
    evidence: Evidence | None = None
    silent_share: float = 0.0
    spread: CellSpread | None = None
    doubt: Dispute | None = None
    energy: EnergyFit | None = None
    charging: Charging | None = None

    def unfit_mv(self) -> float | None:
        """By how much the cell departs from its chemistry's model [mV]; None where that needs no word.

        Nor where charge that nobody saw, between snapshots, may be behind it.
        """
        if self.replay is None or self.state is None or not self.replay.observed_throughout:
            return None
        if self.state.misfit_chi2_per_n <= CHI2_LIMIT:
            return None
        return self.state.off_mv(self.replay)

    def without_voltage(self, request: CalibrationRequest, age_days: float, checkups: int) -> Observation:
        """What is left where the voltage is not to be built on: of a battery without check-ups its capacity,
        by what needs no model of the cell, else by the voltage as far as a curve that is off lets it tell."""
        cell = reference_cell(request.battery.chemistry)
        found = None if checkups else self._capacity(request, cell, age_days)
        return Observation() if found is None else Observation().with_capacity_alone(found, cell, age_days)

    def with_capacity_alone(self, found: EnergyFit, cell: ReferenceCell, age_days: float) -> Observation:
        """The same with a state that stands for a capacity and for nothing else."""
        return replace(self, state=state_of(found, cell, expected_health(cell, age_days)), energy=found)

    def _capacity(
        self, request: CalibrationRequest, cell: ReferenceCell, age_days: float
    ) -> EnergyFit | None:
        doubted = self.doubt is not None and self.doubt.behind is not None
        followed = self.state is not None and self.state.chi2_per_n <= CHI2_LIMIT
        found = capacity_counted(request, age_days, chemistry_doubted=doubted, followed=followed)
        if found is not None or self.state is None or not followed:
            return found
        shares = capacity_draws(cell, self.state.posterior, self.state.health.sei_m)
        return EnergyFit(
            share=float(shares[0]), sd=float(shares[1:].std()), legs=0, swing=0.0, by="voltage and charge"
        )

    def usable_share(self, checkups: int) -> float:
        """What the weakest cell leaves of the mean cell's capacity; a check-up of the pack has it in it."""
        if checkups or self.spread is None or self.spread.usable_share is None:
            return 1.0
        return self.spread.usable_share

    @property
    def spread_v(self) -> float | None:
        """Highest less lowest cell voltage at rest [V]; None where cells are not reported."""
        return None if self.spread is None else self.spread.spread_v


def observe(
    request: CalibrationRequest, age_days: float, carried: Carried | None = None, *, daily: bool = False
) -> Observation:
    """Judge the sensors and fit the state, from the prior alone or from what was ``carried`` over.

    ``daily``: only a window of telemetry newer than what is in ``carried`` is fitted; without such a window
    there is no fit.
    """
    recent = request.telemetry[
        request.telemetry["time_utc"] >= request.as_of_utc - pd.Timedelta(days=RECENT_DAYS)
    ]
    if len(recent) < 2:
        return Observation()
    if len(request.coarse):
        return _observe_energy(request, age_days, daily)
    battery, cell = request.battery, reference_cell(request.battery.chemistry)
    known = _known(request, cell, age_days, carried)
    signal = signal_of(recent, battery)
    sessions = present(request.sessions, request.as_of_utc).sort_values("arrival_utc")
    evidence = gather(signal, sessions, signal_of(request.telemetry, battery))
    fault = find_fault(signal, sessions, evidence, battery, known, request.fleet)
    if fault is not None:
        return Observation(fault=fault, evidence=evidence)
    if carried is None or not daily:
        replay = select_window(recent, battery, hours=WINDOW_H, flow=course_of(request, recent))
    else:
        newer = recent[recent["time_utc"] >= carried.until_utc]
        replay = select_window(newer, battery, hours=DAILY_WINDOW_H, flow=course_of(request, newer))
    spread = cell_spread(recent, battery, known.circuit, known.health)
    if replay is None:
        return Observation(evidence=evidence, spread=spread)
    guess = partial(
        fit_state,
        cell=cell,
        guess=known.health,
        prior=None if carried is None else carried.prior,
        electrolyte=request.electrolyte,
        bias_guess_c=-(evidence.rest_c or 0.0),
        bias_observed=evidence.rest_c is not None,
        windows=request.full_every_days if daily else 1.0,
    )
    try:
        try:
            state = guess(replay)
        except SolveError:
            # Of pieces, what lies between them may add up to more than the cell holds: a shorter window then.
            shorter = select_window(recent, battery, hours=_SHORT_H, flow=course_of(request, recent))
            if replay.silent is None or daily or shorter is None:
                raise
            replay, state = shorter, guess(shorter)
    except SolveError as error:
        doubt = Dispute(what="not followed", why=f"PyBaMM cannot follow the telemetry: {error}")
        return Observation(replay=replay, evidence=evidence, spread=spread, doubt=doubt)
    unfit = _doubt(request, replay, state, age_days, daily)
    if unfit is None and replay.observed_throughout:  # what nobody saw moves a window's capacity as well
        unfit = _apart(cell, state, known, evidence)
    if unfit is not None:
        return Observation(replay=replay, state=state, evidence=evidence, spread=spread, doubt=unfit)
    fault = _fault_of_fit(state)
    flow = course_of(request, recent)
    stated = None if daily or evidence.balance is None else counted(evidence.balance)
    if stated is None and not daily and state.misfit_chi2_per_n > CHI2_LIMIT:
        stated = capacity_counted(request, age_days)
    if stated is not None:
        state = with_capacity(state, cell, stated)
    if carried is not None:
        state = _within_discrepancy(cell, state, carried)
    return Observation(
        replay=replay,
        state=None if fault else state,
        fault=fault,
        evidence=evidence,
        silent_share=0.0 if flow is None else flow.silent_share,
        spread=spread,
        charging=None if daily or flow is None else by_meter(recent, sessions, flow, battery)[0],
    )


def _within_discrepancy(cell: ReferenceCell, state: StateFit, carried: Carried) -> StateFit:
    """The state no further from yesterday's than a battery changes; the rest is left to days to come."""
    before, after = carried.prior, state.posterior
    was, now = (float(capacity_draws(cell, one, carried.health.sei_m)[0]) for one in (before, after))
    most = REACH_PER_DAY * max(1.0, carried.days)
    if abs(now - was) <= most:
        return state
    part = most / abs(now - was)
    mean = before.mean + part * (after.mean - before.mean)
    covariance = before.covariance + part * (after.covariance - before.covariance)
    return replace(
        state,
        health=cell.fresh.moved(mean[:3], state.health.sei_m).first(),
        posterior=StatePrior(mean=mean, covariance=covariance),
    )


def _doubt(
    request: CalibrationRequest, replay: Replay, state: StateFit, age_days: float, daily: bool
) -> Dispute | None:
    """Why a fit is not to be used, by its own misfit."""
    declared, off_mv = request.battery.chemistry, state.off_mv(replay)
    if state.chi2_per_n > CHI2_LIMIT:
        why = f"the voltage does not follow the current, by {off_mv:.0f} mV a cell"
        return by_misfit(why, state.chi2_per_n)
    if abs(state.bias_c) > BIAS_LIMIT_C and state.misfit_chi2_per_n > CHI2_LIMIT:
        # A model that does not fit asks for a current that no sensor left out.
        why = f"the voltage is followed to {off_mv:.0f} mV a cell, and with {state.bias_c:+.4f} C more"
        return by_misfit(why, state.misfit_chi2_per_n)
    other = None if daily else reads_like(declared, replay, state, age_days)
    if other is None and state.curve_v <= CURVE_LIMIT_V:
        return None
    why = f"the open-circuit voltage is not that of {declared}, by {off_mv:.0f} mV a cell"
    if state.misfit_chi2_per_n > CHI2_LIMIT:
        doubt = by_misfit(why, state.misfit_chi2_per_n)
    else:
        what = f"open-circuit voltage off by {off_mv:.0f} mV"
        doubt = Dispute(what=what, why=why, chi2_per_n=state.misfit_chi2_per_n)
    behind = f"wrong pack data (chemistry or cells), or a cell unlike its set: {other}" if other else None
    return replace(doubt, behind=behind)


def _observe_energy(request: CalibrationRequest, age_days: float, daily: bool) -> Observation:
    """Capacity by SoC and power; day by day it is carried on, for a day's legs tell little."""
    flow = course_of(request, request.telemetry)
    if daily or flow is None:
        return Observation()
    charging, metered = by_meter(request.telemetry, request.sessions, flow, request.battery)
    found = [one for one in (fit_energy(request.telemetry, flow), metered) if one is not None]
    if not found:
        return Observation(charging=charging)
    surer = min(found, key=lambda one: one.sd / one.share)  # both are of one display: not of two minds
    cell = reference_cell(request.battery.chemistry)
    return Observation(charging=charging).with_capacity_alone(surer, cell, age_days)


def observe_from(
    request: CalibrationRequest, cell: ReferenceCell, observed: Observation, guess: Health
) -> Observation:
    """What was ``observed``, fitted again from another guess; as it was where that follows the voltage
    worse."""
    if observed.replay is None or observed.state is None:
        return observed
    try:
        state = fit_state(
            observed.replay,
            cell,
            guess,
            electrolyte=request.electrolyte,
            bias_guess_c=-((observed.evidence.rest_c if observed.evidence else None) or 0.0),
            bias_observed=observed.evidence is not None and observed.evidence.rest_c is not None,
        )
    except SolveError:
        return observed
    worse = state.chi2_per_n > max(_NO_WORSE * observed.state.chi2_per_n, _TRUSTED_CHI2)
    return observed if worse or abs(state.bias_c) > BIAS_LIMIT_C else replace(observed, state=state)


def capacity_draws(cell: ReferenceCell, posterior: StatePrior, sei_m: float) -> Array:
    """Usable capacity as a share of a new cell's: of the mean, then of draws of the posterior."""
    drawn = np.random.default_rng(0).multivariate_normal(
        posterior.mean[:3], posterior.covariance[:3, :3], _DRAWS
    )
    rows = np.vstack([posterior.mean[:3], drawn])
    health, circuit = cell.fresh.moved(rows.T, np.full(len(rows), sei_m)), cell.circuit
    return np.asarray(circuit.window(health).capacity_ah / circuit.fresh_capacity_ah)


def _known(
    request: CalibrationRequest, cell: ReferenceCell, age_days: float, carried: Carried | None
) -> Known:
    battery, circuit = request.battery, cell.circuit
    health = expected_health(cell, age_days) if carried is None else carried.health
    ages, capacity, _ = checkup_arrays(
        request.checkups,
        battery.commissioned_utc,
        nominal_ah=battery.nominal_capacity_ah,
        ohm_ah_per_pack_ohm=battery.ohm_ah_per_pack_ohm,
    )
    previous = request.previous
    stored, stored_sd = None, 0.0
    if previous is not None and previous.quality != "prior":
        stored, stored_sd = previous.soh, previous.usable_capacity_sd_ah / battery.nominal_capacity_ah
    share, spread, young = known_capacity(ages, capacity, age_days, stored, stored_sd)
    return Known(
        circuit=circuit,
        health=health,
        expected_share=float(circuit.window(health).capacity_ah) / circuit.fresh_capacity_ah,
        measured_share=share,
        measured_sd=spread,
        young_share=young,
    )


def _fault_of_fit(state: StateFit) -> SensorFault | None:
    """What a fit that follows shows: an absurd bias."""
    if abs(state.bias_c) <= BIAS_LIMIT_C:
        return None
    return SensorFault(
        kind="current_bias", evidence=f"the voltage asks for {state.bias_c:+.4f} C less than is reported"
    )


def _apart(cell: ReferenceCell, state: StateFit, known: Known, evidence: Evidence) -> Dispute | None:
    """Whether voltage and check-ups tell of capacities that are not one battery's."""
    if evidence.balance is not None or known.measured_share is None:
        return None
    shares = capacity_draws(cell, state.posterior, state.health.sei_m)
    share, spread = float(shares[0]), float(shares[1:].std())
    if abs(share - known.measured_share) < APART_SIGMAS * float(np.hypot(spread, known.measured_sd)):
        return None
    text = f"{share:.3f} ± {spread:.3f} of nominal capacity by voltage, {known.measured_share:.3f} known"
    return Dispute(
        what=f"capacity {share:.3f} by voltage, {known.measured_share:.3f} known",
        why="what is known of its capacity and voltage disagree",
        behind=f"wrong pack data or a current sensor's gain: {text}",
    )
