"""A provider that sends a token back, spelt in any way, leaves it nowhere: not kept, not reported, not
logged."""

import base64
import datetime as dt
import gzip
import html
import io
import json
import logging
import traceback
import zipfile
from urllib.parse import quote, quote_plus

import pytest

from tests.warehouse.http_server import Reply, serving
from warehouse.errors import ProviderError, SourceError
from warehouse.sources import read_source
from warehouse.sources.tariffs import PROVIDERS, Ask, Request
from warehouse.sources.tariffs.cache import ResponseCache
from warehouse.sources.tariffs.exchange import Limits
from warehouse.sources.tariffs.fetch import fetch
from warehouse.sources.tariffs.redact import REDACTED, Redactor

TOKEN = 'k3y/+=" 7&ü-token'  # noqa: S105
QUICK = Limits(connect_s=1.0, read_s=0.3, deadline_s=3.0, attempts=2, first_wait_s=0.02, max_bytes=2**20)
REQUEST = Request(
    url="https://prices.example/api", params={"zone": "DE-LU", "securityToken": TOKEN}, secrets=(TOKEN,)
)
NOW = dt.datetime(2026, 6, 13, 12, tzinfo=dt.UTC)


def coded(text):
    return base64.b64encode(text.encode()).decode()


SPELT = {
    "as it is": TOKEN,
    "percent-encoded": quote(TOKEN, safe=""),
    "in lower case": quote(TOKEN, safe="").lower().replace("k3y", "k3y"),
    "in part": quote(TOKEN, safe="/+"),
    "every mark": "".join(f"%{byte:02X}" for byte in TOKEN.encode()),
    "twice": quote(quote(TOKEN, safe=""), safe=""),
    "plus-encoded": quote_plus(TOKEN),
    "as JSON": json.dumps(TOKEN)[1:-1],
    "as JSON, slashes too": json.dumps(TOKEN, ensure_ascii=False)[1:-1].replace("/", "\\/"),
    "as HTML": html.escape(TOKEN),
    "as numbers of HTML": "".join(f"&#x{ord(mark):X};" for mark in TOKEN),
    "basic authentication": coded(f"{TOKEN}:"),
    "as its password": coded(f"user:{TOKEN}"),
    "after a longer name": coded(f"userx:{TOKEN}"),
    "in base64 of addresses": base64.urlsafe_b64encode(f"Bearer {TOKEN}".encode()).decode(),
}


def traces(text):
    """What of a token would be left: any way to spell it, or six of its characters in a row."""
    ways = [spelt for spelt in SPELT.values() if spelt in text]
    core = coded(TOKEN)[2:-4]
    return [*ways, *(core[at : at + 10] for at in range(len(core) - 10) if core[at : at + 10] in text)]


@pytest.mark.parametrize("spelt", SPELT)
def test_every_spelling_is_found_and_nothing_else(spelt):
    redactor = Redactor([TOKEN])
    text = f"before {SPELT[spelt]} after"
    assert traces(redactor.text(text)) == []
    assert redactor.text(text).startswith("before ")
    assert redactor.text(text).endswith(" after")
    data, count = redactor.data(text.encode())
    assert (traces(data.decode()), count) == ([], 1)
    other = "k3y/+= token 7&u, 50.125, " + coded("some other text that is long")
    assert redactor.text(other) == other


def test_a_token_of_digits_leaves_a_number_and_a_short_one_leaves_the_data_alone():
    data, count = Redactor(["4711071"]).data(b'{"you": 4711071, "price": 1.5}')
    assert (json.loads(data), count) == ({"you": 1111111, "price": 1.5}, 1)
    assert Redactor(["71"]).data(b'{"price": 71}') == (b'{"price": 71}', 0)
    assert Redactor(["71"]).text("bad key 71") == "bad key …"
    assert Redactor([]).data(b"x") == (b"x", 0)


PRICES = {
    "data": [
        {"start_timestamp": 1781388000000 + hour * 3_600_000,
         "end_timestamp": 1781391600000 + hour * 3_600_000, "marketprice": 50.0 + hour, "unit": "Eur/MWh"}
        for hour in range(24)
    ]
}  # fmt: skip


def asked(server, request=REQUEST):
    return fetch(request, media_types=("application/json",), limits=QUICK, transport=server.transport)


@pytest.mark.parametrize("spelt", SPELT)
def test_a_kept_answer_holds_no_token_says_so_and_is_read_like_any_other(tmp_path, spelt):
    echo = SPELT[spelt] if "JSON" in spelt else json.dumps(SPELT[spelt])[1:-1]
    body = json.dumps({"url": "https://x/?t=@", **PRICES}).replace("@", echo).encode()
    headers = {"ETag": f'"{quote(TOKEN)}"', "X-Echo": quote(TOKEN)}
    with serving(Reply(body=body, headers=headers)) as server:
        answer = asked(server)
    assert answer.redacted == 1
    assert answer.validators.etag is None
    cache, provider = ResponseCache(tmp_path), PROVIDERS["awattar"]
    stored = cache.keep(
        provider, REQUEST, "DE-LU_2026-06-14", answer.data, fetched_utc=NOW, validators=answer.validators
    )
    cache.remember(provider, REQUEST, stored)
    assert stored.redacted == 1
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == 3
    for file in files:
        assert traces(file.read_text() + str(file)) == []
        assert "redacted" in file.read_text().lower()
    assert cache.find(provider, REQUEST) == stored
    rows = read_source("prices", stored.path, source="awattar", zone="DE-LU").frame
    assert rows["price_eur_per_kwh"].tolist() == pytest.approx([0.05 + hour / 1000 for hour in range(24)])


def test_what_is_given_to_the_cache_itself_and_what_an_earlier_version_kept_is_cleaned_too(tmp_path):
    cache, provider = ResponseCache(tmp_path), PROVIDERS["awattar"]
    none = PROVIDERS["awattar"].request(Ask(zone="DE-LU", day=NOW.date(), start=NOW, end=NOW))
    open_request = Request(url=REQUEST.url, params={"zone": "DE-LU"})
    data = json.dumps({"you": TOKEN}).encode()
    stored = cache.keep(provider, open_request, "a", data, fetched_utc=NOW, validators=None)
    assert stored.path.read_bytes() == data, "where no secret is known, every byte is kept"
    assert none.redactor.data(data) == (data, 0)
    stored = cache.keep(provider, REQUEST, "b", data, fetched_utc=NOW, validators=None)
    assert json.loads(stored.path.read_bytes()) == {"you": REDACTED}


def chain(error):
    """An error and all that led to it, with notes, attributes and what a traceback would print."""
    noted = []
    while error is not None:
        noted += [str(error), repr(error), repr(vars(error)), *getattr(error, "__notes__", ())]
        error = error.__cause__ or error.__context__
    return " ".join(noted)


AWAY = [
    "https://{0}.evil.example/x",
    "https://evil.example/{0}",
    "http://prices.example/{0}",
    "https://[{0}",
    "https://prices.example:{0}/",
]
REPLIES = {
    **{f"answers {status}": lambda echo, status=status: Reply(status=status, body=echo.encode())
       for status in (400, 401, 404, 410, 500, 503)},
    "as a page": lambda echo: Reply(body=f"<p>{echo}</p>".encode(), media_type="text/html"),
    "at the cut": lambda echo: Reply(status=400, body=b"x" * 290 + echo.encode()),
    "far behind": lambda echo: Reply(
        status=400, body=b"<i " + b"x" * (65536 - 4 - len(echo.encode()) // 2) + b">" + echo.encode()
    ),
    "as a media type": lambda echo: Reply(body=b"{}", media_type=f"x/{quote(echo)}"),
    "as a packing": lambda echo: Reply(body=b"{}", headers={"Content-Encoding": quote(echo)}),
    "as broken gzip": lambda echo: Reply(body=echo.encode(), headers={"Content-Encoding": "gzip"}),
    "short": lambda echo: Reply(body=echo.encode(), missing=99),
    **{f"redirects to {where}": lambda echo, where=where: Reply(
        status=302, headers={"Location": where.format(quote(echo, safe=""))}) for where in AWAY},
    "redirects in a circle": lambda echo: Reply(status=302, headers={"Location": f"/{quote(echo)}"}),
    "packed": lambda echo: Reply(body=gzip.compress(echo.encode()), media_type="application/octet-stream"),
    "zipped": lambda echo: Reply(body=zipped(echo), media_type="application/octet-stream"),
}  # fmt: skip


def zipped(text):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.xml", text)
    return buffer.getvalue()


@pytest.mark.parametrize("spelt", ["as it is", "percent-encoded", "basic authentication"])
@pytest.mark.parametrize("case", REPLIES)
def test_no_error_and_nothing_that_led_to_it_holds_the_token(caplog, case, spelt):
    reply = REPLIES[case](SPELT[spelt])
    headers = {**reply.headers, "X-Echo": quote(TOKEN), "Set-Cookie": f"a={quote(TOKEN)}"}
    with (
        caplog.at_level(logging.DEBUG),
        serving(
            Reply(status=reply.status, body=reply.body, media_type=reply.media_type, headers=headers,
                  missing=reply.missing)
        ) as server,
        pytest.raises(SourceError) as caught,
    ):  # fmt: skip
        asked(server)
    stated = chain(caught.value) + "".join(traceback.format_exception(caught.value)) + caplog.text
    assert traces(stated) == []
    assert TOKEN[:6] not in stated.replace("k3y/+= token", "")


@pytest.mark.parametrize("token", ["tok\nen-1234", "tökén-1234", "tok\x00en-1234"])
def test_a_token_that_no_header_can_hold(token):
    request = Request(url=REQUEST.url, headers={"Authorization": f"Bearer {token}"}, secrets=(token,))
    with serving(Reply(body=b"{}")) as server, pytest.raises(SourceError) as caught:
        asked(server, request)
    stated = chain(caught.value) + "".join(traceback.format_exception(caught.value))
    assert token not in stated
    assert repr(token)[1:-1] not in stated


def test_a_request_shows_no_secret_wherever_it_stands():
    request = Request(
        url=f"https://prices.example/{TOKEN}/api",
        params={"key": f"Bearer {TOKEN}", "zone": "FI"},
        json={"auth": TOKEN},
        secrets=(TOKEN,),
    )
    assert request.shown == "https://prices.example/…/api?zone=FI"
    ask = Ask(zone="FI", day=NOW.date(), start=NOW, end=NOW, token=TOKEN)
    assert TOKEN not in repr(request) + repr(ask)
    with serving(Reply(status=500)) as server, pytest.raises(SourceError) as caught:
        asked(server, Request(url="https://prices.example/a", secrets=(TOKEN,)))
    assert isinstance(caught.value, SourceError)
    assert not isinstance(caught.value, ProviderError)
