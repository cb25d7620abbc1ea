"""The benchmarks as commands: each tells what it prints, runs from any folder, says what data it misses."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import benchmarks, main
from tests.benchmarks.data import SETS, VARIABLE, data_folder

README = Path(__file__).parents[2] / "README.md"


def test_readme_names_every_benchmark() -> None:
    (row,) = (line for line in README.read_text(encoding="utf-8").splitlines() if "tests.benchmarks" in line)
    assert set(re.findall(r"`([a-z_]+)`", row)) == set(benchmarks())


@pytest.mark.parametrize("name", benchmarks())
def test_help_tells_what_a_benchmark_prints(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(f"tests.benchmarks.{name}")
    with pytest.raises(SystemExit) as left:
        module.main(["--help"])
    text = capsys.readouterr().out
    assert left.value.code == 0
    assert f"usage: python -m tests.benchmarks.{name}" in text
    assert f"python -m tests.benchmarks.{name}" in module.__doc__
    assert module.__doc__.strip() in text


@pytest.mark.parametrize("name", ["real_cells", "two_stage"])
def test_without_its_data_a_benchmark_says_in_a_line_what_is_missing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"tests.benchmarks.{name}")
    with pytest.raises(SystemExit) as left:
        module.main(["--data", str(tmp_path / "nowhere")])
    printed = capsys.readouterr()
    assert (left.value.code, printed.out) == (2, "")
    (line,) = printed.err.splitlines()
    for part in ("nowhere", "github.com/", "--data DIR", VARIABLE):
        assert part in line
    assert any(file in line for one in SETS.values() for file in one.files)


def test_the_folder_of_data_is_given_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.setenv(VARIABLE, "")
    assert data_folder().parts[-2:] == ("shared", "data")


def test_one_command_lists_and_runs_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line]
    assert listed[-len(benchmarks()) :] == list(benchmarks())
    assert main(["real_cell"]) == 2
    assert "real_cells" in capsys.readouterr().err


def test_a_benchmark_runs_from_any_folder(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.benchmarks", "optimize_day", "1"]
    answer = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert re.search(r"^ +1 × +96 ", answer.stdout, re.MULTILINE)
