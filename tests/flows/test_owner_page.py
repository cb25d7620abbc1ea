"""The pages of a car's owner and of money: figures as solved or stored, names as text, one cell seen."""

from __future__ import annotations

import html
import json
import re
import shutil
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows import cli
from flows.cli import app
from flows.publish.money_page import money_page, terms
from flows.publish.what_if_page import page_cells, questions, write_owner_page
from flows.stages import Context
from flows.stages.check import check
from flows.stages.ledger import make_key
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.stages.settle import settle_days
from flows.workspace import Workspace
from optimize.market.contract import read_contract
from tests.flows.browsing import axe_script, browsing, needs_browser, violations
from tests.flows.conftest import AS_OF, DAY, ZONE, copied, put, session_rows
from tests.flows.hostile_names import NAMES, make_hostile, skeleton
from tests.flows.test_realise import NEXT, OVER
from tests.flows.test_settle import settled_around, settled_depot
from tests.flows.test_what_if import CAR, apart_around
from tests.optimize.market_books import CONTRACTS

__all__ = ["apart_around", "settled_around", "settled_depot"]


def cells_of(text: str) -> list[list[str]]:
    """The cells of the table of all choices, or of any table with a search: its rows."""
    (body,) = re.findall(r'<table class="data">.*?<tbody>(.*?)</tbody>', text, re.S)
    return [
        [html.unescape(re.sub("<[^>]*>", "", cell)) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.S)
    ]


def opened(workspace: Workspace, battery_id: str) -> tuple[dict[str, Any], Path]:
    """The answer of `v2g report --owner`, and the page that it names."""
    words = ["report", "--date", f"{DAY}", "--owner", battery_id, "-w", str(workspace.root), "--json"]
    done = CliRunner().invoke(app, [*words, "--as-of", AS_OF.isoformat()])
    assert done.exit_code == 0, done.output
    _, answer = json.loads(done.stdout)["stages"]
    (page,) = answer["files"]
    return answer, Path(page)


@pytest.fixture(scope="module")
def asked(apart_around: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    return opened(copied(apart_around, tmp_path_factory.mktemp("asked")), CAR)


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return axe_script(tmp_path_factory.mktemp("axe"))


def test_the_page_tells_what_was_solved(asked: tuple[dict[str, Any], Path]) -> None:
    answer, page = asked
    assert page.parts[-3:] == (f"{DAY}", "owners", f"{CAR}.html")
    text, rows = page.read_text(encoding="utf-8"), answer["tables"]["what if"]
    told = cells_of(text)
    assert len(rows) == len(told) == 24
    for row, cells in zip(rows, told, strict=True):
        figures = [f"{row[name]:,.2f}" for name in ("cost_eur", "benefit_eur", "fed_back_kwh", "wear_eur")]
        kept = "yes" if not row["missing_kwh"] else f"{row['missing_kwh']:,.2f} kWh short"
        assert cells[4:] == [*figures, f"{100 * row['lowest_soc']:.0f}", kept, f"{row['received_eur']:,.2f}"]
        assert cells[:4] == [row[name] for name in list(row)[:4]]
    sections = re.findall(r'<section class="cell ([^"]*)">(.*?)</section>', text, re.S)
    for (marks, section), row in zip(sections, rows, strict=True):
        assert f"<b>{abs(row['benefit_eur']):,.2f} €</b> over charging at once" in section, marks
        assert f"<td>{row['after_wear_eur']:,.2f}" in section or f"{row['after_wear_eur']:,.2f} €" in section
    marks = product(("s0", "s1", "s2"), ("d0", "d1"), ("c0", "c1"), ("v0", "v1"))
    assert [one for one, _ in sections] == [" ".join(one) for one in marks]


@needs_browser
def test_of_every_combination_its_cell_alone_is_seen(asked: tuple[dict[str, Any], Path]) -> None:
    _, page = asked
    with browsing() as window:
        window.goto(page.as_uri())
        groups = [window.locator(f"input[name={mark}]").all() for mark in "sdcv"]
        for chosen in product(*groups):
            for one in chosen:
                one.check()
            marks = " ".join(str(one.get_attribute("id")) for one in chosen)
            (seen,) = window.locator(".cell:visible").all()
            assert seen.get_attribute("class") == f"cell {marks}"


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_an_owners_page_can_be_read_by_everybody(
    asked: tuple[dict[str, Any], Path], axe: str, dark: bool, width: int
) -> None:
    _, page = asked
    with browsing(width=width, dark=dark) as window:
        for file in (page, page.parents[2] / "money.html"):
            window.goto(file.as_uri())
            assert violations(window, axe) == [], file.name
            assert window.evaluate("document.documentElement.scrollWidth") <= width, file.name


def test_an_owners_page_stays_as_long_as_its_plan(asked: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    root, name = asked[1].parents[3], asked[1].relative_to(asked[1].parents[3])
    workspace = Workspace.open(Path(shutil.copytree(root, tmp_path / "depot")))
    publish(Context.of(workspace, AS_OF), DAY)
    assert (workspace.root / name).read_bytes() == asked[1].read_bytes()
    text = (workspace.reports / "money.html").read_text(encoding="utf-8")
    assert f'<a href="{DAY}/owners/{CAR}.html">{CAR}</a>' in text
    put(workspace, "sessions", session_rows().assign(departure_soc=0.75))
    check(Context.of(workspace, AS_OF))
    plan(Context.of(workspace, AS_OF), DAY)
    publish(Context.of(workspace, AS_OF), DAY)
    assert not (workspace.root / name).exists(), "it was of another plan"
    assert f"{DAY}/owners" not in (workspace.reports / "money.html").read_text(encoding="utf-8")


def rendered(workspace: Workspace, name: str, folder: str) -> str:
    """The page of an owner in whose every text a name stands; nothing is solved for it."""
    asked = questions(
        soc_min=[0.1], leaves=[None], contracts=[name, f"{name}, version 2"], feeds_back=[True], zone=ZONE
    )
    figures: dict[str, Any] = dict.fromkeys(
        ("cost_eur", "at_once_eur", "saved_eur", "stored_eur", "wear_eur", "besides_eur", "benefit_eur",
         "fed_back_kwh", "v2g_kwh", "lowest_soc", "least_soc", "received_eur", "after_wear_eur", "others_eur",
         "open_eur"), 1.0,
    )  # fmt: skip
    figures |= {"departures": 1, "missing_kwh": 1.0, "why": name, "contract_id": name}
    plan = dict(workspace.warehouse.read("out_plan").iloc[-1]) | {"plan_id": folder}
    contents = {
        "battery_id": name, "questions": asked, "cells": page_cells(asked, [figures, {"error": name}]),
        "near": 2, "contract": name, "why_not": [name], "battery": None, "warnings": [name],
    }  # fmt: skip
    page = write_owner_page(workspace, plan, contents, in_force=False)
    assert page.is_relative_to(workspace.reports), page
    return page.read_text(encoding="utf-8")


def test_every_name_is_text_on_an_owners_page(apart_around: Path, tmp_path: Path) -> None:
    workspace = copied(apart_around, tmp_path)
    tame = skeleton(rendered(workspace, "plain", "tame"))
    for number, name in enumerate(NAMES):
        page = skeleton(rendered(workspace, name, f"turn-{number}"))
        assert page.tags == tame.tags, name
        assert len(page.addresses) == len(tame.addresses) and not re.search(r"\b1337\b", page.text)


def test_an_owners_page_of_a_car_with_a_hostile_name(
    apart_around: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_leave", sys.exit)
    workspace = copied(apart_around, tmp_path)
    names = make_hostile(workspace.root / "warehouse.duckdb", 0)["battery"]
    words = ["report", "--owner", names[CAR], "-w", str(workspace.root), "--as-of", AS_OF.isoformat()]
    done = CliRunner().invoke(app, words)
    assert done.exit_code in (0, 3), done.output
    (page,) = workspace.reports.glob("20*/owners/*.html")
    text = page.read_text(encoding="utf-8")
    assert f"<h1>{html.escape(names[CAR], quote=False)}" in text or html.escape(names[CAR]) in text
    assert skeleton(text).text.count("alert(1)") >= 1 and "onerror" not in {
        name for _, attributes in skeleton(text).tags for name in attributes
    }


def test_the_money_page_tells_what_is_settled(settled_depot: Workspace) -> None:
    make_key(settled_depot, "example.org/fleet")
    context = Context.of(settled_depot, OVER)
    settle_days(context, [DAY, NEXT])
    said = money_page(context)
    rows = settled_depot.warehouse.read("out_settlement")
    assert len(rows) == 4
    (month,) = said["months"]
    assert (month["month"], month["owner_days"], month["corrected"]) == (f"{DAY:%Y-%m}", 4, 0)
    for name in ("total_eur", "wear_eur", "owner_eur", "grid_eur"):
        assert month[name] == pytest.approx(rows[name].sum(), abs=1e-9)
    paid = ("owner_share", "fed_back", "bonus", "free", "compensation", "floor")
    received = sum(rows[f"{name}_eur"].sum() for name in paid)
    assert month["received_eur"] == pytest.approx(received, abs=1e-9)
    assert sum(euros for _, euros in said["lines"]) == pytest.approx(received, abs=1e-9)
    assert said["ledger"] == {"entries": 4, "first": f"{DAY}", "last": f"{NEXT}"}
    publish(context, DAY)
    text = (settled_depot.reports / "money.html").read_text(encoding="utf-8")
    for row in (month, *said["days"], *said["owners"]):
        for name in ("total_eur", "received_eur", "wear_eur", "owner_eur", "grid_eur"):
            assert f"<td>{row[name]:,.2f}</td>" in text, (row, name)
    for one in said["contracts"]:
        for what, words in one["terms"]:
            assert (
                f'scope="row">{html.escape(what)}</th><td class="text">{html.escape(words)}</td>'
                in text.replace("&#39;", "&#x27;")
            )
    assert "No tariff book is named" in text


def test_terms_in_words() -> None:
    said = dict(
        terms(read_contract((CONTRACTS / "plugged_hours.toml").read_text(encoding="utf-8"), "a.toml"))
    )
    assert said["The plan keeps"] == "at least 20 % in store"
    assert said["Plugged in is paid"] == "0.24 € an hour, to 60.0 € a month"
    assert said["The owner's share"] == "0 % of what is saved on energy"
    monthly = dict(
        terms(read_contract((CONTRACTS / "monthly_bonus.toml").read_text(encoding="utf-8"), "b.toml"))
    )
    assert "€ a month" in monthly["Plugged in is paid"]
