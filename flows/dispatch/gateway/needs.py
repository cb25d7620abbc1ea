"""What a car says that it needs and can (NotifyEVChargingNeeds of OCPP 2.0.1 and 2.1, from ISO 15118)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.dispatch.gateway.readings import seconds

_WHOLE_SOC = 0.005
"""Cars report whole percents: a band that ends so near to empty or full ends there."""
_BACK = ("AC_BPT", "AC_BPT_DER", "DC_BPT", "DC_ACDP_BPT")


def needs_of(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was reported of departure (s since 1970), kwh (asked for), soc, target_soc, full_soc,
    capacity, feeds (whether it may feed back), charge_kw, discharge_kw (what it can) and the band of energy
    in kWh that it lends to the grid (v2x_least_kwh, v2x_most_kwh: above what it holds, may be negative).
    """
    ac, dc, v2x = (stated.get(f"{name}ChargingParameters") or {} for name in ("ac", "dc", "v2x"))
    modes = [stated["requestedEnergyTransfer"], *(stated.get("availableEnergyTransfer") or [])]
    kwh = _first(_scaled(v2x.get("evTargetEnergyRequest")), _scaled(ac.get("energyAmount")),
                 _scaled(dc.get("energyAmount")))  # fmt: skip
    found = {
        "departure": seconds(stated.get("departureTime")),
        "kwh": kwh,
        "soc": _share(dc.get("stateOfCharge")),
        "target_soc": _share(v2x.get("targetSoC")),
        "full_soc": _share(dc.get("fullSoC")),
        "capacity_kwh": _scaled(dc.get("evEnergyCapacity")),
        "charge_kw": _first(_summed(v2x, "maxChargePower"), _scaled(dc.get("evMaxPower"))),
        "discharge_kw": _summed(v2x, "maxDischargePower"),
        "v2x_least_kwh": _scaled(v2x.get("evMinV2XEnergyRequest")),
        "v2x_most_kwh": _scaled(v2x.get("evMaxV2XEnergyRequest")),
    }
    known = {name: value for name, value in found.items() if value is not None}
    return {**known, "feeds": any(mode in _BACK for mode in modes)}


def states_band(needs: Mapping[str, Any]) -> bool:
    """Whether a car says between which energies it lends itself to the grid."""
    return needs.get("v2x_least_kwh") is not None or needs.get("v2x_most_kwh") is not None


def band_of(needs: Mapping[str, Any], soc: float | None, capacity_kwh: float | None) -> list[float] | None:
    """Return the least and the most charge (0–1) for V2X of a car that holds soc as it says so.

    None where it says nothing of the kind, or nothing tells its charge or its capacity.
    """
    capacity_kwh = needs.get("capacity_kwh") or capacity_kwh
    if not states_band(needs) or soc is None or not capacity_kwh:
        return None
    least, most = (needs.get(f"v2x_{name}_kwh") for name in ("least", "most"))
    bounds = [
        soc + kwh / capacity_kwh if kwh is not None else otherwise
        for kwh, otherwise in ((least, 0.0), (most, 1.0))
    ]
    low, high = (min(max(bound, 0.0), 1.0) for bound in bounds)
    return [0.0 if low < _WHOLE_SOC else low, 1.0 if high > 1.0 - _WHOLE_SOC else high]


def _summed(stated: Mapping[str, Any], name: str) -> float | None:
    """A power of all phases: of the first alone it is that of all."""
    values = [_scaled(stated.get(f"{name}{phase}")) for phase in ("", "_L2", "_L3")]
    known = [one for one in values if one is not None]
    return sum(known) if known else None


def _scaled(value: Any) -> float | None:
    return float(value) / 1000.0 if isinstance(value, int | float) else None


def _share(value: Any) -> float | None:
    return float(value) / 100.0 if isinstance(value, int | float) and 0 <= value <= 100 else None


def _first(*values: float | None) -> float | None:
    return next((one for one in values if one is not None), None)
