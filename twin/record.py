"""A twin's record: what a calibration keeps besides its columns, with the JSON that it is stored as.

It rebuilds the battery in PyBaMM, carries it on to the next day and telles of its siblings. The record of an
older version is read as far as it goes: what it does not hold is None, and so is a part of it that is not
whole. One of a newer version is refused, and so is an entry of another kind than it should be. `need` turns
a None into an error that names what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from twin.duty import StandardDuty
from twin.ensemble.siblings import StructureStatistics
from twin.entries import (
    Matrix,
    Vector,
    count,
    flag,
    interval,
    label,
    matrix,
    moment,
    number,
    numbers,
    optional,
    part,
    shares,
    values,
    vector,
    vectors,
    words,
)
from twin.errors import RecordError, TwinError
from twin.health import Health
from twin.losses import PackLosses, read_losses
from twin.prior import CHI2_LIMIT, NAMES, AgeingPrior, ForecastError, Scatter, SiblingStatistics

VERSION = 2
"""Of what is written; the records of version 1 had no number."""
T = TypeVar("T")
Parts = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorRecord:
    """The `twin.prior.AgeingPrior` of a fit; the last three were not always reported."""

    mean: Vector
    sd: Vector
    discrepancy: float
    capacity_sd: float | None = None
    siblings: int | None = None
    federated: str | None = None

    @classmethod
    def of(cls, prior: AgeingPrior) -> PriorRecord:
        """The record of ``prior``."""
        return cls(
            mean=vector(prior.mean),
            sd=vector(prior.sd),
            discrepancy=float(prior.discrepancy),
            capacity_sd=float(prior.capacity_sd),
            siblings=prior.siblings,
            federated=prior.federated or None,
        )

    def as_prior(self) -> AgeingPrior:
        """The prior again; what siblings taught of laws and curves is not kept."""
        held = AgeingPrior(mean=np.array(self.mean), sd=np.array(self.sd), discrepancy=self.discrepancy)
        held = replace(held, federated=self.federated or "")
        if self.capacity_sd is not None:
            held = replace(held, capacity_sd=self.capacity_sd)
        return held if self.siblings is None else replace(held, siblings=self.siblings)


@dataclass(frozen=True, slots=True, kw_only=True)
class LearntRates:
    """The regression of a standard day's wear, as of `twin.rates.RateModel`."""

    sei: Vector
    lam: Matrix
    held_out_error: float
    charge_c_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRecord:
    """The state's posterior (`twin.state.StatePrior`), the end of the data in it, and its own moment."""

    mean: Vector
    covariance: Matrix
    until_utc: pd.Timestamp
    as_of_utc: pd.Timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class FullRecord:
    """The last full calibration, which all since rest on.

    ``checkups``: how many it had; ``observed``: whether voltage reported its state; ``nameplate``: of the
    pack, with all else that asks for a full calibration when it changes; ``health``: at its moment.
    """

    calibration_id: str
    as_of_utc: pd.Timestamp
    checkups: int
    observed: bool
    nameplate: tuple[str | float, ...]
    health: Health


@dataclass(frozen=True, slots=True, kw_only=True)
class LifePoints:
    """Simulated lives [d] by V2G duty (depth, cycles a day), the standard day first."""

    dod: Vector
    cycles_per_day: Vector
    life_days: Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfLife:
    """What ends the life, "capacity" or "range", and the days until either."""

    by: str
    capacity_days: float
    range_days: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalParts:
    """What the intervals of α, β and L0 hold besides the posterior, by name (`twin.intervals`)."""

    alpha: Parts = field(default_factory=dict)
    beta: Parts = field(default_factory=dict)
    l0: Parts = field(default_factory=dict)

    def by_name(self) -> dict[str, Parts]:
        """The parts of each figure."""
        return {"alpha": self.alpha, "beta": self.beta, "l0": self.l0}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRecord:
    """What one structure of the ensemble says alone (`twin.ensemble.mixture.Member`).

    ``score``: how it foretold the later half of the check-ups, None with too few; ``told``: of a law, what it
    teaches siblings (`twin.ensemble.siblings.StructureStatistics`).
    """

    name: str
    weight: float
    l0_days: float
    alpha_day_per_efc: float
    beta_day_per_efc: float
    calendar_share: float
    score: float | None = None
    told: Vector | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleRecord:
    """The mixture of a full calibration: its members, the calendar share of the wear to come (5 %, 50 %,
    95 %), and capacity over nominal by day from then on, as low, median and high of 90 %.

    ``soh``, ``l0_days``: of the moment that the band begins; a daily update keeps the band and moves both.
    ``price``, ``year_loss``: of `twin.ensemble.mixture.Ensemble`, ``doubt_left``: of `twin.ensemble.outlook`;
    earlier calibrations reported none of them.
    """

    members: tuple[MemberRecord, ...]
    calendar_share: Vector
    soh: float
    end_soh: float
    l0_days: float
    days: Vector
    low: Vector
    median: Vector
    high: Vector
    price: Mapping[str, Vector] = field(default_factory=dict)
    doubt_left: Mapping[str, Vector] = field(default_factory=dict)
    year_loss: Vector | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinRecord:
    """What a calibration keeps; an empty one is that of a battery of which only the columns are known.

    ``model_hash``: of the model's code that fitted ageing, life and α; ``names``: the ageing unknowns, with
    the most probable values in ``mean``, posterior mean and covariance in their order; ``health``: today's,
    in floats; ``duty``, ``rate_model``: the standard day and its wear; ``end_capacity_ah``: of the reference
    cell, at which the life ends; ``observations``, ``ageing_chi2_per_n``: of the ageing fit; ``kept_from``:
    the calibration that a stale one repeats; ``ensemble``: the mixture that L0, α and β are of;
    ``losses``: what the pack loses in the cold.
    """

    model_hash: str | None = None
    names: tuple[str, ...] | None = None
    mean: Vector | None = None
    covariance: Matrix | None = None
    posterior_mean: Vector | None = None
    prior: PriorRecord | None = None
    surprise: ForecastError | None = None
    scatter: Scatter | None = None
    health: Health | None = None
    duty: StandardDuty | None = None
    rate_model: LearntRates | None = None
    end_capacity_ah: float | None = None
    observations: int | None = None
    ageing_chi2_per_n: float | None = None
    state: StateRecord | None = None
    full: FullRecord | None = None
    lives: LifePoints | None = None
    end_of_life: EndOfLife | None = None
    interval_parts: IntervalParts | None = None
    kept_from: str | None = None
    ensemble: EnsembleRecord | None = None
    losses: PackLosses | None = None

    @property
    def restorable(self) -> bool:
        """Whether it holds the unknowns that this version of the twin ages a battery by."""
        return self.names == NAMES

    @property
    def carries_on(self) -> bool:
        """Whether it holds what a daily update rests on."""
        wanted = (self.full, self.duty, self.health, self.rate_model, self.state, self.lives)
        return all(one is not None for one in wanted)

    def to_document(self) -> dict[str, Any]:
        """The record as JSON holds it; what it does not hold is left out."""
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        return {"version": VERSION} | {
            name: _plain(value) for name, value in held.items() if value is not None
        }

    def to_json(self) -> str:
        """The record as text."""
        return json.dumps(self.to_document(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> TwinRecord:
        """The record of a `to_json` text, of this version or an older one; RecordError if it is none."""
        try:
            document = json.loads(text)
        except (ValueError, TypeError) as error:
            raise RecordError(f"the record is no JSON: {error}") from error
        if not isinstance(document, dict):
            raise RecordError(f"the record is a {type(document).__name__}, no object of JSON")
        version = document.get("version", 1)
        if type(version) is not int or version < 1:
            raise RecordError(f"the record's version is {version!r}, no number from 1")
        if version > VERSION:
            raise RecordError(f"the record is of version {version}, and {VERSION} is the newest known here")
        return cls(**{name: optional(document, name, read) for name, read in _READ.items()})


def need(value: T | None, what: str) -> T:
    """``value``, or RecordError: the record does not hold ``what``."""
    if value is None:
        raise RecordError(f"the record of the calibration holds no {what}: an earlier version made it")
    return value


def sibling_statistics(record: TwinRecord) -> SiblingStatistics | None:
    """What a battery telles of its siblings; None of another ageing model, or of a bad fit."""
    if not record.restorable or (record.ageing_chi2_per_n or 0.0) > CHI2_LIMIT:
        return None
    prior = need(record.prior, "prior")
    return SiblingStatistics(
        mean=np.array(need(record.posterior_mean, "posterior mean")),
        sd=np.sqrt(np.diag(need(record.covariance, "covariance"))),
        prior_mean=np.array(prior.mean),
        prior_sd=np.array(prior.sd),
        surprise=record.surprise,
        scatter=record.scatter,
        structures={}
        if record.ensemble is None
        else {
            one.name: StructureStatistics(score=one.score, told=one.told) for one in record.ensemble.members
        },
    )


def _plain(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, Mapping):  # records without other sites stay as they were before there were any
        return {key: _plain(one) for key, one in value.items() if one is not None or key != "federated"}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        return value.item()
    return _plain(asdict(value)) if hasattr(value, "__dataclass_fields__") else value


def _health(held: Mapping[str, Any]) -> Health:
    return Health(**{name: number(held[name]) for name in Health.__slots__})


def _duty(held: Mapping[str, Any]) -> StandardDuty:
    names = [f.name for f in fields(StandardDuty) if f.name != "source"]
    try:
        return StandardDuty(**{name: number(held[name]) for name in names}, source=label(held["source"]))
    except TwinError as error:
        raise ValueError(str(error)) from error


def _full(held: Mapping[str, Any]) -> FullRecord:
    return FullRecord(
        calibration_id=label(held["calibration_id"]),
        as_of_utc=moment(held["as_of_utc"]),
        checkups=count(held["checkups"]),
        observed=flag(held["observed"]),
        nameplate=values(held["nameplate"]),
        health=_health(part(held["health"])),
    )


def _prior(held: Mapping[str, Any]) -> PriorRecord:
    return PriorRecord(
        mean=numbers(held["mean"]),
        sd=numbers(held["sd"]),
        discrepancy=number(held["discrepancy"]),
        capacity_sd=optional(held, "capacity_sd", number),
        siblings=optional(held, "siblings", count),
        federated=optional(held, "federated", label),
    )


def _member(held: Mapping[str, Any]) -> MemberRecord:
    figures = ("weight", "l0_days", "alpha_day_per_efc", "beta_day_per_efc", "calendar_share")
    return MemberRecord(
        name=label(held["name"]),
        **{name: number(held[name]) for name in figures},
        score=optional(held, "score", number),
        told=optional(held, "told", numbers),
    )


def _ensemble(held: Mapping[str, Any]) -> EnsembleRecord:
    members = held["members"]
    if not isinstance(members, list):
        raise ValueError(f"{members!r} is no list")
    return EnsembleRecord(
        members=tuple(_member(part(one)) for one in members),
        calendar_share=numbers(held["calendar_share"]),
        soh=number(held["soh"]),
        end_soh=number(held["end_soh"]),
        l0_days=number(held["l0_days"]),
        days=numbers(held["days"]),
        low=numbers(held["low"]),
        median=numbers(held["median"]),
        high=numbers(held["high"]),
        price=optional(held, "price", vectors) or {},
        doubt_left=optional(held, "doubt_left", vectors) or {},
        year_loss=optional(held, "year_loss", interval),
    )


def _of(kind: Callable[..., T], **entries: Callable[[Any], Any]) -> Callable[[Any], T]:
    """The reader of an object of JSON as a ``kind``, each of its ``entries`` by a reader of its own."""
    return lambda held: kind(**{name: read(part(held)[name]) for name, read in entries.items()})


_READ: dict[str, Callable[[Any], Any]] = {
    "model_hash": label,
    "names": words,
    "mean": numbers,
    "covariance": matrix,
    "posterior_mean": numbers,
    "prior": lambda held: _prior(part(held)),
    "surprise": _of(ForecastError, error=number, step=number, sd=number),
    "scatter": _of(Scatter, squares=number, freedom=number),
    "health": lambda held: _health(part(held)),
    "duty": lambda held: _duty(part(held)),
    "rate_model": _of(LearntRates, sei=numbers, lam=matrix, held_out_error=number, charge_c_rate=number),
    "end_capacity_ah": number,
    "observations": count,
    "ageing_chi2_per_n": number,
    "state": _of(StateRecord, mean=numbers, covariance=matrix, until_utc=moment, as_of_utc=moment),
    "full": lambda held: _full(part(held)),
    "lives": _of(LifePoints, dod=numbers, cycles_per_day=numbers, life_days=numbers),
    "end_of_life": _of(EndOfLife, by=label, capacity_days=number, range_days=number),
    "interval_parts": _of(IntervalParts, alpha=shares, beta=shares, l0=shares),
    "kept_from": label,
    "ensemble": lambda held: _ensemble(part(held)),
    "losses": lambda held: read_losses(part(held)),
}
