"""Whether shares by prices are in the core: `python -m tests.benchmarks.fair_shares`.

Plans all coalitions of random fleets of six to ten cars that meet at limits, peaks and common meters, with
their operator. Prints of each fleet: its cars, what they earn together, what of it the room is worth, the
duality gap of the prices, the most that a coalition gains by leaving their shares (not above 0: in the core),
ε of the least core by the closed form, by how much the linear programme differs, the most that a coalition
gains by leaving the nucleolus, all in €, and the seconds. Then how many fleets are in the core. The figures
do not depend on the machine. `--fleets N` takes so many, `--first SEED` from there on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from optimize.market.fair.coalitions import Coalitions
from optimize.market.fair.core import least_core, least_core_of_needed, nucleolus
from optimize.market.fair.game import with_needed
from optimize.market.fair.owen import priced_shares
from tests.benchmarks.data import benchmark_parser
from tests.optimize.fair_fleets import linear_fleet

TOLERANCE_EUR = 2e-6


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("fair_shares", __doc__)
    parser.add_argument("--fleets", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    options = parser.parse_args(arguments)
    print("seed cars  together    room       gap   leaving  epsilon  programme  nucleolus  seconds")
    inside = 0
    for seed in range(options.first, options.first + options.fleets):
        inside += _row(seed) <= TOLERANCE_EUR
    print(f"{inside} of {options.fleets} in the core, to {TOLERANCE_EUR:g} €")


def _row(seed: int) -> float:
    """Print a fleet's row; what a coalition gains at most by leaving the shares by prices, €."""
    begin, coalitions = time.perf_counter(), Coalitions(linear_fleet(seed))
    game = with_needed(coalitions.game(), "operator")
    shares = priced_shares(coalitions, game.all_eur)
    leaving = game.most_excess_eur(np.append(shares.cars_eur, shares.room_eur))
    closed = least_core_of_needed(game, len(game.players) - 1).epsilon_eur
    off, kernel = least_core(game).epsilon_eur - closed, game.most_excess_eur(nucleolus(game))
    print(
        f"{seed:4} {len(game.players) - 1:4} {game.all_eur:9.3f} {shares.room_eur:7.3f} "
        f"{shares.gap_eur:9.1e} "
        f"{leaving:9.1e} {closed:8.4f} {off:10.1e} {kernel:10.1e} {time.perf_counter() - begin:8.1f}",
        flush=True,
    )
    return leaving


if __name__ == "__main__":
    main()
