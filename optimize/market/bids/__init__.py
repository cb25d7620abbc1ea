"""What a pool of cars bids, where, and why not. Pure; every figure is in metered kW or MW at the plugs.

products.toml   each product of reserve and energy: minimum, steps, blocks, gate, reservoir, with its source
products        products.toml, checked
capability      what stays can give and take in each slot, at which they charge evenly
quantity        what of it is bid: whole steps, nothing below the minimum, nothing sold twice
pooled          the day that bids are made for
price           what holding and being called costs, from re-solves
reserve         the bids of a day's blocks, one after the other, each next to those before
curve           energy by price: each slot's own, from re-solves
"""
