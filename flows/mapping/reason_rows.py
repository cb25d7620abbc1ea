"""Why cars do what a plan says, as the rows of out_plan_reason."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from optimize.types import DayProblem, ModePlan
from optimize.why import Otherwise, Reason, reasons


def reason_rows(problem: DayProblem, plan: ModePlan) -> pd.DataFrame:
    """The rows of the mode that is followed, without plan_id and lineage; none where no car is plugged in."""
    starts = problem.slots
    ends = starts + pd.Timedelta(hours=problem.slot_hours)
    return pd.DataFrame([_row(one, starts, ends) | {"mode": plan.mode} for one in reasons(problem, plan)])


def _row(one: Reason, starts: pd.DatetimeIndex, ends: pd.DatetimeIndex) -> dict[str, Any]:
    known, instead = not math.isnan(one.worth_eur), one.instead
    return {
        "battery_id": one.battery_id,
        "interval_start_utc": starts[one.first],
        "interval_end_utc": ends[one.end - 1],
        "action": one.action,
        "lowest_kwh": one.lowest_kwh,
        "highest_kwh": one.highest_kwh,
        "wear_eur_per_kwh": one.wear_eur_per_kwh,
        "worth_eur": one.worth_eur if known else None,
        "worth_exact": one.exact if known else None,
        "instead": instead.does if instead else None,
        "instead_kwh": instead.kwh if instead else None,
        "instead_utc": starts[instead.slot] if instead and instead.slot >= 0 else None,
        **_otherwise("charge", one.charge, starts),
        **_otherwise("feed", one.feed, starts),
        "unknown": one.unknown or None,
    }


def _otherwise(way: str, one: Otherwise | None, starts: pd.DatetimeIndex) -> dict[str, Any]:
    return {
        f"{way}_eur_per_kwh": one.eur_per_kwh if one else None,
        f"{way}_exact": one.exact if one else None,
        f"{way}_utc": starts[one.slot] if one else None,
    }
