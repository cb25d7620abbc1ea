"""Providers asked before a day is planned: against a server of our own, over real sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from flows.errors import SettingsError
from flows.settings import load_settings
from flows.stages import Context, StageResult
from flows.stages.check import check
from flows.stages.fetch import usual_providers
from flows.stages.fetch_day import fetch_day
from flows.stages.inbox import ingest_inbox
from flows.workspace import Workspace
from tests.flows.conftest import day_prices, price_rows, put
from tests.warehouse.builders import SHARED_DATA
from tests.warehouse.http_server import Reply, Server, ToLocal, serving
from warehouse.sources.tariffs import PROVIDERS
from warehouse.zones import market_day_slots

DAY = date(2026, 6, 14)
AS_OF = datetime(2026, 6, 13, 12, tzinfo=UTC)
TOKEN = "s3cr/t+"  # noqa: S105
Made = Callable[..., Workspace]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """A workspace whose settings ask whom a test says; `deadline_s` is short."""
    monkeypatch.delenv("ENTSOE_TOKEN", raising=False)

    def make(*prices: str, zone: str = "DE-LU", more: str = "deadline_s = 20.0") -> Workspace:
        workspace = Workspace.create(tmp_path / "depot", zone=zone)
        listed = ", ".join(one if one.startswith("{") else f'"{one}"' for one in prices)
        settings = workspace.root / "v2g.toml"
        settings.write_text(f'[fleet]\nzone = "{zone}"\n[fetch]\nprices = [{listed}]\n{more}\n')
        return Workspace.open(workspace.root)

    return make


def curve(day: date = DAY, *, zone: str = "DE-LU", spoilt: float | None = None, drop: int = 0) -> Reply:
    """What Energy-Charts answers for a day in quarter-hours."""
    slots = market_day_slots(day, zone)
    prices: list[float | None] = [50.0 + n % 7 for n in range(len(slots))]
    prices[len(prices) - drop :] = [None] * drop
    if spoilt is not None:
        prices[40] = spoilt
    seconds = [int(slot.timestamp()) for slot in slots]
    body = {"license_info": "CC BY 4.0", "unix_seconds": seconds, "price": prices, "unit": "EUR / MWh"}
    return Reply(body=json.dumps(body).encode())


def awattar(day: date = DAY) -> Reply:
    slots = market_day_slots(day, "DE-LU", 60)
    data = [
        {"start_timestamp": int(slot.timestamp() * 1000), "marketprice": 60.0, "unit": "Eur/MWh",
         "end_timestamp": int(slot.timestamp() * 1000) + 3_600_000}
        for slot in slots
    ]  # fmt: skip
    return Reply(body=json.dumps({"object": "list", "data": data}).encode())


def asked(workspace: Workspace, server: Server | None = None, day: date = DAY) -> StageResult:
    transport = ToLocal(closed_port()) if server is None else server.transport
    return fetch_day(Context.of(workspace, AS_OF), day, transport=transport)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tries(result: StageResult) -> list[tuple[str, str]]:
    return [(row["source"], row["outcome"]) for row in result.tables["asked"]]


def known(workspace: Workspace, day: date = DAY) -> str:
    assert check(Context.of(workspace, AS_OF)).stage == "check"
    return day_prices(workspace, day, AS_OF).source


def test_a_day_that_nobody_announced_is_asked_for_once(made: Made) -> None:
    workspace = made("energy_charts", "awattar")
    with serving(curve()) as server:
        first, second = asked(workspace, server), asked(workspace, server)
        assert known(workspace) == "published"
        third = asked(workspace, server)
    assert len(server.asked) == 1
    assert tries(first) == [("energy_charts", "landed")]
    assert [(one.status, one.exit_code, one.details["asked"]) for one in (first, second, third)] == [
        ("ok", 0, 1), ("ok", 0, 0), ("ok", 0, 0),
    ]  # fmt: skip
    assert "prices of 2026-06-14 by energy_charts" in first.message
    assert "are known" in second.message
    run = workspace.warehouse.read("out_run", where={"stage": "fetch"})
    assert run["status"].tolist() == ["ok"] * 3


def test_prices_of_the_inbox_are_not_asked_for_and_stay(made: Made) -> None:
    workspace = made("energy_charts")
    price_rows(DAY, 1).to_csv(workspace.inbox / "prices__csv__own.csv", index=False)
    ingest_inbox(Context.of(workspace, AS_OF))
    with serving(curve()) as server:
        assert asked(workspace, server).details["asked"] == 0
    assert server.asked == []
    assert known(workspace) == "published"


def test_prices_of_the_inbox_that_fail_their_check_are_asked_for(made: Made) -> None:
    workspace = made("energy_charts")
    rows = price_rows(DAY, 1)
    rows.loc[7, "price_eur_per_kwh"] = 11.0
    rows.to_csv(workspace.inbox / "prices__csv__own.csv", index=False)
    ingest_inbox(Context.of(workspace, AS_OF))
    with serving(curve()) as server:
        assert tries(asked(workspace, server)) == [("energy_charts", "landed")]
    assert known(workspace) == "published"


WEB_PAGE = Reply(body=b"<html>Sorry</html>", media_type="text/html")
FIRST_FAILS = {
    "500": (Reply(status=500), "failed", "answers 500"),
    "404: not yet published": (Reply(status=404, body=b"no data"), "failed", "answers 404"),
    "a web page": (WEB_PAGE, "failed", "text/html"),
    "nonsense": (Reply(body=b"{"), "failed", "JSON"),
    "the day before": (curve(DAY - timedelta(days=1)), "failed", "does not hold the market day"),
    "half of the day": (curve(drop=48), "failed", "does not hold the market day"),
    "a price that no check lets in": (curve(spoilt=11_000.0), "incomplete", "passes the check"),
}


@pytest.mark.parametrize("case", FIRST_FAILS)
def test_what_the_first_cannot_give_the_second_is_asked_for(made: Made, case: str) -> None:
    reply, outcome, reason = FIRST_FAILS[case]
    workspace = made("energy_charts", "awattar")
    again = [reply] * (3 if case == "500" else 1)  # a server's own fault is asked again
    with serving(*again, awattar()) as server:
        result = asked(workspace, server)
    assert tries(result) == [("energy_charts", outcome), ("awattar", "landed")]
    assert (result.status, result.exit_code) == ("ok", 0)
    assert "by awattar" in result.message and "energy_charts: " in result.message
    assert reason in result.tables["asked"][0]["reason"]
    assert known(workspace) == "published"


def test_without_network_the_day_is_missing_and_every_provider_named(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = made("energy_charts", "entsoe", "tibber", "awattar")
    monkeypatch.setenv("ENTSOE_TOKEN", TOKEN)
    monkeypatch.setenv("TIBBER_TOKEN", "")
    result = asked(workspace)
    assert (result.status, result.exit_code) == ("degraded", 3)
    assert tries(result) == [(name, "failed") for name in ("energy_charts", "entsoe", "tibber", "awattar")]
    assert "prices of 2026-06-14 are not to be had" in result.message
    for part in ("energy_charts: ", "did not answer: ConnectError", "TIBBER_TOKEN is not set", "awattar: "):
        assert part in result.message
    assert TOKEN not in json.dumps(result.to_record()) and "s3cr%2Ft%2B" not in json.dumps(result.to_record())
    assert workspace.warehouse.read("raw_source").empty
    assert workspace.warehouse.read("out_run")[["stage", "status", "exit_code"]].to_numpy().tolist() == [
        ["fetch", "degraded", 3]
    ]


def test_providers_that_hang_share_one_deadline(made: Made) -> None:
    workspace = made("energy_charts", "awattar", more="deadline_s = 3.0")
    with serving(Reply(hang_s=30)) as server:
        result = asked(workspace, server)
    assert tries(result) == [("energy_charts", "failed"), ("awattar", "failed")]
    assert result.exit_code == 3
    assert {asking.headers["Host"] for asking in server.asked} >= {"api.awattar.de"}


def test_without_time_nobody_is_asked(made: Made) -> None:
    workspace = made("energy_charts", "awattar", more="deadline_s = 0.4")
    with serving(curve()) as server:
        result = asked(workspace, server)
    assert tries(result) == [("energy_charts", "not asked"), ("awattar", "not asked")]
    assert server.asked == [] and "no time is left" in result.message
    assert result.exit_code == 3


def test_an_error_that_nobody_foresaw_costs_its_provider_alone(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.stages import fetch

    really = fetch.fetch

    def broken(request: object, **more: object) -> object:
        if "energy-charts" in request.url:  # type: ignore[attr-defined]
            raise RuntimeError(f"of {TOKEN} and s3cr%2Ft%2B")
        return really(request, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(fetch, "fetch", broken)
    monkeypatch.setenv("ENERGY_CHARTS_TOKEN", TOKEN)
    workspace = made("energy_charts", "awattar")
    with serving(awattar()) as server:
        result = asked(workspace, server)
    assert tries(result) == [("energy_charts", "failed"), ("awattar", "landed")]
    assert "RuntimeError: of … and …" in result.message


def test_nobody_is_asked_where_nobody_is_named(made: Made) -> None:
    workspace = made()
    with serving(curve()) as server:
        result = asked(workspace, server)
    assert (result.status, result.exit_code, result.details["asked"]) == ("ok", 0, 0)
    assert server.asked == [] and "names no provider" in result.message


def test_the_days_between_are_asked_of_who_answered(made: Made) -> None:
    workspace = made("energy_charts")
    put(workspace, "prices", price_rows(DAY - timedelta(days=3), 1), as_of=AS_OF)
    check(Context.of(workspace, AS_OF))
    days = [DAY, DAY - timedelta(days=1), DAY - timedelta(days=2)]
    with serving(*map(curve, days)) as server:
        result = asked(workspace, server)
    assert [row["day"] for row in result.tables["asked"]] == [str(day) for day in (*days[1:], days[0])]
    assert (result.status, result.exit_code) == ("ok", 0)
    assert [known(workspace, day) for day in days] == ["published"] * 3


def test_a_day_between_that_is_not_to_be_had_leaves_the_day_as_it_is(made: Made) -> None:
    workspace = made("energy_charts")
    put(workspace, "prices", price_rows(DAY - timedelta(days=4), 1), as_of=AS_OF)
    check(Context.of(workspace, AS_OF))
    with serving(curve(), Reply(status=404)) as server:
        result = asked(workspace, server)
    assert len(server.asked) == 2
    assert (result.status, result.exit_code) == ("ok", 0)
    assert known(workspace) == "published"


def half_hours(day: date = DAY) -> Reply:
    slots = market_day_slots(day, "GB", 30)
    rates = [
        {"value_exc_vat": 20.0, "value_inc_vat": 21.0, "valid_from": f"{start:%Y-%m-%dT%H:%M:%SZ}",
         "valid_to": f"{start + timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}"}
        for start in slots
    ]  # fmt: skip
    return Reply(body=json.dumps({"next": None, "results": rates}).encode())


AGILE = '{ source = "octopus", tariff = "E-1R-AGILE-24-10-01-C", rate = 1.2 }'
OUTGOING = '{ source = "octopus_export", tariff = "E-1R-AGILE-OUTGOING-19-05-13-C", rate = 1.2 }'


def test_tariffs_of_both_directions_are_asked_for_with_their_options(made: Made) -> None:
    workspace = made(AGILE, zone="GB", more=f"tariffs = [{AGILE}, {OUTGOING}]")
    with serving(half_hours()) as server:
        result = asked(workspace, server)
        assert check(Context.of(workspace, AS_OF)).exit_code == 0
        assert asked(workspace, server).details["asked"] == 0
    assert [(row["dataset"], row["outcome"]) for row in result.tables["asked"]] == [
        ("import tariffs", "landed"), ("export tariffs", "landed"), ("prices", "landed"),
    ]  # fmt: skip
    assert [path.path.split("/")[3] for path in server.asked] == [
        "AGILE-24-10-01", "AGILE-OUTGOING-19-05-13", "AGILE-24-10-01",
    ]  # fmt: skip
    prices = workspace.warehouse.read("core_price")["price_eur_per_kwh"]
    assert prices.tolist() == pytest.approx([0.24] * 48)


@pytest.mark.parametrize(("replies", "code"), [(2, 0), (1, 3)])
def test_prices_are_not_missed_where_both_tariffs_are_known(made: Made, replies: int, code: int) -> None:
    workspace = made(AGILE, zone="GB", more=f"tariffs = [{AGILE}, {OUTGOING}]")
    with serving(*[half_hours()] * replies, Reply(status=404)) as server:
        result = asked(workspace, server)
    assert result.exit_code == code
    assert result.tables["asked"][-1]["outcome"] == "failed"


RECORDED = [
    ("energy_charts", "DE-LU", date(2024, 5, 4), "energy_charts_price/price_DE-LU_2024-05-04.json"),
    ("easyenergy", "NL", date(2026, 4, 19), "easyenergy/energy.json"),
]


@pytest.mark.skipif(not (SHARED_DATA / "payloads").exists(), reason="no shared data with recorded answers")
@pytest.mark.parametrize(("source", "zone", "day", "file"), RECORDED)
def test_recorded_answers_make_a_day(made: Made, source: str, zone: str, day: date, file: str) -> None:
    workspace = made(source, zone=zone)
    body = (SHARED_DATA / "payloads" / file).read_bytes()
    with serving(Reply(body=body)) as server:
        assert asked(workspace, server, day).exit_code == 0
        assert known(workspace, day) == "published"
        assert asked(workspace, server, day).details["asked"] == 0
    assert len(server.asked) == 1


def test_a_new_workspace_names_who_serves_its_zone_without_a_token(tmp_path: Path) -> None:
    assert usual_providers("DE-LU") == usual_providers("IT-NORTH") == ("energy_charts",)
    assert usual_providers("GB") == usual_providers("IE-SEM") == ()
    assert not any(PROVIDERS[name].needs_token for name in usual_providers("DE-LU"))
    made = Workspace.create(tmp_path / "a", zone="DE-LU", providers=usual_providers("DE-LU"))
    assert [one.source for one in made.settings.fetch.prices] == ["energy_charts"]
    text = (made.root / "v2g.toml").read_text(encoding="utf-8")
    assert 'prices = ["energy_charts"]' in text and "# Whom `v2g run` and `v2g serve` ask" in text
    assert Workspace.create(tmp_path / "b", zone="DE-LU").settings.fetch.prices == []


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ('prices = ["energy_chart"]', ["v2g.toml:2: [fetch] prices", "did you mean energy_charts?"]),
        ('tariffs = ["entsoe"]', ["no provider of tariffs is called entsoe", "octopus, octopus_export"]),
        ('prices = [{ source = "octopus" }]', ['{ source = "octopus", tariff = "CODE" } is needed']),
        ('prices = [{ source = "entsoe", tariff = "X" }]', ["tariff does not belong to entsoe"]),
        ('prices = [{ source = "entsoe", vat = "included" }]', ["vat does not belong to entsoe"]),
        ('prices = ["entsoe", { sorce = "x" }]', ["toml:2: [fetch] prices 1 sorce", "did you mean source?"]),
        ('prices = ["entsoe", { source = "entsoe", token = "x" }]', ["prices 1 token: no such key"]),
        ('prices = "entsoe"', ["v2g.toml:2: [fetch] prices = 'entsoe'", "valid list"]),
        ("deadline_s = 0", ["v2g.toml:2: [fetch] deadline_s = 0"]),
    ],
)  # fmt: skip
def test_a_provider_that_cannot_be_meant_is_a_mistake(tmp_path: Path, line: str, parts: list[str]) -> None:
    file = tmp_path / "v2g.toml"
    file.write_text(f"[fetch]\n{line}\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    for part in parts:
        assert part in str(caught.value)


def test_a_variable_names_providers_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "v2g.toml"
    file.write_text("")
    monkeypatch.setenv("V2G_FETCH__PRICES", '["entsoe", {"source": "sahkotin", "vat": "excluded"}]')
    prices = load_settings(file).fetch.prices
    assert [(one.source, one.options) for one in prices] == [
        ("entsoe", {}),
        ("sahkotin", {"vat": "excluded"}),
    ]
