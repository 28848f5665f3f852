"""Whatever a bank's server does, a call ends in a reply or in a lost that tells the truth."""

import asyncio
import gzip
import socket
import zlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.core.causes import LostCause
from gatewayd.core.terms import Lost, Operation
from gatewayd.gateways.contract import Call, Reply
from gatewayd.gateways.wire import REPLY_BYTES_MAX
from gatewayd.io.http_connection import HEAD_BYTES_MAX, Connection
from gatewayd.io.http_request import Target, read_url
from tests.bank_server import (
    ANSWER,
    LONG,
    OK,
    SETTINGS,
    SHORT,
    Peer,
    Seen,
    answer_all,
    ask,
    client,
    hang,
    one_answer,
    replying,
    serving,
)

BOTH_LOOPS = True


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (OK, 200, b"ok"),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno", 500, b"no"),
        (b"HTTP/1.1 204 None\r\n\r\n", 204, b""),
        (b"HTTP/1.1 302 Go\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n", 302, b""),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nT: r\r\n\r\n",
            200,
            b"ok",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\n", 200, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: a\r\n\r\n" + OK, 200, b"ok"),
        (
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok and more",
            200,
            b"ok",
        ),
        (OK + b"HTTP/1.1 200 OK\r\nContent-Le", 200, b"ok"),
    ],
)
async def test_every_way_to_end_a_body_is_read(raw: bytes, status: int, body: bytes) -> None:
    reply = await one_answer(replying(raw))

    assert isinstance(reply, Reply)
    assert (status, body) == (reply.status, reply.body)


# With the time in it, two processes would not collect the same tests.
PACKED = gzip.compress(b'{"result":100}', mtime=0)


@pytest.mark.parametrize(
    ("coding", "body"),
    [("gzip", PACKED), ("X-GZIP", PACKED), ("deflate", zlib.compress(b'{"result":100}'))],
    ids=["gzip", "X-GZIP", "deflate"],
)
async def test_what_was_compressed_without_being_asked_for_is_understood(
    coding: str, body: bytes
) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    reply = await one_answer(replying(head.encode() + body))

    assert isinstance(reply, Reply)
    assert b'{"result":100}' == reply.body


@pytest.mark.parametrize(
    "body",
    [b"not packed", PACKED[:-3], gzip.compress(bytes(REPLY_BYTES_MAX + 1), mtime=0)],
    ids=["not packed", "cut off", "too large"],
)
async def test_what_cannot_be_unpacked_whole_within_the_limit_is_no_answer(body: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    reply = await one_answer(replying(head.encode() + body))

    assert Lost(reached=True, cause=LostCause.NOT_HTTP) == reply


async def test_header_names_are_lower_case_and_repeated_ones_are_joined() -> None:
    reply = await one_answer(
        replying(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nEmpty:\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n")
    )

    assert isinstance(reply, Reply)
    assert {"x-a": "1, 2", "empty": "", "content-length": "0"} == reply.headers


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.1 204 None\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\nOther: x\r\n\r\n",
    ],
)
async def test_what_comes_after_the_head_adds_no_header(raw: bytes) -> None:
    reply = await one_answer(replying(raw))

    assert isinstance(reply, Reply)
    assert ["transfer-encoding"] == list(reply.headers)


async def test_headers_are_not_shown_by_accident() -> None:
    reply = await one_answer(
        replying(b"HTTP/1.1 200 OK\r\nSet-Cookie: secret\r\nContent-Length: 0\r\n\r\n")
    )

    assert "Reply(status=200, body=b'', headers=Headers(set-cookie, content-length))" == repr(reply)


async def test_headers_of_an_interim_answer_are_not_the_replys() -> None:
    reply = await one_answer(replying(b"HTTP/1.1 103 Hints\r\nContent-Length: 9\r\n\r\n" + OK))

    assert ANSWER == reply


async def test_a_body_that_comes_byte_by_byte_is_whole() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        text = (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"1\r\na\r\n" * 40
            + b"0\r\n\r\n"
        )
        for position in range(len(text)):
            await peer.send(text[position : position + 1])
            await asyncio.sleep(0)

    reply = await one_answer(script)

    assert isinstance(reply, Reply)
    assert b"a" * 40 == reply.body


async def test_a_body_of_the_greatest_size_is_read() -> None:
    reply = await one_answer(
        replying(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % REPLY_BYTES_MAX
            + b"x" * REPLY_BYTES_MAX
        )
    )

    assert isinstance(reply, Reply)
    assert REPLY_BYTES_MAX == len(reply.body)


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (b"", LostCause.CLOSED),
        (b"HTTP/1.1 200 O", LostCause.CUT),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n", LostCause.CUT),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", LostCause.CUT),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", LostCause.CUT),
        (b"HTTP/1.1 100 Continue\r\n\r\n", LostCause.CUT),
        (b"<html>", LostCause.NOT_HTTP),
        (b"SSH-2.0-server\r\n", LostCause.NOT_HTTP),
        (b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n", LostCause.NOT_HTTP),
        (b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", LostCause.NOT_HTTP),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            LostCause.NOT_HTTP,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", LostCause.NOT_HTTP),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab", LostCause.NOT_HTTP),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            LostCause.NOT_HTTP,
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", LostCause.NOT_HTTP),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (REPLY_BYTES_MAX + 1),
            LostCause.TOO_LARGE,
        ),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (REPLY_BYTES_MAX + 1), LostCause.TOO_LARGE),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * HEAD_BYTES_MAX, LostCause.TOO_LARGE),
        (
            b"HTTP/1.1 200 OK\r\n" + b"".join(b"H%d: x\r\n" % n for n in range(200)) + b"\r\n",
            LostCause.TOO_LARGE,
        ),
        (b"HTTP/1.1 102 Busy\r\nA: 123456789\r\n\r\n" * 6000, LostCause.TOO_LARGE),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 9_000_000,
            LostCause.TOO_LARGE,
        ),
    ],
    ids=lambda value: repr(value[:48]) if isinstance(value, bytes) else str(value),
)
async def test_a_reply_that_is_no_reply_is_lost_after_it_was_reached(
    raw: bytes, cause: LostCause
) -> None:
    assert Lost(reached=True, cause=cause) == await one_answer(replying(raw))


@pytest.mark.parametrize("read_first", [False, True])
async def test_a_reset_is_never_taken_for_not_reached(read_first: bool) -> None:
    async def script(peer: Peer) -> None:
        if read_first:
            await peer.request()
        peer.reset()

    answer = await one_answer(script)

    # Resetting at once may be seen before a byte was handed over; then it is rightly a refused connection.
    reached = {LostCause.CLOSED: True, LostCause.REFUSED: False, LostCause.UNREACHABLE: False}
    assert isinstance(answer, Lost)
    assert reached[LostCause(answer.cause)] == answer.reached
    assert answer.reached or not read_first


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
async def test_a_bank_that_stops_answering_at_any_stage_is_a_timeout(sent: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(sent)
        await peer.closed_by_client()

    assert Lost(reached=True, cause=LostCause.REPLY_TIMEOUT) == await one_answer(script, SHORT)


async def test_a_slow_drip_does_not_outlive_the_time_of_the_whole() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await peer.send(b"1\r\na\r\n")
            await asyncio.sleep(SHORT / 10)

    assert Lost(reached=True, cause=LostCause.REPLY_TIMEOUT) == await one_answer(script, SHORT)


async def test_a_pause_within_a_reply_is_shorter_than_the_wait_for_its_first_byte() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
        await peer.closed_by_client()

    answer = await one_answer(script, settings=replace(SETTINGS, reply_pause_seconds=SHORT))

    assert Lost(reached=True, cause=LostCause.STALLED) == answer


async def test_no_time_left_means_that_nothing_was_sent() -> None:
    async with serving(answer_all) as server, client() as transport:
        assert ANSWER == await ask(transport, server.url)
        answer = await ask(transport, server.url, seconds=0.0)

        assert Lost(reached=False, cause=LostCause.NO_TIME) == answer
        assert ANSWER == await ask(transport, server.url)
        assert (1, 2) == (server.connections, len(server.requests))


async def test_the_request_is_what_was_meant() -> None:
    async with serving(answer_all) as server, client() as transport:
        await ask(transport, server.url + "?a=b#c", body=b"x=1")
        authority = f"127.0.0.1:{server.port}".encode()
        await transport.send(
            "bank",
            Operation.INQUIRE,
            Call(
                url=server.url,
                method="GET",
                headers={"User-Agent": "", "Accept": "a/b", "X-Y": "z"},
            ),
            LONG,
        )

    common = b"Host: %b\r\nAccept-Encoding: identity\r\n" % authority
    assert [
        b"POST /pay?a=b HTTP/1.1\r\n" + common + b"User-Agent: gatewayd/0.1.0\r\nAccept: */*\r\n"
        b"Content-Length: 3\r\n\r\nx=1",
        b"GET /pay HTTP/1.1\r\n" + common + b"User-Agent: \r\nAccept: a/b\r\nX-Y: z\r\n\r\n",
    ] == server.requests


async def test_a_gateway_may_have_its_own_user_agent() -> None:
    async with serving(answer_all) as server, client(replace(SETTINGS, user_agent="")) as transport:
        await ask(transport, server.url)

        assert b"\r\nUser-Agent: \r\n" in server.requests[0]


@pytest.mark.parametrize(
    "call",
    [
        Call(url="https://bank.example/", headers={"X": "a\r\nHost: evil"}),
        Call(url="https://bank.example/", headers={"X": "a\nb"}),
        Call(url="https://bank.example/", headers={"X": "a\0b"}),
        Call(url="https://bank.example/", headers={"X: y": "z"}),
        Call(url="https://bank.example/", headers={"Host": "other.example"}),
        Call(url="https://bank.example/", headers={"Content-length": "5"}),
        Call(url="https://bank.example/", headers={"X": "سلام"}),
        Call(url="https://bank.example/", method="TRACE"),
        Call(url="https://bank.example/a b"),
        Call(url="https://bank.example/\r\nX: y"),
        Call(url="https://user:word@bank.example/"),
        Call(url="https://bank.example:99999/"),
        Call(url="https:///path"),
        Call(url="ftp://bank.example/"),
        Call(url="bank.example/pay"),
        Call(url="https://[::1/"),
    ],
    ids=repr,
)
async def test_what_http_does_not_allow_never_leaves(call: Call) -> None:
    async with client() as transport:
        answer = await transport.send("bank", Operation.START, call, LONG)

    assert Lost(reached=False, cause=LostCause.UNSENDABLE) == answer


async def test_plain_http_is_for_this_machine_only() -> None:
    async with client() as transport:
        answer = await ask(transport, "http://bank.example/pay")

    assert Lost(reached=False, cause=LostCause.PLAIN_HTTP) == answer


async def test_an_observer_is_told_how_every_exchange_ended() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer()
        await peer.answer(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        await hang(peer)

    seen = Seen()
    async with serving(script) as server, client(seen=seen) as transport:
        await ask(transport, server.url)
        await ask(transport, server.url, operation=Operation.START)
        await ask(transport, server.url, seconds=SHORT)
        task = asyncio.get_running_loop().create_task(ask(transport, server.url))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert [
        ("bank", Operation.VERIFY, "answered"),
        ("bank", Operation.START, "server error"),
        ("bank", Operation.VERIFY, "timeout after sending"),
        ("bank", Operation.VERIFY, "cancelled"),
    ] == seen.outcomes


class Wire(asyncio.Transport):
    """A transport without a network: what is written goes nowhere."""

    def __init__(self, end: socket.socket) -> None:
        super().__init__({"socket": end})
        self.aborted = False

    def write(self, data: object) -> None:
        pass

    def is_closing(self) -> bool:
        return self.aborted

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture(scope="module")
def end() -> Iterator[socket.socket]:
    left, right = socket.socketpair()
    with left, right:
        yield left


PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.0 404 \r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"Content-Length: 5\r\n",
            b"Content-Length: 0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Transfer-Encoding: identity\r\n",
            b"Connection: close\r\n",
            b"Keep-Alive: timeout=5\r\n",
            b"Upgrade: h2c\r\nConnection: upgrade\r\n",
            b"\r\n",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"hello",
        ]
    ),
)


@given(pieces=st.lists(PIECES, max_size=12), cut=st.integers(1, 60), ends=st.booleans())
async def test_any_bytes_end_in_a_reply_or_a_cause_and_nothing_else(
    end: socket.socket, pieces: list[bytes], cut: int, ends: bool
) -> None:
    gone: list[Connection] = []
    connection = Connection(gone.append, idle_seconds=LONG, pause_seconds=LONG)
    wire = Wire(end)
    connection.connection_made(wire)
    loop = asyncio.get_running_loop()
    exchange = loop.create_task(connection.exchange(b"", loop.time() + LONG))
    await asyncio.sleep(0)
    text = b"".join(pieces)
    for position in range(0, len(text), cut):
        if not wire.aborted:
            connection.data_received(text[position : position + cut])
    if ends:
        connection.eof_received()
    connection.connection_lost(None)

    answer = await exchange

    assert [connection] == gone
    assert isinstance(answer, Reply | LostCause)
    if isinstance(answer, Reply):
        assert 200 <= answer.status <= 999
        assert len(answer.body) <= len(text)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        (
            "https://bank.example",
            Target(tls=True, host="bank.example", port=443, path="/", authority="bank.example"),
        ),
        (
            "https://bank.example:443/a",
            Target(tls=True, host="bank.example", port=443, path="/a", authority="bank.example"),
        ),
        (
            "https://Bank.Example:8443/a?b",
            Target(
                tls=True, host="bank.example", port=8443, path="/a?b", authority="bank.example:8443"
            ),
        ),
        (
            "http://[::1]:81/a#b",
            Target(tls=False, host="::1", port=81, path="/a", authority="[::1]:81"),
        ),
    ],
)
def test_a_url_is_taken_apart(url: str, target: Target) -> None:
    assert target == read_url(url)
