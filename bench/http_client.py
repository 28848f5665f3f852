"""What one call to a bank costs: CPU microseconds of this process per POST over kept connections on loopback.

    python -m bench.http_client [--calls 20000] [--at-once 32] [--rounds 3]

The server is a process of its own and answers every request with the same hundred bytes of JSON. Our client is set
beside aiohttp's, and beside the floor: the same bytes sent and received on kept connections with nothing read into
them, no limit and no deadline. The rounds take turns, and the least of each is shown, since noise only adds.
The kernel's share is shown by itself: most of it is waking the other process, which a fast client has to do more
often, and which on a virtual machine costs more than everything else; only our own share compares the clients.
"""

import argparse
import asyncio
import multiprocessing
import resource
from collections.abc import Awaitable, Callable, Coroutine
from multiprocessing.connection import Connection

import aiohttp
import uvloop
from yarl import URL

from gatewayd.core.settings import ConnectionSettings
from gatewayd.core.terms import Operation
from gatewayd.gateways.contract import Call, Reply
from gatewayd.io.http import HttpTransport

BODY = b'{"data":{"code":100,"message":"Success","authority":"A0000000000000000000000217885159","fee":1200}}'
REPLY = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\n"
    b"Content-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%b"
) % (len(BODY), BODY)
REQUEST = b'{"merchant_id":"11111111-2222-3333-4444-555555555555","amount":1250000,"callback_url":"https://shop.example/r"}'
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}

Cost = tuple[float, float]
Measure = Callable[[str, int, int], Coroutine[None, None, Cost]]


class Bank(asyncio.Protocol):
    """Answers whatever ends like our request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.seen = b""

    def data_received(self, data: bytes) -> None:
        self.seen += data
        if self.seen.endswith(REQUEST):
            self.seen = b""
            self.transport.write(REPLY)  # type: ignore[attr-defined]  # uvloop's is no asyncio.Transport


def serve(told: Connection) -> None:
    """The other process: listen, say where, answer until killed."""

    async def listen() -> None:
        server = await asyncio.get_running_loop().create_server(Bank, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(listen())


async def workers(calls: int, at_once: int, one: Callable[[], Awaitable[None]]) -> Cost:
    """CPU microseconds per call, our own and the kernel's."""

    async def work() -> None:
        for _ in range(calls // at_once):
            await one()

    await one()
    began = resource.getrusage(resource.RUSAGE_SELF)
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    ended = resource.getrusage(resource.RUSAGE_SELF)
    return (ended.ru_utime - began.ru_utime) / calls * 1e6, (
        ended.ru_stime - began.ru_stime
    ) / calls * 1e6


async def ours(url: str, calls: int, at_once: int) -> Cost:
    """Our client."""
    transport = HttpTransport()
    transport.add("bank", (url,), ConnectionSettings(connections_max=at_once))

    async def one() -> None:
        call = Call(url=url, body=REQUEST, headers=HEADERS)
        answer = await transport.send("bank", Operation.START, call, 10.0)
        assert isinstance(answer, Reply)
        assert answer.body == BODY

    try:
        return await workers(calls, at_once, one)
    finally:
        await transport.close()


async def aiohttps(url: str, calls: int, at_once: int) -> Cost:
    """aiohttp's client, set up as one would for this job."""
    address = URL(url)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=at_once),
        timeout=aiohttp.ClientTimeout(total=10.0),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept-Encoding",),
    ) as session:

        async def one() -> None:
            async with session.post(address, data=REQUEST, headers=HEADERS) as answer:
                assert await answer.read() == BODY

        return await workers(calls, at_once, one)


class Bare(asyncio.Protocol):
    """Sends and receives, and looks at nothing."""

    waiter: asyncio.Future[bytes]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.waiter.set_result(data)


async def floor(url: str, calls: int, at_once: int) -> Cost:
    """What sockets and the loop cost by themselves."""
    loop = asyncio.get_running_loop()
    address = URL(url)
    idle = [
        (await loop.create_connection(Bare, "127.0.0.1", address.port or 0))[1]
        for _ in range(at_once)
    ]
    lines = (
        f"POST {address.path} HTTP/1.1",
        f"Host: {address.authority}",
        "Accept-Encoding: identity",
    )
    request = "\r\n".join(
        (*lines, *(f"{name}: {value}" for name, value in HEADERS.items()), "\r\n")
    )

    async def one() -> None:
        bare = idle.pop()
        bare.waiter = loop.create_future()
        bare.transport.write(request.encode() + REQUEST)  # type: ignore[attr-defined]  # as above
        assert (await bare.waiter).endswith(BODY)
        idle.append(bare)

    try:
        return await workers(calls, at_once, one)
    finally:
        for bare in idle:
            bare.transport.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU cost of one call to a bank.")
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    bank = multiprocessing.Process(target=serve, args=(there,), daemon=True)
    bank.start()
    url = f"http://127.0.0.1:{here.recv()}/pg/v4/payment/request.json"
    clients: dict[str, Measure] = {"gatewayd": ours, "aiohttp": aiohttps, "floor": floor}
    loops = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    least: dict[tuple[str, str], Cost] = {}
    for _ in range(options.rounds):
        for client, measure in clients.items():
            for name, factory in loops.items():
                with asyncio.Runner(loop_factory=factory) as runner:
                    cost = runner.run(measure(url, options.calls, options.at_once))
                least[client, name] = min(cost, least.get((client, name), cost))
    bank.kill()
    print(f"{options.calls} calls, {options.at_once} at once, least of {options.rounds} rounds")
    print(
        f"{'client':10} {'loop':10} {'own CPU us per call':>20} {'of ours':>8} {'kernel us per call':>20}"
    )
    for (client, name), (own, kernel) in least.items():
        print(
            f"{client:10} {name:10} {own:20.1f} {own / least['gatewayd', name][0]:8.1f} {kernel:20.1f}"
        )


if __name__ == "__main__":
    main()
