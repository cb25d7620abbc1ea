"""An owner's statement as a page to print; where it and the owner's page of a plan lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.filenames import file_stem
from flows.publish.html import environment_of, style_of
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
        notice=workspace.settings.fleet.notice,
        degraded="",
        in_force=True,
        warnings=[f"{day}: {why}" for day, why in statement["not_settled"].items()],
        style=style_of(environment),
        lines=LINES,
        **statement,
    )


def owner_page_of(folder: Path, battery_id: str) -> Path:
    """Where the owner's page of a car lies in the folder of a plan's pages."""
    return folder / "owners" / f"{file_stem(battery_id)}.html"


def statements_of(workspace: Workspace, battery_id: str) -> list[dict[str, str]]:
    """The statements of a car that are there to read: month, and address from the reports' folder."""
    found = (workspace.exports / "statements").glob(f"{file_stem(battery_id)}-20[0-9][0-9]-[01][0-9]")
    return [
        {"month": folder.name[-7:], "href": f"../exports/statements/{folder.name}/index.html"}
        for folder in sorted(found)
        if (folder / "index.html").is_file()
    ]
