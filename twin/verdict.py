"""What is left of a disputed fit: the calibration without telemetry, and what may be behind the dispute.

Wrong pack data are given by another chemistry that the voltage reads like, or by a capacity that check-ups
belie (a current sensor's gain shows alike); otherwise the model does not fit this cell.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twin.cell import reference_cell
from twin.dispute import Dispute
from twin.observe import Observation, capacity_draws
from twin.restore import residual_frame
from twin.types import Calibration, CalibrationRequest

NO_WINDOW, NO_CHECKUPS = "not enough data: no window of telemetry to follow", "no check-ups"
_OTHER_CAPACITY = 0.04  # capacity by one window's voltage is good to that


def disputed(
    found: Calibration, request: CalibrationRequest, observed: Observation, doubt: Dispute, n_checkups: int
) -> Calibration:
    """The calibration ``found`` without telemetry, as the answer to a request whose fit is in dispute."""
    state = observed.state
    rests_on = "state from check-ups alone" if n_checkups else "no check-ups: the prior"
    if found.quality == "energy":
        rests_on = NO_CHECKUPS
    said = ("ok", NO_WINDOW, NO_CHECKUPS, rests_on)
    notes = [note for note in found.reason.split("; ") if note not in said]
    reason = "; ".join([doubt.why, *_behind(found, request, observed, doubt, n_checkups), rests_on, *notes])
    changed: dict[str, Any] = {"quality": "disputed", "reason": reason, "dispute": doubt.what}
    if state is None:
        return replace(found, **changed, chi2_per_n=doubt.chi2_per_n)
    return replace(
        found,
        **changed,
        chi2_per_n=state.chi2_per_n if doubt.chi2_per_n is None else doubt.chi2_per_n,
        samples_excluded=len(state.used),
        residuals=residual_frame(found.calibration_id, request.battery, observed.replay, state).assign(
            used=False
        ),
    )


def _behind(
    found: Calibration, request: CalibrationRequest, observed: Observation, doubt: Dispute, n_checkups: int
) -> list[str]:
    """What may be behind a dispute of telemetry, in words; at most one."""
    state, replay, unfit = observed.state, observed.replay, "the model does not fit this cell"
    if doubt.behind is not None:
        return [doubt.behind]
    if replay is None or observed.fault is not None:
        return []
    if state is None:
        return [unfit]
    if doubt.chi2_per_n is None:
        return ["another battery's telemetry, a sensor, or wrong pack data"]
    cell = reference_cell(request.battery.chemistry)
    share = float(capacity_draws(cell, state.posterior, state.health.sei_m)[0])
    apart = f"{share:.3f} of nominal capacity by voltage, {found.soh:.3f} by check-ups"
    if n_checkups and abs(share - found.soh) > _OTHER_CAPACITY * found.soh:
        return [f"wrong pack data or a current sensor's gain: {apart}"]
    return [f"{unfit}: {apart}" if n_checkups else unfit]
