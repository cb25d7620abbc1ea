"""Answer a question about the fleet so that no owner can be told from it, once, within the year's budget.

The answer with its noise and what it cost are one row, written in one transaction that looks at the budget:
an answer that was not written was never shown, one that was written is the only one there is, and no two
processes can spend the same ε. What is asked is weighed before any figure of an owner is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from flows.context import Context
from flows.errors import UsageError
from flows.mapping.hashing import hash_values
from flows.mapping.owner_figures import UNITS, bounds_of, owner_figures
from flows.owners import by_owner, read_owners
from flows.plain import records
from flows.stages.record import StageResult
from flows.version import code_version
from optimize.errors import PrivacyError
from optimize.market.private import Noise, Question, Statistic, answer, noise_of

_SLACK = 1e-9
_SHOWN = (
    "month", "figure", "statistic", "value", "error_95", "least", "most", "owners", "epsilon", "budget",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A figure of a month over owners; tolerance: the largest error (95 %) that it is any good with."""

    figure: str
    statistic: Statistic
    month: date
    least: float
    most: float
    epsilon: float
    tolerance: float

    def identity(self, zone: str) -> str:
        """What makes it the same question: all but the tolerance."""
        return hash_values(
            [zone, self.figure, self.statistic, str(self.month), self.least, self.most, self.epsilon]
        )


def release(context: Context, asked: Asked) -> StageResult:
    """The stored answer of a question, or its first; raises UsageError where it cannot be given.

    Nothing is spent where the error with 95 % would exceed the tolerance, the year's budget does not hold ε,
    or the month is not over.
    """
    workspace = context.workspace
    question = asked.identity(workspace.zone)
    if stored := _stored(context, question):
        return _result(context, asked, stored, again=True)
    if bounds_of(asked.month, workspace.zone)[1] > context.as_of:
        raise UsageError(
            f"--month {asked.month:%Y-%m} is not over: its answer would be of a part of it for good"
        )
    fleet = context.known.read("core_battery", columns=["battery_id"])["battery_id"].astype(str)
    owners = len(set(by_owner(read_owners(workspace.root), fleet).values()))
    meant, noise = _weighed(asked, owners)
    _require_budget(context, asked, _spent(context, asked.month.year))
    figures = owner_figures(context, asked.figure, asked.month)
    middle = (asked.least + asked.most) / 2
    counted = [middle if one is None or not math.isfinite(one) else one for _, one in sorted(figures.items())]
    row = _row(context, asked, question, meant, noise, answer(meant, counted, noise))

    def guard(read: Any) -> bool:
        spent = _sum(read("out_private_release", {"year": asked.month.year}))
        known = not read("out_private_release", {"question": question}).empty
        return not known and spent + asked.epsilon <= _budget(context) + _SLACK

    if not workspace.warehouse.write({"out_private_release": pd.DataFrame([row])}, guard=guard):
        if stored := _stored(context, question):
            return _result(context, asked, stored, again=True)
        _require_budget(context, asked, _spent(context, asked.month.year))
    return _result(context, asked, _stored(context, question) or row, again=False)


def releases(context: Context) -> StageResult:
    """Every answer that was given, and what is left of each year's budget."""
    rows = records(context.workspace.warehouse.read("out_private_release"))
    budget = _budget(context)
    years = sorted({row["year"] for row in rows})
    spent = {year: sum(row["epsilon"] for row in rows if row["year"] == year) for year in years}
    return StageResult(
        stage="privacy budget",
        status="ok",
        message=f"{len(rows)} answers; ε of {budget:g} a year",
        tables={
            "years": [
                {"year": year, "spent": spent[year], "left": max(0.0, budget - spent[year])} for year in years
            ],
            "answers": [_shown(row) for row in rows],
        },
    )


def _weighed(asked: Asked, owners: int) -> tuple[Question, Noise]:
    """The mechanism; raises UsageError where its error is too large to be of use."""
    try:
        meant = Question(
            statistic=asked.statistic,
            owners=owners,
            least=asked.least,
            most=asked.most,
            epsilon=asked.epsilon,
        )
        noise = noise_of(meant)
    except PrivacyError as error:
        raise UsageError(str(error)) from error
    _require_accuracy(asked, noise.error_95)
    return meant, noise


def _require_accuracy(asked: Asked, error_95: float) -> None:
    if error_95 > asked.tolerance:
        raise UsageError(
            f"with 95 % the answer would be off by up to {error_95:.4g} {UNITS[asked.figure]}, more than "
            f"--tolerance {asked.tolerance:g}: nothing was spent. A larger ε, narrower bounds or more owners "
            "help"
        )


def _require_budget(context: Context, asked: Asked, spent: float) -> None:
    left = _budget(context) - spent
    if asked.epsilon > left + _SLACK:
        raise UsageError(
            f"--epsilon {asked.epsilon:g}: of the ε = {_budget(context):g} of {asked.month.year} there is "
            f"{max(0.0, left):.4g} left; nothing was spent"
        )


def _budget(context: Context) -> float:
    return context.workspace.settings.privacy.epsilon_per_year


def _spent(context: Context, year: int) -> float:
    # What was spent is spent, as of whatever moment.
    return _sum(context.workspace.warehouse.read("out_private_release", where={"year": year}))


def _sum(rows: pd.DataFrame) -> float:
    return math.fsum(rows["epsilon"].tolist())


def _stored(context: Context, question: str) -> dict[str, Any] | None:
    rows = records(context.workspace.warehouse.read("out_private_release", where={"question": question}))
    return rows[0] if rows else None


def _row(
    context: Context, asked: Asked, question: str, meant: Question, noise: Noise, value: float
) -> dict[str, Any]:
    return {
        "question": question,
        "zone": context.workspace.zone,
        "year": asked.month.year,
        "month": asked.month,
        "figure": asked.figure,
        "statistic": asked.statistic,
        "least": asked.least,
        "most": asked.most,
        "owners": meant.owners,
        "epsilon": asked.epsilon,
        "budget": _budget(context),
        "scale": noise.scale,
        "error_95": noise.error_95,
        "value": value,
        "run_id": context.run_id,
        "as_of_utc": pd.Timestamp(context.as_of),
        "input_hash": question,  # a hash of the figures would tell of them
        "code_version": code_version(),
    }


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in _SHOWN},
        "month": f"{row['month']:%Y-%m}",
        "unit": UNITS[row["figure"]],
    }


def _result(context: Context, asked: Asked, row: dict[str, Any], *, again: bool) -> StageResult:
    if again:
        _require_accuracy(asked, row["error_95"])
    unit = "" if UNITS[asked.figure] == "1" else f" {UNITS[asked.figure]}"
    left = _budget(context) - _spent(context, asked.month.year)
    parts = [
        f"{asked.statistic} of {asked.figure} over {row['owners']} owners in {asked.month:%Y-%m}: "
        f"{row['value']:.6g}{unit}, with 95 % within ± {row['error_95']:.4g}{unit}",
        f"each owner counted with {asked.least:g} to {asked.most:g}{unit}",
        f"ε = {row['epsilon']:g}, {'answered before: nothing was spent' if again else 'spent'}; "
        f"{max(0.0, left):.4g} of {asked.month.year} left",
    ]
    return StageResult(
        stage="privacy release",
        status="ok",
        message="; ".join(parts),
        details={**_shown(row), "again": again, "epsilon_left": max(0.0, left)},
    )
