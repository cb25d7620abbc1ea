"""Objects of OCPI 2.2.1 as they are read from the other side; fields that nobody asks for are ignored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from flows.errors import UsageError

ResponseType = Literal["ACCEPTED", "NOT_SUPPORTED", "REJECTED", "TOO_OFTEN", "UNKNOWN_SESSION"]
ResultType = Literal["ACCEPTED", "REJECTED", "UNKNOWN"]


class ObjectError(UsageError):
    """What was received is no object of the specification; the message names its fields."""


def _utc(value: datetime) -> datetime:
    """All times are UTC, also those without a designator."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_utc)]
Identifier = Annotated[str, Field(min_length=1, max_length=36, pattern=r"^[ -~]+$")]


class _Object(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Envelope(_Object):
    """What every answer is wrapped in."""

    status_code: int
    status_message: str | None = None
    data: Any = None


class Version(_Object):
    """A version of OCPI that is spoken."""

    version: str
    url: str


class Endpoint(_Object):
    """Where one side of a module is."""

    identifier: str
    role: str = ""
    url: str


class VersionDetails(_Object):
    """The endpoints of a version."""

    version: str
    endpoints: list[Endpoint]


class CdrToken(_Object):
    """The token that a session was started with."""

    uid: Annotated[str, Field(min_length=1)]


class Session(_Object):
    """A charging session there."""

    id: Identifier
    start_date_time: Moment
    status: Literal["ACTIVE", "COMPLETED", "INVALID", "PENDING", "RESERVATION"]
    cdr_token: CdrToken
    evse_uid: str = ""
    last_updated: Moment


class ChargingProfileResponse(_Object):
    """What is answered at once; timeout: how long to wait for what comes of it, s."""

    result: ResponseType
    timeout: Annotated[int, Field(ge=0)]


class ChargingProfilePeriod(_Object):
    """From when on, s from the profile's start, how much."""

    start_period: Annotated[int, Field(ge=0)]
    limit: Annotated[float, Field(ge=0)]


class ChargingProfile(_Object):
    """Limits over time."""

    start_date_time: Moment | None = None
    duration: Annotated[int, Field(ge=0)] | None = None
    charging_rate_unit: Literal["W", "A"]
    min_charging_rate: float | None = None
    charging_profile_period: list[ChargingProfilePeriod] = Field(default=[])


class ActiveChargingProfile(_Object):
    """What a station does with all that it was given."""

    start_date_time: Moment
    charging_profile: ChargingProfile


class Result(_Object):
    """What came of a request: of a PUT and a DELETE the result alone, of a GET the profile too."""

    result: ResultType
    profile: ActiveChargingProfile | None = None


One = TypeVar("One", bound=BaseModel)


def read(kind: type[One], value: object) -> One:
    """Return a value as an object; raises ObjectError."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in error.errors()[:5]]
        raise ObjectError(f"no {kind.__name__} of OCPI 2.2.1 ({'; '.join(faults)})") from None
