"""Which code made a row: the package version and hashes of the source files, with or without git.

A source is known by what it is, never by what it is not: caches, an editor's copies, notes and whatever else
comes to lie next to the sources do not change a hash, wherever the rooms lie.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOMS = ("data_checks", "flows", "optimize", "twin", "warehouse")
DATA_SUFFIXES = (".css", ".html", ".js", ".json", ".toml", ".yaml")
"""Kinds of files that are code next to Python's: templates, mappings, catalogues."""
_ROOT = Path(__file__).resolve().parent.parent
_DATA_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def source_hash(*rooms: str) -> str:
    """First 12 hex digits of the sha256 over the names and bytes of the rooms' source files."""
    return _hash_of_rooms(_ROOT, rooms)


@cache
def _hash_of_rooms(root: Path, rooms: tuple[str, ...]) -> str:
    return hash_files(root, (file for room in sorted(rooms) for file in source_files(root, room)))


def source_files(root: Path, room: str) -> Iterator[str]:
    """The sources of a room (or of a folder in one), as paths from ``root``, in order.

    Modules of packages, and data of `DATA_SUFFIXES` in a package or in a plainly named folder of one.
    """
    for folder, names, files in os.walk(root / room):  # a folder that vanishes meanwhile is passed over
        names[:] = sorted(name for name in names if name.isidentifier() and not name.startswith("__"))
        package = "__init__.py" in files
        for name in sorted(files):
            stem, suffix = Path(name).stem, Path(name).suffix
            module = package and suffix == ".py" and stem.isidentifier()
            if module or (suffix in DATA_SUFFIXES and _DATA_NAME.fullmatch(stem)):
                yield (Path(folder) / name).relative_to(root).as_posix()


def hash_files(root: Path, files: Iterable[str]) -> str:
    """First 12 hex digits of the sha256 over names and bytes; a file that is gone by then does not count."""
    digest = hashlib.sha256()
    for name in files:
        try:
            source = (root / name).read_bytes()
        except FileNotFoundError:
            continue
        digest.update(f"{name}:{len(source)}:".encode())
        digest.update(source)
    return digest.hexdigest()[:12]


@cache
def model_hash() -> str:
    """Hash of the twin's model: all that a calibration runs, and PyBaMM's version. Not what only shows it."""
    return model_hash_of(_ROOT)


def model_hash_of(root: Path) -> str:
    """`model_hash` of the sources below ``root``."""
    sources = hash_files(root, imported(root, "twin.calibrate"))
    return hashlib.sha256(f"{sources} {_installed('pybamm')}".encode()).hexdigest()[:12]


def imported(root: Path, module: str) -> list[str]:
    """The module and all that it imports of its own room, in turn: files from ``root``, in order."""
    room, found, open_ends = module.partition(".")[0], set[str](), [module]
    while open_ends:
        name = open_ends.pop()
        if name.partition(".")[0] != room:
            continue
        files = [Path(*name.split("."), "__init__.py"), Path(*name.split(".")).with_suffix(".py")]
        file = next((file for file in files if (root / file).is_file()), None)
        if file is None or file.as_posix() in found:
            continue
        found.add(file.as_posix())
        open_ends.append(name.rpartition(".")[0])
        package = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
        for node in ast.walk(ast.parse((root / file).read_bytes())):
            if isinstance(node, ast.ImportFrom):
                above = package[: len(package) + 1 - node.level] if node.level else []
                source = ".".join([*above, *(node.module or "").split(".")]).strip(".")
                open_ends += [source, *(f"{source}.{one.name}" for one in node.names)]
            elif isinstance(node, ast.Import):
                open_ends += [one.name for one in node.names]
    return sorted(found)


@cache
def code_version() -> str:
    """Package version + hash of all rooms, as in `0.1.0+1f0c9a2b3d4e`."""
    return f"{_installed('v2g-planner')}+{source_hash(*ROOMS)}"


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "0"
