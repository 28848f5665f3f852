"""How things stand with an invoice: its own events, and what its payments have come to.

Of an invoice that takes one payment the guard of its order names the payment that is open or paid, and there is nothing
newer than that. Of others the search columns of their payments are added up; whoever decides something waits for those
first, whoever only looks may see them half a second old.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gatewayd.core.invoices import (
    NOTHING_PAID,
    Invoice,
    InvoiceStatus,
    Paid,
    invoice_of,
    paid_by,
    status_of,
)
from gatewayd.core.payment import Payment
from gatewayd.core.status import status_of as status_of_payment
from gatewayd.engine.deadlines import Deadlines
from gatewayd.engine.pump import Pump
from gatewayd.engine.reading import InvoiceReader
from gatewayd.engine.records import ReadRows, Records
from gatewayd.journal.invoices import replay_invoice
from gatewayd.journal.journal import order_guard
from gatewayd.journal.store import GuardKind, Holder, Row

FAR_AWAY_MS: Final = 2**62


class Past(InvoiceReader, Protocol):
    """What is read of the journal."""

    async def rows_of(self, numbers: Sequence[int]) -> dict[int, list[Row]]:
        """The events of several."""

    async def holder(self, kind: GuardKind, key: str) -> Holder | None:
        """Who has this guard."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An invoice as things stand with it."""

    invoice: Invoice
    paid: Paid
    status: InvoiceStatus


class Sight:
    """One per engine that has invoices."""

    def __init__(
        self,
        *,
        records: Records,
        pump: Pump,
        past: Past,
        read_rows: ReadRows,
        deadlines: Deadlines,
    ) -> None:
        self._records = records
        self._pump = pump
        self._past = past
        self._read_rows = read_rows
        self._deadlines = deadlines

    async def invoice(self, number: int) -> Invoice | None:
        """What its own events make of it; None where there is none."""
        return replay_invoice(number, await self._read_rows(number))

    async def paid(self, invoice: Invoice) -> Paid:
        """What its payments have come to, none left out."""
        if invoice.wanted == 1:
            return await self._paid_by_one(invoice)
        await self._pump.searched()
        return await self._added_up(invoice)

    async def see(self, number: int) -> Seen | None:
        """How things stand with it; None where there is none. TooSlow."""
        invoice = await self.invoice(number)
        if invoice is None:
            return None
        if invoice.wanted == 1:
            return self.seen(invoice, await self._paid_by_one(invoice))
        await self._pump.searched_soon()
        return self.seen(invoice, await self._added_up(invoice))

    async def glance(self, number: int) -> Seen | None:
        """The same for a customer: payments of others may be half a second old, and are not added up where there is
        no end to them. TooSlow."""
        invoice = await self.invoice(number)
        if invoice is None:
            return None
        if invoice.wanted == 1:
            paid = await self._paid_by_one(invoice)
        elif invoice.wanted:
            paid = await self._added_up(invoice)
        else:
            paid = Paid(live=await self._past.open_of(number))
        return self.seen(invoice, paid)

    async def see_all(self, numbers: Sequence[int]) -> list[Seen]:
        """Several, in this order. TooSlow."""
        await self._pump.searched_soon()
        rows = await self._past.rows_of(numbers)
        found = [replay_invoice(number, rows.get(number, ())) for number in numbers]
        paid = await self._past.paid_of(numbers)
        return [
            self.seen(each, paid.get(each.number, NOTHING_PAID))
            for each in found
            if each is not None
        ]

    async def open_ones(self, limit: int) -> list[Seen]:
        """Open ones of all shops, the next to end first. TooSlow."""
        found = await self._past.invoices_to_look_at(FAR_AWAY_MS, (-1, -1), limit)
        return await self.see_all([number for _, number in found])

    async def story(self, number: int) -> tuple[Seen, list[Row]] | None:
        """One, and its events in order; None where there is none. TooSlow."""
        seen = await self.see(number)
        return None if seen is None else (seen, await self._read_rows(number))

    async def payments_of(
        self, number: int, *, before_number: int | None, limit: int
    ) -> tuple[list[Payment], bool]:
        """An invoice's payments, newest first, and whether there are more. TooSlow."""
        await self._pump.searched_soon()
        found = await self._past.payments_of(number, before_number=before_number, limit=limit + 1)
        payments = await self._records.look_at(found[:limit], self._past.rows_of)
        return payments, len(found) > limit

    def seen(self, invoice: Invoice, paid: Paid) -> Seen:
        """The invoice with its public status now."""
        return Seen(invoice, paid, status_of(invoice, paid, self._deadlines.now_ms()))

    async def _paid_by_one(self, invoice: Invoice) -> Paid:
        guard = order_guard(invoice.shop, invoice.order_id, test=invoice.test)
        holder = await self._past.holder(guard.kind, guard.key)
        payment = await self._records.look(holder.number) if holder else None
        if payment is None or invoice_of(payment) != invoice.number:
            return NOTHING_PAID
        return paid_by(payment, str(status_of_payment(payment)))

    async def _added_up(self, invoice: Invoice) -> Paid:
        return (await self._past.paid_of([invoice.number])).get(invoice.number, NOTHING_PAID)
