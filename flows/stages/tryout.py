"""What would come of files: read and checked as `ingest` and `check` do, all faults reported, nothing
written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_checks import CheckReport, check_frame
from data_checks.duplicates import repeated, rivals_of
from flows.context import Context
from flows.mapping.open_sessions import lack_their_end
from flows.problem import problem_of
from flows.stages.check import check_context
from flows.stages.ingest import after, how_to_read, not_declared, read_file, with_source
from flows.stages.record import StageResult
from warehouse.contracts import conform, dataset_contract, ingested_contract
from warehouse.errors import SourceError, UnknownIdError, printable, together
from warehouse.sources import Received, SourceFile, received_as
from warehouse.sources.faults import Faults

_SHOWN_ROWS = 20
"""Rows of one file that are reported one by one for a reason, to a person; a program is told all of them."""
_MOST_ROWS = 10_000
_OPEN = "a session without an end yet: it is held back, and its car is planned as long as it can be there"
_WHOLE = {"refused": 0, "set aside": 1, "repeated": 2, "warning": 3, "note": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """What would come of one file: its faults as rows, whether it goes in, what the checks would let in."""

    file: str
    faults: list[dict[str, Any]]
    rows: int = 0
    good: int = 0
    code: int = 0


def dry_run(
    context: Context, dataset: str, files: Sequence[Path], *, every_row: bool = False, **how: Any
) -> StageResult:
    """Tell everything that is wrong with files, each in turn; how: as `ingest`. Nothing is written.

    every_row: whether each row is reported, and not the first twenty for a reason. The exit code is what
    `ingest` would answer, else what `check` would. Raises NoPlanError for sessions without cars.
    """
    stated, source = how.get("received"), str(how.get("source", "csv"))
    if not isinstance(stated, Received):
        stated = received_as(stated, how.get("delay_minutes"), dataset)
    how = how_to_read(
        context, source, how.get("zone"), dict(how.get("options") or {}), follow=True, received=stated
    )
    tried = list[_Tried]()
    for file in files:
        one, item = _tried(context, dataset, file, source, how)
        tried.append(one)
        how = how if item is None else after(how, item)
    most = _MOST_ROWS if every_row else _SHOWN_ROWS
    faults = [row for one in tried for row in _shown(one.faults, most)]
    code = max((one.code for one in tried), key=lambda code: (code == 4, code), default=0)
    bad = [one for one in tried if one.code]
    partly = any(row["what"] in ("set aside", "warning") for row in faults)
    summary = [
        {
            "file": one.file, "rows": one.rows, "would be let in": one.good,
            "outcome": "refused" if one.code and not one.good else "fails" if one.code else "taken",
            "faults": sum(row["what"] != "note" for row in one.faults),
        }
        for one in tried
    ]  # fmt: skip
    return StageResult(
        stage="dry run",
        status="failed" if bad else "degraded" if partly else "ok",
        message=_message(tried),
        exit_code=code,
        tables={"files": summary, "faults": faults},
        details={"dataset": dataset, "written": False},
    )


def _message(tried: Sequence[_Tried]) -> str:
    count = sum(row["what"] != "note" for one in tried for row in one.faults)
    if not count:
        noted = any(row["what"] == "note" for one in tried for row in one.faults)
        return f"nothing is wrong{' but what the notes tell' * noted}; nothing was written"
    return f"{count} faults; nothing was written"


def _shown(faults: list[dict[str, Any]], most: int) -> Iterator[dict[str, Any]]:
    """Yield at most so many rows for each reason, the last of them with how many follow."""
    reasons: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in faults:
        reasons.setdefault((row["what"], row["column"], row["reason"]), []).append(row)
    for rows in reasons.values():
        yield from rows[:most]
        if len(rows) > most:
            yield {**rows[most], "row": None, "value": None, "reason": f"… and {len(rows) - most} rows more: "
                   f"{rows[most]['reason']}"}  # fmt: skip


def _tried(
    context: Context, dataset: str, file: Path, source: str, how: Mapping[str, Any]
) -> tuple[_Tried, SourceFile | None]:
    """Return what would come of a file, and the file as it was read, None of one that was not."""
    name, faults = printable(file.name), Faults()
    try:
        item = read_file(dataset, file, source, {**how, "faults": faults}, context.workspace.money)
    except SourceError as error:
        known = with_source(error, dataset, file, source, how)
        rows = [_fault(name, "refused", one) for one in (known, *known.besides)]
        return _Tried(file=name, faults=rows, code=problem_of(error).exit_code), None
    refusing = faults.refusing[1:]
    if faults.refusing:
        refusing = [with_source(together(faults.refusing), dataset, file, source, how), *refusing]
    stated = [_fault(name, "refused", one) for one in refusing]
    stated += [_fault(name, "set aside", one) for one in faults.aside]
    code = max((problem_of(one).exit_code for one in faults.refusing), key=lambda code: code == 4, default=0)
    try:
        notes = not_declared(context.workspace.warehouse, item)
        if item.received is not None:
            context.workspace.warehouse.require_ingestible(item, pd.Timestamp(context.as_of))
    except SourceError as error:
        stated.append(_fault(name, "refused", error))
        notes, code = [], 4 if isinstance(error, UnknownIdError) else problem_of(error).exit_code
    good, blocked, rows = _checked(context, item, faults)
    stated += [{"file": name, **row} for row in rows]
    stated += [_row("note", note, file=name) for note in (*item.notes, *notes)]
    if faults.absent:
        reason = "the checks that need this column could not be made"
        stated += [_row("note", reason, file=name, column=one) for one in sorted(faults.absent)]
    stated.sort(key=lambda row: _WHOLE[row["what"]])
    if not code and (blocked or (len(item.frame) and not good)):
        code = 4
    good = 0 if faults.refusing else good
    return _Tried(file=name, faults=stated, rows=len(item.frame), good=good, code=code), item


def _checked(
    context: Context, item: SourceFile, faults: Faults
) -> tuple[int, frozenset[str], list[dict[str, Any]]]:
    """Return how many rows the checks would let in, what would be blocked, and their faults."""
    contract = ingested_contract(item.dataset)
    kept = item.frame.loc[~item.frame["source_row"].isin(faults.rows)]
    as_of = pd.Timestamp(context.as_of).as_unit("us")
    frame = kept.assign(source_id=item.source_id)
    moment = pd.Series(as_of, index=frame.index)
    frame["received_utc"] = frame["received_utc"].fillna(moment) if "received_utc" in frame else moment
    frame = conform(frame, contract)
    fields = {"source_id": [item.source_id], "source": [item.source], "provider": [item.provider]}
    report = check_frame(
        item.dataset, frame, check_context(context, item.dataset, frame, pd.DataFrame(fields))
    )
    going_on = lack_their_end(report.quarantine) if item.dataset == "sessions" else report.quarantine.iloc[:0]
    ends = going_on["source_row"].unique()
    rows = [_row("note", _OPEN, row=int(row)) for row in ends]
    rows += [*_quarantined(report.quarantine.drop(going_on.index), faults), *_repeated(item.dataset, frame)]
    rows += _warnings(report)
    return len(report.good) + len(ends), report.blocked, rows


def _warnings(report: CheckReport) -> Iterator[dict[str, Any]]:
    """Tell what is said of rows that are let in: by battery or zone where that is given, else of all."""
    failed = report.checks[~report.checks["passed"].astype(bool)]
    failed = failed[~failed["rule"].isin(report.quarantine["rule"].unique()) & (failed["severity"] != "info")]
    for rule, own in failed.groupby("rule", sort=False):
        apart = own[own["scope"] != "*"]
        for row in (own if apart.empty else apart).to_dict("records"):
            whose = "" if row["scope"] == "*" else f"{row['scope']}: "
            yield _row("warning", f"{whose}{row['message']}", rule=rule)


def _quarantined(quarantine: pd.DataFrame, faults: Faults) -> Iterator[dict[str, Any]]:
    for row in quarantine.sort_values("source_row").to_dict("records"):
        if row["column_name"] not in faults.absent:
            yield _row(
                "set aside", row["reason"], row=int(row["source_row"]), column=row["column_name"],
                value=row["value"], rule=row["rule"],
            )  # fmt: skip


def _repeated(dataset: str, frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    contract = dataset_contract(dataset)
    again = repeated(frame, contract, rivals_of(frame, contract))
    for at in np.flatnonzero(again):
        key = ", ".join(str(frame[name].iloc[at]) for name in contract.key)
        reason = "repeats an earlier row of the file in every column, and is dropped"
        yield _row("repeated", reason, row=int(frame["source_row"].iloc[at]), value=key)


def _fault(name: str, what: str, error: SourceError) -> dict[str, Any]:
    return _row(what, error.problem, file=name, row=error.row, column=error.column, value=error.value)


def _row(what: str, reason: str, **where: object) -> dict[str, Any]:
    row = {"file": None, "what": what, "row": None, "column": None, "value": None, "rule": None, **where}
    return {**row, "reason": printable(reason)}
