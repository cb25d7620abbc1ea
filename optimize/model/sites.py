"""The programme's part above the cars: sites, peaks, meters, pools and bids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimize.arrays import BoolArray, FloatArray
from optimize.model.assembly import Assembly, IntArray, Terms
from optimize.model.grid import (
    SiteFeatures,
    bid_pattern,
    mean_pattern,
    peak_pattern,
    pool_pattern,
    site_pattern,
    top_pattern,
)
from optimize.model.pairs import Pairs
from optimize.tree import SiteTree
from optimize.types import DayProblem


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteParts:
    """Columns and rows by site and slot, [S, T], −1 where there are none.

    power, drawn, fed columns (drawn, fed: of a common meter, with their largest values); site_power, meter,
    peak_row rows; top [S] and deviation [S, T] columns of the objectives. bid, bid_most [B]; pool_up,
    pool_down rows [B, T].
    """

    power: IntArray
    drawn: IntArray
    fed: IntArray
    drawn_most: FloatArray
    fed_most: FloatArray
    site_power: IntArray
    meter: IntArray
    peak_row: IntArray
    top: IntArray
    deviation: IntArray
    bid: IntArray
    bid_most: FloatArray
    pool_up: IntArray
    pool_down: IntArray


def add_sites(
    program: Assembly,
    problem: DayProblem,
    tree: SiteTree,
    pairs: Pairs,
    power: Terms,
    columns: dict[str, IntArray],
) -> SiteParts:
    """Add every site and slot that matters and every reserve block."""
    shape = (len(problem.sites), len(problem.slots))
    depth = max((len(path) for path in tree.paths), default=0)
    above = np.full((shape[0] + 1, depth), -1)
    for j, path in enumerate(tree.paths):
        above[j, : len(path)] = path
    intake, feed_in = _possible(pairs, above, shape)
    features = _features(problem, tree, intake, feed_in)
    active = features[:, :, 0].astype(np.bool_)
    names = ("power", "drawn", "fed", "deviation", "site_power", "meter", "peak_row")
    found = {name: np.full(shape, -1) for name in names}
    tops = _add_tops(program, problem, tree, features[:, :, 1:].astype(np.bool_))
    index = np.full(shape, -1)
    index[active] = np.arange(np.count_nonzero(active))
    cars = _cars(pairs, above, power, index)
    drawn_most = np.minimum(intake, tree.import_kw) + np.maximum(tree.base_kw, 0.0)
    fed_most = np.minimum(feed_in, tree.export_kw) + np.maximum(-tree.base_kw, 0.0)
    for kind in np.unique(features[active][:, 1:], axis=0).tolist():
        chosen = active & (features[:, :, 1:] == kind).all(axis=2)
        sites, slots = np.nonzero(chosen)
        has = SiteFeatures(**{name: bool(value) for name, value in zip(_FEATURES, kind, strict=True)})
        pattern, data = site_pattern(has), _data(problem, tree, sites, slots)
        data |= {"import_most": drawn_most[chosen], "export_most": fed_most[chosen]}
        own = program.add_columns(pattern, data, sites.size)
        where = {name: Terms.of(numbers) for name, numbers in own.items()}
        target = np.full(np.count_nonzero(active), -1)
        target[index[chosen]] = np.arange(sites.size)
        where["cars"] = cars.gathered(target, sites.size)
        where |= {name: Terms.of(numbers[sites]) for name, numbers in tops.items()}
        rows = program.add_rows(pattern, data, sites.size, where)
        for name, numbers in (own | rows).items():
            if name in found:
                found[name][chosen] = numbers
    _add_means(program, tree, tops["mean"], found["power"])
    bid, most = _add_bids(program, problem, pairs)
    pool_up, pool_down = (_add_pools(program, problem, pairs, columns, bid, way) for way in ("up", "down"))
    return SiteParts(
        **found,
        drawn_most=drawn_most,
        fed_most=fed_most,
        top=tops["top"],
        bid=bid,
        bid_most=most,
        pool_up=pool_up,
        pool_down=pool_down,
    )


_WAYS = ("up", "down")
_FEATURES = ("peak", "meter", "shaved", "levelled")


def _possible(pairs: Pairs, above: IntArray, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """What the cars below each site could draw and feed at most, [S, T] metered kW."""
    intake, feed_in = np.zeros(shape), np.zeros(shape)
    for level in range(above.shape[1]):
        site = above[pairs.site, level]
        here = site >= 0
        place = (site[here], pairs.slot[here])
        np.add.at(intake, place, (pairs.data["charge_limit"] / pairs.data["efficiency_charge"])[here])
        np.add.at(feed_in, place, (pairs.data["discharge_limit"] * pairs.data["efficiency_discharge"])[here])
    return intake, feed_in


def _features(problem: DayProblem, tree: SiteTree, intake: FloatArray, feed_in: FloatArray) -> IntArray:
    """[S, T, 5]: whether a site matters in a slot, and the fields of SiteFeatures."""
    plugged = (intake > 0.0) | (feed_in > 0.0)
    levelled = problem.objective == "load_levelling"
    features = np.zeros((*intake.shape, 5), dtype=np.int64)
    for j, site in enumerate(problem.sites):
        root = site.parent_id is None
        features[j, :, 1] = plugged[j] & (site.peak_price_eur_per_kw > 0.0)
        features[j, :, 2] = plugged[j] & (site.metering == "site")
        features[j, :, 3] = plugged[j] & root & (problem.objective == "peak_shaving")
        features[j, :, 4] = root & levelled
    binding = (intake > tree.import_kw) | (feed_in > tree.export_kw)
    features[:, :, 0] = binding | features[:, :, 1:].any(axis=2)
    return features


def _data(
    problem: DayProblem, tree: SiteTree, sites: IntArray, slots: IntArray
) -> dict[str, FloatArray | float]:
    base = tree.base_kw[sites, slots]
    buy, sell = problem.import_price_eur_per_kwh[slots], problem.export_price_eur_per_kwh[slots]
    return {
        "hours": problem.slot_hours,
        "import_limit": tree.import_kw[sites, slots],
        "export_limit": tree.export_kw[sites, slots],
        "base": base,
        "import_price": buy,
        "export_price": sell,
        "base_bill": problem.slot_hours * (np.maximum(base, 0.0) * buy - np.maximum(-base, 0.0) * sell),
    }


def _cars(pairs: Pairs, above: IntArray, power: Terms, index: IntArray) -> Terms:
    """Σ p below each active site and slot."""
    count = int(index.max(initial=-1)) + 1
    parts = []
    for level in range(above.shape[1]):
        site = above[pairs.site, level]
        target = np.where(site >= 0, index[site, pairs.slot], -1)
        parts.append(power.gathered(target, count))
    return Terms.joined(parts, np.zeros(count))


def _add_tops(
    program: Assembly, problem: DayProblem, tree: SiteTree, features: BoolArray
) -> dict[str, IntArray]:
    """Columns [S], −1 for none, of a site's priced peak, and of its part in an objective."""
    so_far = np.array([site.peak_so_far_kw for site in problem.sites])
    roots = np.array([site.parent_id is None for site in problem.sites], dtype=np.bool_)
    price = np.array([site.peak_price_eur_per_kw for site in problem.sites])
    wanted = {
        "peak": (peak_pattern(), price > 0.0),
        "top": (top_pattern(), roots & (problem.objective == "peak_shaving")),
    }
    tops = {name: np.full(len(problem.sites), -1) for name in ("peak", "top", "mean")}
    for name, (pattern, members) in wanted.items():
        sites = np.flatnonzero(members)
        counted = features[:, :, _FEATURES.index("peak" if name == "peak" else "shaved")]
        outside = np.where(counted, -np.inf, tree.base_kw).max(axis=1, initial=-np.inf)
        least = np.maximum(outside, so_far if name == "peak" else 0.0)[sites]
        data = {"least": least, "so_far": so_far[sites], "price": price[sites]}
        own = program.add_columns(pattern, data, sites.size)
        tops[name][sites] = own[name]
        program.add_rows(pattern, data, sites.size, {name: Terms.of(own[name])})
    if problem.objective == "load_levelling":
        sites = np.flatnonzero(roots)
        tops["mean"][sites] = program.add_columns(mean_pattern(), {}, sites.size)["mean"]
    return tops


def _add_means(program: Assembly, tree: SiteTree, mean: IntArray, power: IntArray) -> None:
    sites = np.flatnonzero(mean >= 0)
    slots = power.shape[1]
    number = np.repeat(np.arange(sites.size), slots)
    data = {"slots": float(slots), "base_sum": tree.base_kw[sites].sum(axis=1)}
    total = Terms.of(power[sites].ravel()).gathered(number, sites.size)
    where = {"mean": Terms.of(mean[sites]), "total": total}
    program.add_rows(mean_pattern(), data, sites.size, where)


def _add_bids(program: Assembly, problem: DayProblem, pairs: Pairs) -> tuple[IntArray, FloatArray]:
    """A bid's column and its largest value, at most what all chargers of the pool could swing, [B]."""
    blocks = problem.reserves
    span = pairs.data["charge_limit"] / pairs.data["efficiency_charge"]
    span = span + pairs.data["discharge_limit"] * pairs.data["efficiency_discharge"]
    most = np.array([block.max_kw for block in blocks], dtype=np.float64)
    for way in _WAYS:
        room = np.zeros((len(blocks), len(problem.slots)))
        for served in getattr(pairs, way):
            held = served >= 0
            np.add.at(room, (served[held], pairs.slot[held]), span[held])
        for b, block in enumerate(blocks):
            if getattr(block, way):
                most[b] = min(most[b], room[b, block.first_slot : block.end_slot].min())
    data = {
        "most": most,
        "price": np.array([block.price_eur_per_kw_h for block in blocks]),
        "length": np.array([problem.slot_hours * len(block.slots) for block in blocks]),
    }
    bid = program.add_columns(bid_pattern(), data, len(blocks))["bid"]
    program.add_rows(bid_pattern(), data, len(blocks), {"bid": Terms.of(bid)})
    return bid, most


def _add_pools(
    program: Assembly,
    problem: DayProblem,
    pairs: Pairs,
    columns: dict[str, IntArray],
    bid: IntArray,
    way: str,
) -> IntArray:
    """Rows [B, T], −1 for none: what the pairs' channels hold in each slot covers the bid."""
    blocks, slots = problem.reserves, len(problem.slots)
    numbers = [b for b, block in enumerate(blocks) if getattr(block, way)]
    block_of = np.array([b for b in numbers for _ in blocks[b].slots], dtype=np.int64)
    slot_of = np.array([t for b in numbers for t in blocks[b].slots], dtype=np.int64)
    index = np.full((len(blocks) + 1, slots), -1)  # the last row: a pair without this channel
    index[block_of, slot_of] = np.arange(block_of.size)
    parts = [
        Terms.of(columns[f"{way}[{channel}]"]).gathered(index[served, pairs.slot], block_of.size)
        for channel, served in enumerate(getattr(pairs, way))
    ]
    where = {"held": Terms.joined(parts, np.zeros(block_of.size)), "bid": Terms.of(bid[block_of])}
    rows = np.full((len(blocks), slots), -1)
    rows[block_of, slot_of] = program.add_rows(pool_pattern(), {}, block_of.size, where)["pool"]
    return rows
