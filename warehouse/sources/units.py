"""Units that a file may really be in, against the one a contract wants: for suspicion, and for mappings."""

from collections.abc import Mapping

FOREIGN: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "€/kWh": {"€/kWh": (1, 0), "€/MWh": (1e-3, 0), "ct/kWh": (1e-2, 0)},
    "kW": {"kW": (1, 0), "W": (1e-3, 0), "MW": (1e3, 0)},
    "kWh": {"kWh": (1, 0), "Wh": (1e-3, 0), "MWh": (1e3, 0)},
    "V": {"V": (1, 0), "mV": (1e-3, 0), "kV": (1e3, 0)},
    "A": {"A": (1, 0), "mA": (1e-3, 0)},
    "Ah": {"Ah": (1, 0), "mAh": (1e-3, 0), "kAh": (1e3, 0)},
    "Ω": {"Ω": (1, 0), "mΩ": (1e-3, 0), "µΩ": (1e-6, 0)},
    "°C": {"°C": (1, 0), "K": (1, -273.15), "°F": (5 / 9, -160 / 9)},
    "1": {"1": (1, 0), "%": (1e-2, 0), "‰": (1e-3, 0)},
    "€": {"€": (1, 0), "ct": (1e-2, 0), "k€": (1e3, 0)},
    "€/kW": {"€/kW": (1, 0)},
    "km": {"km": (1, 0), "mi": (1.609344, 0)},
    "kg/kWh": {"kg/kWh": (1, 0), "g/kWh": (1e-3, 0)},
    "min": {"min": (1, 0), "h": (60, 0), "s": (1 / 60, 0)},
}
"""Unit of a contract → unit of a file → (factor, offset) into the contract's."""

_TYPED = {
    "EUR/kWh": "€/kWh", "EUR/MWh": "€/MWh", "degC": "°C", "degF": "°F", "ohm": "Ω", "mohm": "mΩ",
    "uohm": "µΩ", "percent": "%", "EUR": "€", "kEUR": "k€",
}  # fmt: skip
"""Spellings for keyboards without the sign."""


def spelled(unit: str) -> str:
    """Return a unit as the tables write it."""
    return _TYPED.get(unit, unit)
