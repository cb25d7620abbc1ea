"""What V2G earned on past days, net of wear: of the accounts of followed plans, or of a back-test.

What reserve paid is in it. It is counted against another way of charging, each with what it had itself left
in the batteries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from flows.mapping.past import FOLLOWED
from warehouse.known import Known

Against = Literal["ordered", "uncontrolled"]
V2G = "v2g"
_OF_A_CAR = ("mode", "battery_id", "energy_cost_eur", "wear_eur", "stored_kwh", "reserve_income_eur")
_QUARTERS = {1: "January to March", 2: "April to June", 3: "July to September", 4: "October to December"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Earned:
    """days: by market_date in order: gain_eur of all cars, how many cars, stored_kwh more. cars: how many
    different ones; source: what they come from; left_out: cars, and on how many days they had no account."""

    source: str
    days: pd.DataFrame
    cars: int
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def span_days(self) -> int:
        """Days from the first to the last, with those that lack."""
        return (self.days.index[-1] - self.days.index[0]).days + 1 if len(self.days) else 0

    @property
    def quarters_missing(self) -> list[str]:
        """The quarters of a year that no day is of."""
        covered = {(day.month - 1) // 3 + 1 for day in self.days.index}
        return [stated for quarter, stated in _QUARTERS.items() if quarter not in covered]


def realised(known: Known, zone: str, against: Against) -> Earned:
    """Of the newest account of each day, from the first day on that followed a V2G plan.

    Days since then count as they came, also where charging alone was followed. A car without both ways of
    charging on a day is left out of that day alone.
    """
    by = ["zone", "market_date"]
    heads = known.newest("out_realised", by=by, where={"zone": zone}, columns=[*by, "followed_modes"])
    modes = heads["followed_modes"].astype(str).str.split(", ")
    first = heads.loc[[V2G in names for names in modes], "market_date"].min() if len(heads) else None
    rows = known.newest("out_realised_car", by=by, where={"zone": zone}, columns=[*by, *_OF_A_CAR])
    rows = rows[rows["market_date"] >= first] if first is not None and not pd.isna(first) else rows[:0]
    reserve = rows["reserve_income_eur"].fillna(0.0).astype(float)  # what is not known of it is in no day
    rows = rows.assign(eur=reserve - rows["energy_cost_eur"] - rows["wear_eur"])
    keys = ["market_date", "battery_id"]
    own, other = (
        rows.loc[rows["mode"] == mode, [*keys, "eur", "stored_kwh"]].set_index(keys)
        for mode in (FOLLOWED, against)
    )
    more = (own - other).rename(columns={"eur": "gain_eur"}).assign(cars=1.0)
    whole = np.isfinite(more.to_numpy(dtype=np.float64)).all(axis=1)
    lacks, more = more[~whole], more[whole]
    names = lacks.index.get_level_values("battery_id").value_counts().sort_index()
    return Earned(
        source="realised",
        days=more.groupby(level="market_date").sum().sort_index(),
        cars=more.index.get_level_values("battery_id").nunique(),
        left_out={str(name): int(days) for name, days in names.items()},
    )


def backtested(known: Known, zone: str, against: Against, strategy: str) -> Earned:
    """Of the back-test with most days of a strategy; of such the one with the latest days."""
    rows = known.read("out_backtest", where={"zone": zone, "strategy": strategy})
    if rows.empty:
        return Earned(source=f"back-test of {strategy}", days=rows.set_index("market_date"), cars=0)
    runs = rows.groupby("run_id")["market_date"].agg(["count", "max"]).reset_index()
    run_id = runs.sort_values(["count", "max", "run_id"])["run_id"].iloc[-1]
    own = rows[rows["run_id"] == run_id].set_index("market_date").sort_index()
    days = pd.DataFrame(
        {
            "gain_eur": own["eur"] - own[f"{against}_eur"],
            "stored_kwh": own["stored_kwh"] - own[f"{against}_stored_kwh"],
            "cars": own["batteries"].astype(float),
        }
    )
    finite = np.isfinite(days.to_numpy(dtype=np.float64)).all(axis=1) & (days["cars"] > 0).to_numpy()
    days = days[finite]
    cars = int(days["cars"].max()) if len(days) else 0
    return Earned(source=f"back-test {run_id} of {strategy}", days=days, cars=cars)
