"""Moments as pages show them: by the clock of the market, whose zone the page names."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from flows.plain import known


def local_text(moment: datetime | str | None, timezone: str) -> str | None:
    """A moment (tz-aware, or text of UTC without a zone) as "2024-03-20 13:00" there; None where missing."""
    moment = known(moment)
    if moment is None:
        return None
    stated = pd.Timestamp(moment)
    utc = stated.tz_localize("UTC") if stated.tzinfo is None else stated
    return f"{utc.tz_convert(timezone):%Y-%m-%d %H:%M}"
