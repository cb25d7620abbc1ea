"""Rules between the charging profiles of one station: no two may claim the same place at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import combinations

from flows.dispatch.message import Breach, Request

_FIRST, _LAST = (datetime(year, 1, 1, tzinfo=UTC) for year in (1, 9999))
_ONE_PLACE = "share purpose, EVSE and stack level while both are valid"


def check_together(requests: Sequence[Request]) -> list[Breach]:
    """Return what profiles for one station break together: ids and places that two of them claim.

    requests: as `request_of` reads them, each without a breach of its own.
    """
    return [
        breach
        for (first, one), (second, other) in combinations(enumerate(requests), 2)
        for breach in _pair(one, other, f"profiles {first} and {second}")
    ]


def _pair(one: Request, other: Request, path: str) -> Iterator[Breach]:
    mine, its = one.profile, other.profile
    ids = [profile.get("id", profile.get("chargingProfileId")) for profile in (mine, its)]
    if ids[0] == ids[1]:
        yield Breach(
            rule="K01.FR.05", path=path, value=ids[0], problem="have one id: the later replaces the first"
        )
        return
    if (mine["chargingProfilePurpose"], mine["stackLevel"]) != (
        its["chargingProfilePurpose"],
        its["stackLevel"],
    ):
        return
    if not _overlap(one, other):
        return
    purpose = mine["chargingProfilePurpose"]
    if purpose == "TxProfile" and mine.get("transactionId") == its.get("transactionId"):
        yield Breach(rule="K01.FR.39", path=path, value=mine.get("transactionId"), problem=_ONE_PLACE)
    elif purpose == "TxDefaultProfile" and one.evse != other.evse and 0 in (one.evse, other.evse):
        rule = "K01.FR.52" if one.evse == 0 else "K01.FR.53"
        yield Breach(
            rule=rule,
            path=path,
            value=mine["stackLevel"],
            problem="are for the station and an EVSE at one level",
        )
    elif purpose != "TxProfile" and one.evse == other.evse:
        yield Breach(rule="K01.FR.06", path=path, value=mine["stackLevel"], problem=_ONE_PLACE)


def _overlap(one: Request, other: Request) -> bool:
    (begin, end), (its_begin, its_end) = (_valid(request) for request in (one, other))
    return begin < its_end and its_begin < end


def _valid(request: Request) -> tuple[datetime, datetime]:
    bounds = (("validFrom", _FIRST), ("validTo", _LAST))
    begin, end = (
        datetime.fromisoformat(request.profile[name]) if name in request.profile else bound
        for name, bound in bounds
    )
    return begin, end
