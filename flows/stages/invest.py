"""Whether chargers that feed back pay, from what the fleet's own days earned. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

import numpy as np

from flows.context import Context
from flows.errors import NoAccountError
from flows.mapping.earned import Against, Earned, backtested, realised
from flows.money import Money
from flows.stages.record import StageResult
from optimize.market.invest.chances import Bar, Uncertain, drawn, quantiles, tornado
from optimize.market.invest.income import FEWEST_DAYS, Income, income
from optimize.market.invest.suppositions import Range, Supposition, suppositions
from optimize.market.invest.value import INCOME, Value

Source = Literal["realised", "backtest"]
NEVER, UNLIKELY = "never pays back", "more likely than not never pays back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """given: ranges by name, in the place of what is supposed, and of all that nothing is supposed of.
    chargers: None for as many as there were cars."""

    given: Mapping[str, Range]
    source: Source = "realised"
    against: Against = "ordered"
    strategy: str = "v2g"
    chargers: int | None = None
    draws: int = 20_000
    seed: int = 0


def invest(context: Context, asked: Asked) -> StageResult:
    """What is invested, its NPV and payback, and what they hang on most.

    Degraded, exit code 3, where cars are left out of days. Raises NoAccountError where there are too few
    days, which says how many and what makes them.
    """
    supposed = suppositions()
    known, zone = context.known, context.workspace.zone
    if asked.source == "realised":
        earned = realised(known, zone, asked.against)
    else:
        earned = backtested(known, zone, asked.against, asked.strategy)
    _require_days(earned, asked)
    of_year = income(
        earned.days["gain_eur"].to_numpy(dtype=np.float64),
        earned.days["cars"].to_numpy(dtype=np.float64),
        seed=asked.seed,
    )
    ranges: dict[str, Uncertain] = {**_ranges(supposed, asked.given), INCOME: of_year}
    chargers = asked.chargers or earned.cars
    came = drawn(chargers, ranges, draws=asked.draws, seed=asked.seed)
    money = context.workspace.money
    left_out = ", ".join(f"{name} on {days} of its days" for name, days in earned.left_out.items())
    tables = {
        "income": [_income_row(earned, of_year, asked)],
        "investment": [_value_row(chargers, came)],
        "tornado": [_bar_row(bar, supposed) for bar in tornado(chargers, ranges)],
        "suppositions": [_supposition_row(one, asked.given) for one in supposed.values()],
    }
    given = [_in_words(came, money), _of_days(earned), f"left out: {left_out}" if left_out else ""]
    return StageResult(
        stage="invest",
        status="degraded" if left_out else "ok",
        message="; ".join(filter(None, given)),
        exit_code=3 if left_out else 0,
        tables={name: money.rows(rows) for name, rows in tables.items()},
        details={"pays_back_share": _share(came)},
    )


def _require_days(earned: Earned, asked: Asked) -> None:
    days = len(earned.days)
    if days >= FEWEST_DAYS:
        return
    raise NoAccountError(
        f"{earned.source}: {days} days tell what V2G earned over {asked.against} charging; "
        f"at least {FEWEST_DAYS} are needed",
        hint="`v2g run` and `v2g realise --date DATE` account for days that followed a plan; `v2g backtest "
        f"--from DATE --to DATE --strategy {asked.strategy}` plans past days anew for --income backtest.",
    )


def _ranges(supposed: Mapping[str, Supposition], given: Mapping[str, Range]) -> dict[str, Range]:
    ranges = {name: given.get(name, one.default) for name, one in supposed.items()}
    return {name: one for name, one in ranges.items() if one is not None}


def _income_row(earned: Earned, of_year: Income, asked: Asked) -> dict[str, Any]:
    low, high = (float(end) for end in of_year.quantile(np.array([0.05, 0.95])))
    days = earned.days
    return {
        "source": earned.source,
        "over": asked.against,
        "first": str(days.index[0]),
        "last": str(days.index[-1]),
        "days": len(days),
        "lacking_days": earned.span_days - len(days),
        "car_days": int(days["cars"].sum()),
        "car_year_eur": of_year.eur,
        "car_year_low_eur": low,
        "car_year_high_eur": high,
        "more_in_store_kwh": float(days["stored_kwh"].sum()),
        "no_day_of": ", ".join(earned.quarters_missing) or None,
    }


def _value_row(chargers: int, came: Value) -> dict[str, Any]:
    row: dict[str, Any] = {"chargers": chargers}
    for name, figures, unit in (
        ("invested", came.invested_eur, "eur"),
        ("npv", came.npv_eur, "eur"),
        ("payback", came.payback_years, "years"),
    ):
        low, middle, high = (one if isfinite(one) else None for one in quantiles(figures))
        row |= {f"{name}_low_{unit}": low, f"{name}_{unit}": middle, f"{name}_high_{unit}": high}
    return {**row, "pays_back_share": _share(came), "answer": _answer(came)}


def _bar_row(bar: Bar, supposed: Mapping[str, Supposition]) -> dict[str, Any]:
    one = supposed.get(bar.name)
    return {
        "figure": bar.name,
        "unit": "€ a car and year" if one is None else one.unit,
        "at_low": bar.at_low,
        "at_high": bar.at_high,
        "npv_low_eur": bar.npv_low_eur,
        "npv_high_eur": bar.npv_high_eur,
        "swing_eur": bar.swing_eur,
    }


def _supposition_row(one: Supposition, given: Mapping[str, Range]) -> dict[str, Any]:
    own = given.get(one.name, one.default)
    supposed = one.name not in given
    return {
        "figure": one.name,
        "means": one.means,
        "low": None if own is None else own.low,
        "high": None if own is None else own.high,
        "unit": one.unit,
        "shape": one.shape,
        "source": one.source if supposed else "told",
        "year": one.year if supposed else None,
        "currency": one.currency if supposed else None,
    }


def _share(came: Value) -> float:
    return float(np.isfinite(came.payback_years).mean())


def _answer(came: Value) -> str:
    if not np.isfinite(came.payback_years).any():
        return NEVER
    return "pays back" if isfinite(quantiles(came.payback_years)[1]) else UNLIKELY


def _in_words(came: Value, money: Money) -> str:
    low, middle, high = (f"{money.of(one):.4g}" for one in quantiles(came.npv_eur))
    years = [f"{one:.3g}" if isfinite(one) else "never" for one in quantiles(came.payback_years)]
    answer = given = _answer(came)
    if answer not in (NEVER, UNLIKELY):
        given += f" in {years[1]} years ({years[0]} to {years[2]})"
    if answer != NEVER:
        given += f", within its life in {_share(came):.0%} of draws"
    return f"{given}; NPV {middle} {money.sign} ({low} to {high})"


def _of_days(earned: Earned) -> str:
    """How many days the income is of, and which quarters of a year it knows nothing of."""
    unseen = f", none of {', '.join(earned.quarters_missing)}" if earned.quarters_missing else ""
    return f"income of {len(earned.days)} days{unseen}"
