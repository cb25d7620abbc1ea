"""Priors of ageing between sites: the merge is the pooled fit, and too few batteries tell nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin.errors import FederationError
from twin.federated import (
    LEAST_BATTERIES,
    AgeingSums,
    federated_prior,
    merged,
    random_effects,
    sums_of,
    sums_of_text,
    sums_text,
)
from twin.prior import CHEMISTRY_PRIOR, NAMES, AgeingPrior, SiblingStatistics, fleet_prior

SIZE = 5


def lessons(count: int, seed: int, *, mean: float = 0.4, spread: float = 0.25) -> list[SiblingStatistics]:
    """Posteriors of batteries that age by factors about exp(mean), each told more or less well."""
    random, base = np.random.default_rng(seed), CHEMISTRY_PRIOR
    found = []
    for _ in range(count):
        noise = base.sd * random.uniform(0.1, 1.5, len(NAMES))
        said = (
            base.mean
            + base.sd * (mean + spread * random.normal(size=len(NAMES)))
            + noise * random.normal(size=len(NAMES))
        )
        precision = noise**-2.0 + base.sd**-2.0
        found.append(
            SiblingStatistics(
                mean=(said * noise**-2.0 + base.mean * base.sd**-2.0) / precision,
                sd=precision**-0.5,
                prior_mean=base.mean,
                prior_sd=base.sd,
                surprise=None,
            )
        )
    return found


def figures(sums: AgeingSums) -> np.ndarray:
    return np.array([sums.batteries, sums.weight, sums.weight_squared, sums.weighted, sums.weighted_squared])


@pytest.mark.parametrize("seed", range(20))
def test_the_merge_of_sites_is_the_fit_of_all_their_batteries(seed: int) -> None:
    sites = [lessons(count, 100 * seed + count) for count in (5, 9, 23)]
    told = [sums_of_text(sums_text([sums_of("nmc811", one)]))[0] for one in sites]
    pooled = sums_of("nmc811", [lesson for one in sites for lesson in one])
    together = merged(told)
    np.testing.assert_allclose(figures(together), figures(pooled), rtol=1e-12, atol=1e-9)
    for one, other in zip(random_effects(together), random_effects(pooled), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    mine, theirs = (federated_prior(one, "x") for one in (together, pooled))
    np.testing.assert_allclose(mine.mean, theirs.mean, rtol=0, atol=1e-9)
    np.testing.assert_allclose(mine.sd, theirs.sd, rtol=0, atol=1e-9)


def test_the_sums_give_dersimonian_and_laird_by_the_batteries_themselves() -> None:
    found = lessons(30, 7)
    base, k = CHEMISTRY_PRIOR, 0
    v = np.array([1 / (one.sd[k] ** -2.0 - base.sd[k] ** -2.0) for one in found])
    y = np.array([(one.mean[k] / one.sd[k] ** 2 - base.mean[k] / base.sd[k] ** 2) for one in found]) * v
    w = 1 / v
    mean = (w * y).sum() / w.sum()
    heterogeneity = (w * (y - mean) ** 2).sum()
    between = max(0.0, (heterogeneity - len(y) + 1) / (w.sum() - (w**2).sum() / w.sum()))
    variance = (w**2 * (v + between)).sum() / w.sum() ** 2
    centre, of_mean, of_batteries = random_effects(sums_of("nmc811", found))
    assert (centre[k] + base.mean[k], of_mean[k], of_batteries[k]) == pytest.approx(
        (mean, variance, between), rel=1e-9
    )


def test_many_batteries_are_believed_and_few_less() -> None:
    base = CHEMISTRY_PRIOR
    many, few = (federated_prior(sums_of("nmc811", lessons(n, 3)), f"{n}") for n in (400, 6))
    shift = (many.mean - base.mean)[:SIZE] / base.sd[:SIZE]
    np.testing.assert_allclose(shift, 0.4, atol=0.08)
    np.testing.assert_allclose(many.sd[:SIZE] / base.sd[:SIZE], 0.25, atol=0.08)
    assert (few.sd[:SIZE] > many.sd[:SIZE]).all() and (few.sd <= base.sd).all()
    assert many.mean[SIZE:].tolist() == base.mean[SIZE:].tolist()  # of the knee nobody tells
    assert many.sd[SIZE:].tolist() == base.sd[SIZE:].tolist()
    hierarchy = fleet_prior(
        base, lessons(400, 3)
    )  # the fit that needs every battery's figures says much the same
    np.testing.assert_allclose(
        many.mean[:SIZE], hierarchy.mean[:SIZE], atol=0.1 * float(base.sd[:SIZE].max())
    )


def test_a_site_of_too_few_batteries_tells_nothing() -> None:
    with pytest.raises(FederationError, match="nmc811: 4 batteries have something to teach, 5 are the least"):
        sums_of("nmc811", lessons(LEAST_BATTERIES - 1, 1))
    mean, sd = CHEMISTRY_PRIOR.mean[0], CHEMISTRY_PRIOR.sd[0]
    silent = [
        replace(one, mean=np.array([mean, *one.mean[1:]]), sd=np.array([sd, *one.sd[1:]]))
        for one in lessons(4, 2)
    ]
    told = sums_of("nmc811", [*lessons(4, 3), *silent])
    assert told.batteries[0] == 0 and told.weight[0] == told.weighted_squared[0] == 0.0
    assert min(told.batteries[1:]) == 8
    prior = federated_prior(told, "x")
    assert (prior.mean[0], prior.sd[0]) == (CHEMISTRY_PRIOR.mean[0], CHEMISTRY_PRIOR.sd[0])


def test_sums_that_cannot_be_are_refused_by_name() -> None:
    good = sums_of("nca", lessons(5, 1))
    for changed, why in (
        ({"batteries": (4, 5, 5, 5, 5)}, "sei_factor is of 4 batteries, 5 are the least"),
        ({"batteries": (0, 5, 5, 5, 5)}, "sei_factor has a weight of"),
        ({"weight": (-1.0, *good.weight[1:])}, "finite sums"),
        ({"weighted": (float("nan"), *good.weighted[1:])}, "finite sums"),
        ({"weighted": good.weighted[1:]}, "finite sums"),
    ):
        with pytest.raises(FederationError, match=f"nca: .*{why}"):
            replace(good, **changed)
    for text in ("[]", "{}", "x", "[{}]", sums_text([good, good])):
        with pytest.raises(FederationError, match="no sums of ageing"):
            sums_of_text(text)
    with pytest.raises(FederationError, match="one chemistry"):
        merged([good, sums_of("lfp", lessons(5, 1))])


def test_what_it_began_with_is_on_the_prior_that_siblings_refine() -> None:
    base = federated_prior(sums_of("nmc811", lessons(40, 3)), "40 batteries of north (0123)")
    assert isinstance(base, AgeingPrior)
    assert (
        fleet_prior(base, []).federated
        == fleet_prior(base, lessons(3, 5)).federated
        == "40 batteries of north (0123)"
    )
    assert base.to_record()["federated"] == "40 batteries of north (0123)"
    assert "federated" not in CHEMISTRY_PRIOR.to_record()
