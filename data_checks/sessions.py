"""Written checks of sessions: a car is plugged in at one place at a time, and what is asked can be done."""

import numpy as np
import pandas as pd

from data_checks.owners import Owners
from data_checks.packs import Packs
from data_checks.types import Mask, RowFinding, ScopeFinding

LONGEST_STAY = pd.Timedelta(days=90)
_REACH_TOLERANCE = 0.02
"""Of the pack's energy: rounded states of charge ask for a little more than there is time for."""


def endless(frame: pd.DataFrame) -> RowFinding:
    """Find stays of more than 90 days: a date mistyped, or a plug-out that was never told."""
    stay = frame["departure_utc"] - frame["arrival_utc"]
    return RowFinding(
        rule="stay",
        column="departure_utc",
        reason=f"departure_utc is more than {LONGEST_STAY.days} days after arrival_utc",
        positions=np.flatnonzero((stay > LONGEST_STAY).to_numpy()),
    )


def overlapping(frame: pd.DataFrame, owners: Owners, usable: Mask) -> RowFinding:
    """Find sessions that overlap another one of their battery and file; nobody can say which is right."""
    positions = np.flatnonzero(usable)
    arrival, departure = (
        frame[name].astype("int64").to_numpy()[positions] for name in ("arrival_utc", "departure_utc")
    )
    group = owners.group[positions]
    order = np.lexsort((departure, arrival, group))
    arrival, departure, group = arrival[order], departure[order], group[order]
    wrong = np.zeros(order.size, dtype=bool)
    latest = 0  # the session of this battery that ends last, so far
    for i in range(1, order.size):
        if group[i] != group[latest]:
            latest = i
            continue
        if arrival[i] < departure[latest]:
            wrong[i] = wrong[latest] = True
        if departure[i] > departure[latest]:
            latest = i
    return RowFinding(
        rule="overlap",
        column="arrival_utc",
        reason="the session overlaps another one of this battery in the file",
        positions=np.sort(positions[order[wrong]]),
    )


def beyond_reach(frame: pd.DataFrame, owners: Owners, packs: Packs, usable: Mask) -> list[ScopeFinding]:
    """Warn of departures with more charge than the pack may hold or the charger can bring in the time."""
    hours = (frame["departure_utc"] - frame["arrival_utc"]).dt.total_seconds().to_numpy() / 3600.0
    asked = frame["departure_soc"].to_numpy() - frame["arrival_soc"].to_numpy()
    speed = packs.figure("charge_limit_kw") / packs.figure("nominal_energy_kwh")
    above = frame["departure_soc"].to_numpy() > packs.figure("soc_max")
    late = asked > speed * hours + _REACH_TOLERANCE
    return [
        *owners.outcomes(
            "above_soc_max", "warning", np.flatnonzero(above & usable),
            "departure_soc is above soc_max, which the plan does not go beyond",
        ),
        *owners.outcomes(
            "reach", "warning", np.flatnonzero(late & usable),
            "departure_soc is out of reach of the charger in the time of the stay",
        ),
    ]  # fmt: skip
