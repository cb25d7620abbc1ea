"""The page of a car's owner in a plan: what other choices would change, solved when it is asked for."""

from __future__ import annotations

from flows.context import Context
from flows.mapping.in_force import plan_in_force
from flows.mapping.owner_battery import battery_health
from flows.plain import record
from flows.publish.site import write_site
from flows.publish.what_if_page import page_cells, questions, write_owner_page
from flows.stages.publish import as_it_stands
from flows.stages.record import StageResult
from flows.stages.what_if import Options, Progress, what_if
from optimize.market.contract import Contract

_SHOWN = (
    "cost_eur", "saved_eur", "stored_eur", "wear_eur", "benefit_eur", "fed_back_kwh", "lowest_soc",
    "departures", "missing_kwh", "received_eur", "after_wear_eur", "others_eur", "open_eur", "error",
)  # fmt: skip


def owner(context: Context, plan_id: str, battery_id: str, progress: Progress) -> StageResult:
    """Write the owner's page of a car in a plan, as of what the plan knew.

    Degraded, exit code 3, where a choice cannot be planned, or the plan was made by other settings, contracts
    or code than there are now. Raises what `what_if` raises.
    """
    workspace, zone = context.workspace, context.workspace.zone
    plan = record(workspace.warehouse.read("out_plan", where={"plan_id": plan_id}).iloc[0])
    found = what_if(context, plan, battery_id, progress)
    options, known = found.options, context.known.at(plan["as_of_utc"])
    asked = questions(
        soc_min=options.soc_min,
        leaves=[options.departure if one is None else one[1] for one in options.leaves],
        contracts=[_in_words(options, one) for one in options.contracts],
        feeds_back=options.feeds_back,
        zone=zone,
    )
    cells = page_cells(asked, found.cells)
    failed = [f"{cell['title']}: {cell['error']}" for cell in cells if cell["error"]]
    other = [] if found.same else ["The plan was made by other settings or code: choices are by those of now"]
    ruling = plan_in_force(workspace.warehouse, zone, plan["market_date"])
    in_force = ruling is not None and ruling["plan_id"] == plan_id
    v2g_kwh = None if cells[0]["error"] else cells[0]["v2g_kwh"] or None
    page = write_owner_page(
        workspace,
        plan,
        {
            "battery_id": battery_id,
            "questions": asked,
            "cells": cells,
            "near": len(found.near),
            "contract": options.contract and _version(options.contract),
            "why_not": options.why_not,
            "battery": battery_health(known, battery_id, v2g_kwh, found.days),
            "warnings": other,
        },
        in_force=in_force,
    )
    write_site(as_it_stands(context))  # the page of money leads to it
    rows = [
        {one["asks"]: word for one, word in zip(asked, cell["answers"], strict=True)}
        | {name: cell.get(name) for name in _SHOWN}
        for cell in cells
    ]
    lacks = [*failed, *other]
    shared = f", with {len(found.near)} that share a limit with it" if found.near else ""
    said = f"{len(cells) - len(failed)} of {len(cells)} choices of {battery_id} planned{shared}"
    return StageResult(
        stage="owner",
        status="degraded" if lacks else "ok",
        message="; ".join([said, *lacks]),
        exit_code=3 if lacks else 0,
        tables={"what if": workspace.money.rows(rows)},
        files=(str(page),),
        details={"plan_id": plan_id, "battery_id": battery_id, "in_force": in_force},
    )


def _in_words(options: Options, contract: Contract | None) -> str:
    """A contract as one may choose it."""
    if contract is not None:
        return _version(contract)
    return "none, as now" if options.contract is None else f"{_version(options.contract)}, as now"


def _version(contract: Contract) -> str:
    return f"{contract.contract_id}, version {contract.version}"
