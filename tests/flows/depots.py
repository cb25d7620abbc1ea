"""Depots made of a plan's file alone: plugs, cars and sessions, and a gateway in this process."""

from __future__ import annotations

import asyncio
import csv
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from flows.clock import running_from
from flows.dispatch.gateway.config import GatewayConfig
from flows.dispatch.gateway.desk import Desk
from flows.dispatch.gateway.server import Gateway
from flows.dispatch.merge import SessionPowers
from flows.dispatch.plan_file import QUARTER, PlanCar, PlanFile, PlanPlug, PlanSession, PlanSite, text_of
from flows.dispatch.profile import Plug
from flows.dispatch.simulator.station import SimulatedStation
from warehouse.files import write_whole

START = datetime(2026, 6, 16, 16, 0, tzinfo=UTC)
PASSWORD = "a-password-of-a-depot"  # noqa: S105
EFFICIENCY = 0.92
Powers = list[float]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def station(number: int) -> str:
    return f"DEPOT-{number}"


def made_plan(
    powers: Mapping[int, Powers], *, plan_id: str = "p1", as_of: datetime = START, first: datetime = START
) -> PlanFile:
    """A plan of one session a station: powers by quarter-hour at the plug, the car leaves when they end."""
    return PlanFile(
        plan_id=plan_id, zone="DE-LU", mode="v2g", as_of=as_of, sequence=0, first_slot=first,
        cars=tuple(
            PlanCar(
                battery_id=f"CAR{number}", capacity_kwh=60.0, efficiency_charge=EFFICIENCY,
                efficiency_discharge=EFFICIENCY,
            )
            for number in powers
        ),
        plugs=tuple(made_plug(number) for number in powers),
        stays=tuple(_session(number, own, first) for number, own in powers.items()),
    )  # fmt: skip


def made_plug(number: int) -> PlanPlug:
    plug = Plug(station_id=station(number), evse=1, phases=3, voltage_v=230.0, most_kw=11.04)
    return PlanPlug(charger_id=f"plug-{number}", plug=plug, feeds_kw=11.04, fallback_kw=3.7)


def _session(number: int, powers: Powers, first: datetime) -> PlanSession:
    power = np.array(powers)
    way = np.where(power >= 0, EFFICIENCY, 1 / EFFICIENCY)
    energy = 30.0 + 0.25 * np.cumsum(way * power)
    size = len(power)
    return PlanSession(
        battery_id=f"CAR{number}", session_id=f"s{number}", told=True, charger_id=f"plug-{number}",
        departure=first + size * QUARTER, arrival_soc=0.5, departure_soc=float(energy[-1]) / 60.0,
        target_kwh=float(energy[-1]), first_slot=first, energy_before_kwh=30.0,
        slots=SessionPowers(
            power_kw=power, least_kw=np.full(size, -np.inf), most_kw=np.full(size, np.inf),
            import_price=np.full(size, 0.2), export_price=np.full(size, 0.1), energy_kwh=energy,
            least_kwh=np.zeros(size), most_kwh=np.full(size, 60.0), efficiency_charge=EFFICIENCY,
            efficiency_discharge=EFFICIENCY,
        ),
    )  # fmt: skip


def at_site(
    plan: PlanFile,
    import_kw: float,
    export_kw: float = 1e6,
    *,
    base_kw: Powers | None = None,
    yards: Mapping[str, tuple[float, Iterable[int]]] | None = None,
) -> PlanFile:
    """A plan whose plugs stand at a site "depot", or at yards of it: their limits and numbers."""
    base = tuple(base_kw or [])
    below = {station(number): name for name, (_, own) in (yards or {}).items() for number in own}
    sites = [
        PlanSite(site_id="depot", import_limit_kw=import_kw, export_limit_kw=export_kw, parent_id=None,
                 base_kw=base),
        *(PlanSite(site_id=name, import_limit_kw=kw, export_limit_kw=1e6, parent_id="depot", base_kw=())
          for name, (kw, _) in (yards or {}).items()),
    ]  # fmt: skip
    plugs = [replace(one, site_id=below.get(one.plug.station_id, "depot")) for one in plan.plugs]
    return replace(plan, plugs=tuple(plugs), sites=tuple(sites))


def write_plan(folder: Path, plan: PlanFile, name: str = "dispatch_2026-06-16_DE-LU.json") -> None:
    write_whole(folder / name, text_of(plan))


def folders(root: Path, plan: PlanFile | None = None) -> None:
    for name in ("exports", "inbox"):
        (root / name).mkdir(parents=True, exist_ok=True)
    if plan is not None:
        write_plan(root / "exports", plan)


def write_config(root: Path, numbers: Iterable[int], *, meter_s: float = 60.0) -> None:
    lines = [f'"{station(number)}" = "{PASSWORD}"' for number in numbers]
    meters = ["[meters]", f"interval_s = {meter_s:.0f}"]
    write_whole(root / "gateway.toml", "\n".join(["[stations]", *lines, *meters]) + "\n")


def made_desk(root: Path, numbers: Iterable[int], clock: Callable[[], datetime], **config: Any) -> Desk:
    stations = {station(number): PASSWORD for number in numbers}
    return Desk(
        GatewayConfig(stations=stations, **config), plans=root / "exports", inbox=root / "inbox",
        state=root / "gateway", clock=clock,
    )  # fmt: skip


@asynccontextmanager
async def serving(
    root: Path, numbers: Iterable[int], *, speed: float = 1.0, start: datetime = START, **config: Any
) -> AsyncIterator[tuple[Gateway, str]]:
    """A gateway in this process, and its address; it ends with the block."""
    port, ready = free_port(), asyncio.Event()
    desk = made_desk(root, numbers, running_from(start, speed), **config)
    gateway = Gateway(desk, answer_s=2.0, speed=speed)
    task = asyncio.create_task(gateway.run("127.0.0.1", port, None, ready))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    try:
        yield gateway, f"ws://127.0.0.1:{port}"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait until something holds; TimeoutError."""
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.02)


def rows_of(root: Path, kind: str) -> list[dict[str, str]]:
    """All rows of a kind that lie in the inbox, in the order in which they came."""
    files = sorted(
        (root / "inbox").glob(f"{kind}__csv__gateway-*.csv"),
        key=lambda file: int(file.stem.rpartition("-")[2]),
    )
    return [row for file in files for row in csv.DictReader(file.read_text().splitlines())]


def kinds(gateway: Gateway) -> set[str]:
    return {one["kind"] for one in gateway.desk.alerts.newest}


def above(
    stations: Sequence[SimulatedStation], limit_kw: float
) -> tuple[float, list[tuple[datetime, timedelta, float]]]:
    """The most that all drew at once, and when it was above a limit: since when, how long, by how much."""
    steps = sorted(
        ((at, number, power) for number, one in enumerate(stations) for at, _, power in
         [*one.followed, *((visit.departure, 0.0, 0.0) for visit in one.visits)]),
        key=lambda step: step[0],
    )  # fmt: skip
    drawn, most, since, worst = dict.fromkeys(range(len(stations)), 0.0), 0.0, None, 0.0
    found: list[tuple[datetime, timedelta, float]] = []
    for place, (at, number, power) in enumerate(steps):
        drawn[number] = power
        if place + 1 < len(steps) and steps[place + 1][0] == at:
            continue
        total = sum(drawn.values())
        most = max(most, total)
        if total > limit_kw + 0.01:
            since, worst = since or at, max(worst, total - limit_kw)
        elif since is not None:
            found.append((since, at - since, worst))
            since, worst = None, 0.0
    return most, found


def later(plan: PlanFile, number: int, powers: Powers, **changed: Any) -> PlanFile:
    """A newer plan in which one session is another."""
    sessions = [
        _session(number, powers, one.first_slot) if one.battery_id == f"CAR{number}" else one
        for one in plan.stays
    ]
    return replace(plan, stays=tuple(sessions), as_of=plan.as_of + timedelta(minutes=1), **changed)
