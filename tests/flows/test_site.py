"""The start page: its figures are the database's, its links lead to files, a replay takes nothing from it."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from flows.publish import publish_run, site
from flows.publish.site import write_site
from flows.stages import Context
from flows.stages.check import check
from flows.stages.maintain import let_pages_go
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.stages.realise import realise
from flows.workspace import Workspace
from tests.flows.browsing import browsing, needs_browser
from tests.flows.conftest import AS_OF, DAY, WEEK, ZONE, put, spoil

LATER = AS_OF + timedelta(days=3)


@pytest.fixture(scope="module")
def around(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A depot with a day that was planned, published and is over; the week after rests on other prices."""
    folder = tmp_path_factory.mktemp("site")
    workspace = Workspace.open(Path(shutil.copytree(calibrated_depot, folder / "depot")))
    plan(Context.of(workspace, AS_OF), DAY)
    publish(Context.of(workspace, AS_OF), DAY)
    realise(Context.of(workspace, LATER), [DAY])
    plan(Context.of(workspace, LATER), DAY + WEEK)
    publish(Context.of(workspace, LATER), DAY + WEEK)
    return folder


@pytest.fixture
def own(around: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(Path(shutil.copytree(around / "depot", tmp_path / "depot")))


def start(workspace: Workspace) -> str:
    return (workspace.reports / "index.html").read_text(encoding="utf-8")


def rows(page: str, caption: str) -> list[list[str]]:
    """The cells of a table, as text."""
    (table,) = (one for one in re.findall(r"<table.*?</table>", page, re.S) if f"<caption>{caption}" in one)
    body = table.partition("<tbody>")[2]
    return [
        [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)]
        for row in re.findall(r"<tr>.*?</tr>", body, re.S)
    ]


def test_every_day_stands_with_what_the_warehouse_holds(own: Workspace) -> None:
    page = start(own)
    later, first = rows(page, "What was planned and what came of it")
    assert first[:4] == [str(DAY), "published", "v2g", "2"]
    (account,) = own.warehouse.read("out_realised", where={"zone": ZONE}).to_dict("records")
    for place, way in ((4, "_promised_eur"), (5, "_eur")):
        assert first[place] == f"{account[f'followed{way}'] - account[f'uncontrolled{way}']:,.2f}"
    assert first[6] == f"{account['followed_missed']} of {account['followed_departures']}"
    assert later[:3] == [str(DAY + WEEK), "substituted", "ordered"] and later[4:7] == ["–", "–", "–"]
    assert f"{DAY + WEEK} is planned on prices that stand in for missing ones" in page
    cells = re.findall(r'<td class="(whole|degraded|none)">.*?(\d\d \w{3})<', page)
    assert [state for state, day in cells if day == f"{DAY:%d %b}"] == ["whole"]
    assert [state for state, day in cells if day == f"{DAY + WEEK:%d %b}"] == ["degraded"]
    assert len(cells) == 8, "a day without a plan stands in the calendar, too"


def test_every_battery_stands_with_its_newest_calibration(own: Workspace) -> None:
    found = own.warehouse.newest(
        "out_calibration", by=["battery_id"], columns=["battery_id", "quality", "soh"]
    )
    wanted = [[row.battery_id, row.quality, f"{row.soh:.3f}"] for row in found.itertuples()]
    assert sorted(row[:3] for row in rows(start(own), "Calibrated batteries")) == sorted(wanted)


def test_every_link_leads_to_a_file(own: Workspace) -> None:
    pages = list(own.reports.rglob("*.html"))
    assert len(pages) >= 7
    for page in pages:
        for link in re.findall(r'href="([^"#]*)"', page.read_text(encoding="utf-8")):
            assert (page.parent / link).resolve().is_file(), (page, link)


def test_a_day_whose_pages_are_gone_is_no_link(own: Workspace) -> None:
    shutil.rmtree(own.reports / str(DAY))
    write_site(Context.of(own, LATER))
    page = start(own)
    assert f'href="{DAY}/' not in page and f'href="{DAY + WEEK}/' in page


def test_a_plan_published_again_as_of_earlier_leaves_the_start_as_it_stands(own: Workspace) -> None:
    before = start(own)
    publish(Context.of(own, AS_OF), DAY)
    assert start(own) == before


def test_pages_of_old_days_go_where_it_is_asked_for_and_no_others(own: Workspace) -> None:
    elsewhere = own.root.parent / "elsewhere"
    elsewhere.mkdir()
    (own.reports / "2020-01-01").symlink_to(elsewhere)
    (own.reports / "plans" / "of-my-own").mkdir(parents=True)
    (own.reports / "my notes").mkdir()
    first = own.warehouse.read("out_plan", where={"market_date": DAY})["plan_id"].iloc[0]
    publish_run(own, first, in_force=False)
    late = Context.of(own, AS_OF + timedelta(days=5))
    there = sorted(path.name for path in own.reports.iterdir())
    assert let_pages_go(late, None) == []
    assert let_pages_go(late, 2, dry_run=True) == [str(DAY), f"plans/{first}"]
    assert sorted(path.name for path in own.reports.iterdir()) == there
    assert let_pages_go(late, 2) == [str(DAY), f"plans/{first}"]
    assert sorted(path.name for path in own.reports.iterdir()) == [name for name in there if name != str(DAY)]
    assert [path.name for path in (own.reports / "plans").iterdir()] == ["of-my-own"] and elsewhere.is_dir()
    publish(late, DAY)
    assert (own.reports / str(DAY) / "index.html").is_file(), "they are made anew"


def test_a_page_that_cannot_be_made_costs_no_other_and_is_named(
    own: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(context: Context) -> dict[str, object]:
        raise ZeroDivisionError("nothing to divide by")

    money, start_html = (own.reports / f"{name}.html" for name in ("money", "index"))
    before = money.read_bytes()
    start_html.unlink()
    pages = tuple(replace(page, contents=broken) if page.name == "money" else page for page in site.PAGES)
    monkeypatch.setattr(site, "PAGES", pages)
    with pytest.raises(site.PageError, match=r"money.html cannot be made: ZeroDivisionError: nothing"):
        write_site(Context.of(own, LATER))
    assert start_html.is_file() and money.read_bytes() == before


@needs_browser
def test_five_questions_are_answered_within_three_clicks_of_the_start(own: Workspace) -> None:
    """As a new user asks them: each by what is read on the page, the way there by links alone."""
    newest = own.warehouse.read("out_plan", where={"market_date": DAY + WEEK})["plan_id"].iloc[-1]
    spoil(
        own,
        "UPDATE out_plan_departure SET target_kwh = target_kwh + 5, missing_kwh = 5 "  # noqa: S608
        f"WHERE battery_id = 'car-2' AND plan_id = '{newest}'",
    )
    times = pd.date_range(f"{DAY}T10:00:00Z", periods=40, freq="min").strftime("%Y-%m-%dT%H:%M:%SZ")
    samples = pd.DataFrame({"battery_id": "car-1", "time_utc": times, "voltage_v": 355.0, "current_a": 0.0})
    samples.loc[7, "voltage_v"] = 9999.0
    file = put(own, "telemetry", samples.assign(temperature_degc=20.0), as_of=LATER)
    check(Context.of(own, LATER))
    publish(Context.of(own, LATER), DAY + WEEK)
    (account,) = own.warehouse.read("out_realised", where={"zone": ZONE}).to_dict("records")
    stored = own.warehouse.newest("out_calibration", by=["battery_id"]).set_index("battery_id")
    with browsing() as window:

        def page_after(*clicks: str | re.Pattern[str]) -> str:
            assert len(clicks) <= 3
            window.goto((own.reports / "index.html").as_uri())
            for name in clicks:
                window.get_by_role("link", name=name, exact=True).first.click()
            return window.locator("main").inner_text()

        # Which car is at risk tonight?
        short = "By the plan car-2 will leave with less than promised."
        assert "at risk: " in page_after() and short in page_after()
        page_after(short)
        first = window.locator("tr", has_text="leaves short").first
        assert first.locator("td").first.inner_text() == "car-2"
        # What did V2G earn last week, net of wear?
        for over in ("uncontrolled", "ordered"):
            gained = account["followed_eur"] - account[f"{over}_eur"]
            assert f"{gained:,.2f}" in page_after().partition("net of wear")[0].rpartition("followed:")[2]
        # Why does car 1 not discharge at 19:00?
        page_after("car-1", "Why this slot")
        at_seven = [
            cells
            for row in window.locator("tr", has_text="–").all()
            if (cells := row.locator("td").all_inner_texts()) and holds(cells[0], "19:00")
        ]
        assert at_seven and all(cells[1] != "feeds back" and len(cells[2]) > 10 for cells in at_seven)
        # Which file made the data yellow?
        notice = re.compile("rows of telemetry are in quarantine")
        assert file.name in page_after(notice).partition("Files that lost rows")[2]
        # Is the α of car 2 to be trusted?
        said, found = page_after("car-2", "State and life"), stored.loc["car-2"]
        low, high = (f"{found[f'alpha_{end}_day_per_efc']:.3f}" for end in ("low", "high"))
        assert f"{low} to {high} (90 %)" in said
        wide = found["alpha_high_day_per_efc"] > 10 * found["alpha_low_day_per_efc"]
        assert ("Warning: α is not identifiable" in said) == wide


def holds(span: str, clock: str) -> bool:
    """Whether a time lies in HH:MM–HH:MM, which may end after midnight."""
    begin, sign, end = span.partition("–")
    if not sign or len(begin) != 5:
        return False
    return begin <= clock < end if begin < end else clock >= begin or clock < end


def test_an_empty_workspace_has_a_start_page(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "new", zone=ZONE)
    workspace.enter()
    *_, page = write_site(Context.of(workspace, AS_OF))
    assert "v2g run" in page.read_text(encoding="utf-8")
