"""What the rows of a back-test say together: hand-made days, whose shares can be reckoned in the head."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from flows.backtest.strategies import BY_NAME, STRATEGIES
from flows.backtest.summary import summary

FIRST = date(2025, 11, 1)
GAINS = {
    "foresight": 2.0,
    "v2g": 1.5,
    "like-days": 1.0,
    "last-week": 0.5,
    "ordered": 0.8,
    "uncontrolled": 0.0,
}
SHAPE = np.tile([0.5, 1.5], 14)


def days(gains: dict[str, float], number: int = 28) -> pd.DataFrame:
    """Days on which each strategy gains its own times a shape that all share, over -3 € of plugging in."""
    rows = [
        {
            "market_date": FIRST + timedelta(days=day), "strategy": name, "batteries": 2,
            "eur": -3.0 + gain * SHAPE[day],
            "uncontrolled_eur": -3.0, "ordered_eur": -3.0 + 0.8 * SHAPE[day], "promised_eur": -1.0,
            "stored_kwh": 1.0, "uncontrolled_stored_kwh": 0.5, "v2g_kwh": 4.0, "wear_eur": 0.16,
            "wear_error_eur": 0.1, "twin_batteries": 1, "departures": 2, "missed": int(day == 3),
        }
        for name, gain in gains.items()
        for day in range(number)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def summary_lines(rows: pd.DataFrame, *names: str, number: int = 28) -> dict[str, dict[str, float]]:
    lines = summary(rows, [BY_NAME[name] for name in names], number)
    return {line["strategy"]: line for line in lines}


def test_shares_are_of_foresight_and_of_the_gap_to_the_best_other_naive() -> None:
    lines = summary_lines(days(GAINS), *GAINS)
    v2g = lines["v2g"]
    assert (v2g["days"], v2g["cars"], v2g["departures"], v2g["missed"]) == (28, 2, 56, 1)
    assert v2g["over_uncontrolled_eur"] == pytest.approx(42.0)
    assert v2g["by_twin_eur"] == pytest.approx(42.0 - 2.8)
    assert v2g["over_ordered_eur"] == pytest.approx(0.7 * 28)
    assert v2g["more_in_store_kwh"] == pytest.approx(14.0)
    assert v2g["car_year_eur"] == pytest.approx(1.5 * 365.25 / 2)
    assert v2g["of_foresight"] == pytest.approx(0.75)
    assert (v2g["naive"], lines["like-days"]["naive"]) == ("like-days", "last-week")
    assert v2g["gap_closed"] == pytest.approx(0.5)
    assert lines["like-days"]["gap_closed"] == pytest.approx(1 / 3)
    assert "gap_closed" not in lines["foresight"]
    # The days of all go up and down together: a share is sure where an amount is not.
    assert v2g["of_foresight_low"] == pytest.approx(0.75) == v2g["of_foresight_high"]
    assert v2g["car_year_low_eur"] < v2g["car_year_eur"] < v2g["car_year_high_eur"]


def test_what_was_not_asked_for_is_compared_with_where_it_has_all_days() -> None:
    rows = days(GAINS)
    assert summary_lines(rows, "v2g")["v2g"]["of_foresight"] == pytest.approx(0.75)
    torn = rows[(rows["strategy"] != "foresight") | (rows["market_date"] != FIRST)]
    line = summary_lines(torn, "v2g")["v2g"]
    assert line["days"] == 28 and "of_foresight" not in line
    both = summary_lines(torn, "v2g", "foresight")
    assert both["v2g"]["days"] == both["foresight"]["days"] == 27, "on the days that all of them have"


def test_few_days_have_no_interval_and_no_gap_no_share() -> None:
    line = summary_lines(days(GAINS, 13), "v2g", number=13)["v2g"]
    assert line["of_foresight"] == pytest.approx(0.75)
    assert line["of_foresight_low"] is None and line["car_year_high_eur"] is None
    assert summary_lines(days(GAINS, 14), "v2g", number=14)["v2g"]["car_year_high_eur"] is not None
    flat = summary_lines(days({**GAINS, "like-days": 2.0}), "v2g")["v2g"]
    assert np.isnan(flat["gap_closed"])
    assert summary(days(GAINS).iloc[:0], list(STRATEGIES), 28) == []
