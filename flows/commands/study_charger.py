"""The command that tells what a better charger is worth: study charger."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Literal

import typer

from flows.commands.options import (
    AsOfOption,
    Call,
    FromOption,
    JsonOption,
    ToOption,
    WorkspaceOption,
    days_over,
)


def charger(
    ctx: typer.Context,
    efficiency: Annotated[
        float | None,
        typer.Option(
            "--efficiency", min=0.3, max=1.0, help="Both ways, 0.96 for 96 %.", show_default="as is"
        ),
    ] = None,
    power: Annotated[
        float | None,
        typer.Option(
            "--kw", metavar="KW", help="Metered; also fed back where anything is.", show_default="as is"
        ),
    ] = None,
    phases: Annotated[
        int | None, typer.Option("--phases", min=1, max=3, help="Of the charger.", show_default="as is")
    ] = None,
    car_power: Annotated[
        float | None,
        typer.Option(
            "--car-kw", metavar="KW", help="What cars take, battery side.", show_default="as the fleet says"
        ),
    ] = None,
    cars: Annotated[
        list[str] | None,
        typer.Option("--car", metavar="ID", help="At this car; again for more.", show_default="all"),
    ] = None,
    sites: Annotated[
        list[str] | None,
        typer.Option(
            "--site", metavar="ID", help="At cars of this site; again for more.", show_default="all"
        ),
    ] = None,
    first: FromOption = None,
    last: ToOption = None,
    mode: Annotated[
        Literal["v2g", "ordered"], typer.Option("--mode", help="As which days are planned.")
    ] = "v2g",
    price: Annotated[
        str | None,
        typer.Option(
            "--price",
            metavar="LOW:HIGH",
            help="€ a charger more than the one that stands; a number or a range.",
            show_default="no payback",
        ),
    ] = None,
    source: Annotated[
        str, typer.Option("--price-source", metavar="TEXT", help="Who says that price, and when.")
    ] = "",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of drawn days: same seed, same answer.")] = 0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Tell what a better charger is worth: this fleet's own days solved again with it, € a car and year.

    Each day is asked twice, with the chargers that there are and with these, as of when its prices had come
    and by the stays that were known or expected then; a stay counts on the day on which its car comes, a day
    on which nobody comes gains nothing. Prices, promises and what a kWh in store is worth stay as they were.
    Limits of a charger are metered: more power helps where the car takes it (--car-kw), phases where the
    charger is known (dataset chargers). The interval (90 %) is of blocks of days drawn anew, from 14 days on.
    Payback is the price over the gain of a year, without interest. Nothing is written. Exit 3 where a day
    cannot be solved again, which costs itself alone, or a car is left out.

    Example: v2g study charger --efficiency 0.96 --price 200:400 --price-source "quotation of 2026-11-02"
    """
    from flows.console import counting
    from flows.errors import UsageError
    from flows.stages import Context
    from flows.stages.charger import Asked, charger_worth
    from optimize.errors import ProblemError
    from optimize.market.invest.charger import Charger

    call = Call.of(ctx, workspace, as_json, as_of)
    try:
        other = Charger(efficiency=efficiency, power_kw=power, phases=phases, car_kw=car_power)
    except ProblemError as error:
        raise UsageError(
            str(error), hint="--efficiency, --kw, --phases or --car-kw says what changes."
        ) from error
    priced = None if price is None else _price(price)
    if (priced is None) == bool(source.strip()):
        raise UsageError("--price and --price-source belong together: a price without a source tells nothing")
    opened = call.open()
    begin, end = days_over(first, last, call, opened.zone)
    asked = Asked(
        charger=other, first=begin, last=end, cars=cars or (), sites=sites or (), mode=mode,
        price_eur=priced, price_source=source.strip(), seed=seed,
    )  # fmt: skip
    with counting() as progress:
        result = charger_worth(Context.of(opened, call.as_of), asked, progress)
    call.finish(result)


def _price(text: str) -> tuple[float, float]:
    """A price as it is typed: a number, or LOW:HIGH in order; raises UsageError."""
    from flows.errors import UsageError

    low, _, high = text.partition(":")
    try:
        found = float(low), float(high or low)
    except ValueError:
        raise UsageError(f"--price {text}: a number or LOW:HIGH is meant, as 200:400") from None
    if not (all(map(isfinite, found)) and 0.0 <= found[0] <= found[1]):
        raise UsageError(f"--price {text}: must be 0 or more, the lower first")
    return found
