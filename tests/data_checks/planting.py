"""Bad rows of many kinds, planted among good ones, and what became of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from data_checks import CheckContext, CheckReport, check_frame
from tests.data_checks.realistic import NOW, ZONE

APART = 40
"""Rows between planted single samples: none is another's neighbour."""
VOLTAGES = ("voltage_v", "cell_voltage_min_v", "cell_voltage_max_v")
EMPTIED = "emptied"
"""What becomes of a cell that may be empty, while its row stays; VOLTAGES' cells and the charge may."""
STRETCHES = {"soc_voltage": 5, "current_sign": 20, "stuck": 65}
"""Samples of one fault that only shows over some time; LFP hides two of them in its flat voltage."""


@dataclass(slots=True)
class Field:
    """Good frames by dataset, ploughed row by row; `planted`: kind → (dataset, rows) and the rule to find."""

    rng: np.random.Generator
    frames: dict[str, pd.DataFrame]
    planted: dict[str, tuple[str, str, list[int]]] = field(default_factory=dict)
    used: set[tuple[str, int]] = field(default_factory=set)

    def spots(self, dataset: str, count: int, among: np.ndarray | None = None, length: int = 1) -> np.ndarray:
        """Pick rows apart from one another and from all that was planted before."""
        rows = np.arange(1, len(self.frames[dataset]) - length - 1) if among is None else among
        grid = rows[rows % (APART if dataset == "telemetry" else 1) == 0] if length == 1 else rows
        chosen: list[int] = []
        if count == 0:
            return np.array(chosen, dtype=int)
        for row in self.rng.permutation(grid):
            block = (
                {(dataset, int(row) + i) for i in range(-2, length + 2)}
                if dataset == "telemetry"
                else {(dataset, int(row))}
            )
            if not block & self.used:
                self.used |= block
                chosen.append(int(row))
            if len(chosen) == count:
                return np.array(sorted(chosen))
        raise ValueError(f"{dataset} has no room for {count} more bad rows")

    def note(self, kind: str, dataset: str, rule: str, rows: np.ndarray) -> None:
        self.planted[kind] = (dataset, rule, [int(row) for row in rows])

    def set(
        self, kind: str, dataset: str, rule: str, column: str | list[str], value: object, count: int
    ) -> None:
        """Overwrite a column in single rows; value: a constant, or a function of the good values."""
        rows = self.spots(dataset, count)
        frame = self.frames[dataset]
        frame.loc[rows, column] = value(frame.loc[rows, column]) if callable(value) else value
        self.note(kind, dataset, rule, rows)

    def append(self, dataset: str, rows: pd.DataFrame) -> np.ndarray:
        """Put rows at the end; returns their numbers."""
        first = len(self.frames[dataset])
        self.frames[dataset] = pd.concat([self.frames[dataset], rows], ignore_index=True)
        return np.arange(first, first + len(rows))


def plant(frames: Mapping[str, pd.DataFrame], count: int, seed: int) -> Field:
    """Plant about `count` bad rows of each kind into copies of the frames."""
    soil = Field(np.random.default_rng(seed), {name: frame.copy() for name, frame in frames.items()})
    _stretches(soil, count)
    _samples(soil, count)
    _contracts(soil, count)
    return soil


def _samples(soil: Field, count: int) -> None:
    series = soil.frames["fleet"].set_index("battery_id")["cells_series"]
    soil.set("voltage missing", "telemetry", "not_null", "voltage_v", np.nan, count)
    soil.set("current infinite", "telemetry", "finite", "current_a", np.inf, count)
    soil.set("temperature beyond bounds", "telemetry", "range", "temperature_degc", 900.0, count)
    soil.set("charge in percent", "telemetry", EMPTIED, "soc_reported", lambda soc: 100 * soc, count)
    soil.set("unknown battery", "telemetry", "known", "battery_id", "car-999", count)
    soil.set("malformed id", "telemetry", "id", "battery_id", "../car", count)
    ahead = lambda old: NOW + pd.to_timedelta(soil.rng.uniform(6, 3000, len(old)), unit="min")  # noqa: E731
    soil.set(
        "clock ahead",
        "telemetry",
        "future",
        "time_utc",
        lambda old: pd.Series(ahead(old), old.index).dt.as_unit("us"),
        count,
    )
    soil.set("current of 4 kA", "telemetry", "power", "current_a", 4000.0, count)
    soil.set("voltage spike", "telemetry", "jump", list(VOLTAGES), lambda volts: 0.86 * volts, count)
    soil.set("temperature spike", "telemetry", "jump", "temperature_degc", lambda degc: degc + 25.0, count)
    soil.set(
        "lowest cell above the mean",
        "telemetry",
        EMPTIED,
        "cell_voltage_min_v",
        lambda v: v + 0.2,
        count,
    )
    rows = soil.spots("telemetry", count)
    frame = soil.frames["telemetry"]
    frame.loc[rows, "voltage_v"] /= frame.loc[rows, "battery_id"].map(series)
    soil.note("voltage of one cell", "telemetry", "cell_voltage", rows)
    rows = soil.spots("telemetry", count // 2)
    rivals = soil.append("telemetry", frame.loc[rows].assign(voltage_v=frame["voltage_v"] + 3.0))
    soil.note("contradicting samples", "telemetry", "unique", np.concatenate([rows, rivals]))


def _stretches(soil: Field, count: int) -> None:
    """Faults over some time, planted into steady charging of one battery without a gap."""
    frame = soil.frames["telemetry"]
    fleet = soil.frames["fleet"].set_index("battery_id")
    minutes = frame["time_utc"].dt.as_unit("us").astype("int64").to_numpy() // 60_000_000
    charging = (frame["current_a"] > 10.0).to_numpy()
    layered = (frame["battery_id"].map(fleet["chemistry"]) != "lfp").to_numpy()
    half_full = (frame["soc_reported"] > 0.6).to_numpy()
    for kind, length in STRETCHES.items():
        steady = np.lib.stride_tricks.sliding_window_view(charging, length + 4).all(axis=1)
        steady &= minutes[length + 3 :] - minutes[: steady.size] == length + 3
        stated = layered if kind == "stuck" else layered & half_full if kind == "soc_voltage" else charging
        starts = np.flatnonzero(steady & stated[: steady.size]) + 2
        first = soil.spots("telemetry", -(-count // length), starts, length)
        rows = (first[:, None] + np.arange(length)).ravel()
        if kind == "stuck":
            last = frame.loc[first - 1, list(VOLTAGES)].to_numpy()
            frame.loc[rows, list(VOLTAGES)] = np.repeat(last, length, axis=0)
        elif kind == "current_sign":
            frame.loc[rows, "current_a"] *= -1.0
        else:
            frame.loc[rows, "soc_reported"] = 0.02
        rule = EMPTIED if kind == "soc_voltage" else kind
        soil.note(f"{kind} for {length} min", "telemetry", rule, rows)


def _contracts(soil: Field, count: int) -> None:
    """Prices, sessions and check-ups."""
    soil.set("20 min prices", "prices", "allowed", "resolution_minutes", 20, count)
    day = soil.frames["prices"].iloc[-192:-96]
    later = day.assign(
        interval_start_utc=day["interval_start_utc"] + pd.Timedelta(days=4),
        price_eur_per_kwh=100 * day["price_eur_per_kwh"],
        resolution_minutes=15,
    )
    soil.note("a day in ct/kWh", "prices", "unit", soil.append("prices", later))
    sessions = soil.frames["sessions"]
    rows = soil.spots("sessions", count // 2)
    sessions.loc[rows, "departure_utc"] = sessions.loc[rows, "arrival_utc"] - pd.Timedelta(hours=1)
    soil.note("departure before arrival", "sessions", "order", rows)
    rows = soil.spots("sessions", count // 2)
    twins = sessions.loc[rows].assign(
        session_id=sessions["session_id"] + "-twin",
        arrival_utc=sessions["arrival_utc"] + pd.Timedelta(minutes=9),
    )
    soil.note(
        "overlapping sessions", "sessions", "overlap", np.concatenate([rows, soil.append("sessions", twins)])
    )
    few = len(soil.frames["checkups"]) // 4
    soil.set(
        "capacity in mAh", "checkups", "range", "capacity_ah", lambda ah: 1000 * ah, min(few, count // 4)
    )
    soil.set(
        "capacity of half the pack",
        "checkups",
        "capacity",
        "capacity_ah",
        lambda ah: 0.2 * ah,
        min(few, count // 4),
    )
    soil.set(
        "resistance in mΩ",
        "checkups",
        "resistance",
        "resistance_ohm",
        lambda ohm: 100 * ohm,
        min(few, count // 4),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """What became of a field: kind → (planted, quarantined, for the right reason); good rows lost."""

    kinds: Mapping[str, tuple[int, int, int]]
    good: int
    lost: int
    reports: Mapping[str, CheckReport]


def harvest(soil: Field, check: Callable[..., CheckReport] = check_frame) -> Harvest:
    """Check every dataset of a field; the planted day of prices comes as a file of its own."""
    fleet = soil.frames["fleet"]
    split = min(soil.planted["a day in ct/kWh"][2])
    known = soil.frames["prices"].iloc[:split]
    context = CheckContext(
        as_of_utc=NOW, run_id="r", battery_ids=frozenset(fleet["battery_id"]), site_ids=frozenset({"DEPOT"}),
        zones_tz={ZONE: "Europe/Berlin"}, batteries=fleet,
        known_prices=known[known["resolution_minutes"] == 15].assign(source_id="known", received_utc=NOW),
    )  # fmt: skip
    reports, found = {}, {}
    for dataset, frame in soil.frames.items():
        ingested = frame.assign(source_id="file", source_row=np.arange(1, len(frame) + 1), received_utc=NOW)
        if dataset == "prices":
            ingested.loc[split:, "source_id"] = "later"
        reports[dataset] = check(dataset, ingested, context)
        quarantined = reports[dataset].quarantine
        for row, rule in zip(quarantined["source_row"].astype(int) - 1, quarantined["rule"], strict=True):
            found.setdefault((dataset, row), set()).add(rule)
        if dataset == "telemetry":
            good = reports[dataset].good
            was = frame.iloc[good["source_row"].astype(int).to_numpy() - 1]
            for column in ("soc_reported", *VOLTAGES[1:]):
                lacks = good[column].isna().to_numpy() & was[column].notna().to_numpy()
                for row in good.loc[lacks, "source_row"].astype(int) - 1:
                    found.setdefault((dataset, row), set()).add(EMPTIED)
    bad = {(dataset, row) for dataset, _, rows in soil.planted.values() for row in rows}
    return Harvest(
        kinds={
            kind: (
                len(rows),
                sum((dataset, row) in found for row in rows),
                sum(rule in found.get((dataset, row), ()) for row in rows),
            )
            for kind, (dataset, rule, rows) in soil.planted.items()
        },
        good=sum(map(len, soil.frames.values())) - len(bad),
        lost=len(set(found) - bad),
        reports=reports,
    )
