"""Shares of games: axioms and core on random games, games solved by hand, the closed form by programme."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest

from optimize.arrays import FloatArray
from optimize.errors import ProblemError
from optimize.market.fair.core import least_core, least_core_of_needed, nucleolus
from optimize.market.fair.game import Game, members, with_needed
from optimize.market.fair.shapley import sampled_shapley, shapley

RANDOM = range(200)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"car {i}" for i in range(count))


def game(value: Callable[[set[int]], float], count: int) -> Game:
    """A game by what a set of players earns."""
    earned = [value(set(np.flatnonzero(row))) for row in members(count)]
    return Game(players=names(count), value_eur=np.array(earned, dtype=np.float64))


def any_game(seed: int) -> Game:
    """Two to six players whose coalitions earn anything."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 7))
    return Game(players=names(count), value_eur=np.append(0.0, rng.normal(0.0, 5.0, 2**count - 1)))


def rising_game(seed: int, count: int | None = None) -> Game:
    """Players whose coalitions never lose by one more; some of them are alike, some add nothing."""
    rng = np.random.default_rng(1000 + seed)
    count = count or int(rng.integers(2, 7))
    values = np.append(0.0, rng.uniform(0.0, 5.0, 2**count - 1) * (rng.random(2**count - 1) < 0.7))
    for coalition in range(1, 2**count):
        smaller = [coalition ^ (1 << i) for i in range(count) if coalition >> i & 1]
        values[coalition] = max(values[coalition], values[smaller].max())
    return Game(players=names(count), value_eur=values)


def convex_game(seed: int) -> Game:
    """A sum of bonuses that coalitions earn once they are whole: never without a core."""
    rng = np.random.default_rng(2000 + seed)
    count = int(rng.integers(2, 7))
    bonus = rng.uniform(0.0, 3.0, 2**count) * (rng.random(2**count) < 0.5)
    numbers = np.arange(2**count)
    within = (numbers[:, None] & numbers) == numbers
    bonus[0] = 0.0
    return Game(players=names(count), value_eur=within @ bonus)


def shapley_by_orders(one: Game) -> FloatArray:
    """The definition: the mean over all orders."""
    count = len(one.players)
    added = np.zeros(count)
    orders = list(permutations(range(count)))
    for order in orders:
        coalition = 0
        for i in order:
            added[i] += one.value_eur[coalition | 1 << i] - one.value_eur[coalition]
            coalition |= 1 << i
    return added / len(orders)


def test_shapley_is_the_mean_over_all_orders_and_shares_all_there_is() -> None:
    for seed in RANDOM:
        one = any_game(seed)
        assert shapley(one) == pytest.approx(shapley_by_orders(one), abs=1e-10)
        assert shapley(one).sum() == pytest.approx(one.all_eur, abs=1e-10)


def test_shapley_gives_players_alike_the_same_and_one_that_adds_nothing_more_what_it_has_alone() -> None:
    for seed in RANDOM:
        one = any_game(seed)
        count = len(one.players)
        i, j = np.random.default_rng(seed).choice(count, 2, replace=False).tolist()
        swapped = np.arange(2**count)
        both = swapped >> i & 1, swapped >> j & 1
        swapped = swapped & ~(1 << i | 1 << j) | both[0] << j | both[1] << i
        alike = Game(players=one.players, value_eur=one.value_eur + one.value_eur[swapped])
        assert shapley(alike)[i] == pytest.approx(shapley(alike)[j], abs=1e-10)
        without = np.arange(2**count) & ~(1 << i)
        own = 1.7 * (np.arange(2**count) >> i & 1)
        dummy = Game(players=one.players, value_eur=one.value_eur[without] + own)
        assert shapley(dummy)[i] == pytest.approx(1.7, abs=1e-10)


def test_shapley_of_a_sum_is_the_sum() -> None:
    for seed in RANDOM:
        one = any_game(seed)
        other = np.append(0.0, np.random.default_rng(seed).normal(size=one.value_eur.size - 1))
        sum_of = Game(players=one.players, value_eur=one.value_eur + other)
        apart = shapley(one) + shapley(Game(players=one.players, value_eur=other))
        assert shapley(sum_of) == pytest.approx(apart, abs=1e-10)


def test_sampled_shapley_shares_all_there_is_and_its_interval_holds_what_it_says() -> None:
    one = rising_game(3, 6)
    exact = shapley(one)
    held = []
    for seed in range(300):
        found = sampled_shapley(6, lambda coalition: float(one.value_eur[coalition]), orders=30, seed=seed)
        assert found.mean_eur.sum() == pytest.approx(one.all_eur)
        held.append((found.low_eur <= exact) & (exact <= found.high_eur))
    assert 0.85 < np.mean(held) < 0.95
    again = sampled_shapley(6, lambda coalition: float(one.value_eur[coalition]), orders=30, seed=299)
    assert again.mean_eur.tolist() == found.mean_eur.tolist()
    with pytest.raises(ProblemError, match="orders is 1"):
        sampled_shapley(6, lambda _: 0.0, orders=1, seed=0)


def test_nucleolus_and_least_core_lie_in_the_core_wherever_there_is_one() -> None:
    for seed in RANDOM:
        one = convex_game(seed)
        for given in (nucleolus(one), least_core(one).allocation_eur, shapley(one)):  # of convex games
            assert given.sum() == pytest.approx(one.all_eur, abs=1e-8)
            assert one.most_excess_eur(given) <= 1e-8


def test_the_least_core_is_what_no_other_allocation_can_do_better() -> None:
    below = 0
    for seed in RANDOM:
        one = any_game(seed)
        found = least_core(one)
        assert found.allocation_eur.sum() == pytest.approx(one.all_eur, abs=1e-8)
        assert one.most_excess_eur(found.allocation_eur) == pytest.approx(found.epsilon_eur, abs=1e-8)
        rng = np.random.default_rng(seed)
        for size in (1e-3, 0.1, 3.0):
            moved = rng.normal(0.0, size, (50, len(one.players)))
            moved -= moved.mean(axis=1, keepdims=True)
            worst = min(one.most_excess_eur(found.allocation_eur + step) for step in moved)
            assert worst >= found.epsilon_eur - 1e-8
        below += found.epsilon_eur < 0
    assert 0 < below < len(RANDOM)  # games with a core and without one


def sorted_excesses(one: Game, given: FloatArray) -> list[float]:
    return np.sort(one.excess_eur(given)[1:-1])[::-1].round(7).tolist()


def test_no_allocation_has_smaller_excesses_in_their_order_than_the_nucleolus() -> None:
    for seed in RANDOM:
        one = convex_game(seed) if seed % 2 else rising_game(seed)
        given = nucleolus(one)
        best, rng = sorted_excesses(one, given), np.random.default_rng(seed)
        alone = one.value_eur[1 << np.arange(len(one.players))]
        for size in (1e-3, 0.05, 1.0):
            for step in rng.normal(0.0, size, (30, len(one.players))):
                other = given + step - step.mean()
                if alone.sum() > one.all_eur or (other >= alone).all():
                    assert best <= sorted_excesses(one, other)


def bankruptcy(estate: float, *claims: float) -> Game:
    """What a coalition is sure of once the others have all that they claim (Aumann and Maschler 1985)."""
    return game(lambda s: max(0.0, estate - sum(c for i, c in enumerate(claims) if i not in s)), len(claims))


@pytest.mark.parametrize(
    ("estate", "given"),
    [(100.0, (100 / 3, 100 / 3, 100 / 3)), (200.0, (50.0, 75.0, 75.0)), (300.0, (50.0, 100.0, 150.0))],
)
def test_the_nucleolus_divides_as_the_talmud(estate: float, given: tuple[float, ...]) -> None:
    assert nucleolus(bankruptcy(estate, 100.0, 200.0, 300.0)) == pytest.approx(given, abs=1e-7)


def test_three_of_whom_two_decide_have_no_core() -> None:
    majority = game(lambda s: float(len(s) >= 2), 3)
    found = least_core(majority)
    assert found.epsilon_eur == pytest.approx(1 / 3)
    assert found.allocation_eur == pytest.approx([1 / 3] * 3)
    assert nucleolus(majority) == pytest.approx([1 / 3] * 3)
    assert shapley(majority) == pytest.approx([1 / 3] * 3)


def test_one_right_glove_is_worth_all_where_left_ones_abound() -> None:
    gloves = game(lambda s: float(min(2 in s, len(s & {0, 1}))), 3)
    assert shapley(gloves) == pytest.approx([1 / 6, 1 / 6, 2 / 3])
    assert nucleolus(gloves) == pytest.approx([0.0, 0.0, 1.0], abs=1e-8)
    assert least_core(gloves).epsilon_eur == pytest.approx(0.0, abs=1e-9)


def test_who_cannot_all_have_what_they_have_alone_are_still_shared_among() -> None:
    worse = game(lambda s: 3.0 if len(s) == 1 else float(len(s)), 2)  # 3 each alone, 2 together
    assert nucleolus(worse) == pytest.approx([1.0, 1.0])
    assert least_core(worse).epsilon_eur == pytest.approx(2.0)


def test_one_player_has_all() -> None:
    alone = game(lambda s: 4.0 * len(s), 1)
    assert (nucleolus(alone).tolist(), shapley(alone).tolist()) == ([4.0], [4.0])
    assert (least_core(alone).epsilon_eur, least_core(alone).allocation_eur.tolist()) == (-np.inf, [4.0])


def test_the_closed_form_is_the_least_core_where_one_is_needed() -> None:
    decided_by_more = 0
    for seed in RANDOM:
        one = with_needed(rising_game(seed), "operator")
        needed = len(one.players) - 1
        assert needed in one.needed()
        closed, by_programme = least_core_of_needed(one, needed), least_core(one)
        assert closed.epsilon_eur == pytest.approx(by_programme.epsilon_eur, abs=1e-8)
        assert closed.allocation_eur.sum() == pytest.approx(one.all_eur)
        assert one.most_excess_eur(closed.allocation_eur) == pytest.approx(closed.epsilon_eur, abs=1e-8)
        last = one.all_eur - one.value_eur[(2 ** (needed + 1) - 1) ^ (1 << np.arange(needed))]
        decided_by_more += closed.epsilon_eur > -last.min() / 2 + 1e-9
    assert 0 < decided_by_more < len(RANDOM)  # by single players, and by several


def test_the_closed_form_is_refused_where_it_does_not_hold() -> None:
    falling = with_needed(game(lambda s: float(len(s) == 1), 2), "operator")
    with pytest.raises(ProblemError, match="closed form"):
        least_core_of_needed(falling, 2)
    with pytest.raises(ProblemError, match="needed player is 0"):
        least_core_of_needed(falling, 0)


@pytest.mark.parametrize(
    ("players", "values", "message"),
    [
        ((), [0.0], "players is 0"),
        (names(13), [0.0] * 2**13, "players is 13"),
        (("a", "a"), [0.0] * 4, "player"),
        (("a", "b"), [0.0] * 3, "shape of value_eur"),
        (("a",), [0.0, np.nan], "finite"),
        (("a",), [1.0, 2.0], "value of nobody is 1.0"),
    ],
)
def test_a_game_that_is_none_is_refused(players: tuple[str, ...], values: list[float], message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        Game(players=players, value_eur=np.array(values))
