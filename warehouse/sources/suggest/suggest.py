"""From a file to a mapping that reads it, as far as its bytes, labels and values tell."""

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from warehouse.errors import WarehouseError
from warehouse.sources.mapping import mapping_of
from warehouse.sources.rawfile import RawFile
from warehouse.sources.read import parse_source
from warehouse.sources.suggest import longs, pick
from warehouse.sources.suggest.answer import TODO, Draft, Suggestion
from warehouse.sources.suggest.jsons import json_layout
from warehouse.sources.suggest.ready import ready_made
from warehouse.sources.suggest.sniff import readable, sniffed
from warehouse.sources.suggest.writer import Writer

_TRIAL = {"battery_id": "TRIAL", "zone": "DE-LU"}


def suggest_mapping(file: RawFile, dataset: str | None = None, *, battery: str | None = None) -> Suggestion:
    """Return a first mapping for a file.

    dataset: what it holds; None: what it seems to. battery: whose log it is, where it does not say. Raises
    SourceError for a file that is no table.
    """
    draft, ready = Draft(), Draft()
    if ready_made(dataset or "prices", file, None, ready):
        return ready.answer(dataset or "prices")
    if file.data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        records = json_layout(file, dataset, draft)
        if records is None:
            reason = (
                "no records that mean anything here were found in this JSON: `json` says where they are, "
            )
            draft.leave("json", {"records": "data.samples[]"}, reason + "or `source` names its reader")
            return draft.answer(dataset)
        layout = records
    else:
        layout = readable(sniffed(file, draft))
    if ready_made(dataset or "", file, layout, ready):
        return ready.answer(dataset)
    layout = longs.widened_text(layout, draft)
    found = dataset or pick.kind_of(layout)
    if found is None:
        draft.left_open.append("what the file holds: give --kind")
        draft.note(f"what the file holds cannot be determined; its columns: {', '.join(layout.columns)}")
        return draft.answer(None)
    draft.head.insert(0, f"# a first mapping for {found}; what is after # is a reason, and TODO is left open")
    if not layout.named:
        return draft.answer(found)
    writer = Writer(dataset=found, layout=layout, draft=draft, battery=battery)
    writer.write()
    options = {
        name: value
        for name, value in _TRIAL.items()
        if any(one.startswith(f"columns.{name}.") for one in draft.left_open)
    }
    if not (writer.cell or writer.turned) and _reads_as_it_is(file, found, options):
        return _needless(found, draft.left_open)
    if all(one.startswith(tuple(f"columns.{name}." for name in _TRIAL)) for one in draft.left_open):
        _tried(file, found, draft, options)
    return draft.answer(found)


def _reads_as_it_is(file: RawFile, dataset: str, options: Mapping[str, Any]) -> bool:
    try:
        parse_source(dataset, file, **options)
    except WarehouseError:
        return False
    return True


def _needless(dataset: str, left_open: Sequence[str]) -> Suggestion:
    """Return that no mapping is needed, and what the command has to be given."""
    lines = ["# no mapping is needed: the file has our own names, `v2g ingest` reads it as it is"]
    for name, option in (("battery_id", "--battery ID"), ("zone", "--zone ZONE")):
        if any(one.startswith(f"columns.{name}.") for one in left_open):
            lines.append(f"# {TODO} with {option}, which the file does not say")
    stated = tuple(line.partition(TODO)[2].strip() for line in lines[1:])
    return Suggestion(dataset=dataset, text="\n".join(lines) + "\n", left_open=stated)


def _tried(file: RawFile, dataset: str, draft: Draft, trial: Mapping[str, Any]) -> None:
    """Read the file with the mapping, and leave open what that cannot do."""
    try:
        meant = mapping_of(tomllib.loads(draft.answer(dataset).text), file.name, dataset)
        options = {key: value for key, value in meant.options.items() if key != "level"}
        parse_source(dataset, file, source=meant.source, **options, **trial)
    except (WarehouseError, tomllib.TOMLDecodeError) as error:
        draft.left_open.append(f"the file is not read so: {error}")
        draft.note(f"{TODO} the file is not read so: {error}")
