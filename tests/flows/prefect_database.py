"""Prefect's database as its own migrations leave it: they take longer than all else of a server's start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from flows.workspace import QUIET_ENVIRONMENT, Workspace
from tests.stored import stored

MIGRATE = """
import asyncio
from prefect.server.database import provide_database_interface
asyncio.run(provide_database_interface().create_db())
"""


def put_database(workspace: Workspace) -> None:
    """Give a workspace that was never served the empty database that its first server would make."""
    workspace.make_prefect_home()
    database = workspace.prefect_home / "prefect.db"
    if database.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        made = stored("prefect", Path(folder) / "home", _migrate, made_by=[Path(__file__)], rooms=())
        shutil.copyfile(made / "prefect.db", database)
    database.chmod(0o600)


def _migrate(home: Path) -> None:
    known = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = known | QUIET_ENVIRONMENT | {"PREFECT_HOME": str(home)}
    subprocess.run([sys.executable, "-c", MIGRATE], env=environment, check=True, cwd=home)
    others = [file for file in home.iterdir() if file.name != "prefect.db"]
    assert not any(file.name.startswith("prefect.db") for file in others), others  # a journal left behind
