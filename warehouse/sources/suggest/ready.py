"""Whether a reader that there is knows the layout: by its marks, or since it reads the file."""

import re
from collections.abc import Collection, Mapping

from warehouse.errors import SourceError, WarehouseError
from warehouse.sources.misnamed import foreign_layout
from warehouse.sources.rawfile import RawFile
from warehouse.sources.read import options_of, parse_source, sources_for
from warehouse.sources.suggest.answer import Draft
from warehouse.sources.suggest.sniff import Layout

_GENERIC = frozenset({"csv", "parquet", "mapped", "tou"})
_TRIAL: Mapping[str, object] = {"rate": 1.0, "vat": "excluded"}
_OPTION = {"rate": "--rate EUR", "vat": "--vat included|excluded", "zone": "--zone ZONE"}
_LOOKED_AT = 2**16
_MARKS = (
    (re.compile(rb'\s*\{.*?"_items"\s*:', re.DOTALL), "this looks like an answer of ACN (source acn)"),
    (
        re.compile(rb'\s*\[\s*(?:\[\s*)?[2-6]\s*,\s*"[^"]*"\s*,\s*["{]'),
        "this looks like a log of OCPP messages (source ocpp)",
    ),
)
"""How text begins that is no table, and what it then is, both of sessions."""


def looks_like(file: RawFile, headers: Collection[str] = ()) -> str | None:
    """Return what a file seems to be that no trial shows, ending in "(source NAME)"; None for no such."""
    begins = file.data[:_LOOKED_AT].removeprefix(b"\xef\xbb\xbf")
    marked = (hint for mark, hint in _MARKS if mark.match(begins))
    return foreign_layout(headers) or next(marked, None)


def reader_of(dataset: str, file: RawFile) -> tuple[str, Mapping[str, object]] | None:
    """Return the source of a dataset that reads a file, and the options of the trial; None for none."""
    if dataset != "prices":
        return None
    for name in sources_for(dataset):
        if name in _GENERIC:
            continue
        given = _options(dataset, name)
        fewer = {key: value for key, value in given.items() if key != "zone"}
        for options in ({}, fewer, given):
            if _reads(dataset, name, file, options):
                return name, options
    return None


def ready_made(dataset: str, file: RawFile, layout: Layout | None, draft: Draft) -> bool:
    """Tell the draft of the reader that knows a file's layout; return whether there is one."""
    if hint := looks_like(file, () if layout is None else layout.columns):
        draft.leave("source", hint.rpartition("source ")[2].rstrip(")"), f"no mapping is needed: {hint}; see "
                    "`v2g ingest --help` for what it has to be given")  # fmt: skip
        return True
    found = reader_of(dataset, file)
    if found is None:
        return False
    name, read = found
    draft.say("source", name, "the reader of this layout reads the file")
    for option in read:
        rest = {key: value for key, value in read.items() if key != option}
        if not _reads(dataset, name, file, rest):
            shown = "DE-LU" if option == "zone" else "…"
            draft.leave(option, shown, f"the file does not say it: give {_OPTION[option]} to `v2g ingest`")
    return True


def source_hint(dataset: str, file: RawFile) -> str:
    """Return what to say of a refused file that a source of its own reads; an empty text for no such."""
    if hint := looks_like(file):
        return f"; {hint}"
    found = reader_of(dataset, file)
    return "" if found is None else f"; `--source {found[0]}` reads this layout"


def _options(dataset: str, name: str) -> dict[str, object]:
    """Return what a layout may have to be given, for a trial."""
    given: dict[str, object] = {**_TRIAL, "zone": "DE-LU"}
    return {key: value for key, value in given.items() if key in options_of(dataset, name)}


def _reads(dataset: str, name: str, file: RawFile, options: Mapping[str, object]) -> bool:
    try:
        return not parse_source(dataset, file, source=name, **options).frame.empty  # type: ignore[arg-type]
    except (SourceError, WarehouseError):
        return False
