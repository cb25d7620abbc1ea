"""What forecasts say that their bands hold, and how their scores are shown: by target, hour and week."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from flows.mapping.pool import SIZES
from flows.plain import records

LOW, MIDDLE, HIGH = 0.05, 0.5, 0.95
"""The quantiles of prices; of the pool the first two."""
SESSION_LOW, SESSION_HIGH = 0.1, 0.9
"""The quantiles of what is foreseen of a session."""
SAID: Mapping[str, float] = {
    "price": HIGH - LOW,
    **dict.fromkeys(SIZES, 1.0 - LOW),
    **dict.fromkeys(("arrival", "departure", "need"), SESSION_HIGH - SESSION_LOW),
}
"""Target → the share of what comes that its band is said to hold."""
_PARTS = {"hour": "hour", "week": "week", "told": "probability"}
_TITLES = {
    "all": "scores", "hour": "by hour", "week": "by week", "told": "probability of plugging in",
}  # fmt: skip


def score_tables(scores: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """A line a target of what holds for all days, and one an hour, week and probability.

    scores: target, part, metric, value, days of out_forecast_score, of one report.
    """
    tables: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for one in records(scores):
        kind, _, which = one["part"].partition(" ")
        lines = tables.setdefault(_TITLES[kind], {})
        part = {_PARTS[kind]: which} if which else {}
        head = {"target": one["target"], **part, "days": one["days"]}
        lines.setdefault((one["target"], one["part"]), head)[one["metric"]] = one["value"]
    return {
        title: records(pd.DataFrame(list(tables[title].values())))
        for title in _TITLES.values()
        if title in tables
    }
