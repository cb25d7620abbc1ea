"""An owner's risk, and what the benefit is against it: an index of acceptance.

    R = β1·U_deg + β2·U_priv        A = k·B/R + T

U_deg   how unsure it is what next year takes of the battery: (high − low)/middle of the twin's 90 % interval
U_priv  how much is reported of the owner's days, by privacy mode
B       what the owner gained in a stated period, €

A is an index: higher is likelier. Nothing has fitted β1, β2, k and T to owners who accepted or refused, so it
ranks owners among themselves and is no probability (`choice` next to it has one, of a survey).
"""

from __future__ import annotations

from dataclasses import dataclass

from optimize.errors import ProblemError
from optimize.validation import require_finite, require_not_negative

UNCALIBRATED = "uncalibrated"
"""What an index is called until its weights are fitted to records of acceptance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """β1 and β2 of the two risks, k [1/€] of benefit over risk, T added."""

    beta1: float
    beta2: float
    k: float
    t: float

    def __post_init__(self) -> None:
        for field in ("beta1", "beta2", "k"):
            require_not_negative("acceptance", field, getattr(self, field))
        require_finite("acceptance", "t", self.t)


def degradation_risk(owner: str, low: float, middle: float, high: float) -> float:
    """U_deg of an interval of next year's loss of capacity, all in one unit.

    Raises ProblemError where the middle is no loss: then a width has nothing that it could be relative to.
    """
    for field, value in (("loss_low", low), ("loss_median", middle), ("loss_high", high)):
        require_finite(owner, field, value)
    if middle <= 0.0:
        raise ProblemError(owner, "loss_median", middle, "must be > 0 for a width relative to it")
    if not low <= middle <= high:
        raise ProblemError(owner, "loss_median", middle, f"must lie in the interval {low} to {high}")
    return (high - low) / middle


def risk(owner: str, u_deg: float, u_priv: float, weights: Weights) -> float:
    """R. Raises ProblemError where it is not above 0: nothing can be divided by it."""
    require_not_negative(owner, "U_deg", u_deg)
    require_not_negative(owner, "U_priv", u_priv)
    found = weights.beta1 * u_deg + weights.beta2 * u_priv
    if not found > 0.0:
        parts = f"β1 {weights.beta1:g} · U_deg {u_deg:g} + β2 {weights.beta2:g} · U_priv {u_priv:g}"
        raise ProblemError(owner, "risk R", found, f"must be > 0 for an index of benefit over risk: {parts}")
    return found


def acceptance(owner: str, benefit_eur: float, owner_risk: float, weights: Weights) -> float:
    """A. Raises ProblemError for a risk that is not above 0 or a benefit that is no number."""
    require_finite(owner, "benefit_eur", benefit_eur)
    if not owner_risk > 0.0:
        raise ProblemError(owner, "risk R", owner_risk, "must be > 0 for an index of benefit over risk")
    return weights.k * benefit_eur / owner_risk + weights.t
