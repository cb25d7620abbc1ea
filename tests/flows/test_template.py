"""Templates: each is a file of its dataset that is let in as it stands, without a word against it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from flows.commands.data import Kind
from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import INGEST_ORDER, ingest
from flows.workspace import Workspace
from tests.flows.conftest import ZONE
from tests.flows.test_cli import Run, run  # noqa: F401 a fixture
from warehouse.contracts import DATASETS, core_contract, file_contract
from warehouse.sources import read_source
from warehouse.sources.template import described, template

NOW = datetime(2026, 6, 15, 9, 40, tzinfo=UTC)


def test_each_template_is_let_in_as_it_stands_and_nothing_is_said_against_it(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "depot", zone=ZONE)
    context = Context.of(workspace, NOW)
    for dataset in INGEST_ORDER:
        file = tmp_path / f"{dataset}.csv"
        file.write_text(template(dataset, NOW), encoding="utf-8")
        assert (result := ingest(context, dataset, [file])).details["new_rows"] == 1
        assert result.tables["notes"] == ()
    result = check(context)
    assert (result.status, result.exit_code, result.tables["failed checks"]) == ("ok", 0, ())
    assert [row["dataset"] for row in result.tables["datasets"]] == list(INGEST_ORDER)
    known_rows = workspace.warehouse.read("out_check")
    assert known_rows.loc[~known_rows["passed"] & (known_rows["rows_failed"] > 0), "message"].tolist() == []
    for dataset in DATASETS:
        assert len(workspace.warehouse.read(core_contract(dataset).name)) == 1, dataset


@pytest.mark.parametrize("dataset", list(DATASETS))
def test_a_template_says_all_that_the_contract_knows(dataset: str) -> None:
    text = template(dataset, NOW)
    comments = [line for line in text.splitlines() if line.startswith("#")]
    for column in file_contract(dataset):
        (line,) = [one for one in comments if one.startswith((f"# {column.name}:", f"# {column.name} ["))]
        assert column.description in line
        assert ("may be left out" in line) is column.nullable
        assert bool(column.default) is column.nullable, column.name
        assert column.nullable or column.example is not None
        if column.unit not in ("", "1"):
            assert f"[{column.unit}]" in line
    assert [stated["column"] for stated in described(dataset)] == list(file_contract(dataset).names)


@pytest.mark.parametrize("dataset", list(DATASETS))
def test_what_may_be_left_out_may_be_left_out(dataset: str, tmp_path: Path) -> None:
    file = tmp_path / "whole.csv"
    file.write_text(template(dataset, NOW), encoding="utf-8")
    needed = [column.name for column in DATASETS[dataset] if not column.nullable]
    pd.read_csv(file, comment="#")[needed].to_csv(tmp_path / "short.csv", index=False)
    assert len(read_source(dataset, tmp_path / "short.csv").frame) == 1


def test_a_spreadsheet_may_have_quoted_the_comments(tmp_path: Path) -> None:
    lines = template("sites", NOW).splitlines()
    saved = "\r\n".join(f'"{line}",,,' if line.startswith("#") else line for line in lines)
    (tmp_path / "sites.csv").write_bytes(b"\xef\xbb\xbf" + saved.encode())
    assert read_source("sites", tmp_path / "sites.csv").frame["site_id"].tolist() == ["depot"]


def test_the_command_knows_every_dataset_and_overwrites_nothing(run: Run, tmp_path: Path) -> None:  # noqa: F811
    assert {kind.value for kind in Kind} == set(DATASETS)
    file = tmp_path / "fleet.csv"
    assert run("template", "fleet", "--out", file, "--as-of", NOW.isoformat()).code == 0
    assert file.read_text(encoding="utf-8") == template("fleet", NOW)
    file.write_text("mine", encoding="utf-8")
    again = run("template", "fleet", "--out", file)
    assert again.code == 2
    assert file.read_text(encoding="utf-8") == "mine"
    answer = run("template", "telemetry", "--as-of", NOW.isoformat())
    assert answer.out == template("telemetry", NOW)
    content = json.loads(run("template", "telemetry", "--json").out)
    assert [one["column"] for one in content["columns"]] == list(DATASETS["telemetry"].names)
    assert "Pack current, + = charge" in run("template", "telemetry", "--describe").out
