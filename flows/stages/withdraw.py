"""What should never have been recorded: withdrawn by a person, and taken back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import pandas as pd

from flows.context import Context
from flows.errors import UsageError
from flows.stages.record import StageResult, recorded
from warehouse.contracts import Kind, dataset_contract
from warehouse.errors import nearest
from warehouse.withdrawal import Action, Rows, decide


@recorded("withdraw")
def withdraw(context: Context, rows: Rows, *, action: Action, decided_by: str, reason: str) -> StageResult:
    """Let ingested rows count no more from now on, or again; recorded with who, when and why.

    Raises UsageError when no row matches.
    """
    done = decide(
        context.workspace.warehouse, rows, action, by=decided_by, reason=reason, decided_utc=context.as_of
    )
    if not done.rows and done.pruned and action == "withdraw":
        raise UsageError(
            f"retention has let the {rows.dataset} of {', '.join(done.pruned[:3])} go, raw rows and samples: "
            f"nothing of {_shown(rows)} is left that could be distinguished in its quarter-hours",
            hint="`v2g backup` of before, restored, holds them; quarter-hours stay as they are.",
        )
    if not done.rows:
        state = "that counts" if action == "withdraw" else "that is withdrawn"
        raise UsageError(
            f"no row of {rows.dataset} {state} is of {_shown(rows)}",
            hint="--source names a file, or how its id begins; --key NAME=VALUE a row by its key.",
        )
    effect = "withdrawn" if action == "withdraw" else "restored"
    files = ", ".join(done.files[:3]) + (f" and {len(done.files) - 3} more" if len(done.files) > 3 else "")
    if done.pruned and rows.source is not None:
        effect += " (what retention has let go of it stays in its quarter-hours)"
    return StageResult(
        stage="withdraw",
        status="ok",
        message=f"{done.rows} row{'s' * (done.rows > 1)} of {rows.dataset} {effect} ({files}), "
        f"by {decided_by}: {reason}",
        details={"dataset": rows.dataset, "action": action, "rows": done.rows, "files": list(done.files)},
    )


def key_of(dataset: str, stated: Sequence[str], battery_id: str | None) -> Mapping[str, str | dt.datetime]:
    """Return the values of key columns that options like "session_id=s1" tell; raises UsageError."""
    contract = dataset_contract(dataset)
    names = [*contract.key, *(name for name in ("battery_id",) if name in contract.names)]
    key: dict[str, str | dt.datetime] = {}
    for option in [*stated, *([f"battery_id={battery_id}"] if battery_id is not None else [])]:
        name, mark, value = option.partition("=")
        if not mark or name not in names:
            raise UsageError(
                f"--key {option!r} is not NAME=VALUE of {', '.join(dict.fromkeys(names))}"
                f"{nearest(name, names)}"
            )
        key[name] = _moment(option, value) if contract.column(name).kind is Kind.TIME else value
    return key


def _moment(option: str, value: str) -> dt.datetime:
    moment = pd.to_datetime(value, errors="coerce", format="ISO8601")
    if not isinstance(moment, pd.Timestamp) or moment.tzinfo is None:
        raise UsageError(f"--key {option!r} tells no time like 2026-06-16T18:00:00Z")
    return moment.tz_convert("UTC").to_pydatetime()


def _shown(rows: Rows) -> str:
    asked = {"--source": rows.source, "--row": rows.source_row}
    messages = [f"{name} {value}" for name, value in asked.items() if value is not None]
    return " ".join([*messages, *(f"--key {name}={value}" for name, value in rows.key.items())])
