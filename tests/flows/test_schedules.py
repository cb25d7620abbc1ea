"""The served schedules over both clock changes, as Prefect's own scheduler reads them."""

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from flows.schedules import schedules
from flows.settings import FleetSettings, Settings


@pytest.mark.parametrize("zone", ["DE-LU", "FI", "GB"])
@pytest.mark.parametrize("before_change", [date(2025, 3, 28), date(2025, 10, 24)])
def test_each_flow_runs_once_a_day_at_its_time_on_the_wall(zone: str, before_change: date) -> None:
    from prefect.server.schemas.schedules import CronSchedule

    settings = Settings(fleet=FleetSettings(zone=zone))
    wall = {"ingest": time(12, 55), "calibrate": time(22, 30), "daily": time(13, 15)}
    start = datetime.combine(before_change, time(0), tzinfo=UTC)
    for name, when in schedules(settings).items():
        schedule = CronSchedule(cron=when.cron, timezone=when.timezone)
        fired = asyncio.run(schedule.get_dates(n=5, start=start))
        local = [moment.astimezone(ZoneInfo(when.timezone)) for moment in fired]
        assert [moment.date() for moment in local] == [before_change + timedelta(days=k) for k in range(5)]
        assert {moment.time() for moment in local} == {wall[name]}
        # The clock was moved in between: the same time on the wall is another time in UTC.
        assert len({moment.astimezone(UTC).time() for moment in fired}) == 2


def test_a_schedule_inside_the_clock_change_would_be_wrong() -> None:
    """Why the settings refuse 01–03: Prefect fires 02:30 on a day without it, at another hour."""
    from prefect.server.schemas.schedules import CronSchedule

    schedule = CronSchedule(cron="30 2 * * *", timezone="Europe/Berlin")
    fired = asyncio.run(schedule.get_dates(n=3, start=datetime(2025, 3, 29, tzinfo=UTC)))
    local = [moment.astimezone(ZoneInfo("Europe/Berlin")).time() for moment in fired]
    assert local != [time(2, 30)] * 3
