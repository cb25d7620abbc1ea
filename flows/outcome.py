"""What a day's run came to, kept in this process until whoever began it has taken it.

Prefect hands a flow's answer on, unless it is lost before it could be determined that the flow has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flows.stages import StageResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The stages' answers; lost: in words, where Prefect was lost on the way."""

    results: Sequence[StageResult]
    lost: Sequence[str] = ()


_of_runs: dict[str, Outcome] = {}


def keep(run_id: str, outcome: Outcome) -> None:
    """Keep what a run came to."""
    _of_runs[run_id] = outcome


def take(run_id: str) -> Outcome | None:
    """What a run came to, once; None where it did not come to its end."""
    return _of_runs.pop(run_id, None)
