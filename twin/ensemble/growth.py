"""The common form of laws and curves: loss as two parts, of rest and of cycling, that grow with progress.

At an age of t days on the lived duty every part's progress is u = t / 1826, so that a part's size is what it
takes in five years; on another duty a day adds ``pace`` times as much. Powers of laws, and all unknowns of
curves, are beliefs with a spread: a structure is a prior over forms, not one form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin.ensemble.laws import Law
from twin.ensemble.siblings import StructureBelief
from twin.ensemble.stress import Stress
from twin.health import Array

UNIT_DAYS = 1826.0
NEW, NEW_SD = 1.0, 0.03  # capacity over nominal when new
_POWER_SD = 0.08  # of a published power
_POWERS = (0.2, 1.6)
_LEAST = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """The stress of the days so far, of the ordinary day to come, and of others that it is compared with."""

    past: Stress
    days: Sequence[Stress]


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """A way that capacity may fade: normal unknowns, the first of them capacity when new.

    ``share``: of the belief in its kind, laws or curves, of which the mean is 1.
    """

    name: str
    mean: Array
    sd: Array
    share: float = 1.0

    def parts(self, theta: Array, u: Array) -> Array:
        """Loss by rest and by cycling at progress ``u`` of both; rows of ``theta``, parts, any more axes."""
        raise NotImplementedError

    def pace(self, theta: Array, lived: Lived) -> Array:
        """Progress of one of ``lived.days`` over that of a past one: rows, parts, days."""
        raise NotImplementedError

    def cycled(self, theta: Array, lived: Lived) -> Array:
        """The same of what cycling alone brings: rows, days."""
        raise NotImplementedError

    def off(self, theta: Array) -> Array:
        """Rows of unknowns in standard deviations of their prior, independent of one another."""
        return np.asarray((theta - self.mean) / self.sd)

    def loss(self, theta: Array, u: Array) -> Array:
        """The sum of the parts: a share of nominal capacity."""
        return np.asarray(self.parts(theta, u).sum(axis=1))

    def calendar(self, theta: Array, u: Array, later: Array) -> Array:
        """Share of the loss between two progresses (rows, parts) that rest alone would bring."""
        grown = self.parts(theta, later) - self.parts(theta, u)
        return np.asarray(grown[:, 0] / np.maximum(grown.sum(axis=1), _LEAST))

    def capacity(self, theta: Array, days: Array) -> Array:
        """Capacity over nominal at ages [d] on the lived duty: rows, ages."""
        return theta[:, :1] - self.loss(theta, (np.asarray(days) / UNIT_DAYS)[None, None, :])


@dataclass(frozen=True, kw_only=True, eq=False)
class LawStructure(Structure):
    """A published law: unknown are both sizes and both powers, about the published ones.

    ``sizes``: the published loss by rest and by cycling in five years of the lived duty; ``belief``: about
    the logarithms of this cell's over those.
    """

    law: Law
    sizes: tuple[float, float]
    belief: StructureBelief

    @classmethod
    def of(cls, name: str, law: Law, past: Stress, belief: StructureBelief) -> LawStructure:
        """The law on the duty of ``past``."""
        powers = (law.z_calendar, law.z_cycling)
        rest, cycled = (
            max(_LEAST, (UNIT_DAYS * step) ** z) for step, z in zip(law.progress(past), powers, strict=True)
        )
        sizes = np.log([rest, cycled]) + belief.mean
        size_sd = np.sqrt(np.diag(belief.covariance))
        return cls(
            name=name,
            mean=np.array([NEW, *sizes, *powers]),
            sd=np.array([NEW_SD, *size_sd, _POWER_SD, _POWER_SD]),
            law=law,
            sizes=(rest, cycled),
            belief=belief,
        )

    def off(self, theta: Array) -> Array:
        """Sizes that siblings reported together are not independent."""
        plain = super().off(theta)
        (rest, mixed), (_, cycled) = self.belief.covariance
        if mixed:
            # Of cycling, what rest does not tell already.
            slope = mixed / rest
            apart = theta[:, 2] - self.mean[2] - slope * (theta[:, 1] - self.mean[1])
            plain[:, 2] = apart / np.sqrt(cycled - slope * mixed)
        return plain

    def about_published(self, sample: Array) -> Array:
        """ln of the sizes in ``sample`` over the published ones."""
        return np.asarray(sample[:, 1:3] - np.log(self.sizes))

    def parts(self, theta: Array, u: Array) -> Array:
        """Powers of progress."""
        shape = (len(theta), 2, *[1] * (u.ndim - 2))
        size, power = np.exp(theta[:, 1:3]).reshape(shape), np.clip(theta[:, 3:5], *_POWERS).reshape(shape)
        return np.asarray(size * np.maximum(u, _LEAST) ** power)

    def pace(self, theta: Array, lived: Lived) -> Array:
        """By the law; the unknowns do not change it."""
        before = np.maximum(self.law.progress(lived.past), 1e-300)
        after = np.array([self.law.progress(day) for day in lived.days])
        return np.broadcast_to((after / before).T[None], (len(theta), 2, len(after)))

    def cycled(self, theta: Array, lived: Lived) -> Array:
        """Of the part of cycling."""
        return self.pace(theta, lived)[:, 1]
