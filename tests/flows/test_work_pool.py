"""The deployment for a work pool: registered as its file says, and run by a real worker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from flows.schedules import ALARM
from flows.server.process import prefect_server
from flows.workspace import Workspace
from tests.flows.prefect_database import put_database

FILE = Path(__file__).parents[2] / "flows" / "prefect.yaml"


def test_a_worker_of_a_pool_does_what_is_due(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "depot", zone="DE-LU")
    put_database(workspace)
    with prefect_server(workspace) as address:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        environment = {
            **kept, **workspace.environment(), **address.environment,
            "WORKSPACE_OF_V2G": str(workspace.root), "POOL_OF_V2G": "depots",
        }  # fmt: skip

        def prefect(*words: str) -> str:
            done = subprocess.run(
                [sys.executable, "-m", "prefect", "--no-prompt", *words],
                env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=True,
            )  # fmt: skip
            return done.stdout

        prefect("work-pool", "create", "depots", "--type", "process")
        prefect("deploy", "--all", "--prefect-file", str(FILE))
        answer = prefect("deployment", "inspect", "scheduled/v2g")
        assert f"'cron': '{ALARM}'" in answer and "'timezone': 'UTC'" in answer
        assert "'limit': 1" in answer
        prefect("deployment", "run", "scheduled/v2g")
        prefect("worker", "start", "--pool", "depots", "--run-once")
    runs = workspace.warehouse.read("out_run")
    assert set(runs["stage"]) == {"ingest", "check", "maintain"}
    assert set(runs["status"]) == {"ok"}
