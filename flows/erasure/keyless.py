"""Exports under pseudonyms whose key is not here: nobody can tell whose their rows are."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from flows.erasure.files import files_of
from flows.workspace import Workspace
from warehouse.pseudonyms import PSEUDONYM

WHY = (
    "an export under pseudonyms of a key that is not here: whose rows it holds cannot be told; set "
    "V2G_PSEUDONYM_KEYS as it was then, or delete it"
)


def keyless(workspace: Workspace, known: Collection[str]) -> list[str]:
    """Paths of such exports; known: the pseudonyms of all cars under all keys that are here."""
    return [
        str(path.relative_to(workspace.root))
        for path in files_of(workspace.root)
        if path.suffix == ".parquet" and _under_another(path, known)
    ]


def _under_another(path: Path, known: Collection[str]) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            if "battery_id" not in file.schema_arrow.names:
                return False
            ids = {one for one in pc.unique(file.read(["battery_id"])["battery_id"]).to_pylist() if one}
    except (pa.ArrowInvalid, OSError):
        return False  # what cannot be read is named as such
    return bool(ids) and all(re.fullmatch(PSEUDONYM, str(one)) for one in ids) and ids.isdisjoint(known)
