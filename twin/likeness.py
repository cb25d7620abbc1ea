"""Which chemistry a window of voltages reads like: the one with by far the most evidence for it.

All models are asked alike, each with its own unknowns and an open-circuit curve that may be off, integrated
out (`twin.discrepancy`). Chemistries of like curves cannot be distinguished by a day and a half, and are not.
"""

from __future__ import annotations

from twin.cell import reference_cell
from twin.chemistry import CHEMISTRIES
from twin.errors import SolveError
from twin.expected import expected_health
from twin.replay import Replay
from twin.state import StateFit, fit_state

_ASKED_FROM = 0.6  # χ²/n of the voltages as they are, under which a cell is what it was declared as
_FAR_BETTER = 12.0  # in the logarithm of the evidence


def reads_like(declared: str, replay: Replay, state: StateFit, age_days: float) -> str | None:
    """The chemistry that the voltage reads like instead of the ``declared`` one, in words; None if none.

    Where the current was seen by snapshots or not at all, the charge between them is as uncertain as curves
    of chemistries are apart: nothing is said then.
    """
    if state.misfit_chi2_per_n < _ASKED_FROM or not replay.observed_throughout:
        return None
    best, most = None, state.log_evidence + _FAR_BETTER
    for name in CHEMISTRIES:
        if name == declared:
            continue
        cell = reference_cell(name)
        try:
            fit = fit_state(replay, cell, expected_health(cell, age_days))
        except SolveError:
            continue
        if fit.log_evidence > most:
            best, most = name, fit.log_evidence
    if best is None:
        return None
    ahead = most - state.log_evidence
    return f"the voltage reads like {best}, not {declared} (by {ahead:.0f} in log evidence)"
