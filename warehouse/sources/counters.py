"""A counter that only ever rises → what flows, by difference over time.

A row's flow is the mean from the middle of the time since the row before to the middle of that to the one
after, which is the stretch that a sample stands for: what is added up of it is what was counted. Where the
counter goes back it began anew, and nothing is reported of that stretch; nor of one that is longer than may
be.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What flows in each row [a counter's unit an hour], NaN where nothing tells.

    resets: rows in which the counter had gone back. gaps: how many stretches were too long.
    """

    rate: pd.Series
    resets: NDArray[np.intp]
    gaps: int


def flow_of(counted: pd.Series, times: pd.Series, owner: pd.Series | None, longest_s: float) -> Flow:
    """Return the flow that a counter tells; owner: whose each row is, None: all are of one."""
    whose = np.zeros(len(counted), dtype=np.int64) if owner is None else pd.factorize(owner)[0]
    frame = pd.DataFrame({"whose": whose, "time": times.to_numpy(), "counted": counted.to_numpy()})
    frame["row"] = np.arange(len(frame))
    rows = frame.dropna(subset=["time", "counted"]).sort_values(["whose", "time", "row"], kind="stable")
    last = rows.drop_duplicates(["whose", "time"], keep="last")
    seconds = last["time"].diff().dt.total_seconds().to_numpy()
    moved = last["counted"].diff().to_numpy()
    same = last["whose"].diff().to_numpy() == 0
    back, long = same & (moved < 0), same & (seconds > longest_s)
    known = same & ~back & ~long
    charge = np.append(np.where(known, moved, 0.0), 0.0)
    length = np.append(np.where(known, seconds, 0.0), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = _HOUR_S * (charge[:-1] + charge[1:]) / (length[:-1] + length[1:])
    at = pd.DataFrame({"whose": last["whose"], "time": last["time"], "rate": rate})
    values = (
        rows[["whose", "time", "row"]].merge(at, on=["whose", "time"], how="left").set_index("row")["rate"]
    )
    return Flow(
        rate=values.reindex(range(len(frame))).reset_index(drop=True).astype("float64"),
        resets=last["row"].to_numpy()[back],
        gaps=int((long & ~back).sum()),
    )
