"""Put what really happened on a market day next to what its plans had promised.

What the cars did is what a meter counted, else the plan as it would have been followed with the sessions and
the prices that came. Uncontrolled and ordered charging are simulated next to it, each from what it would
itself have left in the batteries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any

import pandas as pd

from flows.clock import tomorrow
from flows.context import Context
from flows.errors import FlowsError, NoAccountError
from flows.mapping.executed import Executed
from flows.mapping.hashing import hash_frame, hash_values
from flows.mapping.past import FOLLOWED
from flows.mapping.plannable import IMPOSSIBLE, in_words
from flows.mapping.real_day import RealDay, state_at_the_end
from flows.mapping.reserve_earned import ReserveEarned, reserve_notes
from flows.mapping.retail import Prices
from flows.mapping.settled_energy import deviations, fed_back_price_eur, signed_energy, spot_eur_per_kwh
from flows.mapping.twin_wear import TwinWear, twin_wear
from flows.plain import records
from flows.stages.record import StageResult, recorded
from flows.version import code_version, source_hash
from flows.workers import Twins
from optimize.realised import CAUSES, Figures, Realised
from optimize.realised import realise as account_of
from optimize.types import DayProblem, Mode, ModePlan
from warehouse.at_once import at_once
from warehouse.contracts.realised import REALISED_MODES
from warehouse.rows import Scalar
from warehouse.zones import market_day_bounds, market_day_slots

_LATE_DAYS = 3
_MOST_DAYS = 31


@recorded("realise")
def realise(context: Context, days: Sequence[date]) -> StageResult:
    """Account for market days that are over; a day without an account costs no other.

    Of reserve that was won, what was promised for holding it and what it paid are shown block by block; the
    cars' parts of it are in what they earned. The same inputs as the newest account of a day: nothing is
    written. Degraded, exit code 3, where a day has no account though a plan was followed.
    """
    noted: list[dict[str, Any]] = []
    reserve: list[dict[str, Any]] = []
    missing, unheld = list[str](), list[str]()
    for day in days:
        try:
            shown, earned = _realise(context, day)
            noted += shown
            reserve += earned.blocks if earned else ()
            unheld += earned.unheld if earned else ()
        except FlowsError as error:
            missing.append(str(error))
        except IMPOSSIBLE as error:
            missing.append(f"no account of {day}: {in_words(error)}")
    done = sorted({str(row["market_date"]) for row in noted})
    message = [f"promised and realised: {', '.join(done)}"] if done else []
    return StageResult(
        stage="realise",
        status="degraded" if missing else "ok",
        message="; ".join([*message, *unheld, *missing]) or f"no plan was followed on {_spoken(days)}",
        exit_code=3 if missing else 0,
        tables={"days": noted, **({"reserve": reserve} if reserve else {})},
        details={"accounts": done},
    )


def days_to_account(context: Context) -> list[date]:
    """The last market days that are over: an account of each is made again as late data come in.

    Where nobody made one for longer, all days since then, a month at most.
    """
    zone = context.workspace.zone
    today = tomorrow(context.as_of, zone) - timedelta(days=1)
    accounts = context.known.newest(
        "out_realised", by=["market_date"], where={"zone": zone}, columns=["market_date"]
    )
    last = None if accounts.empty else accounts["market_date"].max()
    since = _LATE_DAYS if last is None else min(max(_LATE_DAYS, (today - last).days - 1), _MOST_DAYS)
    return [today - timedelta(days=number) for number in range(since, 0, -1)]


def _spoken(days: Sequence[date]) -> str:
    """Days by their dates, of many the first and the last."""
    first, last = min(days), max(days)
    return f"{first}" if first == last else f"{first} to {last}"


def _realise(context: Context, day: date) -> tuple[list[dict[str, Any]], ReserveEarned | None]:
    """The rows to show of a day, and what reserve paid; none where no plan was followed on it."""
    known, zone = context.known, context.workspace.zone
    if context.as_of < market_day_bounds(day, zone)[1]:
        raise NoAccountError(
            f"no account of {day}: the day is not over as of {context.as_of:%Y-%m-%d %H:%M} UTC"
        )
    with at_once(context.workspace.warehouse):
        executed = Executed.of(known, zone, market_day_slots(day, zone))
        if not executed.plan_ids:
            return [], None
        real = RealDay.of(context, day, executed)
        reserve = ReserveEarned.of(known, zone, day, executed, real.battery_ids)
    input_hash = _input_hash(real, executed, reserve.digest)
    where: dict[str, Scalar | Sequence[Scalar]] = {"zone": zone, "market_date": day}
    newest = known.newest("out_realised", by=list(where), where=where)
    same = newest.loc[newest["input_hash"] == input_hash, "realised_id"]
    if len(same):
        cars = known.read("out_realised_car", where={"realised_id": str(same.iloc[-1])})
        return _shown(cars, day), reserve
    spot = spot_eur_per_kwh(known, zone, real.slots)
    cars, departed = _cars(context.workspace.settings.calibrate.twins, real, executed, spot, reserve)
    lineage: dict[str, Any] = {
        "realised_id": hash_values([input_hash, context.as_of.isoformat()])[:16],
        **where,
        "run_id": context.run_id,
        "as_of_utc": pd.Timestamp(context.as_of),
        "input_hash": input_hash,
        "code_version": code_version(),
    }
    tables = {
        "out_realised": _header(real, executed, cars),
        "out_realised_car": cars,
        "out_realised_deviation": departed,
    }
    tables = {name: frame.assign(**lineage) for name, frame in tables.items()}
    # Of one moment there is one account of a day, whoever else makes it now.
    context.workspace.warehouse.write(tables, replace=dict.fromkeys(tables, (*where, "as_of_utc")))
    return _shown(cars, day), reserve


def _input_hash(real: RealDay, executed: Executed, reserve: str) -> str:
    inputs = real.inputs
    calibrations = {name: one.calibration_id for name, one in sorted(inputs.calibrations.items())}
    options = {"tariff": inputs.settings.tariff.adders, "plan": inputs.settings.plan.model_dump()}
    if inputs.contracts.of:
        options["contracts"] = {"digest": inputs.contracts.digest}
    return hash_values(
        [
            str(inputs.market_date), executed.plan_ids, executed.owner.tolist(), inputs.prices.digest,
            hash_frame(inputs.prices.retail_rows), hash_frame(inputs.sessions), inputs.carried.digest,
            hash_frame(inputs.batteries), hash_frame(inputs.sites), hash_frame(real.metering), calibrations,
            options, reserve, source_hash("optimize", "flows/mapping", "flows/stages"),
        ]
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Way:
    """A way of charging on a day that is over: one of REALISED_MODES, what came of it, each car's account."""

    name: str
    problem: DayProblem
    came: ModePlan
    accounts: Mapping[str, Realised]


def ways_of_charging(real: RealDay, executed: Executed) -> Iterator[Way]:
    """What the cars did, then uncontrolled and ordered charging, which drive as far."""
    prices = real.inputs.prices.at_the_plug(real.inputs.tariff)
    followed: ModePlan | None = None
    metered = real.metered()
    for name in REALISED_MODES:
        carried, label = _MODE[name]
        problem = real.problem(carried)
        accounts, came = account_of(
            problem,
            executed.promise(name, real.battery_ids, prices),
            label,
            driven_kwh=real.driven_kwh(followed),
            metered=metered if name == FOLLOWED else None,
        )
        followed = came if name == FOLLOWED else followed
        yield Way(name=name, problem=problem, came=came, accounts=accounts)


def _cars(
    workers: Twins, real: RealDay, executed: Executed, spot: Prices, reserve: ReserveEarned
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of out_realised_car and out_realised_deviation without their lineage."""
    counted = real.metering.groupby("battery_id").size()
    ways = list(ways_of_charging(real, executed))
    by_twin = _by_twin(workers, real, ways)
    signed = signed_energy(real)
    departed, held = deviations(real, executed, ways[0].problem, reserve.called_kwh)
    rows: list[dict[str, Any]] = []
    for way in ways:
        fed_back = fed_back_price_eur(way.problem, way.came, spot)
        name, ends = way.name, state_at_the_end(way.problem, way.came)
        for battery, account in way.accounts.items():
            row = {"mode": name, "battery_id": battery, **_columns(account.realised)}
            row |= {f"promised_{figure}": value for figure, value in _columns(account.promised).items()}
            row |= {f"{cause}_eur": account.causes[cause] for cause in CAUSES}
            row["wear_twin_eur"] = by_twin.get((way.came.mode, battery), (None,))[0]
            row["metered_slots"] = int(counted.get(battery, 0)) if name == FOLLOWED else 0
            row["fed_back_price_eur"] = fed_back[battery]
            row |= {**_NOT_SIGNED, **(signed.get(battery, {}) if name == FOLLOWED else {})}
            row["scheduled_slots"] = held.get(battery, 0) if name == FOLLOWED else None
            row |= reserve.of_car(battery) if name == FOLLOWED else _NO_RESERVE
            rows.append({**row, **ends.get(battery, _AWAY)})
    return pd.DataFrame(rows), departed


def _by_twin(workers: Twins, real: RealDay, ways: Sequence[Way]) -> TwinWear:
    """The twin's answer for the cars whose contract asks for it."""
    only = {name for name, one in real.inputs.contracts.of.items() if one.wear == "twin"}
    if not only:
        return {}
    problems = {way.came.mode: way.problem for way in ways}
    return twin_wear(workers, real.inputs, problems, {way.came.mode: way.came for way in ways}, only)


def _header(real: RealDay, executed: Executed, cars: pd.DataFrame) -> pd.DataFrame:
    """The row of out_realised without its lineage."""
    notes = [f"{name} is left out: {why}" for name, why in real.inputs.left_out.items()]
    there = set(real.inputs.sessions["battery_id"].astype(str))
    notes += [
        f"the meter of {name} counted {kwh:.3g} kWh while no session of it is known: paid, and in "
        + ("its battery" if name in there else "no battery")
        for name, kwh in real.counted_outside_kwh.items()
    ]
    notes += reserve_notes(cars)
    if len(executed.prices) < (executed.owner >= 0).sum():
        notes.append("a plan of before prices were kept: its promise is reported at the prices that came")
    row: dict[str, Any] = {
        "plan_ids": ", ".join(executed.plan_ids),
        "followed_modes": ", ".join(dict.fromkeys(executed.follows)),
        "slots": len(executed.slots),
        "planned_slots": int((executed.owner >= 0).sum()),
        "metered_slots": len(real.metering),
        "batteries": len(real.battery_ids),
        "note": "; ".join(notes) or None,
    }
    for mode, total in _totals(cars).items():
        row |= {f"{mode}_{figure}": total[figure] for figure in _TOTALS}
    return pd.DataFrame([row])


def _shown(cars: pd.DataFrame, day: date) -> list[dict[str, Any]]:
    """A row a way of charging: what a reader wants first."""
    figures = ("stored_kwh", "departures", "missed")
    return [
        {
            "market_date": str(day),
            "mode": mode,
            "promised_eur": total["promised_eur"],
            "realised_eur": total["eur"],
            **{f"{cause}_eur": total[f"{cause}_eur"] for cause in (*CAUSES, "reserve")},
            **{figure: total[figure] for figure in figures},
        }
        for mode, total in _totals(cars).items()
    ]


def _totals(cars: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The sums over all cars of each way of charging, and what they earn net of wear, €."""
    # What is not known of reserve is in no sum, and a note of the account names it.
    came, promised = (
        cars[f"{name}reserve_income_eur"].fillna(0.0).astype(float) for name in ("", "promised_")
    )
    earned = cars.assign(
        eur=came - cars["energy_cost_eur"] - cars["wear_eur"],
        promised_eur=promised - cars["promised_energy_cost_eur"] - cars["promised_wear_eur"],
        reserve_eur=came - promised,
    )
    sums = records(earned.groupby("mode").sum(numeric_only=True).reset_index())
    return {row["mode"]: row for row in sorted(sums, key=lambda row: REALISED_MODES.index(row["mode"]))}


_TOTALS = ("promised_eur", "eur", "stored_kwh", "departures", "missed")
_MODE: Mapping[str, tuple[Mode | None, Mode]] = {
    FOLLOWED: (None, "v2g"),
    "uncontrolled": ("uncontrolled", "uncontrolled"),
    "ordered": ("ordered", "ordered"),
}
"""Whose batteries a way of charging begins with, and the name of its plan."""


_NOT_SIGNED: Mapping[str, Any] = dict.fromkeys(
    ("verified_slots", "verified_import_kwh", "verified_export_kwh")
)
_NO_RESERVE: Mapping[str, Any] = {
    "promised_reserve_income_eur": 0.0, "reserve_income_eur": 0.0, "reserve_note": None
}  # fmt: skip
_AWAY: Mapping[str, Any] = {"held_kwh": None, "at_plug": False, "left_utc": None, "left_target_kwh": None}


def _columns(figures: Figures) -> dict[str, Any]:
    return {one.name: getattr(figures, one.name) for one in fields(Figures)}
