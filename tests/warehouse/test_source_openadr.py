"""Events of OpenADR 3 as prices, tariffs and emissions: read right, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from warehouse.errors import CellError, EmptyFileError, OptionError, RateError, SourceError, UnitError
from warehouse.sources import SourceFile, read_source

PER_KWH = {"payloadType": "PRICE", "units": "KWH", "currency": "EUR"}
EVENT: dict[str, Any] = {
    "id": "e1", "objectType": "EVENT", "programID": "dp101", "createdDateTime": "2026-06-15T12:00:00Z",
    "payloadDescriptors": [PER_KWH, {**PER_KWH, "payloadType": "EXPORT_PRICE"}],
    "intervalPeriod": {"start": "2026-06-16T00:00:00+02:00", "duration": "PT1H"},
    "intervals": [
        {"id": 0,
         "payloads": [{"type": "PRICE", "values": [0.42]}, {"type": "EXPORT_PRICE", "values": [0.1]}]},
        {"id": 1, "payloads": [{"type": "PRICE", "values": [-0.03]}, {"type": "GHG", "values": [310]}]},
    ],
}  # fmt: skip


def event(*values: list[float], kind: str = "PRICE", **changed: Any) -> dict[str, Any]:
    made = [{"id": n, "payloads": [{"type": kind, "values": own}]} for n, own in enumerate(values)]
    return {**EVENT, "intervals": made, **changed}


def read(tmp_path: Path, stated: object, dataset: str = "prices", **options: object) -> SourceFile:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(stated))
    return read_source(dataset, file, source="openadr", **{"zone": "DE-LU", **options})


def rows(source: SourceFile, value: str = "price_eur_per_kwh") -> list[tuple[str, int, float]]:
    frame = source.frame
    at = frame["interval_start_utc"].dt.strftime("%dT%H:%M")
    return list(zip(at, frame["resolution_minutes"].astype(int), frame[value].round(9), strict=True))


def test_an_event_is_read_as_prices_tariffs_and_emissions(tmp_path: Path) -> None:
    prices = read(tmp_path, EVENT)
    assert rows(prices) == [("15T22:00", 60, 0.42), ("15T23:00", 60, -0.03)]
    assert set(prices.frame["zone"]) == {"DE-LU"}
    assert prices.frame["source_row"].tolist() == [1, 2]
    assert any("GHG is no part of prices" in note for note in prices.notes)
    tariffs = read(tmp_path, EVENT, "tariffs").frame
    assert list(zip(tariffs["direction"], tariffs["price_eur_per_kwh"], strict=True)) == [
        ("import", 0.42), ("import", -0.03), ("export", 0.1),
    ]  # fmt: skip
    assert rows(read(tmp_path, EVENT, "co2"), "co2_kg_per_kwh") == [("15T23:00", 60, 0.31)]


def test_values_share_an_interval_and_lengths_are_kept(tmp_path: Path) -> None:
    packed = event([0.17, 0.03, 0.11], intervalPeriod={"start": "2026-06-16T00:00:00Z", "duration": "PT45M"})
    assert rows(read(tmp_path, packed)) == [
        ("16T00:00", 15, 0.17),
        ("16T00:15", 15, 0.03),
        ("16T00:30", 15, 0.11),
    ]
    longer = event([0.2], intervalPeriod={"start": "2026-06-16T00:00:00Z", "duration": "PT2H"})
    assert rows(read(tmp_path, longer)) == [("16T00:00", 60, 0.2), ("16T01:00", 60, 0.2)]
    fives = event(
        *([x] for x in (0.1, 0.2, 0.6)), intervalPeriod={"start": "2026-06-16T00:00:00Z", "duration": "PT5M"}
    )
    assert rows(read(tmp_path, fives)) == [("16T00:00", 15, 0.3)]
    own = {"start": "2026-06-16T05:00:00Z", "duration": "PT30M"}
    gap = event([0.1], [0.2], [0.3])
    gap["intervals"][1]["intervalPeriod"] = own
    assert rows(read(tmp_path, gap)) == [
        ("15T22:00", 30, 0.1), ("15T22:30", 30, 0.1), ("16T05:00", 30, 0.2), ("16T05:30", 30, 0.3),
        ("16T06:00", 30, 0.3),
    ]  # fmt: skip
    assert rows(read(tmp_path, event([0.1], [0.2], duration="PT90M"))) == [
        ("15T22:00", 30, 0.1), ("15T22:30", 30, 0.1), ("15T23:00", 30, 0.2),
    ]  # fmt: skip
    at_once = event([0.1], intervalPeriod={"start": "0001-01-01T00:00:00", "duration": "PT1H"})
    assert rows(read(tmp_path, at_once)) == [("15T12:00", 60, 0.1)]


def test_the_higher_priority_counts_and_a_tie_is_refused(tmp_path: Path) -> None:
    peak = event(
        [0.9], id="cpp", priority=0, intervalPeriod={"start": "2026-06-15T23:00:00Z", "duration": "PT1H"}
    )
    assert rows(read(tmp_path, [peak, EVENT])) == [("15T22:00", 60, 0.42), ("15T23:00", 60, 0.9)]
    with pytest.raises(CellError, match="with one priority"):
        read(tmp_path, [{**peak, "priority": None}, EVENT])
    assert len(read(tmp_path, [EVENT, EVENT]).frame) == 2


def test_a_program_tells_units_and_other_money_needs_a_rate(tmp_path: Path) -> None:
    program = {"id": "dp101", "objectType": "PROGRAM", "programName": "DP",
               "payloadDescriptors": [{**PER_KWH, "currency": "USD"}]}  # fmt: skip
    stated = [program, event([0.5], payloadDescriptors=None)]
    assert rows(read(tmp_path, stated, rate=0.9)) == [("15T22:00", 60, 0.45)]
    with pytest.raises(RateError):
        read(tmp_path, stated)
    with pytest.raises(UnitError, match="no units"):
        read(tmp_path, stated[1])


@pytest.mark.parametrize(
    ("changed", "error", "why"),
    [
        ({"payloadDescriptors": [{**PER_KWH, "units": "THERMS"}]}, UnitError, "THERMS, not KWH"),
        ({"payloadDescriptors": [{**PER_KWH, "units": "MWH"}]}, UnitError, "MWH, not KWH"),
        ({"payloadDescriptors": [{**PER_KWH, "currency": None}]}, UnitError, "no currency"),
        ({"payloadDescriptors": [{**PER_KWH, "currency": "cents"}]}, UnitError, "ISO 4217"),
        ({"intervalPeriod": {"start": "2026-06-16T00:00:00Z", "duration": "PT1H", "randomizeStart": "PT5M"}},
         CellError, "randomizeStart"),
        ({"intervalPeriod": {"start": "2026-06-16T00:07:00Z", "duration": "PT1H"}},
         CellError, "full quarter-hours"),
        ({"intervalPeriod": {"start": "2026-06-16T00:00:00Z", "duration": "PT7M"}},
         CellError, "full quarter-hours"),
        ({"intervalPeriod": {"start": "2026-06-16T00:00:00Z", "duration": "P9999Y"}},
         CellError, "within a year"),
        ({"intervalPeriod": {"start": "2026-06-16T00:00:00", "duration": "PT1H"}}, CellError, "no offset"),
        ({"intervalPeriod": None}, CellError, "no start"), ({"duration": "P9999Y"}, CellError, "repeat"),
        ({"priority": -1}, CellError, "priority"), ({"intervals": []}, EmptyFileError, "holds no PRICE"),
        ({"intervals": [{"payloads": [{"type": "PRICE", "values": []}]}]}, CellError, "no values"),
        ({"intervals": [{"payloads": [{"type": "PRICE", "values": ["0.2"]}]}]}, CellError, "no number"),
        ({"intervals": [{"payloads": [{"type": "PRICE", "values": [True]}]}]}, CellError, "no number"),
        ({"intervals": [{"payloads": [{"type": "PRICE_ALTERNATE", "values": [1]}]}]},
         EmptyFileError, "ALTERNATE"),
        ({"intervals": [{"id": 0}]}, CellError, "no payloads"), ({"intervals": None}, CellError, "no event"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_by_name(
    tmp_path: Path, changed: dict[str, Any], error: type[SourceError], why: str
) -> None:
    with pytest.raises(error, match=why) as refused:
        read(tmp_path, {**EVENT, **changed})
    assert "event.json" in str(refused.value)


def test_emissions_below_zero_or_in_another_unit_and_events_of_several_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CellError, match="0 or more"):
        read(tmp_path, event([-1], kind="GHG"), "co2")
    other = [{"payloadType": "GHG", "units": "KWH"}]
    with pytest.raises(UnitError, match="KWH, not GHG"):
        read(tmp_path, event([310], kind="GHG", payloadDescriptors=other), "co2")
    with pytest.raises(CellError, match="for several"):
        read(tmp_path, [EVENT, {**EVENT, "targets": ["north"]}])
    with pytest.raises(OptionError, match="zone"):
        read(tmp_path, EVENT, zone=None)


def test_a_day_of_hours_holds_over_the_change_of_clocks(tmp_path: Path) -> None:
    day = event(
        *([0.01 * n] for n in range(23)),
        intervalPeriod={"start": "2026-03-29T00:00:00+01:00", "duration": "PT1H"},
    )
    frame = read(tmp_path, day).frame
    expected = pd.date_range("2026-03-29", "2026-03-30", freq="h", tz="Europe/Berlin", inclusive="left")
    assert frame["interval_start_utc"].tolist() == expected.tz_convert("UTC").tolist()
