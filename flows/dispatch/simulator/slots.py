"""What a charge point makes of the charging profiles that it was given, by the rules of OCPP."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

Profile = Mapping[str, Any]


class Profiles:
    """The profiles of one plug, as the `ocpp` package hands them over (names_like_this)."""

    def __init__(self) -> None:
        self.held: dict[int, Profile] = {}

    def put(self, stated: Profile) -> None:
        """Take a profile: it replaces one of its id, and one of its purpose and level."""
        number = int(stated["id"] if "id" in stated else stated["charging_profile_id"])
        place = (stated["charging_profile_purpose"], stated["stack_level"], str(stated.get("transaction_id")))
        self.held = {
            key: one
            for key, one in self.held.items()
            if (one["charging_profile_purpose"], one["stack_level"], str(one.get("transaction_id"))) != place
        }
        self.held[number] = stated

    def end(self, transaction: str) -> None:
        """Drop what was for a transaction that is over."""
        self.held = {
            key: one for key, one in self.held.items() if str(one.get("transaction_id")) != transaction
        }

    def asked_kw(
        self, now: datetime, most_kw: float, kw_of_ampere: float, transaction: str | None, offline: timedelta
    ) -> float:
        """The power that holds at a moment: the transaction's profile before what is for all of them."""
        mine = [
            one for one in self.held.values() if transaction and str(one.get("transaction_id")) == transaction
        ]
        rest = [one for one in self.held.values() if one["charging_profile_purpose"] == "TxDefaultProfile"]
        for group in (mine, rest):
            for one in sorted(group, key=lambda profile: -profile["stack_level"]):
                if (power := _power(one, now, most_kw, kw_of_ampere, offline)) is not None:
                    return power
        return most_kw


def _power(
    one: Profile, now: datetime, most_kw: float, kw_of_ampere: float, offline: timedelta
) -> float | None:
    """What a profile says at a moment; None where it says nothing then, or no more."""
    begin, end = one.get("valid_from"), one.get("valid_to")
    if (begin and now < datetime.fromisoformat(begin)) or (end and now >= datetime.fromisoformat(end)):
        return None
    if offline > timedelta(seconds=one.get("max_offline_duration", 10**9)):
        return None
    schedule = one["charging_schedule"]
    schedule = schedule[0] if isinstance(schedule, list) else schedule
    passed = (now - datetime.fromisoformat(schedule["start_schedule"])).total_seconds()
    if passed < 0 or passed >= schedule.get("duration", 10**9):
        return None
    period = [row for row in schedule["charging_schedule_period"] if row["start_period"] <= passed][-1]
    scale = 1e-3 if schedule["charging_rate_unit"] == "W" else kw_of_ampere
    match period.get("operation_mode", "ChargingOnly"):
        case "Idle":
            return 0.0
        case "CentralSetpoint":
            return float(period["setpoint"]) * scale
    return min(most_kw, float(period["limit"]) * scale)
