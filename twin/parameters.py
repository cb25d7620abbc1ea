"""Parameter sets that PyBaMM does not come with: measured values from the literature, in PyBaMM's names.

They hold what was measured of a cell; what ageing needs besides, and the electrolyte, a chemistry borrows
(`twin.chemistry`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Any

import numpy as np
import pybamm

_FARADAY_C_PER_MOL, _GAS_J_PER_MOL_K, _REFERENCE_K = 96485.33212, 8.314462618, 298.15
_ELECTROLYTE_MOL_PER_M3 = 1000.0
_NMC_MOL_PER_M3, _NMC_FULL = 46200.0, 0.42424


def _arrhenius(joule_per_mol: float, kelvin: Any) -> Any:
    return np.exp(joule_per_mol / _GAS_J_PER_MOL_K * (1 / _REFERENCE_K - 1 / kelvin))


def _diffusivity(m2_per_s: float, joule_per_mol: float) -> Callable[[Any, Any], Any]:
    def at(_: Any, kelvin: Any) -> Any:
        return m2_per_s * _arrhenius(joule_per_mol, kelvin)

    return at


def _exchange_current(
    mol_per_m2_s: float, joule_per_mol: float, c_e: Any, c_surface: Any, c_most: Any, kelvin: Any
) -> Any:
    """Exchange current density [A.m-2] of a reaction rate as BPX has it, all concentrations relative."""
    share = c_surface / c_most
    rate = _FARADAY_C_PER_MOL * mol_per_m2_s * _arrhenius(joule_per_mol, kelvin)
    return rate * ((c_e / _ELECTROLYTE_MOL_PER_M3) * share * (1 - share)) ** 0.5


def _graphite_v(x: Any) -> Any:
    return (
        9.47057878e-01 * np.exp(-1.59418743e02 * x)
        - 3.50928033e04
        + 1.64230269e-01 * np.tanh(-4.55509094e01 * (x - 3.24116012e-02))
        + 3.69968491e-02 * np.tanh(-1.96718868e01 * (x - 1.68334476e-01))
        + 1.91517003e04 * np.tanh(3.19648312 * (x - 1.85139824))
        + 5.42448511e04 * np.tanh(-3.19009848 * (x - 2.01660395))
    )


def _nmc111_v(y: Any) -> Any:
    return (
        -3.04420906 * y
        + 10.04892207
        - 0.65637536 * np.tanh(-4.02134095 * (y - 0.80063948))
        + 4.24678547 * np.tanh(12.17805062 * (y - 7.57659337))
        - 0.3757068 * np.tanh(59.33067782 * (y - 0.99784492))
    )


# About:Energy 2022, 12.5 Ah pouch cell taken apart; published with the BPX standard (MIT licence),
# examples/nmc_pouch_cell_BPX.json. Active volume is the surface given there times a third of the radius.
_NMC111: Mapping[str, Any] = MappingProxyType(
    {
        "Nominal cell capacity [A.h]": 12.5,
        "Current function [A]": 12.5,
        "Lower voltage cut-off [V]": 2.7,
        "Upper voltage cut-off [V]": 4.2,
        "Open-circuit voltage at 0% SOC [V]": 2.7,
        "Open-circuit voltage at 100% SOC [V]": 4.2,
        "Reference temperature [K]": _REFERENCE_K,
        "Ambient temperature [K]": _REFERENCE_K,
        "Initial temperature [K]": _REFERENCE_K,
        # The area of one of the electrode pairs, whose shape nothing asks for.
        "Electrode height [m]": 0.016808,
        "Electrode width [m]": 1.0,
        "Number of electrodes connected in parallel to make a cell": 34.0,
        "Number of cells connected in series to make a battery": 1.0,
        "Contact resistance [Ohm]": 0.0,
        "Initial concentration in electrolyte [mol.m-3]": _ELECTROLYTE_MOL_PER_M3,
        "Cation transference number": 0.2594,
        "Thermodynamic factor": 1.0,
        "Negative electrode thickness [m]": 56.2e-6,
        "Negative particle radius [m]": 4.12e-6,
        "Negative electrode active material volume fraction": 499522 * 4.12e-6 / 3,
        "Negative electrode porosity": 0.253991,
        "Negative electrode conductivity [S.m-1]": 0.222,
        "Negative electrode Bruggeman coefficient (electrolyte)": 1.5,
        "Negative electrode Bruggeman coefficient (electrode)": 0.0,
        "Maximum concentration in negative electrode [mol.m-3]": 29730.0,
        "Initial concentration in negative electrode [mol.m-3]": 0.75668 * 29730.0,
        "Negative particle diffusivity [m2.s-1]": _diffusivity(2.728e-14, 30e3),
        "Negative electrode exchange-current density [A.m-2]": partial(_exchange_current, 5.199e-6, 55e3),
        "Negative electrode OCP [V]": _graphite_v,
        "Negative electrode OCP entropic change [V.K-1]": 0.0,
        "Positive electrode thickness [m]": 52.3e-6,
        "Positive particle radius [m]": 4.6e-6,
        "Positive electrode active material volume fraction": 432072 * 4.6e-6 / 3,
        "Positive electrode porosity": 0.277493,
        "Positive electrode conductivity [S.m-1]": 0.789,
        "Positive electrode Bruggeman coefficient (electrolyte)": 1.5,
        "Positive electrode Bruggeman coefficient (electrode)": 0.0,
        "Maximum concentration in positive electrode [mol.m-3]": _NMC_MOL_PER_M3,
        "Initial concentration in positive electrode [mol.m-3]": _NMC_FULL * _NMC_MOL_PER_M3,
        "Positive particle diffusivity [m2.s-1]": _diffusivity(3.2e-14, 15e3),
        "Positive electrode exchange-current density [A.m-2]": partial(_exchange_current, 2.305e-5, 35e3),
        "Positive electrode OCP [V]": _nmc111_v,
        "Positive electrode OCP entropic change [V.K-1]": 0.0,
        "Separator thickness [m]": 20e-6,
        "Separator porosity": 0.47,
        "Separator Bruggeman coefficient (electrolyte)": 1.5,
    }
)

# Manganese spinel of Doyle et al., J. Electrochem. Soc. 143, 1890, 1996, blended with the NMC above as
# carmakers did: 70 % of the charge is the spinel's, both always at one potential, and the electrode is as
# much thicker as the blend holds less. Particles, kinetics and anode are the NMC cell's.
_SPINEL_MOL_PER_M3, _SPINEL_VOLUME = 22860.0, 0.75
_BLEND_MOL_PER_M3 = _SPINEL_VOLUME * _SPINEL_MOL_PER_M3 + (1 - _SPINEL_VOLUME) * _NMC_MOL_PER_M3
_BLEND_THICKNESS_M = 65.2e-6


def _spinel_v(y: Any) -> Any:
    return (
        4.19829
        + 0.0565661 * np.tanh(-14.5546 * y + 8.60942)
        - 0.0275479 * ((0.998432 - y) ** -0.492465 - 1.90111)
        - 0.157123 * np.exp(-0.04738 * y**8)
        + 0.810239 * np.exp(-40 * (y - 0.133875))
    )


def _blend_holds(potential_v: Any) -> Any:
    """How full the blend is at a potential."""
    spinel, nmc = np.linspace(0.0, 0.99843, 20_000), np.linspace(0.0, 1.1, 20_000)
    y_spinel = np.interp(-potential_v, -_spinel_v(spinel), spinel)
    y_nmc = np.interp(-potential_v, -_nmc111_v(nmc), nmc)
    held = _SPINEL_VOLUME * _SPINEL_MOL_PER_M3 * y_spinel + (1 - _SPINEL_VOLUME) * _NMC_MOL_PER_M3 * y_nmc
    return held / _BLEND_MOL_PER_M3


@cache
def _blend_table() -> tuple[np.ndarray, np.ndarray]:
    falling_v = np.linspace(6.0, 2.7, 20_000)
    held = np.asarray(_blend_holds(falling_v))
    nodes = np.linspace(held[0], held[-1], 400)
    # Emptier than at 6 V it is never: the table goes on so that the potential falls throughout.
    return np.append(0.0, nodes), np.append(7.0, np.interp(nodes, held, falling_v))


def _blend_v(y: Any) -> Any:
    return pybamm.Interpolant(*_blend_table(), y, interpolator="linear")


_LMO_NMC: Mapping[str, Any] = MappingProxyType(
    {
        **_NMC111,
        "Positive electrode thickness [m]": _BLEND_THICKNESS_M,
        "Maximum concentration in positive electrode [mol.m-3]": _BLEND_MOL_PER_M3,
        "Initial concentration in positive electrode [mol.m-3]": _BLEND_MOL_PER_M3
        * float(_blend_holds(_nmc111_v(_NMC_FULL))),
        "Positive electrode OCP [V]": _blend_v,
    }
)

SETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"About:Energy NMC111": _NMC111, "Doyle1996 LMO blend": _LMO_NMC}
)


def parameter_values(name: str) -> Any:
    """Return a new copy of the set called ``name``: one of `SETS`, else PyBaMM's."""
    return pybamm.ParameterValues(dict(SETS[name]) if name in SETS else name)
