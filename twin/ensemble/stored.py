"""The ensemble of a kept calibration: its band as of now, and PyBaMM's answers on the ensemble's footing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.health import Array
from twin.record import EnsembleRecord, need
from twin.types import Calibration

_LEAST_FADE = 1e-6
_MOST_RATIO = 30.0  # beyond it PyBaMM's shares of a wear that it hardly sees would be blown up


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityBand:
    """Capacity over nominal by day from the calibration's moment: 90 % and the middle."""

    days: Array
    low: Array
    median: Array
    high: Array


def band_of(calibration: Calibration, stated: EnsembleRecord) -> CapacityBand:
    """The band of the last full calibration, moved to where capacity and remaining life are now."""
    later = calibration.l0_days / max(stated.l0_days, 1.0)
    left = _left(calibration, stated)

    def moved(curve: tuple[float, ...]) -> Array:
        return stated.end_soh + (np.array(curve) - stated.end_soh) * left

    return CapacityBand(
        days=np.array(stated.days) * later,
        low=moved(stated.low),
        median=moved(stated.median),
        high=moved(stated.high),
    )


def year_loss(calibration: Calibration) -> tuple[float, float, float]:
    """Capacity over nominal lost within a year of ordinary days: 5 %, 50 % and 95 % of the ensemble's draws.

    Each draw's loss is from its own capacity at the last full calibration, so the doubt about that capacity
    is none of it; like the band, it is moved to where capacity is now. RecordError of a calibration from
    before draws' losses were kept: of bands of capacity alone no interval of a difference can be determined.
    """
    ensemble = need(calibration.record.ensemble, "ensemble")
    low, median, high = need(ensemble.year_loss, "interval of next year's loss")
    left = _left(calibration, ensemble)
    return low * left, median * left, high * left


def _left(calibration: Calibration, stated: EnsembleRecord) -> float:
    """Fade that is left until the end of life, over that at the last full calibration."""
    return (calibration.soh - stated.end_soh) / max(stated.median[0] - stated.end_soh, _LEAST_FADE)


def ratio_of(beta: float, alone: float) -> float:
    """The ensemble's β over that of PyBaMM alone; 1 where PyBaMM sees no wear by cycling to go by."""
    return min(beta / alone, _MOST_RATIO) if alone > 0 else 1.0


def wear_ratio(calibration: Calibration, physics: str) -> float:
    """The ensemble's β over that of PyBaMM alone; 1 where a calibration is of PyBaMM alone."""
    ensemble = calibration.record.ensemble
    if ensemble is None:
        return 1.0
    alone = next((one for one in ensemble.members if one.name == physics), None)
    if alone is None:
        return 1.0
    return ratio_of(calibration.beta_day_per_efc, alone.beta_day_per_efc)


def more_wear(added: Array | float, ratio: float) -> Array:
    """Wear of a day over the ordinary one's where PyBaMM says 1 + ``added``.

    What is added scales by ``ratio`` of wears by cycling; where a day wears less, it does so as PyBaMM says.
    """
    return np.asarray(1 + np.where(np.asarray(added) > 0, ratio * np.asarray(added), added))


def life_of_day(calibration: Calibration, physics: str, life_days: float, standard_days: float) -> float:
    """Life at a day by the ensemble, from PyBaMM's at it and at the standard day."""
    if calibration.record.ensemble is None:
        return life_days
    added = standard_days / max(life_days, 1e-9) - 1
    return calibration.l0_days / float(more_wear(added, wear_ratio(calibration, physics)))
