"""Plans that rest on rows which a person has withdrawn since they were made."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd

from warehouse.known import Known

PRICED = frozenset({"prices", "tariffs"})
"""Datasets without which a plan is no better than none."""


def unfounded_plans(
    known: Known, plan_ids: Sequence[str], datasets: Collection[str] | None = PRICED
) -> frozenset[str]:
    """Return those of some plans of which a row that they used has been withdrawn since.

    datasets: of which rows count, None: all that a plan reads.
    """
    used = known.read("out_plan_source", where={"plan_id": list(plan_ids)}) if plan_ids else None
    if used is None or used.empty:
        return frozenset()
    names = [str(one) for one in used["dataset"].unique() if datasets is None or one in datasets]
    parts = [known.withdrawn(name).assign(dataset=name) for name in names]
    gone = pd.concat(parts) if parts else used.head(0)
    if gone.empty:
        return frozenset()
    both = used.merge(gone, on=["dataset", "source_id"])
    since = both["decided_utc"] > both["as_of_utc"]
    hit = both.loc[since & both["source_row"].between(both["first_row"], both["last_row"]), "plan_id"]
    return frozenset(hit.astype(str))
