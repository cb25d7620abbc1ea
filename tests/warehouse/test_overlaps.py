"""Of sessions of one car that overlap the later received holds, whatever its id; nothing ingested is lost."""

import datetime as dt
import itertools
import tempfile
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_checks import CheckContext, check_frame
from tests.warehouse.builders import NOW, promote_unchecked, source_of
from warehouse.contracts import CONTRACTS
from warehouse.overlaps import PART
from warehouse.release import Decision, decide
from warehouse.store import Warehouse

HOUR = dt.timedelta(hours=1)
CARS = ("CAR1", "CAR2")
CONTEXT = CheckContext(as_of_utc=NOW, run_id="r", battery_ids=frozenset(CARS))


@pytest.fixture
def warehouse(tmp_path):
    return made(tmp_path)


def made(folder):
    warehouse = Warehouse(Path(folder) / "warehouse.duckdb")
    warehouse.create()
    return warehouse


def session_of(session_id, start, end, battery_id="CAR1", arrival_soc=0.4):
    """A session by hours after NOW."""
    return {
        "session_id": session_id, "battery_id": battery_id, "arrival_utc": NOW + start * HOUR,
        "departure_utc": NOW + end * HOUR, "arrival_soc": arrival_soc, "departure_soc": 0.8,
    }  # fmt: skip


def take_in(warehouse, hours, *sessions):
    """Ingest a file received some hours after NOW and promote all of it."""
    source = source_of("sessions", pd.DataFrame(sessions), name=str(hours))
    warehouse.ingest(source, NOW + hours * HOUR)
    promote_unchecked(warehouse, "sessions")
    return source.source_id


def ids(warehouse, table="core_session", **more):
    return sorted(warehouse.read(table, **more)["session_id"])


def test_a_later_record_replaces_what_it_overlaps_and_says_so(warehouse):
    first = take_in(
        warehouse, 0, session_of("a", 0, 8), session_of("b", 10, 20), session_of("c", 10, 20, "CAR2")
    )
    second = take_in(warehouse, 1, session_of("late", 7, 10))
    assert ids(warehouse) == ["b", "c", "late"]
    (lost,) = warehouse.read("core_session_superseded").to_dict("records")
    assert (lost["session_id"], lost["source_id"], lost["by_session_id"]) == ("a", first, "late")
    assert (lost["by_source_id"], lost["by_received_utc"]) == (second, pd.Timestamp(NOW + HOUR))
    assert ids(warehouse, known_by=NOW) == ["a", "b", "c"]
    assert ids(warehouse, known_by=NOW + HOUR) == ["b", "c", "late"]
    assert ids(warehouse, known_by=NOW, where={"session_id": "a"}) == ["a"]
    assert ids(warehouse, known_by=NOW + HOUR, where={"session_id": "a"}) == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_rest_of_a_session_takes_no_place_of_what_is_reported_of_all_of_it(warehouse, order):
    files = [session_of("tx", 0, 8), session_of(f"tx{PART}4", 4, 8), session_of("other", 12, 14)]
    for hours, number in enumerate(order):
        take_in(warehouse, hours, files[number])
    assert ids(warehouse) == ["other", "tx"]
    assert ids(warehouse, "core_session_superseded") == [f"tx{PART}4"]
    take_in(warehouse, 3, session_of(f"new{PART}9", 7, 9), session_of("new", 13, 15))
    assert ids(warehouse) == ["new", "tx"]
    assert ids(warehouse, known_by=NOW + 2 * HOUR) == ["other", "tx"]


def test_what_is_replaced_itself_stands_in_no_ones_way(warehouse):
    take_in(warehouse, 0, session_of("a", 0, 8))
    take_in(warehouse, 1, session_of("b", 7, 18))
    assert (ids(warehouse), ids(warehouse, known_by=NOW)) == (["b"], ["a"])
    take_in(warehouse, 2, session_of("c", 17, 20))
    assert ids(warehouse) == ["a", "c"]
    (lost,) = warehouse.read("core_session_superseded").to_dict("records")
    assert (lost["session_id"], lost["by_session_id"]) == ("b", "c")
    assert ids(warehouse, known_by=NOW + HOUR) == ["b"]
    assert ids(warehouse, known_by=NOW + 2 * HOUR) == ["a", "c"]


def test_an_earlier_record_that_comes_in_late_replaces_nothing(warehouse):
    take_in(warehouse, 5, session_of("new", 0, 8))
    take_in(warehouse, 1, session_of("old", 7, 9))
    assert ids(warehouse) == ["new"]
    assert ids(warehouse, "core_session_superseded") == ["old"]
    assert ids(warehouse, known_by=NOW + 4 * HOUR) == ["old"]


def test_what_was_replaced_comes_forward_when_its_rival_moves_away_or_to_another_car(warehouse):
    take_in(warehouse, 0, session_of("a", 0, 8), session_of("d", 20, 28))
    take_in(warehouse, 1, session_of("b", 7, 10), session_of("e", 21, 22))
    assert ids(warehouse) == ["b", "e"]
    take_in(warehouse, 2, session_of("b", 8, 10), session_of("e", 21, 22, "CAR2"))
    assert ids(warehouse) == ["a", "b", "d", "e"]
    assert ids(warehouse, "core_session_superseded") == []
    assert ids(warehouse, known_by=NOW + HOUR) == ["b", "e"]


def test_a_decision_on_a_released_session_is_felt_by_what_it_replaced(warehouse):
    take_in(warehouse, 0, session_of("a", 0, 8))
    source = source_of("sessions", pd.DataFrame([session_of("b", 7, 10)]), name="1")
    warehouse.ingest(source, NOW + HOUR)
    bad = pd.DataFrame(
        [
            {
                "dataset": "sessions", "rule": "stay", "severity": "critical", "column_name": None,
                "value": None, "reason": "x", "row_key": "b", "source_id": source.source_id,
                "source_row": 1, "run_id": "r", "found_utc": NOW,
            }
        ]
    )  # fmt: skip
    checks = pd.DataFrame(columns=CONTRACTS["out_check"].names)
    good = warehouse.unchecked("sessions").iloc[:0]
    warehouse.promote("sessions", good, bad, checks, [source.source_id], NOW)
    assert ids(warehouse) == ["a"]
    fields = {"dataset": "sessions", "rows": bad, "decided_by": "x", "reason": "y", "decided_utc": NOW}
    decide(warehouse, Decision(action="release", **fields))
    assert (ids(warehouse), ids(warehouse, "core_session_superseded")) == (["b"], ["a"])
    decide(warehouse, Decision(action="withdraw", **fields))
    assert (ids(warehouse), ids(warehouse, "core_session_superseded")) == (["a"], [])


def test_pairs_that_an_older_file_holds_are_settled_with_the_next_sessions(warehouse):
    take_in(warehouse, 0, session_of("a", 0, 8))
    take_in(warehouse, 1, session_of("b", 7, 9))
    with duckdb.connect(str(warehouse.path)) as connection:
        names = ", ".join(CONTRACTS["core_session"].names)
        connection.execute(f"INSERT INTO core_session SELECT {names} FROM core_session_superseded")  # noqa: S608
        connection.execute("DELETE FROM core_session_superseded")
    assert ids(warehouse) == ["a", "b"]
    take_in(warehouse, 2, session_of("c", 7, 9, "CAR2"))
    assert ids(warehouse) == ["b", "c"]
    assert ids(warehouse, "core_session_superseded") == ["a"]


def test_a_row_that_repeats_a_bad_one_of_its_file_was_never_known(warehouse):
    first = [session_of("c", 3, 8), session_of("d", 0, 4), session_of("c", 3, 8)]
    for hours, rows in enumerate((first, [session_of("c", 0, 6)])):
        warehouse.ingest(source_of("sessions", pd.DataFrame(rows), name=str(hours)), NOW + hours * HOUR)
        check(warehouse)
        assert ids(warehouse, known_by=NOW) == []
    assert ids(warehouse) == ["c"]


def by_hand(stated):
    """The sessions that hold of some files in their order: from the last reported to the first."""
    latest = {}
    for rows in stated:
        latest.update({row["session_id"]: row for row in rows})
    order = sorted(latest.values(), key=lambda row: max(at for at, rows in enumerate(stated) if row in rows))
    held = []
    for row in reversed(order):
        if not any(
            one["battery_id"] == row["battery_id"]
            and one["arrival_utc"] < row["departure_utc"]
            and row["arrival_utc"] < one["departure_utc"]
            for one in held
        ):
            held.append(row)
    return sorted(row["session_id"] for row in held)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stated=st.lists(st.deferred(lambda: sessions), min_size=2, max_size=7))
def test_the_last_reported_hold_one_after_the_other(stated):
    files = [[row] for row in stated]
    with tempfile.TemporaryDirectory() as folder:
        warehouse = made(folder)
        for hours, rows in enumerate(files):
            take_in(warehouse, hours, *rows)
        assert ids(warehouse) == by_hand(files)
        assert ids(warehouse, known_by=NOW + len(files) * HOUR) == by_hand(files)


sessions = st.builds(
    lambda name, start, length, car, soc: session_of(name, start, start + length, car, soc),
    st.sampled_from("abcdef"), st.integers(0, 12), st.integers(1, 8), st.sampled_from(CARS),
    st.sampled_from([0.3, 0.5]),
)  # fmt: skip
files = st.lists(st.lists(sessions, min_size=1, max_size=4), min_size=1, max_size=5)


def check(warehouse):
    frame = warehouse.unchecked("sessions")
    if frame.empty:
        return
    report = check_frame("sessions", frame, CONTEXT)
    (part,) = warehouse.waiting("sessions")
    warehouse.promote_part(part, frame, report.good, report.quarantine)
    warehouse.finish_check("sessions", report.checks, part.source_ids, NOW)


def after(folder, numbered, stops=()):
    """A warehouse after files (received hours after NOW, rows) in this order; checked at stops and last."""
    warehouse = made(folder)
    for at, (hours, rows) in enumerate(numbered):
        warehouse.ingest(source_of("sessions", pd.DataFrame(rows), name=str(hours)), NOW + hours * HOUR)
        if at in stops:
            check(warehouse)
    check(warehouse)
    return warehouse


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(split=files, data=st.data())
def test_no_two_sessions_of_a_car_overlap_and_no_row_is_lost_and_the_past_is_what_it_was(split, data):
    numbered = list(enumerate(split))
    order = data.draw(st.permutations(numbered))
    stops = data.draw(st.sets(st.integers(0, len(order) - 1)))
    moment = data.draw(st.integers(0, len(order) - 1))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        warehouse = after(one, order, stops)
        core, lost = warehouse.read("core_session"), warehouse.read("core_session_superseded")
        assert_apart(core)
        assert_all_reported(warehouse, core, lost)
        before = after(two, numbered[: moment + 1])
        then = warehouse.read("core_session", known_by=NOW + moment * HOUR)
        pd.testing.assert_frame_equal(then, before.read("core_session"))


def assert_apart(core):
    for _, own in core.sort_values("arrival_utc").groupby("battery_id"):
        for first, second in itertools.pairwise(own.itertuples()):
            assert first.departure_utc <= second.arrival_utc, (first, second)


def assert_all_reported(warehouse, core, lost):
    """Every ingested row is in core, superseded, in quarantine, reported again, or corrected under its own
    id."""
    place = ["source_id", "source_row"]
    known_rows = pd.concat([core[place], lost[place], warehouse.read("core_quarantine")[place]])
    kept = {tuple(row) for row in known_rows.itertuples(index=False)}
    raw = (
        warehouse.read("raw_session")
        .drop(columns="received_utc")
        .merge(warehouse.read("raw_source")[["source_id", "received_utc"]], on="source_id")
    )
    again = raw.duplicated([*CONTRACTS["core_session"].names[:-1]])
    latest = {row.session_id: row.received_utc for row in pd.concat([core, lost]).itertuples()}
    for row, repeated in zip(raw.itertuples(), again, strict=True):
        corrected = row.session_id in latest and latest[row.session_id] > row.received_utc
        assert (row.source_id, row.source_row) in kept or repeated or corrected, row
    for row in lost.itertuples():
        assert row.by_session_id in latest
        assert (row.by_received_utc, row.by_source_id) > (row.received_utc, row.source_id)
