"""What benchmarks of days in turn share: moments by a market's clock, and files that were received at one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pandas as pd

from flows.stages import Context
from flows.stages.ingest import ingest
from flows.workspace import Workspace
from warehouse.zones import market_timezone


def moment(zone: str, day: date, hour: int, minute: int = 0) -> datetime:
    """A moment by the clock of a zone's market, UTC."""
    local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(market_timezone(zone)))
    return local.astimezone(UTC)


def land(
    workspace: Workspace, dataset: str, rows: pd.DataFrame, received: datetime, *, by: str | None = None
) -> None:
    """Land rows as a file that was received then, or each by="event"; its check is left to the caller."""
    file = workspace.root.parent / f"{dataset}_{received:%Y%m%d%H%M}.csv"
    rows.to_csv(file, index=False)
    ingest(Context.of(workspace, received), dataset, [file], received=by)
