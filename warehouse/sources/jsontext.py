"""JSON text → values, under caps: so many bytes, so deep, and no number that JSON does not know."""

import json

from warehouse.errors import OversizedFileError, UndecodableFileError
from warehouse.sources.rawfile import RawFile


def parse_json(text: bytes, file: RawFile, row: int | None = None, *, unique: bool = False) -> object:
    """Return the value of one JSON text of a file; row, if any, is named in errors.

    unique: whether an object that has a key twice, which of both holds nobody knows, is refused.
    Raises OversizedFileError, UndecodableFileError.
    """
    if len(text) > file.caps.json_bytes:
        raise OversizedFileError(f"is larger than {file.caps.json_bytes:,} bytes", file=file.name, row=row)
    refuse_crowded(text, b",[{", file, row)
    too_deep = OversizedFileError(
        f"is nested deeper than {file.caps.json_depth} levels", file=file.name, row=row
    )
    try:
        value: object = json.loads(
            text.decode("utf-8-sig"),
            parse_constant=_no_constant,
            object_pairs_hook=_once if unique else None,
        )
    except RecursionError:
        raise too_deep from None
    except ValueError as error:
        raise UndecodableFileError(f"is not JSON: {error}", file=file.name, row=row) from error
    if _deeper_than(value, file.caps.json_depth):
        raise too_deep
    return value


def refuse_crowded(text: bytes, marks: bytes, file: RawFile, row: int | None = None) -> None:
    """Refuse text of which each few bytes would become a value of a hundred; marks: what begins one."""
    values = sum(text.count(mark) for mark in marks)
    if values > file.caps.json_values:
        raise OversizedFileError(
            f"holds {values:,} values; {file.caps.json_values:,} are allowed: split it",
            file=file.name,
            row=row,
        )


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return found


def _deeper_than(value: object, levels: int) -> bool:
    """Tell whether a value nests deeper, without recursion."""
    level = [value]
    for _ in range(levels):
        level = [
            inner
            for outer in level
            if isinstance(outer, list | dict)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(value, list | dict) for value in level)
