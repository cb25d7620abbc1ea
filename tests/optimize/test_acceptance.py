"""An owner's risk and index: the formula by hand, and what cannot be divided by or reported."""

from __future__ import annotations

import pytest

from optimize.errors import ProblemError
from optimize.market.acceptance import Weights, acceptance, degradation_risk, risk

PLAIN = Weights(beta1=2.0, beta2=0.5, k=3.0, t=-1.0)


def test_the_index_is_the_formula() -> None:
    width = degradation_risk("car", 0.01, 0.02, 0.035)
    assert width == pytest.approx(1.25)
    found = risk("car", width, 0.4, PLAIN)
    assert found == pytest.approx(2.0 * 1.25 + 0.5 * 0.4)
    assert acceptance("car", 8.1, found, PLAIN) == pytest.approx(3.0 * 8.1 / 2.7 - 1.0)
    assert acceptance("car", -8.1, found, PLAIN) == pytest.approx(-10.0)
    # More benefit or less risk is never less acceptance.
    assert acceptance("car", 8.1, risk("car", 0.5, 0.4, PLAIN), PLAIN) > acceptance("car", 8.1, found, PLAIN)


def test_a_risk_that_is_not_above_nothing_is_an_error_that_says_of_what() -> None:
    none = Weights(beta1=0.0, beta2=1.0, k=1.0, t=0.0)
    with pytest.raises(
        ProblemError, match=r"car 'a': risk R is 0.0, must be > 0 .*β1 0 · U_deg 1.2 .*U_priv 0"
    ):
        risk("car 'a'", 1.2, 0.0, none)
    for value in (0.0, -1.0, float("nan")):
        with pytest.raises(ProblemError, match=r"car 'a': risk R is .* must be > 0"):
            acceptance("car 'a'", 1.0, value, none)


def test_an_interval_that_tells_no_width_is_refused() -> None:
    for low, middle, high in ((0.0, 0.0, 0.1), (0.0, -0.1, 0.1)):
        with pytest.raises(ProblemError, match=r"loss_median is .* must be > 0"):
            degradation_risk("car", low, middle, high)
    with pytest.raises(ProblemError, match="must lie in the interval"):
        degradation_risk("car", 0.03, 0.02, 0.035)
    with pytest.raises(ProblemError, match="loss_high is inf"):
        degradation_risk("car", 0.01, 0.02, float("inf"))
    assert degradation_risk("car", 0.02, 0.02, 0.02) == 0.0


def test_weights_and_risks_that_cannot_be_meant_are_refused() -> None:
    for field, value in (("beta1", -1.0), ("beta2", float("nan")), ("k", -0.1), ("t", float("inf"))):
        with pytest.raises(ProblemError, match=f"acceptance: {field} is"):
            Weights(**({"beta1": 1.0, "beta2": 1.0, "k": 1.0, "t": 0.0} | {field: value}))
    with pytest.raises(ProblemError, match="U_priv is -1"):
        risk("car", 1.0, -1.0, PLAIN)
    with pytest.raises(ProblemError, match="benefit_eur is nan"):
        acceptance("car", float("nan"), 1.0, PLAIN)
