"""A bank's server of raw bytes for the client's tests: each connection is played by a script. And a client."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from gatewayd.core.settings import ConnectionSettings
from gatewayd.core.terms import Lost, Operation
from gatewayd.gateways.contract import Call, Reply
from gatewayd.io.http import HttpTransport
from gatewayd.io.http_dial import Lookup

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ANSWER = Reply(status=200, body=b"ok", headers={"content-length": "2"})
SETTINGS = ConnectionSettings()
LONG = 5.0
"""Seconds that no test ever waits."""
SHORT = 0.05
"""Seconds that a test waits for something not to happen."""


@dataclass
class Peer:
    """The bank's end of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    server: "Server"

    async def request(self) -> bytes:
        """The next request, whole; IncompleteReadError where the client closes instead."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        whole = head + await self.reader.readexactly(length)
        self.server.requests.append(whole)
        return whole

    async def answer(self, reply: bytes = OK) -> None:
        """Read a request and send these bytes."""
        await self.request()
        await self.send(reply)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Close with RST."""
        self.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.writer.transport.abort()

    async def closed_by_client(self) -> None:
        """Wait until the client has closed, reading away what still comes."""
        try:
            while await self.reader.read(65_536):
                pass
        except ConnectionError:
            pass


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Server:
    """Where it listens and what it has seen."""

    port: int = 0
    host: str = "127.0.0.1"
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    """Numbers of the connections whose script is over."""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/pay"


@asynccontextmanager
async def serving(
    script: Script, context: ssl.SSLContext | None = None, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Server]:
    """A listening server; each connection runs `script` and is closed after it."""
    server = Server(host=host)
    writers: set[asyncio.StreamWriter] = set()
    playing: set[asyncio.Task[None] | None] = set()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        playing.add(asyncio.current_task())
        writers.add(writer)
        server.connections += 1
        peer = Peer(reader, writer, server.connections, server)
        try:
            await script(peer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client closed, or the test is over
        finally:
            server.closed.append(peer.number)
            writer.close()

    listener = await asyncio.start_server(play, host, port, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for writer in writers:
            writer.transport.abort()
        for task in playing:
            if task is not None:
                task.cancel()
        await asyncio.gather(
            *(task for task in playing if task is not None), return_exceptions=True
        )
        await asyncio.sleep(0)


async def answer_all(peer: Peer) -> None:
    """Answer every request of the connection with a short 200."""
    while True:
        await peer.answer()


async def hang(peer: Peer) -> None:
    """Read a request and never answer."""
    await peer.request()
    await peer.closed_by_client()


def replying(reply: bytes) -> Script:
    """Answer every connection's first request with these bytes, then close."""

    async def script(peer: Peer) -> None:
        await peer.answer(reply)

    return script


async def until(true: Callable[[], bool]) -> None:
    """Let the loop turn until this holds."""
    async with asyncio.timeout(LONG):
        while not true():  # noqa: ASYNC110  # what is waited for happens outside and sets no event
            await asyncio.sleep(0)


class Seen:
    """Remembers what it is told of exchanges."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, Operation, str]] = []

    def exchanged(self, gateway: str, operation: Operation, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.outcomes.append((gateway, operation, outcome))


@asynccontextmanager
async def client(
    settings: ConnectionSettings = SETTINGS,
    *,
    connect_seconds: float = LONG,
    seen: Seen | None = None,
    lookup: Lookup | None = None,
    base_urls: tuple[str, ...] = (),
) -> AsyncIterator[HttpTransport]:
    """A transport with one gateway, `bank`."""
    transport = HttpTransport(connect_seconds=connect_seconds, observer=seen, lookup=lookup)
    transport.add("bank", base_urls, settings)
    try:
        yield transport
    finally:
        await transport.close()


async def ask(
    transport: HttpTransport,
    url: str,
    *,
    operation: Operation = Operation.VERIFY,
    seconds: float = LONG,
    body: bytes = b"question",
) -> Reply | Lost:
    """One call to `bank`."""
    return await transport.send("bank", operation, Call(url=url, body=body), seconds)


async def one_answer(
    script: Script, seconds: float = LONG, settings: ConnectionSettings = SETTINGS
) -> Reply | Lost:
    """What one call to a bank that plays `script` ends in; the time is for the exchange, not for connecting."""
    async with (
        serving(script) as server,
        client(replace(settings, warm=1), base_urls=(server.url,)) as transport,
    ):
        if seconds < LONG:
            await transport.warm()
        return await ask(transport, server.url, seconds=seconds)
