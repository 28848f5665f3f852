"""The engine put together: one object that daemon, world and tests start in the same way.

It owns the tasks. `run` ends when the store fails (StoreError, and the process must stop) or when it is told to stop;
then nothing new is begun, what is in flight finishes, and everything recorded has landed.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from gatewayd.core.news import status_told
from gatewayd.core.payment import Payment
from gatewayd.core.settings import ServiceSettings
from gatewayd.core.status import FINAL, Status
from gatewayd.engine.acting import Acting
from gatewayd.engine.capturing import Capturing
from gatewayd.engine.cashier import Cashier
from gatewayd.engine.deadlines import Deadlines
from gatewayd.engine.gateway import GatewaySettings
from gatewayd.engine.habits import Habits
from gatewayd.engine.ids import Ids
from gatewayd.engine.invoice_sight import Past as PastOfInvoices
from gatewayd.engine.invoicing import LOOK_EVERY_SECONDS as INVOICES_LOOK_EVERY_SECONDS
from gatewayd.engine.invoicing import Invoicing
from gatewayd.engine.links import Links
from gatewayd.engine.operating import Operating
from gatewayd.engine.outbox import Outbox
from gatewayd.engine.ports import Clock, Log, Transport
from gatewayd.engine.pump import SEARCH_EVERY_SECONDS, Pump, Write
from gatewayd.engine.records import ReadRows, Records
from gatewayd.engine.refunding import Refunding
from gatewayd.engine.returns import Returns
from gatewayd.engine.starting import Starting
from gatewayd.engine.tending import LOOK_EVERY_SECONDS, Tending
from gatewayd.journal.journal import Journal, Replay
from gatewayd.journal.store import Notice
from gatewayd.routing.router import Router, RoutingSettings

ENDS: Final = FINAL | {Status.PAID}
"""An invoice's payment that has come to one of these may have ended it."""


class Engine:
    """Everything between the web and the banks."""

    def __init__(
        self,
        *,
        service: ServiceSettings,
        gateways: tuple[GatewaySettings, ...],
        routing: RoutingSettings,
        write: Write,
        read_rows: ReadRows,
        transport: Transport,
        clock: Clock,
        rng: random.Random,
        make_salt: Callable[[int], bytes],
        link_key: bytes,
        log: Log,
        last_number: int = 0,
        last_order: int = 0,
        on_commit: Callable[[int, float], None] | None = None,
        on_status: Callable[[Status, str, int], None] = lambda _status, _gateway, _amount: None,
        on_refund: Callable[[str, str], None] = lambda _status, _gateway: None,
        look_every_seconds: float = LOOK_EVERY_SECONDS,
        search_every_seconds: float = SEARCH_EVERY_SECONDS,
        replay_by: Replay | None = None,
    ) -> None:
        """`look_every_seconds` is how long the wall clock, which may jump, goes unlooked at.

        `on_status` is told of every public status that a payment reaches: the last gateway, empty for none, and rial.
        `on_refund` is told of every refund that is created, and of every status that it reaches, with the gateway.
        """
        self.service = service
        self.gateways: Mapping[str, GatewaySettings] = {each.name: each for each in gateways}
        self.log = log
        self.clock = clock
        self.deadlines = Deadlines(clock)
        self.router = Router(
            {gateway.name: gateway.limits for gateway in gateways}, routing, rng=rng
        )
        self.habits = Habits(link_key)
        self._on_status = on_status
        self._on_refund = on_refund
        self.journal = Journal(
            is_finished=self._is_finished,
            make_salt=make_salt,
            on_notice=self._noticed,
            replay_by=replay_by,
        )
        self.records = Records(self.journal, read_rows)
        self.pump = Pump(
            self.journal,
            write,
            clock,
            pace_seconds=service.journal.pace_seconds,
            search_every_seconds=search_every_seconds,
            on_commit=on_commit,
        )
        hosts = {each.name: each.public_url for each in gateways if each.public_url}
        self.links = Links(link_key, service.public_url, hosts)
        self._ids = ids = Ids(rng, last_number=last_number, last_order=last_order)
        self._read_rows, self._make_salt = read_rows, make_salt
        self.acting = Acting(
            records=self.records,
            gateways=self.gateways,
            router=self.router,
            transport=transport,
            clock=clock,
            deadlines=self.deadlines,
            ids=ids,
            links=self.links,
            log=log,
            settings=service.engine,
        )
        self.tending = Tending(
            records=self.records,
            acting=self.acting,
            traits={each.name: each.traits for each in gateways},
            deadlines=self.deadlines,
            settings=service.engine,
            spawn=self._spawn,
            log=log,
            look_every_seconds=look_every_seconds,
        )
        self.starting = Starting(
            records=self.records,
            acting=self.acting,
            tending=self.tending,
            gateways=self.gateways,
            shop_gateways={
                shop.name: frozenset(shop.gateways or self.gateways) for shop in service.shops
            },
            router=self.router,
            habits=self.habits,
            transport=transport,
            clock=clock,
            deadlines=self.deadlines,
            ids=ids,
            log=log,
            engine=service.engine,
            payments=service.payments,
            spawn=self._spawn,
        )
        self.returns = Returns(
            records=self.records,
            tending=self.tending,
            acting=self.acting,
            gateways=self.gateways,
            router=self.router,
            clock=clock,
            deadlines=self.deadlines,
            links=self.links,
            log=log,
            payments=service.payments,
        )
        self.cashier = Cashier(
            records=self.records,
            tending=self.tending,
            acting=self.acting,
            starting=self.starting,
            returns=self.returns,
            gateways=self.gateways,
            deadlines=self.deadlines,
            ids=ids,
            log=log,
            engine=service.engine,
            same_token_seconds=service.web.same_token_seconds,
            offer_retry={shop.name: shop.offer_retry for shop in service.shops},
        )
        self.capturing = Capturing(
            records=self.records,
            tending=self.tending,
            acting=self.acting,
            gateways=self.gateways,
            clock=clock,
            deadlines=self.deadlines,
            log=log,
            settings=service.engine,
        )
        self.operating = Operating(
            records=self.records,
            tending=self.tending,
            acting=self.acting,
            gateways=self.gateways,
            router=self.router,
            clock=clock,
            deadlines=self.deadlines,
            read_rows=read_rows,
            log=log,
        )
        self.refunding = Refunding(
            records=self.records,
            tending=self.tending,
            traits={each.name: each.traits for each in gateways},
            deadlines=self.deadlines,
            log=log,
        )
        self.outbox: Outbox | None = None
        """None where no shop has receivers of webhooks."""
        self.invoicing: Invoicing | None = None
        """None where nobody reads the past: then there are no invoices."""
        self._tasks: asyncio.TaskGroup | None = None
        self._calls: dict[asyncio.Task[None], None] = {}
        """In the order in which they were begun."""
        self._stop = asyncio.Event()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Take over everything open, then tend until `stop`. Raises StoreError when the disk fails."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                pumping = tasks.create_task(self._record(), name="pump")
                tending = tasks.create_task(self.tending.run(), name="tending")
                delivering = tasks.create_task(self._deliver(), name="outbox")
                invoicing = tasks.create_task(self._invoice(), name="invoices")
                for number in self.journal.numbers():
                    self.tending.consider(number)
                ready()
                try:
                    await self._stop.wait()
                finally:
                    self.stop()  # whatever ends this, nothing is begun any more
                tending.cancel()
                invoicing.cancel()
                await self._calls_end()
                if self.outbox is not None:
                    self.outbox.stop()
                await delivering
                self.pump.stop()
                await pumping
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._tasks = None

    async def _deliver(self) -> None:
        if self.outbox is not None:
            await self.outbox.run()

    async def _invoice(self) -> None:
        if self.invoicing is not None:
            await self.invoicing.run()

    async def _record(self) -> None:
        try:
            await self.pump.run()
        finally:
            self.stop()  # what cannot be recorded must not be begun

    def stop(self) -> None:
        """Begin nothing more; `run` ends when what is in flight has."""
        self.tending.stop()
        self._stop.set()

    async def _calls_end(self) -> None:
        """Until the calls in flight have ended or the drain time is over; the next start takes up the rest."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=self.service.web.drain_seconds)
        for task in list(self._calls):
            task.cancel()

    def deliver_by(self, outbox: Outbox) -> None:
        """Before it runs: tell this one of what happens, and run it as well."""
        self.outbox = outbox

    def invoice_by(
        self, past: PastOfInvoices, *, look_every_seconds: float = INVOICES_LOOK_EVERY_SECONDS
    ) -> Invoicing:
        """Before it runs: have invoices as well, looked up in this."""
        self.invoicing = Invoicing(
            records=self.records,
            cashier=self.cashier,
            starting=self.starting,
            pump=self.pump,
            past=past,
            read_rows=self._read_rows,
            deadlines=self.deadlines,
            ids=self._ids,
            links=self.links,
            log=self.log,
            make_salt=self._make_salt,
            payments=self.service.payments,
            invoices=self.service.invoices,
            spawn=self._spawn,
            on_told=self._told,
            look_every_seconds=look_every_seconds,
        )
        return self.invoicing

    def _told(self, whose: str) -> None:
        if self.outbox is not None:
            self.outbox.noticed(whose)

    def _noticed(self, payment: Payment, notice: Notice) -> None:
        if self.outbox is not None:
            self.outbox.noticed(notice.shop)
        attempt = payment.kept or payment.latest
        gateway = attempt.gateway if attempt else ""
        status = status_told(notice.type)
        if status is None:
            kind, _, news = notice.type.partition(".")
            if kind == "refund":
                self._on_refund(news, gateway)
            return
        if status is Status.PAID:
            self.habits.paid(payment)
        if self.invoicing is not None and status in ENDS:
            self.invoicing.moved(payment)
        self._on_status(status, gateway, payment.amount)

    def _is_finished(self, payment: Payment) -> bool:
        return self.tending.is_finished(payment)

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> bool:
        if self._tasks is None or self._stop.is_set():
            coroutine.close()
            return False
        task = self._tasks.create_task(coroutine, name=name)
        self._calls[task] = None
        task.add_done_callback(self._calls.pop)
        return True
