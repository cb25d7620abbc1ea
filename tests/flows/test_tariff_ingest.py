"""Prices fetched, kept, judged and ingested: against a server of our own, over real sockets."""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from flows import cli
from flows.problem import problem_of
from flows.stages import Context, StageResult, fetch, new_run_id
from flows.stages.check import check
from flows.stages.fetch import fetch_prices
from flows.stages.ingest import ingest
from flows.workspace import Workspace
from tests.flows.conftest import day_prices
from tests.warehouse.a44 import document, period, series
from tests.warehouse.builders import SHARED_DATA
from tests.warehouse.http_server import Reply, Server, serving
from warehouse.errors import (
    CellError,
    EmptyFileError,
    OversizedFileError,
    ProviderError,
    RejectedError,
    UndecodableFileError,
    UnreachableError,
    WrongDayError,
)
from warehouse.sources.tariffs.exchange import Limits
from warehouse.zones import market_day_bounds, market_day_slots

AS_OF = datetime(2026, 6, 13, 12, tzinfo=UTC)
DAY = date(2026, 6, 14)
TOKEN = "s3cr3t"  # noqa: S105
QUICK = Limits(connect_s=1, read_s=0.2, deadline_s=2, attempts=2, first_wait_s=0.02, max_bytes=2**20)
PAYLOADS = SHARED_DATA / "payloads"


@pytest.fixture
def depot_of_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("ENTSOE_TOKEN", TOKEN)
    return Workspace.create(tmp_path / "depot", zone="DE-LU")


def a44(day: date, *, zone: str = "DE-LU", minutes: int = 15) -> bytes:
    start, end = market_day_bounds(day, zone)
    points = {n + 1: 50 + n % 7 for n in range(len(market_day_slots(day, zone, minutes)))}
    bounds = (f"{start:%Y-%m-%dT%H:%MZ}", f"{end:%Y-%m-%dT%H:%MZ}")
    return document(series(period(*bounds, f"PT{minutes}M", points), zone=zone)).encode()


def xml(body: bytes, **more: object) -> Reply:
    return Reply(body=body, media_type="text/xml", **more)  # type: ignore[arg-type]


def fetched(
    workspace: Workspace, server: Server, source: str = "entsoe", day: date = DAY, **more: object
) -> StageResult:
    run_id = new_run_id(AS_OF)
    dataset = str(more.pop("dataset", "prices"))
    return fetch_prices(
        Context.of(workspace, AS_OF, run_id), dataset, source, day, limits=QUICK, transport=server.transport,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


def answers(workspace: Workspace) -> list[Path]:
    return sorted(file for file in workspace.responses.glob("*/*") if file.is_file())


def sources(workspace: Workspace) -> pd.DataFrame:
    return workspace.warehouse.read("raw_source")


def test_an_answer_is_ingested_with_where_it_came_from_and_can_be_replayed(
    depot_of_prices: Workspace,
) -> None:
    with serving(xml(a44(DAY))) as server:
        result = fetched(depot_of_prices, server)
    assert (result.status, result.details["new_rows"]) == ("ok", 96)
    (kept,) = answers(depot_of_prices)
    assert kept.read_bytes() == a44(DAY)
    (row,) = sources(depot_of_prices).to_dict("records")
    assert row["url"].startswith(
        "https://web-api.tp.entsoe.eu/api?documentType=A44&in_Domain=10Y1001A1001A82H"
    )
    assert TOKEN not in json.dumps(row, default=str) + "".join(map(str, result.to_record().values()))
    assert row["sha256"] == hashlib.sha256(kept.read_bytes()).hexdigest()
    assert row["file_name"] == kept.name
    assert row["provider"] == "ENTSO-E Transparency Platform"
    assert row["attribution"] and row["licence"]
    assert abs(row["fetched_utc"] - pd.Timestamp.now("UTC")) < pd.Timedelta(minutes=5)

    again = ingest(Context.of(depot_of_prices, AS_OF), "prices", [kept], source="entsoe")
    assert again.details["new_rows"] == 0
    assert again.details["source_ids"] == result.details["source_ids"]
    assert len(sources(depot_of_prices)) == 1


@pytest.mark.parametrize(
    ("day", "minutes"), [(date(2026, 3, 29), 15), (date(2026, 10, 25), 30), (date(2026, 6, 14), 60)], ids=str
)
def test_days_of_92_96_and_100_quarter_hours_are_whole_at_every_resolution(
    depot_of_prices: Workspace, day: date, minutes: int
) -> None:
    with serving(xml(a44(day, minutes=minutes))) as server:
        fetched(depot_of_prices, server, day=day)
    assert check(Context.of(depot_of_prices, AS_OF)).exit_code == 0
    prices = day_prices(depot_of_prices, day, AS_OF)
    assert prices.source == "published"
    assert prices.market is not None
    assert len(prices.market) == len(market_day_slots(day, "DE-LU"))


def test_what_still_holds_is_not_fetched_again(depot_of_prices: Workspace) -> None:
    with serving(xml(a44(DAY), headers={"ETag": '"v1"'}), Reply(status=304)) as server:
        first, second = fetched(depot_of_prices, server), fetched(depot_of_prices, server)
    assert "If-None-Match" not in server.asked[0].headers
    assert server.asked[1].headers["If-None-Match"] == '"v1"'
    assert (first.details["new_rows"], second.details["new_rows"]) == (96, 0)
    assert first.details["source_ids"] == second.details["source_ids"]
    assert len(answers(depot_of_prices)) == 1


def test_a_corrected_answer_is_a_second_source_and_wins(depot_of_prices: Workspace) -> None:
    corrected = a44(DAY).replace(b">50</price.amount>", b">60</price.amount>")
    with serving(xml(a44(DAY), headers={"ETag": '"v1"'}), xml(corrected)) as server:
        fetched(depot_of_prices, server)
        fetched(depot_of_prices, server)
    assert check(Context.of(depot_of_prices, AS_OF)).exit_code == 0
    prices = depot_of_prices.warehouse.read("core_price")
    assert len(prices) == 96
    assert prices["price_eur_per_kwh"].iloc[0] == pytest.approx(0.060)
    assert len(answers(depot_of_prices)) == 2


def test_a_refused_answer_is_no_reason_not_to_ask_again(depot_of_prices: Workspace) -> None:
    tag = {"ETag": '"v1"'}
    with serving(xml(a44(DAY - timedelta(days=1)), headers=tag), xml(a44(DAY), headers=tag)) as server:
        with pytest.raises(WrongDayError):
            fetched(depot_of_prices, server)
        assert fetched(depot_of_prices, server).details["new_rows"] == 96
    assert "If-None-Match" not in server.asked[1].headers


BOMB = b'<!DOCTYPE lol [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><a>&b;</a>'
PACKED, GZIP = gzip.compress(b" " * 2**26), {"Content-Encoding": "gzip"}
ACKNOWLEDGED = (
    b"<Acknowledgement_MarketDocument><Reason><code>999</code><text>No matching data found</text></Reason>"
    b"</Acknowledgement_MarketDocument>"
)
HTML = b"<html><title>Sorry</title></html>"
AWAY = {"Location": "https://evil.example"}
HALF_A_DAY = a44(DAY).replace(b"T22:00Z</end>", b"T06:00Z</end>")
HOSTILE = {
    "429 for ever": (Reply(status=429, headers={"Retry-After": "60"}), UnreachableError, "wants 60 s", 75),
    "500": (Reply(status=500), UnreachableError, r"answers 500 \(asked 2 times\)", 75),
    "hang": (xml(b"", hang_s=5), UnreachableError, "ReadTimeout", 75),
    "truncated": (xml(a44(DAY)[:900], missing=9000), UnreachableError, "did not answer", 75),
    "trickle": (xml(a44(DAY), drip_s=0.01), UnreachableError, "still sending|by the deadline", 75),
    "bad token": (Reply(status=401, body=b"no"), RejectedError, "answers 401: no", 2),
    "away": (Reply(status=302, headers=AWAY), RejectedError, "not followed", 2),
    "HTML with 200": (Reply(body=HTML, media_type="text/html"), ProviderError, "text/html", 4),
    "HTML as XML": (xml(HTML), ProviderError, r"web page \('Sorry'\)", 4),
    "wrong day": (xml(a44(date(2026, 6, 13))), WrongDayError, "it holds 2026-06-13$", 4),
    "wrong zone": (xml(a44(DAY, zone="FR")), WrongDayError, "holds nothing of that zone", 4),
    "half a day": (xml(HALF_A_DAY), CellError, "'33' lies outside its period of 32", 4),
    "acknowledgement": (xml(ACKNOWLEDGED), ProviderError, "999 No matching data found", 4),
    "entity bomb": (xml(BOMB), UndecodableFileError, "document type or entities", 4),
    "empty": (xml(b""), EmptyFileError, "is empty", 4),
    "gzip bomb": (xml(PACKED, headers=GZIP), OversizedFileError, "larger than 1,048,576 bytes unpacked", 4),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_answer_leaves_the_warehouse_byte_for_byte(depot_of_prices: Workspace, case: str) -> None:
    reply, error, message, exit_code = HOSTILE[case]
    file = depot_of_prices.root / "warehouse.duckdb"
    before = file.read_bytes()
    with serving(reply) as server, pytest.raises(error, match=message) as caught:
        fetched(depot_of_prices, server)
    assert file.read_bytes() == before
    assert problem_of(caught.value).exit_code == exit_code
    assert TOKEN not in str(caught.value)


RECORDED = [
    ("entsoe", "BE", date(2024, 10, 8), "entsoe_a44_jaccor/BE_60M.xml", 24),
    ("entsoe", "BE", date(2024, 10, 7), "entsoe_a44_jaccor/BE_60M_15M_mix.xml", 216),
    ("entsoe", "DE-LU", date(2024, 10, 7), "entsoe_a44_jaccor/DE_60M_15M_overlap.xml", 48),
    ("energy_charts", "DE-LU", date(2024, 5, 4), "energy_charts_price/price_DE-LU_2024-05-04.json", 24),
    ("nordpool", "SE3", date(2024, 11, 5), "nordpool_pynordpool/delivery_period.json", 24),
    ("energyzero", "NL", date(2025, 12, 17), "energyzero/electricity_quarter_response.json", 288),
    ("easyenergy", "NL", date(2026, 4, 19), "easyenergy/energy.json", 24),
]


@pytest.mark.skipif(not PAYLOADS.exists(), reason="no shared data with recorded answers")
@pytest.mark.parametrize(("source", "zone", "day", "file", "rows"), RECORDED)
def test_recorded_answers_over_http(
    depot_of_prices: Workspace, source: str, zone: str, day: date, file: str, rows: int
) -> None:
    body = (PAYLOADS / file).read_bytes()
    kind = "application/xml" if file.endswith("xml") else "application/json; charset=utf-8"
    with serving(Reply(body=body, media_type=kind)) as server:
        result = fetched(depot_of_prices, server, source, day, zone=zone)
        assert result.details["new_rows"] == rows
        with pytest.raises(WrongDayError):
            fetched(depot_of_prices, server, source, day + timedelta(days=9), zone=zone)
    (row,) = sources(depot_of_prices).to_dict("records")
    assert row["sha256"] == hashlib.sha256(body).hexdigest()


Run = Callable[..., tuple[int, dict[str, object]]]


@pytest.fixture
def run(
    depot_of_prices: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    def call(*words: object, server: Server | None = None) -> tuple[int, dict[str, object]]:
        if server is not None:
            over = partial(fetch.fetch, transport=server.transport)
            monkeypatch.setattr(fetch, "fetch", lambda request, **more: over(request, **_quick(more)))
        monkeypatch.setattr(sys, "argv", ["v2g", "-w", str(depot_of_prices.root), "--json", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        printed = capsys.readouterr()
        answer = json.loads(printed.out or printed.err)
        return int(left.value.code or 0), answer.get("error", answer)

    return call


def _quick(more: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in more.items() if name != "transport"} | {"limits": QUICK}


def test_the_command_asks_for_a_day_of_a_zone(run: Run, depot_of_prices: Workspace) -> None:
    with serving(xml(a44(DAY, zone="FR"))) as server:
        code, answer = run(
            "ingest", "prices", "--source", "entsoe", "--zone", "FR", "--date", DAY, server=server
        )
    assert (code, answer["stages"][0]["new_rows"]) == (0, 96)  # type: ignore[index]
    assert "in_Domain=10YFR-RTE------C" in server.asked[0].path
    assert f"securityToken={TOKEN}" in server.asked[0].path


def test_half_hours_in_pounds_want_a_rate_and_are_a_tariff_both_ways(
    run: Run, depot_of_prices: Workspace
) -> None:
    slots = market_day_slots(DAY, "GB", 30)
    rates = [
        {"value_exc_vat": n, "value_inc_vat": n * 1.05, "valid_from": f"{start:%Y-%m-%dT%H:%M:%SZ}",
         "valid_to": f"{start + timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}"}
        for n, start in enumerate(slots)
    ]  # fmt: skip
    reply = Reply(body=json.dumps({"next": None, "results": rates[::-1]}).encode())
    words = ("--zone", "GB", "--date", DAY, "--tariff", "E-1R-AGILE-24-10-01-C")
    with serving(reply) as server:
        code, answer = run("ingest", "prices", "--source", "octopus", *words, server=server)
        assert (code, answer["kind"]) == (2, "RateError")
        assert run("ingest", "prices", "--source", "octopus", *words, "--rate", 1.2, server=server)[0] == 0
        for source in ("octopus", "octopus_export"):
            code, _ = run("ingest", "tariffs", "--source", source, *words, "--rate", 1.2, server=server)
            assert code == 0
    assert check(Context.of(depot_of_prices, AS_OF)).exit_code == 0
    prices = depot_of_prices.warehouse.read("core_price")
    assert (prices["price_eur_per_kwh"] * 100 / 1.2).round(9).tolist() == list(range(48))
    tariffs = depot_of_prices.warehouse.read("core_tariff").groupby("direction")["price_eur_per_kwh"]
    assert tariffs.size().to_dict() == {"import": 48, "export": 48}
    assert tariffs.max()["import"] == pytest.approx(47 * 1.05 / 100 * 1.2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ingest", "prices"), "no file of prices is given"),
        (("ingest", "telemetry"), "no file of telemetry is given"),
        (("ingest", "tariffs", "--source", "entsoe"), "no file of tariffs is given"),
        (("ingest", "prices", "--source", "tibber"), "Tibber wants a token, and TIBBER_TOKEN is not set"),
        (("ingest", "prices", "--source", "octopus", "--zone", "GB"), "needs --tariff CODE"),
        (("ingest", "prices", "--source", "awattar", "--tariff", "x"), "--tariff does not belong"),
        (("ingest", "prices", "--source", "awattar", "--zone", "FR"), "'FR' has no prices in awattar"),
        (
            ("ingest", "prices", "--source", "energy_charts", "--date", "tomorrow"),
            "--date tomorrow: not a date",
        ),
        (("ingest", "prices", "f.csv", "--date", "2026-06-14"), "do not belong to files of --source csv"),
        (("ingest", "prices", "f.csv", "--tariff", "x"), "--tariff asks a provider"),
        (("ingest", "prices", "f.toml", "--source", "tou"), "--source tou needs --date DATE"),
    ],
)
def test_usage(run: Run, words: tuple[str, ...], message: str) -> None:
    code, answer = run(*words)
    assert code == 2
    assert message in str(answer["message"])


def test_a_provider_that_does_not_answer_is_worth_another_try(run: Run) -> None:
    with serving(Reply(status=503)) as server:
        code, answer = run("ingest", "prices", "--source", "energy_charts", "--date", DAY, server=server)
    assert (code, answer["kind"]) == (75, "UnreachableError")
