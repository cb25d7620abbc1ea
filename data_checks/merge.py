"""Rows of out_check of the parts of a frame, as those of the whole."""

from collections.abc import Mapping, Sequence

import pandas as pd

from data_checks.emptied import reported_together
from data_checks.types import EVERYTHING
from data_checks.verdict import SEPARATOR
from warehouse.contracts import CONTRACTS, conform


def combined_checks(parts: Sequence[pd.DataFrame], judged: Sequence[Mapping[str, int]] = ()) -> pd.DataFrame:
    """Put the checks of parts (at least one) together: counts add up, reasons once.

    judged: owner → rows that were judged of it, part by part (`CheckReport.judged`), where an owner may be in
    several parts: one that tells nothing of an owner has found its rows good.
    """
    contract = CONTRACTS["out_check"]
    rows = pd.concat([*parts, *_silent(parts, judged)], ignore_index=True)
    merged = rows.groupby(list(contract.key), as_index=False, sort=False).agg(
        severity=("severity", "first"),
        passed=("passed", "all"),
        rows_checked=("rows_checked", "sum"),
        rows_failed=("rows_failed", "sum"),
        message=("message", _reported_once),
        as_of_utc=("as_of_utc", "first"),
    )
    return conform(merged, contract)


def _silent(parts: Sequence[pd.DataFrame], judged: Sequence[Mapping[str, int]]) -> list[pd.DataFrame]:
    """Return for each owner that a part does not tell of, and another does, its rows there as good ones."""
    if sum(len(one) for one in judged) == len({owner for one in judged for owner in one}):
        return []  # nobody is in several parts
    frame = pd.concat(parts, ignore_index=True)
    frame = frame[frame["scope"] != EVERYTHING].drop_duplicates(["dataset", "rule", "scope"])
    found = []
    for part, sizes in zip(parts, judged, strict=True):
        own = frame[frame["scope"].isin(list(sizes))]
        there = pd.MultiIndex.from_frame(part[["rule", "scope"]])
        lacking = own[~pd.MultiIndex.from_frame(own[["rule", "scope"]]).isin(there)]
        rows = lacking["scope"].map(sizes).astype("int64")
        found.append(lacking.assign(passed=True, rows_checked=rows, rows_failed=0, message=""))
    return found


def _reported_once(messages: pd.Series) -> str:
    reasons = [reason for message in messages for reason in message.split(SEPARATOR) if reason]
    return SEPARATOR.join(sorted(reported_together(reasons)))
