"""Wires the real thing: the journal on disk, the banks over HTTP, two listeners, and the engine in the middle.

Order of a start: lock, store, open payments, engine, listeners, READY; a start that fails leaves nothing running.
Order of a stop: no new payments, what is in flight finishes, the journal lands, the connections close. When the disk
fails it stops at once, because memory is ahead of it from then on.
"""

import asyncio
import os
import random
import secrets
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

from gatewayd.core.hosts import listen_address
from gatewayd.engine.engine import Engine
from gatewayd.engine.ports import Log
from gatewayd.io.boot import Opened, open_journal
from gatewayd.io.clock import SystemClock
from gatewayd.io.config import Config
from gatewayd.io.entropy import Entropy
from gatewayd.io.housekeeping import Housekeeping
from gatewayd.io.http import HttpTransport
from gatewayd.io.metrics import Metrics
from gatewayd.io.operator_client import socket_path
from gatewayd.io.sqlite_reader import SqliteReader
from gatewayd.web.app import build_app
from gatewayd.web.internal import build_internal_app
from gatewayd.web.operators import build_operators_app

KEEP_ALIVE_SECONDS: Final = 75.0
"""How long an idle client connection is kept: longer than common proxies keep theirs, so that they close first."""
BACKLOG: Final = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A daemon that serves."""

    address: str
    """Of the public listener, with the port that it got: `http://127.0.0.1:8080`."""
    internal_address: str
    engine: Engine
    stop: Callable[[], None]


async def run(config: Config, log: Log, ready: Callable[[Serving], None]) -> None:
    """Serve until SIGTERM or SIGINT. StoreError if the disk fails, Locked if another daemon has the journal."""
    loop = asyncio.get_running_loop()
    async with serving(config, log) as (daemon, ended):
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, daemon.stop)
        ready(daemon)
        await ended


@asynccontextmanager
async def serving(
    config: Config, log: Log
) -> AsyncIterator[tuple[Serving, "asyncio.Future[None]"]]:
    """A daemon that serves inside the block, and a future that is done when it has stopped, by itself or on `stop`."""
    service = config.service
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        opened: Opened = open_journal(service.journal, now_ms=int(clock.wall() * 1000))
        stack.callback(opened.close)
        reader = await stack.enter_async_context(SqliteReader(Path(service.journal.path)))
        transport = HttpTransport(connect_seconds=service.engine.connect_seconds, observer=metrics)
        stack.push_async_callback(transport.close)
        for gateway in config.gateways:
            transport.add(gateway.name, gateway.driver.base_urls, gateway.connections)
        engine = Engine(
            service=service,
            gateways=config.gateways,
            routing=config.routing,
            write=opened.thread.write,
            read_rows=reader.rows,
            transport=transport,
            clock=clock,
            rng=random.Random(secrets.randbits(128)),
            make_salt=Entropy().take,
            link_key=opened.link_key,
            log=log,
            last_number=opened.last_number,
            last_order=opened.last_order,
            on_commit=metrics.committed,
        )
        opened.adopt_into(engine.journal)
        housekeeping = Housekeeping(
            engine=engine,
            thread=opened.thread,
            transport=transport,
            metrics=metrics,
            clock=clock,
            log=log,
            free_bytes=lambda: shutil.disk_usage(Path(service.journal.path).parent).free,
        )
        await housekeeping.restore_router()
        public = build_app(engine=engine, past=reader, tally=metrics, why_not=housekeeping.why_not)
        internal = build_internal_app(render_metrics=metrics.render)
        operators = build_operators_app(engine.operating)
        runners = [
            _runner(public, service.web.drain_seconds),
            _runner(internal, 1.0),
            _runner(operators, service.web.drain_seconds),
        ]
        loop = asyncio.get_running_loop()
        started = loop.create_future()
        stop = asyncio.Event()

        async def live() -> None:
            """The daemon's life from the engine's start to the last commit."""
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(
                    engine.run(lambda: started.set_result(None)), name="engine"
                )
                keeping = tasks.create_task(housekeeping.run(), name="housekeeping")
                await stop.wait()
                housekeeping.stopping = True
                housekeeping.notify_stopping()
                for runner in runners:
                    await runner.cleanup()
                engine.stop()
                await running
                keeping.cancel()

        ended = loop.create_task(live(), name="daemon")
        try:
            await asyncio.wait({started, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                await ended
            addresses = [
                await _listen(runners[0], service.listen),
                await _listen(runners[1], service.internal_listen),
            ]
            await _listen_to_operators(runners[2], socket_path(Path(service.journal.path)))
            yield (
                Serving(
                    address=addresses[0],
                    internal_address=addresses[1],
                    engine=engine,
                    stop=stop.set,
                ),
                ended,
            )
        finally:
            stop.set()
            if not ended.done():
                await asyncio.wait({ended})


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


def _runner(app: web.Application, drain_seconds: float) -> web.AppRunner:
    return web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        shutdown_timeout=drain_seconds,
    )


async def _listen(runner: web.AppRunner, listen: str) -> str:
    """Begin to accept; the address with the port that it got."""
    host, port = listen_address(listen)
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=BACKLOG)
    await site.start()
    bound = runner.addresses[0]
    shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    return f"http://{shown}:{bound[1]}"
