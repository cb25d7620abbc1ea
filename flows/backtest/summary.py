"""What the rows of a back-test say together: a line a strategy, with 90 % intervals over blocks of days."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from flows.backtest.strategies import BY_NAME, FORESIGHT, Strategy
from optimize.arrays import FloatArray
from optimize.bootstrap import BLOCK_DAYS, FEWEST_BLOCKS, interval, resampled_means

_YEAR_DAYS = 365.25


def summary(rows: pd.DataFrame, strategies: Sequence[Strategy], days: int) -> list[dict[str, Any]]:
    """A line a strategy. rows: of out_backtest, of one run and span of days, other strategies among them.

    Strategies are compared on the days that all of them have; one that has not all `days` is compared with by
    no other. Shares: of what perfect foresight gains over charging on plug-in, and of the gap between the
    best other naive strategy and perfect foresight that is closed.
    """
    rows = rows.assign(gain=rows["eur"] - rows["uncontrolled_eur"])
    asked = {one.name for one in strategies}
    whole = {str(name) for name, own in rows.groupby("strategy") if len(own) == days}
    rows = rows[rows["strategy"].isin(asked | whole)]
    if rows.empty:
        return []
    gains = rows.pivot_table(index="market_date", columns="strategy", values="gain").sort_index().dropna()
    if gains.empty:
        return []
    drawn = None
    if len(gains) >= BLOCK_DAYS * FEWEST_BLOCKS:
        drawn = resampled_means(gains.to_numpy(dtype=np.float64))
    own = rows[rows["market_date"].isin(gains.index)]
    return [
        _line(one.name, own[own["strategy"] == one.name], gains, drawn)
        for one in strategies
        if one.name in gains.columns
    ]


def _line(name: str, rows: pd.DataFrame, gains: pd.DataFrame, drawn: FloatArray | None) -> dict[str, Any]:
    cars = int(rows["batteries"].max())
    line: dict[str, Any] = {
        "strategy": name,
        "days": len(rows),
        "cars": cars,
        "promised_eur": float(rows["promised_eur"].sum()),
        "realised_eur": float(rows["eur"].sum()),
        "over_uncontrolled_eur": float(rows["gain"].sum()),
        "over_ordered_eur": float((rows["eur"] - rows["ordered_eur"]).sum()),
        "more_in_store_kwh": float((rows["stored_kwh"] - rows["uncontrolled_stored_kwh"]).sum()),
        "v2g_kwh": float(rows["v2g_kwh"].sum()),
        "wear_eur": float(rows["wear_eur"].sum()),
        "by_twin_eur": _by_twin(rows),
        "departures": int(rows["departures"].sum()),
        "missed": int(rows["missed"].sum()),
    }
    means, at = gains.mean().to_numpy(dtype=np.float64)[None], list(gains.columns)

    def report(figure: str, of: FloatArray, resampled: FloatArray | None, unit: str = "") -> None:
        low, high = (None, None) if resampled is None else interval(resampled)
        line.update({figure + unit: float(of[0]), f"{figure}_low{unit}": low, f"{figure}_high{unit}": high})

    year = _YEAR_DAYS / cars
    me = at.index(name)
    report("car_year", means[:, me] * year, None if drawn is None else drawn[:, me] * year, "_eur")
    if FORESIGHT in at:
        best = at.index(FORESIGHT)
        report("of_foresight", _share(means, me, best), None if drawn is None else _share(drawn, me, best))
        if (naive := _best_naive(gains, name)) is not None and name != FORESIGHT:
            line["naive"] = naive
            base = at.index(naive)
            resampled = None if drawn is None else _share(drawn, me, best, base)
            report("gap_closed", _share(means, me, best, base), resampled)
    return line


def _by_twin(rows: pd.DataFrame) -> float | None:
    """The gain over charging on plug-in, wear by twin where it answered; None where nobody asked it."""
    if not (rows["twin_batteries"] > 0).any():
        return None
    return float(rows["gain"].sum() - rows["wear_error_eur"].sum())


def _best_naive(gains: pd.DataFrame, name: str) -> str | None:
    """The naive strategy, other than this one, that gained most."""
    others = [one for one in gains.columns if one != name and BY_NAME[one].naive]
    return str(gains[others].sum().idxmax()) if others else None


def _share(means: FloatArray, me: int, best: int, base: int | None = None) -> FloatArray:
    """(me - base) / (best - base) of each row of means, base 0 unless given; NaN where there is no gap."""
    start = 0.0 if base is None else means[:, base]
    gap = means[:, best] - start
    with np.errstate(divide="ignore", invalid="ignore"):
        share: FloatArray = np.where(gap > 0.0, (means[:, me] - start) / gap, np.nan)
    return share
