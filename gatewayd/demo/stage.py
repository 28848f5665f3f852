"""Puts everything on one stage: simulated banks, the daemon, the shop and its customers, an outage, the reckoning.

All of it runs in one process on one event loop; the parts still speak to each other over HTTP only. It ends by itself
or on a signal, always in the same way: customers finish, what is in doubt is cleared up, the daemon stops, and the
journal on disk is compared with the banks' own book.
"""

import asyncio
import os
import random
import secrets
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from rich.console import Console
from rich.live import Live

from gatewayd.core.status import Status, status_of
from gatewayd.daemon import Serving, serving
from gatewayd.demo import tables
from gatewayd.demo.browser import Browser
from gatewayd.demo.compare import Comparison, compare
from gatewayd.demo.customers import Customer, Ended, Places, crowd
from gatewayd.demo.outages import outages
from gatewayd.demo.reading import payments_in
from gatewayd.demo.setting import Ports, Setting, set_up
from gatewayd.demo.shop import serving_shop
from gatewayd.demo.till import Till
from gatewayd.demo.watch import Watch
from gatewayd.engine.gateway import contracts
from gatewayd.io.clock import SystemClock
from gatewayd.io.logs import open_log
from gatewayd.routing.breaker import BreakerState
from gatewayd.routing.router import GatewayHealth
from gatewayd.simulator.host import Banks
from gatewayd.simulator.server import running_simulator

LIVE_SECONDS: Final = 0.25
"""Between two pictures of the table."""
PLAIN_SECONDS: Final = 5.0
"""Between two lines where there is no terminal."""
FINISH_SECONDS: Final = 6.0
"""How long customers may take to finish; then they walk off, as customers do."""
REST_SECONDS: Final = 8.0
"""How long what is in doubt at the end may take to be cleared up."""
CLIENT_SECONDS: Final = 30.0


class Demo:
    """One run. `seconds` None: until a signal comes."""

    def __init__(
        self,
        setting: Setting,
        console: Console,
        watch: Watch,
        clock: SystemClock,
        *,
        seconds: float | None,
        rng: random.Random,
    ) -> None:
        self._setting = setting
        self._console = console
        self._watch = watch
        self._clock = clock
        self._seconds = seconds
        self._rng = rng
        self._began = clock.monotonic()
        self._stopping = asyncio.Event()
        self._breakers: dict[str, BreakerState] = {}
        self.tally: Counter[Ended] = Counter()
        """How the simulated customers' visits ended."""

    async def run(self) -> Comparison:
        """The whole of it. StoreError if the disk fails, OSError if a port is taken away in between."""
        setting = self._setting
        gateways = setting.config.gateways
        banks = Banks(contracts(gateways), seed=self._rng.getrandbits(64))
        async with (
            running_simulator(
                banks, wall=self._clock.wall, listen=setting.banks.removeprefix("http://")
            ),
            _session() as session,
        ):
            async with serving(setting.config, self._watch) as daemon:
                till = self._till(session)
                async with serving_shop(till, setting.shop):
                    self._welcome()
                    await self._play(session, till, banks, daemon)
                    self._say("the customers have gone; what is in doubt is cleared up")
                    await self._at_rest(daemon)
            ledger = await _get(session, f"{setting.banks}/_simulator/ledger")
        payments = payments_in(Path(setting.config.service.journal.path))
        return compare(payments, ledger, {each.name: each.driver for each in gateways})

    # --- the play

    async def _play(
        self,
        session: ClientSession,
        till: Till,
        banks: Banks,
        daemon: Serving,
    ) -> None:
        """Customers, outages and the table, until it is time to stop."""
        setting = self._setting
        places = Places(daemon=setting.daemon, banks=setting.banks, shop=setting.shop)
        names = tuple(each.name for each in setting.config.gateways)

        def make() -> Customer:
            return Customer(Browser(session), till, places, self._rng)

        with _on_signals(self._stopping.set):
            async with asyncio.TaskGroup() as tasks:
                background = [
                    tasks.create_task(self._trouble(banks), name="outages"),
                    tasks.create_task(self._show(daemon), name="table"),
                    tasks.create_task(self._until_over(daemon), name="end"),
                ]
                customers = tasks.create_task(
                    crowd(make, self.tally, self._stopping, self._rng, gateways=names),
                    name="customers",
                )
                await self._stopping.wait()
                banks.faults.clear()
                await asyncio.wait({customers}, timeout=FINISH_SECONDS)
                for task in (customers, *background):
                    task.cancel()

    async def _until_over(self, daemon: Serving) -> None:
        """Stop when the time is over, or when the daemon has ended by itself."""
        await asyncio.wait({daemon.ended}, timeout=self._seconds)
        self._stopping.set()

    async def _trouble(self, banks: Banks) -> None:
        for outage in outages(self._seconds, tuple(banks.dialects), self._rng):
            await asyncio.sleep(outage.after_seconds)
            for fault in outage.faults:
                banks.faults.add(fault, self._clock.wall())
            self._say(outage.begins)
            await asyncio.sleep(outage.seconds)
            self._say(outage.ends)

    async def _at_rest(self, daemon: Serving) -> None:
        """Until no call is out and no payment is in doubt, or for as long as there is patience."""
        ends = self._clock.monotonic() + REST_SECONDS
        journal = daemon.engine.journal
        while self._clock.monotonic() < ends and not daemon.ended.done():
            in_doubt = any(
                status_of(payment) is Status.PROCESSING for payment in journal.payments()
            )
            if not in_doubt and not daemon.engine.tending.calls_out:
                return
            await asyncio.sleep(0.1)

    # --- what is shown

    async def _show(self, daemon: Serving) -> None:
        """The live table, or where there is no terminal a line every few seconds."""
        next_line = self._began + PLAIN_SECONDS
        with ExitStack() as stack:
            live = None
            if self._console.is_terminal:
                live = stack.enter_context(Live(console=self._console, auto_refresh=False))
            while True:
                now = self._clock.monotonic()
                health = daemon.engine.router.snapshot(now)
                self._look_at_breakers(health)
                if live is not None:
                    live.update(tables.live_table(health, self._watch), refresh=True)
                elif now >= next_line:
                    next_line += PLAIN_SECONDS
                    self._say(tables.plain_line(health, self._watch))
                await asyncio.sleep(LIVE_SECONDS)

    def _look_at_breakers(self, health: Mapping[str, GatewayHealth]) -> None:
        """Say which breakers have opened and closed."""
        for name, each in health.items():
            before = self._breakers.get(name, BreakerState.CLOSED)
            self._breakers[name] = now = each.breaker
            if now is BreakerState.OPEN and before is BreakerState.CLOSED:
                self._say(f"{name}: its breaker opens; payments go to the others")
            elif now is BreakerState.CLOSED and before is not BreakerState.CLOSED:
                self._say(f"{name}: its breaker closes; it gets payments again")

    def _welcome(self) -> None:
        setting = self._setting
        for line in (
            f"shop to click through     {setting.shop}/",
            f"daemon                    {setting.daemon}   (API key {setting.api_key})",
            f"the banks' own book       {setting.banks}/_simulator/ledger",
            "Ctrl-C ends it, with the comparison of journal and banks"
            if self._seconds is None
            else f"ends by itself after {self._seconds:g} seconds",
        ):
            self._console.print(line, highlight=False, soft_wrap=True)

    def _say(self, text: str) -> None:
        passed = int(self._clock.monotonic() - self._began)
        self._console.print(
            f"{passed // 60:02}:{passed % 60:02}  {text}", highlight=False, soft_wrap=True
        )

    def _till(self, session: ClientSession) -> Till:
        setting = self._setting
        return Till(
            session,
            daemon=setting.daemon,
            key=setting.api_key,
            return_url=f"{setting.shop}/return",
            return_secret=setting.return_secret,
            run=f"{self._rng.getrandbits(24):06x}",
        )


async def run_demo(
    *, seconds: float | None, ports: Ports | None = None, console: Console | None = None
) -> bool:
    """Play, and show the comparison; whether every rial is accounted for. The journal of a run that failed is kept."""
    shown = tables.console_for(console or Console())
    clock = SystemClock()
    directory = Path(tempfile.mkdtemp(prefix="gatewayd-demo-"))
    with ExitStack() as stack:
        descriptor = os.open(
            directory / "gatewayd.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        stack.callback(os.close, descriptor)
        log = stack.enter_context(open_log(descriptor=descriptor))
        watch = Watch(log, clock.monotonic)
        demo = Demo(
            set_up(directory, ports or Ports()),
            shown,
            watch,
            clock,
            seconds=seconds,
            rng=random.Random(secrets.randbits(128)),
        )
        found = await demo.run()
    shown.print(tables.reckoning(found, _when))
    shown.print(tables.verdict(found), style="bold green" if found.settled else "bold red")
    if found.settled:
        shutil.rmtree(directory)
    else:
        shown.print(f"journal and log are kept in {directory}", soft_wrap=True)
    return found.settled


def _when(at_ms: int) -> str:
    """A time for people, in this machine's own zone."""
    return f"{datetime.fromtimestamp(at_ms / 1000).astimezone():%d %b %H:%M}"


@asynccontextmanager
async def _session() -> AsyncIterator[ClientSession]:
    """What browsers and shop speak through: no cookies, as many connections as there are customers."""
    timeout = ClientTimeout(total=CLIENT_SECONDS)
    async with ClientSession(
        connector=TCPConnector(limit=0), cookie_jar=DummyCookieJar(), timeout=timeout
    ) as session:
        yield session


async def _get(session: ClientSession, url: str) -> Any:
    async with session.get(url) as answer:
        answer.raise_for_status()
        return await answer.json()


class _on_signals:  # noqa: N801 - reads as what it does
    """SIGTERM and SIGINT call `stop` while the block runs."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop

    def __enter__(self) -> None:
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, self._stop)

    def __exit__(self, *_: object) -> None:
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(name)
