"""`[columns.NAME]` of a mapping file → how that column comes about."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from zoneinfo import ZoneInfo

import pandas as pd

from warehouse.contracts import Column, Kind
from warehouse.sources.mapkeys import COLUMN_KEYS, WAY_KEYS
from warehouse.sources.maprules import ColumnRule, CounterRule, Over, SignRule
from warehouse.sources.maptext import Keys
from warehouse.sources.units import FOREIGN, spelled

_UNIX = {"unix_s": 1.0, "unix_ms": 1e-3}
_SINCE = {"s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0}
_WATTS = {"W": 1.0, "kW": 1e3}
_MOST_CARRIED_MINUTES = 1440.0
_COUNTED: Mapping[str, Mapping[str, tuple[float, bool]]] = {
    "current_a": {"Ah": (1.0, False), "mAh": (1e-3, False), "kWh": (1e3, True), "Wh": (1.0, True)},
    "power_kw": {"kWh": (1.0, False), "Wh": (1e-3, False), "MWh": (1e3, False)},
}
"""Column → unit of its counter → into ours, and whether that is a power over the voltage."""
_GAP_MINUTES, _LONGEST_GAP_MINUTES = 30.0, 360.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnReader:
    """Reads the rules of one file; timezone: of `since` where it has no offset."""

    keys: Keys
    timezone: str | None

    def rule(self, column: Column, rule: object) -> ColumnRule:
        """Return a column's rule; OptionError names the key."""
        keys, place = self.keys, f"columns.{column.name}"
        if not isinstance(rule, dict):
            raise keys.error(place, "is not a table with `from` or `constant`", rule)
        keys.known(rule, tuple(COLUMN_KEYS), f"{place}.")
        ways = [way for way in WAY_KEYS if way in rule]
        if len(ways) != 1:
            raise keys.error(place, "needs either `from` or `constant`, or one other way to come about")
        if ways == ["constant"]:
            return self._constant(rule, place)
        if column.kind is Kind.TIME:
            return self._time(rule, place)
        self._refuse(rule, ("format",), place, "belongs to a column of times")
        self._refuse(rule, ("since",), place, "belongs to a column of times")
        if column.kind is Kind.TEXT:
            return self._words(rule, place)
        return self._number(column, rule, ways[0], place)

    def _constant(self, rule: Mapping[str, Any], place: str) -> ColumnRule:
        if len(rule) > 1:
            raise self.keys.error(place, "is a constant, which stands in our unit and takes nothing else")
        constant = rule["constant"]
        if not isinstance(constant, str | int | float) or isinstance(constant, bool):
            raise self.keys.error(f"{place}.constant", "is neither text nor a number", constant)
        return ColumnRule(constant=str(constant))

    def _time(self, rule: Mapping[str, Any], place: str) -> ColumnRule:
        keys = self.keys
        for key in rule:
            if key not in ("from", "format", "since", "unit", "null", "values", "positive"):
                raise keys.error(f"{place}.{key}", "does not belong to a column of times")
        self._refuse(rule, ("values",), place, "is not a table of texts for a column of texts")
        self._refuse(rule, ("positive",), place, "belongs to current_a")
        names = self._names(rule, place)
        header, joined = (names[0], ()) if len(names) == 1 else (None, names)
        if "since" in rule:
            self._refuse(rule, ("format",), place, "is not needed: the column counts from `since`")
            if joined:
                raise keys.error(f"{place}.from", "is a list: a number that counts is in one column")
            unit = keys.one_of(rule, "unit", tuple(_SINCE), place) or "s"
            return ColumnRule(
                header=header, since=self._moment(rule, place), unix_seconds=_SINCE[unit],
                nulls=self._nulls(rule, place),
            )  # fmt: skip
        if "unit" in rule:
            raise keys.error(f"{place}.unit", "is none of no units", rule["unit"])
        stated = keys.text(rule, "format", place) if "format" in rule else None
        if stated is not None and stated not in _UNIX and not _names_a_day(stated):
            raise keys.error(
                f"{place}.format",
                "names no day: year, month and day are needed, a clock alone has none",
                stated,
            )
        return ColumnRule(
            header=header, joined=joined, nulls=self._nulls(rule, place),
            time_format=None if stated in _UNIX else stated, unix_seconds=_UNIX.get(stated or ""),
        )  # fmt: skip

    def _moment(self, rule: Mapping[str, Any], place: str) -> pd.Timestamp:
        stated = self.keys.text(rule, "since", place)
        moment = pd.to_datetime(stated, errors="coerce")
        if isinstance(moment, pd.Timestamp) and moment.tzinfo is None and self.timezone is not None:
            moment = moment.tz_localize(self.timezone, ambiguous="NaT", nonexistent="NaT")
        if not isinstance(moment, pd.Timestamp) or moment.tzinfo is None:
            raise self.keys.error(f"{place}.since", "is no moment like 2026-06-10T00:00:00Z", stated)
        return moment.tz_convert("UTC")

    def _words(self, rule: Mapping[str, Any], place: str) -> ColumnRule:
        keys = self.keys
        for key in rule:
            if key == "positive":
                raise keys.error(f"{place}.{key}", "belongs to current_a")
            if key not in ("from", "values", "null", "unit"):
                raise keys.error(f"{place}.{key}", "does not belong to a column of texts")
        self._refuse(rule, ("unit",), place, "is none of no units")
        values = rule.get("values")
        if values is not None and (
            not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values())
        ):
            raise keys.error(f"{place}.values", "is not a table of texts for a column of texts")
        names = self._names(rule, place)
        if len(names) > 1:
            return ColumnRule(joined=names, words=values, nulls=self._nulls(rule, place))
        return ColumnRule(header=names[0], words=values, nulls=self._nulls(rule, place))

    def _number(self, column: Column, rule: Mapping[str, Any], way: str, place: str) -> ColumnRule:
        keys = self.keys
        self._refuse(rule, ("values",), place, "is not a table of texts for a column of texts")
        for key in ("charge", "discharge", "power", "sign", "positive"):
            if key in rule and column.name != "current_a":
                raise keys.error(f"{place}.{key}", "belongs to current_a")
        if way == "counter":
            return self._counter(column, rule, place)
        self._refuse(rule, ("counter_out", "gap_minutes"), place, "belongs to a `counter`")
        if ("charge" in rule) != ("discharge" in rule):
            raise keys.error(place, "needs both `charge` and `discharge`")
        if "sign" in rule and (way not in ("from", "power") or "positive" in rule):
            raise keys.error(f"{place}.sign", "tells the way of one magnitude, and tells it alone")
        if way == "charge" and "positive" in rule:
            raise keys.error(f"{place}.positive", "is given by the two columns")
        factor, offset = self._unit(column, rule, way, place)
        scale, shift = keys.number(rule, "scale", 1.0, place), keys.number(rule, "offset", 0.0, place)
        if scale == 0.0:
            raise keys.error(f"{place}.scale", "is 0")
        turned = -1.0 if keys.one_of(rule, "positive", ("charge", "discharge"), place) == "discharge" else 1.0
        header = None if way == "charge" else keys.text(rule, way, place)
        if way.endswith("_of") and (header or "").count("#") != 1:
            raise keys.error(f"{place}.{way}", "needs one # where the columns have a number", header)
        carried = keys.number(rule, "carry_minutes", 0.0, place) if "carry_minutes" in rule else None
        if carried is not None and not 0 <= carried <= _MOST_CARRIED_MINUTES:
            raise keys.error(f"{place}.carry_minutes", f"is not 0 to {_MOST_CARRIED_MINUTES:g}", carried)
        apart = (
            (keys.text(rule, "charge", place), keys.text(rule, "discharge", place))
            if way == "charge"
            else None
        )
        return ColumnRule(
            header=header, over=cast(Over, way[: -len("_of")]) if way.endswith("_of") else None, apart=apart,
            power=way == "power", sign=self._sign(rule, place), nulls=self._nulls(rule, place),
            factor=scale * factor * turned, offset=(shift * factor + offset) * turned, carry_minutes=carried,
        )  # fmt: skip

    def _counter(self, column: Column, rule: Mapping[str, Any], place: str) -> ColumnRule:
        keys = self.keys
        units = _COUNTED.get(column.name)
        if units is None:
            raise keys.error(f"{place}.counter", f"belongs to {' and '.join(_COUNTED)}")
        for key in rule:
            if key not in ("counter", "counter_out", "gap_minutes", "unit", "scale", "null"):
                raise keys.error(f"{place}.{key}", "does not belong to a counter, which only ever rises")
        unit = keys.one_of(rule, "unit", tuple(units), place) or next(iter(units))
        factor, power = units[unit]
        scale = keys.number(rule, "scale", 1.0, place)
        if scale <= 0.0:
            raise keys.error(f"{place}.scale", "is not above 0", scale)
        minutes = keys.number(rule, "gap_minutes", _GAP_MINUTES, place)
        if not 0 < minutes <= _LONGEST_GAP_MINUTES:
            problem = (
                f"is not above 0 and at most {_LONGEST_GAP_MINUTES:g}: over longer there is no mean flow"
            )
            raise keys.error(f"{place}.gap_minutes", problem, minutes)
        stated = CounterRule(
            charged=keys.text(rule, "counter", place),
            discharged=keys.text(rule, "counter_out", place) if "counter_out" in rule else None,
            longest_s=60 * minutes,
        )
        return ColumnRule(counter=stated, factor=scale * factor, power=power, nulls=self._nulls(rule, place))

    def _sign(self, rule: Mapping[str, Any], place: str) -> SignRule | None:
        if "sign" not in rule:
            return None
        stated = self.keys.table(rule, "sign", ("column", "charge", "discharge"), place)
        where = f"{place}.sign"
        charge, discharge = (self.keys.texts(stated, way, where) for way in ("charge", "discharge"))
        if both := set(charge) & set(discharge):
            raise self.keys.error(where, "says of one word both charge and discharge", sorted(both)[0])
        return SignRule(header=self.keys.text(stated, "column", where), charge=charge, discharge=discharge)

    def _unit(self, column: Column, rule: Mapping[str, Any], way: str, place: str) -> tuple[float, float]:
        if way == "power":
            return _WATTS[self.keys.one_of(rule, "unit", tuple(_WATTS), place) or "W"], 0.0
        if "unit" not in rule:
            return 1.0, 0.0
        known = FOREIGN.get(column.unit, {})
        unit = spelled(self.keys.text(rule, "unit", place))
        if unit not in known:
            problem = f"is none of {', '.join(known) or 'no units'}"
            if column.unit.startswith("€"):
                problem += "; of other money `scale`, next to one of these, is what one is worth in €"
            raise self.keys.error(f"{place}.unit", problem, unit)
        return known[unit]

    def _names(self, rule: Mapping[str, Any], place: str) -> tuple[str, ...]:
        if "from" not in rule:
            raise self.keys.error(place, "needs `from`: only a number comes about in other ways")
        if not isinstance(rule["from"], list):
            return (self.keys.text(rule, "from", place),)
        names = self.keys.texts(rule, "from", place)
        if not names:
            raise self.keys.error(f"{place}.from", "is an empty list")
        return names

    def _nulls(self, rule: Mapping[str, Any], place: str) -> tuple[str, ...]:
        return null_words(self.keys, rule, place)

    def _refuse(self, rule: Mapping[str, Any], names: tuple[str, ...], place: str, problem: str) -> None:
        for name in names:
            if name in rule:
                raise self.keys.error(f"{place}.{name}", problem, rule[name])


def null_words(keys: Keys, holder: Mapping[str, Any], place: str = "") -> tuple[str, ...]:
    """Return the words and numbers that stand for nothing."""
    listed = holder.get("null", [])
    if not isinstance(listed, list):
        listed = [listed]
    if not all(
        isinstance(one, str | int | float) and not isinstance(one, bool) and one != "" for one in listed
    ):
        raise keys.error(f"{place}.null".lstrip("."), "is not a list of words and numbers", listed)
    return tuple(str(one) for one in listed)


def zone_named(keys: Keys, name: str) -> str:
    """Return the name of a time zone that there is."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise keys.error("timezone", "is no IANA time zone like Europe/Zurich", name) from None
    return name


def _names_a_day(time_format: str) -> bool:
    """Whether a format of `strptime` reads a year, and a month and day or a day of the year or week."""
    marks = set(re.findall(r"%[-#]?([A-Za-z%])", time_format))
    year, month = bool(marks & {"Y", "y"}), bool(marks & {"m", "b", "B"})
    by_week = {"G", "V"} <= marks and bool(marks & {"u", "w", "a", "A"})
    return (
        bool(marks & {"c", "x", "D", "F"}) or by_week or (year and ("j" in marks or (month and "d" in marks)))
    )
