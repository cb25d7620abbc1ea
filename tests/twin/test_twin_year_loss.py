"""The interval of next year's loss: of each draw's own loss, and of no doubt about today's capacity."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.twin.batteries import calibrated
from tests.twin.test_twin_price import COUNT, SHARES, draws
from twin.ensemble.mixture import PHYSICS, YEAR_DAYS, mix
from twin.ensemble.quantiles import quantiles
from twin.ensemble.stored import band_of, year_loss
from twin.errors import RecordError
from twin.record import TwinRecord


def test_a_doubt_about_today_is_none_about_the_year() -> None:
    unsure = np.random.default_rng(4).normal(0.9, 0.03, COUNT)
    found = mix("nmc811", [draws(PHYSICS, np.full(COUNT, 1.0), now=unsure)], SHARES)
    assert found.year_loss == pytest.approx((0.02, 0.02, 0.02), rel=0.02)
    later = [float(np.interp(YEAR_DAYS, found.band.days, edge)) for edge in (found.band.low, found.band.high)]
    assert later[1] - later[0] > 0.08  # what the band of capacity would have said of it


def test_the_interval_is_of_all_structures_by_their_weight_and_no_battery_mends() -> None:
    few, many = (draws(name, np.full(COUNT, 1.0)) for name in (PHYSICS, "sqrt"))
    most = replace(many, path=0.9 - 3.0 * (0.9 - many.path))
    mends = replace(few, path=0.9 + 0.5 * (0.9 - few.path))
    found = mix("nmc811", [few, most], SHARES)
    weights = [one.weight for one in found.members]
    each = np.repeat(np.array(weights) / COUNT, COUNT)
    expected = quantiles(np.repeat([0.02, 0.06], COUNT), each)
    assert found.year_loss == pytest.approx(tuple(expected), rel=0.02)
    assert found.year_loss[0] < 0.03 < 0.05 < found.year_loss[2]
    assert mix("nmc811", [mends, most], SHARES).year_loss[0] == 0.0


def test_a_calibration_keeps_it_and_moves_it_with_the_band() -> None:
    found = calibrated()
    ensemble = found.record.ensemble
    assert ensemble is not None and ensemble.year_loss is not None
    low, middle, high = year_loss(found)
    assert 0.0 <= low < middle < high < 0.2
    assert (low, middle, high) == pytest.approx(ensemble.year_loss, rel=0.01)  # it is a full calibration
    band = band_of(found, ensemble)
    assert middle == pytest.approx(
        float(band.median[0] - np.interp(YEAR_DAYS, band.days, band.median)), rel=0.25
    )
    assert TwinRecord.from_json(found.record.to_json()).ensemble == ensemble
    half = ensemble.end_soh + 0.5 * (ensemble.median[0] - ensemble.end_soh)
    assert year_loss(replace(found, soh=half)) == pytest.approx(
        tuple(0.5 * one for one in ensemble.year_loss)
    )


def test_a_calibration_of_before_tells_none() -> None:
    found = calibrated()
    document = found.record.to_document()
    del document["ensemble"]["year_loss"]
    old = replace(found, record=TwinRecord.from_json(json.dumps(document)))
    with pytest.raises(RecordError, match="holds no interval of next year's loss"):
        year_loss(old)
    document["ensemble"]["year_loss"] = [0.01, 0.02]
    with pytest.raises(RecordError, match="2 numbers, an interval has 3"):
        TwinRecord.from_json(json.dumps(document))
    with pytest.raises(RecordError, match="holds no ensemble"):
        year_loss(replace(found, record=replace(found.record, ensemble=None)))
