"""A warehouse's file encrypted for one reader, piece by piece: no more than a few pieces are ever in memory.

A sealed copy is a zip (stored, ZIP64) of envelopes, each a piece of `_PIECE_BYTES` encrypted by itself:

    warehouse.duckdb/000001.p7m …   its pieces in their order; warehouse.duckdb.wal/… where there is one
    sums.p7m                        JSON, encrypted: bytes and SHA-256 of each file
    OPEN.txt                        how to open it with unzip and openssl, without this software

How a piece is encrypted is the caller's (`Enclose`, `Disclose`); nothing of it is done here. Whoever has the
certificate can make a sealed copy: it hides what it holds, it does not say who made it.
"""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from warehouse.errors import CopyError, DamagedError
from warehouse.files import new_file, sync

Enclose = Callable[[bytes], bytes]
"""Encrypts a piece for the reader."""
Disclose = Callable[[bytes], bytes]
"""Opens a piece; ValueError where the key does not fit or the piece is no envelope."""

DATABASE, LOG, SUMS = "warehouse.duckdb", "warehouse.duckdb.wal", "sums.p7m"
_HOW = "OPEN.txt"
_PIECE_BYTES = 16 * 2**20
_MOST_BYTES = 2 * _PIECE_BYTES
_TEXT = f"""A v2g-planner warehouse (DuckDB), encrypted to a certificate: CMS (RFC 5652), AES-256.

`v2g restore FILE --key key.pem --certificate certificate.pem` checks and restores it. Without v2g:

unzip -q -d sealed FILE && cd sealed
opened() {{ for x in "$@"; do openssl cms -decrypt -binary -inform DER -in "$x" -inkey ../key.pem; done; }}
opened {DATABASE}/*.p7m > ../opened.duckdb
opened {SUMS} > ../sums.json
opened {LOG}/*.p7m > ../opened.duckdb.wal

The last line is for where there is that folder; sums.json tells the bytes and SHA-256 that both must have.
"""


def is_sealed(path: Path) -> bool:
    """Whether a file is a sealed copy."""
    try:
        with zipfile.ZipFile(path) as held:
            return SUMS in held.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def seal(files: Mapping[str, BinaryIO], target: Path, enclose: Enclose) -> None:
    """Write files, by DATABASE and LOG, each from its beginning, as a new sealed copy."""
    with new_file(target) as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as held:
            held.writestr(_HOW, _TEXT)
            sums = {}
            for name, source in files.items():
                digest, size, number = hashlib.sha256(), 0, 0
                source.seek(0)
                while piece := source.read(_PIECE_BYTES):
                    number += 1
                    digest.update(piece)
                    size += len(piece)
                    held.writestr(f"{name}/{number:06}.p7m", enclose(piece))
                sums[name] = {"bytes": size, "sha256": digest.hexdigest()}
            held.writestr(SUMS, enclose(json.dumps(sums).encode()))
        sync(stream)


def unseal(path: Path, files: Mapping[str, Path], disclose: Disclose) -> None:
    """Write what a sealed copy holds as new private files, by DATABASE and LOG.

    Raises CopyError where the key does not open it, DamagedError where a piece is missing, changed or one too
    many; what was written until then stays for the caller to remove.
    """
    try:
        with zipfile.ZipFile(path) as held:
            sums = json.loads(_first(held, path, disclose))
            if DATABASE not in sums:
                raise KeyError(DATABASE)
            for name, stated in sums.items():
                digest, size = hashlib.sha256(), 0
                with new_file(files[name]) as stream:
                    for piece in _pieces(held, name, disclose):
                        digest.update(piece)
                        size += len(piece)
                        stream.write(piece)
                    sync(stream)
                if (size, digest.hexdigest()) != (stated["bytes"], stated["sha256"]):
                    raise DamagedError(
                        f"{path}: {name} is not what was sealed: pieces lack or differ", path=path
                    )
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise DamagedError(f"{path} is damaged, and not opened: {error}", path=path) from error


def _first(held: zipfile.ZipFile, path: Path, disclose: Disclose) -> bytes:
    """The sums; what cannot open these has the wrong key."""
    sums = _read(held, SUMS)
    try:
        return disclose(sums)
    except ValueError as error:
        raise CopyError(f"{path} does not open with that key and certificate: {error}") from error


def _pieces(held: zipfile.ZipFile, name: str, disclose: Disclose) -> Iterator[bytes]:
    for one in sorted(one for one in held.namelist() if one.startswith(f"{name}/")):
        yield disclose(_read(held, one))


def _read(held: zipfile.ZipFile, name: str) -> bytes:
    """A member's bytes, checked by its CRC; ValueError for one larger than any piece."""
    if held.getinfo(name).file_size > _MOST_BYTES:
        raise ValueError(f"{name} is larger than a piece")
    return held.read(name)
