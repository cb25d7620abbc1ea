"""An owner's month, summed from the ledger's entries of its days, so that the owner can do it again.

Of each market day the entry added last holds: a correction stands in place of what it corrects.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from optimize.errors import BillError
from optimize.market.contract import NOTHING

PAYMENTS = ("fed_back_eur", "bonus_eur", "free_eur", "compensation_eur", "floor_eur")
_LATER = {"owner_imbalance_eur": "imbalance", "owner_reserve_eur": "reserve"}
"""The owner's parts that entries of before they were settled do not tell, and what they are parts of."""
_FIGURES = ("total_eur", "owner_share_eur", *PAYMENTS, "wear_eur", "owner_eur")
_QUANTITIES = {"import_kwh": "import_kwh", "export_kwh": "export_kwh", "plugged_hours": "hours"}
_CONTRACT = ("contract_id", "contract_version", "contract_digest")


def owner_month(
    openings: Iterable[Mapping[str, Any]], *, battery_id: str, zone: str, month: dt.date
) -> dict[str, Any]:
    """The money and energy of a car's month, as plain values; money is text with two decimals.

    openings: what entries of the log say (`optimize.market.opening`), in the log's order. month: its first
    day. `days` holds a row for each settled day, `money` their sums in €: `received_eur` is share, payments
    and the owner's parts of imbalance and reserve together, `owner_eur` that less wear. `without_imbalance`
    and `without_reserve` name the days of which it is not known. Energies (kWh) and hours are None where a
    contract of the month keeps totals alone. Raises BillError where an entry cannot be read.
    """
    newest: dict[dt.date, Mapping[str, Any]] = {}
    try:
        for one in openings:
            day = dt.date.fromisoformat(one["market_date"])
            if (one["battery_id"], one["zone"]) == (battery_id, zone) and day.replace(day=1) == month:
                newest[day] = one
        # Statements of before it was settled are summed as they were.
        told = [name for name in _LATER if any(name in one["figures"] for one in newest.values())]
        days = [_day(newest[day], told) for day in sorted(newest) if newest[day]["inputs"] is not None]
        names = (*_FIGURES, "received_eur", *told)
        contracts = {one["contract_digest"]: {name: one[name] for name in _CONTRACT} for one in days}
        said = {
            "battery_id": battery_id,
            "zone": zone,
            "month": f"{month:%Y-%m}",
            "contracts": list(contracts.values()),
            "money": {name: f"{_sum(days, name):.2f}" for name in names},
            "energy": {name: _total(days, name) for name in _QUANTITIES},
            "missed_departures": sum(one["missed"] for one in days),
            "days": days,
        }
        for what in (_LATER[name] for name in told):
            said[f"without_{what}"] = [one["market_date"] for one in days if not one[f"{what}_known"]]
        return said
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise BillError(f"an entry is not that of a settled day: {error!r}") from error


def _day(said: Mapping[str, Any], told: Iterable[str]) -> dict[str, Any]:
    figures, inputs = {**dict.fromkeys(_LATER, "0.00"), **said["figures"]}, said["inputs"]
    received = sum((Decimal(figures[name]) for name in ("owner_share_eur", *PAYMENTS, *_LATER)), NOTHING)
    return {
        "market_date": said["market_date"],
        "sequence": int(said["sequence"]),
        "realised_id": said["realised_id"],
        "counted_against": said["counted_against"],
        **{name: said[name] for name in _CONTRACT},
        **{name: figures[name] for name in _FIGURES},
        "received_eur": f"{received:.2f}",
        **{name: inputs[source] for name, source in _QUANTITIES.items()},
        "missed": int(inputs["missed"]),
        **{name: figures[name] for name in told},
        **{f"{_LATER[name]}_known": inputs.get(f"{_LATER[name]}_eur") is not None for name in told},
    }


def _sum(days: list[dict[str, Any]], name: str) -> Decimal:
    return sum((Decimal(one[name]) for one in days), NOTHING)


def _total(days: list[dict[str, Any]], name: str) -> float | None:
    if not days or any(one[name] is None for one in days):
        return None
    return round(float(_sum(days, name)), 3)
