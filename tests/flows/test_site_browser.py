"""The pages as somebody clicks through them: sort, search, choose, the way between pages, light and dark."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flows.stages import Context
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.workspace import Workspace
from tests.flows.browsing import axe_script, browsing, needs_browser, violations
from tests.flows.conftest import AS_OF, DAY

pytestmark = needs_browser


@pytest.fixture(scope="module")
def reports(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = shutil.copytree(calibrated_depot, tmp_path_factory.mktemp("site") / "depot")
    workspace = Workspace.open(Path(root))
    plan(Context.of(workspace, AS_OF), DAY)
    publish(Context.of(workspace, AS_OF), DAY)
    return workspace.reports


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return axe_script(tmp_path_factory.mktemp("axe"))


def test_a_table_is_sorted_searched_and_chosen_from(reports: Path) -> None:
    with browsing() as window:
        window.goto((reports / str(DAY) / "index.html").as_uri())
        table = window.locator("table.data", has=window.locator("caption", has_text="problems first"))
        cars = table.locator("tbody tr:visible td:first-child")
        assert sorted(cars.all_inner_texts()) == ["car-1", "car-2"]
        head = table.get_by_role("button", name="Car")
        head.click()
        assert cars.all_inner_texts() == ["car-1", "car-2"]
        assert table.locator("th").first.get_attribute("aria-sort") == "ascending"
        head.click()
        assert cars.all_inner_texts() == ["car-2", "car-1"]
        finder = window.get_by_label("Search in Cars: problems first")
        finder.fill("CAR-2")
        assert cars.all_inner_texts() == ["car-2"]
        finder.fill("car no such")
        assert cars.all_inner_texts() == []
        finder.fill("")
        problem = window.get_by_label("Problem", exact=True)
        choices = problem.locator("option").all_inner_texts()
        assert choices[0] == "Problem: all" and len(choices) >= 2
        problem.select_option(label=choices[-1])
        chosen = table.locator("tbody tr:visible td:nth-child(2)").all_inner_texts()
        assert chosen and set(chosen) == {choices[-1].replace("(none)", "")}


def test_figures_are_sorted_as_figures_and_what_is_not_known_comes_last(
    reports: Path, tmp_path: Path
) -> None:
    values = [("10.0", "10 of 12"), ("–", "–"), ("9.0", "9 of 12"), ("-1,200.5", "0 of 12")]
    # The page's own script over a table of these values.
    text = (reports / "index.html").read_text(encoding="utf-8")
    rows = "".join(f"<tr><td>{value}</td><td>{part}</td></tr>" for value, part in values)
    head = "<th>Figure</th><th>Part</th>"
    table = f'<table class="data"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    made = tmp_path / "made.html"
    made.write_text(text.replace("<main>", f"<main>{table}"), encoding="utf-8")
    with browsing() as window:
        window.goto(made.as_uri())
        first = window.locator("table.data").first
        for column, up in enumerate((["-1,200.5", "9.0", "10.0"], ["0 of 12", "9 of 12", "10 of 12"])):
            cells = first.locator(f"tbody td:nth-child({column + 1})")
            for wanted in (up, up[::-1]):
                first.get_by_role("button").nth(column).click()
                assert cells.all_inner_texts() == [*wanted, "–"]


def test_the_way_from_the_start_to_a_battery_and_back_is_short(reports: Path) -> None:
    with browsing(width=390) as window:
        window.goto((reports / "index.html").as_uri())
        window.get_by_role("link", name=f"{DAY:%A %d %B}").click()
        assert window.locator("h1").inner_text().startswith("V2G plan for")
        window.get_by_role("link", name="car-2").click()
        assert window.locator("h1").inner_text() == "car-2"
        window.get_by_role("navigation").get_by_role("link", name="Start").click()
        assert window.url == (reports / "index.html").as_uri()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=["light", "dark and narrow"])
def test_every_kind_of_page_can_be_read_by_everybody(reports: Path, axe: str, width: int, dark: bool) -> None:
    """Where it is narrow, what does not fit is reached by the keyboard as well."""
    own = [*sorted(reports.glob("*.html")), reports / str(DAY) / "index.html"]
    kinds = [*own, reports / str(DAY) / "batteries" / "car-1.html"]
    with browsing(width=width, dark=dark) as window:
        for page in kinds:
            window.goto(page.as_uri())
            assert violations(window, axe) == [], page.name


def test_a_page_is_printed_dark_on_white(reports: Path) -> None:
    with browsing(dark=True) as window:
        window.goto((reports / str(DAY) / "batteries" / "car-1.html").as_uri())
        colours = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        assert window.evaluate(colours) == ["rgb(228, 231, 236)", "rgb(22, 25, 31)"]
        window.emulate_media(media="print")
        assert window.evaluate(colours) == ["rgb(29, 33, 41)", "rgb(255, 255, 255)"]


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_its_window(reports: Path, width: int) -> None:
    with browsing(width=width) as window:
        for page in sorted(reports.rglob("*.html")):
            window.goto(page.as_uri())
            assert window.evaluate("document.documentElement.scrollWidth") <= width, page.name
