"""One world from its seed to its report: an hour of troubles, then quiet until nothing is open, then the accounts.

A seed has one history: the same seed and options give the same bytes on every machine and every run.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from gatewayd.core.settings import ServiceSettings
from gatewayd.core.status import needs_review, status_of
from gatewayd.engine.engine import Engine
from gatewayd.engine.gateway import GatewaySettings, contracts
from gatewayd.engine.operating import Refused
from gatewayd.journal.filters import Filter
from gatewayd.journal.journal import side
from gatewayd.journal.store import OWN_NUMBER
from gatewayd.simulator.faults import Fault, Kind
from gatewayd.simulator.host import Banks
from gatewayd.world import written
from gatewayd.world.accounts import reckon
from gatewayd.world.clockwatch import Clocks
from gatewayd.world.contracts import TOLD, draw_drivers, draw_service, draw_switches, gateways
from gatewayd.world.history import History, Violation
from gatewayd.world.loop import Stuck, VirtualLoop
from gatewayd.world.machine import DEATHS, Down, Machine
from gatewayd.world.options import Options
from gatewayd.world.oracle import Oracle
from gatewayd.world.people import Person
from gatewayd.world.receivers import Receivers
from gatewayd.world.town import Town
from gatewayd.world.wire import Outage, Wire

HOUR: Final = 3_600.0
EPOCH: Final = 1_735_689_600
"""2025-01-01 UTC; a world begins somewhere within the year after."""
QUIET_SECONDS_MAX: Final = 7 * HOUR
"""After the troubles an hour until the last payment expires, another of the slowest bank's time, late returns, and what
waits for its shop's word in vain."""
LOOK_EVERY_SECONDS: Final = 300.0
OVERDUE_MS: Final = 600_000
"""More than the daemon leaves between two looks at its invoices."""
OUTAGES: Final = ("refused", "timeout_before", "lost_reply", "html_before", "page_down", "brownout")
TIMED: Final = (
    "outages",
    "fsync_errors",
    "disk_full",
    "reloads",
    "clock_jumps",
    "forcings",
    "orders",
    "receiver_outages",
)
"""The options whose number is by the hour."""
REPLAYED_AT_END: Final = 10
"""Payments replayed once more in the end; all were followed event by event."""
STORY_LINES_MAX: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of one world."""

    seed: int
    options: Options
    digest: str
    """Of everything that happened: the same seed and options, the same digest."""
    hours: float
    """Shop-hours with troubles; the quiet time after them is not counted."""
    payments: int
    events: int
    statuses: Mapping[str, int]
    fates: Mapping[str, int]
    """Of every debit at the banks."""
    counts: Mapping[str, int]
    """Troubles by their names in the options, deaths, and what people did."""
    in_review: int
    violations: tuple[Violation, ...]
    stories: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Of each payment with a violation everything that happened to it; empty unless asked for."""

    @property
    def repeat(self) -> str:
        """The command that repeats this world."""
        more = "".join(f" --option {text}" for text in self.options.differing())
        return f"gatewayd world --seeds 1 --seed {self.seed}{more}"


def run_world(seed: int, options: Options, *, stories: bool = False) -> Report:
    """Run the world of `seed` to its end."""
    loop = VirtualLoop()
    world = _World(loop, seed, options, keep_lines=stories)
    try:
        return world.run()
    finally:
        world.perish()
        loop.close()


class _World:
    """The pieces of one world, put together."""

    def __init__(self, loop: VirtualLoop, seed: int, options: Options, *, keep_lines: bool) -> None:
        self._loop = loop
        self._seed = seed
        self._options = options
        self._dice = random.Random(f"{seed} world")
        self._history = History(loop.time, keep_lines=keep_lines)
        self._drivers = draw_drivers(self._dice)
        self._retired: str | None = None
        self._banks = Banks(
            contracts(gateways(self._drivers, None)),
            seed=seed,
            switches=draw_switches(self._dice, self._drivers),
        )
        self._clock = Clocks(loop, EPOCH + self._dice.randrange(365 * 86_400) + 0.25)
        self._told = self._dice.random() < options.shop_is_told
        self._oracle = Oracle(
            self._history,
            self._banks.book,
            {name: driver.traits for name, driver in self._drivers.items()},
            TOLD if self._told else frozenset(),
        )
        self._receivers = Receivers(
            loop=loop,
            options=options,
            dice=random.Random(f"{seed} receivers"),
            history=self._history,
            oracle=self._oracle,
        )
        self._wire = Wire(
            loop=loop,
            banks=self._banks,
            bank_time=self._clock.true,
            options=options,
            dice=random.Random(f"{seed} wire"),
            history=self._history,
            oracle=self._oracle,
        )
        self._machine = Machine(
            loop=loop,
            clock=self._clock,
            wire=self._wire,
            oracle=self._oracle,
            history=self._history,
            options=options,
            dice=random.Random(f"{seed} machine"),
            configure=self._configure,
            receivers=self._receivers,
        )
        self._town = Town(
            loop=loop,
            machine=self._machine,
            banks=self._banks,
            bank_time=self._clock.true,
            oracle=self._oracle,
            history=self._history,
            options=options,
        )

    def run(self) -> Report:
        """Everything."""
        try:
            self._loop.run(self._main())
        except Stuck as error:
            self._history.violated("liveness", 0, str(error))
        return self._report()

    def perish(self) -> None:
        """Drop what it held: else the garbage collector must look through all of it."""
        for holder in (self._oracle, self._machine.store, self._banks.book):
            for held in vars(holder).values():
                if isinstance(held, (dict, list)):
                    held.clear()

    def _configure(self) -> tuple[ServiceSettings, tuple[GatewaySettings, ...]]:
        return draw_service(self._dice, told=self._told), gateways(self._drivers, self._retired)

    async def _main(self) -> None:
        options, end = self._options, self._options.hours * HOUR
        living = self._loop.create_task(self._machine.run())
        await asyncio.sleep(0.1)
        troubles = [self._loop.create_task(self._troubles(end))]
        for place in range(options.payments):
            person = Person(self._town, f"{self._seed} person {place}")
            when = self._dice.uniform(0.0, end)
            self._town.send_out(self._comes(when, person))
        await asyncio.sleep(max(0.0, end - self._loop.time()))
        for trouble in troubles:
            await trouble
        await self._be_quiet()
        await self._machine.stop()
        await living
        self._settle_up()

    async def _comes(self, when: float, person: Person) -> None:
        await self._loop.sleep(when)
        await person.buy()

    # --- troubles

    async def _troubles(self, end: float) -> None:
        """Everything that goes wrong at a time of its own, in order."""
        options, dice = self._options, self._dice
        plan: list[tuple[float, str]] = [
            (dice.uniform(0.0, end), "crash") for _ in range(options.crashes)
        ]
        for name in TIMED:
            expected = getattr(options, f"{name}_an_hour") * options.hours
            plan += [(dice.uniform(0.0, end), name) for _ in range(_count(expected, dice))]
        for when, name in sorted(plan):
            await asyncio.sleep(max(0.0, when - self._loop.time()))
            self._history.note(0, name)
            self._happens(name)

    def _happens(self, name: str) -> None:
        dice, machine, life = self._dice, self._machine, self._machine.life
        match name:
            case "crash":
                machine.death = dice.choice(DEATHS)
                if life is not None and dice.random() < 0.2:
                    life.die()
            case "outages":
                self._outage()
            case "fsync_errors":
                machine.fsync_fails = True
            case "disk_full":
                machine.store.disk_full = True
                self._history.count("disk_full")
                self._loop.call_later(dice.uniform(1.0, 120.0), self._make_room)
            case "reloads":
                self._retired = dice.choice((None, *self._drivers))
                if life is not None and life.is_up:
                    self._history.count("reload")
                    life.stop()
            case "clock_jumps":
                self._clock_jumps()
                if dice.random() < self._options.clock_jumps_again:
                    self._history.count("clock_jumps_again")
                    self._loop.call_later(dice.uniform(0.1, 60.0), self._clock_jumps)
            case "receiver_outages":
                self._receivers.fail(dice.uniform(20.0, 2_400.0))
            case "orders":
                if self._oracle.payments:
                    number = dice.choice(list(self._oracle.payments))
                    self._town.send_out(self._order(number, dice.choice(("ask", "reverse"))))
            case _:
                if life is not None and life.is_up:
                    self._history.count("forcing")
                    name = dice.choice(list(self._drivers))
                    life.engine.router.force(
                        self._clock.monotonic(), name, dice.choice(("open", "closed", "auto"))
                    )

    def _clock_jumps(self) -> None:
        seconds = 10 ** self._dice.uniform(0.5, 3.3)
        self._machine.jump(self._dice.choice((-seconds, seconds)))

    async def _order(self, number: int, what: str) -> None:
        """An operator's, which may be refused."""
        self._history.count(f"order to {what}")

        async def give(engine: Engine) -> None:
            order = engine.operating.ask if what == "ask" else engine.operating.reverse
            with suppress(Refused):
                await order(number, by="operator", reason="the customer called")

        with suppress(Down):
            await self._machine.ask(give)

    def _make_room(self) -> None:
        self._machine.store.disk_full = False

    def _outage(self) -> None:
        dice = self._dice
        driver, kind = dice.choice(list(self._drivers)), dice.choice(OUTAGES)
        seconds = dice.uniform(20.0, 600.0) if dice.random() < 0.8 else dice.uniform(600.0, 2_400.0)
        self._history.count(f"outage {kind}")
        if kind in {"page_down", "brownout"}:
            fault = Fault(driver=driver, kind=Kind(kind), seconds=seconds)
            self._banks.faults.add(fault, self._clock.true())
        else:
            self._wire.outages[driver] = Outage(kind, self._loop.time() + seconds)

    # --- the end

    async def _be_quiet(self) -> None:
        """Nothing goes wrong any more: whatever is open must come to its end by itself."""
        machine = self._machine
        machine.death, machine.fsync_fails = None, False
        machine.is_calm = self._wire.is_calm = self._town.is_calm = True
        self._receivers.be_calm()
        self._make_room()
        self._banks.faults.clear()
        self._history.note(0, "quiet")
        until = self._loop.time() + QUIET_SECONDS_MAX
        due: dict[int, str] = {}
        while self._loop.time() < until:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            due = self._still_due(due)
            if (
                not self._town.about
                and not machine.store.open_numbers()
                and self._oracle.is_all_told()
                and not self._due(0)
            ):
                break
        for number in machine.store.open_numbers():
            payment = self._oracle.payments[number]
            states = [str(attempt.state) for attempt in payment.attempts]
            self._history.violated("liveness", number, f"still open: {status_of(payment)} {states}")
        if self._town.about:
            self._history.violated("liveness", 0, f"{len(self._town.about)} people still wait")

    def _still_due(self, before: dict[int, str]) -> dict[int, str]:
        """What is due of invoices, though the daemon is up; `before` was so at the look before."""
        life = self._machine.life
        if life is None or not life.is_up:
            return {}
        due = self._due(OVERDUE_MS)
        for number in due.keys() & before.keys():
            self._history.violated("liveness", number, f"{due[number]} is not written down")
        return due

    def _due(self, since_ms: int) -> dict[int, str]:
        """Invoices of which something has been due for so long, by the daemon's own clock."""
        life = self._machine.life
        assert life is not None, "it lives on until it is told to stop"
        return self._oracle.bills.due(life.engine.deadlines.now_ms() - since_ms)

    def _settle_up(self) -> None:
        """Compare what is on the disk with what was seen to land there."""
        oracle, store = self._oracle, self._machine.store
        numbers = list(oracle.payments)
        for number in self._dice.sample(numbers, min(len(numbers), REPLAYED_AT_END)):
            oracle.reread(number, store.read(number))
        for number, payment in oracle.payments.items():
            if len(store.read(number)) != payment.version:
                self._history.violated("replay", number, "the disk has forgotten something")
        for number, invoice in oracle.bills.invoices.items():
            there = Filter(
                shop=side(invoice.shop, test=invoice.test),
                status=str(invoice.status),
                before_number=number + 1,
                limit=1,
            )
            is_found = [number] == store.invoices.find(there)
            oracle.bills.reread(number, store.read(number), is_found=is_found)
        if set(store.unsearched()) - set(oracle.bills.invoices):  # theirs land with their events
            self._history.violated("search", 0, "search columns are behind")
        oracle.clock.reread(store.read(OWN_NUMBER))
        if self._dice.random() < self._options.journal_verified:
            self._history.count("journal_verified")
            for problem in written.problems(store, self._dice):
                self._history.violated("verify", 0, problem)
        oracle.all_must_be_told()
        for error in self._town.errors:
            raise error

    def _report(self) -> Report:
        now = self._clock.true() + HOUR  # by then the banks have given back what nobody asked for
        for session in self._banks.book:
            self._banks.book.find(session.driver, session.token, now)
        fates = reckon(self._oracle, list(self._banks.book), self._history, now)
        payments = self._oracle.payments.values()
        history = self._history
        return Report(
            seed=self._seed,
            options=self._options,
            digest=history.digest,
            hours=self._options.hours,
            payments=len(payments),
            events=sum(payment.version for payment in payments),
            statuses=_counted(str(status_of(payment)) for payment in payments),
            fates=dict(sorted(fates.items())),
            counts=dict(sorted(history.counts.items())),
            in_review=sum(needs_review(payment) for payment in payments),
            violations=tuple(history.violations),
            stories=self._stories(),
        )

    def _stories(self) -> dict[int, tuple[str, ...]]:
        lines = self._history.lines
        if lines is None:
            return {}
        return {
            number: tuple(
                f"{at:12.3f}  {text}"
                for at, about, text in lines
                if about == number or (about == 0 and " answers " not in text)
            )[-STORY_LINES_MAX:]
            for number in {each.number for each in self._history.violations}
        }


def _count(expected: float, dice: random.Random) -> int:
    """A whole number whose mean is `expected`."""
    whole, rest = divmod(expected, 1.0)
    return int(whole) + (dice.random() < rest)


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))
