"""The commands of mappings: a suggestion on stdout or in a file, what is open, and every key in the help."""

from __future__ import annotations

import json
from pathlib import Path

from flows.workspace import Workspace
from tests.flows.conftest import AS_OF
from tests.flows.test_cli import Run, run  # noqa: F401 a fixture
from tests.warehouse.test_suggest import german, log
from warehouse.sources.mapkeys import SECTIONS


def test_a_suggestion_is_written_and_used(run: Run, workspace: Workspace, tmp_path: Path) -> None:  # noqa: F811
    file, toml = tmp_path / "bus.csv", tmp_path / "bus.toml"
    file.write_bytes(german(log()).encode("latin-1"))
    open_still = run("mapping", "suggest", file, "--out", toml)
    assert open_still.code == 3
    assert "--battery ID" in open_still.err
    ingested = run(
        "ingest", "telemetry", file, "--mapping", toml, "--battery", "car-1", "-w", workspace.root,
        "--as-of", AS_OF.isoformat(),
    )  # fmt: skip
    assert ingested.code == 0, ingested.err
    assert run("mapping", "suggest", file, "--out", toml).code == 2
    whole = run("mapping", "suggest", file, "--battery", "car-1", "--json")
    answer = json.loads(whole.out)
    assert (whole.code, answer["complete"], answer["kind"], answer["left_open"]) == (0, True, "telemetry", [])
    assert 'constant = "car-1"' in answer["mapping"]


def test_the_help_tells_every_key(run: Run) -> None:  # noqa: F811
    answer = run("mapping", "--help")
    assert answer.code == 0
    for section in SECTIONS.values():
        for key, says in section.items():
            assert key in answer.out
            assert says[:30] in answer.out
    assert [
        row["key"] for row in json.loads(run("mapping", "keys", "--json").out)["keys of the file"]
    ] == list(SECTIONS["of the file"])
