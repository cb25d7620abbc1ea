"""Prices in the layouts in which their publishers let a person download them.

- `clock`: local times of an export → UTC, on days of 92 and 100 quarter-hours too · `lasting`: how long
  prices hold that are given by one stamp each, and five minutes → quarter-hours
- `rows`: series of a file → rows of prices · `wide`: columns and keys → series · `places`: nodes → zones
- one module a publisher, `readers` by name: `aemo`, `amber`, `caiso`, `comed`, `elering`, `elexon`,
  `elprisetjustnu`, `ercot`, `nyiso`, `omie`, `ote`, `pjm`; next to the answers of their services
  `energy_charts`, `entsoe` (`entsoe_library`), `nordpool` and `smard`
What a publisher's own service answers is read by `warehouse.sources.tariffs`.
"""
