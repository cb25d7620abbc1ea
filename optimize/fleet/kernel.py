"""How this package compiles: to machine code, without Python's lock, and kept on disk between runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def _source_stamp() -> str:
    """A digest of the package's compiled sources and of the layout that they share."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        source = file.read_bytes()
        if b"@kernel" in source or file.name == "layout.py":
            digest.update(file.name.encode() + source)
    return digest.hexdigest()


SOURCES = _source_stamp()


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile at the first call, or load what an earlier process compiled from the same sources.

    numba looks at a function's own file alone when it judges whether kept code is still good; a change in
    what it calls would go unnoticed. So all compiled files together stand for the one.
    """
    compiled: Callable[P, R] = njit(cache=True, error_model="numpy", nogil=True)(function)
    compiled._cache._cache_file._source_stamp = SOURCES  # type: ignore[attr-defined]
    return compiled
