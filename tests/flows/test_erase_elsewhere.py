"""An owner is erased: what lies elsewhere, or cannot be looked into, is named; and when it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import UsageError
from flows.stages import Context
from flows.stages.erase import erase
from flows.stages.ledger import export_ledger, verify_ledger
from flows.workspace import Workspace
from tests.flows.test_erase import erased, lived, lived_around  # noqa: F401 (fixtures)
from tests.flows.test_realise import OVER
from tests.flows.told_of import OWNER, telling
from warehouse.errors import LockedError
from warehouse.files import folder_held


def test_a_backup_of_before_that_is_restored_brings_nobody_back(
    lived: Workspace,  # noqa: F811
    tmp_path: Path,
) -> None:
    away, run = tmp_path / "away.duckdb", CliRunner()
    lived.warehouse.backup(away, noted=True)
    result = erase(Context.of(lived, OVER), OWNER)
    assert result.details["backups_elsewhere"] == [str(away)] and str(away) in result.message
    words = ["restore", str(away), "-w", str(lived.root)]
    said = run.invoke(app, words)
    told = said.stdout.replace("\n", "")
    assert said.exit_code == 0 and "erased from it again: 1;" in told and OWNER not in told
    assert telling(lived.root) == {}
    workspace = Workspace.open(lived.root)
    assert set(workspace.warehouse.read("core_battery")["battery_id"]) == {"car-2"}
    assert len(workspace.warehouse.read("out_erasure")) == 1
    entries = workspace.warehouse.read("out_ledger")
    export_ledger(Context.of(workspace, OVER), tmp_path / "log", [])
    proved = verify_ledger(tmp_path / "log", key=None, witnesses=(), since=None).details
    assert proved["erased"] == entries.loc[entries["opening"] == "", "entry_index"].tolist() != []
    # an erasure of which no file but the log tells cannot be done again: it is named
    (lived.root / "warehouse.duckdb.erased").unlink()
    said = run.invoke(app, [*words, "--json"])
    payload = json.loads(said.stdout)
    assert (said.exit_code, payload["erased_again"]) == (3, 0)
    assert payload["erasures_without_names"] == workspace.warehouse.read("out_erasure")["erasure_id"].tolist()
    assert "nothing tells who it was" in run.invoke(app, words).stdout.replace("\n", " ") and telling(
        lived.root
    )


def test_an_export_under_pseudonyms_of_a_key_elsewhere_is_named_until_the_key_is_there(
    lived: Workspace,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = (lived.root / "pseudonyms.key").read_text()
    export = lived.exports / "research" / "core_session.parquet"
    (lived.root / "pseudonyms.key").unlink()
    rows = len(pd.read_parquet(export))
    result = erase(Context.of(lived, OVER), OWNER)
    assert result.exit_code == 3 and "research/core_session.parquet: an export under" in result.message
    assert len(pd.read_parquet(export)) == rows and lived.warehouse.read("out_erasure").empty
    monkeypatch.setenv("V2G_PSEUDONYM_KEYS", keys)
    workspace = erased(Workspace.open(lived.root))
    assert len(pd.read_parquet(export)) == len(workspace.warehouse.read("core_session")) < rows


def test_what_cannot_be_looked_into_is_named_and_done_again(lived: Workspace) -> None:  # noqa: F811
    (lived.root / "backups" / "broken.duckdb").write_bytes(b"car-1 no database")
    result = erase(Context.of(lived, OVER), OWNER)
    assert result.exit_code == 3 and "broken.duckdb" in result.message
    assert lived.warehouse.read("out_erasure").empty
    (lived.root / "backups" / "broken.duckdb").unlink()
    erased(Workspace.open(lived.root))
    assert telling(lived.root) == {}


def test_it_is_refused_while_others_work_and_for_whom_nobody_knows(lived: Workspace) -> None:  # noqa: F811
    with pytest.raises(UsageError, match=r"one of the cars of an owner in owners\.toml"):
        erase(Context.of(lived, OVER), "car-1")
    with pytest.raises(UsageError, match="neither an owner"):
        erase(Context.of(lived, OVER), "no such owner!")
    with pytest.raises(UsageError, match="nobody of that name was erased here"):
        erase(Context.of(lived, OVER), "anna-exampel")
    with (
        (lived.root / "gateway" / "journal.jsonl").open("a"),
        pytest.raises(LockedError, match="gateway run"),
    ):
        erase(Context.of(lived, OVER), OWNER)
    with folder_held(lived.root), pytest.raises(LockedError, match="another process changes this workspace"):
        erase(Context.of(lived, OVER), OWNER)  # as another erasure does
    (lived.root / "owners.toml").chmod(0o644)
    with pytest.raises(UsageError, match="can be read by others"):
        erase(Context.of(lived, OVER), OWNER)
    assert set(lived.warehouse.read("core_battery")["battery_id"]) == {"car-1", "car-2"}
