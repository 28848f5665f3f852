"""An invoice: what a shop wants paid by whoever has its address, by one payment, by so many, or by as many as come.

Rules:

* Which event is legal in which state stands in `TRANSITIONS`. A missing pair raises `IllegalTransition` and nothing has
  changed; replaying an invoice's events in order gives the invoice.
* An invoice ends only when no payment for it is open any more, so that nothing can be paid for one that has ended.
* What is paid is said by its payments (`Paid`), never by the invoice; `due_event` says what follows from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from gatewayd.core import invoice_events as iv
from gatewayd.core.money import Currency
from gatewayd.core.payment import Payment
from gatewayd.core.states import IllegalTransition
from gatewayd.core.status import HOLDS_ORDER, Status
from gatewayd.core.values import changed

ID: Final = "inv_"
ORDER_CHARS_MAX: Final = 90
"""Of an order id; the payments of an invoice that takes several add their place to it."""


class InvoiceStatus(StrEnum):
    """What an invoice is called outside."""

    OPEN = "open"
    PROCESSING = "processing"
    """Open, and a payment of it is in doubt, or it is being stopped: do not pay it again."""
    PAID = "paid"
    REVERSED = "reversed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


KEPT_STATUSES: Final = tuple(each for each in InvoiceStatus if each is not InvoiceStatus.PROCESSING)
"""Those that stand in the journal; the other one is a moment's."""

_ENDS: Final[Mapping[type[iv.InvoiceEvent], InvoiceStatus]] = {
    iv.InvoicePaid: InvoiceStatus.PAID,
    iv.InvoiceCancelled: InvoiceStatus.CANCELLED,
    iv.InvoiceExpired: InvoiceStatus.EXPIRED,
    iv.InvoiceReversed: InvoiceStatus.REVERSED,
}
TRANSITIONS: Final[Mapping[InvoiceStatus, frozenset[type[iv.InvoiceEvent]]]] = {
    InvoiceStatus.OPEN: frozenset(
        {iv.InvoiceCancelRequested, iv.InvoicePaid, iv.InvoiceCancelled, iv.InvoiceExpired}
    ),
    InvoiceStatus.PAID: frozenset({iv.InvoiceReversed}),
    InvoiceStatus.REVERSED: frozenset(),
    InvoiceStatus.CANCELLED: frozenset(),
    InvoiceStatus.EXPIRED: frozenset(),
}


def line_amount(quantity: int, unit_price: int, discount: int, tax: int) -> int:
    """What a row comes to, in the currency of its parts."""
    return quantity * unit_price - discount + tax


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of an invoice; rial."""

    name: str
    quantity: int
    unit_price: int
    discount: int = 0
    tax: int = 0

    @property
    def amount(self) -> int:
        """What it comes to."""
        return line_amount(self.quantity, self.unit_price, self.discount, self.tax)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """All of it but its payments."""

    number: int
    version: int
    shop: str
    key: str
    test: bool
    order_id: str
    amount: int
    currency: Currency
    created_ms: int
    expires_ms: int
    due_ms: int | None
    wanted: int
    return_url: str
    locale: str
    gateways: tuple[str, ...]
    methods: tuple[str, ...]
    lines: tuple[Line, ...] = ()
    description: str = ""
    payer: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    status: InvoiceStatus = InvoiceStatus.OPEN
    stopping: bool = False
    """Its shop wants it to end."""
    ended_ms: int | None = None
    paid_ms: int | None = None
    payments: int = 0
    """That were paid when it ended."""
    paid_amount: int = 0
    """Rial, of those."""
    latest: int = 0
    """The number of the last of them."""

    @property
    def takes_payments(self) -> bool:
        """Whether a payment may begin for it, as far as it says itself; its time is another matter."""
        return self.status is InvoiceStatus.OPEN and not self.stopping


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """What has become of an invoice's payments."""

    payments: int = 0
    """Those that are paid."""
    amount: int = 0
    """Rial, of those."""
    live: int = 0
    """Those that may still be paid."""
    doubtful: int = 0
    """Of the live ones: a bank's word is out."""
    latest: int | None = None
    """The number of the last one that is open or paid; None: there is none."""


NOTHING_PAID: Final = Paid()
LIVE: Final = HOLDS_ORDER - {Status.PAID}
DOUBTFUL: Final = frozenset({Status.PROCESSING, Status.AUTHORIZED})


def paid_by(payment: Payment, status: str) -> Paid:
    """What one payment of this public status has come to."""
    is_paid = status == Status.PAID
    return Paid(
        payments=int(is_paid),
        amount=payment.amount if is_paid else 0,
        live=int(status in LIVE),
        doubtful=int(status in DOUBTFUL),
        latest=payment.number if is_paid or status in LIVE else None,
    )


def apply(invoice: Invoice | None, event: iv.InvoiceEvent, *, number: int = 0) -> Invoice:
    """The invoice after `event`; IllegalTransition leaves everything as it was. `number` names a new one."""
    if isinstance(event, iv.InvoiceCreated):
        if invoice is not None:
            raise IllegalTransition("InvoiceCreated twice")
        return _created(event, number)
    if invoice is None:
        raise IllegalTransition(f"{event.trigger} before InvoiceCreated")
    if type(event) not in TRANSITIONS[invoice.status]:
        raise IllegalTransition(f"{event.trigger} while {invoice.status}")
    version = invoice.version + 1
    match event:
        case iv.InvoiceCancelRequested():
            if invoice.stopping:
                raise IllegalTransition("InvoiceCancelRequested twice")
            return changed(invoice, version=version, stopping=True)
        case iv.InvoiceEnded():
            if invoice.stopping and isinstance(event, iv.InvoiceExpired):
                raise IllegalTransition("InvoiceExpired of what its shop has stopped")
            if not invoice.stopping and isinstance(event, iv.InvoiceCancelled):
                raise IllegalTransition("InvoiceCancelled without its shop's word")
            paid_ms = event.at_ms if isinstance(event, iv.InvoicePaid) else invoice.paid_ms
            return changed(
                invoice,
                version=version,
                status=_ENDS[type(event)],
                ended_ms=event.at_ms,
                paid_ms=paid_ms,
                payments=event.payments,
                paid_amount=event.amount,
                latest=event.latest,
            )
        case _:
            raise IllegalTransition(f"{event.trigger}: unknown")


def _created(event: iv.InvoiceCreated, number: int) -> Invoice:
    private = event.private
    return Invoice(
        number=number,
        version=1,
        shop=event.shop,
        key=event.key,
        test=event.test,
        order_id=event.order_id,
        amount=event.amount,
        currency=event.currency,
        created_ms=event.at_ms,
        expires_ms=event.expires_ms,
        due_ms=event.due_ms,
        wanted=event.wanted,
        return_url=event.return_url,
        locale=event.locale,
        gateways=event.gateways,
        methods=event.methods,
        lines=tuple(Line(**each) for each in private.get("lines", ())),
        description=private.get("description", ""),
        payer=private.get("payer"),
        metadata=private.get("metadata"),
    )


def due_event(invoice: Invoice, paid: Paid, now_ms: int) -> iv.InvoiceEnded | None:
    """What has to be written down now, as things stand with its payments; None: nothing."""
    what: type[iv.InvoiceEnded] | None = None
    if invoice.status is InvoiceStatus.OPEN:
        if invoice.wanted and paid.payments >= invoice.wanted:
            what = iv.InvoicePaid
        elif paid.live:
            return None  # it may still be paid
        elif invoice.stopping:
            what = iv.InvoiceCancelled
        elif now_ms >= invoice.expires_ms:
            what = iv.InvoiceExpired
    elif invoice.status is InvoiceStatus.PAID and not paid.payments:
        what = iv.InvoiceReversed
    if what is None:
        return None
    return what(at_ms=now_ms, payments=paid.payments, amount=paid.amount, latest=paid.latest or 0)


def status_of(invoice: Invoice, paid: Paid, now_ms: int) -> InvoiceStatus:
    """The public status now, with what is due counted as done."""
    due = due_event(invoice, paid, now_ms)
    if due is not None:
        return _ENDS[type(due)]
    if invoice.status is not InvoiceStatus.OPEN:
        return invoice.status
    full = bool(invoice.wanted) and paid.payments + paid.live >= invoice.wanted
    if invoice.stopping or (full and paid.doubtful):
        return InvoiceStatus.PROCESSING
    return InvoiceStatus.OPEN


def as_it_was(invoice: Invoice) -> tuple[Paid, InvoiceStatus]:
    """What an invoice said of its payments and itself when its last event was written."""
    paid = Paid(
        payments=invoice.payments, amount=invoice.paid_amount, latest=invoice.latest or None
    )
    return paid, InvoiceStatus.PROCESSING if _is_ending(invoice) else invoice.status


def _is_ending(invoice: Invoice) -> bool:
    return invoice.stopping and invoice.status is InvoiceStatus.OPEN


def public_id(number: int) -> str:
    """An invoice's id in the API."""
    return f"{ID}{number}"


def invoice_of(payment: Payment) -> int:
    """The invoice that a payment was made for; 0: none. It stands where other payments have their key's id."""
    return number_in(payment.key)


def number_in(made_by: str) -> int:
    """The invoice's number in what a payment was made by; 0 for everything else, which cannot look like this."""
    return (
        int(made_by[4:]) if made_by[:4] == ID else 0
    )  # half of what startswith costs, per payment
