"""Wear rates of a duty as smooth functions of health, learnt from a handful of PyBaMM days.

A day changes health by 1e-4, a life by 0.3: between, the daily wear of one duty is a smooth function of SEI
thickness, active materials and lithium. It is linear in the two ageing factors (`sei_factor`, `lam_factor`),
which stay outside. So PyBaMM solves the duty's day at ``DESIGN_POINTS`` states that span a life, and each
rate gets a regression in coordinates where its physics is nearly straight: the logarithm of active-material
loss is linear in the logarithms of what carries the current, the logarithm of SEI growth quadratic in
thickness, lithium and graphite. Further PyBaMM days, never used in the fit, measure the error that
`RateModel.held_out_error` reports. After that a life, its sensitivities and its posterior spread cost no
solve at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations_with_replacement

import numpy as np
from scipy.stats import qmc

from twin.cell import (
    ACTIVE_N,
    ACTIVE_P,
    FARADAY_AH,
    LAM_LITHIUM_N,
    LAM_LITHIUM_P,
    SEI_LITHIUM,
    ReferenceCell,
    day_model,
)
from twin.duty import DAY_S, MAX_SEGMENTS, Profile, plating_share
from twin.errors import SolveError
from twin.health import Array, Health

DESIGN_POINTS = 16
HELD_OUT = 3
_FEWEST_POINTS = 12  # the fit of SEI growth has ten coefficients
_NOTHING = 1e-18  # a day at rest strains nothing
_SEI_OFFSET_M = 1e-7  # keeps the logarithm of a young film's thickness from steepening the fit

# Beyond these, and a film of `thickest_sei_m`, the regressors are held: a battery that far gone is past any
# end of life.
_DOMAIN = {"lithium": (-0.35, 0.15), "active": (-0.4, 0.15)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Wear per day at unit ageing factors: SEI [m], active fractions lost [-], lithium taken by them [Ah]."""

    sei_m: Array
    eps_n: Array
    eps_p: Array
    lam_lithium_ah: Array

    def values(self) -> tuple[Array, Array, Array, Array]:
        """The four rates in the order of the fields."""
        return self.sei_m, self.eps_n, self.eps_p, self.lam_lithium_ah


@dataclass(frozen=True, slots=True, kw_only=True)
class RateModel:
    """Regression of one duty's `Rates` on health.

    ``sei``: coefficients of ln SEI growth; ``lam``: of the logarithms of both active-material losses and of
    the lithium in them, one column each; ``held_out_error``: root mean square relative error on PyBaMM days
    that the fit never saw; ``charge_c_rate``: the fastest charging of the day.
    """

    cell: ReferenceCell
    sei: Array
    lam: Array
    held_out_error: float
    charge_c_rate: float

    @property
    def plating_share(self) -> float:
        """How much of a knee the charging brings (`twin.duty.plating_share`)."""
        return plating_share(self.charge_c_rate)

    def at(self, health: Health) -> Rates:
        """Unit rates at a health state; arrays of any shape."""
        sei_features, lam_features = _features(self.cell, health)
        lam = np.exp(lam_features @ self.lam)
        return Rates(
            sei_m=np.exp(sei_features @ self.sei),
            eps_n=lam[..., 0],
            eps_p=lam[..., 1],
            lam_lithium_ah=lam[..., 2],
        )

    def scaled(self, rates: Rates, reference: Rates) -> RateModel:
        """The model of a day whose rates stand to this one's as ``rates`` to ``reference``, for life."""
        ours, theirs = (np.maximum(one.values(), _NOTHING) for one in (rates, reference))
        shift = np.log(ours / theirs)
        sei, lam = self.sei.copy(), self.lam.copy()
        sei[0] += shift[0]
        lam[0] += shift[1:]
        return replace(self, sei=sei, lam=lam)


def rate_model(
    cell: ReferenceCell, profile: Profile, *, electrolyte: bool = False, porous: bool = False
) -> RateModel:
    """Learn the rates of ``profile`` from PyBaMM; with ``electrolyte`` by SPMe, ``porous`` by DFN.

    A day is learnt once a process: batteries without data share the day that they are taken to have.
    """
    steps = tuple(profile.start_s.tolist()), tuple(profile.c_rate.tolist())
    at = (profile.start_soc, profile.temperature_degc, profile.of_usable)
    return _learnt(cell, *steps, *at, electrolyte, porous)


@lru_cache(maxsize=256)
def _learnt(
    cell: ReferenceCell,
    start_s: tuple[float, ...],
    c_rate: tuple[float, ...],
    start_soc: float,
    temperature_degc: float,
    of_usable: bool,
    electrolyte: bool,
    porous: bool,
) -> RateModel:
    profile = Profile(
        start_s=np.array(start_s),
        c_rate=np.array(c_rate),
        start_soc=start_soc,
        temperature_degc=temperature_degc,
        of_usable=of_usable,
    )
    states, table, is_fit, refused = [], [], [], ""
    for i, state in enumerate(design_states(cell)):
        try:
            solved = solve_rates(cell, profile, state, electrolyte=electrolyte, porous=porous)
        except SolveError as error:
            refused = str(error)
            continue
        states.append(state)
        table.append(np.log(np.maximum(solved.values(), _NOTHING)))
        is_fit.append(i < DESIGN_POINTS)
    fit = np.array(is_fit, dtype=bool)
    if fit.sum() < _FEWEST_POINTS or fit.all():
        # A state too far gone for the day is no loss, most states being so is.
        asked = DESIGN_POINTS + HELD_OUT
        fastest = float(np.abs(profile.c_rate).max())
        raise SolveError(
            f"{cell.name}: only {len(states)} of {asked} states can run the day, of up to {fastest:.2g}C at "
            f"{temperature_degc:g} °C: {refused}"
        )
    logs = np.array(table)
    sei_features, lam_features = (
        np.array(rows) for rows in zip(*(_features(cell, s) for s in states), strict=True)
    )
    sei, *_ = np.linalg.lstsq(sei_features[fit], logs[fit, 0], rcond=None)
    lam, *_ = np.linalg.lstsq(lam_features[fit], logs[fit, 1:], rcond=None)
    held_out = np.expm1(np.column_stack([sei_features @ sei, lam_features @ lam]) - logs)[~fit]
    return RateModel(
        cell=cell,
        sei=sei,
        lam=lam,
        held_out_error=float(np.sqrt((held_out**2).mean())),
        charge_c_rate=max(0.0, float(profile.c_rate.max())),
    )


def solve_rates(
    cell: ReferenceCell,
    profile: Profile,
    health: Health,
    *,
    electrolyte: bool = False,
    porous: bool = False,
) -> Rates:
    """Unit wear rates of one PyBaMM day at one state by SPM, SPMe (``electrolyte``) or DFN (``porous``)."""
    circuit = cell.circuit
    segments = MAX_SEGMENTS if len(profile.start_s) <= MAX_SEGMENTS else 128
    window = circuit.window(health)
    x_n, y_p = window.at(profile.start_soc)
    capacity = float(window.capacity_ah) if profile.of_usable else circuit.fresh_capacity_ah
    wear = (
        day_model(cell, segments, ageing=True, electrolyte=electrolyte, porous=porous)
        .solve(
            profile.start_s,
            profile.c_rate * capacity,
            DAY_S,
            health=health,
            x_n=float(x_n),
            y_p=float(y_p),
            temperature_degc=profile.temperature_degc,
        )
        .wear
    )
    return Rates(
        # Not the thickness itself: PyBaMM spreads the film of lost material over what is left.
        sei_m=np.asarray(wear[SEI_LITHIUM] * FARADAY_AH / (cell.sei_ah_per_m_eps * health.eps_n)),
        eps_n=np.asarray(-wear[ACTIVE_N]),
        eps_p=np.asarray(-wear[ACTIVE_P]),
        lam_lithium_ah=np.asarray((wear[LAM_LITHIUM_N] + wear[LAM_LITHIUM_P]) * FARADAY_AH),
    )


def design_states(cell: ReferenceCell) -> list[Health]:
    """States that span a life: SEI lithium to 18 %, active materials -2 to 15 %, inventory besides ±3 %."""
    unit = qmc.Halton(d=4, scramble=False).random(DESIGN_POINTS + HELD_OUT + 1)[1:]
    return [_state(cell, *point) for point in unit]


def _state(cell: ReferenceCell, a: float, b: float, c: float, d: float) -> Health:
    fresh = cell.fresh
    sei_loss, loss_n, loss_p, offset = 0.18 * a, 0.17 * b - 0.02, 0.17 * c - 0.02, 0.06 * (d - 0.5)
    x, y = cell.circuit.window(fresh).at(0.6)
    lithium = fresh.lithium_ah * (1 - sei_loss + offset)
    lithium -= x * fresh.eps_n * cell.ah_per_eps_n * loss_n + y * fresh.eps_p * cell.ah_per_eps_p * loss_p
    eps_n = fresh.eps_n * (1 - loss_n)
    grown = sei_loss * fresh.lithium_ah / (cell.sei_ah_per_m_eps * 0.5 * (fresh.eps_n + eps_n))
    return Health(
        sei_m=fresh.sei_m + grown, eps_n=eps_n, eps_p=fresh.eps_p * (1 - loss_p), lithium_ah=float(lithium)
    )


def _features(cell: ReferenceCell, health: Health) -> tuple[Array, Array]:
    """Regressors of SEI growth and of active-material loss."""
    fresh = cell.fresh
    film_m = np.minimum(health.sei_m, cell.thickest_sei_m)
    film = np.log((film_m + _SEI_OFFSET_M) / (fresh.sei_m + _SEI_OFFSET_M))
    lithium = _held(np.asarray(health.lithium_ah) / fresh.lithium_ah - 1, *_DOMAIN["lithium"])
    active_n = _held(np.log(np.asarray(health.eps_n) / fresh.eps_n), *_DOMAIN["active"])
    active_p = _held(np.log(np.asarray(health.eps_p) / fresh.eps_p), *_DOMAIN["active"])
    terms = (film, lithium, active_n)
    products = [a * b for a, b in combinations_with_replacement(terms, 2)]
    return (
        _side_by_side(1.0, *terms, *products),
        _side_by_side(1.0, active_n, active_p, lithium, lithium**2),
    )


def _held(values: Array, low: float, high: float) -> Array:
    return np.minimum(np.maximum(values, low), high)


def _side_by_side(first: float, *others: Array) -> Array:
    """On a new last axis; a life asks for thousands of these, of few states each."""
    found = np.empty((*np.shape(others[0]), 1 + len(others)))
    found[..., 0] = first
    for place, values in enumerate(others, start=1):
        found[..., place] = values
    return found
