"""A day's money between an owner and the operator, by their contract, to the cent.

Of one car and day, all against what the contract names (this car uncontrolled, or ordered):

    Π = what it cost less in energy            C_deg = what it wore more (below 0 where it was spared)
    owner's share = θ·Π, or C_deg + θ·(Π − C_deg); the operator's is the rest of Π
    payments = fed back + bonus + free charging + compensation + up to the wear floor, operator to owner
    imbalance = what departing from the schedule earned, at the imbalance price; below 0 what it cost
    reserve = the car's part of what holding reserve and being called paid
    Π_owner = share + payments + owner's parts of imbalance and reserve − C_deg
    Π_grid = rest − payments + the other parts of them      (both sum to Π + imbalance + reserve − C_deg)

Fed back is paid by the kWh, and by a share of the day-ahead price of its quarter-hour. Where imbalance or
reserve is not known it is in neither, and said to be missing. Π, imbalance, reserve and each payment are
rounded to the cent once, half away from zero; the shares are cents of Π by largest remainder, the owner's
first among equals. The bonus of a day is what the month has earned with it less what it had without, so that
days sum to the month. What the battery holds more or less when the day ends is reported in kWh and is no
money in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from optimize.errors import BillError
from optimize.market.bill import CENT, to_cent
from optimize.market.contract import NOTHING, Contract


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerDay:
    """What is known of a car's day. Money €, energies kWh metered at the plug.

    energy_cost_eur, wear_eur: as it was; other_…: of what it is counted against. hours: plugged in that day;
    hours_before: of its month before it. missed: departures with less than was promised.
    fed_back_price_eur: Σ of kWh fed back times the day-ahead price of their quarter-hour, below 0 as 0.
    imbalance_eur: earned by departing from the schedule, reserve_eur: by holding reserve and being called;
    None where it is not known.
    """

    import_kwh: Decimal
    export_kwh: Decimal
    energy_cost_eur: Decimal
    wear_eur: Decimal
    other_energy_cost_eur: Decimal
    other_wear_eur: Decimal
    hours: Decimal
    hours_before: Decimal
    missed: int
    fed_back_price_eur: Decimal = NOTHING
    imbalance_eur: Decimal | None = None
    reserve_eur: Decimal | None = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """€ to the cent; theta: the owner's part of Π, as found where the rule finds it, None if Π is 0.

    imbalance_eur, reserve_eur: None where it is not known; both parts of it are 0 then.
    """

    total_eur: Decimal
    theta: Decimal | None
    owner_share_eur: Decimal
    grid_share_eur: Decimal
    fed_back_eur: Decimal
    bonus_eur: Decimal
    free_eur: Decimal
    compensation_eur: Decimal
    floor_eur: Decimal
    wear_eur: Decimal
    imbalance_eur: Decimal | None
    owner_imbalance_eur: Decimal
    grid_imbalance_eur: Decimal
    reserve_eur: Decimal | None
    owner_reserve_eur: Decimal
    grid_reserve_eur: Decimal

    @property
    def paid_eur(self) -> Decimal:
        """What the operator pays next to the share."""
        payments = self.fed_back_eur + self.bonus_eur + self.free_eur
        return payments + self.compensation_eur + self.floor_eur

    @property
    def owner_eur(self) -> Decimal:
        """Π_owner."""
        got = self.owner_share_eur + self.paid_eur + self.owner_imbalance_eur + self.owner_reserve_eur
        return got - self.wear_eur

    @property
    def grid_eur(self) -> Decimal:
        """Π_grid."""
        return self.grid_share_eur - self.paid_eur + self.grid_imbalance_eur + self.grid_reserve_eur


def settle(contract: Contract, day: OwnerDay) -> Settlement:
    """The day by the contract; raises BillError for energies, hours or what was fed back for below 0."""
    for name in ("import_kwh", "export_kwh", "hours", "hours_before", "fed_back_price_eur"):
        if getattr(day, name) < 0:
            raise BillError(f"{name} is {getattr(day, name)}, below 0")
    total = to_cent(day.other_energy_cost_eur - day.energy_cost_eur)
    wear = to_cent(day.wear_eur - day.other_wear_eur)
    theta: Decimal | None = contract.theta
    owner = contract.theta * total
    if contract.rule == "after_wear":
        owner = wear + contract.theta * (total - wear)
        theta = owner / total if total else None
    owner_share, grid_share = in_cents(total, (owner, total - owner))
    bonus, free = contract.bonus, contract.free
    fed_back = to_cent(
        contract.eur_per_kwh_fed_back * day.export_kwh
        + contract.share_of_price_fed_back * day.fed_back_price_eur
    )
    earned = NOTHING
    if bonus is not None:
        earned = to_cent(bonus.earned(day.hours_before + day.hours)) - to_cent(bonus.earned(day.hours_before))
    paid_back = NOTHING
    if free is not None and day.hours >= free.min_hours:
        paid_back = to_cent(min(day.import_kwh, free.kwh_per_day) * free.eur_per_kwh)
    compensation = to_cent(contract.compensation_eur * day.missed)
    departed, *parted = _parted(day.imbalance_eur, contract.imbalance_share)
    reserve, *shared = _parted(day.reserve_eur, contract.reserve_share)
    got = owner_share + fed_back + earned + paid_back + compensation + parted[0] + shared[0]
    return Settlement(
        total_eur=total,
        theta=theta,
        owner_share_eur=owner_share,
        grid_share_eur=grid_share,
        fed_back_eur=fed_back,
        bonus_eur=earned,
        free_eur=paid_back,
        compensation_eur=compensation,
        floor_eur=max(NOTHING, wear - got) if contract.wear_floor else NOTHING,
        wear_eur=wear,
        imbalance_eur=departed,
        owner_imbalance_eur=parted[0],
        grid_imbalance_eur=parted[1],
        reserve_eur=reserve,
        owner_reserve_eur=shared[0],
        grid_reserve_eur=shared[1],
    )


def _parted(eur: Decimal | None, share: Decimal | None) -> tuple[Decimal | None, Decimal, Decimal]:
    """Money in cents, the owner's share of it and the rest, which is all where no share is agreed on."""
    if eur is None:
        return None, NOTHING, NOTHING
    whole = to_cent(eur)
    owner = (share or NOTHING) * whole
    mine, rest = in_cents(whole, (owner, whole - owner))
    return whole, mine, rest


def in_cents(total: Decimal, shares: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """Shares in whole cents that sum to the total (in cents): by largest remainder, earlier ones first.

    Raises BillError where the shares do not sum to it.
    """
    if abs(sum(shares, NOTHING) - total) > Decimal("1e-12") or total != total.quantize(CENT):
        raise BillError(f"{len(shares)} shares of {sum(shares, NOTHING)} €, and {total} € to be shared")
    floors = [share.quantize(CENT, ROUND_FLOOR) for share in shares]
    left = int((total - sum(floors, NOTHING)) / CENT)
    by_remainder = sorted(range(len(shares)), key=lambda i: (floors[i] - shares[i], i))
    for i in by_remainder[:left]:
        floors[i] += CENT
    return tuple(share + NOTHING for share in floors)
