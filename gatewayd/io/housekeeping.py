"""Small work in the background: tidying the journal, comparing receipts, free disk, clocks, watchdog, router's memory.

It also answers whether new payments are welcome: not while the disk is nearly full, the journal's file is not where it
was, its queue is long, or the daemon is stopping. Returns and verifies are never refused.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from typing import Final

import orjson

from gatewayd.engine.comparing import Comparing
from gatewayd.engine.engine import Engine
from gatewayd.engine.outbox import state_of
from gatewayd.engine.ports import Log
from gatewayd.io import systemd
from gatewayd.io.clock import SystemClock
from gatewayd.io.health_log import HealthLog
from gatewayd.io.http import HttpTransport
from gatewayd.io.jumps import Jumps
from gatewayd.io.landing import LandingWatch
from gatewayd.io.metrics import Metrics
from gatewayd.io.store_thread import StoreThread
from gatewayd.journal.store import StoreError

EVERY_SECONDS: Final = 1.0
DISK_EVERY: Final = 5
"""Rounds between two looks at the free disk and two tidyings."""
ROUTER_EVERY: Final = 30
"""Rounds between two savings of what the router has learnt."""
ATTEMPTS_EVERY: Final = 15
"""Rounds between two countings of all open attempts, which takes milliseconds when there are many."""
ROUTER_KEY: Final = "router"


class Housekeeping:
    """One task for the life of the daemon."""

    def __init__(
        self,
        *,
        engine: Engine,
        thread: StoreThread,
        transport: HttpTransport,
        metrics: Metrics,
        clock: SystemClock,
        log: Log,
        free_bytes: Callable[[], int],
        in_place: Callable[[], bool],
        comparing: Comparing,
    ) -> None:
        self._engine = engine
        self._thread = thread
        self._transport = transport
        self._metrics = metrics
        self._clock = clock
        self._log = log
        self._free_bytes = free_bytes
        self._in_place = in_place
        self._gone = False
        """The journal's file was deleted or moved: what is written there ends with this process."""
        self._comparing = comparing
        self._landing = LandingWatch(clock.monotonic())
        self._stuck = False
        self._jumps = Jumps(thread, clock, log)
        self._disk_low = False
        self._stopping = False
        self._fault = ""
        """What went wrong last and was told."""
        self._health_log = HealthLog(log)
        self._look_at_disk()

    def why_not(self) -> str | None:
        """Why new payments are refused just now; None while they are welcome."""
        if self._stopping:
            return "stopping"
        if self._gone:
            return "journal gone"
        if self._disk_low:
            return "disk nearly full"
        if (
            self._stuck
            or self._engine.journal.queued_events > self._engine.service.journal.queue_max
        ):
            return "journal behind"
        return None

    async def run(self) -> None:
        """Until cancelled; StoreError if the disk fails."""
        for gateway, cause in (await self._transport.warm()).items():
            self._log.warning("gateway not reached at start", gateway=gateway, cause=str(cause))
        rounds = 0
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            rounds += 1
            try:
                await self._round(rounds)
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001 - payments must not stop over small work
                self._failed(error)
            if self._lands():
                systemd.notify(systemd.WATCHDOG)

    async def _round(self, rounds: int) -> None:
        await self._jumps.look()
        self._show()
        if rounds % DISK_EVERY == 0:
            self._look_at_disk()
            await self._thread.tidy()
        if rounds % ATTEMPTS_EVERY == 0:
            self._metrics.open_attempts(self._states())
        if rounds % ROUTER_EVERY == 0:
            await self._save_router()
        await self._comparing.look()  # every time, so that it is little each time

    def _failed(self, error: Exception) -> None:
        """Tell what went wrong, but not every second that it is still so."""
        fault = f"{type(error).__name__}: {error}"
        if fault != self._fault:
            self._log.error("housekeeping failed", error=fault)
        self._fault = fault

    def stop(self) -> None:
        """No new payments from here on; the service manager is told."""
        self._stopping = True
        self._log.info("stopping", open_payments=len(self._engine.journal))
        systemd.notify(systemd.STOPPING)

    async def restore_router(self) -> None:
        """What the router had learnt before the last stop."""
        saved = await self._thread.named(ROUTER_KEY)
        if saved is None:
            return
        try:
            document = orjson.loads(saved)
            elapsed = max(0.0, self._clock.wall() - document["at"])
            self._engine.router.restore(self._clock.monotonic(), document["state"], elapsed=elapsed)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            # Written by another version, say: what was learnt is no reason not to serve.
            fault = f"{type(error).__name__}: {error}"
            self._log.warning("router's memory not understood, it learns anew", error=fault)

    async def _save_router(self) -> None:
        state = self._engine.router.state(self._clock.monotonic())
        document = {"at": self._clock.wall(), "state": state}
        await self._thread.name(ROUTER_KEY, orjson.dumps(document))

    def _states(self) -> Counter[str]:
        """Open payments' attempts by their states."""
        payments = self._engine.journal.payments()
        return Counter(str(attempt.state) for each in payments for attempt in each.attempts)

    def _lands(self) -> bool:
        """Whether the journal lands; if not, the service manager hears nothing of us any more."""
        queued, commits = self._engine.journal.queued_events, self._engine.pump.commits
        lands = self._landing.lands(self._clock.monotonic(), commits=commits, queued=queued)
        if lands is self._stuck:
            self._stuck = not lands
            write = self._log.info if lands else self._log.error
            write("journal lands again" if lands else "journal does not land", queued=queued)
        return lands

    def _look_at_disk(self) -> None:
        gone = not self._in_place()
        if gone and not self._gone:
            self._log.error(
                "journal deleted or moved: new payments are refused; what is written now is lost when"
                " this process ends, so put it back or copy it out of /proc first",
                process=os.getpid(),
            )
        elif self._gone and not gone:
            self._log.info("journal in its place again")
        self._gone = gone
        if gone:
            return  # nor is there a disk to look at
        free = self._free_bytes()
        low = free < self._engine.service.journal.low_water_bytes
        if low and not self._disk_low:
            self._log.error("disk nearly full: new payments are refused", free_bytes=free)
        elif self._disk_low and not low:
            self._log.info("disk has room again", free_bytes=free)
        self._disk_low = low

    def _show(self) -> None:
        """Set the gauges."""
        engine = self._engine
        health = engine.router.snapshot(self._clock.monotonic())
        self._health_log.look(health)
        if engine.outbox is not None:
            receivers = engine.outbox.receivers.values()
            oldest_ms = min((e.oldest_ms for e in receivers if e.oldest_ms), default=None)
            now_ms = engine.deadlines.now_ms()
            self._metrics.webhooks(
                Counter(state_of(each) for each in receivers),
                sum(each.waiting for each in receivers),
                max(0, now_ms - (oldest_ms or now_ms)) / 1000,
            )
        self._metrics.connections(self._transport.counts())
        self._metrics.gauges(
            health=health,
            open_payments=len(engine.journal),
            queued_events=engine.journal.queued_events,
            calls_out=engine.tending.calls_out,
            repeated_returns=engine.returns.repeated,
        )
