"""A little shop in front of the real engine and the simulated banks, on virtual time and with a journal in memory.

Payers are played by the test: `go` sends one to the bank's page, `come_back` brings the browser home. Time passes by
`wait`, which does at every due moment what the engine would, and `restart` is a new process on the same journal.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Final, ParamSpec, Self

from gatewayd.core.money import Currency
from gatewayd.core.payment import Payment
from gatewayd.core.secret import Secret
from gatewayd.core.settings import ServiceSettings, ShopKey, ShopSettings
from gatewayd.core.states import State
from gatewayd.core.status import Status, needs_review, status_of
from gatewayd.core.terms import Lost, Operation
from gatewayd.engine.cashier import Draft
from gatewayd.engine.engine import Engine
from gatewayd.engine.gateway import GatewaySettings, contracts
from gatewayd.engine.views import HandOver, View
from gatewayd.gateways.contract import Call, Driver, Reply
from gatewayd.journal.journal import replay
from gatewayd.journal.memory import MemoryStore
from gatewayd.journal.store import Append, Holder, Row, Searches
from gatewayd.routing.router import RoutingSettings
from gatewayd.simulator.bank import TAKEN, Session
from gatewayd.simulator.faults import Fault, Kind
from gatewayd.simulator.host import Banks, Trouble
from gatewayd.simulator.inprocess import InProcess, Return, open_page, returned
from gatewayd.simulator.payers import EVERYBODY_PAYS, Decision, Outcome
from gatewayd.world.loop import VirtualLoop
from tests.stage import MORNING, full_drivers

SHOP: Final = "demo"
P = ParamSpec("P")


def on_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test as a plain function whose hours take no time."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        loop = VirtualLoop()
        try:
            loop.run(test(*args, **kwargs))
        finally:
            loop.close()

    return run


@dataclass
class Clock:
    """The loop's time from a morning on, with what the wall was set forth or back."""

    skipped: float = 0.0
    """Time that has passed without the loop, as while a machine sleeps."""
    wall_off: float = 0.0

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + self.skipped

    def wall(self) -> float:
        return MORNING + self.monotonic() + self.wall_off


@dataclass
class Log:
    """Keeps what was told; what an engine's own bug left there fails the test when the shop closes."""

    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    warning = error = info

    def of(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.lines if name == event]


@dataclass
class Sent:
    """A call that left."""

    gateway: str
    operation: Operation
    call: Call


class Wire:
    """The engine's way to the banks; it ends with the process that it belongs to."""

    def __init__(self, shop: "Shop", life: int) -> None:
        self._shop, self._life = shop, life
        self._banks = InProcess(shop.banks, wall=shop.clock.wall, sleep=asyncio.sleep)

    async def send(
        self, gateway: str, operation: Operation, call: Call, seconds: float
    ) -> Reply | Lost:
        shop = self._shop
        await asyncio.sleep(0.01)
        await shop.if_alive(self._life)
        sent = Sent(gateway, operation, call)
        shop.sent.append(sent)
        if operation in shop.awaited:
            shop.awaited.pop(operation).set()
        answer = await shop.hook(sent) if shop.hook else None
        if answer is None:
            answer = await self._banks.send(gateway, operation, call, seconds)
        await asyncio.sleep(0.01)
        await shop.if_alive(self._life)
        return answer


class Shop:
    """One shop, its daemon and its banks. Use it as `async with Shop(...) as shop`."""

    def __init__(
        self,
        *gateways: str,
        drivers: Mapping[str, Driver] | None = None,
        settings: Mapping[str, Any] | None = None,
        switches: Mapping[str, Mapping[str, str]] | None = None,
        offer_retry: bool = True,
        seed: int = 7,
    ) -> None:
        """`gateways` are drivers' names, or names of our own with a driver in `drivers`."""
        known = {**full_drivers(), **(drivers or {})}
        names = gateways or ("saman", "mellat", "parsian", "sadad", "zarinpal", "zibal")
        self.gateways = tuple(
            GatewaySettings(name=name, driver=known[name], test=True) for name in names
        )
        self.banks = Banks(
            contracts(self.gateways), seed=seed, mix=EVERYBODY_PAYS, switches=switches
        )
        self.clock, self.log, self.store = Clock(), Log(), MemoryStore()
        self.service = ServiceSettings(
            public_url="https://pay.shop.example",
            shops=(
                ShopSettings(
                    name=SHOP,
                    keys=(ShopKey(id="k1", secret=Secret("gwk_test_demo")),),
                    return_secret=Secret("return-secret"),
                    return_hosts=("shop.example",),
                    offer_retry=offer_retry,
                ),
            ),
            **(settings or {}),
        )
        self.sent: list[Sent] = []
        self.writes = 0
        self.commit_seconds = 0.001
        self.hook: Callable[[Sent], Awaitable[Lost | Reply | None]] | None = None
        """Looks at every call first; what it gives is the answer, and the bank sees nothing."""
        self.awaited: dict[Operation, asyncio.Event] = {}
        self._life = 0
        self._seed = seed
        self._orders = 0

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await self.kill()
        if kind is None:
            assert self.bugs() == []

    def bugs(self) -> list[dict[str, Any]]:
        return self.log.of("action failed") + self.log.of("start failed")

    # --- the process

    async def _begin(self) -> None:
        self._life += 1
        life, store = self._life, self.store

        async def write(appends: Iterable[Append], searches: Searches) -> list[Holder | None]:
            await asyncio.sleep(self.commit_seconds)
            await self.if_alive(life)
            self.writes += 1
            results = store.write(list(appends), searches)
            await asyncio.sleep(0)
            await self.if_alive(life)
            return results

        async def read_rows(number: int) -> list[Row]:
            return store.read(number)

        self.engine = Engine(
            service=self.service,
            gateways=self.gateways,
            routing=RoutingSettings(),
            write=write,
            read_rows=read_rows,
            transport=Wire(self, life),
            clock=self.clock,
            rng=random.Random(f"{self._seed} {life}"),
            make_salt=lambda count: b"s" * count,
            link_key=b"k" * 32,
            log=self.log,
            last_number=self.store.last_number(),
        )
        for number, rows in self.store.read_open():
            self.engine.journal.adopt_open(number, rows)
        ready = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self.engine.run(ready.set))
        await ready.wait()

    async def if_alive(self, life: int) -> None:
        """A killed process does nothing any more."""
        if life != self._life:
            await asyncio.get_running_loop().create_future()

    def die(self) -> None:
        """From here on the process does nothing any more, at whatever it was."""
        self._life += 1
        self._task.cancel()

    async def kill(self) -> None:
        """The process is gone."""
        self.die()
        await asyncio.wait([self._task])

    async def restart(self, *, after: float = 0.0) -> None:
        """A new process on what the old one had written."""
        await self.kill()
        self.clock.skipped += after
        self.store = self.store.crash()
        await self._begin()

    # --- time

    async def rest(self) -> None:
        """Until nothing is under way that could go on by itself at once."""
        for _ in range(10_000):
            self.engine.tending._wake.ring()
            await asyncio.sleep(0.3 if self.engine.tending.calls_out else 0.005)
            first_ms = self.engine.tending._agenda.first_ms()
            due = first_ms is not None and first_ms <= self.engine.deadlines.now_ms()
            if not self.engine.tending.calls_out and self.engine.journal.is_idle and not due:
                return
        raise AssertionError("the engine never comes to rest")

    async def wait(self, seconds: float) -> None:
        """Let this time pass, with everything that becomes due in it."""
        ends_ms = self.engine.deadlines.now_ms() + int(seconds * 1000)
        for _ in range(10_000):
            await self.rest()
            now_ms = self.engine.deadlines.now_ms()
            if now_ms >= ends_ms:
                return
            first_ms = self.engine.tending._agenda.first_ms()
            next_ms = ends_ms if first_ms is None else min(first_ms, ends_ms)
            self.clock.skipped += max(0, next_ms - now_ms + 1) / 1000
        raise AssertionError("there is always more to do")

    # --- the shop and its customer

    async def create(
        self,
        amount: int = 150_000,
        *,
        order_id: str = "",
        gateways: tuple[str, ...] = (),
        expires_in_seconds: int = 1_200,
        **more: Any,
    ) -> int:
        """A new payment's number."""
        self._orders += 1
        fields: dict[str, Any] = {
            "shop": SHOP,
            "key": "k1",
            "order_id": order_id or f"order-{self._orders}",
            "amount": amount,
            "currency": Currency.IRR,
            "return_url": "https://shop.example/back",
            "expires_in_seconds": expires_in_seconds,
            "test": True,
            "gateways": gateways,
            "private": {},
        }
        payment = await self.engine.cashier.create(Draft(**{**fields, **more}))
        assert isinstance(payment, Payment), payment
        return payment.number

    async def arrive(self, number: int) -> HandOver:
        """The customer opens the payment and is handed over."""
        return handed(await self.engine.cashier.arrive(number))

    def go(
        self, handover: HandOver, outcome: Outcome = Outcome.PAID, code: str = "51"
    ) -> Return | None:
        """The payer does that at the bank; what the browser brings back, if it comes back."""
        redirect = handover.attempt.redirect
        assert redirect is not None
        now = self.clock.wall()
        session = open_page(self.banks, redirect, now, referer="https://pay.shop.example/")
        if isinstance(session, Trouble) or outcome is Outcome.LEAVE:
            return None
        code = code if outcome is Outcome.DECLINE else ""
        return returned(self.banks.act(session, Decision(outcome=outcome, code=code), now))

    async def come_back(self, back: Return | None, **fields: str | None) -> View:
        """The browser comes home from the bank, perhaps with other fields; None leaves one out."""
        assert back is not None, "this payer does not come back"
        changes = {**back.fields, **fields}
        said = {name: value for name, value in changes.items() if value is not None}
        place = self.engine.links.read_return(back.url.split("/return/")[1].split("?")[0])
        assert place is not None
        return await self.engine.cashier.returned(*place, said)

    async def pay(self, number: int) -> View:
        """The plain story: opens, pays, comes back."""
        return await self.come_back(self.go(await self.arrive(number)))

    # --- what became of it

    def payment(self, number: int) -> Payment:
        """As it is on the disk."""
        payment = replay(number, self.store.read(number))
        assert payment is not None
        return payment

    def status(self, number: int) -> Status:
        return status_of(self.payment(number))

    def kinds(self, number: int) -> list[str]:
        """The payment's events so far."""
        return [row.kind for row in self.store.read(number)]

    def calls(self, operation: Operation, gateway: str | None = None) -> int:
        """How many of these calls left."""
        return sum(
            sent.operation is operation and gateway in {None, sent.gateway} for sent in self.sent
        )

    def session(self, number: int, attempt: int = 1) -> Session:
        """What the bank knows of an attempt."""
        ours = self.payment(number).attempts[attempt - 1]
        driver = next(each.driver.driver for each in self.gateways if each.name == ours.gateway)
        assert ours.token is not None
        session = self.banks.book.find(driver, ours.token, self.clock.wall())
        assert session is not None
        return session

    def fault(self, kind: Kind, operation: Operation | None = None, driver: str = "*") -> None:
        """From now on this goes wrong."""
        self.banks.faults.add(
            Fault(driver=driver, kind=kind, operation=operation), self.clock.wall()
        )

    def mend(self) -> None:
        self.banks.faults.clear()

    async def until_sent(self, operation: Operation) -> None:
        """Until the next such call is on its way."""
        self.awaited[operation] = asyncio.Event()
        async with asyncio.timeout(30):
            await self.awaited[operation].wait()

    def forget_calls(self) -> None:
        self.sent.clear()

    def assert_settled(self, number: int) -> None:
        """Bank and journal agree to the rial: money taken is a paid order, was given back, or is before a person."""
        payment = self.payment(number)
        taken = []
        for attempt in payment.attempts:
            if attempt.token is None:
                continue
            session = self.session(number, attempt.number)
            if session.state in TAKEN and session.refunded < session.amount:
                taken.append(attempt)
        kept = payment.kept
        in_review = [each for each in payment.attempts if each.state is State.IN_REVIEW]
        if status_of(payment) is Status.PAID:
            assert kept is not None
            assert kept in taken, f"{kept.gateway} is paid without the bank's money"
        others = [each for each in taken if each is not kept and each not in in_review]
        assert not others, f"money was left at {others}"
        assert not in_review or needs_review(payment)
        assert kept is None or status_of(payment) is Status.PAID or kept in in_review

    def assert_finished(self, number: int) -> None:
        """Nothing is left to do for this payment, and memory has let go of it."""
        assert self.engine.tending.is_finished(self.payment(number))
        assert self.engine.journal.get(number) is None
        assert number not in self.store.open_numbers()


def handed(view: View) -> HandOver:
    """The view, which hands the customer over."""
    assert isinstance(view, HandOver), view
    return view
