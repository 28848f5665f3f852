"""The benches' browser: one connection that is kept, and what the kernel says of when an answer came."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from bench.wire import SO_TIMESTAMPNS, Connection, waited

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nLocation: /there\r\nRetry-After: 3\r\n\r\nhi"


@asynccontextmanager
async def connected(serve: Serve) -> AsyncIterator[Connection]:
    """A connection to a server that does as it is told with each client."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    async with server:
        connection = Connection("127.0.0.1", server.sockets[0].getsockname()[1])
        yield connection
        connection.close()


async def test_several_exchanges_go_over_one_connection() -> None:
    clients: list[list[bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.append([])
        for _ in range(2):
            clients[-1].append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)

    async with connected(serve) as connection:
        first = await connection.ask("GET", "/a")
        await connection.ask("GET", "/b")
    assert [200, b"hi", "/there", 3.0] == [
        first.status,
        first.body,
        first.location,
        first.retry_after,
    ]
    assert [[b"GET /a", b"GET /b"]] == [[each[:6] for each in client] for client in clients]


async def test_an_answer_came_after_its_request_was_sent_and_before_it_was_read() -> None:
    answered: list[float] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        answered.append(time.perf_counter())
        writer.write(OK)

    async with connected(serve) as connection:
        before = time.perf_counter()
        answer = await connection.ask("GET", "/")
        after = time.perf_counter()
    assert before <= answer.sent <= answered[0]
    assert answer.sent < answer.came <= after


def test_what_was_read_late_came_when_the_kernel_says() -> None:
    stamp = struct.pack("@qq", 1_000, 250_000_000)
    other = (socket.SOL_SOCKET, socket.SCM_CREDENTIALS, b"other")
    assert 0.5 == waited([other, (socket.SOL_SOCKET, SO_TIMESTAMPNS, stamp)], 1_000.75)


def test_where_the_kernel_says_nothing_or_a_later_time_it_came_when_it_was_read() -> None:
    stamp = struct.pack("@qq", 1_000, 0)
    assert 0.0 == waited([], 1_000.75)
    assert 0.0 == waited([(socket.SOL_SOCKET, SO_TIMESTAMPNS, stamp)], 999.0)


async def test_a_server_that_hangs_up_is_told_of_and_the_next_exchange_dials_again() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        if b"/good" in asked:
            writer.write(OK)

    async with connected(serve) as connection:
        with pytest.raises(ConnectionError):
            await connection.ask("GET", "/bad")
        assert 200 == (await connection.ask("GET", "/good")).status


async def test_an_answer_in_pieces_came_with_its_last() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readexactly(len("POST / HTTP/1.1\r\n"))
        rest = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(4)
        writer.write(OK[:20])
        await writer.drain()
        writer.write(OK[20:-2] + (b"ok" if (asked + rest + body).endswith(b"body") else b"no"))

    async with connected(serve) as connection:
        answer = await connection.ask("POST", "/", b"body", {"A": "b"})
    assert b"ok" == answer.body
