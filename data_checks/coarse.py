"""Written checks of SoC and power, which is all that most clouds give: power against the pack and the charge.

Power in W for kW, or with its sign turned, cannot be with the charge that is displayed; where too little was
charged or driven to see that, it is said.
"""

import numpy as np
import pandas as pd

from data_checks.charge import SCALE, judged, too_coarse
from data_checks.owners import Owners
from data_checks.packs import Floats, Packs
from data_checks.series import Series
from data_checks.telemetry import POWER_PER_ENERGY
from data_checks.types import Mask, RowFinding, ScopeFinding


def beyond_pack(frame: pd.DataFrame, packs: Packs) -> RowFinding:
    """Find rows whose power is beyond 15 kW per kWh of the pack and 1.5 times its charger."""
    charger = np.fmax(packs.figure("charge_limit_kw"), packs.figure("discharge_limit_kw"))
    limit = np.fmax(POWER_PER_ENERGY * packs.figure("nominal_energy_kwh"), 1.5 * charger)
    return RowFinding(
        rule="power",
        column="power_kw",
        reason=f"power_kw is more than {POWER_PER_ENERGY:g} kW per kWh of the pack: W?",
        positions=np.flatnonzero(np.abs(frame["power_kw"].to_numpy()) > limit),
    )


def against_soc(frame: pd.DataFrame, owners: Owners, packs: Packs, usable: Mask) -> list[RowFinding]:
    """Find whole batteries of a file whose power_kw cannot be with soc_reported."""
    series = Series.of(frame, owners).only(usable)
    groups, ratio = judged(series, *_flow_and_soc(frame, packs, series))
    found = []
    for rule, wrong, reason in (
        ("power_sign", ratio < -1 / SCALE, "power_kw has the wrong sign in the whole file: + is charge"),
        (
            "energy",
            (np.abs(ratio) <= 1 / SCALE) | (ratio > SCALE),
            f"power_kw moves under 1/{SCALE:g} or over {SCALE:g} times the energy that soc_reported tells: "
            "wrong unit or dead sensor",
        ),
    ):
        rows = np.flatnonzero(np.isin(owners.group, groups[wrong]))
        found.append(RowFinding(rule=rule, column="power_kw", reason=reason, positions=rows, whole=True))
    return found


def unseen(frame: pd.DataFrame, owners: Owners, packs: Packs, usable: Mask) -> list[ScopeFinding]:
    """Tell of batteries whose power's sign and unit could not be held against the charge."""
    series = Series.of(frame, owners).only(usable)
    return too_coarse("power_sign", owners, series, *_flow_and_soc(frame, packs, series))


def _flow_and_soc(frame: pd.DataFrame, packs: Packs, series: Series) -> tuple[Floats, Floats]:
    flow = series.values(frame["power_kw"]) / series.values(packs.figure("nominal_energy_kwh"))
    return np.nan_to_num(flow), series.values(frame["soc_reported"])
