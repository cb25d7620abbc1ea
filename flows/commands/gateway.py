"""Commands next to the chargers: gateway run, status, limit; simulate chargers."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.dispatch import OcppVersion
from flows.commands.options import AsOfOption, Call, JsonOption, WorkspaceOption
from flows.errors import UsageError
from flows.exits import Exit

HostOption = Annotated[str, typer.Option("--host", help="Address to listen on.")]
PortOption = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port.")]
SpeedOption = Annotated[
    float,
    typer.Option(
        "--speed", min=1.0, max=10_000.0, help="Rehearsal: so many times as fast as the wall's clock."
    ),
]
gateway = typer.Typer(
    name="gateway", help="The chargers' central system (OCPP 1.6, 2.0.1, 2.1).", no_args_is_help=True
)
simulate = typer.Typer(
    name="simulate", help="Simulated counterparts, to rehearse with.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.add_typer(gateway, rich_help_panel="Service")
    app.add_typer(simulate, rich_help_panel="Service")


@gateway.command()
def run(
    ctx: typer.Context,
    host: HostOption = "127.0.0.1",
    port: PortOption = 9220,
    certificate: Annotated[Path | None, typer.Option("--cert", help="PEM: TLS, security profile 2.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="PEM: the certificate's key.")] = None,
    speed: SpeedOption = 1.0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Carry the plans of exports/ out at the chargers until Ctrl-C, and put what they tell into inbox/.

    Stations connect to ws://HOST:PORT/STATION with the password of gateway.toml (mode 0600): its table
    stations has a line "STATION" = "PASSWORD" for each, its table cars may have "TOKEN" = "BATTERY", its
    table guests "TOKEN" = "OWNER", its table authorize unknown = "Invalid", so that no other token charges
    (else any does, as nobody's car), its table margins "SITE" = kW that stay free below a site's limits,
    which are kept also where cars do not follow. The folder gateway/ keeps plans, what was said, alerts
    and status. The warehouse is never opened. A rehearsal begins at --as-of and runs --speed times as
    fast.

    Example: v2g gateway run --workspace depot --port 9220
    """
    from flows.clock import running_from
    from flows.console import make_console
    from flows.dispatch.gateway import STATE_FOLDER
    from flows.dispatch.gateway.config import FILE_NAME, load_config
    from flows.dispatch.gateway.desk import Desk
    from flows.dispatch.gateway.server import Gateway, tls_of
    from flows.server.held import hold
    from warehouse.files import make_folder

    call = Call.of(ctx, workspace, as_json, as_of)
    root = _root(call.directory)
    config = load_config(root / FILE_NAME)
    tls = tls_of(certificate, key)
    state = make_folder(root / STATE_FOLDER)
    if (other := hold(state / "lock")) is not None:
        raise UsageError(f"a gateway of {root} runs already, as process {other}")
    clock = running_from(call.as_of if call.as_of_given else None, speed)
    desk = Desk(config, plans=root / "exports", inbox=make_folder(root / "inbox"), state=state, clock=clock)
    scheme = "ws" if tls is None else "wss"
    plain = tls is None and not host.startswith("127.")
    warning = " · without TLS passwords can be read on the way: --cert, --key" if plain else ""
    make_console(stderr=True).print(
        f"{scheme}://{host}:{port} · {len(config.stations)} stations on the list · Ctrl-C ends{warning}",
        soft_wrap=True,
    )
    _until_stopped(Gateway(desk).run(host, port, tls))


@gateway.command()
def status(
    ctx: typer.Context,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Tell which stations are connected, what their cars are asked for and do, sites, the newest alerts.

    Exit 3 when a station of the list is not connected, or no gateway has reported anything for a minute.

    Example: v2g gateway status --workspace depot
    """
    from flows.console import show_tables
    from flows.dispatch.gateway import STATE_FOLDER
    from flows.dispatch.gateway.status_file import FILE_NAME, read_status

    call = Call.of(ctx, workspace, as_json, as_of)
    folder = _root(call.directory) / STATE_FOLDER
    stated = read_status(folder)
    if stated is None:
        raise UsageError(f"no gateway has run in {folder}", hint="`v2g gateway run` starts one.")
    written = datetime.fromtimestamp((folder / FILE_NAME).stat().st_mtime, UTC)
    silent_s = (datetime.now(UTC) - written).total_seconds()
    sessions = [
        {"station": one["station"], **session} for one in stated["stations"] for session in one["stays"]
    ]
    stations = [{k: v for k, v in one.items() if k != "stays"} for one in stated["stations"]]
    sites = stated.get("sites", [])  # a gateway of before does not tell them
    tables = {
        "plans": stated["plans"], "sites": sites, "stations": stations, "sessions": sessions,
        "alerts": stated["alerts"],
    }  # fmt: skip
    call.answer(
        {**stated, "told_before_s": round(silent_s)},
        lambda out: show_tables(out, {k: v for k, v in tables.items() if v}),
    )
    if silent_s > 60 or not all(one["connected"] for one in stations):
        raise typer.Exit(Exit.DEGRADED)


@gateway.command()
def limit(
    ctx: typer.Context,
    site: Annotated[str, typer.Argument(metavar="SITE", help="site_id, as in the table of sites.")],
    until: Annotated[
        str,
        typer.Option("--to", metavar="TIME", help="When it ends (ISO 8601, UTC when no offset is given)."),
    ],
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="When it begins.", show_default="now")
    ] = None,
    import_kw: Annotated[
        float | None, typer.Option("--import-kw", min=0.0, help="kW that it may draw.")
    ] = None,
    export_kw: Annotated[
        float | None, typer.Option("--export-kw", min=0.0, help="kW that it may feed back.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Limit what a site draws or feeds back for a while, as its grid operator orders: a file in signals/.

    The gateway keeps it at once, whatever is planned, and puts rows of site_limits into the inbox, which the
    next plan keeps. Events of OpenADR 3 with IMPORT_CAPACITY_LIMIT, EXPORT_CAPACITY_LIMIT or
    DISPATCH_SETPOINT (what is to be drawn, as far as cars can) in KW, and with sites as targets, can be put
    there as JSON files. Of several limits the least holds; who takes a file away lifts its limit.

    Example: v2g gateway limit yard --import-kw 4.2 --from 2026-06-16T17:00Z --to 2026-06-16T19:00Z
    """
    from flows.dispatch.gateway import PLANS, STATE_FOLDER
    from flows.dispatch.gateway.plans import PlanFolder
    from flows.dispatch.gateway.signal_folder import SIGNALS_FOLDER
    from flows.dispatch.gateway.signals import SignalError, limits_of
    from flows.filenames import file_stem
    from flows.moments import moment_of
    from warehouse.files import make_folder, write_whole

    call = Call.of(ctx, workspace, as_json, as_of)
    begin = call.as_of if since is None else moment_of("--from", since)
    fields = {
        "site_id": site, "from": begin.isoformat(), "to": moment_of("--to", until).isoformat(),
        "import_kw": import_kw, "export_kw": export_kw,
    }  # fmt: skip
    data = json.dumps(fields)
    try:
        (one,), _ = limits_of(data.encode())
    except SignalError as error:
        raise UsageError(f"the limit of {site}: {error}", hint="--import-kw or --export-kw, --to") from error
    if one.end <= call.as_of:
        raise UsageError(f"{one}: that is over already", hint="A rehearsal of a day that is over: --as-of.")
    told = hashlib.sha256(data.encode()).hexdigest()[:8]  # another limit of the same moment is another file
    name = f"limit_{file_stem(site)}_{one.begin:%Y%m%dT%H%M%SZ}_{told}.json"
    root = _root(call.directory)
    file = write_whole(make_folder(root / SIGNALS_FOLDER) / name, data)
    copies = root / STATE_FOLDER / PLANS
    plans = PlanFolder(root / "exports", copies, lambda *_: None).plans if copies.is_dir() else []
    odd = bool(plans) and all(one.site_id != site for plan in plans for one in plan.sites)
    what = f"{one}{'; no plan knows that site' if odd else ''}: {file}"
    call.answer({"file": str(file), **fields, "known": not odd}, lambda out: out.print(what, soft_wrap=True))


@gateway.command()
def followed(
    ctx: typer.Context,
    day: Annotated[
        str | None,
        typer.Option("--date", metavar="DATE", help="Day of UTC, YYYY-MM-DD.", show_default="today"),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Tell by car and by quarter-hour what was asked for, what was done, and what it cost.

    Asked: what stations took, held back or not; off: done less asked, of whole quarter-hours in which a car
    had a profile (the sum, and the sum without signs), and what that cost more. Costs are at the plan's
    prices. --json has every car's quarter-hours. Kept for 31 days.

    Example: v2g gateway followed --date 2026-06-16 --workspace depot
    """
    from flows.console import show_tables
    from flows.dispatch.gateway import STATE_FOLDER
    from flows.dispatch.gateway.following import followed as rows_of
    from flows.dispatch.gateway.following import summed
    from flows.moments import day_of

    call = Call.of(ctx, workspace, as_json, as_of)
    wanted = call.as_of.astimezone(UTC).date() if day is None else day_of("--date", day)
    rows = rows_of(_root(call.directory) / STATE_FOLDER, wanted.isoformat())
    if not rows:
        raise UsageError(f"no gateway has metered anything of {wanted} here", hint="--date, --workspace")
    cars, slots = summed(rows, "battery_id"), summed(rows, "interval_start_utc")
    payload = {"date": wanted.isoformat(), "cars": cars, "quarter_hours": slots, "rows": rows}
    tables = {f"{len(cars)} cars": cars, f"{len(slots)} quarter-hours": slots}
    call.answer(payload, lambda out: show_tables(out, tables))


@simulate.command()
def chargers(
    ctx: typer.Context,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="exports/dispatch_DATE_ZONE.json")],
    url: Annotated[str, typer.Option("--url", help="The gateway's.")] = "ws://127.0.0.1:9220",
    version: Annotated[
        OcppVersion, typer.Option("--ocpp", help="What the stations speak.")
    ] = OcppVersion.v2_1,
    old: Annotated[int, typer.Option("--old", min=0, help="So many of them speak 1.6 instead.")] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault", metavar="STATION=FAULT",
            help="late, silent, refusing, clock-off, reconnecting, duplicate, disobeying, greedy or broken.",
        ),
    ] = None,
    meter_s: Annotated[float, typer.Option("--meter", min=1.0, help="Seconds between meter values.")] = 60.0,
    speed: SpeedOption = 1.0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:  # fmt: skip
    """Be the charge points of a plan, each with its cars, until the last has left; tell what came of it.

    Passwords are those of gateway.toml. Cars are batteries that do what their profiles say, from the plan's
    charge on; a station takes its time from the gateway. Exit 3 when a car left with less than was promised.

    Example: v2g simulate chargers exports/dispatch_2026-06-16_DE-LU.json --fault DEPOT-1=refusing
    """
    from flows.console import show_tables
    from flows.dispatch.gateway.config import FILE_NAME, load_config
    from flows.dispatch.plan_file import plan_of
    from flows.dispatch.simulator.fleet import drive, faults_of, stations_of, what_came
    from flows.dispatch.simulator.station import Setup

    call = Call.of(ctx, workspace, as_json, as_of)
    passwords = load_config(_root(call.directory) / FILE_NAME).stations
    try:
        read, faults = plan_of(plan.read_bytes(), plan.name), faults_of(fault or [])
    except OSError as error:
        raise UsageError(f"{plan} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(str(error)) from error
    names = sorted({one.plug.station_id for one in read.plugs} & passwords.keys())
    if strange := sorted(faults.keys() - set(names)):
        raise UsageError(f"no station {', '.join(strange)}", hint=f"There are {', '.join(names[:20])}.")
    setups = {
        name: Setup(
            url=url, password=passwords[name], version="1.6" if place < old else version.value, speed=speed,
            meter_s=meter_s, faults=faults.get(name, frozenset()),
        )
        for place, name in enumerate(names)
    }  # fmt: skip
    stations = stations_of(read, setups, call.as_of if call.as_of_given else datetime.now(UTC))
    _until_stopped(drive(stations))
    rows = what_came(stations)
    call.answer({"stations": rows}, lambda out: show_tables(out, {f"{len(rows)} stations": rows}))
    if any(row["missed"] for row in rows):
        raise typer.Exit(Exit.DEGRADED)


def _root(directory: Path) -> Path:
    """The folder, which needs no v2g.toml: next to the chargers there may be a gateway alone."""
    root = directory.expanduser().resolve()
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder")
    return root


def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run until it is done, or Ctrl-C or SIGTERM."""

    async def running() -> None:
        task = asyncio.ensure_future(work)
        for order in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(order, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return

    asyncio.run(running())
