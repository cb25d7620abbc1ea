"""Figures of a fleet under differential privacy, by OpenDP: sums and means over owners with Laplace noise.

Neighbours are two fleets of as many owners in which one owner's figure is any other one; how many owners
there are is not hidden. Each owner counts once, with all of their cars, and no less than `least` nor more
than `most`: one owner can move a sum by most − least, a mean by (most − least)/n, and P(answer | fleet) ≤
e^ε·P(answer | neighbour). Noise and sensitivity are OpenDP's, sound in floating point (Casacuberta et al.
2022). Composition over answers: their ε add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from optimize.errors import PrivacyError

Statistic = Literal["sum", "mean"]
_WITHIN = 0.05
_LARGEST_SCALE = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of one number an owner; least, most: bounds of a number, in its unit. epsilon > 0."""

    statistic: Statistic
    owners: int
    least: float
    most: float
    epsilon: float

    def __post_init__(self) -> None:
        if self.owners < 1:
            raise PrivacyError("there is no owner to ask about")
        if not -1e9 < self.least < self.most < 1e9:
            raise PrivacyError(f"bounds {self.least:g} to {self.most:g} are none: least < most, finite")
        if not 1e-4 <= self.epsilon <= 20:
            raise PrivacyError(f"ε = {self.epsilon:g} has to lie between 0.0001 and 20")


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The mechanism of a question. scale: of the Laplace noise; error_95: with 95 % it is no larger; both in
    the figure's unit."""

    scale: float
    error_95: float
    epsilon: float


def noise_of(question: Question) -> Noise:
    """What noise a question asks for, by its bounds alone; raises PrivacyError without OpenDP."""
    dp = _opendp()
    scale = _scale(dp, question)
    return Noise(
        scale=scale,
        error_95=float(dp.laplacian_scale_to_accuracy(scale, _WITHIN)),
        epsilon=float(_mechanism(dp, question, scale).map(2)),
    )


def answer(question: Question, figures: Sequence[float], noise: Noise) -> float:
    """A noisy answer, drawn anew at every call: keep it. figures: one an owner, finite."""
    if len(figures) != question.owners:
        raise PrivacyError(f"{len(figures)} figures of {question.owners} owners")
    dp = _opendp()
    return float(_mechanism(dp, question, noise.scale)([float(one) for one in figures]))


def _scale(dp: Any, question: Question) -> float:
    """The least noise that spends no more than ε."""
    return float(
        dp.binary_search(
            lambda scale: _mechanism(dp, question, scale).map(2) <= question.epsilon,
            bounds=(1e-9, _LARGEST_SCALE),
        )
    )


def _mechanism(dp: Any, question: Question, scale: float) -> Any:
    """Clamp, add up, add noise. A change of one owner is one record out and one in: a distance of 2."""
    bounds = (question.least, question.most)
    space = (
        dp.vector_domain(dp.atom_domain(T=float, nan=False), size=question.owners),
        dp.symmetric_distance(),
    )
    summed = space >> dp.t.then_clamp(bounds)
    added = summed >> (dp.t.then_sum() if question.statistic == "sum" else dp.t.then_mean())
    return added >> dp.m.then_laplace(scale)


def _opendp() -> Any:
    try:
        import opendp.prelude as dp
    except ImportError:
        raise PrivacyError(
            "OpenDP is not installed, and no figure is released without it: pip install "
            "'v2g-planner[privacy]'"
        ) from None
    dp.enable_features("contrib")
    return dp
