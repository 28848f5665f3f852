"""Wires the real thing: the journal on disk, the banks over HTTP, two listeners, and the engine in the middle.

Order of a start: lock, store, open payments, engine, listeners, READY; a start that fails leaves nothing running.
Order of a stop: no new payments, what is in flight finishes, the journal lands, the connections close. When the disk
fails it stops at once, because memory is ahead of it from then on.
"""

import asyncio
import gc
import os
import random
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from gatewayd.core.hosts import listen_address
from gatewayd.core.values import changed
from gatewayd.engine.comparing import Comparing
from gatewayd.engine.engine import Engine
from gatewayd.engine.outbox import Outbox, addresses
from gatewayd.engine.ports import Log
from gatewayd.engine.posting import Posting
from gatewayd.io import descriptors
from gatewayd.io.boot import Opened, open_journal
from gatewayd.io.clock import SystemClock
from gatewayd.io.config import Config
from gatewayd.io.contract_keeping import check_contracts, check_shops, keep_contracts
from gatewayd.io.entropy import Entropy
from gatewayd.io.housekeeping import Housekeeping
from gatewayd.io.http import HttpTransport
from gatewayd.io.loop_watch import watch_loop
from gatewayd.io.metrics import Metrics
from gatewayd.io.operator_client import socket_path
from gatewayd.io.sqlite_reader import SqliteReader
from gatewayd.io.webhook_sender import WebhookSender
from gatewayd.web.addresses import Addresses
from gatewayd.web.app import build_app
from gatewayd.web.app import runner as public_runner
from gatewayd.web.door import DoorSite
from gatewayd.web.events import event_renderer
from gatewayd.web.internal import build_internal_app
from gatewayd.web.operators import build_operators_app
from gatewayd.web.ports import ADMISSION, INVOICING, TURNSTILE
from gatewayd.web.server_log import SERVER_LOG

KEEP_ALIVE_SECONDS: Final = 75.0
"""How long an idle client connection is kept: longer than common proxies keep theirs, so that they close first."""
HANG_UP_SECONDS: Final = 0.5
"""How long each listener of a daemon that failed waits for its handlers."""
GARBAGE_AFTER: Final = 10_000
"""Objects that may be left over before the youngest are looked at: some hundred payments' worth, a megabyte or two."""
SWITCH_SECONDS: Final = 0.000_5
"""How long the journal's thread, which needs the interpreter for microseconds at a time and often within one commit,
waits for a busy loop to let go of it; Python's own 5 ms could be added to a commit several times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A daemon that serves."""

    address: str
    """Of the public listener, with the port that it got: `http://127.0.0.1:8080`."""
    internal_address: str
    engine: Engine
    stop: Callable[[], None]
    ended: "asyncio.Future[None]"
    """Done when the daemon has stopped, by itself or on `stop`."""


async def run(config: Config, log: Log, ready: Callable[[Serving], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Locked if another daemon has the journal, UnusableStore if it cannot be used, ConfigError if open payments would be
    left without their contract, StoreError if the disk fails, OSError if an address cannot be had.
    """
    async with serving(config, log) as daemon:
        _spare_the_collector()
        sys.setswitchinterval(SWITCH_SECONDS)
        heed_signals(daemon, log)
        ready(daemon)
        await daemon.ended


def heed_signals(daemon: Serving, log: Log) -> None:
    """Stop on SIGTERM and SIGINT; SIGHUP, by which others read their configuration anew, stops no payments.

    It would end the process, and service managers do not take that for a failure. Where a terminal has gone, it stops.
    """

    def hung_up() -> None:
        if sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty():
            daemon.stop()
        else:
            log.warning("SIGHUP changes nothing: the configuration is read at the start only")

    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, daemon.stop)
    loop.add_signal_handler(signal.SIGHUP, hung_up)


def _spare_the_collector() -> None:
    """Look for garbage less often, and never among what a start has made.

    Next to nothing here is garbage in a circle, but every look goes through all that is alive: with Python's own
    thresholds that took a fourteenth of the CPU of a payment, and a pause of 50 ms now and then.
    """
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER, 20, 20)


@asynccontextmanager
async def serving(config: Config, log: Log) -> AsyncIterator[Serving]:
    """A daemon that serves inside the block, until it ends by itself or by its `stop`. Raises as `run` does."""
    service = config.service
    journal = Path(service.journal.path)
    clock = SystemClock()
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        opened = open_journal(service.journal, now_ms=int(clock.wall() * 1000))
        stack.callback(opened.close)
        contracts = await check_contracts(config, opened.thread)
        reader = await stack.enter_async_context(SqliteReader(journal))
        transport = HttpTransport(connect_seconds=service.engine.connect_seconds, observer=metrics)
        stack.push_async_callback(transport.close)
        for gateway in config.gateways:
            transport.add(gateway.name, gateway.driver.base_urls, gateway.connections)
        engine = _engine(config, opened, reader, transport, metrics, log)
        opened.adopt_into(engine.journal)
        check_shops(config, engine.journal)
        await _deliver(engine, opened, reader, metrics, stack)
        housekeeping = Housekeeping(
            engine=engine,
            thread=opened.thread,
            transport=transport,
            metrics=metrics,
            clock=clock,
            log=log,
            free_bytes=lambda: shutil.disk_usage(journal.parent).free,
            in_place=opened.whereabouts.in_place,
            comparing=Comparing(
                records=engine.records,
                past=reader,
                write=opened.thread.write,
                deadlines=engine.deadlines,
                log=log,
            ),
        )
        await housekeeping.restore_router()
        public = build_app(engine=engine, past=reader, tally=metrics, why_not=housekeeping.why_not)
        admission, turnstile = public[ADMISSION], public[TURNSTILE]
        metrics.watch(
            in_flight=lambda: turnstile.in_progress,
            waiting=lambda: turnstile.waiting,
            overloaded=lambda: admission.is_overloaded(clock.monotonic()),
        )

        def late(seconds: float) -> None:
            admission.lagged(seconds, turnstile.in_progress)
            turnstile.measure(clock.monotonic())
            metrics.loop_lag(seconds)

        faces = (
            public_runner(public, **_how(service.web.drain_seconds)),
            web.AppRunner(build_internal_app(render_metrics=metrics.render), **_how(1.0)),
            web.AppRunner(
                build_operators_app(
                    engine.operating,
                    engine.refunding,
                    Posting(engine.outbox, reader.notices, engine.log),
                    reader.in_review,
                    public[INVOICING].sight,
                ),
                **_how(service.web.drain_seconds),
            ),
        )

        def outside() -> web.BaseSite:
            host, port = listen_address(service.listen)
            addresses = Addresses(service.trusted_proxies)
            return DoorSite(
                faces[0],
                host,
                port,
                settings=changed(service.web, connections_max=_connections_max(config, log)),
                addresses=addresses,
                turned_away=metrics.turned_away,
            )

        def inside() -> web.BaseSite:
            return web.TCPSite(faces[1], *listen_address(service.internal_listen))

        life = _Life(engine, housekeeping, faces)
        async with life.lived(
            keep_contracts(config, contracts, opened.thread), watch_loop(clock, late)
        ) as ended:
            stack.callback(socket_path(journal).unlink, missing_ok=True)
            await _listen_to_operators(faces[2], socket_path(journal))
            yield Serving(
                internal_address=await _listen(faces[1], inside),
                address=await _listen(faces[0], outside),
                engine=engine,
                stop=life.stop,
                ended=ended,
            )


def _engine(
    config: Config,
    opened: Opened,
    reader: SqliteReader,
    transport: HttpTransport,
    metrics: Metrics,
    log: Log,
) -> Engine:
    return Engine(
        service=config.service,
        gateways=config.gateways,
        routing=config.routing,
        write=opened.thread.write,
        read_rows=reader.rows,
        transport=transport,
        clock=SystemClock(),
        rng=random.Random(secrets.randbits(128)),
        make_salt=Entropy().take,
        link_key=opened.link_key,
        log=log,
        last_number=opened.last_number,
        last_order=opened.last_order,
        on_commit=metrics.committed,
        on_status=metrics.reached,
        on_refund=metrics.refunded,
    )


async def _deliver(
    engine: Engine, opened: Opened, reader: SqliteReader, metrics: Metrics, stack: AsyncExitStack
) -> None:
    """Let the shops' receivers of webhooks be told what happens, where there are any."""
    service = engine.service
    receivers = addresses(service.shops)
    stored = await opened.thread.take_receivers([each.name for each in receivers])
    if not receivers:
        return
    sender = WebhookSender(
        receivers,
        timeout_seconds=service.webhooks.timeout_seconds,
        sending_max=service.webhooks.sending_max,
        wall=engine.clock.wall,
    )
    stack.push_async_callback(sender.close)
    engine.deliver_by(
        Outbox(
            addresses=receivers,
            stored=stored,
            settings=service.webhooks,
            notices=reader.notices,
            read_rows=reader.rows,
            render=event_renderer(engine.links),
            sender=sender,
            pump=engine.pump,
            now_ms=engine.deadlines.now_ms,
            wall=engine.clock.wall,
            rng=random.Random(secrets.randbits(128)),
            log=engine.log,
            on_answer=metrics.webhook_answered,
        )
    )


class _Life:
    """From the engine's start to the last commit."""

    def __init__(
        self, engine: Engine, housekeeping: Housekeeping, faces: tuple[web.AppRunner, ...]
    ) -> None:
        self._engine = engine
        self._housekeeping = housekeeping
        self._faces = faces
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Take no new payments, finish what is in flight, and end."""
        self._stop.set()

    @asynccontextmanager
    async def lived(
        self, *aside: Coroutine[Any, Any, None]
    ) -> AsyncIterator["asyncio.Future[None]"]:
        """Inside the block the engine runs, and `aside` beside it. What is given is done when all has ended."""
        loop = asyncio.get_running_loop()
        started: asyncio.Future[None] = loop.create_future()
        ended = loop.create_task(self._live(started, aside), name="daemon")
        try:
            await asyncio.wait({started, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                await ended
            yield ended
        finally:
            self._stop.set()
            await asyncio.wait({ended})
        await ended

    async def _live(
        self, started: "asyncio.Future[None]", aside: tuple[Coroutine[Any, Any, None], ...]
    ) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                ready = lambda: started.set_result(None)  # noqa: E731 - one word for one call
                running = tasks.create_task(self._engine.run(ready), name="engine")
                keeping = tasks.create_task(self._housekeeping.run(), name="housekeeping")
                beside = [tasks.create_task(each, name="aside") for each in aside]
                await self._stop.wait()
                self._housekeeping.stop()
                for face in self._faces:
                    await face.cleanup()
                self._engine.stop()
                await running
                for task in (keeping, *beside):
                    task.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            for face in self._faces:
                await _hang_up(face)


async def _hang_up(face: web.AppRunner) -> None:
    """Stop listening, whoever still waits for an answer: without its disk a daemon has none, and the next one waits."""
    if face.server is not None:
        await face.server.shutdown(HANG_UP_SECONDS)
    await face.cleanup()


async def _listen_to_operators(runner: web.AppRunner, path: Path) -> None:
    """Listen at a socket file that only this user can open."""
    await runner.setup()
    # One left by a daemon that was killed; the journal's lock says that no other is running.
    path.unlink(missing_ok=True)  # noqa: ASYNC240 - one system call at the start
    before = os.umask(0o177)
    try:
        await web.UnixSite(runner, str(path)).start()
    finally:
        os.umask(before)


def _connections_max(config: Config, log: Log) -> int:
    """How many connections customers may have here: as configured, or as many as the descriptors allow."""
    service = config.service
    wanted, limit = service.web.connections_max, descriptors.limit()
    elsewhere = sum(gateway.connections.connections_max for gateway in config.gateways)
    elsewhere += len(addresses(service.shops)) * service.webhooks.sending_max
    most = descriptors.for_customers(wanted, limit, elsewhere)
    if most < wanted:
        log.warning(
            "few descriptors: fewer connections are taken in",
            descriptors=limit,
            connections_max=most,
            configured=wanted,
        )
    return most


def _how(drain_seconds: float) -> dict[str, Any]:
    """How an application is run."""
    return {
        "logger": SERVER_LOG,
        "access_log": None,
        "keepalive_timeout": KEEP_ALIVE_SECONDS,
        "shutdown_timeout": drain_seconds,
    }


async def _listen(runner: web.AppRunner, site: Callable[[], web.BaseSite]) -> str:
    """Begin to accept; the address with the port that it got."""
    await runner.setup()
    await site().start()
    bound = runner.addresses[0]
    shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    return f"http://{shown}:{bound[1]}"
