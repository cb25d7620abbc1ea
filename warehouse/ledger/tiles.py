"""The tree as files (c2sp.org/tlog-tiles): tiles of 256 hashes, bundles of 256 entries."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from warehouse.errors import LedgerError
from warehouse.ledger.merkle import Tree

WIDTH = 256
_LEVEL_BITS = 8


def tile_files(tree: Tree, entries: Sequence[bytes]) -> dict[str, bytes]:
    """Every tile and bundle of a log by its path; entries in order, each below 64 KiB."""
    files: dict[str, bytes] = {}
    level = 0
    while (count := tree.size >> (_LEVEL_BITS * level)) > 0:
        hashes = tree.levels[_LEVEL_BITS * level]
        for tile in range(-(-count // WIDTH)):
            files[f"tile/{level}/{_path(tile, count)}"] = b"".join(hashes[tile * WIDTH :][:WIDTH])
        level += 1
    for tile in range(-(-len(entries) // WIDTH)):
        bundle = b"".join(struct.pack(">H", len(one)) + one for one in entries[tile * WIDTH :][:WIDTH])
        files[f"tile/entries/{_path(tile, len(entries))}"] = bundle
    return files


def bundled_entries(files: Mapping[str, bytes], size: int) -> list[bytes]:
    """The entries of a log of `size` out of its bundles; raises LedgerError that names the file."""
    entries: list[bytes] = []
    for tile in range(-(-size // WIDTH)):
        name = f"tile/entries/{_path(tile, size)}"
        data = files.get(name)
        if data is None:
            raise LedgerError(f"{name} is missing")
        place = 0
        for _ in range(min(WIDTH, size - tile * WIDTH)):
            (length,) = (
                struct.unpack(">H", data[place : place + 2]) if place + 2 <= len(data) else (len(data),)
            )
            entries.append(data[place + 2 : place + 2 + length])
            place += 2 + length
        if place != len(data):
            raise LedgerError(f"{name} is no bundle of its entries")
    return entries


def _path(tile: int, count: int) -> str:
    parts = [f"{tile % 1000:03d}"]
    rest = tile // 1000
    while rest:
        parts.insert(0, f"x{rest % 1000:03d}")
        rest //= 1000
    width = min(WIDTH, count - tile * WIDTH)
    return "/".join(parts) + (f".p/{width}" if width < WIDTH else "")
