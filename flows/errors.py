"""What can go wrong in this room, and the exit code a user sees for it.

FlowsError                    2
├── UsageError                2   an argument that cannot be right
│   ├── SettingsError         2   v2g.toml or a V2G_… variable
│   └── WorkspaceError        2   no workspace where one was expected
├── NoPlanError               5   nothing to plan with; the message says what is missing
├── NoAccountError            5   a day cannot be accounted for, or not yet
├── NoForecastError           5   nothing of a day can be foreseen, or it has begun
└── ServerError              75   Prefect's server did not answer

Errors of the other rooms pass through unchanged; `flows.problem` gives them their code.
"""

from __future__ import annotations


class FlowsError(Exception):
    """Base of this room's errors; `hint` is what the user can do about it, or empty."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(FlowsError):
    """An argument that cannot be right: a missing file, an unknown zone, a date that is none."""


class SettingsError(UsageError):
    """A key or value in v2g.toml, or a V2G_… variable, that is not understood."""


class WorkspaceError(UsageError):
    """The folder given is not a workspace."""


class NoPlanError(FlowsError):
    """No plan can be made for the date; the message says which input is missing."""

    exit_code = 5


class NoAccountError(FlowsError):
    """What a day's plans promised cannot be put next to what came of it; the message says why."""

    exit_code = 5


class NoForecastError(FlowsError):
    """Nothing of a day can be foreseen, or nothing was; the message says why."""

    exit_code = 5


class ServerError(FlowsError):
    """Prefect's server did not start or does not answer."""

    exit_code = 75
