"""Fit the twin of every battery, a chunk of batteries at a time; the known ones are taken as they are."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from itertools import count
from time import perf_counter
from typing import Any, TypeVar

import pandas as pd

from flows.context import Context
from flows.errors import NoPlanError
from flows.mapping.disputes import DISPUTED, disputed_batteries, named
from flows.mapping.federated import bases_of
from flows.mapping.missing import unmeasured, why_missing
from flows.mapping.requests import Asked, calibration_requests
from flows.mapping.siblings import priors_of
from flows.mapping.site_mates import site_mates
from flows.stages.ledger import own_site
from flows.stages.record import StageResult, recorded
from flows.stages.trouble import DEGRADED, trace_of
from flows.version import code_version
from flows.workers import TwinWorkers, twin_workers
from twin.prior import AgeingPrior
from twin.types import Calibration, CalibrationRequest, FleetContext
from warehouse.errors import StoreError

_log = logging.getLogger(__name__)
R = TypeVar("R")
T = TypeVar("T")
Chunk = tuple[str, ...]
"""Battery ids that are calibrated together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkOutcome:
    """What came of a chunk: a summary row a battery, and the error text of each that failed.

    unmeasured: the batteries of which no recent telemetry was known.
    """

    rows: tuple[dict[str, Any], ...]
    failures: tuple[tuple[str, str], ...]
    reused: int
    unmeasured: tuple[str, ...] = ()


Work = Callable[[Chunk], ChunkOutcome]
Each = Callable[[Work, Sequence[Chunk]], Iterable[ChunkOutcome]]
"""How the chunks are gone through: work on each, in any order, side by side."""
Progress = Callable[[int, int, float], None]
"""Called with batteries done, of how many, and the seconds since the first."""


def in_threads(work: Work, chunks: Sequence[Chunk]) -> Iterable[ChunkOutcome]:
    """Go through the chunks in threads, which wait for the twin's processes."""
    with ThreadPoolExecutor(max_workers=8) as threads:  # each knows the run that it is of
        begun = [threads.submit(copy_context().run, work, chunk) for chunk in chunks]
        yield from (one.result() for one in begun)


@recorded("calibrate")
def calibrate(
    context: Context,
    *,
    each: Each = in_threads,
    progress: Progress | None = None,
) -> StageResult:
    """Calibrate the fleet from what was known at `as_of`; each chunk is stored when it is done.

    A battery whose input hash (its rows, the day, the twin's code) has a calibration keeps it. One that
    fails is reported and keeps the calibration it had. ``progress`` is reported of every chunk: batteries
    done, of how many, in how many seconds. Raises NoPlanError when there is no battery at all.
    """
    known = context.known
    ids = [str(name) for name in known.read("core_battery", columns=["battery_id"])["battery_id"]]
    if not ids:
        raise NoPlanError(
            f"no battery to calibrate: {why_missing(known, 'fleet')}",
            hint="`v2g ingest fleet FILE`, then `v2g check`.",
        )
    settings = context.workspace.settings.calibrate
    chunks = [tuple(ids[at : at + settings.chunk_size]) for at in range(0, len(ids), settings.chunk_size)]
    disputed = disputed_batteries(known)
    mates = site_mates(known, disputed)
    priors = priors_of(known, disputed, bases_of(context.workspace, own_site(context.workspace)))
    begin, done = perf_counter(), count()
    with twin_workers(settings.twins) as workers:

        def work(chunk: Chunk) -> ChunkOutcome:
            try:
                outcome = calibrate_batteries(context, chunk, workers, mates, priors)
            except StoreError:
                raise
            except Exception as error:  # of this chunk; the others have nothing to do with it
                _log.error("calibrate %s: %s", ", ".join(chunk), error, exc_info=trace_of(error))
                failed = tuple((name, _why(error)) for name in chunk)
                outcome = ChunkOutcome(rows=(), failures=failed, reused=0)
            for _ in chunk:
                finished = next(done) + 1
            if progress:
                progress(finished, len(ids), perf_counter() - begin)
            return outcome

        outcomes = list(each(work, chunks))
        silent = sorted(name for outcome in outcomes for name in outcome.unmeasured)
        return _result(outcomes, perf_counter() - begin, unmeasured(known, silent))


def calibrate_batteries(
    context: Context,
    chunk: Chunk,
    workers: TwinWorkers,
    mates: Mapping[str, FleetContext],
    priors: Mapping[str, AgeingPrior],
) -> ChunkOutcome:
    """Read a chunk's rows, calibrate what is new in worker processes, and store it.

    What cannot be read or stored for all of the chunk is tried for each battery alone. Raises StoreError.
    """
    asked, failures = _each_if_not_all(
        chunk, lambda ids: calibration_requests(context, ids, mates, priors), lambda name: name
    )
    requests = [one.request for one in asked]
    hashes = [request.input_hash for request in requests]
    same = context.known.read("out_calibration", where={"input_hash": hashes})
    earlier = same.drop_duplicates("input_hash", keep="last")
    fresh = [request for request in requests if request.input_hash not in set(earlier["input_hash"])]
    answers = _calibrated(workers, fresh)
    made: list[tuple[Calibration, Asked]] = []
    by_hash = {one.request.input_hash: one for one in asked}
    for request, answer in zip(fresh, answers, strict=True):
        if isinstance(answer, Exception):
            failures.append((request.battery.battery_id, _why(answer)))
        else:
            made.append((answer, by_hash[request.input_hash]))

    def store(some: Sequence[tuple[Calibration, Asked]]) -> list[Calibration]:
        _store(context, some)
        return [calibration for calibration, _ in some]

    stored, unstored = _each_if_not_all(made, store, lambda one: one[0].battery_id)
    for calibration in stored:
        _log.info(
            "calibrated %s: %s, %s",
            calibration.battery_id,
            calibration.quality,
            calibration.reason,
            extra={"battery_id": calibration.battery_id},
        )
    records: list[dict[Any, Any]] = [
        *earlier.to_dict("records"),
        *(calibration.to_record() for calibration in stored),
    ]
    rows = tuple(_summary(record) for record in records)
    silent = tuple(one.battery.battery_id for one in requests if one.telemetry.empty and one.coarse.empty)
    return ChunkOutcome(rows=rows, failures=(*failures, *unstored), reused=len(earlier), unmeasured=silent)


def _each_if_not_all(
    members: Sequence[T], work: Callable[[Sequence[T]], Sequence[R]], name: Callable[[T], str]
) -> tuple[list[R], list[tuple[str, str]]]:
    """work(members), or what it gives for each alone; and the names and errors of those it fails for."""
    if not members:
        return [], []
    try:
        return list(work(members)), []
    except StoreError:
        raise
    except Exception as error:
        if len(members) == 1:
            battery = name(members[0])
            _log.error(
                "calibrate %s: %s", battery, error, exc_info=trace_of(error), extra={"battery_id": battery}
            )
            return [], [(battery, _why(error))]
    done: list[R] = []
    failures: list[tuple[str, str]] = []
    for member in members:
        own, failed = _each_if_not_all([member], work, name)
        done += own
        failures += failed
    return done, failures


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _calibrated(
    workers: TwinWorkers, fresh: Sequence[CalibrationRequest]
) -> Sequence[Calibration | Exception]:
    if not fresh:
        return []
    from twin.calibrate import calibrate_chunk  # loads PyBaMM: only when there is something to calibrate

    return workers.spread(calibrate_chunk, fresh)


def _store(context: Context, made: Sequence[tuple[Calibration, Asked]]) -> None:
    calibrations, used, points, residuals, maps = [], [], [], [], []
    for calibration, asked in made:
        previous = asked.request.previous
        lineage: dict[str, Any] = {
            "run_id": context.run_id,
            "as_of_utc": pd.Timestamp(context.as_of),
            "input_hash": asked.request.input_hash,
            "code_version": code_version(),
        }
        before = {"previous_calibration_id": previous.calibration_id if previous else None}
        calibrations.append({**calibration.to_record(), **before, **lineage})
        fields = {"calibration_id": calibration.calibration_id, "battery_id": calibration.battery_id}
        used.append(asked.files.assign(quality=calibration.quality, **fields, **lineage))
        points.append(calibration.life_points.assign(quality=calibration.quality, **lineage))
        residuals.append(calibration.residuals.assign(quality=calibration.quality, **lineage))
        maps.append(calibration.wear_map.assign(quality=calibration.quality, **lineage))
    frames = {"out_calibration": pd.DataFrame(calibrations), "out_calibration_source": pd.concat(used)}
    replace = dict.fromkeys(frames, ("calibration_id",))
    if points := [frame for frame in points if len(frame)]:
        frames["out_life_point"], replace["out_life_point"] = pd.concat(points), ("calibration_id",)
    if residuals := [frame for frame in residuals if len(frame)]:
        frames["out_twin_residual"], replace["out_twin_residual"] = pd.concat(residuals), ("calibration_id",)
    if maps := [frame for frame in maps if len(frame)]:
        frames["out_wear_map"], replace["out_wear_map"] = pd.concat(maps), ("calibration_id",)
    context.workspace.warehouse.write(frames, replace=replace)


def _summary(record: dict[Any, Any]) -> dict[str, Any]:
    shown = (
        "battery_id",
        "chemistry",
        "quality",
        "soh",
        "l0_days",
        "alpha_day_per_efc",
        "beta_day_per_efc",
        "reason",
        "dispute",
    )
    return {key: record[key] for key in shown}


def _result(outcomes: Sequence[ChunkOutcome], seconds: float, silent: str) -> StageResult:
    rows = sorted((row for done in outcomes for row in done.rows), key=lambda row: str(row["battery_id"]))
    failures = sorted(failure for done in outcomes for failure in done.failures)
    reused = sum(done.reused for done in outcomes)
    qualities = Counter(str(row["quality"]) for row in rows)
    counted = ", ".join(f"{number} {quality}" for quality, number in sorted(qualities.items()))
    message = f"{len(rows)} batteries ({counted or 'none'}), {reused} of them unchanged"
    rate = 60 * (len(rows) - reused) / seconds
    if reused < len(rows):
        message += f"; {rate:.0f} a minute"
    disputes = {row["battery_id"]: row["dispute"] or "" for row in rows if row["quality"] == DISPUTED}
    if disputes:
        message += f"; {named(disputes)}"
    if silent:
        message += f"; {silent}"
    if failures:
        reasons = sorted({why for _, why in failures})
        by_reason = (f"{', '.join(name for name, own in failures if own == why)} ({why})" for why in reasons)
        message += f"; failed: {'; '.join(by_reason)}"
    return StageResult(
        stage="calibrate",
        status="ok" if not failures else "degraded" if rows else "failed",
        message=message,
        exit_code=0 if not failures else DEGRADED if rows else 5,
        tables={"calibrations": [{key: row[key] for key in row if key != "dispute"} for row in rows]},
        details={
            "batteries": len(rows),
            "reused": reused,
            "failed": dict(failures),
            "disputed": disputes,
            "batteries_per_minute": round(rate, 1),
        },
    )
