"""What siblings teach of laws and curves: sums of two sizes, weights, and no more than they know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin.batteries import calibrated, duty
from twin.ensemble.fit import Observed
from twin.ensemble.laws import LAWS
from twin.ensemble.mixture import fit_all
from twin.ensemble.siblings import (
    CELL_SD,
    NO_SIBLINGS,
    SIZE_SD,
    StructureBelief,
    StructureStatistics,
    believed,
    stated_of,
)
from twin.ensemble.stress import stress_of
from twin.prior import CHEMISTRY_PRIOR, fleet_prior
from twin.record import sibling_statistics

SURE = 400.0  # precision of a sum that check-ups tell


def ridge(direction: tuple[float, float], value: float) -> StructureStatistics:
    """A battery that knows one sum of the two sizes, and nothing across it."""
    along = np.array(direction) / np.linalg.norm(direction)
    precision = SURE * np.outer(along, along)
    a, b = SURE * value * along
    return StructureStatistics(score=0.0, told=(a, b, precision[0, 0], precision[0, 1], precision[1, 1]))


def test_the_likelihood_is_what_the_prior_did_not_say() -> None:
    belief = StructureBelief(mean=(0.3, -0.2), covariance=((0.3, 0.1), (0.1, 0.4)))
    precision, stated = np.array([[9.0, 4.0], [4.0, 5.0]]), np.array([2.0, -1.0])
    prior = np.linalg.inv(np.array(belief.covariance))
    covariance = np.linalg.inv(precision + prior)
    mean = covariance @ (stated + prior @ np.array(belief.mean))
    found = stated_of(mean, covariance, belief)
    assert found == pytest.approx([*stated, 9.0, 4.0, 5.0], abs=2e-3)


def test_batteries_of_different_duty_tell_both_sizes_and_those_of_one_do_not() -> None:
    alike = believed([{"law": ridge((1, 1), 0.5)}] * 12).of("law")
    unlike = believed([{"law": ridge((1, 0.2), 0.5)}, {"law": ridge((0.2, 1), -0.4)}] * 6).of("law")
    spread = [np.linalg.eigvalsh(np.array(one.covariance)) for one in (alike, unlike)]
    assert spread[0][1] == pytest.approx(SIZE_SD**2, rel=0.02)  # across the ridge: as nobody had announced
    assert spread[1][1] < 0.75 * SIZE_SD**2
    # No cell is known better than cells of one fleet are alike.
    assert spread[1][0] >= CELL_SD**2
    assert unlike.mean[0] > 0.2 and unlike.mean[1] < -0.2


def test_a_law_that_makes_siblings_contradict_each_other_loses_weight() -> None:
    agreed = [{"one": ridge((1, 1), 0.1), "other": ridge((1, 1), value)} for value in (-2.0, 2.0, -2.0, 2.0)]
    found = believed(agreed)
    assert found.of("one").log_weight > found.of("other").log_weight + 1
    # Between laws alone: together they weigh as before against what is no law.
    both = np.exp([found.of(name).log_weight for name in ("one", "other")])
    assert both.mean() == pytest.approx(1.0)


def test_scores_of_siblings_are_added_up_and_count_in_part() -> None:
    statistics = {
        "linear": StructureStatistics(score=2.0, told=None),
        "power": StructureStatistics(score=None, told=None),
    }
    found = believed([statistics, statistics])
    assert 0 < found.of("linear").log_weight < 4.0
    assert found.of("power").log_weight == 0.0
    assert found.of("never heard of") == StructureBelief()
    assert believed([]).figures() == NO_SIBLINGS.figures() == []


def test_a_fit_starts_from_what_siblings_reported() -> None:
    past = stress_of(duty().profile())
    nothing = Observed(ages=np.zeros(0), capacity=np.zeros(0), sd=np.zeros(0), last_days=1000.0)
    beliefs = believed([{"naumann2020": ridge((1, 0), 0.8)}, {"naumann2020": ridge((0, 1), -0.8)}] * 10)
    law = {"naumann2020": LAWS["naumann2020"]}
    plain, stated = (
        next(fit for fit in fit_all(past, nothing, 0, known, law) if fit.structure.name == "naumann2020")
        for known in (NO_SIBLINGS, beliefs)
    )
    moved = stated.sample[:, 1:3].mean(axis=0) - plain.sample[:, 1:3].mean(axis=0)
    assert moved == pytest.approx(np.array(beliefs.of("naumann2020").mean), abs=0.12)
    assert (stated.sample[:, 1:3].std(axis=0) < plain.sample[:, 1:3].std(axis=0)).all()


def test_a_calibration_teaches_its_structures() -> None:
    statistics = sibling_statistics(calibrated().record)
    assert statistics is not None
    assert set(LAWS) < set(statistics.structures)
    stated = statistics.structures["naumann2020"].told
    assert stated is not None and len(stated) == 5
    assert statistics.structures["linear"].told is None
    prior = fleet_prior(CHEMISTRY_PRIOR, [statistics, statistics])
    assert prior.structures.of("naumann2020").mean != (0.0, 0.0)
    # What an older twin left teaches nothing of structures, and takes nothing.
    old = fleet_prior(CHEMISTRY_PRIOR, [replace(statistics, structures={})])
    assert old.structures.of("naumann2020") == StructureBelief()
