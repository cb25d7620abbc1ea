"""Every file of a workspace but its databases: rewritten without an owner's cars, or removed.

A file or folder whose name names them is removed; so is a signed folder (a statement, an export of the
ledger) that holds them, a page, and the copy of an ingested file with rows of theirs that does not tell whose
each row is. Symbolic links are not followed. Doing it again changes nothing more.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tomllib
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from flows.erasure.journal import FILE as JOURNAL
from flows.erasure.texts import ROWS, rest_of
from flows.settings import FILE_NAME
from flows.workspace import Workspace
from warehouse.erasure.named import Named
from warehouse.erasure.rows import tokens_of, without_listed
from warehouse.files import write_whole
from warehouse.sealed import is_sealed

_DATABASE = re.compile(r".*\.duckdb(\.wal|\.damaged(-\d+)?(\.wal)?)?")
_MAGIC = slice(8, 12)
_PASSING = re.compile(r"\..+\.(?P<pid>\d+)\.(partial|anew|restored)(\..+)?")
_SIGNED = "manifest"
_PREFECT = ".prefect"
_OWN = frozenset({"password", "serve.lock", "server.lock", "run.lock"})
_LARGEST_BYTES = 2**31
_UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What opening a file raises that is damaged, or packed with a password or in an unknown way."""


@dataclass(slots=True)
class Done:
    """What became of files, by path from the workspace; left: those that cannot be looked into, and why."""

    rewritten: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


def databases(workspace: Workspace) -> list[Path]:
    """Database files of the workspace besides its warehouse: backups, snapshots, damaged ones."""
    own = workspace.warehouse.path
    found = [path for path in files_of(workspace.root) if _is_database(path) and path != own]
    return [path for path in found if not path.name.endswith(".wal")]


def words_for(workspace: Workspace, batteries: Collection[str]) -> frozenset[str]:
    """What mappings and gateway.toml call these cars: tokens, names of another system."""
    found = set[str]()
    for path in workspace.root.rglob("*.toml"):
        with suppress(OSError, ValueError):  # what is no TOML maps nothing
            found |= tokens_of(tomllib.loads(path.read_text(encoding="utf-8")), batteries)
    return frozenset(found)


def naming(workspace: Workspace, named: Named, sources: Mapping[str, str]) -> list[str]:
    """Paths of the files that have something to be taken out; nothing is changed."""
    done = Done()
    for path in list(files_of(workspace.root)):
        if not _is_database(path):
            _visit(workspace, path, named, sources, done, change=False)
    return [*done.rewritten, *done.removed]


def erase_files(workspace: Workspace, named: Named, sources: Mapping[str, str]) -> Done:
    """Take them out of every file; what cannot be looked into is named and stays as it is."""
    done = Done()
    _drop_passing(workspace, done)
    for folder in _folders(workspace.root):
        if named.within(folder.name) or named.is_one(folder.name):
            shutil.rmtree(folder, ignore_errors=True)
            done.removed.append(_short(workspace, folder))
    for path in list(files_of(workspace.root)):
        if path.exists() and not _is_database(path):
            _visit(workspace, path, named, sources, done, change=True)
    _drop_prefect(workspace, named, done)
    return done


def _drop_passing(workspace: Workspace, done: Done) -> None:
    """What a dead process was writing, and what a database put aside, goes; a living one's is named."""
    for path in list(files_of(workspace.root)):
        found = _PASSING.fullmatch(path.name)
        if path.parent.name.endswith(".duckdb.tmp"):
            path.unlink()
        elif found and _lives(int(found["pid"])):
            done.left[_short(workspace, path)] = "another process writes it"
        elif found:
            path.unlink()


def _lives(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _visit(
    workspace: Workspace, path: Path, named: Named, sources: Mapping[str, str], done: Done, *, change: bool
) -> None:
    short = _short(workspace, path)
    if path.name == JOURNAL or Path(short).parts[0] == _PREFECT:
        return
    if path.is_relative_to(workspace.reports):
        _visit_page(workspace, path, named, done, change=change)
        return
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ValueError("it is too large to look into")
        if is_sealed(path):
            raise ValueError("an encrypted backup cannot be looked into: delete it, and make another then")
        data = path.read_bytes()
        rest = None if _is_named(path, named) else rest_of(path.name, data, named)
        if rest == data and hashlib.sha256(data).hexdigest() in sources:
            rest = None
        elif rest is not None and rest != data and not path.name.lower().endswith(ROWS):
            rest = None if hashlib.sha256(data).hexdigest() in sources else rest
    except _UNREADABLE as error:
        done.left[short] = str(error)
        return
    if rest == data:
        return
    signed = _signed_folder(workspace, path)
    if signed is not None:
        done.removed.append(_short(workspace, signed))
        if change:
            shutil.rmtree(signed)
        return
    contract = path.suffix == ".toml" and rest is not None and _holds_nobody(rest)
    rest = None if contract else rest
    (done.removed if rest is None else done.rewritten).append(short)
    if not change:
        return
    if rest is not None:
        write_whole(path, rest)
        return
    if contract:
        _unlist(workspace, short)
    path.unlink()


def _visit_page(workspace: Workspace, path: Path, named: Named, done: Done, *, change: bool) -> None:
    """A page that names them goes: those of a day that is planned are written again."""
    if not _is_named(path, named) and not named.within(path.read_bytes().decode("utf-8", "replace")):
        return
    done.removed.append(_short(workspace, path))
    if change:
        path.unlink()


def _is_named(path: Path, named: Named) -> bool:
    stem = path.name.split(".")[0]
    return named.is_one(stem, "_id") or named.within(path.name)


def _signed_folder(workspace: Workspace, path: Path) -> Path | None:
    """The outermost folder with a signed manifest that a file lies in: it would no longer hold."""
    found = None
    for folder in path.relative_to(workspace.root).parents:
        if folder != Path() and (workspace.root / folder / _SIGNED).is_file():
            found = workspace.root / folder
    return found


def _holds_nobody(data: bytes) -> bool:
    """Whether a TOML file is a contract of no car any more."""
    said = tomllib.loads(data.decode())
    return "share" in said and said.get("batteries") == []


def _unlist(workspace: Workspace, short: str) -> None:
    """Take a contract that holds nobody any more out of the settings, before its file goes."""
    path = workspace.root / FILE_NAME
    text = path.read_text(encoding="utf-8")
    rest = without_listed(text, Named(batteries=frozenset({short})))
    if rest != text:
        write_whole(path, rest)


def _drop_prefect(workspace: Workspace, named: Named, done: Done) -> None:
    """Prefect's records of runs name cars in their lines: all go, what has been run stays in out_run."""
    home = workspace.root / _PREFECT
    held = [path for path in files_of(home) if path.name not in _OWN]
    if any(named.within(path.read_bytes().decode("latin-1")) for path in held):
        for path in held:
            path.unlink()
        done.removed.append(_PREFECT)


def files_of(root: Path) -> Iterator[Path]:
    """Every file below a folder, in order; no symbolic links."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                yield path


def _folders(root: Path) -> list[Path]:
    return [Path(folder) / one for folder, folders, _ in os.walk(root) for one in sorted(folders)]


def _is_database(path: Path) -> bool:
    """Whether a file is a database, by its name or by what it begins with."""
    if _PASSING.fullmatch(path.name):
        return False
    if _DATABASE.fullmatch(path.name):
        return True
    with suppress(OSError), path.open("rb") as stream:
        return stream.read(_MAGIC.stop)[_MAGIC] == b"DUCK"
    return False


def _short(workspace: Workspace, path: Path) -> str:
    return str(path.relative_to(workspace.root))
