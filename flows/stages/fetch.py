"""A provider's prices of one market day: asked for, kept as they came, judged, ingested."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import httpx
import pandas as pd

from flows.clock import now
from flows.context import Context
from flows.errors import UsageError
from flows.secret import secret
from flows.stages.ingest import read_in
from flows.stages.record import StageResult, recorded
from warehouse.errors import OptionError
from warehouse.sources import SourceFile, read_source
from warehouse.sources.tariffs import PROVIDERS, Ask, Provider, Request
from warehouse.sources.tariffs.cache import ResponseCache, StoredAnswer
from warehouse.sources.tariffs.coverage import require_day
from warehouse.sources.tariffs.exchange import Limits
from warehouse.sources.tariffs.fetch import fetch
from warehouse.zones import market_day_bounds

_OPEN_TO_ALL = ("energy_charts",)
_ANY_DAY = date(2026, 1, 1)


@recorded("ingest")
def fetch_prices(
    context: Context,
    dataset: str,
    source: str,
    day: date,
    *,
    zone: str | None = None,
    tariff: str | None = None,
    options: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    transport: httpx.BaseTransport | None = None,
) -> StageResult:
    """Ingest a market day's prices or tariffs of `source`, one of PROVIDERS; received_utc is `as_of`.

    The answer's bytes stay in the workspace (responses/SOURCE/…), also if they are refused: the file can be
    given to `ingest` again. The token of a provider that wants one is read from SOURCE_TOKEN or the file of
    SOURCE_TOKEN_FILE. limits,
    transport: of the request. Raises UsageError and the warehouse's errors; nothing is ingested then.
    """
    got = ingest_answer(
        context, dataset, source, day, zone=zone, tariff=tariff, options=options,
        limits=limits, transport=transport,
    )  # fmt: skip
    item, stored = got.item, got.stored
    fields = {"file": item.file_name, "rows": got.rows, "state": got.state, "url": stored.url}
    return StageResult(
        stage="ingest",
        status="ok",
        message=f"{got.new_rows} new rows of {dataset} from {got.provider}; `v2g check` lets them in",
        tables={"files": (fields,), "notes": [{"note": note} for note in item.notes]},
        files=(str(stored.path),),
        details={"dataset": dataset, "new_rows": got.new_rows, "source_ids": [item.source_id]},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A provider's answer that was ingested: what was read of it, the bytes kept, the rows, and those new."""

    provider: str
    item: SourceFile
    stored: StoredAnswer
    rows: int
    new_rows: int
    state: str


def ingest_answer(
    context: Context,
    dataset: str,
    source: str,
    day: date,
    *,
    zone: str | None = None,
    tariff: str | None = None,
    options: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    transport: httpx.BaseTransport | None = None,
) -> Answer:
    """`fetch_prices` without its row in out_run."""
    workspace = context.workspace
    provider, zone = PROVIDERS[source], zone or workspace.zone
    request = _request(provider, zone, day, tariff)
    stored = _answer(
        ResponseCache(workspace.responses), provider, request, f"{zone}_{day}", limits, transport
    )
    of_zone, given = zone if provider.zoned else None, dict(options or {})
    read = read_in(
        workspace.money,
        lambda rate: read_source(dataset, stored.path, source=source, zone=of_zone, **given, **rate),
    )
    require_day(read.frame, zone, day, stored.path.name)
    ResponseCache(workspace.responses).remember(provider, request, stored)
    item = replace(read, url=stored.url, fetched_utc=stored.fetched_utc)
    ingested = workspace.warehouse.ingest(item, pd.Timestamp(context.as_of))
    return Answer(
        provider=provider.provider,
        item=item,
        stored=stored,
        rows=ingested.rows,
        new_rows=0 if ingested.already else ingested.rows,
        state="already ingested" if ingested.already else "landed",
    )


def usual_providers(zone: str) -> tuple[str, ...]:
    """Who is asked for a zone's prices where nobody is named: open to all, without a token; () if none is."""
    start, end = market_day_bounds(_ANY_DAY, zone)
    found = []
    for name in _OPEN_TO_ALL:
        with suppress(OptionError):  # which says that it has no prices of the zone
            PROVIDERS[name].request(Ask(zone=zone, day=_ANY_DAY, start=start, end=end))
            found.append(name)
    return tuple(found)


def _request(provider: Provider, zone: str, day: date, tariff: str | None) -> Request:
    token = None
    if provider.needs_token:
        variable = f"{provider.name.upper()}_TOKEN"
        token = secret(variable)
        if not token:
            raise UsageError(
                f"{provider.provider} wants a token, and {variable} is not set",
                hint=f"Export {variable} or {variable}_FILE, or give the answer as a file: it needs none.",
            )
    if provider.needs_tariff and tariff is None:
        raise UsageError(f"--source {provider.name} needs --tariff CODE")
    if tariff is not None and not provider.needs_tariff:
        raise UsageError(f"--tariff does not belong to --source {provider.name}")
    start, end = market_day_bounds(day, zone)
    return provider.request(Ask(zone=zone, day=day, start=start, end=end, tariff=tariff, token=token))


def _answer(
    cache: ResponseCache,
    provider: Provider,
    request: Request,
    label: str,
    limits: Limits | None,
    transport: httpx.BaseTransport | None,
) -> StoredAnswer:
    """The provider's answer, or the one already here where the provider says that it still holds."""
    known = cache.find(provider, request)
    response = fetch(
        request,
        media_types=provider.media_types,
        known=known.validators if known else None,
        limits=limits,
        transport=transport,
    )
    if response.data is None and known is not None:
        return known
    return cache.keep(
        provider, request, label, response.data or b"", fetched_utc=now(), validators=response.validators
    )
