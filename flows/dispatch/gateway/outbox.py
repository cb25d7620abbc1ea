"""What stations reported, as files for the inbox: sessions, metering by quarter-hour, charge and power.

A file is first decided in the journal, then written whole under its own name: after a kill it is written
again, the same, unless the inbox has it. The readers of the warehouse take the files as any others.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.dispatch.gateway.book import Book, Transaction
from flows.dispatch.gateway.metering import Quarters
from flows.dispatch.gateway.readings import Reading
from warehouse.files import write_whole

SESSIONS = (
    "session_id", "battery_id", "arrival_utc", "departure_utc", "arrival_soc", "departure_soc", "energy_kwh",
    "charger_id", "requested_departure_utc", "requested_kwh", "v2x_min_soc", "v2x_max_soc",
)  # fmt: skip
METERING = ("battery_id", "interval_start_utc", "import_kwh", "export_kwh")
SOC_POWER = ("battery_id", "time_utc", "soc_reported", "power_kw")
_APART_S = 60.0
Files = dict[str, bytes]


class Rows:
    """What is to go out; it follows from the journal, as the book does."""

    def __init__(self) -> None:
        self.quarters = Quarters()
        self.changed: set[int] = set()
        self.samples: list[list[Any]] = []
        self.last_sample: dict[str, float] = {}

    def came(self, one: Transaction, readings: Iterable[Reading]) -> None:
        """Take what a message did to a transaction."""
        if one.car.get("battery_id") is None or not one.began:
            return
        battery = str(one.car["battery_id"])
        if session_row(one) != one.told:
            self.changed.add(one.number)
        self.quarters.count(one)
        for reading in readings:
            power = _battery_kw(reading.power_kw, one.car.get("efficiencies"))
            if (
                reading.soc is None
                or power is None
                or reading.at < self.last_sample.get(battery, 0.0) + _APART_S
            ):
                continue
            self.last_sample[battery] = reading.at
            self.samples.append([battery, _utc(reading.at), _number(reading.soc), _number(power)])

    @property
    def urgent(self) -> bool:
        """Whether a session began, ended or asks for something else."""
        return bool(self.changed)

    @property
    def waiting(self) -> bool:
        """Whether anything is to go out."""
        return bool(self.changed or self.quarters.changed or self.samples)

    def take(self, book: Book, name: str) -> Files:
        """The files of all that waits, by their names; nothing waits then."""
        sessions = []
        for number in sorted(self.changed & book.transactions.keys()):
            one = book.transactions[number]
            one.told = session_row(one)
            sessions.append(one.told)
        metering = [
            [battery, _utc(begin), _number(drawn), _number(fed)]
            for battery, begin, drawn, fed in self.quarters.rows()
        ]
        fields = {
            f"sessions__csv__{name}.csv": (SESSIONS, sessions),
            f"metering__csv__{name}.csv": (METERING, metering),
            f"soc_power__csv__{name}.csv": (SOC_POWER, self.samples),
        }
        files = {file: _csv(header, rows) for file, (header, rows) in fields.items() if rows}
        self.changed, self.samples = set(), []
        return files

    def to_record(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {
            "quarters": self.quarters.to_record(), "changed": sorted(self.changed), "samples": self.samples,
            "last_sample": self.last_sample,
        }  # fmt: skip

    @classmethod
    def of_record(cls, stated: Mapping[str, Any]) -> Rows:
        """What `to_record` gave."""
        rows = cls()
        rows.quarters = Quarters.of_record(stated["quarters"])
        rows.changed, rows.samples = set(stated["changed"]), list(stated["samples"])
        rows.last_sample = dict(stated["last_sample"])
        return rows


def session_row(one: Transaction) -> list[Any]:
    """A session as a row of sessions: what is not known sessions empty, a session that runs ends when it
    should.

    A session that is over has the charge that was promised, else the one that it left with.
    """
    car, needs = one.car, one.needs
    wished = needs.get("departure")
    departs = one.end if one.end is not None else wished or car.get("departure")
    departs = departs if departs is not None and departs > one.start else None
    promised = _first(needs.get("target_soc"), car.get("departure_soc"))
    if promised is None and one.end is not None:
        promised = one.soc_last
    return [
        car["session_id"], car["battery_id"], _utc(one.start), _utc(departs),
        _number(_first(one.soc_first, car.get("arrival_soc"))), _number(promised),
        _number(one.metered_kwh if one.end is not None else None), car.get("charger_id") or "", _utc(wished),
        _number(needs.get("kwh")), *map(_number, needs.get("v2x_soc") or (None, None)),
    ]  # fmt: skip


def deliver(files: Files, inbox: Path) -> None:
    """Put files into the inbox that are not there, nor were; raises OSError."""
    for name, data in files.items():
        if not any((inbox / folder / name).exists() for folder in (".", "done", "refused")):
            write_whole(inbox / name, data)


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _battery_kw(power_kw: float | None, efficiencies: Sequence[float] | None) -> float | None:
    """Power of the battery of a power at the plug, both + = charge."""
    if power_kw is None or not efficiencies:
        return None
    return power_kw * efficiencies[0] if power_kw >= 0 else power_kw / efficiencies[1]


def _utc(at: float | None) -> str:
    if at is None:
        return ""
    return datetime.fromtimestamp(round(at), UTC).isoformat().replace("+00:00", "Z")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _first(*values: float | None) -> float | None:
    return next((one for one in values if one is not None), None)
