"""Shares of offers and what attributes are worth, from published coefficients, by hand and by a fit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product
from math import exp, log

import numpy as np
import pytest
from scipy.optimize import minimize

from optimize.arrays import FloatArray
from optimize.errors import ProblemError
from optimize.market.choice import (
    ATTRIBUTES,
    NO_CHOICE,
    US_BEV_OWNERS,
    Offer,
    choice_shares,
    not_asked,
    stated_in,
    utility,
    worth_usd,
)
from tests.optimize.market_books import shipped_contract

SMALL = Offer(
    name="small",
    enrol_usd=50.0,
    per_event_usd=2.0,
    events_per_month=4.0,
    lower_soc_points=30.0,
    guaranteed_soc_points=60.0,
)
PAID = Offer(
    name="paid",
    enrol_usd=300.0,
    per_event_usd=20.0,
    events_per_month=4.0,
    lower_soc_points=20.0,
    guaranteed_soc_points=60.0,
)
SAFE = Offer(
    name="safe",
    enrol_usd=100.0,
    per_event_usd=5.0,
    events_per_month=1.0,
    lower_soc_points=40.0,
    guaranteed_soc_points=80.0,
)
PEOPLE, QUESTIONS = 2_000, 6
LEVELS = ((50, 100, 200, 300), (2, 5, 10, 15, 20), (1, 2, 3, 4), (20, 30, 40), (60, 70, 80))


def test_ten_points_of_guaranteed_charge_are_about_three_dollars_an_event() -> None:
    assert worth_usd(US_BEV_OWNERS, "guaranteed_soc_points", 10.0) == pytest.approx(3.2213, abs=1e-4)
    assert worth_usd(US_BEV_OWNERS, "lower_soc_points", 10.0) == pytest.approx(2.7462, abs=1e-4)
    assert worth_usd(US_BEV_OWNERS, "events_per_month", 1.0) == pytest.approx(1.5122, abs=1e-4)
    assert worth_usd(US_BEV_OWNERS, "per_event_usd", 1.0, money="enrol_usd") == pytest.approx(19.18, abs=0.01)
    better = replace(SMALL, guaranteed_soc_points=70.0, per_event_usd=SMALL.per_event_usd + 3.2213)
    worse = replace(SMALL, guaranteed_soc_points=80.0)
    assert utility(US_BEV_OWNERS, better) == pytest.approx(utility(US_BEV_OWNERS, worse), abs=1e-5)


def test_shares_of_three_offers_are_those_reckoned_by_hand() -> None:
    by_hand = {
        "small": 0.225 + 0.1726 + 0.522 + 0.711 + 1.668,  # 3.2986
        "paid": 1.35 + 1.726 + 0.522 + 0.474 + 1.668,  # 5.7400
        "safe": 0.45 + 0.4315 + 0.1305 + 0.948 + 2.224,  # 4.1840
        NO_CHOICE: 2.8759,
    }
    whole = sum(exp(one) for one in by_hand.values())
    found = choice_shares(US_BEV_OWNERS, [SMALL, PAID, SAFE])
    assert list(found) == ["small", "paid", "safe", NO_CHOICE]
    for name, value in by_hand.items():
        assert found[name] == pytest.approx(exp(value) / whole, abs=1e-9)
    assert found == pytest.approx(
        {"small": 0.0642, "paid": 0.7380, "safe": 0.1557, NO_CHOICE: 0.0421}, abs=1e-4
    )
    assert sum(found.values()) == pytest.approx(1.0, abs=1e-12)
    two = choice_shares(US_BEV_OWNERS, [SMALL, PAID])  # whatever else there is, in the same proportion
    assert two["paid"] / two["small"] == pytest.approx(found["paid"] / found["small"])
    assert choice_shares(US_BEV_OWNERS, []) == {NO_CHOICE: 1.0}


def test_the_steps_of_five_points_of_enrolment_are_those_the_authors_print() -> None:
    # tables/table_v2g_equiv.tex: from 45 % enrolled to 50 %, each attribute alone.
    step = log(0.50 / 0.50) - log(0.45 / 0.55)
    printed = {
        "enrol_usd": 45.5,
        "per_event_usd": 2.3,
        "events_per_month": 1.5,
        "lower_soc_points": 8.5,
        "guaranteed_soc_points": 7.2,
    }
    for name, value in printed.items():
        assert step / US_BEV_OWNERS.of[name].utility == pytest.approx(value, rel=0.03)


def test_offers_that_cannot_be_meant_are_refused_by_name() -> None:
    for field, value, rule in (
        ("per_event_usd", -1.0, "must be >= 0"),
        ("events_per_month", float("nan"), "must be a finite number"),
        ("lower_soc_points", 0.3, "30 for 30 %"),
        ("guaranteed_soc_points", 101.0, "must be in points"),
        ("guaranteed_soc_points", 20.0, "must not be below lower_soc_points 30"),
    ):
        with pytest.raises(ProblemError, match="offer 'small'") as refused:
            replace(SMALL, **{field: value})
        assert refused.value.field == field and rule in str(refused.value)
    with pytest.raises(ProblemError, match="must be a name other than"):
        replace(SMALL, name=NO_CHOICE)
    with pytest.raises(ProblemError, match="occur only once"):
        choice_shares(US_BEV_OWNERS, [SMALL, SMALL])


def test_what_was_not_asked_is_reported() -> None:
    assert not_asked(US_BEV_OWNERS, SMALL) == []
    daily = replace(SMALL, events_per_month=30.0, enrol_usd=0.0)
    assert not_asked(US_BEV_OWNERS, daily) == ["enrol_usd", "events_per_month"]


def test_a_contract_states_its_least_charge_and_no_dollars() -> None:
    contract = shipped_contract("monthly_bonus.toml")
    assert stated_in(contract) == {"lower_soc_points": 30.0}
    assert stated_in(replace(contract, min_soc=Decimal(0))) == {}


def test_a_fit_to_simulated_choices_finds_the_coefficients_again() -> None:
    x = _asked(np.random.default_rng(2), PEOPLE)
    true = np.array(
        [*(US_BEV_OWNERS.of[name].utility for name in ATTRIBUTES), US_BEV_OWNERS.no_choice.utility]
    )
    chosen = _chosen(x, np.random.default_rng(7))
    found, errors = _fitted(x, chosen)
    off = (found - true) / errors
    assert np.all(np.abs(off) < 2.6)  # 99 % each
    assert float(off @ off) < 16.8  # χ² of six, 99 %
    assert np.all(errors < 0.2 * true)
    # At the survey's own size the printed standard errors are met, but for enrolment's, a tenth of it.
    printed = [US_BEV_OWNERS.of[name].standard_error for name in ATTRIBUTES]
    ratio = errors[:5] * np.sqrt(PEOPLE / US_BEV_OWNERS.respondents) / printed
    assert ratio[1:] == pytest.approx(np.ones(4), rel=0.25)
    assert ratio[0] == pytest.approx(0.1, rel=0.25)


def _asked(rng: np.random.Generator, people: int) -> FloatArray:
    """Two offers and none, [questions, 3, attributes and none], of the levels that were asked."""
    every = np.array(list(product(*LEVELS)), dtype=float)
    x = np.zeros((people * QUESTIONS, 3, len(ATTRIBUTES) + 1))
    x[:, :2, :-1] = every[rng.integers(len(every), size=(len(x), 2))]
    x[:, 2, -1] = 1.0
    return x


def _chosen(x: FloatArray, rng: np.random.Generator) -> FloatArray:
    """One of each question's alternatives, drawn by the product's own shares."""
    drawn, picked = rng.random(len(x)), np.zeros(len(x), dtype=int)
    for row, question in enumerate(x):
        offers = [
            Offer(name=str(at), **dict(zip(ATTRIBUTES, question[at, :-1].tolist(), strict=True)))
            for at in range(2)
        ]
        ladder = np.cumsum(list(choice_shares(US_BEV_OWNERS, offers).values()))
        picked[row] = min(int(np.searchsorted(ladder, drawn[row])), 2)
    return picked


def _fitted(x: FloatArray, chosen: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Maximum likelihood and standard errors of a multinomial logit, by its own information matrix."""
    scale = np.abs(x).max(axis=(0, 1))
    z, rows = x / scale, np.arange(len(x))

    def shares(beta: FloatArray) -> FloatArray:
        value = z @ beta
        weight = np.exp(value - value.max(axis=1, keepdims=True))
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def loss(beta: FloatArray) -> tuple[float, FloatArray]:
        share = shares(beta)
        mean = np.einsum("ij,ijk->ik", share, z)
        return -float(np.log(share[rows, chosen]).sum()), -(z[rows, chosen] - mean).sum(axis=0)

    best = minimize(loss, np.zeros(z.shape[2]), jac=True, method="BFGS", options={"gtol": 1e-4})
    assert float(np.abs(loss(best.x)[1]).max()) < 1e-2
    share = shares(best.x)
    mean = np.einsum("ij,ijk->ik", share, z)
    information = np.einsum("ij,ijk,ijl->kl", share, z, z) - mean.T @ mean
    return best.x / scale, np.sqrt(np.diag(np.linalg.inv(information))) / scale
