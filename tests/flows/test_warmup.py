"""The engine for large fleets: compiled once, reported when it is, kept where the user keeps such things."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows import cli

ROOT = Path(__file__).parents[2]
SAY = """
import logging, sys
logging.basicConfig(stream=sys.stdout, format="%(message)s")
logging.getLogger("optimize").setLevel(logging.INFO)
from numba import config
from optimize.fleet import kernel, rows
from optimize.fleet.kernel import is_ready
print("ready", is_ready(rows.most_discharge))
print("at", rows.most_discharge._cache.cache_path)
"""


def in_a_process(home: Path, sources: Path = ROOT, **environment: str) -> dict[str, str]:
    """What a fresh process says, of whose user this is the home."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "XDG"))}
    done = subprocess.run(
        [sys.executable, "-c", SAY],
        env=known | {"HOME": str(home), "PYTHONPATH": str(sources)} | environment,
        capture_output=True,
        text=True,
        check=True,
        cwd=home,
    )
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="where a user's cache is differs")
def test_what_is_compiled_is_kept_with_the_user_and_not_next_to_the_sources(tmp_path: Path) -> None:
    said = in_a_process(tmp_path)
    assert said["ready"] == "False"
    assert Path(said["at"]).is_relative_to(tmp_path / ".cache")
    stated = in_a_process(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "elsewhere"))
    assert Path(stated["at"]).is_relative_to(tmp_path / "elsewhere")


def test_copies_of_the_same_sources_share_it_and_a_change_has_its_own(tmp_path: Path) -> None:
    copy = tmp_path / "another checkout"
    shutil.copytree(ROOT / "optimize", copy / "optimize", ignore=shutil.ignore_patterns("__pycache__"))
    own = in_a_process(tmp_path)["at"]
    assert in_a_process(tmp_path, copy)["at"] == own
    layout = copy / "optimize" / "fleet" / "layout.py"
    layout.write_text(layout.read_text(encoding="utf-8") + "\n# changed", encoding="utf-8")
    assert in_a_process(tmp_path, copy)["at"] != own


def test_warmup_has_the_engine_ready_and_says_how_long_it_took(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["v2g", "warmup", "--json"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert not left.value.code
    assert '"seconds"' in capsys.readouterr().out
    from optimize.fleet.corner import sweep_corners
    from optimize.fleet.kernel import is_ready
    from optimize.fleet.passes import sweep

    assert is_ready(sweep) and is_ready(sweep_corners)


def test_compiling_is_reported(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    from optimize.fleet import plan

    monkeypatch.setattr(plan, "_is_loaded", lambda: False)
    monkeypatch.setattr(plan, "is_ready", lambda _: False)
    with caplog.at_level(logging.INFO, logger="optimize"):
        plan.warm_up()
    assert [record.message.partition(":")[0] for record in caplog.records][:1] == [
        "compiling the engine for large fleets"
    ]
    caplog.clear()
    monkeypatch.setattr(plan, "is_ready", lambda _: True)
    with caplog.at_level(logging.INFO, logger="optimize"):
        plan.warm_up()
    assert caplog.records == []
