"""Structures of ageing side by side: PyBaMM's, published laws, plain curves; what they say together.

stress    what a day asks of a cell, as laws see it
laws      published semi-empirical laws of calendar and cycling loss, with their coefficients
growth    loss as a sum of parts that grow with progress: the common form of laws and curves
curves    plain growth curves, whose calendar share is not theirs to tell
fit       posterior of one structure from check-ups, and how it foretold the later ones
mixture   all together: weights, L0, α, β, rest price, band of capacity to come
price     mean and quantiles of what wear costs; outlook: what further data would tell
"""
