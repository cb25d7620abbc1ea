"""What may come before net benefit, as costs to be made small, one after the other."""

from __future__ import annotations

import numpy as np

from optimize.arrays import FloatArray
from optimize.model.day import DayModel


def costs_before_benefit(day: DayModel) -> list[FloatArray]:
    """Cost by column of what is missing at departures, then of the objective by name; none for net benefit.

    grid_support: −Δt·Σ P over peak_slots has the opposite sign of its cost; peak_shaving: Σ Q of root sites;
    load_levelling: Σ v.
    """
    problem, width = day.problem, day.programme.cost.size
    if problem.objective == "net_benefit":
        return []
    missing, wanted = np.zeros(width), np.zeros(width)
    missing[day.missing] = [window.missing_weight for window in day.windows]
    if problem.objective == "grid_support":
        peak = np.isin(day.pairs.slot, problem.peak_slots)[day.power.instance]
        np.add.at(wanted, day.power.column[peak], problem.slot_hours * day.power.coefficient[peak])
    else:
        columns = day.sites.top if problem.objective == "peak_shaving" else day.sites.deviation.ravel()
        wanted[columns[columns >= 0]] = 1.0
    return [missing, wanted]
