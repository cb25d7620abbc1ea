"""What a model gets wrong about a window's voltages, as their covariance, in units of `VOLTAGE_SD_V`.

noise       of every voltage, independent
curve       a cell's own open-circuit curve departs from its chemistry's by some millivolts, smoothly in the
            charge that it holds, so that neither many samples nor many cycles average it away: a Gaussian
            process of the charge counted (Kennedy and O'Hagan, J. R. Stat. Soc. B 63, 2001), on the scales
            of an electrode's slopes and of its stages. How many millivolts, the window's own residuals tell
            (`likely_curve`, by evidence), never less than `LEAST_V`, which balance and lithium would take
            for their own unseen
wandering   where the current was seen by snapshots, the charge counted wanders off as `twin.course` tells,
            and the voltage with it along the curve; there is less rest as well to hold it against what the
            model leaves out under load, which lasts as long as the load does
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.cell import ReferenceCell
from twin.health import Array, Health
from twin.replay import Replay

VOLTAGE_SD_V = 4e-3  # per cell: what SPM is trusted to, besides its open-circuit curve
LEAST_V, MOST_V = 6e-3, 80e-3  # curves of laboratories' own cells are 5 to 9 mV off their own sets
_CURVES_V = np.geomspace(LEAST_V, MOST_V, 14)
_BELIEVED_V, _BELIEVED_LOG_SD = 8e-3, 0.8
_NEIGHBOURS, _STANDS_OUT, _OUT = 2, 4.0, 1e6
_SHIFTED_V = 0.25  # of slope by stoichiometry at which a shift of curves counts as much as their height
_SCALES = (0.35, 0.08)  # of charge over nominal: an electrode's slope, a stage of graphite
_APART_OHM_AH = 0.02  # of the change to the samples on either side
_TRANSIENT_V, _TRANSIENT_S = 0.5, 1200.0  # V per C·h that moved at another time than was counted
_LOAD_SD_OHM_AH, _LOAD_MEMORY_S = 0.04, 3600.0  # of what SPM leaves out under load, and for how long


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes:
    """How open-circuit voltage rises along a window, all as they were expected: by the charge counted [V per
    C·h], and by either electrode's stoichiometry [V].
    """

    charge: Array
    negative: Array
    positive: Array


def slopes_of(replay: Replay, cell: ReferenceCell, health: Health, x_0: float) -> Slopes:
    """The slopes along ``replay`` of a cell of ``health`` that begins at ``x_0``."""
    circuit, step = cell.circuit, 0.01
    capacity = circuit.fresh_capacity_ah
    q_n, q_p = health.eps_n * cell.ah_per_eps_n, health.eps_p * cell.ah_per_eps_p
    charge = replay.charge_at(replay.times_s)

    def at(moved: Array) -> tuple[Array, Array]:
        x = np.clip(x_0 + moved * capacity / q_n, 0.0, 1.0)
        return x, np.clip((health.lithium_ah - x * q_n) / q_p, 0.0, 1.0)

    (x, y), ahead, behind = at(charge), at(charge + step), at(charge - step)
    return Slopes(
        charge=(circuit.voltage(*ahead) - circuit.voltage(*behind)) / (2 * step),
        negative=(circuit.voltage(x + step, y) - circuit.voltage(x - step, y)) / (2 * step),
        positive=(circuit.voltage(x, y + step) - circuit.voltage(x, y - step)) / (2 * step),
    )


def curve_kernel(replay: Replay, slopes: Slopes) -> Array:
    """Covariance of the open-circuit curve's error between samples, over its variance on a flat curve.

    Matérn 3/2 on both scales alike; where a curve is steep, its being shifted along stoichiometry counts.
    """
    charge = replay.charge_at(replay.times_s)
    apart = np.abs(np.subtract.outer(charge, charge))
    scaled = [np.sqrt(3) * apart / scale for scale in _SCALES]
    smooth = sum((1 + one) * np.exp(-one) for one in scaled) / len(_SCALES)
    steep = sum(np.outer(one, one) for one in (slopes.negative, slopes.positive)) / _SHIFTED_V**2
    return np.asarray(smooth * (1 + steep))


def noise_of(error: Array) -> Array:
    """Variance of each voltage's noise: 1, and beyond any use for those that stand out from their neighbours.

    ``error``: measured less model. Errors that go together must not be taken from what is none of them.
    """
    about = np.pad(error, _NEIGHBOURS, mode="edge")
    neighbours = np.lib.stride_tricks.sliding_window_view(about, 2 * _NEIGHBOURS + 1)
    apart = np.abs(error - np.median(neighbours, axis=1))
    usual = max(1.0, 1.48 * float(np.median(apart)))
    return np.where(apart > _STANDS_OUT * usual, _OUT, 1.0)


def besides_curve(replay: Replay, slopes: Slopes, noise: Array) -> Array:
    """Covariance of all errors but the curve's; ``noise``: variance of each voltage's own."""
    at = np.searchsorted(replay.start_s, replay.times_s, side="right") - 1
    current = replay.c_rate[at]
    load = _LOAD_SD_OHM_AH * current / VOLTAGE_SD_V
    apart = np.abs(np.subtract.outer(replay.times_s, replay.times_s))
    covariance = np.diag(noise) + np.outer(load, load) * np.exp(-apart / _LOAD_MEMORY_S)
    variance = replay.charge_variance
    if variance is None:
        return np.asarray(covariance)
    scaled = slopes.charge / VOLTAGE_SD_V
    covariance += np.outer(scaled, scaled) * np.minimum.outer(variance, variance)
    # A logger reads voltage and current some moments apart.
    jump = np.maximum(
        np.abs(np.diff(current, prepend=current[0])), np.abs(np.diff(current, append=current[-1]))
    )
    covariance += np.diag((_APART_OHM_AH * jump / VOLTAGE_SD_V) ** 2)
    # Just after a change that was not seen, diffusion is not where the model has it.
    before = np.interp(replay.times_s - _TRANSIENT_S, replay.times_s, variance)
    covariance += np.diag((_TRANSIENT_V / VOLTAGE_SD_V) ** 2 * (variance - before))
    return np.asarray(covariance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Root mean square of the open-circuit curve's error, as a window shows it [V], and the logarithm of the
    evidence for the model of it.
    """

    error_v: float
    log_evidence: float


def whitening(replay: Replay, slopes: Slopes, curve_v: float, noise: Array) -> Array:
    """What makes the errors of a window's voltages independent of one another, of unit variance."""
    covariance = besides_curve(replay, slopes, noise) + (curve_v / VOLTAGE_SD_V) ** 2 * curve_kernel(
        replay, slopes
    )
    return np.asarray(np.linalg.inv(np.linalg.cholesky(covariance)))


def likely_curve(
    replay: Replay, slopes: Slopes, error: Array, jacobian: Array, believed: Array, noise: Array
) -> Curve:
    """The curve's error that a window shows.

    ``error``: measured less model at the unknowns' prior mean, and ``jacobian``: of the model by the
    unknowns, both in units of `VOLTAGE_SD_V`; ``believed``: the unknowns' prior covariance. What the unknowns
    would take up as well is integrated out.
    """
    known = besides_curve(replay, slopes, noise) + jacobian @ believed @ jacobian.T
    kernel, densities = curve_kernel(replay, slopes), []
    for curve_v in _CURVES_V:
        root = np.linalg.cholesky(known + (curve_v / VOLTAGE_SD_V) ** 2 * kernel)
        scaled = np.linalg.solve(root, error)
        density = -0.5 * float(scaled @ scaled) - float(np.log(np.diag(root)).sum())
        densities.append(density - 0.5 * (np.log(curve_v / _BELIEVED_V) / _BELIEVED_LOG_SD) ** 2)
    best = max(densities)
    weight = np.exp(np.array(densities) - best)
    return Curve(
        error_v=float(np.sqrt(weight @ _CURVES_V**2 / weight.sum())),
        log_evidence=best + float(np.log(weight.mean())),
    )
