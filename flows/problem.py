"""Any error as a user should see it: what, what to do, and the exit code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from typer.exceptions import TyperException

from flows.errors import FlowsError
from flows.exits import ENDINGS, Exit
from flows.secret import without_secrets
from warehouse import errors as warehouse
from warehouse.backups import newest_backup
from warehouse.files import UNWRITABLE_CODES

_ROOM = "Make room on the disk, or let the folder be written; then the command can be given again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error made presentable; `kind` is the exception's class name, for programs."""

    kind: str
    message: str
    hint: str
    exit_code: int

    @property
    def title(self) -> str:
        """A word for the exit code."""
        return ENDINGS[Exit(self.exit_code)].title if self.exit_code in set(Exit) else "error"

    def to_record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"kind": self.kind, "message": self.message, "hint": self.hint, "exit_code": self.exit_code}


def problem_of(error: BaseException) -> Problem:
    """The problem behind an exception of any room, of the command line or of the system."""
    exit_code, hint = _code_and_hint(error)
    # str() of what typer refuses leaves out which option it is about
    text = error.format_message() if isinstance(error, TyperException) else str(error)
    message = without_secrets(text) or type(error).__name__
    if exit_code == 1:
        message = f"{type(error).__name__}: {message}"
    return Problem(kind=type(error).__name__, message=message, hint=hint, exit_code=exit_code)


def _code_and_hint(error: BaseException) -> tuple[int, str]:
    match error:
        case FlowsError():
            return error.exit_code, error.hint
        case TyperException():
            return Exit.USAGE, "`v2g --help`, or --help after a command, shows how."
        case warehouse.LockedError():
            return Exit.BUSY, "Another process has the warehouse open."
        case warehouse.UnreachableError():
            return Exit.BUSY, "Nothing was written. Ask again later, or give the answer as a file."
        case warehouse.UnwritableError():
            return Exit.UNWRITABLE, _ROOM
        case warehouse.DamagedError():
            return Exit.INVALID, _mend(error)
        case warehouse.UnknownZoneError():
            return Exit.USAGE, "[zones.NAME] in v2g.toml, which `v2g init` makes, defines another."
        case (
            warehouse.MissingFileError()
            | warehouse.OptionError()
            | warehouse.RejectedError()
            | warehouse.UnknownDayError()
            | warehouse.NoWarehouseError()
            | warehouse.SchemaVersionError()
            | warehouse.CopyError()
            | warehouse.UnknownTableError()
        ):
            return Exit.USAGE, ""
        case warehouse.StoreError() | warehouse.LedgerError():
            return Exit.INVALID, ""
        case warehouse.SourceError():
            return Exit.INVALID, "Nothing was written."
        case _ if type(error).__module__.startswith("optimize."):  # importing the room would load pandas
            return Exit.NO_PLAN, "The plan in force, if there is one, stays."
        case OSError() if error.errno in UNWRITABLE_CODES:
            return Exit.UNWRITABLE, _ROOM
        case OSError():
            return Exit.USAGE, ""
    return Exit.FAULT, "V2G_DEBUG=1 shows where."


def _mend(error: warehouse.DamagedError) -> str:
    """How a damaged database is replaced: by the newest backup known of it."""
    if backup := newest_backup(error.path):
        return f"`v2g restore {backup}` puts back the newest backup known."
    return "`v2g restore FILE` puts a backup back; none is known of this file. `v2g export` may save tables."
