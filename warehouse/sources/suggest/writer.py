"""The lines of a dataset's columns: what each comes from, in which unit, which way."""

from typing import Any

import numpy as np
import pandas as pd

from warehouse.contracts import Column, Kind, file_contract
from warehouse.contracts.types import ID_PATTERN
from warehouse.sources.labels import taken_apart
from warehouse.sources.suggest import moments, pick
from warehouse.sources.suggest.answer import TODO, Draft
from warehouse.sources.suggest.counters import counters_of, counts_up
from warehouse.sources.suggest.quantities import unit_of
from warehouse.sources.suggest.sign import Sign, sign_of
from warehouse.sources.suggest.sniff import Layout
from warehouse.sources.units import FOREIGN

_PACK_KWH = (2.0, 250.0)
"""What a car's battery holds; of what holds less or more, its scale is asked for."""


class Writer:
    """Writes the columns of one dataset."""

    def __init__(self, *, dataset: str, layout: Layout, draft: Draft, battery: str | None) -> None:
        self.dataset, self.layout, self.draft, self.battery = dataset, layout, draft, battery
        self.found = pick.picked(dataset, layout)
        self.values: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = {}
        self.factors: dict[str, float] = {}
        self.thousands = any(line.startswith("thousands") for line in draft.head)
        self.rows = max((len(texts) for texts in layout.columns.values()), default=0)
        self.clock = pd.Series(pd.NaT, index=range(self.rows))
        self.cell = self.turned = False

    def write(self) -> None:
        """Write all of them to the draft."""
        contract = file_contract(self.dataset)
        times = [column for column in contract if column.kind is Kind.TIME]
        self.clock = moments.write(times, self.layout, self.found, self.draft, utc=self.dataset != "sessions")
        for column in contract:
            if column.name in ("battery_id", "zone"):
                self._whose(column)
            elif column.kind is Kind.TEXT:
                self._text(column)
            elif column.name == "resolution_minutes":
                self._resolution(column)
            elif column.kind is Kind.FLOAT and column.name != "current_a" and not self._counted(column):
                self._number(column)
        if "current_a" in contract.names and not self._counted(contract.column("current_a")):
            self._current(contract.column("current_a"))
        elif "power_kw" in contract.names:
            self._sign(contract.column("power_kw"))
        if self.cell:
            self.draft.say(
                "level", "cell", "the voltage is that of one cell; the fleet says how many there are"
            )
        if self.dataset == "metering":
            self._quarter_hours()
        if not self.draft.names_a_column:
            own = next((name for name, found in self.found.items() if name in found.headers), None)
            if own is not None:
                self.draft.say("from", own, "under our own name; a mapping names one column at least", own)

    def _whose(self, column: Column) -> None:
        found = self.found.get(column.name)
        if found is not None and len(found.headers) == 1:
            texts = {text for text in self.layout.columns[found.headers[0]] if text}
            fits = pd.Series(sorted(texts), dtype="str").str.fullmatch(ID_PATTERN).all()
            if texts and fits and (found.own or len(texts) <= max(1, self.rows // 2)):
                shown = ", ".join(sorted(texts)[:3])
                if not found.own:
                    self.draft.say("from", found.headers[0], f"names {len(texts)}: {shown}", column.name)
                    if column.name == "battery_id" and self.battery not in (None, *texts) and len(texts) == 1:
                        self.draft.say("values", {shown: self.battery}, "as was said", column.name)
                return
        if column.name == "battery_id" and self.battery is not None:
            self.draft.say("constant", self.battery, "as was said", column.name)
        else:
            way = "--battery ID" if column.name == "battery_id" else "--zone ZONE"
            example = "CAR1" if column.name == "battery_id" else "DE-LU"
            reason = f"the file does not say it: give {way} to `v2g ingest`, or say it here"
            self.draft.leave("constant", example, reason, column.name)

    def _text(self, column: Column) -> None:
        found = self.found.get(column.name)
        if found is not None and not found.own and len(found.headers) == 1:
            self.draft.say("from", found.headers[0], "by its label", column.name)
        elif found is None and not column.nullable:
            self.draft.leave("from", "…", "no column's label means it", column.name)
        elif found is not None and len(found.headers) > 1:
            self.draft.leave(
                "from", found.headers[0], f"several may be it: {', '.join(found.headers)}", column.name
            )

    def _resolution(self, column: Column) -> None:
        if column.name in self.found:
            return
        steps = self.clock.dropna().drop_duplicates().sort_values().diff().dropna()
        minutes = (steps.dt.total_seconds() / 60).round(3)
        usual = minutes.mode()
        if len(minutes) and usual.iloc[0] in (15, 30, 60) and (minutes == usual.iloc[0]).mean() > 0.9:
            self.draft.say("constant", int(usual.iloc[0]), "as far apart are its times", column.name)
        else:
            self.draft.leave("constant", 60, "its times do not tell how long an interval is", column.name)

    def _quarter_hours(self) -> None:
        """Leave open what to do with intervals that are none of a quarter-hour."""
        minutes = self.clock.dropna().drop_duplicates().sort_values().diff().dt.total_seconds().dropna() / 60
        if len(minutes) and float((minutes.round(3) == 15).mean()) < 0.5:
            usual = float(minutes.median())
            self.draft.left_open.append(f"rows are {usual:g} min apart: metering is by quarter-hour")
            self.draft.note(f"{TODO} rows are {usual:g} min apart: metering is by quarter-hour")

    def _number(self, column: Column) -> bool:
        """Write a column of numbers; return whether it is read."""
        found, draft, name = self.found.get(column.name), self.draft, column.name
        if found is None:
            if not column.nullable:
                draft.leave("from", "…", "no column's label means it", name)
            return False
        if len(found.headers) > 1 and found.pattern is None:
            draft.leave("from", found.headers[0], f"several may be it: {', '.join(found.headers)}", name)
            return False
        several = [
            pick.numbers(self.layout.columns[header], self.layout.decimal, self.thousands)
            for header in found.headers
        ]
        with np.errstate(all="ignore"):
            stacked = np.stack(several)
            known = np.isfinite(stacked).any(axis=0)
            values = np.full(stacked.shape[1], np.nan)
            values[known] = np.nanmean(stacked[:, known], axis=0)
        self.values[name] = values
        named = self._named(column, found)
        if self.dataset == "metering" and counts_up(values):
            reason = "it never falls: is it a counter? What is wanted is the energy of each quarter-hour"
            draft.leave("from", found.headers[0], reason, name)
            return False
        unit = unit_of(column, values, named)
        key, header = ("mean_of", found.pattern) if found.pattern else ("from", found.headers[0])
        if unit.unit is None:
            draft.leave(key, header, "by its label; see its unit", name)
            if unit.scale is None:
                draft.leave("unit", unit.likely, unit.reason, name)
            else:
                draft.leave("scale", unit.scale, unit.reason, name)
            return False
        self.cell |= unit.cell and name == "voltage_v"
        self.factors[name] = FOREIGN[column.unit][unit.unit][0] if column.unit in FOREIGN else 1.0
        if found.own and self._as_it_is(column, found, unit.unit):
            return True
        draft.say(key, header, "by its label" if not found.own else "under our own name", name)
        if self.dataset == "telemetry" and header in self.layout.stands:
            why = "each signal has moments of its own; so long its values stand until the next"
            draft.say("carry_minutes", self.layout.stands[header], why, name)
        if unit.unit != column.unit:
            draft.say("unit", unit.unit, unit.reason, name)
        else:
            draft.note(f"in {column.unit if column.unit != '1' else 'shares of 1'}: {unit.reason}", name)
        return True

    def _named(self, column: Column, found: pick.Picked) -> str | None:
        header = found.headers[0]
        if found.own and header == column.name:
            return column.unit
        below = taken_apart(f"x [{self.layout.units[header]}]")[1] if header in self.layout.units else None
        return taken_apart(header)[1] or below

    def _as_it_is(self, column: Column, found: pick.Picked, unit: str) -> bool:
        """Whether a column of our own name needs no word; a mapping knows no other spelling of ours."""
        return found.headers[0] == column.name and unit == column.unit

    def _current(self, column: Column) -> None:
        apart, found = _apart(self.layout), self.found.get(column.name)
        if apart is not None and (found is None or not found.own):
            charge, discharge = apart
            both = [
                pick.numbers(self.layout.columns[one], self.layout.decimal, self.thousands) for one in apart
            ]
            flows = np.abs(np.concatenate(both))
            unit = unit_of(
                column, flows[flows > 0.0] if (flows > 0.0).any() else flows, taken_apart(charge)[1]
            )
            if min(float(np.nanmin(one)) for one in both) >= 0.0 and unit.unit is not None:
                self.draft.say("charge", charge, "two columns of magnitudes, by their labels", column.name)
                self.draft.say("discharge", discharge, f"likewise; {unit.reason}", column.name)
                if unit.unit != "A":
                    self.draft.say("unit", unit.unit, unit.reason, column.name)
                return
        if self._number(column):
            self._sign(column)

    def _counted(self, column: Column) -> bool:
        """Write what counts up a flow that no column tells; return whether there is such."""
        if column.name not in ("current_a", "power_kw") or column.name in self.found:
            return False
        stated = counters_of(column.name, self.layout, self.thousands)
        if stated is None or _apart(self.layout) is not None:
            return False
        self.draft.say("counter", stated.charged, "it never falls, and its label says charge", column.name)
        if stated.discharged is not None:
            self.draft.say("counter_out", stated.discharged, "likewise, of discharge", column.name)
        else:
            self.draft.leave("counter_out", "…", "no column counts what is discharged", column.name)
        self.draft.say("unit", stated.unit, "its label says so", column.name)
        return True

    def _sign(self, column: Column) -> None:
        """Say which way a current or a power counts."""
        name, found = column.name, self.found.get(column.name)
        if (
            found is None
            or name not in self.values
            or self.draft.columns.get(name, [""])[0].startswith("# TODO")
        ):
            return
        soc = self.values.get("soc_reported", np.full(self.rows, np.nan))
        owner = self.found.get("battery_id")
        whose = pd.Series(self.layout.columns[owner.headers[0]] if owner else [""] * self.rows)
        sign = sign_of(self.clock, whose, self.values[name], soc)
        way, reason = sign.way, sign.reason
        if (held := self._would_hold(name, sign)) is not None and not _PACK_KWH[0] <= held <= _PACK_KWH[1]:
            problem = f"is it scaled? Next to the charge, the battery would hold {held:.3g} kWh"
            self.draft.leave("scale", 0.1 if held > _PACK_KWH[1] else 10.0, problem, name)
        self.turned = way < 0
        if way < 0:
            if name not in self.draft.columns:
                self.draft.say("from", found.headers[0], "under our own name", name)
            if name == "current_a":
                self.draft.say("positive", "discharge", reason, name)
            else:
                self.draft.say("scale", -1.0, f"+ is discharge: {reason}", name)
        elif way > 0:
            self.draft.note(f"+ = charge: {reason}", name)
        elif found.own:
            self.draft.note(f"+ = charge, as the name says; not borne out: {reason}", name)
        else:
            key, example = ("positive", "charge") if name == "current_a" else ("scale", -1.0)
            self.draft.leave(key, example, f"which way it counts: {reason}", name)

    def _would_hold(self, name: str, sign: Sign) -> float | None:
        """Return how much a battery would hold by a flow next to its charge, kWh; None where that is open."""
        if self.cell or "soc_reported" not in self.factors or name not in self.factors:
            return None
        if not np.isfinite(sign.per_soc) or (name == "current_a" and "voltage_v" not in self.factors):
            return None
        flow = sign.per_soc / self.factors["soc_reported"] * self.factors[name]
        if name == "power_kw":
            return flow
        return flow * float(np.nanmedian(self.values["voltage_v"])) * self.factors["voltage_v"] / 1e3


def _apart(layout: Layout) -> tuple[str, str] | None:
    """Return the headers of a current of charging and of one of discharging, if there is one of each."""
    ways: dict[str, list[str]] = {"charge": [], "discharge": []}
    for header in layout.columns:
        words = set(taken_apart(header)[0].split())
        if words & {"current", "amps", "strom", "i"} and pick.is_numeric(
            layout.columns[header], layout.decimal
        ):
            if words & {"discharge", "discharging", "out", "entladen", "entladung", "entladestrom"}:
                ways["discharge"].append(header)
            elif words & {"charge", "charging", "in", "laden", "ladung", "ladestrom"}:
                ways["charge"].append(header)
    if len(ways["charge"]) == len(ways["discharge"]) == 1:
        return ways["charge"][0], ways["discharge"][0]
    return None
