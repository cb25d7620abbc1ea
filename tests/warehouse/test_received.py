"""When each row was received: a column or the event tells, and what was known then is found again."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from tests.warehouse import builders
from tests.warehouse.builders import fleet, metering, prices, promote_unchecked, tariffs, telemetry
from warehouse.contracts import CONTRACTS, dataset_contract
from warehouse.errors import CellError, ColumnError, OptionError, SourceError
from warehouse.ingestion import Batch
from warehouse.known import Known
from warehouse.quarantine import Wanted
from warehouse.release import Decision, decide
from warehouse.sources import Received, SourceFile, load_mapping, read_source, received_as
from warehouse.store import Warehouse

TODAY = dt.datetime(2026, 11, 27, 4, tzinfo=dt.UTC)
HOUR, SECOND = dt.timedelta(hours=1), dt.timedelta(seconds=1)
T0 = dt.datetime(2020, 3, 28, 22, tzinfo=dt.UTC)


def sessions() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "session_id": "s1", "battery_id": "CAR1", "arrival_utc": T0, "departure_utc": T0 + 9 * HOUR,
                "arrival_soc": 0.4, "departure_soc": 0.8,
            }
        ]
    )  # fmt: skip


def checkups() -> pd.DataFrame:
    row = {"battery_id": "CAR1", "time_utc": T0, "temperature_degc": 25.0}
    return pd.DataFrame([row | {"capacity_ah": 150.0, "resistance_ohm": 0.1}])


ROWS = {
    "prices": (prices(hours=1), "price_eur_per_kwh", 0.5),
    "tariffs": (tariffs(hours=1), "price_eur_per_kwh", 0.5),
    "telemetry": (telemetry(minutes=1), "temperature_degc", 33.0),
    "soc_power": (builders.soc_power().iloc[:1], "power_kw", 6.5),
    "sessions": (sessions(), "departure_soc", 0.9),
    "checkups": (checkups(), "capacity_ah", 140.0),
    "fleet": (fleet(1), "soc_min", 0.3),
    "sites": (builders.sites(), "import_limit_kw", 30.0),
    "metering": (metering(quarters=1, start=T0), "import_kwh", 2.0),
    "chargers": (builders.chargers(), "max_current_a", 32.0),
    "site_load": (builders.site_load(), "load_kw", 5.0),
    "site_limits": (builders.site_limits(), "import_limit_kw", 5.0),
    "co2": (builders.co2(), "co2_kg_per_kwh", 0.5),
    "awards": (builders.awards(), "quantity_mw", 2.0),
    "activations": (builders.activations(), "energy_kwh", 9.0),
    "imbalance_prices": (builders.imbalance_prices(), "short_price_eur_per_kwh", 0.5),
}
EVENTS = {
    **dict.fromkeys(("prices", "tariffs"), dt.datetime(2020, 3, 28, 11, 57, tzinfo=dt.UTC)),
    "telemetry": T0,
    "soc_power": T0,
    "sessions": T0,
    "checkups": T0,
    "metering": T0 + dt.timedelta(minutes=15),
}


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse(tmp_path / "warehouse.duckdb")
    made.create()
    return made


def file_of(folder: Path, frame: pd.DataFrame, name: str = "history.csv") -> Path:
    frame.to_csv(folder / name, index=False)
    return folder / name


def read(folder: Path, dataset: str, frame: pd.DataFrame, stated: str | None, delay: float | None = None,
         name: str = "history.csv") -> SourceFile:  # fmt: skip
    return read_source(dataset, file_of(folder, frame, name), received=received_as(stated, delay, dataset))


def ingest(warehouse: Warehouse, source: SourceFile, ingested_utc: dt.datetime = TODAY) -> Batch:
    done = warehouse.ingest(source, ingested_utc)
    if not done.already:
        promote_unchecked(warehouse, source.dataset, TODAY)
    return done


def core(dataset: str) -> str:
    return f"core_{dataset_contract(dataset).name}"


@pytest.mark.parametrize("dataset", EVENTS)
def test_history_is_known_from_its_event_on(warehouse: Warehouse, tmp_path: Path, dataset: str) -> None:
    ingest(warehouse, read(tmp_path, dataset, ROWS[dataset][0], "event"))
    event = EVENTS[dataset]
    assert len(Known(warehouse, event).read(core(dataset))) == 1
    assert Known(warehouse, event - SECOND).read(core(dataset)).empty
    assert warehouse.read(core(dataset))["received_utc"].tolist() == [event]


@pytest.mark.parametrize(
    ("zone", "day", "utc"),
    [
        ("DE-LU", "2020-03-29T00:00+01:00", "2020-03-28T11:57Z"),
        ("DE-LU", "2020-03-29T23:45+02:00", "2020-03-28T11:57Z"),
        ("DE-LU", "2020-03-30T00:00+02:00", "2020-03-29T10:57Z"),
        ("DE-LU", "2020-10-25T02:00+01:00", "2020-10-24T10:57Z"),
        ("DE-LU", "2020-10-26T00:00+01:00", "2020-10-25T11:57Z"),
        ("FI", "2020-07-01T00:00+03:00", "2020-06-30T09:57Z"),
        ("GB", "2020-01-01T00:00+00:00", "2019-12-31T12:57Z"),
    ],
)
def test_prices_are_published_the_day_before_by_the_market_s_own_clock(
    tmp_path: Path, zone: str, day: str, utc: str
) -> None:
    other = prices("2021-01-01T00:00Z", 2, zone="FI" if zone == "GB" else "GB")
    rows = pd.concat([prices(day, 1, zone), other])
    found = read(tmp_path, "prices", rows, "event").frame["received_utc"]
    assert found.tolist()[0] == pd.Timestamp(utc)


def test_telemetry_is_known_when_measured_plus_the_stated_delay(warehouse: Warehouse, tmp_path: Path) -> None:
    ingest(warehouse, read(tmp_path, "telemetry", telemetry(minutes=60), "event", 12.5))
    delay = dt.timedelta(minutes=12, seconds=30)
    assert Known(warehouse, T0 + delay - SECOND).read("core_telemetry").empty
    assert len(Known(warehouse, T0 + delay).read("core_telemetry")) == 1
    assert len(Known(warehouse, T0 + delay + HOUR).read("core_telemetry")) == 60


@pytest.mark.parametrize("dataset", ROWS)
def test_a_key_reported_at_two_moments_in_one_file_is_two_beliefs(
    warehouse: Warehouse, tmp_path: Path, dataset: str
) -> None:
    frame, column, corrected = ROWS[dataset]
    rows = pd.concat(
        [
            frame.assign(**{column: corrected}, seen="2021-02-01T12:00:00+02:00"),
            frame.assign(seen="2021-01-01T00:00:00Z"),
        ]
    )
    source = read(tmp_path, dataset, rows, "seen")
    assert not source.notes
    ingest(warehouse, source)
    january, february = (dt.datetime(2021, month, 1, tzinfo=dt.UTC) for month in (1, 2))
    first = Known(warehouse, january).read(core(dataset))
    assert first[column].tolist() == frame[column].tolist()
    assert (
        Known(warehouse, february + 9 * HOUR).read(core(dataset))[column].tolist() == first[column].tolist()
    )
    assert Known(warehouse, february + 10 * HOUR).read(core(dataset))[column].tolist() == [corrected]
    assert warehouse.read(core(dataset))[column].tolist() == [corrected]
    assert Known(warehouse, january - SECOND).read(core(dataset)).empty


@pytest.mark.parametrize("dataset", EVENTS)
def test_of_two_files_of_one_event_the_one_ingested_later_holds(
    warehouse: Warehouse, tmp_path: Path, dataset: str
) -> None:
    frame, column, corrected = ROWS[dataset]
    for number in range(6):
        source = read(tmp_path, dataset, frame.assign(**{column: corrected - number / 100}), "event")
        ingest(warehouse, source)
        for rows in (warehouse.read(core(dataset)), Known(warehouse, EVENTS[dataset]).read(core(dataset))):
            assert rows[column].tolist() == [corrected - number / 100]


def test_of_sessions_of_one_car_reported_at_one_moment_the_one_ingested_later_holds(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    for number in range(6):
        ingest(warehouse, read(tmp_path, "sessions", sessions().assign(session_id=f"s{9 - number}"), "event"))
        assert warehouse.read("core_session")["session_id"].tolist() == [f"s{9 - number}"]
        assert Known(warehouse, T0).read("core_session")["session_id"].tolist() == [f"s{9 - number}"]


@pytest.mark.parametrize("dataset", sorted(set(ROWS) - set(EVENTS)))
def test_what_has_no_event_needs_a_column(tmp_path: Path, dataset: str) -> None:
    with pytest.raises(OptionError, match=rf"history\.csv, column received: 'event' {dataset} have no event"):
        read(tmp_path, dataset, ROWS[dataset][0], "event")


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("", "is empty: when was the row received"),
        ("2021-01-01T00:00:00", "has no time zone"),
        ("soon", "has no time zone"),
        ("soon 12:00Z", "is not an ISO 8601 time"),
        ("1850-01-01T00:00:00Z", "outside the years"),
    ],
)
@pytest.mark.parametrize("dataset", ROWS)
def test_a_cell_that_tells_no_moment_is_named(tmp_path: Path, dataset: str, cell: str, problem: str) -> None:
    frame = ROWS[dataset][0]
    rows = pd.concat([frame.assign(seen="2021-01-01T00:00:00Z"), frame.assign(seen=cell)])
    with pytest.raises(CellError, match=problem) as caught:
        read(tmp_path, dataset, rows, "seen")
    assert (caught.value.file, caught.value.row, caught.value.column) == ("history.csv", 2, "seen")


def test_a_column_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ColumnError, match="column sene: is missing; did you mean 'seen'"):
        read(tmp_path, "fleet", fleet(1).assign(seen="2021-01-01T00:00:00Z"), "sene")


@pytest.mark.parametrize(
    ("dataset", "stated"), [*((name, "seen") for name in ROWS), *((n, "event") for n in EVENTS)]
)
def test_nothing_is_received_after_it_is_here(
    warehouse: Warehouse, tmp_path: Path, dataset: str, stated: str
) -> None:
    source = read(tmp_path, dataset, ROWS[dataset][0].assign(seen="2021-01-01T00:00:00Z"), stated)
    moment = source.frame["received_utc"].iloc[0]
    for offer in (warehouse.ingest, warehouse.require_ingestible):
        with pytest.raises(CellError, match="is later than the ingest at") as caught:
            offer(source, moment.to_pydatetime() - SECOND)
        assert (caught.value.file, caught.value.row) == ("history.csv", 1)
        assert f"{moment:%Y-%m-%d %H:%M}" in str(caught.value)
    assert warehouse.read("raw_source").empty
    ingest(warehouse, source, moment.to_pydatetime())


@pytest.mark.parametrize(
    ("stated", "delay"), [(None, 5.0), ("seen", 5.0), ("event", -1.0), ("event", float("nan")), (" ", None)]
)
def test_a_delay_or_a_column_that_is_none_is_refused(stated: str | None, delay: float | None) -> None:
    with pytest.raises(OptionError):
        received_as(stated, delay, "telemetry")


def test_a_delay_belongs_to_telemetry(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="belongs to telemetry and metering: sessions"):
        read(tmp_path, "sessions", sessions(), "event", 5.0)


def test_no_column_of_a_price_list_tells(tmp_path: Path) -> None:
    (tmp_path / "smard.csv").write_text("time\n", encoding="utf-8")
    with pytest.raises(OptionError, match="no column of smard prices tells"):
        read_source("prices", tmp_path / "smard.csv", source="smard", received=Received(column="time"))


def test_the_same_file_with_other_moments_is_refused_and_with_none_is_known(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    rows = telemetry(minutes=2).assign(seen="2021-01-01T00:00:00Z")
    assert not ingest(warehouse, read(tmp_path, "telemetry", rows, "event", 5.0)).already
    assert ingest(warehouse, read(tmp_path, "telemetry", rows, "event", 5.0)).already
    assert ingest(warehouse, read(tmp_path, "telemetry", rows, None)).already
    for one, delay in (("event", None), ("event", 6.0), ("seen", None)):
        with pytest.raises(OptionError, match=r"received by 'event \+ 5 min'"):
            warehouse.ingest(read(tmp_path, "telemetry", rows, one, delay), TODAY)
    assert len(warehouse.read("raw_source")) == 1


def test_a_file_that_was_ingested_without_moments_may_tell_them_later(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    ingest(warehouse, read(tmp_path, "telemetry", telemetry(minutes=3), None))
    assert Known(warehouse, T0 + HOUR).read("core_telemetry").empty
    assert not ingest(warehouse, read(tmp_path, "telemetry", telemetry(minutes=3), "event")).already
    assert len(Known(warehouse, T0 + HOUR).read("core_telemetry")) == 3
    assert len(warehouse.read("core_telemetry")) == 3


def test_a_file_ingested_then_is_apart_from_rows_received_then(warehouse: Warehouse, tmp_path: Path) -> None:
    ingest(warehouse, read(tmp_path, "sessions", sessions(), "event"))
    other = sessions().assign(departure_soc=0.6)
    ingest(warehouse, read(tmp_path, "sessions", other, None, name="live.csv"), T0)
    assert Known(warehouse, T0).read("core_session")["departure_soc"].tolist() == [0.6]
    assert warehouse.read("core_session")["received_utc"].tolist() == [T0 + dt.timedelta(microseconds=1)]


def test_quarter_hours_and_months_are_those_of_the_samples_received_by_then(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    rows = telemetry(minutes=120)
    ingest(warehouse, read(tmp_path, "telemetry", rows, "event"))
    live = Warehouse(tmp_path / "live.duckdb")
    live.create()
    half = rows[rows["time_utc"] <= pd.Timestamp(T0 + HOUR)]
    ingest(live, read(tmp_path, "telemetry", half, None), T0 + HOUR)
    replayed, then = (Known(one, T0 + HOUR) for one in (warehouse, live))
    pd.testing.assert_frame_equal(replayed.read("core_telemetry_15min"), then.read("core_telemetry_15min"))
    pd.testing.assert_frame_equal(replayed.monthly_temperature(["CAR1"]), then.monthly_temperature(["CAR1"]))
    assert len(warehouse.read("core_telemetry_15min")) == 8


def test_rows_that_wait_count_from_when_they_were_received(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.ingest(read(tmp_path, "telemetry", telemetry(minutes=60), "event"), TODAY)
    waiting = [
        Known(warehouse, T0 + minutes * SECOND * 60).extent("telemetry").waiting for minutes in (-1, 9, 99)
    ]
    assert waiting == [0, 10, 60]
    assert warehouse.extent("telemetry").waiting == Known(warehouse, TODAY).extent("telemetry").waiting == 60


def test_retention_counts_from_the_ingest(warehouse: Warehouse, tmp_path: Path) -> None:
    ingest(warehouse, read(tmp_path, "telemetry", telemetry(minutes=5), "event"))
    for before, gone in ((TODAY.date(), 0), ((TODAY + 48 * HOUR).date(), 5)):
        raw = warehouse.prune(samples_before=None, raw_before=before, pruned_utc=TODAY, dry_run=False)[1]
        assert raw.rows == gone
    ingest(warehouse, read(tmp_path, "telemetry", telemetry(minutes=5, current_a=7.0), "event", name="b.csv"))
    assert set(warehouse.read("core_telemetry")["current_a"]) == {7.0}


def test_quarantine_goes_by_the_moment_of_the_row_and_a_release_by_that_of_its_decision(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    rows = pd.concat(
        [sessions().assign(seen=f"2021-0{month}-01T00:00:00Z", departure_soc=month / 10) for month in (5, 7)]
    )
    source = read(tmp_path, "sessions", rows, "seen")
    warehouse.ingest(source, TODAY)
    ingested = warehouse.unchecked("sessions")
    bad = ingested[ingested["source_row"] == 1]
    quarantine = pd.DataFrame(
        [
            {
                "dataset": "sessions", "rule": "reach", "severity": "critical", "column_name": None,
                "value": None, "reason": "far", "row_key": "s1", "source_id": source.source_id,
                "source_row": 1, "run_id": "r", "found_utc": pd.Timestamp(TODAY),
            }
        ]
    )  # fmt: skip
    quarantine = quarantine[[n for n in CONTRACTS["core_quarantine"].names if n in quarantine]]
    checks = pd.DataFrame(columns=CONTRACTS["out_check"].names)
    good = ingested.drop(index=bad.index)
    warehouse.promote("sessions", good, quarantine, checks, [source.source_id], TODAY)
    may, june, july = (dt.datetime(2021, month, 2, tzinfo=dt.UTC) for month in (4, 6, 8))
    wanted = Wanted(dataset="sessions")
    assert [len(Known(warehouse, m).quarantined(wanted)) for m in (may, june, july)] == [0, 1, 1]
    (row,) = Known(warehouse, june).raw_rows("sessions", quarantine)["received_utc"]
    assert row == pd.Timestamp("2021-05-01T00:00Z")
    assert Known(warehouse, june).read("core_session").empty
    decision = Decision(
        action="release", dataset="sessions", rows=quarantine, decided_by="me", reason="it is so",
        decided_utc=TODAY,
    )  # fmt: skip
    decide(warehouse, decision)
    assert Known(warehouse, june).read("core_session").empty
    assert len(Known(warehouse, june).quarantined(wanted)) == 1
    assert Known(warehouse, TODAY + HOUR).quarantined(wanted).empty
    assert warehouse.read("core_session")["departure_soc"].tolist() == [0.7]


MAPPING = """
timezone = "Europe/Berlin"
[columns.time_utc]
from = "Zeit"
format = "%d.%m.%Y %H:%M:%S"
"""


@pytest.mark.parametrize(
    ("more", "received"),
    [
        ('[columns.received_utc]\nfrom = "Da"\nformat = "%d.%m.%Y %H:%M"', "2020-03-29T01:10Z"),
        ('[columns.received_utc]\nfrom = "Unix"\nformat = "unix_s"', "2020-03-29T01:00Z"),
    ],
)
def test_a_mapping_says_what_column_tells_and_how(tmp_path: Path, more: str, received: str) -> None:
    (tmp_path / "map.toml").write_text(MAPPING + more, encoding="utf-8")
    rows = telemetry(minutes=1).drop(columns="time_utc")
    rows = rows.assign(Zeit="28.03.2020 23:00:00", Da="29.03.2020 03:10", Unix=1585443600)
    meant = load_mapping(tmp_path / "map.toml", "telemetry")
    path = file_of(tmp_path, rows)
    found = read_source("telemetry", path, source=meant.source, received=meant.received, **meant.options)
    assert found.frame["received_utc"].tolist() == [pd.Timestamp(received)]
    assert found.frame["time_utc"].tolist() == [pd.Timestamp("2020-03-28T22:00Z")]


def test_a_mapping_may_say_no_more_than_that_rows_are_events(tmp_path: Path) -> None:
    text = 'source = "csv"\nreceived = "event"\ndelay_minutes = 15\n'
    (tmp_path / "past.toml").write_text(text, encoding="utf-8")
    meant = load_mapping(tmp_path / "past.toml", "telemetry")
    assert (meant.source, meant.options, meant.received) == ("csv", {}, Received(delay_minutes=15.0))


@pytest.mark.parametrize(
    "text",
    [
        'received = "event"\n' + MAPPING + '[columns.received_utc]\nfrom = "Da"\n',
        "delay_minutes = 5\n" + MAPPING,
        'received = "event"\ndelay_minutes = "5"\n' + MAPPING,
        "received = true\n" + MAPPING,
        MAPPING + '[columns.received_utc]\nconstant = "2020-01-01T00:00:00Z"\n',
        'source = "csv"\nreceived = "event"\ndelay_minutes = -5\n',
    ],
)
def test_a_mapping_that_contradicts_itself_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "map.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=r"map\.toml"):
        load_mapping(tmp_path / "map.toml", "telemetry")
