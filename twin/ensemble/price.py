"""What wear costs when it is not surely known: mean and quantiles of its price, over the published one.

Published are medians of L0, α and β. What a day of V2G takes of a battery is not sure, and who pays for it
may want its mean, which is least in the long run, or a quantile above it. Each is kept as a multiple of the
price that the published figures make: by the law, by rates, and for rest.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from twin.ensemble.quantiles import quantiles
from twin.health import Array
from twin.types import Calibration

Risk = Literal["mean"] | float
"""The mean, or a quantile from the first to the last of `LEVELS`."""
PriceOf = Literal["law", "rate", "rest"]
PRICES: tuple[PriceOf, ...] = ("law", "rate", "rest")
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def multiples(values: Array, weight: Array, published: float) -> tuple[float, ...] | None:
    """Mean and `LEVELS` of draws of a price over the one ``published``; None where that is none.

    What lies beyond the 90 % interval counts in the mean as its ends (it is winsorised): of tails that
    nothing tells, the farthest draw alone would make the mean. ``weight``: of each draw, 1 in all.
    """
    if not published > 0:
        return None
    ladder = np.maximum(quantiles(values, weight, LEVELS), 0.0)
    mean = float(weight @ np.clip(values, ladder[0], ladder[-1]))
    return tuple(float(one) / published for one in (mean, *ladder))


def price_multiple(calibration: Calibration, of: PriceOf, risk: Risk) -> float:
    """By how much the published price is to be multiplied; 1 where a calibration does not tell."""
    ensemble = calibration.record.ensemble
    known = None if ensemble is None else ensemble.price.get(of)
    if known is None:
        return 1.0
    if risk == "mean":
        return known[0]
    return float(np.interp(risk, LEVELS, known[1:]))
