"""A day's account in a course → the rows of out_backtest of the strategies that are read from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd

from flows.backtest.course import Span, context_of
from flows.backtest.strategies import Strategy
from flows.backtest.wear import twins_word
from flows.mapping.hashing import hash_values
from flows.mapping.rungs import RUNGS
from flows.plain import records
from flows.version import code_version
from flows.workspace import Workspace

_RUNGS: Sequence[str] = RUNGS
_SUMMED = ("stored_kwh", "missed", "energy_cost_eur", "wear_eur", "import_kwh", "export_kwh", "v2g_kwh")


def rows_of(
    own: Workspace, run_id: str, span: Span, day: date, strategies: Sequence[Strategy], notes: str
) -> pd.DataFrame:
    """The rows of a day; none where it has no account. own: the workspace that the course was planned in.

    The twin is asked where the span says so.
    """
    where: dict[str, Any] = {"zone": span.zone, "market_date": day}
    accounts = own.warehouse.newest("out_realised", by=list(where), where=where)
    if accounts.empty:
        return pd.DataFrame()
    header = records(accounts.tail(1))[0]
    plans = own.warehouse.read("out_plan", where={"plan_id": str(header["plan_ids"]).split(", ")})
    cars = own.warehouse.read("out_realised_car", where={"realised_id": header["realised_id"]})
    modes = {str(mode): _total(rows) for mode, rows in cars.groupby("mode")}
    word = twins_word(context_of(own, span.judged(day)), day) if span.twin else None
    note = "; ".join(filter(None, [header["note"], notes])) or None
    return pd.DataFrame(
        {
            **where,
            "strategy": one.name,
            "first_date": span.first,
            "every_minutes": span.every_minutes,
            **{name: header[name] for name in ("batteries", "slots", "planned_slots")},
            "plan_source": max(plans["plan_source"].astype(str), key=_RUNGS.index),
            **modes[one.counted],
            **{
                f"{mode}_{figure}": modes[mode][figure]
                for mode in ("uncontrolled", "ordered")
                for figure in ("eur", "stored_kwh", "missed")
            },
            "wear_error_eur": word.error_eur[one.counted] if word and word.batteries else None,
            "twin_batteries": word.batteries if word else 0,
            "note": note,
            "run_id": run_id,
            "as_of_utc": pd.Timestamp(header["as_of_utc"]),
            "input_hash": hash_values([run_id, one.name, header["input_hash"]]),
            "code_version": code_version(),
        }
        for one in strategies
    )


def _total(cars: pd.DataFrame) -> Mapping[str, float | int]:
    """The sums over the cars of a way of charging."""
    sums = cars[[*_SUMMED, "departures", "promised_energy_cost_eur", "promised_wear_eur"]].sum()
    total: dict[str, float | int] = {name: float(sums[name]) for name in _SUMMED}
    total |= {name: int(sums[name]) for name in ("missed", "departures")}
    total["eur"] = -float(sums["energy_cost_eur"] + sums["wear_eur"])
    total["promised_eur"] = -float(sums["promised_energy_cost_eur"] + sums["promised_wear_eur"])
    return total
