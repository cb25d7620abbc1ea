"""One request over a real socket, to a server that is slow, broken, hostile or right."""

import datetime as dt
import gzip
import logging
import time

import pytest

from tests.warehouse.http_server import Reply, serving
from warehouse.errors import OversizedFileError, ProviderError, RejectedError, UnreachableError
from warehouse.sources.tariffs import PROVIDERS, Ask, Request
from warehouse.sources.tariffs.cache import ResponseCache
from warehouse.sources.tariffs.exchange import Limits, Validators
from warehouse.sources.tariffs.fetch import fetch

TOKEN = "s3cr3t-token"  # noqa: S105
REQUEST = Request(
    url="https://prices.example/api", params={"zone": "DE-LU", "securityToken": TOKEN}, secrets=(TOKEN,)
)
QUICK = Limits(connect_s=1.0, read_s=0.3, deadline_s=3.0, attempts=3, first_wait_s=0.05, max_bytes=2**20)
GOOD = Reply(body=b'{"price": 1}')
JSON = ("application/json",)


def ask(server, request=REQUEST, *, limits=QUICK, known=None, sleep=time.sleep):
    return fetch(
        request, media_types=JSON, known=known, limits=limits, transport=server.transport, sleep=sleep
    )


def test_the_answer_and_its_validators_come_back_and_the_request_says_what_it_wants():
    with serving(Reply(body=GOOD.body, headers={"ETag": '"v1"'})) as server:
        answer = ask(server)
    assert answer.data == GOOD.body
    assert answer.validators == Validators(etag='"v1"')
    assert server.asked[0].path == f"/api?zone=DE-LU&securityToken={TOKEN}"
    assert server.asked[0].headers["Host"] == "prices.example"
    assert server.asked[0].headers["Accept"] == "application/json"


def test_a_packed_answer_is_unpacked():
    with serving(Reply(body=gzip.compress(GOOD.body), headers={"Content-Encoding": "gzip"})) as server:
        assert ask(server).data == GOOD.body


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again(status):
    with serving(Reply(status=status), Reply(status=status), GOOD) as server:
        assert ask(server).data == GOOD.body
    assert len(server.asked) == 3


def test_attempts_run_out():
    with serving(Reply(status=503, body=b"busy")) as server, pytest.raises(UnreachableError) as caught:
        ask(server)
    assert str(caught.value) == "https://prices.example/api?zone=DE-LU: answers 503 (asked 3 times)"
    assert len(server.asked) == 3


def test_retry_after_is_waited_for():
    with serving(Reply(status=429, headers={"Retry-After": "1"}), GOOD) as server:
        assert ask(server).data == GOOD.body
    assert server.asked[1].moment_s - server.asked[0].moment_s >= 0.95


def test_retry_after_may_be_a_date_counted_from_the_servers_clock():
    late = {"Date": "Sun, 14 Jun 2026 10:00:00 GMT", "Retry-After": "Sun, 14 Jun 2026 10:00:02 GMT"}
    waits: list[float] = []
    with serving(Reply(status=503, headers=late), GOOD) as server:
        assert ask(server, sleep=waits.append).data == GOOD.body
    assert waits == [2.0]


def test_a_wait_beyond_the_deadline_is_not_begun():
    with serving(Reply(status=429, headers={"Retry-After": "3600"})) as server:
        began = time.monotonic()
        with pytest.raises(
            UnreachableError, match=r"answers 429, and wants 3600 s until the next try; given up"
        ):
            ask(server)
        assert time.monotonic() - began < 60.0
    assert len(server.asked) == 1


def test_waits_double_and_vary():
    waits: list[float] = []
    limits = Limits(attempts=6, first_wait_s=1.0, deadline_s=1000.0)
    for _ in range(12):
        with serving(Reply(status=500)) as server, pytest.raises(UnreachableError):
            ask(server, limits=limits, sleep=waits.append)
    by_turn = [waits[turn::5] for turn in range(5)]
    assert all(max(turn) <= 2.0**number for number, turn in enumerate(by_turn))
    assert all(len(set(turn)) > 6 for turn in by_turn)
    assert max(by_turn[4]) > 4.0


@pytest.mark.parametrize("status", [400, 401, 403, 410, 422])
def test_a_refusal_is_not_asked_again_and_its_words_are_reported_without_the_token(status):
    body = f"<html><body><p>bad key {TOKEN} &amp; more</p></body></html>".encode()
    with (
        serving(Reply(status=status, body=body, media_type="text/html"), GOOD) as server,
        pytest.raises(RejectedError, match=f"answers {status}: bad key … & more") as caught,
    ):
        ask(server)
    assert len(server.asked) == 1
    assert TOKEN not in str(caught.value)


def test_a_hanging_server_is_given_up_and_asked_again():
    with serving(Reply(hang_s=5.0, body=GOOD.body), GOOD) as server:
        began = time.monotonic()
        assert ask(server).data == GOOD.body
        assert time.monotonic() - began < 4.5


def test_a_server_that_always_hangs():
    with serving(Reply(hang_s=9.0)) as server:
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="did not answer: ReadTimeout"):
            ask(server)
        assert time.monotonic() - began < 8.0


def test_an_answer_that_trickles_ends_with_the_deadline():
    limits = Limits(read_s=1.0, deadline_s=0.6, attempts=2, first_wait_s=0.05)
    with serving(Reply(body=b"[" + b" " * 500 + b"]", drip_s=0.02)) as server:
        began = time.monotonic()
        with pytest.raises(UnreachableError, match=r"still sending at the deadline of 0\.6 s"):
            ask(server, limits=limits)
        assert time.monotonic() - began < 6.0


def test_a_header_without_end_ends_with_the_deadline():
    limits = Limits(read_s=1.0, deadline_s=0.5)
    with serving(Reply(head_drip_s=0.05)) as server:
        began = time.monotonic()
        with pytest.raises(UnreachableError, match=r"no answer by the deadline of 0\.5 s"):
            ask(server, limits=limits)
        assert time.monotonic() - began < 6.0


def test_nobody_there():
    with serving(GOOD) as server:
        transport = server.transport
    with pytest.raises(UnreachableError, match="did not answer: ConnectError"):
        fetch(REQUEST, media_types=JSON, limits=QUICK, transport=transport)


@pytest.mark.parametrize(
    "cut",
    [
        Reply(body=b'{"price": ', missing=40),
        Reply(body=gzip.compress(b"[1]" * 999)[:-9], headers={"Content-Encoding": "gzip"}),
        Reply(body=b"no gzip at all", headers={"Content-Encoding": "gzip"}),
    ],
    ids=["shorter than promised", "gzip without its end", "gzip that is none"],
)
def test_a_truncated_answer_is_asked_again(cut):
    with serving(cut, GOOD) as server:
        assert ask(server).data == GOOD.body
    with serving(cut) as server, pytest.raises(UnreachableError):
        ask(server)


def test_a_gzip_bomb_is_stopped_at_the_cap():
    bomb = Reply(body=gzip.compress(b"\0" * 2**27), headers={"Content-Encoding": "gzip"})
    with (
        serving(bomb) as server,
        pytest.raises(OversizedFileError, match="larger than 1,048,576 bytes unpacked"),
    ):
        ask(server)
    assert len(server.asked) == 1


def test_a_large_answer_is_stopped_at_the_cap():
    with serving(Reply(body=b" " * (2**20 + 1))) as server, pytest.raises(OversizedFileError):
        ask(server)


@pytest.mark.parametrize("packing", ["br", "deflate", "zstd"])
def test_a_packing_that_was_not_asked_for(packing):
    odd = Reply(body=b"x", headers={"Content-Encoding": packing})
    with serving(odd) as server, pytest.raises(ProviderError, match=f"packed as {packing}"):
        ask(server)


def test_bytes_after_the_gzip():
    twice = gzip.compress(b"[1]") + gzip.compress(b"[2]")
    more = Reply(body=twice, headers={"Content-Encoding": "gzip"})
    with serving(more) as server, pytest.raises(ProviderError, match="after the end of its gzip"):
        ask(server)


@pytest.mark.parametrize("stated", ["", "text/plain; charset=utf-8", "application/octet-stream"])
def test_a_media_type_that_tells_nothing_is_no_reason_to_refuse(stated):
    with serving(Reply(body=GOOD.body, media_type=stated)) as server:
        assert ask(server).data == GOOD.body


@pytest.mark.parametrize("message", ["application/zip", "application/xml", "image/png"])
def test_another_kind_of_answer(message):
    odd = Reply(body=b"PK\x03\x04\x1b[31m", media_type=message)
    with serving(odd) as server, pytest.raises(ProviderError, match=f"answers {message}, not app") as caught:
        ask(server)
    assert "\x1b" not in str(caught.value)


def test_a_web_page_instead_of_prices():
    page = Reply(body=b"<!doctype html><title>Maintenance</title><p>Back soon", media_type="text/html")
    with (
        serving(page) as server,
        pytest.raises(ProviderError, match=r"answers text/html.*Maintenance Back soon"),
    ):
        ask(server)


def test_a_day_that_is_not_there_yet():
    absent = Reply(status=404, body=b'{"detail": "no data for tomorrow"}')
    with (
        serving(absent, GOOD) as server,
        pytest.raises(ProviderError, match="answers 404: ") as caught,
    ):
        ask(server)
    assert not isinstance(caught.value, RejectedError)
    assert len(server.asked) == 1


def test_no_content():
    with serving(Reply(status=204)) as server, pytest.raises(ProviderError, match="there are no prices"):
        ask(server)


def test_a_redirect_to_another_host_is_refused():
    away = Reply(status=302, headers={"Location": "https://evil.example/api"})
    refused = r"redirects to https://evil\.example, which is not followed"
    with serving(away, GOOD) as server, pytest.raises(RejectedError, match=refused):
        ask(server)
    assert len(server.asked) == 1


@pytest.mark.parametrize("location", ["http://prices.example/api", "https://prices.example:8443/api"])
def test_a_redirect_to_plain_http_or_another_port_is_refused(location):
    away = Reply(status=301, headers={"Location": location})
    with serving(away, GOOD) as server, pytest.raises(RejectedError, match="is not followed"):
        ask(server)


def test_a_redirect_within_the_host_is_followed_three_times():
    on = Reply(status=307, headers={"Location": "/v2/api?zone=DE-LU"})
    with serving(on, on, on, GOOD) as server:
        assert ask(server).data == GOOD.body
    assert server.asked[-1].path == "/v2/api?zone=DE-LU"
    with serving(on) as server, pytest.raises(RejectedError, match="redirects more than 3 times"):
        ask(server)
    assert len(server.asked) == 4


def test_what_still_holds_is_not_sent_again():
    with serving(Reply(status=304)) as server:
        answer = ask(server, known=Validators(etag='"v1"', last_modified="Sun, 14 Jun 2026 10:00:00 GMT"))
    assert answer.data is None
    assert server.asked[0].headers["If-None-Match"] == '"v1"'
    assert server.asked[0].headers["If-Modified-Since"] == "Sun, 14 Jun 2026 10:00:00 GMT"


def test_a_304_that_nobody_asked_for():
    with serving(Reply(status=304)) as server, pytest.raises(RejectedError, match="answers 304"):
        ask(server)


def test_a_question_is_posted_with_its_token_in_a_header():
    bounds = dt.datetime(2026, 6, 13, 22, tzinfo=dt.UTC), dt.datetime(2026, 6, 14, 22, tzinfo=dt.UTC)
    wish = Ask(zone="SE3", day=dt.date(2026, 6, 14), start=bounds[0], end=bounds[1], token=TOKEN)
    request = PROVIDERS["tibber"].request(wish)
    with serving(GOOD) as server:
        ask(server, request)
    assert server.asked[0].method == "POST"
    assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert b"QUARTER_HOURLY" in server.asked[0].body
    assert TOKEN not in request.shown
    assert TOKEN not in repr(request)


def test_no_log_line_holds_the_token(caplog):
    with caplog.at_level(logging.DEBUG), serving(Reply(status=500), GOOD) as server:
        ask(server)
    assert TOKEN not in caplog.text


def test_an_answer_is_kept_read_only_and_found_again_once_it_was_accepted(tmp_path):
    cache, provider = ResponseCache(tmp_path), PROVIDERS["entsoe"]
    when = dt.datetime(2026, 6, 13, 12, tzinfo=dt.UTC)
    stored = cache.keep(
        provider, REQUEST, "DE-LU_2026-06-14", b"<xml/>", fetched_utc=when, validators=Validators(etag="e")
    )
    assert stored.path.read_bytes() == b"<xml/>"
    assert stored.path.stat().st_mode & 0o777 == 0o400
    assert stored.url == "https://prices.example/api?zone=DE-LU"
    assert cache.find(provider, REQUEST) is None
    cache.remember(provider, REQUEST, stored)
    assert cache.find(provider, REQUEST) == stored
    assert TOKEN not in "".join(file.read_text() for file in tmp_path.rglob("*.json"))
    other = Request(url=REQUEST.url, params={"zone": "FR"})
    assert cache.find(provider, other) is None
    stored.path.chmod(0o644)
    stored.path.write_bytes(b"<other/>")
    assert cache.find(provider, REQUEST) is None, "bytes that changed on disk are no answer"
