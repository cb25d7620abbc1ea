"""The recipes of CONTRIBUTING.md: each step that can be forgotten is missed here."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pytest

from data_checks.cells import CELL_BOUNDS, SOC_GRID
from flows.publish.site import PAGES
from flows.settings import Settings
from flows.stages.ingest import INGEST_ORDER
from tests.benchmarks.__main__ import benchmarks
from tests.data_checks.test_check_contracts import GOOD
from tests.warehouse.test_published_prices import EVERY
from tests.warehouse.test_received import EVENTS as EVENTS_IN_TESTS
from tests.warehouse.test_received import ROWS
from twin.chemistry import CHEMISTRIES as OF_THE_TWIN
from twin.ensemble.laws import LAWS
from warehouse import contracts
from warehouse.contracts import CONTRACTS, DATASETS, TableContract
from warehouse.contracts.inputs import CHEMISTRIES
from warehouse.sources import sources_for
from warehouse.sources.received import EVENTS
from warehouse.sources.tariffs import PROVIDERS
from warehouse.sources.tariffs.published.readers import PUBLISHED

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FOR_ALL = ("csv", "parquet", "mapped")


def text_of(*folders: str, pattern: str = "*.py") -> str:
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob(pattern))]
    assert files
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_every_path_that_is_named_is_there() -> None:
    for document in (README, CONTRIBUTING):
        paths = re.findall(r"`((?:flows|twin|optimize|data_checks|warehouse|tests)/[\w/.-]+)`", document)
        assert paths
        assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_recipe_says_which_test_holds_it() -> None:
    recipes = CONTRIBUTING.split("\n### ")[1:]
    assert len(recipes) >= 8
    for recipe in recipes:
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", recipe)
        assert named, recipe.splitlines()[0]
        for file, function in named:
            assert not function or f"def {function}(" in (ROOT / file).read_text(encoding="utf-8"), function


def test_every_example_is_named_to_newcomers() -> None:
    examples = [file.name for file in (ROOT / "tests/examples").glob("*.py")]
    assert examples
    assert [name for name in examples if f"`tests/examples/{name}`" not in CONTRIBUTING] == []


def test_a_dataset_has_its_place_in_every_list() -> None:
    assert set(INGEST_ORDER) == set(DATASETS)
    known = README.split("## What was known when")[1].split("\n## ")[0].replace("check-ups", "checkups")
    for dataset in DATASETS:
        row = re.search(rf"^\| [^|]*\b{dataset}\b.*", known, re.MULTILINE)
        assert row, f"{dataset}: when is it known?"
        assert ("refused" in row[0]) is (dataset not in EVENTS), f"{dataset}: has it an event?"
    assert set(ROWS) == set(GOOD) == set(DATASETS)
    assert set(EVENTS_IN_TESTS) == set(EVENTS)


def test_every_table_that_is_declared_is_one_of_the_warehouse() -> None:
    declared = {
        one.name
        for module in iter_modules(contracts.__path__, "warehouse.contracts.")
        for several in vars(import_module(module.name)).values()
        if isinstance(several, tuple)
        for one in several
        if isinstance(one, TableContract)
    }
    assert len(declared) > 30
    assert declared <= set(CONTRACTS)


def test_a_computed_table_is_written_by_a_stage() -> None:
    written: set[object] = set()
    for file in (ROOT / "flows").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            keys = node.keys if isinstance(node, ast.Dict) else []
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                keys = [node.slice]
            written |= {key.value for key in keys if isinstance(key, ast.Constant)}
    by_checks = {"out_check"}  # also with the rows that they let in
    assert {name for name in CONTRACTS if name.startswith("out_")} <= written | by_checks


@pytest.mark.parametrize("dataset", list(DATASETS))
def test_a_source_is_named_to_users_and_tested(dataset: str) -> None:
    table = README.split("| what | sources |")[1].split("\n\n")[0]
    tests = text_of("tests/warehouse")
    for source in sources_for(dataset):
        if source not in FOR_ALL:
            assert f"`{source}" in table, f"{source}: README does not name it"
            assert f'"{source}"' in tests or f"_{source}(" in tests, f"{source}: no test reads with it"


def test_a_publisher_has_a_layout_that_is_read_on_long_and_short_days() -> None:
    assert {layout.source for layout in EVERY.values()} >= set(PUBLISHED)


def test_a_provider_answers_in_a_test() -> None:
    tests = text_of("tests/warehouse")
    assert [name for name in PROVIDERS if f'"{name}"' not in tests] == []


def test_a_chemistry_is_the_same_in_contracts_checks_and_twin() -> None:
    assert set(CHEMISTRIES) == set(OF_THE_TWIN) == set(CELL_BOUNDS)
    assert [name for name, one in OF_THE_TWIN.items() if one.name != name] == []


def test_a_chemistry_has_laws_of_its_family_or_a_family_of_its_own() -> None:
    families = {law.family for law in LAWS.values()}
    assert [n for n, one in OF_THE_TWIN.items() if one.family not in families | {n}] == []


@pytest.mark.parametrize("name", list(OF_THE_TWIN))
def test_the_checks_let_the_resting_voltage_of_a_chemistry_in(name: str) -> None:
    from twin.cell import reference_cell

    cell, bounds = reference_cell(name), CELL_BOUNDS[name]
    window, soc = cell.circuit.window(cell.fresh), np.linspace(0.0, 1.0, 2001)
    voltage = cell.circuit.voltage(*window.at(soc))
    for low, high, at in zip(bounds.low_v, bounds.high_v, SOC_GRID, strict=True):
        assert low + 0.08 <= np.interp(at - 0.15, soc, voltage), at
        assert np.interp(at + 0.15, soc, voltage) <= high - 0.08, at
    assert np.interp(0.8, soc, voltage) < bounds.full_v < cell.circuit.v_max
    within_a_millivolt = np.searchsorted(voltage, voltage + 1e-3).clip(0, len(soc) - 1)
    assert (soc[within_a_millivolt] - soc).max() < bounds.flat


def test_a_check_is_broken_in_a_test() -> None:
    rules: set[str] = set()
    for file in sorted((ROOT / "data_checks").glob("*.py")):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call):
                rules |= {
                    word.value.value
                    for word in call.keywords
                    if word.arg == "rule" and isinstance(word.value, ast.Constant)
                }
    assert len(rules) > 15
    tests = text_of("tests/data_checks")
    assert sorted(rule for rule in rules if f'"{rule}"' not in tests) == []


def test_a_setting_is_explained_where_it_stands() -> None:
    unexplained = [
        f"{section}.{name}"
        for section, field in Settings.model_fields.items()
        for name in field.annotation.model_fields  # type: ignore[union-attr]
        if name not in (field.annotation.__doc__ or "")  # type: ignore[union-attr]
    ]
    assert unexplained == []


def test_a_page_is_rendered_and_a_benchmark_listed() -> None:
    pages = text_of("flows/publish")
    templates = [file.name for file in (ROOT / "flows/publish/templates").glob("*.html")]
    based = text_of("flows/publish/templates", pattern="*.html")
    of_site = {f"{page.name}.html" for page in PAGES}
    unknown = [name for name in templates if f'"{name}"' not in pages and f'"{name}"' not in based]
    assert [name for name in unknown if name not in of_site] == []
    assert [name for name in benchmarks() if f"`{name}`" not in README] == []
