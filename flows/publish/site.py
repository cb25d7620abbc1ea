"""The pages of a workspace: the front door and what belongs to no single plan.

reports/index.html begins, each other page lies next to it. They are written anew with every plan that is
published, by `v2g report` and by `v2g open`, each in one step; a plan's pages lie in a folder of its day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.context import Context
from flows.errors import FlowsError
from flows.publish.backtest_page import contents as backtest_page
from flows.publish.data_page import contents as data_page
from flows.publish.dictionary_page import contents as dictionary_page
from flows.publish.forecast_page import contents as forecast_page
from flows.publish.html import environment_of, shell
from flows.publish.money_page import money_page
from flows.publish.start_page import start_page
from warehouse.errors import LockedError, UnwritableError
from warehouse.files import make_folder, write_whole


class PageError(FlowsError):
    """A page of the workspace that cannot be made."""

    exit_code = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePage:
    """A page of the workspace: reports/NAME.html from templates/NAME.html.

    title: in the navigation. contents: what the template is filled with, as known at a context's moment.
    """

    name: str
    title: str
    contents: Callable[[Context], Mapping[str, Any]]


PAGES = (
    SitePage(name="index", title="Start", contents=start_page),
    SitePage(name="money", title="Money", contents=money_page),
    SitePage(name="data", title="Data", contents=data_page),
    SitePage(name="dictionary", title="Dictionary", contents=dictionary_page),
    SitePage(name="forecast", title="Forecasts", contents=forecast_page),
    SitePage(name="backtest", title="Back-tests", contents=backtest_page),
)


def navigation(here: str = "", *, up: str = "") -> list[dict[str, Any]]:
    """Links to the pages of the workspace: from one that is called so, or from `up` ("../" …) below them."""
    return [
        {"title": page.title, "href": f"{up}{page.name}.html", "here": page.name == here} for page in PAGES
    ]


def write_site(context: Context) -> list[Path]:
    """Write the pages of a workspace under reports/, the front door last; returns them in this order.

    Raises PageError that names a page which cannot be made, when all others are written.
    """
    workspace = context.workspace
    environment = environment_of(workspace.money)
    make_folder(workspace.reports)
    files, failed = list[Path](), dict[str, Exception]()
    for page in reversed(PAGES):
        try:
            text = environment.get_template(f"{page.name}.html").render(
                **dict(shell(workspace, environment)) | {"navigation": navigation(page.name)},
                **page.contents(context),
            )
        except (LockedError, UnwritableError):
            raise
        except Exception as error:  # whatever is wrong with one page costs no other
            failed[page.name] = error
            continue
        files.append(write_whole(workspace.reports / f"{page.name}.html", text))
    for name, why in failed.items():
        raise PageError(f"reports/{name}.html cannot be made: {type(why).__name__}: {why}") from why
    return files
