"""Commands for those who have a central system of their own: ocpi push, active, clear."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.json_file import json_of
from flows.commands.options import AsOfOption, Call, JsonOption, WorkspaceOption
from flows.errors import NoPlanError, UsageError
from flows.exits import Exit

if TYPE_CHECKING:
    from flows.dispatch.ocpi.client import OcpiClient
    from flows.dispatch.ocpi.config import OcpiConfig
    from flows.dispatch.ocpi.objects import ChargingProfileResponse
    from flows.dispatch.ocpi.receiver import Receiver
    from flows.dispatch.plan_file import PlanFile
    from flows.workspace import Workspace

_NOW = timedelta(minutes=15)
"""A moment further away is another than now."""
_SINCE = timedelta(days=14)
"""Sessions that were not updated for so long do not run any more."""
WaitOption = Annotated[
    float, typer.Option("--wait", min=0.0, max=600.0, help="Seconds to wait for a station's answer, at most.")
]
SessionArgument = Annotated[str, typer.Argument(metavar="SESSION", help="Its id at the central system.")]
ocpi = typer.Typer(
    name="ocpi",
    help="Charging profiles through a central system of your own (OCPI 2.2.1 ChargingProfiles).",
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.add_typer(ocpi, rich_help_panel="Service")


@ocpi.command()
def push(
    ctx: typer.Context,
    sessions: Annotated[
        Path | None,
        typer.Option("--sessions", metavar="FILE", help="JSON list of OCPI Sessions, instead of asking."),
    ] = None,
    periods: Annotated[int, typer.Option(min=2, max=1024, help="Periods a profile may have.")] = 24,
    wait_s: WaitOption = 60.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Send no profile; show what would be sent.")
    ] = False,
    rehearsal: Annotated[
        bool, typer.Option("--rehearsal", help="Send what was in force at --as-of, though it is not now.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Give the plan in force to the cars that are plugged in at your central system, as charging profiles.

    ocpi.toml names the central system, both parties and whose car a token or what stands at an EVSE is:
    versions_url, from_party = "DE*V2G", to_party = "NL*TNM", and a table cars with "TOKEN or EVSE" =
    "BATTERY". The tokens are in OCPI_TOKEN and OCPI_CALLBACK_TOKEN, or in token_file and
    callback_token_file of mode 0600. Results are received at `listen` (127.0.0.1:9230) while this runs; a
    central system elsewhere reaches that by callback_url (https). OCPI cannot feed back: where the
    plan does, the car rests, and what that loses is told. Exit 3 when a car has no profile, with its reason.

    Example: v2g ocpi push --workspace depot --dry-run
    """
    from flows import clock
    from flows.console import counting, show_tables
    from flows.dispatch.ocpi.config import FILE_NAME, load_config
    from flows.dispatch.ocpi.match import matched
    from flows.dispatch.ocpi.push import Outcome, offers_of, row_of
    from flows.dispatch.ocpi.push import push as push_all

    call = Call.of(ctx, workspace, as_json, as_of)
    if not (dry_run or rehearsal) and abs(clock.now() - call.as_of) > _NOW:
        raise UsageError(
            f"the plan of {call.as_of:%Y-%m-%d %H:%M} UTC is not what cars are to do now: nothing is sent",
            hint="--dry-run shows it; --rehearsal sends it all the same.",
        )
    opened = call.open()
    config = load_config(opened.root / FILE_NAME)
    plans = _plans(opened, call.as_of)
    pushed: dict[str, Any] = {}
    with ExitStack() as stack:
        client = cache(lambda: stack.enter_context(_client(config, opened.root)))
        stated = _in_file(sessions) if sessions else list(client().sessions(call.as_of - _SINCE))
        matches = matched(stated, config.cars, plans, call.as_of)
        offers, without = offers_of(matches.planned, call.as_of, periods)
        outcomes = [Outcome(status="not sent")] * len(offers)
        if offers and not dry_run:
            receiver = stack.enter_context(_receiver(config, opened.root))
            with counting() as progress:
                outcomes = push_all(client(), receiver, offers, wait_s, progress)
            pushed = {name: one.model_dump(mode="json") for name, one in receiver.pushed.items()}
    rows = [row_of(*offer, outcome) for offer, outcome in zip(offers, outcomes, strict=True)]
    left_out = [*matches.left_out, *without]
    payload = {
        "dry_run": dry_run, "sessions": rows, "left_out": left_out, "strangers": matches.strangers,
        "absent": matches.absent, "active_profiles": pushed,
        "not_fed_back_kwh": sum(row["not_fed_back_kwh"] for row in rows),
        "not_fed_back_eur": sum(row["not_fed_back_eur"] for row in rows),
    }  # fmt: skip
    tables: dict[str, Sequence[Mapping[str, Any]]] = {
        f"{len(rows)} sessions{' (nothing was sent)' if dry_run else ''}": [
            {name: value for name, value in row.items() if name != "profile"} for row in rows
        ],
        "left out": left_out,
        "sessions of cars that nobody names": matches.strangers,
        "planned to be plugged in, without a session": [{"battery_id": car} for car in matches.absent],
    }
    call.answer(payload, lambda out: show_tables(out, {name: own for name, own in tables.items() if own}))
    if left_out or not (dry_run or all(one.good for one in outcomes)):
        raise typer.Exit(Exit.DEGRADED)


@ocpi.command()
def active(
    ctx: typer.Context,
    session: SessionArgument,
    duration_s: Annotated[int, typer.Option("--duration", min=60, max=604_800, help="Seconds ahead.")] = 3600,
    wait_s: WaitOption = 60.0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Ask what a session's station is going to do: its ActiveChargingProfile.

    Exit 3 when it does not tell.

    Example: v2g ocpi active 101 --duration 3600 --workspace depot
    """
    call = Call.of(ctx, workspace, as_json, as_of)
    _one(call, session, lambda client, url: client.get_profile(session, duration_s, url), wait_s)


@ocpi.command()
def clear(
    ctx: typer.Context,
    session: SessionArgument,
    wait_s: WaitOption = 60.0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Take a session's charging profile back: its station then does as its central system would have it.

    Exit 3 when it was not taken back.

    Example: v2g ocpi clear 101 --workspace depot
    """
    call = Call.of(ctx, workspace, as_json, as_of)
    _one(call, session, lambda client, url: client.delete_profile(session, url), wait_s)


def _one(
    call: Call, session: str, ask: Callable[[OcpiClient, str], ChargingProfileResponse], wait_s: float
) -> None:
    """Ask something of one session, wait for what comes of it, and answer."""
    from flows.console import show_tables
    from flows.dispatch.ocpi.config import FILE_NAME, load_config
    from flows.dispatch.ocpi.push import Outcome, awaited, send

    opened = call.open()
    config = load_config(opened.root / FILE_NAME)
    with _client(config, opened.root) as client, _receiver(config, opened.root) as receiver:
        sent = send(lambda url: ask(client, url), receiver, wait_s)
        outcome = sent if isinstance(sent, Outcome) else awaited(sent, receiver)
    payload = {
        "session_id": session,
        "status": outcome.status,
        "reason": outcome.reason,
        "active": outcome.active,
    }
    title = ": ".join(filter(None, (session, outcome.status, outcome.reason)))
    periods = (outcome.active or {}).get("charging_profile", {}).get("charging_profile_period", [])
    call.answer(
        payload,
        lambda out: show_tables(out, {title: periods}) if periods else out.print(title, soft_wrap=True),
    )
    if not outcome.good:
        raise typer.Exit(Exit.DEGRADED)


def _plans(opened: Workspace, now: datetime) -> list[PlanFile]:
    """The plans in force from yesterday's to tomorrow's, the newest first; raises NoPlanError for none."""
    from flows import clock
    from flows.context import Context
    from flows.dispatch.current import newest_first
    from flows.dispatch.planned import plan_file
    from flows.mapping.in_force import plan_in_force

    context = Context.of(opened, now)
    tomorrow = clock.tomorrow(now, opened.zone)
    stored = [plan_in_force(context.known, opened.zone, tomorrow - timedelta(days=n)) for n in range(3)]
    plans = newest_first(plan_file(context, one) for one in stored if one is not None)
    if not plans:
        raise NoPlanError(f"there is no plan for {tomorrow - timedelta(days=1)}", hint="Try `v2g run`.")
    return plans


@contextmanager
def _client(config: OcpiConfig, root: Path) -> Iterator[OcpiClient]:
    from flows.dispatch.ocpi.client import OcpiClient
    from flows.dispatch.ocpi.config import token_of

    client = OcpiClient(config, token_of(config, root))
    try:
        client.connect()
        yield client
    finally:
        client.close()


def _receiver(config: OcpiConfig, root: Path) -> Receiver:
    from flows.dispatch.ocpi.config import callback_token_of
    from flows.dispatch.ocpi.receiver import Receiver

    return Receiver(config, callback_token_of(config, root))


def _in_file(file: Path) -> list[Any]:
    """The Session objects of a file: a list, or an answer of OCPI whose data are one."""
    value = json_of(file)
    found = value.get("data") if isinstance(value, dict) else value
    if not isinstance(found, list):
        raise UsageError(f"{file} holds no list of OCPI Sessions")
    return found
