"""Commands on what V2G is worth to whom, and whether it pays: study shares, acceptance, investment."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.commands.options import (
    AsOfOption,
    Call,
    DateOption,
    FromOption,
    JsonOption,
    ToOption,
    WorkspaceOption,
    days_over,
    market_date,
)
from flows.commands.study_charger import charger

if TYPE_CHECKING:
    from optimize.market.invest.suppositions import Range, Supposition

_KEYS = {
    "enrol": "enrol_usd",
    "per_event": "per_event_usd",
    "events": "events_per_month",
    "lower_soc": "lower_soc_points",
    "guaranteed_soc": "guaranteed_soc_points",
}
study = typer.Typer(help="What V2G is worth to whom; nothing is written.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    study.command()(shares)
    study.command()(acceptance)
    study.command()(investment)
    study.command()(charger)
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
    with counting() as progress:
        result = stage(Context.of(opened, call.as_of), market_date(day, call, opened.zone), asked, progress)
    call.finish(result)


_STATED, _SUPPOSED = "has to be given", "as supposed"


def _figure(option: str, text: str, default: str = _SUPPOSED) -> typer.models.OptionInfo:
    """An option of a figure that is reported as one number or as LOW:HIGH."""
    info: typer.models.OptionInfo = typer.Option(option, metavar="LOW:HIGH", help=text, show_default=default)
    return info


def investment(
    ctx: typer.Context,
    charger: Annotated[
        str | None,
        _figure("--charger", "€ a car: a charger that feeds back over one that does not.", _STATED),
    ] = None,
    grid: Annotated[
        str | None, _figure("--grid", "€ a car: connection and reinforcement for it; 0 if none is.", _STATED)
    ] = None,
    life: Annotated[str | None, _figure("--life", "Years until a charger is replaced.", _STATED)] = None,
    gamma: Annotated[str | None, _figure("--gamma", "γ: what is paid for each € estimated.")] = None,
    upkeep: Annotated[str | None, _figure("--upkeep", "Upkeep of a year, as a share of I.")] = None,
    rate: Annotated[str | None, _figure("--rate", "Real discount rate of a year, 0.04 for 4 %.")] = None,
    source: Annotated[
        Literal["realised", "backtest"],
        typer.Option("--income", help="Of followed plans, or of the back-test with most days."),
    ] = "realised",
    against: Annotated[
        Literal["ordered", "uncontrolled"], typer.Option("--against", help="What V2G earns more than.")
    ] = "ordered",
    strategy: Annotated[
        str, typer.Option("--strategy", metavar="NAME", help="Of the back-test, as `v2g backtest` names it.")
    ] = "v2g",
    chargers: Annotated[
        int | None,
        typer.Option("--chargers", min=1, help="M, how many are bought.", show_default="cars of these days"),
    ] = None,
    draws: Annotated[
        int, typer.Option("--draws", min=1000, max=1_000_000, help="Draws of all figures at once.")
    ] = 20_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of these draws: same seed, same answer.")] = 0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Tell whether chargers that feed back pay: what they cost, NPV, payback, and what these hang on most.

    I = M·(C_charger + C_grid)·γ, against what this fleet's own days earned net of wear: of followed plans
    (`v2g realise`) or of a back-test, blocks of days drawn anew, from 14 days on; how many they are, and of
    which quarters of a year there are none, is said. A figure is a number or LOW:HIGH: prices of chargers are
    lognormal with these as 5 and 95 % quantiles, all else is uniform between. What is supposed has its source
    in the answer; what nobody could be quoted for has to be given. Low and high of answers are 5 and 95 %
    quantiles. The tornado moves one figure at a time between its own. Nothing is written. Exit 3 where cars
    are left out of days.

    Example: v2g study investment --charger 2000:5000 --grid 0:500 --life 8:12 --income backtest
    """
    from flows.backtest.strategies import BY_NAME
    from flows.console import working
    from flows.errors import UsageError
    from flows.stages import Context
    from flows.stages.invest import Asked, invest

    call = Call.of(ctx, workspace, as_json, as_of)
    if strategy not in BY_NAME:
        raise UsageError(
            f"--strategy {strategy}: there is no such strategy", hint=f"There are {', '.join(BY_NAME)}."
        )
    stated = _stated(
        {
            "charger_eur": ("--charger", charger),
            "grid_eur": ("--grid", grid),
            "life_years": ("--life", life),
            "gamma": ("--gamma", gamma),
            "upkeep": ("--upkeep", upkeep),
            "rate": ("--rate", rate),
        }
    )
    asked = Asked(
        given=stated, source=source, against=against, strategy=strategy,
        chargers=chargers, draws=draws, seed=seed,
    )  # fmt: skip
    opened = call.open()
    with working("what V2G earned, and what it costs"):
        result = invest(Context.of(opened, call.as_of), asked)
    call.finish(result)


def _stated(figures: Mapping[str, tuple[str, str | None]]) -> dict[str, Range]:
    """The ranges that were reported, by name; raises UsageError where one is needed that was not.

    figures: by name, the option and its text.
    """
    from flows.errors import UsageError
    from optimize.market.invest.suppositions import suppositions

    supposed = suppositions()
    lacking = [
        f"{option} ({supposed[name].means}; {supposed[name].unit})"
        for name, (option, text) in figures.items()
        if text is None and supposed[name].default is None
    ]
    if lacking:
        hint = "A number or LOW:HIGH, as a quotation has it."
        raise UsageError(f"nothing is supposed of {', '.join(lacking)}: it has to be given", hint=hint)
    return {
        name: _range(supposed[name], option, text)
        for name, (option, text) in figures.items()
        if text is not None
    }


def _range(supposed: Supposition, option: str, text: str) -> Range:
    """What was reported of a figure: a number, or LOW:HIGH."""
    from flows.errors import UsageError
    from optimize.errors import ProblemError

    low, _, high = text.partition(":")
    try:
        return supposed.given(float(low), float(high or low))
    except ProblemError as error:
        raise UsageError(f"{option} {text}: {error.rule}") from error
    except ValueError as error:
        raise UsageError(f"{option} {text}: a number or LOW:HIGH is meant, as 2000:5000") from error


def acceptance(
    ctx: typer.Context,
    first: FromOption = None,
    last: ToOption = None,
    offers: Annotated[
        list[str] | None,
        typer.Option(
            "--offer",
            metavar="NAME:KEY=VALUE,…",
            help="An offer to choose from: enrol, per_event (both in $), events (a month), lower_soc, "
            "guaranteed_soc (in points); again for more.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Tell what each owner gained over the risk, as an index, and which of some offers owners would choose.

    Index A = k·B/R + T with R = β1·U_deg + β2·U_priv, weights by section owner of v2g.toml. B is the owner's
    euros of the period: Π_owner of settled days where a contract holds the car, else what its account gained
    against uncontrolled. U_deg is the width of the twin's 90 % interval of next year's loss over its middle.
    No records of acceptance exist, so the index is uncalibrated: it ranks, it is no probability. Shares of
    offers are those of a multinomial logit of 682 US owners (2025): stated, in dollars, for programmes of 1
    to 4 events a month. Euros are not converted: an offer with a contract's id takes its least charge alone.
    Nothing is written. Exit 3 where a car has no index.

    Example: v2g study acceptance --offer "a:enrol=50,per_event=2,events=4,lower_soc=30,guaranteed_soc=60"
    """
    from flows.stages import Context
    from flows.stages.acceptance import acceptance_of

    call = Call.of(ctx, workspace, as_json, as_of)
    given = _offers(offers or [])
    opened = call.open()
    begin, end = days_over(first, last, call, opened.zone)
    call.finish(acceptance_of(Context.of(opened, call.as_of), begin, end, given))


def _offers(texts: list[str]) -> dict[str, dict[str, float]]:
    """Attributes by the name of the offer; raises UsageError for what cannot be read."""
    from flows.errors import UsageError

    found: dict[str, dict[str, float]] = {}
    for text in texts:
        name, _, rest = text.partition(":")
        name, stated = name.strip(), dict[str, float]()
        if not name or name in found:
            raise UsageError(f"--offer {text}: {'a name is given twice' if name else 'NAME: is needed'}")
        for part in filter(None, (one.strip() for one in rest.split(","))):
            key, _, value = (one.strip() for one in part.partition("="))
            if key not in _KEYS or _KEYS[key] in stated:
                why = "is given twice" if key in _KEYS else f"is none of {', '.join(_KEYS)}"
                raise UsageError(f"--offer {name}: {key} {why}")
            try:
                stated[_KEYS[key]] = float(value)
            except ValueError:
                raise UsageError(f"--offer {name}: {key} is {value!r}, a number is needed") from None
        found[name] = stated
    return found
