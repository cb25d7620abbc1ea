"""What is invested, its net present value and when it has paid back, of figures or arrays of them.

    I = M·(C_charger + C_grid)·γ                    invested now
    A = M·income − upkeep·I                         at the end of each of n years, in the money of now
    NPV = A·a(r, n) − I,  a = (1 − (1 + r)^−n)/r    a = n where r = 0
    payback = −ln(1 − r·I/A)/ln(1 + r)              the years after which A has paid I back with interest

A payback that takes longer than the charger lives, or that no income reaches, is none: inf.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from optimize.arrays import FloatArray

INCOME = "income_eur"
"""Beside NAMES of `suppositions`: what a car earns in a year, net of wear."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Value:
    """invested_eur, npv_eur: of all chargers. payback_years: inf where it never pays back."""

    invested_eur: FloatArray
    npv_eur: FloatArray
    payback_years: FloatArray


def value(chargers: int, figures: Mapping[str, FloatArray]) -> Value:
    """The value of so many chargers; figures: arrays of one length, one for each of NAMES and INCOME."""
    invested = chargers * (figures["charger_eur"] + figures["grid_eur"]) * figures["gamma"]
    yearly = chargers * figures[INCOME] - figures["upkeep"] * invested
    rate, life = figures["rate"], figures["life_years"]
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = np.log1p(rate)
        annuity = np.where(rate > 0.0, -np.expm1(-life * grown) / rate, life)
        owed = invested / yearly
        years = np.where(rate > 0.0, -np.log1p(-rate * owed) / grown, owed)
    paid = (rate * invested < yearly) & (years <= life)
    return Value(
        invested_eur=invested,
        npv_eur=yearly * annuity - invested,
        payback_years=np.where(paid, years, np.inf),
    )
