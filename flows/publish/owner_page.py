"""An owner's statement as a page to print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.publish.html import environment_of, shell
from flows.workspace import Workspace

LINES = {
    "owner_share_eur": "Your part of it",
    "fed_back_eur": "For energy fed back",
    "bonus_eur": "For hours plugged in",
    "free_eur": "Charging paid back",
    "compensation_eur": "For departures with less charge than promised",
    "floor_eur": "Up to what the battery wore",
    "owner_imbalance_eur": "Your part of what departing from the schedule earned",
}


def statement_page(workspace: Workspace, statement: Mapping[str, Any]) -> str:
    """The page of a statement (`flows.stages.statement`)."""
    environment = environment_of(workspace.money)
    return environment.get_template("statement.html").render(
        **dict(shell(workspace, environment))
        | {"warnings": [f"{day}: {why}" for day, why in statement["not_settled"].items()], "lines": LINES}
        | dict(statement)
    )
