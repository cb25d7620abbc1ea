"""Whether a calibration's intervals are results, said plainly, and what data would narrow them."""

from __future__ import annotations

from twin.ensemble.outlook import WOULD_TELL
from twin.types import Calibration

WIDE = 10.0
"""A 90 % interval whose high end is more than so many times its low one is a warning, no result."""


def not_identified(calibration: Calibration) -> list[str]:
    """What the data do not tell: a sentence for each of L0, α and β whose 90 % interval is `WIDE`."""
    noted = []
    for what, unit, value, low, high in (
        ("L0", "days", calibration.l0_days, calibration.l0_low_days, calibration.l0_high_days),
        (
            "α",
            "day/cycle",
            calibration.alpha_day_per_efc,
            calibration.alpha_low_day_per_efc,
            calibration.alpha_high_day_per_efc,
        ),
        (
            "β",
            "day/cycle",
            calibration.beta_day_per_efc,
            calibration.beta_low_day_per_efc,
            calibration.beta_high_day_per_efc,
        ),
    ):
        if high > WIDE * max(low, 0.0):
            noted.append(
                f"{what} is not identifiable: {value:.3g} {unit} is the middle of {low:.3g} to {high:.3g} "
                f"(90 %), more than a factor of {WIDE:.0f} apart"
            )
    return noted


def would_narrow(calibration: Calibration) -> list[tuple[str, float, float]]:
    """What data are expected to tell, those first that tell most: in words, and the shares of the doubt about
    L0 and about β (standard deviations of their logarithms) that they would take away.
    """
    ensemble = calibration.record.ensemble
    left = {} if ensemble is None else ensemble.doubt_left
    rows = [(WOULD_TELL[name], 1 - l0, 1 - beta) for name, (l0, beta) in left.items() if name in WOULD_TELL]
    return sorted(rows, key=lambda row: -row[1] - row[2])
