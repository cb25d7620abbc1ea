"""What the other cars of a site show, so that one thermometer can be determined from the weather."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from twin.types import FleetContext
from warehouse.known import Known

_RECENT = pd.Timedelta(days=10)


def site_mates(known: Known, disputed: Collection[str] = ()) -> dict[str, FleetContext]:
    """For each battery with telemetry of late, the median temperature of its site's others and its spread.

    Those that are ``disputed`` are no one's mates: their telemetry may be another battery's.
    """
    end = pd.Timestamp(known.as_of)
    samples = known.read(
        "core_telemetry_15min",
        start=end - _RECENT,
        end=end,
        columns=["battery_id", "temperature_mean_degc"],
    )
    sites = known.read("core_battery", columns=["battery_id", "site_id"]).set_index("battery_id")
    medians = samples.groupby("battery_id")["temperature_mean_degc"].median()
    found = {}
    for names in sites.groupby("site_id").groups.values():
        own = medians[medians.index.isin(names)]
        for battery_id in own.index:
            others = own.drop(battery_id).drop(list(disputed), errors="ignore").to_numpy(dtype=float)
            if len(others):
                middle = float(np.median(others))
                found[str(battery_id)] = FleetContext(
                    temperature_degc=middle,
                    temperature_spread_k=1.48 * float(np.median(np.abs(others - middle))),
                    cars=len(others),
                )
    return found
