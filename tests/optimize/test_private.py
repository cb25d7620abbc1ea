"""Private figures: the noise is what ε asks for, by its own draws too, and its error what is told."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta

from optimize.errors import PrivacyError
from optimize.market.private import Noise, Question, answer, noise_of

DRAWS = 4000
SURE = 1e-6
"""Probability that a bound of an audit is wrong by chance."""


def question(**given: Any) -> Question:
    return Question(**{"statistic": "sum", "owners": 8, "least": 0.0, "most": 50.0, "epsilon": 1.0, **given})


def audited_epsilon(one: Question, noise: Noise, here: list[float], there: list[float]) -> float:
    """The largest ε that draws on two neighbours prove, over thresholds, Clopper-Pearson bounds on each side.

    P(answer ≥ c | here) ≤ e^ε·P(answer ≥ c | there) for every c, so that a lower bound of the first over an
    upper bound of the second is a lower bound of e^ε.
    """
    first, second = (np.array([answer(one, fleet, noise) for _ in range(DRAWS)]) for fleet in (here, there))
    proven = 0.0
    for at in np.quantile(first, np.linspace(0.05, 0.95, 19)):
        hits, others = int((first >= at).sum()), int((second >= at).sum())
        low = float(beta.ppf(SURE, hits, DRAWS - hits + 1))
        high = float(beta.ppf(1 - SURE, others + 1, DRAWS - others))
        proven = max(proven, math.log(low / high))
    return proven


@pytest.mark.parametrize("statistic", ["sum", "mean"])
@pytest.mark.parametrize("epsilon", [0.5, 1.5])
def test_draws_on_neighbours_tell_no_more_than_epsilon(statistic: str, epsilon: float) -> None:
    one = question(statistic=statistic, epsilon=epsilon)
    fleet = [10.0] * one.owners
    neighbour = [*fleet[:-1], 1e6]  # one owner with as much as can be: the bound holds it
    least = [*fleet[:-1], -1e6]
    noise = noise_of(one)
    proven = audited_epsilon(one, noise, neighbour, least)
    assert 0.5 * epsilon < proven <= epsilon
    half = Noise(scale=noise.scale / 2, error_95=0.0, epsilon=epsilon)  # half the noise is seen
    assert audited_epsilon(one, half, neighbour, least) > epsilon


def test_what_a_question_spends_is_what_was_asked_and_no_more() -> None:
    for one in (question(), question(statistic="mean", epsilon=0.1), question(owners=1, least=-3.0)):
        noise = noise_of(one)
        width = (one.most - one.least) / (one.owners if one.statistic == "mean" else 1)
        assert noise.epsilon <= one.epsilon and noise.epsilon == pytest.approx(one.epsilon, rel=1e-6)
        assert noise.scale == pytest.approx(width / one.epsilon, rel=1e-6)
        assert noise.error_95 == pytest.approx(noise.scale * math.log(20), rel=1e-3)


def test_the_error_that_is_told_holds_95_of_100_answers() -> None:
    one = question(statistic="mean")
    noise, fleet = noise_of(one), [float(n) for n in range(8)]
    off = np.array([abs(answer(one, fleet, noise) - 3.5) for _ in range(DRAWS)])
    assert (off <= noise.error_95).mean() == pytest.approx(0.95, abs=0.015)


def test_an_owner_counts_within_the_bounds() -> None:
    one = question(owners=2, epsilon=20.0)
    noise = noise_of(one)
    answers = [answer(one, [1e9, -1e9], noise) for _ in range(400)]
    assert np.mean(answers) == pytest.approx(50.0, abs=1.5)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"owners": 0}, "no owner"),
        ({"least": 5.0, "most": 5.0}, "bounds 5 to 5"),
        ({"most": math.inf}, "bounds 0 to inf"),
        ({"least": math.nan}, "bounds nan"),
        ({"epsilon": 0.0}, "ε = 0"),
        ({"epsilon": math.nan}, "ε = nan"),
    ],
)
def test_what_cannot_be_asked_is_named(given: dict[str, Any], why: str) -> None:
    with pytest.raises(PrivacyError, match=why):
        question(**given)


def test_figures_are_of_as_many_owners_as_were_told() -> None:
    with pytest.raises(PrivacyError, match="3 figures of 8 owners"):
        answer(question(), [1.0, 2.0, 3.0], noise_of(question()))


def test_without_opendp_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("opendp"):
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(PrivacyError, match=r"pip install 'v2g-planner\[privacy\]'"):
        noise_of(question())
