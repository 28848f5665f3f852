"""What stands between a client and its daemon: it passes requests on, or does what the script says instead.

`drop` passes the request on and hangs up instead of answering; `reset` hangs up without passing it on; an answer is
given in place of the daemon's. What the script does not say is passed on.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from aiohttp import ClientSession, web
from yarl import URL

from gatewayd.client import AsyncClient, Client, Means, Policy
from gatewayd.client.trying import Answer
from tests.web_stage import KEY

Step = Literal["pass", "drop", "reset"] | Answer
IN_PLACE = Policy(tries_max=6)


@dataclass
class Between:
    """The script, and what has come."""

    url: str
    script: list[Step] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    """The idempotency key of each request."""


@asynccontextmanager
async def between(daemon: str) -> AsyncIterator[Between]:
    """Stands in front of that daemon."""
    listening = socket.create_server(("127.0.0.1", 0))
    made = Between(f"http://127.0.0.1:{listening.getsockname()[1]}")

    async with ClientSession() as session:

        async def handle(request: web.Request) -> web.StreamResponse:
            made.keys.append(request.headers.get("Idempotency-Key"))
            step = made.script.pop(0) if made.script else "pass"
            if isinstance(step, Answer):
                headers = {"Retry-After": step.retry_after} if step.retry_after else {}
                return web.Response(status=step.status, body=step.body, headers=headers)
            if step != "reset":
                headers = {
                    name: request.headers[name]
                    for name in ("Authorization", "Idempotency-Key")
                    if name in request.headers
                }
                async with session.request(
                    request.method,
                    URL(daemon + request.raw_path, encoded=True),
                    data=await request.read(),
                    headers=headers,
                ) as reply:
                    answer = web.Response(status=reply.status, body=await reply.read())
                if step == "pass":
                    return answer
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        try:
            yield made
        finally:
            await runner.cleanup()


@dataclass
class Shop:
    """A client of either kind, called in the same way: `await shop.do("get_payment", id)`."""

    client: Client | AsyncClient
    slept: list[float] = field(default_factory=list)

    async def do(self, name: str, *args: Any, **how: Any) -> Any:
        """The method's answer; all of a list."""
        method: Callable[..., Any] = getattr(self.client, name)
        if isinstance(self.client, AsyncClient):
            made = method(*args, **how)
            if hasattr(made, "__aiter__"):
                return [each async for each in made]
            return await made

        def call() -> Any:
            found = method(*args, **how)
            return list(found) if hasattr(found, "__next__") else found

        return await asyncio.to_thread(call)


@asynccontextmanager
async def shop(
    kind: str, url: str, *, policy: Policy = IN_PLACE, api_key: str = KEY
) -> AsyncIterator[Shop]:
    """A shop whose client is of this kind and never really sleeps."""
    slept: list[float] = []
    means = Means(rng=Random(5))
    if kind == "sync":
        with Client(url, api_key, policy=policy, sleep=slept.append, means=means) as client:
            yield Shop(client, slept)
        return

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with AsyncClient(url, api_key, policy=policy, sleep=sleep, means=means) as made:
        yield Shop(made, slept)
