"""Commands that bring data in: init, ingest, check."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.options import AsOfOption, Call, DateOption, JsonOption, WorkspaceOption, market_date
from flows.errors import UsageError
from flows.moments import day_of

if TYPE_CHECKING:
    from flows.stages import StageResult
    from warehouse.sources import Received


_MOST_DAYS = 3700


class Kind(StrEnum):
    """What a file holds, by the word a user types."""

    prices = "prices"
    tariffs = "tariffs"
    telemetry = "telemetry"
    soc_power = "soc_power"
    metering = "metering"
    sessions = "sessions"
    fleet = "fleet"
    sites = "sites"
    chargers = "chargers"
    site_load = "site_load"
    site_limits = "site_limits"
    co2 = "co2"
    imbalance_prices = "imbalance_prices"
    checkups = "checkups"
    awards = "awards"
    activations = "activations"


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.command(rich_help_panel="Data")(init)
    app.command(rich_help_panel="Data")(ingest)
    app.command(rich_help_panel="Data")(check)


def init(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make the workspace in.")],
    zone: Annotated[str, typer.Option(help="Bidding zone of the fleet's prices.")] = "DE-LU",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Make a workspace: settings, an empty warehouse and its folders.

    Its settings name who is asked for the zone's prices, where somebody gives them without a token.

    Example: v2g init depot --zone DE-LU
    """
    from flows.stages.fetch import usual_providers
    from flows.workspace import Workspace

    call = Call.of(ctx, workspace, as_json, as_of)
    providers = usual_providers(zone)
    made = Workspace.create(call.directory / directory, zone=zone, providers=providers)
    payload = {"workspace": str(made.root), "zone": zone, "prices_from": list(providers)}
    asked = f"prices are asked of {', '.join(providers)}" if providers else "prices come as files"
    call.answer(
        payload, lambda out: out.print(f"Workspace {made.root} for zone {zone}; {asked}", soft_wrap=True)
    )


def ingest(
    ctx: typer.Context,
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="What the files hold.", show_default=False)],
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE…]", help="Files; none: ask a provider of prices.", show_default=False),
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            help="Layout of the files: csv, parquet; smard, omie, caiso, amber for prices; tou for "
            "time-of-use tariffs; acn, desl, teslamate, ocpp for sessions; ocmf for signed metering. Or a "
            "provider of prices: "
            "entsoe, energy_charts, awattar, octopus, octopus_export, nordpool, energyzero, easyenergy, "
            "tibber, sahkotin."
        ),
    ] = "csv",
    zone: Annotated[
        str | None,
        typer.Option(
            help="Bidding zone of prices that name none.",
            show_default="the workspace's, where needed",
        ),
    ] = None,
    day: DateOption = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="tou: the last market day to write out.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="EUR", help="Euros that one unit of the prices' currency is worth."),
    ] = None,
    vat: Annotated[
        str | None, typer.Option(metavar="included|excluded", help="sahkotin, amber: is VAT in the prices?")
    ] = None,
    tariff: Annotated[
        str | None, typer.Option(metavar="CODE", help="octopus: the tariff, as E-1R-AGILE-24-10-01-C.")
    ] = None,
    onto: Annotated[
        list[str] | None,
        typer.Option(metavar="DATE", help="acn, desl: replay onto this market day; repeatable."),
    ] = None,
    target_soc: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="acn (0.8 unless given), ocpp: state of charge at departure."),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="sessions: of times without an offset, as Europe/Berlin or UTC."),
    ] = None,
    battery: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[WORD=]ID",
            help="Whose the file is; ocpp also TOKEN=ID, evse:1=ID, ocmf METER=ID, repeatable.",
        ),
    ] = None,
    station: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="ocpp: whose log it is, where the logs of several are ingested."),
    ] = None,
    level: Annotated[
        str | None, typer.Option(metavar="pack|cell", help="What telemetry or check-ups were measured at.")
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="What foreign columns are called here: `v2g mapping --help` tells its keys."
        ),
    ] = None,
    received: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|event",
            help="What tells when each row was received: a column of the file, or its event. Else: now.",
        ),
    ] = None,
    delay: Annotated[
        float | None,
        typer.Option(metavar="MINUTES", min=0.0, help="telemetry received as an event: how much later."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Write nothing: read and check the files, and tell all their faults."),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Read files, refuse them whole if they cannot be meant, and keep their rows unchanged.

    `v2g check` (or `v2g run`) then lets the good rows into the core tables. The same file twice counts once.
    History is loaded with --received, so that it can be replayed as it was known: telemetry as an event is
    received when measured plus --delay, prices and tariffs when published (12:57 on the day before), sessions
    at arrival, check-ups when taken. Order for a new workspace: sites, fleet, then the rest. Without a file,
    the prices of one market day are asked of a provider; its token, if it wants one, is read from
    ENTSOE_TOKEN or TIBBER_TOKEN.

    Example: v2g ingest prices day_ahead_2020.csv --source smard --zone DE-LU

    Example: v2g ingest prices --source energy_charts --zone DE-LU --date 2026-06-16

    Example: v2g ingest telemetry bus12.csv --mapping bms.toml

    Example: v2g ingest sessions cs1_2026-06-16.log --source ocpp --station CS1 --battery TAG1=CAR1

    Example: v2g ingest metering signed.xml --source ocmf --battery 1EMH0008019=CAR1

    Example: v2g ingest fleet fleet.csv --dry-run

    Example: v2g ingest telemetry bus12_2025.parquet --received event --delay 15

    Example: v2g ingest tariffs depot.toml --source tou --date 2026-06-01 --until 2026-06-30
    """
    from flows.stages import Context
    from flows.stages.ingest import ingest as stage

    call = Call.of(ctx, workspace, as_json, as_of)
    given = {
        "rate": rate, "vat": vat, "target_soc": target_soc, "level": level, "timezone": timezone,
        "station": station, **_batteries(battery),
    }  # fmt: skip
    options: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    if delay is not None and received != "event":
        raise UsageError("--delay belongs to --received event")
    if not files and received is not None:
        raise UsageError("--received tells of files; a provider's answer is received when it comes")
    if not files and dry_run:
        raise UsageError("--dry-run looks at files, and none is given")
    if not files:
        call.finish(_fetch(call, kind, source, zone, day, tariff, options))
        return
    if tariff is not None:
        raise UsageError("--tariff asks a provider; a file holds what it holds")
    if source == "tou":
        options["days"] = _days(day, until)
    elif day is not None or until is not None:
        raise UsageError(f"--date and --until do not belong to files of --source {source}")
    if source in ("acn", "desl"):
        if not onto and not (source == "acn" and battery):
            raise UsageError(
                f"--source {source} needs --onto DATE: the market days to replay the sessions onto"
            )
        if onto:
            options["onto"] = [day_of("--onto", text) for text in onto]
    elif onto:
        raise UsageError(f"--onto belongs to --source acn or desl, not to {source}")
    opened = call.open()
    stated: Received | str | None = received
    if mapping is not None:
        from warehouse.sources import load_mapping

        if source != "csv":
            raise UsageError(f"--mapping says how to read the file; --source {source} would, too")
        meant = load_mapping(mapping, kind.value)
        source, options = meant.source, {**meant.options, **options}
        stated = meant.received if received is None else received
    given_to: dict[str, Any] = {
        "source": source, "zone": zone, "options": options, "received": stated, "delay_minutes": delay,
    }  # fmt: skip
    context = Context.of(opened, call.as_of)
    if dry_run:
        from flows.stages.tryout import dry_run as tried

        call.finish(tried(context, kind.value, files or (), every_row=call.json, **given_to))
    else:
        call.finish(stage(context, kind.value, files or (), **given_to))


def check(
    ctx: typer.Context,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Check what has been ingested; good rows enter the core tables, bad ones the quarantine with their
    reason.

    Answers directly, without Prefect. Exit 4 when a whole battery, zone or dataset failed; single bad rows
    are reported.

    Example: v2g check --json
    """
    from flows.stages import Context
    from flows.stages.check import check as stage

    call = Call.of(ctx, workspace, as_json, as_of)
    call.finish(stage(Context.of(call.open(), call.as_of)))


def _fetch(
    call: Call,
    kind: Kind,
    source: str,
    zone: str | None,
    day: str | None,
    tariff: str | None,
    options: dict[str, object],
) -> StageResult:
    from flows.stages import Context
    from flows.stages.fetch import fetch_prices
    from warehouse.sources.tariffs import PROVIDERS

    asked = [name for name, one in PROVIDERS.items() if kind.value in one.datasets]
    if source not in asked:
        hint = f"Without one, they are asked of --source {', '.join(asked)}." if asked else ""
        raise UsageError(f"no file of {kind.value} is given", hint=hint)
    opened = call.open()
    market_day = market_date(day, call, zone or opened.zone)
    return fetch_prices(
        Context.of(opened, call.as_of),
        kind.value,
        source,
        market_day,
        zone=zone,
        tariff=tariff,
        options=options,
    )


def _days(first: str | None, last: str | None) -> list[date]:
    """The market days from --date to --until; that one alone without --until."""
    if first is None:
        raise UsageError("--source tou needs --date DATE: the first market day to write the tariff out for")
    start = day_of("--date", first)
    end = start if last is None else day_of("--until", last)
    if not start <= end <= start + timedelta(days=_MOST_DAYS):
        raise UsageError(f"--until {end}: not within {_MOST_DAYS} days after --date {start}")
    return [start + timedelta(days=number) for number in range((end - start).days + 1)]


def _batteries(texts: list[str] | None) -> dict[str, object]:
    """One battery for all rows, or which word of the file stands for which."""
    pairs = [text.rpartition("=") for text in texts or ()]
    if not pairs:
        return {}
    if len(pairs) == 1 and not pairs[0][1]:
        return {"battery_id": pairs[0][2]}
    batteries = {word: battery_id for word, _, battery_id in pairs}
    if "" in batteries or "" in batteries.values() or len(batteries) < len(pairs):
        raise UsageError(
            f"--battery {' --battery '.join(texts or ())}: not one ID, nor WORD=ID with each word once"
        )
    return {"batteries": batteries}
