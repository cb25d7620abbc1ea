"""From market price to what an owner pays and earns at the plug."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimize.validation import require_finite, require_not_negative


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """Retail conditions around a market price.

    import = (market + import_adder)·(1 + vat), export = market + export_adder; all €/kWh metered at the plug,
    `vat` as a fraction (0.19). The adders may be negative. Raises ProblemError for NaN, inf or vat < 0.
    """

    import_adder_eur_per_kwh: float = 0.0
    vat: float = 0.0
    export_adder_eur_per_kwh: float = 0.0

    def __post_init__(self) -> None:
        require_finite("tariff", "import_adder_eur_per_kwh", self.import_adder_eur_per_kwh)
        require_not_negative("tariff", "vat", self.vat)
        require_finite("tariff", "export_adder_eur_per_kwh", self.export_adder_eur_per_kwh)

    def import_price_eur_per_kwh(self, market_price_eur_per_kwh: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Price paid per metered kWh drawn; same shape as the market price."""
        market = np.asarray(market_price_eur_per_kwh, dtype=np.float64)
        return (market + self.import_adder_eur_per_kwh) * (1.0 + self.vat)

    def export_price_eur_per_kwh(self, market_price_eur_per_kwh: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Price earned per metered kWh fed back; same shape as the market price."""
        return np.asarray(market_price_eur_per_kwh, dtype=np.float64) + self.export_adder_eur_per_kwh
