"""Commands on the way to the plug: ocpp check, ocpp profiles, s2 messages."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.json_file import json_of
from flows.commands.options import AsOfOption, Call, DateOption, JsonOption, WorkspaceOption, market_date
from flows.errors import NoPlanError, UsageError
from flows.exits import Exit


class OcppVersion(StrEnum):
    """Versions of OCPP; 1.6 and 2.0.1 can only charge."""

    v1_6 = "1.6"
    v2_0_1 = "2.0.1"
    v2_1 = "2.1"


VersionOption = Annotated[OcppVersion, typer.Option("--ocpp", help="Version that the station speaks.")]
PeriodsOption = Annotated[
    int | None,
    typer.Option(min=1, max=1024, help="Periods a schedule that the station takes (PeriodsPerSchedule)."),
]
ocpp = typer.Typer(
    name="ocpp",
    help="Charging profiles of OCPP: the plan's, and whether one keeps the rules.",
    no_args_is_help=True,
)

s2 = typer.Typer(
    name="s2", help="S2 (EN 50491-12-2): the plan in force for an energy manager.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.add_typer(ocpp, rich_help_panel="Planning")
    app.add_typer(s2, rich_help_panel="Planning")


@ocpp.command()
def check(
    ctx: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="JSON: a frame, a request, a profile.")
    ],
    version: VersionOption = OcppVersion.v2_1,
    periods: PeriodsOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Tell every rule that SetChargingProfile messages break, those that the JSON schema does not know too.

    A file holds one message, or `v2g ocpp profiles` wrote it. What depends on the station (its EVSEs, what it
    supports) is not judged. Exit 4 when a rule is broken.

    Example: v2g ocpp check profile.json --ocpp 2.0.1
    """
    from flows.console import show_tables
    from flows.dispatch.rules import check_message
    from flows.dispatch.station import Station

    call = Call.of(ctx, workspace, as_json, as_of)
    station = Station(version=version.value, most_periods=periods)
    broken: list[dict[str, Any]] = []
    messages = 0
    for file in files:
        for place, message in _messages(file):
            messages += 1
            broken += [
                {"file": str(file), "message": place, "rule": one.rule, "at": one.path,
                 "value": None if one.value is None else str(one.value)[:80], "problem": one.problem}
                for one in check_message(message, station)
            ]  # fmt: skip
    payload = {"messages": messages, "broken": broken}
    title = f"{messages} messages, {len(broken)} rules broken"
    call.answer(payload, lambda out: show_tables(out, {title: broken}) if broken else out.print(title))
    if broken:
        raise typer.Exit(Exit.INVALID)


@ocpp.command()
def profiles(
    ctx: typer.Context,
    date: DateOption = None,
    version: VersionOption = OcppVersion.v2_1,
    periods: PeriodsOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Write the plan in force as SetChargingProfile requests: exports/profiles_DATE_ZONE.json.

    One a session whose session names a charger with a station and a connector, and one a connector that holds
    when the line is lost or the session over: it only charges. More quarter-hours than the station takes
    periods are merged at the least cost, which is reported. Exit 3 when a session has no profile, with its
    reason.

    Example: v2g ocpp profiles --date 2026-06-16 --periods 24
    """
    from flows.console import show_tables
    from flows.context import Context
    from flows.dispatch.plan_profiles import PERIODS, breaches_together, plan_profiles
    from flows.dispatch.planned import plan_file
    from flows.dispatch.station import Station
    from flows.mapping.in_force import plan_in_force
    from warehouse.files import write_whole

    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open()
    context = Context.of(opened, call.as_of)
    day = market_date(date, call, opened.zone)
    plan = plan_in_force(context.known, opened.zone, day)
    if plan is None:
        raise NoPlanError(f"there is no plan for {day}", hint=f"Try `v2g plan --date {day}`.")
    station = Station(version=version.value, most_periods=periods or PERIODS)
    made = plan_profiles(plan_file(context, plan), station)
    together = [str(one) for one in breaches_together(made.entries, station)]
    target = opened.exports / f"profiles_{day}_{opened.zone}.json"
    fields = {"plan_id": plan["plan_id"], "ocpp": version.value, "profiles": list(made.entries)}
    write_whole(target, json.dumps(fields, indent=1, ensure_ascii=False) + "\n")
    sessions = [entry for entry in made.entries if entry["purpose"] == "plan"]
    payload = {
        "plan_id": plan["plan_id"], "file": str(target), "stays": len(sessions),
        "fallbacks": len(made.entries) - len(sessions), "left_out": dict(made.left_out),
        "conflicts": together,
        "merge_cost_eur": sum(entry["merge_cost_eur"] for entry in sessions),
    }  # fmt: skip
    rows = [{name: value for name, value in entry.items() if name != "request"} for entry in sessions]
    tables = {
        f"{target.name}: {len(sessions)} sessions": rows,
        "left out": [{"stay": session, "reason": why} for session, why in made.left_out.items()],
        "conflicts": [{"conflict": one} for one in together],
    }
    call.answer(payload, lambda out: show_tables(out, {name: own for name, own in tables.items() if own}))
    if made.left_out or together:
        raise typer.Exit(Exit.DEGRADED)


@s2.command()
def messages(
    ctx: typer.Context,
    date: DateOption = None,
    car: Annotated[str | None, typer.Option("--car", metavar="ID", help="Its sessions alone.")] = None,
    site: Annotated[str | None, typer.Option("--site", metavar="ID", help="A site, not its cars.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Write the plan in force as messages of S2, one a line: from the quarter-hour of --as-of on.

    Of each session PEBC.PowerConstraints, PEBC.EnergyConstraint, PowerForecast and a PEBC.Instruction whose
    envelope is the plan; of a site (--site), which counts its other load, all but the second. Powers are W,
    + = consumption. Exit 3 when a session cannot be said so, with its reason on stderr.

    Example: v2g s2 messages --date 2026-06-16 --car car-1 --as-of 2026-06-16T10:00Z
    """
    from flows.console import say
    from flows.context import Context
    from flows.dispatch.plan_messages import plan_messages
    from flows.mapping.in_force import plan_in_force

    call = Call.of(ctx, workspace, as_json, as_of)
    if car is not None and site is not None:
        raise UsageError("--car and --site are two resources: give one of them")
    opened = call.open()
    context = Context.of(opened, call.as_of)
    day = market_date(date, call, opened.zone)
    plan = plan_in_force(context.known, opened.zone, day)
    if plan is None:
        raise NoPlanError(f"there is no plan for {day}", hint=f"Try `v2g plan --date {day}`.")
    made = plan_messages(context, plan, call.as_of, car=car, site=site)
    payload = {"plan_id": plan["plan_id"], "messages": made.messages, "left_out": made.left_out}
    lines = [json.dumps(one) for one in made.messages]
    call.answer(
        payload, lambda out: out.print("\n".join(lines), soft_wrap=True, markup=False, highlight=False)
    )
    for name, why in made.left_out.items():
        say(f"{name}: {why}")
    if made.left_out:
        raise typer.Exit(Exit.DEGRADED)


def _messages(file: Path) -> list[tuple[str, object]]:
    """Return the messages of a file, each with its place in it; UsageError for what is no JSON file."""
    value = json_of(file)
    if isinstance(value, dict) and isinstance(value.get("profiles"), list):
        return [
            (f"profiles.{number}", entry.get("request") if isinstance(entry, dict) else entry)
            for number, entry in enumerate(value["profiles"])
        ]
    return [("", value)]
