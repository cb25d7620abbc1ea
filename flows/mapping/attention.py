"""What somebody should look at: the worst of what is known of days, cars, data and runs, in sentences."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from data_checks.freshness import LONGEST_AGE

Rows = Sequence[Mapping[str, Any]]
Level = Literal["act", "look"]
_NAMED = 6
_AGAINST = (
    "not following", "refuses to discharge", "silent", "fault", "profile rejected", "site above its limit",
    "token refused",
)  # fmt: skip
_RECENT, _SILENT = timedelta(hours=12), timedelta(minutes=5)
_STALE = timedelta(days=2)
_FRESHNESS, _FILES, _STAGES = "data.html#freshness", "data.html#files", "data.html#stages"
_WORSE = {
    "substituted": "is planned on prices that stand in for missing ones",
    "last_plan": "could not be planned: its cars do what the plan before had them do",
    "charge_only": "has no prices: cars charge on plug-in",
}
_NOT_BELIEVED = {
    "disputed": "telemetry is disputed: wear is priced by check-ups or the prior alone",
    "stale": "sensors are refused: the last good calibration is used",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """level: act (else something is lost) or look. page: where to look, as the start page links."""

    level: Level
    text: str
    page: str = ""


def attention(
    status: Mapping[str, Rows],
    departures: Rows,
    now: datetime,
    day_page: str,
    gateway: Mapping[str, Any] | None = None,
) -> list[Notice]:
    """Return what needs somebody, what costs most first.

    status: the tables of `flows.status`. departures: rows of `readiness` of the plan in force, of cars that
    have not left. now: tz-aware, in the zone that moments are shown in. day_page: the page of that plan.
    gateway: what it said of itself; None where there is none.
    """
    found = [*_short(departures, day_page), *_days(status["days"], now)]
    found += _rungs(status["plans"], status["days"])
    found += _not_followed(gateway, now) if gateway else []
    found += _twins(status["calibrations"], status["calibrated"], now, day_page)
    found += _old(status["data"], now)
    found += _quarantined(status["quarantine"])
    found += _runs(status["last runs"])
    return sorted(found, key=lambda one: one.level != "act")


def _short(departures: Rows, day_page: str) -> Iterable[Notice]:
    """Cars that leave with less than they were promised."""
    if short := {str(row["battery_id"]) for row in departures if row["readiness"] == "short"}:
        text = f"By the plan {_named(short)} will leave with less than promised."
        yield Notice(level="act", text=text, page=day_page)


def _days(days: Rows, now: datetime) -> Iterable[Notice]:
    """What is missing of market days, told once for days that lack the same, or rests on withdrawn rows."""
    for source in dict.fromkeys(row["source"] for row in days):
        missing = [row for row in days if row["source"] == source and row["state"] == "missing"]
        if missing:
            first, last = missing[0]["market_date"], missing[-1]["market_date"]
            when = f"{first}: {source} missing"
            if len(missing) > 1:
                when = f"{first} to {last}: {source} missing of {len(missing)} days"
            due = _moment(missing[-1]["deadline_utc"], now)
            text = f"{when}, due {due:%Y-%m-%d %H:%M}."
            yield Notice(level="act", text=text, page=_FRESHNESS)
    for row in days:
        if row["state"] == "outdated":
            text = f"{row['market_date']}: {row['source']} rests on rows that were withdrawn since."
            yield Notice(level="act", text=text, page=_FRESHNESS)


def _rungs(plans: Rows, days: Rows) -> Iterable[Notice]:
    """Plans of the days at hand, and the newest, on a lower rung or with something noted."""
    shown = {row["market_date"] for row in (*days, *plans[-1:])}
    for row in plans:
        if row["market_date"] not in shown:
            continue
        page = f"{row['market_date']}/index.html"
        if worse := _WORSE.get(str(row["plan_source"])):
            yield Notice(level="act", text=f"{row['market_date']} {worse}.", page=page)
        if row["note"]:
            yield Notice(level="look", text=f"{row['market_date']}: {row['note']}.", page=page)


def _not_followed(gateway: Mapping[str, Any], now: datetime) -> Iterable[Notice]:
    """What chargers and cars did against their plan in the last hours, and a gateway that says no more."""
    if (silent := now - datetime.fromisoformat(str(gateway["at_utc"]))) > _SILENT:
        yield Notice(level="act", text=f"The gateway has said nothing for {_span(silent)}.")
    by_kind: dict[str, set[str]] = {}
    for one in gateway["alerts"]:
        told = datetime.fromisoformat(str(one.get("last_utc") or one["at_utc"]))
        if one["kind"] in _AGAINST and timedelta(0) <= now - told <= _RECENT:
            who = one.get("battery_id") or one.get("site_id") or one["station"]
            by_kind.setdefault(one["kind"], set()).add(str(who))
    for kind, who in sorted(by_kind.items()):
        yield Notice(level="look", text=f"At the chargers, {kind}: {_named(who)}.")


def _twins(calibrations: Rows, calibrated: Rows, now: datetime, day_page: str) -> Iterable[Notice]:
    for quality, says in _NOT_BELIEVED.items():
        cars = {str(row["battery_id"]) for row in calibrations if row["quality"] == quality}
        if cars:
            yield Notice(level="look", text=f"{_named(cars)}: {says}.", page=day_page)
    for row in calibrated:
        if row["never"]:
            text = f"{row['never']} of {row['cars']} cars are not calibrated: they only charge."
            yield Notice(level="look", text=text)
        if row["failed"]:
            yield Notice(level="act", text=f"The last calibration did not end well: {row['failed']}.")
    newest = max((_moment(row["as_of_utc"], now) for row in calibrations), default=now)
    if now - newest > _STALE:
        yield Notice(level="look", text=f"The newest calibration is {_span(now - newest)} old.")


def _old(data: Rows, now: datetime) -> Iterable[Notice]:
    """Datasets whose newest row is older than is usual."""
    for row in data:
        longest = LONGEST_AGE.get(str(row["dataset"]))
        if longest is None or row["newest_utc"] is None:
            continue
        age = now - _moment(row["newest_utc"], now)
        if age > longest:
            text = f"The newest {row['dataset']} are {_span(age)} old."
            yield Notice(level="look", text=text, page=_FRESHNESS)


def _quarantined(quarantine: Rows) -> Iterable[Notice]:
    """Rows out of the core tables, by dataset with the rules that found them."""
    for dataset in dict.fromkeys(row["dataset"] for row in quarantine):
        own = sorted((row for row in quarantine if row["dataset"] == dataset), key=lambda row: -row["size"])
        rules = ", ".join(f"{row['rule']} {row['size']:,}" for row in own)
        text = f"{sum(row['size'] for row in own):,} rows of {dataset} are in quarantine: {rules}."
        yield Notice(level="look", text=text, page=_FILES)


def _runs(runs: Rows) -> Iterable[Notice]:
    """Of each stage the last run, if it failed."""
    last = {row["stage"]: row for row in runs}
    for stage, row in last.items():
        if row["exit_code"]:
            text = f"{stage} ended with exit code {row['exit_code']}: {row['message']}"
            level: Level = "act" if row["status"] == "failed" else "look"
            yield Notice(level=level, text=text, page=_STAGES)


def _moment(stated: object, now: datetime) -> datetime:
    """A moment of the status, which has it in UTC without saying so, by the clock of `now`."""
    return datetime.fromisoformat(str(stated)).replace(tzinfo=UTC).astimezone(now.tzinfo)


def _span(age: timedelta) -> str:
    hours = age.total_seconds() / 3600.0
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"


def _named(cars: Collection[str]) -> str:
    more = f" and {len(cars) - _NAMED} more" if len(cars) > _NAMED else ""
    return f"{', '.join(sorted(cars)[:_NAMED])}{more}"
