"""The demo's parts without its crowd: real banks, real daemon, real shop on free ports, and a journal on disk."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, DummyCookieJar
from yarl import URL

from gatewayd.daemon import Serving, serving
from gatewayd.demo.browser import Browser
from gatewayd.demo.compare import Comparison, compare
from gatewayd.demo.customers import Customer, Places
from gatewayd.demo.reading import payments_in
from gatewayd.demo.setting import ANY_PORTS, Setting, set_up
from gatewayd.demo.shop import serving_shop
from gatewayd.demo.till import Till
from gatewayd.engine.gateway import contracts
from gatewayd.io.clock import SystemClock
from gatewayd.simulator.host import Banks
from gatewayd.simulator.payers import Mix
from gatewayd.simulator.server import running_simulator


class SilentLog:
    """Says nothing."""

    def info(self, event: str, **fields: Any) -> None:
        """See `Log.info`."""

    def warning(self, event: str, **fields: Any) -> None:
        """See `Log.warning`."""

    def error(self, event: str, **fields: Any) -> None:
        """See `Log.error`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoStage:
    """Everything that a customer can walk through."""

    setting: Setting
    banks: Banks
    daemon: Serving
    session: ClientSession
    till: Till

    def customer(self, mix: str, *, seed: int = 1) -> Customer:
        """A customer who does not wait."""

        async def at_once(_: float) -> None:
            pass

        places = Places(
            daemon=self.setting.daemon, banks=self.setting.banks, shop=self.setting.shop
        )
        return Customer(
            Browser(self.session),
            self.till,
            places,
            random.Random(seed),
            mix=Mix.parse(mix),
            sleep=at_once,
        )

    async def get(self, path: str) -> tuple[int, str]:
        """A page of the shop: status and text."""
        async with self.session.get(URL(self.setting.shop + path, encoded=True)) as answer:
            return answer.status, await answer.text()

    def compared(self) -> Comparison:
        """Journal against ledger, as they stand."""
        config = self.setting.config
        return compare(
            payments_in(Path(config.service.journal.path)),
            self.banks.book.ledger(SystemClock().wall()),
            {each.name: each.driver for each in config.gateways},
        )


@asynccontextmanager
async def demo_stage(
    directory: Path, *, same_token_seconds: float | None = None
) -> AsyncIterator[DemoStage]:
    """Open for the length of the block. `same_token_seconds` instead of the demo's own."""
    setting = set_up(directory, ANY_PORTS)
    if same_token_seconds is not None:
        service = setting.config.service
        web = replace(service.web, same_token_seconds=same_token_seconds)
        config = replace(setting.config, service=replace(service, web=web))
        setting = replace(setting, config=config)
    banks = Banks(contracts(setting.config.gateways), seed=7)
    async with (
        running_simulator(
            banks, wall=SystemClock().wall, listen=setting.banks.removeprefix("http://")
        ),
        ClientSession(cookie_jar=DummyCookieJar()) as session,
        serving(setting.config, SilentLog()) as daemon,
    ):
        till = Till(
            session,
            daemon=setting.daemon,
            key=setting.api_key,
            return_url=f"{setting.shop}/return",
            return_secret=setting.return_secret,
            run="test",
        )
        async with serving_shop(till, setting.shop):
            yield DemoStage(setting=setting, banks=banks, daemon=daemon, session=session, till=till)
