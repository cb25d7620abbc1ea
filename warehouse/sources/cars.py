"""What a reader of sessions needs to know of the fleet: how big a car's battery is, and how it is charged."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import pandas as pd

from warehouse.errors import OptionError

REACHED = "departure_soc is what was reached, which the source tells; what was promised, it does not"


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """The part of a battery's row that sessions are derived with."""

    battery_id: str
    nominal_energy_kwh: float
    efficiency_charge: float
    soc_min: float
    soc_max: float

    def soc_before(self, soc: float, metered_kwh: float) -> float:
        """Return the state of charge from which `metered_kwh` at the plug lead to `soc`; may be below 0."""
        return soc - metered_kwh * self.efficiency_charge / self.nominal_energy_kwh


def cars_of(options: Mapping[str, object], file: str) -> list[Car]:
    """Return the cars of the option `cars` (a battery table) in order of id; OptionError."""
    cars = options.get("cars")
    if not isinstance(cars, pd.DataFrame) or cars.empty:
        raise OptionError("needs the fleet: a battery table with at least one car", file=file, column="cars")
    names = [field.name for field in fields(Car)]
    if missing := [name for name in names if name not in cars.columns]:
        raise OptionError(f"lacks {missing[0]}", file=file, column="cars")
    ordered = cars.sort_values("battery_id")[names]
    return [Car(**dict(zip(names, values, strict=True))) for values in ordered.itertuples(index=False)]


def target_of(options: Mapping[str, object], file: str, default: float | None = None) -> float | None:
    """Return the option `target_soc`, a state of charge in (0, 1], or the default; OptionError."""
    target = options.get("target_soc", default)
    if target is None or (isinstance(target, int | float) and 0 < target <= 1):
        return None if target is None else float(target)
    raise OptionError("is not a state of charge in (0, 1]", file=file, column="target_soc", value=str(target))
