"""Files in, raw rows out: read all, refuse any, then ingest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from flows.context import Context
from flows.errors import NoPlanError
from flows.money import Money
from flows.stages.reading import MOST_HELD_ROWS, Reading
from flows.stages.record import StageResult, recorded
from warehouse.at_once import at_once
from warehouse.contracts import dataset_contract, reference
from warehouse.errors import (
    CellError,
    ColumnError,
    EmptyFileError,
    RateError,
    SourceError,
    UndecodableFileError,
    UnitError,
    nearest,
)
from warehouse.fragments import begun, logs_of
from warehouse.recheck import check_again
from warehouse.sources import (
    Received,
    SourceFile,
    read_pieces,
    read_source,
    received_as,
    require_known,
)
from warehouse.sources.ocpp_fragments import Begun
from warehouse.sources.rawfile import load
from warehouse.sources.suggest import source_hint
from warehouse.sources.tariffs import PROVIDERS
from warehouse.store import Warehouse
from warehouse.withdrawal import sent_again

INGEST_ORDER = (
    "sites", "chargers", "fleet", "prices", "tariffs", "co2", "imbalance_prices", "site_load", "site_limits",
    "awards", "activations",
    "sessions", "checkups", "telemetry", "soc_power", "metering",
)  # fmt: skip
"""The datasets, each after those that its rows refer to."""

_SHOWN = 5
_MAPPING = "; `v2g mapping suggest` writes a mapping for columns that are named otherwise"
_COARSE = "soc_power"  # telemetry of cars that tell neither voltage nor current

# Sources whose files never name their zone: the workspace's, unless another is given.
_ZONED = frozenset(
    {"smard", "acn", "desl", "tou", "openadr", *(name for name, one in PROVIDERS.items() if one.zoned)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestedFiles:
    """What was ingested: a row a file, the new rows in all, the readers' notes, the ids of the sources."""

    files: tuple[dict[str, object], ...]
    new_rows: int
    notes: tuple[str, ...]
    source_ids: tuple[str, ...]


@recorded("ingest")
def ingest(
    context: Context,
    dataset: str,
    files: Sequence[Path],
    *,
    source: str = "csv",
    zone: str | None = None,
    options: Mapping[str, object] | None = None,
    received: Received | str | None = None,
    delay_minutes: float | None = None,
) -> StageResult:
    """Ingest `files` of one dataset, received at `as_of`. One refused file, and none is ingested.

    received: what tells when each row was received instead, "event" or the name of a column of the files.
    delay_minutes: from an event of telemetry to its receipt. Raises the warehouse's errors for a file that
    cannot be meant, NoPlanError for sessions without cars.
    """
    stated = received if isinstance(received, Received) else received_as(received, delay_minutes, dataset)
    ingested = ingest_files(
        context, dataset, files, source=source, zone=zone, options=options, received=stated
    )
    return StageResult(
        stage="ingest",
        status="ok",
        message=f"{ingested.new_rows} new rows of {dataset}; `v2g check` lets them in",
        tables={"files": ingested.files, "notes": [{"note": note} for note in ingested.notes]},
        details={"dataset": dataset, "new_rows": ingested.new_rows, "source_ids": list(ingested.source_ids)},
    )


def ingest_files(
    context: Context,
    dataset: str,
    files: Sequence[Path],
    *,
    source: str = "csv",
    zone: str | None = None,
    options: Mapping[str, object] | None = None,
    follow: bool = True,
    received: Received | None = None,
) -> IngestedFiles:
    """`ingest` without its row in out_run; files that are symbolic links are refused unless `follow`."""
    warehouse = context.workspace.warehouse
    how = how_to_read(context, source, zone, dict(options or {}), follow=follow, received=received)
    read, aside = list[Reading](), list[str]()
    room, moment = MOST_HELD_ROWS, pd.Timestamp(context.as_of)

    def judge(item: SourceFile) -> list[str]:
        stated = not_declared(warehouse, item)
        if received is not None:
            warehouse.require_ingestible(item, moment)
        return stated

    for file in files:
        one = Reading.of(partial(_pieces, dataset, file, source, how, context.workspace.money), judge, room)
        room -= len(one.item.frame)
        read.append(one)
        how = after(how, one.item)
        if one.item.dataset != dataset:
            stated = (
                f"{one.item.file_name}: SoC and power, no voltage and current: read as {one.item.dataset}"
            )
            aside.append(stated)
    with at_once(warehouse):
        for one in read:
            aside += judge(one.item) if one.held else one.findings
    rows, source_ids, new = [], list[str](), 0
    for one in read:
        item = one.item
        ingested = one.ingest(warehouse, max(moment, pd.Timestamp(item.not_before or moment)))
        if item.not_before is not None and pd.Timestamp(item.not_before) > moment and not ingested.already:
            aside.append(
                f"{item.file_name}: counts as received at {item.not_before:%Y-%m-%d %H:%M} UTC, as a log "
                "that it is put together with"
            )
        new += 0 if ingested.already else ingested.rows
        source_ids.append(ingested.source_id)
        state = "already ingested" if ingested.already else "landed"
        if ingested.already and (again := _declared_since(warehouse, item, ingested.source_id)):
            state, new = f"already ingested; {again} rows are checked anew, declared since", new + again
        sent = sent_again(warehouse, dataset, ingested.source_id)
        if sent.withdrawn:
            state += f"; {sent.withdrawn} of its rows are withdrawn (`v2g withdraw … --undo`)"
        if sent.again:
            aside.append(_counts_again(item.file_name, dataset, sent.again))
        rows.append({"file": item.file_name, "rows": ingested.rows, "state": state})
    if _overtaken(warehouse, source, how.get("begun"), moment):
        anew = ingest_files(
            context, dataset, files, source=source, zone=zone, options=options, follow=follow,
            received=received,
        )  # fmt: skip
        return replace(anew, new_rows=new + anew.new_rows)
    return IngestedFiles(
        files=tuple(rows),
        new_rows=new,
        notes=(*(note for one in read for note in one.item.notes), *aside),
        source_ids=tuple(source_ids),
    )


def _overtaken(warehouse: Warehouse, source: str, known: object, moment: pd.Timestamp) -> bool:
    """Whether another call has been ingested what these files may go on from while they were read."""
    return isinstance(known, Begun) and not logs_of(warehouse, source, moment) <= known.sources


def _pieces(
    dataset: str, file: Path, source: str, how: Mapping[str, Any], money: Money
) -> Iterator[SourceFile]:
    """`read_file`, of a long log of telemetry one piece of it after the other; a refusal names the source."""
    try:
        if dataset == "telemetry" and source in ("csv", "parquet"):
            with suppress(ColumnError):  # of SoC and power alone, or of none
                yield from read_pieces(dataset, file, source=source, **how)
                return
        yield read_file(dataset, file, source, how, money)
    except SourceError as error:
        raise with_source(error, dataset, file, source, how) from error


def _counts_again(file: str, dataset: str, keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return (
        f"{file}: tells anew what was withdrawn of another file, and counts: "
        f"{', '.join(keys[:_SHOWN])}{more}; `v2g withdraw {dataset} --source {file}` with --key withdraws "
        "it here, too"
    )


def with_source(
    error: SourceError, dataset: str, file: Path, source: str, how: Mapping[str, Any]
) -> SourceError:
    """The error of a refused file, with what would read it, if anything is known; how: as it was read."""
    of_contents = (CellError, ColumnError, EmptyFileError, UndecodableFileError, UnitError)
    if source not in ("csv", "parquet") or not isinstance(error, of_contents) or "(source " in str(error):
        return error
    try:
        hint = source_hint(dataset, load(file, follow=bool(how.get("follow", True))))
        foreign = sum(isinstance(one, ColumnError) for one in (error, *error.besides)) > 1
        return error.saying(hint or _MAPPING if foreign else hint)
    except SourceError:  # it has no contents to go by, or is gone
        return error


def how_to_read(
    context: Context,
    source: str,
    zone: str | None,
    options: dict[str, Any],
    *,
    follow: bool,
    received: Received | None,
) -> dict[str, Any]:
    """What the reader of files is given: their zone, the cars, and what the options say.

    Raises NoPlanError for a source that needs cars where there are none.
    """
    zone = zone or options.pop("zone", None)  # a mapping's
    if _needs_cars(source, options):
        cars = declared(context.workspace.warehouse, "fleet")
        if cars.empty:
            raise NoPlanError("no car to map the rows onto", hint="`v2g ingest fleet FILE` comes first.")
        options["cars"] = cars
    if source in _ZONED:
        zone = zone or context.workspace.zone
    if source == "ocmf":
        options["keys"] = context.workspace.meter_keys
    if source == "ocpp":
        options["begun"] = begun(context.workspace.warehouse, source, context.as_of)
    return {"zone": zone, "follow": follow, "received": received, **options}


def after(how: dict[str, Any], item: SourceFile) -> dict[str, Any]:
    """How to read the next file: as the one before it, and on from what that reported in part."""
    begun = how.get("begun")
    if not isinstance(begun, Begun):
        return how
    return {**how, "begun": begun.and_of(item.source_id, item.transactions, item.frame)}


def read_file(dataset: str, file: Path, source: str, how: Mapping[str, Any], money: Money) -> SourceFile:
    """The file as of that dataset; telemetry of SoC and power alone as that kind of telemetry.

    how: of `how_to_read`; `faults` among it takes up all that is wrong, else the first of it is raised.
    money: what a file in the workspace's own currency is read at.
    """
    faults = how.get("faults")
    strict = {name: value for name, value in how.items() if name != "faults"}
    if dataset == "telemetry" and source in ("csv", "parquet"):
        try:
            read = read_in(money, lambda rate: read_source(dataset, file, source=source, **strict, **rate))
        except SourceError as error:
            coarse = _as_coarse(file, source, strict) if isinstance(error, ColumnError) else None
            if coarse is not None:
                return coarse
            if faults is None:  # it is not that either: what was asked for is reported of
                raise
        else:
            return read
    return read_in(money, lambda rate: read_source(dataset, file, source=source, **how, **rate))


def _as_coarse(file: Path, source: str, how: Mapping[str, Any]) -> SourceFile | None:
    try:
        return read_source(_COARSE, file, source=source, **how)
    except SourceError:
        return None


def read_in(money: Money, read: Callable[[Mapping[str, Any]], SourceFile]) -> SourceFile:
    """What `read` gives, reported what the workspace's own money is worth where the file is in that.

    Raises RateError for any other currency: nothing is looked up or guessed.
    """
    try:
        return read({})
    except RateError as error:
        if error.currency != money.code:
            raise
    return read({"rate": money.euros})


def _needs_cars(source: str, options: Mapping[str, object]) -> bool:
    """Whether the reader derives rows from the fleet; for others its state must not change what a file is."""
    derived = options.get("level") == "cell" or (source == "ocpp" and "target_soc" in options)
    return source in ("acn", "desl") or derived


def declared(warehouse: Warehouse, dataset: str) -> pd.DataFrame:
    """The fleet or the sites known so far: checked rows, and ingested ones that wait for their check."""
    contract = dataset_contract(dataset)
    with at_once(warehouse):
        core, waiting = warehouse.read(f"core_{contract.name}"), warehouse.unchecked(dataset)
    frames = [frame[list(contract.names)] for frame in (core, waiting)]
    both = pd.concat([frame for frame in frames if not frame.empty] or frames[:1])
    key = contract.key[0]
    return both.drop_duplicates(key, keep="last").sort_values(key).reset_index(drop=True)


def not_declared(warehouse: Warehouse, item: SourceFile) -> list[str]:
    """Return what is to be reported of rows whose battery or site nobody declared: the checks set them aside.

    Raises UnknownIdError where there are no others in the file.
    """
    column, dataset = reference(item.dataset)
    if dataset is None:
        return []
    known = frozenset(declared(warehouse, dataset)[column])
    ids = item.frame[column]
    unknown = ids.notna() & ~ids.isin(list(known))
    if not unknown.any():
        return []
    if not (ids.notna() & ~unknown).any():
        require_known(item.frame, column, known, item.file_name)
    rows = item.frame.loc[unknown]
    shown = [
        f"{name!r} ({len(own)} rows, the first is row {own['source_row'].iloc[0]}{nearest(str(name), known)})"
        for name, own in rows.groupby(column, sort=False)
    ]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return [
        f"{item.file_name}: {len(rows)} rows are set aside, their {column} is not declared: "
        f"{', '.join(shown[:_SHOWN])}{more}. Ingest {dataset} that declare it, then this file again"
    ]


def _declared_since(warehouse: Warehouse, item: SourceFile, source_id: str) -> int:
    """Let a file that was ingested before be checked anew for what was declared since; return how many
    rows."""
    column, dataset = reference(item.dataset)
    if dataset is None:
        return 0
    known = frozenset(declared(warehouse, dataset)[column])
    return check_again(warehouse, item.dataset, source_id, rule="known", values=known)
