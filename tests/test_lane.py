"""The fast lane takes what came whole and plain, gives aiohttp all else, and nobody outside can tell which it was."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson
import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.web import lane
from gatewayd.web.answers import Answer, Answered, Head
from gatewayd.web.asked import Asked, Request
from gatewayd.web.lane import LANE_BYTES_MAX, Lane, LaneRunner, written
from gatewayd.web.returned_fields import read_fields

BOTH_LOOPS = True
PATIENCE_SECONDS = 10
BODY = b"amount=5&x=%D8%A7"


@dataclass
class Stage:
    """A listener with a few routes, and a raw connection to it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    runner: LaneRunner
    gate: asyncio.Event
    entered: asyncio.Event

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers in lower case, body."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.split("\r\n")[:-2]
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines)
            }
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
            return int(first.split()[1]), headers, body

    async def said(self) -> dict[str, object]:
        """What the handler saw of the next request."""
        status, _, body = await self.answer()
        assert 200 == status, body
        document = orjson.loads(body)
        assert isinstance(document, dict)
        return document


async def _saw(request: Request) -> web.Response:
    fields = await read_fields(request)
    document = {
        "fast": isinstance(request, Asked),
        "method": request.method,
        "path": request.path,
        "name": dict(request.match_info),
        "host": request.host,
        "query": dict(request.query),
        "remote": request.remote,
        "type": request.content_type,
        "length": request.content_length,
        "agent": request.headers.get("USER-AGENT"),
        "fields": fields,
    }
    return web.Response(body=orjson.dumps(document), content_type="application/json")


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """The listener for the length of the block."""
    gate, entered = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> web.Response:
        entered.set()
        await gate.wait()
        return web.Response(body=b"slow")

    async def read(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def broken(_request: Request) -> web.Response:
        return web.Response(headers={"Location": "/"}, body=b"x" * 2_000_000)

    async def through(request: Asked, handler: Callable[[Asked], Awaitable[Answered]]) -> Answered:
        return await handler(request)

    routes = [
        ("GET", "/see", _saw),
        ("GET", "/see/{id}", _saw),
        ("POST", "/see/{id}", _saw),
        ("GET", "/slow", slow),
        ("GET", "/much", broken),
    ]
    app = web.Application()
    for method, path, handler in routes:
        app.router.add_route(method, path, handler)
    app.router.add_post("/read", read)
    runner = LaneRunner(app, Lane(app, routes, through), access_log=None, shutdown_timeout=5.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield Stage(reader, writer, runner, gate, entered)
    finally:
        gate.set()
        writer.close()
        await runner.cleanup()


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: h", *lines, "", ""]).encode()


def post(path: str, body: bytes, *lines: str) -> bytes:
    form = "Content-Type: application/x-www-form-urlencoded; charset=utf-8"
    head = [f"POST {path} HTTP/1.1", "Host: h", form, f"Content-Length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


# --- which lane


async def test_a_whole_plain_request_is_taken_and_says_what_aiohttps_own_would() -> None:
    async with stage() as at:
        whole = post("/see/a.b~c?q=1&q=2&%D8%A7=%20", BODY, "User-Agent: me")
        at.writer.write(whole)
        fast = await at.said()
        assert fast.pop("fast") is True
        for part in (whole[:40], whole[40:]):
            at.writer.write(part)
            await at.writer.drain()
            await asyncio.sleep(0.01)  # so that it comes in two pieces
        slow = await at.said()
        assert slow.pop("fast") is False
        assert slow == fast


@pytest.mark.parametrize(
    "special",
    [
        get("/see", "Connection: close"),
        get("/see", "Expect: 100-continue"),
        get("/see", "Upgrade: h2c", "Connection: upgrade"),
        get("/see").replace(b"HTTP/1.1", b"HTTP/1.0"),
        get("/see/%61"),
        get("http://h/see"),
        get("/see", "X-Long: " + "x" * LANE_BYTES_MAX),
        get("/see", *(f"X-{number}: 1" for number in range(70))),
        get("/see") + get("/see"),
        get("/see")[:-2],
        post("/see/1", BODY)[:-1],
        b"POST /see/1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ],
)
async def test_what_is_not_plain_is_aiohttps(special: bytes) -> None:
    async with stage() as at:
        lane = at.runner._lane
        assert isinstance(lane.read(special, None), bool)


@pytest.mark.parametrize(
    "request_bytes",
    [
        get("/nowhere"),
        b"DELETE /see HTTP/1.1\r\nHost: h\r\n\r\n",
        b"HEAD /see HTTP/1.1\r\nHost: h\r\n\r\n",
    ],
)
async def test_other_routes_are_aiohttps_and_the_connection_comes_back_to_the_lane(
    request_bytes: bytes,
) -> None:
    async with stage() as at:
        at.writer.write(request_bytes)
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await at.reader.readuntil(b"\r\n\r\n")
            if b"HEAD" not in request_bytes:
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                await at.reader.readexactly(length)
        at.writer.write(get("/see"))
        assert (await at.said())["fast"] is True


async def test_what_is_no_http_gets_aiohttps_400() -> None:
    async with stage() as at:
        at.writer.write(b"GET /see\x00 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert 400 == (await at.answer())[0]


async def test_two_lengths_are_no_request_in_either_lane() -> None:
    async with stage() as at:
        at.writer.write(post("/see/1", BODY, "Content-Length: 3"))
        assert 400 == (await at.answer())[0]


@given(cut=st.integers(min_value=0, max_value=200), body=st.binary(max_size=40))
def test_no_part_of_a_request_is_taken_for_one(cut: int, body: bytes) -> None:
    async def through(_request: Request, _handler: object) -> web.StreamResponse:
        raise AssertionError

    lane = Lane(web.Application(), [("POST", "/see/{id}", _saw)], through)
    whole = post("/see/1", body)
    part = whole[: min(cut, len(whole) - 1)]
    assert lane.read(part, None) is False
    taken = lane.read(whole, None)
    assert not isinstance(taken, bool)
    assert body == taken[0]._body


# --- one at a time


async def test_what_is_sent_before_the_answer_waits_and_is_answered_in_order() -> None:
    async with stage() as at:
        at.writer.write(get("/slow"))
        await at.entered.wait()
        at.writer.write(get("/see/2"))
        await asyncio.sleep(0.01)
        at.writer.write(get("/see/3"))
        at.gate.set()
        assert b"slow" == (await at.answer())[2]
        assert [{"id": "2"}, {"id": "3"}] == [(await at.said())["name"] for _ in range(2)]


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with stage() as at:
        at.writer.write(get("/see/1") + get("/see/2") + get("/see/3"))
        assert [{"id": "1"}, {"id": "2"}, {"id": "3"}] == [
            (await at.said())["name"] for _ in range(3)
        ]


async def test_a_client_that_does_not_read_is_written_to_no_further() -> None:
    async with stage() as at:
        for _ in range(5):
            at.writer.write(get("/much"))
            await asyncio.sleep(0.01)
        assert [2_000_000] * 5 == [len((await at.answer())[2]) for _ in range(5)]


async def test_a_client_that_hangs_up_does_not_end_its_request() -> None:
    async with stage() as at:
        at.writer.write(get("/slow"))
        await at.entered.wait()
        at.writer.close()
        at.gate.set()
        await at.writer.wait_closed()


# --- the end


@pytest.mark.parametrize("asked", ["/slow", "/much"])
async def test_a_client_that_will_say_no_more_still_gets_its_answer(asked: str) -> None:
    async with stage() as at:
        at.writer.write(get(asked))
        at.writer.write_eof()
        at.gate.set()
        assert 200 == (await at.answer())[0]
        assert b"" == await at.reader.read()


async def test_it_gets_the_answers_to_all_that_it_has_asked_by_either_lane() -> None:
    async with stage() as at:
        at.writer.write(get("/see/1") + get("/see/2"))
        at.writer.write_eof()
        assert [{"id": "1"}, {"id": "2"}] == [(await at.said())["name"] for _ in range(2)]
        assert b"" == await at.reader.read()


@pytest.mark.parametrize("part", [b"GET /see HT", post("/read", BODY)[:-1]])
async def test_half_a_request_is_not_waited_for_when_nothing_more_will_come(part: bytes) -> None:
    async with stage() as at:
        at.writer.write(get("/see"))
        assert 200 == (await at.answer())[0]
        at.writer.write(part)
        at.writer.write_eof()
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert b"" == await at.reader.read()


async def test_a_stop_does_not_wait_long_for_a_client_that_does_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lane, "DEAF_SECONDS", 0.01)
    async with stage() as at:
        for path in ("/much", "/much", "/much"):
            at.writer.write(get(path))
        (connection,) = at.runner.server.connections  # type: ignore[union-attr] # it runs
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not connection._paused:  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0)
            await connection.shutdown(10 * PATIENCE_SECONDS)


async def test_a_stop_waits_for_nobody_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float | None] = []

    async def waits(_connection: object, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's own
        given.append(timeout)
        await asyncio.Event().wait()

    monkeypatch.setattr(RequestHandler, "shutdown", waits)
    monkeypatch.setattr(lane, "CANCEL_SECONDS", 0.01)
    async with stage() as at:
        at.writer.write(get("/slow"))
        await at.entered.wait()
        (connection,) = at.runner.server.connections  # type: ignore[union-attr] # it runs
        async with asyncio.timeout(PATIENCE_SECONDS):
            await connection.shutdown(0.02)
            assert b"" == await at.reader.read()
        assert [0.0] == given


async def test_a_stopping_server_lets_the_request_in_the_lane_end() -> None:
    async with stage() as at, asyncio.TaskGroup() as tasks:
        at.writer.write(get("/slow"))
        await at.entered.wait()
        stopping = tasks.create_task(at.runner.cleanup())
        await asyncio.sleep(0.01)
        assert not stopping.done()
        at.gate.set()
        assert b"slow" == (await at.answer())[2]
        await stopping
        assert b"" == await at.reader.read()


async def test_idle_connections_are_closed_in_time_and_busy_ones_are_not() -> None:
    async with stage() as at:
        (connection,) = at.runner.server.connections  # type: ignore[union-attr] # it runs
        connection._next_keepalive_close_time = 0.0
        at.writer.write(get("/slow"))
        await at.entered.wait()
        connection._process_keepalive()
        at.gate.set()
        assert 200 == (await at.answer())[0]
        connection._next_keepalive_close_time = 0.0
        connection._process_keepalive()
        assert b"" == await at.reader.read()


# --- writing


def test_a_header_cannot_become_two() -> None:
    with pytest.raises(ValueError, match="end of a line"):
        written(web.Response(headers={"Location": "/\r\nSet-Cookie: a=b"}))
    with pytest.raises(ValueError, match="end of a line"):
        written(Answer(Head(303, {}), more={"Location": "/\r\nSet-Cookie: a=b"}))


def test_an_answer_says_the_same_by_both_ways() -> None:
    answer = Answer(Head(201, {"Cache-Control": "no-store"}), b"{}", {"Location": "/v1"})
    assert written(answer.response()) == written(answer)
