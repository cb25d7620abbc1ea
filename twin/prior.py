"""What is believed of a battery's ageing before its own data: its chemistry's prior, or what siblings teach.

A young battery has little to say of its ageing. Siblings (same chemistry, same fleet) do: their posteriors,
each with the prior that it was made with taken out again, give mean and spread of the population (empirical
Bayes, normal hierarchy, expectation maximisation). Spread between batteries stays in the prior, so what is
borrowed never makes a battery sure of itself. Of the knee nothing is borrowed: before it, nobody knows it.

How far the ageing model itself may be wrong is learnt likewise: every battery with enough check-ups is
forecast once from its earlier half, and the errors, as shares of the forecast fade, give ``discrepancy``.
And so is how well a check-up measures: the scatter of siblings' about their fits gives ``capacity_sd``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.ensemble.siblings import NO_SIBLINGS, Beliefs, StructureStatistics, believed
from twin.health import Array

NAMES = (
    "sei_factor",
    "lam_factor",
    "capacity_scale",
    "resistance_when_new",
    "sei_bend",
    "knee_fade",
    "knee_gain",
)
"""The ageing unknowns: all but capacity_scale and sei_bend as natural logarithms."""

_LEARNT = np.array([name not in ("knee_fade", "knee_gain") for name in NAMES])
PSEUDO_SIBLINGS = 3.0  # weight of the belief that siblings spread as wide as the chemistry's prior
_ITERATIONS = 60
_DISCREPANCY, _DISCREPANCY_LOG_SD = 0.15, 0.7
_GRID = np.geomspace(0.01, 1.0, 60)
_CAPACITY_SD = 0.005  # of a check-up, relative
_LEAST_FADE = 0.01  # of capacity: less is hardly seen
CHI2_LIMIT = 4.0
"""χ²/n over which a fit is in dispute.

Residuals are in units of what the model is trusted to: voltage to 4 mV a cell, a state to 1 %, check-ups to
what they scatter. Twice that in the mean is no longer noise: honest synthetic batteries stay below 2.5.
"""
SCATTER_WEIGHT = 4.0  # readings that what is believed of their spread is worth


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastError:
    """A forecast of capacity that was put to the test: its error, the fade that it foretold, its own sd."""

    error: float
    step: float
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """What check-ups of capacity scatter about their fit: squares of relative errors, degrees of freedom."""

    squares: float
    freedom: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeingPrior:
    """Mean and sd of the unknowns in the order of `NAMES`, independent of one another.

    ``discrepancy``: standard deviation of what the model leaves out, as a share of the fade between two
    moments; ``capacity_sd``: of a check-up, relative, worth `SCATTER_WEIGHT` of them; ``siblings``: how many
    batteries taught it, 0 for the chemistry's own prior; ``federated``: which other sites' batteries it
    begins with (`twin.federated`), "" for none; ``structures``: of laws and curves besides.
    """

    mean: Array
    sd: Array
    discrepancy: float = _DISCREPANCY
    capacity_sd: float = _CAPACITY_SD
    siblings: int = 0
    federated: str = ""
    structures: Beliefs = NO_SIBLINGS

    def to_record(self) -> dict[str, Any]:
        """The prior as JSON."""
        return {
            "mean": self.mean.tolist(),
            "sd": self.sd.tolist(),
            "discrepancy": self.discrepancy,
            "capacity_sd": self.capacity_sd,
            "siblings": self.siblings,
            **({"federated": self.federated} if self.federated else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SiblingStatistics:
    """What one battery telles of its siblings: its posterior, the prior in it, how a forecast of it fared,
    how its check-ups scatter; the last two None where it had too few or an older twin did not tell."""

    mean: Array
    sd: Array
    prior_mean: Array
    prior_sd: Array
    surprise: ForecastError | None
    scatter: Scatter | None = None
    structures: Mapping[str, StructureStatistics] = field(default_factory=dict)


# Onset and strength of a knee: reported between 70 and 95 % of capacity, with the fade then several times as
# fast (Attia et al., J. Electrochem. Soc. 169 060517, 2022; Diao et al., Energies 12 2910, 2019).
CHEMISTRY_PRIOR = AgeingPrior(
    mean=np.array([0.0, 0.0, 1.0, np.log(0.06), 0.0, np.log(0.15), np.log(4.0)]),
    sd=np.array([0.7, 0.7, 0.03, 0.7, 0.2, 0.45, 0.7]),
)


def fleet_prior(base: AgeingPrior, statistics: Sequence[SiblingStatistics]) -> AgeingPrior:
    """The prior of one more battery of the population that ``statistics`` were drawn from."""
    if not statistics:
        return base
    own, precision = told_by(base, statistics)
    centre, variance = base.mean.copy(), base.sd**2
    for _ in range(_ITERATIONS):
        total = precision + 1 / variance
        each = (precision * own + centre / variance) / total
        centre_variance = 1 / (len(statistics) / variance + base.sd**-2.0)
        centre = (each.sum(axis=0) / variance + base.mean * base.sd**-2.0) * centre_variance
        scatter = (1 / total + (each - centre) ** 2).sum(axis=0) + PSEUDO_SIBLINGS * base.sd**2
        variance = scatter / (len(statistics) + PSEUDO_SIBLINGS)
    learnt: npt.NDArray[np.bool_] = _LEARNT
    spread = np.minimum(np.sqrt(variance + centre_variance), base.sd)
    return AgeingPrior(
        mean=np.where(learnt, centre, base.mean),
        sd=np.where(learnt, spread, base.sd),
        discrepancy=_discrepancy(
            [sibling.surprise for sibling in statistics if sibling.surprise is not None]
        ),
        capacity_sd=spread_of(
            base.capacity_sd, [sibling.scatter for sibling in statistics if sibling.scatter is not None]
        ),
        siblings=len(statistics),
        federated=base.federated,
        structures=believed([sibling.structures for sibling in statistics]),
    )


def told_by(base: AgeingPrior, statistics: Sequence[SiblingStatistics]) -> tuple[Array, Array]:
    """What each battery's own data say of the unknowns (rows batteries), and how precisely (1/variance)."""
    mean, sd, prior_mean, prior_sd = (
        np.array([getattr(sibling, name) for sibling in statistics])
        for name in ("mean", "sd", "prior_mean", "prior_sd")
    )
    floor = 1e-6 / base.sd**2
    precision = np.maximum(sd**-2.0 - prior_sd**-2.0, floor)
    own = (mean * sd**-2.0 - prior_mean * prior_sd**-2.0) / precision
    return own, precision


def _discrepancy(errors: Sequence[ForecastError]) -> float:
    """Most probable discrepancy given how forecasts fared; errors are normal about zero."""
    log_posterior = -0.5 * (np.log(_GRID / _DISCREPANCY) / _DISCREPANCY_LOG_SD) ** 2
    for one in errors:
        variance = one.sd**2 + (_GRID * one.step) ** 2
        log_posterior -= 0.5 * (one.error**2 / variance + np.log(variance))
    return float(_GRID[np.argmax(log_posterior)])


def discrepancy_growth(observed: Any, ahead: Any) -> Array:
    """How much further than ``discrepancy`` a forecast of fade may be off, as a factor on it.

    ``observed``, ``ahead``: fade so far and to come, as shares of nominal capacity. The discrepancy is learnt
    on forecasts that about double the fade seen. What the model leaves out is taken to wander like a rate
    whose logarithm walks at random in the logarithm of fade: its variance grows by as much with every
    doubling, and is no less within the first, since today's rate is not seen free of it.
    """
    doublings = np.log2(1 + np.maximum(ahead, 0.0) / np.maximum(observed, _LEAST_FADE))
    return np.asarray(np.sqrt(np.maximum(doublings, 1.0)))


def spread_of(believed: float, scatters: Sequence[Scatter]) -> float:
    """A check-up's spread by what is ``believed`` and what was seen (mean of a scaled inverse χ²)."""
    squares = SCATTER_WEIGHT * believed**2 + sum(one.squares for one in scatters)
    return float(np.sqrt(squares / (SCATTER_WEIGHT + sum(one.freedom for one in scatters))))


def sibling_priors(
    chemistry_of: Mapping[str, str],
    statistics: Mapping[str, SiblingStatistics],
    bases: Mapping[str, AgeingPrior] = MappingProxyType({}),
) -> dict[str, AgeingPrior]:
    """The prior of each battery of ``chemistry_of`` from all others of its chemistry that have a lesson.

    bases: what it begins with by chemistry, where that is not the chemistry's own.
    """
    return {
        battery_id: fleet_prior(
            bases.get(chemistry, CHEMISTRY_PRIOR),
            [
                sibling
                for other, sibling in statistics.items()
                if other != battery_id and chemistry_of.get(other) == chemistry
            ],
        )
        for battery_id, chemistry in chemistry_of.items()
    }
