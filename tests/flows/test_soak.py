"""Days of `v2g serve` on a fake clock, with faults: each has a plan in time, and what is wrong is named."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from tests.soak.life import live

FIRST = date(2026, 10, 22)
LOOKS = ("00:00", "04:00", "05:00", "07:00", "10:00", "13:00", "13:15", "14:30", "18:00", "20:00", "22:30")
"""When something comes or is due; `python -m tests.benchmarks.soak` looks three times as often."""


def test_a_week_with_a_clock_change_and_faults(tmp_path: Path) -> None:
    faults = {
        FIRST + timedelta(days=1): ["prices_with_holes", "killed"],
        FIRST + timedelta(days=2): ["telemetry_cut", "no_folder_for_pages"],
        FIRST + timedelta(days=3): ["sessions_overlap", "database_cut_short"],
        FIRST + timedelta(days=4): ["prices_a_day_late", "settings_mistyped"],
    }
    told = live(tmp_path / "depot", FIRST, 6, faults, looks=LOOKS)
    assert len(told.looks) == 6 * len(LOOKS) + 1  # once more at the database that was cut short
    assert told.findings == []
    assert told.rungs == {
        FIRST + timedelta(days=number): "substituted" if number == 5 else "published"
        for number in range(1, 6)
    }
    pages = {one.name for one in (tmp_path / "depot" / "reports").iterdir() if one.is_dir()}
    assert pages >= {str(day) for day in told.thrown}
