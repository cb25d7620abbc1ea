"""The gateway next to simulated stations on loopback: `python -m tests.benchmarks.gateway`.

Three things, each with the gateway in a process of its own: `fleet` (resident memory alone and with so many
stations connected, and the time from a new plan's file to the last station that has it), `plug-in` (from a
car's plug-in to its profile at the station, so many at once) and `day` (stations of 2.1 and of 1.6 behind one
feeder, whose limit is the largest sum of the plan, over one night at so many times the speed, some faulty or
greedy, the gateway killed and started again in the middle).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows.dispatch.gateway.status_file import read_status
from flows.dispatch.plan_file import QUARTER, PlanFile
from flows.dispatch.simulator.fleet import stations_of
from flows.dispatch.simulator.station import Fault, Setup, SimulatedStation
from tests.benchmarks.data import benchmark_parser
from tests.flows.depots import (
    PASSWORD,
    above,
    at_site,
    folders,
    free_port,
    made_plan,
    rows_of,
    station,
    until,
    write_config,
    write_plan,
)  # fmt: skip

NIGHT = 56
METER_S = 300.0
FAULTY = {
    3: Fault.REFUSING, 9: Fault.SILENT, 15: Fault.DISOBEYING, 18: Fault.GREEDY, 21: Fault.LATE,
    27: Fault.RECONNECTING, 33: Fault.DUPLICATE, 52: Fault.DUPLICATE, 55: Fault.LATE, 58: Fault.GREEDY,
}  # fmt: skip
DISOBEY = (Fault.REFUSING, Fault.SILENT, Fault.DISOBEYING, Fault.GREEDY)


def gateway_of(root: Path, port: int, *more: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "flows.cli", "-w", str(root), "gateway", "run", "--port", str(port), *more]
    return subprocess.Popen(words, stderr=subprocess.DEVNULL)


def memory_mb(process: subprocess.Popen[bytes]) -> float:
    """Resident memory of a process, MB."""
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1000.0


def slot_of(moment: datetime) -> datetime:
    return moment - timedelta(seconds=moment.timestamp() % 900)


def powers(chance: random.Random, *, feeds: bool, size: int = NIGHT) -> list[float]:
    """A night in runs of an hour that no battery of 60 kWh, half full, is too small for."""
    found, held = list[float](), 30.0
    while len(found) < size:
        power = chance.choice([0.0, 3.0, -2.0 if feeds else 1.0, 5.0, 0.0])
        if not 8.0 < held + power < 55.0:
            power = 0.0
        held += power
        found += [power] * 4
    return found[:size]


async def heard(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(30)


async def fleet(root: Path, count: int) -> None:
    """Memory, and a plan for all of them."""
    chance, now = random.Random(1), datetime.now(UTC)  # noqa: S311
    numbers = range(1, count + 1)
    plan = made_plan({n: powers(chance, feeds=True) for n in numbers}, as_of=now, first=slot_of(now))
    folders(root, plan)
    write_config(root, numbers)
    port = free_port()
    process = gateway_of(root, port)
    await heard(port)
    await asyncio.sleep(3.0)
    alone = memory_mb(process)
    setups = {
        station(n): Setup(url=f"ws://127.0.0.1:{port}", password=PASSWORD, meter_s=60.0) for n in numbers
    }
    stations = stations_of(plan, setups, now)
    tasks = []
    for number, one in enumerate(stations):
        tasks.append(asyncio.create_task(one.run()))
        if number % 10 == 9:
            await asyncio.sleep(0.2)
    try:
        await until(lambda: all(len(one.set_profiles) >= 2 for one in stations), 300)
        await asyncio.sleep(5.0)
        full = memory_mb(process)
        newer = made_plan(
            {n: powers(chance, feeds=True) for n in numbers}, plan_id="p2", as_of=now + timedelta(minutes=1),
            first=slot_of(now),
        )  # fmt: skip
        before = [len(one.set_profiles) for one in stations]
        began = time.monotonic()
        write_plan(root / "exports", newer)
        await until(
            lambda: all(len(one.set_profiles) > old for one, old in zip(stations, before, strict=True)), 300
        )
        took = time.monotonic() - began
        print(
            f"{count} stations: {alone:.0f} MB alone (its plan read), {full:.0f} MB connected, "
            f"{memory_mb(process):.0f} MB after a new plan, which the last station had after {took:.1f} s",
            flush=True,
        )
    finally:
        for task in tasks:
            task.cancel()
        end(process)


async def plug_in(root: Path, count: int) -> None:
    """From plug-in to profile, cars coming within ten seconds."""
    chance, now = random.Random(2), datetime.now(UTC)  # noqa: S311
    numbers = range(1, count + 1)
    plan = made_plan({n: powers(chance, feeds=True) for n in numbers}, as_of=now, first=slot_of(now))
    folders(root, plan)
    write_config(root, numbers)
    port = free_port()
    process = gateway_of(root, port)
    await heard(port)
    setups = {station(n): Setup(url=f"ws://127.0.0.1:{port}", password=PASSWORD) for n in numbers}
    stations = stations_of(plan, setups, now)
    coming = datetime.now(UTC) + timedelta(seconds=max(15.0, count / 10))
    for one in stations:
        one.visits = [
            replace(v, arrival=coming + timedelta(seconds=chance.uniform(0, 10))) for v in one.visits
        ]
    tasks = [asyncio.create_task(one.run()) for one in stations]
    try:
        await until(lambda: all(one.profile_after_s for one in stations), 200)
        took = sorted(one.profile_after_s[0] for one in stations)
        print(
            f"{count} cars within 10 s: from plug-in to profile median {statistics.median(took):.2f} s, "
            f"95 % {took[int(0.95 * len(took))]:.2f} s, most {took[-1]:.2f} s",
            flush=True,
        )
    finally:
        for task in tasks:
            task.cancel()
        end(process)


def night(count: int, old: int, start: datetime) -> PlanFile:
    """A night of so many stations, arrivals spread over two hours; the first `count - old` speak 2.1."""
    chance, parts = random.Random(3), []  # noqa: S311
    for number in range(1, count + 1):
        first = start + chance.randrange(8) * QUARTER
        parts.append(
            made_plan({number: powers(chance, feeds=number <= count - old)}, as_of=start, first=first)
        )
    joined = {
        name: tuple(x for part in parts for x in getattr(part, name)) for name in ("cars", "plugs", "stays")
    }
    plan = replace(parts[0], first_slot=start, **joined)
    limit_kw = max(planned_kw(plan).values())
    plugs = tuple(replace(one, fallback_kw=limit_kw / count) for one in plan.plugs)
    return at_site(replace(plan, plugs=plugs), limit_kw)


def planned_kw(plan: PlanFile) -> dict[datetime, float]:
    """What the plan draws by quarter-hour, kW."""
    found: dict[datetime, float] = {}
    for session in plan.stays:
        for place, power in enumerate(session.slots.power_kw):
            begin = session.first_slot + place * QUARTER
            found[begin] = found.get(begin, 0.0) + float(power)
    return found


async def day(root: Path, count: int, old: int, speed: float) -> None:
    """One night with faults, and a kill."""
    start = datetime(2026, 6, 16, 17, tzinfo=UTC)
    plan = night(count, old, start)
    folders(root, plan)
    write_config(root, range(1, count + 1), meter_s=METER_S)
    port, begin = free_port(), start - timedelta(minutes=30)
    began = time.monotonic()
    process = gateway_of(root, port, "--as-of", begin.isoformat(), "--speed", str(speed))
    await heard(port)
    start_s = time.monotonic() - began
    setups = {
        station(n): Setup(
            url=f"ws://127.0.0.1:{port}", password=PASSWORD, version="2.1" if n <= count - old else "1.6",
            speed=speed, meter_s=METER_S, faults=frozenset({FAULTY[n]} if n in FAULTY else ()),
        )
        for n in range(1, count + 1)
    }  # fmt: skip
    stations = stations_of(plan, setups, begin)
    running = asyncio.gather(*(one.run() for one in stations))
    await until(lambda: all(one.connected.is_set() for one in stations), 120)
    await until(lambda: stations[0].clock.true > start + timedelta(hours=7), 3600)
    killed = stations[0].clock.true
    process.kill()
    process.wait()
    at = stations[0].clock.true + timedelta(seconds=start_s * speed)
    process = gateway_of(root, port, "--as-of", at.isoformat(), "--speed", str(speed))
    await until(lambda: all(one.connected.is_set() for one in stations if one.clock.true < _leaves(one)), 120)
    back = stations[0].clock.true
    try:
        await running
        with suppress(TimeoutError):
            await until(lambda: len(_over(root)) == count, 120)
        stated = read_status(root / "gateway") or {}
    finally:
        end(process)
    _report(root, plan, stations, stated)
    limit = plan.sites[0].import_limit_kw
    most, times = above(stations, limit)
    away = [one for one in times if killed <= one[0] < back]
    longest = max((length for _, length, _ in times if length), default=timedelta())
    print(
        f"  feeder of {limit:.1f} kW: {most:.1f} kW at the most at once; above it {len(times)} times, "
        f"{sum((length for _, length, _ in times), timedelta())} in all, {longest} at the longest "
        f"(a meter interval is {timedelta(seconds=METER_S)}); {len(away)} of them began in the "
        f"{back - killed} without a gateway"
    )
    for since, length, kw in sorted(times, key=lambda one: -one[1])[:5]:
        print(f"    {since:%H:%M:%S} for {length.total_seconds():.0f} s by {kw:.2f} kW at the most")
    whole = [json.loads(line) for line in (root / "gateway" / "alerts.jsonl").read_text().splitlines()]
    counted = {kind: sum(one["kind"] == kind for one in whole) for kind in sorted({o["kind"] for o in whole})}
    sent = max(len(one.set_profiles) for one in stations)
    print(f"  alerts: {counted}; profiles sent to a station: {sent} at the most")


def _leaves(one: SimulatedStation) -> datetime:
    return max(visit.departure for visit in one.visits)


def _over(root: Path) -> set[str]:
    return {row["session_id"] for row in rows_of(root, "sessions") if row["energy_kwh"]}


def _report(
    root: Path, plan: PlanFile, stations: Sequence[SimulatedStation], stated: dict[str, object]
) -> None:
    planned = {one.charger_id: one.slots.power_kw for one in plan.stays}
    rows = {(row["battery_id"], row["interval_start_utc"]): row for row in rows_of(root, "metering")}
    off, lost = [], []
    for number, one in enumerate(stations, start=1):
        wanted = 0.25 * planned[one.at.charger_id].sum()
        moved = 0.25 * abs(planned[one.at.charger_id]).sum()
        did = one.drawn_kwh - one.fed_kwh
        own = [row for (battery, _), row in rows.items() if battery == f"CAR{number}"]
        lost.append(abs(did - sum(float(row["import_kwh"]) - float(row["export_kwh"]) for row in own)))
        if FAULTY.get(number) not in DISOBEY:
            off.append(abs(did - wanted) / moved)
        if one.missed:
            print(
                f"  missed: {one.at.plug.station_id} ({FAULTY.get(number, 'obeys')}): {'; '.join(one.missed)}"
            )
    sums: dict[str, float] = {}
    for (_, begin), row in rows.items():
        sums[begin] = sums.get(begin, 0.0) + 4 * (float(row["import_kwh"]) - float(row["export_kwh"]))
    print(
        f"{len(stations)} stations, one night: {len(_over(root))} sessions announced, energy off the plan "
        f"where cars obey: median {statistics.median(off):.2%}, most {max(off):.2%}; "
        f"meters less rows: most {max(lost):.3f} kWh; "
        f"largest draw of all {max(sums.values()):.1f} kW, planned {max(planned_kw(plan).values()):.1f} kW"
    )
    if untold := sorted({one.session_id for one in plan.stays} - _over(root)):
        print(f"  not reported: {', '.join(untold)}")
    for one in stated.get("alerts", ()):  # type: ignore[attr-defined]
        print(f"  alert: {one['kind']}: {one['station']} {one['problem'][:80]}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line each."""
    parser = benchmark_parser("gateway", __doc__)
    parser.add_argument("what", nargs="*", choices=["fleet", "plug-in", "day", []], default=[])
    parser.add_argument("--stations", type=int, default=1000, help="of `fleet`")
    parser.add_argument("--cars", type=int, default=200, help="of `plug-in`")
    parser.add_argument("--night", type=int, default=60, help="stations of `day`, a sixth of them of 1.6")
    parser.add_argument("--speed", type=float, default=200.0, help="of `day`")
    options = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = "1"
    for what in options.what or ["fleet", "plug-in", "day"]:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            match what:
                case "fleet":
                    asyncio.run(fleet(root, options.stations))
                case "plug-in":
                    asyncio.run(plug_in(root, options.cars))
                case _:
                    asyncio.run(day(root, options.night, options.night // 6, options.speed))


if __name__ == "__main__":
    main()
