"""What a better charger is worth: stored days of the fleet, solved again with it. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from flows.context import Context
from flows.errors import NoAccountError, NoPlanError, UsageError
from flows.mapping.left_out import in_words
from flows.mapping.plannable import IMPOSSIBLE
from flows.mapping.plannable import in_words as error_in_words
from flows.mapping.prices import known_since
from flows.mapping.question import day_problem
from flows.mapping.read_inputs import read_inputs
from flows.money import Money
from flows.stages.record import StageResult
from optimize.arrays import FloatArray
from optimize.errors import SolverError
from optimize.market.invest.charger import Charger, Gain, gain, with_charger
from optimize.market.invest.income import FEWEST_DAYS, YEAR_DAYS, income
from optimize.types import Mode
from warehouse.known import Known
from warehouse.zones import market_day_bounds

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """first, last: market days that are over. cars, sites: whose chargers change, all if both are empty.

    price_eur: of one charger more than of the one that stands, and who says so; None without.
    """

    charger: Charger
    first: date
    last: date
    cars: Sequence[str] = ()
    sites: Sequence[str] = ()
    mode: Mode = "v2g"
    price_eur: tuple[float, float] | None = None
    price_source: str = ""
    seed: int = 0


@dataclass(slots=True, kw_only=True)
class _Found:
    """What came of the days: gains by day, how many cars each counts, why some have none, who is left out."""

    gains: dict[date, Gain | None] = field(default_factory=dict)
    cars: dict[date, int] = field(default_factory=dict)
    lacking: dict[date, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    unphased: set[str] = field(default_factory=set)


def charger_worth(context: Context, asked: Asked, progress: Progress) -> StageResult:
    """€ per car and year of other chargers, with an interval from FEWEST_DAYS days on, and payback.

    Each day is asked as of when its prices had come, by the stays that were known or expected then; a stay
    counts on the day on which its car comes. A day on which nobody comes gains nothing, one that cannot be
    solved again is named and costs itself alone. Degraded, exit code 3, where days or cars are left out.
    Raises UsageError for cars or sites that are not there, NoAccountError where no day can be solved.
    """
    chosen = _chosen(context, asked)
    came = _came(context.known, chosen)
    days = [one.date() for one in pd.date_range(asked.first, asked.last)]
    found = _Found()
    progress("days", 0, len(days))
    for number, day in enumerate(days, start=1):
        _solve(context, asked, chosen, day, found)
        if day in found.lacking and _nobody_came(context, came, day):
            del found.lacking[day]
            found.gains[day], found.cars[day] = None, len(chosen)
        progress("days", number, len(days))
    if not any(found.gains.values()):
        why = "; ".join(f"{day}: {one}" for day, one in list(found.lacking.items())[:3])
        raise NoAccountError(
            f"no day from {asked.first} to {asked.last} can be solved again: {why or 'nobody came'}",
            hint="Days are asked by what was known then: `v2g ingest … --received event` says when that was.",
        )
    worth = _worth_row(asked, found)
    lacks = [f"{day} is not solved again: {why}" for day, why in found.lacking.items()]
    lacks += [f"left out: {in_words(found.left_out)}"] if found.left_out else []
    if found.unphased:
        named = ", ".join(sorted(found.unphased))
        lacks.append(f"no charger is known, so their power stays as it is: {named}")
    money = context.workspace.money
    tables = {
        "charger": [worth],
        "cars": _car_rows(found),
        "days": _day_rows(found),
        "not solved again": [{"market_date": str(day), "why": why} for day, why in found.lacking.items()],
    }
    return StageResult(
        stage="charger",
        status="degraded" if lacks else "ok",
        message="; ".join([_stated(worth, money), *lacks]),
        exit_code=3 if lacks else 0,
        tables={name: money.rows(rows) for name, rows in tables.items() if rows},
    )


def _chosen(context: Context, asked: Asked) -> frozenset[str]:
    """The cars whose chargers change, of all that are known of the zone; raises UsageError for another."""
    cars = _fleet(context.known, context.workspace.zone)
    for option, names, there in (
        ("--car", asked.cars, cars["battery_id"]), ("--site", asked.sites, cars["site_id"])
    ):  # fmt: skip
        if unknown := sorted(set(names) - set(there.astype(str))):
            raise UsageError(f"{option} {unknown[0]}: zone {context.workspace.zone} has no such car or site")
    if not asked.cars and not asked.sites:
        return frozenset(cars["battery_id"].astype(str))
    mine = cars["battery_id"].isin(list(asked.cars)) | cars["site_id"].isin(list(asked.sites))
    return frozenset(cars.loc[mine, "battery_id"].astype(str))


def _fleet(known: Known, zone: str) -> pd.DataFrame:
    sites = known.read("core_site", where={"zone": zone})
    return known.read("core_battery", where={"site_id": sites["site_id"].astype(str).tolist()})


def _came(known: Known, cars: frozenset[str]) -> pd.Series:
    """When cars came, as known now."""
    columns = ["battery_id", "arrival_utc"]
    rows = known.read("core_session", where={"battery_id": sorted(cars)}, columns=columns)
    return rows["arrival_utc"]


def _nobody_came(context: Context, came: pd.Series, day: date) -> bool:
    """Whether a day between others with stays had none."""
    begin, end = (pd.Timestamp(at) for at in market_day_bounds(day, context.workspace.zone))
    within = (came >= begin) & (came < end)
    return not within.any() and bool((came < begin).any()) and bool((came >= end).any())


def _solve(context: Context, asked: Asked, chosen: frozenset[str], day: date, found: _Found) -> None:
    """One day, as of when its prices had come."""
    at = replace(context, as_of=min(context.as_of, known_since(context, day)), shown=False)
    there = chosen & set(_fleet(at.known, at.workspace.zone)["battery_id"].astype(str))
    begin, end = (pd.Timestamp(one) for one in market_day_bounds(day, at.workspace.zone))
    try:
        inputs = read_inputs(at, day)
        plan = inputs.settings.plan.model_copy(update={"objective": "net_benefit", "peak_hours": []})
        if not inputs.prices.published[: inputs.prices.horizon.priced_slots].all():
            found.lacking[day] = inputs.prices.note or "its prices had not been published"
            return
        arrivals = inputs.sessions["arrival_utc"]
        stays = inputs.sessions[(arrivals >= begin) & (arrivals < end)]
        left_out = {name: why for name, why in inputs.left_out.items() if name in chosen}
        found.left_out |= left_out
        count = len(there - set(left_out))
        if not stays["battery_id"].isin(list(chosen)).any():
            found.gains[day], found.cars[day] = None, count
            return
        mine = replace(inputs, sessions=stays, settings=inputs.settings.model_copy(update={"plan": plan}))
        problem = day_problem(mine, only=sorted(set(stays["battery_id"].astype(str))))
        phases = _phases(at.known, stays)
        if asked.charger.phases is not None:
            of = stays[stays["battery_id"].isin(list(chosen)) & ~stays["session_id"].isin(list(phases))]
            found.unphased |= set(of["battery_id"].astype(str))
        other = with_charger(problem, asked.charger, chosen, phases, _kept(stays))
        limit = plan.solver_time_limit_s
        found.gains[day] = gain(problem, other, asked.mode, time_limit_seconds=limit)
        found.cars[day] = count
    except (NoPlanError, SolverError, *IMPOSSIBLE) as error:
        found.lacking[day] = str(error) if isinstance(error, NoPlanError) else error_in_words(error)


def _phases(known: Known, stays: pd.DataFrame) -> Mapping[str, int]:
    """By session_id the phases of its charger, where one is known."""
    chargers = known.read("core_charger").set_index("charger_id")["phases"]
    of = stays.set_index("session_id")["charger_id"].map(chargers).dropna()
    return {str(name): int(phases) for name, phases in of.items()}


def _kept(stays: pd.DataFrame) -> Mapping[str, tuple[float, float]]:
    """By session_id what a cold pack leaves of the efficiencies, which no charger changes."""
    cold = stays[stays["pack_kept_charge"].notna()]
    own = zip(cold["pack_kept_charge"], cold["pack_kept_discharge"], strict=True)
    return {
        str(name): (float(into), float(out))
        for name, (into, out) in zip(cold["session_id"], own, strict=True)
    }


def _worth_row(asked: Asked, found: _Found) -> dict[str, Any]:
    """What a charger is worth in a year, and the interval where there are days enough for one."""
    eur, cars = _per_day(found)
    days = len(eur)
    low = high = None
    middle = float(eur.sum() / cars.sum()) * YEAR_DAYS
    if days >= FEWEST_DAYS:
        of_year = income(eur, cars, seed=asked.seed)
        low, high = (float(end) for end in of_year.quantile(np.array([0.05, 0.95])))
    solved = [one for one in found.gains.values() if one is not None]
    row: dict[str, Any] = {
        **{
            f"new_{name}": getattr(asked.charger, name)
            for name in ("efficiency", "power_kw", "phases", "car_kw")
        },
        "mode": asked.mode,
        "first": str(min(found.gains)),
        "last": str(max(found.gains)),
        "days": days,
        "lacking_days": len(found.lacking),
        "car_days": int(cars.sum()),
        "car_year_eur": middle,
        "car_year_low_eur": low,
        "car_year_high_eur": high,
        "missing_less_kwh": sum(one.missing_kwh for one in solved),
        "drawn_more_kwh": sum(one.drawn_kwh for one in solved),
        "open_eur": sum(one.open_eur for one in solved),
    }
    if asked.price_eur is not None:
        cheap, dear = asked.price_eur
        row |= {
            "price_low_eur": cheap,
            "price_high_eur": dear,
            "price_source": asked.price_source,
            "payback_low_years": _years(cheap, high),
            "payback_years": _years((cheap + dear) / 2.0, middle),
            "payback_high_years": _years(dear, low),
        }
    return row


def _per_day(found: _Found) -> tuple[FloatArray, FloatArray]:
    """What all cars gain on each day, €, and how many they are; days in their order."""
    days = [day for day in sorted(found.gains) if found.cars[day]]
    eur = [0.0 if (one := found.gains[day]) is None else one.eur for day in days]
    return np.array(eur), np.array([float(found.cars[day]) for day in days])


def _years(price_eur: float, year_eur: float | None) -> float | None:
    """Years until a yearly gain has paid a price, without interest; None: never, or not known."""
    return price_eur / year_eur if year_eur is not None and year_eur > 0.0 else None


def _car_rows(found: _Found) -> list[dict[str, Any]]:
    """A row a car that came: on how many days, and what it gains in a year of such days as there are."""
    eur: dict[str, list[float]] = {}
    for one in found.gains.values():
        for name, own in ({} if one is None else one.car_eur).items():
            eur.setdefault(name, []).append(own)
    days = len(found.gains)
    return [
        {"battery_id": name, "days": len(own), "year_eur": sum(own) / days * YEAR_DAYS}
        for name, own in sorted(eur.items())
    ]


def _day_rows(found: _Found) -> list[dict[str, Any]]:
    return [
        {
            "market_date": str(day),
            "cars": found.cars[day],
            "gain_eur": 0.0 if one is None else one.eur,
            "missing_less_kwh": 0.0 if one is None else one.missing_kwh,
            "drawn_more_kwh": 0.0 if one is None else one.drawn_kwh,
        }
        for day, one in sorted(found.gains.items())
    ]


def _stated(row: Mapping[str, Any], money: Money) -> str:
    text = f"{money.of(row['car_year_eur']):.4g} {money.sign} a car and year"
    if row["car_year_low_eur"] is None:
        text += f" from {row['days']} days, without an interval: that takes {FEWEST_DAYS}"
    else:
        low, high = (money.of(row[f"car_year_{end}_eur"]) for end in ("low", "high"))
        text += f" ({low:.4g} to {high:.4g}) from {row['days']} days"
    if "payback_years" in row:
        years = [
            "never" if row[name] is None else f"{row[name]:.3g}"
            for name in ("payback_years", "payback_low_years", "payback_high_years")
        ]
        text += f"; paid back in {years[0]} years" if row["payback_years"] else "; never paid back"
        if row["payback_years"] and row["car_year_low_eur"] is not None:
            text += f" ({years[1]} to {years[2]})"
    return text
