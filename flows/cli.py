"""`v2g`: the command line. What a command answers goes to stdout, everything else to stderr."""

from __future__ import annotations

import atexit
import json
import os
import sys
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from flows.commands import (
    backtest,
    bid,
    data,
    dispatch,
    forecast,
    gateway,
    history,
    ledger,
    money,
    ocpi,
    own,
    planning,
    privacy,
    quarantine,
    service,
    study,
    twin,
    warehouse,
)
from flows.commands.options import AsOfOption, Call, JsonOption, WorkspaceOption
from flows.exits import one_line
from flows.log import begin
from flows.private import keep_private

app = typer.Typer(
    name="v2g",
    help="Plan tomorrow for a fleet of electric cars that can feed the grid, "
    "with battery wear priced by a twin of each battery.",
    epilog=f"Exit codes: {one_line()}.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _show_version(asked: bool) -> None:
    """Answer with the package's version and the hash of its code."""
    if asked:
        from flows.version import code_version

        number, _, code = code_version().partition("+")
        as_json = "--json" in sys.argv
        typer.echo(
            json.dumps({"version": number, "code": code}) if as_json else f"v2g-planner {number}+{code}"
        )
        raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option(
        "--version", callback=_show_version, is_eager=True, help="Tell the version and the hash of the code."
    ),
]


@app.callback()
def shared(
    ctx: typer.Context,
    version: VersionOption = False,  # noqa: ARG001 answered when it is read
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Take the shared options where they stand before the command's name."""
    ctx.obj = Call.of(ctx, workspace, as_json, as_of)


data.add_to(app)
own.add_to(app)
quarantine.add_to(app)
planning.add_to(app)
backtest.add_to(app)
forecast.add_to(app)
bid.add_to(app)
money.add_to(app)
ledger.add_to(app)
study.add_to(app)
dispatch.add_to(app)
ocpi.add_to(app)
gateway.add_to(app)
privacy.add_to(app)
history.add_to(app)
twin.add_to(app)
service.add_to(app)
warehouse.add_to(app)


def main() -> None:
    """Run the command line; every error ends here as one screen and an exit code.

    What it writes, and what its children write, is private: see `flows.private`.
    """
    keep_private()
    arguments = sys.argv[1:] or ["--help"]
    try:
        begin()
        code = get_command(app).main(args=arguments, prog_name="v2g", standalone_mode=False)
    except SystemExit as left:
        code = left.code
    except Exception as error:
        if os.environ.get("V2G_DEBUG") == "1" and not isinstance(error, TyperException):
            raise
        from flows.console import show_problem
        from flows.problem import problem_of

        problem = problem_of(error)
        show_problem(problem, as_json="--json" in arguments)
        code = problem.exit_code
    _leave(code if isinstance(code, int) else 0)


def _leave(code: int) -> NoReturn:
    """Exit, without taking the interpreter apart under Prefect's threads: DuckDB would complain of leaks."""
    if "prefect" in sys.modules:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
