"""Invoices: made, paid by payments of their own, and ended.

Rules:

* One thing at a time per invoice: whatever records something of it has its turn until that has landed. Nothing of an
  invoice is kept in memory between two turns.
* What is paid is read off its payments. That an invoice has ended is written after them; if a crash comes between, the
  next look writes it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gatewayd.core import invoice_events as iv
from gatewayd.core.invoices import (
    Invoice,
    apply,
    due_event,
    invoice_of,
    public_id,
)
from gatewayd.core.money import Currency
from gatewayd.core.payment import Payment
from gatewayd.core.settings import InvoiceSettings, PaymentSettings
from gatewayd.engine.cashier import Cashier
from gatewayd.engine.deadlines import Deadlines
from gatewayd.engine.ids import Ids
from gatewayd.engine.invoice_paying import Answer, Paying
from gatewayd.engine.invoice_sight import Past, Seen, Sight
from gatewayd.engine.links import Links
from gatewayd.engine.ports import Log
from gatewayd.engine.pump import Pump
from gatewayd.engine.records import ReadRows, Records
from gatewayd.engine.starting import Starting
from gatewayd.engine.telling import tell
from gatewayd.engine.tending import Spawn
from gatewayd.engine.turns import Stopping, Turns
from gatewayd.journal.invoices import columns_of, recorded
from gatewayd.journal.store import Guard, Holder

LOOK_EVERY_SECONDS: Final = 5.0
"""How late an invoice may be told to have expired; nobody can pay it meanwhile."""
LOOK_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDraft:
    """An invoice as a shop asks for it; every field is already checked."""

    shop: str
    key: str
    amount: int
    """Rial."""
    currency: Currency
    expires_ms: int
    due_ms: int | None
    wanted: int
    test: bool
    locale: str
    order_id: str = ""
    """Empty: the invoice's own id."""
    return_url: str = ""
    gateways: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    private: dict[str, Any]
    """`lines`, `payer`, `description` and `metadata`, as far as given."""


class Invoicing:
    """One per engine that has a reader."""

    def __init__(
        self,
        *,
        records: Records,
        cashier: Cashier,
        starting: Starting,
        pump: Pump,
        past: Past,
        read_rows: ReadRows,
        deadlines: Deadlines,
        ids: Ids,
        links: Links,
        log: Log,
        make_salt: Callable[[int], bytes],
        payments: PaymentSettings,
        invoices: InvoiceSettings,
        spawn: Spawn,
        on_told: Callable[[str], None],
        look_every_seconds: float = LOOK_EVERY_SECONDS,
    ) -> None:
        """`on_told` is called with whose events there is a new one of."""
        self._records = records
        self._cashier = cashier
        self._past = past
        self._deadlines = deadlines
        self._ids = ids
        self._log = log
        self._make_salt = make_salt
        self._spawn = spawn
        self._on_told = on_told
        self._look_every_seconds = look_every_seconds
        self._turns = Turns(spawn, "inv_")
        self.sight = Sight(
            records=records, pump=pump, past=past, read_rows=read_rows, deadlines=deadlines
        )
        self._paying = Paying(
            records=records,
            cashier=cashier,
            starting=starting,
            sight=self.sight,
            past=past,
            deadlines=deadlines,
            links=links,
            payments=payments,
            invoices=invoices,
        )

    # --- the shop

    async def create(self, draft: InvoiceDraft, guard: Guard | None = None) -> Invoice | Holder:
        """A new invoice, on disk; or who holds its idempotency key."""
        now_ms = self._deadlines.now_ms()
        number = self._ids.number(now_ms)
        event = iv.InvoiceCreated(
            at_ms=now_ms,
            shop=draft.shop,
            key=draft.key,
            order_id=draft.order_id or public_id(number),
            amount=draft.amount,
            currency=draft.currency,
            expires_ms=draft.expires_ms,
            due_ms=draft.due_ms,
            wanted=draft.wanted,
            return_url=draft.return_url,
            test=draft.test,
            locale=draft.locale,
            gateways=draft.gateways,
            methods=draft.methods,
            private=draft.private,
        )
        return await self._record(None, number, (event,), (guard,) if guard else ())

    async def cancel(self, number: int, guard: Guard) -> Seen | Holder | None:
        """Take no further payment for it; one that was begun for an invoice of one payment is cancelled as well.

        Seen, neither cancelled nor being stopped: it had ended before. None: there is no such invoice.
        """
        return await self._turns.alone(number, lambda: self._cancel(number, guard))

    # --- the customer

    async def pay(self, number: int, *, once: str, locale: str) -> Answer | None:
        """The payment by which a customer pays it: the one that is there, or a new one.

        `once` names the page that he pressed the button of, so that pressing it twice makes one payment also where
        many are taken; empty: nothing does. None: there is no such invoice.
        """
        return await self._turns.alone(number, lambda: self._paying.pay(number, once, locale))

    def name_of_page(self, length: int) -> str:
        """So many bytes that no other page has, for `pay`'s `once`."""
        return self._make_salt(length).hex()

    # --- what follows from payments and time

    def moved(self, payment: Payment) -> None:
        """A payment has come to another status; if it is an invoice's, see what follows. It does not raise."""
        number = invoice_of(payment)
        if number:
            self._spawn(self._settled(number), f"inv_{number}")

    async def run(self) -> None:
        """Look after what is due, until cancelled."""
        await self._told_if_it_fails(self.catch_up)
        while True:
            await asyncio.sleep(self._look_every_seconds)
            await self._told_if_it_fails(self.look)

    async def catch_up(self) -> None:
        """Write down what an earlier process had not come to: invoices that are paid, or not any more. TooSlow."""
        after = 0
        while found := await self._past.invoices_behind(after, LOOK_AT_ONCE):
            for after in found:
                await self._settled(after)

    async def look(self) -> None:
        """End the invoices whose time is over, and those that were stopped. TooSlow."""
        after, now_ms = (-1, -1), self._deadlines.now_ms()
        while found := await self._past.invoices_to_look_at(now_ms, after, LOOK_AT_ONCE):
            for after in found:
                await self._settled(after[1])

    # --- pieces

    async def _told_if_it_fails(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - it is tried again, and payments must go on
            self._log.error("invoices not looked at", error=f"{type(error).__name__}: {error}")

    async def _settled(self, number: int) -> None:
        """Write down what is due. What goes wrong is told, and tried again at the next look."""
        try:
            await self._turns.alone(number, lambda: self._settle(number))
        except Stopping:
            pass  # the next start looks again
        except Exception as error:  # noqa: BLE001 - a bug about one invoice must not stop the rest
            fault = f"{type(error).__name__}: {error}"
            self._log.error("invoice not looked at", invoice=public_id(number), error=fault)

    async def _settle(self, number: int) -> None:
        invoice = await self.sight.invoice(number)
        if invoice is None:
            return
        now_ms = self._deadlines.now_ms()
        if not invoice.wanted and invoice.takes_payments and now_ms < invoice.expires_ms:
            return  # its payments change nothing
        event = due_event(invoice, await self.sight.paid(invoice), now_ms)
        if event is not None:
            await self._record(invoice, number, (event,))

    async def _cancel(self, number: int, guard: Guard) -> Seen | Holder | None:
        invoice = await self.sight.invoice(number)
        if invoice is None:
            return None
        paid, now_ms = await self.sight.paid(invoice), self._deadlines.now_ms()
        if not invoice.takes_payments or due_event(invoice, paid, now_ms) is not None:
            return self.sight.seen(invoice, paid)
        if invoice.wanted == 1 and paid.live and paid.latest is not None:
            await self._cashier.cancel(paid.latest)
            paid = await self.sight.paid(invoice)
            if paid.payments:  # it was paid meanwhile
                return self.sight.seen(invoice, paid)
        events: list[iv.InvoiceEvent] = [iv.InvoiceCancelRequested(at_ms=now_ms)]
        ended = due_event(apply(invoice, events[0]), paid, now_ms)
        if ended is not None:
            events.append(ended)
        made = await self._record(invoice, number, events, (guard,))
        return made if isinstance(made, Holder) else self.sight.seen(made, paid)

    async def _record(
        self,
        invoice: Invoice | None,
        number: int,
        events: Sequence[iv.InvoiceEvent],
        takes: tuple[Guard, ...] = (),
    ) -> Invoice | Holder:
        after, append = recorded(invoice, number, events, self._make_salt, takes)
        ticket = self._records.journal.append_beside(append, columns_of(after))
        conflict = await self._records.wait(ticket)
        if conflict is not None:
            return conflict
        if append.notices:
            self._on_told(append.notices[0].shop)
        for event in events:
            tell(self._log, event, number)
        return after
