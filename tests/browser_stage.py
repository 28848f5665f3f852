"""A real Chromium between a shop, the listener and simulated banks, all over real sockets.

The daemon and the shop are at 127.0.0.1, the banks' pages at `localhost`: another site, as banks are.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    async_playwright,
)

from gatewayd.engine.gateway import contracts
from gatewayd.simulator.host import Banks
from gatewayd.simulator.payers import EVERYBODY_PAYS, Payers
from gatewayd.simulator.server import Hop, running_simulator
from tests import chromium
from tests.stage import Clock
from tests.web_stage import Web, all_gateways, web_stage

FLAGS = (
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SESSION = "shop-session"
BETWEEN_PAGES = "Not attached to an active page"
"""How the DevTools protocol says that one page is being swapped for the next."""
BACK_TRIES_MAX = 200


@dataclass
class Shop:
    """Where customers come from and go back to."""

    url: str = ""
    arrivals: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    """Method, query and the shop's own session of each customer who came back."""

    @property
    def statuses(self) -> list[str]:
        return [query.get("status", "") for _, query, _ in self.arrivals]

    async def handle(self, request: web.BaseRequest) -> web.Response:
        headers = {"Content-Type": "text/html; charset=utf-8"}
        if request.path == "/basket":
            headers["Set-Cookie"] = f"{SESSION}=42; SameSite=Lax; HttpOnly"
        if request.path == "/done":
            session = request.cookies.get(SESSION, "")
            self.arrivals.append((request.method, dict(request.query), session))
        return web.Response(text="<!doctype html><title>shop</title>", headers=headers)


@dataclass
class Visit:
    """A customer's browser, and what it complained of on our pages."""

    context: BrowserContext
    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def back(self) -> None:
        """The browser's own button, which Chromium refuses to hear while it is between two sites' pages."""
        await self.page.wait_for_load_state()
        for left in reversed(range(BACK_TRIES_MAX)):
            try:
                await self.page.go_back()
            except Error as error:
                if BETWEEN_PAGES not in error.message or not left:
                    raise
                await self.page.wait_for_load_state()
            else:
                return

    def _said(self, message: ConsoleMessage) -> None:
        where = message.location["url"]
        if message.type in {"error", "warning"} and where.startswith(self.base):
            self.complaints.append(f"{where}: {message.text}")


@dataclass
class Town:
    """Everything."""

    web: Web
    shop: Shop
    browser: Browser

    @asynccontextmanager
    async def visit(
        self,
        *,
        scripts: bool = True,
        width: int = 360,
        height: int = 740,
        dark: bool = False,
        locale: str = "fa",
    ) -> AsyncIterator[Visit]:
        """A customer with a fresh browser profile."""
        context = await self.browser.new_context(
            java_script_enabled=scripts,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            locale=locale,
        )
        try:
            visit = Visit(context, await context.new_page(), self.web.base)
            visit.listen()
            yield visit
        finally:
            await context.close()

    async def order(self, **changes: object) -> str:
        """A payment whose customer goes back to the shop; where he is to pay."""
        payment = await self.web.create(return_url=f"{self.shop.url}/done?cart=7", **changes)
        url = payment["pay_url"]
        assert isinstance(url, str)
        return url


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """A Chromium for the length of the block; skips where there is none."""
    program = chromium.find()
    if program is None:
        pytest.skip(chromium.MISSING)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=[*FLAGS])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def town(browser: Browser, *, hop: Hop | None = None) -> AsyncIterator[Town]:
    """Shop, daemon and banks for the length of the block."""
    clock, shop = Clock(), Shop()
    banks = Banks(
        contracts(all_gateways()), seed=7, mix=EVERYBODY_PAYS, refuse_foreign_referer=True
    )
    runner = web.ServerRunner(web.Server(shop.handle), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        shop.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with (
            running_simulator(banks, wall=clock.wall, payers=Payers.PAGE, hop=hop) as origin,
            web_stage(
                gateways=all_gateways(origin if hop else origin.replace("127.0.0.1", "localhost")),
                banks=banks,
                clock=clock,
            ) as stage,
        ):
            yield Town(stage, shop, browser)
    finally:
        await runner.cleanup()
