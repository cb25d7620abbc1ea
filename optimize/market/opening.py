"""What a settled day says in full, as one line of JSON: its figures and all that they follow from.

Both sides can count it again: the contract (its text, which the digest names) and `inputs` give every figure.
Money and quantities are decimals in quotes; what a contract in mode "totals" does not keep is null, and what
rests on it (fed back, bonus, free charging) is then reported and not counted again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import Any

from optimize.errors import BillError
from optimize.market.contract import NOTHING, Contract
from optimize.market.settlement import OwnerDay, Settlement, settle

PRIVATE = ("import_kwh", "export_kwh", "hours", "hours_before", "fed_back_price_eur")
FIGURES = (
    "total_eur", "owner_share_eur", "grid_share_eur", "fed_back_eur", "bonus_eur", "free_eur",
    "compensation_eur", "floor_eur", "wear_eur", "owner_eur", "grid_eur",
    "owner_imbalance_eur", "grid_imbalance_eur", "owner_reserve_eur", "grid_reserve_eur",
)  # fmt: skip
_LATER: Mapping[str, str | None] = {"fed_back_price_eur": "0", "imbalance_eur": None, "reserve_eur": None}
_LATER_FIGURES = FIGURES[-4:]
"""What openings of before it was settled do not tell: they were settled without it."""
_MAY_LACK = frozenset({"imbalance_eur", "reserve_eur"})
"""Inputs that may be null: what rests on them was not settled."""
_INPUTS = tuple(one.name for one in fields(OwnerDay))
_NEED_PRIVATE = ("fed_back_eur", "bonus_eur", "free_eur")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A car's day, the contract that it is settled by, and what that gives."""

    contract: Contract
    day: OwnerDay
    settled: Settlement


def opening(head: Mapping[str, Any], counted: Counted | None) -> str:
    """The line of a settled day. head: ids, corrections; counted: None where it is taken back."""
    inputs: dict[str, str | None] | None = None
    if counted is not None:
        told = {name: getattr(counted.day, name) for name in _INPUTS}
        inputs = {name: None if value is None else str(value) for name, value in told.items()}
        if counted.contract.privacy == "totals":
            inputs |= dict.fromkeys(PRIVATE)
    said = {**head, "figures": figures(None if counted is None else counted.settled), "inputs": inputs}
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def figures(settled: Settlement | None) -> dict[str, str]:
    """Every figure of a settlement to the cent; 0.00 each where it is taken back."""
    found = {name: NOTHING if settled is None else getattr(settled, name) for name in FIGURES}
    return {name: f"{value:.2f}" for name, value in found.items()}


def disagreements(said: Mapping[str, Any], contract: Contract) -> list[str]:
    """What of an opening does not follow from its contract and inputs; raises BillError where it is none."""
    stated, inputs = said.get("figures"), said.get("inputs")
    if isinstance(stated, Mapping):
        stated = {**dict.fromkeys(_LATER_FIGURES, "0.00"), **stated}
    if not isinstance(stated, Mapping) or set(stated) != set(FIGURES):
        raise BillError("it does not tell its figures")
    if inputs is None:
        return _differing(stated, figures(None))
    quiet = contract.privacy == "totals"
    if isinstance(inputs, Mapping):
        inputs = {**_LATER, **(dict.fromkeys(_LATER) if quiet else {}), **inputs}
    if not isinstance(inputs, Mapping) or set(inputs) != set(_INPUTS):
        raise BillError("it does not tell what it was counted from")
    needed = {name: value for name, value in inputs.items() if name not in _MAY_LACK}
    if any((value is None) != (quiet and name in PRIVATE) for name, value in needed.items()):
        raise BillError(f"what it was counted from does not fit the privacy of {contract.file}")
    try:
        values = {name: Decimal("0" if value is None else str(value)) for name, value in inputs.items()}
        unknown = dict.fromkeys(name for name in _MAY_LACK if inputs[name] is None)
        paid = {name: Decimal(str(stated[name])) for name in FIGURES}
    except InvalidOperation as error:
        raise BillError("a figure is no number") from error
    if not all(value.is_finite() for value in (*values.values(), *paid.values())):
        raise BillError("a figure is no number")
    again = settle(contract, OwnerDay(**{**values, **unknown, "missed": int(values["missed"])}))  # type: ignore[arg-type]
    return _differing(stated, figures(again)) if not quiet else _of_totals(contract, again, paid)


def _of_totals(contract: Contract, again: Settlement, paid: Mapping[str, Decimal]) -> list[str]:
    """What can be counted again without energies and hours: the share, compensation, floor and the sums."""
    payments = again.compensation_eur + sum((paid[name] for name in _NEED_PRIVATE), NOTHING)
    owners = again.owner_imbalance_eur + again.owner_reserve_eur
    got = again.owner_share_eur + payments + owners
    floor = max(NOTHING, again.wear_eur - got) if contract.wear_floor else NOTHING
    counted = {name: getattr(again, name) for name in FIGURES} | {name: paid[name] for name in _NEED_PRIVATE}
    payments += floor
    counted |= {
        "floor_eur": floor,
        "owner_eur": again.owner_share_eur + payments + owners - again.wear_eur,
        "grid_eur": again.grid_share_eur - payments + again.grid_imbalance_eur + again.grid_reserve_eur,
    }
    return [f"{name} is {paid[name]}, not {counted[name]}" for name in FIGURES if paid[name] != counted[name]]


def _differing(stated: Mapping[str, Any], again: Mapping[str, str]) -> list[str]:
    return [
        f"{name} is {stated[name]}, not {value}" for name, value in again.items() if stated[name] != value
    ]
