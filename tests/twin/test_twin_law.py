"""α and β from lives whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.law import fit_law

X = np.array([0.1, 0.3, 0.5, 0.8])


@given(alpha=st.floats(0.05, 6.0))
def test_lives_that_follow_the_law_give_its_alpha(alpha: float) -> None:
    fit = fit_law(X, -alpha * X)
    assert fit.alpha == pytest.approx(alpha, rel=1e-9)
    assert fit.law_max_residual < 1e-9
    assert fit.law_r2 == pytest.approx(1.0)
    assert fit.rate_max_residual > fit.law_max_residual


@given(beta=st.floats(0.05, 20.0))
def test_lives_that_follow_the_rates_give_their_beta(beta: float) -> None:
    fit = fit_law(X, -np.log1p(beta * X))
    assert fit.beta == pytest.approx(beta, rel=1e-6)
    assert fit.rate_max_residual < 1e-6
    assert fit.law_max_residual > fit.rate_max_residual


def test_hand_solved_alpha() -> None:
    # Σx·y/Σx² with x = (1, 2), −y = (1, 3): (1·1 + 2·3)/(1 + 4) = 1.4
    assert fit_law(np.array([1.0, 2.0]), np.array([-1.0, -3.0])).alpha == pytest.approx(1.4)
