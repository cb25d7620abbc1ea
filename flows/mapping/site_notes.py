"""What is said of a site whose own load leaves its cars nothing, before any of them is planned."""

from __future__ import annotations

import numpy as np

from optimize.account import base_load_kw
from optimize.types import DayProblem

_TOLERANCE_KW = 1e-6


def overloaded(problem: DayProblem) -> list[str]:
    """A note for each site where what it draws or feeds in besides cars is beyond its limit by itself."""
    notes = []
    for site, load in zip(problem.sites, base_load_kw(problem), strict=True):
        for power, limit, does, cars in (
            (load, site.import_limit_kw, "draws", "its cars charge nothing then but what others feed back"),
            (-load, site.export_limit_kw, "feeds in", "its cars feed nothing back then but what others take"),
        ):
            beyond = np.flatnonzero(power > limit + _TOLERANCE_KW)
            if beyond.size:
                notes.append(
                    f"site {site.site_id}: besides cars it {does} up to {power.max():,.1f} kW, above its "
                    f"limit of {limit:,.1f} kW, in {beyond.size} quarter-hours from "
                    f"{problem.slots[beyond[0]]:%Y-%m-%d %H:%M} UTC on: {cars}"
                )
    return notes
