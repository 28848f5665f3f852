"""A shop's receiver of webhooks over a real socket: it checks signatures as a stranger would, and can misbehave."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from gatewayd.core.secret import Secret
from gatewayd.core.settings import ReceiverSettings, ShopSettings
from gatewayd.engine.outbox import Outbox
from tests.web_stage import DEMO, OTHER, PATIENCE_SECONDS, Web, web_stage

HOOK_SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW_SECRET: Final = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

Answers = Callable[[dict[str, Any]], tuple[int, dict[str, str]]]


@dataclass
class Hooks:
    """What has arrived, and what is answered."""

    url: str = ""
    secret: str = HOOK_SECRET
    answer: Answers = lambda _event: (204, {})
    taken: list[dict[str, Any]] = field(default_factory=list)
    """Events that were answered well."""
    refused: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    forged: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is closed, nothing is answered."""
    waiting: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        """A webhook has come."""
        body = await request.read()
        self.waiting += 1
        self._changed.set()
        await self.open.wait()
        self.waiting -= 1
        try:
            event = Webhook(self.secret).verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.forged += 1
            self._changed.set()
            return web.Response(status=401)
        status, headers = self.answer(event)
        (self.taken if 200 <= status < 300 else self.refused).append(event)
        self.ids.append(request.headers["webhook-id"])
        self._changed.set()
        return web.Response(status=status, headers=headers)

    async def until(self, wanted: Callable[[], bool]) -> None:
        """Until something that has arrived makes this so."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not wanted():
                self._changed.clear()
                await self._changed.wait()

    def types(self, payment: dict[str, Any] | None = None) -> list[str]:
        """What was taken of this payment, or of all, in the order in which it came."""
        return [
            event["type"]
            for event in self.taken
            if payment is None or event["data"]["id"] == payment["id"]
        ]


@asynccontextmanager
async def hooks() -> AsyncIterator[Hooks]:
    """A receiver for the length of the block."""
    made = Hooks()
    made.open.set()
    app = web.Application()
    app.router.add_post("/hooks", made.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    try:
        yield made
    finally:
        made.open.set()
        await runner.cleanup()


def receiver(url: str, *secrets: str, **changes: Any) -> ReceiverSettings:
    """The receiver as a shop configures it."""
    known = tuple(Secret(each) for each in secrets or (HOOK_SECRET,))
    return ReceiverSettings(**{"url": url, "secrets": known, "test": True, **changes})


def shop_of(
    *receivers: ReceiverSettings, private: bool = True, of: ShopSettings = DEMO
) -> ShopSettings:
    """A shop with receivers in the same network."""
    return replace(of, webhooks=receivers, private_webhooks=private)


@asynccontextmanager
async def hook_stage(*receivers: ReceiverSettings, **how: Any) -> AsyncIterator[Web]:
    """The listener with a shop that has these receivers, and another that has none."""
    async with web_stage(shops=(shop_of(*receivers), OTHER), **how) as web:
        yield web


def outbox_of(web: Web) -> Outbox:
    """It is there."""
    assert web.engine.outbox is not None
    return web.engine.outbox


def pass_time(web: Web, seconds: float) -> None:
    """The clock goes on, and whoever waits for it looks at it."""
    web.clock.now += seconds
    outbox_of(web)._wake.ring()
