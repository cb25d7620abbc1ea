"""What an owner and an operator have agreed on, read from TOML: it bounds the plan and it settles the day.

    format = 1
    id = "plugged-hours"
    version = 1                       # counted up at each change: digest and version stand on every row
    currency = "EUR"
    from = 2026-01-01                 # market day; `until` (last day) if it is known
    batteries = ["CAR1", "CAR2"]      # or "all": every car that no other contract names

    [limits]                          # of the plan; each may be absent
    min_soc = 0.3                     # never less in store while plugged in
    v2g_kwh_per_day = 15.0            # discharged, battery side
    v2g_kwh_per_month = 200.0

    [guarantee]
    compensation_eur = 10.0           # for each departure with less than promised by half a percent or more

    [pay]
    eur_per_kwh_fed_back = 0.05       # metered at the plug
    share_of_price_fed_back = 0.4     # and of the day-ahead price of its quarter-hour; below 0 it counts as 0

    [bonus]                           # for being plugged in; of a month, which a new version of the same id
                                      # goes on with and another contract begins anew
    eur_per_hour = 0.24
    cap_eur_per_month = 60.0
    eur_per_month = 30.0              # once `min_hours_per_month` are reached
    min_hours_per_month = 300.0       # below it the bonus by the hour is not paid either

    [free]                            # charging that is paid back, on days plugged in long enough
    kwh_per_day = 30.0
    eur_per_kwh = 0.28
    min_hours_per_day = 8.0

    [share]
    rule = "fixed"                    # owner's part: θ·Π; "after_wear": C_deg + θ·(Π − C_deg), which finds θ
    theta = 0.5
    against = "uncontrolled"          # what Π and C_deg are counted against; or "ordered"
    wear_floor = true                 # what the owner gets in all is never below C_deg; false if absent
    wear = "twin"                     # C_deg by the battery's twin for the day as driven; "price" if absent

    [imbalance]                       # what departing from the schedule costs or earns
    owner_share = 0.0                 # the owner's; the rest, and all of it if absent, is the operator's

    [reserve]                         # what holding reserve and being called pays, of this car's part
    owner_share = 0.5                 # the owner's; the rest, and all of it if absent, is the operator's

    [privacy]
    mode = "full"                     # "totals": energies and hours are not kept with the settlement

Days and months are those of the bidding zone.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, cast

from optimize.market.table import Table

FORMAT = 1
NOTHING = Decimal(0)
_MOST_HOURS = "745"  # of a month: October's, in which clocks go back
Against = Literal["uncontrolled", "ordered"]
_KEYS = (
    "format", "id", "version", "currency", "from", "until", "batteries", "limits", "guarantee",
    "pay", "bonus", "free", "share", "imbalance", "reserve", "privacy",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Bonus:
    """For hours plugged in of a month; cap_eur: of what is paid by the hour, None for none."""

    eur_per_hour: Decimal
    cap_eur: Decimal | None
    eur_per_month: Decimal
    min_hours: Decimal

    def earned(self, hours: Decimal) -> Decimal:
        """What so many hours of a month have earned, €."""
        if hours < self.min_hours or not hours:
            return NOTHING
        by_hour = hours * self.eur_per_hour
        return self.eur_per_month + (by_hour if self.cap_eur is None else min(self.cap_eur, by_hour))


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """Charging that is paid back on a day with enough hours plugged in."""

    kwh_per_day: Decimal
    eur_per_kwh: Decimal
    min_hours: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A contract in one version; batteries None: all that no other names. digest: SHA-256 of its text.

    imbalance_share, reserve_share: the owner's; None where the contract does not speak of it.
    """

    file: str
    text: str
    digest: str
    contract_id: str
    version: int
    first_day: dt.date
    last_day: dt.date | None
    batteries: frozenset[str] | None
    min_soc: Decimal
    v2g_kwh_per_day: Decimal | None
    v2g_kwh_per_month: Decimal | None
    compensation_eur: Decimal
    eur_per_kwh_fed_back: Decimal
    share_of_price_fed_back: Decimal
    bonus: Bonus | None
    free: Free | None
    rule: Literal["fixed", "after_wear"]
    theta: Decimal
    against: Against
    wear_floor: bool
    wear: Literal["price", "twin"]
    imbalance_share: Decimal | None
    reserve_share: Decimal | None
    privacy: Literal["full", "totals"]

    def holds_on(self, day: dt.date) -> bool:
        """Whether it is in force on a market day."""
        return day >= self.first_day and (self.last_day is None or day <= self.last_day)


def read_contract(text: str, file: str) -> Contract:
    """The contract of a TOML text; raises TermsError with file, key and value of what cannot be meant."""
    root = Table.of_text(text, file)
    root.asked.update(_KEYS)
    root.refuse_rest()
    if root.number("format") != FORMAT:
        raise root.error("format", f"must be {FORMAT}")
    if root.text("currency") != "EUR":
        raise root.error("currency", "must be EUR: state every amount in euros")
    version = root.number("version", least="1", most="1000000")
    if version != int(version):
        raise root.error("version", "must be a whole number")
    first, last = root.in_force()
    limits, share = _Part(root, "limits"), _Part(root, "share", needed=True)
    pay = _Part(root, "pay")
    contract = Contract(
        file=file,
        text=text,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        contract_id=root.text("id"),
        version=int(version),
        first_day=first,
        last_day=last,
        batteries=_batteries(root),
        min_soc=limits.table.share("min_soc", "0"),
        v2g_kwh_per_day=limits.amount_or_none("v2g_kwh_per_day"),
        v2g_kwh_per_month=limits.amount_or_none("v2g_kwh_per_month"),
        compensation_eur=_alone(root, "guarantee", "compensation_eur"),
        eur_per_kwh_fed_back=pay.table.price("eur_per_kwh_fed_back", "0", least="0"),
        share_of_price_fed_back=pay.table.share("share_of_price_fed_back", "0"),
        bonus=_bonus(root),
        free=_free(root),
        rule=cast("Literal['fixed', 'after_wear']", share.table.one_of("rule", ("fixed", "after_wear"))),
        theta=share.table.share("theta"),
        against=cast("Against", share.table.one_of("against", ("uncontrolled", "ordered"), "uncontrolled")),
        wear_floor=share.table.flag("wear_floor", default=False),
        wear=cast("Literal['price', 'twin']", share.table.one_of("wear", ("price", "twin"), "price")),
        imbalance_share=_owner_share(root, "imbalance"),
        reserve_share=_owner_share(root, "reserve"),
        privacy=_privacy(root),
    )
    limits.table.refuse_rest()
    pay.table.refuse_rest()
    share.table.refuse_rest()
    return contract


def contracts_by_battery(
    contracts: Iterable[Contract], batteries: Iterable[str]
) -> tuple[dict[str, Contract], dict[str, str]]:
    """Each car's contract (none where no contract holds it), and why a car with two of them has none."""
    named: dict[str, list[Contract]] = {}
    general: list[Contract] = []
    for contract in contracts:
        if contract.batteries is None:
            general.append(contract)
        for battery in contract.batteries or ():
            named.setdefault(battery, []).append(contract)
    found: dict[str, Contract] = {}
    twice: dict[str, str] = {}
    for battery in batteries:
        own = named.get(battery, general)
        if len(own) == 1:
            found[battery] = own[0]
        elif own:
            files = ", ".join(one.file for one in own)
            twice[battery] = f"{len(own)} contracts hold it ({files}): leave it in one of them"
    return found, twice


class _Part:
    """A table that may be absent: then it is empty."""

    def __init__(self, root: Table, name: str, *, needed: bool = False) -> None:
        table = root.table(name)
        if table is None and needed:
            raise root.error(name, "is needed")
        empty: Mapping[str, object] = {}
        self.table = table or Table(file=root.file, path=name, content=empty)

    def amount(self, key: str, default: str | None = "0") -> Decimal:
        return self.table.number(key, default, least="0", most="1000000")

    def amount_or_none(self, key: str) -> Decimal | None:
        return self.amount(key, None) if key in self.table else None


def _alone(root: Table, name: str, key: str) -> Decimal:
    part = _Part(root, name)
    value = part.amount(key)
    part.table.refuse_rest()
    return value


def _bonus(root: Table) -> Bonus | None:
    if "bonus" not in root:
        return None
    part = _Part(root, "bonus")
    bonus = Bonus(
        eur_per_hour=part.table.price("eur_per_hour", "0", least="0"),
        cap_eur=part.amount_or_none("cap_eur_per_month"),
        eur_per_month=part.amount("eur_per_month"),
        min_hours=part.table.number("min_hours_per_month", "0", least="0", most=_MOST_HOURS),
    )
    part.table.refuse_rest()
    if not bonus.eur_per_hour and not bonus.eur_per_month:
        raise root.error("bonus", "must hold eur_per_hour or eur_per_month")
    return bonus


def _free(root: Table) -> Free | None:
    if "free" not in root:
        return None
    part = _Part(root, "free")
    free = Free(
        kwh_per_day=part.amount("kwh_per_day", None),
        eur_per_kwh=part.table.price("eur_per_kwh", least="0"),
        min_hours=part.table.number("min_hours_per_day", "0", least="0", most="24"),
    )
    part.table.refuse_rest()
    return free


def _owner_share(root: Table, name: str) -> Decimal | None:
    if name not in root:
        return None
    part = _Part(root, name)
    owner = part.table.share("owner_share")
    part.table.refuse_rest()
    return owner


def _privacy(root: Table) -> Literal["full", "totals"]:
    part = _Part(root, "privacy")
    mode = part.table.one_of("mode", ("full", "totals"), "full")
    part.table.refuse_rest()
    return "totals" if mode == "totals" else "full"


def _batteries(root: Table) -> frozenset[str] | None:
    value = root.content.get("batteries")
    if value == "all":
        return None
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
        raise root.error("batteries", 'must be "all" or a list of battery ids')
    if len(set(value)) < len(value):
        raise root.error("batteries", "names one twice")
    return frozenset(value)
