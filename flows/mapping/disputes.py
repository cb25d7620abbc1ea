"""Batteries whose calibration is in dispute: whom they teach nothing, and how they are named in an answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from flows.mapping.calibrations import ORDER, oldest_first
from twin.types import Calibration
from warehouse.known import Known

DISPUTED = "disputed"


def disputed_batteries(known: Known) -> frozenset[str]:
    """The batteries whose newest calibration of days before that of `known.as_of` is disputed.

    Those of the day itself do not count: a run that is repeated asks the same again.
    """
    rows = known.newest(
        "out_calibration",
        by=["battery_id"],
        before=pd.Timestamp(known.as_of).normalize(),
        columns=["battery_id", "quality", *ORDER],
    )
    newest = oldest_first(rows).drop_duplicates("battery_id", keep="last")
    return frozenset(newest.loc[newest["quality"] == DISPUTED, "battery_id"].astype(str))


def disputes_of(calibrations: Iterable[Calibration]) -> dict[str, str]:
    """Why the fit to telemetry is in dispute, by battery, of those where it is."""
    found = [one for one in calibrations if one.quality == DISPUTED]
    return {one.battery_id: one.dispute or "" for one in sorted(found, key=lambda one: one.battery_id)}


def named(disputes: Mapping[str, str]) -> str:
    """Disputes in a line, as in "disputed: car-3 (χ²/n 31)"; "" without any."""
    each = (f"{battery} ({why})" if why else battery for battery, why in disputes.items())
    return f"disputed: {', '.join(each)}" if disputes else ""
