"""What the checks held back: to list, to look at, to let in after all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import pandas as pd

from data_checks import contract_faults
from flows.context import Context
from flows.errors import UsageError
from flows.plain import known, records
from flows.stages.check import check_context
from flows.stages.record import StageResult, recorded
from flows.workspace import Workspace
from warehouse.contracts import DATASETS, dataset_contract
from warehouse.quarantine import Wanted, quarantined, raw_rows, released
from warehouse.release import Decision, decide

_ROW = ["source_id", "source_row"]
_HINT = "`v2g quarantine list` tells what there is."


def listed(
    workspace: Workspace,
    *,
    dataset: str | None = None,
    rule: str | None = None,
    battery_id: str | None = None,
) -> list[dict[str, Any]]:
    """One record a dataset, file, rule and column: how many rows, how many of them released, one value."""
    listing = []
    for name in [dataset] if dataset else DATASETS:
        wanted = Wanted(dataset=name, rule=rule, battery_id=battery_id, released=None)
        found = quarantined(workspace.warehouse, wanted)
        by = ["source_id", "rule", "column_name"]
        for _, own in found.groupby(by, sort=False, dropna=False):
            first = own.iloc[0]
            listing.append(
                {
                    "dataset": name,
                    "rule": first["rule"],
                    "column": known(first["column_name"]),
                    "rows": len(own),
                    "released": int(own["released"].sum()),
                    "value": known(first["value"]),
                    "file": first["file_name"],
                }
            )
    return listing


def shown(workspace: Workspace, wanted: Wanted, *, limit: int) -> Mapping[str, list[dict[str, Any]]]:
    """The first rows: what was found in them, and their values as they arrived.

    Raises UsageError when nothing matches.
    """
    found = _found(workspace, wanted)
    chosen = found[_ROW].drop_duplicates().head(limit)
    rows = found.merge(chosen, on=_ROW)
    raw = raw_rows(workspace.warehouse, wanted.dataset, chosen)
    files = dict(zip(found["source_id"], found["file_name"], strict=True))
    findings = [
        {
            "file": row["file_name"],
            "row": int(row["source_row"]),
            "rule": row["rule"],
            "column": row["column_name"],
            "value": row["value"],
            "reason": row["reason"],
            "released": bool(row["released"]),
        }
        for row in records(rows)
    ]
    values = [
        {
            "file": files[row["source_id"]],
            "row": int(row["source_row"]),
            **{name: _short(row[name]) for name in dataset_contract(wanted.dataset).names},
        }
        for row in records(raw)
    ]
    return {"found": findings, "rows as they arrived": values}


@recorded("release")
def release(
    context: Context,
    wanted: Wanted,
    *,
    action: Literal["release", "withdraw"],
    decided_by: str,
    reason: str,
) -> StageResult:
    """Set a rule aside for the rows wanted, or take that back; recorded with who, when and why.

    Raises UsageError when nothing matches, a row breaks its contract, or two released rows would contradict
    each other.
    """
    if wanted.rule is None:
        raise UsageError("a release names the rule that it sets aside", hint=_HINT)
    workspace, dataset = context.workspace, wanted.dataset
    warehouse = workspace.warehouse
    found = _found(workspace, replace(wanted, released=action == "withdraw"))
    if action == "release":
        _require_fit(context, dataset, found)
    decide(
        warehouse,
        Decision(
            action=action,
            dataset=dataset,
            rows=found[["rule", *_ROW]],
            decided_by=decided_by,
            reason=reason,
            decided_utc=context.as_of,
        ),
    )
    rows = found[_ROW].drop_duplicates()
    effect = "set aside" if action == "release" else "stands again"
    message = f"{wanted.rule} {effect} for {len(rows)} row{'s' * (len(rows) > 1)} of {dataset}"
    others = quarantined(warehouse, Wanted(dataset=dataset)).merge(rows, on=_ROW)
    if action == "release" and len(others):
        rules = ", ".join(sorted(set(others["rule"])))
        message += f"; {len(others[_ROW].drop_duplicates())} of them stay out for {rules}"
    return StageResult(
        stage="release",
        status="ok",
        message=f"{message}, by {decided_by}: {reason}",
        details={"dataset": dataset, "rule": wanted.rule, "action": action, "rows": len(rows)},
    )


def _found(workspace: Workspace, wanted: Wanted) -> pd.DataFrame:
    found = quarantined(workspace.warehouse, wanted)
    if found.empty:
        asked = {
            "--rule": wanted.rule,
            "--battery": wanted.battery_id,
            "--source": wanted.source,
            "--row": wanted.source_row,
        }
        text = " ".join(f"{option} {value}" for option, value in asked.items() if value is not None)
        state = {True: "released", False: "in quarantine", None: "in quarantine"}[wanted.released]
        raise UsageError(f"no row of {wanted.dataset} is {state} for {text or 'any rule'}", hint=_HINT)
    return found


def _require_fit(context: Context, dataset: str, found: pd.DataFrame) -> None:
    """Refuse rows that the core table cannot hold, and rivals for one key."""
    warehouse = context.workspace.warehouse
    rows = raw_rows(warehouse, dataset, found)
    files = dict(zip(found["source_id"], found["file_name"], strict=True))
    if len(rows) < len(found[_ROW].drop_duplicates()):
        raise UsageError(f"rows of {dataset} are no longer kept as they arrived: nothing to release")
    for fault in contract_faults(dataset, rows, check_context(context, dataset, rows)):
        row = rows.iloc[int(fault.positions[0])]
        raise UsageError(
            f"{files[row['source_id']]} row {row['source_row']} cannot be released: {fault.reason}",
            hint="No table can hold such a row. Send it again, corrected.",
        )
    before = released(warehouse, dataset)
    before = before[before["source_id"].isin(set(rows["source_id"]))]
    both = pd.concat([rows, raw_rows(warehouse, dataset, before)]).drop_duplicates(_ROW)
    rivals = both[both.duplicated([*dataset_contract(dataset).key, "source_id"], keep=False)]
    if not rivals.empty:
        numbers = " and ".join(str(number) for number in rivals["source_row"].head(2))
        raise UsageError(
            f"rows {numbers} of {files[rivals['source_id'].iloc[0]]} contradict each other",
            hint="Release one of them: --row N.",
        )


def _short(value: Any) -> Any:
    """A time as files have it, other values as they are."""
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, pd.Timestamp) else value
