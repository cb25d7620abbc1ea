"""Days at the market's cap: what was promised at a departure is not for sale."""

from __future__ import annotations

import pytest

from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, price_rows, put


@pytest.mark.parametrize("cap", [0.9, 4.0])
def test_no_price_buys_the_charge_promised_at_a_departure(depot: Workspace, cap: float) -> None:
    dear = price_rows(DAY, 1)
    dear.loc[dear.index[13:20], "price_eur_per_kwh"] = cap
    put(depot, "prices", dear)
    check(Context.of(depot, AS_OF))
    made = plan(Context.of(depot, AS_OF), DAY)
    departures = depot.warehouse.read("out_plan_departure")
    own = departures[(departures["plan_id"] == made.details["plan_id"]) & (departures["mode"] == "v2g")]
    assert len(own) > 0
    assert own["missing_kwh"].max() == pytest.approx(0.0, abs=1e-6)
    power = depot.warehouse.read("out_plan_slot")
    fed = power[(power["plan_id"] == made.details["plan_id"]) & (power["mode"] == "v2g")]
    assert fed["discharge_kw"].max() > 0.0
