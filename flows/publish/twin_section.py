"""The part of a battery's page that a battery engineer reads: posterior, capacity to come, closed loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pandas as pd

from flows.mapping.in_force import IN_FORCE_BY, plans_in_force
from flows.mapping.requests import battery_spec
from flows.money import EURO, Money
from flows.plain import records
from flows.publish import twin_charts
from twin.duty import StandardDuty
from twin.record import TwinRecord
from twin.types import Calibration
from warehouse.known import Known

_DRAWS = 80
_NEXT_TO = pd.Timedelta(minutes=15)
_TREND_DAYS = 60
_HISTORY_DAYS = 183
_HISTORY = (
    "soh", "l0_days", "l0_low_days", "l0_high_days", "alpha_day_per_efc", "alpha_low_day_per_efc",
    "alpha_high_day_per_efc",
)  # fmt: skip


def wear_days(known: Known, header: Mapping[str, Any], battery_ids: Sequence[str], mode: str) -> pd.DataFrame:
    """Price and twin's answer for each car and market day so far, from the plan in force of each day.

    Columns: battery_id, market_date, priced_eur (a standard day's wear included), wear_twin_eur,
    wear_error_eur; of ``mode``, for two months up to the plan's day.
    """
    today = header["market_date"]
    plans = known.read(
        "out_plan",
        where={"zone": header["zone"]},
        within={"market_date": (today - timedelta(days=_TREND_DAYS - 1), today)},
        columns=["plan_id", *IN_FORCE_BY],
    )
    # What is reported of the plan's own day is this plan's, in force or not.
    mine = plans["plan_id"] == header["plan_id"]
    newest = plans_in_force(plans[mine | (plans["market_date"] != header["market_date"])])
    rows = known.read(
        "out_plan_car",
        where={"plan_id": list(newest["plan_id"]), "mode": mode, "battery_id": list(battery_ids)},
    )
    rows = rows.dropna(subset=["wear_error_eur"]).merge(newest[["plan_id", "market_date"]], on="plan_id")
    rows = rows.assign(
        priced_eur=rows["wear_standard_eur"] + rows["wear_price_eur"],
        market_date=pd.to_datetime(rows["market_date"]),
    )
    columns = ["battery_id", "market_date", "priced_eur", "wear_twin_eur", "wear_error_eur"]
    return rows[columns].sort_values(["battery_id", "market_date"])


def calibrations_so_far(known: Known, header: Mapping[str, Any], battery_ids: Sequence[str]) -> pd.DataFrame:
    """What each battery's calibrations of the last half-year said, in their order: out_calibration."""
    until = pd.Timestamp(header["as_of_utc"])
    rows = known.read(
        "out_calibration",
        where={"battery_id": list(battery_ids)},
        within={"as_of_utc": (until - pd.Timedelta(days=_HISTORY_DAYS), until)},
        columns=["battery_id", "code_version", "as_of_utc", *_HISTORY],
    )
    return rows.sort_values(["battery_id", "as_of_utc"])


def residuals(known: Known, calibration_ids: Sequence[str]) -> pd.DataFrame:
    """The fitted voltages of some calibrations with the charge that the car told: out_twin_residual and soc.

    soc: of the sample of telemetry next to each moment, NaN where none lies within a quarter-hour of it.
    """
    rows = known.read("out_twin_residual", where={"calibration_id": list(calibration_ids)})
    if rows.empty:
        return rows.assign(soc=pd.Series(dtype=float))
    begin, end = rows["time_utc"].min() - _NEXT_TO, rows["time_utc"].max() + _NEXT_TO
    told = known.read(
        "core_telemetry", where={"battery_id": sorted(set(rows["battery_id"]))}, start=begin, end=end,
        columns=["battery_id", "time_utc", "soc_reported"],
    ).dropna(subset="soc_reported").rename(columns={"soc_reported": "soc"})  # fmt: skip
    return pd.merge_asof(
        rows.sort_values("time_utc"), told.sort_values("time_utc"), on="time_utc", by="battery_id",
        direction="nearest", tolerance=_NEXT_TO,
    )  # fmt: skip


def _versions(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """From when on which version of the software calibrated."""
    changed = rows["code_version"] != rows["code_version"].shift()
    return records(rows.loc[changed, ["code_version", "as_of_utc"]])


def wear_maps(known: Known, calibrations: pd.DataFrame) -> pd.DataFrame:
    """The wear maps behind some calibrations: a daily one rests on that of the last full one.

    ``calibrations``: rows of out_calibration. Columns of out_wear_map; calibration_id is the asking one's.
    """
    origin = {str(row["calibration_id"]): _full_id(row) for _, row in calibrations.iterrows()}
    rows = known.read("out_wear_map", where={"calibration_id": sorted(set(origin.values()))})
    asked = pd.DataFrame(origin.items(), columns=["asked", "calibration_id"])
    joined = asked.merge(rows, on="calibration_id").drop(columns="calibration_id")
    return joined.rename(columns={"asked": "calibration_id"})


def _full_id(calibration: pd.Series) -> str:
    """The full calibration that one rests on: its own where it is one, or does not tell."""
    full = TwinRecord.from_json(calibration["parameters_json"]).full
    return str(calibration["calibration_id"]) if full is None else full.calibration_id


def _ordinary_first(habits: pd.DataFrame, duty: StandardDuty) -> pd.DataFrame:
    """The kinds of day, the ordinary one before its changes, those without V2G before those with."""
    away = (habits["rest_soc"] - duty.target_soc).abs() + (
        habits["temperature_degc"] - duty.temperature_degc
    ).abs()
    ordered = habits.assign(away=away).sort_values(["v2g_efc_per_day", "away", "c_rate"], kind="stable")
    return ordered.drop(columns="away")


def twin_section(
    calibration: Calibration | None,
    battery: pd.DataFrame,
    checkups: pd.DataFrame,
    days: pd.DataFrame,
    habits: pd.DataFrame,
    calibrations: pd.DataFrame,
    *,
    as_of_utc: pd.Timestamp,
    money: Money = EURO,
) -> dict[str, Any]:
    """What the page shows of one battery, its charts in ``money``; they are "" where there is nothing."""
    charts = ("posterior_chart", "capacity_chart", "wear_chart", "history_chart")
    shown: dict[str, Any] = dict.fromkeys(charts, "")
    shown |= {"wear_error": None, "habits": [], "not_identified": [], "would_narrow": [], "versions": []}
    if len(calibrations) > 1:
        shown["history_chart"] = twin_charts.calibrations_so_far(calibrations)
        shown["versions"] = _versions(calibrations)
    if len(days):
        shown["wear_chart"] = twin_charts.wear_loop(days, money)
        errors = days["wear_error_eur"]
        shown["wear_error"] = {
            "days": len(days),
            "mean_eur": float(errors.mean()),
            "rms_share": float((errors**2).mean() ** 0.5 / days["wear_twin_eur"].mean()),
        }
    if calibration is None or battery.empty:
        return shown
    from twin.identifiable import (  # loads PyBaMM: only where a calibration is shown
        not_identified,
        would_narrow,
    )

    if unsure := not_identified(calibration):
        shown |= {"not_identified": unsure, "would_narrow": would_narrow(calibration)}
    if len(habits) and calibration.record.duty is not None:
        shown["habits"] = twin_charts.habits(_ordinary_first(habits, calibration.record.duty))
    from twin.handle import BatteryHandle
    from twin.horizon import end_of_life_soh, life_band
    from twin.restore import restorable

    if not restorable(calibration):
        return shown
    spec = battery_spec(battery.iloc[0])
    handle = BatteryHandle(battery=spec, calibration=calibration, residuals=pd.DataFrame())
    observed = pd.DataFrame(
        {
            "day": (checkups["time_utc"] - as_of_utc).dt.total_seconds() / 86400,
            "soh": checkups["capacity_ah"] / spec.nominal_capacity_ah,
        }
    )
    band = life_band(spec, calibration, handle.draws().to_numpy())
    life = (calibration.l0_days, calibration.l0_low_days, calibration.l0_high_days)
    return shown | {
        "posterior_chart": twin_charts.posterior_pairs(handle.draws(_DRAWS)),
        "capacity_chart": twin_charts.capacity_forecast(band, observed, end_of_life_soh(calibration), life),
    }
