"""The command that bids for a market day."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import AsOfOption, Call, DateOption, JsonOption, WorkspaceOption, market_date


def add_to(app: typer.Typer) -> None:
    """Register this module's command."""
    app.command(rich_help_panel="Money")(bid)


def bid(
    ctx: typer.Context,
    date: DateOption = None,
    product: Annotated[
        list[str] | None,
        typer.Option(
            "--product", metavar="NAME", help="One of the zone's; again for more.", show_default="all"
        ),
    ] = None,
    products_file: Annotated[
        Path | None,
        typer.Option(
            "--products",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="A file like products.toml, in its place.",
            show_default=False,
        ),
    ] = None,
    points: Annotated[
        int, typer.Option("--points", min=3, max=9, help="Prices of each quarter-hour's curve, odd.")
    ] = 3,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Bid for a market day: reserve block by block and energy by price, or say why nothing is bid.

    Each product as of its gate, or of now (--as-of) before it. Reserve: what the pool's own days say that it
    can give in all of a block, with the product's quantile, in whole steps, nothing sold twice: what was won
    of earlier products (`v2g ingest awards`), else bid, in any call, is held. Its price is what the day earns
    less for holding it, with the wear of calls by the twin's price, and what refilling costs. Energy: each
    quarter-hour is planned anew at prices around the expected, a solve each. Products are
    those of optimize/market/bids/products.toml, which names figures that have no source: check these, and
    that you are admitted, before you hand anything in. Kept in out_bid and out_bid_curve; files in exports/.
    Exit 3 where cars are left out, not calibrated, or something is not known or solved: that costs its own
    product alone.

    Example: v2g bid --date 2026-12-02 --product FCR --product "day ahead"
    """
    from flows.console import counting
    from flows.errors import UsageError
    from flows.stages import Context
    from flows.stages.bid import Asked
    from flows.stages.bid import bid as stage
    from optimize.errors import TermsError
    from optimize.market.bids.products import products

    call = Call.of(ctx, workspace, as_json, as_of)
    if points % 2 == 0:
        raise UsageError(f"--points {points}: an odd number is needed, the expected price in the middle")
    opened = call.open()
    known = products()
    if products_file is not None:
        try:
            known = products(products_file.read_text(encoding="utf-8"), products_file.name)
        except UnicodeDecodeError as error:
            raise UsageError(f"--products {products_file}: not a text file in UTF-8") from error
        except TermsError as error:
            raise UsageError(f"--products {error}") from error
    asked = Asked(known=known, names=product or (), points=points)
    day = market_date(date, call, opened.zone)
    with counting() as progress:
        result = stage(Context.of(opened, call.as_of), day, asked, progress)
    call.finish(result)
