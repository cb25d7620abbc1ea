"""Commands of the day: calibrate, plan, run, realise, report, status."""

from __future__ import annotations

from dataclasses import replace
from datetime import date as Date  # noqa: N812 a command has an option of that name
from datetime import datetime
from typing import Annotated

import typer

from flows.clock import now
from flows.commands.options import AsOfOption, Call, DateOption, JsonOption, WorkspaceOption, market_date
from flows.errors import UsageError
from flows.moments import day_of


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    for command in (calibrate, plan, run, realise, report, status):
        app.command(rich_help_panel="Planning")(command)


def calibrate(
    ctx: typer.Context,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Fit the twin of every battery to its telemetry and check-ups; batteries with no new rows are kept.

    Answers directly, without Prefect, with `workers` processes (v2g.toml).

    Example: v2g calibrate --as-of 2020-07-04T12:00Z
    """
    from flows.console import working
    from flows.stages import Context
    from flows.stages.calibrate import calibrate as stage

    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open()
    with working("calibrating") as report:

        def progress(done: int, total: int, seconds: float) -> None:
            rate = done / seconds
            report(
                f"calibrating: {done} of {total} batteries, {60 * rate:.0f} a minute, "
                f"{(total - done) / rate / 60:.1f} min to go"
            )

        result = stage(Context.of(opened, call.as_of), progress=progress)
    call.finish(result)


def plan(
    ctx: typer.Context,
    day: DateOption = None,
    from_now: Annotated[
        bool,
        typer.Option(
            "--now", help="From the next quarter-hour to the last published price, whatever day that is of."
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Plan one market day from the core tables: uncontrolled, ordered and V2G.

    A day that has begun, and with --now what is left of today and tomorrow, goes on from what the cars hold:
    as they last reported it, else as the plans say that were followed; what runs in this quarter-hour stays.
    A day that is over is planned as of when its prices had come, unless --as-of tells another moment.
    Answers directly, without Prefect. The same inputs give "unchanged"; changed ones a new plan that names
    what changed. Exit 3 when the plan in force is degraded, 5 when there is none. While another process holds
    the warehouse, the day is planned from the snapshot that every run leaves, if nothing was taken in since:
    pages and schedule go out, and the warehouse takes the plan in with the next stage that writes.

    Example: v2g plan --date 2020-07-05, v2g plan --now
    """
    from flows.console import working
    from flows.mapping.prices import day_to_plan_now, known_since
    from flows.stages import Context
    from flows.stages.aside import plan_aside
    from flows.stages.plan import plan as stage
    from warehouse.errors import LockedError
    from warehouse.zones import market_day_bounds

    if from_now and day is not None:
        raise UsageError("--now and --date exclude each other", hint="--now plans on from this moment.")
    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open()
    context = Context.of(opened, call.as_of)

    def wanted(context: Context) -> Date:
        return day_to_plan_now(context) if from_now else market_date(day, call, opened.zone)

    over = False
    try:
        date = wanted(context)
        over = not call.as_of_given and market_day_bounds(date, opened.zone)[1] <= call.as_of
        if over:
            context = Context.of(opened, known_since(context, date))
        with working(f"planning {date}"):
            result = stage(context, date)
    except LockedError as locked:
        if over:
            raise
        with working("planning from the snapshot"):
            results = plan_aside(context, wanted, locked)
        call.finish(*results)
        return
    if over:
        result = replace(result, message=f"as of {context.as_of:%Y-%m-%d %H:%M} UTC: {result.message}")
    call.finish(result)


def run(
    ctx: typer.Context,
    day: DateOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """All stages for one market day as one Prefect flow: inbox, providers, check, realise, calibrate, plan,
    publish.

    What the section fetch of v2g.toml wants to know of the day is asked for, unless it is known. A stage
    that fails does not end the day: exit 3 with a plan on what is there, 5 without one. Uses the server in
    PREFECT_API_URL, or a temporary one in the workspace. `v2g check`, `calibrate`, `plan` and `report` run
    one stage without Prefect.

    Example: v2g run --date 2020-07-05 --workspace depot
    """
    from flows.runner import run_daily

    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open(prefect=True)
    call.finish(*run_daily(opened, call.as_of, market_date(day, call, opened.zone)))


def realise(
    ctx: typer.Context,
    day: Annotated[
        str | None,
        typer.Option(
            "--date",
            metavar="DATE",
            help="Market day that is over, YYYY-MM-DD in the zone's local time.",
            show_default="the last three",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Put what really happened on a market day next to what the plans that were followed had promised.

    What a meter counted (dataset metering) is what the cars did; where none did, the plan is followed with
    the sessions and prices that came. Uncontrolled and ordered charging are simulated next to it. The
    difference is split into its causes: price, car, horizon, limits, charger. Exit 3 when there is no
    account.

    Example: v2g realise --date 2020-07-04
    """
    from flows.console import working
    from flows.stages import Context
    from flows.stages.realise import days_to_account
    from flows.stages.realise import realise as stage

    call = Call.of(ctx, workspace, as_json, as_of)
    context = Context.of(call.open(), call.as_of)
    days = days_to_account(context) if day is None else [day_of("--date", day)]
    with working("accounting"):
        result = stage(context, days)
    call.finish(result)


def report(
    ctx: typer.Context,
    day: DateOption = None,
    plan_id: Annotated[
        str | None,
        typer.Option(help="A plan by its id, instead of the newest of the date.", show_default=False),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option(
            "--owner",
            metavar="ID",
            help="Also the page of this car's owner: what other choices would change.",
            show_default="no owner's page",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Write the report pages of a plan again. Without --date: the newest plan of all.

    With --owner, the plan is made again for each combination of a higher least charge, a departure an hour
    earlier, the workspace's contracts and no V2G, that car alone changed (12, and as many for each further
    contract); the answer and reports/DATE/owners/ID.html tell what each would cost, gain and wear. A new plan
    of the day takes that page away. Exit 3 where a combination cannot be planned.

    Example: v2g report --date 2020-07-05, v2g report --owner CAR1
    """
    from flows.console import counting
    from flows.stages import Context
    from flows.stages.publish import publish as stage

    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open()
    date = None if day is None else market_date(day, call, opened.zone)
    context = Context.of(opened, call.as_of)
    results = [stage(context, date, plan_id=plan_id)]
    if owner is not None:
        from flows.stages.owner import owner as owner_stage

        with counting() as progress:
            results.append(owner_stage(context, str(results[0].details["plan_id"]), owner, progress))
    call.finish(*results)


PrometheusOption = Annotated[
    bool, typer.Option("--prometheus", help="Answer with Prometheus' text of figures on stdout.")
]


def status(
    ctx: typer.Context,
    prometheus: PrometheusOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """What each market day has and lacks by its deadlines, plans in force with rung and gap, calibrations,
    quarantine, what was promised and realised, the last runs and the next, the room left on the disk.

    While a run holds the warehouse: what was reported when the last one ended, headed by when that was.
    All there is, whatever moment it was received or made as of. With --as-of: what had been received by that
    moment, the newest calibrations and plans of that knowledge, and the runs that had ended.

    Every run writes the same figures to exports/metrics.prom, for the textfile collector of node_exporter.

    Example: v2g status --workspace depot
    """
    from flows.console import show_tables
    from flows.status_stored import status_at_once

    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open()
    answer = status_at_once(opened, call.as_of if call.as_of_given else None)
    if prometheus and call.json:
        raise UsageError("--prometheus and --json are two answers: one of them is needed")
    if prometheus:
        from flows.metrics import metrics_text

        stored = answer.get("in use", [])  # while a run holds the warehouse
        told = datetime.fromisoformat(stored[0]["told_as_of_utc"]) if stored else now()
        typer.echo(metrics_text(answer, told, opened.zone), nl=False)
        return
    tables = {name: opened.money.rows(rows) for name, rows in answer.items()}
    call.answer(tables, lambda out: show_tables(out, tables))
