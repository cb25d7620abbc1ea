"""Blocks of reserve that no market has."""

import pandas as pd
import pytest

from data_checks import check_frame
from tests.data_checks.builders import context
from tests.warehouse.builders import awards, ingested


@pytest.mark.parametrize(
    ("column", "change", "rule"),
    [
        ("interval_start_utc", "7min", "grid"),
        ("interval_end_utc", "-1s", "grid"),
        ("interval_end_utc", "22h", "block"),
    ],
)
def test_a_block_that_cannot_be_is_set_aside_alone(column, change, rule):
    frame = awards(blocks=3)
    frame.loc[1, column] += pd.Timedelta(change)
    report = check_frame("awards", ingested("awards", frame), context())
    assert report.quarantine["rule"].tolist() == [rule]
    assert len(report.good) == 2


def test_a_day_of_25_hours_is_a_block():
    frame = awards().assign(interval_end_utc=pd.Timestamp("2020-03-30T01:00Z"))
    assert len(check_frame("awards", ingested("awards", frame), context()).good) == 1
