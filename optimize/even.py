"""Among equally good plans, the steady one: even power over neighbouring slots of equal price.

Where prices do not change and nobody comes or goes, a linear programme cares only about the energy of the
whole block, and its vertex solutions switch on and off at random within it. Replacing each car's power by its
mean over the block costs nothing: energies at the block's ends, metered energy, money and wear stay, powers
and site powers are means of allowed ones, and stored energy runs straight between two allowed values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, starmap

import numpy as np

from optimize.types import DayProblem, FloatArray
from optimize.windows import SessionWindow


def even_out(
    problem: DayProblem, windows: Sequence[SessionWindow], charge_kw: FloatArray, discharge_kw: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The same plan with mean powers over each block; [n, T] battery-side kW in and out.

    A block in which some car both charges and discharges is left alone: its mean would do both at once.
    """
    even_charge, even_discharge = charge_kw.copy(), discharge_kw.copy()
    for site in problem.sites:
        rows = [i for i, car in enumerate(problem.cars) if car.site_id == site.site_id]
        stays = [window for window in windows if window.car in set(rows)]
        for block in _blocks(problem, stays):
            part = np.ix_(rows, block)
            charge, discharge = charge_kw[part], discharge_kw[part]
            if (charge.any(axis=1) & discharge.any(axis=1)).any():
                continue
            even_charge[part] = charge.mean(axis=1, keepdims=True)
            even_discharge[part] = discharge.mean(axis=1, keepdims=True)
    return even_charge, even_discharge


def _blocks(problem: DayProblem, stays: Sequence[SessionWindow]) -> Iterator[range]:
    """Runs of slots with equal prices between which no stay begins or ends."""
    count = len(problem.slots)
    edges = {0, count} | {stay.first for stay in stays} | {stay.end for stay in stays}
    for price in (problem.import_price_eur_per_kwh, problem.export_price_eur_per_kwh):
        edges |= set((np.flatnonzero(np.diff(price)) + 1).tolist())
    return starmap(range, pairwise(sorted(edges)))
