"""Chargers whose currents cannot all be meant."""

import pandas as pd
import pytest

from data_checks import check_frame
from tests.data_checks.builders import context
from tests.warehouse.builders import ingested
from warehouse.contracts import dataset_contract


def charger(name, **given):
    row = {"charger_id": name, "site_id": "DEPOT", "phases": 3, "max_current_a": 16.0, **given}
    return {column: row.get(column) for column in dataset_contract("chargers").names}


@pytest.mark.parametrize(
    ("stated", "column"),
    [
        ({"min_current_a": 16.0}, None),
        ({}, None),
        ({"min_current_a": 12.0, "max_discharge_current_a": 0.0}, None),
        ({"min_current_a": 16.5}, "max_current_a"),
        ({"min_current_a": 12.0, "max_discharge_current_a": 10.0}, "max_discharge_current_a"),
    ],
)
def test_a_least_current_above_the_largest_is_set_aside_and_the_one_next_to_it_stands(stated, column):
    frame = pd.DataFrame([charger("good"), charger("other", **stated)])
    report = check_frame("chargers", ingested("chargers", frame), context())
    found = report.quarantine
    if column is None:
        assert (len(report.good), len(found)) == (2, 0)
        return
    assert report.good["charger_id"].tolist() == ["good"]
    assert found[["rule", "column_name"]].to_numpy().tolist() == [["least_above_most", "min_current_a"]]
    assert column in found["reason"].item()
