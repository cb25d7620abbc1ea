"""From a path to a SourceFile: every reason to refuse a file is found here, before anything is written."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from warehouse.contracts import DATASETS, Kind, TableContract, dataset_contract
from warehouse.errors import OptionError, nearest, printable, together
from warehouse.sources import acn, desl, ocmf, ocpp, packs, smard, teslamate
from warehouse.sources.canonical import CONSTANTS, parse_canonical
from warehouse.sources.caps import CAPS, Caps
from warehouse.sources.faults import Faults
from warehouse.sources.mapped import FILLED, OPTIONS, parse_mapped
from warehouse.sources.ocpp_fragments import Begun
from warehouse.sources.parsed import Parsed
from warehouse.sources.pieces import pieces
from warehouse.sources.rawfile import RawFile, load
from warehouse.sources.received import Received, at_events
from warehouse.sources.refusals import unfit
from warehouse.sources.tariffs import PROVIDERS, openadr, tou
from warehouse.sources.tariffs.published.readers import PUBLISHED
from warehouse.sources.types import SourceFile
from warehouse.zones import market_timezone


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """A way of reading a dataset's files, the options it takes and whose data it is.

    columns: whether a column of the file can tell when each row was received. context_option: the option that
    holds what other files of the source reported, which is no part of what a file is; what was used of it is.
    """

    parse: Callable[[str, RawFile, Mapping[str, object]], Parsed]
    options: frozenset[str] = frozenset()
    columns: bool = False
    context_option: str | None = None
    provider: str | None = None
    licence: str | None = None
    attribution: str | None = None


_SHOWN_OPTION = 4000
_TIMES = "datetime64[us, UTC]"
_READERS: Mapping[tuple[str, str], _Reader] = {
    **{
        (dataset, name): _Reader(
            parse=parse_canonical,
            options=CONSTANTS.get(dataset, frozenset())
            | (packs.OPTIONS if dataset in packs.SCALED else set()),
            columns=True,
        )
        for dataset in DATASETS
        for name in ("csv", "parquet")
    },
    **{
        (dataset, "mapped"): _Reader(
            parse=parse_mapped, options=OPTIONS | (CONSTANTS.get(dataset, frozenset()) & FILLED), columns=True
        )
        for dataset in DATASETS
    },
    ("prices", "smard"): _Reader(
        parse=smard.parse_smard, options=smard.OPTIONS, provider=smard.PROVIDER, licence=smard.LICENCE
    ),
    **{
        (dataset, name): _Reader(
            parse=one.parse, options=one.options, provider=one.provider, licence=one.licence
        )
        for name, one in PUBLISHED.items()
        for dataset in one.datasets
    },
    **{
        (dataset, name): _Reader(
            parse=one.parse,
            options=one.options,
            provider=one.provider,
            licence=one.licence,
            attribution=one.attribution,
        )
        for name, one in PROVIDERS.items()
        for dataset in one.datasets
    },
    **{(dataset, "tou"): _Reader(parse=tou.parse, options=tou.OPTIONS) for dataset in ("prices", "tariffs")},
    **{
        (dataset, "openadr"): _Reader(parse=openadr.parse, options=openadr.OPTIONS, provider=openadr.PROVIDER)
        for dataset in ("prices", "tariffs", "co2")
    },
    ("sessions", "acn"): _Reader(
        parse=acn.parse_acn, options=acn.OPTIONS, provider=acn.PROVIDER, licence=acn.LICENCE
    ),
    ("sessions", "desl"): _Reader(
        parse=desl.parse_desl, options=desl.OPTIONS, provider=desl.PROVIDER, licence=desl.LICENCE
    ),
    ("sessions", "teslamate"): _Reader(
        parse=teslamate.parse_teslamate, options=teslamate.OPTIONS, provider=teslamate.PROVIDER
    ),
    ("sessions", "ocpp"): _Reader(
        parse=ocpp.parse_ocpp, options=ocpp.OPTIONS, context_option=ocpp.BESIDE, provider=ocpp.PROVIDER
    ),
    ("metering", "ocmf"): _Reader(
        parse=ocmf.parse_ocmf, options=ocmf.OPTIONS, context_option=ocmf.KEYS, provider=ocmf.PROVIDER
    ),
}
_INSTEAD: Mapping[tuple[str, str], str] = {
    ("prices", "rate"): ": columns are in €; of other money, `scale` in a mapping is what one is worth",
}
"""What says otherwise what an option would have said."""
_MEANT_OTHERWISE: Mapping[tuple[str, str], str] = {
    ("telemetry", "teslamate"): teslamate.NOT_TELEMETRY,
    ("telemetry", "ocpp"): ocpp.NOT_TELEMETRY,
}
"""What is a source of another dataset, and why not of this one."""


def sources_for(dataset: str) -> tuple[str, ...]:
    """Return the names of the ways a dataset can be read; the first is the default."""
    dataset_contract(dataset)
    return tuple(name for known, name in _READERS if known == dataset)


def options_of(dataset: str, source: str) -> frozenset[str]:
    """Return the names of the options that a source of a dataset takes."""
    return _READERS[dataset, source].options


def read_source(
    dataset: str,
    path: Path | str,
    *,
    source: str = "csv",
    zone: str | None = None,
    caps: Caps = CAPS,
    follow: bool = True,
    received: Received | None = None,
    faults: Faults | None = None,
    **options: object,
) -> SourceFile:
    """Read a file into rows that are fit to be ingested.

    source: one of `sources_for(dataset)`; "csv" reads Parquet and xlsx as well. zone: the bidding zone of the
    file where it does not tell. follow: whether a symbolic link is followed. received: what tells when each
    row was received; None: all of them with the file. faults: takes up what is wrong with the file, of which
    the rest is returned as if that were right; None: it is raised. options: what the parser names, as
    `battery_id` (rows of one battery), `level` and `cars`, `onto`, `target_soc`, `batteries`, `mapping`.
    Raises SourceError (see `warehouse.errors`), UnknownZoneError for the argument, UnknownTableError.
    """
    path = Path(path)
    _reader(dataset, source, printable(path.name))
    file = load(path, caps, follow=follow)
    return parse_source(dataset, file, source=source, zone=zone, received=received, faults=faults, **options)


def read_pieces(
    dataset: str, path: Path | str, *, source: str = "csv", caps: Caps = CAPS, follow: bool = True, **how: Any
) -> Iterator[SourceFile]:
    """`read_source`, of a long log its rows piece by piece: sources of one id, each with some of the rows.

    how: of `read_source`, but for `faults`.
    """
    path = Path(path)
    _reader(dataset, source, printable(path.name))
    file = load(path, caps, follow=follow)
    cut = source in ("csv", "parquet")
    for piece in pieces(dataset, file) if cut else (file,):
        yield parse_source(dataset, piece, source=source, **how)


def parse_source(
    dataset: str,
    file: RawFile,
    *,
    source: str = "csv",
    zone: str | None = None,
    received: Received | None = None,
    faults: Faults | None = None,
    **options: object,
) -> SourceFile:
    """`read_source` for bytes that are already here, e.g. a response."""
    contract = dataset_contract(dataset)
    reader = _reader(dataset, source, file.name)
    given = {name: value for name, value in {"zone": zone, **options}.items() if value is not None}
    if unknown := sorted(set(given) - reader.options):
        raise OptionError(
            f"is not an option of {source} {dataset}"
            f"{_INSTEAD.get((dataset, unknown[0])) or nearest(unknown[0], reader.options)}",
            file=file.name, column=unknown[0],
        )  # fmt: skip
    if zone is not None:
        market_timezone(zone)
    name = _true_name(source, file)
    by_column = received is not None and received.column is not None
    if received is not None and by_column and not reader.columns:
        raise OptionError(
            f"no column of {source} {dataset} tells when a row was received; `event` does",
            file=file.name, column="received", value=received.column,
        )  # fmt: skip
    besides: dict[str, object] = {"received": received} if by_column else {}
    if faults is not None and reader.columns:
        besides["faults"] = faults
    parsed = reader.parse(dataset, file, given | besides)
    earlier_logs = given.pop(reader.context_option or "", None)
    if isinstance(earlier_logs, Begun):
        parsed = earlier_logs.without_withdrawn(parsed, file.sha256, _stated(given))
    if parsed.joined or parsed.transactions:
        given["joined"] = parsed.joined
    frame = _filled(parsed.frame, contract)
    if faults is not None:
        faults.take_torn(file.torn)
    wrong = list(unfit(frame, contract, file.name, parsed.spelling, published=reader.provider is not None))
    if faults is not None:
        faults.take(wrong)
    elif wrong:
        raise together(wrong)
    if received is not None and not by_column:
        frame = frame.assign(received_utc=at_events(dataset, frame, received, file.name))
    return SourceFile(
        dataset=dataset,
        source=name,
        file_name=file.name,
        source_id=_source_id(
            file.sha256, dataset, name, given if received is None else {**given, "received": received.stated}
        ),
        sha256=file.sha256,
        frame=frame,
        provider=reader.provider,
        licence=parsed.licence or reader.licence,
        attribution=reader.attribution,
        options=_stated(given),
        # They may hold the file's own words.
        notes=tuple(printable(note) for note in (*_of_torn(file), *parsed.notes)),
        received=received,
        transactions=parsed.transactions,
        not_before=parsed.not_before,
    )


def _of_torn(file: RawFile) -> tuple[str, ...]:
    """Return a note on the rows of a table that were no rows."""
    if not file.torn:
        return ()
    row, first = min(file.torn.items())
    others = len(file.torn) - 1
    more = f" (as {others} other row{'s' * (others > 1)})" if others else ""
    return (f"row {row} {first.problem}{more}: without any value",)


def _filled(frame: pd.DataFrame, contract: TableContract) -> pd.DataFrame:
    """Return rows with the columns, empty, that may be empty and that their source does not tell."""
    empty: Mapping[Kind, Any] = {
        Kind.FLOAT: np.nan,
        Kind.TIME: pd.Series(pd.NaT, frame.index, dtype=_TIMES),
    }
    lacking = [one for one in contract if one.nullable and one.name not in frame.columns]
    return frame.assign(**{one.name: empty.get(one.kind) for one in lacking})


def _reader(dataset: str, source: str, file: str) -> _Reader:
    try:
        return _READERS[dataset, source]
    except KeyError:
        if reason := _MEANT_OTHERWISE.get((dataset, source)):
            raise OptionError(reason, file=file, column="source", value=source) from None
        names = sources_for(dataset)
        raise OptionError(
            f"is not a source of {dataset} ({', '.join(names)}){nearest(source, names)}",
            file=file, column="source", value=source,
        ) from None  # fmt: skip


def _true_name(source: str, file: RawFile) -> str:
    """Return the source's name by content where only the content can tell."""
    if source in ("csv", "parquet"):
        return "parquet" if file.is_parquet else "csv"
    return source


def _stated(options: Mapping[str, object]) -> str | None:
    """Return the options as JSON for a reader; a table among them by its hash."""
    texts = {name: _fingerprint(value) for name, value in sorted(options.items())}
    short = {
        name: text if len(text) <= _SHOWN_OPTION else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        for name, text in texts.items()
    }
    return json.dumps(short, ensure_ascii=False) if short else None


def _source_id(sha256: str, dataset: str, source: str, options: Mapping[str, object]) -> str:
    stated = {name: _fingerprint(value) for name, value in sorted(options.items())}
    return hashlib.sha256(json.dumps([sha256, dataset, source, stated]).encode()).hexdigest()


def _fingerprint(value: object) -> str:
    if isinstance(value, pd.DataFrame):
        return value.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%S.%f%z", float_format="%.17g")
    if isinstance(value, Mapping):
        return json.dumps({str(name): _fingerprint(one) for name, one in value.items()}, sort_keys=True)
    if isinstance(value, Iterable) and not isinstance(value, str | dt.date):
        return ",".join(sorted(str(item) for item in value))
    return str(value)
