"""Investment: quantiles in closed form, NPV, payback and tornado by hand, a source for every figure."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from optimize.errors import ProblemError, TermsError
from optimize.market.invest.chances import Uncertain, drawn, quantiles, tornado
from optimize.market.invest.income import FEWEST_DAYS, YEAR_DAYS, income
from optimize.market.invest.suppositions import FILE, NAMES, Range, suppositions
from optimize.market.invest.value import INCOME, Value, value
from tests.optimize.test_bootstrap import chained

DRAWS = 200_000


def known(figure: float) -> Range:
    return Range(low=figure, high=figure)


def ranges(**given: Range) -> dict[str, Uncertain]:
    """A charger for 1,000 € that lives ten years, without upkeep or interest, and earns 200 € a year."""
    all_known = {
        "charger_eur": known(1000.0), "grid_eur": known(0.0), "gamma": known(1.0), "upkeep": known(0.0),
        "rate": known(0.0), "life_years": known(10.0), INCOME: known(200.0),
    }  # fmt: skip
    return {**all_known, **given}


def of_one(**given: float) -> Value:
    figures: Mapping[str, Uncertain] = ranges(**{name: known(figure) for name, figure in given.items()})
    return value(1, {name: one.quantile(np.array([0.5])) for name, one in figures.items()})


def test_a_product_of_lognormals_has_their_quantiles() -> None:
    price = Range(low=2000.0, high=6000.0, shape="lognormal")
    gamma = Range(low=1.0, high=1.5, shape="lognormal")
    came = drawn(3, ranges(charger_eur=price, gamma=gamma), draws=DRAWS, seed=1).invested_eur
    tail = norm.ppf(0.95)
    middle = math.log(math.sqrt(2000 * 6000)) + math.log(math.sqrt(1.5))
    spread = math.hypot(math.log(3.0), math.log(1.5)) / (2 * tail)
    expected = [3 * math.exp(middle + spread * norm.ppf(level)) for level in (0.05, 0.5, 0.95)]
    assert quantiles(came) == pytest.approx(expected, rel=0.006)
    one = drawn(1, ranges(charger_eur=price), draws=DRAWS, seed=2).invested_eur
    assert quantiles(one)[::2] == pytest.approx((2000.0, 6000.0), rel=0.006)


def test_a_product_and_a_sum_of_uniforms_have_their_quantiles() -> None:
    a, b, c, d = 1000.0, 3000.0, 1.0, 1.5

    def below(x: float) -> float:
        """P(U·V ≤ x) = ∫ over v of P(U ≤ x/v), U uniform on (a, b), V on (c, d)."""
        all_of_it, none_of_it = min(max(x / b, c), d), min(max(x / a, c), d)
        some = x * math.log(none_of_it / all_of_it) - a * (none_of_it - all_of_it)
        return ((all_of_it - c) + some / (b - a)) / (d - c)

    came = drawn(1, ranges(charger_eur=Range(low=a, high=b), gamma=Range(low=c, high=d)), draws=DRAWS, seed=3)
    expected = [brentq(lambda x, level=level: below(x) - level, a * c, b * d) for level in (0.05, 0.5, 0.95)]
    assert quantiles(came.invested_eur) == pytest.approx(expected, rel=0.005)
    # U + V on (0, w) each: a triangle, whose lowest share s ends at w·√(2·s).
    width = Range(low=0.0, high=1000.0)
    summed = quantiles(drawn(1, ranges(charger_eur=width, grid_eur=width), draws=DRAWS, seed=4).invested_eur)
    edge = 1000.0 * math.sqrt(0.1)
    assert summed == pytest.approx((edge, 1000.0, 2000.0 - edge), rel=0.01)


def test_net_present_value_and_payback_are_those_worked_out_by_hand() -> None:
    plain = of_one()
    assert (plain.invested_eur[0], plain.npv_eur[0], plain.payback_years[0]) == pytest.approx((1000, 1000, 5))
    # 2 chargers · (900 + 100) · 1.2 = 2,400; 2·500 − 0.05·2,400 = 880 a year; three years at 10 %:
    figures = {
        "charger_eur": 900.0, "grid_eur": 100.0, "gamma": 1.2, "upkeep": 0.05, "rate": 0.1,
        "life_years": 3.0, INCOME: 500.0,
    }  # fmt: skip
    came = value(2, {name: np.array([figure]) for name, figure in figures.items()})
    by_hand = 880 / 1.1 + 880 / 1.21 + 880 / 1.331 - 2400
    assert came.invested_eur[0] == pytest.approx(2400.0)
    assert came.npv_eur[0] == pytest.approx(by_hand)
    assert by_hand < 0.0
    assert came.payback_years[0] == math.inf, "three years are not enough"
    longer = value(2, {name: np.array([figure]) for name, figure in {**figures, "life_years": 4.0}.items()})
    years = float(longer.payback_years[0])
    assert 3.0 < years < 4.0
    assert 880 * (1 - 1.1**-years) / 0.1 == pytest.approx(2400.0)


@pytest.mark.parametrize("earned", [0.0, -50.0])
def test_no_income_never_pays_back(earned: float) -> None:
    came = of_one(income_eur=earned)
    assert came.payback_years[0] == math.inf
    assert came.npv_eur[0] == pytest.approx(10 * earned - 1000.0)
    assert of_one(income_eur=100.0, upkeep=0.1).payback_years[0] == math.inf, "upkeep eats it"
    assert of_one(income_eur=100.0, rate=0.1, life_years=50.0).payback_years[0] == math.inf, (
        "so does interest"
    )


def test_what_pays_back_within_its_life_is_what_is_worth_it() -> None:
    wide = ranges(
        charger_eur=Range(low=500.0, high=4000.0, shape="lognormal"), upkeep=Range(low=0.0, high=0.05),
        rate=Range(low=0.0, high=0.1), life_years=Range(low=5.0, high=20.0),
        income_eur=Range(low=-100.0, high=500.0),
    )  # fmt: skip
    came = drawn(4, wide, draws=20_000, seed=5)
    assert np.array_equal(np.isfinite(came.payback_years), came.npv_eur >= 0.0)
    assert 0.2 < np.isfinite(came.payback_years).mean() < 0.8
    low, middle, high = quantiles(came.payback_years)
    assert low <= middle <= high == math.inf, "among what never pays back no quantile is made up"


def test_the_tornado_is_in_the_order_worked_out_by_hand() -> None:
    fields = {
        "charger_eur": Range(low=500.0, high=1500.0), "life_years": Range(low=8.0, high=12.0),
        INCOME: Range(low=100.0, high=300.0), "grid_eur": Range(low=0.0, high=100.0),
    }  # fmt: skip
    bars = tornado(1, ranges(**fields))
    assert [bar.name for bar in bars[:4]] == [INCOME, "charger_eur", "life_years", "grid_eur"]
    # 200·10 − 1,000 − 50 = 950 in the middle; of a uniform the 5 % quantile lies 0.45 of its width below.
    by_hand = [(950 - 900, 950 + 900), (950 + 450, 950 - 450), (950 - 360, 950 + 360), (950 + 45, 950 - 45)]
    for bar, ends in zip(bars, by_hand, strict=False):
        assert (bar.npv_low_eur, bar.npv_high_eur) == pytest.approx(ends)
    assert [bar.swing_eur for bar in bars[4:]] == [0.0, 0.0, 0.0]
    assert (bars[1].at_low, bars[1].at_high) == pytest.approx((550.0, 1450.0))


def test_the_same_seed_draws_the_same() -> None:
    wide = ranges(charger_eur=Range(low=500.0, high=1500.0))
    first, again, other = (drawn(1, wide, draws=1000, seed=seed).npv_eur for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("days", "kept"), [(14, 0.0), (14, 0.5), (28, 0.5), (91, 0.5)])
def test_the_interval_of_few_days_is_as_wide_as_they_are_unsure(days: int, kept: float) -> None:
    rng = np.random.default_rng(6)
    held = []
    for seed in range(400):
        gains = 10 * (1.0 + chained(rng, days, kept))
        of_year = income(gains, np.full(days, 5.0), seed=seed, samples=300)
        low, high = (float(end) for end in of_year.quantile(np.array([0.05, 0.95])))
        held.append(low <= 2.0 * YEAR_DAYS <= high)
    # As drawn, 14 such days would hold it in 0.59 to 0.68.
    assert np.mean(held) >= 0.86
    assert days == 14 or np.mean(held) <= 0.97


def test_income_is_of_car_days_whoever_is_there() -> None:
    gains, cars = np.tile([2.0, 6.0], 7), np.tile([1.0, 3.0], 7)
    came = income(gains, cars, seed=1)
    assert came.eur == pytest.approx(2.0 * YEAR_DAYS)
    assert came.quantile(np.array([0.05, 0.95])) == pytest.approx(2.0 * YEAR_DAYS)
    with pytest.raises(ProblemError, match=str(FEWEST_DAYS)):
        income(gains[:-1], cars[:-1], seed=1)


def test_every_default_has_its_source_year_and_currency() -> None:
    supposed = suppositions()
    assert tuple(supposed) == NAMES
    for one in supposed.values():
        assert one.means
        assert one.unit
        figures = (one.default, one.source, one.year, one.currency)
        if one.default is None:
            assert figures == (None,) * 4
            continue
        assert all(figures), f"{one.name} lacks source, year or currency"
        assert (one.currency == "none") is (one.unit != "€")
        assert one.year is not None
        assert 2000 <= one.year <= 2026
    assert {name for name, one in supposed.items() if one.default is None} == {
        "charger_eur", "grid_eur", "life_years",
    }  # fmt: skip


@pytest.mark.parametrize("gone", ["source", "year", "currency", "means", "high"])
def test_a_figure_without_its_source_is_refused(gone: str) -> None:
    text = FILE.read_text(encoding="utf-8")
    head, gamma, rest = text.partition("[gamma]")
    lines = rest.splitlines(keepends=True)
    first = next(at for at, line in enumerate(lines) if line.startswith(f"{gone} ="))
    with pytest.raises(TermsError, match=f"gamma.{gone} is absent"):
        suppositions(head + gamma + "".join(lines[:first] + lines[first + 1 :]))


@pytest.mark.parametrize(
    ("name", "low", "high"), [("rate", 4.0, 4.0), ("life_years", 0.0, 10.0), ("charger_eur", 5.0, 4.0)]
)
def test_a_range_that_cannot_be_meant_is_refused(name: str, low: float, high: float) -> None:
    with pytest.raises(ProblemError, match=name):
        suppositions()[name].given(low, high)


def test_a_lognormal_range_begins_above_nothing() -> None:
    with pytest.raises(ProblemError, match="above 0"):
        Range(low=0.0, high=10.0, shape="lognormal")
