"""How this package compiles: to machine code, without Python's lock, and stored on disk between runs.

It is stored in the user's cache folder, where numba keeps such or is told to, and never next to the sources:
these may be installed for many, or where nobody may write. Without a folder each process compiles anew.
Sources that are the same share it wherever they lie: a new environment compiles what has changed alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from numba import njit
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    UserProvidedCacheLocator,
    UserWideCacheLocator,
)

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


class _BySources:
    """A folder named by what is compiled and not by where it lies: copies of it share what one compiled."""

    @classmethod
    def get_suitable_cache_subpath(cls, _: str) -> str:
        return f"fleet_{SOURCES[:40]}"


class _Provided(_BySources, UserProvidedCacheLocator):  # type: ignore[misc]
    pass


class _UserWide(_BySources, UserWideCacheLocator):  # type: ignore[misc]
    pass


class _Kept(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Provided, _UserWide)


class _Cache(FunctionCache):  # type: ignore[misc]
    _impl_class = _Kept


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile at the first call, or load what an earlier process compiled from the same sources.

    numba looks at a function's own file alone when it judges whether kept code is still good; a change in
    what it calls would go unnoticed. So all compiled files together stand for the one.
    """
    compiled: Any = njit(error_model="numpy", nogil=True)(function)
    try:
        cache = _Cache(function)
    except RuntimeError:  # no folder to keep it in
        return compiled  # type: ignore[no-any-return]
    cache._cache_file._source_stamp = SOURCES
    compiled._cache = cache
    return compiled  # type: ignore[no-any-return]


def is_ready(function: Callable[..., object]) -> bool:
    """Whether a compiled function is there already, in this process or on disk."""
    compiled: Any = function
    file = getattr(compiled._cache, "_cache_file", None)
    return bool(compiled.signatures) or (file is not None and bool(file._load_index()))
