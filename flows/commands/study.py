"""Commands that look into what a day is worth to whom: study shares."""

from __future__ import annotations

from math import isfinite
from typing import Annotated

import typer

from flows.commands.options import AsOfOption, Call, DateOption, JsonOption, WorkspaceOption, market_date

study = typer.Typer(help="What V2G is worth to whom; nothing is written.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    study.command()(shares)
    app.add_typer(study, name="study", rich_help_panel="Money")


def shares(
    ctx: typer.Context,
    day: DateOption = None,
    owner: Annotated[
        float,
        typer.Option("--owner-otherwise", metavar="EUR", help="What each owner has of the day without V2G."),
    ] = 0.0,
    operator: Annotated[
        float,
        typer.Option("--operator-otherwise", metavar="EUR", help="What the operator has of it otherwise."),
    ] = 0.0,
    orders: Annotated[
        int,
        typer.Option("--orders", min=2, max=10_000, help="Orders drawn for Shapley beyond 12 players."),
    ] = 20,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of these orders: same seed, same answer.")] = 0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Tell what each car adds to a day, which shares nobody would leave, and θ between owners and operator.

    Each coalition of cars is planned, the others charging on plug-in; with contracts in force the operator is
    a player. Up to 12 players: Shapley value, least core and nucleolus of all coalitions. Beyond: Shapley
    from orders drawn, with a 90 % interval. For any fleet: shares by the prices that limits, peaks and common
    meters have, and what a coalition can gain at most by leaving them. θ is Nash's, of energy gained (Π)
    against wear (C_deg); where none satisfies everybody the answer is "do not dispatch". It plans anew what
    a plan would, as known; a day of 12 players takes 2,047 plans, or 4,095 without
    operator, a larger one as many as orders and cars multiplied. Exit 3 where cars are left out.

    Example: v2g study shares --date 2026-12-02 --owner-otherwise 0.20
    """
    from flows.console import counting
    from flows.errors import UsageError
    from flows.stages import Context
    from flows.stages.shares import Asked
    from flows.stages.shares import shares as stage

    call = Call.of(ctx, workspace, as_json, as_of)
    for name, euros in (("--owner-otherwise", owner), ("--operator-otherwise", operator)):
        if not isfinite(euros):
            raise UsageError(f"{name} {euros}: an amount in € is needed")
    opened = call.open()
    asked = Asked(owner_otherwise_eur=owner, operator_otherwise_eur=operator, orders=orders, seed=seed)
    with counting() as told:
        result = stage(Context.of(opened, call.as_of), market_date(day, call, opened.zone), asked, told)
    call.finish(result)
