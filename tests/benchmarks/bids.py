"""Whether reserve bids are delivered: `python -m tests.benchmarks.bids FCR "aFRR down"`.

Of each product a garage's workdays of eight months, each block foreseen from the days up to two before, packs
and power supposed (`tests.optimize.garage`); `--draws` blocks drawn with real regulation of 4 s, begun
anywhere, of either sign and size, as far as the product's reservoir goes. How many were delivered at the bid
and at multiples of it (`tests.optimize.reserve_replay`), next to the product's quantile.
"""

from __future__ import annotations

import numpy as np

from optimize.market.bids.products import products
from tests.benchmarks.data import add_data_option, benchmark_parser, require
from tests.optimize.garage import cars_of, foreseen_bids, garage_days, rules_of
from tests.optimize.reserve_replay import caiso_days, delivered, owed, random_signals


def main(arguments: list[str] | None = None) -> None:
    known = products().reserve
    parser = benchmark_parser("bids", __doc__)
    parser.add_argument("names", nargs="*", default=["FCR"], metavar="PRODUCT", help=", ".join(known))
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--times", type=float, nargs="*", default=[1.0, 2.0], help="multiples of the bid")
    parser.add_argument("--seed", type=int, default=4)
    add_data_option(parser)
    options = parser.parse_args(arguments)
    require(parser, options.data, "drivers", "regulation")
    days, real = garage_days(options.data), caiso_days(options.data)
    for name in options.names:
        product = known[name]
        bids = foreseen_bids(product, days)
        if not bids:
            print(f"{name}: nothing is bid", flush=True)
            continue
        rng = np.random.default_rng(options.seed)
        drawn = [bids[number] for number in rng.integers(0, len(bids), options.draws)]
        signals = owed(random_signals(real, options.draws, rng), rules_of(product))
        pools = [cars_of(days[day], 4.0 * block) for day, block, _ in drawn]
        kw = np.array([kw for *_, kw in drawn])
        for times in options.times:
            fine = delivered(pools, signals, times * kw, rules_of(product))
            print(
                f"{name}: {len(bids)} blocks, {kw.mean():.1f} kW in the mean, {times:g} times it: "
                f"{100.0 * fine.mean():.1f} % of {options.draws} calls delivered, "
                f"{100.0 * product.quantile:g} % asked",
                flush=True,
            )


if __name__ == "__main__":
    main()
