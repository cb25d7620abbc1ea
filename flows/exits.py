"""Every exit code there is: reported once, for the help, the errors' titles and the documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType


class Exit(IntEnum):
    """How a command ends, for whoever started it."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    DEGRADED = 3
    INVALID = 4
    NO_PLAN = 5
    UNWRITABLE = 74
    BUSY = 75


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A code in a word or two, and in a sentence."""

    title: str
    meaning: str


ENDINGS: Mapping[Exit, Ending] = MappingProxyType(
    {
        Exit.DONE: Ending(
            title="ok", meaning="done; rows that the checks set aside are named, and cost only themselves"
        ),
        Exit.FAULT: Ending(title="fault", meaning="a fault of the software itself"),
        Exit.USAGE: Ending(title="usage", meaning="an unknown option, file, zone or setting"),
        Exit.DEGRADED: Ending(
            title="degraded plan published",
            meaning="degraded, and the answer and its page say why: no published prices (those of "
            "last week or of days like it fill what is missing, and nothing is fed back there, or cars do "
            "what the last good plan had them do, or just charge), a car left out, not calibrated or not "
            "solved, a mode that failed, a gap above `gap_warning`; or the plan is whole, and a file was "
            "refused, a stage failed or Prefect's server did not answer; or a market day lacks prices; or a "
            "suggested mapping has lines left open",
        ),
        Exit.INVALID: Ending(
            title="validation failed",
            meaning="the contents of a file or table cannot be right, or the warehouse is damaged",
        ),
        Exit.NO_PLAN: Ending(title="no plan", meaning="no plan"),
        Exit.UNWRITABLE: Ending(
            title="disk or folder cannot be written",
            meaning="the disk is full, or a file or folder may not be written; the message says what was "
            "written all the same",
        ),
        Exit.BUSY: Ending(
            title="locked, try again",
            meaning="the workspace is in use by another process, or a provider does not answer: try again",
        ),
    }
)


def one_line() -> str:
    """The codes and their titles, as in "0 ok · 2 usage"."""
    return " · ".join(f"{int(code)} {ending.title}" for code, ending in ENDINGS.items())


def as_markdown() -> str:
    """The codes and their meanings as the table of README.md."""
    rows = (f"| {int(code)} | {ending.meaning} |" for code, ending in ENDINGS.items())
    return "\n".join(("| exit code | meaning |", "|---|---|", *rows)) + "\n"
