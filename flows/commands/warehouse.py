"""Commands on the warehouse as a whole: trace, snapshot, backup, restore, retention, export, migrate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.options import AsOfOption, Call, JsonOption, WorkspaceOption
from flows.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    for command in (trace, snapshot, backup, restore, retention, export, migrate):
        app.command(rich_help_panel="Warehouse")(command)


def trace(
    ctx: typer.Context,
    plan_id: Annotated[
        str, typer.Argument(metavar="PLAN_ID", help="A plan's id, or its beginning.", show_default=False)
    ],
    battery: Annotated[
        str | None, typer.Option(help="Of the calibrations, this battery's alone.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Tell what a plan was made of: its run, its files and responses by row, its calibrations and theirs.

    Example: v2g trace 5f3a9c1e --battery car-1
    """
    from flows.console import show_tables
    from flows.mapping.trace import trace as traced
    from flows.mapping.trace import trace_tables

    call = Call.of(ctx, workspace, as_json, as_of)
    answer = traced(call.open(), plan_id, battery_id=battery)
    call.answer(answer, lambda out: show_tables(out, trace_tables(answer)))


def snapshot(
    ctx: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Where to.", show_default="exports/snapshot.duckdb"),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Copy the warehouse for notebooks and reports: readers see the old copy or the new one, never a part.

    FILE may be an earlier snapshot, and nothing else that is there.

    Example: v2g snapshot
    """
    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open()
    written = opened.warehouse.snapshot(file or opened.exports / "snapshot.duckdb")
    _report(call, {"snapshot": str(written)}, f"Snapshot {written}")


def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Not there yet.", show_default=False)],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: say whether the backup FILE is whole.")
    ] = False,
    encrypt_for: Annotated[
        Path | None,
        typer.Option(
            "--encrypt-for",
            metavar="CERTIFICATE",
            help="Encrypt it, piece by piece: this certificate's holder alone can open it (PEM, RSA), with "
            "`v2g restore`, or unzip and `openssl cms -decrypt`.",
            show_default="not encrypted",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Copy the warehouse to FILE and verify it, every row and block.

    A warehouse that is damaged is reported (exit 4). FILE is a warehouse as well, and what `v2g restore`
    takes. Encrypted, it is written without any plain copy on the way.

    Example: v2g backup /backups/depot-2020-07-05.duckdb

    Example: v2g backup --check /backups/depot-2020-07-05.duckdb

    Example: v2g backup /cloud/depot.duckdb.zip --encrypt-for certificate.pem
    """
    from flows.console import working
    from flows.sealed import enclose_for

    call = Call.of(ctx, workspace, as_json, as_of)
    warehouse = call.open().warehouse
    if check:
        if encrypt_for is not None:
            raise UsageError("--check writes nothing: leave --encrypt-for out")
        rows = warehouse.check_backup(file)
        _report(call, {"checked": str(file), "rows": rows}, f"Whole: {file}, {_sum(rows)}")
        return
    enclose = None if encrypt_for is None else enclose_for(encrypt_for)
    with working("copying and verifying"):
        rows = warehouse.backup(file, noted=True, enclose=enclose)
    what = "verified" if enclose is None else f"verified, encrypted to {encrypt_for}"
    _report(call, {"backup": str(file), "rows": rows}, f"Backup {file}: {_sum(rows)}, {what}")


def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.", show_default=False)],
    key: Annotated[
        Path | None,
        typer.Option(metavar="KEY", help="Of an encrypted backup: the private key, PEM.", show_default=False),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            metavar="CERTIFICATE", help="The certificate that it was encrypted for, PEM.", show_default=False
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Put a backup in the place of the warehouse, once all of it is verified; a running writer stops it.

    Example: v2g restore /backups/depot-2020-07-05.duckdb

    Example: v2g restore /cloud/depot.duckdb.zip --key key.pem --certificate certificate.pem
    """
    from flows.console import working
    from flows.sealed import disclose_with

    call = Call.of(ctx, workspace, as_json, as_of)
    if (key is None) != (certificate is None):
        raise UsageError("--key and --certificate belong together: both open an encrypted backup")
    disclose = None if key is None or certificate is None else disclose_with(key, certificate)
    with working("verifying and restoring"):
        rows = call.open().warehouse.restore(file, disclose)
    _report(call, {"restored": str(file), "rows": rows}, f"Restored {file}: {_sum(rows)}")


def retention(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False,
    samples_days: Annotated[
        int | None,
        typer.Option(min=31, help="Keep samples of this many days.", show_default="v2g.toml"),
    ] = None,
    raw_days: Annotated[
        int | None,
        typer.Option(min=1, help="Keep raw rows received in this many days.", show_default="v2g.toml"),
    ] = None,
    reports_days: Annotated[
        int | None,
        typer.Option(min=1, help="Keep the pages of days over since this many.", show_default="v2g.toml"),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Let old telemetry go (quarter-hours stay, and files stay known), and pages of old days.

    With the samples go the voltages of then that twins were fitted to, which pages of old plans show. Nothing
    else ever deletes telemetry. Pages are made anew by `v2g report`. Without days here or under retention in
    v2g.toml all is kept.

    Example: v2g retention --dry-run --samples-days 365
    """
    from flows.console import show_tables
    from flows.stages import Context
    from flows.stages.maintain import let_go, let_pages_go

    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open()
    policy = opened.settings.retention
    pruned = let_go(
        opened, call.as_of, samples_days or policy.samples_days, raw_days or policy.raw_days, dry_run=dry_run
    )
    rows: list[dict[str, Any]] = [
        {"table": one.table, "before": one.before and str(one.before), "rows": one.rows} for one in pruned
    ]
    pages = let_pages_go(Context.of(opened, call.as_of), reports_days or policy.reports_days, dry_run=dry_run)
    title = "would be deleted" if dry_run else "deleted"
    shown = {title: rows, f"pages {title}": [{"folder": name} for name in pages]}
    call.answer({"dry_run": dry_run, "deleted": rows, "pages": pages}, lambda out: show_tables(out, shown))


def export(
    ctx: typer.Context,
    parquet: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the Parquet files.", show_default=False)
    ],
    table: Annotated[
        list[str] | None, typer.Option(help="Tables to write; repeatable.", show_default="all")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Write tables as Parquet for a lake, telemetry a file a day; the same SQL reads it.

    Example: v2g export --parquet /lake/depot --table core_telemetry
    """
    from flows.console import show_tables

    call = Call.of(ctx, workspace, as_json, as_of)
    written = call.open().warehouse.export(parquet, table or ())
    rows = [{"table": one.table, "rows": one.rows, "files": one.files} for one in written]
    call.answer({"folder": str(parquet), "tables": rows}, lambda out: show_tables(out, {str(parquet): rows}))


def migrate(
    ctx: typer.Context,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Bring a workspace of an older version forward: rows kept, files and folders closed to other users.

    The first write to it would do the same for the tables.

    Example: v2g migrate
    """
    from warehouse.schema import SCHEMA_VERSION

    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open()
    lacking = opened.warehouse.outdated()
    found = opened.warehouse.migrate()
    closed = opened.make_private()
    text = "is up to date" if found == SCHEMA_VERSION else f"brought forward from {found}"
    text = f"has grown: {lacking}" if lacking else text
    if closed:
        text += f"; {closed} files and folders that others could read are private now"
    _report(
        call,
        {"found": found, "version": SCHEMA_VERSION, "grown": lacking, "made_private": closed},
        f"Schema version {SCHEMA_VERSION}: {text}",
    )


def _report(call: Call, payload: Mapping[str, Any], line: str) -> None:
    def show(out: Console) -> None:
        out.print(line, soft_wrap=True, markup=False)

    call.answer(payload, show)


def _sum(rows: Mapping[str, int]) -> str:
    return f"{sum(rows.values()):,} rows in {len(rows)} tables"
