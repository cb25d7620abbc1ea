"""θ of Nash against a search of all θ, the bounds that owners set, and days that are not to be dispatched."""

from __future__ import annotations

import numpy as np
import pytest

from optimize.errors import ProblemError
from optimize.market.fair.bargain import Bargain, Owner, bargain


def one(gain: float, wear: float, owner: float = 0.0, operator: float = 0.0) -> Bargain:
    car = Owner(name="CAR1", gain_eur=gain, wear_eur=wear, otherwise_eur=owner)
    return bargain([car], operator="operator", operator_otherwise_eur=operator)


def searched(owners: list[Owner], operator: float) -> float | None:
    """θ by search: where nobody loses, the largest product of what both sides gain; then finer."""
    gain = sum(car.gain_eur for car in owners)
    asks = sum(car.wear_eur + car.otherwise_eur for car in owners)
    low, high = 0.0, 1.0
    best: float | None = None
    for _ in range(8):
        theta = np.linspace(low, high, 4001)
        content = (1 - theta) * gain >= operator - 1e-9
        for car in owners:
            content &= theta * car.gain_eur - car.wear_eur >= car.otherwise_eur - 1e-9
        if not content.any():
            return best
        product = (theta * gain - asks) * ((1 - theta) * gain - operator)
        best = float(theta[np.argmax(np.where(content, product, -np.inf))])
        step = theta[1] - theta[0]
        low, high = max(0.0, best - 2 * step), min(1.0, best + 2 * step)
    return best


def test_theta_is_that_of_a_search() -> None:
    found, refused, clipped = 0, 0, 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        owners = [
            Owner(
                name=f"CAR{i}",
                gain_eur=float(rng.normal(3.0, 2.0)),
                wear_eur=float(rng.normal(0.7, 0.8)),
                otherwise_eur=float(rng.choice([0.0, 0.3])),
            )
            for i in range(int(rng.integers(1, 4)))
        ]
        operator = float(rng.choice([0.0, 0.5]))
        answer, theta = (
            bargain(owners, operator="operator", operator_otherwise_eur=operator),
            searched(owners, operator),
        )
        if answer.theta is None:
            assert theta is None, seed
            assert answer.low > answer.high
            refused += 1
        else:
            assert theta is not None and answer.theta == pytest.approx(theta, abs=1e-6), seed
            found += 1
            clipped += answer.theta in (answer.low, answer.high)
    assert min(found - clipped, refused, clipped) > 20


def test_theta_by_hand() -> None:
    # Π = 4, C_deg = 1: θ* = 1/2 + 1/8; owner and operator gain 1.50 each.
    answer = one(4.0, 1.0)
    assert (answer.theta, answer.low, answer.high) == (0.625, 0.25, 1.0)
    assert (answer.low_by, answer.high_by, answer.dispatch, answer.surplus_eur) == ("CAR1", "", True, 3.0)
    # The operator has 0.50 without the cars and the owner 0.20: 1/2 + (1 + 0.2 − 0.5)/8.
    assert one(4.0, 1.0, 0.2, 0.5).theta == pytest.approx(0.5875)


def test_a_battery_that_is_spared_much_gives_all_the_rest_away() -> None:
    assert one(2.0, -3.0).theta == 0.0


@pytest.mark.parametrize(
    ("gain", "wear", "owner", "operator", "low_by", "high_by"),
    [
        (1.0, 1.2, 0.0, 0.0, "CAR1", ""),  # wears more than it earns
        (1.0, 0.5, 0.4, 0.2, "CAR1", "operator"),  # each would have too much otherwise
        (-1.0, 0.0, 0.0, 0.0, "operator", "CAR1"),  # loses
        (0.0, 0.1, 0.0, 0.0, "CAR1", "CAR1"),  # earns nothing and wears
    ],
)
def test_a_day_is_not_dispatched_where_no_theta_satisfies_everybody(
    gain: float, wear: float, owner: float, operator: float, low_by: str, high_by: str
) -> None:
    answer = one(gain, wear, owner, operator)
    assert (answer.theta, answer.dispatch) == (None, False)
    assert answer.low > answer.high
    assert (answer.low_by, answer.high_by) == (low_by, high_by)


def test_nothing_earned_and_nothing_worn_is_no_reason_against_it() -> None:
    answer = one(0.0, 0.0)
    assert (answer.theta, answer.surplus_eur) == (0.5, 0.0)


def test_an_edge_that_both_just_agree_to_is_agreed() -> None:
    assert one(0.3, 0.1, 0.1, 0.1).theta == pytest.approx(2 / 3)


def test_one_owner_can_stop_a_theta_that_all_others_like() -> None:
    cars = [
        Owner(name="CAR1", gain_eur=4.0, wear_eur=0.4),
        Owner(name="CAR2", gain_eur=1.0, wear_eur=0.95),
        Owner(name="CAR3", gain_eur=4.0, wear_eur=0.4),
    ]
    answer = bargain(cars, operator="operator", operator_otherwise_eur=1.0)
    assert (answer.theta, answer.low_by, answer.high_by) == (None, "CAR2", "operator")
    assert answer.surplus_eur > 0
    agreed = bargain([cars[0], cars[2]], operator="operator", operator_otherwise_eur=1.0)
    assert agreed.dispatch


def test_what_cannot_be_bargained_over_is_refused() -> None:
    with pytest.raises(ProblemError, match="owners is 0"):
        bargain([], operator="operator")
    with pytest.raises(ProblemError, match="owner 'CAR1': gain_eur is nan"):
        one(np.nan, 0.0)
    with pytest.raises(ProblemError, match="operator: otherwise_eur is inf"):
        one(1.0, 0.0, operator=np.inf)
