"""Published semi-empirical laws of ageing: loss of capacity by time at charge and warmth, and by cycles.

Every law is the sum of two powers, k_cal · t^z of days and k_cyc · N^z of equivalent full cycles: shares of
the new cell's capacity. Its coefficients hold for the cells that it was fitted to; the twin keeps their form,
and their size as a belief about other cells (`twin.ensemble.fit`). A day whose stress varies adds up in the
differential form of the law, dQ = z · k^(1/z) · Q^(1 − 1/z): what counts is the mean of k^(1/z).

Few were fitted to fast charging in the cold, where lithium is plated: what cycles wear there is made more by
`plating`, but for laws that say so themselves.

"refit" marks coefficients that NREL's BLAST-Lite (BSD-3-Clause) gives for published data, in place of the
publication's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from twin.duty import plating_share
from twin.ensemble.stress import Stress
from twin.health import Array

GAS = 8.314
_REFERENCE_K = 298.15
_LEAST = 1e-12  # of a coefficient: a day at rest cycles nothing
_PLATING_J_PER_MOL = 28.9e3  # 0.30 eV
_COLDER_K, _MORE = 10.0, 1.1  # a law has plating if its cycles wear that much more this much colder
Calendar = Callable[[float, Array], Array]
Cycling = Callable[[Stress], Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """One law: ``calendar(kelvin, soc)`` and ``cycling(stress)`` are k_cal and k_cyc of each discharge.

    ``family``: of the cathode; ``source``: where coefficients and data come from.
    """

    family: str
    source: str
    calendar: Calendar
    cycling: Cycling
    z_calendar: float
    z_cycling: float

    def progress(self, stress: Stress) -> tuple[float, float]:
        """What a day adds to both parts: loss is the z-th power of the sum over days."""
        at_rest = np.maximum(self.calendar(stress.kelvin, stress.soc), _LEAST)
        calendar = float((at_rest ** (1 / self.z_calendar)).mean())
        return calendar, self._cycled(stress) * (1.0 if self._has_plating(stress) else plating(stress))

    def _cycled(self, stress: Stress) -> float:
        cycled = np.maximum(self.cycling(stress), _LEAST) ** (1 / self.z_cycling)
        return float((cycled * stress.depth).sum())

    def _has_plating(self, stress: Stress) -> bool:
        """Whether the law itself says that such days wear more in the cold."""
        mild = replace(stress, kelvin=_REFERENCE_K)
        return self._cycled(replace(mild, kelvin=_REFERENCE_K - _COLDER_K)) > _MORE * self._cycled(mild)


def _arrhenius(kelvin: float, joule_per_mol: float) -> float:
    return float(np.exp(-joule_per_mol / GAS * (1 / kelvin - 1 / _REFERENCE_K)))


def plating(stress: Stress) -> float:
    """How many times as much a cycle wears by lithium plated in the cold.

    Below 25 °C wear of cycles quickens with the cold by 0.30 eV (Waldmann et al., J. Power Sources 262,
    2014), as far as charging is fast enough to plate at all (`twin.duty.plating_share`).
    """
    cold = 1 / _arrhenius(min(stress.kelvin, _REFERENCE_K), _PLATING_J_PER_MOL)
    return 1 + plating_share(stress.charge_c_rate) * (cold - 1)


def graphite_v(soc: Array) -> Array:
    """Potential [V] of graphite by state of charge (Safari and Delacourt, J. Electrochem. Soc. 158, 2011)."""
    x = 0.0085 + np.clip(soc, 0.0, 1.0) * (0.78 - 0.0085)
    return np.asarray(
        0.6379
        + 0.5416 * np.exp(-305.5309 * x)
        + 0.044 * np.tanh(-(x - 0.1958) / 0.1088)
        - 0.1978 * np.tanh((x - 1.0571) / 0.0854)
        - 0.6875 * np.tanh((x + 0.0117) / 0.0529)
        - 0.0175 * np.tanh((x - 0.5692) / 0.0875)
    )


_NMC_SOC = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
_NMC_V = np.array([3.331, 3.491, 3.581, 3.627, 3.655, 3.697, 3.774, 3.869, 3.965, 4.073, 4.162])


def _nmc_v(soc: Array) -> Array:
    """Open-circuit voltage of the Sanyo UR18650E (Ecker et al., J. Power Sources 248, 2014)."""
    return np.asarray(np.interp(soc, _NMC_SOC, _NMC_V))


def _refit(size: float, kelvin_slope: float, soc_slope: float) -> Callable[[float, Array], Array]:
    return lambda kelvin, soc: size * np.exp((kelvin_slope + soc_slope * soc) / kelvin)


def _wang2014_cycling(stress: Stress) -> Array:
    kelvin = stress.kelvin
    warmth = max(8.61e-6 * kelvin**2 - 5.125e-3 * kelvin + 0.7629, 1e-5)
    return np.asarray(0.01 * 3.0 * warmth * np.exp((-6.7e-3 * kelvin + 2.35) * stress.c_rate))


def _denso_calendar(kelvin: float, soc: Array) -> Array:
    by_soc = -0.000197 + 0.0101 * soc - 0.0157 * soc**2 + 0.00835 * soc**3 - 4.06e-6 * soc * kelvin
    return np.asarray(
        _arrhenius(kelvin, 37000.0) * np.maximum(by_soc + 3.32e-5 * max(0.0, kelvin - 328.15), 1e-5)
    )


def _denso_cycling(stress: Stress) -> Array:
    kelvin, depth = stress.kelvin, stress.depth
    strain = np.sqrt(depth * stress.charge_c_rate)
    cold = 3.24 * _arrhenius(kelvin, -58000.0) * strain * (1 + 2.1 * stress.soc.mean()) - 0.099
    growth = _denso_calendar(kelvin, np.array([stress.soc.mean()]))[0]
    return np.asarray(
        0.985 * growth * (np.maximum(cold, 0.0) + 1.44 * _arrhenius(kelvin, -13000.0) * depth**6)
    )


def _b1_calendar(kelvin: float, soc: Array) -> Array:
    warmth = kelvin / 328.15
    return np.asarray(36.2 * np.exp(-4.4 / warmth**3 * np.cbrt(graphite_v(soc) / 0.123)) / 1e4**0.708)


def _b1_cycling(stress: Stress) -> Array:
    strain = stress.depth**2 * (stress.kelvin / 328.15) ** 3 * np.sqrt(stress.c_rate)
    return np.asarray(0.844 * strain**0.458 / 1e5**0.467)


def _kokam_calendar(kelvin: float, soc: Array) -> Array:
    warmth = kelvin / 308.15
    return np.asarray(2.66e7 * np.exp((-17.8 - 5.21 * graphite_v(soc) / 0.123) / warmth))


def _kokam_cycling(stress: Stress) -> Array:
    return np.asarray(3.8e3 * np.exp(-18.4 * 308.15 / stress.kelvin + 1.04 * np.exp(stress.depth**2)))


def _naumann_calendar(kelvin: float, soc: Array) -> Array:
    per_root_day = 1.2571e-5 * 86400**0.5
    return np.asarray(per_root_day * _arrhenius(kelvin, 17126.0) * (2.8575 * (soc - 0.5) ** 3 + 0.60225))


def _wang2011_cycling(stress: Stress) -> Array:
    energy = 31700.0 - 370.3 * stress.c_rate
    return np.asarray(0.01 * 31630.0 * np.exp(-energy / (GAS * stress.kelvin)) * 2.2**0.55)


LAWS: dict[str, Law] = {
    "schmalstieg2014": Law(
        family="nmc",
        source="Sanyo UR18650E; Schmalstieg et al., J. Power Sources 257, 2014",
        calendar=lambda kelvin, soc: (7.543e6 * _nmc_v(soc) - 23.75e6) * np.exp(-6976.0 / kelvin),
        cycling=lambda s: (
            (7.348e-3 * (_nmc_v(s.mid_soc) - 3.667) ** 2 + 7.6e-4 + 4.081e-3 * s.depth) * 4.3**0.5
        ),
        z_calendar=0.75,
        z_cycling=0.5,
    ),
    "everlasting2020": Law(
        family="nmc",
        source="LG MJ1 (NMC811, SiOx); refit of EVERLASTING report D2.3, 2020",
        calendar=_refit(0.0353, -1.03e3, 57.7),
        cycling=lambda s: (
            (1.77e-7 + 8.08e-13 * s.c_rate + 2.21e-7 * s.depth)
            * (np.exp(2.25e3 / s.kelvin) + np.exp(-1.14e4 / s.kelvin))
        ),
        z_calendar=0.743,
        z_cycling=0.695,
    ),
    "smith2017": Law(
        family="nmc",
        source="Kokam 75 Ah; refit of Smith et al., American Control Conference, 2017; sites not limiting",
        calendar=_kokam_calendar,
        cycling=_kokam_cycling,
        z_calendar=0.357,
        z_cycling=0.778,
    ),
    "gasper2023-nmc": Law(
        family="nmc",
        source="cell NMC-Gr B1, 50 Ah; refit of Gasper et al., J. Energy Storage 73 109042, 2023",
        calendar=_b1_calendar,
        cycling=_b1_cycling,
        z_calendar=0.708,
        z_cycling=0.467,
    ),
    "smith2021": Law(
        family="nmc",
        source="DENSO 50 Ah, NMC622; Smith et al., J. Electrochem. Soc. 168 100530, 2021; without break-in",
        calendar=_denso_calendar,
        cycling=_denso_cycling,
        z_calendar=0.5,
        z_cycling=0.5,
    ),
    "wang2014": Law(
        family="nmc",
        source="1.5 Ah NMC and LMO; Wang et al., J. Power Sources 269, 2014; b and c of its warmth with one "
        "digit more than usually quoted (which would be < 0 at 25 °C): not verified against the paper",
        calendar=lambda kelvin, soc: np.full(
            np.shape(soc), 148.76 * np.exp(-24500.0 / (GAS * kelvin)), dtype=float
        ),
        cycling=_wang2014_cycling,
        z_calendar=0.5,
        z_cycling=1.0,
    ),
    "keil-preger": Law(
        family="nca",
        source="Panasonic 18650B; refit of Keil et al., J. Electrochem. Soc. 163 A1872, 2016, and Preger et "
        "al., J. Electrochem. Soc. 167 120532, 2020",
        calendar=_refit(75.4, -3.34e3, 353.0),
        cycling=lambda s: 2.0 * (1.86e-6 + 4.74e-11 * s.c_rate + 1.77e-4 * s.depth),
        z_calendar=0.512,
        z_cycling=0.699,
    ),
    "braco2020": Law(
        family="lmo",
        source="Nissan Leaf modules in second life; refit of Braco et al., J. Energy Storage 32 101695, 2020",
        calendar=_refit(3.25e8, -7.58e3, 162.0),
        cycling=lambda s: np.full(len(s.depth), 7.58e-5),
        z_calendar=0.464,
        z_cycling=1.08,
    ),
    "naumann2020": Law(
        family="lfp",
        source="Sony US26650FTC1; Naumann et al., J. Energy Storage 17, 2018; J. Power Sources 451, 2020",
        calendar=_naumann_calendar,
        cycling=lambda s: 0.01 * (0.0630 * s.c_rate + 0.0971) * (4.0253 * (s.depth - 0.6) ** 3 + 1.0923),
        z_calendar=0.5,
        z_cycling=0.5,
    ),
    "wang2011": Law(
        family="lfp",
        source="A123 26650; cycling of Wang et al., J. Power Sources 196, 2011, which is without rest: "
        "calendar of Naumann et al., J. Energy Storage 17, 2018",
        calendar=_naumann_calendar,
        cycling=_wang2011_cycling,
        z_calendar=0.5,
        z_cycling=0.55,
    ),
    "gasper2023-lfp": Law(
        family="lfp",
        source="prismatic, 250 Ah; refit of Gasper et al., J. Energy Storage 73 109042, 2023",
        calendar=lambda kelvin, soc: 8.37e4 * np.exp((-5.21e3 - 3.56e3 * graphite_v(soc)) / kelvin),
        cycling=lambda s: (4.38e-8 + 1.55e-8 * s.depth + 1.68e-7 * s.c_rate) * np.exp(2.19e3 / s.kelvin),
        z_calendar=0.526,
        z_cycling=0.828,
    ),
}
"""By name; the chemistry of a battery weighs them, and leaves none out."""
