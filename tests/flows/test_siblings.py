"""The ageing prior of each battery, from what was calibrated before the day."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows.mapping.siblings import priors_of
from twin.prior import CHEMISTRY_PRIOR, NAMES

AS_OF = datetime(2026, 3, 10, 12, tzinfo=UTC)


class Tables:
    """What was known at AS_OF: two tables."""

    as_of = AS_OF

    def __init__(self, **frames: pd.DataFrame) -> None:
        self.frames = frames

    def newest(self, table: str, *, by: list[str], before: datetime, **more: Any) -> Any:
        frame = self.read(table, **more)
        frame = frame[frame["as_of_utc"] < before]
        return frame[frame["as_of_utc"] == frame.groupby(by)["as_of_utc"].transform("max")]

    def read(self, table: str, *, where: dict[str, list[str]] | None = None, columns: list[str]) -> Any:
        frame = self.frames[table]
        for name, kept in (where or {}).items():
            frame = frame[frame[name].isin(kept)]
        return frame[columns]


def calibration(battery_id: str, as_of: str, sei: float, quality: str = "calibrated") -> dict[str, Any]:
    mean = CHEMISTRY_PRIOR.mean.copy()
    mean[0] = sei
    parameters = {
        "names": list(NAMES),
        "posterior_mean": mean.tolist(),
        "covariance": np.diag((0.3 * CHEMISTRY_PRIOR.sd) ** 2).tolist(),
        "prior": CHEMISTRY_PRIOR.to_record(),
        "surprise": None,
    }
    return {
        "battery_id": battery_id,
        "calibration_id": f"{battery_id} {as_of}",
        "previous_calibration_id": None,
        "as_of_utc": pd.Timestamp(as_of, tz="UTC"),
        "quality": quality,
        "parameters_json": json.dumps(parameters),
    }


def priors(*rows: dict[str, Any]) -> dict[str, float]:
    """Mean of the prior's ln SEI factor by battery."""
    fleet = pd.DataFrame({"battery_id": ["a", "b", "young"], "chemistry": ["lfp", "lfp", "lfp"]})
    tables = Tables(core_battery=fleet, out_calibration=pd.DataFrame(rows))
    found = priors_of(tables)  # type: ignore[arg-type]
    return {battery: float(prior.mean[0]) for battery, prior in found.items()}


def test_a_young_battery_borrows_from_its_siblings() -> None:
    found = priors(calibration("a", "2026-03-08", 0.9), calibration("b", "2026-03-09", 0.9))
    assert found["young"] > found["a"] > 0.1


def test_only_earlier_days_with_data_teach_and_only_the_newest() -> None:
    old, new = calibration("a", "2026-03-01", -0.9), calibration("a", "2026-03-09", 0.9)
    today, dataless = calibration("b", "2026-03-10", -0.9), calibration("b", "2026-03-09", -0.9, "prior")
    assert priors(old, new, today, dataless) == priors(new)
    assert priors(new)["a"] == CHEMISTRY_PRIOR.mean[0]


def test_a_record_of_a_newer_version_teaches_nothing_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    good, newer = calibration("a", "2026-03-08", 0.9), calibration("b", "2026-03-08", -0.9)
    newer["parameters_json"] = json.dumps(json.loads(newer["parameters_json"]) | {"version": 99})
    assert priors(good, newer) == priors(good)
    assert "b tells its siblings nothing" in caplog.text
    assert "version 99" in caplog.text


def test_a_disputed_battery_teaches_nothing_and_neither_does_a_bad_fit() -> None:
    fleet = pd.DataFrame({"battery_id": ["a", "b", "young"], "chemistry": ["lfp", "lfp", "lfp"]})
    good = calibration("a", "2026-03-08", 0.9)
    bad = calibration("b", "2026-03-08", 0.9)
    bad["parameters_json"] = json.dumps(json.loads(bad["parameters_json"]) | {"ageing_chi2_per_n": 31.0})
    tables = Tables(core_battery=fleet, out_calibration=pd.DataFrame([good, bad]))
    mean = {name: prior.mean[0] for name, prior in priors_of(tables).items()}  # type: ignore[arg-type]
    assert mean["young"] == mean["b"] > mean["a"] == CHEMISTRY_PRIOR.mean[0]
    known = priors_of(tables, frozenset({"a"}))  # type: ignore[arg-type]
    assert all(prior.mean[0] == CHEMISTRY_PRIOR.mean[0] for prior in known.values())
