"""Take the plans that were spooled while the warehouse was in use into it: each once, in one transaction.

What decides is read inside that transaction, as for every plan. The file goes after it: a process that dies
in between leaves a file whose plan is there already, and nothing is written a second time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pandas as pd

from flows.clock import now
from flows.mapping.in_force import Plan
from flows.mapping.verdict import Candidate, changed_inputs, failed_modes, judge
from flows.plain import record
from warehouse.contracts import CONTRACTS
from warehouse.errors import SpoolError
from warehouse.spool import PLAN_TABLES, read_spool
from warehouse.store import Read, Warehouse

SUFFIX = ".spool"
REFUSED = ".refused"
_log = logging.getLogger(__name__)
Tables = Mapping[str, pd.DataFrame]


def take_in(folder: Path, warehouse: Warehouse, *, keep: bool = False) -> None:
    """Write every spooled plan of a folder; one that cannot be read is set aside under a name of its own.

    keep: leave the files, as where `warehouse` is a copy. Raises the errors of writing to a warehouse.
    """
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            tables = read_spool(path)
        except FileNotFoundError:  # another process has taken it in meanwhile
            continue
        except SpoolError as error:
            _log.error("a spooled plan cannot be taken in: %s", error)
            if not keep:
                path.replace(path.with_name(f"{path.name}{REFUSED}"))
            continue
        stated = _write(warehouse, tables)
        if not keep:
            path.unlink(missing_ok=True)
            _log.info("%s", stated)


def spooled_runs(folder: Path, since: datetime) -> pd.DataFrame:
    """What is on record of stages, begun at or after a moment, of plans that are still spooled (out_run)."""
    found = [pd.DataFrame(columns=CONTRACTS["out_run"].names)]
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        with suppress(FileNotFoundError, SpoolError):  # it was taken in meanwhile, or is set aside when it is
            runs = read_spool(path)["out_run"]
            found.append(runs[runs["started_utc"] >= since])
    whole = [one for one in found if not one.empty]
    return pd.concat(whole) if whole else found[0]


def _write(warehouse: Warehouse, tables: Tables) -> str:
    """Write a plan as what stands in the warehouse has it; what became of it, in words."""
    header = record(tables["out_plan"].iloc[0])
    where = {"market_date": header["market_date"], "zone": header["zone"]}
    while True:  # others may write meanwhile: then it is judged anew
        plans = warehouse.read("out_plan", where=where)
        own, stated = _as_judged(plans, header, tables)
        by = {name: ("plan_id",) for name in own if name in PLAN_TABLES}

        def same(read: Read, seen: pd.DataFrame = plans) -> bool:
            return read("out_plan", where).equals(seen)

        if warehouse.write(own, replace=by | {"out_run": ("run_id", "stage")}, guard=same):
            return f"{stated} (made {header['made_utc']:%Y-%m-%d %H:%M} UTC while the warehouse was in use)"


def _as_judged(plans: pd.DataFrame, header: Plan, tables: Tables) -> tuple[dict[str, pd.DataFrame], str]:
    """What is to be written of a plan next to those that its day has: all of it, or that its run was."""
    runs = {"out_run": tables["out_run"]}
    name = f"plan {header['plan_id']} for {header['market_date']}"
    if header["plan_id"] in set(plans["plan_id"]):
        return runs, f"{name} is in the warehouse already"
    candidate = Candidate(
        zone=header["zone"],
        market_date=header["market_date"],
        as_of=header["as_of_utc"].to_pydatetime(),
        source=header["plan_source"],
        input_hash=header["input_hash"],
        written=(header["made_utc"] or now()),
        failed=failed_modes(header),
    )
    verdict = judge(plans, candidate)
    if verdict.outcome in ("unchanged", "kept") and verdict.stands is not None:
        return runs, f"{name} is not kept: plan {verdict.stands['plan_id']} stands ({verdict.outcome})"
    replaced = verdict.replaces
    parts = json.loads(header["input_parts_json"])
    own = tables["out_plan"].assign(
        sequence=verdict.sequence,
        replaces_plan_id=None if replaced is None else replaced["plan_id"],
        changed_inputs=None if replaced is None else changed_inputs(replaced, parts),
    )
    return {**tables, "out_plan": own}, f"{name} is taken in ({verdict.outcome})"
