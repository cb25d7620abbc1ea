"""Why a car does what it does, in words: the stretches of each of its sessions, as the rows tell of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd

from flows.money import Money
from flows.plain import records
from flows.publish.prices import UsedPrices

_HOURS = 0.25
_SLOT = pd.Timedelta(hours=_HOURS)
_ALIKE_CT = 0.05
"""Less than that a kWh, and one is as good as the other."""
HELD = {
    "charge limit": "at the most that car or charger can",
    "discharge limit": "at the most that car or charger can",
    "taper": "as fast as the battery lets it",
    "feeder import": "at the site's limit",
    "feeder export": "at the site's limit",
    "peak": "at the site's peak",
    "minimum power": "at the least that it charges or feeds back with",
    "full": "full",
    "empty": "at the least that it may hold",
    "drawdown": "as deep as a session may",
    "contract": "held by its contract: all of the day's V2G is used",
    "own constraint": "held by a rule of the workspace's own, or by a limit or setpoint from outside",
    "reserve up": "held by reserve that is sold upwards",
    "reserve down": "held by reserve that is sold downwards",
}
"""Words of held_by that say more than the action: what binds there."""
_UNKNOWN = {
    "plug-in": "it charges as soon as it is plugged in: nothing is weighed",
    "objective": "the plan serves something else before money: what this earns or costs was not what decided",
    "own constraint": "a rule, limit or setpoint ties it to others: not known what this is worth by itself",
    "reserve": "it holds reserve that was sold: not known what this is worth beside it",
    "meter": "it shares a meter: not known what this is worth by itself",
    "prices": "limits that cars share bind, and no shadow price of them is known",
    "contracts": "its contract caps V2G of each of several days: not reckoned",
    "apart": "what cars share, or the end of the search, decided: by itself it would do better otherwise",
}
NONE_KEPT = "This plan was made before reasons were kept with plans, or they could not be made."


@dataclass(frozen=True, kw_only=True)
class Why:
    """What is needed to put reasons into words. prices: of a plan (`flows.publish.prices`)."""

    prices: UsedPrices
    timezone: str
    money: Money

    def sessions(
        self, reasons: pd.DataFrame, slots: pd.DataFrame, departures: pd.DataFrame
    ) -> list[dict[str, Any]]:
        """A car's sessions in order, each with its stretches; rows of one car and of the followed mode."""
        rows = reasons.sort_values("interval_start_utc")
        leaves = departures.sort_values("departure_utc")
        of = leaves["departure_utc"].searchsorted(rows["interval_end_utc"])
        slots = slots.sort_values("interval_start_utc")
        starts = pd.DatetimeIndex(slots["interval_start_utc"])
        columns = {name: slots[name].to_numpy() for name in ("power_kw", "held_by")}
        columns |= {str(name): prices.to_numpy() for name, prices in self._ct.reindex(starts).items()}
        spans = [starts.searchsorted(rows[f"interval_{edge}_utc"]) for edge in ("start", "end")]
        of_slots = [
            {name: column[first:end] for name, column in columns.items()}
            for first, end in zip(*(span.tolist() for span in spans), strict=True)
        ]
        stated, due_at = records(rows), records(leaves)
        found = []
        for number in sorted(set(of.tolist())):
            here = [at for at, one in enumerate(of.tolist()) if one == number]
            stretches = [stated[at] for at in here]
            due = due_at[number] if number < len(due_at) else None
            found.append(
                {
                    "begin": self._day(stretches[0]["interval_start_utc"]),
                    "leaves": self._day(due["departure_utc"]) if due else "",
                    "due": due,
                    "beyond": due is not None
                    and due["departure_utc"] - stretches[-1]["interval_end_utc"] >= _SLOT,
                    "stretches": [
                        self._stretch(row, stretches[at + 1 :], of_slots[here[at]])
                        for at, row in enumerate(stretches)
                    ],
                }
            )
        return found

    def _stretch(
        self, row: Mapping[str, Any], later: Sequence[Mapping[str, Any]], mine: Mapping[str, Any]
    ) -> dict[str, Any]:
        """mine: the columns of the car's slots in the stretch, and the prices there."""
        begin, end = row["interval_start_utc"], row["interval_end_utc"]
        kwh = abs(float(mine["power_kw"].sum())) * _HOURS
        moves = row["action"] in ("charges", "feeds back")
        held = [HELD[word] for word in dict.fromkeys(mine["held_by"]) if word in HELD]
        return {
            "time": f"{self._clock(begin)}–{self._clock(end)}",
            "action": row["action"],
            "kwh": kwh if moves else None,
            "kw": kwh / (_HOURS * len(mine["power_kw"])) if moves else None,
            "price": _price(mine.get("sold" if row["action"] == "feeds back" else "bought")),
            "why": "; ".join([*self._reason(row, later, kwh), *dict.fromkeys(held)]),
            "worth_eur": row["worth_eur"],
            "at_least": row["worth_exact"] is False,
        }

    def _reason(self, row: Mapping[str, Any], later: Sequence[Mapping[str, Any]], kwh: float) -> list[str]:
        if row["unknown"]:
            return [_UNKNOWN[row["unknown"]]]
        says: Mapping[str, Callable[[], list[str]]] = {
            "charges": lambda: self._charges(row, kwh),
            "feeds back": lambda: self._feeds(row, kwh),
            "waits": lambda: self._waits(row, later),
            "holds": lambda: self._holds(row, later),
            "rests": lambda: self._rests(row),
        }
        return says[row["action"]]()

    def _charges(self, row: Mapping[str, Any], kwh: float) -> list[str]:
        each, at = self._each(row, kwh), self._when(row["instead_utc"])
        match row["instead"]:
            case "leaves short":
                return [f"must: else it leaves {row['instead_kwh']:.1f} kWh short"]
            case _ if each.alike:
                return [f"as good as {at}" if at else "as good as not"]
            case "charges elsewhere":
                return [f"else it would charge {at}, which costs {each.text} more"]
            case "feeds back less":
                return [f"to feed it back {at}: that gains {each.text} after wear"]
            case "leaves with less":
                return [f"what it leaves with is worth {each.text} more than it costs"]
        return [f"worth {each.text}"]

    def _feeds(self, row: Mapping[str, Any], kwh: float) -> list[str]:
        each, at = self._each(row, kwh), self._when(row["instead_utc"])
        wear = f"wear of {self._cents(row['wear_eur_per_kwh'])} paid"
        match row["instead"]:
            case _ if each.alike:
                return [f"as good as {at}, {wear}" if at else f"as good as not, {wear}"]
            case "feeds back elsewhere":
                return [f"else it would feed back {at}, which earns {each.text} less; {wear}"]
            case "charges less":
                return [f"gains {each.text} over what charging it costs, {wear}"]
            case "leaves with more":
                return [f"gains {each.text} over leaving with it, {wear}"]
        return [f"gains {each.text}, {wear}"]

    def _waits(self, row: Mapping[str, Any], later: Sequence[Mapping[str, Any]]) -> list[str]:
        each = self._cost(row, "charge")
        then = next(
            (self._clock(one["interval_start_utc"]) for one in later if one["action"] == "charges"), ""
        )
        if each is None:
            return [f"waits for {then}: no room to charge"]
        at = self._when(row["charge_utc"])
        if each.alike:
            said = [f"{then} is as good"]
        else:
            said = [f"{then} is {each.text} cheaper than charging {at}, its best quarter-hour before"]
        return said + self._feeding(row)

    def _feeding(self, row: Mapping[str, Any]) -> list[str]:
        each = self._cost(row, "feed")
        if each is None:
            return []
        if each.alike:
            return [f"feeding back {self._when(row['feed_utc'])} would be as good"]
        return [f"feeding back would lose {each.text}"]

    def _holds(self, row: Mapping[str, Any], later: Sequence[Mapping[str, Any]]) -> list[str]:
        each = self._cost(row, "feed")
        then = next(
            (self._clock(one["interval_start_utc"]) for one in later if one["action"] == "feeds back"), ""
        )
        keeps = f"keeps it for {then}" if then else "keeps it"
        if each is None:
            return [keeps]
        earned = self._ct.get("sold", pd.Series(dtype=float)).get(row["feed_utc"])
        if each.alike or earned is None:
            return [f"{keeps}; feeding back {self._when(row['feed_utc'])} would be as good"]
        wear = row["wear_eur_per_kwh"]
        price = float(earned) * self.money.euros / 100.0
        kept = price - wear + row["feed_eur_per_kwh"]
        return [
            f"{keeps}: a kWh fed back {self._when(row['feed_utc'])} would earn {self._cents(price)}, wear "
            f"takes {self._cents(wear)} and in the battery it is worth {self._cents(kept)}: {each.text} lost"
        ]

    def _rests(self, row: Mapping[str, Any]) -> list[str]:
        each = self._cost(row, "charge")
        if each is None:
            return ["nothing to do"]
        if each.alike:
            return ["a kWh more would be worth just what it costs"]
        return [f"a kWh more would cost {each.text} more than it is worth"]

    def _each(self, row: Mapping[str, Any], kwh: float) -> _Each:
        return self._said(row["worth_eur"] / kwh, exact=bool(row["worth_exact"]))

    def _cost(self, row: Mapping[str, Any], way: str) -> _Each | None:
        eur = row[f"{way}_eur_per_kwh"]
        return None if eur is None else self._said(eur, exact=bool(row[f"{way}_exact"]))

    def _said(self, eur: float, *, exact: bool) -> _Each:
        return _Each(
            alike=exact and 100.0 * eur < _ALIKE_CT,
            text=("" if exact else "at least ") + self._cents(eur),
        )

    def _cents(self, eur: float) -> str:
        return f"{100.0 * eur / self.money.euros:.1f} {self.money.cent}/kWh"

    @cached_property
    def _ct(self) -> pd.DataFrame:
        """What a kWh costs and earns, in cents of the money shown, by slot; no columns without prices."""
        frame = self.prices.frame
        if frame.empty:
            return pd.DataFrame(index=pd.DatetimeIndex([], tz="UTC"))
        return frame.pivot_table(index="interval_start_utc", columns="series", values="price_ct_per_kwh")

    @cached_property
    def _local(self) -> Callable[[Any], pd.Timestamp]:
        """A moment by the clock of the place; cars share their quarter-hours."""
        return cache(lambda moment: pd.Timestamp(moment).tz_convert(self.timezone))

    def _clock(self, moment: Any) -> str:
        return f"{self._local(moment):%H:%M}"

    def _when(self, moment: Any) -> str:
        return "" if moment is None else f"at {self._clock(moment)}"

    def _day(self, moment: Any) -> str:
        return f"{self._local(moment):%d %b %H:%M}"


@dataclass(frozen=True, slots=True)
class _Each:
    """An amount a kWh in words; alike: it is none to speak of."""

    alike: bool
    text: str


def _price(ct: np.ndarray | None) -> str:
    """The prices of a stretch: one, or from the least to the most; none where none are known."""
    if ct is None:
        return ""
    low, high = f"{ct.min():.1f}", f"{ct.max():.1f}"
    return low if low == high else f"{low} to {high}"
