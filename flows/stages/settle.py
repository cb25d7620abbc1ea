"""Settle days that were accounted for between owners and operator, by the contracts of the workspace.

What a meter counted late makes another account, and that another settlement: a correction, whose rows are
added with what they differ by. The rows of the settlement before stay as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd

from flows.context import Context
from flows.errors import FlowsError, NoAccountError, UsageError
from flows.mapping.contracted import contracts_of, month_under, reworded, unknown_cars
from flows.mapping.hashing import hash_frame, hash_values
from flows.mapping.logged import append
from flows.mapping.meter_points import netted_cars
from flows.mapping.past import FOLLOWED
from flows.mapping.settled_energy import DayImbalance
from flows.plain import records
from flows.stages.record import StageResult, recorded
from flows.version import code_version, source_hash
from optimize.errors import OptimizeError
from optimize.market.bill import in_decimals
from optimize.market.contract import Contract
from optimize.market.opening import FIGURES, Counted, opening
from optimize.market.settlement import OwnerDay, settle
from warehouse.at_once import at_once
from warehouse.rows import Scalar
from warehouse.store import Guard
from warehouse.zones import market_day_bounds

_WATT_HOUR = Decimal("0.001")
_FIGURES = (
    "mode", "battery_id", "import_kwh", "export_kwh", "stored_kwh", "energy_cost_eur", "wear_eur",
    "wear_twin_eur", "missed", "metered_slots", "verified_slots", "verified_import_kwh",
    "verified_export_kwh", "scheduled_slots", "fed_back_price_eur", "reserve_income_eur", "reserve_note",
)  # fmt: skip
_WEAR = {"price": "wear_eur", "twin": "wear_twin_eur"}
_PAID = ("fed_back", "bonus", "free", "compensation", "floor")
_HEAD = (
    "settlement_id", "market_date", "zone", "sequence", "corrects", "battery_id", "contract_id",
    "contract_version", "contract_digest", "counted_against", "metered_slots", "realised_id", "code_version",
    "verified_slots", "verified_import_kwh", "verified_export_kwh", "scheduled_slots",
)  # fmt: skip
_CORRECTIONS = ("owner_correction_eur", "grid_correction_eur")
_PRIVATE = (
    "plugged_hours", "import_kwh", "export_kwh", "stored_more_kwh", "verified_import_kwh",
    "verified_export_kwh",
)  # fmt: skip


@recorded("settle")
def settle_days(context: Context, days: Sequence[date]) -> StageResult:
    """Settle market days that have an account; a day without one costs no other.

    The same account, hours and contracts as the newest settlement of a day: nothing is written. Degraded,
    exit code 3, where a day cannot be settled or a contract names a car that there is not. Raises UsageError
    without a contract.
    """
    if not context.workspace.contracts:
        raise UsageError("[settle] contracts in v2g.toml names no contract: there is nothing to settle by")
    noted: list[dict[str, Any]] = []
    missing = unknown_cars(context.workspace.contracts, days, context.known)
    without, lacking, whole = Counter[str](), set[str](), list[str]()
    for day in days:
        try:
            with at_once(context.workspace.warehouse):
                found = _Day.of(context, day)
            noted += _settled(context, found)
            for lacks in (found.unsettled, found.without_imbalance, found.without_reserve):
                missing += [f"{day}: {car} is {lacks[car]}" for car in sorted(lacks)]
                lacking |= set(lacks)
            why = found.imbalance.why
            without.update(
                f"no imbalance in {{}} of them: {why[car]}" for car in found.contracts if car in why
            )
            without.update(f"reserve in {{}} of them: {note}" for note in found.reserve_notes.values())
        except (FlowsError, OptimizeError) as error:
            missing.append(f"{day} is not settled: {error}")
            whole.append(f"{day}")
    return StageResult(
        stage="settle",
        status="degraded" if missing else "ok",
        message="; ".join(
            [
                f"{len(noted)} owner-days",
                *missing,
                *reworded(context.workspace.contracts, context.known),
                *(said.replace("{}", f"{number}", 1) for said, number in sorted(without.items())),
            ]
        ),
        exit_code=3 if missing else 0,
        tables={"settlement": noted},
        details={"cars_lacking": sorted(lacking), "days_lacking": whole},
    )


def days_to_settle(context: Context, day: date) -> list[date]:
    """A day and the later ones of its month that were settled: their bonus rests on its hours."""
    last = (day.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    later = context.known.read(
        "out_settlement",
        where={"zone": context.workspace.zone},
        within={"market_date": (day + timedelta(days=1), last)},
        columns=["market_date"],
    )
    return [day, *sorted(set(later["market_date"]))]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Day:
    """What a day is settled from.

    account: rows of `cars` by battery and mode. before: rows of its settlements so far. hours: of each car,
    plugged in on the day and, by the same contract, in its month before it. unsettled: cars that cannot be
    settled, each with its reason: two contracts hold it, its account lacks what its contract counts against,
    or a common meter nets its plug.
    """

    day: date
    realised_id: str
    cars: pd.DataFrame
    before: pd.DataFrame
    account: Mapping[tuple[str, str], Mapping[str, Any]]
    contracts: Mapping[str, Contract]
    hours: Mapping[str, tuple[Decimal, Decimal]]
    imbalance: DayImbalance
    unsettled: Mapping[str, str]

    @classmethod
    def of(cls, context: Context, day: date) -> _Day:
        known, zone = context.known, context.workspace.zone
        where: dict[str, Scalar | Sequence[Scalar]] = {"zone": zone, "market_date": day}
        newest = known.newest("out_realised", by=list(where), where=where)
        if newest.empty:
            raise NoAccountError("there is no account of it", hint=f"`v2g realise --date {day}`")
        realised_id = str(newest["realised_id"].iloc[-1])
        cars = known.read("out_realised_car", where={"realised_id": realised_id})
        names = sorted(set(cars["battery_id"].astype(str)))
        contracts, why = contracts_of(context.workspace.contracts, day, names)
        if not contracts and not why:
            raise NoAccountError("no contract that is in force holds any of its cars")
        start, end = (pd.Timestamp(bound) for bound in market_day_bounds(day, zone))
        for car, site in netted_cars(known, zone, start, end).items():
            if car in contracts:
                netted = f"the meter of site {site} nets it with load or other cars"
                why[car] = f"{netted}, which its account does not know"
        why |= _without_modes(cars, contracts) | _without_twin(cars, contracts)
        why |= _without_price(cars, contracts)
        unsettled = {car: f"not settled: {reason}" for car, reason in sorted(why.items())}
        contracts = {car: one for car, one in contracts.items() if car not in why}
        if not contracts:
            raise NoAccountError("; ".join(f"{day}: {car} is {reason}" for car, reason in unsettled.items()))
        followed = cars[cars["mode"] == FOLLOWED]
        scheduled = {
            str(car): None if pd.isna(number) else int(number)
            for car, number in zip(followed["battery_id"], followed["scheduled_slots"], strict=True)
        }
        cars = cars[list(_FIGURES)].sort_values(["battery_id", "mode"]).reset_index(drop=True)
        needed = cars[cars["mode"].isin({FOLLOWED, *(one.against for one in contracts.values())})]
        return cls(
            day=day,
            realised_id=realised_id,
            cars=cars,
            before=known.read("out_settlement", where=where),
            account={(row["battery_id"], row["mode"]): row for row in records(needed)},
            contracts=contracts,
            hours=_plugged_hours(context, day, contracts),
            imbalance=DayImbalance.of(known, zone, day, realised_id, scheduled),
            unsettled=unsettled,
        )

    @property
    def input_hash(self) -> str:
        """Hash of all that it depends on; an account made anew with the same figures is the same."""
        digests = sorted((name, one.digest) for name, one in self.contracts.items())
        hours = sorted((name, str(one), str(before)) for name, (one, before) in self.hours.items())
        departed = sorted((name, str(eur)) for name, eur in self.imbalance.earned_eur.items())
        code = source_hash("optimize/market")
        return hash_values([str(self.day), hash_frame(self.cars), digests, hours, departed, code])

    @property
    def without_imbalance(self) -> dict[str, str]:
        """Cars whose imbalance is missing though a contract speaks of it, or other slots have a price."""
        lacking = {car for car, one in self.contracts.items() if one.imbalance_share is not None}
        if self.imbalance.partly_priced:
            lacking |= set(self.imbalance.unpriced)
        named = lacking & set(self.contracts) & set(self.imbalance.why)
        return {car: f"settled without imbalance: {self.imbalance.why[car]}" for car in named}

    @property
    def reserve_notes(self) -> dict[str, str]:
        """What the accounts of the cars that are settled say is not known of reserve, or not counted."""
        notes = {car: self.account[car, FOLLOWED]["reserve_note"] for car in sorted(self.contracts)}
        return {car: note for car, note in notes.items() if note}

    @property
    def without_reserve(self) -> dict[str, str]:
        """Cars whose income of reserve is not known though a contract shares it."""
        return {
            car: f"settled without reserve: {note}"
            for car, note in self.reserve_notes.items()
            if self.account[car, FOLLOWED]["reserve_income_eur"] is None
            and self.contracts[car].reserve_share is not None
        }

    def counted(self, battery: str) -> Counted:
        """A car's day, as its account and its sessions tell it, settled."""
        hours, before = self.hours[battery]
        came, other = self.modes(battery)
        wear = _WEAR[self.contracts[battery].wear]
        told = {
            "import_kwh": came["import_kwh"],
            "export_kwh": came["export_kwh"],
            "energy_cost_eur": came["energy_cost_eur"],
            "wear_eur": came[wear],
            "other_energy_cost_eur": other["energy_cost_eur"],
            "other_wear_eur": other[wear],
        }
        stated = dict(zip(told, in_decimals(told.values()), strict=True))
        stated |= {name: stated[name].quantize(_WATT_HOUR) for name in ("import_kwh", "export_kwh")}
        contract = self.contracts[battery]
        if contract.share_of_price_fed_back:
            stated["fed_back_price_eur"] = in_decimals([came["fed_back_price_eur"]])[0]
        reserve = came["reserve_income_eur"]
        day = OwnerDay(
            hours=hours,
            hours_before=before,
            missed=int(came["missed"]),
            imbalance_eur=self.imbalance.earned_eur.get(battery),
            reserve_eur=None if reserve is None else in_decimals([reserve])[0],
            **stated,
        )
        return Counted(contract=contract, day=day, settled=settle(contract, day))

    def modes(self, battery: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """A car's account as it was, and of the way of charging that its contract counts against."""
        return self.account[battery, FOLLOWED], self.account[battery, self.contracts[battery].against]


def _without_modes(cars: pd.DataFrame, contracts: Mapping[str, Contract]) -> dict[str, str]:
    """Cars whose account lacks how they were charged, or what their contract counts against."""
    stated = set(zip(cars["battery_id"], cars["mode"], strict=True))
    lacking = {
        car: [mode for mode in dict.fromkeys([FOLLOWED, one.against]) if (car, mode) not in stated]
        for car, one in contracts.items()
    }
    return {car: f"its account lacks {' and '.join(sorted(gone))}" for car, gone in lacking.items() if gone}


def _without_twin(cars: pd.DataFrame, contracts: Mapping[str, Contract]) -> dict[str, str]:
    """Cars whose contract counts wear by the twin, which has no answer for their day."""
    silent = set(cars.loc[cars["wear_twin_eur"].isna(), "battery_id"].astype(str))
    asked = [car for car, one in contracts.items() if one.wear == "twin" and car in silent]
    return dict.fromkeys(asked, "its contract counts wear by the twin, which has no answer for the day")


def _without_price(cars: pd.DataFrame, contracts: Mapping[str, Contract]) -> dict[str, str]:
    """Cars whose contract passes a share of the day-ahead price on, which their account does not know."""
    lacks = cars["fed_back_price_eur"].isna() & (cars["mode"] == FOLLOWED)
    silent = set(cars.loc[lacks, "battery_id"].astype(str))
    asked = [car for car, one in contracts.items() if one.share_of_price_fed_back and car in silent]
    return dict.fromkeys(asked, "its contract pays a share of the day-ahead price, which its account lacks")


def _settled(context: Context, found: _Day) -> list[dict[str, Any]]:
    """The rows to show of a day, written where they are new."""
    zone, day = context.workspace.zone, found.day
    before = found.before
    newest = before[before["sequence"] == before["sequence"].max()]
    if len(newest) and newest["input_hash"].iloc[0] == found.input_hash:
        return _shown(newest)
    counted = {name: found.counted(name) for name in sorted(found.contracts)}
    rows = pd.DataFrame([_row(found, name, one) for name, one in counted.items()])
    rows = _corrected(rows, newest)
    settlement_id = hash_values([found.input_hash, context.as_of.isoformat()])[:16]
    lineage: dict[str, Any] = {
        "settlement_id": settlement_id,
        "run_id": context.run_id,
        "as_of_utc": pd.Timestamp(context.as_of),
        "input_hash": found.input_hash,
        "code_version": code_version(),
    }
    rows = rows.assign(
        market_date=day,
        zone=zone,
        sequence=1 if newest.empty else int(newest["sequence"].iloc[0]) + 1,
        corrects=None if newest.empty else str(newest["settlement_id"].iloc[0]),
        realised_id=found.realised_id,
        **lineage,
    )
    openings = [_opened(row, counted) for row in records(rows[[*_HEAD, *_CORRECTIONS]])]
    guard = _nothing_since(zone, day, set(before["settlement_id"]))
    sides = found.imbalance.sides.assign(**lineage)
    if not append(context, rows, openings, found.contracts.values(), guard, sides):
        raise NoAccountError("it was settled meanwhile, or as of a later moment: settle again as of now")
    return _shown(rows)


def _opened(row: dict[str, Any], counted: Mapping[str, Counted]) -> str:
    cents = {name: f"{row[name]:.2f}" for name in _CORRECTIONS}
    return opening(row | cents, counted.get(str(row["battery_id"])))


def _row(found: _Day, battery: str, counted: Counted) -> dict[str, Any]:
    contract, day, settled = counted.contract, counted.day, counted.settled
    came, other = found.modes(battery)
    fields: dict[str, float | None] = {
        "plugged_hours": float(day.hours),
        "import_kwh": float(day.import_kwh),
        "export_kwh": float(day.export_kwh),
        "stored_more_kwh": round(float(came["stored_kwh"]) - float(other["stored_kwh"]), 3),
        **{name: _number(came[name]) for name in ("verified_import_kwh", "verified_export_kwh")},
    }
    return {
        "battery_id": battery,
        "contract_id": contract.contract_id,
        "contract_version": contract.version,
        "contract_digest": contract.digest,
        "counted_against": contract.against,
        "metered_slots": int(came["metered_slots"]),
        **{name: came[name] for name in ("verified_slots", "scheduled_slots")},
        **(dict.fromkeys(_PRIVATE) if contract.privacy == "totals" else fields),
        "theta": None if settled.theta is None else float(settled.theta),
        **{name: float(getattr(settled, name)) for name in FIGURES},
        **{name: _number(getattr(settled, name)) for name in ("imbalance_eur", "reserve_eur")},
    }


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _corrected(rows: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """The rows with what they differ by from those before; a car that is gone is taken back whole."""
    gone = before[~before["battery_id"].isin(rows["battery_id"])]
    euros = [name for name in rows.columns if name.endswith("_eur")]
    taken_back = gone[list(rows.columns)].assign(**dict.fromkeys(euros, 0.0), theta=None)
    taken_back = taken_back.assign(**dict.fromkeys(_PRIVATE, None))
    rows = pd.concat([rows, taken_back], ignore_index=True) if len(gone) else rows
    paid = before.set_index("battery_id")
    for whose in ("owner", "grid"):
        was = rows["battery_id"].map(paid[f"{whose}_eur"]).fillna(0.0) if len(before) else 0.0
        rows[f"{whose}_correction_eur"] = (rows[f"{whose}_eur"] - was).round(2)
    return rows


def _nothing_since(zone: str, day: date, observed: set[str]) -> Guard:
    def guard(read: Any) -> bool:
        return set(read("out_settlement", {"zone": zone, "market_date": day})["settlement_id"]) == observed

    return guard


def _plugged_hours(
    context: Context, day: date, of: Mapping[str, Contract]
) -> dict[str, tuple[Decimal, Decimal]]:
    """Hours of sessions as they are known, on the day and in its month before it, by the seconds."""
    zone = context.workspace.zone
    start, end = (pd.Timestamp(bound) for bound in market_day_bounds(day, zone))
    month = pd.Timestamp(market_day_bounds(day.replace(day=1), zone)[0])
    sessions = context.known.sessions(month, end)
    under = month_under(context.workspace.contracts, day, of)
    edges = {one for own in under.values() for span in own for one in span}
    begin = {one: pd.Timestamp(market_day_bounds(one, zone)[0]) for one in edges}
    found = dict.fromkeys(of, (Decimal(0), Decimal(0)))
    for name, own in sessions[sessions["battery_id"].isin(list(of))].groupby("battery_id"):
        before = sum((_overlap(own, begin[one], begin[last]) for one, last in under[str(name)]), Decimal(0))
        found[str(name)] = (_overlap(own, start, end), before)
    return found


def _overlap(sessions: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> Decimal:
    spans = zip(sessions["arrival_utc"], sessions["departure_utc"], strict=True)
    inside = (min(last, end) - max(first, start) for first, last in spans)
    return Decimal(sum(max(0, int(one.total_seconds())) for one in inside)) / 3600


def _shown(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """A row a car: what a reader wants first."""
    columns = [
        "market_date", "sequence", "battery_id", "contract_id", "total_eur", "theta", "owner_share_eur",
        "imbalance_eur", "reserve_eur", "wear_eur", "owner_eur", "grid_eur", *_CORRECTIONS,
    ]  # fmt: skip
    stated = rows[columns].assign(
        paid_eur=rows[[f"{name}_eur" for name in _PAID]].sum(axis=1).round(2),
        market_date=rows["market_date"].astype(str),
    )
    return records(stated)
