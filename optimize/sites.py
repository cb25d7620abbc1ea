"""Where cars meet the grid: sites in a tree, and blocks of reserve capacity sold from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from optimize.arrays import FloatArray, checked_array
from optimize.errors import ProblemError
from optimize.validation import (
    require_finite,
    require_fraction,
    require_limit,
    require_not_negative,
    require_one_of,
    require_unique,
)

Direction = Literal["symmetric", "up", "down"]
DIRECTIONS: tuple[Direction, ...] = ("symmetric", "up", "down")
METERINGS = ("car", "site")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Site:
    """A node of the grid (charger group, connection, feeder); limits in metered kW, ≥ 0; inf is no limit.

    parent_id: the node it hangs on. Everything counts the whole subtree: its cars and base_load_kw [T], the
    uncontrolled load less generation there, + = import. Where base load alone breaks a limit, cars may not
    worsen it: they keep max(limit − base, 0). peak_price_eur_per_kw is paid on the part of the day's largest
    import, base load included, above peak_so_far_kw. metering: "car", every plug is a meter of its own; or
    "site", cars and base load of the subtree net behind one meter and cars bear what they change of its bill.
    """

    site_id: str
    import_limit_kw: float
    export_limit_kw: float
    parent_id: str | None = None
    base_load_kw: FloatArray | None = None
    peak_price_eur_per_kw: float = 0.0
    peak_so_far_kw: float = 0.0
    metering: Literal["car", "site"] = "car"

    def __post_init__(self) -> None:
        subject = f"site {self.site_id!r}"
        require_limit(subject, "import_limit_kw", self.import_limit_kw)
        require_limit(subject, "export_limit_kw", self.export_limit_kw)
        require_not_negative(subject, "peak_price_eur_per_kw", self.peak_price_eur_per_kw)
        require_not_negative(subject, "peak_so_far_kw", self.peak_so_far_kw)
        require_one_of(subject, "metering", self.metering, METERINGS)
        if self.base_load_kw is not None:
            load = checked_array(subject, "base_load_kw", self.base_load_kw, (len(self.base_load_kw),))
            object.__setattr__(self, "base_load_kw", load)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveBlock:
    """A block of a reserve product: one bid, in metered kW, held in each of its slots by the cars plugged in.

    Cars anywhere below site_id share a bid b: Σ u ≥ b ("up"), Σ r ≥ b ("down"), both ("symmetric"), in every
    slot first_slot … end_slot − 1. Per car and slot, with p = c/η_ch − η_dis·d and summed over the products
    that it serves at once:
        Σ u ≤ η_dis·D_max + p                Σ u·sustain_hours/η_dis ≤ e − e_min
        Σ r ≤ C_max/η_ch − p                 Σ r·sustain_hours·η_ch ≤ e_max − e
    with e at the slot's start and end. A session that arrives below its floor offers no u, one that arrives
    above its ceiling no r. Income: price·b·length. activation_share of what is held upwards is expected to be
    called and wears: duty + Δt·activation_share·u/(η_dis·capacity); its energy is not planned, nor do site
    limits or tapers leave room for it. Bids are ≤ max_kw and 0 or ≥ min_kw. Reserve is offered in mode "v2g"
    alone. Raises ProblemError for what cannot be meant.
    """

    product_id: str
    direction: Direction
    site_id: str
    first_slot: int
    end_slot: int
    price_eur_per_kw_h: float
    sustain_hours: float
    activation_share: float = 0.0
    max_kw: float = math.inf
    min_kw: float = 0.0

    def __post_init__(self) -> None:
        subject = f"reserve {self.name}"
        require_one_of(subject, "direction", self.direction, DIRECTIONS)
        if not 0 <= self.first_slot < self.end_slot:
            rule = f"must lie in 0 … end_slot − 1 (end_slot {self.end_slot})"
            raise ProblemError(subject, "first_slot", self.first_slot, rule)
        require_finite(subject, "price_eur_per_kw_h", self.price_eur_per_kw_h)
        require_not_negative(subject, "sustain_hours", self.sustain_hours)
        require_fraction(subject, "activation_share", self.activation_share)
        require_limit(subject, "max_kw", self.max_kw)
        require_not_negative(subject, "min_kw", self.min_kw)
        if self.min_kw > self.max_kw:
            raise ProblemError(subject, "min_kw", self.min_kw, f"must be <= max_kw ({self.max_kw})")

    @property
    def name(self) -> str:
        """Product, place and first slot: what tells blocks apart."""
        return f"{self.product_id}@{self.site_id}[{self.first_slot}]"

    @property
    def slots(self) -> range:
        """The slots in which a bid is held."""
        return range(self.first_slot, self.end_slot)

    @property
    def up(self) -> bool:
        """Whether it asks for less import (more export)."""
        return self.direction != "down"

    @property
    def down(self) -> bool:
        """Whether it asks for more import (less export)."""
        return self.direction != "up"


def check_sites(sites: Sequence[Site], slots: int) -> None:
    """Refuse a site twice, an unknown parent, a ring, base loads of wrong length, a meter behind a meter."""
    require_unique("day", "site_id", [site.site_id for site in sites])
    by_id = {site.site_id: site for site in sites}
    for site in sites:
        subject = f"site {site.site_id!r}"
        if site.base_load_kw is not None and len(site.base_load_kw) != slots:
            shape = (len(site.base_load_kw),)
            raise ProblemError(subject, "shape of base_load_kw", shape, f"must be ({slots},)")
        above, seen = site, {site.site_id}
        while above.parent_id is not None:
            if above.parent_id not in by_id:
                rule = f"must be one of {sorted(by_id)}"
                raise ProblemError(f"site {above.site_id!r}", "parent_id", repr(above.parent_id), rule)
            above = by_id[above.parent_id]
            if above.site_id in seen:
                raise ProblemError(
                    subject, "parent_id", repr(site.parent_id), "must not lead round in a ring"
                )
            seen.add(above.site_id)
            if site.metering == above.metering == "site":
                rule = f"must not lie behind the meter of site {above.site_id!r}"
                raise ProblemError(subject, "metering", repr(site.metering), rule)


def check_reserves(reserves: Sequence[ReserveBlock], sites: Sequence[Site], slots: int) -> None:
    """Refuse a block twice, at an unknown site or beyond the day."""
    require_unique("day", "reserve block", [block.name for block in reserves])
    known = {site.site_id for site in sites}
    for block in reserves:
        subject = f"reserve {block.name}"
        if block.site_id not in known:
            raise ProblemError(subject, "site_id", repr(block.site_id), f"must be one of {sorted(known)}")
        if block.end_slot > slots:
            raise ProblemError(subject, "end_slot", block.end_slot, f"must be <= {slots}, the day's slots")
