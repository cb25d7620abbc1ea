"""Blocks of reserve that no market has, calls that are told by no quarter-hour."""

import pandas as pd
import pytest

from data_checks import check_frame
from tests.data_checks.builders import context
from tests.warehouse.builders import activations, awards, ingested


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


@pytest.mark.parametrize(
    ("step", "rows", "refused"),
    [("60min", 24, True), ("60min", 3, True), ("30min", 8, True), ("15min", 8, False), ("60min", 2, False)],
)
def test_energies_of_longer_intervals_pass_for_no_quarter_hours(step, rows, refused):
    """One product by the (half) hour next to another by the quarter-hour: that other is believed."""
    frame = activations(quarters=rows)
    longer = frame.assign(
        product="mFRR up",
        interval_start_utc=frame["interval_start_utc"].iloc[0] + pd.Timedelta(step) * frame.index,
    )
    report = check_frame("activations", ingested("activations", pd.concat([frame, longer])), context())
    assert report.quarantine["rule"].tolist() == ["interval"] * (rows * refused)
    assert set(report.good["product"]) == {"aFRR up"} | ({"mFRR up"} - {"mFRR up" if refused else ""})


def test_single_calls_and_an_hour_that_is_told_in_quarters_are_no_longer_intervals():
    frame = activations(quarters=60).iloc[[0, 4, 8, 24, 25, 26, 27]]
    assert len(check_frame("activations", ingested("activations", frame), context()).good) == 7
