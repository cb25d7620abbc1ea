"""A plan as a file for whoever carries it out: all that profiles are made of, without a warehouse.

`exports/dispatch_DATE_ZONE.json` holds the mode that is followed: cars, sites with their limits and what else
they draw, plugs (chargers whose station and connector are known) and stays with their powers by quarter-hour,
what the site leaves next to them, and the prices and energies that decide how quarter-hours are merged. Times
are UTC, powers kW at the plug, + = draw.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from flows.dispatch.merge import Floats, Run, SessionPowers
from flows.dispatch.profile import Plug
from flows.errors import UsageError

FORMAT = 1
QUARTER = timedelta(minutes=15)
PATTERN = "dispatch_*.json"
_OFF_KW = 1e-6
_DIGITS = 9
_ARRAYS = (
    "power_kw", "least_kw", "most_kw", "import_price", "export_price", "energy_kwh", "least_kwh", "most_kwh",
)  # fmt: skip


class PlanFileError(UsageError):
    """A file that is no plan to carry out; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCar:
    """A car: its nominal energy, and what it loses between plug and battery (0–1)."""

    battery_id: str
    capacity_kwh: float
    efficiency_charge: float
    efficiency_discharge: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPlug:
    """A connector; feeds_kw: what it can feed back, fallback_kw: its share of what its sites may draw.

    site_id: where it stands, None where no file reported. least_kw: the least that it charges with when on.
    """

    charger_id: str
    plug: Plug
    feeds_kw: float
    fallback_kw: float
    site_id: str | None = None
    least_kw: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSite:
    """A grid connection: its limits, what it hangs on, and what is expected to be drawn there besides cars.

    base_kw: by quarter-hour from the plan's first, of all that hangs on it, less what is generated there.
    """

    site_id: str
    import_limit_kw: float
    export_limit_kw: float
    parent_id: str | None
    base_kw: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlanSession:
    """A car's quarter-hours while it is plugged in, in the mode that is followed.

    told: whether somebody announced the session. Charges 0–1 as announced, None where nobody did.
    charger_id: as its session tells. energy_before_kwh: in store before the first quarter-hour.
    v2x_soc: the band within which it was planned to feed back, None where none was known.
    """

    battery_id: str
    session_id: str
    told: bool
    charger_id: str | None
    departure: datetime
    arrival_soc: float | None
    departure_soc: float | None
    target_kwh: float
    first_slot: datetime
    energy_before_kwh: float
    slots: SessionPowers
    v2x_soc: tuple[float, float] | None = None

    @property
    def end(self) -> datetime:
        """Where its last whole quarter-hour ends."""
        return self.first_slot + len(self.slots.power_kw) * QUARTER

    @property
    def last_minutes(self) -> tuple[Run, ...]:
        """The rest from the last whole quarter-hour to the departure, where there is power before it."""
        size = len(self.slots.power_kw)
        goes_on = self.departure > self.end and abs(self.slots.power_kw[-1]) > _OFF_KW
        return (Run(first=size, last=size + 1, power_kw=0.0),) if goes_on else ()

    @property
    def name(self) -> str:
        """Car and session, for messages."""
        return f"{self.battery_id} · {self.session_id}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlanFile:
    """What a plan has to say to chargers. as_of, sequence: which of two plans rests on newer knowledge."""

    plan_id: str
    zone: str
    mode: str
    as_of: datetime
    sequence: int
    first_slot: datetime
    cars: tuple[PlanCar, ...]
    plugs: tuple[PlanPlug, ...]
    stays: tuple[PlanSession, ...]
    sites: tuple[PlanSite, ...] = ()

    @property
    def end(self) -> datetime:
        """Where the last session ends; the plan's beginning where there is none."""
        return max((session.departure for session in self.stays), default=self.first_slot)


def text_of(plan: PlanFile) -> str:
    """Return the file of a plan."""
    return json.dumps({"format": FORMAT, **_plain(asdict(plan))}, ensure_ascii=False, allow_nan=False) + "\n"


def plan_of(data: bytes, name: str) -> PlanFile:
    """Read a file; raises PlanFileError for one that is no plan, or not of this format."""
    try:
        answer = json.loads(data)
        if answer["format"] != FORMAT:
            raise PlanFileError(f"{name} is of format {answer['format']!r}, not {FORMAT}")
        return PlanFile(
            plan_id=str(answer["plan_id"]), zone=str(answer["zone"]), mode=str(answer["mode"]),
            as_of=_time(answer["as_of"]), sequence=int(answer["sequence"]),
            first_slot=_time(answer["first_slot"]),
            cars=tuple(PlanCar(**car) for car in answer["cars"]),
            plugs=tuple(PlanPlug(**{**one, "plug": Plug(**one["plug"])}) for one in answer["plugs"]),
            stays=tuple(_session(one) for one in answer["stays"]),
            sites=_sites(answer.get("sites", ())),
        )  # fmt: skip
    except PlanFileError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PlanFileError(f"{name} is no plan to carry out: {type(error).__name__}: {error}") from error


def _sites(stated: Sequence[Mapping[str, Any]]) -> tuple[PlanSite, ...]:
    found = tuple(PlanSite(**{**one, "base_kw": tuple(map(float, one["base_kw"]))}) for one in stated)
    for one in found:
        limits = one.import_limit_kw, one.export_limit_kw
        if not all(math.isfinite(value) for value in (*limits, *one.base_kw)) or min(limits) < 0:
            raise ValueError(f"site {one.site_id!r} has limits or loads that are none")
    return found


def _session(stated: Mapping[str, Any]) -> PlanSession:
    arrays: dict[str, Any] = {name: _floats(stated["slots"][name], name) for name in _ARRAYS}
    sizes = {len(one) for one in arrays.values()}
    if len(sizes) != 1 or not sizes.pop():
        raise ValueError(f"stay {stated['session_id']!r} has rows of several lengths, or none")
    single: dict[str, Any] = {
        name: float(stated["slots"][name]) for name in ("efficiency_charge", "efficiency_discharge")
    }
    if not np.isfinite(arrays["power_kw"]).all() or not all(0 < one <= 1 for one in single.values()):
        raise ValueError(f"stay {stated['session_id']!r} has powers or efficiencies that are none")
    times = {name: _time(stated[name]) for name in ("departure", "first_slot")}
    band = stated.get("v2x_soc")
    made = {"slots": SessionPowers(**arrays, **single), "v2x_soc": band and (float(band[0]), float(band[1]))}
    return PlanSession(**{**stated, **times, **made})


def _floats(values: list[float | None], name: str) -> Floats:
    """An array; an infinite bound is null in JSON."""
    nothing = -math.inf if name.startswith("least") else math.inf if name.startswith("most") else math.nan
    return np.array([nothing if one is None else float(one) for one in values], dtype=np.float64)


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.ndarray):
        return [round(float(one), _DIGITS) if math.isfinite(one) else None for one in value]
    return value.isoformat() if isinstance(value, datetime) else value
