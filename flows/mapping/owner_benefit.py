"""What each owner gained in a period, as the accounts and settlements of its days tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from flows.context import Context
from flows.mapping.contracted import contracts_of
from flows.mapping.past import FOLLOWED
from warehouse.known import Known
from warehouse.rows import Scalar

OTHERWISE = "uncontrolled"
"""What a car that no contract holds is counted against."""
Key = tuple[date, str]
Where = Mapping[str, Scalar | Sequence[Scalar]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Benefit:
    """€ of so many days, `settled` of them by their settlement, the others by their account alone.

    unsettled: days with an account that a contract held and no settlement tells of; they are not counted.
    """

    eur: float
    days: int
    settled: int
    unsettled: int


def owner_benefits(context: Context, first: date, last: date) -> dict[str, Benefit]:
    """The benefit of each car that an account of a market day of the period tells of, as known.

    Where no contract holds a car, all that its day gained is the owner's: what energy and wear cost less than
    uncontrolled. Where one does, the owner's is Π_owner of the day's newest settlement.
    """
    known, contracts = context.known, context.workspace.contracts
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    where: Where = {"zone": [context.workspace.zone], "market_date": days}
    gained, settled = _gained(known, where), _settled(known, where)
    counted: dict[str, list[float]] = {}
    by_settlement = dict.fromkeys((car for _, car in gained), 0)
    unsettled = dict(by_settlement)
    for day in sorted({day for day, _ in gained}):
        names = sorted(car for of, car in gained if of == day)
        held, twice = contracts_of(contracts, day, names)
        for car in names:
            if car in twice or (car in held and (day, car) not in settled):
                unsettled[car] += 1
                continue
            counted.setdefault(car, []).append((settled if car in held else gained)[day, car])
            by_settlement[car] += car in held
    return {
        car: Benefit(
            eur=sum(counted.get(car, [])),
            days=len(counted.get(car, [])),
            settled=by_settlement[car],
            unsettled=unsettled[car],
        )
        for car in unsettled
    }


def _gained(known: Known, where: Where) -> dict[Key, float]:
    """€ that each car's day cost less than uncontrolled, energy and wear; NaN where a figure is none."""
    by = ["zone", "market_date"]
    accounts = known.newest("out_realised", by=by, where=where, columns=["realised_id", *by])
    ids = accounts.drop_duplicates("market_date", keep="last")["realised_id"].tolist()
    known_rows = known.read("out_realised_car", where={"realised_id": ids, "mode": [FOLLOWED, OTHERWISE]})
    keys = zip(known_rows["market_date"], known_rows["battery_id"], known_rows["mode"], strict=True)
    cost = dict(zip(keys, (known_rows["energy_cost_eur"] + known_rows["wear_eur"]).tolist(), strict=True))
    return {
        (day, car): cost[day, car, OTHERWISE] - came
        for (day, car, mode), came in cost.items()
        if mode == FOLLOWED and (day, car, OTHERWISE) in cost
    }


def _settled(known: Known, where: Where) -> dict[Key, float]:
    """Π_owner of each car and day, of the highest sequence."""
    rows = known.read("out_settlement", where=where).sort_values("sequence")
    keys = zip(rows["market_date"], rows["battery_id"], strict=True)
    return dict(zip(keys, rows["owner_eur"].tolist(), strict=True))
