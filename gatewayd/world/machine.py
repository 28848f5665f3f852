"""The computer that the daemon runs on: its disk and its clocks, and the process that dies and comes back.

A life of the process is an engine with all of its tasks and the requests that it serves. When it dies, nothing of it
moves any more but what has left already, and the next life knows what has landed, nothing else.
"""

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from gatewayd.core.events import Event
from gatewayd.core.payment import Payment
from gatewayd.core.settings import ServiceSettings
from gatewayd.core.terms import Lost, Operation
from gatewayd.engine.comparing import Comparing
from gatewayd.engine.engine import Engine
from gatewayd.engine.gateway import GatewaySettings
from gatewayd.engine.outbox import Outbox, Sender, addresses
from gatewayd.engine.reading import MemoryReader
from gatewayd.gateways.contract import Call, Reply
from gatewayd.io.jumps import Jumps
from gatewayd.journal import codec
from gatewayd.journal.journal import replay
from gatewayd.journal.memory import MemoryStore
from gatewayd.journal.recovery import last_order, take_over
from gatewayd.journal.store import (
    FIRST_OF_INVOICE,
    OWN_NUMBER,
    Append,
    Holder,
    Row,
    Searches,
    StoreError,
)
from gatewayd.routing.router import RoutingSettings
from gatewayd.web.facade.verifying import firsts_after
from gatewayd.world.clockwatch import Clocks, watch
from gatewayd.world.distance import DistantReader
from gatewayd.world.history import History
from gatewayd.world.loop import VirtualLoop
from gatewayd.world.options import Options
from gatewayd.world.oracle import Oracle
from gatewayd.world.receivers import telling
from gatewayd.world.wire import Wire

T = TypeVar("T")
LINK_KEY: Final = b"the world's link key, 32 bytes.."
DEATHS: Final = (
    "before a write",
    "in a torn write",
    "after a write",
    "before a call",
    "after a call",
    "some steps later",
)
"""Where the process dies, from when it is to die: at its next step of such a kind."""
LOOK_EVERY_SECONDS: Final = 60.0
"""Rarer than in earnest, because nothing but a jump of the clock is noticed by looking."""
SEARCH_EVERY_SECONDS: Final = 120.0
"""Rarer than in earnest as well: every commit of search columns by themselves is one more to simulate, and the longer
they are behind, the more of those that die leave them so."""
SCORE_EVERY: Final = 64
"""Commits between two looks at the router's numbers."""


BUGS: Final = frozenset(
    {
        "action failed",
        "start failed",
        "webhook not made",
        "news not read",
        "invoice not looked at",
        "invoices not looked at",
    }
)
INVOICES_LOOK_EVERY_SECONDS: Final = 240.0
"""Rarer than in earnest, because every customer sees by himself that an invoice's time is over."""
HOOKS_LOOK_EVERY_SECONDS: Final = 600.0
"""Likewise."""
COMPARE_EVERY_SECONDS: Final = 900.0
"""Rarer than in earnest, too: nothing waits for it that receipts are compared."""


_NOTHING: Final[tuple[list[Row], list[Payment]]] = [], []


class Down(Exception):
    """Nobody answers: the daemon is down, or died, or hung up."""


class Log:
    """Errors that only a bug can cause are violations; the rest is not listened to."""

    def __init__(self, history: History) -> None:
        self._history = history

    def info(self, event: str, **fields: Any) -> None:
        """See `Log`."""

    warning = info

    def error(self, event: str, **fields: Any) -> None:
        """See `Log`."""
        if event in BUGS:
            number = int(str(fields.get("payment", "pay_0")).removeprefix("pay_"))
            self._history.violated("bug", number, f"{event}: {fields.get('error')}")


class Replays:
    """What events made when they were seen to land: the same rows make the same again, for replaying is pure.

    Processes come and go in a world, and shops, browsers and receivers ask for what has ended long ago, or how it was
    then; a row that the oracle has understood for itself is not understood anew each time. In the end the oracle
    replays some payments from what the disk gives back.
    """

    def __init__(self, oracle: Oracle) -> None:
        self._seen = oracle.seen

    def __call__(self, number: int, rows: Iterable[Row]) -> Payment | None:
        """See `journal.replay`."""
        rows = list(rows)
        if rows and rows[0].kind == FIRST_OF_INVOICE:
            return None
        landed, made = self._seen.get(number, _NOTHING)
        if rows and landed[: len(rows)] == rows:
            return made[len(rows) - 1]
        return replay(number, rows)


class Machine:
    """One per world."""

    def __init__(
        self,
        *,
        loop: VirtualLoop,
        clock: Clocks,
        wire: Wire,
        oracle: Oracle,
        history: History,
        options: Options,
        dice: random.Random,
        configure: Callable[[], tuple[ServiceSettings, tuple[GatewaySettings, ...]]],
        receivers: Sender,
    ) -> None:
        """`configure` gives the configuration of the next life."""
        self.loop = loop
        self.clock = clock
        self.wire = wire
        self.oracle = oracle
        self.history = history
        self.options = options
        self.dice = dice
        self._configure = configure
        self.store = MemoryStore()
        self.replays = Replays(oracle)
        self.receivers = receivers
        self.life: Life | None = None
        self.death: str | None = None
        """How the process dies next, once it comes to such a step."""
        self.fsync_fails = False
        self.is_calm = False
        self._finished = False

    async def run(self) -> None:
        """One life after the other."""
        while not self._finished:
            if self.store.disk_full:  # a start ends at its first write
                await self.loop.sleep(self._pause())
                continue
            life = Life(self)
            self.life = life
            await life.over
            if self._finished:
                return
            if not life.in_order and self.happens(self.options.crash_in_recovery):
                self.death = self.dice.choice(DEATHS)
            await self.loop.sleep(self._pause())

    async def stop(self) -> None:
        """For good and in order."""
        self._finished = True
        assert self.life is not None
        self.life.stop()
        await self.life.over

    async def ask(
        self, make: Callable[[Engine], Awaitable[T]], *, patience: float | None = None
    ) -> T:
        """What the daemon answers to a request from outside; Down if it does not."""
        if self.life is None or not self.life.is_up:
            await self.loop.sleep(0.01)
            raise Down
        return await self.life.ask(make, patience)

    def happens(self, chance: float) -> bool:
        """Whether trouble of this chance strikes now."""
        return not self.is_calm and self.dice.random() < chance

    def jump(self, seconds: float) -> None:
        """The wall clock is set."""
        self.history.count("clock_jump")
        self.clock.skew += seconds
        if self.life is not None:
            self.life.clock_jumped()

    def _pause(self) -> float:
        """How long it takes until the process is up again: seconds, seldom minutes."""
        if self.happens(0.15):
            return self.dice.uniform(10.0, 900.0)
        return self.dice.uniform(0.1, 5.0)

    def configuration(self) -> tuple[ServiceSettings, tuple[GatewaySettings, ...]]:
        """Of the next life."""
        return self._configure()


class Life:
    """A process, from its start to its end."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._loop = machine.loop
        self.over: asyncio.Future[None] = self._loop.create_future()
        self.is_up = False
        self.in_order = False
        """It ended because it was told to."""
        self._dead = False
        self._commits = 0
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._waiting: dict[asyncio.Future[Any], None] = {}
        service, gateways = machine.configuration()
        store = machine.store
        self.engine = Engine(
            service=service,
            gateways=gateways,
            routing=RoutingSettings(),
            write=self._write,
            read_rows=self._read_rows,
            transport=self,
            clock=machine.clock,
            rng=random.Random(machine.dice.getrandbits(64)),
            make_salt=random.Random(machine.dice.getrandbits(64)).randbytes,
            link_key=LINK_KEY,
            log=Log(machine.history),
            last_number=store.last_number(),
            last_order=last_order(store),
            look_every_seconds=LOOK_EVERY_SECONDS,
            search_every_seconds=SEARCH_EVERY_SECONDS,
            replay_by=machine.replays,
        )
        past = DistantReader(store, machine.dice)
        self.engine.invoice_by(past, look_every_seconds=INVOICES_LOOK_EVERY_SECONDS)
        take_over(store, self.engine.journal)
        self.firsts = firsts_after(self.engine.journal.payments())
        """Who is told first at a face that a payment is verified."""
        self._deliver()
        self._comparing = Comparing(
            records=self.engine.records,
            past=MemoryReader(store),
            write=self._write,
            deadlines=self.engine.deadlines,
            log=Log(machine.history),
        )
        self._jumps = Jumps(self, machine.clock, Log(machine.history))
        machine.oracle.clock.begins(machine.clock)
        machine.history.note(0, f"starts with {len(self.engine.journal)} open payments")
        self._begin(self._run())
        self._comparisons = self._begin(self._compare_receipts())

    def _deliver(self) -> None:
        """Tell the shops' receivers what happens."""
        machine, engine = self._machine, self.engine
        receivers = addresses(engine.service.shops)
        if not receivers:
            return
        engine.deliver_by(
            Outbox(
                addresses=receivers,
                stored=machine.store.take_receivers([each.name for each in receivers]),
                settings=engine.service.webhooks,
                notices=MemoryReader(machine.store).notices,
                read_rows=self._read_rows,
                render=partial(telling, machine.replays),
                sender=machine.receivers,
                pump=engine.pump,
                now_ms=engine.deadlines.now_ms,
                wall=machine.clock.wall,
                rng=random.Random(machine.dice.getrandbits(64)),
                log=Log(machine.history),
                look_every_seconds=HOOKS_LOOK_EVERY_SECONDS,
            )
        )

    # --- its tasks

    def _begin(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = self._loop.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del self._tasks[task]
        if self._dead and not self._tasks and not self.over.done():
            self.over.set_result(None)

    async def _run(self) -> None:
        try:
            await self.engine.run(self._ready)
            self.in_order = True
            if self.engine.journal.queued_events:
                self._machine.history.violated("drain", 0, "events were left behind in order")
        except StoreError:
            self._machine.history.note(0, "stopped by its disk")
        except Exception:  # noqa: BLE001 - the engine may not fail by anything else
            self._machine.history.violated("bug", 0, traceback.format_exc(limit=-3))
        finally:
            self.die()

    async def _compare_receipts(self) -> None:
        try:
            while True:
                await asyncio.sleep(COMPARE_EVERY_SECONDS)
                await self._comparing.look()
        except StoreError:
            self._machine.history.note(0, "stopped by its disk")
            self.die()

    def clock_jumped(self) -> None:
        """It has a watch that will see it."""
        if not self._dead:
            self._begin(self._watch_clock())

    async def _watch_clock(self) -> None:
        machine = self._machine
        try:
            await watch(machine.oracle.clock, machine.clock, self._jumps.look, machine.dice)
        except StoreError:
            machine.history.note(0, "stopped by its disk")
            self.die()

    def _ready(self) -> None:
        self.is_up = not self._dead

    def stop(self) -> None:
        """In order: what is in flight ends."""
        self._machine.history.note(0, "told to stop")
        self.is_up = False
        self._comparisons.cancel()
        self.engine.stop()

    def die(self) -> None:
        """At once. Whoever waits for an answer gets none."""
        if self._dead:
            return
        self._machine.history.note(0, "dies")
        self._dead, self.is_up = True, False
        self._compare()
        waiting, self._waiting = self._waiting, {}
        for reply in waiting:
            if not reply.done():
                reply.set_exception(Down())
        for task in list(self._tasks):
            task.cancel()

    def _may_die(self, *steps: str) -> None:
        """Die if this is the step at which it was to be."""
        machine = self._machine
        if machine.death is None:
            return
        if machine.death in steps:
            machine.history.count("crash " + machine.death)
            machine.death = None
            self.die()
            raise asyncio.CancelledError
        if machine.death == "some steps later":
            machine.history.count("crash " + machine.death)
            machine.death = None
            self._loop.interrupt(machine.dice.randrange(1, 60), self.die)

    # --- requests

    async def ask(self, make: Callable[[Engine], Awaitable[T]], patience: float | None) -> T:
        """See `Machine.ask`."""
        reply: asyncio.Future[T] = self._loop.create_future()
        self._waiting[reply] = None
        handler = self._begin(self._serve(make, reply))
        if patience is not None:
            timer = self._loop.call_later(patience, handler.cancel)
            reply.add_done_callback(lambda _: timer.cancel())
        try:
            return await reply
        finally:
            self._waiting.pop(reply, None)

    async def _serve(
        self, make: Callable[[Engine], Awaitable[T]], reply: "asyncio.Future[T]"
    ) -> None:
        try:
            answer = await make(self.engine)
        except Exception:  # noqa: BLE001 - whatever a request meets must not come out of it
            text = traceback.format_exc(limit=-3)
            self._machine.history.violated("bug", 0, f"a request failed: {text}")
            answer_error: Exception = Down()
        except asyncio.CancelledError:
            answer_error = Down()
        else:
            if not reply.done():
                reply.set_result(answer)
            return
        if not reply.done():
            reply.set_exception(answer_error)

    # --- its ports

    async def _write(self, batch: Sequence[Append], searches: Searches) -> list[Holder | None]:
        machine = self._machine

        def write() -> list[Holder | None]:
            results = machine.store.write(batch, searches)
            machine.oracle.landed(batch, results, machine.clock.true())
            return results

        results = await self._durably(write)
        self._commits += 1
        if self._commits % SCORE_EVERY == 0:
            self._look_at_scores()
        return results

    async def note(self, event: Event) -> None:
        """See `io.jumps.Noting`."""
        machine = self._machine
        kind, body, _ = codec.encode(event)

        def write() -> None:
            machine.store.note(kind, event.at_ms, body)
            machine.oracle.clock.noted(machine.store.read(OWN_NUMBER))

        await self._durably(write)

    async def _durably(self, write: Callable[[], T]) -> T:
        """What comes of `write`, unless the disk fails or the process dies over it."""
        machine = self._machine
        self._may_die("before a write")
        dice, options = machine.dice, machine.options
        slow = machine.happens(options.slow_disk)
        await self._loop.sleep(dice.uniform(0.1, 1.0) if slow else dice.uniform(0.0003, 0.003))
        if machine.fsync_fails:
            machine.fsync_fails = False
            machine.history.count("fsync_error")
            if dice.random() < 0.5:
                write()
            raise StoreError("fsync failed")
        self._may_die("in a torn write")  # whose transaction the next start does not find
        result = write()
        self._may_die("after a write")
        return result

    async def _read_rows(self, number: int) -> list[Row]:
        await self._loop.sleep(self._machine.dice.uniform(0.0001, 0.002))
        return self._machine.store.read(number)

    async def send(
        self, gateway: str, operation: Operation, call: Call, seconds: float
    ) -> Reply | Lost:
        """See `Transport`."""
        self._may_die("before a call")
        if self._machine.death == "after a call":
            self._loop.interrupt(2, lambda: self._may_die_quietly("after a call"))
        return await self._machine.wire.send(operation, call, seconds)

    def _may_die_quietly(self, step: str) -> None:
        if self._machine.death == step:
            self._machine.history.count("crash " + step)
            self._machine.death = None
            self.die()

    def _compare(self) -> None:
        """Whatever of memory has landed must be what the disk has."""
        journal = self.engine.journal
        for number in journal.numbers():
            live = journal.get(number)
            if live is not None and journal.landed_at(number) is None:
                self._machine.oracle.compare(live)

    def _look_at_scores(self) -> None:
        health = self.engine.router.snapshot(self._machine.clock.monotonic())
        scores = [each.score for each in health.values()]
        weights = [each.weight for each in health.values()]
        if not all(0.0 <= score <= 1.0 for score in scores) or abs(sum(weights) - 1.0) > 1e-6:
            self._machine.history.violated("scores", 0, f"scores {scores}, weights {weights}")
