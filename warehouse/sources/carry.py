"""A value that is reported more slowly than the others: the last one stands for those that are missing."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

CARRIED_MINUTES: Mapping[str, Mapping[str, float]] = {"telemetry": {"temperature_degc": 30.0}}
"""Dataset → column → how old the value may be, unless a mapping says otherwise; a pack warms slowly."""


def carried(
    dataset: str, frame: pd.DataFrame, minutes: Mapping[str, float]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return rows with missing values of some columns filled from the battery's last row that has one.

    minutes: column → how old that value may be; its age is reported in a note. What is older sessions
    missing.
    """
    wanted = {**CARRIED_MINUTES.get(dataset, {}), **minutes}
    lacking = [name for name, most in wanted.items() if most > 0 and frame[name].isna().any()]
    lacking = [name for name in lacking if frame[name].notna().any()]
    if not lacking:
        return frame, ()
    owner = pd.factorize(frame["battery_id"])[0]
    known = (frame["time_utc"].notna() & frame["battery_id"].notna()).to_numpy()
    moment = frame["time_utc"].astype("int64").to_numpy() / 60e6
    order = np.lexsort((moment, owner))
    order = order[known[order]]
    owner, moment = owner[order], moment[order]
    filled, notes = {}, []
    for name in lacking:
        values = frame[name].to_numpy(dtype="float64").copy()
        own = values[order]
        last = np.maximum.accumulate(np.where(np.isnan(own), -1, np.arange(own.size)))
        age = np.where((last >= 0) & (owner[last] == owner), moment - moment[last], np.inf)
        stands = np.isnan(own) & (age <= wanted[name])
        if stands.any():
            values[order[stands]] = own[last[stands]]
            filled[name] = values
            notes.append(
                f"{name} of {int(stands.sum())} rows is the last one announced before, at most "
                f"{age[stands].max():.3g} min old (allowed: {wanted[name]:g})"
            )
    return frame.assign(**filled), tuple(notes)
