"""Prices from those who publish them: each a request for one market day and a pure parser of the answer.

- `provider`: `Provider`, `Request` · `PROVIDERS` by name · one module each: `entsoe` (and `eic`),
  `energy_charts`, `awattar`, `octopus` (import, export), `nordpool`, `energyzero`, `easyenergy`, `tibber`,
  `sahkotin`
- `tou`: time-of-use tariffs (`schedule`) from TOML (`toml_tariff`) or of `acnportal`, for given days
- `answer`, `money`, `payload`: intervals → rows, currencies → €, bytes → JSON or XML
- `fetch`: over HTTP, within limits (`exchange`) · `redact`: no token comes back · `cache`: answers kept as
  they came · `coverage`: whether they hold the day asked for
The bytes of an answer given as a file are read by the same parser: that is the offline replay.
"""

from collections.abc import Mapping
from types import MappingProxyType

from warehouse.sources.tariffs import (
    awattar,
    easyenergy,
    energy_charts,
    energyzero,
    entsoe,
    nordpool,
    octopus,
    sahkotin,
    tibber,
)
from warehouse.sources.tariffs.provider import Ask, Provider, Request

PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        one.name: one
        for one in (
            entsoe.PROVIDER,
            energy_charts.PROVIDER,
            awattar.PROVIDER,
            octopus.IMPORT,
            octopus.EXPORT,
            nordpool.PROVIDER,
            energyzero.PROVIDER,
            easyenergy.PROVIDER,
            tibber.PROVIDER,
            sahkotin.PROVIDER,
        )
    }
)

__all__ = ["PROVIDERS", "Ask", "Provider", "Request"]
