"""The house: style, types, import rules, and the limits that a newcomer relies on."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from contextlib import nullcontext
from itertools import chain
from pathlib import Path

import pytest

from tests.stored import type_cache

ROOT = Path(__file__).parents[1]
ROOMS = ("warehouse", "data_checks", "twin", "optimize", "flows")
BIN = Path(sys.executable).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check"],
        ["ruff", "format", "--check"],
        ["mypy"],
        ["lint-imports"],
    ],
    ids=lambda words: " ".join(words),
)
def test_checker_is_content(command: list[str]) -> None:
    with type_cache() if command == ["mypy"] else nullcontext() as cache:
        done = subprocess.run(
            [BIN / command[0], *command[1:], *([f"--cache-dir={cache}"] if cache else [])],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_engines_are_imported_in_their_own_rooms_only() -> None:
    owners = {
        "duckdb": "warehouse",
        "great_expectations": "data_checks",
        "pybamm": "twin",
        "pyomo": "optimize",
        "highspy": "optimize",
        "prefect": "flows",
    }
    pattern = re.compile(rf"^\s*(?:from|import) ({'|'.join(owners)})\b", re.MULTILINE)
    strangers = [
        (str(file.relative_to(ROOT)), engine)
        for room in ROOMS
        for file in (ROOT / room).rglob("*.py")
        for engine in pattern.findall(file.read_text(encoding="utf-8"))
        if owners[engine] != room
    ]
    assert strangers == []


@pytest.mark.parametrize("room", ["twin", "optimize", "data_checks"])
def test_domain_rooms_read_neither_clock_nor_environment(room: str) -> None:
    pattern = re.compile(r"os\.environ|os\.getenv|datetime\.now\(|\.utcnow\(|Timestamp\.now|time\.time\(")
    # Great Expectations is reported not to call home before it is first imported.
    allowed = {("data_checks", "os.environ")}
    found = {
        (room, match)
        for file in (ROOT / room).rglob("*.py")
        for match in pattern.findall(file.read_text(encoding="utf-8"))
    }
    assert found <= allowed


PAST_KNOWN = {
    # what has been ingested is what these work on
    "check.py": {"core_session", "core_session_superseded", "core_price", "raw_source", "released"},
    "fetch_day.py": {"core_contract(want.dataset).name"},
    "freshness.py": {"newest"},
    "ingest.py": {"f'core_{contract.name}'"},
    "quarantine.py": {"quarantined", "raw_rows", "released"},
    # which plan is in force is decided among all there are, whenever they were made
    "plan.py": {"out_plan"},
    "plan_answer.py": {"out_plan"},
    "spooled.py": {"out_plan"},
    # the rows that were just written, by their id
    "aside.py": {"name", "out_plan", "out_run"},
    "publish.py": {"out_plan"},
    # a plan by its id: its own row
    "owner.py": {"out_plan"},
    # the reader of what is known itself, with what is supposed of one car
    "supposed.py": {"self"},
    # whether anything can be read at all
    "ladder.py": {"out_run"},
    # a log is all that was written to it, in its order; a contract's text by its own hash
    "ledger.py": {"out_ledger", "out_contract"},
    "logged.py": {"out_ledger", "out_contract"},
    # whose a site is now, whether plans of then still hold anybody, and every car that an export may be of
    "erase.py": {"core_battery", "out_plan", "out_plan_car", "raw_battery"},
    # what was bid with later knowledge than a moment's
    "bid_rows.py": {"table"},
    # what was answered, and its ε, are spent as of whatever moment
    "release.py": {"out_private_release"},
    # what was erased is gone as of every moment
    "settled_energy.py": {"out_erasure"},
    # what has run, by the clock
    "situation.py": {"out_run"},
    "told_checks.py": {"out_run"},
    # two plans: their own rows, by id
    "plan_diff.py": {"out_plan_slot", "out_plan_price", "out_plan_car", "out_plan_departure"},
    # from a plan to what it rests on: its own rows, by id
    "trace.py": {
        "out_plan", "out_plan_source", "out_plan_car", "out_calibration", "out_calibration_source",
        "out_left_out", "out_run", "raw_source",
    },
}  # fmt: skip
"""What a stage reads otherwise than as known at its moment: tables, and functions that take the warehouse."""


def test_stages_read_what_was_known_at_their_moment_and_nothing_else() -> None:
    found: dict[str, set[str]] = {}
    readers, functions = {"read", "stays", "newest", "extent", "monthly_temperature"}, set[str]()
    for module in ("quarantine", "newest"):
        source = ast.parse((ROOT / "warehouse" / f"{module}.py").read_text(encoding="utf-8"))
        functions |= {one.name for one in source.body if isinstance(one, ast.FunctionDef)}
    for file in chain.from_iterable((ROOT / "flows" / name).glob("*.py") for name in ("stages", "mapping")):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            if isinstance(call.func, ast.Name) and call.func.id in functions:
                found.setdefault(file.name, set()).add(call.func.id)
            if not isinstance(call.func, ast.Attribute) or call.func.attr not in readers:
                continue
            if ast.unparse(call.func.value).rpartition(".")[2] != "known":
                table = call.args[0]
                text = str(table.value) if isinstance(table, ast.Constant) else ast.unparse(table)
                found.setdefault(file.name, set()).add(text)
    assert found == PAST_KNOWN


def imports() -> dict[str, set[str]]:
    """Module → the modules of the project that it imports, wherever in the file."""
    names = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
        for room in ROOMS
        for file in (ROOT / room).rglob("*.py")
    }
    found: dict[str, set[str]] = {}
    for name, file in names.items():
        wanted: set[str] = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                of_module = {f"{node.module}.{one.name}" for one in node.names} & set(names)
                wanted |= of_module or {node.module}
            elif isinstance(node, ast.Import):
                wanted |= {one.name for one in node.names}
        found[name] = (wanted & set(names)) - {name}
    return found


def test_no_file_imports_in_a_circle() -> None:
    left = imports()
    while True:  # what imports nothing of the rest, and what nothing of the rest imports, is in no circle
        wanted = {name for names in left.values() for name in names}
        circle = {name: names & set(left) for name, names in left.items() if name in wanted}
        circle = {name: names for name, names in circle.items() if names}
        if circle == left:
            break
        left = circle
    assert left == {}


def test_within_flows_no_arrow_points_upwards() -> None:
    above = {
        "flows.mapping": ("flows.stages", "flows.publish", "flows.commands", "flows.daily"),
        "flows.publish": ("flows.stages", "flows.commands", "flows.daily"),
        "flows.stages": ("flows.commands", "flows.daily", "flows.serve", "flows.runner"),
    }
    wrong = [
        (name, one)
        for name, wanted in imports().items()
        for below, upper in above.items()
        if name.startswith(below)
        for one in wanted
        if one.startswith(upper)
    ]
    assert wrong == []


def test_root_holds_the_rooms_and_nothing_else() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    top = {name.split("/")[0] for name in tracked}
    assert {name for name in top if not name.startswith(".")} == {
        *ROOMS,
        "tests",
        "pyproject.toml",
        "requirements.lock",
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "LICENSE",
    }


def test_files_stay_small() -> None:
    long = {
        str(file.relative_to(ROOT)): lines
        for folder in (*ROOMS, "tests")
        for file in (ROOT / folder).rglob("*.py")
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def test_names_that_were_retired_do_not_come_back() -> None:
    """CONTRIBUTING's glossary has the words that stand for them."""
    retired = {
        "Landed", "Lesson", "Meeting", "OwnProblems", "PlanStay", "Seen", "StaySlots", "StructureLesson",
        "Surprise", "even_out", "kept_value", "land_files", "landed_contract", "lesson_of", "settle_day",
        "Told", "told_of",
    }  # fmt: skip
    found = {
        (str(file.relative_to(ROOT)), word)
        for folder in (*ROOMS, "tests")
        for file in (ROOT / folder).rglob("*.py")
        if file != Path(__file__)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for word in (getattr(node, "id", None), getattr(node, "name", None), getattr(node, "arg", None))
        if word in retired
    }
    assert found == set()


def test_lock_names_no_host_and_holds_every_dependency() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "--index-url" not in lock
    names = re.findall(r"^([a-z0-9][^=\s]*)==", lock, re.MULTILINE)
    assert len(names) == len(set(names)), "one version a package, whatever the Python"
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]
    assert {re.split(r"[<>=!\[;\s]", item)[0].lower().replace("_", "-") for item in wanted} <= set(names)


def test_readme_names_the_pythons_that_are_tested() -> None:
    versions = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if ":: Python :: " in line]
    first, last = versions[0], versions[-1]
    assert PROJECT["requires-python"] == f">={first},<3.{int(last.removeprefix('3.')) + 1}"
    assert f"Python {first}–{last}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_data_dictionary_is_the_one_of_the_contracts() -> None:
    from warehouse.contracts import data_dictionary

    assert (ROOT / "warehouse" / "DICTIONARY.md").read_text(encoding="utf-8") == data_dictionary()
