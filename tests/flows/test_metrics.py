"""Status as Prometheus reads it: by its own parser, figure by figure what status says."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from flows.cli import app
from flows.metrics import STATES, metrics_text
from flows.stages import Context
from flows.stages.plan import plan
from flows.status import status_of
from flows.status_stored import store_status
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE
from tests.warehouse.test_store_lock import HOLD

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def figures(text: str) -> Figures:
    """Every sample by name and labels; none of them twice."""
    found: Figures = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type == "gauge"
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found
            found[key] = sample.value
    return found


def of(stated: Figures, name: str, **labels: str) -> float:
    return stated["v2g_" + name, frozenset(labels.items())]


def test_every_figure_is_what_status_says(bare: Workspace) -> None:
    plan(Context.of(bare, AS_OF), DAY)
    tables = status_of(bare)
    tables = {**tables, "days": status_of(bare, AS_OF)["days"]}
    stated = figures(metrics_text(tables, AS_OF, ZONE))
    assert of(stated, "status_timestamp_seconds", zone=ZONE) == AS_OF.timestamp()
    days = sorted({row["market_date"] for row in tables["days"]})
    names = dict(zip(days, ("3 days ago", "2 days ago", "yesterday", "today", "tomorrow"), strict=True))
    assert names[str(DAY)] == "tomorrow"
    for row in tables["days"]:
        day = {"day": names[row["market_date"]], "source": row["source"]}
        assert {state: of(stated, "market_day_state", **day, state=state) for state in STATES} == {
            state: float(state == row["state"]) for state in STATES
        }
        deadline = datetime.fromisoformat(row["deadline_utc"]).replace(tzinfo=UTC).timestamp()
        assert of(stated, "market_day_deadline_timestamp_seconds", **day) == deadline
    assert of(stated, "market_day_state", day="tomorrow", source="plan", state="ok") == 1
    for row in tables["data"]:
        assert of(stated, "rows", dataset=row["dataset"]) == row["rows"]
    assert of(stated, "rows", dataset="sessions") > 0
    assert of(stated, "cars") == 2 and of(stated, "calibrated") == 0 and of(stated, "calibration_stale") == 1
    ran = {row["stage"]: row["exit_code"] for row in tables["last runs"]}
    assert of(stated, "stage_exit_code", stage="plan") == ran["plan"] == 3  # its cars have no calibration
    assert of(stated, "disk_free_bytes") == pytest.approx(tables["disk"][0]["free_mb"] * 1e6)
    gap = [row["gap"] for row in tables["plans"]][-1]
    assert of(stated, "plan_gap_ratio", plan_source="published") == pytest.approx(gap)


def test_every_run_leaves_the_figures_in_a_file_that_is_whole(bare: Workspace) -> None:
    store_status(bare)
    file = bare.exports / "metrics.prom"
    first = figures(file.read_text(encoding="utf-8"))
    answered = CliRunner().invoke(app, ["status", "--prometheus", "-w", str(bare.root)])
    assert answered.exit_code == 0
    assert set(figures(answered.stdout)) == set(first)
    assert first["v2g_rows", frozenset({("dataset", "fleet")})] == 2


def test_text_of_a_table_is_a_label_and_nothing_else(bare: Workspace) -> None:
    rule = 'a"b\\c\nv2g_rows{dataset="forged"} 9'
    tables = dict(status_of(bare))
    tables["quarantine"] = [{"dataset": "fleet", "rule": rule, "size": 3}]
    stated = figures(metrics_text(tables, AS_OF, ZONE))
    assert of(stated, "quarantined_rows", dataset="fleet", rule=rule) == 3
    assert ("v2g_rows", frozenset({("dataset", "forged")})) not in stated


def test_while_a_run_holds_the_warehouse_the_figures_are_of_when_they_were_told(bare: Workspace) -> None:
    store_status(bare)
    before = figures((bare.exports / "metrics.prom").read_text(encoding="utf-8"))
    path = str(bare.root / "warehouse.duckdb")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline()
        answered = CliRunner().invoke(app, ["status", "--prometheus", "-w", str(bare.root)])
        holder.kill()
    assert answered.exit_code == 0
    told = of(figures(answered.stdout), "status_timestamp_seconds", zone=ZONE)
    assert 0 <= of(before, "status_timestamp_seconds", zone=ZONE) - told < 1  # to the second
