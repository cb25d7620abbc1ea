"""What makes a code hash: the sources alone, wherever they lie and whatever lies next to them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from flows import version
from flows.version import ROOMS, code_version, hash_files, imported, model_hash, model_hash_of, source_files

ROOT = Path(__file__).parents[2]
DOCUMENTS = {"warehouse/DICTIONARY.md"}


def hashed(root: Path) -> str:
    return hash_files(root, [file for room in ROOMS for file in source_files(root, room)])


def without_caches(_: str, names: list[str]) -> set[str]:
    return {name for name in names if name == "__pycache__"}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The rooms at another place, as a fresh checkout or an installed wheel has them."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=without_caches)
    return tmp_path


def test_every_file_that_git_tracks_in_a_room_is_a_source_or_a_document() -> None:
    answer = subprocess.run(
        ["git", "ls-files", *ROOMS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        pytest.skip("not a git checkout")
    mine = {file for room in ROOMS for file in source_files(ROOT, room)}
    assert set(answer.stdout.split()) - mine == DOCUMENTS


STRAYS = (
    "optimize/fleet/__pycache__/kernel.factor-12.py311.nbi",
    "optimize/fleet/__pycache__/kernel.factor-12.py311.1.nbc",
    "twin/__pycache__/state.cpython-311.pyc",
    "twin/state.pyc",
    "twin/.state.py.swp",
    "twin/.#state.py",
    "twin/._state.py",
    "twin/state.py~",
    "twin/state.py.orig",
    "twin/state (copy).py",
    "twin/#state.py#",
    "twin/.ipynb_checkpoints/state-checkpoint.py",
    "flows/publish/templates/run.html~",
    "flows/publish/templates/run (copy).html",
    "flows/publish/templates/.ipynb_checkpoints/run.html",
    "flows/stages/notes.txt",
    "flows/stages/Untitled.ipynb",
    "flows/.DS_Store",
    "flows/demo/scratch.py",
    "warehouse/warehouse.duckdb",
    "warehouse/DICTIONARY.md",
    "data_checks/.mypy_cache/3.11/data_checks/check.data.json",
    "optimize/prof.out",
    "optimize/fleet/kernel.so",
)


def test_what_lies_next_to_the_sources_changes_nothing(elsewhere: Path) -> None:
    before = hashed(elsewhere), model_hash_of(elsewhere)
    for stray in STRAYS:
        (elsewhere / stray).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / stray).write_bytes(b"stray")
    (elsewhere / "twin" / "gone.py").symlink_to(elsewhere / "nowhere.py")  # as some editors lock a file
    assert (hashed(elsewhere), model_hash_of(elsewhere)) == before


def test_a_file_that_vanishes_while_it_is_read_stops_nothing(elsewhere: Path) -> None:
    files = [file for room in ROOMS for file in source_files(elsewhere, room)]
    whole = hash_files(elsewhere, files)
    assert hash_files(elsewhere, [*files, "twin/vanished.py", "gone/too.py"]) == whole


def test_the_place_changes_nothing_and_a_warm_cache_neither(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, model = code_version(), model_hash()
    parts = version.source_hash("optimize", "twin", "flows/mapping", "flows/stages")
    subprocess.run(["python3", "-m", "compileall", "-q", *ROOMS], cwd=elsewhere, check=True)
    assert list(elsewhere.rglob("*.pyc"))
    monkeypatch.setattr(version, "_ROOT", elsewhere)
    code_version.cache_clear()
    model_hash.cache_clear()
    try:
        assert (code_version(), model_hash()) == (here, model)
        assert version.source_hash("optimize", "twin", "flows/mapping", "flows/stages") == parts
    finally:
        code_version.cache_clear()
        model_hash.cache_clear()


@pytest.mark.parametrize("file", ["twin/state.py", "flows/publish/templates/run.html", "optimize/sites.py"])
def test_one_byte_of_a_source_changes_the_hash(elsewhere: Path, file: str) -> None:
    before = hashed(elsewhere)
    source = elsewhere / file
    source.write_bytes(source.read_bytes() + b"\n")
    assert hashed(elsewhere) != before
    source.write_bytes(source.read_bytes()[:-1])
    assert hashed(elsewhere) == before


def test_a_renamed_source_changes_the_hash(elsewhere: Path) -> None:
    before = hashed(elsewhere)
    (elsewhere / "optimize/sites.py").rename(elsewhere / "optimize/places.py")
    assert hashed(elsewhere) != before


@pytest.mark.parametrize("file", ["twin/ageing.py", "twin/cell.py", "twin/update.py", "twin/wearmap.py"])
def test_the_model_is_what_a_calibration_runs(elsewhere: Path, file: str) -> None:
    before = model_hash_of(elsewhere)
    source = elsewhere / file
    source.write_bytes(source.read_bytes() + b"\n")
    assert model_hash_of(elsewhere) != before


@pytest.mark.parametrize("file", ["twin/synthetic.py", "twin/handle.py", "twin/profile.py", "flows/twins.py"])
def test_what_only_shows_or_feigns_a_battery_is_not_the_model(elsewhere: Path, file: str) -> None:
    before = model_hash_of(elsewhere)
    source = elsewhere / file
    source.write_bytes(source.read_bytes() + b"\n")
    assert model_hash_of(elsewhere) == before


def test_another_pybamm_is_another_model(monkeypatch: pytest.MonkeyPatch) -> None:
    before = model_hash_of(ROOT)
    monkeypatch.setattr(version, "version", lambda _: "99")
    assert model_hash_of(ROOT) != before


def test_imports_are_followed_wherever_they_stand(tmp_path: Path) -> None:
    sources = {
        "twin/__init__.py": "",
        "twin/a.py": "def f():\n    from twin.part import b\n",
        "twin/part/__init__.py": "from . import c\n",
        "twin/part/b.py": "import twin.d\nimport optimize.e\n",
        "twin/part/c.py": "from ..f import g\n",
        "twin/d.py": "",
        "twin/f.py": "g = 1\n",
        "twin/unused.py": "",
        "optimize/e.py": "",
    }
    for name, text in sources.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert imported(tmp_path, "twin.a") == sorted(set(sources) - {"twin/unused.py", "optimize/e.py"})
