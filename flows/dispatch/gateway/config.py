"""gateway.toml: the stations that may connect with their passwords, whose car a token is, who may charge,
margins of sites, meter intervals.

    [stations]
    "DEPOT-1" = "sixteen characters or more"

    [cars]
    "04A2B3C4" = "CAR1"            # the token that is shown
    "DEPOT-1 evse 1" = "CAR2"      # whatever is plugged in there

    [guests]
    "04FFEE11" = "visitors"        # may charge without a car of ours: whose token it is

    [authorize]
    unknown = "Invalid"            # any other token; "Accepted" (as nobody's car) where nothing is said

    [margins]
    "yard" = 2.0                   # kW that stay free below the limits of this site

    [meters]
    interval_s = 60                # so often a station meters a car, which it is told at each connection

Only its owner may read the file.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast, get_args

from flows.dispatch.tokens import in_capitals
from flows.errors import UsageError

FILE_NAME = "gateway.toml"
_STATION = re.compile(r"[A-Za-z0-9*_=:+|@. -]{1,48}")
_LEAST = 16
Unknown = Literal["Accepted", "Invalid"]
_METER_S = 60
_HINT = f'{FILE_NAME} of mode 0600: [stations] with a line "STATION" = "PASSWORD" for each.'


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """stations: id → password. cars: token in capitals, or place, → battery_id. margins: site_id → kW.

    guests: token in capitals → whose it is. unknown: the AuthorizationStatus of any other token.
    meter_interval_s: seconds from one meter value of a car to the next.
    """

    stations: Mapping[str, str]
    cars: Mapping[str, str] = field(default_factory=dict)
    margins: Mapping[str, float] = field(default_factory=dict)
    guests: Mapping[str, str] = field(default_factory=dict)
    unknown: Unknown = "Accepted"
    meter_interval_s: int = _METER_S

    def admits(self, station: str, authorization: str | None) -> bool:
        """Whether a station may connect with this header of HTTP basic authentication."""
        scheme, _, encoded = (authorization or "").partition(" ")
        try:
            stated = base64.b64decode(encoded, validate=True) if scheme.lower() == "basic" else b""
        except (binascii.Error, ValueError):
            stated = b""
        password = self.stations.get(station)
        wanted = f"{station}:{password}".encode()
        return hmac.compare_digest(stated, wanted) and password is not None

    def car_of(self, token: str | None, station: str, evse: int) -> str | None:
        """The battery of a token (the same in capitals, by OCPP), or of a place; None where nobody says."""
        by_token = None if token is None else self.cars.get(token.upper())
        return by_token or self.cars.get(f"{station} evse {evse}".upper())

    def names_place(self, station: str, evse: int | None) -> bool:
        """Whether what is plugged in at an EVSE, or (None) at any of a station, is a car that is named."""
        place = f"{station} evse ".upper()
        if evse is not None:
            return f"{place}{evse}" in self.cars
        return any(name.startswith(place) and name[len(place) :].isdecimal() for name in self.cars)


def load_config(path: Path) -> GatewayConfig:
    """Read gateway.toml; raises UsageError for one that is missing, open to others or cannot be right."""
    try:
        mode = path.stat().st_mode
        answer = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint=_HINT) from error
    except ValueError as error:
        raise UsageError(f"{path} is not TOML: {error}", hint=_HINT) from error
    if mode & 0o077:
        raise UsageError(f"{path} holds passwords and can be read by others", hint=f"chmod 600 {path}")
    known = {"stations", "cars", "guests", "authorize", "margins", "meters"}
    if strange := sorted(answer.keys() - known):
        raise UsageError(f"{path}: unknown {', '.join(strange)}", hint=_HINT)
    stations, cars, guests, authorize = (
        _texts(answer.get(name, {}), name, path) for name in ("stations", "cars", "guests", "authorize")
    )
    if not stations:
        raise UsageError(f"{path} names no station", hint=_HINT)
    for name, password in stations.items():
        if not _STATION.fullmatch(name) or ":" in name:
            raise UsageError(f"{path}: {name!r} is no id of a station", hint=_HINT)
        if len(password) < _LEAST:
            raise UsageError(f"{path}: the password of {name} has fewer than {_LEAST} characters")
    margins = _margins(answer.get("margins", {}), path)
    try:
        cars, guests = in_capitals(cars, guests)
    except ValueError as error:
        raise UsageError(f"{path}: [cars], [guests]: {error}", hint=_HINT) from None
    return GatewayConfig(
        stations=stations, cars=cars, margins=margins, guests=guests, unknown=_unknown(authorize, path),
        meter_interval_s=_interval_s(answer.get("meters", {}), path),
    )  # fmt: skip


def _unknown(stated: Mapping[str, str], path: Path) -> Unknown:
    wanted = stated.get("unknown", "Accepted")
    if stated.keys() - {"unknown"} or wanted not in get_args(Unknown):
        raise UsageError(f'{path}: [authorize] has one line, unknown = "Accepted" or "Invalid"', hint=_HINT)
    return cast("Unknown", wanted)


def _interval_s(value: object, path: Path) -> int:
    if not isinstance(value, dict) or value.keys() - {"interval_s"}:
        raise UsageError(f"{path}: [meters] is no table with interval_s alone", hint=_HINT)
    seconds = value.get("interval_s", _METER_S)
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= 900:
        raise UsageError(f"{path}: [meters] interval_s = {seconds!r} is no whole number of 1 to 900 s")
    return seconds


def _margins(value: object, path: Path) -> dict[str, float]:
    if not isinstance(value, dict):
        raise UsageError(f"{path}: [margins] is no table", hint=_HINT)
    for site, one in value.items():
        if not isinstance(one, int | float) or isinstance(one, bool) or not 0 <= one < math.inf:
            raise UsageError(f"{path}: [margins] {site} = {one!r} is no number of kW", hint=_HINT)
    return {site: float(one) for site, one in value.items()}


def _texts(value: object, name: str, path: Path) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(one, str) and one for one in value.values()):
        raise UsageError(f"{path}: [{name}] is not a table of texts", hint=_HINT)
    return value
