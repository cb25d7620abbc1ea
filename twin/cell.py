"""The PyBaMM cell: one model a chemistry, built once in a process, run over any piecewise-constant day.

Everything here is per *reference cell* of the chemistry's parameter set; `twin.types` maps packs onto it.
Currents are given in the field's telemetry sign (+ = charge) and turned into PyBaMM's (+ = discharge) in
`DayModel.solve`, nowhere else.

The day's current is a vector input: segment k holds ``current_a[k]`` from ``start_s[k]`` to the next start.
The model is therefore never rebuilt for a new profile, and the solver stops exactly at every step of the
current.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pybamm

from twin.chemistry import Chemistry, chemistry
from twin.errors import SolveError
from twin.health import Array, Health
from twin.opencircuit import OpenCircuit
from twin.parameters import parameter_values

FARADAY_AH = 96485.33212 / 3600.0
_GAS_J_PER_MOL_K, _REFERENCE_K = 8.314462618, 298.15
AGEING_OPTIONS = {
    "SEI": "ec reaction limited",
    "loss of active material": "stress-driven",
    "particle mechanics": "swelling only",
}
# Outputs whose change over a day is that day's wear.
SEI_LITHIUM = "Loss of lithium to negative SEI [mol]"
ACTIVE_N = "X-averaged negative electrode active material volume fraction"
ACTIVE_P = "X-averaged positive electrode active material volume fraction"
LAM_LITHIUM_N = "Loss of lithium due to loss of active material in negative electrode [mol]"
LAM_LITHIUM_P = "Loss of lithium due to loss of active material in positive electrode [mol]"
WEAR_OUTPUTS = (SEI_LITHIUM, ACTIVE_N, ACTIVE_P, LAM_LITHIUM_N, LAM_LITHIUM_P)
VOLTAGE = "Voltage [V]"
SENSITIVE = ("c_n", "c_p", "eps_n", "eps_p", "resistance", "bias")


@dataclass(frozen=True, slots=True, kw_only=True)
class DayResult:
    """One profile's outcome: voltage [V] at the asked times, wear (SI totals), dV/d(input) by input."""

    voltage_v: Array
    wear: dict[str, float]
    sensitivity: dict[str, Array]


def _completed(spec: Chemistry) -> Any:
    """PyBaMM parameter values of a chemistry, with what it borrows."""
    values = parameter_values(spec.parameter_set)
    if spec.borrowed:
        donor = parameter_values(spec.borrowed_from)
        values.update({key: donor[key] for key in spec.borrowed}, check_already_exists=False)
    if spec.graphite_diffusion_j_per_mol is not None:
        name = "Negative particle diffusivity [m2.s-1]"
        values.update({name: _with_activation(values[name], spec.graphite_diffusion_j_per_mol)})
    return values


def _with_activation(diffusivity: Callable[[Any, Any], Any], energy_j_per_mol: float) -> Any:
    """A diffusivity of stoichiometry and temperature with another activation energy."""

    def changed(sto: Any, temperature_k: Any) -> Any:
        heat = (1 / _REFERENCE_K - 1 / temperature_k) / _GAS_J_PER_MOL_K
        return diffusivity(sto, _REFERENCE_K) * pybamm.exp(energy_j_per_mol * heat)

    return changed


@dataclass(frozen=True)
class ReferenceCell:
    """A chemistry's cell: how volume fractions and thicknesses turn into ampere-hours, and their balance.

    It is what the twin passes on; ``spec``: the chemistry's data.
    """

    spec: Chemistry

    @property
    def name(self) -> str:
        """The chemistry's name."""
        return self.spec.name

    @cached_property
    def parameter_values(self) -> Any:
        """The chemistry's completed PyBaMM parameter values."""
        return _completed(self.spec)

    @cached_property
    def area_m2(self) -> float:
        """Electrode area of the whole reference cell [m2]."""
        v = self.parameter_values
        parallel = v["Number of electrodes connected in parallel to make a cell"]
        return float(v["Electrode height [m]"] * v["Electrode width [m]"] * parallel)

    def c_max(self, side: str) -> float:
        """Largest lithium concentration of the "Negative" or "Positive" electrode [mol.m-3]."""
        return float(self.parameter_values[f"Maximum concentration in {side.lower()} electrode [mol.m-3]"])

    def _ah_per_eps(self, side: str) -> float:
        thickness = self.parameter_values[f"{side} electrode thickness [m]"]
        return float(self.area_m2 * thickness * self.c_max(side) * FARADAY_AH)

    @cached_property
    def ah_per_eps_n(self) -> float:
        """Negative electrode capacity per unit of active volume fraction [Ah]."""
        return self._ah_per_eps("Negative")

    @cached_property
    def ah_per_eps_p(self) -> float:
        """Positive electrode capacity per unit of active volume fraction [Ah]."""
        return self._ah_per_eps("Positive")

    @cached_property
    def sei_ah_per_m_eps(self) -> float:
        """Lithium bound by one metre of SEI on a unit of active volume fraction [Ah]."""
        v = self.parameter_values
        surface = 3 / v["Negative particle radius [m]"] * v["Negative electrode thickness [m]"] * self.area_m2
        lithium = v["Ratio of lithium moles to SEI moles"] / v["SEI partial molar volume [m3.mol-1]"]
        return float(surface * lithium * FARADAY_AH)

    @cached_property
    def middle_sei_m(self) -> float:
        """SEI thickness that holds 5 % of the fresh lithium, as in mid-life [m]."""
        return self.sei_m_holding(0.05)

    @cached_property
    def thickest_sei_m(self) -> float:
        """SEI thickness that holds 20 % of the fresh lithium, past any end of life [m]."""
        return self.sei_m_holding(0.2)

    def sei_m_holding(self, share: float) -> float:
        """SEI thickness that holds a share of the fresh lithium, at fresh active volume [m]."""
        fresh = self.fresh
        return float(fresh.sei_m + share * fresh.lithium_ah / (self.sei_ah_per_m_eps * fresh.eps_n))

    @cached_property
    def film_ohm_per_m(self) -> float:
        """Film resistance of the whole cell per metre of SEI at fresh active volume [Ohm.m-1]."""
        v = self.parameter_values
        surface = (
            3
            / v["Negative particle radius [m]"]
            * self.fresh.eps_n
            * v["Negative electrode thickness [m]"]
            * self.area_m2
        )
        return float(v["SEI resistivity [Ohm.m]"] / surface)

    @cached_property
    def fresh(self) -> Health:
        """Health of a new cell."""
        v = self.parameter_values
        eps_n = float(v["Negative electrode active material volume fraction"])
        eps_p = float(v["Positive electrode active material volume fraction"])
        x = (
            v["Initial concentration in negative electrode [mol.m-3]"]
            / v["Maximum concentration in negative electrode [mol.m-3]"]
        )
        y = (
            v["Initial concentration in positive electrode [mol.m-3]"]
            / v["Maximum concentration in positive electrode [mol.m-3]"]
        )
        lithium = x * eps_n * self.ah_per_eps_n + y * eps_p * self.ah_per_eps_p
        return Health(sei_m=self.spec.initial_sei_m, eps_n=eps_n, eps_p=eps_p, lithium_ah=float(lithium))

    @cached_property
    def circuit(self) -> OpenCircuit:
        """Its electrode balance."""
        return OpenCircuit(
            self.parameter_values,
            fresh=self.fresh,
            ah_per_eps_n=self.ah_per_eps_n,
            ah_per_eps_p=self.ah_per_eps_p,
        )


@lru_cache(maxsize=8)
def reference_cell(name: str) -> ReferenceCell:
    """The reference cell of a chemistry, made once in a process: the way in from a battery's nameplate."""
    return ReferenceCell(chemistry(name))


class DayModel:
    """A PyBaMM model with health, profile and ageing rates as inputs.

    ``segments``: the most current steps that a profile may hold. ``ageing``: with SEI and stress-driven loss
    of active material. ``electrolyte``: SPMe instead of SPM; ``porous``: DFN instead of either.
    ``sensitive``: inputs of `SENSITIVE` to differentiate the voltage by.
    """

    def __init__(
        self,
        cell: ReferenceCell,
        *,
        segments: int,
        ageing: bool,
        electrolyte: bool = False,
        porous: bool = False,
        sensitive: Sequence[str] = (),
    ) -> None:
        self.cell = cell
        self.segments = segments
        self.ageing = ageing
        self.sensitive = tuple(sensitive)
        options = {"contact resistance": "true"} | (AGEING_OPTIONS if ageing else {})
        models = pybamm.lithium_ion
        model_class = models.DFN if porous else models.SPMe if electrolyte else models.SPM
        values = self.cell.parameter_values.copy()
        values.update(self._inputs(), check_already_exists=False)
        outputs = [VOLTAGE, *(WEAR_OUTPUTS if ageing else ())]
        solver = pybamm.IDAKLUSolver(rtol=1e-5, atol=1e-7, output_variables=outputs)
        self._simulation = pybamm.Simulation(model_class(options), parameter_values=values, solver=solver)

    def _inputs(self) -> dict[str, Any]:
        k = self.segments
        start = pybamm.InputParameter("start_s", expected_size=k)
        end = pybamm.InputParameter("end_s", expected_size=k)
        current = pybamm.InputParameter("current_a", expected_size=k)
        # Written as differences: PyBaMM takes a bare `t >= start` for an event of its own and restarts
        # wrongly there.
        window = (pybamm.t - start >= 0) * (pybamm.t - end < 0)
        temperature = pybamm.InputParameter("temperature_k")
        spec = self.cell.spec
        inputs: dict[str, Any] = {
            "Current function [A]": pybamm.Matrix(np.ones((1, k))) @ (window * current)
            - pybamm.InputParameter("bias"),
            "Contact resistance [Ohm]": pybamm.InputParameter("resistance"),
            "Initial concentration in negative electrode [mol.m-3]": pybamm.InputParameter("c_n"),
            "Initial concentration in positive electrode [mol.m-3]": pybamm.InputParameter("c_p"),
            "Negative electrode active material volume fraction": pybamm.InputParameter("eps_n"),
            "Positive electrode active material volume fraction": pybamm.InputParameter("eps_p"),
            "Ambient temperature [K]": temperature,
            "Initial temperature [K]": temperature,
            # A replay follows the telemetry wherever it goes; the data checks judge voltages.
            "Lower voltage cut-off [V]": 0.5,
            "Upper voltage cut-off [V]": 6.0,
        }
        if self.ageing:
            sei, lam = pybamm.InputParameter("sei_factor"), pybamm.InputParameter("lam_factor")
            heat = (1 / _REFERENCE_K - 1 / pybamm.maximum(temperature, _REFERENCE_K)) / _GAS_J_PER_MOL_K
            heat_n = pybamm.exp(spec.lam_negative_activation_j_per_mol * heat)
            heat_p = pybamm.exp(spec.lam_positive_activation_j_per_mol * heat)
            inputs |= {
                "SEI kinetic rate constant [m.s-1]": spec.sei_kinetic_m_per_s * sei,
                "EC diffusivity [m2.s-1]": spec.sei_diffusivity_m2_per_s * sei,
                "Initial SEI thickness [m]": pybamm.InputParameter("sei_m"),
                "Negative electrode LAM constant proportional term [s-1]": spec.lam_negative_per_s
                * lam
                * heat_n,
                "Positive electrode LAM constant proportional term [s-1]": spec.lam_positive_per_s
                * lam
                * heat_p,
            }
        return inputs

    def solve(
        self,
        start_s: Array,
        current_a: Array,
        end_s: float,
        *,
        health: Health,
        x_n: float,
        y_p: float,
        temperature_degc: float,
        resistance_ohm: float = 0.0,
        bias_a: float = 0.0,
        times_s: Array | None = None,
        sei_factor: float = 1.0,
        lam_factor: float = 1.0,
    ) -> DayResult:
        """Run one profile from stoichiometries ``x_n``, ``y_p``.

        ``start_s``, ``current_a``: step starts [s, from 0, ascending] and currents [A, + = charge] of the
        reference cell, at most ``segments`` of them. ``bias_a`` is added to the current that flows.
        ``times_s``: where voltage is wanted. Raises SolveError when the solver stops early.
        """
        k = len(start_s)
        if k > self.segments:
            raise SolveError(f"profile has {k} current steps, the model was built for {self.segments}")
        pad = self.segments - k
        edges = np.append(start_s, end_s)
        inputs: dict[str, Any] = {
            "start_s": np.pad(edges[:-1], (0, pad), constant_values=end_s + 1),
            "end_s": np.pad(edges[1:], (0, pad), constant_values=end_s + 1),
            "current_a": np.pad(-current_a, (0, pad)),
            "bias": bias_a,
            "resistance": resistance_ohm,
            "c_n": x_n * self.cell.c_max("Negative"),
            "c_p": y_p * self.cell.c_max("Positive"),
            "eps_n": health.eps_n,
            "eps_p": health.eps_p,
            "temperature_k": temperature_degc + 273.15,
        }
        if self.ageing:
            inputs |= {"sei_m": health.sei_m, "sei_factor": sei_factor, "lam_factor": lam_factor}
        # None of the solver's own steps: each would be turned into outputs.
        wanted = edges if times_s is None else np.union1d(times_s, edges)
        try:
            solution = self._simulation.solve(
                edges, t_interp=wanted, inputs=inputs, calculate_sensitivities=list(self.sensitive)
            )
        except (pybamm.SolverError, ValueError) as error:
            raise SolveError(f"PyBaMM could not solve the profile: {error}") from error
        if solution.termination != "final time":
            raise SolveError(
                f"profile stopped at {solution.t[-1]:.0f} s of {end_s:.0f} s: {solution.termination}"
            )
        # Solution rows include event and step stops besides the times asked for.
        rows = np.searchsorted(solution.t, edges if times_s is None else times_s)
        rows = np.minimum(rows, len(solution.t) - 1)
        voltage = solution[VOLTAGE]
        sensitivity = {
            name: np.asarray(voltage.sensitivities[name]).reshape(-1)[rows] for name in self.sensitive
        }
        wear = {}
        if self.ageing:
            for name in WEAR_OUTPUTS:
                entries = solution[name].entries
                wear[name] = float(entries[-1] - entries[0])
        return DayResult(voltage_v=np.asarray(voltage.entries)[rows], wear=wear, sensitivity=sensitivity)


@lru_cache(maxsize=16)
def day_model(
    cell: ReferenceCell,
    segments: int,
    ageing: bool,
    electrolyte: bool = False,
    sensitive: tuple[str, ...] = (),
    porous: bool = False,
) -> DayModel:
    """The `DayModel` of these options, built once in a process."""
    return DayModel(
        cell,
        segments=segments,
        ageing=ageing,
        electrolyte=electrolyte,
        porous=porous,
        sensitive=sensitive,
    )
