"""An owner's statement as a page to print; where it and the owner's page of a plan lie."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flows.filenames import file_stem
from flows.publish.html import environment_of, shell
from flows.workspace import Workspace
from warehouse.files import make_folder, write_whole

OWNERS, _PLAN = "owners", "plan"
LINES = {
    "owner_share_eur": "Your part of it",
    "fed_back_eur": "For energy fed back",
    "bonus_eur": "For hours plugged in",
    "free_eur": "Charging paid back",
    "compensation_eur": "For departures with less charge than promised",
    "floor_eur": "Up to what the battery wore",
    "owner_imbalance_eur": "Your part of what departing from the schedule earned",
    "owner_reserve_eur": "Your part of what reserve for the grid paid, by what your car held",
}


def statement_page(workspace: Workspace, statement: Mapping[str, Any]) -> str:
    """The page of a statement (`flows.stages.statement`)."""
    environment = environment_of(workspace.money)
    return environment.get_template("statement.html").render(
        **dict(shell(workspace, environment))
        | {"warnings": [f"{day}: {why}" for day, why in statement["not_settled"].items()], "lines": LINES}
        | dict(statement)
    )


def owner_page_of(folder: Path, battery_id: str) -> Path:
    """Where the owner's page of a car lies in the folder of a plan's pages."""
    return folder / OWNERS / f"{file_stem(battery_id)}.html"


def write_in_plan(page: Path, text: str, plan_id: str) -> Path:
    """Write an owner's page, with a word of the plan that it is of; those of another plan go."""
    folder = page.parent
    if not _of_plan(folder, plan_id):
        shutil.rmtree(folder, ignore_errors=True)
        write_whole(make_folder(folder) / _PLAN, plan_id)
    return write_whole(page, text)


def take_along(before: Path, fresh: Path, plan_id: str) -> None:
    """Put the owners' pages of a folder into the one that takes its place, if they are of its plan."""
    if _of_plan(before / OWNERS, plan_id):
        shutil.copytree(before / OWNERS, fresh / OWNERS)


def _of_plan(folder: Path, plan_id: str) -> bool:
    with suppress(OSError):
        return (folder / _PLAN).read_text(encoding="utf-8") == plan_id
    return False


def statements_of(workspace: Workspace, battery_id: str) -> list[dict[str, str]]:
    """The statements of a car that are there to read: month, and address from the reports' folder."""
    found = (workspace.exports / "statements").glob(f"{file_stem(battery_id)}-20[0-9][0-9]-[01][0-9]")
    return [
        {"month": folder.name[-7:], "href": f"../exports/statements/{folder.name}/index.html"}
        for folder in sorted(found)
        if (folder / "index.html").is_file()
    ]
