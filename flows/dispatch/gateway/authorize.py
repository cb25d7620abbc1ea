"""Who may charge: whose token is on the list, or whatever else gateway.toml lets in.

A token is known where it is a car's ([cars], or the battery_id of a plan), a guest's ([guests]), or where
[cars] names the place, at which anybody's car is that one. For any other, [authorize] unknown decides:
"Accepted" (it charges as nobody's car, by its connector's fallback) or "Invalid" (its station is told not to
charge it). Tokens are the same in capitals, by OCPP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.dispatch.gateway.config import GatewayConfig
from flows.dispatch.gateway.plans import PlanFolder

ACCEPTED = "Accepted"


def asked_token(payload: Mapping[str, Any]) -> str | None:
    """The token of a message of any version, None where it has none."""
    stated = payload.get("idToken") or {}
    token = payload.get("idTag") or (stated.get("idToken") if isinstance(stated, Mapping) else None)
    return str(token) if token else None


def status_of(
    config: GatewayConfig, plans: PlanFolder, station: str, evse: int | None, token: str | None
) -> str:
    """Return the AuthorizationStatus of a token, at an EVSE or (None) anywhere at a station.

    token: None of a station that asks nobody for one.
    """
    if config.unknown == ACCEPTED or _known(config, plans, token):
        return ACCEPTED
    return ACCEPTED if config.names_place(station, evse) else config.unknown


def _known(config: GatewayConfig, plans: PlanFolder, token: str | None) -> bool:
    if token is None:
        return False
    listed = token.upper() in config.cars.keys() | config.guests.keys()
    return listed or plans.car(token) is not None
