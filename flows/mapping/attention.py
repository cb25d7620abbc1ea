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
_STALE = timedelta(days=2)
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


def attention(status: Mapping[str, Rows], departures: Rows, now: datetime, day_page: str) -> list[Notice]:
    """Return what needs somebody, what costs most first.

    status: the tables of `flows.status`. departures: rows of `readiness` of the plan in force, of cars that
    have not left. now: tz-aware. day_page: the page of that plan.
    """
    found = [*_days(status["days"]), *_rungs(status["plans"], status["days"])]
    short = {str(row["battery_id"]) for row in departures if row["readiness"] == "short"}
    if short:
        text = f"By the plan {_named(short)} will leave with less than promised."
        found.append(Notice(level="act", text=text, page=day_page))
    found += _twins(status["calibrations"], status["calibrated"], now)
    found += _old(status["data"], now)
    found += _quarantined(status["quarantine"])
    found += _runs(status["last runs"])
    return sorted(found, key=lambda one: one.level != "act")


def _days(days: Rows) -> Iterable[Notice]:
    """What is missing of each market day, or rests on what was withdrawn."""
    for row in days:
        name = f"{row['market_date']}: {row['source']}"
        if row["state"] == "missing":
            yield Notice(level="act", text=f"{name} missing, due {row['deadline_utc']} UTC.")
        elif row["state"] == "outdated":
            yield Notice(level="act", text=f"{name} rests on rows that were withdrawn since.")


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


def _twins(calibrations: Rows, calibrated: Rows, now: datetime) -> Iterable[Notice]:
    for quality, says in _NOT_BELIEVED.items():
        cars = {str(row["battery_id"]) for row in calibrations if row["quality"] == quality}
        if cars:
            yield Notice(level="look", text=f"{_named(cars)}: {says}.")
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
            yield Notice(level="look", text=f"The newest {row['dataset']} are {_span(age)} old.")


def _quarantined(quarantine: Rows) -> Iterable[Notice]:
    """Rows out of the core tables, by dataset with the rules that found them."""
    for dataset in dict.fromkeys(row["dataset"] for row in quarantine):
        own = sorted((row for row in quarantine if row["dataset"] == dataset), key=lambda row: -row["size"])
        rules = ", ".join(f"{row['rule']} {row['size']:,}" for row in own)
        text = f"{sum(row['size'] for row in own):,} rows of {dataset} are in quarantine: {rules}."
        yield Notice(level="look", text=text)


def _runs(runs: Rows) -> Iterable[Notice]:
    """Of each stage the last run, if it failed."""
    last = {row["stage"]: row for row in runs}
    for stage, row in last.items():
        if row["exit_code"]:
            text = f"{stage} ended with exit code {row['exit_code']}: {row['message']}"
            yield Notice(level="act" if row["status"] == "failed" else "look", text=text)


def _moment(stated: object, now: datetime) -> datetime:
    """A moment of the status, which has it in UTC without saying so."""
    return datetime.fromisoformat(str(stated)).replace(tzinfo=UTC).astimezone(now.tzinfo)


def _span(age: timedelta) -> str:
    hours = age.total_seconds() / 3600.0
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"


def _named(cars: Collection[str]) -> str:
    more = f" and {len(cars) - _NAMED} more" if len(cars) > _NAMED else ""
    return f"{', '.join(sorted(cars)[:_NAMED])}{more}"
