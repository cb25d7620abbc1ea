"""Recovery of hidden batteries: `python -m tests.benchmarks.twin_recovery [--hide-form] [--batteries 60]`.

Batteries of four chemistries in three climates, aged and driven by SPMe, every twelfth by DFN, with hidden
ageing factors, capacity, resistance and duty; sensors with 2 mV of noise a cell, 0.5 % of the current and a
bias of up to 10 mA per 5 Ah. The twin calibrates them from ten days of telemetry, half-yearly check-ups and
all their plug-in sessions: by the chemistry's prior, then with what siblings of the chemistry taught, then so
with the form of the model known. Compared: usable capacity, L0 and α of the true battery by the same protocol
(`twin.lives`) run with the true model: errors are those of PyBaMM's own answer, which is one member of the
ensemble, intervals the ensemble's. These allow for structures that these batteries do not have, so they hold
too many. "Form known" is a prior without bend and discrepancy. With ``--hide-form`` the batteries are wrong
for the model in the ways that are believed of real ones: each with its own bend of SEI growth, its own power
of the stress, rates that wander as fade goes on. Truths of other structures: `tests.benchmarks.foreign_laws`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from tests.benchmarks.data import benchmark_parser
from tests.benchmarks.twin_structure import POWER, POWER_SD, stress_power
from tests.twin.faulty import RECORDED
from twin.calibrate import calibrate_battery
from twin.cell import ReferenceCell
from twin.duty import Profile, StandardDuty
from twin.ensemble.mixture import PHYSICS
from twin.errors import SolveError
from twin.health import Health
from twin.law import fit_law
from twin.lives import Lives, simulate_lives
from twin.prior import CHEMISTRY_PRIOR, NAMES, fleet_prior
from twin.rates import RateModel, Rates, rate_model, solve_rates
from twin.record import need, sibling_statistics
from twin.synthetic import Truth, TruthSpec, drifted, simulate_truth
from twin.types import BatterySpec, Calibration, CalibrationRequest

AS_OF = pd.Timestamp("2026-01-15T12:00", tz="UTC")
CLIMATES_DEGC = (10.0, 18.0, 27.0)
HEALTH = ("sei_m", "eps_n", "eps_p", "lithium_ah")
LEAST_POWER = 1.2  # at 1 the solver finds no slope where the stress begins
DOUBLINGS = 6  # of fade, from 1 to 64 %
ROUND = 60  # batteries after which chemistry and climate come again
SPENT = 0.84  # batteries that near their end of life leave no life to forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """A synthetic battery with the true figures that a calibration is to find."""

    spec: TruthSpec
    truth: Truth
    capacity_ah: float
    l0_days: float
    alpha: float


def draw(index: int, *, form_hidden: bool) -> TruthSpec:
    """The index-th battery: chemistries and climates in turn, the rest at random."""
    rng = np.random.default_rng([2026, index])
    name = RECORDED[index % len(RECORDED)]
    charge, trip = float(rng.uniform(0.1, 0.2)), float(rng.uniform(0.1, 0.3))
    plain = TruthSpec(
        battery=BatterySpec(
            battery_id=f"r{index:02d}-{name}",
            chemistry=name,
            nominal_capacity_ah=150.0,
            nominal_energy_kwh=58.0,
            cells_series=106,
            cells_parallel=3,
            commissioned_utc=AS_OF - pd.Timedelta(days=round(rng.uniform(0.8, 5.0) * 365)),
            charge_limit_kw=58.0 * charge,
            replacement_value_eur=7000.0,
            scrap_value_eur=1000.0,
        ),
        duty=StandardDuty(
            trip_efc=trip,
            trip_c_rate=float(rng.uniform(0.2, 0.35)),
            charge_c_rate=charge,
            plugged_hours=float(rng.uniform(max(11.0, trip / charge + 6), 15.5)),
            target_soc=float(rng.uniform(0.7, 0.95)),
            temperature_degc=CLIMATES_DEGC[index // len(RECORDED) % len(CLIMATES_DEGC)],
            source="hidden",
        ),
        as_of_utc=AS_OF,
        telemetry_days=10,
        ahead_days=1,
        sample_s=60,
        capacity_scale=float(rng.normal(1.0, 0.015)),
        sei_factor=float(rng.lognormal(0, 0.4)),
        lam_factor=float(rng.lognormal(0, 0.4)),
        resistance=float(0.06 * rng.lognormal(0, 0.25)),
        departure_hour_utc=6.0,
        fault="none",
        seed=index,
        porous=index % 12 == 11,
        voltage_sd_v=2e-3,
        current_sd=5e-3,
        bias_c=float(rng.uniform(-0.002, 0.002)),
    )
    if not form_hidden:
        return plain
    bend_sd = CHEMISTRY_PRIOR.sd[NAMES.index("sei_bend")]
    steps = rng.normal(0.0, CHEMISTRY_PRIOR.discrepancy, DOUBLINGS)
    return replace(plain, sei_bend=float(rng.normal(0.0, bend_sd)), drift=tuple(steps.tolist()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifting(RateModel):
    """Rates of a battery that departs from them."""

    spec: TruthSpec

    def at(self, health: Health) -> Rates:
        return drifted(self.spec, health, RateModel.at(self, health))


def true_lives(spec: TruthSpec, truth: Truth, power: float) -> Lives:
    """Stage C of the true battery: the standard day by SPMe, V2G days in proportion to it as they are today.

    DFN days cost fifty times as much: of a battery by DFN the standard day is taken in proportion as well.
    ``power``: of the stress, by which V2G days strain more than the standard one.
    """
    cell, circuit = spec.cell, spec.cell.circuit
    today = Health(**{name: truth.hidden[name] for name in HEALTH})
    solve = partial(solve_rates, cell, health=today, electrolyte=True)
    learnt = rate_model(cell, spec.duty.profile(), electrolyte=True)
    base = Drifting(**{field.name: getattr(learnt, field.name) for field in fields(learnt)}, spec=spec)
    theta = CHEMISTRY_PRIOR.mean[None].copy()
    theta[0, :3] = np.log(spec.sei_factor), np.log(spec.lam_factor), spec.capacity_scale
    theta[0, NAMES.index("sei_bend")] = spec.sei_bend
    with stress_power(cell.name, power):
        standard = solve(spec.duty.profile())

        def learn(_: ReferenceCell, profile: Profile) -> RateModel:
            return base.scaled(solve(profile, porous=spec.porous), standard)

        return simulate_lives(
            learn(cell, spec.duty.profile()),
            spec.duty,
            theta,
            today.row(),
            truth.hidden["usable_capacity_ah"] / spec.battery.nominal_capacity_ah,
            np.array([0.8 * circuit.fresh_capacity_ah]),
            learn,
        )


def younger(spec: TruthSpec) -> TruthSpec:
    """The same battery at half its age."""
    age = (AS_OF - spec.battery.commissioned_utc) / 2
    return replace(spec, battery=replace(spec.battery, commissioned_utc=AS_OF - age))


def hide(index: int, *, form_hidden: bool = False) -> Hidden:
    """Simulate the index-th battery and its true lives.

    One that is nearly spent is taken younger, for one that SPMe cannot take through a V2G day another of its
    chemistry and climate.
    """
    spec, power, lives = draw(index, form_hidden=form_hidden), POWER, None
    if form_hidden and not spec.porous:  # DFN takes whole powers only
        power = max(LEAST_POWER, np.random.default_rng([2028, index]).normal(POWER, POWER_SD))
    while lives is None:
        try:
            truth = simulate_truth(spec)
        except SolveError:  # so worn that it cannot run its day
            spec = younger(spec)
            continue
        if truth.hidden["usable_capacity_ah"] < SPENT * spec.battery.nominal_capacity_ah:
            spec = younger(spec)
            continue
        try:
            lives = true_lives(spec, truth, power)
        except SolveError:
            index += ROUND
            spec = draw(index, form_hidden=form_hidden)
    law = fit_law(lives.x, np.log(lives.lives / lives.l0))
    capacity = truth.hidden["usable_capacity_ah"]
    return Hidden(spec=spec, truth=truth, capacity_ah=capacity, l0_days=lives.l0, alpha=law.alpha)


def earlier_sessions(spec: TruthSpec, truth: Truth) -> pd.DataFrame:
    """Sessions from commissioning up to those of the truth, days scattering as its own do."""
    duty, rng = spec.duty, np.random.default_rng([2027, spec.seed])
    first = truth.sessions["arrival_utc"].iloc[0]
    days = int((first - spec.battery.commissioned_utc).total_seconds() / 86400)
    hours = pd.to_timedelta(duty.plugged_hours + rng.normal(0, 0.4, days), unit="h")
    departure = first - pd.to_timedelta(np.arange(days, 0, -1) - duty.plugged_hours / 24, unit="D")
    driven = np.clip(duty.trip_efc * rng.lognormal(-0.02, 0.2, days), 0.02, 0.6 * duty.target_soc)
    return pd.DataFrame(
        {
            "arrival_utc": departure - hours,
            "departure_utc": departure,
            "arrival_soc": duty.target_soc - driven,
            "departure_soc": duty.target_soc,
        }
    )


def calibrate(
    hidden: Hidden, siblings: Sequence[Calibration] = (), *, form_known: bool = False
) -> Calibration:
    """Calibrate one battery, with what its siblings taught."""
    own = hidden.spec.battery.battery_id
    statistics = [sibling_statistics(one.record) for one in siblings if one.battery_id != own]
    prior = fleet_prior(CHEMISTRY_PRIOR, [sibling for sibling in statistics if sibling is not None])
    if form_known:
        unbent = np.array(NAMES) == "sei_bend"
        prior = replace(
            prior,
            mean=np.where(unbent, 0.0, prior.mean),
            sd=np.where(unbent, 1e-3, prior.sd),
            discrepancy=0.0,
        )
    sessions = [earlier_sessions(hidden.spec, hidden.truth), hidden.truth.sessions]
    return calibrate_battery(
        CalibrationRequest(
            battery=hidden.spec.battery,
            telemetry=hidden.truth.telemetry,
            checkups=hidden.truth.checkups,
            sessions=pd.concat(sessions, ignore_index=True),
            as_of_utc=AS_OF,
            input_hash=f"{hidden.spec.battery.battery_id:0<64}",
            prior=prior,
        )
    )


def compare(hidden: Hidden, found: Calibration) -> dict[str, Any]:
    """Relative errors of PyBaMM's own answer, and whether the ensemble's intervals hold the truth."""
    half = 1.645 * found.usable_capacity_sd_ah
    ensemble = need(found.record.ensemble, "ensemble")
    alone = next(one for one in ensemble.members if one.name == PHYSICS)
    return {
        "battery": hidden.spec.battery.battery_id,
        "model": "DFN" if hidden.spec.porous else "SPMe",
        "quality": found.quality,
        "weight": alone.weight,
        "capacity": found.usable_capacity_ah / hidden.capacity_ah - 1,
        "l0": alone.l0_days / hidden.l0_days - 1,
        "alpha": alone.alpha_day_per_efc / hidden.alpha - 1,
        "capacity_held": abs(found.usable_capacity_ah - hidden.capacity_ah) <= half,
        "l0_held": found.l0_low_days <= hidden.l0_days <= found.l0_high_days,
        "alpha_held": found.alpha_low_day_per_efc <= hidden.alpha <= found.alpha_high_day_per_efc,
    }


def summary(rows: pd.DataFrame) -> Table:
    """The bars of recovery, of all batteries."""
    table = Table(title=f"{len(rows)} batteries: {rows['quality'].value_counts().to_dict()}")
    for name in ("", "median error", "p95", "90 % interval holds"):
        table.add_column(name, justify="right")
    for name in ("capacity", "l0", "alpha"):
        error = rows[name].abs()
        table.add_row(
            name,
            f"{100 * error.median():.2f} %",
            f"{100 * error.quantile(0.95):.2f} %",
            f"{100 * rows[f'{name}_held'].mean():.0f} %",
        )
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("twin_recovery", __doc__)
    parser.add_argument("--batteries", type=int, default=60)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--hide-form", action="store_true")
    asked = parser.parse_args(arguments)
    console = Console(file=sys.stdout, width=140)
    with ProcessPoolExecutor(asked.processes) as pool:
        hiding = partial(hide, form_hidden=asked.hide_form)
        batteries = list(pool.map(hiding, range(asked.batteries)))
        alone = list(pool.map(calibrate, batteries))
        mates = [[one for one in alone if one.chemistry == h.spec.battery.chemistry] for h in batteries]
        together = list(pool.map(calibrate, batteries, mates))
        known = list(pool.map(partial(calibrate, form_known=True), batteries, mates))
    runs = {
        "by the chemistry's prior": alone,
        "with siblings": together,
        "with siblings, form known": known,
    }
    for title, found in runs.items():
        rows = pd.DataFrame(map(compare, batteries, found))
        console.print(f"\n{title}")
        console.print(summary(rows))
        console.print(rows.round(3).to_string())


if __name__ == "__main__":
    main()
