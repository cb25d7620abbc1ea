"""Events of OpenADR 3 dropped into the inbox: prices and emissions that the next plan pays."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.stages import Context
from flows.stages.check import check
from flows.stages.inbox import ingest_inbox
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE
from warehouse.zones import market_day_slots

LATER = AS_OF + timedelta(minutes=1)


def event(kind: str, values: list[float], **descriptor: Any) -> dict[str, Any]:
    start = market_day_slots(DAY, ZONE, 60)[0].isoformat()
    return {
        "programID": "dp", "payloadDescriptors": [{"payloadType": kind, **descriptor}],
        "intervalPeriod": {"start": start, "duration": "PT1H"},
        "intervals": [{"payloads": [{"type": kind, "values": [value]}]} for value in values],
    }  # fmt: skip


def test_events_of_the_inbox_are_what_the_plan_pays(bare: Workspace) -> None:
    prices = [round(0.05 + 0.01 * hour, 2) for hour in range(24)]
    files = {
        "prices__openadr__day.json": event("PRICE", prices, units="KWH", currency="EUR"),
        "co2__openadr__day.json": event("GHG", [300.0] * 24, units="GHG"),
        "prices__openadr__bad.json": event("PRICE", prices, units="KWH"),
    }
    for name, stated in files.items():
        (bare.inbox / name).write_text(json.dumps(stated))
    taken = ingest_inbox(Context.of(bare, LATER))
    outcome = {row["file"]: row["outcome"] for row in taken.tables["inbox"]}
    assert outcome == {
        "prices__openadr__day.json": "landed", "co2__openadr__day.json": "landed",
        "prices__openadr__bad.json": "refused",
    }  # fmt: skip
    assert check(Context.of(bare, LATER)).exit_code == 0
    emissions = bare.warehouse.read("core_co2")
    assert set(emissions["co2_kg_per_kwh"]) == {0.3}
    made = plan(Context.of(bare, LATER), DAY)
    assert made.details["plan_source"] == "published"
    paid = bare.warehouse.read("core_price", where={"zone": ZONE}).set_index("interval_start_utc")
    own = paid.loc[market_day_slots(DAY, ZONE, 60), "price_eur_per_kwh"]
    assert own.tolist() == pytest.approx(prices)
    stated = bare.warehouse.read("out_plan_price").set_index("interval_start_utc")
    hours = stated["import_eur_per_kwh"].reindex(own.index).to_numpy()
    assert np.diff(hours) == pytest.approx(np.diff(prices)), "its prices at the plug follow them"


def test_the_command_takes_a_file_and_names_what_is_wrong(bare: Workspace) -> None:
    file = bare.root / "event.json"

    def run(stated: object) -> Any:
        file.write_text(json.dumps(stated))
        words = ["ingest", "prices", str(file), "--source", "openadr", "--zone", ZONE, "--dry-run"]
        return CliRunner().invoke(app, ["-w", str(bare.root), "--json", *words])

    right = run(event("PRICE", [0.1], units="KWH", currency="EUR"))
    assert right.exit_code == 0, right.output
    wrong = run(event("PRICE", [0.1], units="THERMS", currency="EUR"))
    assert wrong.exit_code != 0
    assert "THERMS, not KWH" in wrong.output + str(wrong.exception)
