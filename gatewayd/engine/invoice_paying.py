"""Begins the payments of invoices.

An invoice that takes so many payments has so many orders, and an order is held by one open or paid payment at a time: a
guard, checked where it is written. However often, from wherever and across whatever crash somebody begins to pay,
nobody pays in another's place, and who comes again is led to the payment that is there.
"""

from dataclasses import dataclass
from typing import Any, Final

from gatewayd.core.invoices import Invoice, InvoiceStatus, Paid, invoice_of, public_id
from gatewayd.core.needs import needs_of, payer_of
from gatewayd.core.payment import Payment
from gatewayd.core.settings import InvoiceSettings, PaymentSettings
from gatewayd.core.status import FINAL, status_of
from gatewayd.core.terms import Capture
from gatewayd.engine.cashier import Cashier, Draft
from gatewayd.engine.deadlines import Deadlines
from gatewayd.engine.invoice_sight import Past, Seen, Sight
from gatewayd.engine.links import Links
from gatewayd.engine.records import Records
from gatewayd.engine.starting import Starting
from gatewayd.journal.journal import side
from gatewayd.journal.store import Guard, GuardKind

PLACES_TRIED_MAX: Final = 5
"""Orders of an invoice that are tried until one is free; they are known to be, unless somebody else took one."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A payment for an invoice: a new one, or the one that there is."""

    payment: Payment
    is_new: bool


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Its order is being paid, or was paid, by a payment that is not this invoice's, or by as many as may at a time."""

    invoice: Invoice


@dataclass(frozen=True, slots=True)
class NoGateways:
    """No gateway takes it any more."""

    invoice: Invoice


Answer = Begun | Seen | Elsewhere | NoGateways
"""Seen: it cannot be paid just now, and its status says why."""


class Paying:
    """One per engine that has invoices. It is called in an invoice's turn."""

    def __init__(
        self,
        *,
        records: Records,
        cashier: Cashier,
        starting: Starting,
        sight: Sight,
        past: Past,
        deadlines: Deadlines,
        links: Links,
        payments: PaymentSettings,
        invoices: InvoiceSettings,
    ) -> None:
        self._records = records
        self._cashier = cashier
        self._starting = starting
        self._sight = sight
        self._past = past
        self._deadlines = deadlines
        self._links = links
        self._payments = payments
        self._invoices = invoices

    async def pay(self, number: int, once: str, locale: str) -> Answer | None:
        """See `Invoicing.pay`."""
        invoice = await self._sight.invoice(number)
        if invoice is None:
            return None
        if invoice.wanted:
            paid = await self._sight.paid(invoice)
        else:
            paid = Paid(live=await self._past.open_of(number))
        if invoice.wanted == 1 and paid.live and paid.latest is not None:
            there = await self._records.look(paid.latest)
            assert there is not None, "payments are never removed"
            return Begun(there, is_new=False)
        seen = self._sight.seen(invoice, paid)
        if seen.status is not InvoiceStatus.OPEN or self._deadlines.now_ms() >= invoice.expires_ms:
            return seen
        if not self._eligible(invoice):
            return NoGateways(invoice)
        if not invoice.wanted and paid.live >= self._invoices.open_max:
            return Elsewhere(invoice)
        for order_id in await self._free_orders(invoice):
            made = await self._begin(invoice, order_id, once, locale)
            if made is not None:
                return made
        return Elsewhere(invoice)

    async def _free_orders(self, invoice: Invoice) -> list[str]:
        """Orders of it that no payment of it holds, as far as can be seen."""
        if invoice.wanted <= 1:
            return [invoice.order_id]
        taken = await self._past.orders_taken(invoice.number)
        places = (f"{invoice.order_id}/{place}" for place in range(1, invoice.wanted + 1))
        return [order_id for order_id in places if order_id not in taken][:PLACES_TRIED_MAX]

    async def _begin(self, invoice: Invoice, order_id: str, once: str, locale: str) -> Begun | None:
        """A payment for this order of it; None if another's holds the order."""
        guard = None
        if once and invoice.wanted != 1:
            whose = side(invoice.shop, test=invoice.test)
            key = f"{whose}|invoice.pay|{invoice.number}|{once}"
            guard = Guard(kind=GuardKind.IDEMPOTENCY, key=key)
        made = await self._cashier.create(self._draft(invoice, order_id, locale), guard)
        if isinstance(made, Payment):
            return Begun(made, is_new=True)
        there = await self._records.look(made.number)
        if there is None or invoice_of(there) != invoice.number:
            return None
        if made.guard.kind is GuardKind.IDEMPOTENCY and status_of(there) in FINAL:
            return await self._begin(invoice, order_id, "", locale)  # that page's is over
        return Begun(there, is_new=False)

    def _draft(self, invoice: Invoice, order_id: str, locale: str) -> Draft:
        private: dict[str, Any] = {}
        if invoice.payer:
            private["payer"] = dict(invoice.payer)
        if invoice.description or invoice.lines:
            private["description"] = invoice.description or invoice.lines[0].name
        if invoice.metadata:
            private["metadata"] = dict(invoice.metadata)
        return Draft(
            shop=invoice.shop,
            key=public_id(invoice.number),
            order_id=order_id,
            amount=invoice.amount,
            currency=invoice.currency,
            return_url=invoice.return_url or self._links.invoice_url(invoice.number),
            expires_in_seconds=self._payments.expires_in_default,
            test=invoice.test,
            locale=locale or invoice.locale,
            gateways=invoice.gateways,
            methods=invoice.methods,
            holds_order=bool(invoice.wanted),
            private=private,
        )

    def _eligible(self, invoice: Invoice) -> bool:
        """Whether any gateway of the shop still takes it."""
        needs = needs_of(
            payer=payer_of(invoice.payer),
            methods=invoice.methods,
            splits=(),
            capture=Capture.AUTOMATIC,
        )
        return bool(
            self._starting.eligible_for(
                invoice.shop,
                amount=invoice.amount,
                test=invoice.test,
                only=invoice.gateways,
                needs=needs,
            )
        )
