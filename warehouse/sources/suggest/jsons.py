"""A JSON file: the path to its records, reported to the draft, and its columns for whoever picks them."""

from collections.abc import Iterator
from dataclasses import replace

from warehouse.errors import SourceError
from warehouse.sources.jsontable import escaped, read_json
from warehouse.sources.jsontext import parse_json
from warehouse.sources.maprules import JsonRule
from warehouse.sources.rawfile import RawFile
from warehouse.sources.suggest.answer import Draft
from warehouse.sources.suggest.pick import KINDS, picked
from warehouse.sources.suggest.sniff import Layout

_FEWEST, _LOOKED_AT = 2, 3
"""Records that make a table; elements of a list, and lines, that show what lies in all."""


def json_layout(file: RawFile, dataset: str | None, draft: Draft) -> Layout | None:
    """Return the columns of the records that mean most to us; None where no list holds any."""
    lines, documents = _documents(file)
    paths = dict.fromkeys(path for document in documents for path in _paths(document))
    if lines:
        paths = {"": None} | paths
    best: tuple[int, str, Layout] | None = None
    for path in paths:
        try:
            table, _ = read_json(replace(file, torn={}), JsonRule(records=path, lines=lines), lambda _: True)
        except SourceError:
            continue
        columns = {name: [text or "" for text in table.columns[name].to_pylist()] for name in table.columns}
        layout = Layout(columns=columns, units={})
        kinds = (dataset,) if dataset else KINDS
        meant = max(
            sum(name not in ("battery_id", "zone") for name in picked(kind, layout)) for kind in kinds
        )
        if table.rows >= _FEWEST and meant and (best is None or meant > best[0]):
            best = (meant, path, layout)
    if best is None:
        return None
    _, path, layout = best
    count = len(next(iter(layout.columns.values())))
    message = ({"records": path} if path or not lines else {}) | ({"lines": True} if lines else {})
    draft.say("json", message, f"{count:,} records, a document a line" if lines else f"{count:,} records")
    return layout


def _documents(file: RawFile) -> tuple[bool, list[object]]:
    """Return whether a file has a document a line, and its first ones."""
    try:
        return False, [parse_json(file.data, file)]
    except SourceError:
        found = []
    for line in filter(bytes.strip, file.data.splitlines()[: 10 * _LOOKED_AT]):
        try:
            found.append(parse_json(line, file))
        except SourceError:
            continue
    return True, found[:_LOOKED_AT]


def _paths(value: object, path: str = "") -> Iterator[str]:
    """Yield the paths to lists of objects or of lists, and to objects of equally long lists."""
    if isinstance(value, list):
        inside = [one for one in value[:_LOOKED_AT] if isinstance(one, dict | list)]
        if inside:
            yield f"{path}[]"
            for one in inside:
                yield from _paths(one, f"{path}[]") if isinstance(one, dict) else ()
    elif isinstance(value, dict):
        lengths = {len(one) for one in value.values() if isinstance(one, list)}
        lists = sum(isinstance(one, list) for one in value.values())
        if path and not path.endswith("]") and len(lengths) == 1 and lists >= _FEWEST:
            yield f"{path}{{}}"
        for key, one in value.items():
            yield from _paths(one, f"{path}.{escaped(key)}" if path else escaped(key))
