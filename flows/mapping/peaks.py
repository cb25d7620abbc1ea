"""The largest import of each site so far on the day that a plan begins in: it is not paid for again."""

from __future__ import annotations

from collections.abc import Mapping

from flows.mapping.horizon import Horizon
from flows.mapping.past import FOLLOWED, followed_rows, owned
from flows.mapping.plan_spans import plans_within
from optimize.types import MODES
from warehouse.known import Known

Peaks = Mapping[str, Mapping[str, float]]
"""kW by way of charging ("followed" among them) and site_id."""


def peaks_so_far(known: Known, horizon: Horizon) -> Peaks:
    """As the plans tell that were followed since local midnight, and each mode by itself."""
    start, midnight = horizon.start, horizon.local[0].normalize()
    plans = plans_within(known, horizon.zone, midnight, start)
    where = {"plan_id": plans["plan_id"].tolist()}
    rows = owned(known.read("out_plan_site_slot", where=where, start=midnight, end=start), plans)
    followed = followed_rows(rows, plans)
    found: dict[str, dict[str, float]] = {}
    for mode in (FOLLOWED, *MODES):
        own = rows[rows["mode"] == mode]
        most = (followed if own.empty else own).groupby("site_id")["power_kw"].max()
        found[mode] = {str(site): float(kw) for site, kw in most.items()}
    return found
