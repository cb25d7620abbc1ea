"""The plans that the gateway carries out: read from a folder, kept on its own disk, the newest first.

A file that cannot be used changes nothing: what was there stays. With the folder away the copies do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from flows.dispatch.current import Found, newest_first, planned_now
from flows.dispatch.plan_file import (
    PATTERN,
    QUARTER,
    PlanCar,
    PlanFile,
    PlanFileError,
    PlanPlug,
    PlanSite,
    plan_of,
)
from warehouse.files import make_folder, write_whole

_MOST_BYTES = 256_000_000
_OVER = timedelta(days=2)


@dataclass(slots=True, kw_only=True)
class _Index:
    """of: the plans that it is of. sites: with their plans, the newest first."""

    of: object
    plugs: dict[tuple[str, int], PlanPlug] = field(default_factory=dict)
    sites: dict[str, list[tuple[PlanFile, PlanSite]]] = field(default_factory=dict)


class PlanFolder:
    """The plans of `folder`, with copies in `own`. refused: is given the name of a bad file, and why."""

    def __init__(self, folder: Path, own: Path, refused: Callable[[str, str], object]) -> None:
        self._folder, self._own, self._refused = folder, make_folder(own), refused
        self._seen: dict[str, tuple[int, int]] = {}
        self._plans: dict[str, PlanFile] = {}
        self._index = _Index(of=None)
        for file in sorted(own.glob(PATTERN)):
            self._load(file)

    @property
    def plans(self) -> list[PlanFile]:
        """All there are, what rests on the newest knowledge first."""
        return newest_first(self._plans.values())

    def look(self, now: datetime) -> bool:
        """Whether a file is new or changed since the last look; what has long been over is dropped."""
        changed = False
        try:
            files = sorted(self._folder.glob(PATTERN))
            signs = {file.name: (file.lstat().st_mtime_ns, file.lstat().st_size) for file in files}
        except OSError:
            return False  # away: the copies hold
        for file in files:
            if self._seen.get(file.name) != signs[file.name]:
                self._seen[file.name] = signs[file.name]
                changed |= self._take(file)
        over = [name for name, plan in self._plans.items() if plan.end + _OVER < now]
        if over:  # a new table: somebody may be reading the old one
            self._plans = {name: plan for name, plan in self._plans.items() if name not in over}
        for name in over:
            (self._own / name).unlink(missing_ok=True)
        return changed

    def plug(self, station: str, evse: int) -> PlanPlug | None:
        """A connector, by the newest plan that knows it."""
        return self._indexed().plugs.get((station, evse))

    def plugs(self, station: str) -> list[PlanPlug]:
        """The connectors of a station, each by the newest plan that knows it."""
        return [one for (name, _), one in self._indexed().plugs.items() if name == station]

    @property
    def edition(self) -> object:
        """Another one whenever a plan has come or gone."""
        return self._plans

    def site(self, site_id: str) -> PlanSite | None:
        """A site, by the newest plan that knows it."""
        stated = self._indexed().sites.get(site_id)
        return stated[0][1] if stated else None

    def base_kw(self, site_id: str, moment: datetime) -> float:
        """What is expected to be drawn at a site besides cars: by the newest plan that spans the moment.

        Where none does, the most that the newest expects at any time; 0 where nothing is known.
        """
        stated = self._indexed().sites.get(site_id, [])
        for plan, one in stated:
            place = (moment - plan.first_slot) // QUARTER
            if 0 <= place < len(one.base_kw):
                return one.base_kw[place]
        return max((kw for _, one in stated[:1] for kw in one.base_kw), default=0.0)

    def car(self, battery_id: str) -> PlanCar | None:
        """A car, by the newest plan that knows it."""
        cars = (one for plan in self.plans for one in plan.cars if one.battery_id == battery_id)
        return next(cars, None)

    def session(self, battery_id: str | None, charger_id: str | None, now: datetime) -> Found | None:
        """What is planned now for a car, or for whichever one a charger waits for: `planned_now`."""
        return planned_now(self.plans, battery_id, charger_id, now)

    def _indexed(self) -> _Index:
        """Connectors and sites by their names; made anew where a plan has come or gone."""
        if self._index.of is not self._plans:
            found = _Index(of=self._plans)
            for plan in self.plans:
                for plug in plan.plugs:
                    found.plugs.setdefault((plug.plug.station_id, plug.plug.evse), plug)
                for site in plan.sites:
                    found.sites.setdefault(site.site_id, []).append((plan, site))
            self._index = found
        return self._index

    def _take(self, file: Path) -> bool:
        before = self._plans.get(file.name)
        if not self._load(file):
            return False
        after = self._plans[file.name]
        if before is not None and (before.plan_id, before.as_of) == (after.plan_id, after.as_of):
            return False
        try:
            write_whole(self._own / file.name, file.read_bytes())
        except OSError as error:
            self._refused(file.name, f"no copy of it could be kept: {error.strerror}")
        return True

    def _load(self, file: Path) -> bool:
        try:
            if file.is_symlink() or not file.is_file() or file.stat().st_size > _MOST_BYTES:
                raise PlanFileError(f"{file.name} is no plain file, or larger than {_MOST_BYTES:,} bytes")
            self._plans = {**self._plans, file.name: plan_of(file.read_bytes(), file.name)}
        except PlanFileError as error:
            self._refused(file.name, str(error))
            return False
        except OSError as error:
            self._refused(file.name, f"{file.name} cannot be read: {error.strerror}")
            return False
        return True
