"""The page of a car's owner: what other choices would change, the battery, and where the month is told.

The choices stand in the page as they were solved, each with its cell; which of them is seen is the style's
work alone, and a page without it shows all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from flows.publish.html import environment_of, shell
from flows.publish.owner_page import owner_page_of, statements_of, write_in_plan
from flows.publish.site import navigation
from flows.workspace import Workspace
from warehouse.zones import market_timezone

MAY = "yes"


def write_owner_page(
    workspace: Workspace, plan: Mapping[str, Any], contents: Mapping[str, Any], *, in_force: bool
) -> Path:
    """Write the page below those of its plan, and return where it is."""
    environment, battery_id = environment_of(workspace.money), str(contents["battery_id"])
    name = str(plan["market_date"]) if in_force else f"plans/{plan['plan_id']}"
    page = owner_page_of(workspace.reports / name, battery_id)
    up = "../" * (2 if in_force else 3)
    timezone = market_timezone(workspace.zone)
    first, end = (pd.Timestamp(plan[one]).tz_convert(timezone) for one in ("first_slot_utc", "end_utc"))
    cells = [cell for cell in contents["cells"] if not cell["error"]]
    text = environment.get_template("owner.html").render(
        **dict(shell(workspace, environment)) | {"navigation": navigation(up=up)} | dict(contents),
        plan=plan,
        begins=f"{first:%a %d %b %H:%M}",
        ends=f"{end:%a %d %b %H:%M}",
        timezone=str(timezone),
        known_on=f"{pd.Timestamp(plan['as_of_utc']).tz_convert(timezone):%Y-%m-%d %H:%M}",
        statements=statements_of(workspace, battery_id),
        contracted=any(cell["received_eur"] is not None for cell in cells),
        open_eur=max((cell["open_eur"] for cell in cells), default=0.0),
    )
    return write_in_plan(page, text, str(plan["plan_id"]))


def questions(
    *,
    soc_min: Sequence[float],
    leaves: Sequence[pd.Timestamp | None],
    contracts: Sequence[str],
    feeds_back: Sequence[bool],
    zone: str,
) -> list[dict[str, Any]]:
    """What may be chosen, in words: a mark for the style, the question, and its answers, as it is first."""
    timezone = market_timezone(zone)
    local = [None if at is None else at.tz_convert(timezone) for at in leaves]
    asked: list[tuple[str, str, list[str]]] = [
        ("s", "Always keep at least", [f"{100 * soc:.0f} %" for soc in soc_min]),
        ("d", "Leave", ["as announced" if at is None else f"{at:%a %H:%M}" for at in local]),
        ("c", "Contract", list(contracts)),
        ("v", "Feed back to the grid", [MAY if one else "no" for one in feeds_back]),
    ]
    return [{"mark": mark, "asks": asks, "answers": answers} for mark, asks, answers in asked]


def page_cells(
    asked: Sequence[Mapping[str, Any]], figures: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The cells as the page shows them; figures: of every combination of answers, the last question fastest.

    marks: for the style; answers: one of each question, varied: of those that leave a choice; title: all of
    them in words; may: whether anything may be fed back; error: "" if planned.
    """
    numbers = product(*(range(len(one["answers"])) for one in asked))
    cells = []
    for chosen, found in zip(numbers, figures, strict=True):
        answers = [one["answers"][number] for one, number in zip(asked, chosen, strict=True)]
        words = [f"{one['asks'].lower()}: {word}" for one, word in zip(asked, answers, strict=True)]
        cells.append(
            {
                "marks": " ".join(f"{one['mark']}{n}" for one, n in zip(asked, chosen, strict=True)),
                "answers": answers,
                "title": "; ".join(words),
                "varied": [word for one, word in zip(asked, answers, strict=True) if len(one["answers"]) > 1],
                "may": answers[-1] == MAY,
                "error": "",
                **found,
            }
        )
    return cells
