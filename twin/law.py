"""The cycle-life law and its rival, fitted to simulated lives.

With x = DOD·N (equivalent full cycles of V2G a day) and L0 = L(0): the law says ln(L/L0) = −α·x, the rates
say L/L0 = 1/(1+β·x). Both pass through the origin by construction. Residuals are in ln(L/L0) for both, so
that they compare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.health import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class LawFit:
    """α and β [day/efc], R² and largest residual of each form, fitted up to ``window`` [efc/day]."""

    alpha: float
    beta: float
    law_r2: float
    law_max_residual: float
    rate_r2: float
    rate_max_residual: float
    window: float


def fit_alpha(x: Array, log_ratio: Array) -> Array:
    """Least squares through the origin of −ln(L/L0) on x; ``log_ratio`` may hold one row a draw."""
    return np.asarray(-(log_ratio * x).sum(axis=-1) / (x * x).sum())


def fit_beta(x: Array, log_ratio: Array) -> Array:
    """Least squares of ln(L/L0) on −ln(1+β·x), by Gauss–Newton from the mean rate; one row a draw."""
    beta = np.maximum(((np.exp(-log_ratio) - 1) / x).mean(axis=-1), 0.0)
    for _ in range(20):
        argument = 1 + beta[..., None] * x
        slope = -x / argument
        error = log_ratio + np.log(argument)
        beta = np.maximum(beta + (slope * error).sum(axis=-1) / (slope * slope).sum(axis=-1), 0.0)
    return np.asarray(beta)


def fit_law(x: Array, log_ratio: Array) -> LawFit:
    """Fit both forms to one set of lives."""
    alpha = float(fit_alpha(x, log_ratio))
    beta = float(fit_beta(x, log_ratio[None])[0])
    law_error, rate_error = log_ratio + alpha * x, log_ratio + np.log1p(beta * x)
    total = float(((log_ratio - log_ratio.mean()) ** 2).sum())
    return LawFit(
        alpha=alpha,
        beta=beta,
        law_r2=1 - float((law_error**2).sum()) / total,
        law_max_residual=float(np.abs(law_error).max()),
        rate_r2=1 - float((rate_error**2).sum()) / total,
        rate_max_residual=float(np.abs(rate_error).max()),
        window=float(x.max()),
    )
