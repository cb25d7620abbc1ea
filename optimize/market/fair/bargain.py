"""θ between owners and operator: Nash's solution, or that no θ satisfies everybody.

Of what a day earns, Π, the owners get θ·Π and bear the wear C_deg; the operator gets (1 − θ)·Π. Without an
agreement they have d_owner and d_grid. Nash's solution (1950) maximises
    (θ·Π − C_deg − d_owner)·((1 − θ)·Π − d_grid)
where neither factor is below 0:
    θ* = ½ + (C_deg + d_owner − d_grid)/(2·Π),  the middle of  [(C_deg + d_owner)/Π, 1 − d_grid/Π]  for Π > 0,
taken into what of 0 … 1 each owner agrees to. Where nothing is left the answer is not to dispatch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimize.errors import ProblemError
from optimize.validation import require_finite

_SAME = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """€ of a car's day: gain Π, in energy alone; wear C_deg (below 0: spared); otherwise d_owner."""

    name: str
    gain_eur: float
    wear_eur: float
    otherwise_eur: float = 0.0

    def __post_init__(self) -> None:
        for field in ("gain_eur", "wear_eur", "otherwise_eur"):
            require_finite(f"owner {self.name!r}", field, getattr(self, field))

    @property
    def asks_eur(self) -> float:
        """What θ·Π has to be at least."""
        return self.wear_eur + self.otherwise_eur

    @property
    def agrees(self) -> tuple[float, float]:
        """The θ that the owner agrees to, lowest and highest; (inf, −inf) for none."""
        return _at_least(self.gain_eur, self.asks_eur)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bargain:
    """theta: None where the answer is not to dispatch. low, high: the θ in 0 … 1 that everybody agrees to.

    low is above high where there is none, and low_by, high_by say whose bound each is ("" for 0 or 1).
    surplus_eur: Π − C_deg − all that they would have otherwise.
    """

    theta: float | None
    low: float
    high: float
    low_by: str
    high_by: str
    gain_eur: float
    wear_eur: float
    surplus_eur: float

    @property
    def dispatch(self) -> bool:
        """Whether some θ satisfies everybody."""
        return self.theta is not None


def bargain(owners: Sequence[Owner], *, operator: str, operator_otherwise_eur: float = 0.0) -> Bargain:
    """One θ for these owners and their operator. Raises ProblemError without an owner.

    Where they earn nothing together, θ divides nothing: the middle of what they agree to is given.
    """
    if not owners:
        raise ProblemError("bargain", "owners", 0, "must be at least one")
    require_finite(operator, "otherwise_eur", operator_otherwise_eur)
    gain = sum(one.gain_eur for one in owners)
    asks = sum(one.asks_eur for one in owners)
    rest_low, rest_high = _at_least(gain, operator_otherwise_eur)  # of 1 − θ
    wanted = [("", 0.0, 1.0), *((one.name, *one.agrees) for one in owners)]
    wanted.append((operator, 1.0 - rest_high, 1.0 - rest_low))
    low_by, low, _ = max(wanted, key=lambda one: one[1])
    high_by, _, high = min(wanted, key=lambda one: one[2])
    theta: float | None = None
    if low <= high + _SAME:
        middle = 0.5 + (asks - operator_otherwise_eur) / (2.0 * gain) if gain else (low + high) / 2.0
        theta = float(np.clip(middle, low, max(low, high)))
    return Bargain(
        theta=theta,
        low=low,
        high=high,
        low_by=low_by,
        high_by=high_by,
        gain_eur=gain,
        wear_eur=sum(one.wear_eur for one in owners),
        surplus_eur=gain - asks - operator_otherwise_eur,
    )


def _at_least(gain: float, asked: float) -> tuple[float, float]:
    """The shares of a gain that are at least so much: from, to; (inf, −inf) for none."""
    if gain > 0.0:
        return asked / gain, np.inf
    if gain < 0.0:
        return -np.inf, asked / gain
    return (-np.inf, np.inf) if asked <= 0.0 else (np.inf, -np.inf)
