"""What a calibration publishes of the ensemble: L0, α, β, rest price, wear map, and the record of it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from twin.ageing import AgeingFit
from twin.duty import Profile, StandardDuty
from twin.ensemble.fit import Observed, StructureFit
from twin.ensemble.growth import LawStructure
from twin.ensemble.mixture import PHYSICS, Ensemble, answers, fit_all, mix, v2g_days, weigh
from twin.ensemble.outlook import doubt_left
from twin.ensemble.physics import physics_draws
from twin.ensemble.siblings import StructureStatistics, stated_of
from twin.ensemble.stored import more_wear, ratio_of
from twin.ensemble.stress import stress_of
from twin.entries import vector
from twin.health import Array, Health
from twin.law import LawFit, fit_law
from twin.lives import Lives
from twin.rates import RateModel
from twin.record import EnsembleRecord, IntervalParts, MemberRecord
from twin.types import CalibrationRequest

_LEAST_SD = 0.005  # of today's capacity, where telemetry or a prior tells it
_DISTINCT = 0.35  # width of the calendar share's interval under which rest and cycling are distinguished
Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckUps:
    """Capacity over nominal at ages [d], the age today, and the day lived through until now."""

    ages: Array
    capacity: Array
    age_days: float
    lived: Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The ensemble's figures: each low, middle and high of 90 %; ``remaining``: of a new battery's life.

    ``log_ratio``: ln(L/L0) by V2G day; ``law``: fitted to it; ``wear_ratio``: β over that of PyBaMM alone.
    """

    l0_days: Triple
    alpha: Triple
    beta: Triple
    log_ratio: Array
    law: LawFit
    remaining: float
    rest_slope: float
    wear_ratio: float
    physics_l0: float
    verdict: str
    record: EnsembleRecord

    def wear_map(self, table: pd.DataFrame, residual_value_eur: float) -> pd.DataFrame:
        """PyBaMM's map with the ordinary day's life, and the wear added to it, as the ensemble has them."""
        added = self.physics_l0 / table["life_days"] - 1
        life = self.l0_days[1] / more_wear(added.to_numpy(dtype=float), self.wear_ratio)
        return table.assign(life_days=life, wear_eur_per_day=residual_value_eur / life)


def together(
    request: CalibrationRequest,
    duty: StandardDuty,
    base: RateModel,
    fit: AgeingFit,
    theta: Array,
    today: Health,
    lives: Lives,
    known: CheckUps,
    *,
    parts: IntervalParts,
    soh: float,
    soh_sd: float,
    observed: bool,
    end_soh: float,
    rest_slope: float,
) -> Whole:
    """Ask all structures. ``observed``: telemetry tells today's capacity, ``soh`` ± ``soh_sd``;
    ``rest_slope``: PyBaMM's change of 1/L with the SoC of rest [1/d]."""
    chemistry, past = request.battery.chemistry, stress_of(known.lived)
    physics = physics_draws(
        base,
        theta,
        today,
        fit,
        lives,
        l0_parts={name: sd for name, sd in parts.l0.items() if name != "left_out"},
        wear_parts=parts.alpha,
        rest_slope=rest_slope,
        end_soh=end_soh,
    )
    measured = _observed(known, fit.capacity_sd, soh, max(soh_sd, _LEAST_SD), observed)
    beliefs = request.prior.structures
    fits = fit_all(past, measured, len(known.ages), beliefs)
    drawn = answers(
        fits,
        past,
        v2g_days(duty, lives.dod, lives.cycles, soh),
        duty,
        age_days=known.age_days,
        end_soh=end_soh,
        fast=base.plating_share,
        discrepancy=fit.prior.discrepancy,
    )
    said = [physics, *drawn]
    found = mix(chemistry, said, lives.x, beliefs)
    left = doubt_left(said, weigh(chemistry, said, beliefs), lives.x, fit.capacity_sd)
    alone = next(one for one in found.members if one.name == PHYSICS)
    law = fit_law(lives.x, found.log_ratio)
    return Whole(
        l0_days=found.l0,
        alpha=found.alpha,
        beta=found.beta,
        log_ratio=found.log_ratio,
        law=law,
        remaining=found.remaining,
        rest_slope=found.rest_slope,
        wear_ratio=ratio_of(found.beta[1], alone.beta_day_per_efc),
        physics_l0=lives.l0,
        verdict=_verdict(found),
        record=_record(found, soh, end_soh, structure_statistics(fits), left),
    )


def structure_statistics(fits: Sequence[StructureFit]) -> dict[str, StructureStatistics]:
    """What these fits teach siblings."""
    return {fit.structure.name: StructureStatistics(score=fit.score, told=_stated(fit)) for fit in fits}


def _stated(fit: StructureFit) -> tuple[float, ...] | None:
    structure = fit.structure
    if not isinstance(structure, LawStructure):
        return None
    sizes = structure.about_published(fit.sample)
    return stated_of(sizes.mean(axis=0), np.cov(sizes.T), structure.belief)


def _observed(known: CheckUps, capacity_sd: float, soh: float, soh_sd: float, observed: bool) -> Observed:
    """Check-ups, and today's capacity where telemetry tells it or nothing else does."""
    measured = Observed(
        ages=known.ages,
        capacity=known.capacity,
        sd=capacity_sd * known.capacity,
        last_days=known.age_days,
    )
    if len(known.ages) and not observed:
        return measured
    return replace(
        measured,
        ages=np.append(measured.ages, known.age_days),
        capacity=np.append(measured.capacity, soh),
        sd=np.append(measured.sd, soh_sd),
    )


def _verdict(found: Ensemble) -> str:
    low, middle, high = found.calendar
    text = f"calendar share {middle:.2f} ({low:.2f} to {high:.2f})"
    if high - low <= _DISTINCT:
        return f"rest and cycling distinguished: {text}"
    return f"rest and cycling not distinguished: {text}"


def _record(
    found: Ensemble,
    soh: float,
    end_soh: float,
    statistics: Mapping[str, StructureStatistics],
    left: Mapping[str, tuple[float, float]],
) -> EnsembleRecord:
    band = found.band
    return EnsembleRecord(
        members=tuple(
            MemberRecord(
                name=one.name,
                weight=one.weight,
                l0_days=one.l0_days,
                alpha_day_per_efc=one.alpha_day_per_efc,
                beta_day_per_efc=one.beta_day_per_efc,
                calendar_share=one.calendar_share,
                score=one.score,
                told=statistics[one.name].told if one.name in statistics else None,
            )
            for one in found.members
        ),
        calendar_share=vector(found.calendar),
        soh=soh,
        end_soh=end_soh,
        l0_days=found.l0[1],
        days=vector(band.days),
        low=_rounded(band.low),
        median=_rounded(band.median),
        high=_rounded(band.high),
        price=found.price,
        doubt_left=left,
        year_loss=vector(found.year_loss),
    )


def _rounded(values: Array) -> tuple[float, ...]:
    """A curve that is stored every day: to 1e-5 of capacity."""
    return vector(np.round(values, 5))
