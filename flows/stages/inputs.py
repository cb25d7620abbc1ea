"""All that a plan depends on, read once, and its hash part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import pandas as pd

from flows.errors import NoPlanError
from flows.settings import Settings
from flows.stages.carry import NOTHING_CARRIED, Carried, carried
from flows.stages.context import Context
from flows.stages.hashing import hash_frame, hash_values
from flows.stages.left_out import in_words, quarantined_stays, strangers
from flows.stages.measured import words_of
from flows.stages.missing import why_missing
from flows.stages.past import Past
from flows.stages.peaks import Peaks, peaks_so_far
from flows.stages.prices import PlanPrices, plan_prices
from flows.stages.requests import newest_calibrations
from flows.version import source_hash
from twin.types import Calibration
from warehouse.zones import market_day_bounds

UNKNOWN_CALIBRATION = "none"
"""calibration_id of a car whose twin has no answer: it is charged, never discharged."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlanInputs:
    """Core rows and calibrations that concern a plan's quarter-hours; cars without a session are left out.

    carried: what the batteries hold when the plan begins, mode by mode. v2g_used_kwh: what a car has
    discharged on the first day before that, by battery_id. peaks_kw: what sites drew most on that day.
    left_out: cars that have a stay on the day and are not planned, or not whole, and why. unusable: cars
    planned without their calibration, and what is wrong with it.
    """

    zone: str
    market_date: date
    settings: Settings
    prices: PlanPrices
    batteries: pd.DataFrame
    sites: pd.DataFrame
    sessions: pd.DataFrame
    calibrations: Mapping[str, Calibration]
    life_points: pd.DataFrame
    carried: Carried
    v2g_used_kwh: Mapping[str, float]
    left_out: Mapping[str, str]
    peaks_kw: Peaks = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        known = {battery: calibration.calibration_id for battery, calibration in self.calibrations.items()}
        options = {
            "tariff": self.settings.tariff.model_dump(),
            "plan": self.settings.plan.model_dump(exclude={"gap_warning"}),  # judges a plan, makes none
        }
        parts = {
            "prices": self.prices.digest,
            "tariffs": hash_frame(self.prices.retail_rows),
            "sessions": hash_frame(self.sessions),
            "carried": hash_values([self.carried.digest, sorted(self.v2g_used_kwh.items()), self.peaks_kw]),
            "fleet": hash_frame(self.batteries),
            "sites": hash_frame(self.sites),
            "left out": hash_values([sorted(self.left_out.items()), sorted(self.unusable.items())]),
            "calibrations": hash_values(dict(sorted(known.items()))),
            "settings": hash_values(options),
            "code": source_hash("optimize", "twin", "flows/stages"),
        }
        object.__setattr__(self, "parts", parts)

    @property
    def input_hash(self) -> str:
        """Hash of everything: the day, the zone and every part."""
        return hash_values([str(self.market_date), self.zone, dict(self.parts)])

    @property
    def capacity_kwh(self) -> dict[str, float]:
        """Usable energy of each car, kWh: its calibration's, nominal without one."""
        nominal = zip(self.batteries["battery_id"], self.batteries["nominal_energy_kwh"], strict=True)
        return {
            str(name): own.usable_energy_kwh if (own := self.calibrations.get(name)) else float(kwh)
            for name, kwh in nominal
        }

    def calibration_id(self, battery_id: str) -> str:
        """The calibration that a car is planned with."""
        calibration = self.calibrations.get(battery_id)
        return calibration.calibration_id if calibration else UNKNOWN_CALIBRATION


def read_inputs(context: Context, day: date) -> PlanInputs:
    """Read the inputs of a market day as known; raises NoPlanError that says which is missing.

    Cars that cannot be planned are left out, and named in what is returned.
    """
    from flows.stages.plannable import plannable

    known, zone = context.known, context.workspace.zone
    market_day_bounds(day, zone)  # refuses what is no market day, whatever else is missing
    settings = context.workspace.settings
    all_sites, all_batteries = known.read("core_site"), known.read("core_battery")
    sites = all_sites[all_sites["zone"] == zone]
    batteries = all_batteries[all_batteries["site_id"].isin(sites["site_id"])]
    if batteries.empty:
        raise NoPlanError(
            f"no plan for {day}: no battery at a site of zone {zone}: "
            f"{_why_none(context, all_batteries, sites)}",
            hint="`v2g ingest sites FILE`, `v2g ingest fleet FILE`, then `v2g check`.",
        )
    prices = plan_prices(context, day, [str(name) for name in batteries["battery_id"]])
    start, end = prices.horizon.start, prices.horizon.end
    # A stay told the wrong way round is seen as well: it must not let its car vanish from the day.
    stays = known.stays(start, end)
    others = all_batteries[all_batteries["site_id"].isin(all_sites.loc[all_sites["zone"] != zone, "site_id"])]
    elsewhere = frozenset(others["battery_id"].astype(str))
    left_out = strangers(stays, all_batteries, all_sites) | quarantined_stays(
        known, start, end, stays, elsewhere
    )
    sessions = stays[stays["battery_id"].isin(batteries["battery_id"])]
    if sessions.empty:
        raise NoPlanError(
            f"no plan for {day}: no car is plugged in on that day in zone {zone}: "
            f"{why_missing(known, 'sessions', span=(start, end))}{_unless(left_out)}",
            hint="`v2g ingest sessions FILE`, then `v2g check`.",
        )
    batteries = batteries[batteries["battery_id"].isin(sessions["battery_id"])]
    sites = sites[sites["site_id"].isin(batteries["site_id"])]
    calibrations = newest_calibrations(known, list(batteries["battery_id"]))
    ids = [calibration.calibration_id for calibration in calibrations.values()]
    inputs = plannable(
        PlanInputs(
            zone=zone,
            market_date=day,
            settings=settings,
            prices=prices,
            batteries=batteries.reset_index(drop=True),
            sites=sites.reset_index(drop=True),
            sessions=sessions.reset_index(drop=True),
            calibrations=calibrations,
            life_points=known.read("out_life_point", where={"calibration_id": ids}),
            carried=NOTHING_CARRIED,
            v2g_used_kwh={},
            left_out=left_out,
        )
    )
    if inputs.batteries.empty:
        raise NoPlanError(f"no plan for {day}: no car can be planned{_unless(inputs.left_out)}")
    names = [str(name) for name in inputs.batteries["battery_id"]]
    words = words_of(known, start, inputs.sessions)
    since = min((word.first.at for word in words.values()), default=None)
    past = Past.of(known, zone, prices.horizon, names, since)
    return replace(
        inputs,
        carried=carried(past, start, inputs.sessions, inputs.batteries, inputs.capacity_kwh, words),
        v2g_used_kwh=past.used_kwh,
        peaks_kw=peaks_so_far(known, prices.horizon) if settings.plan.peak_price_eur_per_kw else {},
    )


def _why_none(context: Context, batteries: pd.DataFrame, sites: pd.DataFrame) -> str:
    if batteries.empty:
        return why_missing(context.known, "fleet")
    if sites.empty:
        return why_missing(context.known, "sites", where={"zone": [context.workspace.zone]})
    return "all of them are at other sites"


def _unless(left_out: Mapping[str, str]) -> str:
    return f"; left out: {in_words(left_out)}" if left_out else ""
