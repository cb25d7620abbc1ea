"""Ten tokens, echoed by a provider in ten ways through the real stage: none is left anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest

from flows.stages import Context
from flows.stages.fetch_day import fetch_day
from flows.workspace import Workspace
from tests.flows.canary import TOKENS, all_of, coded, hexed, left_of, split
from tests.flows.conftest import AS_OF as PLANNED_AS_OF
from tests.flows.conftest import DAY as PLANNED_DAY
from tests.flows.conftest import WEEK
from tests.flows.prefect_database import put_database
from tests.flows.test_dead_prefect import well_but_for_everything_else
from tests.warehouse.a44 import document, period, series
from tests.warehouse.http_server import Reply, serving
from warehouse.sources.tariffs.redact import Redactor

DAY = date(2026, 6, 14)
AS_OF = datetime(2026, 6, 13, 12, tzinfo=UTC)


def page(echo: str, day: date = DAY) -> Reply:
    """A whole day's prices by ENTSO-E, with what somebody sends back in a field that nobody reads."""
    begins, ends = (f"{day - timedelta(days=back)}T22:00Z" for back in (1, 0))
    prices = period(begins, ends, "PT60M", {number: 50 + number for number in range(1, 25)})
    text = document(f"<mRID>{escape(echo)}</mRID>", series(prices))
    return Reply(body=text.encode(), media_type="text/xml")


def refusal(echo: str, status: int = 200) -> Reply:
    """What ENTSO-E answers instead of prices, with its reason."""
    text = (
        '<?xml version="1.0"?><Acknowledgement_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-1:'
        f'acknowledgementdocument:7:0"><Reason><code>999</code><text>Not for {escape(echo)}</text></Reason>'
        "</Acknowledgement_MarketDocument>"
    )
    return Reply(status=status, body=text.encode(), media_type="text/xml")


def header(token: str, day: date) -> Reply:
    safe = quote(token, safe="")
    said = {"ETag": f'"{safe}"', "Last-Modified": safe, "Set-Cookie": f"t={safe}", "X-Token": safe}
    return replace(page("x", day), headers=said)


def redirect(token: str) -> Reply:
    safe = quote(token, safe="")
    return Reply(status=302, headers={"Location": f"https://evil.example/{safe}?t={safe}"})


SPELT: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "URL-encoded": lambda token: quote(quote(token, safe=""), safe=""),
    "base64": coded,
    "JSON-escaped": lambda token: json.dumps(token).replace("/", "\\/"),
    "hex": lambda token: hexed(token) + hexed(token).upper(),
    "split over lines": split,
    "in the other case": str.swapcase,
}


def every_spelling(token: str) -> str:
    return " | ".join(spell(token) for spell in SPELT.values())


WAYS: Mapping[str, Callable[[str, date], list[Reply]]] = {
    "in a redirect": lambda token, _: [redirect(token)],
    "in an error body": lambda token, _: [
        *(refusal(token, status) for status in (400, 401, 404, 500)),
        Reply(status=400, body=f"<p>{escape(token)}</p>".encode(), media_type="text/html"),
    ],
    "in a header": lambda token, day: [header(token, day)],
    "in what it says": lambda token, day: [
        *(refusal(every_spelling(token), status) for status in (200, 400)), page(every_spelling(token), day)
    ],
}  # fmt: skip


@pytest.fixture
def watched(tmp_path: Path) -> Workspace:
    workspace = Workspace.create(tmp_path / "depot", zone="DE-LU")
    settings = workspace.root / "v2g.toml"
    settings.write_text('[fleet]\nzone = "DE-LU"\n[fetch]\nprices = ["entsoe"]\ndeadline_s = 3.0\n')
    return Workspace.open(workspace.root)


def test_the_finder_finds_every_way_and_no_other_text() -> None:
    for token in TOKENS.values():
        ways = (
            *(token, quote(token, safe=""), coded(token), json.dumps(token), hexed(token)),
            *(split(token), token.swapcase(), escape(token), hexed(token).upper()),
        )
        assert [spelt for spelt in ways if not left_of(token, f"before {spelt} after".encode())] == []
        others = [other for other in TOKENS.values() if other != token]
        assert left_of(token, "\n".join([*others, "50.1,60.2\n", page("x").body.decode()]).encode()) == []
        assert left_of(token, token[::-1].encode()) == []


@pytest.mark.parametrize("way", SPELT)
@pytest.mark.parametrize("kind", TOKENS)
def test_each_spelling_is_taken_out_by_itself(kind: str, way: str) -> None:
    token = TOKENS[kind]
    text = f"before {SPELT[way](token)} after"
    assert left_of(token, text.encode()) != []
    cleared, count = Redactor([token]).data(text.encode())
    assert count and left_of(token, cleared) == []


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_that_a_provider_sends_back_is_left_nowhere(
    watched: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    token = TOKENS[kind]
    assert len({*WAYS, *SPELT} - {"in what it says"}) == len(TOKENS) == 10
    monkeypatch.setenv("ENTSOE_TOKEN", token)
    caplog.set_level(0)
    left = []
    for number, way in enumerate(WAYS):
        day = DAY + timedelta(days=2 * number)
        outcomes = []
        for reply in WAYS[way](token, day):
            caplog.clear()
            with serving(reply) as server:
                result = fetch_day(Context.of(watched, AS_OF), day, transport=server.transport)
            assert server.asked
            stated = json.dumps(result.to_record(), ensure_ascii=False) + caplog.text
            left += [(way, stated) for _ in left_of(token, stated.encode())]
            outcomes.append(result.exit_code)
        assert outcomes[-1] == (3 if way in ("in a redirect", "in an error body") else 0), way
    kept = list(all_of(watched.root))
    assert len(list(watched.responses.rglob("*.xml"))) == 2 + 1  # two days, one refusal
    assert any(name.startswith("tables of warehouse") for name, _ in kept)
    assert left + [(name, found) for name, data in kept if (found := left_of(token, data))] == []


RUN = """
import sys
import flows.stages.fetch as stage
from tests.warehouse.http_server import ToLocal
really, here = stage.fetch, ToLocal(int(sys.argv.pop(1)))
stage.fetch = lambda request, **more: really(request, **{**more, "transport": here})
from flows.cli import main
main()
"""
"""The command line itself; only the network leads to this machine."""


def test_a_whole_run_under_prefect_leaves_no_secret_in_database_log_page_export_or_message(
    depot: Workspace, tmp_path: Path
) -> None:
    put_database(depot)
    entsoe, tibber, hook, server_password = (
        TOKENS[kind] for kind in ("uuid", "base64url", "jwt", "hexadecimal")
    )
    secrets = (entsoe, tibber, hook, server_password)
    kept = tmp_path / "tibber-token"
    kept.write_text(tibber + "\n")
    kept.chmod(0o600)
    with (
        serving(
            *([refusal(every_spelling(entsoe), 400)] + [refusal(every_spelling(tibber), 500)] * 3) * 2
        ) as provider,
        serving(Reply(status=500, body=every_spelling(hook).encode()), Reply()) as listener,
        well_but_for_everything_else(every_spelling(server_password)) as prefect,
    ):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        environment |= {
            "ENTSOE_TOKEN": entsoe, "TIBBER_TOKEN_FILE": str(kept), "NOTIFY_TOKEN": hook,
            "V2G_FETCH__PRICES": '["entsoe", "tibber"]',
            "V2G_NOTIFY__WEBHOOK_URL": f"http://127.0.0.1:{listener.port}/{hook}",
        }  # fmt: skip
        said = ""
        for more in (
            {},
            {"PREFECT_API_URL": prefect.replace("http://", f"http://watcher:{server_password}@")},
        ):
            words = [
                "run",
                f"--date={PLANNED_DAY + WEEK}",
                f"--as-of={PLANNED_AS_OF + WEEK:%Y-%m-%dT%H:%MZ}",
                "--json",
            ]
            done = subprocess.run(
                [sys.executable, "-c", RUN, str(provider.port), *words], cwd=depot.root,
                env=environment | {"PYTHONPATH": str(Path.cwd())} | more,
                capture_output=True, text=True, check=False, timeout=900,
            )  # fmt: skip
            assert done.returncode == 3, done.stderr
            said += done.stdout + done.stderr
        assert {asked.headers["Host"] for asked in provider.asked} == {
            "web-api.tp.entsoe.eu",
            "api.tibber.com",
        }
        assert any(f"Bearer {tibber}" in asked.headers.get("Authorization", "") for asked in provider.asked)
    assert "prefect" in {stage["stage"] for stage in json.loads(done.stdout)["stages"]}
    told = [json.loads(asked.body) for asked in listener.asked]
    assert "fetch" in json.dumps(told)
    depot.warehouse.export(depot.exports / "lake")
    depot.warehouse.backup(depot.root / "backup.duckdb")
    places = [("said", said.encode()), ("told", json.dumps(told).encode()), *all_of(depot.root)]
    assert {"tables of warehouse.duckdb", "tables of .prefect/prefect.db", "exports/status.json"} <= {
        name for name, _ in places
    }
    assert [
        (name, found) for name, data in places for token in secrets if (found := left_of(token, data))
    ] == []
