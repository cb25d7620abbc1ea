"""The price of battery wear as a function of the day's V2G duty.

A day with x equivalent full cycles of V2G discharge uses 1/L(x) of the battery instead of 1/L0, so
    C_deg(x) = V_res·(1/L(x) − 1/L0)
which by the law of duty L = L0·exp(−α·x) is (V_res/L0)·(exp(α·x) − 1), and by adding rates
L = L0/(1 + β·x) is (V_res/L0)·β·x. Both are convex and zero at x = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from optimize.arrays import FloatArray
from optimize.validation import require_not_negative, require_one_of, require_positive

WearForm = Literal["law", "rate"]
FORMS: tuple[WearForm, ...] = ("law", "rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class WearPrice:
    """One battery's wear price; x is the day's V2G discharge in equivalent full cycles (EFC) of capacity.

    residual_value_eur: today's residual value V_res, €. l0_days: remaining life at standard duty, days.
    alpha_day_per_efc, beta_day_per_efc: life lost per daily EFC by law and by rate, day/EFC.
    Raises ProblemError for NaN, inf, negative values, l0_days ≤ 0 or an unknown form.
    """

    form: WearForm
    residual_value_eur: float
    l0_days: float
    alpha_day_per_efc: float
    beta_day_per_efc: float

    def __post_init__(self) -> None:
        require_one_of("wear price", "form", self.form, FORMS)
        require_not_negative("wear price", "residual_value_eur", self.residual_value_eur)
        require_positive("wear price", "l0_days", self.l0_days)
        require_not_negative("wear price", "alpha_day_per_efc", self.alpha_day_per_efc)
        require_not_negative("wear price", "beta_day_per_efc", self.beta_day_per_efc)

    @property
    def linear(self) -> bool:
        """Whether the cost is a straight line, so that one tangent is the whole of it."""
        return self.form == "rate" or self._scale_eur * self.alpha_day_per_efc == 0.0

    def over(self, days: float) -> WearPrice:
        """The price of x EFC spread evenly over so many days: days·C(x/days)."""
        if days == 1.0:
            return self
        return replace(
            self,
            residual_value_eur=self.residual_value_eur * days,
            alpha_day_per_efc=self.alpha_day_per_efc / days,
            beta_day_per_efc=self.beta_day_per_efc / days,
        )

    def cost_eur(self, x: float) -> float:
        """Wear of a day with x EFC of V2G, €; inf where the exponential leaves the range of floats."""
        if self.form == "rate":
            return self._scale_eur * self.beta_day_per_efc * x
        return self._scale_eur * _expm1(self.alpha_day_per_efc * x)

    def slope_eur(self, x: float) -> float:
        """Marginal wear dC_deg/dx at x EFC, € per EFC."""
        if self.form == "rate":
            return self._scale_eur * self.beta_day_per_efc
        return self._scale_eur * self.alpha_day_per_efc * (_expm1(self.alpha_day_per_efc * x) + 1.0)

    def duty_at_slope_efc(self, slope_eur: float) -> float:
        """Largest x ≥ 0 whose marginal wear is at most `slope_eur` (€ per EFC); 0 if none, inf if all."""
        start = self.slope_eur(0.0)
        if self.linear or start == 0.0:
            return math.inf if start <= slope_eur else 0.0
        return max(0.0, math.log(slope_eur / start) / self.alpha_day_per_efc) if slope_eur > 0 else 0.0

    def duty_at_cost_efc(self, cost_eur: float) -> float:
        """Largest x ≥ 0 whose wear is at most `cost_eur` ≥ 0; inf where wear costs nothing."""
        if self.linear:
            slope = self.slope_eur(0.0)
            return cost_eur / slope if slope > 0.0 else math.inf
        return math.log1p(cost_eur / self._scale_eur) / self.alpha_day_per_efc

    @property
    def _scale_eur(self) -> float:
        return self.residual_value_eur / self.l0_days


NO_WEAR = WearPrice(
    form="rate", residual_value_eur=0.0, l0_days=1.0, alpha_day_per_efc=0.0, beta_day_per_efc=0.0
)
"""A battery that nothing wears."""


def choose_form(
    efc_per_day: FloatArray,
    life_days: FloatArray,
    l0_days: float,
    alpha_day_per_efc: float,
    beta_day_per_efc: float,
) -> WearForm:
    """The form that follows the twin's life points best: the smaller rms residual of ln(L/L0).

    efc_per_day, life_days: one value of each per simulated duty, equivalent full cycles a day of V2G and the
    days that a battery lives with it. Without a single one the twin knows nothing against its own law, which
    is returned. Raises ProblemError for lives ≤ 0.
    """
    require_positive("life points", "l0_days", l0_days)
    if life_days.size == 0:
        return "law"
    require_positive("life points", "life_days", float(life_days.min()))
    log_life = np.log(life_days / l0_days)
    law = float(np.mean((log_life + alpha_day_per_efc * efc_per_day) ** 2))
    rate = float(np.mean((log_life + np.log1p(beta_day_per_efc * efc_per_day)) ** 2))
    return "rate" if rate < law else "law"


def _expm1(value: float) -> float:
    try:
        return math.expm1(value)
    except OverflowError:
        return math.inf
