"""What lies around the cars of a plan: other load and limits of their sites, emissions of the grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from flows.mapping.hashing import hash_values
from flows.mapping.horizon import QUARTER, Horizon, quarter_hours
from flows.mapping.like_days import HISTORY, LikeDays
from flows.mapping.retail import Prices, spread
from warehouse.known import Known

_LONGEST = pd.Timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GridLimits:
    """What the grid lets sites draw and feed back, or orders them to, for a while; see `Surroundings`."""

    limits_kw: Mapping[str, tuple[Prices, Prices]]
    setpoints_kw: Mapping[str, Prices]
    rows: pd.DataFrame

    @classmethod
    def of(cls, known: Known, slots: pd.DatetimeIndex, site_ids: list[str]) -> GridLimits:
        """As it is known for some quarter-hours."""
        rows = known.read(
            "core_site_limit", where={"site_id": site_ids}, start=slots[0] - _LONGEST, end=slots[-1] + QUARTER
        )
        by_site = {str(site): own for site, own in rows.groupby("site_id")}
        ordered = {site: spread(own, slots, "setpoint_kw") for site, own in by_site.items()}
        return cls(
            limits_kw={
                site: (
                    spread(own, slots, "import_limit_kw", least=True),
                    spread(own, slots, "export_limit_kw", least=True),
                )
                for site, own in by_site.items()
            },
            setpoints_kw={site: due for site, due in ordered.items() if np.isfinite(due).any()},
            rows=rows,
        )

    @property
    def bounds_kw(self) -> dict[str, tuple[Prices, Prices]]:
        """The most to draw and to feed back, NaN where nothing is said; `with_setpoints`."""
        return with_setpoints(self.limits_kw, self.setpoints_kw)


def with_setpoints(
    limits_kw: Mapping[str, tuple[Prices, Prices]], setpoints_kw: Mapping[str, Prices]
) -> dict[str, tuple[Prices, Prices]]:
    """Limits of sites of which anything is said; what is ordered is the most as well, nothing goes back."""
    stated = {site: pair for site, pair in limits_kw.items() if np.isfinite(pair).any()}
    for site, due in setpoints_kw.items():
        drawn, fed = stated.get(site, (due, np.full(len(due), np.nan)))
        stated[site] = np.fmin(drawn, due), np.fmin(fed, np.where(np.isfinite(due), 0.0, np.nan))
    return stated


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surroundings:
    """load_kw: what sites draw besides cars, less what they generate, kW by site_id [T]. co2_kg_per_kwh: [T].

    limits_kw: what the grid lets sites draw and feed back, by site_id, NaN where nothing is said [T] each;
    setpoints_kw: what it orders them to draw, alike, of sites that it orders anything.
    None and a site that is absent: nothing is known. rows: of the core tables, those used.
    """

    load_kw: Mapping[str, Prices]
    limits_kw: Mapping[str, tuple[Prices, Prices]]
    setpoints_kw: Mapping[str, Prices]
    co2_kg_per_kwh: Prices | None
    rows: Mapping[str, pd.DataFrame]

    @classmethod
    def of(cls, known: Known, horizon: Horizon, site_ids: list[str], *, co2: bool) -> Surroundings:
        """As it is known for the slots of a horizon; beyond what is reported as on the last like days.

        co2: whether emissions count at all.
        """
        since = horizon.start - HISTORY - _LONGEST
        loads = known.read("core_site_load", where={"site_id": site_ids}, start=since, end=horizon.end)
        stated = GridLimits.of(known, horizon.slots, site_ids)
        emissions = None
        if co2:
            emissions = known.read("core_co2", where={"zone": horizon.zone}, start=since, end=horizon.end)
        found = {
            str(site): series
            for site, own in loads.groupby("site_id")
            if (series := _whole(own, "load_kw", horizon)) is not None
        }
        return cls(
            load_kw=found,
            limits_kw=stated.limits_kw,
            setpoints_kw=stated.setpoints_kw,
            co2_kg_per_kwh=None if emissions is None else _whole(emissions, "co2_kg_per_kwh", horizon),
            rows={"site_load": loads, "site_limits": stated.rows}
            | ({} if emissions is None else {"co2": emissions}),
        )

    @property
    def digest(self) -> str:
        """Hash of all of it."""
        co2 = self.co2_kg_per_kwh
        loads = sorted((site, load.tolist()) for site, load in self.load_kw.items())
        limits = sorted((site, *(one.tolist() for one in pair)) for site, pair in self.limits_kw.items())
        stated = [loads, None if co2 is None else co2.tolist()]
        due = sorted((site, one.tolist()) for site, one in self.setpoints_kw.items())
        return hash_values([*stated, *(part for part in (limits, due) if part)])


NO_SURROUNDINGS = Surroundings(load_kw={}, limits_kw={}, setpoints_kw={}, co2_kg_per_kwh=None, rows={})


def _whole(rows: pd.DataFrame, value: str, horizon: Horizon) -> Prices | None:
    """A value of each slot: as given, else as on the last like days, else the mean of what is reported."""
    stated = spread(rows, horizon.slots, value)
    if np.isnan(stated).any():
        before = quarter_hours(horizon.start - HISTORY, horizon.slots[-1] + QUARTER)
        past = LikeDays.of(pd.Series(spread(rows, before, value), index=before), horizon.zone)
        stated = np.where(np.isnan(stated), past.mean(horizon.slots), stated)
    if np.isnan(stated).all():
        return None
    return np.where(np.isnan(stated), np.nanmean(stated), stated)
