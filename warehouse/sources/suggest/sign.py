"""Which way a current counts: next to the charge that the car reports."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_LEAST_WINDOWS = 4
_LEAST_CORRELATION = 0.7
_STEP = 0.005
"""Of the range of the charge that is seen: smaller changes are a display's last digit."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """+1 where a positive flow charges, −1 where it discharges, 0 where that cannot be determined; and why.

    per_soc: how much flows, in the unit of the flow times hours, for one unit of charge; NaN likewise.
    """

    way: Literal[-1, 0, 1]
    reason: str
    per_soc: float = np.nan


def sign_of(moments: pd.Series, owner: pd.Series, flow: Floats, soc: Floats) -> Sign:
    """Return which way a flow counts.

    moments: naive times. owner: whose row each is. flow: current or power. soc: in any unit.
    """
    charges, rises = list[float](), list[float]()
    frame = pd.DataFrame({"t": moments, "owner": owner, "flow": flow, "soc": soc}).dropna()
    span = float(frame["soc"].max() - frame["soc"].min()) if len(frame) else 0.0
    if span <= 0.0:
        return Sign(way=0, reason="there is no charge next to it that moves")
    for _, own in frame.sort_values("t").groupby("owner"):
        hours = own["t"].diff().dt.total_seconds().to_numpy() / 3600.0
        usual = float(np.nanmedian(hours)) if len(own) > 1 else 0.0
        values, level = own["flow"].to_numpy(), own["soc"].to_numpy()
        step = np.where(hours <= max(4.0 * usual, 0.2), 0.5 * (values + np.roll(values, 1)) * hours, np.nan)
        last, total, broken = 0, 0.0, False
        for at in range(1, len(own)):
            broken |= not np.isfinite(step[at])
            total += 0.0 if broken else step[at]
            if abs(level[at] - level[last]) > max(20 * _STEP * span, 0.0) or broken:
                if not broken:
                    charges.append(total)
                    rises.append(float(level[at] - level[last]))
                last, total, broken = at, 0.0, False
    if len(charges) < _LEAST_WINDOWS:
        return Sign(way=0, reason="the charge next to it moves too little to tell")
    flows, steps = np.array(charges), np.array(rises)
    size = float(np.sqrt((flows**2).sum() * (steps**2).sum()))
    agreement = float((flows * steps).sum()) / size if size > 0 else 0.0
    if abs(agreement) < _LEAST_CORRELATION:
        reason = (
            f"next to the charge it goes both ways (agreement {agreement:.2f} in {len(charges)} stretches)"
        )
        return Sign(way=0, reason=reason)
    way: Literal[-1, 1] = 1 if agreement > 0 else -1
    words = "rises with it" if way > 0 else "falls with it"
    return Sign(
        way=way,
        reason=f"the charge {words} in {len(charges)} stretches (agreement {agreement:.2f})",
        per_soc=abs(float((flows * steps).sum() / (steps**2).sum())),
    )
