"""Fits that belie themselves: given by their own misfit, or by a state that no battery comes to overnight.

A disputed fit is not used. The battery is calibrated from check-ups alone, where it has none from a capacity
that needs no model of the cell (`twin.counted`), or else from its prior, and says so: quality `disputed`,
what was found and what may be behind it. That is another verdict than a sensor fault, which evidence names
without any model (`twin.faults`): here the sensors may be right and the model wrong for this cell, or the
pack may be another than was declared. Such a calibration teaches no sibling and is nothing to carry on or to
compare with: the next good telemetry is held against the last calibration that was believed. `twin.verdict`
makes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from twin.ageing import AgeingFit
from twin.prior import CHI2_LIMIT
from twin.types import Calibration, CalibrationRequest

# Capacity fades by 0.02 % a day at worst, relaxation and a BMS that balances anew give back 1 or 2 %: what
# goes faster has been measured wrongly, or on another battery. Days since the last calibration that was
# believed count in full, so that a state which is seen day after day is believed in the end.
JUMP_PER_DAY = 0.02
JUMP_SIGMAS = 3.0  # of both calibrations' spread: a prior may well be far off what telemetry then shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """What speaks against a fit: in short, in words, its misfit if it is one; what is behind it, if given."""

    what: str
    why: str
    chi2_per_n: float | None = None
    behind: str | None = None


def believed(request: CalibrationRequest) -> CalibrationRequest:
    """The request without what must not be built on: a previous calibration of another pack or one whose fit
    is in dispute (older versions of the twin said so in its reason alone), and telemetry of an earlier pack.
    """
    previous, since = request.previous, request.battery.commissioned_utc
    if previous is not None and (_over_limit(previous) or _pack_of(previous) not in (None, pack(request))):
        request = replace(request, previous=None)
    if len(request.telemetry) and (request.telemetry["time_utc"] < since).any():
        request = replace(request, telemetry=request.telemetry[request.telemetry["time_utc"] >= since])
    return request


def pack(request: CalibrationRequest) -> tuple[str | float, ...]:
    """What tells one pack from another: chemistry, capacity, energy, cells, since when it is in use."""
    battery = request.battery
    return (
        battery.chemistry,
        battery.nominal_capacity_ah,
        battery.nominal_energy_kwh,
        battery.cells_series,
        battery.cells_parallel,
        battery.commissioned_utc.isoformat(),
    )


def _pack_of(previous: Calibration) -> tuple[str | float, ...] | None:
    full = previous.record.full
    return None if full is None else full.nameplate[:6]


def _over_limit(previous: Calibration) -> bool:
    misfits = (previous.chi2_per_n or 0.0, previous.record.ageing_chi2_per_n or 0.0)
    return previous.quality == "disputed" or max(misfits) > CHI2_LIMIT


def misfit(fit: AgeingFit, observed: bool, n_checkups: int) -> Dispute | None:
    """Whether check-ups, voltage (if ``observed``) and ageing physics contradict each other."""
    if fit.chi2_per_n <= CHI2_LIMIT:
        return None
    if not observed:
        why = "check-ups do not follow how such a cell ages"
    elif n_checkups:
        why = "check-ups and voltage disagree"
    else:
        why = "no ageing of this chemistry leads to the state that voltage shows"
    return by_misfit(why, fit.chi2_per_n)


def by_misfit(why: str, chi2: float) -> Dispute:
    """A fit disputed by its own misfit."""
    short = f"χ²/n {chi2:.0f}" if chi2 >= 10 else f"χ²/n {chi2:.1f}"
    return Dispute(what=short, why=f"{why} (χ²/n {chi2:.1f} over {CHI2_LIMIT:.0f})", chi2_per_n=chi2)


def jump(request: CalibrationRequest, soh: float, soh_sd: float) -> Dispute | None:
    """Whether a state that telemetry shows is further from the last calibration than a battery comes.

    A first calibration has nothing to be compared with, nor has one by another model than the last.
    """
    previous = request.previous
    if previous is None or previous.model_hash != request.model_hash or previous.record.state is None:
        return None
    days = max(1.0, (request.as_of_utc - previous.record.state.as_of_utc).total_seconds() / 86400)
    before_sd = previous.usable_capacity_sd_ah / request.battery.nominal_capacity_ah
    moved = soh - previous.soh
    if abs(moved) <= max(JUMP_PER_DAY * days, JUMP_SIGMAS * float(np.hypot(before_sd, soh_sd))):
        return None
    span = "1 day" if days < 1.5 else f"{days:.0f} days"
    return Dispute(
        what=f"SoH {previous.soh:.3f} to {soh:.3f} in {span}",
        why=f"SoH from {previous.soh:.3f} (calibration {previous.calibration_id}) to {soh:.3f} in {span} is "
        "more than a battery changes",
    )
