"""What chargers that feed back cost and whether what they earn pays for them. Pure; nothing here is paid.

defaults.toml   what is supposed where nothing is given, each figure with its source; what has to be given
suppositions    ranges of what is not known, and what defaults.toml says of each
income          what a car earns in a year, from the days there are, and how sure that is
value           I, net present value and payback of figures
chances         the same over ranges: Monte Carlo, and one at a time (tornado)
"""
