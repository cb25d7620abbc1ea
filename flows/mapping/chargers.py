"""What the charger of a session gives and takes, next to what the car can: columns added to stays.

A session that names no charger, or one that nobody declared, is planned as its car says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from flows.mapping.pack_losses import NOTHING_LOST, kept
from flows.plain import records
from twin.losses import PackLosses

VOLTAGE_V = 230.0
"""Phase to neutral, where a charger does not say."""
AT_PLUG = (
    "plug_site_id", "plug_charge_kw", "plug_discharge_kw", "plug_min_charge_kw", "plug_min_discharge_kw",
    "plug_efficiency_charge", "plug_efficiency_discharge", "pack_kept_charge", "pack_kept_discharge",
)  # fmt: skip
"""The columns that a session gets, empty without a charger: its site, battery-side kW, efficiencies 0–1; of a
cold pack the efficiencies with what it loses itself, and what of a warm one's it keeps, charger or not."""


_OF_SESSION = ("battery_id", "charger_id", "arrival_soc", "departure_soc")


def with_chargers(
    sessions: pd.DataFrame,
    chargers: pd.DataFrame,
    batteries: pd.DataFrame,
    losses: Mapping[str, PackLosses] = NOTHING_LOST,
) -> tuple[pd.DataFrame, list[str]]:
    """The sessions with the columns of AT_PLUG, and the ids of chargers that are named and not known.

    sessions, chargers, batteries: rows of the core tables. losses: of cold packs, by battery_id. Where no
    charger is known at all, the ids that sessions bring along (a provider's own) are no fault.
    """
    of_charger = {str(row["charger_id"]): row for row in records(chargers)}
    of_car = {str(row["battery_id"]): row for row in records(batteries)}
    plugs: list[dict[str, Any]] = []
    unknown = set[str]()
    for session in sessions[list(_OF_SESSION)].to_dict("records"):
        name, battery = session["charger_id"], str(session["battery_id"])
        charger, own = None if pd.isna(name) else of_charger.get(str(name)), losses.get(battery)
        if charger is not None or own is not None:
            plugs.append(at_plug(charger, of_car[battery], session, own))
        else:
            plugs.append({})
        if charger is None and pd.notna(name) and of_charger:
            unknown.add(str(name))
    columns = pd.DataFrame(plugs, index=sessions.index, columns=list(AT_PLUG))
    numbers = list(AT_PLUG[1:])
    columns[numbers] = columns[numbers].astype("float64")
    return pd.concat([sessions, columns], axis=1), sorted(unknown)


def least_powers(sessions: pd.DataFrame) -> pd.DataFrame:
    """By battery_id the kW ("charge", "discharge") that a car needs when on, at all of its sessions.

    The optimiser has one such power a car: the largest of its chargers', but none that another session of it
    could not give.
    """
    found = {}
    for way in ("charge", "discharge"):
        least = sessions[f"plug_min_{way}_kw"].groupby(sessions["battery_id"]).max()
        most = sessions[f"plug_{way}_kw"].groupby(sessions["battery_id"]).min()
        found[way] = least.clip(upper=most.fillna(np.inf)).fillna(0.0)
    return pd.DataFrame(found)


def at_plug(
    charger: Mapping[str, Any] | None,
    car: Mapping[str, Any],
    session: Mapping[Any, Any],
    losses: PackLosses | None,
) -> dict[str, Any]:
    """A session's columns of AT_PLUG; a charger's power is metered, the car's limits are battery-side.

    losses: of a cold pack, which takes less of the same metered power.
    """
    into, out = (
        float((charger or {}).get(name) or car[name])
        for name in ("efficiency_charge", "efficiency_discharge")
    )
    most_kw, back_kw = float(car["charge_limit_kw"]), float(car["discharge_limit_kw"])
    plug: dict[str, Any] = {}
    if charger is not None:
        volts = float(charger["voltage_v"] or VOLTAGE_V)
        kw_of_ampere = int(charger["phases"]) * volts / 1000.0
        least, most, back = (
            float(charger[name] or 0.0) * kw_of_ampere
            for name in ("min_current_a", "max_current_a", "max_discharge_current_a")
        )
        most_kw, back_kw = min(most_kw, most * into), min(back_kw, back / out)
        plug = {"plug_site_id": charger["site_id"]}
    kept_into, kept_out = kept(losses, car, session, most_kw, back_kw)
    into, out = into * kept_into, out * kept_out
    if charger is not None:
        plug |= {
            "plug_charge_kw": most * into,
            "plug_discharge_kw": back / out,
            "plug_min_charge_kw": least * into,
            "plug_min_discharge_kw": least / out if back else 0.0,
        }
    plug |= {"plug_efficiency_charge": into, "plug_efficiency_discharge": out}
    return plug if losses is None else plug | {"pack_kept_charge": kept_into, "pack_kept_discharge": kept_out}
