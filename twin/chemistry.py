"""Cell chemistries as data: which PyBaMM set, what is borrowed from where, nominal ageing rates.

The sets come with PyBaMM or stand in `twin.parameters`, and keep their citations. None of them holds
everything that ageing needs: graphite mechanics and SEI values that a set lacks are borrowed from OKane2022
and listed in ``borrowed``, so that a report can say so. The nominal ageing rates are priors. They are tuned
so that a reference duty (``REFERENCE_DUTY`` in `twin.duty`) reaches 80 % of fresh capacity after
``reference_life_days``, SEI and active material each having taken about half of the loss; `tests/twin`
recomputes that life.

To add a chemistry:

1. Name a set in an entry of ``CHEMISTRIES``: one of PyBaMM's, or measured values put into
   `twin.parameters`; list in ``borrowed`` whatever SEI and mechanics it lacks, or holds as a stand-in: an
   activation energy of 0.
2. Choose the two SEI constants and the two LAM constants so that `tests/twin/test_twin_life.py` finds the
   reference life, and about twice that for each pair alone (all four times k: the life over k), and the
   activation energies so that LAM at 35 °C equals that at 25 °C. Every test of the twin that goes through
   all chemistries has to hold; they tune nothing, they tell what the entry gives.
3. Set ``life_form_sd`` and ``wear_form_sd`` to what ``python -m tests.benchmarks.twin_structure NAME``
   measures. No test asks for it.
4. Add the name to ``CHEMISTRIES`` of `warehouse/contracts/inputs.py` and its resting voltages to
   ``CELL_BOUNDS`` of `data_checks/cells.py`; ``python -m tests.warehouse.layouts`` writes the dictionary.

A BPX file can be read by ``pybamm.ParameterValues.create_from_bpx``, which needs the package ``bpx`` (1.0 or
later, not among the dependencies) and brings neither SEI nor mechanics: both would have to be borrowed.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from twin.errors import ChemistryError

_GRAPHITE_MECHANICS = (
    "Negative electrode Poisson's ratio",
    "Negative electrode Young's modulus [Pa]",
    "Negative electrode reference concentration for free of deformation [mol.m-3]",
    "Negative electrode partial molar volume [m3.mol-1]",
    "Negative electrode volume change",
    "Negative electrode critical stress [Pa]",
    "Negative electrode LAM constant exponential term",
)
_CATHODE_MECHANICS = tuple(name.replace("Negative", "Positive") for name in _GRAPHITE_MECHANICS)
_SEI = (
    "Ratio of lithium moles to SEI moles",
    "SEI partial molar volume [m3.mol-1]",
    "SEI resistivity [Ohm.m]",
    "SEI open-circuit potential [V]",
    "EC initial concentration in electrolyte [mol.m-3]",
    "SEI growth activation energy [J.mol-1]",
    "Lithium metal partial molar volume [m3.mol-1]",
)
_ELECTROLYTE = ("Electrolyte diffusivity [m2.s-1]", "Electrolyte conductivity [S.m-1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chemistry:
    """One cell chemistry.

    ``sei_kinetic_m_per_s`` and ``sei_diffusivity_m2_per_s`` are the "ec reaction limited" SEI model's rate
    constants (Yang et al., J. Power Sources 360, 2017); their ratio sets the bend from linear to square-root
    growth. ``lam_negative_per_s`` and ``lam_positive_per_s`` are the constants of stress-driven loss of
    active material (Reniers et al., J. Electrochem. Soc. 166, 2019). All four are priors, multiplied by
    fitted factors per battery.

    Diffusion quickens with heat, which would let stress and the loss of material with it fall without limit:
    above 25 °C the ``lam_*_activation_j_per_mol`` cancel that, so that heat, which feeds the SEI, is never a
    gain. Below 25 °C the stress of the cold is left as it is.

    ``graphite_diffusion_j_per_mol``: activation energy of diffusion in graphite instead of the set's own,
    where that one was not measured: the stress of the cold goes with it, and loss with the stress squared.

    ``family``: of the cathode; published laws of this family weigh more (`twin.ensemble.laws`), all weigh
    alike where there are none.

    ``rare``: few packs are of it; a pack whose declared chemistry is doubted is not supposed to be.

    ``life_form_sd``, ``wear_form_sd``: by how much L0 and β move with the form of the model, as standard
    deviations of their logarithms; measured by ``python -m tests.benchmarks.twin_structure``.
    """

    name: str
    label: str
    family: str
    parameter_set: str
    citation: str
    borrowed_from: str
    borrowed: tuple[str, ...]
    sei_kinetic_m_per_s: float
    sei_diffusivity_m2_per_s: float
    lam_negative_per_s: float
    lam_positive_per_s: float
    lam_negative_activation_j_per_mol: float
    lam_positive_activation_j_per_mol: float
    life_form_sd: float
    wear_form_sd: float
    initial_sei_m: float = 20e-9
    reference_life_days: float = 4383.0
    graphite_diffusion_j_per_mol: float | None = None
    rare: bool = False


CHEMISTRIES: Mapping[str, Chemistry] = MappingProxyType(
    {
        "nmc811": Chemistry(
            name="nmc811",
            label="NMC811 / graphite-SiOx",
            family="nmc",
            parameter_set="OKane2022",
            citation="Chen et al. 2020 (LG M50); O'Kane et al. 2022",
            borrowed_from="",
            borrowed=(),
            sei_kinetic_m_per_s=2.241e-17,
            sei_diffusivity_m2_per_s=2.388e-21,
            lam_negative_per_s=1.194e-5,
            lam_positive_per_s=1.488e-5,
            lam_negative_activation_j_per_mol=58.7e3,
            lam_positive_activation_j_per_mol=45.5e3,
            life_form_sd=0.001,
            wear_form_sd=0.174,
        ),
        "nmc532": Chemistry(
            name="nmc532",
            label="NMC532 / graphite",
            family="nmc",
            parameter_set="Mohtat2020",
            # The set's 42.8 kJ/mol of graphite diffusion are Dualfoil's default; OKane2022 has Ecker's, too.
            citation="Mohtat et al. 2020 (UMBL pouch cell); activation energy of graphite diffusion of Ecker "
            "et al. 2015, J. Electrochem. Soc. 162 A1836",
            borrowed_from="OKane2022",
            borrowed=(*_GRAPHITE_MECHANICS, *_CATHODE_MECHANICS, "SEI growth activation energy [J.mol-1]"),
            sei_kinetic_m_per_s=4.151e-18,
            sei_diffusivity_m2_per_s=3.244e-22,
            lam_negative_per_s=8.991e-6,
            lam_positive_per_s=3.516e-5,
            lam_negative_activation_j_per_mol=59.2e3,
            lam_positive_activation_j_per_mol=31.4e3,
            life_form_sd=0.003,
            wear_form_sd=0.185,
            graphite_diffusion_j_per_mol=30.3e3,
        ),
        "nca": Chemistry(
            name="nca",
            label="NCA / graphite",
            family="nca",
            parameter_set="NCA_Kim2011",
            citation="Kim et al. 2011",
            borrowed_from="OKane2022",
            borrowed=(*_GRAPHITE_MECHANICS, *_CATHODE_MECHANICS, *_SEI),
            sei_kinetic_m_per_s=1.713e-18,
            sei_diffusivity_m2_per_s=2.218e-23,
            lam_negative_per_s=2.242,
            lam_positive_per_s=6.524e-4,
            lam_negative_activation_j_per_mol=7.0e3,
            lam_positive_activation_j_per_mol=35.0e3,
            life_form_sd=0.020,
            wear_form_sd=0.084,
        ),
        "lfp": Chemistry(
            name="lfp",
            label="LFP / graphite",
            family="lfp",
            parameter_set="Prada2013",
            # The set has LG M50's graphite but for its diffusivity, at which this power cell would give 85 %
            # of its charge at 1C and 40 % at 5C, cold or warm: that of the same graphite gives 98 and 93 %.
            citation="Prada et al. 2013 (A123 26650), without ageing data; diffusion in graphite of Chen et "
            "al. 2020, whose graphite the set has",
            borrowed_from="OKane2022",
            borrowed=(
                *_GRAPHITE_MECHANICS,
                *_CATHODE_MECHANICS,
                *_SEI,
                "Negative particle diffusivity [m2.s-1]",
            ),
            sei_kinetic_m_per_s=1.594e-17,
            sei_diffusivity_m2_per_s=1.486e-21,
            lam_negative_per_s=2.966e-5,
            lam_positive_per_s=2.835e-9,
            lam_negative_activation_j_per_mol=59.1e3,
            lam_positive_activation_j_per_mol=-6.8e3,
            life_form_sd=0.001,
            wear_form_sd=0.190,
        ),
        "nmc111": Chemistry(
            name="nmc111",
            label="NMC111 / graphite",
            family="nmc",
            parameter_set="About:Energy NMC111",
            citation="About:Energy 2022 (12.5 Ah pouch cell, example of BPX), without ageing data",
            borrowed_from="OKane2022",
            borrowed=(*_GRAPHITE_MECHANICS, *_CATHODE_MECHANICS, *_SEI, *_ELECTROLYTE),
            sei_kinetic_m_per_s=4.977e-16,
            sei_diffusivity_m2_per_s=3.981e-20,
            lam_negative_per_s=3.720e-5,
            lam_positive_per_s=2.801e-3,
            lam_negative_activation_j_per_mol=58.5e3,
            lam_positive_activation_j_per_mol=26.2e3,
            life_form_sd=0.002,
            wear_form_sd=0.180,
            rare=True,
        ),
        "lmo": Chemistry(
            name="lmo",
            label="LMO-NMC blend / graphite",
            family="lmo",
            parameter_set="Doyle1996 LMO blend",
            citation="Doyle et al. 1996 (spinel), 70 % of the charge, with About:Energy's NMC111, anode and "
            "kinetics; no such cell was measured",
            borrowed_from="OKane2022",
            borrowed=(*_GRAPHITE_MECHANICS, *_CATHODE_MECHANICS, *_SEI, *_ELECTROLYTE),
            sei_kinetic_m_per_s=4.854e-16,
            sei_diffusivity_m2_per_s=3.883e-20,
            lam_negative_per_s=3.696e-5,
            lam_positive_per_s=1.130e-3,
            lam_negative_activation_j_per_mol=58.6e3,
            lam_positive_activation_j_per_mol=22.1e3,
            life_form_sd=0.002,
            wear_form_sd=0.180,
            rare=True,
        ),
        "lco": Chemistry(
            name="lco",
            label="LCO / graphite",
            family="lco",
            parameter_set="Ai2020",
            # Other activation energies of the set are Dualfoil's 5 kJ/mol: cold hardly slows this cell.
            citation="Ai et al. 2020 (Enertech pouch cell); activation energy of graphite diffusion of Ecker "
            "et al. 2015, J. Electrochem. Soc. 162 A1836",
            borrowed_from="OKane2022",
            borrowed=("SEI growth activation energy [J.mol-1]",),
            sei_kinetic_m_per_s=5.912e-16,
            sei_diffusivity_m2_per_s=4.730e-20,
            lam_negative_per_s=2.743e-5,
            lam_positive_per_s=8.056e-6,
            lam_negative_activation_j_per_mol=59.0e3,
            lam_positive_activation_j_per_mol=8.1e3,
            life_form_sd=0.002,
            wear_form_sd=0.180,
            graphite_diffusion_j_per_mol=30.3e3,
            rare=True,
        ),
    }
)


def chemistry(name: str) -> Chemistry:
    """Return the chemistry called ``name``; ChemistryError names the nearest known one."""
    try:
        return CHEMISTRIES[name]
    except KeyError:
        near = difflib.get_close_matches(name, CHEMISTRIES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ChemistryError(
            f"unknown chemistry {name!r}: known are {', '.join(CHEMISTRIES)}{hint}"
        ) from None
