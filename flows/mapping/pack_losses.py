"""What the packs themselves lose more than warm ones, as cold as they were when they were calibrated last.

Of a session it is told by factors of the efficiencies that car and charger are declared with. They hold for
the power that the plug and the car can give together, at the SoC in the middle of the session: at part load
less is lost, so that a cold session never costs more than is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from twin.losses import WARM_DEGC, PackLosses
from twin.types import Calibration

NOTHING_LOST: Mapping[str, PackLosses] = {}


def known_losses(calibrations: Mapping[str, Calibration]) -> dict[str, PackLosses]:
    """Of the batteries that are colder than 25 °C, by battery_id; a calibration that is kept tells no
    warmth."""
    return {
        name: losses
        for name, found in calibrations.items()
        if (losses := found.record.losses) is not None
        and found.quality != "stale"
        and losses.today_degc is not None
        and losses.today_degc < WARM_DEGC
    }


def kept(
    losses: PackLosses | None,
    car: Mapping[str, Any],
    session: Mapping[str, Any],
    into_kw: float,
    out_kw: float,
) -> tuple[float, float]:
    """What is left of a warm pack's efficiency, charging and discharging, 0–1.

    car, session: rows of the core tables. into_kw, out_kw: the most that goes into store and out of it.
    """
    if losses is None or losses.today_degc is None:
        return 1.0, 1.0
    low, high = session.get("arrival_soc"), session.get("departure_soc")
    low, high = (
        float(car[bound] if pd.isna(own) else own) for own, bound in ((low, "soc_min"), (high, "soc_max"))
    )
    soc, degc = (low + high) / 2.0, losses.today_degc
    return losses.kept_charging(into_kw, soc, degc), losses.kept_discharging(out_kw, soc, degc)
