"""The study of planted bad rows (`tests.benchmarks.planted_rows`) in small."""

import pytest

from tests.data_checks.planting import harvest, plant
from tests.data_checks.realistic import depot


@pytest.mark.slow
def test_every_planted_row_is_quarantined_for_the_right_reason_and_hardly_a_good_one():
    soil = plant(depot(3, 8, 11, copies=3), 20, 11)
    found = harvest(soil)
    assert len(found.kinds) >= 20
    assert sum(planted for planted, _, _ in found.kinds.values()) >= 400
    assert {kind: counts for kind, counts in found.kinds.items() if len(set(counts)) > 1} == {}
    assert found.good > 100_000
    assert found.lost <= found.good // 10_000
