"""Plans that rest on prices which a person has withdrawn since: nothing better than none."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from warehouse.known import Known

_PRICED = ("prices", "tariffs")


def unfounded_plans(known: Known, plan_ids: Sequence[str]) -> frozenset[str]:
    """Return those of some plans of which a row of prices or tariffs that they used counts no more."""
    gone = pd.concat([known.withdrawn(dataset).assign(dataset=dataset) for dataset in _PRICED])
    if gone.empty or not plan_ids:
        return frozenset()
    used = known.read("out_plan_source", where={"plan_id": list(plan_ids), "dataset": list(_PRICED)})
    both = used.merge(gone, on=["dataset", "source_id"])
    hit = both.loc[both["source_row"].between(both["first_row"], both["last_row"]), "plan_id"]
    return frozenset(hit.astype(str))
