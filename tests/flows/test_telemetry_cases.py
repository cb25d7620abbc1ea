"""What cars, clouds and loggers really send, each with its right answer, from the file to the core table.

The files lie next to the checkout (`CASES`); a file that is not in our words is read by the mapping that is
suggested for it, its open lines closed as a person would.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.workspace import Workspace
from tests.benchmarks.data import data_folder
from warehouse.sources import load_mapping
from warehouse.sources.rawfile import load
from warehouse.sources.suggest import suggest_mapping

CASES = data_folder().parent / "cases" / "telemetry"
AS_OF = datetime(2026, 12, 1, tzinfo=UTC)
CAR = {
    "site_id": "depot", "chemistry": "nmc532", "nominal_capacity_ah": 160.0, "nominal_energy_kwh": 57.0,
    "cells_series": 96, "cells_parallel": 2, "commissioned_utc": "2024-01-01T00:00:00Z",
    "charge_limit_kw": 50.0, "discharge_limit_kw": 50.0, "efficiency_charge": 0.93,
    "efficiency_discharge": 0.93, "soc_min": 0.05, "soc_max": 1.0, "replacement_value_eur": 9000.0,
    "scrap_value_eur": 500.0,
}  # fmt: skip
BERLIN = {'# TODO timezone = "Europe/Berlin"': 'timezone = "Europe/Berlin"'}
UTC_CLOCK = {'# TODO timezone = "Europe/Berlin"': 'timezone = "UTC"'}
OF_C24 = {
    "# [columns.battery_id]": "[columns.battery_id]",
    '# TODO constant = "CAR1"': 'constant = "C24"',
}

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not next to the checkout")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Rows let in; rules → rows set aside; rules → cells emptied; words of what is reported; closed lines of
    a mapping (None: the file is in our words)."""

    good: int
    aside: dict[str, int]
    emptied: dict[str, int]
    messages: tuple[str, ...] = ()
    closed: dict[str, str] | None = None
    dataset: str = "telemetry"


def answer(
    good: int, stated: tuple[str, ...] = (), closed: dict[str, str] | None = None, **rules: int
) -> Answer:
    """An answer of which the rules that set rows aside are named with `aside_` before them."""
    return Answer(
        good=good,
        aside={name.removeprefix("aside_"): n for name, n in rules.items() if name.startswith("aside_")},
        emptied={name: n for name, n in rules.items() if not name.startswith("aside_")},
        messages=stated,
        closed=closed,
    )


ANSWERS = {
    "clean": answer(420),
    "soc_jump_three_samples": answer(420, ("soc_reported jumps away",), soc_jump=6),
    "soc_stale_while_charging": answer(420, ("soc_reported is stale",), stale=231),
    "soc_always_zero": answer(420, ("soc_reported is 0 in the whole file",), no_soc=420),
    "soc_glitch_at_15_min": answer(96, ("soc_reported jumps away",), soc_jump=3),
    "two_readings_a_stamp": answer(420, ("one row, their mean",)),
    "slow_temperature": answer(420, ("the last one announced before, at most 4 min old",)),
    "null_words": answer(416, ("'unavailable' was read as no value",), aside_not_null=4),
    "cell_sentinel": answer(420, ("cell_voltage_max_v is outside",), cell_range=7),
    "long_format": answer(120, closed=OF_C24),
    "snapshots_in_regeneration": answer(40),
    "local_autumn_night": answer(600, closed=BERLIN),
    "latin1_header": answer(60, closed={}),
    "sep_line": answer(60),
    "split_time_and_current": answer(60, closed=UTC_CLOCK),
    "unused_column_twice": answer(60, ("'Debug', there more than once, was ignored",)),
    "wrong_sign_1_min": answer(0, ("wrong sign in the whole file",), aside_current_sign=2880),
    "wrong_sign_15_min": answer(0, ("wrong sign in the whole file",), aside_current_sign=192),
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A depot of the cars that the files tell of."""
    made = Workspace.create(tmp_path / "depot", zone="DE-LU")
    site = {"site_id": "depot", "zone": "DE-LU", "import_limit_kw": 2000.0, "export_limit_kw": 2000.0}
    fleet = pd.DataFrame([{"battery_id": f"C{number:02d}", **CAR} for number in range(40)])
    for dataset, frame in (("sites", pd.DataFrame([site])), ("fleet", fleet)):
        frame.to_csv(tmp_path / f"{dataset}.csv", index=False)
        ingest(Context.of(made, AS_OF), dataset, [tmp_path / f"{dataset}.csv"])
    check(Context.of(made, AS_OF))
    return made


def taken_in(
    workspace: Workspace, name: str, dataset: str, closed: dict[str, str] | None
) -> tuple[list[str], dict[str, int], dict[str, int]]:
    """Take a case in; what is reported, rule → rows set aside, rule → cells emptied."""
    file, context = CASES / f"{name}.csv", Context.of(workspace, AS_OF)
    if closed is None:
        done = ingest(context, dataset, [file])
    else:
        text = suggest_mapping(load(file), dataset).text
        for line, one in closed.items():
            assert line in text
            text = text.replace(line, one)
        (workspace.root / "case.toml").write_text(text, encoding="utf-8")
        meant = load_mapping(workspace.root / "case.toml", dataset)
        done = ingest(context, dataset, [file], source=meant.source, options=meant.options)
    check(context)
    checks = workspace.warehouse.read("out_check", where={"dataset": dataset, "scope": "*"})
    quarantine = workspace.warehouse.read("core_quarantine", where={"dataset": dataset})
    emptied = checks[checks["message"].str.contains("emptied") & (checks["rows_failed"] > 0)]
    notes = [str(row["note"]) for row in done.tables["notes"]]
    return (
        [*notes, *checks["message"]],
        quarantine.groupby("rule")["source_row"].nunique().to_dict(),
        dict(zip(emptied["rule"], emptied["rows_failed"].astype(int), strict=True)),
    )


@pytest.mark.parametrize("name", ANSWERS)
def test_a_case_has_its_right_answer(workspace: Workspace, name: str) -> None:
    wanted = ANSWERS[name]
    answer, aside, emptied = taken_in(workspace, name, wanted.dataset, wanted.closed)
    assert (len(workspace.warehouse.read("core_telemetry")), aside, emptied) == (
        wanted.good, wanted.aside, wanted.emptied,
    )  # fmt: skip
    for words in wanted.messages:
        assert any(words in one for one in answer), answer


def test_soc_and_power_are_a_kind_of_telemetry(workspace: Workspace) -> None:
    answer, aside, _ = taken_in(workspace, "soc_and_power_only", "telemetry", None)
    rows = workspace.warehouse.read("core_soc_power")
    assert (len(rows), aside) == (420, {})
    assert rows["power_kw"].iloc[0] == pytest.approx(0.007)
    assert any("read as soc_power" in one for one in answer)
    assert workspace.warehouse.read("core_telemetry").empty


def test_capacities_that_cannot_be(workspace: Workspace) -> None:
    answer, aside, _ = taken_in(workspace, "checkups_implausible", "checkups", None)
    left = workspace.warehouse.read("core_checkup")
    assert left["capacity_ah"].to_list() == [173.6]
    assert sum(aside.values()) >= 2
    assert any("of nominal" in one or "above" in one for one in answer)


def test_every_case_is_asked_about() -> None:
    assert {path.stem for path in CASES.glob("*.csv")} == {
        *ANSWERS, "soc_and_power_only", "checkups_implausible",
    }  # fmt: skip
