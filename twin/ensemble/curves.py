"""Plain growth curves: what check-ups follow, without a word of why.

A curve cannot tell rest from cycling. The share that rest brings is an unknown of its own with a wide prior,
and so is how a discharge to the grid wears against one by driving: check-ups of one duty say nothing of
either. What is believed of the share, and of the loss in all, is what the published laws of
`twin.ensemble.laws` say of the lived day, each in its own way: of an ordinary one at 10 °C 30 to 93 % by
rest, at 25 °C 62 to 99 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from twin.ensemble.growth import NEW, NEW_SD, UNIT_DAYS, Lived, Structure
from twin.health import Array

_LIKENESS = (0.0, 0.5)  # ln of the wear of one V2G cycle over that of one driven
_SOC_SLOPE = (1.0, 0.6)  # of ln calendar loss, per unit of state of charge
_WARMTH = 0.06  # of ln calendar loss, per kelvin: 45 kJ/mol
_EFC_FLOOR = 0.02  # cycles a day: a stored battery has no driven cycle to be compared with
# Cells at rest fade by about √t, cells that are cycled nearly straight, or faster and faster.
_POWER_RESTED, _POWER_CYCLED, _BEND_CYCLED = 0.55, 0.95, 0.3
_LEAST, _NO_BEND = 1e-9, 1e-4

Shape = Callable[[Array, Array], Array]


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve(Structure):
    """Loss = size · shape(u, figures): unknown are both, and what no curve tells.

    These are the last three: logit of the calendar share, likeness of V2G and driving, slope with charge.
    """

    shape: Shape

    def parts(self, theta: Array, u: Array) -> Array:
        """Shares of one curve."""
        rest = (1,) * (u.ndim - 2)
        figures = theta[:, 2:-3].reshape(len(theta), -1, *rest)
        whole = np.exp(theta[:, 1]).reshape(-1, *rest) * self.shape(u[:, 0], figures)
        share = expit(theta[:, -3]).reshape(-1, *rest)
        return np.stack([share * whole, (1 - share) * whole], axis=1)

    def loss(self, theta: Array, u: Array) -> Array:
        """The curve, which does not ask for shares."""
        rest = (1,) * (u.ndim - 2)
        figures = theta[:, 2:-3].reshape(len(theta), -1, *rest)
        return np.asarray(np.exp(theta[:, 1]).reshape(-1, *rest) * self.shape(u[:, 0], figures))

    def pace(self, theta: Array, lived: Lived) -> Array:
        """One progress for both parts, by how much of the wear each is."""
        share, slope, past = expit(theta[:, -3, None]), theta[:, -1, None], lived.past
        fuller = np.array([float(day.soc.mean() - past.soc.mean()) for day in lived.days])
        warmer = np.array([day.kelvin - past.kelvin for day in lived.days])
        rest = share * np.exp(slope * fuller + _WARMTH * warmer)
        both = rest + (1 - share) * self.cycled(theta, lived)
        return np.stack([both, both], axis=1)

    def cycled(self, theta: Array, lived: Lived) -> Array:
        """Driving as before wears as before; what is new wears like it, or less, or more."""
        efc = lived.past.efc
        more = np.array([day.efc - efc for day in lived.days]) / max(efc, _EFC_FLOOR)
        return np.asarray(np.maximum(1 + np.exp(theta[:, -2, None]) * more, 0.0))


def curves(
    age_days: float, size: tuple[float, float], calendar_logit: tuple[float, float]
) -> tuple[Curve, ...]:
    """The curves; ``size``: mean and sd of ln of five years' loss on the lived duty, ``calendar_logit``: of
    the logit of the calendar share.

    A break may lie anywhere in the life so far, or not long after.
    """
    now, rest = max(age_days, 1.0) / UNIT_DAYS, float(expit(calendar_logit[0]))
    power = _POWER_RESTED * rest + _POWER_CYCLED * (1 - rest)
    half = float(np.log(0.6 * now))
    shapes: dict[str, tuple[Shape, tuple[float, ...], tuple[float, ...]]] = {
        "linear": (_linear, (), ()),
        "square root": (_root, (), ()),
        "power": (_power, (float(np.log(power)),), (0.3,)),
        "exponential": (_exponential(now), (_BEND_CYCLED * (1 - rest),), (0.5,)),
        "break": (_broken, (half, -1.0), (0.4, 1.0)),
        "break-in": (_broken_in(now), (float(np.log(0.25)), float(np.log(0.4))), (0.5, 0.8)),
    }
    untold = (calendar_logit, _LIKENESS, _SOC_SLOPE)
    return tuple(
        Curve(
            name=name,
            mean=np.array([NEW, size[0], *mean, *(one[0] for one in untold)]),
            sd=np.array([NEW_SD, size[1], *sd, *(one[1] for one in untold)]),
            shape=shape,
            share={"linear": 2 * (1 - rest), "square root": 2 * rest}.get(name, 1.0),
        )
        for name, (shape, mean, sd) in shapes.items()
    )


def _linear(u: Array, _: Array) -> Array:
    return u


def _root(u: Array, _: Array) -> Array:
    return np.asarray(np.sqrt(np.maximum(u, _LEAST)))


def _power(u: Array, figures: Array) -> Array:
    return np.asarray(np.maximum(u, _LEAST) ** np.exp(np.clip(figures[:, 0], -2.0, 1.2)))


def _exponential(now: float) -> Shape:
    """Straight at first; the rate has changed by exp(bend) when all of the life so far is over, ``now``."""

    def shape(u: Array, figures: Array) -> Array:
        bend = np.clip(figures[:, 0], -6.0, 6.0)
        bend = np.where(np.abs(bend) < _NO_BEND, _NO_BEND, bend)
        return np.asarray(now * np.expm1(np.clip(bend * u / now, -50.0, 50.0)) / bend)

    return shape


def _broken_in(now: float) -> Shape:
    """Straight, with a loss at first that is over after some share of the life so far, ``now``."""

    def shape(u: Array, figures: Array) -> Array:
        lasting, more = np.exp(figures[:, 0]), np.exp(figures[:, 1])
        return np.asarray(u - more * now * np.expm1(-u / (lasting * now)))

    return shape


def _broken(u: Array, figures: Array) -> Array:
    onset, gain = np.exp(figures[:, 0]), np.exp(figures[:, 1])
    return np.asarray(_root(u, u) + gain * np.maximum(u - onset, 0.0))
