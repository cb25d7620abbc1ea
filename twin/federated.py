"""What batteries of other sites teach of ageing, told by sums alone: sites merge priors without sharing data.

Battery i of a site says y_i of an unknown, with variance v_i (its posterior less its prior, as
`twin.prior.fleet_prior` takes it). A site tells, by chemistry and unknown, n, Σw, Σw², Σw·y and Σw·y² with
w = 1/v, about the chemistry's prior. They add up, so that the merge of sites is the fit of all their
batteries at once. From them, in one shot (DerSimonian and Laird, Control. Clin. Trials 7:177, 1986):
μ = Σwy/Σw, Q = Σwy² − (Σwy)²/Σw, spread between batteries τ² = max(0, (Q − n + 1)/(Σw − Σw²/Σw)),
var μ = 1/Σw + τ²·Σw²/(Σw)². The prior of one more battery is normal about μ with τ² + var μ, both held to the
chemistry's prior by as much as few batteries deserve. Sums over fewer than `LEAST_BATTERIES` are not told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from twin.entries import count, label, numbers
from twin.errors import FederationError
from twin.health import Array
from twin.prior import CHEMISTRY_PRIOR, NAMES, PSEUDO_SIBLINGS, AgeingPrior, SiblingStatistics, told_by

LEAST_BATTERIES = 5
_LEAST_TOLD = 0.05
"""Precision of what a battery says, of that of the chemistry's prior, below which it says nothing."""
_SHARED = tuple(name for name in NAMES if not name.startswith("knee"))
_SUMS = ("batteries", "weight", "weight_squared", "weighted", "weighted_squared")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeingSums:
    """Sums over a site's batteries of one chemistry, by unknown in the order of `NAMES` without the knee.

    batteries: how many said something; 0 where they were too few, and the sums are 0 then.
    """

    chemistry: str
    batteries: tuple[int, ...]
    weight: tuple[float, ...]
    weight_squared: tuple[float, ...]
    weighted: tuple[float, ...]
    weighted_squared: tuple[float, ...]

    def __post_init__(self) -> None:
        sizes = {len(getattr(self, name)) for name in _SUMS}
        figures = np.array([getattr(self, name) for name in _SUMS[1:]] if len(sizes) == 1 else np.nan)
        if sizes != {len(_SHARED)} or not np.isfinite(figures).all() or (figures[[0, 1, 3]] < 0).any():
            raise FederationError(f"{self.chemistry}: {len(_SHARED)} finite sums of each kind are needed")
        for name, told, weight in zip(_SHARED, self.batteries, self.weight, strict=True):
            if told < 0 or 0 < told < LEAST_BATTERIES:
                raise FederationError(
                    f"{self.chemistry}: {name} is of {told} batteries, {LEAST_BATTERIES} are the least"
                )
            if (told > 0) != (weight > 0):
                raise FederationError(
                    f"{self.chemistry}: {name} has a weight of {weight:g} of {told} batteries"
                )


def sums_of(chemistry: str, lessons: Sequence[SiblingStatistics]) -> AgeingSums:
    """What a site tells of its batteries of a chemistry; raises FederationError where they are too few."""
    if len(lessons) < LEAST_BATTERIES:
        raise FederationError(
            f"{chemistry}: {len(lessons)} batteries have something to teach, {LEAST_BATTERIES} are the least"
        )
    base, size = CHEMISTRY_PRIOR, len(_SHARED)
    said, precision = told_by(base, lessons)
    about, weight = (said - base.mean)[:, :size], precision[:, :size]
    weight = np.where(weight * base.sd[:size] ** 2 >= _LEAST_TOLD, weight, 0.0)
    told = (weight > 0).sum(axis=0)
    weight = np.where(told >= LEAST_BATTERIES, weight, 0.0)
    return AgeingSums(
        chemistry=chemistry,
        batteries=tuple(int(one) for one in np.where(told >= LEAST_BATTERIES, told, 0)),
        weight=_vector(weight.sum(axis=0)),
        weight_squared=_vector((weight**2).sum(axis=0)),
        weighted=_vector((weight * about).sum(axis=0)),
        weighted_squared=_vector((weight * about**2).sum(axis=0)),
    )


def merged(sums: Sequence[AgeingSums]) -> AgeingSums:
    """The sums of several sites, one chemistry; raises FederationError for none, or several chemistries."""
    chemistries = sorted({one.chemistry for one in sums})
    if len(chemistries) != 1:
        raise FederationError(f"sums of one chemistry are merged, not of {', '.join(chemistries) or 'none'}")
    added = {name: np.sum([getattr(one, name) for one in sums], axis=0) for name in _SUMS}
    return AgeingSums(
        chemistry=chemistries[0],
        batteries=tuple(int(one) for one in added.pop("batteries")),
        **{name: _vector(one) for name, one in added.items()},
    )


def random_effects(sums: AgeingSums) -> tuple[Array, Array, Array]:
    """μ about the chemistry's prior, its variance, and τ² by unknown; NaN where nobody said anything."""
    n, w, w2, wy, wyy = (np.array(getattr(sums, name), dtype=np.float64) for name in _SUMS)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = wy / w
        apart = np.maximum(wyy - wy * centre, 0.0)
        between = np.maximum(apart - n + 1, 0.0) / (w - w2 / w)
        return centre, 1 / w + between * w2 / w**2, between


def federated_prior(sums: AgeingSums, named: str) -> AgeingPrior:
    """The prior of one more battery of a chemistry; named: whose sums it is of, for the record."""
    base, size = CHEMISTRY_PRIOR, len(_SHARED)
    centre, variance, between = random_effects(sums)
    told = np.array(sums.batteries)
    some = told > 0
    own = base.sd[:size] ** 2
    held = 1 / (1 / np.where(some, variance, np.inf) + 1 / own)
    shift = np.where(some, held * np.where(some, centre, 0.0) / np.where(some, variance, 1.0), 0.0)
    spread = (told * np.where(some, between, 0.0) + PSEUDO_SIBLINGS * own) / (told + PSEUDO_SIBLINGS)
    mean, sd = base.mean.copy(), base.sd.copy()
    mean[:size] += shift
    sd[:size] = np.where(some, np.minimum(np.sqrt(spread + held), base.sd[:size]), base.sd[:size])
    return AgeingPrior(mean=mean, sd=sd, federated=named)


def sums_text(sums: Sequence[AgeingSums]) -> str:
    """One line of JSON, without a line feed."""
    said = [{one.name: getattr(each, one.name) for one in fields(AgeingSums)} for each in sums]
    return json.dumps(said, separators=(",", ":"))


def sums_of_text(text: str) -> tuple[AgeingSums, ...]:
    """Read `sums_text`; raises FederationError."""
    try:
        said = json.loads(text)
        found = tuple(_read(one) for one in said)
    except (ValueError, KeyError, TypeError) as error:
        raise FederationError(f"no sums of ageing: {error}") from error
    if len({one.chemistry for one in found}) != len(found) or not found:
        raise FederationError("no sums of ageing, or a chemistry twice")
    return found


def _read(said: Mapping[str, Any]) -> AgeingSums:
    if set(said) != {one.name for one in fields(AgeingSums)}:
        raise ValueError("its figures are not those of this form")
    return AgeingSums(
        chemistry=label(said["chemistry"]),
        batteries=tuple(count(one) for one in said["batteries"]),
        **{name: numbers(said[name]) for name in _SUMS[1:]},
    )


def _vector(values: Array) -> tuple[float, ...]:
    return tuple(float(one) for one in values)
