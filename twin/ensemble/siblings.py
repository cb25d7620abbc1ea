"""What siblings teach of structures: how well each foretold, and the sizes of each law's rest and cycling.

A battery of one duty tells the sum of both sizes and not the two; one of another duty or climate tells
another sum. So what each says of a law's sizes is kept as its likelihood alone (a normal one, prior taken out
again: information and precision), and those of a fleet are added up, every cell being a little different from
the next. A law by which batteries of different duty contradict one another loses weight against the other
laws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from twin.health import Array

SIZE_SD = 0.7  # ln of a law's published sizes: cells of other makers differ by more than those of one
CELL_SD = 0.5  # of the same between siblings, and of what a law misses between one duty and another
_WEIGHT = 0.3  # of a sibling's word on structures: batteries of a fleet do not err independently
_LEAST = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureStatistics:
    """Of one battery and structure: ``score`` (`twin.ensemble.fit`), None with few check-ups; of a law also
    ``told``: information (2) and precision (3: first, mixed, second) of ln sizes about the published ones."""

    score: float | None
    told: tuple[float, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureBelief:
    """Of the next battery: what siblings add to ln of the weight; mean and covariance of ln sizes."""

    log_weight: float = 0.0
    mean: tuple[float, float] = (0.0, 0.0)
    covariance: tuple[tuple[float, float], tuple[float, float]] = ((SIZE_SD**2, 0.0), (0.0, SIZE_SD**2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Beliefs:
    """`StructureBelief` by name; those not named are as without siblings."""

    by_name: Mapping[str, StructureBelief] = field(default_factory=dict)

    def of(self, name: str) -> StructureBelief:
        """The belief about a structure."""
        return self.by_name.get(name, StructureBelief())

    def figures(self) -> list[float]:
        """All that it holds, in order, to be reported from another's."""
        return [
            value
            for name in sorted(self.by_name)
            for one in [self.by_name[name]]
            for value in (one.log_weight, *one.mean, *one.covariance[0], *one.covariance[1])
        ]


NO_SIBLINGS = Beliefs()


def stated_of(mean: Array, covariance: Array, belief: StructureBelief) -> tuple[float, ...]:
    """The likelihood in a posterior of ln sizes (about the published) that was made with ``belief``."""
    posterior = np.linalg.inv(covariance + _LEAST * np.eye(2))
    prior = np.linalg.inv(np.array(belief.covariance))
    values, vectors = np.linalg.eigh(posterior - prior)
    precision = (vectors * np.maximum(values, 0.0)) @ vectors.T
    # The mean that the data alone would give, where they say anything; elsewhere zero information.
    information = posterior @ mean - prior @ np.array(belief.mean)
    inside = vectors[:, values > _LEAST]
    information = inside @ (inside.T @ information)
    return (
        float(information[0]),
        float(information[1]),
        float(precision[0, 0]),
        float(precision[0, 1]),
        float(precision[1, 1]),
    )


def believed(statistics: Sequence[Mapping[str, StructureStatistics]]) -> Beliefs:
    """What ``statistics``, one a sibling, teach."""
    names = sorted({name for sibling in statistics for name in sibling})
    scores, sizes, evidence = {}, {}, {}
    for name in names:
        own = [sibling[name] for sibling in statistics if name in sibling]
        scores[name] = sum(one.score for one in own if one.score is not None)
        if stated := [one.told for one in own if one.told is not None]:
            *sizes[name], evidence[name] = _sizes(stated)
    # Of evidence only the differences between laws count: a curve takes no part in it.
    common = np.logaddexp.reduce([_WEIGHT * one for one in evidence.values()]) if evidence else 0.0
    common -= np.log(max(len(evidence), 1))
    found = {}
    for name in names:
        weight = _WEIGHT * scores[name]
        if name not in sizes:
            found[name] = StructureBelief(log_weight=weight)
            continue
        mean, covariance = sizes[name]
        found[name] = StructureBelief(
            log_weight=weight + float(_WEIGHT * evidence[name] - common),
            mean=(float(mean[0]), float(mean[1])),
            covariance=(
                (float(covariance[0, 0]), float(covariance[0, 1])),
                (float(covariance[1, 0]), float(covariance[1, 1])),
            ),
        )
    return Beliefs(by_name=found)


def _sizes(stated: Sequence[Sequence[float]]) -> tuple[Array, Array, float]:
    """Mean and covariance of the next sibling's ln sizes, and how well all agree (log, up to a constant)."""
    of_fleet = SIZE_SD**2 - CELL_SD**2
    total, pull, agreed = np.eye(2) / of_fleet, np.zeros(2), 0.0
    for a, b, first, mixed, second in stated:
        precision = np.array([[first, mixed], [mixed, second]]) + _LEAST * np.eye(2)
        spread = np.eye(2) + CELL_SD**2 * precision
        weight = np.linalg.solve(spread, precision)
        own = np.linalg.solve(precision, np.array([a, b]))
        total = total + weight
        pull = pull + weight @ own
        agreed -= 0.5 * float(own @ weight @ own)
        agreed -= 0.5 * float(np.linalg.slogdet(spread)[1])
    mean = np.linalg.solve(total, pull)
    agreed += 0.5 * float(pull @ mean) - 0.5 * float(np.linalg.slogdet(total * of_fleet)[1])
    return np.asarray(mean), np.linalg.inv(total) + CELL_SD**2 * np.eye(2), agreed
