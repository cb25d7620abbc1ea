"""Cars' subproblems, exact: what the engine leaves out is a programme with binaries for a car or a few.

`at_prices`: one car alone, paying the coupling's prices for what it draws and paid for what it holds. Its
minimum takes the place of its relaxed one in the Lagrangian bound.
`given_others`: some cars with all the rest as it is planned, under the limits, peaks, meters and bids of the
day. A solution is a plan of the whole fleet, its duals are prices to try.
Both are days of the one formulation (`optimize.model`) for the cars alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optimize.fleet.certificate import Feasible
from optimize.fleet.layout import FloatArray, IntArray
from optimize.fleet.solve import FleetSolution
from optimize.fleet.warm import CouplingPrices
from optimize.model.day import DayModel, build_day
from optimize.most_duty import duty_at_worth_efc
from optimize.solve import Search
from optimize.switches import Powers
from optimize.types import DayProblem, Mode, ReserveBlock, Site
from optimize.windows import SessionWindow


class Subproblems:
    """Subproblems of the cars of one day, by the kernel's numbers of cars."""

    def __init__(
        self, problem: DayProblem, windows: Sequence[SessionWindow], mode: Mode, found: FleetSolution
    ) -> None:
        self.problem, self.windows, self.mode = problem, windows, mode
        self.repairer, self.coupling = found.repairer, found.coupling
        self.arrays = found.repairer.arrays
        compiled = found.repairer.compiled
        self.fleet = compiled.fleet
        self.order, self.session_order = compiled.order, compiled.session_order
        self.channel = np.stack([compiled.up_channel, self.fleet.up + compiled.down_channel])
        self.paths = [self.arrays.path(j) for j in range(self.arrays.sites)]

    def at_prices(self, i: int, y: FloatArray) -> DayModel:
        """Car i alone at coupling prices y."""
        prices = CouplingPrices.of(self.coupling, y)
        windows = self._windows([i])
        site = np.zeros(self.arrays.slots, dtype=np.int64)
        for window in windows:
            site[window.first : window.end] = window.site
        at_site = np.array([prices.node[path].sum(axis=0) for path in self.paths])
        slot = np.arange(self.arrays.slots)
        drawn = at_site[site, slot] / self.arrays.slot_hours
        behind = np.array([any(self.arrays.metered[a] for a in path) for path in self.paths])
        own = np.where(behind[site], 0.0, 1.0)
        # Bids are none of the car's: it is paid by slot, so that a block tells only how high a price may be.
        held = np.abs(np.stack([prices.up, prices.down])).max(axis=(0, 2), initial=0.0)
        # How sessions carry on is in the windows; at these prices missing may be no dearer than a kWh.
        alone = replace(
            self.problem,
            cars=(self.problem.cars[self.order[i]],),
            sessions=tuple(
                replace(window.session, carries=False) for window in windows if window.due != "later"
            ),
            sites=tuple(_free(place) for place in self.problem.sites),
            import_price_eur_per_kwh=own * self.arrays.import_cost + drawn,
            export_price_eur_per_kwh=own * self.arrays.export_value + drawn,
            reserves=tuple(
                _unsold(block, float(price) / self.arrays.slot_hours)
                for block, price in zip(self.arrays.blocks, held, strict=True)
            ),
            co2_kg_per_kwh=None,
            previous_kw=self._previous([i]),
        )
        day = build_day(alone, windows, self.mode)
        cost = day.programme.cost.copy()
        for served, columns, price in (
            (day.pairs.up, day.up, prices.up),
            (day.pairs.down, day.down, prices.down),
        ):
            for blocks_of, numbers in zip(served, columns, strict=True):
                here = np.flatnonzero(blocks_of >= 0)
                cost[numbers[here]] += price[blocks_of[here], day.pairs.slot[here]]
        return replace(day, programme=replace(day.programme, cost=cost))

    def given_others(self, cars: Sequence[int], plan: Feasible) -> DayModel:
        """Some cars next to the others as they are planned."""
        mine = self.steps(cars)
        others = self._without(plan, mine)
        own = self.repairer.site_power(others)
        windows = self._windows(cars)
        few = replace(
            self.problem,
            cars=tuple(self.problem.cars[self.order[i]] for i in cars),
            sessions=tuple(window.session for window in windows),
            sites=tuple(_loaded(place, load) for place, load in zip(self.problem.sites, own, strict=True)),
            reserves=self.arrays.blocks,
            previous_kw=self._previous(cars),
        )
        # The whole fleet's money stands behind their wear: others may need them to keep a limit or a bid.
        most = duty_at_worth_efc(few, self.arrays.most_worth_eur)
        day = build_day(few, windows, self.mode, most)
        programme, parts = day.programme, day.sites
        low, lower, upper = programme.row_lower.copy(), programme.lower.copy(), programme.upper.copy()
        # What base load breaks of a limit is not made worse by all cars, the others among them, together.
        theirs, now = self.repairer.node_power(others), self.repairer.node_power(plan)
        j, t = np.nonzero(parts.power >= 0)
        mine_now = (now - theirs)[j, t]
        upper[parts.power[j, t]] = np.maximum((self.repairer.rules.draw - theirs)[j, t], mine_now)
        lower[parts.power[j, t]] = np.minimum((-self.repairer.rules.feed - theirs)[j, t], mine_now)
        # A shared meter counts no less than that, nor do the binaries that it may need.
        base, power = day.tree.base_kw[j, t], parts.power[j, t]
        drawn_most, fed_most = parts.drawn_most.copy(), parts.fed_most.copy()
        for columns, most, reach in (
            (parts.drawn, drawn_most, upper[power] + base),
            (parts.fed, fed_most, -lower[power] - base),
        ):
            most[j, t] = np.maximum(most[j, t], reach)
            upper[columns[columns >= 0]] = most[columns >= 0]
        # What the others hold counts for the bids as well.
        held = self.repairer.held(others.shares_kw)
        for side, rows in enumerate((parts.pool_up, parts.pool_down)):
            block, slot = np.nonzero(rows >= 0)
            low[rows[block, slot]] = -held[block, side, slot]
        upper[parts.bid] = bid_most = np.append(self.coupling.upper, 0.0)[self.coupling.bid]
        return replace(
            day,
            programme=replace(programme, row_lower=low, lower=lower, upper=upper),
            sites=replace(parts, drawn_most=drawn_most, fed_most=fed_most, bid_most=bid_most),
        )

    def now(self, day: DayModel, cars: Sequence[int], plan: Feasible) -> Powers:
        """What some cars do in a plan, as a solution of their day next to the others."""
        steps, parts = self.steps(cars), day.sites
        values = np.zeros(day.programme.cost.size)
        values[parts.bid] = plan.bids_kw
        load = self.repairer.node_power(plan) + self.arrays.base_load_kw
        for columns, flow in ((parts.drawn, load), (parts.fed, -load)):
            values[columns[columns >= 0]] = np.maximum(flow, 0.0)[columns >= 0]
        return Powers(
            charge=plan.charge_kw[steps],
            discharge=plan.discharge_kw[steps],
            energy=plan.energy_kwh[steps],
            values=values,
        )

    def with_cars(self, plan: Feasible, cars: Sequence[int], search: Search) -> Feasible:
        """The fleet's plan with these cars as a search next to the others found them."""
        day, powers = search.day, search.powers
        mine = self.steps(cars)
        new = self._without(plan, mine)
        new.charge_kw[mine], new.discharge_kw[mine] = powers.charge, powers.discharge
        new.energy_kwh[mine] = _energies(day, powers)
        bids = plan.bids_kw.copy()
        if self.arrays.blocks:
            for side, (served, columns) in enumerate(((day.pairs.up, day.up), (day.pairs.down, day.down))):
                for blocks, numbers in zip(served, columns, strict=True):
                    here = np.flatnonzero(blocks >= 0)
                    kw = np.maximum(powers.values[numbers[here]], 0.0)
                    new.shares_kw[self.channel[side, blocks[here]], mine[here]] = kw
            bids = np.clip(powers.values[day.sites.bid], 0.0, [block.max_kw for block in self.arrays.blocks])
            bids = self.repairer.sold(bids, self.repairer.held(new.shares_kw))
        return self.repairer.priced(new.charge_kw, new.discharge_kw, new.energy_kwh, new.shares_kw, bids)

    def prices(self, search: Search) -> FloatArray:
        """The coupling's prices by a search's last programme."""
        duals, parts = np.append(search.program.row_duals(), 0.0), search.day.sites
        return CouplingPrices(
            node=duals[parts.site_power],
            peak=-duals[parts.peak_row],
            meter=duals[parts.meter],
            up=-duals[parts.pool_up],
            down=-duals[parts.pool_down],
        ).on(self.coupling)

    def drawn_eur(self, plan: Feasible, y: FloatArray) -> FloatArray:
        """What each car of a plan pays at prices y for what it draws and holds, [n] €."""
        prices, repairer = CouplingPrices.of(self.coupling, y), self.repairer
        slot, site = repairer.rules.slot, repairer.step_site
        at_site = np.array([prices.node[path].sum(axis=0) for path in self.paths])
        paid = at_site[site, slot] * repairer.metered(plan)
        for channel, shares in enumerate(plan.shares_kw):
            block = repairer.rules.block[channel, site, slot]
            way = prices.up if channel < self.fleet.up else prices.down
            paid += np.where(block >= 0, way[block, slot], 0.0) * shares
        total = np.zeros(self.arrays.cars)
        np.add.at(total, repairer.step_car, paid)
        return total

    def steps(self, cars: Sequence[int]) -> IntArray:
        """The steps of some cars, car after car."""
        starts = self.fleet.step_start
        return np.concatenate([np.arange(starts[i], starts[i + 1]) for i in cars])

    def _previous(self, cars: Sequence[int]) -> FloatArray | None:
        """What the plan in force has for them."""
        previous = self.problem.previous_kw
        return None if previous is None else previous[self.order[list(cars)]]

    def _windows(self, cars: Sequence[int]) -> list[SessionWindow]:
        """Their windows, cars renumbered."""
        start, windows = self.fleet.session_start, list[SessionWindow]()
        for number, i in enumerate(cars):
            here = len(windows) - int(start[i])
            windows += [
                replace(self.windows[self.session_order[s]], car=number, behind=int(behind) + here)
                if (behind := self.fleet.behind[s]) >= 0
                else replace(self.windows[self.session_order[s]], car=number)
                for s in range(start[i], start[i + 1])
            ]
        return windows

    def _without(self, plan: Feasible, steps: IntArray) -> Feasible:
        """A copy of a plan in which these steps idle; its cost is the old one."""
        copy = replace(
            plan,
            charge_kw=plan.charge_kw.copy(),
            discharge_kw=plan.discharge_kw.copy(),
            energy_kwh=plan.energy_kwh.copy(),
            shares_kw=plan.shares_kw.copy(),
        )
        copy.charge_kw[steps] = copy.discharge_kw[steps] = 0.0
        copy.shares_kw[:, steps] = 0.0
        return copy


def _energies(day: DayModel, powers: Powers) -> FloatArray:
    """Energies [K] by adding up, as every plan has them."""
    pairs = day.pairs
    energy: FloatArray = np.zeros(len(pairs))
    reached = [window.arrival_kwh for window in day.windows]
    change = day.problem.slot_hours * (powers.charge - powers.discharge)
    for k, (before, s) in enumerate(zip(pairs.before.tolist(), pairs.window.tolist(), strict=True)):
        energy[k] = change[k]
        energy[k] += energy[before] if before >= 0 else day.windows[s].came_kwh(day.windows, reached)
        reached[s] = float(energy[k])
    return energy


def _free(site: Site) -> Site:
    """The place without anything that cars share."""
    return Site(
        site_id=site.site_id, parent_id=site.parent_id, import_limit_kw=np.inf, export_limit_kw=np.inf
    )


def _loaded(site: Site, others_kw: FloatArray) -> Site:
    base = others_kw if site.base_load_kw is None else others_kw + site.base_load_kw
    return replace(site, base_load_kw=base)


def _unsold(block: ReserveBlock, price: float) -> ReserveBlock:
    return replace(block, price_eur_per_kw_h=price, max_kw=0.0, min_kw=0.0)
