"""What the form of the model moves: `python -m tests.benchmarks.twin_structure [CHEMISTRY …]`.

L0 and β are computed by the twin's form (SPM, stress-driven loss with the square of the stress) and by
others: SPMe, and loss with other powers of the stress, brought to the same loss on the ordinary day, which is
where a calibration would bring them. Root mean square of the logarithms of their ratios over climates and
duties: `twin.chemistry` holds it as ``life_form_sd`` (SPMe) and ``wear_form_sd`` (both powers; SPMe moves β
by less than 2 %).
"""

from __future__ import annotations

import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from tests.benchmarks.data import benchmark_parser
from twin.cell import day_model, reference_cell
from twin.chemistry import CHEMISTRIES
from twin.duty import REFERENCE_DUTY, StandardDuty
from twin.health import Array, Health
from twin.life import Factors, life_days
from twin.rates import Rates, rate_model, solve_rates

CLIMATES_DEGC = (10.0, 25.0)
POWER, POWER_SD = 2.0, 0.5  # of the stress: the twin's, and what reported fits leave open to either side
X_SHARE = 0.2  # of nominal capacity, V2G of one cycle
AGED_FADE = 0.1


def duties() -> list[StandardDuty]:
    """Ordinary days in each climate, at two charging powers."""
    return [
        replace(REFERENCE_DUTY, temperature_degc=degc, charge_c_rate=rate)
        for degc in CLIMATES_DEGC
        for rate in (0.12, 0.25)
    ]


@contextmanager
def stress_power(name: str, power: float) -> Iterator[None]:
    """Give the stress of both electrodes another power than the twin's, in every model built within."""
    if power == POWER:
        yield
        return
    keys = [f"{side} electrode LAM constant exponential term" for side in ("Negative", "Positive")]
    reference_cell(name).parameter_values.update(dict.fromkeys(keys, power))
    day_model.cache_clear()
    try:
        yield
    finally:
        reference_cell(name).parameter_values.update(dict.fromkeys(keys, POWER))
        day_model.cache_clear()


def pair(name: str, duty: StandardDuty, health: Health, *, electrolyte: bool) -> tuple[Rates, Rates]:
    """Rates of the ordinary day and of the same with V2G."""
    days = (duty.profile(), duty.profile(v2g_ah_share=X_SHARE, cycles=1))
    plain, v2g = (solve_rates(reference_cell(name), day, health, electrolyte=electrolyte) for day in days)
    return plain, v2g


def as_calibrated(rates: tuple[Rates, Rates], standard: Rates) -> tuple[Rates, Rates]:
    """Both days scaled so that the ordinary one wears as ``standard`` does."""
    ratio = [s / r for s, r in zip(standard.values(), rates[0].values(), strict=True)]
    names = ("sei_m", "eps_n", "eps_p", "lam_lithium_ah")
    plain, v2g = (
        Rates(**{n: v * k for n, v, k in zip(names, one.values(), ratio, strict=True)}) for one in rates
    )
    return plain, v2g


def study(name: str) -> dict[str, Array]:
    """ln of L0 and of β against the twin's form, by form, over the duties."""
    cell, circuit = reference_cell(name), reference_cell(name).circuit
    end = (0.8 + AGED_FADE) * circuit.fresh_capacity_ah
    unit = Factors(sei=np.ones(1), lam=np.ones(1))
    start = cell.fresh.row()
    found: dict[str, list[tuple[float, float]]] = {}
    bases = [rate_model(cell, duty.profile()) for duty in duties()]
    ours = [pair(name, duty, cell.fresh, electrolyte=False) for duty in duties()]

    def lives(i: int, rates: tuple[Rates, Rates]) -> tuple[float, float]:
        l0, less = (float(life_days(bases[i].scaled(r, ours[i][0]), start, unit, end)[0]) for r in rates)
        return l0, (l0 / less - 1) / X_SHARE

    def note(form: str, i: int, rates: tuple[Rates, Rates]) -> None:
        l0, beta = lives(i, ours[i])
        other_l0, _ = lives(i, rates)
        _, other_beta = lives(i, as_calibrated(rates, ours[i][0]))
        found.setdefault(form, []).append((np.log(other_l0 / l0), np.log(other_beta / beta)))

    for i, duty in enumerate(duties()):
        note("SPMe", i, pair(name, duty, cell.fresh, electrolyte=True))
    for power in (POWER - POWER_SD, POWER + POWER_SD):
        with stress_power(name, power):
            for i, duty in enumerate(duties()):
                other = pair(name, duty, cell.fresh, electrolyte=False)
                note(f"stress^{power:g}", i, as_calibrated(other, ours[i][0]))
    return {form: np.array(rows) for form, rows in found.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("twin_structure", __doc__)
    parser.add_argument("chemistry", nargs="*", metavar="CHEMISTRY", help=", ".join(CHEMISTRIES))
    names = parser.parse_args(arguments).chemistry or list(CHEMISTRIES)
    if unknown := set(names) - set(CHEMISTRIES):
        parser.error(f"no chemistry {', '.join(sorted(unknown))}; there are {', '.join(CHEMISTRIES)}")
    table = Table(title="Root mean square of ln(other form / twin's form)", title_justify="left")
    for column in ("chemistry", "form", "L0", "β"):
        table.add_column(column, justify="right")
    for name in names:
        for form, rows in study(name).items():
            life, beta = np.sqrt((rows**2).mean(axis=0))
            table.add_row(name, form, f"{life:.3f}", f"{beta:.3f}")
    Console(file=sys.stdout).print(table)


if __name__ == "__main__":
    main()
