"""All that a plan of a market day depends on, read once, and its hash part by part."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import pandas as pd

from flows.errors import NoPlanError
from flows.settings import Settings
from flows.stages.carry import carried_soc
from flows.stages.context import Context
from flows.stages.hashing import hash_frame, hash_values
from flows.stages.left_out import in_words, quarantined_stays, strangers
from flows.stages.prices import DayPrices, day_prices
from flows.stages.requests import newest_calibrations
from flows.version import source_hash
from optimize.types import Car, DayProblem, Session, Site, Taper, Tariff, WearPrice, choose_form
from twin.types import Calibration
from warehouse.zones import market_timezone

SLOT_HOURS = 0.25
UNKNOWN_CALIBRATION = "none"
"""calibration_id of a car whose twin has no answer: it is charged, never discharged."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlanInputs:
    """Core rows and calibrations that concern one market day; cars without a session are left out.

    carried_soc: SoC when the day begins, by session_id, of the cars that are plugged in over midnight.
    left_out: cars that have a stay on the day and are not planned, or not whole, and why. unusable: cars
    planned without their calibration, and what is wrong with it.
    """

    zone: str
    market_date: date
    settings: Settings
    prices: DayPrices
    batteries: pd.DataFrame
    sites: pd.DataFrame
    sessions: pd.DataFrame
    calibrations: Mapping[str, Calibration]
    life_points: pd.DataFrame
    carried_soc: Mapping[str, float]
    left_out: Mapping[str, str]
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
            "tariffs": hash_frame(self.prices.retail.rows),
            "sessions": hash_frame(self.sessions),
            "carried": hash_values(dict(sorted(self.carried_soc.items()))),
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
    prices = day_prices(known, zone, day)
    all_sites, all_batteries = known.read("core_site"), known.read("core_battery")
    sites = all_sites[all_sites["zone"] == zone]
    batteries = all_batteries[all_batteries["site_id"].isin(sites["site_id"])]
    if batteries.empty:
        raise NoPlanError(
            f"no plan for {day}: no battery at a site of zone {zone}",
            hint="`v2g ingest sites FILE`, `v2g ingest fleet FILE`, then `v2g check`.",
        )
    start, end = prices.slots[0], prices.slots[-1] + pd.Timedelta(hours=SLOT_HOURS)
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
            f"no plan for {day}: no car is plugged in on that day in zone {zone}{_unless(left_out)}",
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
            settings=context.workspace.settings,
            prices=prices,
            batteries=batteries.reset_index(drop=True),
            sites=sites.reset_index(drop=True),
            sessions=sessions.reset_index(drop=True),
            calibrations=calibrations,
            life_points=known.read("out_life_point", where={"calibration_id": ids}),
            carried_soc={},
            left_out=left_out,
        )
    )
    if inputs.batteries.empty:
        raise NoPlanError(f"no plan for {day}: no car can be planned{_unless(inputs.left_out)}")
    capacity_kwh = {
        str(row["battery_id"]): _capacity_kwh(row, inputs.calibrations.get(row["battery_id"]))
        for _, row in inputs.batteries.iterrows()
    }
    carried = carried_soc(known, zone, day, start, inputs.sessions, inputs.batteries, capacity_kwh)
    return replace(inputs, carried_soc=carried)


def _unless(left_out: Mapping[str, str]) -> str:
    return f"; left out: {in_words(left_out)}" if left_out else ""


def day_problem(inputs: PlanInputs, *, only: Collection[str] | None = None) -> DayProblem:
    """The question to the optimiser; nothing is fed back without published prices, without any all are 0.

    only: the batteries that it is asked for, all if None. Raises what `plannable.IMPOSSIBLE` holds.
    """
    batteries, sessions, sites = inputs.batteries, inputs.sessions, inputs.sites
    if only is not None:
        batteries = batteries[batteries["battery_id"].isin(list(only))]
        sessions = sessions[sessions["battery_id"].isin(list(only))]
        sites = sites[sites["site_id"].isin(batteries["site_id"])]
    plan, tariff = inputs.settings.plan, Tariff(**inputs.settings.tariff.model_dump())
    buy, sell = inputs.prices.at_the_plug(tariff)
    value = plan.terminal_value_eur_per_kwh
    published = inputs.prices.source == "published"
    return DayProblem(
        slots=inputs.prices.slots,
        slot_hours=SLOT_HOURS,
        import_price_eur_per_kwh=buy,
        export_price_eur_per_kwh=sell,
        cars=tuple(_car(inputs, row) for _, row in batteries.iterrows()),
        sessions=tuple(
            Session(
                session_id=row["session_id"],
                battery_id=row["battery_id"],
                arrival_utc=row["arrival_utc"],
                departure_utc=row["departure_utc"],
                arrival_soc=inputs.carried_soc.get(row["session_id"], float(row["arrival_soc"])),
                departure_soc=float(row["departure_soc"]),
            )
            for _, row in sessions.iterrows()
        ),
        sites=tuple(
            Site(
                site_id=row["site_id"],
                import_limit_kw=float(row["import_limit_kw"]),
                export_limit_kw=float(row["export_limit_kw"]) if published else 0.0,
                peak_price_eur_per_kw=plan.peak_price_eur_per_kw,
            )
            for _, row in sites.iterrows()
        ),
        terminal_value_eur_per_kwh=_usual_value(inputs, tariff) if value is None else value,
        departure_price_eur_per_kwh=plan.departure_price_eur_per_kwh,
        objective=plan.objective,
        peak_slots=tuple(np.flatnonzero(_local_hours(inputs).isin(plan.peak_hours)).tolist()),
    )


def _local_hours(inputs: PlanInputs) -> pd.Index[int]:
    return inputs.prices.slots.tz_convert(market_timezone(inputs.zone)).hour


def _usual_value(inputs: PlanInputs, tariff: Tariff) -> float:
    """What a kWh in store saves later; never below zero, or cars would pay to be emptied."""
    return max(0.0, inputs.prices.usual_at_the_plug(tariff))


def _capacity_kwh(row: pd.Series, calibration: Calibration | None) -> float:
    return calibration.usable_energy_kwh if calibration else float(row["nominal_energy_kwh"])


def _car(inputs: PlanInputs, row: pd.Series) -> Car:
    calibration, plan = inputs.calibrations.get(row["battery_id"]), inputs.settings.plan
    taper = plan.taper_from_soc
    return Car(
        battery_id=row["battery_id"],
        site_id=row["site_id"],
        capacity_kwh=_capacity_kwh(row, calibration),
        soc_min=float(row["soc_min"]),
        soc_max=float(row["soc_max"]),
        charge_limit_kw=float(row["charge_limit_kw"]),
        discharge_limit_kw=float(row["discharge_limit_kw"]) if calibration else 0.0,
        efficiency_charge=float(row["efficiency_charge"]),
        efficiency_discharge=float(row["efficiency_discharge"]),
        drawdown_limit=plan.drawdown_limit,
        wear=_wear(inputs, calibration),
        rest_price_eur_per_kwh_h=(calibration.rest_price_eur_per_kwh_h or 0.0) if calibration else 0.0,
        charge_taper=None if taper is None else Taper(from_soc=taper, full_share=plan.taper_full_share),
        v2g_limit_kwh=np.inf if plan.v2g_limit_kwh is None else plan.v2g_limit_kwh,
    )


def _wear(inputs: PlanInputs, calibration: Calibration | None) -> WearPrice:
    if calibration is None:
        return WearPrice(
            form="rate", residual_value_eur=0.0, l0_days=1.0, alpha_day_per_efc=0.0, beta_day_per_efc=0.0
        )
    l0, alpha, beta = calibration.l0_days, calibration.alpha_day_per_efc, calibration.beta_day_per_efc
    form = inputs.settings.plan.wear
    if form == "auto":
        points = inputs.life_points
        own = points[points["calibration_id"] == calibration.calibration_id]
        form = choose_form(own[["efc_per_day", "life_days"]], l0, alpha, beta)
    return WearPrice(
        form=form,
        residual_value_eur=calibration.residual_value_eur,
        l0_days=l0,
        alpha_day_per_efc=alpha,
        beta_day_per_efc=beta,
    )
