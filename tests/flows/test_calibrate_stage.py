"""The calibrate stage: progress, what a death in the middle costs, the cars next to a car."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

import pandas as pd
import pytest

from flows.mapping.site_mates import site_mates
from flows.stages import Context
from flows.stages.calibrate import Chunk, ChunkOutcome, Work, calibrate
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF

NEXT_DAY = AS_OF + timedelta(days=1)


@pytest.fixture
def one_by_one(depot: Workspace) -> Workspace:
    settings = depot.root / "v2g.toml"
    settings.write_text(settings.read_text().replace("chunk_size = 4", "chunk_size = 1"), encoding="utf-8")
    return Workspace.open(depot.root)


def in_turn(work: Work, chunks: Sequence[Chunk]) -> Iterable[ChunkOutcome]:
    return [work(chunk) for chunk in chunks]


def killed_after_the_first(work: Work, chunks: Sequence[Chunk]) -> Iterable[ChunkOutcome]:
    yield work(chunks[0])
    raise KeyboardInterrupt


def test_a_run_that_ends_in_the_middle_is_completed_by_the_next(one_by_one: Workspace) -> None:
    with pytest.raises(KeyboardInterrupt):
        calibrate(Context.of(one_by_one, NEXT_DAY), each=killed_after_the_first)
    rows = one_by_one.warehouse.read("out_calibration")
    assert (rows["as_of_utc"] == pd.Timestamp(NEXT_DAY)).sum() == 1
    result = calibrate(Context.of(one_by_one, NEXT_DAY), each=in_turn)
    assert (result.details["batteries"], result.details["reused"]) == (2, 1)
    rows = one_by_one.warehouse.read("out_calibration")
    assert (rows["as_of_utc"] == pd.Timestamp(NEXT_DAY)).sum() == 2
    again = calibrate(Context.of(one_by_one, NEXT_DAY), each=in_turn)
    assert again.details["reused"] == 2


def test_progress_and_throughput_are_reported(one_by_one: Workspace) -> None:
    noted: list[tuple[int, int, float]] = []
    result = calibrate(
        Context.of(one_by_one, NEXT_DAY),
        each=in_turn,
        progress=lambda *values: noted.append(values),
    )
    assert [(done, total) for done, total, _ in noted] == [(1, 2), (2, 2)]
    assert 0 < noted[0][2] < noted[1][2]
    assert result.details["batteries_per_minute"] > 0
    assert "a minute" in result.message


def test_the_day_after_carries_life_on_and_every_calibration_has_its_life_points(
    one_by_one: Workspace,
) -> None:
    calibrate(Context.of(one_by_one, NEXT_DAY), each=in_turn)
    rows = one_by_one.warehouse.read("out_calibration").sort_values("as_of_utc")
    points = one_by_one.warehouse.read("out_life_point")
    assert set(rows["calibration_id"]) == set(points["calibration_id"])
    for _, own in rows.groupby("battery_id"):
        first, second = own.to_dict("records")
        assert second["alpha_day_per_efc"] == first["alpha_day_per_efc"]
        assert first["l0_days"] - second["l0_days"] == pytest.approx(1.0, abs=0.5)
        assert first["calibration_id"] in second["reason"]


class Store:
    """What was known at AS_OF: quarter-hours and a fleet."""

    as_of = AS_OF

    def __init__(self, degc: dict[str, float], site: dict[str, str]) -> None:
        self.tables = {
            "core_telemetry_15min": pd.DataFrame(
                [(name, value + nudge) for name, value in degc.items() for nudge in (-1.0, 0.0, 1.0)],
                columns=["battery_id", "temperature_mean_degc"],
            ),
            "core_battery": pd.DataFrame(site.items(), columns=["battery_id", "site_id"]),
        }

    def read(self, table: str, **_: object) -> pd.DataFrame:
        return self.tables[table]


def test_the_cars_of_a_site_are_compared_with_one_another() -> None:
    degc = {"a": 10.0, "b": 11.0, "c": 12.0, "d": 30.0, "x": 20.0}
    site = dict.fromkeys("abcde", "yard") | {"x": "far"}
    found = site_mates(Store(degc, site))  # type: ignore[arg-type]
    assert set(found) == set("abcd")  # e sends nothing, x is alone
    assert (found["d"].temperature_degc, found["d"].cars) == (11.0, 3)
    assert found["d"].temperature_spread_k == pytest.approx(1.48)
    assert found["a"].temperature_degc == 12.0


def test_a_disputed_car_is_no_ones_mate() -> None:
    degc = {"a": 10.0, "b": 11.0, "c": 12.0, "d": 30.0}
    store = Store(degc, dict.fromkeys("abcd", "yard"))
    found = site_mates(store, frozenset({"d"}))  # type: ignore[arg-type]
    assert (found["a"].temperature_degc, found["a"].cars) == (11.5, 2)
    assert (found["d"].temperature_degc, found["d"].cars) == (11.0, 3)
