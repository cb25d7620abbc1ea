"""Any error as a user should see it: what, what to do, and the exit code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from typer.exceptions import TyperException

from flows.errors import FlowsError
from warehouse import errors as warehouse

_TITLES = {1: "fault", 2: "usage", 4: "validation failed", 5: "no plan", 75: "try again"}


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
        return _TITLES.get(self.exit_code, "error")

    def to_record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"kind": self.kind, "message": self.message, "hint": self.hint, "exit_code": self.exit_code}


def problem_of(error: BaseException) -> Problem:
    """The problem behind an exception of any room, of the command line or of the system."""
    exit_code, hint = _code_and_hint(error)
    message = str(error) or type(error).__name__
    if exit_code == 1:
        message = f"{type(error).__name__}: {message}"
    return Problem(kind=type(error).__name__, message=message, hint=hint, exit_code=exit_code)


def _code_and_hint(error: BaseException) -> tuple[int, str]:
    match error:
        case FlowsError():
            return error.exit_code, error.hint
        case TyperException():
            return 2, "`v2g --help`, or --help after a command, shows how."
        case warehouse.LockedError():
            return 75, "Another process is writing to the warehouse."
        case warehouse.UnreachableError():
            return 75, "Nothing was written. Ask again later, or give the answer as a file."
        case (
            warehouse.MissingFileError()
            | warehouse.OptionError()
            | warehouse.RejectedError()
            | warehouse.UnknownZoneError()
            | warehouse.NoWarehouseError()
            | warehouse.SchemaVersionError()
            | warehouse.CopyError()
            | warehouse.UnknownTableError()
        ):
            return 2, ""
        case warehouse.StoreError():
            return 4, "The warehouse is as it was."
        case warehouse.SourceError():
            return 4, "Nothing was written."
        case _ if type(error).__module__.startswith("optimize."):  # importing the room would load pandas
            return 5, "The plan in force, if there is one, stays."
        case OSError():
            return 2, ""
    return 1, "V2G_DEBUG=1 shows where."
