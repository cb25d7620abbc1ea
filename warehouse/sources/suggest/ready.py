"""Whether a reader that there is knows the layout: each is asked to read the file."""

from collections.abc import Mapping

from warehouse.errors import SourceError, WarehouseError
from warehouse.sources.misnamed import foreign_layout
from warehouse.sources.rawfile import RawFile
from warehouse.sources.read import options_of, parse_source, sources_for
from warehouse.sources.suggest.answer import Draft
from warehouse.sources.suggest.sniff import Layout

_GENERIC = frozenset({"csv", "parquet", "mapped", "tou"})
_TRIAL: Mapping[str, object] = {"rate": 1.0, "vat": "excluded"}
_OPTION = {"rate": "--rate EUR", "vat": "--vat included|excluded", "zone": "--zone ZONE"}


def ready_made(dataset: str, file: RawFile, layout: Layout | None, draft: Draft) -> bool:
    """Tell the draft of the reader that knows a file's layout; return whether there is one."""
    if layout is not None and (hint := foreign_layout(layout.columns)):
        draft.leave("source", hint.rpartition("source ")[2].rstrip(")"), f"no mapping is needed: {hint}; see "
                    "`v2g ingest --help` for what it has to be told")  # fmt: skip
        return True
    if dataset != "prices":
        return False
    for name in sources_for(dataset):
        if name in _GENERIC:
            continue
        given = _options(dataset, name)
        fewer = {key: value for key, value in given.items() if key != "zone"}
        read = next((one for one in ({}, fewer, given) if _reads(dataset, name, file, one)), None)
        if read is None:
            continue
        draft.say("source", name, "the reader of this layout reads the file")
        for option in read:
            rest = {key: value for key, value in read.items() if key != option}
            if not _reads(dataset, name, file, rest):
                shown = "DE-LU" if option == "zone" else "…"
                draft.leave(
                    option, shown, f"the file does not say it: give {_OPTION[option]} to `v2g ingest`"
                )
        return True
    return False


def _options(dataset: str, name: str) -> dict[str, object]:
    """Return what a layout may have to be told, for a trial."""
    given: dict[str, object] = {**_TRIAL, "zone": "DE-LU"}
    return {key: value for key, value in given.items() if key in options_of(dataset, name)}


def _reads(dataset: str, name: str, file: RawFile, options: Mapping[str, object]) -> bool:
    try:
        return not parse_source(dataset, file, source=name, **options).frame.empty  # type: ignore[arg-type]
    except (SourceError, WarehouseError):
        return False
