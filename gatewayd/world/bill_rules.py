"""What an invoice may and may not do, held against what has landed of it and of its payments: a part of the oracle.

* What has landed replays, an end is an end but for a reversal, and every event that is to be told has its notice.
* Never are more payments of it open or paid than it wants, and none begins for one that has ended, is being stopped or
  is over by its own time. One button of one page begins one payment at a time.
* It ends as its payments have it: paid if so many were, reversed if none is any more, and only when none is open.
* Whoever is told of it is told what has landed, and whoever has stopped it has.
* In the end nothing is due that is not written down.
"""

from dataclasses import replace
from typing import Final

from gatewayd.core import invoice_events as iv
from gatewayd.core.invoices import (
    NOTHING_PAID,
    Invoice,
    InvoiceStatus,
    Paid,
    apply,
    due_event,
    invoice_of,
    paid_by,
)
from gatewayd.core.payment import Payment
from gatewayd.core.states import IllegalTransition
from gatewayd.core.status import FINAL, HOLDS_ORDER, Status, status_of
from gatewayd.engine.invoice_paying import Answer, Begun, Elsewhere, NoGateways
from gatewayd.engine.invoice_sight import Seen
from gatewayd.journal import codec
from gatewayd.journal.store import FIRST_OF_INVOICE, Append, Row
from gatewayd.world.history import History

ENDED: Final = frozenset(
    {InvoiceStatus.CANCELLED, InvoiceStatus.EXPIRED, InvoiceStatus.REVERSED, InvoiceStatus.PAID}
)
News = list[tuple[int, str, str]]
"""Versions, what is to be told, and the status then."""


class BillRules:
    """One per world."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.invoices: dict[int, Invoice] = {}
        """Every invoice as the disk has it."""
        self._payments: dict[int, dict[int, Payment]] = {}
        """By invoice: its payments, as the disk has them."""
        self._ever_paid: dict[int, set[int]] = {}
        self._begun: dict[tuple[int, str], int] = {}
        """The last payment that the button of a page has begun."""
        self._said: dict[int, InvoiceStatus] = {}

    # --- the disk

    def is_of_one(self, append: Append) -> bool:
        """Whether this is about an invoice."""
        begins = bool(append.rows) and append.rows[0].kind == FIRST_OF_INVOICE
        return begins or append.number in self.invoices

    def landed(self, append: Append) -> tuple[str, News]:
        """An invoice's events are on the disk; whose it is, and what is to be told."""
        number = append.number
        invoice = self.invoices.get(number)
        news: News = []
        for row in append.rows:
            body = row.body.decode(errors="backslashreplace")
            self._history.note(number, f"{row.version} {row.kind} {row.at_ms} {body}")
            before = invoice
            event = codec.decode(row.kind, row.at_ms, row.body, row.private)
            try:
                assert isinstance(event, iv.InvoiceEvent), "nothing else is of an invoice"
                invoice = apply(invoice, event, number=number)
            except IllegalTransition as error:
                self._violated(number, f"{row.kind}: {error}")
                break
            if invoice.version != row.version:
                self._violated(number, f"{row.version} where {invoice.version} is due")
            if event.notice:
                news.append((row.version, event.notice, str(invoice.status)))
            if before is not None and isinstance(event, iv.InvoiceEnded):
                self._ended(before, invoice, event)
        assert invoice is not None, "an invoice begins with its first event"
        self.invoices[number] = invoice
        told = [(notice.version, notice.type) for notice in append.notices]
        if told != [each[:2] for each in news]:
            self._history.violated("outbox", number, f"notices {told}, but {news}")
        return invoice.shop, news

    def _ended(self, before: Invoice, after: Invoice, event: iv.InvoiceEnded) -> None:
        number, paid = after.number, self.paid(after.number)
        ever = len(self._ever_paid.get(number, ()))
        if before.status in ENDED and (before.status, after.status) != (
            InvoiceStatus.PAID,
            InvoiceStatus.REVERSED,
        ):
            self._history.violated("final", number, f"{after.status} after {before.status}")
        if not paid.payments <= event.payments <= ever:
            self._violated(number, f"{event.payments} paid, but {paid.payments} are, {ever} were")
        if event.amount != event.payments * after.amount:
            self._violated(number, f"{event.amount} rial of {event.payments} payments")
        match event:
            case iv.InvoicePaid():
                right = 0 < after.wanted <= ever
            case iv.InvoiceReversed():
                right = not paid.payments and ever > 0
            case iv.InvoiceCancelled():
                right = before.stopping and not paid.live
            case _:
                right = event.at_ms >= after.expires_ms and not paid.live
        if not right:
            self._violated(number, f"{after.status} of {after.wanted}, but {paid}, {ever} were")

    def moved(self, before: Payment | None, payment: Payment) -> None:
        """A payment of an invoice is on the disk."""
        number = invoice_of(payment)
        invoice = self.invoices.get(number)
        if invoice is None:
            self._violated(payment.number, f"a payment of invoice {number}, which there is not")
            return
        if before is None and not invoice.takes_payments:
            self._violated(number, f"a payment begins for one that is {invoice.status}")
        if before is None and payment.created_ms >= invoice.expires_ms:
            self._violated(number, "a payment begins when its time is over")
        if payment.amount != invoice.amount or payment.shop != invoice.shop:
            self._violated(number, "not the payment that it wants")
        payments = self._payments.setdefault(number, {})
        payments[payment.number] = payment
        if status_of(payment) is Status.PAID:
            self._ever_paid.setdefault(number, set()).add(payment.number)
        holding = sum(status_of(each) in HOLDS_ORDER for each in payments.values())
        if 0 < invoice.wanted < holding:
            self._violated(number, f"{invoice.wanted} wanted, {holding} open or paid")

    def paid(self, number: int) -> Paid:
        """What has become of an invoice's payments, as the disk has them."""
        total = NOTHING_PAID
        for payment in self._payments.get(number, {}).values():
            one = paid_by(payment, str(status_of(payment)))
            total = replace(
                total,
                payments=total.payments + one.payments,
                amount=total.amount + one.amount,
                live=total.live + one.live,
                doubtful=total.doubtful + one.doubtful,
                latest=max(total.latest or 0, one.latest or 0) or None,
            )
        return total

    # --- answers

    def made(self, invoice: Invoice) -> None:
        """A shop is told that this is made."""
        if self.invoices.get(invoice.number) != invoice:
            self._violated(invoice.number, "said to be made, and has not landed")

    def shown(self, seen: Seen) -> None:
        """Somebody outside is shown this."""
        number, shown = seen.invoice.number, seen.status
        known = self.invoices.get(number)
        self._history.note(number, f"shown {seen.invoice.version} {shown} {seen.paid}")
        if known is None or known.version < seen.invoice.version:
            self._violated(number, f"shown version {seen.invoice.version}, which has not landed")
            return
        if known.version == seen.invoice.version and known != seen.invoice:
            self._violated(number, "shown what has not landed")
        ever = len(self._ever_paid.get(number, ()))
        wrong = (
            (shown is InvoiceStatus.PAID and not 0 < known.wanted <= ever)
            or (shown is InvoiceStatus.REVERSED and not ever)
            or (shown is InvoiceStatus.CANCELLED and not known.stopping)
        )
        if wrong:
            self._violated(number, f"shown {shown}, but {self.paid(number)}, {ever} were paid")
        said = self._said.get(number)
        if said in ENDED and shown not in {said, InvoiceStatus.REVERSED}:
            self._history.violated("final", number, f"shown {shown} after {said}")
        if shown is not InvoiceStatus.EXPIRED or known.status is shown:
            self._said[number] = shown  # by the clock alone it is over as long as the clock says so

    def begun(self, number: int, page: str, made: Answer | None) -> None:
        """A customer has pressed the button of this page."""
        match made:
            case Begun(payment=payment):
                last = self._payments.get(number, {}).get(self._begun.get((number, page), 0))
                other = last is not None and last.number != payment.number
                if last is not None and other and status_of(last) not in FINAL:
                    self._violated(number, f"page {page} has begun two payments")
                self._begun[number, page] = payment.number
                if invoice_of(payment) != number:
                    self._violated(number, f"led to a payment of {payment.key}")
            case Elsewhere() | NoGateways():
                self._history.note(number, f"not begun: {type(made).__name__}")
            case None:
                self._violated(number, "it is gone")
            case _:
                self.shown(made)

    def stopped(self, seen: Seen) -> None:
        """A shop that wanted it stopped is told this."""
        self.shown(seen)
        stops = seen.status in {InvoiceStatus.CANCELLED, InvoiceStatus.PROCESSING}
        if stops and not self.invoices[seen.invoice.number].stopping:
            self._violated(seen.invoice.number, f"said to be {seen.status}, and is not stopped")

    # --- the end

    def due(self, now_ms: int) -> dict[int, str]:
        """Invoices of which something is due at this time that is not written down."""
        return {
            number: type(event).__name__
            for number, invoice in self.invoices.items()
            if (event := due_event(invoice, self.paid(number), now_ms)) is not None
        }

    def reread(self, number: int, rows: list[Row], *, is_found: bool) -> None:
        """What the disk gives back in the end, and whether lists find it by its status."""
        if len(rows) != self.invoices[number].version:
            self._history.violated("replay", number, "the disk has forgotten something")
        if not is_found:
            self._history.violated("search", number, "its status does not find it")

    def _violated(self, number: int, what: str) -> None:
        self._history.violated("invoices", number, what)
