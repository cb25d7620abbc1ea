"""Packs whose open-circuit voltage is not their chemistry's set's: as cells, truths and records.

The curves depart in one of four ways, none of which is an assumption of the fit, each as far as a wanted root
mean square at equal state of charge, or as far as it goes:

bumps    smooth bumps on either electrode's curve, at random stoichiometries
window   either curve over a shifted and stretched stretch of stoichiometry
blend    another active material next to the cathode's or the anode's, by the charge that either holds
set      the curves of another literature set over the same stretch of stoichiometry

Ageing and telemetry are by SPMe (`twin.synthetic`) with rates that drift as fade goes on; sensors are honest.
The SoC of sessions is announced in whole per cents of what the car takes its capacity for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pybamm

from tests.twin.faulty import RECORDED, clean_spec, clean_truth
from twin.cell import ReferenceCell, reference_cell
from twin.chemistry import CHEMISTRIES, Chemistry
from twin.errors import SolveError
from twin.health import Array
from twin.opencircuit import OpenCircuit
from twin.synthetic import Truth, TruthSpec

KINDS = ("bumps", "window", "blend", "set")
LEAST_MV, MOST_MV = 5.0, 90.0
STO = np.linspace(0.0005, 0.9995, 4000)  # as `twin.opencircuit` has it
_OTHERS = ("Mohtat2020", "Ecker2015", "NCA_Kim2011", "ORegan2022", "Ai2020")
_SOCS = np.linspace(0.03, 0.97, 189)
_SIDES = ("Negative", "Positive")
_REACHED_V = 2e-3
_CHEMISTRIES = ("nmc811", "nmc532", "nca", "nmc811", "lfp")
_FLATTEST_MV = 30.0  # of LFP: more is no LFP
_DISPLAY = 0.035  # of capacity, by which a car's display may be off
Curves = tuple[Array, Array]
"""Potentials of the negative and of the positive electrode over `STO` [V]."""
Change = Callable[[float], Curves]
"""The curves changed by a share of 0 to 1."""


@dataclass(frozen=True)
class ForeignCell(ReferenceCell):
    """A chemistry's cell with other open-circuit curves, by the name of its pack."""

    pack: str = ""
    curves: Curves = field(default=(STO, STO), compare=False, repr=False)

    @cached_property
    def parameter_values(self) -> Any:
        values = reference_cell(self.spec.name).parameter_values.copy()
        for side, curve in zip(_SIDES, self.curves, strict=True):
            values.update({f"{side} electrode OCP [V]": _interpolated(curve)})
        return values


def _interpolated(curve: Array) -> Callable[[Any], Any]:
    coarse = slice(None, None, 8)
    return lambda sto: pybamm.Interpolant(STO[coarse], curve[coarse], sto, interpolator="cubic")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignSpec(TruthSpec):
    """A truth that is simulated by another cell than its chemistry's."""

    foreign: ForeignCell

    @property
    def cell(self) -> ReferenceCell:
        return self.foreign


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPack:
    """A pack: ``kind`` of curve, how far it is from the set's at equal SoC [mV], and its record."""

    kind: str
    rms_mv: float
    most_mv: float
    spec: ForeignSpec
    truth: Truth


def foreign_pack(index: int, first: int = 0) -> ForeignPack:
    """The index-th pack of the seeds from ``first`` on: kinds and chemistries in turn, the rest at random."""
    seed = first + index
    rng = np.random.default_rng([77, seed])
    kind, name = KINDS[index % len(KINDS)], _CHEMISTRIES[index % len(_CHEMISTRIES)]
    wanted = LEAST_MV * (MOST_MV / LEAST_MV) ** rng.uniform()
    if name == "lfp":
        wanted = min(wanted, _FLATTEST_MV)
    clean = clean_spec(len(RECORDED) * seed + RECORDED.index(name))
    while True:
        cell, rms_mv, most_mv = _drawn(rng, kind, CHEMISTRIES[name], wanted, f"{seed:03d}")
        values = {one.name: getattr(clean, one.name) for one in fields(TruthSpec)}
        values |= {"drift": tuple(rng.normal(0, 0.15, 4)), "foreign": cell}
        spec = ForeignSpec(**values)
        spec = replace(spec, battery=replace(spec.battery, battery_id=f"p{seed:03d}-{kind}-{name}"))
        try:
            made = clean_truth(spec)
        except SolveError:  # a curve that SPMe cannot follow is drawn again
            continue
        truth = _displayed(made, float(rng.uniform(-_DISPLAY, _DISPLAY)))
        return ForeignPack(kind=kind, rms_mv=rms_mv, most_mv=most_mv, spec=spec, truth=truth)


def _displayed(made: Truth, off: float) -> Truth:
    """The record with the SoC of sessions as a car shows it whose own idea of its capacity is ``off``."""
    sessions = made.sessions.copy()
    for name in ("arrival_soc", "departure_soc"):
        sessions[name] = (1 - (1 - sessions[name]) * (1 + off)).clip(0.01, 1.0).round(2)
    return replace(made, sessions=sessions)


def _drawn(
    rng: np.random.Generator, kind: str, spec: Chemistry, wanted_mv: float, pack: str
) -> tuple[ForeignCell, float, float]:
    """A cell about ``wanted_mv`` from its set, as near to it as a draw of ``kind`` comes."""
    best: tuple[float, Curves, float, float] | None = None
    for _ in range(12):
        change = _CHANGES[kind](rng, spec)
        for share in np.geomspace(1.0, 0.02, 40):
            curves = change(float(share))
            off = _off_mv(spec.name, curves)
            if off is None:
                continue
            rms, most = float(np.sqrt((off**2).mean())), float(np.abs(off).max())
            apart = abs(np.log(max(rms, 1e-3) / wanted_mv))
            if best is None or apart < best[0]:
                best = (apart, curves, rms, most)
        if best is not None and best[0] < 0.1:
            break
    assert best is not None, f"no curve of kind {kind} for {spec.name}"
    return ForeignCell(spec, pack=pack, curves=best[1]), best[2], best[3]


def _circuit(name: str, curves: Curves) -> OpenCircuit:
    cell = reference_cell(name)
    values: dict[str, Any] = {
        "Negative electrode OCP [V]": lambda _: pybamm.Vector(curves[0]),
        "Positive electrode OCP [V]": lambda _: pybamm.Vector(curves[1]),
        "Lower voltage cut-off [V]": cell.circuit.v_min,
        "Upper voltage cut-off [V]": cell.circuit.v_max,
    }
    return OpenCircuit(
        values, fresh=cell.fresh, ah_per_eps_n=cell.ah_per_eps_n, ah_per_eps_p=cell.ah_per_eps_p
    )


def _off_mv(name: str, curves: Curves) -> Array | None:
    """Open-circuit voltage less the set's at equal SoC [mV]; None for curves that are no cell's."""
    cell, ours = reference_cell(name), _circuit(name, curves)
    own_curves = (cell.circuit.u_n, cell.circuit.u_p)  # which may rise at their very ends
    if any(
        np.diff(curve).max() > max(0.0, np.diff(own).max()) + 1e-9
        for curve, own in zip(curves, own_curves, strict=True)
    ):
        return None
    window = ours.window(cell.fresh)
    ends = [float(ours.voltage(*window.at(soc))) for soc in (0.0, 1.0)]
    reached = np.abs(np.array(ends) - (ours.v_min, ours.v_max)).max() < _REACHED_V
    share = ours.fresh_capacity_ah / cell.circuit.fresh_capacity_ah
    if not (reached and 0.8 < share < 1.25 and window.x_0 > 0.001 and window.x_100 < 0.97):
        return None
    own = cell.circuit.voltage(*cell.circuit.window(cell.fresh).at(_SOCS))
    return 1000 * (ours.voltage(*window.at(_SOCS)) - own)


def _own(spec: Chemistry) -> Curves:
    circuit = reference_cell(spec.name).circuit
    return circuit.u_n, circuit.u_p


def _bumps(rng: np.random.Generator, spec: Chemistry) -> Change:
    u_n, u_p = _own(spec)
    flat = spec.name == "lfp"
    shapes = []
    for height in (0.02, 0.0) if flat else (0.02, 0.12):
        middle, width = rng.uniform(0.1, 0.95, 3), rng.uniform(0.08, 0.3, 3)
        sign = rng.choice([-1.0, 1.0], 3) * rng.uniform(0.4, 1.0, 3)
        shapes.append(height * (sign * np.exp(-0.5 * ((STO[:, None] - middle) / width) ** 2)).sum(axis=1))
    return lambda share: (u_n + share * shapes[0], u_p + share * shapes[1])


def _window(rng: np.random.Generator, spec: Chemistry) -> Change:
    u_n, u_p = _own(spec)
    shift, stretch = rng.uniform(-0.08, 0.08, 2), rng.uniform(-0.15, 0.15, 2)

    def moved(curve: Array, side: int, share: float) -> Array:
        at = 0.5 + (STO - 0.5) * (1 + share * stretch[side]) + share * shift[side]
        # Beyond its ends a curve goes on as it did there.
        slope = np.gradient(curve, STO)
        beyond = np.where(at < STO[0], slope[0] * (at - STO[0]), slope[-1] * np.maximum(at - STO[-1], 0))
        return np.asarray(np.interp(at, STO, curve) + np.clip(beyond, -2.0, 2.0))

    return lambda share: (moved(u_n, 0, share), moved(u_p, 1, share))


def _blend(rng: np.random.Generator, spec: Chemistry) -> Change:
    u_n, u_p = _own(spec)
    # Silicon lithiates between 0.6 and 0.1 V; manganese spinel at 4.0 and 4.12 V; phosphate at 3.43 V.
    silicon = float(rng.uniform(0.22, 0.34))
    centre = 3.55 if spec.name == "lfp" else float(rng.choice([4.05, 3.9, 3.6]))
    wide = 0.05 if centre > 4 else 0.12
    most_n, most_p = 0.35, 0.1 if spec.name == "lfp" else 0.5
    cathode = bool(rng.uniform() < 0.6)

    def mixed(curve: Array, other: Callable[[Array], Array], share: float) -> Array:
        volts = np.linspace(curve.min() - 0.3, curve.max() + 0.3, 6000)
        falling = np.minimum.accumulate(curve)
        filled = np.interp(volts, falling[::-1], STO[::-1])
        both = (1 - share) * filled + share * other(volts)
        return np.asarray(np.interp(STO[::-1], both[::-1], volts[::-1])[::-1])

    def change(share: float) -> Curves:
        if cathode:
            return u_n, mixed(u_p, lambda u: 1 / (1 + np.exp((u - centre) / wide)), most_p * share)
        return mixed(u_n, lambda u: 1 / (1 + np.exp((u - silicon) / 0.09)), most_n * share), u_p

    return change


@lru_cache(maxsize=8)
def _set(name: str) -> tuple[Array, Array, tuple[float, float], tuple[float, float]]:
    """Another set's curves and its stoichiometries at 0 and at 100 %."""
    values = pybamm.ParameterValues(name)
    curves = [
        np.asarray(values[f"{side} electrode OCP [V]"](pybamm.Vector(STO)).evaluate(), dtype=float).ravel()
        for side in _SIDES
    ]
    x_0, x_100, y_100, y_0 = pybamm.lithium_ion.get_min_max_stoichiometries(values)
    return curves[0], curves[1], (float(x_0), float(x_100)), (float(y_0), float(y_100))


def _other_set(rng: np.random.Generator, spec: Chemistry) -> Change:
    u_n, u_p = _own(spec)
    others = [name for name in _OTHERS if name != spec.parameter_set]
    v_n, v_p, x_of, y_of = _set(str(rng.choice(others)))
    cell = reference_cell(spec.name)
    window = cell.circuit.window(cell.fresh)

    def over(curve: Array, ours: tuple[float, float], theirs: tuple[float, float]) -> Array:
        at = theirs[0] + (STO - ours[0]) * (theirs[1] - theirs[0]) / (ours[1] - ours[0])
        return np.asarray(np.interp(at, STO, curve))

    x_n = over(v_n, (float(window.x_0), float(window.x_100)), x_of)
    y_p = over(v_p, (float(window.y_0), float(window.y_100)), y_of) if spec.name != "lfp" else u_p
    return lambda share: (u_n + share * (x_n - u_n), u_p + share * (y_p - u_p))


_CHANGES: dict[str, Callable[[np.random.Generator, Chemistry], Change]] = {
    "bumps": _bumps,
    "window": _window,
    "blend": _blend,
    "set": _other_set,
}
