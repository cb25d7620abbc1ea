"""Prices in the layouts in which their publishers let a person download them.

- `clock`: local times of an export → UTC, on days of 92 and 100 quarter-hours too
- `rows`: series of a file → rows of prices
- one module a publisher: `smard`, `entsoe`, `nordpool`, `energy_charts`, `omie`, `caiso`, `amber`
What a publisher's own service answers is read by `warehouse.sources.tariffs`.
"""
