"""What reserve that was won paid on a day that is over, by block and by car, next to what plans promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from flows.mapping.executed import Executed
from flows.mapping.hashing import hash_frame
from flows.mapping.horizon import QUARTER
from flows.mapping.question import SLOT_HOURS
from flows.mapping.reserve_held import (
    EITHER,
    Floats,
    HeldReserve,
    Key,
    awards_of_day,
    called_reserve,
    held_reserve,
    tells_of,
)
from flows.plain import records
from optimize.market.reserve import Called, Held, reserve_day
from warehouse.known import Known

_BLOCK = ["product", "direction", "interval_start_utc"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReserveEarned:
    """promised_eur, income_eur: of each car, None where that is not known. notes: what of it is not, or is
    not counted. called_kwh [n, T]: down less up. blocks: as shown, a row each. unheld: notes of what was won
    or called and is no car's.
    """

    promised_eur: Mapping[str, float | None]
    income_eur: Mapping[str, float | None]
    notes: Mapping[str, str]
    called_kwh: Floats
    blocks: Sequence[dict[str, Any]]
    unheld: Sequence[str]
    digest: str

    @classmethod
    def of(cls, known: Known, zone: str, day: date, executed: Executed, cars: Sequence[str]) -> ReserveEarned:
        """Of a day by the plans that were followed, the awards and the activations that are known."""
        slots, where = executed.slots, {"plan_id": list(executed.plan_ids)}
        start, end = slots[0], slots[-1] + QUARTER
        rows = known.read("out_plan_reserve", where=where)
        by_car = known.read("out_plan_reserve_slot", where=where, start=start, end=end)
        awards = awards_of_day(known, zone, slots)
        calls = known.read("core_activation", where={"zone": zone}, start=start, end=end)
        calls = calls.sort_values(_BLOCK).reset_index(drop=True)
        held = held_reserve(executed, rows, by_car, awards, cars)
        told = called_reserve(calls, held, slots, len(cars))
        found = reserve_day(cars, len(slots), [_holding(one) for one in held.values()], told.called)
        untold = [f"which cars held {one.name} is not known" for one in held.values() if one.untold]
        notes, income = dict[str, str](), dict[str, float | None]()
        for i, car in enumerate(cars):
            quiet = [one.name for key, one in held.items() if one.part[i].any() and not tells_of(calls, key)]
            said = [f"no price of {name} is known" for name in found.unpriced.get(car, ())]
            more = [
                f"calls of {name} are of more than was won" for name, part in told.beyond.items() if part[i]
            ]
            income[car] = None if said or untold or more else float(found.income_eur[car])
            notes[car] = "; ".join(
                [*said, *untold, *more, *(f"no activation of {name} is known" for name in quiet)]
            )
        return cls(
            promised_eur={car: _promised(held.values(), i) for i, car in enumerate(cars)},
            income_eur=income,
            notes={car: note for car, note in notes.items() if note},
            called_kwh=found.called_kwh,
            blocks=[
                {"market_date": str(day), **block}
                for _, own in rows.groupby(_BLOCK)
                if (block := _shown(own, executed, held, told.called)) is not None
            ],
            unheld=[
                *_never_held(awards, rows),
                *(f"{day}: {name} was called while no car held it: in no figure" for name in told.unheld),
            ],
            digest=hash_frame(awards) + hash_frame(calls),
        )

    def of_car(self, battery_id: str) -> dict[str, Any]:
        """Its columns of out_realised_car."""
        return {
            "promised_reserve_income_eur": self.promised_eur[battery_id],
            "reserve_income_eur": self.income_eur[battery_id],
            "reserve_note": self.notes.get(battery_id),
        }


def reserve_notes(cars: pd.DataFrame) -> list[str]:
    """What rows of out_realised_car say of reserve, and of how many cars."""
    return [
        f"reserve of {number} cars: {why}"
        for why, number in sorted(Counter(cars["reserve_note"].dropna()).items())
    ]


def _never_held(awards: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    """Notes of blocks that were won and that no plan that was followed knew of."""
    known = set(zip(*(rows[name] for name in _BLOCK), strict=True))
    return [
        f"{row['product']} {row['direction']} of {row['interval_start_utc']:%Y-%m-%d %H:%M} UTC was won, and "
        "no plan that was followed knew of it"
        for row in records(awards)
        if row["quantity_mw"] > 0.0 and tuple(row[name] for name in _BLOCK) not in known
    ]


def _holding(one: HeldReserve) -> Held:
    return Held(name=one.name, part=one.part, paid_kw=one.paid_kw, price_eur_per_kw_h=one.eur_per_kw_h)


def _promised(held: Iterable[HeldReserve], i: int) -> float | None:
    """What the plans promised a car for holding, €; None where they knew no price of some of it."""
    eur = 0.0
    for one in held:
        kw = one.part[i] * one.held_kw
        eur += float((kw * one.promised_eur_per_kw_h * SLOT_HOURS)[kw > 0.0].sum())
    return None if np.isnan(eur) else eur


def _shown(
    rows: pd.DataFrame, executed: Executed, held: Mapping[Key, HeldReserve], called: Sequence[Called]
) -> dict[str, Any] | None:
    """A block in the market day: € promised for holding it, at the prices that plans knew, paid for it, and
    for its calls, and how much was called; None of what is not known. held_kw: the least of its slots. No row
    of a block that no plan followed in the day knew of.
    """
    product, direction, begin = rows[_BLOCK].iloc[0]
    one, slots = held[str(product), str(direction)], executed.slots
    inside = np.asarray((slots >= begin) & (slots < rows["interval_end_utc"].max()))
    plans = pd.Index(executed.plan_ids).get_indexer(pd.Index(rows["plan_id"]))
    if not np.isin(executed.owner[inside], plans).any():
        return None
    return {
        **dict(zip(_BLOCK, (product, direction, begin), strict=True)),
        "won_kw": float(rows["won_kw"].max()),
        "held_kw": float(one.held_kw[inside].min()),
        "promised_eur": _euros(one.held_kw[inside] * SLOT_HOURS, one.promised_eur_per_kw_h[inside]),
        "paid_eur": _euros(one.paid_kw[inside] * SLOT_HOURS, one.eur_per_kw_h[inside]),
        **_of_calls(
            [call for call in called if call.product == product and direction in (call.way, EITHER)], inside
        ),
    }


def _of_calls(called: Sequence[Called], inside: npt.NDArray[np.bool_]) -> dict[str, float | None]:
    kwh: dict[str, float | None] = {"called_up_kwh": None, "called_down_kwh": None}
    eur: float | None = 0.0 if called else None
    for one in called:
        kwh[f"called_{one.way}_kwh"] = float(one.energy_kwh[inside].sum())
        paid = _euros(one.energy_kwh[inside], one.price_eur_per_kwh[inside])
        eur = None if eur is None or paid is None else eur + one.sign * paid
    return {**kwh, "calls_eur": eur}


def _euros(amount: Floats, price: Floats) -> float | None:
    eur = float((amount * price)[amount > 0.0].sum())
    return None if np.isnan(eur) else eur
