"""The rules that a linear programme cannot keep, the binaries that do, and what these are in a solution.

Pairs: not charge and discharge at once; no discharge that ends below SOC_min nor charge that ends above
SOC_max where an arrival outside the bounds has widened them; minimum power when on. Common meters: not import
and export at once. Bids: 0 or at least their minimum. A binary is added only where a rule is broken.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from optimize.arrays import BoolArray, FloatArray
from optimize.highs import HighsProgram
from optimize.model.assembly import Assembly, IntArray, Terms
from optimize.model.day import DayModel
from optimize.model.switch import bid_switch_pattern, direction_pattern, meter_switch_pattern

TOLERANCE = 1e-7
# A power that keeps its minimum to rounding is on.
ROUNDING = 1e-6


@dataclass(slots=True)
class Powers:
    """c, d and e of every pair [K] in one solution, cleared of the solver's rounding, and all its columns."""

    charge: FloatArray
    discharge: FloatArray
    energy: FloatArray
    values: FloatArray


def read_powers(day: DayModel, values: FloatArray) -> Powers:
    """Take the pairs' powers out of the columns."""
    return Powers(
        charge=_tidy(values[day.charge], day.pairs.data["charge_limit"]),
        discharge=_tidy(np.append(values, 0.0)[day.discharge], day.pairs.data["discharge_limit"]),
        energy=values[day.energy],
        values=values,
    )


def _tidy(power_kw: FloatArray, limit_kw: FloatArray) -> FloatArray:
    clipped: FloatArray = np.clip(power_kw, 0.0, limit_kw)
    clipped[clipped < 1e-9] = 0.0
    return clipped


def idle_powers(day: DayModel) -> Powers:
    """Nothing moves: a plan that keeps every rule."""
    none = np.zeros(len(day.pairs))
    values = np.zeros(day.programme.cost.size)
    held: list[float] = []
    for window in day.windows:
        held.append(window.came_kwh(day.windows, held))
    return Powers(
        charge=none, discharge=none, energy=np.array(held)[day.pairs.window].reshape(-1), values=values
    )


@dataclass(frozen=True, slots=True, eq=False)
class Broken:
    """Where rules are broken: pairs, meters (site, slot) flattened, bids."""

    pairs: BoolArray
    meters: BoolArray
    bids: BoolArray

    def any(self) -> bool:
        """Whether anything is."""
        return bool(self.pairs.any() or self.meters.any() or self.bids.any())


@dataclass(slots=True)
class Switches:
    """The binaries in force: for each pair, meter [S·T] and bid its columns, −1 for none."""

    day: DayModel
    discharging: IntArray = field(init=False)
    charging: IntArray = field(init=False)
    exporting: IntArray = field(init=False)
    offered: IntArray = field(init=False)

    def __post_init__(self) -> None:
        self.discharging = np.full(len(self.day.pairs), -1)
        self.charging = np.full(len(self.day.pairs), -1)
        self.exporting = np.full(self.day.sites.drawn.size, -1)
        self.offered = np.full(self.day.sites.bid.size, -1)

    @property
    def columns(self) -> IntArray:
        """All binaries."""
        parts = (self.discharging, self.charging, self.exporting, self.offered)
        return np.concatenate([part[part >= 0] for part in parts])

    def broken(self, powers: Powers) -> Broken:
        """Where a solution breaks a rule."""
        day = self.day
        charges, discharges = powers.charge > TOLERANCE, powers.discharge > TOLERANCE
        low, high = self._outside(powers)
        pairs = (charges & discharges) | (discharges & low) | (charges & high)
        least_in, least_out = day.pairs.data["min_charge"], day.pairs.data["min_discharge"]
        pairs |= charges & (powers.charge < least_in - ROUNDING)
        pairs |= discharges & (powers.discharge < least_out - ROUNDING)
        drawn, fed = (self._values(powers, columns.ravel()) for columns in (day.sites.drawn, day.sites.fed))
        bid = self._values(powers, day.sites.bid)
        least = np.array([block.min_kw for block in day.problem.reserves])
        return Broken(
            pairs,
            (drawn > TOLERANCE) & (fed > TOLERANCE) & self._pays_at_meter(),
            (bid > TOLERANCE) & (bid < least - ROUNDING),
        )

    def add(self, program: HighsProgram, broken: Broken) -> None:
        """Add the binaries that broken rules need; those that have one keep it."""
        more = Assembly(program.columns, program.rows)
        self._add_pairs(more, np.flatnonzero(broken.pairs & (self.discharging < 0)))
        meters = np.flatnonzero(broken.meters & (self.exporting < 0))
        sites, pattern = self.day.sites, meter_switch_pattern()
        data = {
            "import_most": sites.drawn_most.ravel()[meters],
            "export_most": sites.fed_most.ravel()[meters],
        }
        where = {"drawn": Terms.of(sites.drawn.ravel()[meters]), "fed": Terms.of(sites.fed.ravel()[meters])}
        self.exporting[meters] = own = more.add_columns(pattern, data, meters.size)["exporting"]
        more.add_rows(pattern, data, meters.size, where | {"exporting": Terms.of(own)})
        bids = np.flatnonzero(broken.bids & (self.offered < 0))
        pattern = bid_switch_pattern()
        least = np.array([block.min_kw for block in self.day.problem.reserves])
        data = {"least": least[bids], "most": sites.bid_most[bids]}
        self.offered[bids] = own = more.add_columns(pattern, data, bids.size)["offered"]
        where = {"bid": Terms.of(sites.bid[bids]), "offered": Terms.of(own)}
        more.add_rows(pattern, data, bids.size, where)
        program.extend(more.finished())

    def _add_pairs(self, more: Assembly, pairs: IntArray) -> None:
        day, terms = self.day, self.day.pairs.data
        kinds = np.column_stack(
            [
                terms["floor"] < terms["lowest"],
                terms["ceiling"] > terms["highest"],
                (terms["min_charge"] > 0.0) | (terms["min_discharge"] > 0.0),
                day.discharge >= 0,
            ]
        )[pairs]
        for kind in np.unique(kinds, axis=0):
            below, above, minimum, discharges = kind.tolist()
            chosen = pairs[(kinds == kind).all(axis=1)]
            pattern = direction_pattern(below=below, above=above, minimum=minimum, discharges=discharges)
            data: dict[str, FloatArray | float] = {name: values[chosen] for name, values in terms.items()}
            data["hours"] = day.problem.slot_hours
            own = more.add_columns(pattern, data, chosen.size)
            self.discharging[chosen] = own["discharging"]
            where = {name: Terms.of(columns) for name, columns in own.items()}
            if minimum:
                self.charging[chosen] = own["charging"]
            for name in ("charge", "discharge", "energy"):
                where[name] = Terms.of(getattr(day, name)[chosen])
            where["energy_before"] = day.pairs.energy_before(day.energy, day.missing, chosen)
            more.add_rows(pattern, data, chosen.size, where)

    def values(self, powers: Powers) -> FloatArray:
        """What every binary is in a solution, rounded to the nearer side where it breaks the rule."""
        day = self.day
        low, high = self._outside(powers)
        least_in, least_out = day.pairs.data["min_charge"], day.pairs.data["min_discharge"]
        out = (powers.discharge > powers.charge) & (powers.discharge >= 0.5 * least_out) & ~low
        into = ~out & (powers.charge > TOLERANCE) & (powers.charge >= 0.5 * least_in) & ~high
        # One binary that is not "discharging" allows charging: set it where that must not be.
        out = np.where(self.charging < 0, out | high, out)
        drawn, fed = (self._values(powers, columns.ravel()) for columns in (day.sites.drawn, day.sites.fed))
        exporting = fed > drawn if powers.values.any() else day.tree.base_kw.ravel() < 0.0
        bid = self._values(powers, day.sites.bid)
        least = np.array([block.min_kw for block in day.problem.reserves])
        offered = (bid > TOLERANCE) & (bid >= 0.5 * least)
        parts = (
            (self.discharging, out),
            (self.charging, into),
            (self.exporting, exporting),
            (self.offered, offered),
        )
        return np.concatenate([value[columns >= 0].astype(np.float64) for columns, value in parts])

    def widened(self, broken: Broken, powers: Powers) -> Broken:
        """Broken rules with those that a repair would only move elsewhere; taking them together saves rounds.

        Energy burnt in one slot moves to the next of the session where burning pays as well; a power below
        the minimum to any slot of the session.
        """
        pairs, terms, problem = self.day.pairs, self.day.pairs.data, self.day.problem
        pays = terms["plug_value"] * terms["efficiency_discharge"]
        pays = pays - terms["plug_cost"] / terms["efficiency_charge"]
        sessions = len(self.day.windows)
        at_once = broken.pairs & (powers.charge > TOLERANCE) & (powers.discharge > TOLERANCE)
        least = np.full(sessions, np.inf)
        np.minimum.at(least, pairs.window[at_once], pays[at_once])
        weak = np.zeros(sessions, dtype=np.bool_)
        minimum = (terms["min_charge"] > 0.0) | (terms["min_discharge"] > 0.0)
        weak[pairs.window[broken.pairs & minimum]] = True
        alike = broken.pairs | ((pays >= least[pairs.window]) & (self.day.discharge >= 0))
        least_bid = np.array([block.min_kw > 0.0 for block in problem.reserves], dtype=np.bool_)
        bids = least_bid if broken.bids.any() else broken.bids
        return Broken(alike | weak[pairs.window], broken.meters, bids)

    def fresh(self, broken: Broken) -> bool:
        """Whether a broken rule has no binary yet."""
        return bool(
            (broken.pairs & (self.discharging < 0)).any()
            or (broken.meters & (self.exporting < 0)).any()
            or (broken.bids & (self.offered < 0)).any()
        )

    def _outside(self, powers: Powers) -> tuple[BoolArray, BoolArray]:
        """Pairs that end below SOC_min and above SOC_max."""
        pairs = self.day.pairs
        return powers.energy < pairs.lowest_kwh - TOLERANCE, powers.energy > pairs.highest_kwh + TOLERANCE

    def _pays_at_meter(self) -> BoolArray:
        """Where selling pays more than buying costs; elsewhere both at once at a meter is only a tie."""
        problem = self.day.problem
        pays = problem.export_price_eur_per_kwh > problem.import_price_eur_per_kwh
        flat: BoolArray = np.broadcast_to(pays, self.day.sites.drawn.shape).ravel()
        return flat

    def _values(self, powers: Powers, columns: IntArray) -> FloatArray:
        values: FloatArray = np.append(powers.values, 0.0)[columns]
        return values
